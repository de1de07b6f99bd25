//! One kept connection to one server: small heads, bounded bodies, no redirects, and no switch that skips checks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::http::{Code, HEADER_AUTH, MEDIA_TYPE};
use serde::Deserialize;
use ureq::config::AutoHeaderValue;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::clock;
use crate::exit::{Exit, Failure};
use crate::url::ServerUrl;

/// Greatest answer that is read.
pub const ANSWER_BYTES_MAX: u64 = 64 * 1024;
const ADDRESSES_KEPT_MS: u64 = 5 * 60 * 1000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
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

/// Addresses of the server's name, and when they were asked for.
#[derive(Debug)]
struct Kept {
    name: String,
    addresses: ResolvedSocketAddrs,
    asked_ms: u64,
}

/// ureq asks for addresses before each request, also where a connection stands, and starts a thread to do so. Here the
/// answer is kept until a request fails, at most [`ADDRESSES_KEPT_MS`]; a literal address needs no asking.
#[derive(Debug)]
struct KeptAddresses {
    resolver: DefaultResolver,
    kept: Arc<Mutex<Option<Kept>>>,
}

impl Resolver for KeptAddresses {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let name = uri.authority().map(ToString::to_string).unwrap_or_default();
        if let Ok(address) = name.parse() {
            let mut addresses = self.empty();
            addresses.push(address);
            return Ok(addresses);
        }
        let now_ms = clock::boot_ms();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*kept
            && kept.name == name
            && now_ms.saturating_sub(kept.asked_ms) < ADDRESSES_KEPT_MS
        {
            return Ok(kept.addresses.clone());
        }
        let addresses = self.resolver.resolve(uri, config, timeout)?;
        *kept = Some(Kept {
            name,
            addresses: addresses.clone(),
            asked_ms: now_ms,
        });
        Ok(addresses)
    }
}

/// A connection to the server.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    timeout: Duration,
    kept: Arc<Mutex<Option<Kept>>>,
}

impl Client {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// The authorities cannot be read, or the address would send in the open without leave.
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
        let timeout =
            Duration::from_millis((interval_ms * 8 / 10).clamp(TIMEOUT_MS_MIN, TIMEOUT_MS_MAX));
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .https_only(url.is_https())
            .user_agent(AutoHeaderValue::None)
            .accept(AutoHeaderValue::None)
            .accept_encoding(AutoHeaderValue::None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .max_idle_age(Duration::from_secs(2 * 3600))
            .max_response_header_size(16 * 1024)
            .input_buffer_size(8 * 1024)
            .output_buffer_size(8 * 1024);
        if url.is_loopback() {
            config = config.proxy(None);
        }
        if url.is_https() {
            config = config.tls_config(
                TlsConfig::builder()
                    .unversioned_rustls_crypto_provider(Arc::new(
                        rustls::crypto::ring::default_provider(),
                    ))
                    .root_certs(authorities(ca_file)?)
                    .build(),
            );
        }
        let kept = Arc::new(Mutex::new(None));
        Ok(Self {
            agent: ureq::Agent::with_parts(
                config.build(),
                DefaultConnector::default(),
                KeptAddresses {
                    resolver: DefaultResolver::default(),
                    kept: kept.clone(),
                },
            ),
            kept,
            base: url.to_string(),
            timeout,
        })
    }

    /// From now on no request takes longer than this.
    pub fn limit_ms(&mut self, ms: u64) {
        self.timeout = self.timeout.min(Duration::from_millis(ms));
    }

    /// Asks for a path, query included.
    ///
    /// # Errors
    /// Nobody answered.
    pub fn get(&self, path: &str) -> Result<Answer, Unreachable> {
        let request = self.agent.get(format!("{}{path}", self.base));
        self.read(
            request
                .config()
                .timeout_global(Some(self.timeout))
                .build()
                .call(),
        )
    }

    /// Sends a body.
    ///
    /// # Errors
    /// Nobody answered.
    pub fn post(&self, path: &str, auth: Option<&str>, body: &[u8]) -> Result<Answer, Unreachable> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("content-type", MEDIA_TYPE);
        if let Some(auth) = auth {
            request = request.header(HEADER_AUTH, auth);
        }
        self.read(
            request
                .config()
                .timeout_global(Some(self.timeout))
                .build()
                .send(body),
        )
    }

    fn read(
        &self,
        answered: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, Unreachable> {
        let failed = |error: ureq::Error| {
            // Whoever does not answer may have moved.
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
            Unreachable(format!("{}: {}", self.base, explain(&error)))
        };
        let mut response = answered.map_err(failed)?;
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let auth = header(HEADER_AUTH);
        let date = header("date");
        let retry_after_ms = header("retry-after")
            .and_then(|seconds| seconds.trim().parse::<u64>().ok())
            .map(|seconds| seconds.saturating_mul(1000));
        let body = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .map_err(failed)?;
        Ok(Answer {
            status: response.status().as_u16(),
            auth,
            retry_after_ms,
            date,
            body,
        })
    }
}

fn explain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the host name does not resolve".to_owned(),
        ureq::Error::BodyExceedsLimit(limit) => format!("the answer is longer than {limit} bytes"),
        ureq::Error::Rustls(error) => format!(
            "the TLS connection is not trusted: {error}; if the server's certificate is from your own authority, name it with --ca-file"
        ),
        ureq::Error::Io(error) => match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(tls) => format!(
                "the TLS connection is not trusted: {tls}; if the server's certificate is from your own authority, name it with --ca-file"
            ),
            None => error.to_string(),
        },
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        other => other.to_string(),
    }
}

fn authorities(ca_file: Option<&Path>) -> Result<RootCerts, Failure> {
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
    let certificates: Vec<Certificate<'static>> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(Failure::usage(format!(
            "ca_file {} holds no certificate; it must be PEM (-----BEGIN CERTIFICATE-----)",
            file.display()
        )));
    }
    Ok(RootCerts::from(certificates))
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
