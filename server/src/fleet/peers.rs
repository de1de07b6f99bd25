//! Who calls a cluster or a node, and whom it calls: the edges of the map at one place, for its page.

use std::collections::BTreeSet;

use app::fleet::peers::{Peer, Peers};
use app::{format, url};
use domain::fleet::{Admission, Status};
use domain::topology::{ClusterEdge, Edge, EdgeState, End, Side, aggregate, trouble};

use super::live::NodeLive;
use crate::ops::Ops;
use crate::topology::service::Declared;

/// Rows of each table; the map's table has all.
const ROWS_MAX: usize = 25;
/// Begins the key of a peer outside.
const OUTSIDE: &str = "ext:";

/// Of a cluster: other clusters, and peers outside.
pub fn of_cluster(ops: &Ops, slug: &str) -> Peers {
    let known = ops.topology.known();
    let declared = known
        .declared
        .iter()
        .filter(|(from, to, _)| from == slug || to == slug);
    let mut hosts = BTreeSet::new();
    ops.live.for_each(|host| {
        let mut clusters = host.servers.values().map(|server| &server.cluster);
        if host.record.cluster == slug || clusters.any(|cluster| cluster == slug) {
            hosts.insert(host.record.no);
        }
    });
    let near = touching(known.edges.values(), |host_no| hosts.contains(&host_no));
    let edges = edges_at(near, slug, |end| cluster_of(ops, end));
    let edges = with_declared(edges, declared);
    let all = url::with_query("/topology", &[("view", "table"), ("focus", slug)]);
    tables(edges, slug, ops.clock.now().0, &all, |key| {
        Some((key.to_owned(), url::cluster(key)))
    })
}

/// Of a node: other nodes, and peers outside. Of a host all that its servers do, too.
pub fn of_node(ops: &Ops, node: &NodeLive) -> Peers {
    let known = ops.topology.known();
    let own_no = node.host.record.no;
    let near = touching(known.edges.values(), |host_no| host_no == own_no);
    let place = |end: &End| {
        let is_own = end.host_no == own_no
            && node
                .server
                .as_ref()
                .is_none_or(|server| end.server.as_ref() == Some(&server.facts.key));
        if is_own {
            Some(node.id().to_owned())
        } else {
            node_of(ops, end)
        }
    };
    let edges = edges_at(near, node.id(), place);
    let focus = [("view", "table"), ("focus", node.cluster())];
    let all = url::with_query("/topology", &focus);
    tables(edges, node.id(), ops.clock.now().0, &all, |key| {
        Some((ops.live.node(key)?.name(), url::node(key)))
    })
}

/// Slug of the cluster at an end: its server's, else its host's.
fn cluster_of(ops: &Ops, end: &End) -> Option<String> {
    let host = ops.live.host(end.host_no)?;
    let server = end.server.as_ref().and_then(|key| host.servers.get(key));
    let server = server.filter(|server| server.admission == Admission::Accepted);
    Some(
        server
            .map_or(&host.record.cluster, |server| &server.cluster)
            .clone(),
    )
}

/// Id of the node at an end: its server's, else its host's.
fn node_of(ops: &Ops, end: &End) -> Option<String> {
    let host = ops.live.host(end.host_no)?;
    let server = end.server.as_ref().and_then(|key| host.servers.get(key));
    let server = server.filter(|server| server.admission != Admission::Ignored);
    Some(
        server
            .map_or(&host.record.node_id, |server| &server.node_id)
            .clone(),
    )
}

/// Edges with an end on one of these hosts: a fleet has many more, and each end is looked up.
fn touching<'e>(
    edges: impl Iterator<Item = &'e Edge>,
    is_own: impl Fn(i64) -> bool,
) -> impl Iterator<Item = &'e Edge> {
    edges.filter(move |edge| {
        let ends = [&edge.key.from, &edge.key.to].map(Side::end);
        ends.into_iter().flatten().any(|end| is_own(end.host_no))
    })
}

/// Edges that begin or end at `own`, summed up by place.
fn edges_at<'e>(
    edges: impl Iterator<Item = &'e Edge>,
    own: &str,
    place: impl Fn(&End) -> Option<String>,
) -> Vec<ClusterEdge> {
    let key = |side: &Side| match side {
        Side::Fleet(end) => place(end),
        Side::Peer(peer) => Some(format!("{OUTSIDE}{peer}")),
    };
    let mut edges = aggregate(edges, key);
    edges.retain(|edge| edge.from == own || edge.to == own);
    edges
}

/// Adds what people declared and nobody has seen.
fn with_declared<'d>(
    mut edges: Vec<ClusterEdge>,
    declared: impl Iterator<Item = &'d Declared>,
) -> Vec<ClusterEdge> {
    let seen: BTreeSet<Declared> = edges
        .iter()
        .map(|edge| (edge.from.clone(), edge.to.clone(), edge.port))
        .collect();
    let unseen = declared
        .filter(|edge| !seen.contains(*edge))
        .map(|(from, to, port)| ClusterEdge {
            from: from.clone(),
            to: to.clone(),
            port: *port,
            state: EdgeState::Declared,
            connections: None,
            failing: 0,
            bytes_per_s: None,
            first_seen_at_ms: None,
            last_seen_at_ms: None,
        });
    edges.extend(unseen);
    edges
}

