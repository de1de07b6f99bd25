//! The command line: words, help, and what becomes of them.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use domain::access::Role;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use utoipa::OpenApi;

use crate::admin::{Answer, Command, Secret, socket};
use crate::config::{Flags, LogFormat, Settings};
use crate::enroll::service::NewToken;
use crate::events::Actor;
use crate::health::damage::DamageWatch;
use crate::health::limits::raise_open_files;
use crate::{admin, backup, demo, serve, web};

/// Watches and manages production systems.
#[derive(Debug, Parser)]
#[command(
    name = "operations-center",
    version,
    about,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Example:\n  operations-center serve --data ./data"
)]
pub struct Cli {
    #[command(subcommand)]
    action: ActionArgs,
}

#[derive(Debug, Args)]
struct DataArgs {
    /// Folder with keys and databases
    #[arg(long, env = "OPSCENTER_DATA", default_value = "./data", global = true)]
    data: PathBuf,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ActionArgs {
    /// Run the server
    #[command(
        after_help = "Example:\n  operations-center serve --data ./data --listen 127.0.0.1:7700"
    )]
    Serve(ServeArgs),
    /// Check settings
    #[command(after_help = "Example:\n  operations-center config check --config server.toml")]
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Print the OpenAPI document
    #[command(after_help = "Example:\n  operations-center openapi > openapi.json")]
    Openapi,
    /// People who may sign in
    #[command(
        after_help = "Example:\n  echo 'correct horse battery' | operations-center user create ada --role admin --password-stdin"
    )]
    User {
        #[command(flatten)]
        data: DataArgs,
        #[command(subcommand)]
        action: UserAction,
    },
    /// Tokens of programs
    #[command(
        after_help = "A viewer's token also opens a wallboard, on a screen that nobody signs in at: /wall?kiosk=TOKEN\n\nExample:\n  operations-center api-token create --name dashboard --role viewer --ttl 90d"
    )]
    ApiToken {
        #[command(flatten)]
        data: DataArgs,
        #[command(subcommand)]
        action: ApiTokenAction,
    },
    /// Tokens with which agents become nodes
    #[command(
        after_help = "Example:\n  operations-center enroll-token create --cluster app-eu --uses 14"
    )]
    EnrollToken {
        #[command(flatten)]
        data: DataArgs,
        #[command(subcommand)]
        action: EnrollTokenAction,
    },
    /// Agents and their right to report
    #[command(after_help = "Example:\n  operations-center agent list --json")]
    Agent {
        #[command(flatten)]
        data: DataArgs,
        #[command(subcommand)]
        action: AgentAction,
    },
    /// Nodes
    #[command(after_help = "Example:\n  operations-center node remove n0123456789abcdef")]
    Node {
        #[command(flatten)]
        data: DataArgs,
        #[command(subcommand)]
        action: NodeAction,
    },
    /// The log of all changes
    #[command(after_help = "Example:\n  operations-center audit verify")]
    Audit {
        #[command(flatten)]
        data: DataArgs,
        #[command(subcommand)]
        action: AuditAction,
    },
    /// Copies of everything the server knows
    #[command(
        after_help = "Example:\n  operations-center backup create /mnt/backup/oc.tar && operations-center backup verify /mnt/backup/oc.tar"
    )]
    Backup {
        #[command(flatten)]
        data: DataArgs,
        #[command(subcommand)]
        action: BackupAction,
    },
    /// A fleet of agents that are only simulated, for load and for trying things out
    #[command(
        after_help = "Examples:\n  operations-center simulate --server http://127.0.0.1:7700 --token-file token --agents 100\n  operations-center simulate --server http://127.0.0.1:7700 --token-file token --scenario shop.toml"
    )]
    Simulate(SimulateArgs),
    /// A server with a simulated estate to try out; nothing of it stays
    #[command(
        long_about = "A server with a simulated estate to try out; nothing of it stays.\n\nPrints one line of JSON with url, user and password, then `ready URL` once every host has reported. Ctrl-C or SIGTERM ends it and removes its folder.",
        after_help = "Example:\n  operations-center demo --listen 127.0.0.1:7700 --agents 60"
    )]
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Address and port of this machine; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// How many hosts
    #[arg(long, default_value_t = 60)]
    agents: u32,
}

