//! The command line: words, help, and what becomes of them.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use utoipa::OpenApi;

use crate::admin::Command;
use crate::config::LogFormat;
use crate::health::damage::DamageWatch;
use crate::web;

mod backup;
mod local;
mod serve;
mod simulate;

use backup::{BackupAction, run_backup};
use local::{
    AgentAction, ApiTokenAction, AuditAction, EnrollTokenAction, NodeAction, UserAction, agent,
    api_token, enroll_token, local, user,
};
use serve::{ConfigAction, ServeArgs, check_config, run_serve};
use simulate::{DemoArgs, SimulateArgs, run_demo, run_simulate};

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

fn complain(text: &str) {
    let _told = writeln!(std::io::stderr().lock(), "operations-center: {text}");
}

fn print(text: &str) {
    let _told = writeln!(std::io::stdout().lock(), "{text}");
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
}
