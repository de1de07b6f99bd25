//! Enrollment, hello and reports against a whole server: what is acknowledged is stored, once; what is wrong is refused
//! by name and changes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use axum::http::StatusCode;
use common::agent::TestAgent;
use common::site;
use domain::access::Role;
use domain::fleet::Liveness;
use protocol::v1::hello::Suggested;
use protocol::v1::report::{EncodedRecord, Facts, Group, Lost, Record, Report};
use protocol::v1::section::{
    Certificate, Certificates, KIND_CERTIFICATES, KIND_PROCESSES, KIND_SOCKETS, KIND_UNITS,
    Listener, Process, Processes, Section, Sockets, Unit, Units,
};
use server::admin::{Command, execute::execute};

#[tokio::test]
async fn a_report_is_acknowledged_stored_once_and_read_back() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let token = site.api_token(Role::Viewer).await;
    let first = agent.record(731);
    assert_eq!(
        agent
            .send(&site, std::slice::from_ref(&first))
            .await
            .ok()
            .unwrap()
            .acked_seq,
        1
    );
    let again = agent.send(&site, &[first]).await.ok().unwrap();
    assert_eq!(
        (again.acked_epoch, again.acked_seq, again.next_interval_ms),
        (1, 1, 10_000),
        "a repeated report is acknowledged again"
    );
    assert_eq!(site.stored(&agent).await.len(), 1);
    let path = format!(
        "/api/v1/nodes/{}/series?metric=cpu_used_ratio&level=raw",
        agent.node_id
    );
    site.clock.advance_ms(1);
    let series = site.call("GET", &path).bearer(&token).send().await.json();
    let t_ms = site.clock.now().0 - 1;
    assert_eq!(
        series["points"],
        serde_json::json!([[t_ms, 0.731, 0.731, 0.731, 1]])
    );
    let disk = format!(
        "/api/v1/nodes/{}/series?metric=filesystem_used_ratio&instance=/",
        agent.node_id
    );
    assert_eq!(
        site.call("GET", &disk).bearer(&token).send().await.json()["points"][0][3],
        0.96
    );
    let node = site
        .call("GET", &format!("/api/v1/nodes/{}", agent.node_id))
        .bearer(&token)
        .send()
        .await
        .json();
    assert_eq!(
        (
            node["liveness"].as_str(),
            node["cluster"].as_str(),
            node["boot_id"].is_null()
        ),
        (Some("live"), Some("web"), true)
    );
}

