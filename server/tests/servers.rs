//! Servers found on hosts: they become nodes where their token says, keep their ids, tell what happens to them, and count
//! only where somebody may say so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use app::fleet::view::Attention;
use axum::http::StatusCode;
use common::agent::TestAgent;
use common::{Site, site};
use domain::access::Role;
use protocol::v1::report::{Group, Record};
use protocol::v1::section::{
    BoundListener, Connections, Flow, KIND_CONNECTIONS, KIND_SERVERS, Probe, Section, Server,
    Servers,
};
use serde_json::Value;

const KEY: &str = "tomcat:/srv/shop";

fn tomcat() -> Server {
    Server {
        key: KEY.to_owned(),
        pack: "tomcat".to_owned(),
        name: "shop".to_owned(),
        product: Some("Apache Tomcat".to_owned()),
        version: Some("10.1.6".to_owned()),
        home: Some("/srv/shop".to_owned()),
        pid: Some(7),
        started_at_s: Some(1_790_000_000),
        ports: vec![8_080],
        state: 1,
        ..Server::default()
    }
}

fn told(agent: &mut TestAgent, servers: Vec<Server>) -> Record {
    let list = Servers {
        servers,
        ..Servers::default()
    };
    let mut record = agent.record(100);
    record.sections = Some(vec![Section {
        kind: KIND_SERVERS,
        body: protocol::wire::encode(&list),
    }]);
    record.groups.push(Group {
        instance: KEY.to_owned(),
        values: vec![80, 1, 81, 250, 83, 42],
    });
    record
}

async fn nodes(site: &Site) -> Vec<Value> {
    let token = site.api_token(Role::Viewer).await;
    let answer = site
        .call("GET", "/api/v1/nodes")
        .bearer(&token)
        .send()
        .await;
    answer.json()["items"].as_array().unwrap().clone()
}

async fn server_node(site: &Site) -> Value {
    let nodes = nodes(site).await;
    let found = nodes.into_iter().find(|node| node["kind"] == "tomcat");
    found.unwrap()
}

async fn verbs(site: &Site) -> Vec<String> {
    let answer = site.told("/api/v1/events?limit=100").await;
    let items = answer["items"].as_array().unwrap().clone();
    let mut verbs: Vec<String> = items
        .iter()
        .map(|event| event["verb"].as_str().unwrap().to_owned())
        .filter(|verb| !verb.contains("token") && !verb.contains("user"))
        .collect();
    verbs.sort();
    verbs
}

async fn send(site: &Site, agent: &mut TestAgent, record: Record) {
    agent.send(site, &[record]).await.ok().unwrap();
}

#[tokio::test]
async fn what_a_host_with_a_wrong_clock_tells_of_a_start_is_shown_on_our_clock() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    // This host believes that it is 1970, and its server was started an hour before.
    let server = Server {
        started_at_s: Some(-3_600),
        ..tomcat()
    };
    let record = told(&mut agent, vec![server]);
    send(&site, &mut agent, record).await;
    let node = server_node(&site).await;
    let started_ms = site.ops.clock.now().0 - 3_600_000;
    assert_eq!(node["started_at_ms"], started_ms);
    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = format!("/nodes/{}", node["id"].as_str().unwrap());
    let page = site.call("GET", &page).cookie(&cookie).send().await;
    let started = domain::time::format_iso(domain::time::Timestamp(started_ms));
    assert!(page.body.contains(&started), "{started}: {}", page.body);
}

