//! Tables of edges over time.

use std::collections::{BTreeMap, BTreeSet};

use super::super::*;

const MINUTE: i64 = 60_000;

fn key(from: i64, to: i64) -> LinkKey {
    let end = |host_no| {
        Side::Fleet(End {
            host_no,
            server: None,
            process: None,
        })
    };
    LinkKey {
        from: end(from),
        to: end(to),
        port: 80,
    }
}

fn link(key: LinkKey, at: i64, connections: u32, failing: u32) -> Link {
    Link {
        key,
        evidence: Evidence::Tuple,
        connections,
        failing,
        bytes_per_s: None,
        known_at_ms: at,
    }
}

struct Story {
    edges: BTreeMap<LinkKey, Edge>,
    declared: BTreeSet<LinkKey>,
}

impl Story {
    fn new() -> Self {
        Self {
            edges: BTreeMap::new(),
            declared: BTreeSet::new(),
        }
    }

    fn look(&mut self, observed: &[Link], now: i64) -> Vec<Change> {
        let next = step(
            &self.edges,
            observed,
            &self.declared,
            EdgeRules::default(),
            now,
        );
        self.edges = next.edges;
        next.changes
    }

    fn state(&self) -> Option<EdgeState> {
        self.edges.get(&key(1, 2)).map(|edge| edge.state)
    }
}

#[test]
fn an_edge_appears_with_its_second_observation() {
    let mut story = Story::new();
    assert!(story.look(&[link(key(1, 2), 0, 1, 0)], 0).is_empty());
    assert_eq!(story.state(), Some(EdgeState::New));
    // The same report, looked at again, is no second observation.
    assert!(story.look(&[link(key(1, 2), 0, 1, 0)], 10_000).is_empty());
    assert_eq!(story.state(), Some(EdgeState::New));
    let changes = story.look(&[link(key(1, 2), MINUTE, 2, 0)], MINUTE);
    assert_eq!(changes, [Change::Appeared(key(1, 2))]);
    let mut flowing = link(key(1, 2), MINUTE, 2, 0);
    flowing.bytes_per_s = Some(9);
    story.look(&[flowing], MINUTE);
    let edge = &story.edges[&key(1, 2)];
    assert_eq!(edge.bytes_per_s, Some(9));
    assert_eq!(
        (
            edge.first_seen_at_ms,
            edge.last_seen_at_ms,
            edge.connections
        ),
        (Some(0), Some(MINUTE), 2)
    );
}

#[test]
fn once_is_not_enough() {
    let mut story = Story::new();
    story.look(&[link(key(1, 2), 0, 1, 0)], 0);
    assert!(story.look(&[], MINUTE).is_empty());
    assert_eq!(story.state(), None);
    // Seen again, it begins anew.
    story.look(&[link(key(1, 2), 2 * MINUTE, 1, 0)], 2 * MINUTE);
    assert_eq!(story.state(), Some(EdgeState::New));
}

#[test]
fn unseen_it_fades_then_goes_and_seen_again_it_returns() {
    let mut story = Story::new();
    story.look(&[link(key(1, 2), 0, 1, 0)], 0);
    story.look(&[link(key(1, 2), MINUTE, 7, 0)], MINUTE);
    assert!(story.look(&[], 6 * MINUTE).is_empty());
    assert_eq!(story.state(), Some(EdgeState::Seen));
    assert_eq!(story.look(&[], 6 * MINUTE + 1), [Change::Faded(key(1, 2))]);
    assert!(story.look(&[], 7 * MINUTE).is_empty(), "it fades once");
    let back = story.look(&[link(key(1, 2), 9 * MINUTE, 1, 1)], 9 * MINUTE);
    assert_eq!(back, [Change::Returned(key(1, 2))]);
    story.look(&[], 20 * MINUTE);
    let day = 9 * MINUTE + 24 * 60 * MINUTE;
    assert!(story.look(&[], day).is_empty());
    assert_eq!(story.look(&[], day + 1), [Change::Removed(key(1, 2))]);
    assert!(story.edges.is_empty());
}

#[test]
fn what_is_declared_stays() {
    let mut story = Story::new();
    story.declared.insert(key(1, 2));
    story.look(&[], 0);
    assert_eq!(story.state(), Some(EdgeState::Declared));
    // It is drawn already, so one sight is enough.
    assert_eq!(
        story.look(&[link(key(1, 2), 0, 1, 0)], 0),
        [Change::Appeared(key(1, 2))]
    );
    story.look(&[], 6 * MINUTE);
    assert!(story.look(&[], 48 * 60 * MINUTE).is_empty());
    assert_eq!(story.state(), Some(EdgeState::Stale));
    story.declared.clear();
    assert_eq!(
        story.look(&[], 48 * 60 * MINUTE),
        [Change::Removed(key(1, 2))]
    );
}

