//! The map, from what agents say over the wire to what the page and the API show.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use axum::http::StatusCode;
use common::agent::TestAgent;
use common::{Site, site};
use domain::access::Role;
use protocol::v1::report::{Facts, Interface};
use protocol::v1::section::{BoundListener, Connections, Flow, KIND_CONNECTIONS, Section};
use server::topology::service::look;

const APP: [u8; 4] = [10, 0, 0, 1];
const DB: [u8; 4] = [10, 0, 0, 2];
const MINUTE_MS: u64 = 60_000;

fn facts(hostname: &str, address: [u8; 4]) -> Vec<u8> {
    let [a, b, c, d] = address;
    protocol::wire::encode(&Facts {
        hostname: hostname.to_owned(),
        os: None,
        kernel: None,
        architecture: None,
        cpu_model: None,
        cpu_count: None,
        virtualization: None,
        memory_bytes: None,
        swap_bytes: None,
        boot_id: None,
        booted_at_s: None,
        agent_version: "0.1.0".to_owned(),
        policy: String::new(),
        filesystems: Vec::new(),
        interfaces: vec![Interface {
            name: "eth0".to_owned(),
            addresses: vec![format!("{a}.{b}.{c}.{d}")],
            speed_mbit: None,
        }],
        reboot_required: None,
    })
}

fn flow(is_incoming: bool, local: [u8; 4], peer: [u8; 4], port: u16, ports: &[u16]) -> Flow {
    Flow {
        is_incoming,
        server: None,
        process: Some("proc".to_owned()),
        local: local.to_vec(),
        peer: peer.to_vec(),
        port,
        client_ports: ports.to_vec(),
        connections: ports.len() as u32,
        failing: 0,
        bytes_per_s: None,
    }
}

async fn host(site: &Site, seed: u8, cluster: &str) -> TestAgent {
    let token = site.token(|new| new.cluster = cluster.to_owned()).await;
    let mut agent = site
        .enroll(&token, seed, &format!("host-{seed}"))
        .await
        .ok()
        .unwrap();
    agent.hello(site).await.ok().unwrap();
    agent
}

async fn tell(site: &Site, agent: &mut TestAgent, address: [u8; 4], connections: Connections) {
    let mut record = agent.record(400);
    record.facts = Some(facts("host", address));
    record.sections = Some(vec![Section {
        kind: KIND_CONNECTIONS,
        body: protocol::wire::encode(&connections),
    }]);
    agent.send(site, &[record]).await.unwrap();
}

/// An application calls a database; the database listens. `port` of the client tells one look from the next.
async fn talk(site: &Site, app: &mut TestAgent, db: &mut TestAgent, port: u16) {
    let outgoing = Connections {
        flows: vec![
            flow(false, APP, DB, 5432, &[port, port + 1]),
            flow(false, APP, [198, 51, 100, 7], 443, &[port + 2]),
        ],
        ..Connections::default()
    };
    let incoming = Connections {
        listeners: vec![BoundListener {
            address: vec![0; 4],
            port: 5432,
            server: None,
            process: Some("postgres".to_owned()),
        }],
        flows: vec![flow(true, DB, APP, 5432, &[port, port + 1])],
        left_out: 0,
    };
    tell(site, app, APP, outgoing).await;
    tell(site, db, DB, incoming).await;
}

async fn topology(site: &Site) -> serde_json::Value {
    let token = site.api_token(Role::Viewer).await;
    let answer = site
        .call("GET", "/api/v1/topology")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.json()
}

fn told(topology: &serde_json::Value) -> Vec<String> {
    topology["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edge| {
            format!(
                "{} > {} :{} x{} {}",
                edge["from"].as_str().unwrap(),
                edge["to"].as_str().unwrap(),
                edge["port"],
                edge["connections"],
                edge["state"].as_str().unwrap()
            )
        })
        .collect()
}

/// Two hosts whose dependency was seen twice.
async fn fleet() -> (Site, TestAgent, TestAgent) {
    let site = site().await;
    let mut app = host(&site, 1, "app-eu").await;
    let mut db = host(&site, 2, "db-eu").await;
    talk(&site, &mut app, &mut db, 40_000).await;
    look(&site.ops).await.unwrap();
    assert!(
        told(&topology(&site).await).is_empty(),
        "once is not enough"
    );
    site.clock.advance_ms(MINUTE_MS);
    talk(&site, &mut app, &mut db, 41_000).await;
    look(&site.ops).await.unwrap();
    (site, app, db)
}

