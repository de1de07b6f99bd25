//! A simulated estate against the real server, and the demo as a program: what is stored, how it starts, how it ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use protocol::token::EnrollmentToken;
use protocol::v1::section::{
    Connections, KIND_CONNECTIONS, KIND_PROCESSES, KIND_SERVERS, KIND_SOCKETS, KIND_UNITS, Servers,
};
use simulator::{Address, Fleet, Plan, Scenario};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};
use support::{Server, cli_ok, program};

const AGENTS: u32 = 30;

async fn open(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap()
}

/// A token for each cluster of the scenario, as somebody at the command line makes them.
fn tokens(data: &Path, scenario: &Scenario) -> BTreeMap<String, EnrollmentToken> {
    let of = |slug: &str, uses: u32| {
        let uses = uses.to_string();
        let system = scenario.system.as_str();
        let create = ["enroll-token", "create", "--cluster", slug];
        let rest = ["--system", system, "--uses", &uses];
        EnrollmentToken::parse(&cli_ok(data, &[&create[..], &rest[..]].concat())).unwrap()
    };
    let clusters = scenario.clusters.iter();
    clusters
        .map(|cluster| (cluster.slug.clone(), of(&cluster.slug, cluster.nodes())))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estate_tells_its_servers_and_connections_and_nothing_is_lost() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let server = Server::start(&data, "127.0.0.1:0");
    let scenario = Scenario::demo().unwrap().scaled(AGENTS).unwrap();
    let plan = Plan {
        server: Address::parse(&server.url).unwrap(),
        token: None,
        agents: AGENTS,
        interval_ms: 500,
        seed: 5,
        state: None,
        cluster_tokens: tokens(&data, &scenario),
        scenario: Some(scenario.clone()),
    };
    // Within one look, so that all hosts tell the same instant.
    let running = Fleet::enroll(plan).await.unwrap().start(6_000).unwrap();
    let outcome = running.finish().await.unwrap();
    assert!(server.stop().success());
    assert_eq!(outcome.summary.reports_lost, 0, "{:?}", outcome.problems);
    assert!(outcome.agents.iter().all(|agent| !agent.acked.is_empty()));

    let mut state = open(&data.join("state.db")).await;
    let rows = sqlx::query("SELECT host.id, host.hostname, kind, body FROM host JOIN host_section ON host_id = host.id")
        .fetch_all(&mut state)
        .await
        .unwrap();
    let mut kinds: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    let mut clusters: BTreeMap<String, u32> = BTreeMap::new();
    let (mut opened, mut accepted) = (BTreeSet::new(), BTreeSet::new());
    for row in &rows {
        let kind = u16::try_from(row.get::<i64, _>(2)).unwrap();
        kinds.entry(row.get(0)).or_default().insert(kind);
        let body: Vec<u8> = row.get(3);
        match kind {
            KIND_SERVERS => {
                let told: Servers = protocol::wire::decode("servers", &body).unwrap();
                let found = &told.servers[0];
                assert_eq!(found.state, 1, "calm so early: {found:?}");
                *clusters.entry(found.cluster.clone().unwrap()).or_default() += 1;
            }
            KIND_CONNECTIONS => {
                let told: Connections = protocol::wire::decode("connections", &body).unwrap();
                for flow in told.flows {
                    for port in flow.client_ports {
                        let (local, peer) = (flow.local.clone(), flow.peer.clone());
                        if flow.is_incoming {
                            accepted.insert((peer, port, local, flow.port));
                        } else {
                            opened.insert((local, port, peer, flow.port));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let all = [
        KIND_PROCESSES,
        KIND_UNITS,
        KIND_SOCKETS,
        KIND_SERVERS,
        KIND_CONNECTIONS,
    ];
    assert_eq!(kinds.len(), AGENTS as usize, "every host told lists");
    assert!(kinds.values().all(|told| *told == BTreeSet::from(all)));
    let wanted = scenario.clusters.iter();
    let wanted: BTreeMap<String, u32> = wanted.map(|c| (c.slug.clone(), c.nodes())).collect();
    assert_eq!(clusters, wanted);
    let is_inside = |address: &[u8]| address.first() == Some(&10);
    opened.retain(|(_, _, listener, _)| is_inside(listener));
    accepted.retain(|(client, ..)| is_inside(client));
    assert!(opened.len() > 100, "{}", opened.len());
    assert_eq!(opened, accepted, "both ends name the same connections");

    let mut metrics = open(&data.join("metrics.db")).await;
    let instances: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT instance FROM series WHERE metric = 80")
            .fetch_all(&mut metrics)
            .await
            .unwrap();
    assert_eq!(instances.len(), 6, "one key a product: {instances:?}");
}

/// The demo as a process, ended by its own id.
struct Shown {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Shown {
    fn start(temp: &Path, arguments: &[&str]) -> Self {
        let mut child = program(&[&["demo"], arguments].concat())
            .env("TMPDIR", temp)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn account(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn http(url: &str, head: &str, body: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let length = body.len();
    write!(stream, "{head}\r\nhost: {address}\r\norigin: {url}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_demo_says_who_may_sign_in_then_that_everybody_reported_and_leaves_nothing_behind() {
    let temp = tempfile::tempdir().unwrap();
    let mut shown = Shown::start(temp.path(), &["--agents", "6"]);
    let account = shown.account();
    let field = |name: &str| account[name].as_str().unwrap().to_owned();
    let (url, user, password) = (field("url"), field("user"), field("password"));
    assert_eq!(account.as_object().unwrap().len(), 3);
    assert!(password.len() >= 12);
    assert_eq!(shown.line(), format!("ready {url}"));
    assert!(!is_empty(temp.path()), "it has a folder of its own");

    let sign_in = |password: &str| {
        let body = format!("user={user}&password={password}&next=/");
        http(&url, "POST /login HTTP/1.1", &body)
    };
    assert!(sign_in("not-the-password").starts_with("HTTP/1.1 401"));
    let answer = sign_in(&password);
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .and_then(|value| value.split(';').next())
        .unwrap();
    let head = format!("GET /nodes HTTP/1.1\r\ncookie: {cookie}");
    let page = http(&url, &head, "");
    assert!(page.starts_with("HTTP/1.1 200"), "{page:.300}");
    for host in [
        "edge-01", "app-01", "db-01", "mq-01", "cache-01", "batch-01",
    ] {
        assert!(page.contains(host), "{host} has reported and is listed");
    }

    assert_eq!(shown.end(Signal::SIGTERM), Some(0));
    assert!(is_empty(temp.path()), "nothing stays");
}

#[test]
fn a_demo_that_is_interrupted_early_cleans_up_too_and_two_do_not_meet() {
    let temp = tempfile::tempdir().unwrap();
    let mut one = Shown::start(temp.path(), &["--agents", "60"]);
    let mut other = Shown::start(temp.path(), &["--agents", "1"]);
    let (one_account, other_account) = (one.account(), other.account());
    for name in ["url", "password"] {
        assert_ne!(one_account[name], other_account[name]);
    }
    assert_eq!(one.end(Signal::SIGINT), Some(0));
    assert!(other.line().starts_with("ready "), "the other goes on");
    assert_eq!(other.end(Signal::SIGINT), Some(0));
    assert!(is_empty(temp.path()));
}

#[test]
fn wrong_wishes_are_refused_with_their_place() {
    let temp = tempfile::tempdir().unwrap();
    let bad = temp.path().join("bad.toml");
    std::fs::write(&bad, "[[clusters]]\nslug = \"web\"\npack = \"apache\"\nversions = [\"1\"]\nports = [0]\nnodes = 3\n").unwrap();
    let bad = bad.to_string_lossy().into_owned();
    let simulate = |rest: &[&'static str]| {
        let fixed = ["simulate", "--server", "http://127.0.0.1:9", "--token", "x"];
        [&fixed[..], rest].concat()
    };
    let with_file = [&simulate(&["--scenario"])[..], &[bad.as_str()]].concat();
    let cases: [(&[&str], &[&str]); 5] = [
        (
            &with_file,
            &["bad.toml", "clusters[0] `web`.pack", "`apache`", "ports: 0"],
        ),
        (
            &simulate(&["--scenario", "/nowhere.toml"]),
            &["--scenario /nowhere.toml"],
        ),
        (&simulate(&[]), &["--agents"]),
        (&["demo", "--listen", "0.0.0.0:0"], &["--listen", "0.0.0.0"]),
        (&["demo", "--agents", "0"], &["--agents", "0"]),
    ];
    for (arguments, words) in cases {
        let output = program(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty());
        for word in words {
            assert!(stderr.contains(word), "{word}: {stderr}");
        }
    }
}

#[test]
fn a_scenario_file_is_simulated_with_as_many_hosts_as_it_has() {
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let server = Server::start(&data, "127.0.0.1:0");
    let token = cli_ok(
        &data,
        &["enroll-token", "create", "--cluster", "web", "--uses", "3"],
    );
    let file = temp.path().join("small.toml");
    std::fs::write(&file, "[[clusters]]\nslug = \"web\"\npack = \"nginx\"\nversions = [\"1\"]\nports = [80]\nnodes = 3\n").unwrap();
    let file = file.to_string_lossy().into_owned();
    let output = program(&[
        "simulate",
        "--server",
        &server.url,
        "--interval",
        "1s",
        "--duration",
        "3s",
        "--json",
        "--scenario",
        &file,
    ])
    .env("OPSCENTER_TOKEN", &token)
    .output()
    .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&summary["agents"], &summary["reports_lost"]),
        (&3.into(), &0.into())
    );
}
