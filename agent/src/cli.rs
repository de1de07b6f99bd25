//! The command line: reads it, gathers settings, calls the command, turns its end into words and an exit code.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Missing, NamedPath, Overrides};
use crate::exit::{Exit, Failure};
use crate::identity::StateFolder;
use crate::{doctor, enroll, install, policy, run, status};

const TOKEN_BYTES_MAX: u64 = 4096;

/// Observes this host and reports to an operations center.
#[derive(Parser)]
#[command(
    name = "oc-agent",
    version,
    propagate_version = true,
    after_help = "Example:\n  oc-agent enroll --server https://ops.example.org --token-file /root/token\n  oc-agent run"
)]
struct Cli {
    #[command(flatten)]
    paths: Paths,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Paths {
    /// Settings; a file named here must exist [default: /etc/oc-agent/agent.toml]
    #[arg(long, value_name = "FILE", global = true, env = "OPSCENTER_CONFIG")]
    config: Option<PathBuf>,
    /// What this host's owner allows [default: /etc/oc-agent/policy.toml]
    #[arg(long, value_name = "FILE", global = true, env = "OPSCENTER_POLICY")]
    policy: Option<PathBuf>,
    /// Identity and what is not acknowledged yet [default: /var/lib/oc-agent]
    #[arg(long, value_name = "DIR", global = true, env = "OPSCENTER_STATE")]
    state: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Make this host known to a server, once
    #[command(
        after_help = "Prints the node id. Repeating it is safe.\n\nExit codes: 0 enrolled, 2 wrong usage or enrolled elsewhere, 3 token refused, 4 another server than the token's, 5 nobody answers\n\nExample:\n  OPSCENTER_TOKEN=oce_… oc-agent enroll --server https://ops.example.org"
    )]
    Enroll(EnrollArgs),
    /// Observe and report until told to stop
    #[command(
        after_help = "Prints `ready NODE_ID` after the first acknowledged report; logs are on stderr. SIGTERM and SIGINT say goodbye, SIGHUP reloads the settings.\n\nExample:\n  oc-agent run --config /etc/oc-agent/agent.toml"
    )]
    Run(RunArgs),
    /// Tell what the state folder knows, without asking the server
    #[command(
        after_help = "Exit codes: 0 well, 1 finding (named on stderr)\n\nExample:\n  oc-agent status --json"
    )]
    Status(OutputArgs),
    /// Install this binary as a service that starts with the host (root)
    #[command(
        after_help = "Says each step. Repeating it is safe; with --server and a token the host is enrolled first.\n\nExit codes: 0 done, 1 not allowed or a step failed, else as `enroll`\n\nExample:\n  sudo oc-agent install --server https://ops.example.org --token-file /root/token"
    )]
    Install(InstallArgs),
    /// Stop the service and take the binary away (root)
    #[command(
        after_help = "Identity and settings stay unless --purge is given.\n\nExample:\n  sudo oc-agent uninstall"
    )]
    Uninstall(UninstallArgs),
    /// Look at everything a working agent needs
    #[command(after_help = "Exit codes: 0 well, 1 finding\n\nExample:\n  oc-agent doctor")]
    Doctor(OutputArgs),
}

#[derive(Args, Clone)]
struct EnrollArgs {
    /// The server's address, such as https://ops.example.org [env: OPSCENTER_SERVER]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Enrollment token; others can see it in the process list, so better use a file or OPSCENTER_TOKEN
    #[arg(long, conflicts_with = "token_file")]
    token: Option<String>,
    /// File that holds the enrollment token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificate authority of the server's certificate, PEM; default: the system's authorities
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Accept that reports can be read on the way: plain http to another machine
    #[arg(long)]
    insecure_http: bool,
    /// Take over this node's place and history (its agent must be gone)
    #[arg(long, value_name = "NODE_ID")]
    replace: Option<String>,
}

#[derive(Args)]
struct PlaceArgs {
    /// Folder above bin/oc-agent
    #[arg(long, value_name = "DIR", default_value = "/usr/local")]
    prefix: PathBuf,
    /// Work beneath this folder instead of /: files only, for packages and tests
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl From<PlaceArgs> for install::Place {
    fn from(args: PlaceArgs) -> Self {
        Self {
            root: args.root,
            prefix: args.prefix,
            is_dry_run: args.dry_run,
        }
    }
}

#[derive(Args)]
struct InstallArgs {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    enroll: EnrollArgs,
}

#[derive(Args)]
struct UninstallArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Take identity, settings and the user too
    #[arg(long)]
    purge: bool,
}

#[derive(Args)]
struct RunArgs {
    /// The server's address [env: OPSCENTER_SERVER] [default: the one enrolled at]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Between two reports, 1s to 1h [env: OPSCENTER_INTERVAL] [default: 10s]
    #[arg(long, value_name = "DURATION")]
    interval: Option<String>,
    /// Certificate authority of the server's certificate, PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
}

#[derive(Args)]
struct OutputArgs {
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
}

/// Runs the program.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap writes help and version to stdout, mistakes to stderr.
            drop(error.print());
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
        }
    };
    match dispatch(cli) {
        Ok(exit) => exit,
        Err(failure) => {
            tell(std::io::stderr(), &format!("oc-agent: {failure}\n"));
            failure.exit
        }
    }
}

