//! The conversation in memory, and everything that somebody in between could do to it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its own functions too"
)]

mod support;

use proptest::prelude::*;
use protocol::handshake::{self, HandshakeError};
use protocol::http::PATH_HELLO;
use protocol::keys::{PrivateKey, fingerprint};
use protocol::session::{AuthError, AuthHeader, RequestHead};
use protocol::token::EnrollmentToken;
use protocol::wire;
use support::*;

fn enroll_is_accepted(body: &[u8]) -> bool {
    handshake::open_enroll(&server().public(), body).is_ok_and(|unverified| {
        unverified
            .verify(&server().public(), &token().key().public())
            .is_ok()
    })
}

fn hello_is_accepted(body: &[u8]) -> bool {
    handshake::open_hello(body).is_ok_and(|unverified| {
        unverified
            .verify(&server().public(), &agent().public())
            .is_ok()
    })
}

fn enroll_answer_body() -> Vec<u8> {
    let digest = handshake::open_enroll(&server().public(), &enroll_body())
        .unwrap()
        .digest;
    handshake::enroll_answer(&server(), &digest, &enroll_answer())
}

fn enroll_answer_is_accepted(answer: &[u8]) -> bool {
    handshake::open_enroll_answer(&server().public(), &enroll_body(), answer).is_ok()
}

fn hello_answer_is_accepted(answer: &[u8]) -> bool {
    hello_sent().finish(&server().public(), answer).is_ok()
}

fn proof_is_accepted(answer: &[u8]) -> bool {
    handshake::check_server(answer, &NONCE, &fingerprint(&server().public())).is_ok()
}

fn report_is_accepted(body: &[u8]) -> bool {
    let keys = hello_answered().1;
    keys.open_request(HEAD, body, &report_auth().mac).is_ok()
}

fn report_answer_is_accepted(body: &[u8]) -> bool {
    let keys = hello_answered().1;
    let mac = keys.seal_answer(200, &report_auth().mac, &wire::encode(&report_answer()));
    keys.open_answer(200, &report_auth().mac, body, &mac)
        .is_ok()
}

type Accepts = fn(&[u8]) -> bool;

/// Every message, and who would accept it.
fn messages() -> Vec<(&'static str, Vec<u8>, Accepts)> {
    vec![
        (
            "server proof",
            handshake::prove_server(&server(), &NONCE),
            proof_is_accepted,
        ),
        ("enrollment", enroll_body(), enroll_is_accepted),
        (
            "enrollment answer",
            enroll_answer_body(),
            enroll_answer_is_accepted,
        ),
        ("hello", hello_sent().body, hello_is_accepted),
        ("hello answer", hello_answered().0, hello_answer_is_accepted),
        ("report", wire::encode(&report()), report_is_accepted),
        (
            "report answer",
            wire::encode(&report_answer()),
            report_answer_is_accepted,
        ),
    ]
}

#[test]
fn the_whole_conversation_holds() {
    for (name, bytes, accepts) in messages() {
        assert!(accepts(&bytes), "{name}");
    }
    let (answer, server_keys) = hello_answered();
    let (_, agent_keys) = hello_sent().finish(&server().public(), &answer).unwrap();
    let body = wire::encode(&report());
    let auth = agent_keys.seal_request(HEAD, &body);
    let auth = AuthHeader::parse(&auth.format()).unwrap();
    assert_eq!(auth.session, server_keys.session());
    server_keys.open_request(HEAD, &body, &auth.mac).unwrap();
    let told = wire::encode(&report_answer());
    let mac = server_keys.seal_answer(200, &auth.mac, &told);
    agent_keys.open_answer(200, &auth.mac, &told, &mac).unwrap();
}

/// Signature algorithms, codes of authentication and CBOR leave no byte that does not matter. The proof's range of
/// versions is the one thing not signed: it is advice for messages, and decides nothing.
#[test]
fn no_flipped_byte_is_accepted() {
    let mut cases = 0;
    for (name, bytes, accepts) in messages() {
        let unsigned = match name {
            // map key 2 and its array of two small numbers
            "server proof" => bytes.len() - 4..bytes.len(),
            _ => 0..0,
        };
        for at in (0..bytes.len()).filter(|at| !unsigned.contains(at)) {
            for mask in [0x01, 0x20, 0x80, 0xff] {
                let mut flipped = bytes.clone();
                flipped[at] ^= mask;
                assert!(!accepts(&flipped), "{name}: byte {at} ^ {mask:#x}");
                cases += 1;
            }
        }
    }
    assert!(cases > 5_000, "{cases}");
}

