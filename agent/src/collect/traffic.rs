//! What goes over TCP connections: how much more each socket has carried than at the look before.
//!
//! The kernel counts bytes of every connection; only the sums of the last look are kept, of sockets that are still there. A
//! socket that is new counts with all it has carried. What a socket carried between the last look and its end is lost, so
//! short connections tell too little, never too much. At the first look nothing is known, which is not the same as nothing.

use std::collections::BTreeMap;

use super::sockets::Socket;

/// The sums of the last look.
#[derive(Debug, Default)]
pub struct Traffic {
    last: Option<Look>,
}

#[derive(Debug)]
struct Look {
    at_ns: u64,
    /// By the socket's cookie, which no other socket ever has.
    bytes: BTreeMap<u64, u64>,
    /// All sockets are in it: one that is not is new.
    is_whole: bool,
}

/// Bytes since the look before.
#[derive(Debug)]
pub struct Since {
    took_ns: u64,
    bytes: BTreeMap<u64, u64>,
}

impl Traffic {
    /// Takes note of a look; `is_whole` when no socket was left out. `None` at the first one.
    pub fn look(&mut self, found: &[Socket], is_whole: bool, now_ns: u64) -> Option<Since> {
        let sums = found.iter().filter_map(|s| Some((s.cookie, s.bytes?)));
        let now = Look {
            at_ns: now_ns,
            bytes: sums.collect(),
            is_whole,
        };
        let since = self.last.as_ref().map(|last| last.until(&now));
        self.last = Some(now);
        since
    }
}

impl Look {
    fn until(&self, now: &Look) -> Since {
        let grown = |(cookie, sum): (&u64, &u64)| {
            let before = match self.bytes.get(cookie) {
                Some(before) => *before,
                None if self.is_whole => 0,
                None => return None,
            };
            Some((*cookie, sum.saturating_sub(before)))
        };
        Since {
            took_ns: now.at_ns.saturating_sub(self.at_ns),
            bytes: now.bytes.iter().filter_map(grown).collect(),
        }
    }
}

impl Since {
    /// Of one socket; `None` where the kernel does not count them, or not any more.
    pub fn of(&self, socket: &Socket) -> Option<u64> {
        self.bytes.get(&socket.cookie).copied()
    }

    /// So many bytes as bytes a second, in two digits: what hardly changes is no news, and the list is not sent for it.
    pub fn per_s(&self, bytes: u64) -> Option<u64> {
        let rate = (u128::from(bytes) * 1_000_000_000).checked_div(u128::from(self.took_ns))?;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        let mut unit = 1;
        while rate / unit >= 100 {
            unit *= 10;
        }
        Some(rate / unit * unit)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{IpAddr, TcpListener, TcpStream};

    use super::super::sockets::{ALL_CONNECTED, all};
    use super::*;

    const S: u64 = 1_000_000_000;

    fn socket(cookie: u64, bytes: impl Into<Option<u64>>) -> Socket {
        Socket {
            state: 1,
            is_retransmitting: false,
            address: IpAddr::from([10, 0, 0, 1]),
            port: 1,
            peer: IpAddr::from([10, 0, 0, 2]),
            peer_port: 1,
            inode: 0,
            control_group: None,
            cookie,
            bytes: bytes.into(),
        }
    }

    #[test]
    fn growth_is_told_from_the_second_look_on() {
        let mut traffic = Traffic::default();
        let first = [socket(1, 500), socket(2, 40), socket(3, None)];
        assert!(traffic.look(&first, true, S).is_none(), "not zero");
        let second = [socket(1, 700), socket(3, None), socket(4, 60)];
        let since = traffic.look(&second, true, 3 * S).unwrap();
        let told = [1, 2, 3, 4].map(|cookie| since.of(&socket(cookie, 0)));
        assert_eq!(told, [Some(200), None, None, Some(60)]);
        assert_eq!(since.per_s(260), Some(130));
        assert_eq!(traffic.last.as_ref().unwrap().bytes.len(), 2, "no others");
        // Where some were left out, one that is not known may be old.
        traffic.look(&second, false, 4 * S);
        let since = traffic.look(&[socket(1, 700), socket(9, 1 << 40)], true, 4 * S);
        let since = since.unwrap();
        let told = [1, 9].map(|cookie| since.of(&socket(cookie, 0)));
        assert_eq!(told, [Some(0), None]);
        assert_eq!(since.per_s(1), None, "no time went by");
    }

    #[test]
    fn rates_have_two_digits() {
        let since = Since {
            took_ns: 2 * S,
            bytes: BTreeMap::new(),
        };
        for (bytes, rate) in [
            (0, 0),
            (1, 0),
            (199, 99),
            (255, 120),
            (2_000_000, 1_000_000),
            (16_999_999, 8_400_000),
            (u64::MAX, 9_200_000_000_000_000_000),
        ] {
            assert_eq!(since.per_s(bytes), Some(rate), "{bytes}");
        }
        let blink = Since {
            took_ns: 1,
            ..since
        };
        assert_eq!(blink.per_s(u64::MAX), Some(18_000_000_000_000_000_000));
    }

    #[test]
    fn both_ends_of_a_real_connection_tell_the_bytes_that_went_over_it() {
        const THERE: usize = 300_000;
        const BACK: usize = 20_000;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let ports = [&client, &server].map(|end| end.local_addr().unwrap().port());
        let ends = || {
            let mut found = Vec::new();
            all(ALL_CONNECTED, |socket| found.push(socket)).ok()?;
            found.retain(|one| [one.port, one.peer_port].iter().all(|p| ports.contains(p)));
            found.sort_by_key(|one| one.port != ports[0]);
            Some(found)
        };
        let Some(before) = ends() else {
            // A sandbox without socket diagnosis.
            return;
        };
        assert_eq!(before.len(), 2, "{before:?}");
        assert_ne!(before[0].cookie, before[1].cookie);
        if before[0].bytes.is_none() {
            // A kernel that does not count them.
            return;
        }
        let sent = std::thread::spawn(move || {
            client.write_all(&vec![1; THERE]).unwrap();
            client.read_exact(&mut vec![0; BACK]).unwrap();
            client
        });
        server.read_exact(&mut vec![0; THERE]).unwrap();
        server.write_all(&vec![2; BACK]).unwrap();
        let _client = sent.join().unwrap();
        // The last acknowledgement may be on its way yet.
        let mut told = [None, None];
        for _ in 0..200 {
            let after = ends().unwrap();
            let mut traffic = Traffic::default();
            assert!(traffic.look(&before, true, S).is_none());
            let since = traffic.look(&after, true, 2 * S).unwrap();
            told = [&after[0], &after[1]].map(|end| since.of(end));
            if told == [Some((THERE + BACK) as u64); 2] {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("{told:?}");
    }
}
