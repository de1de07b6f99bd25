//! The server about itself, for programs: `/api/v1/about` and `/metrics`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use domain::fleet::{Liveness, Status, status_of};
use serde::Serialize;

use super::lanes::Lane;
use crate::error::OpsError;
use crate::ops::Ops;

/// As Prometheus names its text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The server's own health.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct About {
    /// Version of the server.
    pub version: &'static str,
    /// Protocol spoken with agents, oldest and newest.
    pub protocol: (u16, u16),
    /// Fingerprint of the server's key, as tokens carry it.
    pub server_key_fingerprint: String,
    /// Server's wall clock.
    pub now_ms: i64,
    /// When this process started.
    pub started_at_ms: i64,
    /// Nodes in view.
    pub nodes: u32,
    /// Of them reporting.
    pub nodes_ok: u32,
    /// Agents' sessions in memory.
    pub agent_sessions: usize,
    /// Pages that follow live data.
    pub live_viewers: usize,
    /// Reports stored since the start.
    pub reports_stored: u64,
    /// Reports not stored since the start: refused, or the database could not write.
    pub reports_not_stored: u64,
    /// Mean time from a checked report to its commit, since the start.
    pub commit_ms_mean: Option<f64>,
    /// Requests turned away since the start, by lane: people, programs, handshakes, reports.
    #[schema(value_type = Object)]
    pub shed: BTreeMap<&'static str, u64>,
    /// Sizes of the databases with their logs.
    #[schema(value_type = Object)]
    pub database_bytes: BTreeMap<&'static str, u64>,
    /// Free on the disk of the data folder.
    pub disk_free_bytes: u64,
    /// ok, warning, no_samples, critical
    pub disk_level: &'static str,
    /// Kept for a full disk: given up at the level `critical`, so that sign-in, events and settings go on.
    pub disk_ballast_bytes: u64,
    /// What this process uses.
    pub process: Process,
}

/// What the kernel says of this process; 0 where it says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Process {
    /// Processor time since the start.
    pub cpu_s: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Open files and sockets.
    pub open_files: u64,
    /// Files and sockets that may be open.
    pub open_files_max: u64,
}

/// About this server.
#[utoipa::path(get, path = "/api/v1/about", responses((status = 200, body = About)), security(("token" = [])))]
pub async fn about(State(ops): State<Ops>) -> Json<About> {
    Json(found(&ops))
}

/// The same, for whoever is inside.
pub fn found(ops: &Ops) -> About {
    let (mut nodes, mut nodes_ok) = (0, 0);
    let now = ops.clock.monotonic();
    ops.live.for_each(|host| {
        nodes += 1;
        nodes_ok += u32::from(status_of(host.liveness(now)) == Status::Ok);
    });
    let meters = &ops.meters;
    let reports = |outcome| meters.reports.with_label_values(&[outcome]).get();
    let commits = meters.commit_seconds.get_sample_count();
    About {
        version: env!("CARGO_PKG_VERSION"),
        protocol: (protocol::OLDEST_ACCEPTED, protocol::CURRENT),
        server_key_fingerprint: data_encoding::HEXLOWER
            .encode(&protocol::keys::fingerprint(&ops.server_key.public())),
        now_ms: ops.clock.now().0,
        started_at_ms: ops.started_at.0,
        nodes,
        nodes_ok,
        agent_sessions: ops.sessions.count(),
        live_viewers: ops.live.viewers(),
        reports_stored: reports("stored"),
        reports_not_stored: reports("refused") + reports("unavailable"),
        commit_ms_mean: (commits > 0)
            .then(|| meters.commit_seconds.get_sample_sum() * 1000.0 / commits as f64),
        shed: Lane::ALL
            .iter()
            .map(|lane| {
                let count = meters.shed.with_label_values(&[lane.as_str()]).get();
                (lane.as_str(), count)
            })
            .collect(),
        database_bytes: database_bytes(ops).into_iter().collect(),
        disk_free_bytes: ops.disk.space().free_bytes,
        disk_level: ops.disk.level().as_str(),
        disk_ballast_bytes: ops.disk.ballast_bytes(),
        process: process(),
    }
}

/// `/metrics`, as Prometheus reads it.
///
/// # Errors
/// The text cannot be written.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "text/plain")), security(("token" = [])))]
pub async fn metrics(State(ops): State<Ops>) -> Result<Response, OpsError> {
    let text = ops.meters.render(&ops).map_err(|error| {
        tracing::error!(%error, "metrics cannot be written");
        OpsError::Store
    })?;
    Ok(([(header::CONTENT_TYPE, METRICS_TYPE)], text).into_response())
}

/// Agents by liveness; every liveness is there.
pub fn agents(ops: &Ops) -> Vec<(&'static str, u32)> {
    let mut counts: Vec<(Liveness, u32)> = Liveness::ALL.map(|liveness| (liveness, 0)).to_vec();
    let now = ops.clock.monotonic();
    ops.live.for_each(|host| {
        let liveness = host.liveness(now);
        if let Some((_, count)) = counts.iter_mut().find(|(of, _)| *of == liveness) {
            *count += 1;
        }
    });
    counts
        .into_iter()
        .map(|(liveness, count)| (liveness.as_str(), count))
        .collect()
}

/// Sizes of the databases with their write-ahead logs.
pub fn database_bytes(ops: &Ops) -> [(&'static str, u64); 2] {
    ["state", "metrics"].map(|name| {
        let size = |file: String| {
            std::fs::metadata(ops.data_path().join(file)).map_or(0, |found| found.len())
        };
        (
            name,
            size(format!("{name}.db")) + size(format!("{name}.db-wal")),
        )
    })
}

/// Reads `/proc/self`.
pub fn process() -> Process {
    use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
    use nix::sys::time::TimeValLike;
    let cpu_us = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    });
    let resident_kib = std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        });
    Process {
        cpu_s: cpu_us as f64 / 1e6,
        resident_bytes: resident_kib.unwrap_or(0).saturating_mul(1024),
        open_files: std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
        open_files_max: getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft),
    }
}
