//! The fleet as it was: how nodes were, from the samples that are stored, and which edges were there, from their first and
//! last sight.
//!
//! Nothing is guessed: a node without a sample of then is without data, and what is not kept (numbers of connections, rates,
//! nodes that were removed since, who was in which cluster) is said on the page.

use std::collections::{BTreeMap, HashMap};

use app::format;
use domain::fleet::{StoredUp, no_data_after_ms, then};
use domain::metric::{Level, Metric, SeriesRequest, Slice};
use domain::time::{Timestamp, format_utc};
use futures::{StreamExt, TryStreamExt};

use super::map::Fleet;
use super::source::NodeAt;
use crate::error::OpsError;
use crate::ops::Ops;
use crate::series::SeriesKey;
use crate::series::service as series;

/// How far before the instant samples are looked for: more than the widest bucket that is kept.
const BEFORE_MS: i64 = 2 * 3_600_000;
/// So many hosts' samples are read for one page.
const HOSTS_MAX: usize = 1_000;
/// Hosts read at once.
const HOSTS_AT_ONCE: usize = 8;
/// What is read of each.
const METRICS: [Metric; 5] = [
    Metric::UptimeS,
    Metric::CpuUsedRatio,
    Metric::MemoryUsedRatio,
    Metric::FilesystemUsedRatio,
    Metric::ServerUp,
];

/// One host then.
#[derive(Debug, Default)]
struct HostThen {
    /// Its last sample, if that was new enough to say how it was.
    seen_at_ms: Option<i64>,
    values: BTreeMap<SeriesKey, f64>,
}

/// Nodes as they were; those that came later are left out. Also what of it is not known, in words.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn fleet(ops: &Ops, now: Fleet, at_ms: i64) -> Result<(Fleet, String), OpsError> {
    // One at a time: it reads the samples of all hosts, and charts have the same readers.
    let _turn = ops.topology.past_turn().await;
    let mut nodes = now.nodes;
    nodes.retain(|node| node.since_ms <= at_ms);
    let intervals: BTreeMap<i64, u32> = nodes
        .iter()
        .map(|node| (node.host_no, node.row.interval_s))
        .collect();
    let unread = intervals.len().saturating_sub(HOSTS_MAX);
    let reading = intervals
        .into_iter()
        .take(HOSTS_MAX)
        .map(|(host_no, interval_s)| async move {
            let then = host(ops, host_no, interval_s, at_ms, now.now_ms).await?;
            Ok::<_, OpsError>((host_no, then))
        });
    let hosts: HashMap<i64, HostThen> = futures::stream::iter(reading)
        .buffer_unordered(HOSTS_AT_ONCE)
        .try_collect()
        .await?;
    for node in &mut nodes {
        as_of(node, hosts.get(&node.host_no));
    }
    let mut words = format!(
        "The map as of {}: edges from their first and last sight, nodes from what they reported then. Not kept are \
         numbers of connections, rates and what was removed since; boxes stand where they stand now.",
        format_utc(Timestamp(at_ms))
    );
    if unread > 0 {
        words.push_str(&format!(
            " {} hosts are too many to read; they are shown without data.",
            format::count(unread as u64)
        ));
    }
    Ok((Fleet { nodes, ..now }, words))
}

async fn host(
    ops: &Ops,
    host_no: i64,
    interval_s: u32,
    at_ms: i64,
    now_ms: i64,
) -> Result<HostThen, OpsError> {
    let request = SeriesRequest {
        from_ms: at_ms.saturating_sub(BEFORE_MS),
        to_ms: at_ms.saturating_add(1),
        level: None,
        max_points: 10_000,
        interval_s,
    };
    let wanted = |key: &SeriesKey| METRICS.contains(&key.metric);
    let window = series::window(&ops.metrics, host_no, request, now_ms, wanted).await?;
    let mut then = HostThen::default();
    for (key, slice) in window.slices {
        let Some((t_ms, value)) = last(&slice, interval_s, at_ms) else {
            continue;
        };
        then.seen_at_ms = then.seen_at_ms.max(Some(t_ms));
        then.values.insert(key.clone(), value / key.metric.scale());
    }
    Ok(then)
}

/// The last point, if a host that was silent since would not have counted as silent yet.
fn last(slice: &Slice, interval_s: u32, at_ms: i64) -> Option<(i64, f64)> {
    let point = slice.points.last()?;
    let span_ms = match slice.level {
        Level::Raw => 0,
        _ => i64::from(slice.step_s) * 1_000,
    };
    let silent_after_ms = i64::try_from(no_data_after_ms(interval_s)).unwrap_or(i64::MAX);
    let told_at_ms = point.t_ms.saturating_add(span_ms).min(at_ms);
    (at_ms - told_at_ms <= silent_after_ms)
        .then(|| (told_at_ms, point.sum as f64 / f64::from(point.count.max(1))))
}

/// Puts what was known then in the place of what is known now.
fn as_of(node: &mut NodeAt, stored: Option<&HostThen>) {
    let row = &mut node.row;
    let nothing = HostThen::default();
    let stored = stored.unwrap_or(&nothing);
    let up = match &node.server {
        None => StoredUp::IsHost,
        Some(server) => {
            let is_own =
                |key: &SeriesKey| key.metric == Metric::ServerUp && key.instance == *server;
            let up = stored.values.iter().find(|(key, _)| is_own(key));
            up.map_or(StoredUp::Nothing, |(_, share)| StoredUp::Share(*share))
        }
    };
    let (status, liveness, reason) = then(stored.seen_at_ms.is_some(), up);
    row.status = status;
    row.liveness = liveness;
    row.reason = reason.map(str::to_owned);
    row.last_report_at_ms = stored.seen_at_ms;
    row.now = app::fleet::view::Headline::default();
    if node.server.is_none() {
        let greatest = |metric: Metric| {
            let of_metric = stored.values.iter().filter(|(key, _)| key.metric == metric);
            of_metric.map(|(_, value)| *value).reduce(f64::max)
        };
        row.now.cpu_used_ratio = greatest(Metric::CpuUsedRatio);
        row.now.memory_used_ratio = greatest(Metric::MemoryUsedRatio);
        row.now.disk_used_ratio = greatest(Metric::FilesystemUsedRatio);
    }
}