#[tokio::test]
async fn a_server_is_a_node_with_its_own_id_values_and_series_and_survives_a_restart_of_ours() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let record = told(&mut agent, vec![tomcat()]);
    send(&site, &mut agent, record).await;
    let node = server_node(&site).await;
    assert_eq!(
        (&node["cluster"], &node["product"], &node["version"]),
        (&"web".into(), &"Apache Tomcat".into(), &"10.1.6".into())
    );
    assert_eq!(
        (&node["status"], &node["liveness"]),
        (&"ok".into(), &"live".into())
    );
    let id = node["id"].as_str().unwrap().to_owned();
    assert_ne!(id, agent.node_id);
    let token = site.api_token(Role::Viewer).await;
    site.clock.advance_ms(1);
    let series = format!("/api/v1/nodes/{id}/series?metric=server_cpu_used_ratio&level=raw");
    let series = site.call("GET", &series).bearer(&token).send().await.json();
    assert_eq!(series["points"][0][1], 0.25, "{series}");
    let filtered = |filter: &'static str| {
        let path = format!("/api/v1/nodes?filter={filter}");
        let call = site.call("GET", &path).bearer(&token);
        async move {
            let answer = call.send().await.json();
            answer["items"].as_array().unwrap().len()
        }
    };
    assert_eq!(
        filtered("up%3E0").await,
        1,
        "a server's own values are its own"
    );
    assert_eq!(filtered("threads%3E41").await, 1);
    assert_eq!(filtered("up%3C1").await, 0);
    let rows = server::fleet::rows::rows(&site.ops);
    let counts = |id: &str| rows.iter().find(|row| row.id == id).unwrap().counts;
    assert!(
        counts(&id) && !counts(&agent.node_id),
        "a host with servers is not counted twice"
    );
    let site = site.restart().await;
    let again = site.ops.live.node(&id).unwrap();
    assert_eq!(
        again.server.unwrap().facts.version.as_deref(),
        Some("10.1.6")
    );
}

#[tokio::test]
async fn what_happens_to_a_server_is_told_once_and_its_id_stays() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let ill = Probe {
        url: "http://127.0.0.1:8080/".to_owned(),
        is_up: false,
        code: Some(503),
        reason: Some("status".to_owned()),
    };
    let record = told(&mut agent, vec![tomcat()]);
    send(&site, &mut agent, record).await;
    let id = server_node(&site).await["id"].clone();
    for servers in [
        vec![Server {
            pid: Some(8),
            ..tomcat()
        }],
        vec![Server {
            pid: Some(8),
            probe: Some(ill),
            ..tomcat()
        }],
        vec![Server {
            pid: None,
            state: 4,
            ..tomcat()
        }],
        vec![],
        vec![Server {
            pid: Some(9),
            version: Some("10.1.7".to_owned()),
            ..tomcat()
        }],
    ] {
        let record = told(&mut agent, servers);
        send(&site, &mut agent, record).await;
        assert_eq!(server_node(&site).await["id"], id);
    }
    assert_eq!(
        verbs(&site).await,
        [
            "health probe failed",
            "node enrolled",
            "server appeared",
            "server restarted",
            "server started",
            "server vanished",
            "version changed"
        ]
    );
    let record = told(
        &mut agent,
        vec![Server {
            pid: None,
            state: 4,
            ..tomcat()
        }],
    );
    send(&site, &mut agent, record).await;
    let node = server_node(&site).await;
    assert_eq!(
        (&node["status"], &node["liveness"]),
        (&"critical".into(), &"missing".into())
    );
}

#[tokio::test]
async fn since_when_a_server_is_in_trouble_is_known_over_reports_and_restarts() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let gone = Server {
        pid: None,
        state: 4,
        ..tomcat()
    };
    let since = async |site: &Site| {
        let rows = server::fleet::rows::rows(&site.ops);
        let row = rows.iter().find(|row| row.kind == "tomcat").unwrap();
        let overview = server::fleet::overview::overview(&site.ops, None);
        let overview = overview.await.unwrap();
        let told = overview.attention.iter().find_map(|finding| match finding {
            Attention::Node(node) if node.id == row.id => Some(node.since_ms),
            _ => None,
        });
        assert_eq!(told.flatten(), row.since_ms, "{overview:?}");
        row.since_ms
    };
    let record = told(&mut agent, vec![tomcat()]);
    send(&site, &mut agent, record).await;
    assert_eq!(since(&site).await, None, "it is fine");
    site.clock.advance_ms(5_000);
    let fell_at_ms = site.ops.clock.now().0;
    for _ in 0..3 {
        let record = told(&mut agent, vec![gone.clone()]);
        send(&site, &mut agent, record).await;
        assert_eq!(since(&site).await, Some(fell_at_ms));
        site.clock.advance_ms(5_000);
    }
    let record = told(&mut agent, vec![tomcat()]);
    send(&site, &mut agent, record).await;
    assert_eq!(since(&site).await, None);
    let fell_at_ms = site.ops.clock.now().0;
    let record = told(&mut agent, vec![gone]);
    send(&site, &mut agent, record).await;
    let site = site.restart().await;
    assert_eq!(since(&site).await, Some(fell_at_ms), "the log has it");
}

