//! Which series belong to a node, and what its host loses on the wire.

use std::collections::{BTreeMap, BTreeSet};

use domain::metric::Metric;

use crate::fleet::live::HostLive;
use crate::ops::Ops;
use crate::series::SeriesKey;

/// Where a node's samples are.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Number of its host.
    pub host_no: i64,
    /// Instance of its samples; `None`: they are the host's own.
    pub server_key: Option<String>,
    /// Configured seconds between reports.
    pub interval_s: u32,
    /// Since when it is known.
    pub since_ms: i64,
    /// Memory of its host, to make a share of a server's bytes.
    pub memory_bytes: Option<u64>,
    /// Packets that its host lost or dropped.
    pub lost_per_s: Option<f64>,
}

/// The targets of these nodes, by public id.
pub fn targets(ops: &Ops, ids: &BTreeSet<&str>) -> BTreeMap<String, Target> {
    let mut found = BTreeMap::new();
    ops.live.for_each(|host| {
        if ids.contains(host.record.node_id.as_str()) {
            found.insert(
                host.record.node_id.clone(),
                target(host, None, host.record.enrolled_at_ms),
            );
        }
        for server in host.servers.values() {
            if ids.contains(server.node_id.as_str()) {
                let key = server.facts.key.clone();
                found.insert(
                    server.node_id.clone(),
                    target(host, Some(key), server.found_at_ms),
                );
            }
        }
    });
    found
}

fn target(host: &HostLive, server_key: Option<String>, since_ms: i64) -> Target {
    Target {
        host_no: host.record.no,
        server_key,
        interval_s: host.record.interval_s,
        since_ms,
        memory_bytes: host.facts.as_ref().and_then(|facts| facts.memory_bytes),
        lost_per_s: lost_per_s(host),
    }
}

fn lost_per_s(host: &HostLive) -> Option<f64> {
    let lost = |key: &SeriesKey| {
        matches!(
            key.metric,
            Metric::NetworkErrorsPerS | Metric::NetworkDropsPerS
        )
    };
    host.values
        .iter()
        .filter(|(key, _)| lost(key))
        .map(|(key, stored)| key.metric.from_stored(*stored))
        .reduce(|a, b| a + b)
}
