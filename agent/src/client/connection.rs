//! A connection to the server, kept from one request to the next, in the open or with TLS.
//!
//! A request is one write, so that it is one TLS record and one packet; what the socket waits for is set once and only
//! shortened near a deadline. In the usual case a request is three system calls.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::answer::{self, Unreadable, Whole};
use super::proxy::Proxy;
use crate::clock;

const CONNECT_MS_MAX: u64 = 5_000;
/// How much later than asked for a request may end: what is left is set anew only when it is off by more.
const SLACK_MS: u64 = 250;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Name service.
    #[error("the host name does not resolve")]
    NoName,
    /// Time is up.
    #[error("no answer in time")]
    TooLate,
    /// The other side could not be verified, or speaks no TLS.
    #[error("the TLS connection is not trusted: {0}; {advice}", advice = advice(.0))]
    Tls(rustls::Error),
    /// The network.
    #[error("{0}")]
    Io(io::Error),
    /// What came back.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
    /// The proxy on the way would not.
    #[error("the proxy {0} does not lead on to the server: HTTP {1}")]
    Proxy(String, u16),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // A socket's own timeout is told as the first.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Self::TooLate,
            _ => {}
        }
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(tls) => Self::Tls(tls.clone()),
            None => Self::Io(error),
        }
    }
}

/// Where a connection leads, and how.
#[derive(Debug)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// With TLS: what is trusted, and the name the certificate must have.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// What stands between.
    pub proxy: Option<Proxy>,
}

/// An instant of the boot clock by which a request has ended.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(u64);

impl Deadline {
    /// So long from now.
    pub fn in_ms(ms: u64) -> Self {
        Self(clock::boot_ms().saturating_add(ms))
    }

    fn left_ms(self) -> Result<u64, Trouble> {
        match self.0.saturating_sub(clock::boot_ms()) {
            0 => Err(Trouble::TooLate),
            left => Ok(left),
        }
    }
}

/// A socket that gives up at a deadline.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    deadline: Deadline,
    /// How long it waits by itself.
    waits_ms: u64,
}

