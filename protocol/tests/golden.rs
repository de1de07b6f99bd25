//! Messages as they were once sent: what is stored in `golden/v1` must decode for ever, and be what we send today.
//!
//! Files there are added, never edited. A message without a file gets one when `OPSCENTER_GOLDEN=write` is set.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its own functions too"
)]

mod support;

use std::fmt::Debug;
use std::path::Path;

use minicbor::encode::Encode;
use minicbor::{Decode, Encoder};
use protocol::handshake;
use protocol::keys::fingerprint;
use protocol::v1::enroll::{EnrollRequest, ServerProof};
use protocol::v1::hello::{Hello, HelloAnswer};
use protocol::v1::report::{EarlierBoot, Facts, Group, Record, Report, ReportAnswer};
use protocol::v1::section::{Certificates, Connections, Processes, Servers, Sockets, Units};
use protocol::wire;
use support::*;

fn golden(name: &str, fresh: &[u8], auth: Option<String>) -> (Vec<u8>, Option<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v1/{name}.json"));
    if !path.exists() && std::env::var("OPSCENTER_GOLDEN").is_ok_and(|value| value == "write") {
        let mut stored = serde_json::json!({ "hex": data_encoding::HEXLOWER.encode(fresh) });
        if let Some(auth) = &auth {
            stored["oc-auth"] = auth.clone().into();
        }
        let text = serde_json::to_string_pretty(&stored).unwrap() + "\n";
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let stored: serde_json::Value = serde_json::from_str(&text).unwrap();
    let bytes = data_encoding::HEXLOWER
        .decode(stored["hex"].as_str().unwrap().as_bytes())
        .unwrap();
    (bytes, stored["oc-auth"].as_str().map(str::to_owned))
}

/// What agents sent before samples were packed, and may have in their spools; then what they send today.
fn before_and_now(name: &str, fresh: &[u8]) -> [Vec<u8>; 2] {
    let (before, _) = golden(name, &[], None);
    [before, same_bytes(&format!("{name}_packed"), fresh)]
}

/// The stored bytes, which are those that are sent today.
fn same_bytes(name: &str, fresh: &[u8]) -> Vec<u8> {
    let (stored, _) = golden(name, fresh, None);
    assert_eq!(
        data_encoding::HEXLOWER.encode(fresh),
        data_encoding::HEXLOWER.encode(&stored),
        "{name}: what is sent has changed; agents and servers in the field speak the stored form"
    );
    stored
}

#[test]
fn server_proof() {
    let stored = same_bytes("server_proof", &handshake::prove_server(&server(), &NONCE));
    let proof: ServerProof = wire::decode("server proof", &stored).unwrap();
    assert_eq!(proof.server_key, server().public());
    assert_eq!(proof.versions, (1, 1));
    let trusted = fingerprint(&server().public());
    assert_eq!(
        handshake::check_server(&stored, &NONCE, &trusted).unwrap(),
        server().public()
    );
}

#[test]
fn enroll_and_its_answer() {
    let stored = same_bytes("enroll_request", &enroll_body());
    let unverified = handshake::open_enroll(&server().public(), &stored).unwrap();
    assert_eq!(unverified.token_id(), [0x01; 10]);
    let digest = unverified.digest;
    let request = unverified
        .verify(&server().public(), &token().key().public())
        .unwrap();
    assert_eq!(request, enroll_request());

    let answer = handshake::enroll_answer(&server(), &digest, &enroll_answer());
    let stored_answer = same_bytes("enroll_answer", &answer);
    assert_eq!(
        handshake::open_enroll_answer(&server().public(), &stored, &stored_answer).unwrap(),
        support::enroll_answer()
    );
}

#[test]
fn hello_and_its_answer() {
    let sent = hello_sent();
    let stored = same_bytes("hello", &sent.body);
    let verified = handshake::open_hello(&stored)
        .unwrap()
        .verify(&server().public(), &agent().public())
        .unwrap();
    let expected = Hello {
        ephemeral: verified.hello.ephemeral,
        ..hello()
    };
    assert_eq!(verified.hello, expected);
    assert_ne!(verified.hello.ephemeral, [0; 32]);

    let (answer, server_keys) = hello_answered();
    let stored_answer = same_bytes("hello_answer", &answer);
    let (told, agent_keys) = sent.finish(&server().public(), &stored_answer).unwrap();
    assert_eq!(told.stored_seq, hello_answer().stored_seq);
    assert_eq!(told.facts_digest, hello_answer().facts_digest);
    let sealed = |keys: &protocol::session::SessionKeys| keys.seal_request(HEAD, b"x");
    assert_eq!(sealed(&server_keys), sealed(&agent_keys));
}

/// The authentication codes are stored too: they freeze the derivation of keys and the order of fields.
#[test]
fn report_and_its_answer() {
    let keys = hello_answered().1;
    let fresh = wire::encode(&report());
    let (_, auth) = golden("report_packed", &fresh, Some(report_auth().format()));
    assert_eq!(auth, Some(report_auth().format()));
    for stored in before_and_now("report", &fresh) {
        let (_, records) = Report::open(&stored).unwrap();
        assert_eq!(records, [full_record(), least_record()]);
        let facts: Facts = wire::decode("facts", records[0].facts.as_deref().unwrap()).unwrap();
        assert_eq!(facts, support::facts());
    }

    let fresh = wire::encode(&report_answer());
    let sealed = keys.seal_answer(200, &report_auth().mac, &fresh);
    // It answers these bytes of the report, so that its code is another than before.
    let (_, auth) = golden("report_answer_packed", &fresh, Some(sealed.clone()));
    assert_eq!(auth, Some(sealed));
    let stored = same_bytes("report_answer", &fresh);
    assert_eq!(
        wire::decode::<ReportAnswer>("report answer", &stored).unwrap(),
        report_answer()
    );
}

/// Added with product packs and the graph of connections.
#[test]
fn record_with_servers_and_connections() {
    for stored in before_and_now("record_servers", &wire::encode(&servers_record())) {
        let record: Record = wire::decode("record", &stored).unwrap();
        assert_eq!(record, servers_record());
    }
    let sections = servers_record().sections.unwrap();
    let told: Servers = wire::decode("servers", &sections[0].body).unwrap();
    assert_eq!(told, servers());
    let told: Connections = wire::decode("connections", &sections[1].body).unwrap();
    assert_eq!(told, connections());
}

/// Added with the rates of flows.
#[test]
fn connections_with_a_rate() {
    let stored = same_bytes("connections_rate", &wire::encode(&connections_with_rate()));
    let told: Connections = wire::decode("connections", &stored).unwrap();
    assert_eq!(told, connections_with_rate());
}

/// Added with the spool on disk, which outlives a boot.
#[test]
fn report_from_an_earlier_boot() {
    for stored in before_and_now("report_earlier_boots", &wire::encode(&earlier_report())) {
        let (opened, _) = Report::open(&stored).unwrap();
        assert_eq!(opened.boots().collect::<Vec<_>>(), [Some([0x0b; 16]), None]);
    }
    let beyond = Report {
        earlier_boots: Some(vec![EarlierBoot {
            boot_id: [1; 16],
            records: u32::MAX,
        }]),
        ..report()
    };
    assert_eq!(beyond.boots().count(), beyond.records.len());
}

/// Added with the lists and with what `agent.toml` suggests.
#[test]
fn sections_and_suggestions() {
    for stored in before_and_now("record_sections", &wire::encode(&sections_record())) {
        let record: Record = wire::decode("record", &stored).unwrap();
        assert_eq!(record, sections_record());
    }
    let bodies: Vec<Vec<u8>> = sections_record()
        .sections
        .unwrap()
        .into_iter()
        .map(|s| s.body)
        .collect();
    assert_eq!(
        wire::decode::<Processes>("list", &bodies[0]).unwrap(),
        processes()
    );
    assert_eq!(wire::decode::<Units>("list", &bodies[1]).unwrap(), units());
    assert_eq!(
        wire::decode::<Sockets>("list", &bodies[2]).unwrap(),
        sockets()
    );
    assert_eq!(
        wire::decode::<Certificates>("list", &bodies[3]).unwrap(),
        certificates()
    );

    let suggesting = Hello {
        suggested: Some(suggested()),
        ..hello()
    };
    let stored = same_bytes("hello_suggested", &wire::encode(&suggesting));
    assert_eq!(wire::decode::<Hello>("hello", &stored).unwrap(), suggesting);

    let answer = hello_answer_with_sections();
    let stored = same_bytes("hello_answer_sections", &wire::encode(&answer));
    assert_eq!(
        wire::decode::<HelloAnswer>("hello answer", &stored).unwrap(),
        answer
    );

    let answer = hello_answer_with_packs();
    let stored = same_bytes("hello_answer_packs", &wire::encode(&answer));
    assert_eq!(
        wire::decode::<HelloAnswer>("hello answer", &stored).unwrap(),
        answer
    );

    let rebooting = Facts {
        reboot_required: Some("kernel 6.2 is installed, 6.1 runs".to_owned()),
        ..facts()
    };
    let stored = same_bytes("facts_reboot_required", &wire::encode(&rebooting));
    assert_eq!(wire::decode::<Facts>("facts", &stored).unwrap(), rebooting);
}

#[test]
fn every_stored_message_is_looked_at() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let known = [
        "connections_rate.json",
        "enroll_answer.json",
        "enroll_request.json",
        "facts_reboot_required.json",
        "hello.json",
        "hello_answer.json",
        "hello_answer_packs.json",
        "hello_answer_sections.json",
        "hello_suggested.json",
        "record_sections.json",
        "record_sections_packed.json",
        "record_servers.json",
        "record_servers_packed.json",
        "report.json",
        "report_answer.json",
        "report_answer_packed.json",
        "report_earlier_boots.json",
        "report_earlier_boots_packed.json",
        "report_packed.json",
        "server_proof.json",
    ];
    assert_eq!(names, known, "a file without a test proves nothing");
}

