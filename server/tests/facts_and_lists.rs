//! What agents tell about their hosts beside samples: facts, lists and suggestions are kept, cleaned, and given out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use axum::http::StatusCode;
use common::site;
use domain::access::Role;
use protocol::v1::hello::Suggested;
use protocol::v1::report::{Facts, Lost, Record};
use protocol::v1::section::{
    Certificate, Certificates, KIND_CERTIFICATES, KIND_PROCESSES, KIND_SOCKETS, KIND_UNITS,
    Listener, Process, Processes, Section, Sockets, Unit, Units,
};

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