#[derive(Debug, Args)]
struct ServeArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Args)]
struct SettingsArgs {
    /// Settings file [default: /etc/operations-center/server.toml, if it is there]
    #[arg(long, env = "OPSCENTER_CONFIG")]
    config: Option<PathBuf>,
    /// Address and port; port 0 picks a free one [default: 127.0.0.1:7700]
    #[arg(long, env = "OPSCENTER_LISTEN")]
    listen: Option<String>,
    /// Address under which people and agents reach the server
    #[arg(long, env = "OPSCENTER_PUBLIC_URL")]
    public_url: Option<String>,
    /// Certificate chain (PEM)
    #[arg(long, env = "OPSCENTER_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, env = "OPSCENTER_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Accept plain HTTP beyond this machine
    #[arg(long, env = "OPSCENTER_INSECURE_HTTP", num_args = 0, value_parser = yes_or_no)]
    insecure_http: bool,
    /// Address and port for /metrics without a token; otherwise it is served with one
    #[arg(long, env = "OPSCENTER_METRICS_LISTEN")]
    metrics_listen: Option<String>,
    /// text or json
    #[arg(long, env = "OPSCENTER_LOG")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum ConfigAction {
    /// Print `ok`, or every problem
    #[command(after_help = "Example:\n  operations-center config check --config server.toml")]
    Check(SettingsArgs),
}

#[derive(Debug, Subcommand)]
enum UserAction {
    /// Make a user
    #[command(
        after_help = "Example:\n  echo 'correct horse battery' | operations-center user create ada --role admin --password-stdin"
    )]
    Create {
        /// Sign-in name
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: Role,
        /// Read the password from standard input; one newline at its end is removed
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Change a password; the user's sessions end
    #[command(
        after_help = "Example:\n  operations-center user set-password ada --password-stdin < password"
    )]
    SetPassword {
        /// Sign-in name
        name: String,
        /// Read the password from standard input; one newline at its end is removed
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// List users
    #[command(after_help = "Example:\n  operations-center user list --json")]
    List,
    /// Let a user sign in again
    #[command(after_help = "Example:\n  operations-center user enable ada")]
    Enable {
        /// Sign-in name
        name: String,
    },
    /// Let a user no longer sign in; their sessions end
    #[command(after_help = "Example:\n  operations-center user disable ada")]
    Disable {
        /// Sign-in name
        name: String,
    },
    /// Remove a user; their name stays in the log
    #[command(after_help = "Example:\n  operations-center user delete ada")]
    Delete {
        /// Sign-in name
        name: String,
    },
}

#[derive(Debug, Subcommand)]
enum ApiTokenAction {
    /// Make a token; it is printed once
    #[command(
        after_help = "Example:\n  operations-center api-token create --name dashboard --role viewer --ttl 90d"
    )]
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: Role,
        /// How long it works
        #[arg(long, default_value = "30d")]
        ttl: String,
    },
    /// List tokens
    #[command(after_help = "Example:\n  operations-center api-token list --json")]
    List,
    /// Take a token back
    #[command(after_help = "Example:\n  operations-center api-token revoke a0123456789abcdef")]
    Revoke {
        /// Id of the token
        id: String,
    },
}

#[derive(Debug, Subcommand)]
enum EnrollTokenAction {
    /// Make a token; it is printed once
    #[command(
        after_help = "Example:\n  operations-center enroll-token create --cluster app-eu --uses 14"
    )]
    Create {
        /// Cluster of its nodes; made when missing
        #[arg(long)]
        cluster: String,
        /// System of the cluster; made when missing
        #[arg(long, default_value = "default")]
        system: String,
        /// Role of its nodes in the cluster
        #[arg(long)]
        node_role: Option<String>,
        /// How long it works
        #[arg(long, default_value = "10m")]
        ttl: String,
        /// How many nodes may use it
        #[arg(long, default_value_t = 1)]
        uses: i64,
        /// Its nodes wait for an administrator
        #[arg(long)]
        review: bool,
        /// Its hosts, and servers found on them, may go into the clusters that their own configuration names
        #[arg(long)]
        allow_suggestions: bool,
    },
    /// List tokens
    #[command(after_help = "Example:\n  operations-center enroll-token list --json")]
    List,
    /// Take a token back
    #[command(after_help = "Example:\n  operations-center enroll-token revoke e0123456789abcdef")]
    Revoke {
        /// Id of the token
        id: String,
    },
}

