//! Charts of a cluster: many nodes' series on one grid, drawn as median, band, outliers and heatmap.
//!
//! Reads a few hosts at a time, so that a large cluster neither fills memory nor keeps others waiting. Of a very large one
//! an even sample is read, and the page says so.

use std::collections::{BTreeMap, BTreeSet};

use app::clusters::view::ClusterCharts;
use app::fleet::readout::PointSet;
use app::fleet::view::{NodeRow, RangeQuery};
use domain::chart::range;
use domain::metric::{Metric, SeriesRequest, Slice, name_time_before};
use domain::text::clean_label;
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt};

use super::targets::{Target, targets};
use crate::error::OpsError;
use crate::events;
use crate::fleet::chart::crowd::{Cell, Grid, Question, Track, draw_crowd};
use crate::fleet::chart::heatmap::draw_heatmap;
use crate::fleet::chart::{Kind, Window};
use crate::fleet::service::rows;
use crate::ops::Ops;
use crate::series::SeriesKey;
use crate::series::service as series;

/// Nodes whose series are read.
const NODES_MAX: usize = 100;
/// Hosts read at once.
const HOSTS_AT_ONCE: usize = 4;
/// Columns of charts and heatmap.
const COLUMNS_MAX: usize = 120;
/// Events that charts may mark.
const ANNOTATIONS_MAX: u32 = 50;

const CPU: Question = Question {
    key: "cpu",
    title: "Processor",
    kind: Kind::Percent,
    least_distance: 0.05,
    absent: "No node told its processor's use in this window.",
};
const QUESTIONS: [(Question, Source); 5] = [
    (
        CPU,
        Source {
            host: &[Metric::CpuUsedRatio],
            server: Some(Metric::ServerCpuUsedRatio),
            share_of_memory: false,
        },
    ),
    (
        Question {
            key: "memory",
            title: "Memory",
            kind: Kind::Percent,
            least_distance: 0.05,
            absent: "No node told its memory's use in this window.",
        },
        Source {
            host: &[Metric::MemoryUsedRatio],
            server: Some(Metric::ServerMemoryBytes),
            share_of_memory: true,
        },
    ),
    (
        Question {
            key: "connections",
            title: "TCP connections",
            kind: Kind::Count,
            least_distance: 10.0,
            absent: "No node told its connections in this window.",
        },
        Source {
            host: &[Metric::TcpConnections],
            server: Some(Metric::ServerConnections),
            share_of_memory: false,
        },
    ),
    (
        Question {
            key: "lost",
            title: "Packets lost or dropped by hosts",
            kind: Kind::PerS,
            least_distance: 1.0,
            absent: "No node told its network's errors in this window.",
        },
        Source {
            host: &[Metric::NetworkErrorsPerS, Metric::NetworkDropsPerS],
            server: None,
            share_of_memory: false,
        },
    ),
    (
        Question {
            key: "probe",
            title: "Health probe",
            kind: Kind::Millis,
            least_distance: 50.0,
            absent: "No node has a health probe.",
        },
        Source {
            host: &[],
            server: Some(Metric::ServerProbeMs),
            share_of_memory: false,
        },
    ),
];

/// Which series answer a question.
#[derive(Debug, Clone, Copy)]
struct Source {
    /// Of a host, added up over instances; of a server, too, where it has none of its own.
    host: &'static [Metric],
    /// Of a server.
    server: Option<Metric>,
    /// A server tells bytes, of which the share of its host's memory is shown.
    share_of_memory: bool,
}

impl Source {
    fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.host.iter().copied().chain(self.server)
    }

    /// The series of a node, with what their values are multiplied by.
    fn of<'a>(
        &self,
        target: &Target,
        slices: &'a BTreeMap<SeriesKey, Slice>,
    ) -> Vec<(f64, &'a Slice)> {
        let found = |metric: Metric, instance: Option<&str>, factor: f64| {
            slices
                .iter()
                .filter(|(key, _)| {
                    key.metric == metric && instance.is_none_or(|wanted| key.instance == wanted)
                })
                .map(|(key, slice)| (factor / key.metric.scale(), slice))
                .collect::<Vec<_>>()
        };
        match (&target.server_key, self.server) {
            (Some(key), Some(metric)) => {
                let factor = match (self.share_of_memory, target.memory_bytes) {
                    (false, _) => 1.0,
                    (true, Some(total)) if total > 0 => 1.0 / total as f64,
                    (true, _) => return Vec::new(),
                };
                found(metric, Some(key), factor)
            }
            _ => self
                .host
                .iter()
                .flat_map(|metric| found(*metric, None, 1.0))
                .collect(),
        }
    }
}

