//! The console's fleet port: rows, pages and charts from what is live and what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use app::backend::Operator;
use app::error::UiError;
use app::fleet::FleetPort;
use app::fleet::readout::PointSet;
use app::fleet::view::{
    ChartSet, Inbox, InboxItem, LatestValue, NodeDetail, NodeRow, NodeSections, NodesPage,
    NodesQuery, Overview, RangeQuery, StatusCounts,
};
use domain::access::{Action, Role, authorize};
use domain::chart::range;
use domain::fleet::{Admission, Facts, ServerFacts, Status};
use domain::metric::catalogue::Instance;
use domain::metric::{Metric, SeriesRequest, name_time_before};
use domain::time::Timestamp;

use super::chart::{self, Earlier, Input, Window};
use super::live::{HostLive, NodeLive};
pub use super::rows::rows;
use super::rows::{node_row, server_row};
use super::store::HostState;
use crate::agents::ingest;
use crate::error::OpsError;
use crate::events::{self, service::changes, store::Scope};
use crate::ops::Ops;
use crate::series::SeriesKey;
use crate::web::console::Console;

/// Events on a node's page.
const EVENTS_MAX: usize = 12;
/// Rows of each list of the inbox.
const INBOX_MAX: usize = 500;
/// Points of a chart: more than a screen has columns.
const CHART_POINTS_MAX: usize = 720;
/// Points of a chart that is read by pointer or keys.
const READING_POINTS_MAX: usize = 400;
/// Events of a node that charts may mark.
const ANNOTATIONS_MAX: u32 = 50;

#[async_trait::async_trait]
impl FleetPort for Console {
    async fn overview(&self, who: &Operator, system: Option<&str>) -> Result<Overview, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(super::overview::overview(self.ops(), system).await?)
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

    async fn inbox(&self, who: &Operator) -> Result<Inbox, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(inbox(self.ops(), who.role))
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
}

/// Rows by status.
pub fn counts(rows: &[NodeRow]) -> StatusCounts {
    let mut by_status: BTreeMap<Status, u32> = BTreeMap::new();
    for row in rows {
        *by_status.entry(row.status).or_default() += 1;
    }
    StatusCounts(by_status.into_iter().collect())
}

/// A node with its host, or that there is none.
///
/// # Errors
/// [`OpsError::NotFound`]
pub fn find_node(ops: &Ops, node_id: &str) -> Result<NodeLive, OpsError> {
    ops.live
        .node(node_id)
        .ok_or_else(|| OpsError::not_found("node", node_id))
}

/// The host of a node that is a host.
///
/// # Errors
/// [`OpsError::NotFound`]
pub fn find_host(ops: &Ops, node_id: &str) -> Result<Arc<HostLive>, OpsError> {
    ops.live
        .host_by_node(node_id)
        .ok_or_else(|| OpsError::not_found("node", node_id))
}

/// A node's page without its charts, as somebody of this role sees it.
///
/// # Errors
/// No such node, or the database.
pub async fn node_detail(ops: &Ops, role: Role, id: &str) -> Result<NodeDetail, OpsError> {
    let node = find_node(ops, id)?;
    let host = &node.host;
    let now = ops.clock.monotonic();
    let latest = host
        .values
        .iter()
        .filter(|(key, _)| is_of(&node, key.metric, &key.instance))
        .map(|(key, stored)| LatestValue {
            metric: key.metric,
            instance: key.instance.clone(),
            value: key.metric.from_stored(*stored),
        })
        .collect();
    let notes = super::store::find_notes(ops.state.read(), id).await?;
    Ok(NodeDetail {
        labels_version: super::labels::version(&node.tags(), &notes),
        notes_html: super::markdown::render(&notes),
        notes,
        now_ms: ops.clock.now().0,
        row: node_row(&node, now),
        facts: host.facts.clone().map(|facts| Facts {
            booted_at_ms: facts.booted_at_ms.map(|at_ms| host.on_our_clock(at_ms)),
            ..facts
        }),
        collectors: host.record.collectors.clone(),
        latest,
        clock_skew_ms: host.skew_ms,
        enrolled_at_ms: host.record.enrolled_at_ms,
        server: node.server.as_ref().map(|server| ServerFacts {
            started_at_ms: server
                .facts
                .started_at_ms
                .map(|at_ms| host.on_our_clock(at_ms)),
            ..server.facts.clone()
        }),
        admission: node.server.as_ref().map(|server| server.admission),
        host_node_id: host.record.node_id.clone(),
        servers: match node.server {
            Some(_) => Vec::new(),
            None => host
                .servers
                .values()
                .map(|server| server_row(host, server, now))
                .collect(),
        },
        may_arrange: authorize(role, Action::ArrangeFleet).is_ok(),
        given_name: match &node.server {
            Some(server) => server.node_name.clone(),
            None => host.record.node_name.clone(),
        },
        may_approve: node.server.is_none()
            && host.record.state == HostState::Pending
            && authorize(role, Action::RetireNodes).is_ok(),
        events: changes(ops, Scope::Node(id), EVENTS_MAX).await?,
        peers: super::peers::of_node(ops, &node),
    })
}

