//! The console's fleet port: rows, pages and charts from what is live and what is stored.

use std::collections::BTreeMap;

use app::backend::Operator;
use app::error::UiError;
use app::fleet::FleetPort;
use app::fleet::readout::PointSet;
use app::fleet::view::{
    Capacity, CapacityRow, ChartSet, ClusterCell, ClusterRow, EventRow, Headline, LatestValue,
    LiveMessage, LiveRequest, NodeDetail, NodeRow, NodeSections, NodesPage, NodesQuery, Overview,
    RangeQuery, StatusCounts,
};
use domain::access::{Action, Role, authorize};
use domain::chart::range;
use domain::fleet::{Liveness, Status, status_of};
use domain::metric::{Metric, SeriesRequest};
use domain::time::{Monotonic, Timestamp};
use leptos::server_fn::BoxedStream;

use super::chart::{self, Earlier, Input, Window};
use super::live::HostLive;
use super::store::HostState;
use crate::agents::ingest;
use crate::error::OpsError;
use crate::events::{self, store::EventRecord};
use crate::ops::Ops;
use crate::series::SeriesKey;
use crate::web::console::Console;

/// Rows under "needs attention".
const ATTENTION_MAX: usize = 20;
/// Rows of each capacity list.
const CAPACITY_MAX: usize = 5;
/// Events on overview and node page.
const EVENTS_MAX: u32 = 12;
/// Points of a chart: more than a screen has columns.
const CHART_POINTS_MAX: usize = 720;
/// Points of a chart that is read by pointer or keys.
const READING_POINTS_MAX: usize = 400;
/// Events of a node that charts may mark.
const ANNOTATIONS_MAX: u32 = 50;

#[async_trait::async_trait]
impl FleetPort for Console {
    async fn overview(&self, who: &Operator) -> Result<Overview, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(overview(self.ops()).await?)
    }

    async fn nodes(&self, who: &Operator, query: NodesQuery) -> Result<NodesPage, UiError> {
        who.may(Action::ViewFleet)?;
        let query = super::views::resolved(self.ops(), who, query).await?;
        let mut page = super::list::nodes_page(self.ops(), &query);
        page.views = super::views::list(self.ops(), who).await?;
        Ok(page)
    }

    async fn node(&self, who: &Operator, id: &str) -> Result<NodeDetail, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(node_detail(self.ops(), who.role, id).await?)
    }

    async fn charts(
        &self,
        who: &Operator,
        id: &str,
        range: RangeQuery,
    ) -> Result<ChartSet, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(charts(self.ops(), id, &range).await?)
    }

    async fn points(
        &self,
        who: &Operator,
        id: &str,
        range: RangeQuery,
    ) -> Result<PointSet, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(points(self.ops(), id, &range).await?)
    }

    async fn sections(&self, who: &Operator, id: &str) -> Result<NodeSections, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(super::sections::view(self.ops(), id).await?)
    }

    async fn live(
        &self,
        who: &Operator,
        requests: BoxedStream<LiveRequest, UiError>,
    ) -> Result<BoxedStream<LiveMessage, UiError>, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(super::stream::open(
            self.ops().clone(),
            who.clone(),
            requests,
        ))
    }
}

/// One node as a row.
pub fn row(host: &HostLive, now: Monotonic) -> NodeRow {
    let liveness = host.liveness(now);
    let status = if host.record.state == HostState::Quarantined {
        Status::Critical
    } else {
        status_of(liveness)
    };
    NodeRow {
        id: host.record.node_id.clone(),
        name: host.name().to_owned(),
        hostname: host.record.hostname.clone(),
        kind: "host".to_owned(),
        system: host.record.system.clone(),
        cluster: host.record.cluster.clone(),
        role: host.record.node_role.clone(),
        product: None,
        version: None,
        sub_domain: None,
        host_name: host.name().to_owned(),
        address: host.address().map(str::to_owned),
        console_url: None,
        tags: host.record.suggested.tags.clone(),
        counts: true,
        status,
        liveness,
        reason: reason(host, liveness),
        last_report_at_ms: host.last_report_at_ms,
        interval_s: host.record.interval_s,
        now: headline(host),
    }
}

