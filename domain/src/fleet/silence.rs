//! Many nodes that fall silent together are one finding: a network or a server, not as many failures.
//!
//! Called by the server for the overview and the cluster pages. Invariants: a node is in at most one finding; a finding
//! covers at least [`NODES_MIN`] nodes and [`SHARE_MIN_PERCENT`] of its scope, all silent within [`TOGETHER_MS`] of each
//! other; the order of the input decides nothing. It hides no node: each keeps its own status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Fewer nodes than this are told one by one.
pub const NODES_MIN: usize = 5;
/// A smaller share of a cluster or of the fleet is told one by one.
pub const SHARE_MIN_PERCENT: usize = 30;
/// Last reports at most so far apart belong together.
pub const TOGETHER_MS: i64 = 120_000;
/// A cluster with this share of a fleet-wide finding is named instead of the fleet.
const NAMED_PERCENT: usize = 80;

/// A node as far as its silence goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Its cluster.
    pub cluster: &'a str,
    /// Its last report, when it has been silent for longer than it may; `None` while it reports, and for silence that was
    /// announced.
    pub silent_since_ms: Option<i64>,
}

/// Where many fell silent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Across clusters.
    Fleet,
    /// In this one.
    Cluster(String),
}

/// Nodes that fell silent together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Where.
    pub scope: Scope,
    /// Last report of the first of them.
    pub since_ms: i64,
    /// Nodes of the scope, silent or not.
    pub of: u32,
    /// Places of the silent ones in the input, ascending.
    pub nodes: Vec<usize>,
}

impl Silence {
    /// See [`sentence`].
    pub fn sentence(&self, at: &str) -> String {
        sentence(&self.scope, self.nodes.len(), self.of, at)
    }
}

/// `31 of 40 nodes in app-eu stopped reporting at 03:12 — likely network or server, not 31 failures`; `at` is the reader's
/// clock.
pub fn sentence(scope: &Scope, silent: usize, of: u32, at: &str) -> String {
    let place = match scope {
        Scope::Fleet => String::new(),
        Scope::Cluster(cluster) => format!(" in {cluster}"),
    };
    format!(
        "{silent} of {of} nodes{place} stopped reporting at {at} — likely network or server, not {silent} failures"
    )
}

/// What fell silent together: across the fleet first, then cluster by cluster; the largest first.
pub fn silences(nodes: &[Seen<'_>]) -> Vec<Silence> {
    let mut silent: Vec<(i64, usize)> = nodes
        .iter()
        .enumerate()
        .filter_map(|(place, node)| Some((node.silent_since_ms?, place)))
        .collect();
    silent.sort_unstable();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes {
        *sizes.entry(node.cluster).or_default() += 1;
    }
    let mut found = Vec::new();
    let cluster_of = |place: usize| nodes.get(place).map_or("", |node| node.cluster);
    while let Some(group) = largest(&silent, nodes.len()) {
        if is_one_cluster(group.iter().map(|(_, place)| cluster_of(*place))) {
            break;
        }
        found.push(finding(Scope::Fleet, nodes.len(), &group));
        silent.retain(|entry| !group.contains(entry));
    }
    let mut by_cluster: BTreeMap<&str, Vec<(i64, usize)>> = BTreeMap::new();
    for entry in silent {
        by_cluster
            .entry(cluster_of(entry.1))
            .or_default()
            .push(entry);
    }
    for (cluster, mut silent) in by_cluster {
        let of = sizes.get(cluster).copied().unwrap_or_default();
        while let Some(group) = largest(&silent, of) {
            found.push(finding(Scope::Cluster(cluster.to_owned()), of, &group));
            silent.retain(|entry| !group.contains(entry));
        }
    }
    found.sort_by(|a, b| {
        (b.nodes.len().cmp(&a.nodes.len()))
            .then_with(|| a.since_ms.cmp(&b.since_ms))
            .then_with(|| a.scope.cmp(&b.scope))
    });
    found
}

/// The most of `silent` (ascending) that belong together, the earliest of equals, if they are many enough of `of`.
fn largest(silent: &[(i64, usize)], of: usize) -> Option<Vec<(i64, usize)>> {
    let mut best: &[(i64, usize)] = &[];
    for (first, (since_ms, _)) in silent.iter().enumerate() {
        let end =
            silent.partition_point(|(at_ms, _)| *at_ms <= since_ms.saturating_add(TOGETHER_MS));
        if let Some(group) = silent.get(first..end)
            && group.len() > best.len()
        {
            best = group;
        }
    }
    (best.len() >= NODES_MIN && best.len() * 100 >= of * SHARE_MIN_PERCENT).then(|| best.to_vec())
}

fn is_one_cluster<'a>(clusters: impl Iterator<Item = &'a str>) -> bool {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for cluster in clusters {
        *counts.entry(cluster).or_default() += 1;
    }
    let all: usize = counts.values().sum();
    counts
        .values()
        .any(|count| count * 100 >= all * NAMED_PERCENT)
}

