//! The log as a file: `GET /events.csv` with the filter of the page, newest first.

use app::backend::Operator;
use app::events::view::EventsQuery;
use axum::extract::{Extension, State};
use axum::response::Response;
use domain::access::authorize;
use domain::time::{Timestamp, format_iso};
use serde::Deserialize;

use super::{service, store};
use crate::error::OpsError;
use crate::ops::Ops;
use crate::web::files::{CsvRow, attachment};
use crate::web::query::Params;

/// Rows of a file at most.
const ROWS_MAX: usize = 50_000;
/// A file is not much longer: entries hold texts of people before and after.
const BYTES_MAX: usize = 32 << 20;
const BATCH: u32 = 1_000;

/// The filter, as in the page's URL.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ExportQuery {
    kind: String,
    actor: String,
    object: String,
    cluster: String,
    range: String,
    from: String,
    to: String,
}

/// See the module.
///
/// # Errors
/// When the database refuses.
pub async fn as_csv(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Params(query): Params<ExportQuery>,
) -> Result<Response, OpsError> {
    file(&ops, &operator, query, false).await
}

/// `GET /audit.csv`: what people did, with what they changed and from where.
///
/// # Errors
/// Not allowed, or the database.
pub async fn audit_as_csv(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Params(query): Params<ExportQuery>,
) -> Result<Response, OpsError> {
    file(&ops, &operator, query, true).await
}

async fn file(
    ops: &Ops,
    operator: &Operator,
    query: ExportQuery,
    is_audit: bool,
) -> Result<Response, OpsError> {
    let asked = EventsQuery {
        is_audit,
        verify: false,
        kind: query.kind,
        actor: query.actor,
        object: query.object,
        cluster: query.cluster,
        range: query.range,
        from: query.from,
        to: query.to,
        cursor: None,
    };
    authorize(operator.role, service::needed(&asked))?;
    let (_, filter) = service::filter(ops, &asked);
    let mut out = "seq,time,actor,kind,object,node_id,detail,actor_node_id,before,after".to_owned();
    out.push_str(if is_audit {
        ",address,request_id\r\n"
    } else {
        "\r\n"
    });
    let (mut rows, mut before) = (0, None);
    loop {
        let batch = store::list(ops.state.read(), &filter, before, BATCH).await?;
        let names = service::Names::of(ops, batch.iter().map(|event| event.actor.as_str())).await?;
        let is_end = batch.len() < BATCH as usize;
        rows += batch.len();
        before = batch.last().map(|event| event.seq);
        for event in &batch {
            write_row(&mut out, &names, event, is_audit);
        }
        if is_end {
            break;
        }
        if rows >= ROWS_MAX || out.len() >= BYTES_MAX {
            out.push_str("# older entries did not fit: ask for an earlier range\r\n");
            break;
        }
    }
    let name = if is_audit { "audit.csv" } else { "events.csv" };
    Ok(attachment("text/csv; charset=utf-8", name, out))
}

fn write_row(out: &mut String, names: &service::Names, event: &store::EventRecord, is_audit: bool) {
    let (actor, actor_node_id) = names.of_actor(&event.actor);
    let row = CsvRow::new(out)
        .text(&event.seq.to_string())
        .text(&format_iso(Timestamp(event.at_ms)))
        .text(&actor)
        .text(&event.verb)
        .text(&event.subject)
        .text(event.node_id.as_deref().unwrap_or_default())
        .text(&event.detail)
        .text(actor_node_id.as_deref().unwrap_or_default())
        .text(event.before.as_deref().unwrap_or_default())
        .text(event.after.as_deref().unwrap_or_default());
    let row = if is_audit {
        row.text(event.address.as_deref().unwrap_or_default())
            .text(event.request_id.as_deref().unwrap_or_default())
    } else {
        row
    };
    row.end();
}