/// Why a node is not simply fine.
fn reason(host: &HostLive, liveness: Liveness) -> Option<String> {
    match host.record.state {
        HostState::Revoked => {
            return Some("Its agent was revoked and may no longer report.".to_owned());
        }
        HostState::Quarantined => {
            return Some("Two machines use its agent's identity; revoke it and enroll each with its own token.".to_owned());
        }
        HostState::Active | HostState::Pending => {}
    }
    let interval_s = host.record.interval_s;
    match liveness {
        Liveness::Live | Liveness::ExpectedDown => None,
        Liveness::Late => Some(format!("A report is due every {interval_s} s.")),
        Liveness::NoData => Some(format!(
            "Silent for more than 3 intervals of {interval_s} s."
        )),
        Liveness::Stopped => Some("Its agent was stopped and said goodbye.".to_owned()),
        Liveness::Missing => Some("Enrolled, but it has not reported yet.".to_owned()),
        Liveness::PendingReview => {
            Some("Enrolled with a token that asks for review by an administrator.".to_owned())
        }
    }
}

fn headline(host: &HostLive) -> Headline {
    let value = |metric: Metric| {
        let key = SeriesKey {
            metric,
            instance: String::new(),
        };
        host.values
            .get(&key)
            .map(|stored| metric.from_stored(*stored))
    };
    let of = |metric: Metric| {
        host.values
            .iter()
            .filter(move |(key, _)| key.metric == metric)
            .map(move |(key, stored)| (key.instance.as_str(), metric.from_stored(*stored)))
    };
    let fullest = of(Metric::FilesystemUsedRatio).max_by(|a, b| a.1.total_cmp(&b.1));
    let sum = |metric: Metric| of(metric).map(|(_, value)| value).reduce(|a, b| a + b);
    Headline {
        cpu_used_ratio: value(Metric::CpuUsedRatio),
        memory_used_ratio: value(Metric::MemoryUsedRatio),
        disk_used_ratio: fullest.map(|(_, value)| value),
        disk_mount_point: fullest.map(|(instance, _)| instance.to_owned()),
        network_receive_bytes_per_s: sum(Metric::NetworkReceiveBytesPerS),
        network_transmit_bytes_per_s: sum(Metric::NetworkTransmitBytesPerS),
        load1: value(Metric::Load1),
        cpu_count: host.facts.as_ref().and_then(|facts| facts.cpu_count),
        uptime_s: value(Metric::UptimeS),
        memory_total_bytes: host.facts.as_ref().and_then(|facts| facts.memory_bytes),
        memory_available_bytes: value(Metric::MemoryAvailableBytes),
        memory_used_bytes: None,
        threads: None,
        open_files: None,
        probe_ms: None,
        connections: value(Metric::TcpConnections),
    }
}

/// All nodes as rows.
pub fn rows(ops: &Ops) -> Vec<NodeRow> {
    let now = ops.clock.monotonic();
    let mut rows = Vec::new();
    ops.live.for_each(|host| rows.push(row(host, now)));
    rows
}

/// Rows by status.
pub fn counts(rows: &[NodeRow]) -> StatusCounts {
    let mut by_status: BTreeMap<Status, u32> = BTreeMap::new();
    for row in rows {
        *by_status.entry(row.status).or_default() += 1;
    }
    StatusCounts(by_status.into_iter().collect())
}

/// The overview as of now.
///
/// # Errors
/// When the database refuses.
pub async fn overview(ops: &Ops) -> Result<Overview, OpsError> {
    let mut rows = rows(ops);
    rows.sort_by(|a, b| a.status.cmp(&b.status).then_with(|| a.name.cmp(&b.name)));
    let counts = counts(&rows);
    let wrong: Vec<NodeRow> = rows
        .iter()
        .filter(|row| row.status != Status::Ok)
        .cloned()
        .collect();
    let attention_more =
        u32::try_from(wrong.len().saturating_sub(ATTENTION_MAX)).unwrap_or(u32::MAX);
    Ok(Overview {
        now_ms: ops.clock.now().0,
        counts,
        attention: wrong.into_iter().take(ATTENTION_MAX).collect(),
        attention_more,
        clusters: clusters(&rows),
        capacity: capacity(&rows),
        events: events_of(ops, None).await?,
    })
}

