//! Days that are worse than others: a line that fails in the middle of things, clients that stall, a disk that is full.
//! What was acknowledged is stored, once, and who does nothing wrong is served. Beside them, because all of these wait more
//! than they work: services of a real systemd.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and watches a real clock"
)]

mod common;
#[path = "support/hosts.rs"]
mod hosts;
#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/line.rs"]
mod line;
#[path = "support/real_systemd.rs"]
mod real_systemd;
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use line::Line;
use simulator::{Outcome, Running};
use support::{Server, program};

const AGENTS: u32 = 30;
const INTERVAL_MS: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(30);

async fn end(running: Running) -> Outcome {
    running.stopper().stop();
    running.finish().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_line_that_cuts_delays_repeats_and_is_gone_nothing_is_lost_or_doubled() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let server = Server::start(&data, "127.0.0.1:0");
    let line = Line::to(server.listen().parse().unwrap()).await;
    let running = ledger::fleet(&data, &line.url, AGENTS, INTERVAL_MS, 7).await;
    let all = u64::from(AGENTS);
    ledger::wait_for_acknowledgements(&running, all, &server).await;

    line.set_faulty(true);
    let began = Instant::now();
    while line.done().iter().any(|times| *times < 8) {
        assert!(began.elapsed() < PATIENCE, "{:?}", line.done());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Gone altogether, with requests under way.
    line.set_away(true);
    let before = running.progress();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let after = running.progress();
    assert!(after.sent > before.sent, "sampling goes on");
    line.set_away(false);
    ledger::wait_for_acknowledgements(&running, all, &server).await;
    line.set_faulty(false);
    ledger::wait_for_acknowledgements(&running, all, &server).await;

    let outcome = end(running).await;
    println!("{:?} {:?}", line.done(), outcome.problems);
    assert!(server.stop().success());
    ledger::assert_exactly_once(&outcome, &data).await;
}

/// A stranger who has connected and sent this.
fn stalled(listen: &str, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(listen).unwrap();
    stream.write_all(sent).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_stall_hold_up_nobody() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let server = Server::start(&data, "127.0.0.1:0");
    let running = ledger::fleet(&data, &server.url, 10, INTERVAL_MS, 7).await;
    let listen = server.listen().to_owned();
    let half = b"POST /agent/v1/report HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n";
    let mut body = half.to_vec();
    body.extend_from_slice(b"content-type: application/cbor\r\n\r\nonly this");
    let mut strangers = Vec::new();
    for _ in 0..100 {
        // Half-open as seen from here: nothing comes, and nothing tells that nothing will.
        strangers.push(stalled(&listen, b""));
        strangers.push(stalled(&listen, &half[..20]));
        strangers.push(stalled(&listen, half));
        strangers.push(stalled(&listen, &body));
    }
    // These ask for much and read nothing of it, until the server can write no more.
    let asked = b"GET /login HTTP/1.1\r\nhost: x\r\n\r\n".repeat(400);
    strangers.extend((0..8).map(|_| stalled(&listen, &asked)));

    ledger::wait_for_acknowledgements(&running, 200, &server).await;
    let mut person = stalled(&listen, b"GET /login HTTP/1.0\r\nhost: x\r\n\r\n");
    person.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut page = String::new();
    person.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.0 200"), "{page:.200}");
    let is_there = |stranger: &&TcpStream| stranger.peer_addr().is_ok();
    assert_eq!(strangers.iter().filter(is_there).count(), 408);

    let outcome = end(running).await;
    drop(strangers);
    assert!(server.stop().success());
    ledger::assert_exactly_once(&outcome, &data).await;
}

/// Why there can be no small disk here, if so.
fn no_small_disk() -> Option<&'static str> {
    let made = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t tmpfs -o size=1m none /tmp"])
        .status();
    let is_made = made.is_ok_and(|status| status.success());
    (!is_made).then_some("a disk of its own size needs root and `unshare`")
}

/// A server whose disk of 48 MiB is its alone, and ends with it; and its folder, as the server sees it.
fn on_a_small_disk(temp: &Path) -> (Server, PathBuf) {
    let data = temp.join("data");
    std::fs::create_dir(&data).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=48m,mode=700 none '{0}' && exec \"$0\" \"$@\"",
        data.display()
    );
    let inner = program(&["serve", "--listen", "127.0.0.1:0"]);
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", &script])
        .arg(inner.get_program())
        .args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let server = Server::start_command(&data, command);
    let seen = PathBuf::from(format!("/proc/{}/root{}", server.pid(), data.display()));
    (server, seen)
}

/// Takes all that is free.
fn fill(disk: &Path) {
    let mut filler = std::fs::File::options()
        .create(true)
        .append(true)
        .open(disk.join("filler"))
        .unwrap();
    while filler.write(&[7; 4096]).is_ok() {}
}