#[tokio::test]
async fn records_in_any_number_keep_their_order_and_old_ones_are_not_stored_again() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let records: Vec<Record> = (0..50).map(|value| agent.record(value)).collect();
    agent.send(&site, &records[..30]).await.ok().unwrap();
    agent.send(&site, &records[10..]).await.ok().unwrap();
    let stored = site.stored(&agent).await;
    assert_eq!(
        stored.iter().map(|(_, seq, _)| *seq).collect::<Vec<_>>(),
        (1..=50).collect::<Vec<i64>>()
    );
    let refused = TestAgent::report_of(&[records[5].clone(), records[4].clone()]);
    let refused = agent.send_bytes(&site, 1, 5, refused).await.err().unwrap();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, "malformed")
    );
    assert!(
        refused.body.contains("record 1.5 does not follow 1.6"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn each_wrong_token_is_refused_by_name() {
    let site = site().await;
    let once = site.token(|_| ()).await;
    let agent = site.enroll(&once, 1, "a").await.ok().unwrap();
    let same = site.enroll(&once, 1, "a").await.ok().unwrap();
    assert_eq!(
        same.node_id, agent.node_id,
        "the same agent asking again gets the same answer"
    );
    assert_eq!(
        site.enroll(&once, 2, "b").await.err().unwrap().code(),
        "token_used"
    );
    let short = site.token(|new| new.ttl = "1s".to_owned()).await;
    site.clock.advance_ms(1_001);
    let expired = site.enroll(&short, 3, "c").await.err().unwrap();
    assert_eq!(
        (expired.status, expired.code().as_str()),
        (StatusCode::FORBIDDEN, "token_expired")
    );
    let other_site = common::site().await;
    let foreign = other_site.token(|_| ()).await;
    let fingerprint = protocol::keys::fingerprint(&site.ops.server_key.public());
    assert_ne!(
        foreign.server_fingerprint, fingerprint,
        "an agent stops here, before it sends anything"
    );
    let unknown = protocol::token::EnrollmentToken::new([9; 10], [9; 20], fingerprint);
    assert_eq!(
        site.enroll(&unknown, 4, "d").await.err().unwrap().code(),
        "token_unknown"
    );
    let guessed = protocol::token::EnrollmentToken::new(once.id, [0; 20], fingerprint);
    assert_eq!(
        site.enroll(&guessed, 5, "e").await.err().unwrap().code(),
        "signature_invalid"
    );
    let revoked = site.token(|_| ()).await;
    let id = domain::id::TokenId::from_random(revoked.id).to_string();
    server::enroll::service::revoke(&site.ops, &site.root(), &id)
        .await
        .ok()
        .unwrap();
    assert_eq!(
        site.enroll(&revoked, 6, "f").await.err().unwrap().code(),
        "token_revoked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_one_makes_one_node_however_many_ask_at_once() {
    let site = std::sync::Arc::new(site().await);
    for round in 0..20u8 {
        let token = site.token(|_| ()).await;
        let asking = (0..8u8).map(|i| {
            let (site, token) = (site.clone(), token.clone());
            tokio::spawn(async move { site.enroll(&token, 1 + round * 8 + i, "x").await.is_ok() })
        });
        let mut made = 0;
        for asked in asking.collect::<Vec<_>>() {
            made += u32::from(asked.await.unwrap());
        }
        assert_eq!(made, 1, "round {round}");
    }
}

#[tokio::test]
async fn what_is_forged_flipped_or_moved_is_never_stored() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    let body = TestAgent::report_of(&[record]);
    let head = |seq| protocol::session::RequestHead {
        method: "POST",
        path: "/agent/v1/report",
        epoch: 1,
        seq,
        encoding: "",
    };
    let auth = agent.keys.as_ref().unwrap().seal_request(head(1), &body);
    for at in 0..body.len() {
        let mut flipped = body.clone();
        flipped[at] ^= 1;
        let answer = site
            .call("POST", "/agent/v1/report")
            .no_origin()
            .header("oc-auth", &auth.format())
            .bytes(flipped)
            .send()
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNAUTHORIZED, "mac_invalid"),
            "byte {at}"
        );
    }
    let moved = protocol::session::AuthHeader { seq: 2, ..auth };
    let answer = site
        .call("POST", "/agent/v1/report")
        .no_origin()
        .header("oc-auth", &moved.format())
        .bytes(body.clone())
        .send()
        .await;
    assert_eq!(answer.code(), "mac_invalid");
    for header in ["", "x", "a.b.c.d", "AAAAAAAAAAAAAAAAAAAAAA.1.1.AAAA"] {
        let answer = site
            .call("POST", "/agent/v1/report")
            .no_origin()
            .header("oc-auth", header)
            .bytes(body.clone())
            .send()
            .await;
        assert_eq!(answer.code(), "session_unknown", "{header}");
    }
    assert!(site.stored(&agent).await.is_empty());
}

