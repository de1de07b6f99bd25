//! What pages cost a server that watches 1,000 nodes: a first paint, and a thousand people who follow the same page.
//!
//! The viewers are connections as a browser opens them (the upgrade and one message that says what is followed), read
//! and thrown away by threads of this program; nothing of them is in the figures.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::figure::{BYTES, Figure, Goal, MS, Unit};
use super::host;
use super::http::Connection;
use super::lab::{Scratch, Server};
use super::{Bench, CADENCE_S, Options, Report, meter};
use crate::clock::Stopwatch;
use crate::process::Service;
use crate::stack::SERVER;
use crate::{Context, release};

pub const BENCH: Bench = Bench {
    name: "pages",
    run: bench,
};

const AGENTS: u32 = 1_000;
const VIEWERS: usize = 1_000;
/// Renderings of a page in a window.
const PAINTS: u32 = 50;
const PAGES: [(&str, &str, &str); 3] = [
    (
        "/",
        "overview: CPU of a first paint",
        "overview: compressed",
    ),
    (
        "/nodes",
        "100 nodes: CPU of a first paint",
        "100 nodes: compressed",
    ),
    (
        "/search?q=a",
        "search: CPU of a first paint",
        "search: compressed",
    ),
];
const PERCENT: Unit = Unit {
    name: "% of a core",
    decimals: 1,
};

fn bench(context: &Context, options: &Options) -> anyhow::Result<Report> {
    release::programs(context)?;
    let program = release::program(context, SERVER);
    let load_before = host::load();
    let scratch = Scratch::new()?;
    let server = Server::start(context, &scratch, "server", None)?;
    let token = server.enroll_token(AGENTS)?;
    let cookie = server.sign_in()?;
    let mut command = Command::new(&program);
    super::program::without_settings(&mut command);
    command
        .args(["simulate", "--server", &server.url, "--duration", "1h"])
        .args([
            "--interval",
            &format!("{CADENCE_S}s"),
            "--agents",
            &AGENTS.to_string(),
        ])
        .env("OPSCENTER_TOKEN", token)
        .stderr(std::process::Stdio::null());
    let mut fleet = Service::start("simulate", &mut command)?;
    let settle = Duration::from_secs(u64::from(3 * CADENCE_S));
    context.interrupt.sleep(settle)?;
    if fleet.ended()?.is_some() {
        bail!("the simulated fleet ended by itself");
    }
    let idle = (0..options.windows)
        .map(|_| used(context, options, &server))
        .collect::<anyhow::Result<Vec<f64>>>()?;
    let idle = super::figure::median(&idle).unwrap_or(0.0);
    let mut figures = Vec::new();
    for (path, time, size) in PAGES {
        let painted = (0..options.windows)
            .map(|_| paint(&server, &cookie, path, idle))
            .collect::<anyhow::Result<Vec<(f64, f64)>>>()?;
        let goals = match path {
            "/" => (Goal::AtMost(20.0), Goal::AtMost(30_720.0)),
            _ => (Goal::None, Goal::None),
        };
        figures.push(figure(
            "P10",
            time,
            MS,
            painted.iter().map(|p| p.0).collect(),
            goals.0,
        ));
        figures.push(figure(
            "P10",
            size,
            BYTES,
            painted.iter().map(|p| p.1).collect(),
            goals.1,
        ));
    }
    let received = Arc::new(AtomicU64::new(0));
    let viewers = view(server.address()?, &cookie, &received)?;
    context
        .interrupt
        .sleep(Duration::from_secs(u64::from(CADENCE_S)))?;
    let (mut busy, mut bytes) = (Vec::new(), Vec::new());
    for _ in 0..options.windows {
        let before = received.load(Ordering::Relaxed);
        busy.push((used(context, options, &server)? - idle) * 100.0);
        let came = received.load(Ordering::Relaxed) - before;
        bytes.push(came as f64 / f64::from(options.window_s) / VIEWERS as f64);
    }
    drop(viewers);
    figures.push(figure(
        "P9",
        "1,000 viewers of the overview: CPU",
        PERCENT,
        busy,
        Goal::AtMost(3.0),
    ));
    figures.push(figure(
        "P9",
        "of it, a second and viewer",
        BYTES,
        bytes,
        Goal::None,
    ));
    let _ended = fleet.stop();
    let mut circumstances = host::circumstances(context);
    circumstances.extend([
        ("load before", json!(load_before)),
        ("load after", json!(host::load())),
        ("nodes", json!(AGENTS)),
        ("windows", json!(options.windows)),
        ("window seconds", json!(options.window_s)),
    ]);
    Ok(Report {
        name: BENCH.name,
        peer: "none".to_owned(),
        circumstances,
        figures,
        notes: vec![format!(
            "the fleet's own reports took {:.1} % of a core and are subtracted",
            idle * 100.0
        )],
    })
}