const SEEN: [&str; 2] = [
    "app-eu > db-eu :5432 x2 seen",
    "app-eu > ext:198.51.100.7 :443 x1 seen",
];

#[tokio::test]
async fn a_dependency_is_discovered_from_both_ends_and_kept_over_a_restart() {
    let (site, mut app, mut db) = fleet().await;
    let seen = topology(&site).await;
    assert_eq!(told(&seen), SEEN);
    let clusters: Vec<&str> = seen["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cluster| cluster["slug"].as_str().unwrap())
        .collect();
    assert_eq!(clusters, ["app-eu", "db-eu"]);

    let site = site.restart().await;
    assert_eq!(told(&topology(&site).await), SEEN);
    // After a restart with other ports the edge is still that edge; silence lets it fade.
    site.clock.advance_ms(2 * MINUTE_MS);
    app.hello(&site).await.ok().unwrap();
    db.hello(&site).await.ok().unwrap();
    talk(&site, &mut app, &mut db, 50_000).await;
    look(&site.ops).await.unwrap();
    assert_eq!(told(&topology(&site).await), SEEN);
    site.clock.advance_ms(6 * MINUTE_MS);
    look(&site.ops).await.unwrap();
    assert_eq!(
        told(&topology(&site).await),
        [
            "app-eu > db-eu :5432 xnull stale",
            "app-eu > ext:198.51.100.7 :443 xnull stale"
        ]
    );
}

#[tokio::test]
async fn what_flows_over_a_dependency_is_told_once_and_drawn() {
    let (site, mut app, mut db) = fleet().await;
    assert_eq!(
        topology(&site).await["edges"][0]["bytes_per_s"],
        serde_json::Value::Null
    );
    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = async |path: &str| site.call("GET", path).cookie(&cookie).send().await.body;
    assert!(page("/topology").await.contains("Connections, from"));
    let rate = |bytes_per_s, flow| Flow {
        bytes_per_s: Some(bytes_per_s),
        ..flow
    };
    site.clock.advance_ms(MINUTE_MS);
    let outgoing = Connections {
        flows: vec![
            rate(10_500_000, flow(false, APP, DB, 5432, &[42_000, 42_001])),
            rate(
                1_000_000_000_000_001,
                flow(false, APP, [198, 51, 100, 7], 443, &[42_002]),
            ),
        ],
        ..Connections::default()
    };
    let incoming = Connections {
        flows: vec![rate(
            10_400_000,
            flow(true, DB, APP, 5432, &[42_000, 42_001]),
        )],
        ..Connections::default()
    };
    tell(&site, &mut app, APP, outgoing).await;
    tell(&site, &mut db, DB, incoming).await;
    look(&site.ops).await.unwrap();
    let edges = &topology(&site).await["edges"];
    assert_eq!(edges[0]["bytes_per_s"], 10_500_000);
    assert_eq!(
        edges[1]["bytes_per_s"],
        serde_json::Value::Null,
        "no network is that fast"
    );
    let thin = app::format::THIN;
    let words = format!("port 5432 · 2 connections · 84.0{thin}Mbit/s");
    let graph = page("/topology").await;
    for text in [
        words.as_str(),
        "stroke-width=\"4\" marker-end",
        "Traffic both ways, from",
    ] {
        assert!(graph.contains(text), "lacks {text}\n{graph}");
    }
    assert!(page("/topology?focus=c:db-eu").await.contains(&words));
    let table = page("/topology?view=table").await;
    assert!(table.contains(&format!("84.0{thin}Mbit/s")), "{table}");
    // Written once in five minutes, and read again after a restart.
    site.clock.advance_ms(5 * MINUTE_MS);
    let flows = vec![rate(
        2_000,
        flow(false, APP, [198, 51, 100, 7], 443, &[42_002]),
    )];
    let outgoing = Connections {
        flows,
        ..Connections::default()
    };
    tell(&site, &mut app, APP, outgoing).await;
    look(&site.ops).await.unwrap();
    let site = site.restart().await;
    let edges = &topology(&site).await["edges"];
    assert_eq!(edges[1]["bytes_per_s"], 2_000);
}

#[tokio::test]
async fn the_page_shows_the_map_in_each_view_and_says_what_it_did_not_understand() {
    let (site, ..) = fleet().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    for (path, wanted, not_wanted) in [
        (
            "/topology",
            vec![
                "class=\"topo-map\"",
                "app-eu → db-eu: port 5432 · 2 connections",
                "data-box=\"ext:services\"",
                "topo-cell-ok",
            ],
            vec!["Tidy", "<table"],
        ),
        (
            "/topology?view=cells",
            vec!["topo-square-link", "host: OK"],
            vec!["topo-map"],
        ),
        (
            "/topology?view=table",
            vec!["<table", "198.51.100.7", "5432"],
            vec!["topo-map"],
        ),
        (
            "/topology?focus=c:db-eu",
            vec![
                "Used by",
                "1 cluster depends",
                "/clusters/db-eu",
                "/nodes?q=cluster:db-eu",
            ],
            vec!["Move…"],
        ),
        (
            "/topology?only=problems",
            vec!["No problems", "2 clusters without problems are not shown."],
            vec!["topo-map"],
        ),
        (
            "/topology?hide=db",
            vec!["1 cluster is hidden."],
            vec!["data-box=\"db-eu\""],
        ),
        (
            "/topology?focus=c:nobody&system=none",
            vec!["There is no cluster", "There is no system"],
            vec![],
        ),
    ] {
        let page = site.call("GET", path).cookie(&cookie).send().await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        for text in wanted {
            assert!(
                page.body.contains(text),
                "{path} lacks {text}\n{}",
                page.body
            );
        }
        for text in not_wanted {
            assert!(!page.body.contains(text), "{path} has {text}");
        }
        assert!(
            !page.body.contains("style=\""),
            "{path} has an inline style"
        );
    }
}

#[tokio::test]
async fn operators_move_boxes_and_tidy_the_map_and_both_are_told() {
    let (site, ..) = fleet().await;
    let viewer = site.sign_in_as(Role::Viewer).await;
    let operator = site.sign_in_as(Role::Operator).await;
    let place = || {
        let known = site.ops.topology.known();
        *known.place("", "db-eu").unwrap()
    };
    let (before, events) = (place(), site.event_count().await);
    let form = "cluster=db-eu&to=down&back=/topology?focus=c:db-eu";
    let refused = site
        .call("POST", "/topology/move")
        .cookie(&viewer)
        .form(form)
        .send()
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!((place(), site.event_count().await), (before, events));

    let moved = site
        .call("POST", "/topology/move")
        .cookie(&operator)
        .form(form)
        .send()
        .await;
    assert_eq!(
        (moved.status, moved.location.as_str()),
        (StatusCode::SEE_OTHER, "/topology?focus=c:db-eu")
    );
    assert_eq!(
        (place().at.x, place().at.y),
        (before.at.x, before.at.y + 48)
    );
    assert!(place().is_pinned);
    assert_eq!(site.event_count().await, events + 1);
    // A look moves nothing.
    let pinned = place();
    look(&site.ops).await.unwrap();
    assert_eq!(place(), pinned);

    let foreign = "back=https://elsewhere.example/topology?";
    let tidied = site
        .call("POST", "/topology/tidy")
        .cookie(&operator)
        .form(foreign)
        .send()
        .await;
    assert_eq!(
        (tidied.status, tidied.location.as_str()),
        (StatusCode::SEE_OTHER, "/topology")
    );
    assert_eq!((place().at, place().is_pinned), (before.at, false));
    assert_eq!(site.event_count().await, events + 2);

    // Undone, it is as somebody had left it; undone again, tidy.
    let page = site.call("GET", "/topology").cookie(&operator).send().await;
    assert!(page.body.contains("Undo tidy"));
    let undo = async || {
        let undone = site.call("POST", "/topology/tidy").cookie(&operator);
        undone.form("undo=1").send().await.status
    };
    assert_eq!(undo().await, StatusCode::SEE_OTHER);
    assert_eq!(place(), pinned);
    assert_eq!(undo().await, StatusCode::SEE_OTHER);
    assert_eq!((place().at, place().is_pinned), (before.at, false));
    let nothing = site.call("POST", "/topology/tidy").cookie(&operator);
    let nothing = nothing.form("undo=1&system=other").send().await;
    assert_eq!(
        nothing.status,
        StatusCode::CONFLICT,
        "that map was never tidied"
    );

    for (form, status) in [
        ("cluster=nobody&to=down", StatusCode::NOT_FOUND),
        (
            "cluster=db-eu&to=sideways",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
    ] {
        let answer = site
            .call("POST", "/topology/move")
            .cookie(&operator)
            .form(form)
            .send()
            .await;
        assert_eq!(answer.status, status, "{form}");
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_and_hostile_names_do_no_harm() {
    let site = site().await;
    let mut app = host(&site, 1, "app-eu").await;
    let mut record = app.record(400);
    record.sections = Some(vec![Section {
        kind: KIND_CONNECTIONS,
        body: b"rubbish".to_vec(),
    }]);
    app.send(&site, &[record]).await.unwrap();
    look(&site.ops).await.unwrap();
    let hostile = Connections {
        flows: vec![
            Flow {
                process: Some("</svg><script>alert(1)</script>".to_owned()),
                ..flow(false, APP, [198, 51, 100, 7], 443, &[1])
            },
            Flow {
                local: vec![1, 2, 3],
                ..flow(false, APP, DB, 443, &[1])
            },
        ],
        ..Connections::default()
    };
    tell(&site, &mut app, APP, hostile.clone()).await;
    look(&site.ops).await.unwrap();
    site.clock.advance_ms(2 * MINUTE_MS);
    tell(&site, &mut app, APP, hostile).await;
    look(&site.ops).await.unwrap();
    assert_eq!(
        told(&topology(&site).await),
        ["app-eu > ext:198.51.100.7 :443 x1 seen"]
    );
    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = site
        .call("GET", "/topology?find=%3Cscript%3E")
        .cookie(&cookie)
        .send()
        .await;
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
}

#[tokio::test]
async fn calls_to_a_listener_that_is_gone_fail_on_its_edge_and_invent_none() {
    let (site, mut app, mut db) = fleet().await;
    site.clock.advance_ms(MINUTE_MS);
    let failing = Connections {
        flows: vec![Flow {
            failing: 1,
            ..flow(false, APP, DB, 5432, &[42_000])
        }],
        ..Connections::default()
    };
    tell(&site, &mut app, APP, failing.clone()).await;
    tell(&site, &mut db, DB, Connections::default()).await;
    look(&site.ops).await.unwrap();
    site.clock.advance_ms(MINUTE_MS);
    tell(&site, &mut app, APP, failing).await;
    tell(&site, &mut db, DB, Connections::default()).await;
    look(&site.ops).await.unwrap();
    let seen = topology(&site).await;
    assert_eq!(told(&seen), SEEN_FAILING);
    assert_eq!(seen["edges"][0]["failures"], 1);
    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = site.call("GET", "/topology").cookie(&cookie).send().await;
    assert!(
        page.body.contains("data-tone=\"critical\""),
        "{}",
        page.body
    );
    assert!(page.body.contains("1 failing"));
}

/// The second is no longer told, and not yet old.
const SEEN_FAILING: [&str; 2] = [
    "app-eu > db-eu :5432 x1 seen",
    "app-eu > ext:198.51.100.7 :443 x1 seen",
];

#[tokio::test]
async fn a_cluster_is_on_the_map_as_it_is_in_the_list_of_clusters() {
    let (site, mut app, mut db) = fleet().await;
    let _second = host(&site, 3, "db-eu").await;
    let operator = site.sign_in_as(Role::Operator).await;
    let form = "kind=stateless&min_available=1&role_order=&notes=";
    let saved = site
        .call("POST", "/clusters/db-eu/settings")
        .cookie(&operator)
        .form(form)
        .send()
        .await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER);
    // One of the database's hosts never reported: that is unknown, and capped while one is enough.
    site.clock.advance_ms(1_000);
    talk(&site, &mut app, &mut db, 45_000).await;
    let clusters = site.told("/api/v1/clusters").await;
    let listed: Vec<&serde_json::Value> = clusters["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cluster| &cluster["status"])
        .collect();
    let map = topology(&site).await;
    let mapped: Vec<&serde_json::Value> = map["clusters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cluster| &cluster["status"])
        .collect();
    assert_eq!(mapped, listed);
    assert_eq!(mapped[1], "warning", "{map}");
    let page = site.call("GET", "/topology").cookie(&operator).send().await;
    assert!(
        page.body.contains("min 1 available: OK (1)"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn operators_declare_dependencies_which_are_dotted_until_they_are_seen() {
    let (site, ..) = fleet().await;
    let viewer = site.sign_in_as(Role::Viewer).await;
    let operator = site.sign_in_as(Role::Operator).await;
    let send = async |cookie: &str, form: &str| {
        let sent = site.call("POST", "/topology/declare").cookie(cookie);
        sent.form(form).send().await
    };
    let new = "from=db-eu&to=app-eu&port=8080&back=/topology?focus=c:db-eu";
    let before = site.event_count().await;
    assert_eq!(send(&viewer, new).await.status, StatusCode::FORBIDDEN);
    assert_eq!(site.event_count().await, before);
    let declared = send(&operator, new).await;
    assert_eq!(
        (declared.status, declared.location.as_str()),
        (StatusCode::SEE_OTHER, "/topology?focus=c:db-eu")
    );
    // Once more is no news.
    send(&operator, new).await;
    assert_eq!(site.event_count().await, before + 1);
    let line = "db-eu > app-eu :8080 xnull declared".to_owned();
    assert!(told(&topology(&site).await).contains(&line));
    let page = site.call("GET", "/topology").cookie(&viewer).send().await;
    assert!(
        page.body.contains("data-state=\"declared\""),
        "{}",
        page.body
    );
    for (form, field) in [
        ("from=db-eu&to=app-eu&port=0", "port"),
        ("from=db-eu&to=app-eu&port=http", "port"),
        ("from=db-eu&to=nobody&port=80", "to"),
        ("from=db-eu&to=db-eu&port=80", "to"),
    ] {
        let refused = send(&operator, form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(refused.body.contains(field), "{form}: {}", refused.body);
    }
    // It stays over a restart, and goes when it is taken back.
    let site = site.restart().await;
    assert!(told(&topology(&site).await).contains(&line));
    let back = site
        .call("POST", "/topology/declare")
        .cookie(&operator)
        .form("from=db-eu&to=app-eu&port=8080&take=back")
        .send()
        .await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert!(!told(&topology(&site).await).contains(&line));
}

#[tokio::test]
async fn the_map_of_an_earlier_instant_is_told_from_what_is_stored() {
    let (site, mut app, _db) = fleet().await;
    let then_ms = site.ops.clock.now().0;
    // The database falls silent; ten minutes later nobody has seen the edge.
    for _ in 0..10 {
        site.clock.advance_ms(MINUTE_MS);
        tell(&site, &mut app, APP, Connections::default()).await;
        look(&site.ops).await.unwrap();
    }
    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = async |path: String| site.call("GET", &path).cookie(&cookie).send().await.body;
    let at = |ms: i64| format!("/topology?to={ms}");
    let now = page("/topology".to_owned()).await;
    assert!(now.contains("db-eu, No data"), "{now}");
    assert!(now.contains("data-state=\"stale\""), "{now}");
    let then = page(at(then_ms)).await;
    assert!(then.contains("The map as of "), "{then}");
    assert!(then.contains("db-eu, OK"), "{then}");
    assert!(then.contains("data-state=\"seen\""), "{then}");
    assert!(!then.contains("2 connections"), "how many is not kept");
    assert!(!then.contains("name=\"to\" value=\"left\""));
    // Before anything was enrolled there is nothing, and what is to come is not known.
    let earlier = page(at(then_ms - 86_400_000)).await;
    assert!(!earlier.contains("data-box=\"db-eu\""), "{earlier}");
    let later = page(at(then_ms + 86_400_000)).await;
    assert!(later.contains("still to come"), "{later}");
    assert!(!later.contains("The map as of "));
}
