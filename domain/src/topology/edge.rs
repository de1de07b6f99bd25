//! Links over time: an edge shows itself after it was seen twice, is dashed when it is not seen any more, and goes when
//! nobody saw it for a day.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::connection::sum_of_rates;
use super::matching::{Link, LinkKey, Side};
use crate::fleet::Status;

/// How an edge is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeState {
    /// Seen once; not shown yet.
    New,
    /// Seen lately.
    Seen,
    /// Seen before, not lately.
    Stale,
    /// Somebody said that it should be there; never seen.
    Declared,
}

impl EdgeState {
    /// As in the API and stored.
    pub fn as_str(self) -> &'static str {
        match self {
            EdgeState::New => "new",
            EdgeState::Seen => "seen",
            EdgeState::Stale => "stale",
            EdgeState::Declared => "declared",
        }
    }

    /// Reads what [`EdgeState::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        [
            EdgeState::New,
            EdgeState::Seen,
            EdgeState::Stale,
            EdgeState::Declared,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// A link over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// From, to and port.
    pub key: LinkKey,
    /// How it is drawn.
    pub state: EdgeState,
    /// First sight; `None` when it was only declared.
    pub first_seen_at_ms: Option<i64>,
    /// Last sight.
    pub last_seen_at_ms: Option<i64>,
    /// Connections at last sight.
    pub connections: u32,
    /// Of them without an answer or with retransmissions.
    pub failing: u32,
    /// Bytes a second at last sight, both ways together; `None` where nobody told it.
    pub bytes_per_s: Option<u64>,
}

/// When an edge comes, fades and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeRules {
    /// Two reports this far apart are two observations; hosts look at their connections once a minute.
    pub apart_ms: i64,
    /// Dashed after that.
    pub stale_after_ms: i64,
    /// Gone after that.
    pub removed_after_ms: i64,
}

impl Default for EdgeRules {
    fn default() -> Self {
        Self {
            apart_ms: 30_000,
            stale_after_ms: 5 * 60_000,
            removed_after_ms: 24 * 3_600_000,
        }
    }
}

/// What happened to an edge that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is shown from now on.
    Appeared(LinkKey),
    /// It is dashed from now on.
    Faded(LinkKey),
    /// It was dashed and is seen again.
    Returned(LinkKey),
    /// It is shown no more.
    Removed(LinkKey),
}

/// The edges after one look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// By key.
    pub edges: BTreeMap<LinkKey, Edge>,
    /// What is news, by key.
    pub changes: Vec<Change>,
}

/// One look at the fleet.
pub fn step(
    known: &BTreeMap<LinkKey, Edge>,
    observed: &[Link],
    declared: &BTreeSet<LinkKey>,
    rules: EdgeRules,
    now_ms: i64,
) -> Step {
    let mut next = Step::default();
    let links: BTreeMap<&LinkKey, &Link> = observed.iter().map(|link| (&link.key, link)).collect();
    let keys: BTreeSet<&LinkKey> = known
        .keys()
        .chain(links.keys().copied())
        .chain(declared)
        .collect();
    for key in keys {
        let (edge, change) = match (known.get(key), links.get(key)) {
            (known, Some(link)) => observe(known, link, rules),
            (Some(edge), None) => overlook(edge, declared.contains(key), rules, now_ms),
            (None, None) => (Some(declare(key)), None),
        };
        next.changes
            .extend(change.map(|change| change(key.clone())));
        if let Some(edge) = edge {
            next.edges.insert(key.clone(), edge);
        }
    }
    next
}

type ChangeOf = fn(LinkKey) -> Change;

fn declare(key: &LinkKey) -> Edge {
    Edge {
        key: key.clone(),
        state: EdgeState::Declared,
        first_seen_at_ms: None,
        last_seen_at_ms: None,
        connections: 0,
        failing: 0,
        bytes_per_s: None,
    }
}

fn observe(
    known: Option<&Edge>,
    link: &Link,
    rules: EdgeRules,
) -> (Option<Edge>, Option<ChangeOf>) {
    let seen_before = known.and_then(|edge| edge.first_seen_at_ms);
    let first_ms = seen_before.unwrap_or(link.known_at_ms);
    let last_ms = known
        .and_then(|edge| edge.last_seen_at_ms)
        .map_or(link.known_at_ms, |last| last.max(link.known_at_ms));
    let was = known.map_or(EdgeState::New, |edge| edge.state);
    let (state, change): (EdgeState, Option<ChangeOf>) = match was {
        EdgeState::Seen => (EdgeState::Seen, None),
        EdgeState::Stale => (EdgeState::Seen, Some(Change::Returned)),
        // It is drawn already; the first sight confirms it.
        EdgeState::Declared => (EdgeState::Seen, Some(Change::Appeared)),
        EdgeState::New if last_ms.saturating_sub(first_ms) >= rules.apart_ms => {
            (EdgeState::Seen, Some(Change::Appeared))
        }
        EdgeState::New => (EdgeState::New, None),
    };
    let edge = Edge {
        key: link.key.clone(),
        state,
        first_seen_at_ms: Some(first_ms),
        last_seen_at_ms: Some(last_ms),
        connections: link.connections,
        failing: link.failing,
        bytes_per_s: link.bytes_per_s,
    };
    (Some(edge), change)
}

