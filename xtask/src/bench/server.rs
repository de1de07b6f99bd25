//! What a server costs per report, with a simulated fleet of 100, 1,000 and 10,000 agents, beside Prometheus and
//! VictoriaMetrics that scrape 1,000 targets of as many values.
//!
//! The fleet speaks the real protocol over real HTTP on this machine; every report is authenticated and durable before it
//! is acknowledged. It is enrolled first and measured in a second run, some time after all have returned at once. The fleet and the targets are other processes: nothing of them is in the figures.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::figure::{Figure, Goal, MB, MS, Unit};
use super::host;
use super::http::Message;
use super::lab::{Scratch, Server};
use super::{Bench, CADENCE_S, Options, Report, meter};
use crate::process::{self, Service};
use crate::stack::SERVER;
use crate::{Context, release};

pub const BENCH: Bench = Bench {
    name: "server",
    run: bench,
};

const FLEETS: [u32; 3] = [100, 1_000, 10_000];
/// Targets that a peer scrapes, and values of each: what a small host of ours has.
const TARGETS: u32 = 1_000;
const VALUES: u32 = 40;
/// From the return of all until reports are all there is.
const SETTLE_S: u32 = 20;
const US: Unit = Unit {
    name: "µs",
    decimals: 0,
};
const PERCENT: Unit = Unit {
    name: "% of a core",
    decimals: 1,
};

/// What one program used in a window.
struct Used {
    cpu: Duration,
    rss_mb: f64,
    reports: f64,
    p99_ms: Option<f64>,
    lost: f64,
}

fn bench(context: &Context, options: &Options) -> anyhow::Result<Report> {
    release::programs(context)?;
    let program = release::program(context, SERVER);
    let (prometheus, victoria) = (PROMETHEUS.installed(), VICTORIA.installed());
    let load_before = host::load();
    let mut figures = Vec::new();
    let mut notes = vec![
        format!("a window begins {SETTLE_S} s after all agents returned at once; CPU is divided by the reports due in it"),
        "p99 is from sending a report to its proved acknowledgement, as the fleet saw it, the return of all included; fleet and server share this machine's cores".to_owned(),
    ];
    let mut scraped = |peer: &'static Scraper, found: &Option<Installed>| match found {
        Some(found) => windows(options, || scrape(context, options, peer, found)),
        None => {
            let name = peer.name;
            notes.push(format!(
                "{name} is not installed, its figures are empty: `apt-get install {}`",
                peer.program
            ));
            Ok(Vec::new())
        }
    };
    let beside = [
        scraped(&PROMETHEUS, &prometheus)?,
        scraped(&VICTORIA, &victoria)?,
    ];
    if let Some(found) = victoria {
        notes.push(format!(
            "\"beside VictoriaMetrics\": the peer is {}",
            found.name
        ));
    }
    for agents in FLEETS {
        let used = windows(options, || measured(context, options, &program, agents))?;
        figures.extend(figures_of(agents, &used, &beside, options));
    }
    let mut circumstances = host::circumstances(context);
    circumstances.extend([
        ("load before", json!(load_before)),
        ("load after", json!(host::load())),
        ("windows", json!(options.windows)),
        ("window seconds", json!(options.window_s)),
    ]);
    Ok(Report {
        name: BENCH.name,
        peer: prometheus.map_or_else(|| PROMETHEUS.name.to_owned(), |found| found.name),
        circumstances,
        figures,
        notes,
    })
}

fn windows(
    options: &Options,
    mut one: impl FnMut() -> anyhow::Result<Used>,
) -> anyhow::Result<Vec<Used>> {
    (0..options.windows).map(|_| one()).collect()
}

