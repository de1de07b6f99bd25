//! The plain forms: setting up, signing in and out, how pages look. They work without scripts.

use std::collections::BTreeMap;

use app::account::view::FormFeedback;
use app::preferences::Preferences;
use axum::extract::{Extension, Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::cookie;
use super::gate::{ClientAddress, SessionToken};
use crate::error::OpsError;
use crate::ops::Ops;
use crate::people::{service, store};
use crate::web::pages;

/// `POST /login`
#[derive(Debug, Deserialize)]
pub struct SignIn {
    user: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// Signs in: 303 to `next`, or the page again with 401 or 429 and what had been typed, but for the password.
pub async fn sign_in(
    State(ops): State<Ops>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Response {
    let name: String = form.user.trim().to_lowercase().chars().take(64).collect();
    let kept = vec![
        ("user".to_owned(), name.clone()),
        ("next".to_owned(), form.next.clone()),
    ];
    let refused = async |status: StatusCode, message: String| {
        let feedback = FormFeedback {
            message,
            fields: Vec::new(),
            kept: kept.clone(),
        };
        pages::render_again(&ops, "/login", &headers, status, feedback).await
    };
    let permit = match ops
        .login_guard
        .attempt(address, &name, ops.clock.monotonic())
        .await
    {
        Ok(permit) => permit,
        Err(error) => {
            tracing::warn!(client.address = %address, "sign-in throttled");
            let mut response = refused(StatusCode::TOO_MANY_REQUESTS, sentence(&error)).await;
            if let OpsError::TooMany { retry_after_s } = error {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s));
            }
            return response;
        }
    };
    if form.password.len() > service::PASSWORD_BYTES_MAX {
        return refused(StatusCode::UNAUTHORIZED, WRONG.to_owned()).await;
    }
    let found = match store::find_person(ops.state.read(), &name).await {
        Ok(found) => found.filter(|person| person.enabled),
        Err(error) => return OpsError::from(error).into_response(),
    };
    let verified = service::verify_password(found, form.password).await;
    drop(permit);
    let Some(person) = verified else {
        tracing::warn!(client.address = %address, "sign-in refused");
        return refused(StatusCode::UNAUTHORIZED, WRONG.to_owned()).await;
    };
    ops.login_guard.succeeded(address, &name);
    match service::begin_session(&ops, &person).await {
        Ok(token) => signed_in(&ops, &token, &local_path(&form.next)),
        // Nothing is wrong with what was typed: the page keeps it, and says what is.
        Err(error @ OpsError::StorageUnavailable) => {
            let mut response = refused(error.status(), sentence(&error)).await;
            if let Some(seconds) = error.retry_after_s() {
                let headers = response.headers_mut();
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

const WRONG: &str = "User or password is wrong.";

fn sentence(error: &OpsError) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first = chars
        .next()
        .map(|c| c.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

fn signed_in(ops: &Ops, token: &str, next: &str) -> Response {
    let mut response = Redirect::to(next).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie::begin_session(&ops.settings, token)) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// A path on this server, whatever was asked for: `//evil.example` and `https://…` lead home.
fn local_path(next: &str) -> String {
    let fits = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.bytes().all(|b| (0x21..0x7f).contains(&b))
        && next.len() <= 2_000;
    if fits {
        next.to_owned()
    } else {
        "/".to_owned()
    }
}

/// `POST /setup`
#[derive(Debug, Deserialize)]
pub struct SetUp {
    code: String,
    user: String,
    password: String,
}

/// Makes the first administrator and signs them in.
pub async fn set_up(
    State(ops): State<Ops>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    headers: HeaderMap,
    Form(form): Form<SetUp>,
) -> Response {
    let name: String = form.user.trim().to_lowercase().chars().take(70).collect();
    let outcome = async {
        let _permit = ops
            .login_guard
            .attempt(address, "setup", ops.clock.monotonic())
            .await?;
        let person =
            service::create_first_admin(&ops, &form.code, &form.user, form.password.clone())
                .await?;
        ops.login_guard.succeeded(address, "setup");
        service::begin_session(&ops, &person).await
    };
    match outcome.await {
        Ok(token) => signed_in(&ops, &token, "/"),
        Err(error @ (OpsError::Invalid(_) | OpsError::Conflict(_) | OpsError::TooMany { .. })) => {
            let status = match &error {
                OpsError::Invalid(fields) if fields.iter().any(|field| field.field == "code") => {
                    StatusCode::FORBIDDEN
                }
                other => other.status(),
            };
            let fields = match &error {
                OpsError::Invalid(fields) => fields
                    .iter()
                    .map(|f| (f.field.clone(), f.detail.clone()))
                    .collect(),
                _ => Vec::new(),
            };
            let kept = vec![
                ("user".to_owned(), name),
                ("code".to_owned(), form.code.chars().take(64).collect()),
            ];
            let message = if fields.is_empty() {
                sentence(&error)
            } else {
                "Please correct the fields below.".to_owned()
            };
            let feedback = FormFeedback {
                message,
                fields,
                kept,
            };
            pages::render_again(&ops, "/setup", &headers, status, feedback).await
        }
        Err(error) => error.into_response(),
    }
}

/// Signs out: the session ends here and in the browser.
pub async fn sign_out(
    State(ops): State<Ops>,
    Extension(operator): Extension<app::backend::Operator>,
    Extension(SessionToken(token)): Extension<SessionToken>,
) -> Response {
    if let Err(error) = service::end_session(&ops, &token, &operator.name).await {
        return error.into_response();
    }
    let mut response = Redirect::to("/login").into_response();
    let headers = response.headers_mut();
    if let Ok(cookie) = HeaderValue::from_str(&cookie::end_session(&ops.settings)) {
        headers.append(header::SET_COOKIE, cookie);
    }
    headers.insert(
        "clear-site-data",
        HeaderValue::from_static("\"cache\", \"storage\""),
    );
    response
}

/// Keeps how somebody likes their pages, in cookies: `POST /preferences` with any of them.
pub async fn preferences(
    State(ops): State<Ops>,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let next = form.get("next").map_or("", String::as_str);
    let mut response = Redirect::to(&local_path(next)).into_response();
    let mut said = 0;
    for key in Preferences::KEYS {
        let Some(value) = form.get(key) else {
            continue;
        };
        if !Preferences::accepts(key, value) {
            return OpsError::field(key, "choose one of what the profile page offers")
                .into_response();
        }
        said += 1;
        if let Ok(cookie) = HeaderValue::from_str(&cookie::preference(&ops.settings, key, value)) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    if said == 0 {
        let detail = format!("say one of {}", Preferences::KEYS.join(", "));
        return OpsError::field("preference", detail).into_response();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_nobody_is_sent_elsewhere() {
        assert_eq!(local_path("/nodes?q=a%20b"), "/nodes?q=a%20b");
        for foreign in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/a b",
            "javascript:alert(1)",
            "/\r\nx",
        ] {
            assert_eq!(local_path(foreign), "/", "{foreign}");
        }
    }
}
