//! The session cookie, and the small ones that hold how somebody likes their pages.

use axum::http::{HeaderMap, header};

use crate::config::Settings;

/// With TLS: bound to this host, this path, TLS.
const SECURE: &str = "__Host-opscenter";
const PLAIN: &str = "opscenter";

/// Name of the session cookie under these settings.
pub fn session_name(settings: &Settings) -> &'static str {
    if settings.is_https() { SECURE } else { PLAIN }
}

/// Value of a cookie of a request.
pub fn find<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

const WEEK_S: u32 = 604_800;
/// What browsers keep a cookie for at most; a wall's token ends earlier if it says so.
const LONGEST_S: u32 = 400 * 86_400;

/// `Set-Cookie` that begins a session.
pub fn begin_session(settings: &Settings, token: &str) -> String {
    begin(settings, token, WEEK_S)
}

/// `Set-Cookie` of a screen that nobody signs in at.
pub fn begin_wall(settings: &Settings, token: &str) -> String {
    begin(settings, token, LONGEST_S)
}

fn begin(settings: &Settings, token: &str, age_s: u32) -> String {
    format!(
        "{}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age_s}{}",
        session_name(settings),
        secure(settings)
    )
}

/// `Set-Cookie` that ends it.
pub fn end_session(settings: &Settings) -> String {
    format!(
        "{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{}",
        session_name(settings),
        secure(settings)
    )
}

/// `Set-Cookie` of a preference; the caller has checked the value against a list.
pub fn preference(settings: &Settings, name: &str, value: &str) -> String {
    format!(
        "{name}={value}; Path=/; SameSite=Lax; Max-Age=31536000{}",
        secure(settings)
    )
}

fn secure(settings: &Settings) -> &'static str {
    if settings.is_https() { "; Secure" } else { "" }
}
