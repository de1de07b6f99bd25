//! The gate: every request passes here once, after its route is known and before anything runs.
//!
//! Each route has one class in one table ([`class_of`]); a route without a class is refused, and a test walks all routes.
//! What gets through carries who is asking in its extensions.

use std::net::{IpAddr, SocketAddr};

use app::backend::Operator;
use app::error::UiError;
use app::{FunctionClass, PageClass};
use axum::Json;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use domain::access::{Action, Role, authorize};
use domain::text::clean_label;

use super::{cookie, kiosk, origin};
use crate::error::{OpsError, StoreError};
use crate::health::lanes::Lane;
use crate::ops::Ops;
use crate::people::service;

/// What a route asks of whoever comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Nothing: health, public files.
    Public,
    /// Nothing, but only our own pages may post here: signing in and setting up.
    PublicForm,
    /// A page for anybody.
    PublicPage,
    /// A page that exists only until there is an administrator.
    SetupPage,
    /// Proves itself in its own bytes: agents.
    Agent,
    /// A page: whoever is signed in, else to the sign-in page.
    Page,
    /// A form of a page: a signed-in person who may do this.
    Form(Action),
    /// A server function that anybody may call.
    PublicFunction,
    /// A server function: a signed-in person who may do this.
    Function(Action),
    /// A program with an API token whose role may do this.
    Api(Action),
}

/// Routes that are neither pages nor server functions, with their classes. The router registers exactly these.
pub const ROUTES: &[(&str, &str, Class)] = &[
    ("GET", "/healthz", Class::Public),
    ("GET", "/readyz", Class::Public),
    ("GET", "/metrics", Class::Api(Action::ViewFleet)),
    ("GET", "/assets/{*path}", Class::Public),
    ("GET", "/install/oc-agent", Class::Public),
    ("GET", "/install/oc-agent.sha256", Class::Public),
    ("GET", "/favicon.svg", Class::Public),
    ("GET", "/robots.txt", Class::Public),
    ("GET", "/icons/{*path}", Class::Public),
    ("GET", "/manifest.webmanifest", Class::Public),
    ("GET", "/sw.js", Class::Public),
    ("GET", "/offline", Class::Public),
    ("GET", "/offline.js", Class::Public),
    ("GET", "/agent/v1/server", Class::Agent),
    ("POST", "/agent/v1/enroll", Class::Agent),
    ("POST", "/agent/v1/hello", Class::Agent),
    ("POST", "/agent/v1/report", Class::Agent),
    ("POST", "/login", Class::PublicForm),
    ("POST", "/setup", Class::PublicForm),
    ("POST", "/preferences", Class::PublicForm),
    ("POST", "/logout", Class::Form(Action::ManageSelf)),
    ("POST", "/topology/tidy", Class::Form(Action::ArrangeFleet)),
    ("POST", "/topology/move", Class::Form(Action::ArrangeFleet)),
    (
        "POST",
        "/topology/declare",
        Class::Form(Action::ArrangeFleet),
    ),
    ("POST", "/nodes/add", Class::Form(Action::EnrollNodes)),
    (
        "POST",
        "/nodes/add/revoke",
        Class::Form(Action::EnrollNodes),
    ),
    (
        "POST",
        "/nodes/{id}/approve",
        Class::Form(Action::RetireNodes),
    ),
    (
        "POST",
        "/nodes/{id}/arrange",
        Class::Form(Action::ArrangeFleet),
    ),
    (
        "POST",
        "/nodes/{id}/labels",
        Class::Form(Action::ArrangeFleet),
    ),
    (
        "POST",
        "/nodes/{id}/accept",
        Class::Form(Action::ArrangeFleet),
    ),
    (
        "POST",
        "/nodes/{id}/ignore",
        Class::Form(Action::ArrangeFleet),
    ),
    // Whoever looks may export what they ticked; changes ask for more.
    ("POST", "/nodes/bulk", Class::Form(Action::ViewFleet)),
    ("POST", "/nodes/views", Class::Form(Action::ManageSelf)),
    (
        "POST",
        "/nodes/views/delete",
        Class::Form(Action::ManageSelf),
    ),
    (
        "POST",
        "/nodes/views/default",
        Class::Form(Action::ManageSelf),
    ),
    ("GET", "/nodes/export.csv", Class::Page),
    ("GET", "/nodes/export.json", Class::Page),
    ("GET", "/nodes/by-host/{hostname}", Class::Page),
    ("GET", "/nodes/{id}/charts/{file}", Class::Page),
    (
        "POST",
        "/clusters/{slug}/settings",
        Class::Form(Action::ArrangeFleet),
    ),
    ("GET", "/clusters.csv", Class::Page),
    ("GET", "/clusters.json", Class::Page),
    ("GET", "/events.csv", Class::Page),
    ("GET", "/audit.csv", Class::Page),
    ("GET", app::live::PATH, Class::Function(Action::ViewFleet)),
    ("GET", "/api/v1/openapi.json", Class::Public),
    ("GET", "/api/v1/about", Class::Api(Action::ViewFleet)),
    (
        "GET",
        "/api/v1/metric-definitions",
        Class::Api(Action::ViewFleet),
    ),
    ("GET", "/api/v1/nodes", Class::Api(Action::ViewFleet)),
    ("GET", "/api/v1/nodes/{id}", Class::Api(Action::ViewFleet)),
    (
        "GET",
        "/api/v1/nodes/{id}/series",
        Class::Api(Action::ViewFleet),
    ),
    (
        "GET",
        "/api/v1/nodes/{id}/sections",
        Class::Api(Action::ViewFleet),
    ),
    ("GET", "/api/v1/clusters", Class::Api(Action::ViewFleet)),
    (
        "GET",
        "/api/v1/clusters/{slug}",
        Class::Api(Action::ViewFleet),
    ),
    ("GET", "/api/v1/topology", Class::Api(Action::ViewFleet)),
    ("GET", "/api/v1/series", Class::Api(Action::ViewFleet)),
    ("GET", "/api/v1/events", Class::Api(Action::ViewFleet)),
];