fn clusters(rows: &[NodeRow]) -> Vec<ClusterRow> {
    let mut by_cluster: BTreeMap<(&str, &str), Vec<&NodeRow>> = BTreeMap::new();
    for row in rows {
        by_cluster
            .entry((&row.system, &row.cluster))
            .or_default()
            .push(row);
    }
    by_cluster
        .into_iter()
        .map(|((system, cluster), mut members)| {
            members.sort_by(|a, b| a.name.cmp(&b.name));
            let seen = || {
                members
                    .iter()
                    .filter(|row| matches!(row.liveness, Liveness::Live | Liveness::Late))
            };
            ClusterRow {
                system: system.to_owned(),
                cluster: cluster.to_owned(),
                cpu_used_ratio: mean(seen().filter_map(|row| row.now.cpu_used_ratio)),
                memory_used_ratio: mean(seen().filter_map(|row| row.now.memory_used_ratio)),
                nodes: members
                    .iter()
                    .map(|row| ClusterCell {
                        id: row.id.clone(),
                        name: row.name.clone(),
                        status: row.status,
                    })
                    .collect(),
            }
        })
        .collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Where the fleet is nearest to its limits; silent nodes do not count, their values are old.
fn capacity(rows: &[NodeRow]) -> Capacity {
    let top = |ratio: fn(&NodeRow) -> Option<f64>, instance: fn(&NodeRow) -> String| {
        let mut list: Vec<CapacityRow> = rows
            .iter()
            .filter(|row| matches!(row.liveness, Liveness::Live | Liveness::Late))
            .filter_map(|row| {
                Some(CapacityRow {
                    id: row.id.clone(),
                    name: row.name.clone(),
                    instance: instance(row),
                    ratio: ratio(row)?,
                })
            })
            .collect();
        list.sort_by(|a, b| {
            b.ratio
                .total_cmp(&a.ratio)
                .then_with(|| a.name.cmp(&b.name))
        });
        list.truncate(CAPACITY_MAX);
        list
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

async fn events_of(ops: &Ops, node_id: Option<&str>) -> Result<Vec<EventRow>, OpsError> {
    let list = events::store::list_latest(ops.state.read(), node_id, None, EVENTS_MAX).await?;
    Ok(list.into_iter().map(event_row).collect())
}

fn event_row(event: EventRecord) -> EventRow {
    EventRow {
        seq: event.seq,
        at_ms: event.at_ms,
        actor: event.actor,
        verb: event.verb,
        subject: event.subject,
        node_id: event.node_id,
    }
}

/// The host of a node, or that there is none.
///
/// # Errors
/// [`OpsError::NotFound`]
pub fn find_host(ops: &Ops, node_id: &str) -> Result<HostLive, OpsError> {
    ops.live
        .host_by_node(node_id)
        .ok_or_else(|| OpsError::not_found("node", node_id))
}

/// A node's page without its charts, as somebody of this role sees it.
///
/// # Errors
/// No such node, or the database.
pub async fn node_detail(ops: &Ops, role: Role, id: &str) -> Result<NodeDetail, OpsError> {
    let host = find_host(ops, id)?;
    let latest = host
        .values
        .iter()
        .map(|(key, stored)| LatestValue {
            metric: key.metric,
            instance: key.instance.clone(),
            value: key.metric.from_stored(*stored),
        })
        .collect();
    Ok(NodeDetail {
        now_ms: ops.clock.now().0,
        row: row(&host, ops.clock.monotonic()),
        facts: host.facts.clone(),
        collectors: host.record.collectors.clone(),
        latest,
        clock_skew_ms: host.skew_ms,
        enrolled_at_ms: host.record.enrolled_at_ms,
        may_approve: host.record.state == HostState::Pending
            && authorize(role, Action::RetireNodes).is_ok(),
        events: events_of(ops, Some(id)).await?,
    })
}

/// The lists that a node's host told: processes, services, where it listens, certificates.
///
/// # Errors
/// No such node, or the database.
pub async fn node_sections(ops: &Ops, id: &str) -> Result<domain::fleet::Sections, OpsError> {
    let host = find_host(ops, id)?;
    let mut known = domain::fleet::Sections::default();
    for stored in super::store::list_sections(ops.state.read(), &host.record.id).await? {
        ingest::add_section(&mut known, stored.kind, stored.taken_at_ms, &stored.body);
    }
    Ok(known)
}

/// What of a window came later than it was taken, in words.
fn backfilled_note(spans: &[(i64, i64)]) -> Option<String> {
    let (first, last) = (spans.first()?, spans.last()?);
    let text = |at_ms: i64| domain::time::format_utc(Timestamp(at_ms));
    let times = match spans.len() {
        1 => String::new(),
        many => format!(", in {many} stretches"),
    };
    Some(format!(
        "Back-filled: what was taken from {} to {} arrived later{times}.",
        text(first.0),
        text(last.1)
    ))
}

/// The series of a node in a window, ready to be drawn or written.
pub struct Slices<'a> {
    /// As read from the URL.
    pub window: &'a range::Window,
    /// What charts are drawn in.
    pub frame: Window<'a>,
    /// Every series of the node.
    pub inputs: &'a [Input<'a>],
    /// Stretches that came later than they were taken.
    pub backfilled: &'a [(i64, i64)],
    /// The same at another time, when that was asked for.
    pub earlier: Option<Earlier<'a>>,
}

/// Reads the series of a node in the window of `query` and hands them to `make`, apart from the threads that serve others:
/// slicing and drawing take milliseconds of processor.
///
/// # Errors
/// No such node, or the database.
pub async fn with_slices<T: Send + 'static>(
    ops: &Ops,
    id: &str,
    query: &RangeQuery,
    points_max: usize,
    make: impl FnOnce(Slices<'_>) -> T + Send + 'static,
) -> Result<T, OpsError> {
    let host = find_host(ops, id)?;
    let now = ops.clock.now();
    let window = range::window(&query.range, &query.from, &query.to, now);
    let request = SeriesRequest {
        from_ms: window.from_ms,
        to_ms: window.to_ms,
        level: None,
        max_points: points_max,
        interval_s: host.record.interval_s,
    };
    let stored = read_window(ops, &host, request, now).await?;
    let by_ms = query.earlier_ms();
    let earlier = SeriesRequest {
        from_ms: request.from_ms - by_ms.unwrap_or(0),
        to_ms: request.to_ms - by_ms.unwrap_or(0),
        ..request
    };
    let stored_then = match by_ms {
        Some(_) => read_window(ops, &host, earlier, now).await?,
        None => crate::series::service::Window::default(),
    };
    let zone_minutes = query.zone_minutes;
    let name = host.name().to_owned();
    let making = tokio::task::spawn_blocking(move || {
        let (inputs, inputs_then) = (inputs(&stored), inputs(&stored_then));
        make(Slices {
            frame: Window {
                from_ms: window.from_ms,
                to_ms: window.to_ms,
                now_ms: now.0,
                interval_s: request.interval_s,
                label: &window.label,
                node: &name,
                zone_minutes,
            },
            backfilled: &stored.backfilled,
            window: &window,
            inputs: &inputs,
            earlier: by_ms.map(|by_ms| Earlier {
                by_ms,
                inputs: &inputs_then,
            }),
        })
    });
    making.await.map_err(|error| {
        tracing::error!(%error, node.id = id, "reading charts failed");
        OpsError::Store
    })
}

async fn read_window(
    ops: &Ops,
    host: &HostLive,
    request: SeriesRequest,
    now: Timestamp,
) -> Result<crate::series::service::Window, OpsError> {
    let read =
        crate::series::service::window(&ops.metrics, host.record.no, request, now.0, |_| true);
    read.await
}

fn inputs(stored: &crate::series::service::Window) -> Vec<Input<'_>> {
    stored
        .slices
        .iter()
        .map(|(key, slice)| Input {
            metric: key.metric,
            instance: &key.instance,
            slice,
        })
        .collect()
}

