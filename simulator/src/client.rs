//! One kept HTTP/1.1 connection to the server: bounded answers, bounded waits, no redirects.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use protocol::http::{Code, HEADER_AUTH, MEDIA_TYPE};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::outcome::StartError;

/// Greatest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What one connection may buffer; answers are small, and ten thousand connections are kept.
const BUFFER_BYTES_MAX: usize = 16 * 1024;

/// Nobody answered, or not in a way that can be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreachable(pub(crate) String);

impl Unreachable {
    fn doing(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        // Without the address: the words are counted, and are the same for every identity.
        move |error| Self(format!("{what}: {error}"))
    }
}

/// Where the server is.
#[derive(Clone)]
pub struct Address(Arc<Target>);

struct Target {
    host: String,
    port: u16,
    authority: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.authority)
    }
}

impl Address {
    /// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`.
    ///
    /// # Errors
    /// It has another shape, or no authority of certificates is known for https.
    pub fn parse(url: &str) -> Result<Self, StartError> {
        let wrong = || {
            let shown = domain::text::clean_label(&url.chars().take(100).collect::<String>());
            StartError::Usage(format!(
                "`{shown}` is no address of a server: write http://HOST:PORT or https://HOST"
            ))
        };
        let uri: Uri = url.trim().parse().map_err(|_| wrong())?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let is_plain = uri.path() == "/" && uri.query().is_none();
        if authority.host().is_empty() || authority.as_str().contains('@') || !is_plain {
            return Err(wrong());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let tls = if is_https {
            let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
            Some((connector()?, name))
        } else {
            None
        };
        Ok(Self(Arc::new(Target {
            port: authority
                .port_u16()
                .unwrap_or(if is_https { 443 } else { 80 }),
            authority: authority.to_string(),
            host,
            tls,
        })))
    }
}

fn connector() -> Result<TlsConnector, StartError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(StartError::Usage(
            "no authority of certificates was found; install ca-certificates, or name a file in SSL_CERT_FILE"
                .to_owned(),
        ));
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Local(format!("TLS cannot be used: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The `oc-auth` header.
    pub(crate) auth: Option<String>,
    /// `Retry-After`.
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) body: Bytes,
}

#[derive(Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
}

impl Answer {
    /// The reason in a problem document, and its words.
    pub(crate) fn problem(&self) -> (Option<Code>, String) {
        let problem: Option<Problem> = serde_json::from_slice(&self.body).ok();
        let code = problem
            .as_ref()
            .and_then(|p| p.code.as_deref())
            .and_then(Code::from_text);
        let words = problem.and_then(|p| p.detail).map_or_else(
            || "no reason given".to_owned(),
            |text| domain::text::clean_label(&text),
        );
        (code, format!("HTTP {}: {words}", self.status))
    }
}