#[test]
fn edges_of_clusters_are_sums_of_what_is_seen() {
    let edge = |from, to, state, (connections, failing, bytes_per_s), last| Edge {
        key: key(from, to),
        state,
        first_seen_at_ms: Some(last - 5),
        last_seen_at_ms: Some(last),
        connections,
        failing,
        bytes_per_s,
    };
    let edges = [
        edge(1, 3, EdgeState::Seen, (4, 1, Some(30)), 100),
        edge(2, 3, EdgeState::Stale, (50, 9, Some(500)), 90),
        edge(2, 4, EdgeState::Seen, (6, 0, None), 200),
        edge(1, 4, EdgeState::Seen, (0, 0, Some(7)), 200),
        edge(1, 2, EdgeState::Seen, (9, 9, Some(1)), 300),
        edge(4, 1, EdgeState::New, (9, 9, Some(1)), 300),
        edge(3, 9, EdgeState::Stale, (5, 5, Some(1)), 10),
        edge(7, 1, EdgeState::Seen, (5, 5, Some(1)), 10),
    ];
    let place = |side: &Side| {
        let slug = match side.end()?.host_no {
            1 | 2 => "app",
            3 | 4 => "db",
            9 => "mq",
            _ => return None,
        };
        Some(slug.to_owned())
    };
    let sums = aggregate(&edges, place);
    let told: Vec<_> = sums
        .iter()
        .map(|sum| {
            (
                sum.from.as_str(),
                sum.to.as_str(),
                sum.state,
                sum.connections,
                (sum.failing, sum.bytes_per_s),
                sum.first_seen_at_ms,
                sum.last_seen_at_ms,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "app",
                "db",
                EdgeState::Seen,
                Some(10),
                (1, Some(37)),
                Some(85),
                Some(200)
            ),
            (
                "db",
                "mq",
                EdgeState::Stale,
                None,
                (0, None),
                Some(5),
                Some(10)
            ),
        ]
    );
}

#[test]
fn failures_count_by_their_share_and_widths_by_powers_of_ten() {
    use crate::fleet::Status;
    for (connections, failing, wanted) in [
        (None, 5, None),
        (Some(0), 0, None),
        (Some(1_000), 9, None),
        (Some(1_000), 10, Some(Status::Warning)),
        (Some(1_000), 199, Some(Status::Warning)),
        (Some(1_000), 200, Some(Status::Critical)),
        (Some(0), 1, Some(Status::Critical)),
    ] {
        assert_eq!(
            trouble(connections, failing),
            wanted,
            "{connections:?} {failing}"
        );
    }
    let by = WidthBy::of([None, None]);
    let steps = [0, 9, 10, 100, 9_999, 10_000].map(|n| by.step(Some(n), None));
    assert_eq!(steps, [1, 1, 2, 3, 4, 5]);
    assert_eq!(by.step(None, Some(u64::MAX)), 1, "not both in one map");
    // Bits, of bytes: from 100 kbit/s, 1, 10 and 100 Mbit/s.
    let by = WidthBy::of([None, Some(0)]);
    let rates = [0, 12_499, 12_500, 125_000, 12_499_999, 12_500_000, u64::MAX];
    let steps = rates.map(|rate| by.step(None, Some(rate)));
    assert_eq!(steps, [1, 1, 2, 3, 4, 5, 5]);
    assert_eq!(by.step(Some(10_000), None), 1, "its rate is not known");
}

#[test]
fn an_edge_of_the_past_is_told_by_its_first_and_last_sight() {
    let rules = EdgeRules::default();
    let edge = Edge {
        key: key(1, 2),
        state: EdgeState::Stale,
        first_seen_at_ms: Some(10 * MINUTE),
        last_seen_at_ms: Some(20 * MINUTE),
        connections: 7,
        failing: 1,
        bytes_per_s: Some(9),
    };
    for (at_ms, state) in [
        (9 * MINUTE, None),
        (10 * MINUTE, Some(EdgeState::Seen)),
        (20 * MINUTE, Some(EdgeState::Seen)),
        (25 * MINUTE, Some(EdgeState::Seen)),
        (26 * MINUTE, Some(EdgeState::Stale)),
        (20 * MINUTE + rules.removed_after_ms + 1, None),
    ] {
        let then = as_of(&edge, rules, at_ms);
        assert_eq!(then.as_ref().map(|edge| edge.state), state, "{at_ms}");
        if let Some(then) = then {
            assert_eq!((then.connections, then.failing), (0, 0), "not kept");
            assert_eq!(then.bytes_per_s, None, "not kept");
            assert!(
                then.last_seen_at_ms <= Some(at_ms),
                "nothing of what was to come"
            );
        }
    }
    let once = Edge {
        state: EdgeState::New,
        ..edge.clone()
    };
    assert_eq!(as_of(&once, rules, 15 * MINUTE), None);
    let declared = Edge {
        first_seen_at_ms: None,
        ..edge
    };
    assert_eq!(as_of(&declared, rules, 15 * MINUTE), None);
}
