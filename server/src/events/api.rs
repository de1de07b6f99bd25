//! Events for programs.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use domain::filter::Filter;
use serde::Serialize;

use super::service::Names;
use super::store::{self, EventRecord};
use crate::error::OpsError;
use crate::fleet::list::Matcher;
use crate::fleet::rows::row_of;
use crate::ops::Ops;
use crate::web::query::{ListQuery, Params};

/// Something that happened.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Event {
    /// Its number in the log, as text.
    pub id: String,
    /// When, ms UTC.
    pub at_ms: i64,
    /// Who; an agent by the name of its host.
    pub actor: String,
    /// The node of that host.
    pub actor_node_id: Option<String>,
    /// What, past tense.
    pub verb: String,
    /// To what.
    pub subject: String,
    /// Which node.
    pub node_id: Option<String>,
    /// More.
    pub detail: String,
    /// What was changed, as it was.
    pub before: Option<String>,
    /// What was changed, as it is.
    pub after: Option<String>,
}

/// A page of events.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Events {
    /// This page, newest first.
    pub items: Vec<Event>,
    /// For `?cursor=`; null at the end.
    pub next_cursor: Option<String>,
}

/// Entries read for one answer at most: where few match, a page is shorter and its cursor leads on.
const READ_MAX: usize = 20_000;
const READ_AT_ONCE: u32 = 1_000;

/// What happened, newest first.
///
/// A filter chooses nodes, and with them what happened to them; entries about no node are left out. A page may hold
/// fewer than `limit` entries, or none, and still have a `next_cursor`.
///
/// # Errors
/// Wrong parameters, or the database.
#[utoipa::path(get, path = "/api/v1/events", params(ListQuery), responses((status = 200, body = Events), (status = 422, body = crate::error::Problem)), security(("token" = [])))]
pub async fn list(
    State(ops): State<Ops>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Events>, OpsError> {
    let limit = query.limit()?;
    let filter = query.filter()?;
    let before = query.cursor(|text| text.parse::<i64>().ok().filter(|seq| *seq > 0))?;
    let nodes = (!filter.is_empty()).then(|| matching_nodes(&ops, &filter));
    let (records, next_cursor) = match nodes {
        None => {
            let records = store::list_latest(ops.state.read(), None, before, limit + 1).await?;
            cut(records, limit as usize)
        }
        Some(nodes) => of_nodes(&ops, &nodes, before, limit as usize).await?,
    };
    let names = Names::of(&ops, records.iter().map(|event| event.actor.as_str())).await?;
    let items = records
        .into_iter()
        .map(|event| (names.of_actor(&event.actor), event))
        .map(|((actor, actor_node_id), event)| Event {
            id: event.seq.to_string(),
            at_ms: event.at_ms,
            actor,
            actor_node_id,
            verb: event.verb,
            subject: event.subject,
            node_id: event.node_id,
            detail: event.detail,
            before: event.before,
            after: event.after,
        })
        .collect();
    Ok(Json(Events {
        items,
        next_cursor: next_cursor.map(|seq| seq.to_string()),
    }))
}

/// Public ids of the nodes that a filter lets through now.
fn matching_nodes(ops: &Ops, filter: &Filter) -> HashSet<String> {
    let matcher = Matcher::new(ops, filter);
    let now = ops.clock.monotonic();
    let mut found = HashSet::new();
    ops.live.for_each_node(|host, server| {
        let row = row_of(host, server, now);
        if matcher.lets_through(&row) {
            found.insert(row.id);
        }
    });
    found
}

/// The newest entries about these nodes, and where the next page begins.
async fn of_nodes(
    ops: &Ops,
    nodes: &HashSet<String>,
    mut before: Option<i64>,
    limit: usize,
) -> Result<(Vec<EventRecord>, Option<i64>), OpsError> {
    let mut found = Vec::new();
    let mut read = 0;
    while !nodes.is_empty() {
        let batch = store::list_latest(ops.state.read(), None, before, READ_AT_ONCE).await?;
        let is_end = batch.len() < READ_AT_ONCE as usize;
        read += batch.len();
        before = batch.last().map(|event| event.seq).or(before);
        found.extend(batch.into_iter().filter(|event| {
            let node_id = event.node_id.as_ref();
            node_id.is_some_and(|id| nodes.contains(id))
        }));
        if found.len() > limit || is_end {
            break;
        }
        if read >= READ_MAX {
            return Ok((found, before));
        }
    }
    Ok(cut(found, limit))
}

/// A page of what was read, which is one more where there is more.
fn cut(mut records: Vec<EventRecord>, limit: usize) -> (Vec<EventRecord>, Option<i64>) {
    let has_more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| has_more).map(|event| event.seq);
    (records, next)
}
