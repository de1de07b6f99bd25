//! Health probes: one plain HTTP request each, to this host alone, from a thread of their own, so that a server that
//! hangs holds up nothing.
//!
//! Where they go is what the host itself says: loopback, or the address at which somebody listens here.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::v1::section;

use super::Outcome;
use super::known::short;
use crate::clock::boot_ns;
use crate::packs::Probe;

/// Between two rounds.
const EVERY_NS: u64 = 10_000_000_000;
/// An answer that is older says nothing any more.
const ANSWER_KEPT_NS: u64 = 120_000_000_000;
/// Asked at the same time.
const THREADS: usize = 4;
/// Of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Target {
    pub key: String,
    pub address: SocketAddr,
    pub probe: Probe,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub is_up: bool,
    pub code: Option<u16>,
    /// Why it is not up.
    pub reason: Option<&'static str>,
    /// To the whole answer.
    pub took_ms: Option<f64>,
}

#[derive(Debug, Default)]
struct Shared {
    answers: BTreeMap<String, (Answer, String, u64)>,
    is_changed: bool,
    took_us: u32,
}

/// Asks, and keeps what was last answered.
#[derive(Debug, Default)]
pub struct Prober {
    shared: Arc<Mutex<Shared>>,
    to: Option<SyncSender<Vec<Target>>>,
    asked_ns: Option<u64>,
    targets: usize,
    trouble: Option<String>,
}

impl Prober {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// Asks all of them, when it is time and the round before is over.
    pub fn ask(&mut self, targets: Vec<Target>) {
        self.targets = targets.len();
        self.shared()
            .answers
            .retain(|key, _| targets.iter().any(|target| target.key == *key));
        let now_ns = boot_ns();
        let is_time = self
            .asked_ns
            .is_none_or(|at| now_ns.saturating_sub(at) >= EVERY_NS);
        if targets.is_empty() || !is_time {
            return;
        }
        if self.to.is_none() {
            self.start();
        }
        // A round that is still under way asks the same ones.
        if let Some(to) = &self.to
            && to.try_send(targets).is_ok()
        {
            self.asked_ns = Some(now_ns);
        }
    }

    fn start(&mut self) {
        let (to, from) = sync_channel::<Vec<Target>>(0);
        let shared = self.shared.clone();
        let started = std::thread::Builder::new()
            .name("oc-probes".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || {
                // Ends when the sender is dropped.
                while let Ok(targets) = from.recv() {
                    round(&targets, &shared);
                }
            });
        match started {
            Ok(_) => {
                self.trouble = None;
                self.to = Some(to);
            }
            Err(error) => self.trouble = Some(format!("no thread for probes: {error}")),
        }
    }

    /// What was last answered, if that is not long ago.
    pub fn latest(&self, key: &str) -> Option<Answer> {
        let shared = self.shared();
        let (answer, _, at_ns) = shared.answers.get(key)?;
        (boot_ns().saturating_sub(*at_ns) < ANSWER_KEPT_NS).then(|| answer.clone())
    }

    /// As told in the list: without what differs each time.
    pub fn told(&self, key: &str) -> Option<section::Probe> {
        let shared = self.shared();
        let (answer, url, _) = shared.answers.get(key)?;
        Some(section::Probe {
            url: short(url),
            is_up: answer.is_up,
            code: answer.code,
            reason: answer.reason.map(str::to_owned),
        })
    }

    /// Did an answer come out otherwise than before? Asking forgets it.
    pub fn take_changed(&self) -> bool {
        std::mem::take(&mut self.shared().is_changed)
    }

