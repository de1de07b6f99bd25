//! Pages: the console rendered for a request, and rendered again where a plain form was refused.

use std::sync::Arc;

use app::account::view::FormFeedback;
use app::backend::{Backend, Operator};
use app::enroll::view::CreatedToken;
use app::fleet::view::BulkReport;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use leptos::prelude::{provide_context, use_context};

use super::assets;
use super::console::Console;
use crate::ops::Ops;

/// What the page that answers a form has to say besides itself.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// Why the form was refused.
    pub feedback: Option<FormFeedback>,
    /// The token it made.
    pub created: Option<CreatedToken>,
    /// What became of a change of many nodes.
    pub bulk: Option<BulkReport>,
}

/// What every page and server function is given.
pub fn context(console: Arc<Console>) -> impl Fn() + Clone + Send + Sync + 'static {
    move || {
        let backend: Arc<dyn Backend> = console.clone();
        provide_context(backend);
        if let Some(parts) = use_context::<Parts>() {
            if let Some(operator) = parts.extensions.get::<Operator>() {
                provide_context(operator.clone());
            }
            if let Some(extra) = parts.extensions.get::<Extra>() {
                if let Some(feedback) = &extra.feedback {
                    provide_context(feedback.clone());
                }
                if let Some(bulk) = &extra.bulk {
                    provide_context(bulk.clone());
                }
                if let Some(created) = &extra.created {
                    provide_context(created.clone());
                }
            }
        }
    }
}

/// Renders the page of a request.
pub async fn render(console: Arc<Console>, request: Request<Body>) -> Response {
    let document = || app::shell::shell(assets::current());
    let handler = leptos_axum::render_app_async_with_context(context(console), document);
    handler(request).await.into_response()
}

/// Answers a form with the page it was on.
pub async fn answer_form(
    ops: &Ops,
    path_and_query: &str,
    headers: &HeaderMap,
    operator: Option<Operator>,
    status: StatusCode,
    extra: Extra,
) -> Response {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::GET;
    if let Ok(uri) = path_and_query.parse() {
        *request.uri_mut() = uri;
    }
    for name in [header::COOKIE, header::HOST] {
        if let Some(value) = headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    request.extensions_mut().insert(extra);
    if let Some(operator) = operator {
        request.extensions_mut().insert(operator);
    }
    let mut response = render(ops.console(), request).await;
    *response.status_mut() = status;
    response
}

/// Answers a form of a public page that was refused.
pub async fn render_again(
    ops: &Ops,
    path: &str,
    headers: &HeaderMap,
    status: StatusCode,
    feedback: FormFeedback,
) -> Response {
    let extra = Extra {
        feedback: Some(feedback),
        ..Extra::default()
    };
    answer_form(ops, path, headers, None, status, extra).await
}

/// Renders a page that has no route, for whoever is signed in; others learn nothing of what exists.
pub async fn render_signed_in(ops: &Ops, mut request: Request<Body>) -> Response {
    match crate::auth::gate::sign_in_operator(ops, request.headers()).await {
        Ok(Some(operator)) => {
            request.extensions_mut().insert(operator);
            *request.method_mut() = Method::GET;
            render(ops.console(), request).await
        }
        Ok(None) => axum::response::Redirect::to("/login").into_response(),
        Err(error) => crate::error::OpsError::from(error).into_response(),
    }
}