/// What was found and waits for a decision, as somebody of this role sees it.
pub fn inbox(ops: &Ops, role: Role) -> Inbox {
    let now = ops.clock.monotonic();
    let (mut waiting, mut ignored) = (Vec::new(), Vec::new());
    ops.live.for_each(|host| {
        if host.record.state == HostState::Pending {
            waiting.push(InboxItem {
                row: super::rows::host_row(host, now),
                found_at_ms: host.record.enrolled_at_ms,
                suggested_cluster: host.record.suggested.cluster.clone(),
                is_ignored: false,
            });
        }
        for server in host.servers.values() {
            let item = InboxItem {
                row: server_row(host, server, now),
                found_at_ms: server.found_at_ms,
                suggested_cluster: server.facts.cluster.clone(),
                is_ignored: server.admission == Admission::Ignored,
            };
            match server.admission {
                Admission::New => waiting.push(item),
                Admission::Ignored => ignored.push(item),
                Admission::Accepted => {}
            }
        }
    });
    for list in [&mut waiting, &mut ignored] {
        list.sort_by(|a, b| (a.found_at_ms, &a.row.id).cmp(&(b.found_at_ms, &b.row.id)));
        list.truncate(INBOX_MAX);
    }
    Inbox {
        now_ms: ops.clock.now().0,
        waiting,
        ignored,
        may_arrange: authorize(role, Action::ArrangeFleet).is_ok(),
    }
}

/// Is a series of a host about this node? A server has those of its own key, a host those of no server.
pub fn is_of(node: &NodeLive, metric: Metric, instance: &str) -> bool {
    match (&node.server, metric.instance()) {
        (Some(server), Instance::Server) => server.facts.key == instance,
        (None, Instance::Server) | (Some(_), _) => false,
        (None, _) => true,
    }
}

/// The lists that a node's host told: processes, services, where it listens, certificates.
///
/// # Errors
/// No such node, or the database.
pub async fn node_sections(ops: &Ops, id: &str) -> Result<domain::fleet::Sections, OpsError> {
    let host = find_node(ops, id)?.host;
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
    /// What its page asks.
    pub panels: &'static [chart::Panel],
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
    let node = find_node(ops, id)?;
    let now = ops.clock.now();
    let window = range::window(&query.range, &query.from, &query.to, now);
    let request = SeriesRequest {
        from_ms: window.from_ms,
        to_ms: window.to_ms,
        level: None,
        max_points: points_max,
        interval_s: node.host.record.interval_s,
    };
    let stored = read_window(ops, &node, request, now).await?;
    let by_ms = query.earlier_ms();
    let earlier = SeriesRequest {
        from_ms: request.from_ms - by_ms.unwrap_or(0),
        to_ms: request.to_ms - by_ms.unwrap_or(0),
        ..request
    };
    let stored_then = match by_ms {
        Some(_) => read_window(ops, &node, earlier, now).await?,
        None => crate::series::service::Window::default(),
    };
    let zone_minutes = query.zone_minutes;
    let name = node.name();
    let is_server = node.server.is_some();
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
            panels: if is_server {
                chart::server_panels()
            } else {
                chart::panels()
            },
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
    node: &NodeLive,
    request: SeriesRequest,
    now: Timestamp,
) -> Result<crate::series::service::Window, OpsError> {
    let wanted = |key: &SeriesKey| is_of(node, key.metric, &key.instance);
    let no = node.host.record.no;
    let mut window =
        crate::series::service::window(&ops.metrics, no, request, now.0, wanted).await?;
    let enrolled_at_ms = node.host.record.enrolled_at_ms;
    let server = node.server.as_ref();
    let since_ms = server.map_or(enrolled_at_ms, |server| server.found_at_ms);
    for slice in window.slices.values_mut() {
        name_time_before(&mut slice.gaps, since_ms);
    }
    Ok(window)
}

/// Said where the time to compare with has nothing.
fn nothing_earlier(earlier: Option<&Earlier<'_>>) -> Option<String> {
    let earlier = earlier?;
    let is_empty = |input: &Input<'_>| input.slice.points.is_empty();
    if !earlier.inputs.iter().all(is_empty) {
        return None;
    }
    let days = app::format::plural((earlier.by_ms / 86_400_000).unsigned_abs(), "day", "days");
    Some(format!(
        "Nothing is known of this node {days} earlier: there is nothing to compare with."
    ))
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
            .chain(nothing_earlier(slices.earlier.as_ref()))
            .chain(backfilled_note(slices.backfilled))
            .collect(),
        charts: slices
            .panels
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
    let mut happened = happened.await?;
    happened.retain(|event| (set.from_ms..set.to_ms).contains(&event.at_ms));
    set.events = events::service::rows(ops, happened).await?;
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
        charts: slices
            .panels
            .iter()
            .filter_map(|panel| {
                let panel = panel.with_network_in(network_bytes);
                chart::readout(&panel, &slices.frame, slices.inputs)
            })
            .collect(),
    })
    .await
}