#[tokio::test]
async fn a_server_that_names_another_cluster_waits_unless_its_token_allows_that() {
    let site = site().await;
    let named = Server {
        cluster: Some("Prod DB".to_owned()),
        role: Some("worker".to_owned()),
        ..tomcat()
    };
    let mut agent = site.agent(1).await;
    let record = told(&mut agent, vec![named.clone()]);
    send(&site, &mut agent, record).await;
    let node = server_node(&site).await;
    assert_eq!(
        (&node["cluster"], &node["liveness"]),
        (&"web".into(), &"pending_review".into())
    );
    let rows = server::fleet::rows::rows(&site.ops);
    assert!(
        rows.iter().any(|row| row.kind == "host" && row.counts),
        "its host counts meanwhile"
    );

    let id = node["id"].as_str().unwrap().to_owned();
    let viewer = site.sign_in_as(Role::Viewer).await;
    let accept = format!("/nodes/{id}/accept");
    let refused = site.call("POST", &accept).cookie(&viewer).send().await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let operator = site.sign_in_as(Role::Operator).await;
    let wrong = site
        .call("POST", &format!("/nodes/{id}/arrange"))
        .cookie(&operator)
        .form("cluster=Prod+DB&role=&name=")
        .send()
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("Prod DB"), "what was typed is kept");
    let place = |part: &str| wrong.body.find(part).unwrap_or_else(|| panic!("{part}"));
    assert!(
        place("href=\"#cluster\"") < place("<h1"),
        "what is wrong is said where the page begins, and leads to the field"
    );
    let moved = site
        .call("POST", &format!("/nodes/{id}/arrange"))
        .cookie(&operator)
        .form("cluster=prod-db&role=worker&name=Shop+1")
        .send()
        .await;
    assert_eq!(moved.status, StatusCode::SEE_OTHER);
    let node = server_node(&site).await;
    assert_eq!(
        (
            &node["cluster"],
            &node["name"],
            &node["liveness"],
            &node["role"]
        ),
        (
            &"prod-db".into(),
            &"Shop 1".into(),
            &"live".into(),
            &"worker".into()
        )
    );
    // What an operator said is moved by no configuration.
    let record = told(
        &mut agent,
        vec![Server {
            cluster: Some("elsewhere".to_owned()),
            ..tomcat()
        }],
    );
    send(&site, &mut agent, record).await;
    assert_eq!(server_node(&site).await["cluster"], "prod-db");
}

#[tokio::test]
async fn a_token_that_allows_suggestions_lets_servers_place_themselves_in_its_own_system_only() {
    let site = site().await;
    site.token(|new| {
        new.system = "bank".to_owned();
        new.cluster = "vault".to_owned();
    })
    .await;
    let token = site.token(|new| new.allows_suggestions = true).await;
    let mut agent = site.enroll(&token, 3, "app-1").await.ok().unwrap();
    agent.hello(&site).await.ok().unwrap();
    let record = told(
        &mut agent,
        vec![Server {
            cluster: Some("app".to_owned()),
            ..tomcat()
        }],
    );
    send(&site, &mut agent, record).await;
    assert_eq!(server_node(&site).await["cluster"], "app");
    let record = told(
        &mut agent,
        vec![Server {
            cluster: Some("vault".to_owned()),
            ..tomcat()
        }],
    );
    send(&site, &mut agent, record).await;
    let node = server_node(&site).await;
    assert_eq!(
        (&node["cluster"], &node["system"]),
        (&"web".into(), &"default".into())
    );
    assert_eq!(node["liveness"], "pending_review");
}