fn figures_of(
    agents: u32,
    ours: &[Used],
    [prometheus, victoria]: &[Vec<Used>; 2],
    options: &Options,
) -> Vec<Figure> {
    let beside: &[Used] = if agents == TARGETS { prometheus } else { &[] };
    let per_report = |used: &Used| used.cpu.as_secs_f64() * 1e6 / used.reports.max(1.0);
    let of_core = |used: &Used| used.cpu.as_secs_f64() * 100.0 / f64::from(options.window_s);
    let of =
        |from: &[Used], value: &dyn Fn(&Used) -> f64| from.iter().map(value).collect::<Vec<f64>>();
    let figure = |id, what, unit, value: &dyn Fn(&Used) -> f64, goal| Figure {
        id,
        what,
        unit,
        ours: of(ours, value),
        peers: of(beside, value),
        goal,
    };
    let (cpu, memory, latency, all) = match agents {
        100 => (
            "100 agents: CPU per report",
            "100 agents: RSS",
            "100 agents: p99",
            "100 agents: lost",
        ),
        1_000 => (
            "1,000 agents: CPU per report",
            "1,000 agents: RSS",
            "1,000 agents: p99",
            "1,000 agents: lost",
        ),
        _ => (
            "10,000 agents: CPU per report",
            "10,000 agents: RSS",
            "10,000 agents: p99",
            "10,000 agents: lost",
        ),
    };
    let is_rated = agents == 10_000;
    let when = |rated: bool, goal: Goal| if rated { goal } else { Goal::None };
    let compared = agents == TARGETS;
    let mut figures = vec![
        figure(
            "P7",
            cpu,
            US,
            &per_report,
            when(compared, Goal::PartOfPeer(4.0)),
        ),
        figure(
            if compared { "P7" } else { "P6" },
            memory,
            MB,
            &|used| used.rss_mb,
            if compared {
                Goal::PartOfPeer(2.0)
            } else {
                when(is_rated, Goal::AtMost(500.0))
            },
        ),
        Figure {
            id: "P6",
            what: latency,
            unit: MS,
            ours: ours.iter().filter_map(|used| used.p99_ms).collect(),
            peers: Vec::new(),
            goal: when(is_rated, Goal::AtMost(10.0)),
        },
        Figure {
            id: "P6",
            what: all,
            unit: Unit {
                name: "reports",
                decimals: 0,
            },
            ours: of(ours, &|used| used.lost),
            peers: Vec::new(),
            goal: Goal::AtMost(0.0),
        },
    ];
    if compared {
        let beside = |what, unit, value: &dyn Fn(&Used) -> f64| Figure {
            id: "P7",
            what,
            unit,
            ours: of(ours, value),
            peers: of(victoria, value),
            goal: Goal::None,
        };
        figures.extend([
            beside(
                "1,000 agents: CPU per report, beside VictoriaMetrics",
                US,
                &per_report,
            ),
            beside("1,000 agents: RSS, beside VictoriaMetrics", MB, &|used| {
                used.rss_mb
            }),
        ]);
    }
    if is_rated {
        figures.push(figure(
            "P6",
            "10,000 agents: CPU",
            PERCENT,
            &of_core,
            Goal::AtMost(20.0),
        ));
    }
    figures
}

/// A server of its own with a fleet of this size.
fn measured(
    context: &Context,
    options: &Options,
    program: &Path,
    agents: u32,
) -> anyhow::Result<Used> {
    let scratch = Scratch::new()?;
    let server = Server::start(context, &scratch, "server", None)?;
    let token = server.enroll_token(agents)?;
    let state = scratch.path().join("fleet");
    // Identities are made and all have said hello once.
    let mut enrolled = simulation(program, &server.url, &state, agents, CADENCE_S);
    enrolled.env("OPSCENTER_TOKEN", token);
    process::output(&mut enrolled, &context.interrupt)?;
    let pid = server.pid();
    let length_s = SETTLE_S + options.window_s + CADENCE_S;
    let mut command = simulation(program, &server.url, &state, agents, length_s);
    let mut fleet = Service::start("simulate", &mut command)?;
    let sleep = |seconds: u32| {
        let length = Duration::from_secs(u64::from(seconds));
        context.interrupt.sleep(length)
    };
    sleep(SETTLE_S)?;
    let before = meter::cpu(pid)?;
    sleep(options.window_s)?;
    let cpu = meter::cpu(pid)?.saturating_sub(before);
    let rss_mb = megabytes(pid)?;
    let summary: Value =
        fleet.wait_for(&context.interrupt, |line| serde_json::from_str(line).ok())?;
    let number = |name: &str| summary.get(name).and_then(Value::as_f64);
    Ok(Used {
        cpu,
        rss_mb,
        reports: f64::from(agents * options.window_s / CADENCE_S),
        p99_ms: number("latency_p99_ms"),
        lost: number("reports_lost").unwrap_or(f64::NAN),
    })
}

fn simulation(program: &Path, url: &str, state: &Path, agents: u32, seconds: u32) -> Command {
    let mut command = Command::new(program);
    super::program::without_settings(&mut command);
    command
        .args(["simulate", "--json", "--server", url])
        .args(["--agents", &agents.to_string()])
        .args(["--interval", &format!("{CADENCE_S}s")])
        .args(["--duration", &format!("{seconds}s"), "--state"])
        .arg(state);
    command
}

