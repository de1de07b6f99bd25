//! `kill -9` of the server under load, again and again: no acknowledged report is lost, none is stored twice.
//!
//! Twenty times; two hundred with `OPSCENTER_TEST_LONG=1`. Another sequence of moments with `OPSCENTER_TEST_SEED=N`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and watches a real clock"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use simulator::{Address, Fleet, Plan, Running};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use support::{Server, cli_ok};

const AGENTS: u32 = 40;
const INTERVAL_MS: u64 = 200;
/// Longest wait for a server that is back to acknowledge something.
const PATIENCE: Duration = Duration::from_secs(30);

/// The next moment, in ms after the server was seen to acknowledge (SplitMix64).
fn next_moment_ms(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % 800
}

async fn wait_for_acknowledgements(running: &Running, server: &Server) {
    let began = Instant::now();
    let before = running.progress().acked;
    while running.progress().acked < before + u64::from(AGENTS) / 2 {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_report_is_lost_or_doubled_when_the_server_is_killed() {
    let kills: u64 = match std::env::var("OPSCENTER_TEST_LONG") {
        Ok(value) if value == "1" => 200,
        _ => 20,
    };
    let seed = std::env::var("OPSCENTER_TEST_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("OPSCENTER_TEST_SEED={seed}");
    let mut moments = seed;

    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let mut server = Server::start(&data, "127.0.0.1:0");
    let listen = server.listen().to_owned();
    let uses = AGENTS.to_string();
    let token = cli_ok(
        &data,
        &[
            "enroll-token",
            "create",
            "--cluster",
            "killed",
            "--uses",
            &uses,
        ],
    );
    let plan = Plan {
        server: Address::parse(&server.url).unwrap(),
        token: Some(protocol::token::EnrollmentToken::parse(&token).unwrap()),
        agents: AGENTS,
        interval_ms: INTERVAL_MS,
        seed,
        state: None,
        scenario: None,
        cluster_tokens: BTreeMap::new(),
    };
    let running = Fleet::enroll(plan).await.unwrap().start(3_600_000).unwrap();
    for _ in 0..kills {
        wait_for_acknowledgements(&running, &server).await;
        tokio::time::sleep(Duration::from_millis(next_moment_ms(&mut moments))).await;
        server.kill();
        server = Server::start(&data, &listen);
    }
    wait_for_acknowledgements(&running, &server).await;
    running.stopper().stop();
    let outcome = running.finish().await.unwrap();
    println!("{}", outcome.summary.to_json());
    assert!(server.stop().success(), "the last one ends in good order");

    let summary = &outcome.summary;
    assert_eq!(summary.reports_lost, 0, "{:?}", outcome.problems);
    let interrupted: u64 = outcome
        .problems
        .iter()
        .filter(|(words, _)| words.starts_with("connecting") || words.starts_with("the connection"))
        .map(|(_, count)| count)
        .sum();
    assert!(
        interrupted >= kills,
        "the kills were felt: {:?}",
        outcome.problems
    );

    let acked: BTreeSet<(String, u32, u64)> = outcome
        .agents
        .iter()
        .flat_map(|agent| {
            agent
                .acked_records()
                .map(|(epoch, seq)| (agent.host_id.clone(), epoch, seq))
        })
        .collect();
    assert_eq!(
        acked.len() as u64,
        summary.reports_acked,
        "each is counted once"
    );
    assert!(
        acked.len() as u64 > kills * u64::from(AGENTS),
        "only {} acknowledged: no load",
        acked.len()
    );
    assert!(outcome.agents.iter().all(|agent| !agent.acked.is_empty()));

    let stored = stored(&data).await;
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
    assert!(gaps(&data).await.is_empty(), "{:?}", gaps(&data).await);
}
