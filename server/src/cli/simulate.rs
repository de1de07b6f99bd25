//! Simulated fleets: for load, and with a server of their own to try out.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{chain, complain, print, runtime, start_log};
use crate::config::LogFormat;
use crate::demo;
use crate::health::limits::raise_open_files;

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Address and port of this machine; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// How many hosts
    #[arg(long, default_value_t = 60)]
    agents: u32,
}

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
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

pub(super) fn run_demo(args: &DemoArgs) -> u8 {
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

pub(super) fn run_simulate(args: SimulateArgs) -> u8 {
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
