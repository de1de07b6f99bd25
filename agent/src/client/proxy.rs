//! The way out where there is only a proxy: what the environment says, as most programs understand it.

use std::fmt;

use crate::url::ServerUrl;

/// A proxy that is asked to lead on to the server (CONNECT); it sees only names and bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Proxy {
    /// The proxy for this server, if any: `https_proxy` or `http_proxy` by the server's scheme, else `all_proxy`, in
    /// small letters or capitals; none for names in `no_proxy`, nor for this machine.
    ///
    /// # Errors
    /// The variable, and what is wrong with it.
    pub fn from_environment(
        url: &ServerUrl,
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let get = |name: &str| {
            get(name)
                .or_else(|| get(&name.to_ascii_uppercase()))
                .filter(|value| !value.trim().is_empty())
        };
        let exempt = get("no_proxy").unwrap_or_default();
        if url.is_loopback() || exempt.split(',').any(|entry| is_within(url.host(), entry)) {
            return Ok(None);
        }
        let first = if url.is_https() {
            "https_proxy"
        } else {
            "http_proxy"
        };
        let Some((name, value)) = [first, "all_proxy"]
            .into_iter()
            .find_map(|name| Some((name, get(name)?)))
        else {
            return Ok(None);
        };
        let text = if value.contains("://") {
            value.clone()
        } else {
            format!("http://{value}")
        };
        match ServerUrl::parse(&text) {
            Ok(proxy) if !proxy.is_https() => Ok(Some(Self {
                host: proxy.host().to_owned(),
                port: proxy.port(),
            })),
            _ => Err(format!(
                "{name} in the environment is `{value:.80}`; only http://HOST:PORT is understood, without user and password; unset it, or list the server in no_proxy"
            )),
        }
    }

    /// The request to lead on.
    pub fn request(&self, host: &str, port: u16) -> Vec<u8> {
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        format!("CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n").into_bytes()
    }
}

/// Is it the entry's name, beneath it, or does the entry mean all?
fn is_within(host: &str, entry: &str) -> bool {
    let entry = entry.trim().to_ascii_lowercase();
    let name = entry.trim_start_matches('*').trim_start_matches('.');
    entry == "*"
        || !name.is_empty()
            && host
                .strip_suffix(name)
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(url: &str, environment: &[(&str, &str)]) -> Result<Option<String>, String> {
        let get = |name: &str| {
            let found = environment.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        };
        Proxy::from_environment(&ServerUrl::parse(url).unwrap(), get)
            .map(|proxy| proxy.map(|proxy| proxy.to_string()))
    }

    #[test]
    fn the_environment_says_the_way() {
        let https = [
            ("https_proxy", "http://out:3128/"),
            ("HTTP_PROXY", "other:1"),
        ];
        let is = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(proxy("https://ops.example", &https), is("out:3128"));
        assert_eq!(proxy("http://ops.example", &https), is("other:1"));
        assert_eq!(proxy("https://localhost:7700", &https), Ok(None));
        assert_eq!(proxy("https://127.0.0.1:7700", &https), Ok(None));
        assert_eq!(
            proxy("https://ops.example", &[("ALL_PROXY", "out:80")]),
            is("out:80")
        );
        assert_eq!(
            proxy("https://ops.example", &[("https_proxy", " ")]),
            Ok(None)
        );
    }

    #[test]
    fn exempt_names_go_straight() {
        let case = |entry: &str| {
            proxy(
                "https://ops.example.org",
                &[("https_proxy", "out:3128"), ("no_proxy", entry)],
            )
            .unwrap()
        };
        for entry in [
            "*",
            "example.org",
            "x, .example.org",
            "*.example.org",
            "ops.example.org",
        ] {
            assert_eq!(case(entry), None, "{entry}");
        }
        for entry in ["", ",", "ple.org", "ops.example.org.uk", "."] {
            assert_eq!(case(entry).as_deref(), Some("out:3128"), "{entry}");
        }
    }

    #[test]
    fn one_that_cannot_be_used_is_named() {
        for value in [
            "https://out:1",
            "socks5://out:1",
            "http://user:word@out:1",
            "out:0",
        ] {
            let error = proxy("https://ops.example", &[("https_proxy", value)]).unwrap_err();
            assert!(
                error.contains("https_proxy") && error.contains(value),
                "{error}"
            );
        }
    }

    #[test]
    fn the_request_names_the_server() {
        let proxy = Proxy {
            host: "out".to_owned(),
            port: 1,
        };
        let text = |host| String::from_utf8(proxy.request(host, 443)).unwrap();
        assert!(
            text("ops.example")
                .starts_with("CONNECT ops.example:443 HTTP/1.1\r\nhost: ops.example:443\r\n")
        );
        assert!(text("::1").starts_with("CONNECT [::1]:443 "));
    }
}
