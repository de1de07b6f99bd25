//! `kill -9` of the real agent, again and again, every other time while its server is gone: every number it gave is
//! stored once, or told to be lost.
//!
//! Five times; a hundred with `OPSCENTER_TEST_LONG=1`. Another sequence of moments with `OPSCENTER_TEST_SEED=N`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and watches a real clock"
)]

mod common;
mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use support::{Server, cli_ok};

const PATIENCE: Duration = Duration::from_secs(30);

/// The next moment in ms (SplitMix64): less than three intervals.
fn next_moment_ms(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % 2_500
}

struct Agent {
    program: PathBuf,
    folder: PathBuf,
}

impl Agent {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("OPSCENTER_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).stdin(Stdio::null());
        command.arg("--config").arg(self.folder.join("agent.toml"));
        command.arg("--policy").arg(self.folder.join("policy.toml"));
        command.arg("--state").arg(self.folder.join("state"));
        command
    }

    fn run(&self) -> Running {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"));
        let child = self
            .command(&["run"])
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .spawn();
        Running(child.unwrap())
    }

    fn waiting(&self) -> u64 {
        let output = self.command(&["status", "--json"]).output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        status["spool_records"].as_u64().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// Ended by its own id, also when the test fails.
struct Running(Child);

impl Running {
    /// Waits until a report of this run is acknowledged.
    fn wait_ready(&mut self, agent: &Agent) {
        let mut line = String::new();
        let mut stdout = BufReader::new(self.0.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with("ready "), "{line}\n{}", agent.log());
    }

    fn signal(mut self, signal: Signal) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(pid, signal).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// How often each (epoch, seq) is stored, and how many records are told to be lost.
async fn stored(data: &Path) -> (BTreeMap<(i64, i64), i64>, i64) {
    let mut metrics = SqliteConnectOptions::new()
        .filename(data.join("metrics.db"))
        .connect()
        .await
        .unwrap();
    let rows: Vec<(i64, i64, i64)> =
        sqlx::query_as("SELECT epoch, seq, COUNT(*) FROM sample_tail GROUP BY epoch, seq")
            .fetch_all(&mut metrics)
            .await
            .unwrap();
    let lost = sqlx::query_scalar("SELECT COALESCE(SUM(records), 0) FROM gap")
        .fetch_one(&mut metrics)
        .await
        .unwrap();
    let rows = rows.into_iter().map(|(epoch, seq, n)| ((epoch, seq), n));
    (rows.collect(), lost)
}

#[tokio::test]
async fn no_record_is_lost_or_doubled_when_the_agent_is_killed() {
    const NAME: &str = "no_record_is_lost_or_doubled_when_the_agent_is_killed";
    let program = std::env::var_os("OPSCENTER_BIN_DIR").map(|dir| Path::new(&dir).join("oc-agent"));
    let Some(program) = program.filter(|program| program.is_file()) else {
        common::skipped(NAME, "OPSCENTER_BIN_DIR names no folder with oc-agent");
        return;
    };
    let is_long = std::env::var("OPSCENTER_TEST_LONG").is_ok_and(|value| value == "1");
    let kills = if is_long { 100 } else { 5 };
    let seed = std::env::var("OPSCENTER_TEST_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("OPSCENTER_TEST_SEED={seed}");
    let mut moments = seed;

    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let agent = Agent {
        program,
        folder: temp.path().join("agent"),
    };
    std::fs::create_dir(&agent.folder).unwrap();
    std::fs::write(agent.folder.join("agent.toml"), "interval = \"1s\"\n").unwrap();
    // Named explicitly, so it must exist; an empty one means observe only.
    std::fs::write(agent.folder.join("policy.toml"), "").unwrap();
    let server = Server::start(&data, "127.0.0.1:0");
    let (listen, url) = (server.listen().to_owned(), server.url.clone());
    let mut server = Some(server);
    let token = cli_ok(&data, &["enroll-token", "create", "--cluster", "killed"]);
    let enrolled = agent
        .command(&["enroll", "--server", &url])
        .env("OPSCENTER_TOKEN", token)
        .output()
        .unwrap();
    assert!(enrolled.status.success(), "{enrolled:?}");

    let mut most_waiting = 0;
    for round in 0..kills {
        let mut running = agent.run();
        running.wait_ready(&agent);
        let is_alone = round % 2 == 1;
        if let Some(server) = server.take_if(|_| is_alone) {
            server.kill();
        }
        tokio::time::sleep(Duration::from_millis(next_moment_ms(&mut moments))).await;
        running.signal(Signal::SIGKILL);
        most_waiting = most_waiting.max(agent.waiting());
        if is_alone {
            // Started while the server is gone, it keeps what it measures, and is killed again.
            let alone = agent.run();
            tokio::time::sleep(Duration::from_millis(next_moment_ms(&mut moments))).await;
            alone.signal(Signal::SIGKILL);
            most_waiting = most_waiting.max(agent.waiting());
            server = Some(Server::start(&data, &listen));
        }
    }
    assert!(most_waiting > 0, "never was anything waiting: no load");
    let mut running = agent.run();
    running.wait_ready(&agent);
    let began = Instant::now();
    while agent.waiting() > 0 {
        assert!(began.elapsed() < PATIENCE, "{}", agent.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(running.signal(Signal::SIGTERM), Some(0), "{}", agent.log());
    assert_eq!(agent.waiting(), 0, "{}", agent.log());
    assert!(server.unwrap().stop().success());

    let (stored, lost) = stored(&data).await;
    let doubled: Vec<_> = stored.iter().filter(|(_, count)| **count != 1).collect();
    assert!(doubled.is_empty(), "stored more than once: {doubled:?}");
    assert!(stored.keys().all(|(epoch, _)| *epoch == 1), "one epoch");
    // Numbers rise by one within a boot, so a hole is a record that was given a number and is not here.
    let last = stored.keys().map(|(_, seq)| *seq).max().unwrap();
    let holes: Vec<i64> = (1..=last)
        .filter(|seq| !stored.contains_key(&(1, *seq)))
        .collect();
    println!(
        "{} stored, {lost} told to be lost, holes {holes:?}",
        stored.len()
    );
    // A kill between giving a number and writing the record leaves a hole; it is told.
    assert!(
        holes.len() as i64 <= lost,
        "{holes:?} are missing and {lost} are told to be lost"
    );
}