/// The class of a route; `None` is refused.
pub fn class_of(method: &str, route: &str) -> Option<Class> {
    let method = if method == "HEAD" { "GET" } else { method };
    if let Some((_, _, class)) = ROUTES
        .iter()
        .find(|(m, path, _)| *m == method && *path == route)
    {
        return Some(*class);
    }
    if let Some((_, class)) = app::SERVER_FUNCTIONS
        .iter()
        .find(|(path, _)| *path == route)
    {
        return Some(match class {
            FunctionClass::Public => Class::PublicFunction,
            FunctionClass::May(action) => Class::Function(*action),
        });
    }
    if method == "GET" {
        // Leptos writes a parameter as `{id}` when it registers `:id`, as the list of pages does.
        let page = app::PAGES.iter().find(|(path, _)| *path == route);
        return page.map(|(_, class)| match class {
            PageClass::Public => Class::PublicPage,
            PageClass::Setup => Class::SetupPage,
            PageClass::SignedIn => Class::Page,
        });
    }
    None
}

/// The address that a request really comes from; what a proxy says counts only from trusted ones.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

/// The session's cookie value, for whoever ends or re-checks the session.
#[derive(Debug, Clone)]
pub struct SessionToken(pub String);

/// See the module.
pub async fn gate(State(ops): State<Ops>, mut request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let class = route
        .as_deref()
        .and_then(|route| class_of(request.method().as_str(), route));
    let address = client_address(&ops, &request);
    request.extensions_mut().insert(ClientAddress(address));
    match class {
        Some(class) => match Lane::of(class, request.uri().path()) {
            Some(lane) => in_lane(&ops, lane, class, request, next).await,
            None => admitted(&ops, class, request, next).await,
        },
        None => without_class(&request, route.as_deref()),
    }
}

