use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use protocol::v1::report::EncodedRecord;
use protocol::v1::report::Record;

use super::*;
use crate::client::Address;

#[test]
fn each_answer_means_one_thing() {
    let case = |status, is_proved, body: &'static str| {
        let answer = Answer {
            status,
            auth: None,
            retry_after_ms: (status == 503 || status == 429).then_some(2_000),
            body: hyper::body::Bytes::from_static(body.as_bytes()),
        };
        match refusal(&answer, is_proved, 3) {
            Refusal::Later(_) => "later",
            Refusal::RetryAfter(2_000, _) => "after 2 s",
            Refusal::RetryAfter(..) => "after another time",
            Refusal::NoSession(_) => "hello",
            Refusal::Forked(_) => "new epoch",
            Refusal::Ended(_) => "ended",
            Refusal::Unacceptable { .. } => "unacceptable",
        }
    };
    assert_eq!(case(401, false, r#"{"code":"session_unknown"}"#), "hello");
    assert_eq!(case(401, false, r#"{"code":"mac_invalid"}"#), "hello");
    assert_eq!(case(401, true, r#"{"code":"agent_unknown"}"#), "ended");
    assert_eq!(case(403, true, r#"{"code":"agent_revoked"}"#), "ended");
    assert_eq!(
        case(409, true, r#"{"code":"sequence_forked"}"#),
        "new epoch"
    );
    assert_eq!(case(503, false, r#"{"code":"overloaded"}"#), "after 2 s");
    assert_eq!(case(429, false, ""), "after 2 s");
    assert_eq!(case(422, true, r#"{"code":"malformed"}"#), "unacceptable");
    assert_eq!(case(413, false, "<html>"), "later");
    assert_eq!(case(502, false, "<html>"), "later");
}

/// What the server does to its acknowledgement of a report.
#[derive(Debug, Clone, Copy)]
enum Forgery {
    None,
    NoCode,
    WrongCode,
    CodeOfAnotherStatus,
    BodyChanged,
    MoreThanWasSent,
}

/// Reads one request: its head and its body.
fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).unwrap();
    let mut body = vec![0; length.split('\r').next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    Some((head, body))
}

fn serve(listener: &TcpListener, forgery: Forgery) -> Option<()> {
    let (mut stream, _) = listener.accept().ok()?;
    let key = PrivateKey::from_seed([1; 32]);
    let (_, body) = read(&mut stream)?;
    let verified = handshake::open_hello(&body)
        .unwrap()
        .verify(&key.public(), &PrivateKey::from_seed([2; 32]).public())
        .unwrap();
    let answer = HelloAnswer {
        ephemeral: [0; 32],
        epoch: 1,
        stored_seq: 0,
        facts_digest: None,
        now_ms: 0,
        pending_review: false,
        sections: None,
        packs: None,
    };
    let (body, keys) = handshake::hello_answer(&key, [3; 32], &verified, answer).unwrap();
    write(&mut stream, &body, "");
    let (_, body) = read(&mut stream)?;
    let (_, records) = Report::open(&body).unwrap();
    let seq = records.last().unwrap().seq;
    let head = RequestHead {
        method: "POST",
        path: PATH_REPORT,
        epoch: 1,
        seq,
        encoding: "",
    };
    // The agent's own code, as it must be.
    let mac = keys.seal_request(head, &body).mac;
    let mut answer = ReportAnswer {
        acked_epoch: 1,
        acked_seq: seq,
        next_interval_ms: 1_000,
        now_ms: 0,
        notes: Vec::new(),
    };
    if matches!(forgery, Forgery::MoreThanWasSent) {
        answer.acked_seq = seq + 100;
    }
    let mut body = wire::encode(&answer);
    let code = match forgery {
        Forgery::None | Forgery::BodyChanged | Forgery::MoreThanWasSent => {
            keys.seal_answer(200, &mac, &body)
        }
        Forgery::NoCode => String::new(),
        Forgery::WrongCode => keys.seal_answer(200, &[0; 32], &body),
        Forgery::CodeOfAnotherStatus => keys.seal_answer(503, &mac, &body),
    };
    if matches!(forgery, Forgery::BodyChanged) {
        answer.next_interval_ms += 1;
        body = wire::encode(&answer);
    }
    let code = if code.is_empty() {
        code
    } else {
        format!("oc-auth: {code}\r\n")
    };
    write(&mut stream, &body, &code);
    Some(())
}

fn write(stream: &mut TcpStream, body: &[u8], header: &str) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{header}\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
}

async fn hear(forgery: Forgery) -> (Heard, bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || serve(&listener, forgery));
    let speaker = Speaker {
        key: PrivateKey::from_seed([2; 32]),
        server_key: PrivateKey::from_seed([1; 32]).public(),
        host_id: "h0123456789abcdef".to_owned(),
        process: [4; 8],
        boot_id: [5; 16],
        interval_s: 1,
        suggested: None,
    };
    let mut link = Link::new(Client::new(Address::parse(&url).unwrap()), speaker);
    let claim = Claim {
        epoch: 1,
        highest_seq: 7,
        acked_seq: 0,
        acked_digest: None,
        wants_new_epoch: false,
    };
    assert!(matches!(
        link.exchange(Work::Hello(claim)).await,
        Heard::Session(_)
    ));
    let record = Record {
        epoch: 1,
        seq: 7,
        ..Record::default()
    };
    let batch = Batch {
        records: vec![EncodedRecord(wire::encode(&record))],
        epoch: 1,
        seq: 7,
    };
    let heard = link.exchange(Work::Report(batch)).await;
    assert_eq!(server.join().unwrap(), Some(()), "it was asked twice");
    (heard, link.has_session())
}

#[tokio::test]
async fn an_acknowledgement_counts_only_when_its_code_holds() {
    for forgery in [
        Forgery::NoCode,
        Forgery::WrongCode,
        Forgery::CodeOfAnotherStatus,
        Forgery::BodyChanged,
    ] {
        let (heard, has_session) = hear(forgery).await;
        assert!(
            matches!(&heard, Heard::Refused(Refusal::NoSession(words)) if words.contains("was ignored")),
            "{forgery:?}"
        );
        assert!(!has_session, "{forgery:?}: hello again");
    }
    for forgery in [Forgery::None, Forgery::MoreThanWasSent] {
        let (heard, has_session) = hear(forgery).await;
        assert!(
            matches!(&heard, Heard::Acked { answer, .. } if answer.acked_seq == 7),
            "{forgery:?}: never more than was sent"
        );
        assert!(has_session);
    }
}
