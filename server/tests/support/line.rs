//! A line between agents and the server that fails on request: it delays, cuts a request or an answer in the middle,
//! repeats what was sent, and is gone for a while. It reads just enough of HTTP to know where a message ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to a request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server gets it late.
    Delay,
    /// The server gets a part of it, and nothing more.
    CutRequest,
    /// The server does what it should; the client hears nothing of it.
    NoAnswer,
    /// The server does what it should; the client hears a part of it.
    CutAnswer,
    /// The server gets it twice, one after the other; the client hears the first answer.
    Twice,
    /// The same, and the client hears the second answer.
    TwiceSecondAnswer,
}

impl Fault {
    pub const ALL: [Fault; 6] = [
        Fault::Delay,
        Fault::CutRequest,
        Fault::NoAnswer,
        Fault::CutAnswer,
        Fault::Twice,
        Fault::TwiceSecondAnswer,
    ];
}

#[derive(Default)]
struct Shared {
    is_faulty: AtomicBool,
    is_away: AtomicBool,
    requests: AtomicU64,
    /// How often each fault was done, in the order of [`Fault::ALL`].
    done: [AtomicU64; Fault::ALL.len()],
}

/// The line.
pub struct Line {
    /// Where clients connect.
    pub url: String,
    shared: Arc<Shared>,
}

impl Line {
    /// Leads to a server, without faults at first.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let of_line = shared.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = of_line.clone();
                tokio::spawn(async move { carry(client, server, &shared).await });
            }
        });
        Self { url, shared }
    }

    /// Every third request meets a fault from now on, or none any more.
    pub fn set_faulty(&self, is_faulty: bool) {
        self.shared.is_faulty.store(is_faulty, Ordering::SeqCst);
    }

    /// Nothing gets through, what is under way neither; or all again.
    pub fn set_away(&self, is_away: bool) {
        self.shared.is_away.store(is_away, Ordering::SeqCst);
    }

    /// How often each fault was done.
    pub fn done(&self) -> [u64; Fault::ALL.len()] {
        std::array::from_fn(|at| self.shared.done[at].load(Ordering::SeqCst))
    }
}

/// One client's connection, until either side or a fault ends it.
async fn carry(mut client: TcpStream, server: SocketAddr, shared: &Shared) -> Option<()> {
    let mut upstream = TcpStream::connect(server).await.ok()?;
    loop {
        let request = message(&mut client).await?;
        if shared.is_away.load(Ordering::SeqCst) {
            return None;
        }
        let number = shared.requests.fetch_add(1, Ordering::SeqCst);
        let kind = usize::try_from(number / 3).unwrap() % Fault::ALL.len();
        let is_faulty = shared.is_faulty.load(Ordering::SeqCst) && number.is_multiple_of(3);
        let fault = is_faulty.then(|| Fault::ALL[kind]);
        if fault == Some(Fault::CutRequest) {
            upstream
                .write_all(&request[..request.len() / 2])
                .await
                .ok()?;
            shared.done[kind].fetch_add(1, Ordering::SeqCst);
            return None;
        }
        if fault == Some(Fault::Delay) {
            tokio::time::sleep(Duration::from_millis(number % 400)).await;
        }
        upstream.write_all(&request).await.ok()?;
        let mut answer = message(&mut upstream).await?;
        if matches!(fault, Some(Fault::Twice | Fault::TwiceSecondAnswer)) {
            // As whoever sends again would: over a connection of its own.
            let mut again = TcpStream::connect(server).await.ok()?;
            again.write_all(&request).await.ok()?;
            let second = message(&mut again).await?;
            if fault == Some(Fault::TwiceSecondAnswer) {
                answer = second;
            }
        }
        if fault.is_some() {
            shared.done[kind].fetch_add(1, Ordering::SeqCst);
        }
        let is_lost = fault == Some(Fault::NoAnswer) || shared.is_away.load(Ordering::SeqCst);
        let heard = match fault {
            _ if is_lost => return None,
            Some(Fault::CutAnswer) => &answer[..answer.len() - 5],
            _ => &answer,
        };
        client.write_all(heard).await.ok()?;
        if fault == Some(Fault::CutAnswer) {
            return None;
        }
    }
}

/// A whole message with its head; `None` when the connection ended.
async fn message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
            let mut lines = text.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if bytes.len() >= head + 4 + length {
                return Some(bytes);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
