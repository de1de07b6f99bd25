//! A proxy that counts: an agent speaks plain HTTP to it, it passes each message on unchanged.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;

use super::http::{Connection, Exchange, Message, accepted};

pub struct Proxy {
    pub address: SocketAddr,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Proxy {
    /// Listens on a free port of this machine. Its threads end with the process.
    pub fn start(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr().context("cannot tell the own port")?;
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let counted = Arc::clone(&exchanges);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counted = Arc::clone(&counted);
                thread::spawn(move || {
                    if let Err(error) = pass_on(client, server, &counted) {
                        eprintln!("the counting proxy lost a connection: {error}");
                    }
                });
            }
        });
        Ok(Self { address, exchanges })
    }

    /// What went through so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn pass_on(
    client: TcpStream,
    server: SocketAddr,
    counted: &Mutex<Vec<Exchange>>,
) -> io::Result<()> {
    let mut client = accepted(client)?;
    let mut server = Connection::open(server)?;
    while let Some(request) = Message::read(&mut client)? {
        server.send(&request)?;
        let answer = server.receive()?;
        counted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Exchange::of(&request, &answer));
        client.get_mut().write_all(&answer.bytes)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_pass_unchanged_and_are_counted() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap()).unwrap();
        let echo = thread::spawn(move || {
            let mut stream = accepted(server.accept().unwrap().0).unwrap();
            let mut paths = Vec::new();
            while let Ok(Some(request)) = Message::read(&mut stream) {
                paths.push(request.target());
                stream.get_mut().write_all(answer.as_bytes()).unwrap();
            }
            paths
        });
        let mut connection = Connection::open(proxy.address).unwrap();
        for path in ["/one?x=1", "/two"] {
            let exchange = connection.get(path, &[("Accept", "x/y")]).unwrap();
            assert_eq!((exchange.status, exchange.answer_bytes), (200, 40));
        }
        drop(connection);
        assert_eq!(echo.join().unwrap(), ["/one?x=1", "/two"]);
        let counted = proxy.exchanges();
        let paths: Vec<&str> = counted.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["/one", "/two"]);
        assert!(
            counted
                .iter()
                .all(|one| one.answer_bytes == answer.len() as u64)
        );
        assert_eq!(counted[0].request_bytes - counted[1].request_bytes, 4);
    }
}