#[test]
fn no_truncated_or_longer_message_is_accepted() {
    for (name, bytes, accepts) in messages() {
        for length in 0..bytes.len() {
            assert!(!accepts(&bytes[..length]), "{name}: first {length} bytes");
        }
        for more in [&[0u8][..], &[0xf6], &bytes] {
            let longer = [&bytes, more].concat();
            assert!(!accepts(&longer), "{name} and {} bytes", more.len());
        }
    }
}

#[test]
fn a_message_is_for_its_server_alone() {
    let other = other_server().public();
    let open = handshake::open_enroll(&other, &enroll_body());
    assert!(matches!(open, Err(HandshakeError::Signature(_))));
    let hello = handshake::open_hello(&hello_sent().body).unwrap();
    assert!(hello.verify(&other, &agent().public()).is_err());
    let trusted = fingerprint(&server().public());
    let proof = handshake::prove_server(&other_server(), &NONCE);
    let error = handshake::check_server(&proof, &NONCE, &trusted).unwrap_err();
    assert!(
        matches!(error, HandshakeError::WrongServer { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&data_encoding::HEXLOWER.encode(&trusted)),
        "a person can compare fingerprints: {error}"
    );
    assert!(handshake::open_enroll_answer(&other, &enroll_body(), &enroll_answer_body()).is_err());
    assert!(hello_sent().finish(&other, &hello_answered().0).is_err());
}

#[test]
fn a_proof_is_for_its_nonce_alone() {
    let proof = handshake::prove_server(&server(), &[0x12; 32]);
    assert!(!proof_is_accepted(&proof), "a recorded proof");
    // Another server's proof with the trusted key pasted in.
    let mut pasted: protocol::v1::enroll::ServerProof = wire::decode(
        "server proof",
        &handshake::prove_server(&other_server(), &NONCE),
    )
    .unwrap();
    pasted.server_key = server().public();
    assert!(!proof_is_accepted(&wire::encode(&pasted)));
}

#[test]
fn who_holds_no_secret_cannot_enroll_or_say_hello() {
    let stranger = EnrollmentToken::new(token().id, [0x03; 20], fingerprint(&server().public()));
    let body =
        handshake::enroll_request(&stranger, &agent(), &server().public(), &enroll_request());
    assert!(
        !enroll_is_accepted(&body),
        "the token's id without its secret"
    );
    let thief = PrivateKey::from_seed([0xA2; 32]);
    let body = handshake::enroll_request(&token(), &thief, &server().public(), &enroll_request());
    assert!(!enroll_is_accepted(&body), "another agent's public key");
    let body = handshake::hello_request(&thief, &server().public(), [0xE1; 32], hello()).body;
    assert!(!hello_is_accepted(&body));
    // An enrollment is no hello and the other way round, although both are signed by the agent.
    assert!(!hello_is_accepted(&enroll_body()));
    assert!(!enroll_is_accepted(&hello_sent().body));
}

#[test]
fn an_answer_is_for_its_request_alone() {
    let mut request = enroll_request();
    request.hostname = "web-2.example".to_owned();
    let other = handshake::enroll_request(&token(), &agent(), &server().public(), &request);
    let replayed = handshake::open_enroll_answer(&server().public(), &other, &enroll_answer_body());
    assert!(matches!(replayed, Err(HandshakeError::Signature(_))));

    let second = handshake::hello_request(&agent(), &server().public(), [0xE3; 32], hello());
    let replayed = second.finish(&server().public(), &hello_answered().0);
    assert!(matches!(replayed, Err(HandshakeError::Signature(_))));
    // The answer to one kind of request is none to the other.
    assert!(!hello_answer_is_accepted(&enroll_answer_body()));
}

/// The envelope tolerates added fields, which nobody signed; an answer covers them all the same.
#[test]
fn a_hello_whose_envelope_was_changed_is_answered_to_somebody_else() {
    let mut changed = hello_sent().body;
    changed[0] += 1;
    changed.extend_from_slice(&[0x18, 99, 0x01]);
    let verified = handshake::open_hello(&changed)
        .unwrap()
        .verify(&server().public(), &agent().public())
        .unwrap();
    let (answer, _) =
        handshake::hello_answer(&server(), [0xE2; 32], &verified, hello_answer()).unwrap();
    assert!(hello_sent().finish(&server().public(), &answer).is_err());
}

#[test]
fn a_recorded_hello_gives_no_keys_to_who_replays_it() {
    let (_, keys) = hello_answered();
    let verified = handshake::open_hello(&hello_sent().body)
        .unwrap()
        .verify(&server().public(), &agent().public())
        .unwrap();
    let (_, again) =
        handshake::hello_answer(&server(), [0xE4; 32], &verified, hello_answer()).unwrap();
    let auth = keys.seal_request(HEAD, b"x");
    assert_eq!(
        again.open_request(HEAD, b"x", &auth.mac),
        Err(AuthError::Mac)
    );
}

#[test]
fn keys_that_give_no_secret_are_refused() {
    // The point of order one: every secret with it is zero.
    let weak = wire::encode(&protocol::v1::hello::Hello {
        ephemeral: [0; 32],
        ..hello()
    });
    let signature = agent().sign(protocol::keys::Purpose::Hello, &[&server().public(), &weak]);
    let body = wire::encode(&protocol::v1::Signed {
        payload: weak,
        signature,
        second_signature: None,
    });
    let verified = handshake::open_hello(&body)
        .unwrap()
        .verify(&server().public(), &agent().public())
        .unwrap();
    let answered = handshake::hello_answer(&server(), [0xE2; 32], &verified, hello_answer());
    assert!(matches!(answered, Err(HandshakeError::WeakKey)));
}

#[test]
fn a_requests_code_cannot_be_moved() {
    let keys = hello_answered().1;
    let body = wire::encode(&report());
    let mac = report_auth().mac;
    assert_eq!(keys.open_request(HEAD, &body, &mac), Ok(()));
    let moved: [(&str, RequestHead<'_>); 6] = [
        (
            "method",
            RequestHead {
                method: "PUT",
                ..HEAD
            },
        ),
        (
            "path",
            RequestHead {
                path: PATH_HELLO,
                ..HEAD
            },
        ),
        ("epoch", RequestHead { epoch: 4, ..HEAD }),
        (
            "seq",
            RequestHead {
                seq: HEAD.seq + 1,
                ..HEAD
            },
        ),
        (
            "encoding",
            RequestHead {
                encoding: "gzip",
                ..HEAD
            },
        ),
        // The fields are behind their lengths: what one loses the next cannot gain.
        (
            "border",
            RequestHead {
                method: "POST/",
                path: "agent/v1/report",
                ..HEAD
            },
        ),
    ];
    for (what, head) in moved {
        assert_eq!(
            keys.open_request(head, &body, &mac),
            Err(AuthError::Mac),
            "{what}"
        );
    }
    let mut other = hello();
    other.session = [0x5F; 16];
    let sent = handshake::hello_request(&agent(), &server().public(), [0xE1; 32], other);
    let verified = handshake::open_hello(&sent.body)
        .unwrap()
        .verify(&server().public(), &agent().public())
        .unwrap();
    let (_, other_keys) =
        handshake::hello_answer(&server(), [0xE2; 32], &verified, hello_answer()).unwrap();
    assert_eq!(
        other_keys.open_request(HEAD, &body, &mac),
        Err(AuthError::Mac),
        "session"
    );
}

#[test]
fn an_acknowledgement_cannot_be_moved() {
    let keys = hello_answered().1;
    let body = wire::encode(&report_answer());
    let mac = report_auth().mac;
    let sealed = keys.seal_answer(200, &mac, &body);
    assert_eq!(keys.open_answer(200, &mac, &body, &sealed), Ok(()));
    assert!(
        keys.open_answer(503, &mac, &body, &sealed).is_err(),
        "status"
    );
    let other = keys.seal_request(RequestHead { seq: 7, ..HEAD }, b"x").mac;
    assert!(
        keys.open_answer(200, &other, &body, &sealed).is_err(),
        "another report"
    );
    // The request's own code sent back as the answer's: the directions have keys of their own.
    let echo = protocol::session::to_base64(&mac);
    assert!(keys.open_answer(200, &mac, &body, &echo).is_err(), "echo");
    for header in ["", "AAAA", "not base64!", &"A".repeat(10_000)] {
        assert_eq!(
            keys.open_answer(200, &mac, &body, header),
            Err(AuthError::Malformed)
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(messages().iter().all(|(_, _, accepts)| !accepts(&bytes)));
        let _any = protocol::v1::report::Report::open(&bytes);
    }

    #[test]
    fn any_header_is_read_back_or_refused(text in ".{0,120}") {
        if let Ok(header) = AuthHeader::parse(&text) {
            prop_assert_eq!(AuthHeader::parse(&header.format()), Ok(header));
        }
    }

    #[test]
    fn what_is_written_in_a_header_is_read(session: [u8; 16], epoch: u32, seq: u64, mac: [u8; 32]) {
        let header = AuthHeader { session, epoch, seq, mac };
        prop_assert_eq!(AuthHeader::parse(&header.format()), Ok(header));
    }

    #[test]
    fn any_token_text_is_read_or_refused_without_repeating_it(text in "oce_[a-z2-7]{60,80}") {
        if let Err(error) = EnrollmentToken::parse(&text) {
            prop_assert!(!error.to_string().contains(&text[4..24]));
        }
    }
}