/// The same map or array with one more field, whose number no version knows yet and whose value is a nest of things.
fn with_added_field(bytes: &[u8]) -> Vec<u8> {
    let (head, rest) = bytes.split_first().unwrap();
    assert!(
        matches!(head, 0x80..=0x96 | 0xa0..=0xb6),
        "a short map or array of known length: {head:#x}"
    );
    let mut out = vec![head + 1];
    out.extend_from_slice(rest);
    let mut encoder = Encoder::new(&mut out);
    if *head >= 0xa0 {
        encoder.u16(999).unwrap();
    }
    encoder
        .array(3)
        .unwrap()
        .str("from a later version")
        .unwrap()
        .begin_map()
        .unwrap()
        .u8(1)
        .unwrap()
        .f64(1.5)
        .unwrap()
        .end()
        .unwrap()
        .bytes(&[1, 2, 3])
        .unwrap();
    out
}

fn tolerates_added_field<T>(message: &T)
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
{
    let bytes = with_added_field(&wire::encode(message));
    assert_eq!(
        &wire::decode::<T>("a later message", &bytes).unwrap(),
        message
    );
}

#[test]
fn fields_that_later_versions_add_are_skipped() {
    tolerates_added_field(&enroll_request());
    tolerates_added_field(&enroll_answer());
    tolerates_added_field(&hello());
    tolerates_added_field(&hello_answer());
    tolerates_added_field(&report());
    tolerates_added_field(&earlier_report());
    tolerates_added_field(&sections_record());
    tolerates_added_field(&sections_record().sections.unwrap()[0]);
    tolerates_added_field(&processes());
    tolerates_added_field(&processes().processes[0]);
    tolerates_added_field(&units());
    tolerates_added_field(&units().units[0]);
    tolerates_added_field(&sockets());
    tolerates_added_field(&sockets().listeners[0]);
    tolerates_added_field(&certificates());
    tolerates_added_field(&certificates().certificates[0]);
    tolerates_added_field(&servers());
    tolerates_added_field(&servers().servers[0]);
    tolerates_added_field(&probe());
    tolerates_added_field(&connections());
    tolerates_added_field(&connections().listeners[0]);
    tolerates_added_field(&connections().flows[0]);
    tolerates_added_field(&connections_with_rate().flows[0]);
    tolerates_added_field(&suggested());
    tolerates_added_field(&hello_answer_with_sections());
    tolerates_added_field(&hello_answer_with_sections().sections.unwrap()[0]);
    tolerates_added_field(&earlier_report().earlier_boots.unwrap()[0]);
    tolerates_added_field(&full_record());
    tolerates_added_field(&least_record());
    tolerates_added_field(&report_answer());
    tolerates_added_field(&facts());
    tolerates_added_field(&facts().filesystems[0]);
    tolerates_added_field(&facts().interfaces[0]);
    tolerates_added_field(full_record().lost.as_ref().unwrap());
    tolerates_added_field(&full_record().groups[0]);
    tolerates_added_field(&full_record().collectors.unwrap()[1]);
    let proof: ServerProof =
        wire::decode("server proof", &handshake::prove_server(&server(), &NONCE)).unwrap();
    tolerates_added_field(&proof);
}

