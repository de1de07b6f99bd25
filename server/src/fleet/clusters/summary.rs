//! From rows of nodes to clusters: roll-up, means, versions, cells, grouped silence. Pure.

use std::collections::BTreeMap;

use app::clusters::view::{ClusterSummary, SilenceRow, VersionCount};
use app::fleet::view::{ClusterCell, NodeRow};
use domain::fleet::silence::{Seen, Silence};
use domain::fleet::{Liveness, below_since, is_available, roll_up};

use super::store::ClusterRecord;

/// Nodes of a cluster that are still shown one by one.
pub const CELLS_MAX: usize = 100;
/// Nodes of all clusters on a page that are still shown one by one: beyond, a page would be names and nothing else.
pub const CELLS_IN_ALL_MAX: usize = 300;

/// Rows of nodes, by cluster.
pub struct Roster<'a> {
    by_cluster: BTreeMap<&'a str, Vec<&'a NodeRow>>,
    counting: usize,
}

impl<'a> Roster<'a> {
    /// Sorts `rows` into their clusters, by name.
    pub fn new(rows: &'a [NodeRow]) -> Self {
        let mut by_cluster: BTreeMap<&str, Vec<&NodeRow>> = BTreeMap::new();
        for row in rows {
            by_cluster.entry(&row.cluster).or_default().push(row);
        }
        for members in by_cluster.values_mut() {
            members.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
        }
        Self {
            by_cluster,
            counting: rows.iter().filter(|row| row.counts).count(),
        }
    }

    /// All nodes of a cluster, by name; those that do not count, too.
    pub fn of(&self, cluster: &str) -> &[&'a NodeRow] {
        self.by_cluster.get(cluster).map_or(&[], Vec::as_slice)
    }

    /// A cluster as a list of many shows it.
    pub fn summary(&self, record: &ClusterRecord) -> ClusterSummary {
        let cells_max = if self.counting <= CELLS_IN_ALL_MAX {
            CELLS_MAX
        } else {
            0
        };
        self.summary_with(record, cells_max)
    }

    /// A cluster with its nodes as cells when they are at most `cells_max`.
    pub fn summary_with(&self, record: &ClusterRecord, cells_max: usize) -> ClusterSummary {
        let members: Vec<&NodeRow> = self
            .of(&record.slug)
            .iter()
            .copied()
            .filter(|row| row.counts)
            .collect();
        let rollup = roll_up(
            members.iter().map(|row| row.status),
            record.settings.min_available,
        );
        let seen = || members.iter().filter(|row| is_seen(row));
        ClusterSummary {
            system: record.system.clone(),
            environment: record.environment.clone(),
            slug: record.slug.clone(),
            kind: record.settings.kind,
            tags: record.settings.tags.clone(),
            reason: rollup.reason("nodes"),
            below_since_ms: rollup
                .minimum
                .filter(|minimum| !minimum.is_met)
                .and_then(|minimum| {
                    let lost = members.iter().filter(|row| !is_available(row.status));
                    let lost = lost.map(|row| row.since_ms);
                    below_since(rollup.members, minimum.needed, lost)
                }),
            rollup,
            cells: if members.len() <= cells_max {
                cells(&members)
            } else {
                Vec::new()
            },
            versions: versions(&members),
            cpu_used_ratio: mean(seen().filter_map(|row| row.now.cpu_used_ratio)),
            memory_used_ratio: mean(seen().filter_map(|row| row.now.memory_used_ratio)),
        }
    }
}

/// Can what is known of a node be taken as what is?
pub fn is_seen(row: &NodeRow) -> bool {
    matches!(row.liveness, Liveness::Live | Liveness::Late)
}

/// Nodes as cells.
pub fn cells(members: &[&NodeRow]) -> Vec<ClusterCell> {
    members
        .iter()
        .map(|row| ClusterCell {
            id: row.id.clone(),
            name: row.name.clone(),
            status: row.status,
        })
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// What runs on the nodes, the most common first; nodes without a product, such as hosts, are not told.
fn versions(members: &[&NodeRow]) -> Vec<VersionCount> {
    let mut counts: BTreeMap<(&str, Option<&str>), u32> = BTreeMap::new();
    for row in members {
        if let Some(product) = &row.product {
            *counts.entry((product, row.version.as_deref())).or_default() += 1;
        }
    }
    let mut list: Vec<VersionCount> = counts
        .into_iter()
        .map(|((product, version), nodes)| VersionCount {
            product: product.to_owned(),
            version: version.map(str::to_owned),
            nodes,
        })
        .collect();
    // Stable: equal ones stay by name.
    list.sort_by_key(|count| std::cmp::Reverse(count.nodes));
    list
}

/// What fell silent together, and for each row whether it is part of that.
pub fn silences(rows: &[NodeRow]) -> (Vec<SilenceRow>, Vec<bool>) {
    let counting: Vec<(usize, &NodeRow)> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row.counts)
        .collect();
    let seen: Vec<Seen<'_>> = counting
        .iter()
        .map(|(_, row)| Seen {
            cluster: &row.cluster,
            silent_since_ms: row
                .last_report_at_ms
                .filter(|_| row.liveness == Liveness::NoData),
        })
        .collect();
    let mut covered = vec![false; rows.len()];
    let found = domain::fleet::silences(&seen)
        .into_iter()
        .map(|silence: Silence| {
            for place in &silence.nodes {
                if let Some(slot) = counting
                    .get(*place)
                    .and_then(|(row, _)| covered.get_mut(*row))
                {
                    *slot = true;
                }
            }
            SilenceRow {
                silent: u32::try_from(silence.nodes.len()).unwrap_or(u32::MAX),
                of: silence.of,
                since_ms: silence.since_ms,
                scope: silence.scope,
            }
        })
        .collect();
    (found, covered)
}
