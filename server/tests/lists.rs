//! The nodes list for people and programs: one filter language everywhere, files of all pages, views with names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use axum::http::StatusCode;
use common::{Site, site};
use domain::access::Role;
use serde_json::{Value, json};

/// Three hosts in two clusters; the third one has never reported.
async fn fleet() -> Site {
    let site = site().await;
    for (seed, cpu) in [(1, 900), (2, 100)] {
        let mut agent = site.agent(seed).await;
        let record = agent.record(cpu);
        agent.send(&site, &[record]).await.ok().unwrap();
    }
    let token = site.token(|new| new.cluster = "db".to_owned()).await;
    site.enroll(&token, 3, "=cmd|' /C calc'!A0")
        .await
        .ok()
        .unwrap();
    site
}

fn names(items: &serde_json::Value) -> Vec<String> {
    let mut names: Vec<String> = items["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["hostname"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_nearly_full_is_said_beside_all_is_well_and_leads_to_its_hosts() {
    let site = fleet().await;
    let overview = server::fleet::overview::overview(&site.ops, None);
    let overview = overview.await.unwrap();
    let words = format!("disk above 95{}% on 2 hosts", app::format::THIN);
    let filter = "kind:host disk>=95".to_owned();
    assert_eq!(overview.full, [(words.clone(), filter.clone())]);
    let query = app::fleet::view::NodesQuery {
        q: filter,
        ..Default::default()
    };
    assert_eq!(
        server::fleet::list::nodes_page(&site.ops, &query).matching,
        2
    );
    let cookie = site.sign_in_as(Role::Viewer).await;
    let page = site.call("GET", "/").cookie(&cookie).send().await;
    assert!(page.body.contains(&words), "{}", page.body);
}

#[tokio::test]
async fn what_is_chosen_in_the_bar_leads_back_to_the_same_query() {
    let site = fleet().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    let path = "/nodes?q=cpu%3E5&page=1";
    let page = site.call("GET", path).cookie(&cookie).send().await;
    let next = "name=\"next\" value=\"/nodes?q=cpu%3E5&amp;page=1\"";
    assert_eq!(page.body.matches(next).count(), 2, "{}", page.body);
}

#[tokio::test]
async fn the_api_filters_by_the_language_and_says_what_is_wrong_where() {
    let site = fleet().await;
    let token = site.api_token(Role::Viewer).await;
    let get = async |path: &str| site.call("GET", path).bearer(&token).send().await;
    for (filter, found) in [
        ("cpu%3E80", vec!["host-1"]),
        ("cluster:web%20-cpu%3E80", vec!["host-2"]),
        ("cpu%3C=100", vec!["host-1", "host-2"]),
        ("disk%3E90", vec!["host-1", "host-2"]),
        ("liveness:missing", vec!["=cmd|' /C calc'!A0"]),
        ("HOST-1", vec!["host-1"]),
    ] {
        let answer = get(&format!("/api/v1/nodes?filter={filter}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(names(&answer.json()), found, "{filter}");
    }
    for path in [
        "/api/v1/nodes?filter=web%20clster:app",
        "/api/v1/series?metric=cpu_used_ratio&filter=web%20clster:app",
    ] {
        let wrong = get(path).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(wrong.is_problem());
        for words in [
            "filter",
            "`clster` at character 5",
            "did you mean `cluster`?",
        ] {
            assert!(wrong.body.contains(words), "{}", wrong.body);
        }
    }
}

#[tokio::test]
async fn parameters_that_mean_nothing_are_refused_by_their_name() {
    let site = fleet().await;
    let token = site.api_token(Role::Viewer).await;
    let get = async |path: &str| site.call("GET", path).bearer(&token).send().await;
    for (path, field) in [
        ("nodes?cursor=garbage", "cursor"),
        ("clusters?cursor=No%20Slug", "cursor"),
        ("series?metric=cpu_used_ratio&cursor=zzz", "cursor"),
        ("events?cursor=-5", "cursor"),
        ("events?cursor=x", "cursor"),
        ("events?filter=clster:web", "filter"),
        ("metric-definitions?cursor=nothing", "cursor"),
        ("metric-definitions?limit=0", "limit"),
        ("metric-definitions?filter=cpu", "filter"),
        ("topology?filter=cluster:web", "filter"),
        ("nodes?limit=1&limit=2", "limit"),
        ("series?filter=web", "metric"),
    ] {
        let answer = get(&format!("/api/v1/{path}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert!(answer.is_problem(), "{path}");
        assert_eq!(answer.json()["errors"][0]["field"], field, "{path}");
    }
}

#[tokio::test]
async fn what_the_framework_refuses_is_a_problem_too() {
    let site = fleet().await;
    let token = site.api_token(Role::Viewer).await;
    for path in [
        "/api/v1/nodes/%FF",
        "/api/v1/clusters/%FF",
        "/agent/v1/server",
    ] {
        let call = site.call("GET", path);
        let call = if path.starts_with("/api") {
            call.bearer(&token)
        } else {
            call
        };
        let answer = call.send().await;
        assert!(answer.status.is_client_error(), "{path} {}", answer.status);
        assert!(answer.is_problem(), "{path} {}", answer.body);
        assert_ne!(answer.json()["detail"], "", "{path}");
    }
    for path in ["/agent/v1/enroll", "/agent/v1/hello"] {
        let huge = vec![0; 1 << 20];
        let answer = site.call("POST", path).bytes(huge).send().await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert!(answer.is_problem(), "{path} {}", answer.body);
    }
}

/// Every `$ref` in a document.
fn refs(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(to) if name == "$ref" => found.push(to.clone()),
                    value => refs(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| refs(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_whole_and_true_of_clusters() {
    let site = fleet().await;
    let token = site.api_token(Role::Viewer).await;
    let get = async |path: &str| site.call("GET", path).bearer(&token).send().await.json();
    let document = get("/api/v1/openapi.json").await;
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{method} {path}: {id} is taken");
            for status in ["401", "403", "429", "503"] {
                assert!(
                    operation["responses"][status].is_object(),
                    "{path} {status}"
                );
            }
        }
    }
    let mut found = Vec::new();
    refs(&document, &mut found);
    assert!(!found.is_empty());
    for to in found {
        let target = document.pointer(to.strip_prefix('#').unwrap());
        assert!(target.is_some(), "{to} leads nowhere");
    }
    // What lists say of a cluster is what its schema calls required, and no more than its properties.
    for (path, list, schema) in [
        ("/api/v1/clusters", "items", "Cluster"),
        ("/api/v1/topology", "clusters", "TopologyCluster"),
    ] {
        let answer = get(path).await;
        let schema = &document["components"]["schemas"][schema];
        let cluster = answer[list][0].as_object().unwrap();
        for name in schema["required"].as_array().unwrap() {
            assert!(
                cluster.contains_key(name.as_str().unwrap()),
                "{path} {name}"
            );
        }
        for name in cluster.keys() {
            assert!(schema["properties"][name].is_object(), "{path} {name}");
        }
    }
}

#[tokio::test]
async fn events_are_filtered_by_their_nodes_and_metrics_come_in_pages() {
    let site = fleet().await;
    let token = site.api_token(Role::Viewer).await;
    let get = async |path: &str| site.call("GET", path).bearer(&token).send().await.json();
    let nodes = get("/api/v1/nodes?filter=cluster:web").await;
    let nodes = nodes["items"].as_array().unwrap();
    assert_eq!(nodes.len(), 2);
    let all = get("/api/v1/events?limit=1000").await;
    let wanted: Vec<Value> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| nodes.iter().any(|node| node["id"] == event["node_id"]))
        .cloned()
        .collect();
    assert!(wanted.len() > 1 && wanted.len() < all["items"].as_array().unwrap().len());
    let mut told = Vec::new();
    let mut path = "/api/v1/events?filter=cluster:web&limit=1".to_owned();
    loop {
        let page = get(&path).await;
        told.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/api/v1/events?filter=cluster:web&limit=1&cursor={cursor}");
    }
    assert_eq!(told, wanted);
    let none = get("/api/v1/events?filter=name:nobody").await;
    assert_eq!(none, json!({"items": [], "next_cursor": null}));

    let first = get("/api/v1/metric-definitions?limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(first["items"][1]["name"], cursor);
    let rest = get(&format!(
        "/api/v1/metric-definitions?limit=1000&cursor={cursor}"
    ))
    .await;
    let whole = get("/api/v1/metric-definitions?limit=1000").await;
    assert_eq!(rest["items"][0], whole["items"][2]);
    assert_eq!(rest["next_cursor"], json!(null));
}

#[tokio::test]
async fn series_of_many_nodes_come_in_pages() {
    let site = fleet().await;
    let token = site.api_token(Role::Viewer).await;
    let get = async |query: &str| {
        // One millisecond behind the reports, whose instant is the test's only one.
        let path = format!("/api/v1/series?{query}&to_ms=1795317127001");
        site.call("GET", &path).bearer(&token).send().await
    };
    let first = get("metric=cpu_used_ratio&filter=cluster:web&limit=1").await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.body);
    let first = first.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 1);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = get(&format!(
        "metric=cpu_used_ratio&filter=cluster:web&limit=1&cursor={cursor}"
    ))
    .await
    .json();
    assert_eq!(second["next_cursor"], json!(null));
    let mut told: Vec<f64> = [&first, &second]
        .iter()
        .map(|page| {
            let item = &page["items"][0];
            assert_eq!(item["metric"], "cpu_used_ratio");
            assert!(item["node"].as_str().unwrap().starts_with("host-"));
            item["points"][0][2].as_f64().unwrap()
        })
        .collect();
    told.sort_by(f64::total_cmp);
    assert_eq!(told, [0.1, 0.9]);
    let disks = get("metric=filesystem_used_ratio").await.json();
    assert_eq!(disks["items"][0]["instance"], "/");
    for most in [
        "metric=cpu_used_ratio&limit=1000",
        "metric=cpu_used_ratio&limit=1000&level=1m",
    ] {
        assert_eq!(get(most).await.status, StatusCode::OK, "{most}");
    }
    for wrong in [
        "metric=cpu",
        "metric=cpu_used_ratio&limit=1001",
        "metric=cpu_used_ratio&level=2m&filter=nobody",
    ] {
        let answer = get(wrong).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}

#[tokio::test]
async fn a_page_shows_terms_errors_and_all_nodes_beside_an_error() {
    let site = fleet().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    let get = async |path: &str| site.call("GET", path).cookie(&cookie).send().await.body;
    let page = get("/nodes?q=cluster:web%20cpu%3E80").await;
    assert!(
        page.contains("host-1") && !page.contains("host-2"),
        "{page}"
    );
    assert!(page.contains("href=\"/nodes?q=cluster:web\""), "{page}");
    let wrong = get("/nodes?q=web%20clster:app").await;
    assert!(wrong.contains("did you mean `cluster`?"), "{wrong}");
    // Beside the markers that the framework leaves for the browser.
    let visible = wrong.replace("<!>", "");
    assert!(
        visible.contains("<mark><bdi>clster</bdi></mark>"),
        "{wrong}"
    );
    assert!(wrong.contains("host-1") && wrong.contains("host-2"));
}

#[tokio::test]
async fn a_file_holds_what_the_list_shows_and_starts_no_formula() {
    let site = fleet().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    let get = async |path: &str| site.call("GET", path).cookie(&cookie).send().await;
    let csv = get("/nodes/export.csv?sort=-cpu&cols=name,cpu,cluster").await;
    assert_eq!(csv.status, StatusCode::OK, "{}", csv.body);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.header("content-disposition").contains("nodes.csv"));
    let lines: Vec<&str> = csv.body.lines().collect();
    assert_eq!(lines[0], "id,name,cpu_used_ratio,cluster");
    assert!(lines[1].ends_with(",host-1,0.9,web"), "{}", csv.body);
    assert!(lines[2].ends_with(",host-2,0.1,web"), "{}", csv.body);
    assert!(
        lines[3].ends_with(",'=cmd|' /C calc'!A0,,db"),
        "{}",
        csv.body
    );
    let json = get("/nodes/export.json?q=cpu%3E80&cols=name,cpu,memory,report").await;
    let items = json.json()["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1);
    assert_eq!(items[0]["cpu_used_ratio"], 0.9);
    assert_eq!(items[0]["last_report_at"], "2026-11-22T03:12:07Z");
    let wrong = get("/nodes/export.csv?q=clster:x").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let nobody = site.call("GET", "/nodes/export.csv").send().await;
    assert_eq!(nobody.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn views_have_names_are_shared_on_request_and_may_be_the_default() {
    let site = fleet().await;
    let viewer = site.sign_in_as(Role::Viewer).await;
    let operator = site.sign_in_as(Role::Operator).await;
    let admin = site.sign_in_as(Role::Admin).await;
    let post = async |cookie: &str, path: &str, form: &str| {
        site.call("POST", path)
            .cookie(cookie)
            .form(form)
            .send()
            .await
    };
    let list = async |cookie: &str| {
        site.call("GET", "/nodes?view=all")
            .cookie(cookie)
            .send()
            .await
            .body
    };
    let events = site.event_count().await;

    let own = post(
        &viewer,
        "/nodes/views",
        "name=Busy+%3Cb%3E&q=cpu%3E80&sort=-cpu",
    )
    .await;
    assert_eq!(own.status, StatusCode::SEE_OTHER, "{}", own.body);
    assert_eq!(own.location, "/nodes?q=cpu%3E80&sort=-cpu");
    assert_eq!(site.event_count().await, events, "one's own business");
    assert!(list(&viewer).await.contains("Busy &lt;b&gt;"));
    assert!(!list(&operator).await.contains("Busy"));

    let shared = post(
        &operator,
        "/nodes/views",
        "name=Web&q=cluster:web&shared=yes",
    )
    .await;
    assert_eq!(shared.status, StatusCode::SEE_OTHER);
    assert_eq!(site.event_count().await, events + 1);
    assert!(list(&viewer).await.contains(">Web<"));

    let nameless = post(&viewer, "/nodes/views", "name=+&q=x").await;
    assert_eq!(nameless.status, StatusCode::UNPROCESSABLE_ENTITY);

    let record = async |owner: &'static str| {
        let all = server::fleet::views::store::list(site.ops.state.read(), owner, 10).await;
        all.unwrap()
            .into_iter()
            .find(|view| view.owner == owner)
            .unwrap()
    };
    let own_id = format!("id={}", record("person-viewer").await.id);
    let shared_id = format!("id={}", record("person-operator").await.id);

    // Somebody else's own view is not there; a shared one may be chosen by all, deleted by its owner or an administrator.
    for path in ["/nodes/views/default", "/nodes/views/delete"] {
        let answer = post(&operator, path, &own_id).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let answer = post(&viewer, "/nodes/views/delete", &shared_id).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);

    let chosen = post(&viewer, "/nodes/views/default", &own_id).await;
    assert_eq!(chosen.status, StatusCode::SEE_OTHER);
    let bare = site.call("GET", "/nodes").cookie(&viewer).send().await.body;
    assert!(
        bare.contains("host-1") && !bare.contains("host-2"),
        "{bare}"
    );
    assert!(
        list(&viewer).await.contains("host-2"),
        "everything is one link away"
    );

    // The same name again is the same view.
    post(&viewer, "/nodes/views", "name=Busy+%3Cb%3E&q=cpu%3C80").await;
    let bare = site.call("GET", "/nodes").cookie(&viewer).send().await.body;
    assert!(
        bare.contains("host-2") && !bare.contains("host-1"),
        "{bare}"
    );

    let gone = post(&admin, "/nodes/views/delete", &shared_id).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    assert_eq!(site.event_count().await, events + 2);
    assert!(!list(&viewer).await.contains(">Web<"));
    let gone = post(&viewer, "/nodes/views/delete", &own_id).await;
    assert_eq!(gone.status, StatusCode::SEE_OTHER);
    let bare = site.call("GET", "/nodes").cookie(&viewer).send().await.body;
    assert!(
        bare.contains("host-1") && bare.contains("host-2"),
        "no default is left"
    );
}

#[tokio::test]
async fn many_nodes_are_changed_at_once_and_each_says_what_became_of_it() {
    let site = fleet().await;
    let operator = site.sign_in_as(Role::Operator).await;
    let viewer = site.sign_in_as(Role::Viewer).await;
    let token = site.api_token(Role::Viewer).await;
    let filtered = async |filter: &str| {
        let path = format!("/api/v1/nodes?filter={filter}");
        let answer = site.call("GET", &path).bearer(&token).send().await;
        let items = answer.json()["items"].as_array().unwrap().clone();
        let of = |item: &serde_json::Value| item["id"].as_str().unwrap().to_owned();
        items.iter().map(of).collect::<Vec<_>>()
    };
    let post = async |cookie: &str, body: &str| {
        site.call("POST", "/nodes/bulk")
            .cookie(cookie)
            .form(body)
            .send()
            .await
    };
    let web = filtered("cluster:web").await;
    let ticked = format!("id={}&id={}&id=n0", web[0], web[1]);

    let done = post(
        &operator,
        &format!("{ticked}&tag=tier%3Dedge&action=add_tag"),
    )
    .await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert!(done.body.contains("add tag tier=edge"), "{}", done.body);
    assert!(done.body.contains("1 failed, 2 done."), "{}", done.body);
    assert!(done.body.contains("there is no node `n0`"));
    assert_eq!(filtered("tag:tier=edge").await, web);
    let again = post(
        &operator,
        &format!("{ticked}&tag=tier%3Dedge&action=add_tag"),
    )
    .await;
    assert!(
        again.body.contains("1 failed, 2 unchanged."),
        "{}",
        again.body
    );

    // All that match, on every page; a filter that is none never means the whole fleet.
    let body = "all=yes&q=tag%3Atier%3Dedge&cluster=app&action=move&tag=";
    let moved = post(&operator, body).await;
    assert!(
        moved.body.contains("2 done.") && moved.body.contains("web → app"),
        "{}",
        moved.body
    );
    assert_eq!(filtered("cluster:app").await, web);
    let before = site.event_count().await;
    for (body, part) in [
        (
            "all=yes&q=clster%3Aweb&tag=a%3D1&action=add_tag",
            "`clster`",
        ),
        ("q=&tag=a%3D1&action=add_tag", "no node is selected"),
        (
            "all=yes&q=&tag=nothing&action=add_tag",
            "`nothing` is no tag",
        ),
        (
            "all=yes&q=&cluster=No+Name&action=move",
            "`No Name` is not a name",
        ),
        ("all=yes&q=&action=", "choose what to do"),
    ] {
        let refused = post(&operator, body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(refused.body.contains(part), "{body}: {}", refused.body);
    }
    let denied = post(&viewer, &format!("{ticked}&tag=a%3D1&action=add_tag")).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    assert_eq!(site.event_count().await, before, "nothing was changed");

    let file = post(
        &viewer,
        &format!("id={}&q=&view=capacity&action=export", web[1]),
    )
    .await;
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(file.body.lines().count(), 2, "{}", file.body);
    let gone = post(&operator, "all=yes&q=&tag=tier&action=remove_tag").await;
    assert!(gone.body.contains("2 done, 1 unchanged."), "{}", gone.body);
    assert!(filtered("tag:tier").await.is_empty());
}

#[tokio::test]
async fn changes_at_once_are_all_there_and_the_log_tells_each_as_it_was() {
    let site = fleet().await;
    let cookie = site.sign_in_as(Role::Operator).await;
    let id = site.told("/api/v1/nodes").await["items"][0]["id"].clone();
    let id = id.as_str().unwrap();
    let at_once = (0..8).map(|n| {
        site.call("POST", "/nodes/bulk")
            .cookie(&cookie)
            .form(&format!("id={id}&action=add_tag&tag=t{n}%3Dx"))
            .send()
    });
    for answer in futures::future::join_all(at_once).await {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    let node = site.told(&format!("/api/v1/nodes/{id}")).await;
    assert_eq!(node["tags"].as_object().unwrap().len(), 8, "{node}");
    let log = server::events::store::list_latest(site.ops.state.read(), Some(id), None, 100);
    let mut log = log.await.unwrap();
    log.retain(|event| event.verb == "tags changed");
    let before: Vec<_> = log
        .iter()
        .skip(1)
        .map(|event| event.after.clone())
        .collect();
    let known: Vec<_> = log
        .iter()
        .map(|event| event.before.clone())
        .take(7)
        .collect();
    assert_eq!(known, before, "each begins where the one before it ended");
}