/// As a version sent it that knew the required fields only; written by hand, not by our encoder.
#[test]
fn messages_without_optional_fields_decode() {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes)
        .map(5)
        .unwrap()
        .u8(0)
        .unwrap()
        .u32(3)
        .unwrap()
        .u8(1)
        .unwrap()
        .u64(9)
        .unwrap()
        .u8(2)
        .unwrap()
        .u64(70)
        .unwrap()
        .u8(3)
        .unwrap()
        .i64(-5)
        .unwrap()
        .u8(5)
        .unwrap()
        .encode(vec![Group {
            instance: String::new(),
            values: vec![1, 2],
        }])
        .unwrap();
    let record: Record = wire::decode("record", &bytes).unwrap();
    let expected = Record {
        epoch: 3,
        seq: 9,
        taken_boot_ms: 70,
        taken_at_ms: -5,
        groups: vec![Group {
            instance: String::new(),
            values: vec![1, 2],
        }],
        ..Record::default()
    };
    assert_eq!(record, expected);

    let least = EnrollRequest {
        replace: None,
        name: None,
        ..enroll_request()
    };
    let full = wire::encode(&enroll_request());
    let bytes = wire::encode(&least);
    assert_eq!(
        (full[0], bytes[0]),
        (0xa8, 0xa6),
        "absent fields are not sent"
    );
    assert_eq!(
        wire::decode::<EnrollRequest>("enrollment request", &bytes).unwrap(),
        least
    );
}

#[test]
fn a_message_without_a_required_field_is_refused_by_name() {
    // Only the epoch.
    let error = wire::decode::<Record>("record", &[0xa1, 0x00, 0x03]).unwrap_err();
    assert!(
        error.to_string().starts_with("record is malformed"),
        "{error}"
    );
}
