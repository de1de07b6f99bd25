//! Clusters and events against a whole server: roll-up with reasons, settings with their event, charts, pages, the API.

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
use protocol::v1::report::Group;
use protocol::v1::section::{KIND_SERVERS, Section, Server, Servers};

const MINUTE_MS: u64 = 60_000;

/// So many hosts in cluster `web` that have reported once.
async fn reporting(site: &Site, count: u8) -> Vec<TestAgent> {
    let token = site.token(|new| new.uses = 50).await;
    let mut agents = Vec::new();
    for seed in 1..=count {
        let mut agent = site
            .enroll(&token, seed, &format!("web-{seed:02}"))
            .await
            .ok()
            .unwrap();
        agent.hello(site).await.ok().unwrap();
        agents.push(agent);
    }
    for agent in &mut agents {
        report(site, agent, 100).await;
    }
    agents
}

async fn report(site: &Site, agent: &mut TestAgent, cpu: i64) {
    let record = agent.record(cpu);
    agent.send(site, &[record]).await.ok().unwrap();
}

async fn cluster(site: &Site, token: &str) -> serde_json::Value {
    let answer = site
        .call("GET", "/api/v1/clusters/web")
        .bearer(token)
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_cluster_is_what_its_nodes_add_up_to_and_a_minimum_caps_it() {
    let site = site().await;
    let mut agents = reporting(&site, 4).await;
    let token = site.api_token(Role::Viewer).await;
    let all_well = cluster(&site, &token).await;
    assert_eq!(
        (&all_well["status"], &all_well["reason"]),
        (&"ok".into(), &"4 of 4 OK".into())
    );
    assert_eq!(all_well["min_available_met"], serde_json::Value::Null);

    site.clock.advance_ms(MINUTE_MS);
    for agent in &mut agents[1..] {
        report(&site, agent, 100).await;
    }
    let silent = cluster(&site, &token).await;
    assert_eq!(
        (&silent["status"], &silent["reason"]),
        (&"unknown".into(), &"1 no data of 4".into())
    );

    let cookie = site.sign_in_as(Role::Operator).await;
    let saved = site
        .call("POST", "/clusters/web/settings")
        .cookie(&cookie)
        .form("kind=replicated&min_available=75%25&role_order=primary%2C+replica&notes=ask+Ann")
        .send()
        .await;
    assert_eq!(
        (saved.status, saved.location.as_str()),
        (StatusCode::SEE_OTHER, "/clusters/web/settings?saved=1")
    );
    let capped = cluster(&site, &token).await;
    assert_eq!(capped["status"], "warning");
    assert_eq!(
        capped["reason"],
        "1 no data of 4 · min 75 % = 3 available: OK (3)"
    );
    assert_eq!(
        (&capped["kind"], &capped["min_available_met"]),
        (&"replicated".into(), &true.into())
    );
    assert_eq!(
        capped["role_order"],
        serde_json::json!(["primary", "replica"])
    );

    let listed = site
        .call("GET", "/api/v1/clusters")
        .bearer(&token)
        .send()
        .await
        .json();
    assert_eq!(listed["items"][0]["id"], "web");
    let missing = site
        .call("GET", "/api/v1/clusters/none")
        .bearer(&token)
        .send()
        .await;
    assert!(missing.status == StatusCode::NOT_FOUND && missing.is_problem());
}

#[tokio::test]
async fn settings_have_their_event_and_what_is_wrong_is_named_and_kept() {
    let site = site().await;
    reporting(&site, 1).await;
    let cookie = site.sign_in_as(Role::Operator).await;
    let before = site.event_count().await;
    let refused = site
        .call("POST", "/clusters/web/settings")
        .cookie(&cookie)
        .form("kind=stateless&min_available=%3Cb%3Emost&role_order=a%2Ca&notes=kept+text")
        .send()
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "&lt;b&gt;most",
        "stands there twice",
        "kept text",
        "is no minimum",
    ] {
        assert!(refused.body.contains(part), "{part}: {}", refused.body);
    }
    assert!(!refused.body.contains("<b>most"));
    assert_eq!(site.event_count().await, before, "nothing was changed");

    let form = "kind=stateless&min_available=1&role_order=&notes=";
    for expected in [before + 1, before + 1] {
        let saved = site
            .call("POST", "/clusters/web/settings")
            .cookie(&cookie)
            .form(form)
            .send()
            .await;
        assert_eq!(saved.status, StatusCode::SEE_OTHER);
        assert_eq!(
            site.event_count().await,
            expected,
            "the same again is no change"
        );
    }
    let events = server::events::store::list_of_cluster(site.ops.state.read(), "web", None, 10)
        .await
        .unwrap();
    assert_eq!(events[0].verb, "cluster settings changed");
    assert_eq!(
        (events[0].subject.as_str(), events[0].detail.as_str()),
        ("web", "min available none → 1")
    );
    assert!(
        events.iter().any(|event| event.verb == "node enrolled"),
        "{events:?}"
    );

    let viewer = site.sign_in_as(Role::Viewer).await;
    let denied = site
        .call("POST", "/clusters/web/settings")
        .cookie(&viewer)
        .form(form)
        .send()
        .await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    let none = site
        .call("POST", "/clusters/none/settings")
        .cookie(&cookie)
        .form(form)
        .send()
        .await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

/// What a settings form carries along of what was stored when it was made, as a browser sends it.
fn seen(page: &str) -> String {
    let field = page.split("name=\"seen\" value=\"").nth(1).unwrap();
    let value = field.split_once('"').unwrap().0;
    value
        .replace("&quot;", "%22")
        .replace("&amp;", "%26")
        .replace('+', "%2B")
}

#[tokio::test]
async fn who_is_overtaken_while_they_write_is_told_and_loses_nothing() {
    let site = site().await;
    reporting(&site, 1).await;
    let cookie = site.sign_in_as(Role::Operator).await;
    let opened = site
        .call("GET", "/clusters/web/settings")
        .cookie(&cookie)
        .send()
        .await;
    let first = seen(&opened.body);
    let post = |form: String| {
        site.call("POST", "/clusters/web/settings")
            .cookie(&cookie)
            .form(&form)
            .send()
    };
    let ann =
        format!("kind=stateless&min_available=1&role_order=&notes=by+Ann&tags=az%3Da&seen={first}");
    assert_eq!(post(ann).await.status, StatusCode::SEE_OTHER);

    let before = site.event_count().await;
    let bob = |seen: &str| {
        format!("kind=replicated&min_available=&role_order=&notes=by+Bob&tags=&seen={seen}")
    };
    let overtaken = post(bob(&first)).await;
    assert_eq!(overtaken.status, StatusCode::CONFLICT);
    for part in [
        "changed minimum available, tags, notes while you wrote",
        "It is now: by Ann",
        ">by Bob</textarea>",
        ">az=a</textarea>",
        "value=\"replicated\" selected",
    ] {
        assert!(overtaken.body.contains(part), "{part}: {}", overtaken.body);
    }
    assert_eq!(site.event_count().await, before, "nothing was changed");

    // What they see now is what is stored: saving again is a decision.
    let now = seen(&overtaken.body);
    assert_ne!(now, first);
    assert_eq!(post(bob(&now)).await.status, StatusCode::SEE_OTHER);
    let page = site
        .call("GET", "/clusters/web/settings")
        .cookie(&cookie)
        .send()
        .await;
    assert!(page.body.contains(">by Bob</textarea>"), "{}", page.body);
}

#[tokio::test]
async fn pages_render_whole_with_charts_and_heatmap() {
    let site = site().await;
    let mut agents = reporting(&site, 5).await;
    for minute in 0..10 {
        site.clock.advance_ms(MINUTE_MS);
        for (place, agent) in agents.iter_mut().enumerate() {
            let cpu = if place == 4 { 900 } else { 100 + minute };
            report(&site, agent, cpu).await;
        }
    }
    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = site
        .call("GET", "/clusters/web")
        .cookie(&cookie)
        .send()
        .await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "5 of 5 OK",
        "median of 5 nodes",
        "aria-label=\"Processor of 5 nodes of web, last hour: greatest 90",
        "class=\"heat-cells\"",
        "Saturation",
        "/topology?focus=c:web",
    ] {
        assert!(page.body.contains(part), "{part}");
    }
    let named = page
        .body
        .split("class=\"legend-name\"")
        .filter(|part| part.starts_with("><bdi>web-05"))
        .count();
    assert!(named >= 1, "the one that differs is named");
    for (path, part) in [
        ("/clusters", "5 of 5 OK"),
        ("/clusters?sort=-cpu&q=web", "web"),
        ("/clusters?q=nothing", "No clusters match"),
        (
            "/clusters?q=cluster:w*%20status:ok%20cpu%3C101",
            "5 of 5 OK",
        ),
        ("/clusters?q=role:leader", "No clusters match"),
        ("/clusters?q=-cluster:web", "No clusters match"),
        ("/clusters?q=cluster:web%20cpu%3Emuch", "Leave it out"),
        ("/clusters?sort=size", "there is no column"),
        ("/clusters/web/nodes", "web-05"),
        ("/clusters/web/events", "node enrolled"),
        ("/clusters/web/settings", "needs role operator"),
        ("/", "5 of 5 OK"),
        ("/wall", "All 5 nodes are OK"),
        ("/events", "node enrolled"),
        ("/events?kind=node+enrolled&range=1h", "5 events, last hour"),
    ] {
        let answer = site.call("GET", path).cookie(&cookie).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.body.contains(part), "{path} lacks {part}");
    }
    let missing = site
        .call("GET", "/clusters/none")
        .cookie(&cookie)
        .send()
        .await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let csv = site
        .call("GET", "/clusters.csv")
        .cookie(&cookie)
        .send()
        .await;
    assert!(
        csv.body
            .contains("default,,web,stateless,ok,5 of 5 OK,5,5,,,0.2"),
        "{}",
        csv.body
    );
    let json = site
        .call("GET", "/clusters.json")
        .cookie(&cookie)
        .send()
        .await
        .json();
    assert_eq!(json[0]["id"], "web");
    let wrong = site.call("GET", "/clusters.csv?q=cpu%3Emuch");
    let wrong = wrong.cookie(&cookie).send().await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("much"), "{}", wrong.body);
}

