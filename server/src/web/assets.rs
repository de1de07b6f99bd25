//! Files of the console: hashed names are cached for ever, the others are asked for again.
//!
//! With the feature `embed` they are inside the binary (in a debug build they are read from the folder at each request,
//! so that a style changes without a restart). Without it pages work, scriptless and unstyled.

use app::shell::Assets;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use std::borrow::Cow;

#[cfg(feature = "embed")]
mod site {
    /// What `cargo xtask` built.
    #[derive(rust_embed::RustEmbed)]
    #[folder = "$OPSCENTER_SITE_DIR"]
    pub struct Site;
}

#[derive(Debug, Default, Deserialize)]
struct Manifest {
    js: Option<String>,
    wasm: Option<String>,
    css: Option<String>,
    icons: Option<String>,
}

#[cfg(feature = "embed")]
fn file(name: &str) -> Option<Cow<'static, [u8]>> {
    <site::Site as rust_embed::RustEmbed>::get(name).map(|file| file.data)
}

#[cfg(not(feature = "embed"))]
fn file(_name: &str) -> Option<Cow<'static, [u8]>> {
    None
}

/// The console's files under their current names.
pub fn current() -> Assets {
    let manifest: Manifest = file("site.json")
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    Assets {
        js: manifest.js,
        wasm: manifest.wasm,
        css: manifest.css,
        icons: manifest.icons,
    }
}

/// `/assets/…`: hashed names.
pub async fn hashed(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(
        &format!("assets/{path}"),
        &headers,
        "public, max-age=31536000, immutable",
    )
}

/// Files at the root, under their own names.
pub async fn named(uri: Uri, headers: HeaderMap) -> Response {
    serve(
        uri.path().trim_start_matches('/'),
        &headers,
        "public, max-age=3600",
    )
}

/// Files at the root that a browser must ask for each time: what they say decides about everything else it keeps.
pub async fn fresh(uri: Uri, headers: HeaderMap) -> Response {
    serve(uri.path().trim_start_matches('/'), &headers, "no-cache")
}

/// `/offline`: kept by the service worker, shown in place of any page that cannot be had.
pub async fn offline() -> Html<String> {
    Html(leptos::prelude::Owner::new().with(|| app::offline::offline_document(&current())))
}

fn serve(name: &str, headers: &HeaderMap, caching: &'static str) -> Response {
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let packed = [("br", ".br"), ("gzip", ".gz")]
        .into_iter()
        .filter(|(encoding, _)| {
            accepted
                .split(',')
                .any(|item| item.trim().split(';').next() == Some(encoding))
        })
        .find_map(|(encoding, suffix)| Some((Some(encoding), file(&format!("{name}{suffix}"))?)));
    let is_internal = name == "site.json" || name.ends_with(".br") || name.ends_with(".gz");
    let Some((encoding, bytes)) = packed
        .or_else(|| Some((None, file(name)?)))
        .filter(|_| !is_internal)
    else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    let etag = format!(
        "\"{}\"",
        data_encoding::HEXLOWER.encode(&protocol::keys::short_digest(&bytes))
    );
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value.as_bytes() == etag.as_bytes())
    {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let mut response = Response::new(Body::from(bytes.into_owned()));
    let out = response.headers_mut();
    out.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media_type(name)),
    );
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        out.insert(header::ETAG, etag);
    }
    response
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