fn overlook(
    edge: &Edge,
    is_declared: bool,
    rules: EdgeRules,
    now_ms: i64,
) -> (Option<Edge>, Option<ChangeOf>) {
    let Some(last_ms) = edge.last_seen_at_ms else {
        return if is_declared {
            (Some(edge.clone()), None)
        } else {
            (None, Some(Change::Removed))
        };
    };
    let unseen_ms = now_ms.saturating_sub(last_ms);
    let with = |state| {
        Some(Edge {
            state,
            ..edge.clone()
        })
    };
    match edge.state {
        // Twice in a row, or not at all.
        EdgeState::New => (None, None),
        _ if unseen_ms > rules.removed_after_ms && !is_declared => (None, Some(Change::Removed)),
        EdgeState::Seen if unseen_ms > rules.stale_after_ms => {
            (with(EdgeState::Stale), Some(Change::Faded))
        }
        state => (with(state), None),
    }
}

/// An edge as it was at another time, as far as its first and last sight tell: between them it counts as seen. How many
/// connections it had is not known, nor what went over them.
pub fn as_of(edge: &Edge, rules: EdgeRules, at_ms: i64) -> Option<Edge> {
    let (first_ms, last_ms) = (edge.first_seen_at_ms?, edge.last_seen_at_ms?);
    if edge.state == EdgeState::New || first_ms > at_ms {
        return None;
    }
    let unseen_ms = at_ms.saturating_sub(last_ms);
    let state = if unseen_ms <= rules.stale_after_ms {
        EdgeState::Seen
    } else if unseen_ms <= rules.removed_after_ms {
        EdgeState::Stale
    } else {
        return None;
    };
    Some(Edge {
        state,
        last_seen_at_ms: Some(last_ms.min(at_ms)),
        connections: 0,
        failing: 0,
        bytes_per_s: None,
        ..edge.clone()
    })
}

/// All edges between two places and one port together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterEdge {
    /// Where connections come from.
    pub from: String,
    /// Where they are accepted.
    pub to: String,
    /// Where they are accepted.
    pub port: u16,
    /// Best of them: seen before stale before declared.
    pub state: EdgeState,
    /// Connections of those that are seen; `None` when none is.
    pub connections: Option<u32>,
    /// Of them without an answer or with retransmissions.
    pub failing: u32,
    /// Bytes a second of those that are seen and tell it, both ways together; `None` when none does.
    pub bytes_per_s: Option<u64>,
    /// First sight of any.
    pub first_seen_at_ms: Option<i64>,
    /// Last sight of any.
    pub last_seen_at_ms: Option<i64>,
}

/// Edges between places, such as clusters: `place` says where an end is; an end without a place, and edges within one
/// place, are left out. What was seen only once is not in it.
pub fn aggregate<'e>(
    edges: impl IntoIterator<Item = &'e Edge>,
    mut place: impl FnMut(&Side) -> Option<String>,
) -> Vec<ClusterEdge> {
    let mut sums: BTreeMap<(String, String, u16), ClusterEdge> = BTreeMap::new();
    for edge in edges {
        if edge.state == EdgeState::New {
            continue;
        }
        let (Some(from), Some(to)) = (place(&edge.key.from), place(&edge.key.to)) else {
            continue;
        };
        if from == to {
            continue;
        }
        let sum = sums
            .entry((from.clone(), to.clone(), edge.key.port))
            .or_insert_with(|| ClusterEdge {
                from,
                to,
                port: edge.key.port,
                state: edge.state,
                connections: None,
                failing: 0,
                bytes_per_s: None,
                first_seen_at_ms: edge.first_seen_at_ms,
                last_seen_at_ms: edge.last_seen_at_ms,
            });
        sum.state = sum.state.min(edge.state);
        if edge.state == EdgeState::Seen {
            let so_far = sum.connections.unwrap_or(0);
            sum.connections = Some(so_far.saturating_add(edge.connections));
            sum.failing = sum.failing.saturating_add(edge.failing);
            sum.bytes_per_s = sum_of_rates([sum.bytes_per_s, edge.bytes_per_s]);
        }
        sum.first_seen_at_ms = match (sum.first_seen_at_ms, edge.first_seen_at_ms) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        sum.last_seen_at_ms = sum.last_seen_at_ms.max(edge.last_seen_at_ms);
    }
    sums.into_values().collect()
}

/// How bad failures are: from one in a hundred a warning, from one in five critical; `None` below, and where nothing is
/// known.
pub fn trouble(connections: Option<u32>, failing: u32) -> Option<Status> {
    let connections = u64::from(connections?.max(failing));
    let failing = u64::from(failing);
    if failing == 0 || failing * 100 < connections {
        None
    } else if failing * 5 < connections {
        Some(Status::Warning)
    } else {
        Some(Status::Critical)
    }
}

/// What the widths of a map's edges mean: one thing for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WidthBy {
    /// How many connections there are, while no rate is known.
    Connections,
    /// What goes over them.
    Rate,
}

impl WidthBy {
    /// What edges with these rates are drawn by.
    pub fn of(rates: impl IntoIterator<Item = Option<u64>>) -> Self {
        match sum_of_rates(rates) {
            Some(_) => WidthBy::Rate,
            None => WidthBy::Connections,
        }
    }

    /// How wide an edge is drawn, 1 to 5: one step for each power of ten from 10 connections, or from 100 kbit/s.
    pub fn step(self, connections: Option<u32>, bytes_per_s: Option<u64>) -> u8 {
        let (amount, first) = match self {
            WidthBy::Connections => (u64::from(connections.unwrap_or(0)), 10),
            WidthBy::Rate => (bytes_per_s.unwrap_or(0).saturating_mul(8), 100_000),
        };
        match amount / first {
            0 => 1,
            1..10 => 2,
            10..100 => 3,
            100..1_000 => 4,
            _ => 5,
        }
    }
}
