//! What the server measures of itself, for `/metrics`, `/api/v1/about` and the page about it.
//!
//! Counted where things happen, read when somebody asks. One registry a process, owned by [`crate::ops::Ops`].

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

use super::lanes::Lane;
use crate::ops::Ops;

/// From a tenth of a millisecond to ten seconds.
const SECONDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Meters, each under its public name.
#[derive(Debug)]
pub struct Meters {
    registry: Registry,
    /// Reports by what became of them: stored, refused, unavailable.
    pub reports: IntCounterVec,
    /// Samples in stored reports.
    pub samples: IntCounter,
    /// Bodies of reports.
    pub report_bytes: IntCounter,
    /// From a checked report to its commit.
    pub commit_seconds: Histogram,
    /// Requests by lane and class of status.
    pub requests: IntCounterVec,
    /// From a request's head to its answer's head.
    pub request_seconds: HistogramVec,
    /// Requests turned away because their lane was full.
    pub shed: IntCounterVec,
    lanes_taken: GaugeVec,
    agents: GaugeVec,
    viewers: IntGauge,
    database_bytes: GaugeVec,
    disk_free_bytes: Gauge,
    disk_level: Gauge,
    start_seconds: Gauge,
    cpu_seconds: Gauge,
    resident_bytes: Gauge,
    open_files: Gauge,
    open_files_max: Gauge,
}

impl Meters {
    /// All meters at zero.
    ///
    /// # Errors
    /// A name is used twice or malformed: a mistake of ours, found by the first test.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let made = IntCounter::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            Ok(made)
        };
        let counters =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let made = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(made.clone()))?;
                Ok(made)
            };
        let gauge = |name: &str, help: &str| -> Result<Gauge, prometheus::Error> {
            let made = Gauge::new(name, help)?;
            registry.register(Box::new(made.clone()))?;
            Ok(made)
        };
        let gauges =
            |name: &str, help: &str, labels: &[&str]| -> Result<GaugeVec, prometheus::Error> {
                let made = GaugeVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(made.clone()))?;
                Ok(made)
            };
        let commit_seconds = Histogram::with_opts(
            HistogramOpts::new(
                "opscenter_report_commit_seconds",
                "From a checked report to its commit.",
            )
            .buckets(SECONDS.to_vec()),
        )?;
        registry.register(Box::new(commit_seconds.clone()))?;
        let request_seconds = HistogramVec::new(
            HistogramOpts::new(
                "opscenter_http_request_seconds",
                "From a request's head to its answer's head, by lane.",
            )
            .buckets(SECONDS.to_vec()),
            &["lane"],
        )?;
        registry.register(Box::new(request_seconds.clone()))?;
        let viewers = IntGauge::new("opscenter_live_viewers", "Pages that follow live data.")?;
        registry.register(Box::new(viewers.clone()))?;
        let made = Self {
            reports: counters(
                "opscenter_reports_total",
                "Reports of agents, by what became of them.",
                &["outcome"],
            )?,
            samples: counter("opscenter_samples_total", "Samples in stored reports.")?,
            report_bytes: counter("opscenter_report_bytes_total", "Bytes of reports' bodies.")?,
            commit_seconds,
            requests: counters(
                "opscenter_http_requests_total",
                "Requests by lane and class of status.",
                &["lane", "status"],
            )?,
            request_seconds,
            shed: counters(
                "opscenter_shed_total",
                "Requests turned away because their lane was full.",
                &["lane"],
            )?,
            lanes_taken: gauges(
                "opscenter_lane_requests",
                "Requests under way, by lane.",
                &["lane"],
            )?,
            agents: gauges("opscenter_agents", "Agents by liveness.", &["liveness"])?,
            viewers,
            database_bytes: gauges(
                "opscenter_database_bytes",
                "Size of a database with its log.",
                &["database"],
            )?,
            disk_free_bytes: gauge(
                "opscenter_disk_free_bytes",
                "Free on the disk of the data folder.",
            )?,
            disk_level: gauge(
                "opscenter_disk_level",
                "Step of the disk ladder: 0 ok, 1 warning, 2 no samples, 3 critical.",
            )?,
            start_seconds: gauge(
                "process_start_time_seconds",
                "Start of the process since 1970 UTC.",
            )?,
            cpu_seconds: gauge("process_cpu_seconds", "Processor time used.")?,
            resident_bytes: gauge("process_resident_memory_bytes", "Resident memory.")?,
            open_files: gauge("process_open_fds", "Open files and sockets.")?,
            open_files_max: gauge("process_max_fds", "Files and sockets that may be open.")?,
            registry,
        };
        for lane in Lane::ALL {
            made.shed.with_label_values(&[lane.as_str()]);
            made.request_seconds.with_label_values(&[lane.as_str()]);
        }
        for outcome in ["stored", "refused", "unavailable"] {
            made.reports.with_label_values(&[outcome]);
        }
        Ok(made)
    }

    /// Everything as Prometheus reads it.
    ///
    /// # Errors
    /// The text cannot be written.
    pub fn render(&self, ops: &Ops) -> Result<String, prometheus::Error> {
        self.look(ops);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Sets what is not counted but looked at.
    fn look(&self, ops: &Ops) {
        let about = super::api::agents(ops);
        for (liveness, count) in about {
            self.agents
                .with_label_values(&[liveness])
                .set(f64::from(count));
        }
        for lane in Lane::ALL {
            self.lanes_taken
                .with_label_values(&[lane.as_str()])
                .set(ops.lanes.taken(lane) as f64);
        }
        self.viewers
            .set(i64::try_from(ops.live.viewers()).unwrap_or(i64::MAX));
        for (name, bytes) in super::api::database_bytes(ops) {
            self.database_bytes
                .with_label_values(&[name])
                .set(bytes as f64);
        }
        self.disk_free_bytes.set(ops.disk.space().free_bytes as f64);
        self.disk_level.set(f64::from(ops.disk.level() as u8));
        let process = super::api::process();
        self.start_seconds.set(ops.started_at.0 as f64 / 1000.0);
        self.cpu_seconds.set(process.cpu_s);
        self.resident_bytes.set(process.resident_bytes as f64);
        self.open_files.set(process.open_files as f64);
        self.open_files_max.set(process.open_files_max as f64);
    }
}