fn megabytes(pid: Pid) -> anyhow::Result<f64> {
    Ok(meter::memory(pid)?.rss_kib as f64 / 1024.0)
}

/// A peer that asks its targets.
struct Scraper {
    name: &'static str,
    /// Also its package's name in Debian.
    program: &'static str,
    /// With the file of its targets and a folder for its data.
    arguments: fn(&Path, &Path) -> Vec<String>,
}

const PROMETHEUS: Scraper = Scraper {
    name: "Prometheus",
    program: "prometheus",
    arguments: |targets, data| {
        vec![
            format!("--config.file={}", targets.display()),
            format!("--storage.tsdb.path={}", data.display()),
            "--web.listen-address=127.0.0.1:0".to_owned(),
        ]
    },
};

const VICTORIA: Scraper = Scraper {
    name: "VictoriaMetrics",
    program: "victoria-metrics",
    arguments: |targets, data| {
        vec![
            format!("-promscrape.config={}", targets.display()),
            format!("-storageDataPath={}", data.display()),
            "-httpListenAddr=127.0.0.1:0".to_owned(),
        ]
    },
};

struct Installed {
    program: PathBuf,
    name: String,
}

impl Scraper {
    fn installed(&self) -> Option<Installed> {
        let path = std::env::var_os("PATH")?;
        let program = std::env::split_paths(&path)
            .map(|folder| folder.join(self.program))
            .find(|program| program.is_file())?;
        let output = Command::new(&program).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        // The first word with a digit and a dot.
        let version = text
            .split_whitespace()
            .find(|word| word.contains('.') && word.contains(|c: char| c.is_ascii_digit()))
            .unwrap_or("of unknown version");
        Some(Installed {
            program,
            name: format!("{} {version}", self.name),
        })
    }
}

/// A peer as it comes, scraping as many targets every ten seconds.
fn scrape(
    context: &Context,
    options: &Options,
    peer: &Scraper,
    found: &Installed,
) -> anyhow::Result<Used> {
    let scratch = Scratch::new()?;
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port for the targets")?;
    let address = listener.local_addr().context("no address of the targets")?;
    std::thread::spawn(move || serve_targets(&listener));
    let settings = format!(
        "global: {{ scrape_interval: {CADENCE_S}s }}\nscrape_configs:\n- job_name: bench\n  static_configs:\n  - targets: [{}]\n  relabel_configs:\n  - {{ source_labels: [__address__], target_label: instance }}\n  - {{ target_label: __address__, replacement: '{address}' }}\n",
        (0..TARGETS)
            .map(|n| format!("host-{n}"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let file = scratch.path().join("targets.yml");
    std::fs::write(&file, settings).context("cannot write targets.yml")?;
    let mut command = Command::new(&found.program);
    command
        .args((peer.arguments)(&file, &scratch.path().join("data")))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut service = Service::start(peer.program, &mut command)?;
    let pid = service.pid();
    // Until every target was scraped once.
    context
        .interrupt
        .sleep(Duration::from_secs(u64::from(2 * CADENCE_S)))?;
    if service.ended()?.is_some() {
        bail!("{} ended by itself", peer.program);
    }
    let before = meter::cpu(pid)?;
    context
        .interrupt
        .sleep(Duration::from_secs(u64::from(options.window_s)))?;
    Ok(Used {
        cpu: meter::cpu(pid)?.saturating_sub(before),
        rss_mb: megabytes(pid)?,
        reports: f64::from(TARGETS * options.window_s / CADENCE_S),
        p99_ms: None,
        lost: 0.0,
    })
}

/// Answers every scrape with values that change, as a small host's do.
fn serve_targets(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        std::thread::Builder::new()
            .stack_size(64 * 1024)
            .spawn(move || {
                let Ok(mut out) = stream.try_clone() else {
                    return;
                };
                let mut reader = BufReader::new(stream);
                let mut turn = 0u32;
                while let Ok(Some(_)) = Message::read(&mut reader) {
                    turn += 1;
                    let body: String = (0..VALUES)
                        .map(|n| format!("bench_value_{n} {}\n", (n * 7_919 + turn * 31) % 100_000))
                        .collect();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    if out.write_all((head + &body).as_bytes()).is_err() {
                        return;
                    }
                }
            })
            .ok();
    }
}
