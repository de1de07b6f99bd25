//! Where the map's data comes from: the nodes of the fleet and what their hosts tell of connections.
//!
//! A list of connections is read from `host_section` when its digest changes, and kept.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use app::fleet::view::NodeRow;
use domain::fleet::{Collector, Liveness, Outcome};
use domain::topology::HostConnections;
use protocol::v1::section::KIND_CONNECTIONS;

use crate::agents::ingest;
use crate::error::StoreError;
use crate::fleet::{self, live::HostLive};
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
    /// As in lists.
    pub row: NodeRow,
}

/// All nodes.
pub fn nodes(ops: &Ops) -> Vec<NodeAt> {
    let now = ops.clock.monotonic();
    let mut nodes = Vec::new();
    ops.live.for_each(|host| {
        nodes.push(NodeAt {
            host_no: host.record.no,
            server: None,
            row: fleet::service::row(host, now),
        });
    });
    nodes
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

/// Lists that were read, by number of the host.
#[derive(Debug, Default)]
pub struct Cache(BTreeMap<i64, Held>);

#[derive(Debug, Clone)]
struct Held {
    digest: [u8; 8],
    taken_at_ms: i64,
    connections: Arc<HostConnections>,
}

struct Seen {
    no: i64,
    id: String,
    digest: [u8; 8],
    is_seen: bool,
    reported_at_ms: i64,
    addresses: Vec<IpAddr>,
}

/// What all hosts told of their connections.
///
/// # Errors
/// When the database refuses.
pub async fn told(ops: &Ops, cache: &mut Cache) -> Result<Vec<Told>, StoreError> {
    let now = ops.clock.monotonic();
    let now_ms = ops.clock.now().0;
    let mut hosts = Vec::new();
    ops.live.for_each(|host| {
        let Some(digest) = host.sections.get(&KIND_CONNECTIONS) else {
            return;
        };
        if !still_looks(host) {
            return;
        }
        hosts.push(Seen {
            no: host.record.no,
            id: host.record.id.clone(),
            digest: *digest,
            is_seen: matches!(host.liveness(now), Liveness::Live | Liveness::Late),
            reported_at_ms: host.last_report_at_ms.unwrap_or(0),
            addresses: addresses(host),
        });
    });
    cache
        .0
        .retain(|no, _| hosts.iter().any(|host| host.no == *no));
    let mut told = Vec::with_capacity(hosts.len());
    for host in hosts {
        let Some(held) = held(ops, cache, &host).await? else {
            continue;
        };
        let is_recent = now_ms.saturating_sub(held.taken_at_ms) < LOOKS_EVERY_MS;
        told.push(Told {
            host_no: host.no,
            is_seen: host.is_seen,
            known_at_ms: if is_recent {
                held.taken_at_ms
            } else {
                host.reported_at_ms
            },
            addresses: host.addresses,
            connections: held.connections,
        });
    }
    Ok(told)
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

async fn held(ops: &Ops, cache: &mut Cache, host: &Seen) -> Result<Option<Held>, StoreError> {
    if let Some(held) = cache
        .0
        .get(&host.no)
        .filter(|held| held.digest == host.digest)
    {
        return Ok(Some(held.clone()));
    }
    let sections = fleet::store::list_sections(ops.state.read(), &host.id).await?;
    let section = sections
        .into_iter()
        .find(|section| section.kind == KIND_CONNECTIONS);
    let Some(section) = section else {
        return Ok(None);
    };
    let Some(connections) = ingest::connections(&section.body) else {
        return Ok(None);
    };
    let held = Held {
        digest: section.digest,
        taken_at_ms: section.taken_at_ms,
        connections: Arc::new(connections),
    };
    cache.0.insert(host.no, held.clone());
    Ok(Some(held))
}