    /// How it goes, and how long the last round took.
    pub fn outcome(&self) -> (Outcome, u32) {
        let outcome = match &self.trouble {
            Some(trouble) => Outcome::Failed(trouble.clone()),
            None if self.targets == 0 => Outcome::Absent("no server here has a probe".to_owned()),
            None => Outcome::Ok(None),
        };
        (outcome, self.shared().took_us)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Nothing that holds it can leave it half done.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn round(targets: &[Target], shared: &Mutex<Shared>) {
    let began_ns = boot_ns();
    let each = targets.len().div_ceil(THREADS).max(1);
    std::thread::scope(|scope| {
        for some in targets.chunks(each) {
            let ask_all = move || {
                for target in some {
                    let answer = ask(target.address, &target.probe);
                    take(target, answer, shared);
                }
            };
            let started = std::thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(scope, ask_all);
            // Without another thread this one asks them in the next round.
            drop(started);
        }
    });
    let took_us = boot_ns().saturating_sub(began_ns) / 1000;
    lock(shared).took_us = u32::try_from(took_us).unwrap_or(u32::MAX);
}

fn take(target: &Target, answer: Answer, shared: &Mutex<Shared>) {
    let url = format!("http://{}{}", target.address, target.probe.path);
    let mut shared = lock(shared);
    let timeless = |answer: &Answer| (answer.is_up, answer.code, answer.reason);
    let is_same = shared
        .answers
        .get(&target.key)
        .is_some_and(|(before, old_url, _)| {
            timeless(before) == timeless(&answer) && *old_url == url
        });
    shared.is_changed |= !is_same;
    shared
        .answers
        .insert(target.key.clone(), (answer, url, boot_ns()));
}

/// One request.
pub fn ask(address: SocketAddr, probe: &Probe) -> Answer {
    let began_ns = boot_ns();
    let until_ns = began_ns + probe.timeout_ms * 1_000_000;
    let mut answer = Answer {
        is_up: false,
        code: None,
        reason: None,
        took_ms: None,
    };
    let bytes = match exchange(address, probe, until_ns) {
        Ok(bytes) => bytes,
        Err(error) => {
            answer.reason = Some(match error.kind() {
                ErrorKind::ConnectionRefused => "refused",
                ErrorKind::TimedOut | ErrorKind::WouldBlock => "timeout",
                ErrorKind::InvalidData => "too_long",
                _ => "no_answer",
            });
            return answer;
        }
    };
    let Some((code, body)) = parse(&bytes) else {
        answer.reason = Some("not_http");
        return answer;
    };
    #[allow(clippy::cast_precision_loss, reason = "one decimal is kept")]
    let took_ms = boot_ns().saturating_sub(began_ns) as f64 / 1e6;
    answer.took_ms = Some(took_ms);
    answer.code = Some(code);
    let (low, high) = probe.codes;
    let has_body = probe.body.as_ref().is_none_or(|wanted| {
        let wanted = wanted.as_bytes();
        body.windows(wanted.len()).any(|part| part == wanted)
    });
    answer.reason = match (low..=high).contains(&code) {
        false => Some("status"),
        true if !has_body => Some("body"),
        true => None,
    };
    answer.is_up = answer.reason.is_none();
    answer
}

fn exchange(address: SocketAddr, probe: &Probe, until_ns: u64) -> std::io::Result<Vec<u8>> {
    let left = || {
        let left = Duration::from_nanos(until_ns.saturating_sub(boot_ns()));
        // Zero would mean no limit.
        (!left.is_zero())
            .then_some(left)
            .ok_or(std::io::Error::from(ErrorKind::TimedOut))
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    // HTTP/1.1 with a close asks for no more than one answer.
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: oc-agent\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        probe.path
    );
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        let read = match stream.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // Some close without reading to the end; what was said counts.
            Err(error) if error.kind() == ErrorKind::ConnectionReset && !bytes.is_empty() => {
                return Ok(bytes);
            }
            Err(error) => return Err(error),
        };
        bytes.extend_from_slice(chunk.get(..read).unwrap_or_default());
        if bytes.len() >= ANSWER_BYTES_MAX || is_whole(&bytes) {
            return Ok(bytes);
        }
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((bytes.get(..end)?, bytes.get(end + 4..)?))
}

fn header<'a>(head: &'a [u8], wanted: &str) -> Option<&'a str> {
    let head = std::str::from_utf8(head).ok()?;
    head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

/// Is everything there that the length promises?
fn is_whole(bytes: &[u8]) -> bool {
    split(bytes).is_some_and(|(head, body)| {
        header(head, "content-length")
            .and_then(|length| length.parse::<usize>().ok())
            .is_some_and(|length| body.len() >= length)
    })
}

