//! Saved views: a list's URL with a name, of one person or for everybody.
//!
//! Invariant: nobody reads or changes a view of somebody else that is not shared; a shared one is deleted by whoever made
//! it or by an administrator.

pub mod store;

use app::backend::Operator;
use app::fleet::view::{NodesQuery, SavedView};
use axum::extract::{Extension, Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::access::{Action, Role, authorize};
use domain::id::ViewId;
use domain::text::clean_label;
use serde::Deserialize;

use self::store::ViewRecord;
use crate::error::{OpsError, StoreError};
use crate::events::{self, NewEvent};
use crate::ops::Ops;
use crate::random;
use crate::web::console::caller;

/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 60;
/// Views of one person.
const VIEWS_MAX: i64 = 50;
/// Views in a menu.
const LISTED_MAX: u32 = 200;

fn query_of(record: &ViewRecord) -> Result<NodesQuery, StoreError> {
    serde_json::from_str(&record.query).map_err(|error| StoreError::Corrupt {
        what: format!("saved view {}", record.id),
        detail: error.to_string(),
    })
}

/// What this person may choose from.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list(ops: &Ops, who: &Operator) -> Result<Vec<SavedView>, OpsError> {
    let default = store::find_default(ops.state.read(), &who.name).await?;
    let records = store::list(ops.state.read(), &who.name, LISTED_MAX).await?;
    let mut views = Vec::new();
    for record in records {
        views.push(SavedView {
            query: query_of(&record)?,
            is_default: default.as_deref() == Some(record.id.as_str()),
            may_delete: may_delete(who, &record),
            id: record.id,
            name: record.name,
            is_shared: record.is_shared,
        });
    }
    Ok(views)
}

fn may_delete(who: &Operator, record: &ViewRecord) -> bool {
    record.owner == who.name || (record.is_shared && who.role == Role::Admin)
}

/// The query itself, or the reader's default view where it says nothing.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn resolved(
    ops: &Ops,
    who: &Operator,
    query: NodesQuery,
) -> Result<NodesQuery, OpsError> {
    if !query.is_bare() {
        return Ok(query);
    }
    let Some(id) = store::find_default(ops.state.read(), &who.name).await? else {
        return Ok(query);
    };
    // A view that was shared and no longer is goes without saying.
    let record = store::find(ops.state.read(), &id)
        .await?
        .filter(|record| record.is_shared || record.owner == who.name);
    match record {
        Some(record) => Ok(query_of(&record)?),
        None => Ok(query),
    }
}

/// `POST /nodes/views`
#[derive(Debug, Deserialize)]
pub struct SaveView {
    #[serde(default)]
    name: String,
    #[serde(default)]
    shared: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    sort: String,
    #[serde(default)]
    view: String,
    #[serde(default)]
    cols: String,
    #[serde(default)]
    per: String,
}

/// Saves what a list shows, in place of an own view of that name.
///
/// # Errors
/// Wrong fields, too many views, or the database.
pub async fn save(
    State(ops): State<Ops>,
    Extension(who): Extension<Operator>,
    Form(form): Form<SaveView>,
) -> Result<Response, OpsError> {
    authorize(who.role, Action::ManageSelf)?;
    let name = clean_label(&form.name);
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        let detail = format!("a view needs a name of 1 to {NAME_CHARS_MAX} characters");
        return Err(OpsError::field("name", detail));
    }
    let params = [
        ("q", form.q),
        ("sort", form.sort),
        ("view", form.view),
        ("cols", form.cols),
        ("per", form.per),
    ];
    for (field, text) in &params {
        if text.chars().count() > domain::filter::CHARS_MAX {
            let detail = format!("at most {} characters", domain::filter::CHARS_MAX);
            return Err(OpsError::field(*field, detail));
        }
    }
    let query = NodesQuery::from_params(|wanted| {
        params
            .iter()
            .find(|(key, _)| *key == wanted)
            .map(|(_, text)| text.clone())
    });
    let stored = serde_json::to_string(&query)
        .map_err(|error| OpsError::BadRequest(format!("this view cannot be saved: {error}")))?;
    let now = ops.clock.now();
    let mut record = ViewRecord {
        id: ViewId::from_random(random::bytes()).to_string(),
        owner: who.name.clone(),
        name,
        query: stored,
        is_shared: !form.shared.is_empty(),
        created_at_ms: now.0,
    };
    let mut tx = ops.state.write().await?;
    if store::count_others(&mut tx, &record.owner, &record.name).await? >= VIEWS_MAX {
        let detail = format!("you have {VIEWS_MAX} views; delete one first");
        return Err(OpsError::field("name", detail));
    }
    record.id = store::put(&mut tx, &record).await?;
    if record.is_shared {
        log(&mut tx, &ops, &who, "view shared", &record, query.url()).await?;
    }
    tx.commit()
        .await
        .map_err(StoreError::doing("saving a view"))?;
    Ok(to(&query))
}

/// A form that names a view.
#[derive(Debug, Deserialize)]
pub struct ChosenView {
    #[serde(default)]
    id: String,
}

/// Deletes a view.
///
/// # Errors
/// There is none that this person may delete, or the database.
pub async fn delete(
    State(ops): State<Ops>,
    Extension(who): Extension<Operator>,
    Form(form): Form<ChosenView>,
) -> Result<Response, OpsError> {
    authorize(who.role, Action::ManageSelf)?;
    let mut tx = ops.state.write().await?;
    let record = store::find(&mut *tx, &form.id)
        .await?
        .filter(|record| may_delete(&who, record))
        .ok_or_else(|| OpsError::not_found("view of yours", &form.id))?;
    store::delete(&mut tx, &record.id).await?;
    if record.is_shared {
        log(
            &mut tx,
            &ops,
            &who,
            "shared view deleted",
            &record,
            String::new(),
        )
        .await?;
    }
    tx.commit()
        .await
        .map_err(StoreError::doing("deleting a saved view"))?;
    Ok(Redirect::to("/nodes").into_response())
}

/// Chooses what this person sees where the URL says nothing; without an id, everything.
///
/// # Errors
/// There is no such view for this person, or the database.
pub async fn choose_default(
    State(ops): State<Ops>,
    Extension(who): Extension<Operator>,
    Form(form): Form<ChosenView>,
) -> Result<Response, OpsError> {
    authorize(who.role, Action::ManageSelf)?;
    let mut tx = ops.state.write().await?;
    let id = (!form.id.is_empty()).then_some(form.id.as_str());
    if let Some(id) = id {
        store::find(&mut *tx, id)
            .await?
            .filter(|record| record.is_shared || record.owner == who.name)
            .ok_or_else(|| OpsError::not_found("view", id))?;
    }
    store::set_default(&mut tx, &who.name, id).await?;
    tx.commit()
        .await
        .map_err(StoreError::doing("choosing a default view"))?;
    Ok(Redirect::to("/nodes").into_response())
}

async fn log(
    tx: &mut sqlx::SqliteConnection,
    ops: &Ops,
    who: &Operator,
    verb: &'static str,
    record: &ViewRecord,
    detail: String,
) -> Result<(), OpsError> {
    let event = NewEvent {
        at: ops.clock.now(),
        actor: &caller(who).actor,
        verb,
        subject: format!("view {}", record.name),
        node_id: None,
        detail,
    };
    events::store::append(tx, event).await?;
    Ok(())
}

fn to(query: &NodesQuery) -> Response {
    Redirect::to(&query.url()).into_response()
}
