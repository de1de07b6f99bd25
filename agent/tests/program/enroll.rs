//! Enrollment by the real program: exit codes, order, repetition.

use crate::support::{Agent, FakeServer, HOST, NODE, files_of, stderr, stdout};
use protocol::handshake;
use protocol::keys::PrivateKey;

#[test]
fn it_prints_the_node_id_and_repeating_it_changes_nothing() {
    let server = FakeServer::start();
    let agent = Agent::new();
    // The settings may be missing.
    std::fs::remove_file(agent.path("agent.toml")).unwrap();
    let token = server.token().reveal();
    for _ in 0..2 {
        let output = agent.enroll(&server.url, &token);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output), format!("{NODE}\n"));
    }
    let enrollments = server
        .state()
        .requests
        .iter()
        .filter(|(what, _)| what.starts_with("POST"))
        .count();
    assert_eq!(enrollments, 1);
    assert_eq!(
        files_of(&agent.path("state")),
        ["cursor", "identity.json", "key", "lock"]
    );
    let identity = std::fs::read_to_string(agent.path("state/identity.json")).unwrap();
    assert!(identity.contains(HOST) && !identity.contains(&token[4..]));
}

#[test]
fn a_repeated_enrollment_after_a_lost_answer_uses_the_same_key() {
    let server = FakeServer::start();
    let agent = Agent::new();
    server
        .state()
        .refuse_enroll
        .push_back((503, "storage_unavailable"));
    let token = server.token().reveal();
    assert_eq!(agent.enroll(&server.url, &token).status.code(), Some(5));
    let key = std::fs::read(agent.path("state/key")).unwrap();
    assert_eq!(agent.enroll(&server.url, &token).status.code(), Some(0));
    assert_eq!(std::fs::read(agent.path("state/key")).unwrap(), key);
}

#[test]
fn enrolled_with_another_server_is_refused() {
    let (first, second) = (FakeServer::start(), FakeServer::start());
    second.state().key = PrivateKey::from_seed([8; 32]);
    let agent = Agent::enrolled_with(&first);
    let output = agent.enroll(&second.url, &second.token().reveal());
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--state"), "{}", stderr(&output));
    assert!(second.state().requests.is_empty());
    // The same server at another address is the same server.
    let moved = agent.enroll("http://127.0.0.1:1", &first.token().reveal());
    assert_eq!(moved.status.code(), Some(0), "{}", stderr(&moved));
}

#[test]
fn another_server_than_the_tokens_learns_nothing_from_it() {
    let server = FakeServer::start();
    let token = server.token();
    server.state().key = PrivateKey::from_seed([8; 32]);
    let agent = Agent::new();
    let output = agent.enroll(&server.url, &token.reveal());
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let state = server.state();
    let asked: Vec<&str> = state
        .requests
        .iter()
        .map(|(what, _)| what.as_str())
        .collect();
    assert_eq!(asked, ["GET /agent/v1/server"]);
    let sent = String::from_utf8_lossy(&state.raw_bytes).to_ascii_lowercase();
    let text = token.reveal();
    for from in 4..text.len() - 8 {
        assert!(
            !sent.contains(&text[from..from + 8]),
            "part of the token was sent: {sent}"
        );
    }
    assert!(!agent.path("state/identity.json").exists());
}

#[test]
fn a_proof_for_another_nonce_is_no_proof() {
    // A recorded proof replayed: the right key, but signed over something else.
    let key = PrivateKey::from_seed([7; 32]);
    let proof = handshake::prove_server(&key, b"recorded earlier");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", proof.len());
        stream
            .write_all(&[head.as_bytes(), &proof].concat())
            .unwrap();
        drop(stream.read(&mut buffer));
    });
    let token = FakeServer::start().token();
    let output = Agent::new().enroll(&url, &token.reveal());
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
}

#[test]
fn refused_tokens_exit_with_3_and_say_the_way_out() {
    let server = FakeServer::start();
    for code in [
        "token_unknown",
        "token_expired",
        "token_used",
        "token_revoked",
    ] {
        server.state().refuse_enroll.push_back((403, code));
        let output = Agent::new().enroll(&server.url, &server.token().reveal());
        assert_eq!(output.status.code(), Some(3), "{code}: {}", stderr(&output));
        assert!(stderr(&output).contains("token"), "{}", stderr(&output));
    }
}

#[test]
fn what_is_no_token_is_named_without_repeating_it() {
    let agent = Agent::new();
    let token = FakeServer::start().token().reveal();
    let secret = "zzzzsecretzzzz";
    for bad in [
        secret,
        "oca_zzzzsecretzzzz",
        "oce_zzzzsecretzzzz",
        &token[..50],
        "",
    ] {
        let output = agent.enroll("http://127.0.0.1:1", bad);
        assert_eq!(output.status.code(), Some(2), "{bad}: {}", stderr(&output));
        let said = stderr(&output) + &stdout(&output);
        assert!(
            !said.contains(secret) && !said.contains(&token[4..40]),
            "{said}"
        );
    }
    let output = agent.output(&[
        "enroll",
        "--server",
        "http://127.0.0.1:1",
        "--token",
        "a",
        "--token-file",
        "b",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let output = agent.output(&[
        "enroll",
        "--server",
        "http://127.0.0.1:1",
        "--token-file",
        "/nonexistent",
    ]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn nobody_there_exits_with_5_and_open_http_needs_leave() {
    let token = FakeServer::start().token().reveal();
    let agent = Agent::new();
    let output = agent.enroll("http://127.0.0.1:1", &token);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    let output = agent.enroll("http://192.0.2.1:7700", &token);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("--insecure-http"),
        "{}",
        stderr(&output)
    );
    for bad in ["127.0.0.1:1", "http://a/b", "ftp://x", "http://user@h"] {
        assert_eq!(agent.enroll(bad, &token).status.code(), Some(2), "{bad}");
    }
    let output = agent
        .command(&["enroll"])
        .env("OPSCENTER_TOKEN", &token)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--server"), "{}", stderr(&output));
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_and_one_that_is_named_is_kept() {
    let (server, certificate) = FakeServer::start_tls();
    let agent = Agent::new();
    let token = server.token().reveal();
    let refused = agent.enroll(&server.url, &token);
    assert_eq!(refused.status.code(), Some(5), "{}", stderr(&refused));
    assert!(
        stderr(&refused).contains("not trusted") && stderr(&refused).contains("--ca-file"),
        "{}",
        stderr(&refused)
    );
    assert!(server.state().requests.is_empty());
    std::fs::write(agent.path("ca.pem"), &certificate).unwrap();
    let enrolled = agent
        .command(&["enroll", "--server", &server.url, "--ca-file", "ca.pem"])
        .current_dir(agent.temp.path())
        .env("OPSCENTER_TOKEN", &token)
        .output()
        .unwrap();
    assert_eq!(enrolled.status.code(), Some(0), "{}", stderr(&enrolled));
    // Where it was enrolled from no longer matters, and the connection is kept.
    let mut running = agent.run();
    running.wait_ready();
    server.wait_for("a third record", |state| state.records.len() >= 3);
    assert_eq!(running.stop(), Some(0));
    // Another certificate at the same address is another server.
    let (other, _) = FakeServer::start_tls();
    std::fs::write(
        agent.path("agent.toml"),
        format!("server = \"{}\"\n", other.url),
    )
    .unwrap();
    let running = agent.run();
    running.wait_log("not trusted");
    assert!(other.state().requests.is_empty());
}