#[derive(Debug, Subcommand)]
enum AgentAction {
    /// List agents
    #[command(after_help = "Example:\n  operations-center agent list --json")]
    List,
    /// Say yes to an agent that waits for review
    #[command(after_help = "Example:\n  operations-center agent approve n0123456789abcdef")]
    Approve {
        /// Id of agent or node
        id: String,
    },
    /// Take an agent's right to report, at once
    #[command(after_help = "Example:\n  operations-center agent revoke n0123456789abcdef")]
    Revoke {
        /// Id of agent or node
        id: String,
    },
}

#[derive(Debug, Subcommand)]
enum NodeAction {
    /// Take a node out of view; its history stays
    #[command(after_help = "Example:\n  operations-center node remove n0123456789abcdef")]
    Remove {
        /// Id of the node
        id: String,
    },
}

#[derive(Debug, Subcommand)]
enum AuditAction {
    /// Print `ok COUNT`, or the first entry that was changed
    #[command(after_help = "Example:\n  operations-center audit verify")]
    Verify,
}

#[derive(Debug, Subcommand)]
enum BackupAction {
    /// Write a backup, also while the server runs
    #[command(after_help = "Example:\n  operations-center backup create /mnt/backup/oc.tar")]
    Create {
        /// File to write; it must not exist
        file: PathBuf,
    },
    /// Check a backup: digests, databases, audit log
    #[command(after_help = "Example:\n  operations-center backup verify /mnt/backup/oc.tar")]
    Verify {
        /// A backup
        file: PathBuf,
    },
    /// Put a backup into an empty folder
    #[command(
        after_help = "Example:\n  operations-center backup restore /mnt/backup/oc.tar --data ./restored"
    )]
    Restore {
        /// A backup
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct SimulateArgs {
    /// Address of the server
    #[arg(long, env = "OPSCENTER_SERVER")]
    server: String,
    /// Enrollment token with as many uses as agents [env: OPSCENTER_TOKEN]
    #[arg(long, conflicts_with = "token_file")]
    token: Option<String>,
    /// File with the token
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// How many; with a scenario as many as it has, unless said otherwise
    #[arg(long, required_unless_present = "scenario")]
    agents: Option<u32>,
    /// File with clusters, traffic and failures (TOML)
    #[arg(long)]
    scenario: Option<PathBuf>,
    /// Between two reports of one agent
    #[arg(long, default_value = "10s")]
    interval: String,
    /// How long
    #[arg(long, default_value = "60s")]
    duration: String,
    /// The same number gives the same values
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder that keeps identities for the next run
    #[arg(long)]
    state: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            // Nobody to tell when even that cannot be printed.
            let _told = error.print();
            return ExitCode::from(if wrong { 2 } else { 0 });
        }
    };
    let code = match cli.action {
        ActionArgs::Serve(args) => run_serve(&args),
        ActionArgs::Config {
            action: ConfigAction::Check(args),
        } => check_config(&args),
        ActionArgs::Openapi => print_openapi(),
        ActionArgs::User { data, action } => user(&data, action),
        ActionArgs::ApiToken { data, action } => local(&data, api_token(action)),
        ActionArgs::EnrollToken { data, action } => local(&data, enroll_token(action)),
        ActionArgs::Agent { data, action } => local(&data, agent(action)),
        ActionArgs::Node {
            data,
            action: NodeAction::Remove { id },
        } => local(&data, Command::NodeRemove { id }),
        ActionArgs::Audit {
            data,
            action: AuditAction::Verify,
        } => local(&data, Command::AuditVerify),
        ActionArgs::Backup { data, action } => run_backup(&data, action),
        ActionArgs::Simulate(args) => run_simulate(args),
        ActionArgs::Demo(args) => run_demo(&args),
    };
    ExitCode::from(code)
}

/// A flag's value from the environment; whoever sets it to nothing has not set it.
fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("write true or false".to_owned()),
    }
}

fn complain(text: &str) {
    let _told = writeln!(std::io::stderr().lock(), "operations-center: {text}");
}

fn print(text: &str) {
    let _told = writeln!(std::io::stdout().lock(), "{text}");
}

impl SettingsArgs {
    fn load(&self) -> Result<Settings, crate::config::ConfigErrors> {
        Settings::load(&Flags {
            config: self.config.clone(),
            listen: self.listen.clone(),
            public_url: self.public_url.clone(),
            tls_cert: self.tls_cert.clone(),
            tls_key: self.tls_key.clone(),
            insecure_http: self.insecure_http,
            metrics_listen: self.metrics_listen.clone(),
            log: self.log.clone(),
        })
    }
}

