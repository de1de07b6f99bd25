//! The log as people and programs read it: who is a name, a burst is a line, a change says what it made of what.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use app::fleet::view::Change;
use axum::http::StatusCode;
use common::{Site, site};
use domain::access::Role;
use protocol::v1::section::{KIND_SERVERS, Section, Server, Servers};
use server::events::service::{Names, changes};
use server::events::store::Scope;
use server::events::{ChainState, store};

/// One host that tells of so many servers at once.
async fn host_with_servers(site: &Site, count: usize) -> String {
    let mut agent = site.agent(1).await;
    let servers = (0..count).map(|n| Server {
        key: format!("tomcat:/srv/{n}"),
        pack: "tomcat".to_owned(),
        name: format!("shop-{n}"),
        pid: Some(7),
        state: 1,
        ..Server::default()
    });
    let list = Servers {
        servers: servers.collect(),
        ..Servers::default()
    };
    let mut record = agent.record(100);
    record.sections = Some(vec![Section {
        kind: KIND_SERVERS,
        body: protocol::wire::encode(&list),
    }]);
    agent.send(site, &[record]).await.ok().unwrap();
    agent.node_id
}

fn burst(changes: &[Change]) -> &Change {
    let found = changes
        .iter()
        .find(|change| change.event.verb == "server appeared");
    found.unwrap()
}

#[tokio::test]
async fn an_agent_is_called_like_its_host_and_a_burst_is_one_line_that_leads_to_all_of_it() {
    let site = site().await;
    let node_id = host_with_servers(&site, 36).await;
    let token = site.api_token(Role::Viewer).await;
    let events = site
        .call("GET", "/api/v1/events?limit=100")
        .bearer(&token)
        .send()
        .await
        .json();
    let told = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["verb"] == "server appeared");
    let mut count = 0;
    for event in told {
        assert_eq!(event["actor_node_id"], node_id.as_str(), "{event}");
        assert!(
            !event["actor"].as_str().unwrap().starts_with("agent "),
            "{event}"
        );
        count += 1;
    }
    assert_eq!(count, 36);

    let lines = changes(&site.ops, Scope::All, 12).await.unwrap();
    let line = burst(&lines);
    assert_eq!((line.count, line.objects, line.is_cut), (36, 36, false));
    assert_eq!(line.event.actor_node_id.as_deref(), Some(node_id.as_str()));
    assert!(
        lines.len() < 12,
        "everything else is told one by one: {lines:?}"
    );
    let of_cluster = changes(&site.ops, Scope::Cluster("web"), 12).await.unwrap();
    assert_eq!(burst(&of_cluster).count, 36);
    let of_node = changes(&site.ops, Scope::Node(&node_id), 12).await.unwrap();
    assert!(
        of_node
            .iter()
            .all(|change| change.event.verb != "server appeared")
    );

    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = site.call("GET", "/").cookie(&cookie).send().await;
    assert!(page.body.contains("36 × server appeared"), "{}", page.body);
    assert!(!page.body.contains("agent h"), "no internal ids");
    let list = "/events?kind=server%20appeared&cluster=web&range=24h";
    let list = site.call("GET", list).cookie(&cookie).send().await;
    assert_eq!(list.body.matches("class=\"event-line\"").count(), 36);
    let none = "/events?kind=server%20appeared&cluster=other&range=24h";
    let none = site.call("GET", none).cookie(&cookie).send().await;
    assert_eq!(none.body.matches("class=\"event-line\"").count(), 0);

    // What is written is what was said first: readers are told names, the chain holds.
    let records = store::list_latest(site.ops.state.read(), None, None, 100).await;
    let records = records.unwrap();
    assert!(
        records
            .iter()
            .any(|event| event.actor.starts_with("agent "))
    );
    let whole = store::verify(site.ops.state.read()).await.unwrap();
    assert!(matches!(whole, ChainState::Whole { .. }), "{whole:?}");
}

#[tokio::test]
async fn agents_of_hosts_that_are_gone_keep_the_names_they_had() {
    let site = site().await;
    let mut ids = Vec::new();
    for seed in [1, 2] {
        let agent = site.agent(seed).await;
        server::agents::decide::remove(&site.ops, &site.root(), &agent.node_id)
            .await
            .unwrap();
        ids.push(format!("agent {}", agent.host_id));
    }
    ids.push("agent hnever".to_owned());
    let names = Names::of(&site.ops, ids.iter().map(String::as_str)).await;
    let names = names.unwrap();
    let told: Vec<String> = ids.iter().map(|id| names.of_actor(id).0).collect();
    assert_eq!(told, ["host-1", "host-2", "an agent that is gone"]);
}