fn finding(scope: Scope, of: usize, group: &[(i64, usize)]) -> Silence {
    let mut nodes: Vec<usize> = group.iter().map(|(_, place)| *place).collect();
    nodes.sort_unstable();
    Silence {
        scope,
        since_ms: group.first().map_or(0, |(at_ms, _)| *at_ms),
        of: u32::try_from(of).unwrap_or(u32::MAX),
        nodes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: i64 = 1_795_317_120_000;

    /// So many of a cluster: (cluster, silent, seconds after [`AT`], reporting).
    fn fleet(parts: &[(&'static str, usize, i64, usize)]) -> Vec<Seen<'static>> {
        parts
            .iter()
            .flat_map(|(cluster, silent, after_s, live)| {
                let node = |silent_since_ms| Seen {
                    cluster,
                    silent_since_ms,
                };
                (0..*silent)
                    .map(move |_| node(Some(AT + after_s * 1_000)))
                    .chain((0..*live).map(move |_| node(None)))
            })
            .collect()
    }

    fn told(nodes: &[Seen<'_>]) -> Vec<String> {
        silences(nodes)
            .iter()
            .map(|silence| silence.sentence("03:12"))
            .collect()
    }

    #[test]
    fn many_at_once_are_one_finding() {
        let app = "31 of 40 nodes in app-eu stopped reporting at 03:12 — likely network or server, not 31 failures";
        for (name, parts, expected) in [
            ("all is well", vec![("app-eu", 0, 0, 40)], vec![]),
            ("no nodes", vec![], vec![]),
            (
                "most of a cluster",
                vec![("app-eu", 31, 0, 9), ("db-eu", 0, 0, 60)],
                vec![app],
            ),
            (
                "a straggler elsewhere does not make it the fleet",
                vec![("app-eu", 31, 0, 9), ("db-eu", 1, 5, 59)],
                vec![app],
            ),
            ("four", vec![("app-eu", 4, 0, 0)], vec![]),
            ("too few of the cluster", vec![("app-eu", 5, 0, 12)], vec![]),
            (
                "just enough of the cluster",
                vec![("app-eu", 6, 0, 14), ("db-eu", 0, 0, 60)],
                vec![
                    "6 of 20 nodes in app-eu stopped reporting at 03:12 — likely network or server, not 6 failures",
                ],
            ),
            (
                "small clusters together are the fleet",
                vec![
                    ("a", 3, 0, 0),
                    ("b", 3, 60, 0),
                    ("c", 3, 119, 0),
                    ("d", 0, 0, 9),
                ],
                vec![
                    "9 of 18 nodes stopped reporting at 03:12 — likely network or server, not 9 failures",
                ],
            ),
            (
                "one after the other is no finding",
                vec![
                    ("a", 1, 0, 0),
                    ("a", 1, 130, 0),
                    ("a", 1, 260, 0),
                    ("a", 1, 390, 0),
                    ("a", 1, 520, 0),
                ],
                vec![],
            ),
            (
                "two days in one cluster are two findings",
                vec![("a", 6, 0, 0), ("a", 7, 86_400, 0), ("b", 0, 0, 60)],
                vec![
                    "7 of 13 nodes in a stopped reporting at 03:12 — likely network or server, not 7 failures",
                    "6 of 13 nodes in a stopped reporting at 03:12 — likely network or server, not 6 failures",
                ],
            ),
        ] {
            assert_eq!(told(&fleet(&parts)), expected, "{name}");
        }
    }

    #[test]
    fn it_says_when_it_began_and_whom_it_covers() {
        let mut nodes = fleet(&[("a", 0, 0, 1), ("a", 5, 30, 0)]);
        nodes.push(Seen {
            cluster: "a",
            silent_since_ms: Some(AT),
        });
        let found = silences(&nodes);
        assert_eq!(
            found,
            [Silence {
                scope: Scope::Cluster("a".to_owned()),
                since_ms: AT,
                of: 7,
                nodes: vec![1, 2, 3, 4, 5, 6],
            }]
        );
    }

    fn any_fleet() -> impl Strategy<Value = Vec<(usize, Option<i64>)>> {
        let since = proptest::option::of(0i64..600_000);
        proptest::collection::vec((0usize..4, since), 0..80)
    }

    fn seen(fleet: &[(usize, Option<i64>)]) -> Vec<Seen<'static>> {
        const NAMES: [&str; 4] = ["a", "b", "c", "d"];
        fleet
            .iter()
            .map(|(cluster, silent_since_ms)| Seen {
                cluster: NAMES[*cluster],
                silent_since_ms: *silent_since_ms,
            })
            .collect()
    }

    proptest! {
        #[test]
        fn findings_keep_what_they_promise(fleet in any_fleet()) {
            let nodes = seen(&fleet);
            let mut covered = std::collections::BTreeSet::new();
            for silence in silences(&nodes) {
                prop_assert!(silence.nodes.len() >= NODES_MIN);
                prop_assert!(silence.nodes.len() * 100 >= silence.of as usize * SHARE_MIN_PERCENT);
                for place in silence.nodes {
                    let since_ms = nodes[place].silent_since_ms.expect("only silent nodes are covered");
                    prop_assert!((silence.since_ms..=silence.since_ms + TOGETHER_MS).contains(&since_ms));
                    prop_assert!(covered.insert(place), "{} is in two findings", place);
                    if let Scope::Cluster(cluster) = &silence.scope {
                        prop_assert_eq!(nodes[place].cluster, cluster.as_str());
                    }
                }
            }
        }

        #[test]
        fn order_decides_nothing(fleet in any_fleet()) {
            let told = |list: &[(usize, Option<i64>)]| {
                silences(&seen(list))
                    .into_iter()
                    .map(|silence| (silence.scope, silence.since_ms, silence.of, silence.nodes.len()))
                    .collect::<Vec<_>>()
            };
            let mut reversed = fleet.clone();
            reversed.reverse();
            prop_assert_eq!(told(&fleet), told(&reversed));
        }
    }
}
