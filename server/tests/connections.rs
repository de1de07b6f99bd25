//! Connections of the real program: silent ones are closed, there are never more than descriptors, and others go on.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::{Server, cli_ok, program};

/// Longer than any server keeps a silent connection.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(server: &Server, say: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.listen()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(say.as_bytes()).unwrap();
    stream
}

/// Waits until the other side has closed it.
fn wait_for_end(mut stream: TcpStream, what: &str) {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{what} is still open: {error}"),
    }
}

fn ask(stream: &mut TcpStream) -> String {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while !answer.ends_with(b"ok\n") {
        let read = stream.read(&mut part).unwrap();
        assert!(read > 0, "closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..read]);
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn who_asks_nothing_is_hung_up_on_and_who_has_asked_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "127.0.0.1:0");
    let mut kept = connect(&server, "");
    assert!(ask(&mut kept).starts_with("HTTP/1.1 200"));
    let silent = connect(&server, "");
    let half = connect(&server, "GET / HTTP/1.1\r\nhost: x");
    let half_of_two = connect(&server, "PRI * HTTP/2.0\r\n");
    wait_for_end(silent, "a silent connection");
    wait_for_end(half, "one with half a head");
    wait_for_end(half_of_two, "one with half a preface of HTTP/2");
    assert!(
        ask(&mut kept).starts_with("HTTP/1.1 200"),
        "it may be idle longer"
    );
}

#[test]
fn descriptors_are_left_for_local_commands_when_all_places_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let binary = program(&[]).get_program().to_owned();
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""])
        .arg(binary)
        .args(["serve", "--listen", "127.0.0.1:0"]);
    let server = Server::start_command(&data, command);
    let mut kept = connect(&server, "");
    assert!(ask(&mut kept).starts_with("HTTP/1.1 200"));
    let mut many: Vec<TcpStream> = (0..300).map(|_| connect(&server, "")).collect();
    wait_for_end(many.pop().unwrap(), "one too many");
    cli_ok(&data, &["audit", "verify"]);
    assert!(ask(&mut kept).starts_with("HTTP/1.1 200"));
    assert!(
        server.log().contains("places for connections are taken"),
        "{}",
        server.log()
    );
    drop(many);
    // Each that went makes room; those before it in the queue are turned away.
    let found = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let mut next = connect(&server, "");
        next.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .is_ok_and(|()| {
                let mut answer = String::new();
                next.read_to_string(&mut answer).is_ok() && answer.ends_with("ok\n")
            })
    });
    assert!(found, "places are given back");
}

#[test]
fn a_body_that_does_not_come_is_answered_with_when_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), "127.0.0.1:0");
    let late = |path: &str, kind: &str| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {0}\r\norigin: {1}\r\ncontent-type: {kind}\r\ncontent-length: 100\r\n\r\nuser=a",
            server.listen(),
            server.url
        );
        connect(&server, &head)
    };
    let program = late("/agent/v1/hello", "application/cbor");
    let person = late("/login", "application/x-www-form-urlencoded");
    for (mut stream, kind) in [
        (program, "content-type: application/problem+json"),
        (person, "content-type: text/plain"),
    ] {
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&answer).contains("took too long") {
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "closed: {}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&part[..read]);
        }
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        for part in ["\r\nretry-after: 5\r\n", kind] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
    }
}