#[tokio::test]
async fn bodies_that_are_too_big_truncated_or_nonsense_are_refused_and_change_nothing() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    let body = TestAgent::report_of(std::slice::from_ref(&record));
    for cut in [0, 1, body.len() / 2, body.len() - 1] {
        let refused = agent
            .send_bytes(&site, 1, 1, body[..cut].to_vec())
            .await
            .err()
            .unwrap();
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, "malformed"),
            "cut at {cut}"
        );
    }
    let huge = agent
        .send_bytes(&site, 1, 1, vec![0; 10 * 1024 * 1024])
        .await
        .err()
        .unwrap();
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    let nan = {
        // A report whose sample is the float NaN: the same bytes less the packed values, for which [1, NaN] stands.
        let good = TestAgent::report_of(&[Record {
            groups: vec![Group {
                instance: String::new(),
                values: vec![1, 10_000],
            }],
            ..record.clone()
        }]);
        let packed = [0x44, 0x02, 0xA0, 0x9C, 0x01];
        let at = good.windows(5).rposition(|w| w == packed).unwrap();
        let mut bytes = good;
        bytes.splice(at..at + 5, [0x82, 0x01, 0xF9, 0x7E, 0x00]);
        bytes
    };
    let nan = agent.send_bytes(&site, 1, 1, nan).await.err().unwrap();
    assert_eq!(nan.code(), "malformed", "{}", nan.body);
    let values = vec![40, 1];
    let mounts = (0..10_000)
        .map(|i| Group {
            instance: format!("/mnt/{i}"),
            values: values.clone(),
        })
        .collect();
    let many = Record {
        groups: mounts,
        ..record.clone()
    };
    let refused = agent
        .send_bytes(&site, 1, 1, TestAgent::report_of(&[many]))
        .await
        .err()
        .unwrap();
    assert!(
        refused
            .body
            .contains("number of samples is 10000, at most 4096"),
        "{}",
        refused.body
    );
    assert!(site.stored(&agent).await.is_empty());
    agent.send(&site, &[record]).await.ok().unwrap();
    assert_eq!(
        site.stored(&agent).await.len(),
        1,
        "and what is right is still taken"
    );
}

#[tokio::test]
async fn a_host_may_have_many_series_but_not_endless_ones() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let mut notes = Vec::new();
    for round in 0..3 {
        let groups = (0..2_000)
            .map(|i| Group {
                instance: format!("/mnt/{round}/{i}"),
                values: vec![40, 1],
            })
            .collect();
        let record = Record {
            groups,
            ..agent.record(1)
        };
        notes = agent.send(&site, &[record]).await.ok().unwrap().notes;
    }
    assert_eq!(
        notes,
        ["1904 samples were not stored: a host may have 4096 series"]
    );
}

#[tokio::test]
async fn a_revoked_agent_is_refused_at_once_and_a_removed_node_is_gone() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    agent.send(&site, &[record]).await.ok().unwrap();
    let revoked = execute(
        &site.ops,
        0,
        Command::AgentRevoke {
            id: agent.host_id.clone(),
        },
    )
    .await;
    assert_eq!(revoked.exit, 0);
    let record = agent.record(2);
    assert_eq!(
        agent.send(&site, &[record]).await.err().unwrap().code(),
        "session_unknown"
    );
    assert_eq!(
        agent.hello(&site).await.err().unwrap().code(),
        "agent_revoked"
    );
    assert_eq!(site.stored(&agent).await.len(), 1);
    assert_eq!(
        execute(
            &site.ops,
            0,
            Command::NodeRemove {
                id: agent.node_id.clone()
            }
        )
        .await
        .exit,
        0
    );
    assert_eq!(
        agent.hello(&site).await.err().unwrap().code(),
        "agent_unknown"
    );
    let token = site.api_token(Role::Viewer).await;
    let gone = site
        .call("GET", &format!("/api/v1/nodes/{}", agent.node_id))
        .bearer(&token)
        .send()
        .await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_restored_snapshot_begins_a_new_epoch_and_two_that_alternate_are_quarantined() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    agent.send(&site, &[record]).await.ok().unwrap();
    let snapshot = agent.clone();
    for value in 2..5 {
        let record = agent.record(value);
        agent.send(&site, &[record]).await.ok().unwrap();
    }
    let mut restored = TestAgent {
        process: [99; 8],
        ..snapshot.clone()
    };
    let answer = restored.hello(&site).await.ok().unwrap();
    assert_eq!(answer.epoch, 2, "its numbers end before ours");
    restored.epoch = answer.epoch;
    let record = restored.record(50);
    restored.send(&site, &[record]).await.ok().unwrap();
    let epochs: Vec<i64> = site
        .stored(&agent)
        .await
        .iter()
        .map(|(epoch, _, _)| *epoch)
        .collect();
    assert_eq!(
        epochs,
        [1, 1, 1, 1, 2],
        "nothing is lost, nothing silently acknowledged"
    );
    // The original is still alive and comes back: one identity, two machines.
    let record = agent.record(6);
    assert_eq!(
        agent
            .send(&site, std::slice::from_ref(&record))
            .await
            .err()
            .unwrap()
            .code(),
        "session_unknown"
    );
    agent.epoch = agent.hello(&site).await.ok().unwrap().epoch;
    let record = Record {
        epoch: agent.epoch,
        ..record
    };
    assert_eq!(
        agent.send(&site, &[record]).await.err().unwrap().code(),
        "agent_quarantined"
    );
    assert_eq!(
        restored.hello(&site).await.err().unwrap().code(),
        "agent_quarantined"
    );
    let events =
        server::events::store::list_latest(site.ops.state.read(), Some(&agent.node_id), None, 10)
            .await
            .unwrap();
    let verbs: Vec<&str> = events.iter().map(|event| event.verb.as_str()).collect();
    assert_eq!(
        verbs,
        [
            "agent quarantined",
            "agent restored from a copy",
            "node enrolled"
        ]
    );
}

