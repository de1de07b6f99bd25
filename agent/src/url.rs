//! The server's address: `http(s)://HOST[:PORT]`, checked before anything is sent to it.

use std::fmt;
use std::net::IpAddr;

/// A checked address without path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl {
    is_https: bool,
    host: String,
    port: Option<u16>,
}

/// An address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not `http://` or `https://`.
    #[error("`{0:.80}` must begin with https:// (or http:// on this machine)")]
    Scheme(String),
    /// User, path, query or fragment.
    #[error(
        "`{0:.80}` must be only https://HOST or https://HOST:PORT, without user, path or query"
    )]
    MoreThanHost(String),
    /// No host or an impossible port.
    #[error("`{0:.80}` has no usable host and port; write https://HOST or https://HOST:PORT")]
    Host(String),
}

impl ServerUrl {
    /// Reads an address; a single `/` at the end is fine.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let (is_https, rest) = if let Some(rest) = lower.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = lower.strip_prefix("http://") {
            (false, rest)
        } else {
            return Err(UrlError::Scheme(text.to_owned()));
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(UrlError::MoreThanHost(text.to_owned()));
        }
        let bad = || UrlError::Host(text.to_owned());
        let (host, port) = split_port(rest).ok_or_else(bad)?;
        let port = match port {
            None => None,
            Some(port) => Some(
                port.parse::<u16>()
                    .ok()
                    .filter(|p| *p != 0)
                    .ok_or_else(bad)?,
            ),
        };
        let is_ip6 = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
        let is_name = !host.is_empty()
            && host.len() <= 253
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
        if is_ip6 || is_name {
            Ok(Self {
                is_https,
                host: host.to_owned(),
                port,
            })
        } else {
            Err(bad())
        }
    }

    /// Host name or address, without brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Given or usual port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_https { 443 } else { 80 })
    }

    /// Encrypted?
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Is it this machine?
    pub fn is_loopback(&self) -> bool {
        self.host() == "localhost"
            || self
                .host()
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// Would what is sent be readable on a network?
    pub fn is_open_to_listeners(&self) -> bool {
        !self.is_https && !self.is_loopback()
    }
}

fn split_port(rest: &str) -> Option<(&str, Option<&str>)> {
    if rest.starts_with('[') {
        let end = rest.find(']')? + 1;
        let (host, after) = rest.split_at_checked(end)?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match rest.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((rest, None)),
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_the_same() {
        for (text, shown, host, port, open) in [
            (
                "http://127.0.0.1:7700",
                "http://127.0.0.1:7700",
                "127.0.0.1",
                7700,
                false,
            ),
            (
                "https://Ops.Example.org/",
                "https://ops.example.org",
                "ops.example.org",
                443,
                false,
            ),
            ("http://[::1]:7700", "http://[::1]:7700", "::1", 7700, false),
            ("http://10.0.0.8", "http://10.0.0.8", "10.0.0.8", 80, true),
            (
                "http://localhost:1",
                "http://localhost:1",
                "localhost",
                1,
                false,
            ),
        ] {
            let url = ServerUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!((url.host(), url.port()), (host, port));
            assert_eq!(url.is_open_to_listeners(), open, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused() {
        for bad in [
            "",
            "ops.example.org",
            "ftp://x",
            "https://",
            "https://:80",
            "https://a:b",
            "https://a:0",
            "https://a:99999",
            "https://u:p@a",
            "https://a/path",
            "https://a?x=1",
            "https://a b",
            "http://[::1",
            "http://[zz]:1",
            "https://localhost.\u{202e}x",
            "https://a\r\nhost: b",
        ] {
            assert!(ServerUrl::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
