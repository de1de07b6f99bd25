//! The overview: findings, systems and clusters, capacity, what changed.

use std::collections::BTreeMap;

use app::clusters::view::ClusterSummary;
use app::fleet::view::{
    Attention, AttentionRow, Capacity, CapacityRow, NodeRow, Overview, StatusCounts, SystemRow,
};
use app::format;
use app::ui::MeterLevel;
use domain::fleet::{Status, roll_up};

use super::clusters::service::by_status_worst_first;
use super::clusters::{Roster, is_seen, silences, store};
use super::service::rows;
use crate::error::OpsError;
use crate::events::service::changes;
use crate::events::store::Scope;
use crate::ops::Ops;

/// Lines under "needs attention".
const ATTENTION_MAX: usize = 20;
/// Rows of each capacity list.
const CAPACITY_MAX: usize = 5;
/// Lines of what changed.
const EVENTS_MAX: usize = 12;

/// The overview as of now: of one system, or of all.
///
/// # Errors
/// When there is no such system, or the database refuses.
pub async fn overview(ops: &Ops, system: Option<&str>) -> Result<Overview, OpsError> {
    let mut rows = rows(ops);
    let mut records = store::list(ops.state.read()).await?;
    if let Some(system) = system {
        records.retain(|record| record.system == system);
        rows.retain(|row| row.system == system);
        if records.is_empty() {
            return Err(OpsError::not_found("system", system));
        }
    }
    let roster = Roster::new(&rows);
    let mut clusters: Vec<ClusterSummary> = records
        .iter()
        .map(|record| roster.summary(record))
        .filter(|cluster| cluster.rollup.members > 0)
        .collect();
    let mut systems = systems(&clusters);
    let of = system.map(|slug| {
        systems
            .pop()
            .unwrap_or_else(|| without_nodes(slug, &records))
    });
    if systems.len() < 2 {
        systems.clear();
    }
    clusters.sort_by(|a, b| {
        by_status_worst_first(a, b).then_with(|| (&a.system, &a.slug).cmp(&(&b.system, &b.slug)))
    });
    let mut attention = attention(&rows, &clusters);
    let attention_more =
        u32::try_from(attention.len().saturating_sub(ATTENTION_MAX)).unwrap_or(u32::MAX);
    attention.truncate(ATTENTION_MAX);
    Ok(Overview {
        now_ms: ops.clock.now().0,
        of,
        counts: StatusCounts(counting(&rows).counts),
        full: full(&rows),
        attention,
        attention_more,
        systems,
        clusters,
        capacity: capacity(&rows),
        events: changes(ops, system.map_or(Scope::All, Scope::System), EVENTS_MAX).await?,
    })
}

fn without_nodes(slug: &str, records: &[store::ClusterRecord]) -> SystemRow {
    SystemRow {
        slug: slug.to_owned(),
        environment: records
            .first()
            .and_then(|record| record.environment.clone()),
        status: Status::Ok,
        reason: "no nodes".to_owned(),
    }
}

fn counting(rows: &[NodeRow]) -> domain::fleet::RollUp {
    let counting = rows.iter().filter(|row| row.counts);
    roll_up(counting.map(|row| row.status), None)
}

/// What is wrong, one line a finding: what many nodes share first, then clusters below what they need, then single nodes.
fn attention(rows: &[NodeRow], clusters: &[ClusterSummary]) -> Vec<Attention> {
    let (silences, covered) = silences(rows);
    let below = clusters.iter().filter_map(|cluster| {
        let minimum = cluster.rollup.minimum?;
        (!minimum.is_met).then(|| Attention::Cluster {
            slug: cluster.slug.clone(),
            status: cluster.rollup.status.unwrap_or(Status::Unknown),
            reason: minimum.sentence(cluster.rollup.available),
        })
    });
    let mut nodes: Vec<&NodeRow> = rows
        .iter()
        .zip(&covered)
        // A host that does not count has servers that do and say the same; what only it can have is told.
        .filter(|(row, is_covered)| {
            !**is_covered
                && row.status != Status::Ok
                && (row.counts || row.status == Status::Critical)
        })
        .map(|(row, _)| row)
        .collect();
    nodes.sort_by(|a, b| a.status.cmp(&b.status).then_with(|| a.name.cmp(&b.name)));
    silences
        .into_iter()
        .map(Attention::Silence)
        .chain(below)
        .chain(
            nodes
                .into_iter()
                .map(|row| Attention::Node(attention_row(row))),
        )
        .collect()
}

