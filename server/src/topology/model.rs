//! Nodes and edges summed up by cluster: what both the map and the API begin with.

use std::collections::{BTreeMap, BTreeSet};

use app::fleet::view::StatusCounts;
use domain::fleet::{MinAvailable, RollUp, Status, roll_up};
use domain::topology::layout::{ArcIn, BoxIn};
use domain::topology::{ClusterEdge, Edge, EdgeState, Peer, Side, aggregate};

use super::service::{Declared, Known};
use super::source::NodeAt;
use super::store::Place;

/// Begins the key of a peer outside.
const OUTSIDE: &str = "ext:";
/// Peers of one end that are seen no longer than [`SHORT_LIVED_MS`], where there are many.
const SHORT_LIVED: &str = "ext:short-lived peers";
/// A peer that was seen no longer is short-lived.
const SHORT_LIVED_MS: i64 = 5 * 60_000;
/// So many short-lived peers are still named.
const SHORT_LIVED_NAMED_MAX: usize = 5;
/// Key of all peers outside that call.
pub const CLIENTS: &str = "ext:clients";
/// Key of all peers outside that are called.
pub const SERVICES: &str = "ext:services";
/// A cluster without nodes is remembered on the map that long.
pub const GHOST_MS: i64 = 24 * 3_600_000;

/// What people said about a cluster.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// What its system is for.
    pub environment: Option<String>,
    /// How many nodes must be available.
    pub min_available: Option<MinAvailable>,
}

/// A cluster and its nodes that count, by name.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its system.
    pub system: String,
    /// Positions of its nodes in [`Model::nodes`].
    pub members: Vec<usize>,
    /// What they add up to.
    pub rollup: RollUp,
    /// What its system is for.
    pub environment: Option<String>,
    /// Role that its nodes share, to know its tier.
    pub tier: Option<u8>,
}

impl Cluster {
    /// The worst that is not masked, capped while enough are available.
    pub fn status(&self) -> Status {
        self.rollup.status.unwrap_or(Status::Ok)
    }

    /// Its nodes by status.
    pub fn counts(&self) -> StatusCounts {
        StatusCounts(self.rollup.counts.clone())
    }

    /// Status and counts in words; with the minimum where one is declared.
    pub fn summary(&self) -> String {
        match self.rollup.minimum {
            Some(_) => self.rollup.reason("nodes"),
            None => self.counts().sentence(),
        }
    }
}

/// The fleet by cluster.
#[derive(Debug, Clone)]
pub struct Model {
    /// All nodes.
    pub nodes: Vec<NodeAt>,
    /// Clusters by slug.
    pub clusters: BTreeMap<String, Cluster>,
    /// Edges between clusters, and with peers outside as `ext:ADDRESS`.
    pub edges: Vec<ClusterEdge>,
}

impl Model {
    /// Sums up; only of this system unless it is empty. Peers outside stay, clusters of other systems do not.
    pub fn new<'e>(
        mut nodes: Vec<NodeAt>,
        said: &BTreeMap<String, Said>,
        edges: impl IntoIterator<Item = &'e Edge, IntoIter: Clone>,
        system: &str,
    ) -> Self {
        let edges = edges.into_iter();
        let passing = short_lived(edges.clone());
        nodes.sort_by(|a, b| (&a.row.name, &a.row.id).cmp(&(&b.row.name, &b.row.id)));
        let mut clusters: BTreeMap<String, Cluster> = BTreeMap::new();
        let mut place: BTreeMap<(i64, Option<&str>), &str> = BTreeMap::new();
        for (at, node) in nodes.iter().enumerate() {
            place.insert((node.host_no, node.server.as_deref()), &node.row.cluster);
            if !node.row.counts || !(system.is_empty() || node.row.system == system) {
                continue;
            }
            let cluster = clusters
                .entry(node.row.cluster.clone())
                .or_insert_with(|| Cluster {
                    system: node.row.system.clone(),
                    members: Vec::new(),
                    rollup: roll_up([], None),
                    environment: None,
                    tier: None,
                });
            cluster.members.push(at);
        }
        for (slug, cluster) in &mut clusters {
            let rows = || {
                let members = cluster.members.iter();
                members
                    .filter_map(|at| nodes.get(*at))
                    .map(|node| &node.row)
            };
            let statuses: Vec<Status> = rows().map(|row| row.status).collect();
            let tier = rows()
                .filter_map(|row| tier(row.role.as_deref(), row.product.as_deref(), &row.kind))
                .min();
            let said = said.get(slug);
            cluster.rollup = roll_up(statuses, said.and_then(|said| said.min_available));
            cluster.environment = said.and_then(|said| said.environment.clone());
            cluster.tier = tier;
        }
        let edges = aggregate(edges, |side| match side {
            Side::Peer(peer) if passing.contains(peer) => Some(SHORT_LIVED.to_owned()),
            Side::Peer(peer) => Some(format!("{OUTSIDE}{peer}")),
            Side::Fleet(end) => {
                // What is no node of its own is its host's.
                let of_server = place.get(&(end.host_no, end.server.as_deref()));
                let cluster = of_server.or_else(|| place.get(&(end.host_no, None)))?;
                clusters
                    .contains_key(*cluster)
                    .then(|| (*cluster).to_owned())
            }
        });
        Self {
            nodes,
            clusters,
            edges,
        }
    }

    /// Adds what people declared and nobody has seen.
    pub fn declare(&mut self, declared: &BTreeSet<Declared>) {
        let seen: BTreeSet<Declared> = self
            .edges
            .iter()
            .map(|edge| (edge.from.clone(), edge.to.clone(), edge.port))
            .collect();
        let is_here = |slug: &String| self.clusters.contains_key(slug);
        let unseen = declared
            .iter()
            .filter(|edge| !seen.contains(*edge) && is_here(&edge.0) && is_here(&edge.1));
        let new: Vec<ClusterEdge> = unseen
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
            })
            .collect();
        self.edges.extend(new);
        self.edges
            .sort_by(|a, b| (&a.from, &a.to, a.port).cmp(&(&b.from, &b.to, b.port)));
    }

    /// How many connections there were at another time is not kept, nor how many failed, nor what went over them.
    pub fn forget_counts(&mut self) {
        for edge in &mut self.edges {
            edge.connections = None;
            edge.failing = 0;
            edge.bytes_per_s = None;
        }
    }

    /// Boxes and arcs for the layout of a map, with the ghosts that stand on it.
    pub fn drawing(
        &self,
        known: &Known,
        map: &str,
        cells: &BTreeMap<&str, u32>,
    ) -> (Vec<BoxIn>, Vec<ArcIn>) {
        let arcs = self.arcs();
        let joined: BTreeSet<&str> = arcs
            .iter()
            .flat_map(|arc| [arc.from.as_str(), arc.to.as_str()])
            .collect();
        let mut keys: BTreeSet<&str> = self.clusters.keys().map(String::as_str).collect();
        keys.extend(
            [CLIENTS, SERVICES]
                .into_iter()
                .filter(|key| joined.contains(key)),
        );
        keys.extend(known.ghosts(map, self));
        let boxes = keys.into_iter().map(|key| {
            let place: Option<&Place> = known.place(map, key);
            let stands =
                place.filter(|place| place.is_pinned || !place.is_loose || !joined.contains(key));
            BoxIn {
                key: key.to_owned(),
                tier: match key {
                    CLIENTS => Some(0),
                    SERVICES => Some(9),
                    _ => self.clusters.get(key).and_then(|cluster| cluster.tier),
                },
                cells: cells.get(key).copied().unwrap_or(0),
                position: stands.map(|place| place.at),
                is_pinned: stands.is_some_and(|place| place.is_pinned),
            }
        });
        (boxes.collect(), arcs)
    }

    /// Edges as the map draws them: from box to box, peers outside in two boxes.
    pub fn arcs(&self) -> Vec<ArcIn> {
        let arcs: BTreeSet<(&str, &str)> = self
            .edges
            .iter()
            .map(|edge| (folded(&edge.from, CLIENTS), folded(&edge.to, SERVICES)))
            .collect();
        arcs.into_iter()
            .map(|(from, to)| ArcIn {
                from: from.to_owned(),
                to: to.to_owned(),
            })
            .collect()
    }

    /// Nodes of each cluster.
    pub fn sizes(&self) -> BTreeMap<&str, u32> {
        self.clusters
            .iter()
            .map(|(slug, cluster)| (slug.as_str(), cluster.members.len() as u32))
            .collect()
    }
}

