//! One kept connection to one server: small heads, bounded bodies, no redirects, and no switch that skips checks.

mod answer;
mod connection;
mod proxy;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::http::{Code, HEADER_AUTH, MEDIA_TYPE};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use crate::exit::{Exit, Failure};
use crate::url::ServerUrl;
use connection::{Connection, Deadline, Target, Trouble};
use proxy::Proxy;

/// Greatest answer that is read.
pub const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const TIMEOUT_MS_MIN: u64 = 3_000;
const TIMEOUT_MS_MAX: u64 = 10_000;
/// Authorities of the distributions' own stores, first found wins.
const SYSTEM_STORES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Nobody answered, or not in a way that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreachable(pub String);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The `oc-auth` header.
    pub auth: Option<String>,
    /// `Retry-After` in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The `Date` header.
    pub date: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
    title: Option<String>,
}

impl Answer {
    /// The reason in a problem document, and its words.
    pub fn problem(&self) -> (Option<Code>, String) {
        let problem: Option<Problem> = serde_json::from_slice(&self.body).ok();
        let code = problem
            .as_ref()
            .and_then(|p| p.code.as_deref())
            .and_then(Code::from_text);
        let words = problem
            .and_then(|p| p.detail.or(p.title).or(p.code))
            .map_or_else(
                || "no reason given".to_owned(),
                |text| domain::text::clean_label(&text),
            );
        (code, format!("HTTP {}: {words}", self.status))
    }
}

/// A connection to the server.
#[derive(Debug)]
pub struct Client {
    base: String,
    target: Target,
    timeout_ms: u64,
    kept: RefCell<Option<Connection>>,
}

impl Client {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// The authorities cannot be read, the proxy is none, or the address would send in the open without leave.
    pub fn new(
        url: &ServerUrl,
        ca_file: Option<&Path>,
        is_insecure_http_allowed: bool,
        interval_ms: u64,
    ) -> Result<Self, Failure> {
        if url.is_open_to_listeners() && !is_insecure_http_allowed {
            return Err(Failure::usage(format!(
                "{url} would send in the open over the network; use https://, or enroll with --insecure-http if you accept that"
            )));
        }
        let name = || {
            ServerName::try_from(url.host().to_owned())
                .map_err(|_| Failure::usage(format!("{url}: no certificate can have this name")))
        };
        let tls = match url.is_https() {
            true => Some((Arc::new(trust(ca_file)?), name()?)),
            false => None,
        };
        Ok(Self {
            base: url.to_string(),
            target: Target {
                host: url.host().to_owned(),
                port: url.port(),
                tls,
                proxy: Proxy::from_environment(url, |name| std::env::var(name).ok())
                    .map_err(Failure::usage)?,
            },
            timeout_ms: (interval_ms * 8 / 10).clamp(TIMEOUT_MS_MIN, TIMEOUT_MS_MAX),
            kept: RefCell::new(None),
        })
    }

    /// From now on no request takes longer than this.
    pub fn limit_ms(&mut self, ms: u64) {
        self.timeout_ms = self.timeout_ms.min(ms);
    }

    /// Asks for a path, query included.
    ///
    /// # Errors
    /// Nobody answered.
    pub fn get(&self, path: &str) -> Result<Answer, Unreachable> {
        self.ask(self.head("GET", path) + "\r\n", &[])
    }

    /// Sends a body.
    ///
    /// # Errors
    /// Nobody answered.
    pub fn post(&self, path: &str, auth: Option<&str>, body: &[u8]) -> Result<Answer, Unreachable> {
        let mut head = self.head("POST", path);
        for (name, value) in [
            ("content-type", MEDIA_TYPE),
            (HEADER_AUTH, auth.unwrap_or_default()),
            ("content-length", &body.len().to_string()),
        ] {
            if !value.is_empty() {
                head.extend([name, ": ", value, "\r\n"]);
            }
        }
        self.ask(head + "\r\n", body)
    }

    fn head(&self, method: &str, path: &str) -> String {
        let (_, host) = self.base.split_once("://").unwrap_or_default();
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n")
    }

    fn ask(&self, head: String, body: &[u8]) -> Result<Answer, Unreachable> {
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.exchange(&request)
            .map_err(|trouble| Unreachable(format!("{}: {trouble}", self.base)))
    }

    /// Over the kept connection, if it still stands. After an error there is none.
    fn exchange(&self, request: &[u8]) -> Result<Answer, Trouble> {
        let deadline = Deadline::in_ms(self.timeout_ms);
        let kept = self.kept.take().filter(|kept| !kept.is_stale());
        let mut connection = match kept {
            Some(kept) => kept,
            None => Connection::open(&self.target, deadline)?,
        };
        let whole = connection.exchange(request, deadline)?;
        if whole.is_kept {
            self.kept.replace(Some(connection));
        }
        Ok(whole.answer)
    }
}

/// Who is trusted to say which server this is.
fn trust(ca_file: Option<&Path>) -> Result<ClientConfig, Failure> {
    let mut config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::could_not(format!("TLS cannot be used: {error}")))?
            .with_root_certificates(authorities(ca_file)?)
            .with_no_client_auth();
    // One server.
    config.resumption = Resumption::in_memory_sessions(1);
    Ok(config)
}

fn authorities(ca_file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let file = match ca_file {
        Some(file) => file.to_owned(),
        None => system_store().ok_or_else(|| {
            Failure::usage(
                "no store of certificate authorities was found on this host; install ca-certificates or name a file with --ca-file",
            )
        })?,
    };
    let bytes = std::fs::read(&file).map_err(|error| {
        Failure::usage(format!(
            "ca_file {} cannot be read: {error}",
            file.display()
        ))
    })?;
    let mut store = RootCertStore::empty();
    // A store of the system may hold some that are too odd to be used.
    store.add_parsable_certificates(CertificateDer::pem_slice_iter(&bytes).flatten());
    if store.is_empty() {
        return Err(Failure::usage(format!(
            "ca_file {} holds no certificate; it must be PEM (-----BEGIN CERTIFICATE-----)",
            file.display()
        )));
    }
    Ok(store)
}

fn system_store() -> Option<PathBuf> {
    std::env::var_os("SSL_CERT_FILE")
        .map(PathBuf::from)
        .into_iter()
        .chain(SYSTEM_STORES.iter().map(PathBuf::from))
        .find(|path| path.is_file())
}

/// How a command fails when nobody answers.
impl From<Unreachable> for Failure {
    fn from(error: Unreachable) -> Self {
        Failure::new(
            Exit::Unreachable,
            format!("cannot reach the server: {error}"),
        )
    }
}