async fn until(what: &str, server: &Server, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// One request, and all of its answer.
fn ask(server: &Server, method: &str, path: &str, more: &str, body: &str) -> String {
    let origin = &server.url;
    let request = format!(
        "{method} {path} HTTP/1.0\r\nhost: {}\r\norigin: {origin}\r\ncontent-length: {}\r\n{more}\r\n{body}",
        server.listen(),
        body.len()
    );
    let mut stream = stalled(server.listen(), request.as_bytes());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Signs in, and gives the cookie.
fn sign_in(server: &Server) -> String {
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let body = "user=ann&password=correct+horse+battery&next=%2F";
    let answer = ask(server, "POST", "/login", form, body);
    assert!(
        answer.starts_with("HTTP/1.0 303"),
        "{answer}\n{}",
        server.log()
    );
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap();
    format!("cookie: {cookie}\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_people_sign_in_and_what_happens_is_known() {
    const NAME: &str = "on_a_full_disk_people_sign_in_and_what_happens_is_known";
    if let Some(reason) = no_small_disk() {
        return common::skipped(NAME, reason);
    }
    let temp = tempfile::tempdir().unwrap();
    let (server, disk) = on_a_small_disk(temp.path());
    let running = ledger::fleet(&disk, &server.url, 10, INTERVAL_MS, 7).await;
    let added = support::cli_with_input(
        &disk,
        &[
            "user",
            "create",
            "ann",
            "--role",
            "admin",
            "--password-stdin",
        ],
        "correct horse battery",
    );
    assert!(added.status.success(), "{added:?}");
    let token = support::cli_ok(
        &disk,
        &["api-token", "create", "--name", "t", "--role", "viewer"],
    );
    let token = format!("authorization: Bearer {token}\r\n");
    let about = |server: &Server| -> serde_json::Value {
        let answer = ask(server, "GET", "/api/v1/about", &token, "");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let ballast = disk.join("ballast");
    until("no ballast is made", &server, || {
        about(&server)["disk_ballast_bytes"] == 3 << 20
    })
    .await;
    let kept = || std::fs::metadata(&ballast).map_or(0, |found| found.len());
    assert_eq!(kept(), 3 << 20);

    fill(&disk);
    until("the ballast is kept", &server, || kept() == 0).await;
    // Whoever fills the disk takes that, too.
    fill(&disk);
    until("it is not known to be full", &server, || {
        about(&server)["disk_level"] == "critical"
    })
    .await;
    let cookies: Vec<String> = (0..5).map(|_| sign_in(&server)).collect();
    support::cli_ok(&disk, &["enroll-token", "create", "--cluster", "later"]);
    let backup = disk.join("backup.tar");
    let refused = support::cli(&disk, &["backup", "create", backup.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("reports must still find room"), "{said}");
    for cookie in &cookies {
        let page = ask(&server, "GET", "/", cookie, "");
        assert!(page.contains("The disk of this server is full"), "{page}");
    }
    let events = ask(&server, "GET", "/api/v1/events", &token, "");
    assert!(events.contains("ok → critical"), "{events}");
    let acked = running.progress().acked;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(running.progress().acked, acked, "reports are refused");

    std::fs::remove_file(disk.join("filler")).unwrap();
    until("the ballast is not made again", &server, || {
        kept() == 3 << 20
    })
    .await;
    let level = about(&server);
    assert_eq!(level["disk_level"], "ok", "{level}");
    let events = ask(&server, "GET", "/api/v1/events", &token, "");
    assert!(events.contains("critical → ok"), "{events}");
    let page = ask(&server, "GET", "/", &cookies[0], "");
    assert!(!page.contains("The disk of this server"), "{page}");
    ledger::wait_for_acknowledgements(&running, 30, &server).await;

    let outcome = end(running).await;
    assert_eq!(outcome.summary.reports_lost, 0, "{:?}", outcome.problems);
    assert!(server.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_nothing_is_acknowledged_and_nothing_is_lost() {
    const NAME: &str = "on_a_full_disk_nothing_is_acknowledged_and_nothing_is_lost";
    if let Some(reason) = no_small_disk() {
        return common::skipped(NAME, reason);
    }
    let temp = tempfile::tempdir().unwrap();
    let (server, disk) = on_a_small_disk(temp.path());
    let running = ledger::fleet(&disk, &server.url, 10, INTERVAL_MS, 7).await;
    ledger::wait_for_acknowledgements(&running, 30, &server).await;

    fill(&disk);
    // What the databases have still room for in their own pages may be taken; then nothing is.
    let began = Instant::now();
    let mut acked = running.progress().acked;
    loop {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let now = running.progress().acked;
        if now == acked {
            break;
        }
        acked = now;
        assert!(began.elapsed() < PATIENCE, "it is never full");
        fill(&disk);
    }
    std::fs::remove_file(disk.join("filler")).unwrap();

    // What waited is taken, without a restart, once the half minute is over that the refusal asked for.
    ledger::wait_for_acknowledgements(&running, 30, &server).await;

    let outcome = end(running).await;
    let refused = |(words, _): &&(String, u64)| words.contains("503");
    assert!(
        outcome.problems.iter().any(|problem| refused(&problem)),
        "{:?}",
        outcome.problems
    );
    // The disk goes with the server.
    let kept = temp.path().join("kept.tar");
    support::cli_ok(&disk, &["backup", "create", kept.to_str().unwrap()]);
    assert!(server.stop().success());
    let restored = temp.path().join("restored");

    support::cli_ok(&restored, &["backup", "restore", kept.to_str().unwrap()]);
    ledger::assert_exactly_once(&outcome, &restored).await;
}