/// Peers outside that were seen for a short time only, where there are many of them.
fn short_lived<'e>(edges: impl Iterator<Item = &'e Edge>) -> BTreeSet<Peer> {
    let mut span_ms: BTreeMap<Peer, i64> = BTreeMap::new();
    for edge in edges.filter(|edge| edge.state != EdgeState::New) {
        for side in [&edge.key.from, &edge.key.to] {
            let Side::Peer(peer) = side else { continue };
            let (first, last) = (edge.first_seen_at_ms, edge.last_seen_at_ms);
            let seen_ms = first.zip(last).map_or(0, |(first, last)| last - first);
            let longest = span_ms.entry(*peer).or_default();
            *longest = seen_ms.max(*longest);
        }
    }
    span_ms.retain(|_, seen_ms| *seen_ms < SHORT_LIVED_MS);
    if span_ms.len() <= SHORT_LIVED_NAMED_MAX {
        span_ms.clear();
    }
    span_ms.into_keys().collect()
}

/// A peer outside is one of all.
pub fn folded<'k>(key: &'k str, outside: &'k str) -> &'k str {
    if is_outside(key) { outside } else { key }
}

/// Does this key name peers outside?
pub fn is_outside(key: &str) -> bool {
    key.starts_with(OUTSIDE)
}

/// Does this key stand for peers outside that were seen for a short time only?
pub fn is_short_lived(key: &str) -> bool {
    key == SHORT_LIVED
}

/// What a key is called: `ext:203.0.113.7` is `203.0.113.7`.
pub fn name_of(key: &str) -> &str {
    key.strip_prefix(OUTSIDE).unwrap_or(key)
}

/// How many of each status, worst first.
pub fn counts(statuses: impl IntoIterator<Item = Status>) -> StatusCounts {
    let mut by_status: BTreeMap<Status, u32> = BTreeMap::new();
    for status in statuses {
        *by_status.entry(status).or_default() += 1;
    }
    StatusCounts(by_status.into_iter().collect())
}

/// Where a role, product or kind usually stands, from clients to databases.
fn tier(role: Option<&str>, product: Option<&str>, kind: &str) -> Option<u8> {
    const TIERS: [(u8, &[&str]); 4] = [
        (1, &["edge", "lb", "proxy", "gateway", "nginx", "haproxy"]),
        (2, &["app", "web", "worker", "tomcat", "carbon"]),
        (3, &["mq", "queue", "broker", "cache", "redis"]),
        (4, &["db", "database", "postgres", "mysql", "store"]),
    ];
    let find = |text: &str| {
        let text = text.to_ascii_lowercase();
        TIERS
            .iter()
            .find(|(_, words)| words.iter().any(|word| text.contains(word)))
            .map(|(tier, _)| *tier)
    };
    role.and_then(find)
        .or_else(|| product.and_then(find))
        .or_else(|| find(kind))
}
