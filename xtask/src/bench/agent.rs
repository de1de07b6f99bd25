//! What an agent costs the host it observes, beside node_exporter.
//!
//! Both run at once, over the same window of the same machine: the agent reports over TLS to a real
//! server on this machine every ten seconds, node_exporter is scraped with gzip every ten seconds.
//! A second agent measures only what node_exporter's usual set has too; a third reports over plain HTTP through a counting
//! proxy, which shows the bytes.
//!
//! Server, scraper and meter are other processes; nothing of them is in the figures, but for the
//! time to the first accepted report, which contains the server's answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::exporter::{Exporter, HOW_TO_INSTALL, Installed};
use super::figure::{BYTES, Figure, Goal, KIB, MB, MS};
use super::host::{self, Candidates};
use super::http::{Connection, Exchange, escaped};
use super::lab::{Scratch, Server, Tls};
use super::meter;
use super::program::StartCost;
use super::proxy::Proxy;
use super::{Bench, CADENCE_S, Options, Report};
use crate::clock::Stopwatch;
use crate::stack::AGENT;
use crate::{Context, release};

pub const BENCH: Bench = Bench {
    name: "agent",
    run: bench,
};

/// How often each program is started for the median of its start.
const STARTS: usize = 9;
/// What happens only at the start is over by then: facts, all collectors' first runs.
const SETTLE: Duration = Duration::from_secs(15);
const CADENCE: Duration = Duration::from_secs(CADENCE_S as u64);
/// Long enough that reports of the start (facts, runs) are few, and one whole minute is without them.
const WIRE_MIN: Duration = Duration::from_secs(125);
/// Reports of a minute: some lists travel once in that time.
const MINUTE: usize = 60 / CADENCE_S as usize;

const PATH_REPORT: &str = "/agent/v1/report";

/// What node_exporter's usual set has too: without servers, services, processes and connections.
const BASE_SET: &str = "[collectors]\ntop_processes = false\nunits = false\nlisteners = false\nservers = false\nconnections = false\nprobes = false\n";

fn bench(context: &Context, options: &Options) -> anyhow::Result<Report> {
    let agent = build(context)?;
    let scratch = Scratch::new()?;
    let measured = measure(context, options, &scratch, &agent);
    if measured.is_err() && context.interrupt.check().is_ok() {
        scratch.show_logs();
    }
    measured
}

/// The agent as released, and a server for it.
fn build(context: &Context) -> anyhow::Result<PathBuf> {
    release::programs(context)?;
    Ok(release::program(context, AGENT))
}

fn measure(
    context: &Context,
    options: &Options,
    scratch: &Scratch,
    agent: &Path,
) -> anyhow::Result<Report> {
    let exporter = Installed::find();
    let tls = Tls::make(context, scratch)?;
    let load_before = host::load();
    let window = cost(
        context,
        options,
        scratch,
        agent,
        tls.as_ref(),
        exporter.as_ref(),
    )?;
    let wire = wire(context, options, scratch, agent)?;
    let mut notes = vec![
        "ratio: what part of the peer's figure ours is; goals with a ratio are held against this run's peer".to_owned(),
        "bytes: over plain HTTP, head and authentication included; node_exporter's answer to a scrape stands beside a report".to_owned(),
        "the time to the first accepted report contains the server's answers: hello, then the report, durable".to_owned(),
    ];
    if tls.is_none() {
        notes.push("openssl is not installed: everything was measured over plain HTTP".to_owned());
    }
    if exporter.is_none() {
        notes.push(HOW_TO_INSTALL.to_owned());
    }
    let mut circumstances = host::circumstances(context);
    circumstances.extend(wire.seen.iter().cloned());
    circumstances.extend([
        ("load before", json!(load_before)),
        ("load after", json!(host::load())),
        ("windows", json!(options.windows)),
        ("window seconds", json!(options.window_s)),
    ]);
    Ok(Report {
        name: BENCH.name,
        peer: exporter
            .as_ref()
            .map_or("node_exporter", |installed| &installed.name)
            .to_owned(),
        circumstances,
        figures: figures(&window, &wire, agent, exporter.as_ref())?,
        notes,
    })
}