#[tokio::test]
async fn many_that_fall_silent_together_are_one_line() {
    let site = site().await;
    let mut agents = reporting(&site, 12).await;
    site.clock.advance_ms(MINUTE_MS);
    for agent in &mut agents[..4] {
        report(&site, agent, 100).await;
    }
    let overview = server::fleet::overview::overview(&site.ops, None)
        .await
        .unwrap();
    assert_eq!(overview.attention.len(), 1, "{:?}", overview.attention);
    let cookie = site.sign_in_as(Role::Viewer).await;
    for path in ["/", "/clusters/web", "/wall"] {
        let page = site.call("GET", path).cookie(&cookie).send().await;
        let banner = "8 of 12 nodes in web stopped reporting at 03:12";
        assert!(page.body.contains(banner), "{path}");
    }
}

#[tokio::test]
async fn the_log_is_paged_by_key_filtered_and_counted() {
    let site = site().await;
    let token = site.token(|new| new.uses = 150).await;
    for seed in 1..=120u8 {
        site.clock.advance_ms(1_000);
        site.enroll(&token, seed, &format!("h-{seed:03}"))
            .await
            .ok()
            .unwrap();
    }
    let asked = |cursor| app::events::view::EventsQuery {
        kind: "node enrolled".to_owned(),
        cursor,
        ..Default::default()
    };
    let first = server::events::service::page(&site.ops, &asked(None))
        .await
        .unwrap();
    assert_eq!((first.rows.len(), first.matching), (100, 120));
    assert_eq!(first.histogram.iter().sum::<u32>(), 120);
    assert_eq!(first.rows[0].event.subject, "h-120 in cluster web");
    assert!(
        first.kinds.contains(&("node enrolled".to_owned(), 120)),
        "{:?}",
        first.kinds
    );
    let second = server::events::service::page(&site.ops, &asked(first.next_cursor))
        .await
        .unwrap();
    assert_eq!((second.rows.len(), second.next_cursor), (20, None));
    assert_eq!(
        second.rows[0].event.subject, "h-020 in cluster web",
        "nothing twice, nothing left out"
    );

    let new = server::events::service::count_new(&site.ops, &asked(None), first.last_seq)
        .await
        .unwrap();
    assert_eq!(new, 0);
    site.enroll(&token, 200, "late").await.ok().unwrap();
    let new = server::events::service::count_new(&site.ops, &asked(None), first.last_seq)
        .await
        .unwrap();
    assert_eq!(new, 1);

    let node = first.rows[0].event.node_id.clone().unwrap();
    let of_node = app::events::view::EventsQuery {
        object: node,
        ..Default::default()
    };
    let found = server::events::service::page(&site.ops, &of_node)
        .await
        .unwrap();
    assert!(
        found
            .rows
            .iter()
            .all(|line| line.event.subject.starts_with("h-120")),
        "{:?}",
        found.rows
    );
    let cookie = site.sign_in_as(Role::Viewer).await;
    let csv = site
        .call("GET", "/events.csv?kind=node%20enrolled")
        .cookie(&cookie)
        .send()
        .await;
    assert_eq!(csv.body.lines().count(), 122);
    assert!(
        csv.body.starts_with(
            "seq,time,actor,kind,object,node_id,detail,actor_node_id,before,after\r\n"
        )
    );
}

