//! What a simulated fleet was told is stored, against what is: nothing lost, nothing twice.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use simulator::{Address, Fleet, Outcome, Plan, Running};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};

use crate::support::{Server, cli_ok};

/// Longest wait for a server that is back to acknowledge something.
const PATIENCE: Duration = Duration::from_secs(60);

/// A fleet that reports to `url`, which leads to the server of this data folder.
pub async fn fleet(data: &Path, url: &str, agents: u32, interval_ms: u64, seed: u64) -> Running {
    let uses = agents.to_string();
    let words = [
        "enroll-token",
        "create",
        "--cluster",
        "tried",
        "--uses",
        &uses,
    ];
    let token = cli_ok(data, &words);
    let plan = Plan {
        server: Address::parse(url).unwrap(),
        token: Some(protocol::token::EnrollmentToken::parse(&token).unwrap()),
        agents,
        interval_ms,
        seed,
        state: None,
        scenario: None,
        cluster_tokens: BTreeMap::new(),
    };
    Fleet::enroll(plan).await.unwrap().start(3_600_000).unwrap()
}

/// Until the fleet was told of so many more records.
pub async fn wait_for_acknowledgements(running: &Running, more: u64, server: &Server) {
    let began = Instant::now();
    let before = running.progress().acked;
    while running.progress().acked < before + more {
        assert!(
            began.elapsed() < PATIENCE,
            "nothing is acknowledged any more: {:?}\n{}",
            running.progress(),
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap()
}

async fn quick_check(connection: &mut SqliteConnection) -> String {
    sqlx::query_scalar("PRAGMA quick_check")
        .fetch_one(connection)
        .await
        .unwrap()
}

/// How often each (host, epoch, seq) is stored.
async fn stored(data: &Path) -> BTreeMap<(String, u32, u64), i64> {
    let mut state = open(&data.join("state.db")).await;
    let mut metrics = open(&data.join("metrics.db")).await;
    assert_eq!(quick_check(&mut state).await, "ok");
    assert_eq!(quick_check(&mut metrics).await, "ok");
    let hosts: BTreeMap<i64, String> = sqlx::query_as("SELECT no, id FROM host")
        .fetch_all(&mut state)
        .await
        .unwrap()
        .into_iter()
        .collect();
    sqlx::query(
        "SELECT host_no, epoch, seq, COUNT(*), MIN(LENGTH(samples)) FROM sample_tail GROUP BY host_no, epoch, seq",
    )
    .fetch_all(&mut metrics)
    .await
    .unwrap()
    .iter()
    .map(|row| {
        assert!(row.get::<i64, _>(4) > 30, "a record holds its samples");
        let place = (
            hosts[&row.get::<i64, _>(0)].clone(),
            u32::try_from(row.get::<i64, _>(1)).unwrap(),
            u64::try_from(row.get::<i64, _>(2)).unwrap(),
        );
        (place, row.get(3))
    })
    .collect()
}

/// Why something is known to be lost.
async fn gaps(data: &Path) -> Vec<String> {
    let mut metrics = open(&data.join("metrics.db")).await;
    sqlx::query_scalar("SELECT reason FROM gap")
        .fetch_all(&mut metrics)
        .await
        .unwrap()
}

/// Of a fleet that has ended and a server that has: exactly what was acknowledged is stored, each once, and no gap.
/// Gives how many records that are.
pub async fn assert_exactly_once(outcome: &Outcome, data: &Path) -> u64 {
    let summary = &outcome.summary;
    assert_eq!(summary.reports_lost, 0, "{:?}", outcome.problems);
    let acked: BTreeSet<(String, u32, u64)> = outcome
        .agents
        .iter()
        .flat_map(|agent| {
            agent
                .acked_records()
                .map(|(epoch, seq)| (agent.host_id.clone(), epoch, seq))
        })
        .collect();
    let count = acked.len() as u64;
    assert_eq!(count, summary.reports_acked, "each is counted once");
    assert!(outcome.agents.iter().all(|agent| !agent.acked.is_empty()));

    let stored = stored(data).await;
    let doubled: Vec<_> = stored.iter().filter(|(_, count)| **count != 1).collect();
    assert!(doubled.is_empty(), "stored more than once: {doubled:?}");
    let missing: Vec<_> = acked
        .iter()
        .filter(|place| !stored.contains_key(*place))
        .collect();
    assert!(
        missing.is_empty(),
        "acknowledged and not stored: {missing:?}"
    );
    assert_eq!(
        stored.len(),
        acked.len(),
        "all was drained, so nothing else is stored"
    );
    assert!(gaps(data).await.is_empty(), "{:?}", gaps(data).await);
    count
}
