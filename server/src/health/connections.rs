//! Connections as they come in: counted, bounded, and closed when nothing is asked on them.
//!
//! Invariant: a place is given back when its stream is dropped, wherever that has gone to (TLS, HTTP, a WebSocket).

use std::collections::HashMap;
use std::future::Ready;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::Server;
use axum_server::accept::Accept;
use domain::connections::{Bounds, Full};
use hyper_util::rt::TokioTimer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a new connection may take to ask for something; until then HTTP does not even know its version. TLS has as
/// long before that.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send any later head. It also bounds how long a kept connection may be idle, so it is
/// longer than the usual interval of agents: they would shake hands for each report otherwise.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// A server on `listener` whose connections take one of `places`.
///
/// # Errors
/// The runtime does not take the listener.
pub fn server(listener: TcpListener, places: Places) -> io::Result<Server<SocketAddr, Places>> {
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(places)
        .first_request_timeout(FIRST_REQUEST_TIMEOUT);
    let builder = server.http_builder();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100);
    Ok(server)
}

/// The places for connections of one process; cheap to clone.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    bounds: Bounds,
    /// Does this address speak for many, as this machine and proxies do?
    speaks_for_many: Box<dyn Fn(IpAddr) -> bool + Send + Sync>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: u64,
    of_peers: HashMap<IpAddr, u64>,
    /// Somebody was turned away since half of the places were last free: it is said once, not each time.
    is_told: bool,
}

impl Places {
    /// All places are free.
    pub fn new(
        bounds: Bounds,
        speaks_for_many: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            bounds,
            speaks_for_many: Box::new(speaks_for_many),
            taken: Mutex::default(),
        }))
    }

    fn take(&self, address: IpAddr) -> Result<Place, Full> {
        let peer = peer_of(address);
        let mut taken = self.0.taken();
        let of_peer = taken.of_peers.get(&peer).copied().unwrap_or(0);
        let many = (self.0.speaks_for_many)(address.to_canonical());
        if let Err(full) = self.0.bounds.admit(taken.all, of_peer, many) {
            if !std::mem::replace(&mut taken.is_told, true) {
                tracing::warn!(%address, "a connection is turned away, and so are others until there is room: {full}");
            }
            return Err(full);
        }
        taken.all += 1;
        taken.of_peers.insert(peer, of_peer + 1);
        Ok(Place {
            of: self.0.clone(),
            peer,
        })
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever has one IPv6 address has all of its /64.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (!0 << 64))),
    }
}

struct Place {
    of: Arc<Inner>,
    peer: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.all = taken.all.saturating_sub(1);
        if taken.all <= self.of.bounds.all / 2 {
            taken.is_told = false;
        }
        match taken.of_peers.get_mut(&self.peer) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.of_peers.remove(&self.peer);
            }
        }
    }
}

impl<S> Accept<TcpStream, S> for Places {
    type Stream = Placed;
    type Service = S;
    type Future = Ready<io::Result<(Placed, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let placed = stream.peer_addr().and_then(|peer| {
            let place = self.take(peer.ip()).map_err(io::Error::other)?;
            let placed = Placed {
                stream,
                _place: place,
            };
            Ok((placed, service))
        });
        std::future::ready(placed)
    }
}

/// A connection that has a place.
pub struct Placed {
    stream: TcpStream,
    _place: Place,
}

impl AsyncRead for Placed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_and_addresses_of_one_network_share_them() {
        let bounds = Bounds {
            all: 4,
            one_peer: 2,
        };
        let places = Places::new(bounds, |address| address.is_loopback());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = places.take(ip("2001:db8::1")).ok();
        let _second = places.take(ip("2001:db8::2")).ok().unwrap();
        assert_eq!(places.take(ip("2001:db8::3")).err(), Some(Full::OnePeer(2)));
        let local: Vec<Place> = ["127.0.0.1", "::ffff:127.0.0.1"]
            .into_iter()
            .map(|text| places.take(ip(text)).ok().unwrap())
            .collect();
        assert_eq!(places.take(ip("127.0.0.1")).err(), Some(Full::All(4)));
        drop(first);
        assert!(places.take(ip("2001:db8::3")).is_ok());
        drop(local);
        assert_eq!(places.0.taken().of_peers.len(), 1, "nobody is kept in mind");
    }
}