/// A report of a host with one Tomcat: its share of the processors in thousandths, and its connections.
async fn report_server(
    site: &Site,
    agent: &mut TestAgent,
    version: &str,
    cpu: i64,
    connections: i64,
) {
    let server = Server {
        key: "tomcat:/srv/shop".to_owned(),
        pack: "tomcat".to_owned(),
        name: format!("shop-{}", agent.process[0]),
        product: Some("Apache Tomcat".to_owned()),
        version: Some(version.to_owned()),
        home: Some("/srv/shop".to_owned()),
        pid: Some(7),
        started_at_s: Some(1_790_000_000),
        state: 1,
        ..Server::default()
    };
    let list = Servers {
        servers: vec![server],
        ..Servers::default()
    };
    let mut record = agent.record(100);
    record.sections = Some(vec![Section {
        kind: KIND_SERVERS,
        body: protocol::wire::encode(&list),
    }]);
    record.groups.push(Group {
        instance: "tomcat:/srv/shop".to_owned(),
        values: vec![81, cpu, 88, 125, 89, connections],
    });
    agent.send(site, &[record]).await.ok().unwrap();
}

#[tokio::test]
async fn servers_count_instead_of_their_hosts_and_their_own_values_are_drawn() {
    let site = site().await;
    let mut agents = reporting(&site, 5).await;
    for _ in 0..6 {
        site.clock.advance_ms(MINUTE_MS);
        for (place, agent) in agents.iter_mut().enumerate() {
            let (version, cpu) = if place == 0 {
                ("9.0.1", 800)
            } else {
                ("10.1.6", 300)
            };
            report_server(&site, agent, version, cpu, 40).await;
        }
    }
    let token = site.api_token(Role::Viewer).await;
    let told = cluster(&site, &token).await;
    assert_eq!(
        (&told["reason"], &told["nodes"]),
        (&"5 of 5 OK".into(), &5.into())
    );
    assert_eq!(
        told["versions"],
        serde_json::json!([
            {"product": "Apache Tomcat", "version": "10.1.6", "nodes": 4},
            {"product": "Apache Tomcat", "version": "9.0.1", "nodes": 1},
        ])
    );
    assert_eq!(told["signals"]["connections"], 200.0);
    let range = app::fleet::view::RangeQuery::default();
    let (charts, points) = server::fleet::clusters::charts::charts(&site.ops, "web", &range)
        .await
        .unwrap();
    // What is read by the pointer is what is drawn.
    let read = points.chart("cpu").unwrap();
    let labels: Vec<&str> = read.lines.iter().map(|line| line.label.as_str()).collect();
    assert_eq!(labels, ["median of 5 nodes", "web-01/shop-1"]);
    assert_eq!(read.lines[0].values.last(), Some(&Some(0.3)));
    // As the nodes' own chart: no axis of minutes for milliseconds.
    let probe = points.chart("probe").unwrap();
    assert_eq!(probe.lines[0].values.last(), Some(&Some(12.5)));
    let by_memory = app::fleet::view::RangeQuery {
        metric: "connections".to_owned(),
        ..range.clone()
    };
    let (other, _) = server::fleet::clusters::charts::charts(&site.ops, "web", &by_memory)
        .await
        .unwrap();
    assert_eq!(other.heatmap.unwrap().title, "TCP connections");
    assert_eq!(
        (charts.metric.as_str(), other.metric.as_str()),
        ("cpu", "connections")
    );
    assert!(charts.metrics.iter().any(|(key, _)| key == "connections"));
    let unknown = app::fleet::view::RangeQuery {
        metric: "colour".to_owned(),
        ..range.clone()
    };
    let (unknown, _) = server::fleet::clusters::charts::charts(&site.ops, "web", &unknown)
        .await
        .unwrap();
    assert_eq!(unknown.metric, "cpu");
    assert!(unknown.notes[0].contains("`colour`"), "{:?}", unknown.notes);
    let cpu = charts
        .charts
        .iter()
        .find(|chart| chart.key == "cpu")
        .unwrap();
    let lines: Vec<(&str, Option<&str>)> = cpu
        .series
        .iter()
        .map(|line| (line.label.as_str(), line.latest.as_deref()))
        .collect();
    assert_eq!(
        lines,
        [
            ("median of 5 nodes", Some("30\u{202F}%")),
            ("web-01/shop-1", Some("80\u{202F}%"))
        ],
        "of the servers, not of their hosts"
    );
    let connections = charts
        .charts
        .iter()
        .find(|chart| chart.key == "connections")
        .unwrap();
    assert_eq!(connections.series[0].latest.as_deref(), Some("40"));
    let map = charts.heatmap.unwrap();
    assert_eq!(
        (map.rows[0].name.as_str(), map.rows.len()),
        ("web-01/shop-1", 5)
    );
}
