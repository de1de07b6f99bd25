//! Nodes as rows: hosts, and the servers that were found on them.
//!
//! Made from what is live; every list, page and roll-up begins here. A host with servers of its own that count does not
//! count itself, or its machine would be counted twice.

use std::sync::Arc;

use app::fleet::view::{Headline, NodeRow};
use domain::fleet::{
    Admission, Liveness, Status, host_since, server_liveness, server_since, server_status,
    status_of,
};
use domain::metric::Metric;
use domain::time::Monotonic;

use super::labels::server_tags;
use super::live::{HostLive, NodeLive};
use super::servers::store::ServerRecord;
use super::store::HostState;
use crate::ops::Ops;
use crate::series::SeriesKey;

/// A host as a row.
pub fn host_row(host: &HostLive, now: Monotonic) -> NodeRow {
    let liveness = host.liveness(now);
    let status = if host.record.state == HostState::Quarantined {
        Status::Critical
    } else {
        status_of(liveness)
    };
    NodeRow {
        id: host.record.node_id.clone(),
        name: host.name().to_owned(),
        hostname: host.record.hostname.clone(),
        kind: "host".to_owned(),
        system: host.record.system.clone(),
        cluster: host.record.cluster.clone(),
        role: host.record.node_role.clone(),
        product: None,
        version: None,
        sub_domain: None,
        host_name: host.name().to_owned(),
        address: host.address().map(str::to_owned),
        console_url: None,
        tags: host.tags(),
        counts: !host
            .servers
            .values()
            .any(|server| server.admission == Admission::Accepted),
        status,
        liveness,
        reason: reason(host, liveness),
        last_report_at_ms: host.last_report_at_ms,
        since_ms: host_since(host.dates(now)),
        interval_s: host.record.interval_s,
        now: headline(host),
    }
}

/// Why a node is not simply fine.
fn reason(host: &HostLive, liveness: Liveness) -> Option<String> {
    match host.record.state {
        HostState::Revoked => {
            return Some("Its agent was revoked and may no longer report.".to_owned());
        }
        HostState::Quarantined => {
            return Some("Two machines use its agent's identity; revoke it and enroll each with its own token.".to_owned());
        }
        HostState::Active | HostState::Pending => {}
    }
    let interval_s = host.record.interval_s;
    match liveness {
        Liveness::Live | Liveness::ExpectedDown => None,
        Liveness::Late => Some(format!("A report is due every {interval_s} s.")),
        Liveness::NoData => Some(format!(
            "Silent for more than 3 intervals of {interval_s} s."
        )),
        Liveness::Stopped => Some("Its agent was stopped and said goodbye.".to_owned()),
        Liveness::Missing => Some("Enrolled, but it has not reported yet.".to_owned()),
        Liveness::PendingReview => {
            Some("Enrolled with a token that asks for review by an administrator.".to_owned())
        }
    }
}

fn headline(host: &HostLive) -> Headline {
    let value = |metric: Metric| {
        let key = SeriesKey {
            metric,
            instance: String::new(),
        };
        host.values
            .get(&key)
            .map(|stored| metric.from_stored(*stored))
    };
    let of = |metric: Metric| {
        host.values
            .iter()
            .filter(move |(key, _)| key.metric == metric)
            .map(move |(key, stored)| (key.instance.as_str(), metric.from_stored(*stored)))
    };
    let fullest = of(Metric::FilesystemUsedRatio).max_by(|a, b| a.1.total_cmp(&b.1));
    let sum = |metric: Metric| of(metric).map(|(_, value)| value).reduce(|a, b| a + b);
    Headline {
        cpu_used_ratio: value(Metric::CpuUsedRatio),
        memory_used_ratio: value(Metric::MemoryUsedRatio),
        disk_used_ratio: fullest.map(|(_, value)| value),
        disk_mount_point: fullest.map(|(instance, _)| instance.to_owned()),
        network_receive_bytes_per_s: sum(Metric::NetworkReceiveBytesPerS),
        network_transmit_bytes_per_s: sum(Metric::NetworkTransmitBytesPerS),
        load1: value(Metric::Load1),
        cpu_count: host.facts.as_ref().and_then(|facts| facts.cpu_count),
        uptime_s: value(Metric::UptimeS),
        memory_total_bytes: host.facts.as_ref().and_then(|facts| facts.memory_bytes),
        memory_available_bytes: value(Metric::MemoryAvailableBytes),
        memory_used_bytes: None,
        threads: None,
        open_files: None,
        probe_ms: None,
        connections: value(Metric::TcpConnections),
    }
}