/// A connection, made when it is needed.
pub(crate) struct Client {
    address: Address,
    kept: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(crate) fn new(address: Address) -> Self {
        Self {
            address,
            kept: None,
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Unreachable> {
        self.send(Method::GET, path, None, Bytes::new()).await
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        auth: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Answer, Unreachable> {
        self.send(Method::POST, path, auth, Bytes::from(body)).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        auth: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, Unreachable> {
        // Taken out, so that a future that is dropped half-way leaves no connection with an answer still to come.
        let kept = self.kept.take().filter(|kept| !kept.is_closed());
        let was_kept = kept.is_some();
        let mut sender = match kept {
            Some(kept) => kept,
            None => connect(&self.address).await?,
        };
        let request = || self.request(&method, path, auth, body.clone());
        let mut answered = exchange(&mut sender, request()?).await;
        if answered.is_err() && was_kept {
            // The server may have closed an idle connection as we used it; every request of ours may be repeated.
            sender = connect(&self.address).await?;
            answered = exchange(&mut sender, request()?).await;
        }
        let answer = answered?;
        self.kept = Some(sender);
        Ok(answer)
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        auth: Option<&str>,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Unreachable> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.address.0.authority);
        if *method == Method::POST {
            request = request.header(CONTENT_TYPE, MEDIA_TYPE);
        }
        if let Some(auth) = auth {
            request = request.header(HEADER_AUTH, auth);
        }
        request
            .body(Full::new(body))
            .map_err(|error| Unreachable(format!("making a request: {error}")))
    }
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Unreachable> {
    let answered = tokio::time::timeout(TIMEOUT, async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| Unreachable(format!("the connection broke: {error}")))?;
        read(response).await
    });
    answered
        .await
        .unwrap_or_else(|_| Err(Unreachable("no answer within 10 s".to_owned())))
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<Answer, Unreachable> {
    let (head, body) = response.into_parts();
    let text = |name: &str| {
        head.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let body = Limited::new(body, ANSWER_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| Unreachable(format!("reading an answer: {error}")))?;
    Ok(Answer {
        status: head.status.as_u16(),
        auth: text(HEADER_AUTH),
        retry_after_ms: text(RETRY_AFTER.as_str())
            .and_then(|seconds| seconds.trim().parse::<u64>().ok())
            .map(|seconds| seconds.saturating_mul(1_000)),
        body: body.to_bytes(),
    })
}

async fn connect(address: &Address) -> Result<SendRequest<Full<Bytes>>, Unreachable> {
    tokio::time::timeout(CONNECT_TIMEOUT, connect_slowly(&address.0))
        .await
        .unwrap_or_else(|_| Err(Unreachable("no connection within 5 s".to_owned())))
}

async fn connect_slowly(target: &Target) -> Result<SendRequest<Full<Bytes>>, Unreachable> {
    let stream = TcpStream::connect((target.host.as_str(), target.port))
        .await
        .map_err(Unreachable::doing("connecting"))?;
    stream
        .set_nodelay(true)
        .map_err(Unreachable::doing("connecting"))?;
    match &target.tls {
        None => handshake(stream).await,
        Some((connector, name)) => {
            let stream = connector
                .connect(name.clone(), stream)
                .await
                .map_err(Unreachable::doing("the TLS connection is not trusted"))?;
            handshake(stream).await
        }
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, Unreachable>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Unreachable(format!("connecting: {error}")))?;
    // It ends with its sender or its socket; whoever waits for an answer is told by the sender.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_others_refused_with_the_way_out() {
        let read =
            |url| Address::parse(url).map(|address| (address.0.host.clone(), address.0.port));
        assert_eq!(
            read("http://127.0.0.1:7700"),
            Ok(("127.0.0.1".to_owned(), 7700))
        );
        assert_eq!(read("http://[::1]:7700/"), Ok(("::1".to_owned(), 7700)));
        assert_eq!(
            read("http://ops.example"),
            Ok(("ops.example".to_owned(), 80))
        );
        for wrong in [
            "",
            "127.0.0.1:7700",
            "ftp://x",
            "http://",
            "http://x/console",
            "http://user:secret@x",
            "http://x/?a=1",
            "\u{1b}[2J",
        ] {
            let error = Address::parse(wrong).map(|_| ()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{wrong}");
            assert!(error.to_string().contains("write http://HOST:PORT"));
        }
    }

    #[test]
    fn a_problem_document_gives_its_code_and_clean_words() {
        let answer = |body: &'static str| Answer {
            status: 403,
            auth: None,
            retry_after_ms: None,
            body: Bytes::from_static(body.as_bytes()),
        };
        let (code, words) =
            answer(r#"{"code":"token_used","detail":"make \u001b[2J a new one"}"#).problem();
        assert_eq!(code, Some(Code::TokenUsed));
        assert!(words.starts_with("HTTP 403: make") && !words.contains('\u{1b}'));
        assert_eq!(answer("<html>").problem().0, None);
    }
}