#[tokio::test]
async fn another_record_under_a_stored_number_is_never_acknowledged() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    agent
        .send(&site, std::slice::from_ref(&record))
        .await
        .ok()
        .unwrap();
    let other = Record {
        taken_at_ms: 5,
        ..record
    };
    assert_eq!(
        agent.send(&site, &[other]).await.err().unwrap().code(),
        "sequence_forked"
    );
    agent.wants_new_epoch = true;
    assert_eq!(agent.hello(&site).await.ok().unwrap().epoch, 2);
}

#[tokio::test]
async fn a_replayed_hello_displaces_nobody() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    agent.send(&site, &[record]).await.ok().unwrap();
    let mut replayed = agent.clone();
    replayed.process = [44; 8];
    replayed.hello(&site).await.ok().unwrap();
    let record = agent.record(2);
    assert!(
        agent.send(&site, &[record]).await.is_ok(),
        "only a valid MAC makes a session count"
    );
}

#[tokio::test]
async fn a_node_with_a_token_for_review_waits_until_somebody_says_yes() {
    let site = site().await;
    let token = site.token(|new| new.review = true).await;
    let mut agent = site.enroll(&token, 1, "web-1").await.ok().unwrap();
    assert!(agent.hello(&site).await.ok().unwrap().pending_review);
    let record = agent.record(1);
    agent.send(&site, &[record]).await.ok().unwrap();
    let liveness = || {
        site.ops
            .live
            .host_by_id(&agent.host_id)
            .unwrap()
            .liveness(site.clock.monotonic())
    };
    assert_eq!(liveness(), Liveness::PendingReview);
    assert_eq!(
        execute(
            &site.ops,
            0,
            Command::AgentApprove {
                id: agent.host_id.clone()
            }
        )
        .await
        .exit,
        0
    );
    assert_eq!(liveness(), Liveness::Live);
}

#[tokio::test]
async fn a_lost_node_is_replaced_and_a_living_one_is_not() {
    let site = site().await;
    let mut old = site.agent(1).await;
    let record = old.record(1);
    old.send(&site, &[record]).await.ok().unwrap();
    let token = site.token(|new| new.uses = 5).await;
    let refused = site
        .enroll_with(&token, 2, "new", Some(old.node_id.clone()))
        .await
        .err()
        .unwrap();
    assert_eq!(refused.code(), "replace_refused");
    site.clock.advance_ms(34_000);
    let mut new = site
        .enroll_with(&token, 2, "new", Some(old.node_id.clone()))
        .await
        .ok()
        .unwrap();
    assert_eq!(
        (&new.node_id, &new.host_id),
        (&old.node_id, &old.host_id),
        "place and history stay"
    );
    assert_eq!(
        old.hello(&site).await.err().unwrap().code(),
        "signature_invalid",
        "the old key is no longer good"
    );
    new.hello(&site).await.ok().unwrap();
}