#[tokio::test]
async fn tags_and_notes_are_said_by_a_form_filter_the_lists_and_are_in_the_log() {
    let site = site().await;
    let node_id = host_with_servers(&site, 1).await;
    let operator = site.sign_in_as(Role::Operator).await;
    let save = async |body: &str| {
        let path = format!("/nodes/{node_id}/labels");
        site.call("POST", &path)
            .cookie(&operator)
            .header("x-request-id", "r-17")
            .form(body)
            .send()
            .await
    };
    let answer =
        save("tags=tier%3Dedge%0D%0Aaz%3Db&notes=Ask+*Ann*+%3Cscript%3Ealert(1)%3C%2Fscript%3E")
            .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);

    let token = site.api_token(Role::Viewer).await;
    let nodes = async |filter: &str| {
        let path = format!("/api/v1/nodes?filter={filter}");
        let answer = site.call("GET", &path).bearer(&token).send().await.json();
        answer["items"].as_array().unwrap().clone()
    };
    // A server has its host's tags until somebody says otherwise.
    let edge = nodes("tag:tier=edge").await;
    assert_eq!(edge.len(), 2);
    assert_eq!(
        edge[0]["tags"],
        serde_json::json!({"az": "b", "tier": "edge"})
    );
    let server = edge.iter().find(|node| node["kind"] == "tomcat").unwrap();
    let server_id = server["id"].as_str().unwrap();
    let path = format!("/nodes/{server_id}/labels");
    let answer = site
        .call("POST", &path)
        .cookie(&operator)
        .form("tags=az%3Dc")
        .send();
    assert_eq!(answer.await.status, StatusCode::SEE_OTHER);
    assert_eq!(
        nodes("tag:tier=edge").await.len(),
        1,
        "hidden on the server"
    );
    assert_eq!(nodes("tag:az=c").await.len(), 1);

    let page = format!("/nodes/{node_id}");
    let page = site.call("GET", &page).cookie(&operator).send().await.body;
    assert!(page.contains("Ask <em>Ann</em> &lt;script&gt;"), "{page}");
    let event = store::list_latest(site.ops.state.read(), Some(&node_id), None, 50)
        .await
        .unwrap();
    let tags = event
        .iter()
        .find(|event| event.verb == "tags changed")
        .unwrap();
    assert_eq!(tags.before.as_deref(), Some(""));
    assert_eq!(tags.after.as_deref(), Some("az=b, tier=edge"));
    assert_eq!(tags.address.as_deref(), Some("127.0.0.1"));
    // Ours, whatever the client calls its request.
    assert!(tags.request_id.as_deref().is_some_and(|id| id != "r-17"));
    let whole = store::verify(site.ops.state.read()).await.unwrap();
    assert!(matches!(whole, ChainState::Whole { .. }), "{whole:?}");
    // Nothing is changed when a field is wrong, or when somebody was faster; what was typed is kept.
    let before = site.event_count().await;
    for (body, part) in [
        (
            "tags=no+tag&notes=kept",
            "`no tag` is no tag: write key=value",
        ),
        (
            "tags=a%3D1&notes=kept&version=0123456789abcdef",
            "somebody changed tags or notes meanwhile",
        ),
    ] {
        let answer = save(body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            answer.body.contains(part) && answer.body.contains(">kept</textarea>"),
            "{}",
            answer.body
        );
    }
    assert_eq!(site.event_count().await, before);
    let viewer = site.sign_in_as(Role::Viewer).await;
    let path = format!("/nodes/{node_id}/labels");
    let answer = site
        .call("POST", &path)
        .cookie(&viewer)
        .form("tags=a%3D1")
        .send();
    assert_eq!(answer.await.status, StatusCode::FORBIDDEN);

    // The audit log is of people alone, says from where, and is for who manages them.
    let admin = site.sign_in_as(Role::Admin).await;
    let get = async |path: &str, cookie: &str| site.call("GET", path).cookie(cookie).send().await;
    let audit = get("/audit?verify=1", &admin).await;
    assert_eq!(audit.status, StatusCode::OK, "{}", audit.body);
    for part in [
        "tags changed",
        "az=b, tier=edge",
        "127.0.0.1",
        "The chain is whole",
    ] {
        assert!(audit.body.contains(part), "{part}: {}", audit.body);
    }
    assert!(
        !audit.body.contains("server appeared"),
        "what agents did is no audit"
    );
    let file = get("/audit.csv", &admin).await.body;
    assert!(file.starts_with("seq,time,actor,kind,object,node_id,detail,actor_node_id,before,after,address,request_id\r\n"), "{file}");
    assert!(file.contains(",127.0.0.1,"), "{file}");
    for path in ["/audit", "/audit.csv"] {
        assert_eq!(
            get(path, &operator).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    let events = get("/events", &operator).await.body;
    assert!(
        events.contains("tags changed") && !events.contains("event-audit"),
        "{events}"
    );

    // They last.
    let again =
        server::fleet::live::Live::load(&site.ops.state, &site.ops.metrics, &site.ops.clock);
    let again = again.await.unwrap().node(server_id).unwrap();
    assert_eq!(again.tags(), [("az".to_owned(), "c".to_owned())].into());

    // What a change says of before and after is in the chain.
    let mut tx = site.ops.state.write().await.unwrap();
    sqlx::query("UPDATE event SET after = 'az=z' WHERE seq = $1")
        .bind(tags.seq)
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let forged = store::verify(site.ops.state.read()).await.unwrap();
    assert_eq!(
        forged,
        ChainState::Broken {
            first_bad_seq: tags.seq
        }
    );
}
