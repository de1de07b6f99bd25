//! Series for programs.

use axum::Json;
use axum::extract::{Path, State};
use domain::metric::catalogue::Instance;
use domain::metric::series::POINTS_DEFAULT;
use domain::metric::{Gap, Level, Metric, SeriesRequest, Slice};
use serde::{Deserialize, Serialize};

use super::{SeriesKey, service};
use crate::error::{FieldError, OpsError};
use crate::fleet::list::Matcher;
use crate::fleet::live::NodeLive;
use crate::fleet::rows::row_of;
use crate::fleet::service::{find_node, is_of};
use crate::ops::Ops;
use crate::web::query::{ListQuery, Params};

/// A page ends after the node with which it has so many points: its cursor leads on.
const PAGE_POINTS_MAX: usize = 200_000;

/// A metric.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MetricDefinition {
    /// As in `?metric=`.
    pub name: &'static str,
    /// ratio, bytes, bytes_per_s, per_s, s, ms, count
    pub unit: &'static str,
    /// Decimals kept exactly.
    pub decimals: u8,
    /// What it says, and its source.
    pub meaning: &'static str,
    /// As in filters.
    pub short_name: &'static str,
    /// What its instances are: none, mount_point, device, interface.
    #[schema(value_type = String)]
    pub instance: domain::metric::catalogue::Instance,
}

/// All metrics.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct MetricDefinitions {
    /// In the catalogue's order.
    pub items: Vec<MetricDefinition>,
    /// For `?cursor=`; null at the end.
    pub next_cursor: Option<String>,
}

/// Which part of the catalogue; filters are about nodes, so there is none here.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DefinitionsQuery {
    /// Items at most: 1 to 1000, default 100.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What is measured.
///
/// # Errors
/// Wrong parameters.
#[utoipa::path(get, path = "/api/v1/metric-definitions", params(DefinitionsQuery), responses((status = 200, body = MetricDefinitions), (status = 422, body = crate::error::Problem)), security(("token" = [])))]
pub async fn definitions(
    Params(query): Params<DefinitionsQuery>,
) -> Result<Json<MetricDefinitions>, OpsError> {
    let part = ListQuery {
        limit: query.limit,
        cursor: query.cursor,
        filter: None,
    };
    let limit = part.limit()? as usize;
    let after = part.cursor(Metric::from_name)?;
    let place = after.and_then(|after| Metric::ALL.iter().position(|metric| *metric == after));
    let rest = Metric::ALL.iter().skip(place.map_or(0, |place| place + 1));
    let has_more = rest.len() > limit;
    let items: Vec<MetricDefinition> = rest
        .take(limit)
        .map(|metric| MetricDefinition {
            name: metric.name(),
            unit: metric.unit().as_str(),
            decimals: metric.decimals(),
            meaning: metric.meaning(),
            short_name: metric.short_name(),
            instance: metric.instance(),
        })
        .collect();
    let next_cursor = items.last().filter(|_| has_more);
    Ok(Json(MetricDefinitions {
        next_cursor: next_cursor.map(|metric| metric.name.to_owned()),
        items,
    }))
}

/// Which series, which window.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SeriesQuery {
    /// Name as in `metric-definitions`.
    metric: String,
    /// Mount point, device or interface.
    instance: Option<String>,
    /// Inclusive, ms UTC; default an hour before `to_ms`.
    from_ms: Option<String>,
    /// Exclusive, ms UTC; default now.
    to_ms: Option<String>,
    /// raw, 1m, 10m, 1h: all points of that level, up to 20,000.
    level: Option<String>,
    /// Points at most where no level is named; default 400.
    max_points: Option<String>,
}

/// A series.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Series {
    /// As asked for.
    pub metric: &'static str,
    /// As asked for.
    pub instance: String,
    /// Unit of the values.
    pub unit: &'static str,
    /// What the points are: raw (each has count 1), 1m, 10m or 1h, or folded: narrower than a minute, made from raw points.
    pub level: &'static str,
    /// Seconds from point to point.
    pub step_s: u32,
    /// `[t_ms, min, avg, max, count]`, ascending; `t_ms` is the start of a bucket, or of the range where that is later.
    pub points: Vec<(i64, f64, f64, f64, u32)>,
    /// Where nothing is known, and why.
    #[schema(value_type = Vec<Object>)]
    pub gaps: Vec<Gap>,
    /// Where points came long after they were taken, from an agent's spool.
    pub backfilled: Vec<Span>,
}