/// A wrong method of a known address says which are right, and leads whoever typed or reloaded a form's address back to
/// its page; what no table knows is our mistake.
fn without_class(request: &Request, route: Option<&str>) -> Response {
    let methods = route.map(methods_of).unwrap_or_default();
    let Some(route) = route.filter(|_| !methods.is_empty()) else {
        tracing::error!(http.method = %request.method(), http.route = ?route, "a route without a class was refused");
        return OpsError::Refused(
            "this address has no access rule, so nobody may use it; please report it".to_owned(),
        )
        .into_response();
    };
    let is_form = matches!(
        class_of("POST", route),
        Some(Class::Form(_) | Class::PublicForm)
    );
    if is_form && matches!(request.method().as_str(), "GET" | "HEAD") {
        return Redirect::to(page_of_form(route, request.uri().path())).into_response();
    }
    OpsError::Method { allow: methods }.into_response()
}

/// Methods that a route has a class for, as in `Allow`.
fn methods_of(route: &str) -> String {
    let known = |method: &&str| class_of(method, route).is_some();
    let all = ["GET", "HEAD", "POST"].into_iter();
    all.filter(known).collect::<Vec<_>>().join(", ")
}

/// The nearest address above a form's own that is a page.
fn page_of_form<'a>(mut route: &str, mut path: &'a str) -> &'a str {
    while let (Some((above, _)), Some((path_above, _))) =
        (route.rsplit_once('/'), path.rsplit_once('/'))
    {
        if app::PAGES.iter().any(|(page, _)| *page == above) {
            return path_above;
        }
        (route, path) = (above, path_above);
    }
    "/"
}

async fn admitted(ops: &Ops, class: Class, mut request: Request, next: Next) -> Response {
    match admit(ops, class, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(response) => *response,
    }
}

/// Answers a request while it holds a place in its lane; counts it.
async fn in_lane(ops: &Ops, lane: Lane, class: Class, request: Request, next: Next) -> Response {
    let meters = &ops.meters;
    let began_us = ops.clock.micros();
    let response = match ops.lanes.enter(lane) {
        Ok(_place) => admitted(ops, class, request, next).await,
        Err(retry_after_s) => {
            meters.shed.with_label_values(&[lane.as_str()]).inc();
            OpsError::Busy { retry_after_s }.into_response()
        }
    };
    let status = match response.status().as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "1xx",
    };
    meters
        .requests
        .with_label_values(&[lane.as_str(), status])
        .inc();
    meters
        .request_seconds
        .with_label_values(&[lane.as_str()])
        .observe(ops.clock.micros().saturating_sub(began_us) as f64 / 1e6);
    response
}

fn client_address(ops: &Ops, request: &Request) -> IpAddr {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::from([127, 0, 0, 1]), |ConnectInfo(address)| {
            address.ip().to_canonical()
        });
    let forwarded = request.headers().get_all("x-forwarded-for");
    let named: Vec<IpAddr> = forwarded
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|text| text.trim().parse::<IpAddr>().ok())
        .collect();
    // From the nearest outwards: the first that is no trusted proxy is the client.
    let mut address = peer;
    for named in named.into_iter().rev() {
        if !ops.settings.trusts_proxy(address) {
            break;
        }
        address = named.to_canonical();
    }
    address
}