/// A closed pipe is no reason to fail.
fn tell(mut out: impl Write, text: &str) {
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let file = NamedPath::or_default(cli.paths.config, config::DEFAULT_CONFIG);
    let policy_path = NamedPath::or_default(cli.paths.policy, config::DEFAULT_POLICY);
    let folder =
        StateFolder::at(&NamedPath::or_default(cli.paths.state, config::DEFAULT_STATE).path);
    match cli.command {
        Command::Enroll(args) => {
            let node_id = enroll_with(&file, &folder, args)?;
            tell(std::io::stdout(), &format!("{node_id}\n"));
            Ok(Exit::Done)
        }
        Command::Install(args) => {
            let place = install::Place::from(args.place);
            let folder = StateFolder::at(&place.state());
            let enroll = || enroll_with(&file, &folder, args.enroll.clone());
            let is_wanted = args.enroll.server.is_some()
                || args.enroll.token.is_some()
                || args.enroll.token_file.is_some();
            install::install(&place, if is_wanted { Some(&enroll) } else { None })?;
            Ok(Exit::Done)
        }
        Command::Uninstall(args) => {
            install::uninstall(&args.place.into(), args.purge)?;
            Ok(Exit::Done)
        }
        Command::Run(args) => {
            let overrides = overrides(&[
                ("server", "--server", args.server),
                ("interval", "--interval", args.interval),
                ("ca_file", "--ca-file", args.ca_file),
            ]);
            run::run(&folder, &|| {
                let config = config::load(&file, &overrides, Missing::NamedMustExist)?;
                Ok((config, load_policy(&policy_path)?))
            })?;
            Ok(Exit::Done)
        }
        Command::Status(args) => {
            let config = config::load(&file, &overrides(&[]), Missing::NamedMustExist)?;
            let status = status::read(&folder, &config, &load_policy(&policy_path)?)?;
            tell(
                std::io::stdout(),
                &shown(&status, args.json, |status| status.table())?,
            );
            for finding in &status.findings {
                tell(std::io::stderr(), &format!("oc-agent: {finding}\n"));
            }
            Ok(verdict(status.findings.is_empty()))
        }
        Command::Doctor(args) => {
            let settings = config::load(&file, &overrides(&[]), Missing::NamedMustExist);
            let report = doctor::examine(&folder, settings, &policy::load(&policy_path.path));
            tell(
                std::io::stdout(),
                &shown(&report, args.json, doctor::Report::table)?,
            );
            Ok(verdict(report.is_well()))
        }
    }
}

fn enroll_with(
    file: &NamedPath,
    folder: &StateFolder,
    args: EnrollArgs,
) -> Result<String, Failure> {
    let overrides = overrides(&[("server", "--server", args.server.clone())]);
    let config = config::load(file, &overrides, Missing::MayBeMissing)?;
    let request = enroll::Request {
        token: token(&args)?,
        ca_file: args.ca_file,
        insecure_http: args.insecure_http,
        replace: args.replace,
    };
    enroll::enroll(&config, folder, &request)
}

fn verdict(is_well: bool) -> Exit {
    if is_well { Exit::Done } else { Exit::Finding }
}

fn shown<T: serde::Serialize>(
    value: &T,
    is_json: bool,
    table: impl Fn(&T) -> String,
) -> Result<String, Failure> {
    if is_json {
        serde_json::to_string(value)
            .map(|text| text + "\n")
            .map_err(|error| Failure::could_not(error.to_string()))
    } else {
        Ok(table(value))
    }
}

fn load_policy(path: &NamedPath) -> Result<policy::Policy, Failure> {
    if path.is_explicit && !path.path.exists() {
        return Err(Failure::usage(format!(
            "{}: the policy file does not exist; create it (an empty one means observe only) or leave out --policy",
            path.path.display()
        )));
    }
    Ok(policy::load(&path.path))
}

/// Flags, and for what they leave open the environment.
fn overrides(flags: &[(&'static str, &'static str, Option<String>)]) -> Overrides {
    const FIELDS: &[(&str, &str)] = &[
        ("server", "OPSCENTER_SERVER"),
        ("ca_file", "OPSCENTER_CA_FILE"),
        ("interval", "OPSCENTER_INTERVAL"),
        ("system", "OPSCENTER_SYSTEM"),
        ("cluster", "OPSCENTER_CLUSTER"),
        ("role", "OPSCENTER_ROLE"),
        ("name", "OPSCENTER_NAME"),
    ];
    let mut overrides = Overrides::default();
    for (field, variable) in FIELDS {
        let by_flag = flags.iter().find_map(|(name, flag, value)| {
            Some((*flag, value.clone()?)).filter(|_| name == field)
        });
        let by_environment = || {
            Some((
                *variable,
                std::env::var(variable).ok().filter(|v| !v.is_empty())?,
            ))
        };
        if let Some((source, value)) = by_flag.or_else(by_environment) {
            overrides.values.push((field, value, source.to_owned()));
        }
    }
    overrides
}

fn token(args: &EnrollArgs) -> Result<Option<String>, Failure> {
    use std::io::Read;
    if let Some(token) = &args.token {
        return Ok(Some(token.clone()));
    }
    let Some(path) = &args.token_file else {
        return Ok(std::env::var("OPSCENTER_TOKEN")
            .ok()
            .filter(|token| !token.is_empty()));
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| {
            Failure::usage(format!(
                "--token-file {} cannot be read: {error}",
                path.display()
            ))
        })?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_has_a_version_and_an_example_of_itself() {
        let mut cli = Cli::command();
        cli.build();
        let commands: Vec<_> = cli
            .get_subcommands()
            .filter(|c| c.get_name() != "help")
            .collect();
        assert!(commands.len() > 4, "{}", commands.len());
        for command in commands {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(
                help.contains("Example") && help.contains(&format!("oc-agent {name}")),
                "{name}: {help}"
            );
            assert!(command.get_version().is_some(), "{name}");
        }
    }
}
