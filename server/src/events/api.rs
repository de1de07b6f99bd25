//! Events for programs.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::service::Names;
use super::store;
use crate::error::OpsError;
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

/// What happened, newest first.
///
/// # Errors
/// Wrong parameters, or the database.
#[utoipa::path(get, path = "/api/v1/events", params(ListQuery), responses((status = 200, body = Events), (status = 422, body = crate::error::Problem)), security(("token" = [])))]
pub async fn list(
    State(ops): State<Ops>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Events>, OpsError> {
    let limit = query.limit()?;
    let before = match &query.cursor {
        None => None,
        Some(text) => Some(text.parse::<i64>().map_err(|_| {
            OpsError::field(
                "cursor",
                "it is not one that this list gave; leave it out to begin anew",
            )
        })?),
    };
    let mut records = store::list_latest(ops.state.read(), None, before, limit + 1).await?;
    let more = records.len() > limit as usize;
    records.truncate(limit as usize);
    let next_cursor = records
        .last()
        .filter(|_| more)
        .map(|event| event.seq.to_string());
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
    Ok(Json(Events { items, next_cursor }))
}