/// Status and body of `HTTP/1.1 200 OK …`; a body in chunks is put together.
fn parse(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    let (head, body) = split(bytes)?;
    let first = head.split(|byte| *byte == b'\r').next()?;
    let first = std::str::from_utf8(first).ok()?;
    let mut words = first.split(' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    let code = words.next()?.parse::<u16>().ok()?;
    let is_chunked = header(head, "transfer-encoding")
        .is_some_and(|encoding| encoding.to_ascii_lowercase().contains("chunked"));
    let body = if is_chunked {
        joined(body)
    } else {
        body.to_vec()
    };
    (100..=599).contains(&code).then_some((code, body))
}

/// RFC 9112 §7.1, as far as it is there.
fn joined(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = bytes
            .get(..end)
            .and_then(|line| std::str::from_utf8(line).ok())
            .and_then(|line| line.split(';').next())
            .and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else {
            break;
        };
        let rest = bytes.get(end + 2..).unwrap_or_default();
        out.extend_from_slice(rest.get(..size.min(rest.len())).unwrap_or_default());
        bytes = rest
            .get(size.saturating_add(2).min(rest.len())..)
            .unwrap_or_default();
    }
    out
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    /// Answers once.
    fn serve(answer: &'static [u8], is_hanging: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).unwrap();
            assert!(request[..read].starts_with(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:"));
            stream.write_all(answer).unwrap();
            if is_hanging {
                std::thread::sleep(Duration::from_secs(3));
            }
        });
        address
    }

    fn probe() -> Probe {
        Probe {
            port: "http".to_owned(),
            path: "/health".to_owned(),
            codes: (200, 299),
            body: Some("UP".to_owned()),
            timeout_ms: 1_000,
        }
    }

    #[test]
    fn answers_are_judged() {
        for (answer, is_hanging, code, reason) in [
            (&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nUP"[..], true, Some(200), None),
            (b"HTTP/1.1 200 OK\r\n\r\nit is UP", false, Some(200), None),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nU\r\n1;x=y\r\nP\r\n0\r\n\r\n", false, Some(200), None),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nDOWN", false, Some(200), Some("body")),
            (b"HTTP/1.0 503 Unavailable\r\n\r\nUP", false, Some(503), Some("status")),
            (b"SSH-2.0-x\r\n\r\n", false, None, Some("not_http")),
            (b"", false, None, Some("not_http")),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nU", true, None, Some("timeout")),
        ] {
            let told = ask(serve(answer, is_hanging), &probe());
            assert_eq!((told.code, told.reason), (code, reason), "{}", String::from_utf8_lossy(answer));
            assert_eq!(told.is_up, reason.is_none());
            assert_eq!(told.took_ms.is_some(), code.is_some());
        }
        let nobody = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert_eq!(ask(nobody, &probe()).reason, Some("refused"));
    }

    #[test]
    fn rounds_are_asked_beside_and_only_what_differs_is_news() {
        let address = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nUP", false);
        let target = Target {
            key: "a:/x".to_owned(),
            address,
            probe: probe(),
        };
        let mut prober = Prober::default();
        assert!(matches!(prober.outcome().0, Outcome::Absent(_)));
        for _ in 0..500 {
            prober.ask(vec![target.clone()]);
            if prober.latest("a:/x").is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(prober.latest("a:/x").unwrap().is_up);
        let told = prober.told("a:/x").unwrap();
        assert_eq!(told.url, format!("http://{address}/health"));
        assert!(prober.take_changed() && !prober.take_changed());
        let answer = prober.latest("a:/x").unwrap();
        take(&target, answer.clone(), &prober.shared);
        assert!(!prober.take_changed(), "the same again is none");
        take(
            &target,
            Answer {
                is_up: false,
                ..answer
            },
            &prober.shared,
        );
        assert!(prober.take_changed());
        prober.ask(Vec::new());
        assert_eq!(
            prober.latest("a:/x"),
            None,
            "a server that is gone has no probe"
        );
    }

    proptest! {
        #[test]
        fn any_answer_is_read(bytes in prop::collection::vec(any::<u8>(), 0..300), head in "HTTP/1.1 [0-9]{1,4}", rest in any::<String>()) {
            let text = format!("{head} \r\ntransfer-encoding: chunked\r\n\r\n{rest}");
            for bytes in [bytes, text.into_bytes()] {
                let _ = is_whole(&bytes);
                if let Some((code, _)) = parse(&bytes) {
                    prop_assert!((100..=599).contains(&code));
                }
                let _ = joined(&bytes);
            }
        }
    }
}