/// A stretch of time.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Span {
    /// Inclusive.
    pub from_ms: i64,
    /// Exclusive.
    pub to_ms: i64,
}

/// One series of a node.
///
/// # Errors
/// Wrong parameters, no such node, no such series.
#[utoipa::path(get, path = "/api/v1/nodes/{id}/series", params(("id" = String, Path, description = "Public id of the node"), SeriesQuery), responses((status = 200, body = Series), (status = 404, body = crate::error::Problem), (status = 422, body = crate::error::Problem)), security(("token" = [])))]
pub async fn find(
    State(ops): State<Ops>,
    Path(id): Path<String>,
    Params(query): Params<SeriesQuery>,
) -> Result<Json<Series>, OpsError> {
    let node = find_node(&ops, &id)?;
    let host = &node.host;
    let now_ms = ops.clock.now().0;
    let (metric, request) = query.request(now_ms, host.record.interval_s)?;
    let key = SeriesKey {
        metric,
        // A server has one series of each of its metrics; what its host measures is its host's.
        instance: match &node.server {
            Some(server) if metric.instance() == Instance::Server => server.facts.key.clone(),
            Some(_) | None => query.instance.unwrap_or_default(),
        },
    };
    let slice = service::slice(&ops.metrics, host.record.no, &key, request, now_ms).await?;
    let (slice, backfilled) = slice.ok_or_else(|| {
        let what = if key.instance.is_empty() {
            metric.name().to_owned()
        } else {
            format!("{} of {}", metric.name(), key.instance)
        };
        OpsError::not_found("series of this node called", &what)
    })?;
    Ok(Json(series_of(metric, key.instance, slice, backfilled)))
}

/// As programs read it.
fn series_of(
    metric: Metric,
    instance: String,
    slice: Slice,
    backfilled: Vec<(i64, i64)>,
) -> Series {
    Series {
        metric: metric.name(),
        instance,
        unit: metric.unit().as_str(),
        level: slice.level_name(),
        step_s: slice.step_s,
        points: slice
            .points
            .iter()
            .map(|bucket| {
                let mean = bucket.mean() / metric.scale();
                (
                    bucket.t_ms,
                    metric.from_stored(bucket.min),
                    mean,
                    metric.from_stored(bucket.max),
                    bucket.count,
                )
            })
            .collect(),
        gaps: slice.gaps,
        backfilled: backfilled
            .into_iter()
            .map(|(from_ms, to_ms)| Span { from_ms, to_ms })
            .collect(),
    }
}

/// Which series of which nodes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ManySeriesQuery {
    /// Name as in `metric-definitions`.
    metric: String,
    /// Mount point, device or interface; without it, every one.
    instance: Option<String>,
    /// Nodes in the filter language, such as `cluster:app-eu`.
    filter: Option<String>,
    /// Inclusive, ms UTC; default an hour before `to_ms`.
    from_ms: Option<String>,
    /// Exclusive, ms UTC; default now.
    to_ms: Option<String>,
    /// raw, 1m, 10m, 1h: all points of that level, up to 20,000 a series.
    level: Option<String>,
    /// Points at most where no level is named; default 400.
    max_points: Option<String>,
    /// Nodes at most: 1 to 1000, default 100; fewer where their series have very many points.
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A series and whose it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct NodeSeries {
    /// Public id of the node.
    pub node_id: String,
    /// Its name.
    pub node: String,
    /// The series.
    #[serde(flatten)]
    pub series: Series,
}

/// Series of a page of nodes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ManySeries {
    /// By node, then by instance.
    pub items: Vec<NodeSeries>,
    /// For `?cursor=`; null at the end.
    pub next_cursor: Option<String>,
}