#[tokio::test]
async fn silence_is_late_then_no_data_and_survives_a_restart_of_the_server() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let mut other = site.agent(2).await;
    let record = agent.record(1);
    agent.send(&site, &[record]).await.ok().unwrap();
    let liveness = |site: &common::Site, agent: &TestAgent| {
        site.ops
            .live
            .host_by_id(&agent.host_id)
            .unwrap()
            .liveness(site.clock.monotonic())
    };
    assert_eq!(liveness(&site, &other), Liveness::Missing);
    site.clock.advance_ms(25_000);
    assert_eq!(liveness(&site, &agent), Liveness::Late);
    site.clock.advance_ms(15_000);
    assert_eq!(liveness(&site, &agent), Liveness::NoData);
    let record = other.record(1);
    other.send(&site, &[record]).await.ok().unwrap();
    let site = site.restart().await;
    assert_eq!(
        liveness(&site, &agent),
        Liveness::NoData,
        "it was silent before, and still is"
    );
    assert_eq!(
        liveness(&site, &other),
        Liveness::Live,
        "nobody could report while the server was down"
    );
    let host = site.ops.live.host_by_id(&agent.host_id).unwrap();
    assert_eq!(host.values.len(), 3, "the last values are still known");
}

#[tokio::test]
async fn a_clock_that_is_ten_years_off_puts_nothing_in_a_wrong_place() {
    const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;
    for (seed, off_ms) in [(1, -TEN_YEARS_MS), (2, TEN_YEARS_MS)] {
        let site = site().await;
        let mut agent = site.agent(seed).await;
        let host_ms = site.clock.now().0 + off_ms;
        let before_a_boot = Record {
            boot_id: Some([9; 16]),
            taken_at_ms: host_ms - 3_600_000,
            ..agent.record(1)
        };
        let after_it = Record {
            taken_boot_ms: 980_000,
            taken_at_ms: host_ms - 20_000,
            ..agent.record(2)
        };
        let records = [before_a_boot, after_it];
        let report = Report {
            sent_boot_ms: 1_000_000,
            sent_wall_ms: host_ms,
            records: records
                .iter()
                .map(|record| EncodedRecord(protocol::wire::encode(record)))
                .collect(),
            earlier_boots: None,
        };
        let body = protocol::wire::encode(&report);
        let answer = agent.send_bytes(&site, 1, 2, body).await.unwrap();
        assert_eq!(answer.acked_seq, 2);
        let now_ms = site.clock.now().0;
        let placed: Vec<i64> = site.stored(&agent).await.iter().map(|row| row.2).collect();
        assert_eq!(placed, [now_ms - 3_600_000, now_ms - 20_000], "{off_ms}");
        let token = site.api_token(Role::Viewer).await;
        let path = format!("/api/v1/nodes/{}", agent.node_id);
        let node = site.call("GET", &path).bearer(&token).send().await.json();
        assert_eq!(node["liveness"], "live", "{off_ms}");
    }
}