#[tokio::test]
async fn what_was_left_out_of_the_log_is_told_although_the_server_was_restarted() {
    let mut site = site().await;
    let mut agent = site.agent(3).await;
    let flapping = |pid: u32| Server {
        pid: Some(100 + pid),
        ..tomcat()
    };
    for pid in 0..20 {
        let record = told(&mut agent, vec![flapping(pid)]);
        send(&site, &mut agent, record).await;
    }
    let left_out = async |site: &Site| {
        let id = server_node(site).await["id"].clone();
        let id = id.as_str();
        let log = server::events::store::list_latest(site.ops.state.read(), id, None, 100);
        let log = log.await.unwrap();
        log.into_iter()
            .filter(|event| event.verb == "events left out")
            .map(|event| event.detail)
            .collect::<Vec<_>>()
    };
    assert!(left_out(&site).await.is_empty());
    site = site.restart().await;
    site.clock
        .advance_ms(u64::try_from(domain::event::NODE_EVENTS_MS).unwrap());
    agent.hello(&site).await.ok().unwrap();
    let record = told(&mut agent, vec![flapping(20)]);
    send(&site, &mut agent, record).await;
    // The first look is no restart, and 12 are written.
    let once = ["7 before this were counted, not written"];
    assert_eq!(left_out(&site).await, once);
    site = site.restart().await;
    site.clock
        .advance_ms(2 * u64::try_from(domain::event::NODE_EVENTS_MS).unwrap());
    agent.hello(&site).await.ok().unwrap();
    let record = told(&mut agent, vec![flapping(21)]);
    send(&site, &mut agent, record).await;
    assert_eq!(left_out(&site).await, once, "it is told once");
}

#[tokio::test]
async fn a_move_is_told_however_much_its_server_flaps() {
    let site = site().await;
    let token = site.token(|new| new.allows_suggestions = true).await;
    let mut agent = site.enroll(&token, 3, "app-1").await.ok().unwrap();
    agent.hello(&site).await.ok().unwrap();
    for pid in 0..20 {
        let flapping = Server {
            pid: Some(100 + pid),
            started_at_s: Some(1_790_000_000 + i64::from(pid)),
            cluster: (pid == 19).then(|| "vault".to_owned()),
            ..tomcat()
        };
        let record = told(&mut agent, vec![flapping]);
        send(&site, &mut agent, record).await;
    }
    let id = server_node(&site).await["id"].clone();
    let log = server::events::store::list_latest(site.ops.state.read(), id.as_str(), None, 100);
    let log = log.await.unwrap();
    let told_of = |verb: &str| log.iter().filter(|event| event.verb == verb).count();
    assert_eq!(
        (told_of("events limited"), told_of("node moved")),
        (1, 1),
        "{log:?}"
    );
}

