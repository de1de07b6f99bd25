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
const TIME_WAIT: u8 = 6;
const CLOSED: u8 = 7;
/// A connection without an answer yet.
pub const SYN_SENT: u8 = 2;
/// `idiag_timer` while something is sent again.
const TIMER_RETRANSMIT: u8 = 1;
/// Attribute with a `tcp_info`, told where it is asked for.
const INET_DIAG_INFO: u16 = 2;
/// Where in it `tcpi_bytes_acked` and `tcpi_bytes_received` are, 8 bytes each, since Linux 4.1.
const BYTES_ACKED: usize = 120;
const BYTES_RECEIVED: usize = 128;
/// Attribute since Linux 5.8.
const INET_DIAG_CGROUP_ID: u16 = 21;
/// Length of `inet_diag_msg`.
const MESSAGE_BYTES: usize = 72;
/// All but TIME_WAIT, whose number /proc/net/sockstat tells, and LISTEN.
const CONNECTED: u32 = !((1 << TIME_WAIT) | (1 << LISTEN));
/// Bits of states, for [`dump`]: those that listen, and all that are or were just now connected.
pub const LISTENING: u32 = 1 << LISTEN;
/// See [`LISTENING`].
pub const ALL_CONNECTED: u32 = !((1 << LISTEN) | (1 << CLOSED));
/// Messages of one answer, against a kernel that never says it is done.
const READS_MAX: usize = 100_000;

/// What one socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// As the kernel numbers it.
    pub state: u8,
    /// Sent again and not acknowledged yet?
    pub is_retransmitting: bool,
    /// This end.
    pub address: IpAddr,
    /// Of this end.
    pub port: u16,
    /// The other end.
    pub peer: IpAddr,
    /// Of the other end.
    pub peer_port: u16,
    /// By which processes hold it; 0 when none does.
    pub inode: u32,
    /// Number of the control group it was made in, where the kernel tells it.
    pub control_group: Option<u64>,
    /// No other socket ever has the same.
    pub cookie: u64,
    /// Sent and acknowledged, and received, since it was opened; where the kernel counts them.
    pub bytes: Option<u64>,
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
        Err(error) => (None, no_answer(error)),
    }
}

/// Why there is no list.
pub fn no_answer(error: nix::Error) -> Outcome {
    match error {
        nix::Error::EPROTONOSUPPORT | nix::Error::EAFNOSUPPORT | nix::Error::ENOENT => {
            Outcome::Absent(format!("this kernel has no socket diagnosis: {error}"))
        }
        error => Outcome::Failed(format!("socket diagnosis: {error}")),
    }
}

/// All TCP sockets in these states, of both families.
///
/// # Errors
/// The kernel has no such thing or does not answer.
pub fn all(states: u32, mut each: impl FnMut(Socket)) -> nix::Result<()> {
    for family in FAMILIES {
        dump(family, states, &mut each)?;
    }
    Ok(())
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
    // Counters cost the kernel a lock for each socket: only where connections are looked at are they wanted.
    let wanted = if states == ALL_CONNECTED {
        1 << (INET_DIAG_INFO - 1)
    } else {
        0
    };
    out.extend_from_slice(&[family, TCP, wanted, 0]);
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

/// `inet_diag_msg`: family, state, timer, retransmissions, ports in network order, addresses, interface, cookie; its inode
/// last.
fn socket_of(body: &[u8]) -> Option<Socket> {
    let (message, attributes) = body.split_at_checked(MESSAGE_BYTES)?;
    let [family, state, timer, retransmits, p0, p1, q0, q1] = *message.first_chunk::<8>()?;
    let address = |at: usize| {
        let bytes: [u8; 16] = message.get(at..at + 16)?.try_into().ok()?;
        let [a, b, c, d, ..] = bytes;
        match family {
            2 => Some(IpAddr::from(Ipv4Addr::new(a, b, c, d))),
            10 => Some(IpAddr::from(Ipv6Addr::from(bytes))),
            _ => None,
        }
    };
    Some(Socket {
        state,
        is_retransmitting: timer == TIMER_RETRANSMIT && retransmits > 0,
        address: address(8)?,
        port: u16::from_be_bytes([p0, p1]),
        peer: address(24)?,
        peer_port: u16::from_be_bytes([q0, q1]),
        inode: u32::from_ne_bytes(*message.last_chunk::<4>()?),
        control_group: attribute(attributes, INET_DIAG_CGROUP_ID)
            .and_then(|value| number(value, 0)),
        cookie: number(message, 44)?,
        bytes: attribute(attributes, INET_DIAG_INFO)
            .and_then(|info| number(info, BYTES_ACKED)?.checked_add(number(info, BYTES_RECEIVED)?)),
    })
}

/// Eight bytes from there on.
fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_ne_bytes(*bytes))
}

/// `nlattr`: length with its head, kind, value; each begins at a multiple of four.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some([l0, l1, k0, k1]) = bytes.first_chunk::<4>() {
        let len = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let value = bytes.get(4..len)?;
        if u16::from_ne_bytes([*k0, *k1]) == wanted {
            return Some(value);
        }
        bytes = bytes.get(len.next_multiple_of(4)..)?;
    }
    None
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

    #[test]
    fn both_ends_and_whose_it_is_are_told() {
        use std::os::fd::AsRawFd;
        let listener = std::net::TcpListener::bind("[::1]:0")
            .or_else(|_| std::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let there = listener.local_addr().unwrap();
        let client = std::net::TcpStream::connect(there).unwrap();
        let here = client.local_addr().unwrap();
        let mut found = Vec::new();
        if all(ALL_CONNECTED, |socket| found.push(socket)).is_err() {
            return;
        }
        let ours = found
            .iter()
            .find(|socket| (socket.address, socket.port) == (here.ip(), here.port()))
            .unwrap();
        assert_eq!((ours.state, ours.is_retransmitting), (1, false));
        assert_eq!((ours.peer, ours.peer_port), (there.ip(), there.port()));
        let link = std::fs::read_link(format!("/proc/self/fd/{}", client.as_raw_fd())).unwrap();
        assert_eq!(link.to_str().unwrap(), format!("socket:[{}]", ours.inode));
    }

    #[test]
    fn attributes_are_read_to_their_end() {
        let bytes = [5, 0, 5, 0, 9, 0, 0, 0, 12, 0, 21, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(attribute(&bytes, 5), Some(&[9][..]));
        assert_eq!(attribute(&bytes, 21).map(<[u8]>::len), Some(8));
        assert_eq!(attribute(&bytes, 7), None);
        assert_eq!(attribute(&[0, 0, 5, 0, 1], 7), None);
        assert_eq!(attribute(&[200, 0, 5, 0, 1], 5), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _is_more = read_messages(&bytes, &mut |_| {});
        }
    }
}