fn figure(id: &'static str, what: &'static str, unit: Unit, ours: Vec<f64>, goal: Goal) -> Figure {
    Figure {
        id,
        what,
        unit,
        ours,
        peers: Vec::new(),
        goal,
    }
}

/// Cores that the server used in a window.
fn used(context: &Context, options: &Options, server: &Server<'_>) -> anyhow::Result<f64> {
    let before = meter::cpu(server.pid())?;
    let window = Duration::from_secs(u64::from(options.window_s));
    context.interrupt.sleep(window)?;
    let spent = meter::cpu(server.pid())?.saturating_sub(before);
    Ok(spent.as_secs_f64() / window.as_secs_f64())
}

/// (ms of processor, compressed bytes) of one rendering.
fn paint(server: &Server<'_>, cookie: &str, path: &str, idle: f64) -> anyhow::Result<(f64, f64)> {
    let mut connection = Connection::open(server.address()?).context("no connection")?;
    let headers = [("cookie", cookie), ("accept-encoding", "br")];
    let mut ask = || {
        connection
            .get(path, &headers)
            .context("no answer to a page")
    };
    ask()?;
    let (before, began) = (meter::cpu(server.pid())?, Stopwatch::start());
    let mut bytes = 0;
    for _ in 0..PAINTS {
        bytes = ask()?.answer_bytes;
    }
    let spent = meter::cpu(server.pid())?
        .saturating_sub(before)
        .as_secs_f64();
    let others = began.elapsed().as_secs_f64() * idle;
    Ok(((spent - others) * 1_000.0 / f64::from(PAINTS), bytes as f64))
}

/// Opens the live connections of the overview; they end when what this gives is dropped.
fn view(
    address: SocketAddr,
    cookie: &str,
    received: &Arc<AtomicU64>,
) -> anyhow::Result<Vec<TcpStream>> {
    let request = format!(
        "GET /fn/live HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let follow = frame(br#"{"kind":"follow","topic":{"topic":"overview"}}"#);
    let mut viewers = Vec::with_capacity(VIEWERS);
    for _ in 0..VIEWERS {
        let mut stream = TcpStream::connect(address).context("a viewer cannot connect")?;
        stream.write_all(request.as_bytes())?;
        let mut head = [0; 1024];
        let len = stream.read(&mut head)?;
        if !head
            .get(..len)
            .unwrap_or_default()
            .starts_with(b"HTTP/1.1 101")
        {
            let said = String::from_utf8_lossy(head.get(..len).unwrap_or_default());
            bail!("a viewer was refused: {said}");
        }
        stream.write_all(&follow)?;
        let mut reading = stream.try_clone()?;
        let received = received.clone();
        std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(move || {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(len) = reading.read(&mut buffer) {
                    if len == 0 {
                        return;
                    }
                    received.fetch_add(len as u64, Ordering::Relaxed);
                }
            })?;
        viewers.push(stream);
    }
    Ok(viewers)
}

/// One masked text frame.
fn frame(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap_or(125)];
    // A mask of zeros changes nothing and is allowed.
    out.extend_from_slice(&[0, 0, 0, 0]);
    out.extend_from_slice(text);
    out
}