impl Socket {
    fn limit(&mut self) -> io::Result<()> {
        let left_ms = self
            .deadline
            .left_ms()
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        if !(left_ms..=left_ms + SLACK_MS).contains(&self.waits_ms) {
            let waits = Some(Duration::from_millis(left_ms));
            self.stream.set_read_timeout(waits)?;
            self.stream.set_write_timeout(waits)?;
            self.waits_ms = left_ms;
        }
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.limit()?;
        self.stream.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.limit()?;
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.limit()?;
        self.stream.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
enum Stream {
    Open(Socket),
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

/// The connection.
#[derive(Debug)]
pub struct Connection(Stream);

impl Connection {
    /// Connects, through the proxy where there is one.
    pub fn open(target: &Target, deadline: Deadline) -> Result<Self, Trouble> {
        let (host, port) = match &target.proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (target.host.as_str(), target.port),
        };
        let stream = connect(host, port, deadline)?;
        stream.set_nodelay(true)?;
        let mut socket = Socket {
            stream,
            deadline,
            waits_ms: 0,
        };
        if let Some(proxy) = &target.proxy {
            socket.write_all(&proxy.request(&target.host, target.port))?;
            let status = hear(&mut socket, answer::read_way)?;
            if !(200..300).contains(&status) {
                return Err(Trouble::Proxy(proxy.to_string(), status));
            }
        }
        let stream = match &target.tls {
            None => Stream::Open(socket),
            Some((config, name)) => {
                let session =
                    ClientConnection::new(config.clone(), name.clone()).map_err(Trouble::Tls)?;
                Stream::Tls(Box::new(StreamOwned::new(session, socket)))
            }
        };
        Ok(Self(stream))
    }

    /// Did the other side close it, or say something that nobody asked for?
    pub fn is_stale(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        recv(self.socket().stream.as_raw_fd(), &mut [0], flags) != Err(Errno::EAGAIN)
    }

    fn socket(&self) -> &Socket {
        match &self.0 {
            Stream::Open(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// Sends a request and reads its answer. Whoever refuses a request early may close while it is still being sent: what
    /// was said before that is the answer, too.
    pub fn exchange(&mut self, request: &[u8], deadline: Deadline) -> Result<Whole, Trouble> {
        match &mut self.0 {
            Stream::Open(socket) => {
                socket.deadline = deadline;
                match socket.write_all(request) {
                    Ok(()) => hear(socket, answer::read),
                    Err(error) if is_closed(&error) => last_words(socket, error),
                    Err(error) => Err(error.into()),
                }
            }
            Stream::Tls(stream) => {
                stream.sock.deadline = deadline;
                match stream.write_all(request).and_then(|()| stream.flush()) {
                    Ok(()) => hear(stream.as_mut(), answer::read),
                    Err(error) if is_closed(&error) => last_words(&mut Heard(stream), error),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

/// The other side takes nothing more.
fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// The answer that came before the connection was closed, which cannot be used again; else why it was closed.
fn last_words(stream: &mut impl Read, error: io::Error) -> Result<Whole, Trouble> {
    match hear(stream, answer::read) {
        Ok(whole) => Ok(Whole {
            is_kept: false,
            ..whole
        }),
        Err(_) => Err(error.into()),
    }
}

/// Reads what came by TLS without trying to send what is left, as the stream itself would.
struct Heard<'a>(&'a mut StreamOwned<ClientConnection, Socket>);

impl Read for Heard<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let StreamOwned { conn, sock } = &mut *self.0;
        while conn.wants_read() {
            let count = conn.read_tls(sock)?;
            conn.process_new_packets().map_err(io::Error::other)?;
            if count == 0 {
                break;
            }
        }
        conn.reader().read(buffer)
    }
}

/// Reads until there is what is wanted.
fn hear<T>(
    stream: &mut impl Read,
    read: impl Fn(&[u8], bool) -> Result<Option<T>, Unreadable>,
) -> Result<T, Trouble> {
    let mut came = Vec::with_capacity(512);
    let mut buffer = [0; 4096];
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Many close without TLS's goodbye; an answer that needed more is found to be cut.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) => return Err(error.into()),
        };
        came.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if let Some(whole) = read(&came, count == 0)? {
            return Ok(whole);
        }
    }
}

/// Tries the host's addresses one after the other.
fn connect(host: &str, port: u16, deadline: Deadline) -> Result<TcpStream, Trouble> {
    let addresses = addresses(host, port, deadline)?;
    let mut trouble = Trouble::NoName;
    let mut untried = addresses.len() as u64;
    for address in addresses {
        let wait_ms = (deadline.left_ms()? / untried).clamp(1, CONNECT_MS_MAX);
        untried -= 1;
        match TcpStream::connect_timeout(&address, Duration::from_millis(wait_ms)) {
            Ok(stream) => return Ok(stream),
            Err(error) => trouble = error.into(),
        }
    }
    Err(trouble)
}

/// Asks the name service, which knows no time limit, in a thread of its own; a literal address needs no asking.
fn addresses(host: &str, port: u16, deadline: Deadline) -> Result<Vec<SocketAddr>, Trouble> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (tell, told) = mpsc::sync_channel(1);
    let name = host.to_owned();
    std::thread::Builder::new()
        .name("name".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || {
            let found = (name.as_str(), port).to_socket_addrs();
            // Whoever asked may have given up.
            drop(tell.send(found.map(Vec::from_iter)));
        })?;
    match told.recv_timeout(Duration::from_millis(deadline.left_ms()?)) {
        Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(Trouble::NoName),
        Err(_) => Err(Trouble::TooLate),
    }
}

/// What to do about a certificate that is not trusted. The verifier tells some reasons by their text alone.
fn advice(error: &rustls::Error) -> &'static str {
    if error.to_string().contains("CaUsedAsEndEntity") {
        "the server shows the certificate of an authority (CA:TRUE) as its own, as `openssl req -x509` makes it: make one \
         with `-addext basicConstraints=critical,CA:FALSE`, or one that the authority signed"
    } else {
        "if the server's certificate is from your own authority, name it with --ca-file"
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{RootCertStore, ServerConfig, ServerConnection};

    use super::*;

    const LARGE: usize = 16 << 20;
    const REFUSAL: &[u8] = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 4\r\n\r\ngone";

    /// Reads up to the empty line.
    fn head(stream: &mut impl Read) -> String {
        let mut came = Vec::new();
        while !came.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            came.extend(byte);
        }
        String::from_utf8(came).unwrap()
    }

    fn target(listener: &TcpListener) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: None,
            proxy: None,
        }
    }

    fn large_request() -> Vec<u8> {
        let mut request =
            format!("POST / HTTP/1.1\r\ncontent-length: {LARGE}\r\n\r\n").into_bytes();
        request.resize(request.len() + LARGE, b'x');
        request
    }

    #[test]
    fn an_authoritys_certificate_in_a_servers_place_is_told_with_the_way_out() {
        let told = |text: &str| {
            let other = rustls::OtherError(Arc::new(std::io::Error::other(text.to_owned())));
            let error = rustls::CertificateError::Other(other);
            Trouble::Tls(rustls::Error::InvalidCertificate(error)).to_string()
        };
        assert!(told("CaUsedAsEndEntity").contains("CA:FALSE"));
        assert!(told("UnknownIssuer").contains("--ca-file"));
    }

    #[test]
    fn a_way_through_a_proxy_is_used_and_one_that_is_refused_is_said() {
        for (answer, expected) in [
            ("200 Connection established\r\n\r\n", Ok(204)),
            ("407 Who are you\r\ncontent-length: 0\r\n\r\n", Err(407)),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mut target = target(&listener);
            target.proxy = Some(Proxy {
                host: std::mem::replace(&mut target.host, "ops.example".to_owned()),
                port: std::mem::replace(&mut target.port, 443),
            });
            let proxy = thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                assert!(head(&mut stream).starts_with("CONNECT ops.example:443 HTTP/1.1\r\n"));
                stream
                    .write_all(format!("HTTP/1.1 {answer}").as_bytes())
                    .unwrap();
                if answer.starts_with("200") {
                    assert!(head(&mut stream).starts_with("GET /x "));
                    stream
                        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                        .unwrap();
                }
            });
            let deadline = Deadline::in_ms(10_000);
            let found = Connection::open(&target, deadline)
                .and_then(|mut way| way.exchange(b"GET /x HTTP/1.1\r\n\r\n", deadline));
            match (found, expected) {
                (Ok(whole), Ok(status)) => assert_eq!(whole.answer.status, status),
                (Err(Trouble::Proxy(_, status)), Err(expected)) => assert_eq!(status, expected),
                (found, _) => panic!("{found:?}"),
            }
            proxy.join().unwrap();
        }
    }

    #[test]
    fn a_refusal_before_the_request_has_ended_is_heard() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = target(&listener);
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            head(&mut stream);
            // Closed with the body unread, which resets the connection.
            stream.write_all(REFUSAL).unwrap();
        });
        let deadline = Deadline::in_ms(10_000);
        let mut connection = Connection::open(&target, deadline).unwrap();
        let whole = connection.exchange(&large_request(), deadline).unwrap();
        assert_eq!((whole.answer.status, whole.is_kept), (401, false));
        server.join().unwrap();
    }

    #[test]
    fn by_tls_it_is_heard_too() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server_config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client_config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut target = target(&listener);
        let name = ServerName::try_from("localhost").unwrap();
        target.tls = Some((Arc::new(client_config), name));
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            // Else the refusal waits for what came before it to be acknowledged, and is dropped with the rest.
            stream.set_nodelay(true).unwrap();
            let session = ServerConnection::new(Arc::new(server_config)).unwrap();
            let mut stream = StreamOwned::new(session, stream);
            head(&mut stream);
            stream.write_all(REFUSAL).unwrap();
            stream.flush().unwrap();
        });
        let deadline = Deadline::in_ms(10_000);
        let mut connection = Connection::open(&target, deadline).unwrap();
        let whole = connection.exchange(&large_request(), deadline).unwrap();
        assert_eq!((whole.answer.status, whole.is_kept), (401, false));
        server.join().unwrap();
    }
}
