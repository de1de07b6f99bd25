//! A chart as a file: `GET /nodes/{id}/charts/{key}.csv` with the window of the page.
//!
//! Values are exact, in the metric's own unit; instants are ISO 8601 in UTC. Where a series has no point its cell is empty,
//! and each stretch of silence has a row of its own, so that no program draws a line across it.

use std::collections::BTreeMap;

use app::backend::Operator;
use app::fleet::view::RangeQuery;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::access::{Action, authorize};
use domain::metric::series::Bucket;
use domain::time::{Timestamp, format_iso};
use serde::Deserialize;

use super::chart::{self, Input, Panel};
use super::service::with_slices;
use crate::error::OpsError;
use crate::ops::Ops;
use crate::web::query::Params;

/// Rows of a file at most: a day in steps of five seconds.
const ROWS_MAX: usize = 17_280;

/// The window, as in the page's URL.
#[derive(Debug, Default, Deserialize)]
pub struct WindowQuery {
    #[serde(default)]
    range: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
}

/// See the module.
///
/// # Errors
/// No such node or chart.
pub async fn chart_csv(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Path((id, file)): Path<(String, String)>,
    Params(query): Params<WindowQuery>,
) -> Result<Response, OpsError> {
    authorize(operator.role, Action::ViewFleet)?;
    let panel = file
        .strip_suffix(".csv")
        .and_then(|key| chart::all_panels().find(|panel| panel.key == key))
        .ok_or_else(|| OpsError::not_found("chart", &file))?;
    let range = RangeQuery {
        range: query.range,
        from: query.from,
        to: query.to,
        ..RangeQuery::default()
    };
    let text = with_slices(&ops, &id, &range, ROWS_MAX, move |slices| {
        csv(panel, slices.inputs)
    })
    .await?;
    let name = format!("attachment; filename=\"{id}-{}.csv\"", panel.key);
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8"),
    );
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

fn csv(panel: &Panel, inputs: &[Input<'_>]) -> String {
    let columns: Vec<&Input<'_>> = inputs
        .iter()
        .filter(|input| panel.metrics().any(|metric| metric == input.metric))
        .collect();
    let are_buckets = columns
        .iter()
        .any(|input| input.slice.points.iter().any(|point| point.count > 1));
    let parts: &[&str] = if are_buckets {
        &["mean", "min", "max"]
    } else {
        &[""]
    };
    let mut out = "time".to_owned();
    for input in &columns {
        for part in parts {
            out.push(',');
            out.push_str(&quoted(&head(input, part)));
        }
    }
    out.push_str("\r\n");
    for (t_ms, row) in rows(&columns) {
        out.push_str(&format_iso(Timestamp(t_ms)));
        for (input, cell) in columns.iter().zip(row) {
            for part in parts {
                out.push(',');
                if let Some(bucket) = cell {
                    out.push_str(&number(input, bucket, part));
                }
            }
        }
        out.push_str("\r\n");
    }
    out
}

/// One row an instant; silence begins with an empty one.
fn rows<'a>(columns: &[&Input<'a>]) -> BTreeMap<i64, Vec<Option<&'a Bucket>>> {
    let mut rows: BTreeMap<i64, Vec<Option<&Bucket>>> = BTreeMap::new();
    let empty = || vec![None; columns.len()];
    for (place, input) in columns.iter().enumerate() {
        for gap in &input.slice.gaps {
            // Just after the last instant that is known.
            rows.entry(gap.from_ms.saturating_add(1000))
                .or_insert_with(empty);
        }
        for point in &input.slice.points {
            let row = rows.entry(point.t_ms).or_insert_with(empty);
            if let Some(cell) = row.get_mut(place) {
                *cell = Some(point);
            }
        }
    }
    rows
}

/// `filesystem_used_ratio{/var} mean (ratio)`: begins with a word of ours, so no program takes it for a formula.
fn head(input: &Input<'_>, part: &str) -> String {
    let mut head = input.metric.name().to_owned();
    if !input.instance.is_empty() {
        head.push_str(&format!("{{{}}}", input.instance));
    }
    if !part.is_empty() {
        head.push_str(&format!(" {part}"));
    }
    format!("{head} ({})", input.metric.unit().as_str())
}

fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn number(input: &Input<'_>, bucket: &Bucket, part: &str) -> String {
    let scale = input.metric.scale();
    let decimals = usize::from(input.metric.decimals());
    let exact = |stored: i64| format!("{:.decimals$}", stored as f64 / scale);
    match part {
        "min" => exact(bucket.min),
        "max" => exact(bucket.max),
        "mean" => format!("{}", bucket.mean() / scale),
        _ => exact(bucket.max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::metric::Metric;
    use domain::metric::series::{Gap, Level, Slice};

    fn slice(points: Vec<Bucket>) -> Slice {
        Slice {
            points,
            gaps: vec![Gap {
                from_ms: 10_000,
                to_ms: 60_000,
                reason: "no_report".to_owned(),
            }],
            level: Level::Raw,
            step_s: 10,
            is_folded: false,
        }
    }

    #[test]
    fn values_are_exact_silence_is_empty_and_names_stay_in_their_cell() {
        let panel = chart::panels()
            .iter()
            .find(|panel| panel.key == "filesystems")
            .unwrap();
        let (one, two) = (
            slice(vec![Bucket::point(0, 731), Bucket::point(60_000, 1)]),
            slice(vec![Bucket::point(0, 1_000)]),
        );
        let input = |instance, slice| Input {
            metric: Metric::FilesystemUsedRatio,
            instance,
            slice,
        };
        let text = csv(panel, &[input("/", &one), input("/a,\"b", &two)]);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(
            lines,
            [
                "time,filesystem_used_ratio{/} (ratio),\"filesystem_used_ratio{/a,\"\"b} (ratio)\"",
                "1970-01-01T00:00:00Z,0.731,1.000",
                "1970-01-01T00:00:11Z,,",
                "1970-01-01T00:01:00Z,0.001,",
                "",
            ]
        );
    }

    #[test]
    fn buckets_tell_their_extremes() {
        let panel = chart::panels()
            .iter()
            .find(|panel| panel.key == "memory")
            .unwrap();
        let mut bucket = Bucket::point(0, 100);
        bucket.sum += 400;
        bucket.max = 400;
        bucket.count = 2;
        let of = Slice {
            gaps: Vec::new(),
            ..slice(vec![bucket])
        };
        let text = csv(
            panel,
            &[Input {
                metric: Metric::MemoryUsedRatio,
                instance: "",
                slice: &of,
            }],
        );
        assert_eq!(
            text,
            "time,memory_used_ratio mean (ratio),memory_used_ratio min (ratio),memory_used_ratio max (ratio)\r\n\
             1970-01-01T00:00:00Z,0.25,0.100,0.400\r\n"
        );
    }
}