fn check_config(args: &SettingsArgs) -> u8 {
    match args.load() {
        Ok(_) => {
            print("ok");
            0
        }
        Err(problems) => {
            for problem in &problems.0 {
                complain(problem);
            }
            2
        }
    }
}

fn print_openapi() -> u8 {
    match web::openapi::Document::openapi().to_pretty_json() {
        Ok(text) => {
            print(&text);
            0
        }
        Err(error) => {
            complain(&format!("the OpenAPI document cannot be written: {error}"));
            1
        }
    }
}

/// Starts the log; the token is cancelled once a damaged database is told of in it.
fn start_log(format: LogFormat, usual: &str) -> CancellationToken {
    let filter = tracing_subscriber::EnvFilter::try_from_env("OPSCENTER_LOG_FILTER")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(usual));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let watch = DamageWatch::default();
    let damage = watch.0.clone();
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        // Whatever is shown; errors are never below a warning.
        .with(watch.with_filter(LevelFilter::WARN))
        .init();
    damage
}

fn runtime() -> Result<tokio::runtime::Runtime, u8> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            complain(&format!("threads cannot be started: {error}"));
            1
        })
}

fn run_serve(args: &ServeArgs) -> u8 {
    let settings = match args.settings.load() {
        Ok(settings) => settings,
        Err(problems) => {
            for problem in &problems.0 {
                complain(problem);
            }
            return 2;
        }
    };
    let damage = start_log(settings.log, "info");
    tracing::debug!(open_files_max = raise_open_files(), "limits raised");
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed before");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    match runtime.block_on(serve::serve(&args.data.data, settings, damage)) {
        Ok(()) => 0,
        Err(error) => {
            complain(&chain(&error));
            error.exit_code()
        }
    }
}

/// An error with what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

fn user(data: &DataArgs, action: UserAction) -> u8 {
    let command = match action {
        UserAction::Create { name, role, .. } => {
            read_password().map(|password| Command::UserCreate {
                name,
                role,
                password,
            })
        }
        UserAction::SetPassword { name, .. } => {
            read_password().map(|password| Command::UserSetPassword { name, password })
        }
        UserAction::List => Ok(Command::UserList),
        UserAction::Enable { name } => Ok(Command::UserEnable { name }),
        UserAction::Disable { name } => Ok(Command::UserDisable { name }),
        UserAction::Delete { name } => Ok(Command::UserDelete { name }),
    };
    match command {
        Ok(command) => local(data, command),
        Err(problem) => {
            complain(&problem);
            2
        }
    }
}

/// Everything on standard input but one newline at its end.
fn read_password() -> Result<Secret, String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| format!("the password cannot be read from standard input: {error}"))?;
    let password = text.strip_suffix('\n').map_or(text.as_str(), |text| {
        text.strip_suffix('\r').unwrap_or(text)
    });
    if password.is_empty() {
        return Err("standard input holds no password; pipe one in, such as `echo 'correct horse battery' | …`".to_owned());
    }
    Ok(Secret(password.to_owned()))
}

fn api_token(action: ApiTokenAction) -> Command {
    match action {
        ApiTokenAction::Create { name, role, ttl } => Command::ApiTokenCreate { name, role, ttl },
        ApiTokenAction::List => Command::ApiTokenList,
        ApiTokenAction::Revoke { id } => Command::ApiTokenRevoke { id },
    }
}

fn enroll_token(action: EnrollTokenAction) -> Command {
    match action {
        EnrollTokenAction::Create {
            cluster,
            system,
            node_role,
            ttl,
            uses,
            review,
            allow_suggestions,
        } => Command::EnrollTokenCreate(NewToken {
            system,
            cluster,
            node_role,
            ttl,
            uses,
            review,
            allows_suggestions: allow_suggestions,
        }),
        EnrollTokenAction::List => Command::EnrollTokenList,
        EnrollTokenAction::Revoke { id } => Command::EnrollTokenRevoke { id },
    }
}

fn agent(action: AgentAction) -> Command {
    match action {
        AgentAction::List => Command::AgentList,
        AgentAction::Approve { id } => Command::AgentApprove { id },
        AgentAction::Revoke { id } => Command::AgentRevoke { id },
    }
}

