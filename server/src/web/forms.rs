//! Plain forms of signed-in pages: adding nodes, settings of a cluster, and the address of a node by its host name.

use app::account::view::FormFeedback;
use app::backend::Operator;
use axum::extract::{Extension, Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use domain::fleet::ClusterForm;
use serde::Deserialize;

use super::console::caller;
use super::pages::{self, Extra};
use crate::auth::gate::percent_encode;
use crate::enroll::service::{self as enroll, NewToken};
use crate::error::{FieldError, OpsError};
use crate::fleet::clusters::service::{Stale, change_settings};
use crate::fleet::labels::{self, LabelsForm};
use crate::fleet::servers::{self, arrange::Arrangement};
use crate::ops::Ops;

/// `POST /nodes/add`
#[derive(Debug, Deserialize)]
pub struct AddNode {
    #[serde(default)]
    system: String,
    #[serde(default)]
    cluster: String,
    #[serde(default)]
    ttl: String,
    #[serde(default)]
    uses: String,
    #[serde(default)]
    review: String,
}

/// Makes an enrollment token; the page that answers is the only one that shows its secret.
pub async fn add_node(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    Form(form): Form<AddNode>,
) -> Response {
    let text = |value: &str, default: &str| {
        let value = value.trim();
        if value.is_empty() {
            default.to_owned()
        } else {
            value.to_owned()
        }
    };
    let new = NewToken {
        system: text(&form.system, "default"),
        cluster: text(&form.cluster, ""),
        node_role: None,
        ttl: text(&form.ttl, "10m"),
        uses: text(&form.uses, "1").parse().unwrap_or(0),
        review: !form.review.is_empty(),
        allows_suggestions: false,
    };
    match enroll::create(&ops, &caller(&operator), &new).await {
        Ok(made) => {
            let path = format!("/nodes/add?token={}", made.id);
            let created = Some(ops.console().created(made).await);
            let extra = Extra {
                created,
                ..Extra::default()
            };
            pages::answer_form(&ops, &path, &headers, Some(operator), StatusCode::OK, extra).await
        }
        Err(error @ OpsError::Invalid(_)) => {
            let status = error.status();
            let OpsError::Invalid(fields) = error else {
                return status.into_response();
            };
            let kept = [
                ("system", form.system),
                ("cluster", form.cluster),
                ("ttl", form.ttl),
                ("uses", form.uses),
                ("review", form.review),
            ];
            let feedback = refused(fields, kept);
            let extra = Extra {
                feedback: Some(feedback),
                ..Extra::default()
            };
            pages::answer_form(&ops, "/nodes/add", &headers, Some(operator), status, extra).await
        }
        Err(error) => error.into_response(),
    }
}

/// `POST /nodes/add/revoke`
#[derive(Debug, Deserialize)]
pub struct RevokeToken {
    id: String,
}

/// Takes an enrollment token back.
pub async fn revoke_token(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Form(form): Form<RevokeToken>,
) -> Response {
    match enroll::revoke(&ops, &caller(&operator), &form.id).await {
        Ok(()) => Redirect::to("/nodes/add").into_response(),
        Err(error) => error.into_response(),
    }
}

/// `POST /nodes/{id}/approve`: lets a node that waits for review count.
pub async fn approve(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
) -> Response {
    match crate::agents::decide::approve(&ops, &caller(&operator), &id).await {
        Ok(host) => Redirect::to(&format!("/nodes/{}", host.record.node_id)).into_response(),
        Err(error) => error.into_response(),
    }
}

/// `POST /nodes/{id}/arrange`: where a node belongs and what it is called.
pub async fn arrange(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Arrangement>,
) -> Response {
    let page = format!("/nodes/{}", percent_encode(&id));
    match servers::arrange::arrange(&ops, &caller(&operator), &id, &form).await {
        Ok(()) => Redirect::to(&page).into_response(),
        Err(OpsError::Invalid(fields)) => {
            let kept = [
                ("cluster", form.cluster),
                ("role", form.role),
                ("name", form.name),
            ];
            let feedback = refused(fields, kept);
            let extra = Extra {
                feedback: Some(feedback),
                ..Extra::default()
            };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            pages::answer_form(&ops, &page, &headers, Some(operator), status, extra).await
        }
        Err(error) => error.into_response(),
    }
}

/// `POST /nodes/{id}/labels`: a node's tags and notes.
pub async fn labels(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<LabelsForm>,
) -> Response {
    let page = format!("/nodes/{}", percent_encode(&id));
    match labels::change(&ops, &caller(&operator), &id, &form).await {
        Ok(()) => Redirect::to(&format!("{page}#labels")).into_response(),
        Err(OpsError::Invalid(fields)) => {
            let feedback = refused(fields, [("tags", form.tags), ("notes", form.notes)]);
            let extra = Extra {
                feedback: Some(feedback),
                ..Extra::default()
            };
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            pages::answer_form(&ops, &page, &headers, Some(operator), status, extra).await
        }
        Err(error) => error.into_response(),
    }
}

/// What is wrong with a form, and what had been typed.
fn refused<const N: usize>(
    fields: Vec<FieldError>,
    kept: [(&'static str, String); N],
) -> FormFeedback {
    FormFeedback {
        message: "Please correct the fields below; nothing was changed.".to_owned(),
        fields: fields
            .into_iter()
            .map(|field| (field.field, field.detail))
            .collect(),
        kept: kept
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// `POST /nodes/{id}/accept`: a server that was found counts.
pub async fn accept(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
) -> Response {
    decided(servers::arrange::accept(&ops, &caller(&operator), &id).await)
}

/// `POST /nodes/{id}/ignore`: a server that was found is of no interest.
pub async fn ignore(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
) -> Response {
    decided(servers::arrange::ignore(&ops, &caller(&operator), &id).await)
}

fn decided(done: Result<(), OpsError>) -> Response {
    match done {
        Ok(()) => Redirect::to("/nodes/inbox").into_response(),
        Err(error) => error.into_response(),
    }
}

/// `GET /nodes/by-host/{hostname}`: the page of the node with this host name, or the list filtered by it.
pub async fn by_host(State(ops): State<Ops>, Path(hostname): Path<String>) -> Redirect {
    let mut found = Vec::new();
    ops.live.for_each(|host| {
        if host.record.hostname == hostname || host.name() == hostname {
            found.push(host.record.node_id.clone());
        }
    });
    match found.as_slice() {
        [only] => Redirect::to(&format!("/nodes/{only}")),
        _ => Redirect::to(&format!("/nodes?q={}", percent_encode(&hostname))),
    }
}

/// `POST /clusters/{slug}/settings`
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct ClusterSettingsForm {
    kind: String,
    min_available: String,
    role_order: String,
    notes: String,
    tags: String,
    seen: String,
}

impl Default for ClusterSettingsForm {
    fn default() -> Self {
        let default = domain::fleet::ClusterForm::from(&domain::fleet::ClusterSettings::default());
        Self {
            kind: default.kind,
            min_available: default.min_available,
            role_order: default.role_order,
            notes: default.notes,
            tags: default.tags,
            seen: String::new(),
        }
    }
}

/// What stands in the form again when it was not taken.
fn kept(form: ClusterForm) -> [(&'static str, String); 5] {
    [
        ("kind", form.kind),
        ("min_available", form.min_available),
        ("role_order", form.role_order),
        ("notes", form.notes),
        ("tags", form.tags),
    ]
}

/// What somebody is told whose form was overtaken: nothing was changed, nothing is lost, saving again decides.
fn overtaken(stale: Stale, now_ms: i64) -> FormFeedback {
    let Stale { rebased, by } = stale;
    let who = match by {
        Some((who, at_ms)) => format!("{who}, {} ago,", app::format::age(now_ms, at_ms)),
        None => "Somebody".to_owned(),
    };
    let message = format!(
        "{who} changed {} while you wrote; nothing of yours was saved yet. Below stands what you wrote, and in what you had \
         not touched what is stored now: save again to keep it so.",
        rebased.changed.join(", ")
    );
    let fields = rebased.disputed.into_iter().map(|(field, now)| {
        let now = if now.is_empty() { "nothing" } else { &now };
        let words = format!("Changed meanwhile, too. It is now: {now}");
        (field.to_owned(), words)
    });
    FormFeedback {
        message,
        fields: fields.collect(),
        kept: kept(rebased.form)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}

/// Changes what is declared about a cluster.
pub async fn cluster_settings(
    State(ops): State<Ops>,
    Extension(operator): Extension<Operator>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    Form(form): Form<ClusterSettingsForm>,
) -> Response {
    let asked = ClusterForm {
        kind: form.kind,
        min_available: form.min_available,
        role_order: form.role_order,
        notes: form.notes,
        tags: form.tags,
    };
    let page = format!("/clusters/{}/settings", percent_encode(&slug));
    let who = caller(&operator);
    match change_settings(&ops, &who, &slug, &asked, &form.seen).await {
        Ok(None) => Redirect::to(&format!("{page}?saved=1")).into_response(),
        Ok(Some(stale)) => {
            let extra = Extra {
                feedback: Some(overtaken(stale, ops.clock.now().0)),
                ..Extra::default()
            };
            let status = StatusCode::CONFLICT;
            pages::answer_form(&ops, &page, &headers, Some(operator), status, extra).await
        }
        Err(error @ OpsError::Invalid(_)) => {
            let status = error.status();
            let OpsError::Invalid(fields) = error else {
                return status.into_response();
            };
            let feedback = refused(fields, kept(asked));
            let extra = Extra {
                feedback: Some(feedback),
                ..Extra::default()
            };
            pages::answer_form(&ops, &page, &headers, Some(operator), status, extra).await
        }
        Err(error) => error.into_response(),
    }
}