fn figures(
    cost: &Cost,
    wire: &Wire,
    agent: &Path,
    exporter: Option<&Installed>,
) -> anyhow::Result<Vec<Figure>> {
    let both = |of: fn(&Used) -> f64| {
        (
            cost.ours.used.iter().map(of).collect::<Vec<f64>>(),
            cost.peers.used.iter().map(of).collect::<Vec<f64>>(),
        )
    };
    let figure = |id, what, unit, (ours, peers), goal| Figure {
        id,
        what,
        unit,
        ours,
        peers,
        goal,
    };
    let requests = |exchanges: &[Exchange]| bytes(exchanges, |one| one.request_bytes);
    let answers = |exchanges: &[Exchange]| bytes(exchanges, |one| one.answer_bytes);
    let sent = requests(&wire.reports);
    let greatest = sent.iter().copied().reduce(f64::max);
    let last = sent.get(sent.len().saturating_sub(MINUTE)..);
    let mean = last.map(|minute| minute.iter().sum::<f64>() / minute.len() as f64);
    let exporter_size = exporter.map(|installed| megabytes(&installed.program));
    let sizes = (
        vec![megabytes(agent)?],
        exporter_size.transpose()?.into_iter().collect(),
    );
    Ok(vec![
        figure(
            "P1",
            "CPU per 10 s, what node_exporter has too",
            MS,
            (
                cost.base.iter().map(|used| used.cpu_ms).collect(),
                cost.peers.used.iter().map(|used| used.cpu_ms).collect(),
            ),
            Goal::PartOfPeer(20.0),
        ),
        figure(
            "P1",
            "CPU per 10 s, everything on",
            MS,
            both(|used| used.cpu_ms),
            Goal::PartOfPeer(8.0),
        ),
        figure(
            "P2",
            "memory, RSS",
            KIB,
            both(|used| used.rss_kib),
            Goal::PartOfPeer(5.0),
        ),
        figure(
            "P2",
            "memory, PSS",
            KIB,
            both(|used| used.pss_kib),
            Goal::PartOfPeer(10.0),
        ),
        figure(
            "P3",
            "one report",
            BYTES,
            (requests(&wire.reports), answers(&cost.scrapes)),
            Goal::AtMost(600.0),
        ),
        figure(
            "P3",
            "mean of a minute, lists included",
            BYTES,
            (mean.into_iter().collect(), Vec::new()),
            Goal::None,
        ),
        figure(
            "P3",
            "its answer",
            BYTES,
            (answers(&wire.reports), requests(&cost.scrapes)),
            Goal::None,
        ),
        figure(
            "P3",
            "greatest report (facts, runs)",
            BYTES,
            (greatest.into_iter().collect(), Vec::new()),
            Goal::None,
        ),
        figure("P4", "size of the program", MB, sizes, Goal::AtMost(3.0)),
        figure(
            "P4",
            "exec to first report, scrape",
            MS,
            (cost.ours.starts_ms.clone(), cost.peers.starts_ms.clone()),
            Goal::AtMost(20.0),
        ),
        figure(
            "P4",
            "its own CPU in that time",
            MS,
            (
                cost.ours.starts_cpu_ms.clone(),
                cost.peers.starts_cpu_ms.clone(),
            ),
            Goal::None,
        ),
    ])
}

fn bytes(exchanges: &[Exchange], of: fn(&Exchange) -> u64) -> Vec<f64> {
    exchanges.iter().map(|one| of(one) as f64).collect()
}