/// Gives a command to the running server, or does it on the folder itself.
fn local(data: &DataArgs, command: Command) -> u8 {
    let answer = match socket::ask(&data.data, &command) {
        Ok(Some(answer)) => answer,
        Ok(None) => match without_server(&data.data, &command) {
            Ok(answer) => answer,
            Err(problem) => Answer::failed(1, problem),
        },
        Err(error) => Answer::failed(1, format!("the running server cannot be asked: {error}")),
    };
    if let Some(error) = &answer.error {
        complain(error);
    }
    let has_result = answer.exit == 0 || !answer.json.is_null();
    if data.json && has_result {
        print(&answer.json.to_string());
    } else if !answer.text.is_empty() {
        print(&answer.text);
    }
    answer.exit
}

fn without_server(data: &Path, command: &Command) -> Result<Answer, String> {
    let runtime = runtime().map_err(|_| "threads cannot be started".to_owned())?;
    runtime.block_on(async {
        match serve::open_for_command(data).await {
            Ok(ops) => {
                let uid = nix::unistd::getuid().as_raw();
                let answer = admin::execute::execute(&ops, uid, command.clone()).await;
                ops.close().await;
                Ok(answer)
            }
            // A server may have started while we waited for the lock.
            Err(error) if serve::is_locked(&error) => match socket::ask(data, command) {
                Ok(Some(answer)) => Ok(answer),
                _ => Err(error.to_string()),
            },
            Err(error) => Err(chain(&error)),
        }
    })
}

fn run_backup(data: &DataArgs, action: BackupAction) -> u8 {
    let result = match action {
        BackupAction::Create { file } => {
            return match std::path::absolute(&file) {
                Ok(file) => local(data, Command::BackupCreate { file }),
                Err(error) => {
                    complain(&format!("{}: {error}", file.display()));
                    2
                }
            };
        }
        BackupAction::Verify { file } => {
            runtime().map(|runtime| runtime.block_on(backup::verify::verify(&file)))
        }
        BackupAction::Restore { file } => {
            let who = Actor::CommandLine(nix::unistd::getuid().as_raw());
            runtime()
                .map(|runtime| runtime.block_on(backup::restore::restore(&file, &data.data, who)))
        }
    };
    match result {
        Ok(Ok(verified)) => {
            let manifest = &verified.manifest;
            let made = domain::time::format_utc(domain::time::Timestamp(manifest.created_at_ms));
            if data.json {
                let json = serde_json::json!({ "ok": true, "version": manifest.version,
                    "created_at_ms": manifest.created_at_ms, "events": verified.events, "files": manifest.files });
                print(&json.to_string());
            } else {
                print(&format!(
                    "ok, made {made} by version {}, {} events",
                    manifest.version, verified.events
                ));
            }
            0
        }
        Ok(Err(error)) => {
            complain(&chain(&error));
            1
        }
        Err(code) => code,
    }
}

fn run_demo(args: &DemoArgs) -> u8 {
    let demo = match demo::Demo::new(&args.listen, args.agents) {
        Ok(demo) => demo,
        Err(error) => {
            complain(&error.to_string());
            return error.exit_code();
        }
    };
    let damage = start_log(LogFormat::Text, "warn");
    raise_open_files();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    match runtime.block_on(demo.run(damage, print)) {
        Ok(()) => 0,
        Err(error) => {
            complain(&chain(&error));
            error.exit_code()
        }
    }
}

fn run_simulate(args: SimulateArgs) -> u8 {
    let (plan, duration_ms) = match simulation(&args) {
        Ok(asked) => asked,
        Err(problems) => {
            for problem in &problems {
                complain(problem);
            }
            return 2;
        }
    };
    raise_open_files();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    match runtime.block_on(simulate(plan, duration_ms)) {
        Ok(outcome) => {
            for (problem, count) in &outcome.problems {
                complain(&format!("{count} × {problem}"));
            }
            print(&if args.json {
                outcome.summary.to_json()
            } else {
                outcome.summary.to_table()
            });
            outcome.summary.exit_code()
        }
        Err(error) => {
            complain(&error.to_string());
            error.exit_code()
        }
    }
}

