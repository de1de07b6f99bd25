//! Problems as pages: a person whose form was refused reads what happened and finds the way back.
//!
//! A layer around all routes. Invariant: programs, agents and server functions keep their problem documents, and the
//! status stays as it was.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use protocol::http::HEADER_AUTH;
use serde::Deserialize;

use super::assets;

/// Ours are far shorter.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;
/// When a request that took too long makes sense again.
const RETRY_AFTER_S: u64 = 5;
const FOR_PROGRAMS: [&str; 3] = ["/api/", "/agent/", "/fn/"];

#[derive(Debug, Deserialize)]
struct Problem {
    title: String,
    detail: String,
    #[serde(default)]
    errors: Vec<Field>,
}

#[derive(Debug, Deserialize)]
struct Field {
    field: String,
    detail: String,
}

/// Makes a problem document of a refusal by the framework: a path or a body that cannot be read, a request that took too
/// long. What an agent can verify stays as it is. Whoever else took too long is told in plain words.
pub async fn for_programs(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_program = ["/api/", "/agent/"]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    let response = next.run(request).await;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_bare = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let is_refusal = status.is_client_error() || status.is_server_error();
    if !(is_bare && is_refusal) || response.headers().contains_key(HEADER_AUTH) {
        return response;
    }
    if !is_program {
        return match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                let retry_after = [(header::RETRY_AFTER, RETRY_AFTER_S.to_string())];
                (status, retry_after, too_long()).into_response()
            }
            _ => response,
        };
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let said = domain::text::clean_label(&String::from_utf8_lossy(&bytes));
    let detail = if status == StatusCode::SERVICE_UNAVAILABLE && said.is_empty() {
        too_long()
    } else if said.is_empty() {
        status.canonical_reason().unwrap_or("refused").to_owned()
    } else {
        said
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        parts
            .headers
            .entry(header::RETRY_AFTER)
            .or_insert(HeaderValue::from(RETRY_AFTER_S));
    }
    let problem = serde_json::to_vec(&crate::error::Problem::of(status, detail));
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    parts
        .headers
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Response::from_parts(parts, Body::from(problem.unwrap_or_default()))
}

fn too_long() -> String {
    format!("the request took too long; try again in {RETRY_AFTER_S} s")
}

/// Turns a problem document into a page where a browser asked for one.
pub async fn as_pages(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let for_program = FOR_PROGRAMS.iter().any(|prefix| path.starts_with(prefix));
    let wants_page = !for_program && accepts_html(request.headers());
    let back = came_from(request.headers());
    let response = next.run(request).await;
    let is_problem = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/problem+json");
    if wants_page && is_problem {
        page(response, &back).await
    } else {
        response
    }
}

async fn page(response: Response, back: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    let mut lines = vec![problem.detail];
    lines.extend(
        problem
            .errors
            .into_iter()
            .map(|error| format!("{}: {}", error.field, error.detail)),
    );
    let html = app::shell::problem_document(&assets::current(), &problem.title, &lines, back);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    Response::from_parts(parts, Body::from(html))
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"))
}

/// Path and query of the page the form was on, if it was one of ours; else the first page.
fn came_from(headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    text(header::REFERER)
        .zip(text(header::HOST))
        .and_then(|(referer, host)| {
            let (_, rest) = referer.split_once("://")?;
            rest.strip_prefix(host)
        })
        .filter(|path| path.starts_with('/') && !path.starts_with("//"))
        .unwrap_or("/")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(referer: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("oc.example:7700"));
        if let Ok(value) = HeaderValue::from_str(referer) {
            headers.insert(header::REFERER, value);
        }
        headers
    }

    #[test]
    fn the_way_back_is_a_page_of_ours() {
        for (referer, back) in [
            ("http://oc.example:7700/nodes?q=a", "/nodes?q=a"),
            ("https://oc.example:7700/", "/"),
            ("http://evil.example/nodes", "/"),
            ("http://oc.example:7700.evil.example/x", "/"),
            ("http://oc.example:7700//evil.example", "/"),
            ("oc.example:7700/nodes", "/"),
            ("", "/"),
        ] {
            assert_eq!(came_from(&headers(referer)), back, "{referer}");
        }
    }
}