/// A server as a row.
pub fn server_row(host: &HostLive, server: &ServerRecord, now: Monotonic) -> NodeRow {
    let host_liveness = host.liveness(now);
    let facts = &server.facts;
    let (status, trouble) = server_status(host_liveness, facts);
    let mut reason = trouble.map(|trouble| trouble.sentence());
    if server.admission == Admission::New {
        let named = facts.cluster.as_deref().unwrap_or("another cluster");
        reason = Some(format!(
            "It names cluster {named}, which {}; it waits in the inbox and does not count.",
            if host.record.allows_suggestions {
                "is another system's, or one more than its host may make"
            } else {
                "its token is not for"
            }
        ));
    }
    NodeRow {
        id: server.node_id.clone(),
        name: server.name_on(host.name()),
        hostname: host.record.hostname.clone(),
        kind: facts.pack.clone(),
        system: server.system.clone(),
        cluster: server.cluster.clone(),
        role: server.node_role.clone(),
        product: facts.product.clone(),
        version: facts.version.clone(),
        sub_domain: facts.sub_domain.clone(),
        host_name: host.name().to_owned(),
        address: host.address().map(str::to_owned),
        console_url: facts.console_url.clone(),
        tags: server_tags(host, server),
        counts: server.admission == Admission::Accepted && host.record.state != HostState::Pending,
        status: if server.admission == Admission::New {
            Status::Pending
        } else {
            status
        },
        liveness: if server.admission == Admission::New {
            Liveness::PendingReview
        } else {
            server_liveness(host_liveness, facts.state)
        },
        reason,
        last_report_at_ms: host.last_report_at_ms,
        since_ms: if server.admission == Admission::New {
            Some(server.found_at_ms)
        } else {
            server_since(host.dates(now), facts, server.since_ms)
        },
        interval_s: host.record.interval_s,
        now: server_headline(host, server),
    }
}

/// The host's values where a server has none of its own: it runs on the same processors, memory and disks.
fn server_headline(host: &HostLive, server: &ServerRecord) -> Headline {
    let value = |metric: Metric| {
        let key = SeriesKey {
            metric,
            instance: server.facts.key.clone(),
        };
        host.values
            .get(&key)
            .map(|stored| metric.from_stored(*stored))
    };
    let host_now = headline(host);
    let memory_used_bytes = value(Metric::ServerMemoryBytes);
    Headline {
        cpu_used_ratio: value(Metric::ServerCpuUsedRatio),
        memory_used_ratio: memory_used_bytes
            .zip(host_now.memory_total_bytes)
            .filter(|(_, total)| *total > 0)
            .map(|(used, total)| used / total as f64),
        uptime_s: value(Metric::ServerUptimeS),
        memory_used_bytes,
        threads: value(Metric::ServerThreads),
        open_files: value(Metric::ServerOpenFiles),
        probe_ms: value(Metric::ServerProbeMs),
        connections: value(Metric::ServerConnections),
        network_receive_bytes_per_s: None,
        network_transmit_bytes_per_s: None,
        ..host_now
    }
}

/// A node as a row, be it a host or a server.
pub fn node_row(node: &NodeLive, now: Monotonic) -> NodeRow {
    row_of(&node.host, node.server.as_ref(), now)
}

/// The same where nothing was copied yet.
pub fn row_of(host: &HostLive, server: Option<&Arc<ServerRecord>>, now: Monotonic) -> NodeRow {
    match server {
        Some(server) => server_row(host, server, now),
        None => host_row(host, now),
    }
}

/// All nodes as rows but those that somebody ignores.
pub fn rows(ops: &Ops) -> Vec<NodeRow> {
    let now = ops.clock.monotonic();
    let mut rows = Vec::new();
    ops.live
        .for_each_node(|host, server| rows.push(row_of(host, server, now)));
    rows
}