/// What was asked for, or every problem of it.
fn simulation(args: &SimulateArgs) -> Result<(simulator::Plan, u64), Vec<String>> {
    let mut problems = Vec::new();
    let mut duration = |flag: &str, text: &str| {
        let parsed = domain::time::parse_duration_ms(text).map_err(|error| error.to_string());
        parsed
            .and_then(|ms| u64::try_from(ms).map_err(|error| error.to_string()))
            .map_err(|error| problems.push(format!("{flag}: {error}")))
    };
    let interval_ms = duration("--interval", &args.interval);
    let duration_ms = duration("--duration", &args.duration);
    let server = simulator::Address::parse(&args.server)
        .map_err(|error| problems.push(format!("--server: {error}")));
    let text = match &args.token_file {
        Some(file) => std::fs::read_to_string(file).map(Some).map_err(|error| {
            problems.push(format!("--token-file {}: {error}", file.display()));
        }),
        // Not clap's to read: a file named here goes before the environment, and conflicts only with the flag.
        None => Ok(args
            .token
            .clone()
            .or_else(|| std::env::var("OPSCENTER_TOKEN").ok())),
    };
    let token = text.and_then(|text| {
        text.map(|text| protocol::token::EnrollmentToken::parse(&text))
            .transpose()
            .map_err(|error| problems.push(error.to_string()))
    });
    let scenario = scenario(args.scenario.as_deref()).map_err(|problem| problems.push(problem));
    let (Ok(server), Ok(token), Ok(interval_ms), Ok(duration_ms), Ok(scenario)) =
        (server, token, interval_ms, duration_ms, scenario)
    else {
        return Err(problems);
    };
    let own_agents = scenario.as_ref().map_or(0, simulator::Scenario::nodes);
    let plan = simulator::Plan {
        server,
        token,
        agents: args.agents.unwrap_or(own_agents),
        interval_ms,
        seed: args.seed,
        state: args.state.clone(),
        scenario,
        cluster_tokens: std::collections::BTreeMap::new(),
    };
    Ok((plan, duration_ms))
}

/// Reads a scenario file, where one is named.
fn scenario(path: Option<&Path>) -> Result<Option<simulator::Scenario>, String> {
    let Some(path) = path else { return Ok(None) };
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| format!("--scenario {shown}: {e}"))?;
    let read = simulator::scenario::read(&text);
    read.map(Some)
        .map_err(|error| format!("--scenario {shown}:\n{error}"))
}

/// Runs a fleet; SIGINT and SIGTERM end it early, in good order.
async fn simulate(
    plan: simulator::Plan,
    duration_ms: u64,
) -> Result<simulator::Outcome, simulator::StartError> {
    use tokio::signal::unix::{SignalKind, signal};
    let running = simulator::Fleet::enroll(plan).await?.start(duration_ms)?;
    if let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        let ending = running.stopper();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            ending.stop();
        });
    }
    running.finish().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The whole tree, each command by its words.
    fn commands(command: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
        let words = format!("{words} {}", command.get_name());
        found.push((words.clone(), command.clone()));
        for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
            commands(below, &words, found);
        }
    }

    #[test]
    fn every_command_has_a_version_and_an_example_of_itself() {
        let mut cli = Cli::command();
        cli.build();
        let mut found = Vec::new();
        commands(&cli, "", &mut found);
        assert!(found.len() > 30, "{}", found.len());
        for (words, command) in found {
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(
                help.contains("Example") && help.contains(&words),
                "{words}: {help}"
            );
            assert!(command.get_version().is_some(), "{words}");
        }
    }

    #[test]
    fn a_token_comes_from_one_place() {
        let given = |more: &[&str]| {
            let words = "operations-center simulate --server http://127.0.0.1:1 --agents 1";
            Cli::try_parse_from(words.split(' ').chain(more.iter().copied()))
        };
        assert!(given(&["--token", "x"]).is_ok() && given(&["--token-file", "F"]).is_ok());
        let refused = given(&["--token", "x", "--token-file", "F"]).unwrap_err();
        assert_eq!(refused.kind(), clap::error::ErrorKind::ArgumentConflict);
    }

    #[test]
    fn a_flag_of_the_environment_is_yes_or_no() {
        for (text, wanted) in [
            ("1", Some(true)),
            ("TRUE", Some(true)),
            ("", Some(false)),
            ("off", Some(false)),
            ("maybe", None),
        ] {
            assert_eq!(yes_or_no(text).ok(), wanted, "{text}");
        }
    }
}
