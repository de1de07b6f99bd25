//! Where the map's data comes from: the nodes of the fleet and what their hosts tell of connections.
//!
//! All of it is in memory, but for what people said about clusters.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use app::fleet::view::NodeRow;
use domain::fleet::{Collector, Liveness, Outcome};
use domain::topology::HostConnections;

use super::model::Said;
use crate::error::StoreError;
use crate::fleet::clusters::store as clusters;
use crate::fleet::live::HostLive;
use crate::fleet::rows::row_of;
use crate::ops::Ops;

/// A list that was taken this long ago is known to hold only because its host has not sent another one.
const LOOKS_EVERY_MS: i64 = 90_000;

/// A node and where it runs.
#[derive(Debug, Clone)]
pub struct NodeAt {
    /// Number of its host.
    pub host_no: i64,
    /// Its key on the host; `None` for the host itself.
    pub server: Option<String>,
    /// Since when it is known.
    pub since_ms: i64,
    /// As in lists.
    pub row: NodeRow,
}

/// All nodes but those that somebody ignores.
pub fn nodes(ops: &Ops) -> Vec<NodeAt> {
    let now = ops.clock.monotonic();
    let mut nodes = Vec::new();
    ops.live.for_each_node(|host, server| {
        nodes.push(NodeAt {
            host_no: host.record.no,
            server: server.map(|server| server.facts.key.clone()),
            since_ms: server.map_or(host.record.enrolled_at_ms, |server| server.found_at_ms),
            row: row_of(host, server, now),
        });
    });
    nodes
}

/// What people said about clusters, by slug.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn said(ops: &Ops) -> Result<BTreeMap<String, Said>, StoreError> {
    let records = clusters::list(ops.state.read()).await?;
    let said = records.into_iter().map(|record| {
        let said = Said {
            environment: record.environment,
            min_available: record.settings.min_available,
        };
        (record.slug, said)
    });
    Ok(said.collect())
}

/// What a host told.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its number.
    pub host_no: i64,
    /// Does it report?
    pub is_seen: bool,
    /// Since when its list is known to hold.
    pub known_at_ms: i64,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// Its connections.
    pub connections: Arc<HostConnections>,
}

/// What all hosts told of their connections.
pub fn told(ops: &Ops) -> Vec<Told> {
    let now = ops.clock.monotonic();
    let now_ms = ops.clock.now().0;
    let mut told = Vec::new();
    ops.live.for_each(|host| {
        let Some(connections) = host.connections.clone().filter(|_| still_looks(host)) else {
            return;
        };
        let is_recent = now_ms.saturating_sub(host.connections_at_ms) < LOOKS_EVERY_MS;
        told.push(Told {
            host_no: host.record.no,
            is_seen: matches!(host.liveness(now), Liveness::Live | Liveness::Late),
            known_at_ms: if is_recent {
                host.connections_at_ms
            } else {
                host.last_report_at_ms.unwrap_or(0)
            },
            addresses: addresses(host),
            connections,
        });
    });
    told
}

/// A host whose collector no longer runs has an old list that nothing will replace.
fn still_looks(host: &HostLive) -> bool {
    let run = host
        .record
        .collectors
        .iter()
        .find(|run| run.collector == Collector::Connections);
    run.is_none_or(|run| matches!(run.outcome, Outcome::Ok | Outcome::Partial(_)))
}

fn addresses(host: &HostLive) -> Vec<IpAddr> {
    let interfaces = host.facts.iter().flat_map(|facts| &facts.interfaces);
    let texts = interfaces.flat_map(|interface| &interface.addresses);
    texts
        // Some are told with the length of their network.
        .filter_map(|text| text.split('/').next()?.parse().ok())
        .collect()
}