/// What is read of one host.
struct HostSeries {
    host_no: i64,
    slices: BTreeMap<SeriesKey, Slice>,
}

/// A cluster's charts, drawn, and the numbers behind them.
///
/// # Errors
/// No such cluster, or the database.
pub async fn charts(
    ops: &Ops,
    slug: &str,
    query: &RangeQuery,
) -> Result<(ClusterCharts, PointSet), OpsError> {
    super::service::find(ops, slug).await?;
    let now = ops.clock.now();
    let window = range::window(&query.range, &query.from, &query.to, now);
    let all = rows(ops);
    let mut members: Vec<&NodeRow> = all
        .iter()
        .filter(|row| row.cluster == slug && row.counts)
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.id.cmp(&b.id)));
    let mut notes = window.notes.clone();
    if members.len() > NODES_MAX {
        notes.push(format!(
            "Charts are drawn from {NODES_MAX} of {} nodes, taken evenly by name.",
            members.len()
        ));
        members = sample(&members, NODES_MAX);
    }
    let of_nodes = targets(ops, &members.iter().map(|row| row.id.as_str()).collect());
    let read = read(ops, &of_nodes, &window, now).await?;
    let nodes: Vec<(String, String, Target)> = members
        .iter()
        .filter_map(|row| {
            let target = of_nodes.get(&row.id)?.clone();
            Some((row.id.clone(), row.name.clone(), target))
        })
        .collect();
    let mut events =
        events::store::list_of_cluster(ops.state.read(), slug, None, ANNOTATIONS_MAX).await?;
    events.retain(|event| (window.from_ms..window.to_ms).contains(&event.at_ms));
    let events = events::service::rows(ops, events).await?;
    let metric = QUESTIONS
        .iter()
        .map(|(question, _)| question.key)
        .find(|key| *key == query.metric);
    if metric.is_none() && !query.metric.is_empty() {
        let shown = clean_label(&query.metric.chars().take(40).collect::<String>());
        notes.push(format!(
            "Nodes cannot be shown by `{shown}`; they are shown by processor use."
        ));
    }
    let metric = metric.unwrap_or(CPU.key).to_owned();
    let (slug, zone_minutes) = (slug.to_owned(), query.zone_minutes);
    let drawing = tokio::task::spawn_blocking(move || {
        let interval_s = nodes.iter().map(|(_, _, target)| target.interval_s).max();
        let frame = Window {
            from_ms: window.from_ms,
            to_ms: window.to_ms,
            now_ms: now.0,
            interval_s: interval_s.unwrap_or(1),
            label: &window.label,
            node: &slug,
            zone_minutes,
        };
        let drawn = draw(&frame, &nodes, &read, &metric);
        let points = PointSet {
            from_ms: window.from_ms,
            to_ms: window.to_ms,
            charts: drawn.points,
        };
        let charts = ClusterCharts {
            from_ms: window.from_ms,
            to_ms: window.to_ms,
            label: window.label.clone(),
            notes,
            metrics: drawn
                .charts
                .iter()
                .filter(|chart| chart.absent.is_none())
                .map(|chart| (chart.key.clone(), chart.title.clone()))
                .collect(),
            metric,
            charts: drawn.charts,
            heatmap: drawn.heatmap,
            events,
        };
        (charts, points)
    });
    drawing.await.map_err(|error| {
        tracing::error!(%error, "drawing a cluster's charts failed");
        OpsError::Store
    })
}

/// `count` of `all`, evenly from first to last.
fn sample<'a>(all: &[&'a NodeRow], count: usize) -> Vec<&'a NodeRow> {
    (0..count)
        .filter_map(|place| all.get(place * all.len() / count).copied())
        .collect()
}

async fn read(
    ops: &Ops,
    of_nodes: &BTreeMap<String, Target>,
    window: &range::Window,
    now: Timestamp,
) -> Result<BTreeMap<i64, BTreeMap<SeriesKey, Slice>>, OpsError> {
    let wanted: BTreeSet<Metric> = QUESTIONS
        .iter()
        .flat_map(|(_, source)| source.metrics())
        .collect();
    let hosts: BTreeMap<i64, u32> = of_nodes
        .values()
        .map(|target| (target.host_no, target.interval_s))
        .collect();
    let reading = hosts.into_iter().map(|(host_no, interval_s)| {
        let request = SeriesRequest {
            from_ms: window.from_ms,
            to_ms: window.to_ms,
            level: None,
            max_points: COLUMNS_MAX,
            interval_s,
        };
        let wanted = &wanted;
        async move {
            let read = series::window(&ops.metrics, host_no, request, now.0, |key| {
                wanted.contains(&key.metric)
            });
            Ok::<_, OpsError>(HostSeries {
                host_no,
                slices: read.await?.slices,
            })
        }
    });
    futures::stream::iter(reading)
        .buffer_unordered(HOSTS_AT_ONCE)
        .map_ok(|host| (host.host_no, host.slices))
        .try_collect()
        .await
}