/// A node's charts, drawn.
///
/// # Errors
/// No such node, or the database.
pub async fn charts(ops: &Ops, id: &str, query: &RangeQuery) -> Result<ChartSet, OpsError> {
    let network_bytes = query.network_bytes;
    let mut set = with_slices(ops, id, query, CHART_POINTS_MAX, move |slices| ChartSet {
        from_ms: slices.window.from_ms,
        to_ms: slices.window.to_ms,
        label: slices.window.label.clone(),
        notes: slices
            .window
            .notes
            .iter()
            .cloned()
            .chain(backfilled_note(slices.backfilled))
            .collect(),
        charts: chart::panels()
            .iter()
            .filter_map(|panel| {
                let panel = panel.with_network_in(network_bytes);
                chart::draw_with(
                    &panel,
                    &slices.frame,
                    slices.inputs,
                    slices.earlier.as_ref(),
                )
            })
            .collect(),
        events: Vec::new(),
    })
    .await?;
    let happened = events::store::list_latest(ops.state.read(), Some(id), None, ANNOTATIONS_MAX);
    set.events = happened
        .await?
        .into_iter()
        .filter(|event| (set.from_ms..set.to_ms).contains(&event.at_ms))
        .map(event_row)
        .collect();
    Ok(set)
}

/// The numbers behind a node's charts.
///
/// # Errors
/// No such node, or the database.
pub async fn points(ops: &Ops, id: &str, query: &RangeQuery) -> Result<PointSet, OpsError> {
    let network_bytes = query.network_bytes;
    with_slices(ops, id, query, READING_POINTS_MAX, move |slices| PointSet {
        from_ms: slices.window.from_ms,
        to_ms: slices.window.to_ms,
        charts: chart::panels()
            .iter()
            .filter_map(|panel| {
                let panel = panel.with_network_in(network_bytes);
                chart::readout(&panel, &slices.frame, slices.inputs)
            })
            .collect(),
    })
    .await
}