fn megabytes(path: &Path) -> anyhow::Result<f64> {
    let metadata =
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(metadata.len() as f64 / 1e6)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// By one program in one window.
struct Used {
    /// Per turn of ten seconds.
    cpu_ms: f64,
    rss_kib: f64,
    pss_kib: f64,
}

#[derive(Default)]
struct Subject {
    starts_ms: Vec<f64>,
    starts_cpu_ms: Vec<f64>,
    used: Vec<Used>,
}

impl Subject {
    fn started(&mut self, took: StartCost) {
        self.starts_ms.push(ms(took.time));
        self.starts_cpu_ms.push(ms(took.cpu));
    }
}

#[derive(Default)]
struct Cost {
    ours: Subject,
    /// The base set alone.
    base: Vec<Used>,
    peers: Subject,
    scrapes: Vec<Exchange>,
}

/// Starts both again and again, then lets both run side by side.
fn cost(
    context: &Context,
    options: &Options,
    scratch: &Scratch,
    agent: &Path,
    tls: Option<&Tls>,
    installed: Option<&Installed>,
) -> anyhow::Result<Cost> {
    let server = Server::start(context, scratch, "tls", tls)?;
    // A file of its own: two processes of one file would share its pages, and each look smaller than it is.
    let copy = scratch.path().join(AGENT);
    std::fs::copy(agent, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    let base = server.enroll_with(&copy, &server.url, "base", BASE_SET)?;
    let agent = server.enroll(agent, &server.url)?;
    let mut cost = Cost::default();
    eprintln!("starting each program {STARTS} times");
    for _ in 1..STARTS {
        cost.ours.started(agent.start()?.took);
        if let Some(installed) = installed {
            let (_, took) = installed.start(&context.interrupt)?;
            cost.peers.started(took);
        }
    }
    let running = agent.start()?;
    cost.ours.started(running.took);
    let mut program = running.program;
    let mut base = base.start()?.program;
    let mut exporter = match installed {
        None => None,
        Some(installed) => {
            let (exporter, took) = installed.start(&context.interrupt)?;
            cost.peers.started(took);
            Some(exporter)
        }
    };
    scrape_for(context, SETTLE, exporter.as_mut())?;
    for number in 1..=options.windows {
        eprintln!(
            "window {number} of {}, {} s",
            options.windows, options.window_s
        );
        let ours = Mark::set(program.pid)?;
        let of_base = Mark::set(base.pid)?;
        let peers = exporter.as_ref().map(|one| Mark::set(one.program.pid));
        let peers = peers.transpose()?;
        let length = Duration::from_secs(options.window_s.into());
        cost.scrapes
            .extend(scrape_for(context, length, exporter.as_mut())?);
        program.check()?;
        base.check()?;
        cost.ours.used.push(ours.used()?);
        cost.base.push(of_base.used()?);
        if let Some(peers) = peers {
            cost.peers.used.push(peers.used()?);
        }
    }
    Ok(cost)
}

/// Where a window begins.
struct Mark {
    pid: Pid,
    cpu: Duration,
    watch: Stopwatch,
}

impl Mark {
    fn set(pid: Pid) -> anyhow::Result<Self> {
        Ok(Self {
            pid,
            cpu: meter::cpu(pid)?,
            watch: Stopwatch::start(),
        })
    }

    fn used(&self) -> anyhow::Result<Used> {
        let cpu = meter::cpu(self.pid)?.saturating_sub(self.cpu);
        let turns = self.watch.elapsed().as_secs_f64() / CADENCE.as_secs_f64();
        let memory = meter::memory(self.pid)?;
        Ok(Used {
            cpu_ms: ms(cpu) / turns,
            rss_kib: memory.rss_kib as f64,
            pss_kib: memory.pss_kib as f64,
        })
    }
}

/// Waits so long and scrapes meanwhile, at once and every ten seconds.
fn scrape_for(
    context: &Context,
    length: Duration,
    mut exporter: Option<&mut Exporter>,
) -> anyhow::Result<Vec<Exchange>> {
    let watch = Stopwatch::start();
    let mut scrapes = Vec::new();
    let mut due = Duration::ZERO;
    while due < length {
        context
            .interrupt
            .sleep(due.saturating_sub(watch.elapsed()))?;
        if let Some(exporter) = exporter.as_deref_mut() {
            scrapes.push(exporter.scrape()?);
        }
        due += CADENCE;
    }
    context
        .interrupt
        .sleep(length.saturating_sub(watch.elapsed()))?;
    Ok(scrapes)
}

/// What travels, and what an agent measured of this host.
struct Wire {
    reports: Vec<Exchange>,
    seen: Vec<(&'static str, Value)>,
}

fn wire(
    context: &Context,
    options: &Options,
    scratch: &Scratch,
    agent: &Path,
) -> anyhow::Result<Wire> {
    let server = Server::start(context, scratch, "plain", None)?;
    let proxy = Proxy::start(server.address()?)?;
    let agent = server.enroll(agent, &format!("http://{}", proxy.address))?;
    let length = WIRE_MIN.max(Duration::from_secs(options.window_s.into()));
    eprintln!("counting bytes, {} s", length.as_secs());
    let mut running = agent.start()?;
    context.interrupt.sleep(length)?;
    running.program.check()?;
    // Before the agent ends: its goodbye is no usual report.
    let reports = accepted_reports(proxy.exchanges());
    if reports.is_empty() {
        bail!("no report went through the proxy");
    }
    let seen = seen(&server, &running.node_id)?;
    drop(running);
    Ok(Wire { reports, seen })
}

fn accepted_reports(exchanges: Vec<Exchange>) -> Vec<Exchange> {
    exchanges
        .into_iter()
        .filter(|one| one.path == PATH_REPORT && one.status == 200)
        .collect()
}

/// What the agent counts on this host: candidates of which the server holds a series.
fn seen(server: &Server<'_>, node_id: &str) -> anyhow::Result<Vec<(&'static str, Value)>> {
    let authorization = format!("Bearer {}", server.api_token()?);
    let mut connection = Connection::open(server.address()?).context("the server is gone")?;
    let mut of = |metric: &str, names: Vec<String>| -> anyhow::Result<Value> {
        let mut found = Vec::new();
        for name in names {
            let path = format!(
                "/api/v1/nodes/{node_id}/series?metric={metric}&instance={}",
                escaped(&name)
            );
            let answer = connection
                .get(&path, &[("Authorization", &authorization)])
                .context("the server did not answer")?;
            match answer.status {
                200 if !found.contains(&name) => found.push(name),
                200 | 404 => {}
                status => bail!("the server answered {path} with {status}"),
            }
        }
        Ok(json!(found))
    };
    let candidates = Candidates::read();
    Ok(vec![
        (
            "filesystems measured",
            of("filesystem_used_ratio", candidates.mount_points)?,
        ),
        (
            "disks measured",
            of("disk_read_bytes_per_s", candidates.disks)?,
        ),
        (
            "interfaces measured",
            of("network_receive_bytes_per_s", candidates.interfaces)?,
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(path: &str, status: u16, request_bytes: u64) -> Exchange {
        Exchange {
            path: path.to_owned(),
            status,
            request_bytes,
            answer_bytes: 100,
        }
    }

    #[test]
    fn only_accepted_reports_are_counted() {
        let counted = accepted_reports(vec![
            exchange("/agent/v1/hello", 200, 500),
            exchange(PATH_REPORT, 200, 480),
            exchange(PATH_REPORT, 503, 481),
            exchange(PATH_REPORT, 200, 300),
        ]);
        assert_eq!(bytes(&counted, |one| one.request_bytes), [480.0, 300.0]);
    }

    #[test]
    fn figures_stand_beside_their_peers_and_goals() {
        let used = |cpu_ms| Used {
            cpu_ms,
            rss_kib: 3000.0,
            pss_kib: 1500.0,
        };
        let subject = |cpu_ms| Subject {
            starts_ms: vec![6.0],
            starts_cpu_ms: vec![4.0],
            used: vec![used(cpu_ms)],
        };
        let cost = Cost {
            ours: subject(0.5),
            base: vec![used(0.4)],
            peers: subject(11.0),
            scrapes: vec![exchange("/metrics", 200, 300)],
        };
        let wire = Wire {
            reports: vec![
                exchange(PATH_REPORT, 200, 350),
                exchange(PATH_REPORT, 200, 900),
            ],
            seen: Vec::new(),
        };
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("oc-agent");
        assert!(figures(&cost, &wire, &program, None).is_err());
        std::fs::write(&program, vec![0; 2_000_000]).unwrap();
        let text = super::super::table(
            &figures(&cost, &wire, &program, None).unwrap(),
            "node_exporter",
        );
        for expected in [
            "0.40 ms", "0.50 ms", "11.00 ms", "1/22.0", "1/27.5", "625 B", "900 B", "2.00 MB",
            "6.00 ms",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }
}