fn tables(
    edges: Vec<ClusterEdge>,
    own: &str,
    now_ms: i64,
    all: &str,
    named: impl Fn(&str) -> Option<(String, String)>,
) -> Peers {
    let (used_by, depends_on): (Vec<_>, Vec<_>) =
        edges.into_iter().partition(|edge| edge.to == own);
    let rows = |mut edges: Vec<ClusterEdge>, is_caller: bool| {
        // Faults first, then those with the most connections.
        edges.sort_by_key(|edge| {
            let fault = trouble(edge.connections, edge.failing).unwrap_or(Status::Ok);
            (fault, edge.state, std::cmp::Reverse(edge.connections))
        });
        let more = edges.len().saturating_sub(ROWS_MAX);
        let mut rows: Vec<Peer> = edges
            .iter()
            .take(ROWS_MAX)
            .map(|edge| {
                let key = if is_caller { &edge.from } else { &edge.to };
                row(key, edge, now_ms, &named)
            })
            .collect();
        if more > 0 {
            rows.push(Peer {
                name: format!("{} more", format::count(more as u64)),
                href: Some(all.to_owned()),
                ..Peer::default()
            });
        }
        rows
    };
    Peers {
        used_by: rows(used_by, true),
        depends_on: rows(depends_on, false),
    }
}

fn row(
    key: &str,
    edge: &ClusterEdge,
    now_ms: i64,
    named: impl Fn(&str) -> Option<(String, String)>,
) -> Peer {
    let (name, href) = match key.strip_prefix(OUTSIDE) {
        Some(peer) => (peer.to_owned(), None),
        None => {
            named(key).map_or_else(|| (key.to_owned(), None), |(name, href)| (name, Some(href)))
        }
    };
    let unknown = || format::UNKNOWN.to_owned();
    let connections = edge
        .connections
        .map(|count| format::count(u64::from(count)));
    let rate = edge.bytes_per_s.map(|rate| format::bits_per_s(rate as f64));
    let mut state = match edge.state {
        EdgeState::New | EdgeState::Seen => "seen now",
        EdgeState::Stale => "not seen now",
        EdgeState::Declared => "declared, never seen",
    }
    .to_owned();
    if edge.failing > 0 {
        state = format!("{} failing", format::count(u64::from(edge.failing)));
    }
    // While it is seen its age is that of the last look, which says nothing and would change each time.
    let last_seen = match (edge.state, edge.last_seen_at_ms) {
        (EdgeState::New | EdgeState::Seen, _) => "now".to_owned(),
        (_, Some(at_ms)) => format!("{} ago", format::age(now_ms, at_ms)),
        (_, None) => unknown(),
    };
    Peer {
        name,
        href,
        trouble: trouble(edge.connections, edge.failing),
        cells: vec![
            edge.port.to_string(),
            connections.unwrap_or_else(unknown),
            rate.unwrap_or_else(unknown),
            state,
            last_seen,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::topology::LinkKey;

    fn edge(
        from: i64,
        to: i64,
        port: u16,
        state: EdgeState,
        connections: u32,
        failing: u32,
    ) -> Edge {
        let side = |host_no: i64| {
            Side::Fleet(End {
                host_no,
                server: None,
                process: None,
            })
        };
        Edge {
            key: LinkKey {
                from: side(from),
                to: side(to),
                port,
            },
            state,
            first_seen_at_ms: Some(0),
            last_seen_at_ms: Some(1_000),
            connections,
            failing,
            bytes_per_s: Some(1_000),
        }
    }

    #[test]
    fn both_directions_are_told_and_faults_come_first() {
        let edges = [
            edge(1, 2, 5432, EdgeState::Seen, 40, 0),
            edge(1, 3, 6379, EdgeState::Seen, 10, 9),
            edge(4, 1, 443, EdgeState::Stale, 3, 0),
            edge(2, 3, 80, EdgeState::Seen, 7, 0),
            edge(1, 4, 9, EdgeState::New, 1, 0),
        ];
        let place = |end: &End| Some(format!("c{}", end.host_no));
        let mut found = edges_at(edges.iter(), "c1", place);
        let declared = [
            ("c1".to_owned(), "c2".to_owned(), 5432),
            ("c1".to_owned(), "c9".to_owned(), 25),
        ];
        found = with_declared(found, declared.iter());
        let named = |key: &str| Some((key.to_uppercase(), url::cluster(key)));
        let peers = tables(found, "c1", 61_000, "/topology", named);
        let told = |peers: &[Peer]| -> Vec<String> {
            let words = |peer: &Peer| format!("{} {}", peer.name, peer.cells.join(" "));
            peers.iter().map(words).collect()
        };
        let thin = format::THIN;
        assert_eq!(
            told(&peers.depends_on),
            [
                format!("C3 6379 10 8.00{thin}kbit/s 9 failing now"),
                format!("C2 5432 40 8.00{thin}kbit/s seen now now"),
                "C9 25 — — declared, never seen —".to_owned(),
            ]
        );
        assert_eq!(peers.depends_on[0].trouble, Some(Status::Critical));
        assert_eq!(
            told(&peers.used_by),
            [format!("C4 443 — — not seen now 1{thin}min ago")]
        );
        assert_eq!(peers.used_by[0].href.as_deref(), Some("/clusters/c4"));
    }
}
