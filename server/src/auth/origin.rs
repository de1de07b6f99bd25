//! Requests that change something must come from our own pages.
//!
//! `Sec-Fetch-Site` first, which browsers set and pages cannot; then `Origin`. An unsafe request that brings a cookie and
//! neither header is refused. Requests without a cookie have no authority to abuse, except to sign somebody in, so the
//! forms of the public pages are checked whenever a browser says where they come from.

use axum::http::{HeaderMap, Method, header};

/// Why a request is not from our own pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Another site sent it.
    CrossSite,
    /// Nobody says who sent it, and it brings a cookie.
    Unknown,
}

/// Is this request one of ours? `own_origin` such as `https://ops.example`; with none configured, `http(s)://Host`.
///
/// # Errors
/// [`Foreign`]
pub fn check(
    method: &Method,
    headers: &HeaderMap,
    is_upgrade: bool,
    brings_cookie: bool,
    own_origin: Option<&str>,
) -> Result<(), Foreign> {
    if method.is_safe() && !is_upgrade {
        return Ok(());
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !is_upgrade && let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return if matches!(site, "same-origin" | "none") {
            Ok(())
        } else {
            Err(Foreign::CrossSite)
        };
    }
    match text(header::ORIGIN) {
        Some(origin) => {
            let ours = match own_origin {
                Some(own) => origin.eq_ignore_ascii_case(own),
                None => {
                    let host = text(header::HOST).unwrap_or("");
                    let bare = origin
                        .strip_prefix("http://")
                        .or_else(|| origin.strip_prefix("https://"));
                    !host.is_empty() && bare.is_some_and(|bare| bare.eq_ignore_ascii_case(host))
                }
            };
            if ours {
                Ok(())
            } else {
                Err(Foreign::CrossSite)
            }
        }
        None if brings_cookie || is_upgrade => Err(Foreign::Unknown),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(
        method: Method,
        pairs: &[(&str, &str)],
        upgrade: bool,
        cookie: bool,
        own: Option<&str>,
    ) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(
                header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        check(&method, &headers, upgrade, cookie, own).is_ok()
    }

    #[test]
    fn only_our_own_pages_may_change_anything() {
        let host = ("host", "ops.example:7700");
        let own = Some("https://ops.example");
        assert!(
            case(
                Method::GET,
                &[("origin", "https://evil.example")],
                false,
                true,
                own
            ),
            "reading changes nothing"
        );
        assert!(case(
            Method::POST,
            &[("sec-fetch-site", "same-origin")],
            false,
            true,
            own
        ));
        assert!(!case(
            Method::POST,
            &[("sec-fetch-site", "same-site")],
            false,
            true,
            own
        ));
        assert!(!case(
            Method::POST,
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://ops.example")
            ],
            false,
            true,
            own
        ));
        assert!(case(
            Method::POST,
            &[("origin", "https://ops.example")],
            false,
            true,
            own
        ));
        assert!(!case(
            Method::POST,
            &[("origin", "https://ops.example.evil")],
            false,
            true,
            own
        ));
        assert!(!case(Method::POST, &[("origin", "null")], false, true, own));
        assert!(case(
            Method::POST,
            &[host, ("origin", "http://ops.example:7700")],
            false,
            true,
            None
        ));
        assert!(!case(
            Method::POST,
            &[host, ("origin", "http://ops.example:7701")],
            false,
            true,
            None
        ));
        assert!(
            !case(Method::POST, &[host], false, true, None),
            "a cookie and nobody says from where"
        );
        assert!(
            case(Method::POST, &[host], false, false, None),
            "a program without a cookie"
        );
    }

    #[test]
    fn a_socket_needs_an_origin_even_though_it_is_a_get() {
        let host = ("host", "127.0.0.1:7700");
        assert!(case(
            Method::GET,
            &[host, ("origin", "http://127.0.0.1:7700")],
            true,
            true,
            None
        ));
        assert!(!case(
            Method::GET,
            &[host, ("origin", "http://evil.example")],
            true,
            true,
            None
        ));
        assert!(!case(Method::GET, &[host], true, true, None));
    }
}