#[tokio::test]
async fn an_agent_of_another_protocol_is_told_which_side_to_update_and_served_once_it_was() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    agent.send(&site, &[record]).await.unwrap();
    for (protocol, way_out) in [
        (protocol::OLDEST_ACCEPTED - 1, "update the agent"),
        (protocol::CURRENT + 1, "update this server"),
    ] {
        agent.protocol = protocol;
        let refused = agent.hello(&site).await.err().unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused.code(), "protocol_unsupported");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains(&format!("protocol {protocol} ")) && detail.contains(way_out),
            "{detail}"
        );
        // One that comes anew is told the same, and its token is not used up by that.
        let token = site.token(|_| {}).await;
        let refused = site
            .enroll_by(&token, 9, |request| request.protocol = protocol)
            .await
            .err()
            .unwrap();
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused.code(), "protocol_unsupported");
        assert!(refused.body.contains(way_out), "{}", refused.body);
        let seed = u8::try_from(protocol).unwrap() + 100;
        site.enroll_by(&token, seed, |_| {}).await.ok().unwrap();
    }
    for accepted in protocol::OLDEST_ACCEPTED..=protocol::CURRENT {
        agent.protocol = accepted;
        agent.hello(&site).await.unwrap();
        let record = agent.record(2);
        agent.send(&site, &[record]).await.unwrap();
    }
    let kept = 1 + usize::from(protocol::CURRENT - protocol::OLDEST_ACCEPTED + 1);
    assert_eq!(
        site.stored(&agent).await.len(),
        kept,
        "its node is the same"
    );
}

#[tokio::test]
async fn a_goodbye_is_stopped_and_keeps_the_last_values() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    agent.send(&site, &[record]).await.ok().unwrap();
    let goodbye = Record {
        groups: Vec::new(),
        goodbye: Some(true),
        ..agent.record(0)
    };
    agent.send(&site, &[goodbye]).await.ok().unwrap();
    let host = site.ops.live.host_by_id(&agent.host_id).unwrap();
    assert_eq!(host.liveness(site.clock.monotonic()), Liveness::Stopped);
    assert_eq!(host.values.len(), 3);
}

#[tokio::test]
async fn facts_are_kept_cleaned_and_what_was_dropped_is_a_gap_with_its_reason() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let facts = Facts {
        hostname: "</title><script>alert(1)</script>\u{202E}".to_owned(),
        os: Some("Debian \u{1b}[31m12".to_owned()),
        agent_version: "0.1.0".to_owned(),
        ..Facts::default()
    };
    let lost = Lost {
        records: 3,
        first_age_ms: 300_000,
        last_age_ms: 60_000,
        reason: "queue_full".to_owned(),
    };
    let facts_bytes = protocol::wire::encode(&facts);
    let record = Record {
        facts: Some(facts_bytes.clone()),
        lost: Some(lost),
        ..agent.record(1)
    };
    agent.send(&site, &[record]).await.ok().unwrap();
    let host = site.ops.live.host_by_id(&agent.host_id).unwrap();
    assert_eq!(
        host.record.hostname,
        "</title><script>alert(1)</script>\u{FFFD}"
    );
    assert_eq!(
        host.facts.clone().unwrap().os.unwrap(),
        "Debian \u{FFFD}[31m12"
    );
    let digest = agent.hello(&site).await.ok().unwrap().facts_digest;
    assert_eq!(
        digest,
        Some(protocol::keys::short_digest(&facts_bytes)),
        "they need not be sent again"
    );
    let token = site.api_token(Role::Viewer).await;
    site.clock.advance_ms(1);
    let path = format!(
        "/api/v1/nodes/{}/series?metric=cpu_used_ratio",
        agent.node_id
    );
    let series = site.call("GET", &path).bearer(&token).send().await.json();
    assert_eq!(series["gaps"][0]["reason"], "dropped_by_agent", "{series}");
    let cookie = site.sign_in_as(Role::Viewer).await;
    for path in ["/", "/nodes", &format!("/nodes/{}", agent.node_id)] {
        let page = site.call("GET", path).cookie(&cookie).send().await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.body.contains("<script>alert"), "{path}");
        assert!(
            page.body.contains("&lt;script&gt;alert(1)"),
            "{path} does not show the name"
        );
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_disk_is_full_and_all_is_taken_afterwards() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = agent.record(1);
    agent.send(&site, &[record]).await.ok().unwrap();
    // SQLite itself says "disk is full" beyond this many pages.
    let pages = |n: i64| format!("PRAGMA max_page_count = {n}");
    site.ops.metrics.pragma_for_tests(&pages(1)).await;
    let big: Vec<Record> = (0..200).map(|value| agent.record(value)).collect();
    let refused = agent.send(&site, &big).await.err().unwrap();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable")
    );
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(site.stored(&agent).await.len(), 1);
    site.ops.metrics.pragma_for_tests(&pages(1_000_000)).await;
    assert_eq!(agent.send(&site, &big).await.ok().unwrap().acked_seq, 201);
    assert_eq!(site.stored(&agent).await.len(), 201);
}