async fn admit(ops: &Ops, class: Class, request: &mut Request) -> Result<(), Box<Response>> {
    let address = client_address(ops, request);
    let bearer = bearer(request.headers());
    let session =
        cookie::find(request.headers(), cookie::session_name(&ops.settings)).map(str::to_owned);
    let refuse = |error: OpsError| Box::new(error.into_response());
    if bearer.is_some() && session.is_some() {
        let detail = "send either `Authorization: Bearer` or a session cookie, not both";
        return Err(refuse(OpsError::BadRequest(detail.to_owned())));
    }
    if !matches!(class, Class::Agent | Class::Api(_)) {
        let is_upgrade = request.headers().contains_key(header::UPGRADE);
        let own = ops.settings.public_origin();
        let checked = origin::check(
            request.method(),
            request.headers(),
            is_upgrade,
            session.is_some(),
            own.as_deref(),
        );
        if checked.is_err() {
            let detail =
                "this request did not come from this server's own pages, so it was refused";
            return Err(refuse(OpsError::Refused(detail.to_owned())));
        }
    }
    if let Class::Api(action) = class {
        let (name, role) = match bearer {
            Some(token) => service::find_program(ops, &token)
                .await
                .map_err(|error| refuse(error.into()))?,
            None => None,
        }
        .ok_or_else(|| refuse(OpsError::SignedOut))?;
        authorize(role, action).map_err(|denied| refuse(denied.into()))?;
        request.extensions_mut().insert(Operator {
            name,
            role,
            session: None,
            address: Some(address.to_string()),
            request_id: None,
        });
        return Ok(());
    }
    let operator = sign_in_operator(ops, request.headers())
        .await
        .map_err(|error| refuse(error.into()))?
        .map(|operator| Operator {
            address: Some(address.to_string()),
            ..operator
        });
    let path = request.uri().path();
    let is_wall = session.as_deref().is_some_and(service::is_api_token);
    let operator = operator.filter(|_| !is_wall || kiosk::may(class, path));
    if operator.is_none()
        && class == Class::Page
        && let Some(response) = open_wall(ops, request.uri()).await.map_err(refuse)?
    {
        return Err(Box::new(response));
    }
    let role: Option<Role> = operator.as_ref().map(|operator| operator.role);
    if let Some(operator) = operator {
        if let Some(token) = operator.session.clone() {
            request.extensions_mut().insert(SessionToken(token));
        }
        request.extensions_mut().insert(operator);
    }
    // After a form there is nothing to come back to but the first page.
    let path = request
        .uri()
        .path_and_query()
        .filter(|_| request.method().is_safe());
    let wanted = path.map_or("/", |path| path.as_str()).to_owned();
    match class {
        Class::Public
        | Class::PublicForm
        | Class::PublicPage
        | Class::PublicFunction
        | Class::Agent => Ok(()),
        Class::SetupPage => match service::needs_setup(ops).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Box::new(Redirect::to("/login").into_response())),
            Err(error) => Err(refuse(error.into())),
        },
        Class::Page if role.is_some() => Ok(()),
        Class::Page => Err(Box::new(to_sign_in(ops, wanted).await)),
        Class::Form(action) => match role {
            Some(role) => authorize(role, action).map_err(|denied| refuse(denied.into())),
            None => Err(Box::new(to_sign_in(ops, wanted).await)),
        },
        Class::Function(action) => {
            let denied = match role {
                Some(role) => authorize(role, action)
                    .err()
                    .map(|denied| UiError::Forbidden(denied.to_string())),
                None => Some(UiError::SignedOut),
            };
            denied.map_or(Ok(()), |error| Err(Box::new(function_error(&error))))
        }
        Class::Api(_) => Err(refuse(OpsError::SignedOut)),
    }
}

/// Takes over the token that opens a wall.
async fn open_wall(ops: &Ops, uri: &Uri) -> Result<Option<Response>, OpsError> {
    let Some((token, location)) = kiosk::offered(uri) else {
        return Ok(None);
    };
    if service::find_session(ops, &token).await?.is_none() {
        return Ok(None);
    }
    let mut response = Redirect::to(&location).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie::begin_wall(&ops.settings, &token)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(Some(response))
}

/// Whoever the session cookie says is signed in.
///
/// # Errors
/// When the database refuses.
pub async fn sign_in_operator(
    ops: &Ops,
    headers: &HeaderMap,
) -> Result<Option<Operator>, StoreError> {
    let Some(token) = cookie::find(headers, cookie::session_name(&ops.settings)) else {
        return Ok(None);
    };
    let found = service::find_session(ops, token).await?;
    let request_id = headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .map(clean_label);
    Ok(found.map(|(name, role)| Operator {
        name,
        role,
        session: Some(token.to_owned()),
        address: None,
        request_id,
    }))
}

/// As a server function says it itself.
fn function_error(error: &UiError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::FORBIDDEN);
    let mut response = (status, Json(error)).into_response();
    response
        .headers_mut()
        .insert("serverfnerror", HeaderValue::from_static("1"));
    response
}

async fn to_sign_in(ops: &Ops, wanted: String) -> Response {
    if service::needs_setup(ops).await.unwrap_or(false) {
        return Redirect::to("/setup").into_response();
    }
    Redirect::to(&format!("/login?next={}", percent_encode(&wanted))).into_response()
}

/// For a value in a query string.
pub fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}
