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
    #[error(
        "the TLS connection is not trusted: {0}; if the server's certificate is from your own authority, name it with --ca-file"
    )]
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
            let mut way = Self(Stream::Open(socket));
            let answer = way
                .exchange(&proxy.request(&target.host, target.port), deadline)?
                .answer;
            if answer.status != 200 {
                return Err(Trouble::Proxy(proxy.to_string(), answer.status));
            }
            socket = match way.0 {
                Stream::Open(socket) => socket,
                Stream::Tls(stream) => stream.sock,
            };
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

    /// Sends a request and reads its answer.
    pub fn exchange(&mut self, request: &[u8], deadline: Deadline) -> Result<Whole, Trouble> {
        match &mut self.0 {
            Stream::Open(socket) => {
                socket.deadline = deadline;
                exchange(socket, request)
            }
            Stream::Tls(stream) => {
                stream.sock.deadline = deadline;
                exchange(stream.as_mut(), request)
            }
        }
    }
}

fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> Result<Whole, Trouble> {
    stream.write_all(request)?;
    stream.flush()?;
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
        if let Some(whole) = answer::read(&came, count == 0)? {
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