#[tokio::test]
async fn a_host_makes_only_so_many_clusters_and_its_flapping_servers_write_only_so_much() {
    let site = site().await;
    let token = site.token(|new| new.allows_suggestions = true).await;
    let mut agent = site.enroll(&token, 3, "app-1").await.ok().unwrap();
    agent.hello(&site).await.ok().unwrap();
    let in_cluster = |name: &str, pid: u32| Server {
        cluster: Some(name.to_owned()),
        pid: Some(pid),
        ..tomcat()
    };
    for n in 0..30 {
        let record = told(&mut agent, vec![in_cluster(&format!("made-{n}"), 7)]);
        send(&site, &mut agent, record).await;
    }
    let clusters = site.told("/api/v1/clusters").await;
    let made = clusters["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|cluster| cluster["id"].as_str().unwrap().starts_with("made-"));
    assert_eq!(made.count(), 8);
    let node = server_node(&site).await;
    assert_eq!(
        (&node["cluster"], &node["liveness"]),
        (&"web".into(), &"pending_review".into())
    );
    // It is said why, and that not everything is said.
    let id = node["id"].as_str().unwrap();
    let told_of = server::events::store::list_latest(site.ops.state.read(), Some(id), None, 100);
    let told_of = told_of.await.unwrap();
    let details = |verb: &str| -> Vec<String> {
        let of = told_of.iter().filter(|event| event.verb == verb);
        of.map(|event| event.detail.clone()).collect()
    };
    let refused = details("suggestion refused");
    assert!(
        refused[0].contains("has made 8 clusters by suggesting them"),
        "{refused:?}"
    );
    assert_eq!(details("events limited").len(), 1, "{told_of:?}");
    let limited = told_of
        .iter()
        .filter(|event| domain::event::is_limited(&event.verb));
    assert_eq!(limited.count(), 13, "12 and the word that there are more");
    // Where it stood is told without a gap: eight clusters of its own, and back.
    let moves = details("node moved");
    assert_eq!(moves.len(), 8, "{moves:?}");
    assert_eq!(moves[0], "made-7 → web");
    // What exists is still within reach, and an operator's cluster counts for nobody.
    site.clock.advance_ms(11 * 60_000);
    let record = told(&mut agent, vec![in_cluster("made-0", 8)]);
    send(&site, &mut agent, record).await;
    assert_eq!(server_node(&site).await["cluster"], "made-0");
    let missed = server::events::store::list_latest(site.ops.state.read(), Some(id), None, 100);
    let missed = missed.await.unwrap();
    let left_out = missed
        .iter()
        .find(|event| event.verb == "events left out")
        .unwrap();
    assert!(
        left_out
            .detail
            .ends_with("before this were counted, not written"),
        "{left_out:?}"
    );
}

#[tokio::test]
async fn connections_are_kept_cleaned_and_rubbish_changes_nothing() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    let connections = Connections {
        listeners: vec![BoundListener {
            address: vec![0; 16],
            port: 8_080,
            server: Some(KEY.to_owned()),
            process: Some("java\u{1b}".to_owned()),
        }],
        flows: vec![
            Flow {
                is_incoming: true,
                local: vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1],
                peer: vec![10, 0, 0, 2],
                port: 8_080,
                client_ports: vec![5, 4, 4],
                connections: 2,
                ..Flow::default()
            },
            Flow {
                local: vec![1, 2],
                connections: 3,
                ..Flow::default()
            },
        ],
        left_out: 1,
    };
    let mut record = agent.record(1);
    record.sections = Some(vec![Section {
        kind: KIND_CONNECTIONS,
        body: protocol::wire::encode(&connections),
    }]);
    send(&site, &mut agent, record).await;
    let host = site.ops.live.host_by_node(&agent.node_id).unwrap();
    let kept = host.connections.clone().unwrap();
    assert_eq!(kept.flows[0].local.to_string(), "10.0.0.1");
    assert_eq!(kept.flows[0].client_ports, [4, 5]);
    assert_eq!((kept.flows.len(), kept.left_out), (1, 4));
    assert_eq!(kept.listeners[0].process.as_deref(), Some("java\u{FFFD}"));
    let mut record = agent.record(1);
    record.sections = Some(vec![
        Section {
            kind: KIND_CONNECTIONS,
            body: b"rubbish".to_vec(),
        },
        Section {
            kind: KIND_SERVERS,
            body: b"rubbish".to_vec(),
        },
    ]);
    send(&site, &mut agent, record).await;
    let host = site.ops.live.host_by_node(&agent.node_id).unwrap();
    assert_eq!(host.connections.clone().unwrap(), kept);
    assert!(host.servers.is_empty());
}

#[tokio::test]
async fn a_host_that_tells_other_servers_each_time_makes_no_nodes_without_end() {
    let site = site().await;
    let mut agent = site.agent(1).await;
    for round in 0..4 {
        let many = (0..200)
            .map(|at| Server {
                key: format!("tomcat:/srv/{round}/{at}"),
                ..tomcat()
            })
            .collect();
        let record = told(&mut agent, many);
        send(&site, &mut agent, record).await;
    }
    let host = site.ops.live.host_by_node(&agent.node_id).unwrap();
    assert_eq!(host.servers.len(), server::fleet::servers::KNOWN_MAX);
}
