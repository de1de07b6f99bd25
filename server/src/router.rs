//! The one list of routes. Each has its class in `auth::gate::ROUTES`, `app::PAGES` or `app::SERVER_FUNCTIONS`.

use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use leptos_axum::{AxumRouteListing, LeptosRoutes, generate_route_list};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;

use crate::auth::{gate, login};
use crate::ops::Ops;
use crate::web::{assets, forms, headers, openapi, pages, problems};
use crate::{agents, enroll, events, fleet, health, series, topology, web};

/// Greatest form or server function call.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// Longest answer; live connections are upgraded and do not count.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Found once: while Leptos looks for routes, no resource loads anywhere in this process, and a page whose resource is
/// first asked then never ends (leptos issue 4773). Whoever renders has made a router before.
fn page_list() -> Vec<AxumRouteListing> {
    static FOUND: OnceLock<Vec<AxumRouteListing>> = OnceLock::new();
    FOUND.get_or_init(|| generate_route_list(app::App)).clone()
}

/// Everything the server answers.
pub fn router(ops: Ops) -> Router {
    let api = Router::new()
        .route("/about", get(health::api::about))
        .route("/metric-definitions", get(series::api::definitions))
        .route("/nodes", get(fleet::api::list))
        .route("/nodes/{id}", get(fleet::api::find))
        .route("/nodes/{id}/sections", get(fleet::sections::find))
        .route("/nodes/{id}/series", get(series::api::find))
        .route("/clusters", get(fleet::clusters::api::list))
        .route("/clusters/{slug}", get(fleet::clusters::api::find))
        .route("/topology", get(topology::api::find))
        .route("/series", get(series::api::list))
        .route("/events", get(events::api::list))
        .route("/openapi.json", get(openapi::document));
    let agent = Router::new()
        .route("/server", get(enroll::routes::proof))
        .route("/enroll", post(enroll::routes::enroll))
        .route("/hello", post(agents::routes::hello))
        .layer(DefaultBodyLimit::max(protocol::HANDSHAKE_BYTES_MAX))
        // Limits its body itself, because a refusal must carry a MAC.
        .route("/report", post(agents::routes::report));
    let page_list = page_list();
    let document = || app::shell::shell(assets::current());
    // Asked for by its types; we name assets ourselves.
    let options = leptos::config::LeptosOptions::builder()
        .output_name("app")
        .build();
    let routes = Router::new()
        .route("/healthz", get(web::health::healthz))
        .route("/readyz", get(web::health::readyz))
        .route("/metrics", get(health::api::metrics))
        .route("/assets/{*path}", get(assets::hashed))
        .route("/install/oc-agent", get(web::install::binary))
        .route("/install/oc-agent.sha256", get(web::install::digest))
        .route("/favicon.svg", get(assets::named))
        .route("/robots.txt", get(assets::named))
        .route("/icons/{*path}", get(assets::named))
        .route("/manifest.webmanifest", get(assets::fresh))
        .route("/sw.js", get(assets::fresh))
        .route("/offline", get(assets::offline))
        .route("/offline.js", get(assets::fresh))
        .route("/login", post(login::sign_in))
        .route("/setup", post(login::set_up))
        .route("/logout", post(login::sign_out))
        .route("/preferences", post(login::preferences))
        .route("/topology/tidy", post(topology::api::tidy))
        .route("/topology/move", post(topology::api::move_box))
        .route("/topology/declare", post(topology::api::declare))
        .route("/nodes/add", post(forms::add_node))
        .route("/nodes/add/revoke", post(forms::revoke_token))
        .route("/nodes/{id}/approve", post(forms::approve))
        .route("/nodes/{id}/arrange", post(forms::arrange))
        .route("/nodes/{id}/labels", post(forms::labels))
        .route("/nodes/{id}/accept", post(forms::accept))
        .route("/nodes/{id}/ignore", post(forms::ignore))
        .route("/nodes/views", post(fleet::views::save))
        .route("/nodes/views/delete", post(fleet::views::delete))
        .route("/nodes/views/default", post(fleet::views::choose_default))
        .route("/nodes/bulk", post(fleet::bulk::bulk))
        .route("/nodes/export.csv", get(fleet::list_export::csv))
        .route("/nodes/export.json", get(fleet::list_export::json))
        .route("/nodes/by-host/{hostname}", get(forms::by_host))
        .route("/nodes/{id}/charts/{file}", get(fleet::export::chart_csv))
        .route("/clusters/{slug}/settings", post(forms::cluster_settings))
        .route("/clusters.csv", get(fleet::clusters::export::as_csv))
        .route("/clusters.json", get(fleet::clusters::export::as_json))
        .route("/events.csv", get(events::export::as_csv))
        .route("/audit.csv", get(events::export::audit_as_csv))
        .route(app::live::PATH, get(fleet::stream::open))
        .nest("/api/v1", api)
        .nest("/agent/v1", agent)
        .with_state(ops.clone())
        .leptos_routes_with_context(&options, page_list, pages::context(ops.console()), document)
        .with_state(options)
        .route_layer(from_fn_with_state(ops.clone(), gate::gate));
    let unknown = ops.clone();
    // One layer of many parts: a router boxes each layer of its own and clones all of them with every request.
    routes
        .fallback(move |request: Request<Body>| not_found(unknown.clone(), request))
        .layer(
            ServiceBuilder::new()
                // Ours alone: one that the client chose would lead from the audit log to another's lines.
                .map_request(|mut request: Request<Body>| {
                    request.headers_mut().remove(REQUEST_ID);
                    request
                })
                .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
                .layer(PropagateRequestIdLayer::new(REQUEST_ID))
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(span)
                        .on_response(|response: &Response, latency: Duration, span: &Span| {
                            span.record("http.status", response.status().as_u16());
                            tracing::debug!(
                                latency_ms = latency.as_millis() as u64,
                                "request answered"
                            );
                        })
                        .on_failure(()),
                )
                .map_response(|response: Response<_>| response.map(Body::new))
                .layer(CatchPanicLayer::custom(panicked))
                .layer(
                    CompressionLayer::new().compress_when(
                        SizeAbove::new(1_024)
                            .and(NotForContentType::const_new(protocol::http::MEDIA_TYPE)),
                    ),
                )
                // Around the timeout, whose answer is bare, too.
                .layer(from_fn(problems::for_programs))
                .layer(TimeoutLayer::with_status_code(
                    StatusCode::SERVICE_UNAVAILABLE,
                    REQUEST_TIMEOUT,
                ))
                .layer(from_fn_with_state(ops, headers::security))
                .layer(from_fn(problems::as_pages))
                .layer(DefaultBodyLimit::max(FORM_BYTES_MAX)),
        )
}

/// The path without its query: a query may hold a set-up code.
fn span(request: &Request<Body>) -> Span {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    tracing::info_span!(
        "request",
        http.method = %request.method(),
        http.path = domain::text::clean_label(request.uri().path()),
        request.id = domain::text::clean_label(id),
        http.status = tracing::field::Empty
    )
}

/// A panic answers this request and ends nothing else. It is logged by the panic hook.
fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    crate::error::OpsError::Store.into_response()
}

/// Programs get a problem, people a page.
async fn not_found(ops: Ops, request: Request<Body>) -> Response {
    let path = request.uri().path().to_owned();
    if path.starts_with("/api/") || path.starts_with("/agent/") || path.starts_with("/fn/") {
        return crate::error::OpsError::not_found("address", &path).into_response();
    }
    let mut response = pages::render_signed_in(&ops, request).await;
    if response.status().is_success() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
