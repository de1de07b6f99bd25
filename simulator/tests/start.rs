//! How a fleet fails to start, and what it tells before it knows whom it talks to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use protocol::handshake;
use protocol::keys::{PrivateKey, fingerprint};
use protocol::token::EnrollmentToken;
use simulator::{Address, Fleet, Plan, StartError};

/// Answers each request with what `answer` makes of its head; gives its address and everything it was sent.
fn listen(
    answer: impl Fn(&str) -> (u16, Vec<u8>) + Send + 'static,
) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let received = Arc::new(Mutex::new(Vec::new()));
    let log = received.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            while let Some(head) = read_head(&mut stream) {
                log.lock().unwrap().extend_from_slice(head.as_bytes());
                let (status, body) = answer(&head);
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                if stream
                    .write_all(&[head.as_bytes(), &body].concat())
                    .is_err()
                {
                    break;
                }
            }
        }
    });
    (url, received)
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn proof(key: &PrivateKey, head: &str) -> Vec<u8> {
    let nonce = head
        .split("nonce=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let nonce = protocol::session::from_base64::<32>(nonce).unwrap();
    handshake::prove_server(key, &nonce)
}

fn key() -> PrivateKey {
    PrivateKey::from_seed([1; 32])
}

fn plan(url: &str) -> Plan {
    let fingerprint = fingerprint(&key().public());
    Plan {
        server: Address::parse(url).unwrap(),
        token: Some(EnrollmentToken::new([1; 10], [2; 20], fingerprint)),
        agents: 3,
        interval_ms: 1_000,
        seed: 1,
        state: None,
        scenario: None,
        cluster_tokens: std::collections::BTreeMap::new(),
    }
}

async fn refused(plan: Plan) -> StartError {
    Fleet::enroll(plan).await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn another_server_learns_nothing_of_the_token() {
    let other = PrivateKey::from_seed([9; 32]);
    let (url, received) = listen(move |head| (200, proof(&other, head)));
    let error = refused(plan(&url)).await;
    assert!(matches!(error, StartError::WrongServer(_)), "{error}");
    assert_eq!(error.exit_code(), 4);
    let received = String::from_utf8(received.lock().unwrap().clone()).unwrap();
    assert_eq!(
        received.matches("HTTP/1.1").count(),
        1,
        "one request: {received}"
    );
    assert!(
        received.starts_with("GET /agent/v1/server?nonce="),
        "{received}"
    );
}

#[tokio::test]
async fn nobody_there_and_no_operations_center_are_told_apart_from_refusals() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = refused(plan(&format!("http://{free}"))).await;
    assert_eq!(error.exit_code(), 5);
    assert!(error.to_string().contains("is not reached"), "{error}");

    for (status, body) in [(404, "<html>"), (200, "<html>"), (500, "")] {
        let (url, _) = listen(move |_| (status, body.as_bytes().to_vec()));
        let error = refused(plan(&url)).await;
        assert_eq!(error.exit_code(), 5, "{status} {body}");
        assert!(
            error.to_string().contains("is no operations center"),
            "{error}"
        );
    }

    let (url, _) = listen(|head| {
        if head.starts_with("GET ") {
            (200, proof(&key(), head))
        } else {
            (
                403,
                br#"{"code":"token_used","detail":"used 1 times"}"#.to_vec(),
            )
        }
    });
    let error = refused(plan(&url)).await;
    assert_eq!(error.exit_code(), 3);
    assert!(
        error.to_string().contains("--uses N"),
        "the way out: {error}"
    );
}

#[tokio::test]
async fn wrong_wishes_are_refused_before_anything_is_sent() {
    let (url, received) = listen(|_| (500, Vec::new()));
    for (what, wrong) in [
        (
            "agents",
            Plan {
                agents: 0,
                ..plan(&url)
            },
        ),
        (
            "agents",
            Plan {
                agents: 1_000_000,
                ..plan(&url)
            },
        ),
        (
            "interval",
            Plan {
                interval_ms: 1,
                ..plan(&url)
            },
        ),
        (
            "token",
            Plan {
                token: None,
                ..plan(&url)
            },
        ),
    ] {
        let error = refused(wrong).await;
        assert_eq!(error.exit_code(), 2, "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
    assert!(received.lock().unwrap().is_empty());
}

#[tokio::test]
async fn keys_are_on_disk_before_they_are_enrolled_and_belong_to_their_server() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("fleet");
    let (url, _) = listen(|head| {
        if head.starts_with("GET ") {
            (200, proof(&key(), head))
        } else {
            (
                403,
                br#"{"code":"token_expired","detail":"too late"}"#.to_vec(),
            )
        }
    });
    let keeping = |plan: Plan| Plan {
        state: Some(path.clone()),
        ..plan
    };
    assert_eq!(refused(keeping(plan(&url))).await.exit_code(), 3);
    let kept = std::fs::read_to_string(path.join("fleet.json")).unwrap();
    assert_eq!(kept.matches("\"key\"").count(), 3, "{kept}");
    refused(keeping(plan(&url))).await;
    let again = std::fs::read_to_string(path.join("fleet.json")).unwrap();
    assert_eq!(kept, again, "the same keys try again");

    let error = refused(keeping(Plan {
        token: Some(EnrollmentToken::new([1; 10], [2; 20], [7; 16])),
        ..plan(&url)
    }))
    .await;
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("another server"), "{error}");
}