/// One metric of many nodes.
///
/// # Errors
/// Wrong parameters.
#[utoipa::path(get, path = "/api/v1/series", params(ManySeriesQuery), responses((status = 200, body = ManySeries), (status = 422, body = crate::error::Problem)), security(("token" = [])))]
pub async fn list(
    State(ops): State<Ops>,
    Params(query): Params<ManySeriesQuery>,
) -> Result<Json<ManySeries>, OpsError> {
    let nodes = ListQuery {
        limit: query.limit,
        cursor: query.cursor,
        filter: query.filter,
    };
    let page = nodes.page_of_nodes()?;
    let filter = nodes.filter()?;
    let request = SeriesQuery {
        metric: query.metric,
        instance: query.instance,
        from_ms: query.from_ms,
        to_ms: query.to_ms,
        level: query.level,
        max_points: query.max_points,
    };
    let now_ms = ops.clock.now().0;
    let matcher = Matcher::new(&ops, &filter);
    let monotonic = ops.clock.monotonic();
    let mut found: Vec<String> = Vec::new();
    ops.live.for_each_node(|host, server| {
        let row = row_of(host, server, monotonic);
        if matcher.lets_through(&row) {
            found.push(row.id);
        }
    });
    found.sort();
    let (found, mut next_cursor) = page.take(found, String::clone);
    // Removed meanwhile: no longer one that matches.
    let found: Vec<NodeLive> = found.iter().filter_map(|id| ops.live.node(id)).collect();
    // Wrong parameters are wrong also where no node matches.
    request.request(now_ms, 1)?;
    let (mut items, mut points) = (Vec::new(), 0);
    let mut found = found.into_iter().peekable();
    while let Some(node) = found.next() {
        let (metric, wanted) = request.request(now_ms, node.host.record.interval_s)?;
        let is_wanted = |key: &SeriesKey| {
            key.metric == metric
                && is_of(&node, key.metric, &key.instance)
                && request
                    .instance
                    .as_ref()
                    .is_none_or(|instance| *instance == key.instance)
        };
        let no = node.host.record.no;
        let window = service::window(&ops.metrics, no, wanted, now_ms, is_wanted).await?;
        points += window
            .slices
            .values()
            .map(|slice| slice.points.len())
            .sum::<usize>();
        items.extend(window.slices.into_iter().map(|(key, slice)| NodeSeries {
            node_id: node.id().to_owned(),
            node: node.name(),
            series: series_of(metric, key.instance, slice, window.backfilled.clone()),
        }));
        if points >= PAGE_POINTS_MAX && found.peek().is_some() {
            next_cursor = Some(node.id().to_owned());
            break;
        }
    }
    Ok(Json(ManySeries { items, next_cursor }))
}

impl SeriesQuery {
    fn request(&self, now_ms: i64, interval_s: u32) -> Result<(Metric, SeriesRequest), OpsError> {
        let mut errors = Vec::new();
        let shown =
            |text: &str| domain::text::clean_label(&text.chars().take(60).collect::<String>());
        let mut wrong = |field: &str, detail: String| {
            errors.push(FieldError {
                field: field.to_owned(),
                detail,
            })
        };
        let metric = Metric::from_name(&self.metric);
        if metric.is_none() {
            wrong(
                "metric",
                format!(
                    "there is no metric `{}`; /api/v1/metric-definitions lists them",
                    shown(&self.metric)
                ),
            );
        }
        let mut instant = |field: &str, text: &Option<String>, default: i64| match text {
            None => default,
            Some(text) => text.parse().unwrap_or_else(|_| {
                wrong(
                    field,
                    format!(
                        "`{}` is no number of milliseconds since 1970 UTC",
                        shown(text)
                    ),
                );
                default
            }),
        };
        let to_ms = instant("to_ms", &self.to_ms, now_ms);
        let from_ms = instant("from_ms", &self.from_ms, to_ms.saturating_sub(3_600_000));
        let level = self
            .level
            .as_deref()
            .map(|text| (text, Level::from_name(text)));
        if let Some((text, None)) = level {
            wrong(
                "level",
                format!("`{}` is not a level; write raw, 1m, 10m or 1h", shown(text)),
            );
        }
        let max_points = match &self.max_points {
            None => POINTS_DEFAULT,
            Some(text) => text.parse().unwrap_or_else(|_| {
                wrong(
                    "max_points",
                    format!("`{}` is not a whole number", shown(text)),
                );
                POINTS_DEFAULT
            }),
        };
        let level = level.and_then(|(_, level)| level);
        match metric {
            Some(metric) if errors.is_empty() => Ok((
                metric,
                SeriesRequest {
                    from_ms,
                    to_ms,
                    level,
                    max_points,
                    interval_s,
                },
            )),
            _ => Err(OpsError::Invalid(errors)),
        }
    }
}