fn attention_row(row: &NodeRow) -> AttentionRow {
    AttentionRow {
        id: row.id.clone(),
        name: row.name.clone(),
        cluster: row.cluster.clone(),
        status: row.status,
        liveness: row.liveness,
        reason: row.reason.clone(),
        since_ms: row.since_ms,
    }
}

/// Systems by what their clusters add up to.
fn systems(clusters: &[ClusterSummary]) -> Vec<SystemRow> {
    let mut by_system: BTreeMap<&str, (Option<&str>, Vec<Status>)> = BTreeMap::new();
    for cluster in clusters {
        let entry = by_system
            .entry(&cluster.system)
            .or_insert_with(|| (cluster.environment.as_deref(), Vec::new()));
        entry.1.extend(cluster.rollup.status);
    }
    let mut systems: Vec<SystemRow> = by_system
        .into_iter()
        .filter_map(|(slug, (environment, statuses))| {
            let rolled = roll_up(statuses, None);
            Some(SystemRow {
                slug: slug.to_owned(),
                environment: environment.map(str::to_owned),
                status: rolled.status?,
                reason: rolled.reason("clusters"),
            })
        })
        .collect();
    systems.sort_by_key(|system| system.status);
    systems
}

/// What a meter of the page marks as full, in words. No status tells it, so whoever reads that all is OK is told here.
fn full(rows: &[NodeRow]) -> Vec<(String, String)> {
    let hosts = || rows.iter().filter(|row| row.kind == "host" && is_seen(row));
    let of = |what: &str, ratio: fn(&NodeRow) -> Option<f64>| {
        let is_full = |row: &&NodeRow| ratio(row).map(MeterLevel::of) == Some(MeterLevel::Full);
        let count = hosts().filter(is_full).count() as u64;
        (count > 0).then(|| {
            let hosts = format::plural(count, "host", "hosts");
            let words = format!("{what} above 95{}% on {hosts}", format::THIN);
            (words, format!("kind:host {what}>=95"))
        })
    };
    [
        of("disk", |row| row.now.disk_used_ratio),
        of("memory", |row| row.now.memory_used_ratio),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Where the fleet is nearest to its limits; silent nodes do not count, their values are old. Of hosts alone: disks,
/// memory and processors are theirs, and several servers on one would tell the same limit several times.
fn capacity(rows: &[NodeRow]) -> Capacity {
    let top = |ratio: fn(&NodeRow) -> Option<f64>, instance: fn(&NodeRow) -> String| {
        let mut list: Vec<(&NodeRow, f64)> = rows
            .iter()
            .filter(|row| row.kind == "host" && is_seen(row))
            .filter_map(|row| Some((row, ratio(row)?)))
            .collect();
        list.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.name.cmp(&b.0.name)));
        list.into_iter()
            .take(CAPACITY_MAX)
            .map(|(row, ratio)| CapacityRow {
                id: row.id.clone(),
                name: row.name.clone(),
                instance: instance(row),
                ratio,
            })
            .collect()
    };
    Capacity {
        disks: top(
            |row| row.now.disk_used_ratio,
            |row| row.now.disk_mount_point.clone().unwrap_or_default(),
        ),
        memory: top(|row| row.now.memory_used_ratio, |_| String::new()),
        cpu: top(|row| row.now.cpu_used_ratio, |_| String::new()),
    }
}