#[tokio::test]
async fn only_an_administrator_is_offered_to_approve_and_a_plain_form_does_it() {
    let site = site().await;
    let token = site.token(|new| new.review = true).await;
    let agent = site.enroll(&token, 1, "web-1").await.ok().unwrap();
    let page = format!("/nodes/{}", agent.node_id);
    let approve = format!("{page}/approve");
    let operator = site.sign_in_as(Role::Operator).await;
    assert!(
        !site
            .call("GET", &page)
            .cookie(&operator)
            .send()
            .await
            .body
            .contains(&approve)
    );
    assert_eq!(
        site.call("POST", &approve)
            .cookie(&operator)
            .send()
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let admin = site.sign_in_as(Role::Admin).await;
    assert!(
        site.call("GET", &page)
            .cookie(&admin)
            .send()
            .await
            .body
            .contains(&approve)
    );
    assert_eq!(
        site.call("POST", &approve)
            .cookie(&admin)
            .send()
            .await
            .location,
        page
    );
    assert!(
        !site
            .call("GET", &page)
            .cookie(&admin)
            .send()
            .await
            .body
            .contains(&approve)
    );
}

#[tokio::test]
async fn lists_and_suggestions_are_kept_and_asked_for_only_once() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    agent.suggested = Some(Suggested {
        name: Some("shop front".to_owned()),
        cluster: Some("prod-db".to_owned()),
        tags: vec![("rack".to_owned(), "r1".to_owned())],
        ..Suggested::default()
    });
    agent.hello(&site).await.ok().unwrap();
    let listing = |port: u16| {
        let sockets = Sockets {
            listeners: vec![Listener {
                address: "0.0.0.0".to_owned(),
                port,
            }],
            ..Sockets::default()
        };
        Section {
            kind: KIND_SOCKETS,
            body: protocol::wire::encode(&sockets),
        }
    };
    let unknown = Section {
        kind: 4_000,
        body: b"of a later version".to_vec(),
    };
    let first = Record {
        sections: Some(vec![listing(22), unknown]),
        ..agent.record(1)
    };
    let second = Record {
        sections: Some(vec![listing(443)]),
        ..agent.record(2)
    };
    agent.send(&site, &[first, second]).await.ok().unwrap();

    let site = site.restart().await;
    let answer = agent.hello(&site).await.ok().unwrap();
    let held = answer.sections.unwrap();
    assert_eq!(
        held.iter().map(|s| s.kind).collect::<Vec<_>>(),
        [KIND_SOCKETS, 4_000]
    );
    assert_eq!(
        held[0].digest,
        protocol::keys::short_digest(&listing(443).body)
    );
    let known = server::fleet::service::node_sections(&site.ops, &agent.node_id)
        .await
        .ok()
        .unwrap();
    let listeners = known.listeners.unwrap();
    assert_eq!(
        listeners.rows.iter().map(|l| l.port).collect::<Vec<_>>(),
        [443]
    );
    assert_eq!((known.processes, known.units), (None, None));

    let host = site.ops.live.host_by_id(&agent.host_id).unwrap();
    assert_eq!(host.name(), "shop front");
    assert_eq!(host.record.suggested.tags["rack"], "r1");
    assert_eq!(host.record.suggested.cluster.as_deref(), Some("prod-db"));
    assert_ne!(host.record.cluster, "prod-db", "a suggestion moves nothing");
}

