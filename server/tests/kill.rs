//! `kill -9` of the server under load, again and again: no acknowledged report is lost, none is stored twice.
//!
//! Twenty times; two hundred with `OPSCENTER_TEST_LONG=1`. Another sequence of moments with `OPSCENTER_TEST_SEED=N`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and watches a real clock"
)]

#[path = "support/ledger.rs"]
mod ledger;
mod support;

use std::time::Duration;

use support::Server;

const AGENTS: u32 = 40;
const INTERVAL_MS: u64 = 200;

/// The next moment, in ms after the server was seen to acknowledge (SplitMix64).
fn next_moment_ms(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % 800
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
    let running = ledger::fleet(&data, &server.url, AGENTS, INTERVAL_MS, seed).await;
    let enough = u64::from(AGENTS) / 2;
    for _ in 0..kills {
        ledger::wait_for_acknowledgements(&running, enough, &server).await;
        tokio::time::sleep(Duration::from_millis(next_moment_ms(&mut moments))).await;
        server.kill();
        server = Server::start(&data, &listen);
    }
    ledger::wait_for_acknowledgements(&running, enough, &server).await;
    running.stopper().stop();
    let outcome = running.finish().await.unwrap();
    println!("{}", outcome.summary.to_json());
    assert!(server.stop().success(), "the last one ends in good order");

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

    let acked = ledger::assert_exactly_once(&outcome, &data).await;
    assert!(
        acked > kills * u64::from(AGENTS),
        "only {acked} acknowledged: no load"
    );
}
