//! Hello and reports against a whole server: what is acknowledged is stored, once; what is wrong is refused by name and
//! changes nothing.

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
use protocol::v1::report::{EncodedRecord, Group, Record, Report};

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
