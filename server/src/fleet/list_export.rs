//! The nodes list as a file: every row that matches, on all pages, in the list's order.
//!
//! Numbers are raw, in the unit that their head names; instants are ISO 8601 in UTC; what is not known is empty or null,
//! never zero. Text that a spreadsheet would run as a formula is marked as text.

use app::backend::Operator;
use app::fleet::columns::{Column, columns};
use app::fleet::view::{NodeRow, NodesQuery};
use axum::extract::{Extension, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::access::{Action, authorize};
use domain::time::{Timestamp, format_iso};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::list::{Listed, listed};
use crate::error::OpsError;
use crate::ops::Ops;
use crate::web::query::Params;

/// The list's URL.
#[derive(Debug, Default, Deserialize)]
pub struct ListUrl {
    #[serde(default)]
    q: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    cols: String,
    #[serde(default)]
    view: String,
}

fn read(ops: &Ops, who: &Operator, url: ListUrl) -> Result<(Listed, Vec<Column>), OpsError> {
    authorize(who.role, Action::ViewFleet)?;
    let query = NodesQuery {
        sort: url.sort,
        cols: url.cols,
        view: url.view,
        ..NodesQuery::of_filter(url.q)
    };
    let listed = listed(ops, &query);
    // A page may show everything beside the error; a file would only look as if it were filtered.
    match &listed.filter_error {
        Some(error) => Err(OpsError::field("q", error.message.clone())),
        None => Ok((listed, columns(&query.cols, &query.view))),
    }
}

/// `GET /nodes/export.csv`
///
/// # Errors
/// The filter is none.
pub async fn csv(
    State(ops): State<Ops>,
    Extension(who): Extension<Operator>,
    Params(url): Params<ListUrl>,
) -> Result<Response, OpsError> {
    let (listed, columns) = read(&ops, &who, url)?;
    let now_ms = ops.clock.now().0;
    let rows = listed
        .matching
        .iter()
        .filter_map(|place| listed.all.get(*place));
    Ok(csv_file(rows, &columns, now_ms))
}

/// `GET /nodes/export.json`
///
/// # Errors
/// The filter is none.
pub async fn json(
    State(ops): State<Ops>,
    Extension(who): Extension<Operator>,
    Params(url): Params<ListUrl>,
) -> Result<Response, OpsError> {
    let (listed, columns) = read(&ops, &who, url)?;
    let now_ms = ops.clock.now().0;
    let items: Vec<Value> = listed
        .matching
        .iter()
        .filter_map(|place| listed.all.get(*place))
        .map(|row| json_row(row, &columns, now_ms))
        .collect();
    let text = json!({ "made_at": format_iso(Timestamp(now_ms)), "items": items }).to_string();
    Ok(file(text, "application/json", "nodes.json"))
}

/// These rows as a file.
pub fn csv_file<'a>(
    rows: impl Iterator<Item = &'a NodeRow>,
    columns: &[Column],
    now_ms: i64,
) -> Response {
    let text = csv_text(rows, columns, now_ms);
    file(text, "text/csv; charset=utf-8", "nodes.csv")
}

fn file(text: String, media_type: &'static str, name: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    let disposition = format!("attachment; filename=\"{name}\"");
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// What a row has in a column, in the order of [`Column::export_names`].
fn values(column: Column, row: &NodeRow, now_ms: i64) -> Vec<Value> {
    let number = |value: Option<f64>| value.map_or(Value::Null, Value::from);
    let now = &row.now;
    match column {
        Column::Network => vec![
            number(now.network_receive_bytes_per_s),
            number(now.network_transmit_bytes_per_s),
        ],
        Column::Disk => vec![number(now.disk_used_ratio), json!(now.disk_mount_point)],
        Column::Report => {
            let at = row.last_report_at_ms;
            vec![json!(at.map(|at_ms| format_iso(Timestamp(at_ms))))]
        }
        Column::Tags => vec![json!(row.tags)],
        _ if column.is_number() => vec![number(column.number(row, now_ms))],
        _ => vec![json!(column.text(row))],
    }
}

fn json_row(row: &NodeRow, columns: &[Column], now_ms: i64) -> Value {
    let mut object = Map::new();
    object.insert("id".to_owned(), json!(row.id));
    for column in columns {
        let named = column
            .export_names()
            .iter()
            .zip(values(*column, row, now_ms));
        object.extend(named.map(|(name, value)| ((*name).to_owned(), value)));
    }
    Value::Object(object)
}

fn csv_text<'a>(
    rows: impl Iterator<Item = &'a NodeRow>,
    columns: &[Column],
    now_ms: i64,
) -> String {
    let heads = columns
        .iter()
        .flat_map(|column| column.export_names())
        .copied();
    let heads: Vec<&str> = std::iter::once("id").chain(heads).collect();
    let mut out = heads.join(",");
    out.push_str("\r\n");
    for row in rows {
        out.push_str(&text_cell(&row.id));
        for value in columns
            .iter()
            .flat_map(|column| values(*column, row, now_ms))
        {
            out.push(',');
            out.push_str(&cell(&value));
        }
        out.push_str("\r\n");
    }
    out
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text_cell(text),
        Value::Object(tags) => {
            let tags: Vec<String> = tags
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
                .collect();
            text_cell(&tags.join(" "))
        }
        number => number.to_string(),
    }
}

/// Quoted where it must be. What begins like a formula gets an apostrophe in front, which spreadsheets read as "this is
/// text" (OWASP, CSV injection).
fn text_cell(text: &str) -> String {
    let is_formula = text
        .trim_start_matches([' ', '\u{FFFD}'])
        .starts_with(['=', '+', '-', '@', '\t', '\r', '|', '%']);
    let safe = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if safe.contains(['"', ',', ';', '\n', '\r', '\t']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_in_its_cell() {
        for (text, written) in [
            ("web-1", "web-1"),
            ("", ""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            (" +1", "' +1"),
            (
                "=HYPERLINK(\"http://x\",\"y\")",
                "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"",
            ),
            ("a,b\"c", "\"a,b\"\"c\""),
            ("\tx", "\"'\tx\""),
        ] {
            assert_eq!(text_cell(text), written, "{text}");
        }
    }

    #[test]
    fn a_file_has_raw_numbers_and_what_is_not_known_is_empty() {
        let mut row = crate::fleet::list::tests::row("n1");
        row.name = "web, 1".to_owned();
        row.last_report_at_ms = Some(0);
        row.tags = [("tier".to_owned(), "edge".to_owned())].into();
        row.now.cpu_used_ratio = Some(0.071);
        let columns = [
            Column::Name,
            Column::Cpu,
            Column::Memory,
            Column::Network,
            Column::Report,
            Column::Tags,
        ];
        assert_eq!(
            csv_text([&row].into_iter(), &columns, 5_000),
            "id,name,cpu_used_ratio,memory_used_ratio,network_receive_bytes_per_s,network_transmit_bytes_per_s,last_report_at,tags\r\n\
             n1,\"web, 1\",0.071,,,,1970-01-01T00:00:00Z,tier=edge\r\n"
        );
        assert_eq!(
            json_row(&row, &columns, 5_000),
            json!({
                "id": "n1", "name": "web, 1", "cpu_used_ratio": 0.071, "memory_used_ratio": null,
                "network_receive_bytes_per_s": null, "network_transmit_bytes_per_s": null,
                "last_report_at": "1970-01-01T00:00:00Z", "tags": { "tier": "edge" }
            })
        );
    }
}