/// All that is drawn from one reading.
struct Drawing {
    charts: Vec<app::fleet::view::Chart>,
    points: Vec<app::fleet::readout::ChartPoints>,
    heatmap: Option<app::clusters::view::Heatmap>,
}

/// `metric` is the key of the question whose heatmap is drawn.
fn draw(
    frame: &Window<'_>,
    nodes: &[(String, String, Target)],
    read: &BTreeMap<i64, BTreeMap<SeriesKey, Slice>>,
    metric: &str,
) -> Drawing {
    let step_s = read
        .values()
        .flat_map(|slices| slices.values())
        .map(|slice| slice.step_s)
        .max()
        .unwrap_or(frame.interval_s);
    let grid = Grid::over(
        frame.from_ms,
        frame.to_ms,
        i64::from(step_s) * 1000,
        COLUMNS_MAX,
    );
    let since_ms = nodes.iter().map(|(_, _, target)| target.since_ms).min();
    let since_ms = since_ms.unwrap_or(i64::MIN);
    let (mut charts, mut points, mut heatmap) = (Vec::new(), Vec::new(), None);
    for (question, source) in QUESTIONS {
        let (mut ids, mut tracks) = (Vec::new(), Vec::new());
        for (id, name, target) in nodes {
            let Some(slices) = read.get(&target.host_no) else {
                continue;
            };
            let series = source.of(target, slices);
            if !series.is_empty() {
                ids.push(id.clone());
                tracks.push(track(name, &grid, &series));
            }
        }
        if question.key == metric {
            heatmap = draw_heatmap(&question, frame, &grid, &ids, &tracks);
        }
        let (mut chart, mut read) = draw_crowd(&question, frame, &grid, &tracks);
        let gaps = read.iter_mut().map(|read| &mut read.gaps);
        for gaps in gaps.chain([&mut chart.gaps]) {
            name_time_before(gaps, since_ms);
        }
        charts.push(chart);
        points.extend(read);
    }
    Drawing {
        charts,
        points,
        heatmap,
    }
}

/// The sum of some series on the grid. Extremes of several do not add up, so theirs are the sum of the means.
fn track(name: &str, grid: &Grid, series: &[(f64, &Slice)]) -> Track {
    let mut cells: Vec<Option<Cell>> = vec![None; grid.columns];
    for (factor, slice) in series {
        for (column, own) in columns(grid, *factor, slice) {
            if let Some(cell) = cells.get_mut(column) {
                *cell = Some(match (*cell, series.len()) {
                    (_, 1) => own,
                    (None, _) => Cell {
                        least: own.mean,
                        mean: own.mean,
                        greatest: own.mean,
                    },
                    (Some(sum), _) => Cell {
                        least: sum.mean + own.mean,
                        mean: sum.mean + own.mean,
                        greatest: sum.mean + own.mean,
                    },
                });
            }
        }
    }
    Track {
        name: name.to_owned(),
        cells,
    }
}

fn columns(grid: &Grid, factor: f64, slice: &Slice) -> BTreeMap<usize, Cell> {
    let mut sums: BTreeMap<usize, (Cell, f64)> = BTreeMap::new();
    for point in &slice.points {
        let Some(column) = grid.column(point.t_ms) else {
            continue;
        };
        let (least, mean, greatest) = (
            point.min as f64 * factor,
            point.mean() * factor,
            point.max as f64 * factor,
        );
        sums.entry(column)
            .and_modify(|(cell, count)| {
                // A running mean, so that no sum grows.
                *count += 1.0;
                cell.mean += (mean - cell.mean) / *count;
                cell.least = cell.least.min(least);
                cell.greatest = cell.greatest.max(greatest);
            })
            .or_insert((
                Cell {
                    least,
                    mean,
                    greatest,
                },
                1.0,
            ));
    }
    sums.into_iter()
        .map(|(column, (cell, _))| (column, cell))
        .collect()
}