/// The lists of a host on which everything that a program may choose is hostile.
fn hostile_lists(text: &str) -> Vec<Section> {
    let text = || text.to_owned();
    let units = Units {
        units: vec![Unit {
            name: text(),
            active: "failed".to_owned(),
            sub: "failed".to_owned(),
            restarts: None,
            description: Some(text()),
        }],
        left_out: 3,
    };
    let processes = Processes {
        over_ms: 5_000,
        processes: vec![Process {
            pid: 7,
            name: text(),
            cpu_milli: 1_500,
            rss_bytes: 4_096,
        }],
    };
    let sockets = Sockets {
        listeners: vec![Listener {
            address: "::".to_owned(),
            port: 443,
        }],
        left_out: 0,
        states: vec![(1, 12), (200, 5)],
    };
    let certificates = Certificates {
        certificates: vec![Certificate {
            port: 443,
            subject: text(),
            issuer: String::new(),
            not_after_s: 2_000_000_000,
        }],
    };
    let section = |kind, body| Section { kind, body };
    vec![
        section(KIND_PROCESSES, protocol::wire::encode(&processes)),
        section(KIND_UNITS, protocol::wire::encode(&units)),
        section(KIND_SOCKETS, protocol::wire::encode(&sockets)),
        section(KIND_CERTIFICATES, protocol::wire::encode(&certificates)),
    ]
}

#[tokio::test]
async fn lists_are_given_to_programs_and_pages_and_what_was_never_told_is_null() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let token = site.api_token(Role::Viewer).await;
    let path = format!("/api/v1/nodes/{}/sections", agent.node_id);
    let nothing = site.call("GET", &path).bearer(&token).send().await.json();
    for list in [
        "processes",
        "services",
        "listeners",
        "tcp_connections",
        "certificates",
    ] {
        assert_eq!(nothing.get(list), Some(&serde_json::Value::Null), "{list}");
    }
    let record = Record {
        sections: Some(hostile_lists("<b>\u{1b}[31m\u{202E}x")),
        ..agent.record(1)
    };
    agent.send(&site, &[record]).await.ok().unwrap();
    let told = site.call("GET", &path).bearer(&token).send().await.json();
    let name = "<b>\u{FFFD}[31m\u{FFFD}x";
    let process =
        serde_json::json!({"pid": 7, "name": name, "cpu_used_ratio": 1.5, "rss_bytes": 4_096});
    assert_eq!(told["processes"]["items"], serde_json::json!([process]));
    assert_eq!(
        told["processes"]["taken_at_ms"],
        site.clock.now().0,
        "{told}"
    );
    let service = serde_json::json!({"name": name, "state": "failed", "sub_state": "failed", "restarts": null, "description": name});
    assert_eq!(told["services"]["items"], serde_json::json!([service]));
    assert_eq!(told["services"]["left_out"], 3);
    assert_eq!(
        told["listeners"]["items"],
        serde_json::json!([{"address": "::", "port": 443}])
    );
    assert_eq!(
        told["tcp_connections"],
        serde_json::json!({"established": 12}),
        "a state that the kernel does not have is left out"
    );
    let certificate = serde_json::json!({"port": 443, "subject": name, "issuer": null, "not_after_ms": 2_000_000_000_000i64});
    assert_eq!(
        told["certificates"]["items"],
        serde_json::json!([certificate])
    );

    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = format!("/nodes/{}", agent.node_id);
    let page = site.call("GET", &page).cookie(&cookie).send().await;
    assert_eq!(page.status, StatusCode::OK);
    for panel in ["services", "processes", "listening", "certificates"] {
        let id = format!("id=\"{panel}\"");
        assert!(page.body.contains(&id), "{panel} is not on the page");
    }
    assert!(page.body.contains("1 service failed: &lt;b&gt;"));
    assert!(!page.body.contains("<b>"), "{}", page.body);

    let none = site
        .call("GET", "/api/v1/nodes/n0/sections")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}
