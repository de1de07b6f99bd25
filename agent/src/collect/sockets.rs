//! Where TCP listens, and how many connections are in which state, from the kernel's socket diagnosis (sock_diag(7)).
//!
//! Listeners are few and cheap to ask for; connections can be many, so they are counted only while somebody watches.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};
use protocol::v1::section::{Listener, Sockets};

use super::Outcome;

const LISTENERS_MAX: usize = 256;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x301;
const DONE: u16 = 3;
const ERROR: u16 = 2;
const TCP: u8 = 6;
const FAMILIES: [u8; 2] = [2, 10];
const LISTEN: u8 = 10;
/// All but TIME_WAIT, whose number /proc/net/sockstat tells, and LISTEN.
const CONNECTED: u32 = !((1 << 6) | (1 << LISTEN));
/// Messages of one answer, against a kernel that never says it is done.
const READS_MAX: usize = 100_000;

/// What one socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    state: u8,
    address: IpAddr,
    port: u16,
}

/// Asks the kernel.
pub fn read(is_counting: bool) -> (Option<Sockets>, Outcome) {
    match ask(is_counting) {
        Ok(sockets) => {
            let note = (sockets.left_out > 0).then(|| {
                format!(
                    "{} listening sockets beyond {LISTENERS_MAX} are left out",
                    sockets.left_out
                )
            });
            (Some(sockets), Outcome::Ok(note))
        }
        Err(
            error @ (nix::Error::EPROTONOSUPPORT | nix::Error::EAFNOSUPPORT | nix::Error::ENOENT),
        ) => (
            None,
            Outcome::Absent(format!("this kernel has no socket diagnosis: {error}")),
        ),
        Err(error) => (None, Outcome::Failed(format!("socket diagnosis: {error}"))),
    }
}

fn ask(is_counting: bool) -> nix::Result<Sockets> {
    let mut listeners = BTreeSet::new();
    let mut states: BTreeMap<u8, u32> = BTreeMap::new();
    for family in FAMILIES {
        dump(family, 1 << LISTEN, |socket| {
            listeners.insert((socket.port, socket.address));
        })?;
        if is_counting {
            dump(family, CONNECTED, |socket| {
                *states.entry(socket.state).or_default() += 1;
            })?;
        }
    }
    let left_out = listeners.len().saturating_sub(LISTENERS_MAX);
    Ok(Sockets {
        listeners: listeners
            .into_iter()
            .take(LISTENERS_MAX)
            .map(|(port, address)| Listener {
                address: address.to_string(),
                port,
            })
            .collect(),
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        states: states.into_iter().collect(),
    })
}

fn dump(family: u8, states: u32, mut each: impl FnMut(Socket)) -> nix::Result<()> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )?;
    setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(2))?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    send(fd, &request(family, states), MsgFlags::empty())?;
    let mut buffer = vec![0; 32 * 1024];
    for _ in 0..READS_MAX {
        let len = recv(fd, &mut buffer, MsgFlags::empty())?;
        if !read_messages(buffer.get(..len).unwrap_or_default(), &mut each)? {
            return Ok(());
        }
    }
    Ok(())
}

/// `nlmsghdr` and `inet_diag_req_v2`, in the machine's byte order.
fn request(family: u8, states: u32) -> Vec<u8> {
    const BYTES: u32 = 16 + 56;
    let mut out = Vec::with_capacity(BYTES as usize);
    out.extend_from_slice(&BYTES.to_ne_bytes());
    out.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    out.extend_from_slice(&REQUEST_DUMP.to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[family, TCP, 0, 0]);
    out.extend_from_slice(&states.to_ne_bytes());
    out.resize(BYTES as usize, 0);
    out
}

/// Reads the messages of one datagram; is more to come?
fn read_messages(mut bytes: &[u8], each: &mut impl FnMut(Socket)) -> nix::Result<bool> {
    while let Some((head, _)) = bytes.split_first_chunk::<16>() {
        let [l0, l1, l2, l3, t0, t1, ..] = *head;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(0);
        let kind = u16::from_ne_bytes([t0, t1]);
        let Some(body) = bytes.get(16..len) else {
            return Err(nix::Error::EBADMSG);
        };
        match kind {
            DONE => return Ok(false),
            ERROR => {
                let code = body
                    .first_chunk::<4>()
                    .map_or(0, |c| i32::from_ne_bytes(*c));
                return if code == 0 {
                    Ok(false)
                } else {
                    Err(nix::Error::from_raw(code.saturating_neg()))
                };
            }
            SOCK_DIAG_BY_FAMILY => {
                if let Some(socket) = socket_of(body) {
                    each(socket);
                }
            }
            _ => {}
        }
        // Messages begin at multiples of four.
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// `inet_diag_msg`: family, state, two bytes, ports in network order, source address.
fn socket_of(body: &[u8]) -> Option<Socket> {
    let [family, state, _, _, p0, p1, _, _] = *body.first_chunk::<8>()?;
    let source: [u8; 16] = body.get(8..24)?.try_into().ok()?;
    let [a, b, c, d, ..] = source;
    let address = match family {
        2 => IpAddr::from(Ipv4Addr::new(a, b, c, d)),
        10 => IpAddr::from(Ipv6Addr::from(source)),
        _ => return None,
    };
    Some(Socket {
        state,
        address,
        port: u16::from_be_bytes([p0, p1]),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_socket_that_listens_here_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (sockets, outcome) = read(true);
        let Some(sockets) = sockets else {
            // A sandbox without socket diagnosis says so.
            assert!(!matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
            return;
        };
        let wanted = Listener {
            address: "127.0.0.1".to_owned(),
            port,
        };
        assert!(sockets.listeners.contains(&wanted), "{sockets:?}");
        let established = sockets.states.iter().find(|(state, _)| *state == 1);
        assert!(established.is_some_and(|(_, count)| *count >= 2));
        assert_eq!(read(false).0.unwrap().states, []);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _is_more = read_messages(&bytes, &mut |_| {});
        }
    }
}
