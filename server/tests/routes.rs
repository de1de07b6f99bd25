//! Every route has its class, and every class keeps out whom it should.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use app::{PAGES, SERVER_FUNCTIONS};
use axum::http::StatusCode;
use common::{Site, site};
use domain::access::Role;
use server::auth::gate::{Class, ROUTES, class_of};

/// The generated routes of the console, as axum writes them.
fn pages() -> Vec<String> {
    leptos_axum::generate_route_list(app::App)
        .into_iter()
        .map(|route| route.path().to_owned())
        .collect()
}

fn server_functions() -> Vec<(String, String)> {
    server_fn::axum::server_fn_paths()
        .map(|(path, method)| (method.to_string(), path.to_owned()))
        .collect()
}

#[tokio::test]
async fn every_page_and_server_function_is_listed_with_its_class_and_nothing_else_is() {
    let site = site().await;
    let listed: Vec<&str> = PAGES.iter().map(|(path, _)| *path).collect();
    for page in pages() {
        assert!(class_of("GET", &page).is_some(), "{page} has no class");
    }
    assert_eq!(pages().len(), listed.len(), "{:?} {listed:?}", pages());
    let functions = server_functions();
    for (method, path) in &functions {
        assert!(
            class_of(method, path).is_some(),
            "{method} {path} has no class"
        );
    }
    assert_eq!(functions.len(), SERVER_FUNCTIONS.len(), "{functions:?}");
    drop(site);
}

/// A concrete path of a route.
fn concrete(route: &str) -> String {
    route
        .replace("{id}", "n0000000000000000")
        .replace("{hostname}", "web-1")
        .replace("{slug}", "web")
        .replace("{file}", "cpu.csv")
        .replace("{*path}", "nothing.css")
}

#[tokio::test]
async fn without_a_credential_only_public_routes_answer() {
    let site = site().await;
    site.admin().await;
    let mut table = String::new();
    let pages = PAGES.iter().map(|(path, _)| ("GET", *path));
    let functions = SERVER_FUNCTIONS.iter().map(|(path, _)| ("POST", *path));
    let all = ROUTES
        .iter()
        .map(|(method, path, _)| (*method, *path))
        .chain(pages)
        .chain(functions);
    for (method, route) in all {
        let class = class_of(method, route).unwrap();
        let answer = site.call(method, &concrete(route)).send().await;
        let fits = match class {
            Class::Public
            | Class::PublicPage
            | Class::PublicFunction
            | Class::Agent
            | Class::PublicForm => {
                !matches!(answer.status, StatusCode::FORBIDDEN)
                    && answer.location != "/login?next=/"
            }
            Class::SetupPage => answer.location == "/login",
            Class::Page | Class::Form(_) => answer.location.starts_with("/login?next="),
            Class::Function(_) => answer.status == StatusCode::UNAUTHORIZED,
            Class::Api(_) => answer.status == StatusCode::UNAUTHORIZED && answer.is_problem(),
        };
        table.push_str(&format!(
            "{method} {route} {class:?} {} {}\n",
            answer.status, answer.location
        ));
        assert!(fits, "{table}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones_and_a_forms_address_leads_to_its_page() {
    let site = site().await;
    for (method, path, allow) in [
        ("DELETE", "/api/v1/nodes", "GET, HEAD"),
        ("POST", "/api/v1/events", "GET, HEAD"),
        ("GET", "/agent/v1/report", "POST"),
        ("PUT", "/nodes/n0000000000000000/arrange", "POST"),
        ("DELETE", "/login", "GET, HEAD, POST"),
    ] {
        let answer = site.call(method, path).send().await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert!(answer.is_problem(), "{path}");
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
    for (path, page) in [
        (
            "/nodes/n0000000000000000/arrange",
            "/nodes/n0000000000000000",
        ),
        ("/nodes/views/delete", "/nodes"),
        ("/topology/move", "/topology"),
        ("/logout", "/"),
    ] {
        let answer = site.call("GET", path).send().await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.location, page, "{path}");
    }
}

#[tokio::test]
async fn each_role_may_do_what_the_table_says_and_no_more() {
    let site = site().await;
    for role in Role::ALL {
        let cookie = site.sign_in_as(role).await;
        for (path, class) in SERVER_FUNCTIONS {
            let app::FunctionClass::May(action) = class else {
                continue;
            };
            let answer = site.call("POST", path).cookie(&cookie).send().await;
            let allowed = domain::access::authorize(role, *action).is_ok();
            assert_eq!(
                answer.status == StatusCode::FORBIDDEN,
                !allowed,
                "{role:?} {path} {}",
                answer.status
            );
        }
        let add = site
            .call("POST", "/nodes/add")
            .cookie(&cookie)
            .form("cluster=web")
            .send()
            .await;
        assert_eq!(
            add.status == StatusCode::FORBIDDEN,
            role < Role::Operator,
            "{role:?} {}",
            add.status
        );
    }
}

#[tokio::test]
async fn changes_from_other_sites_are_refused_and_change_nothing() {
    let site = site().await;
    let cookie = site.sign_in_as(Role::Admin).await;
    let before = site.event_count().await;
    let posts: Vec<&str> = ROUTES
        .iter()
        .filter(|(method, path, _)| *method == "POST" && !path.starts_with("/agent"))
        .map(|(_, path, _)| *path)
        .collect();
    let functions = SERVER_FUNCTIONS.iter().map(|(path, _)| *path);
    for path in posts.into_iter().chain(functions) {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
        ] {
            let answer = site
                .call("POST", path)
                .cookie(&cookie)
                .no_origin()
                .header(name, value)
                .form("theme=dark&cluster=web")
                .send()
                .await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{path} {name}: {value}"
            );
        }
        let neither = site
            .call("POST", path)
            .cookie(&cookie)
            .no_origin()
            .form("theme=dark")
            .send()
            .await;
        assert_eq!(
            neither.status,
            StatusCode::FORBIDDEN,
            "{path} with a cookie and no word from where"
        );
    }
    assert_eq!(site.event_count().await, before);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let site = site().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    for path in [
        "/login",
        "/",
        "/nodes",
        "/healthz",
        "/api/v1/nodes",
        "/nothing",
        "/assets/none.css",
        "/fn/overview",
    ] {
        let answer = site.call("GET", path).cookie(&cookie).send().await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(
            answer.header("cross-origin-opener-policy"),
            "same-origin",
            "{path}"
        );
        let policy = answer.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe-inline"), "{path}: {policy}");
        assert!(!answer.header("x-request-id").is_empty(), "{path}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_token_and_a_cookie_together_are_refused() {
    let site = site().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    let token = site.api_token(Role::Viewer).await;
    let both = site
        .call("GET", "/api/v1/nodes")
        .cookie(&cookie)
        .bearer(&token)
        .send()
        .await;
    assert_eq!(both.status, StatusCode::BAD_REQUEST);
    assert!(both.is_problem());
    let alone = site
        .call("GET", "/api/v1/nodes")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(alone.status, StatusCode::OK);
    let wrong = site
        .call("GET", "/api/v1/nodes")
        .bearer("oca_wrong")
        .send()
        .await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn errors_for_programs_are_problems_that_name_the_field() {
    let site = site().await;
    let token = site.api_token(Role::Viewer).await;
    for (path, status, field) in [
        (
            "/api/v1/nodes?limit=0",
            StatusCode::UNPROCESSABLE_ENTITY,
            "limit",
        ),
        (
            "/api/v1/nodes?limit=1001",
            StatusCode::UNPROCESSABLE_ENTITY,
            "limit",
        ),
        (
            "/api/v1/events?cursor=abc",
            StatusCode::UNPROCESSABLE_ENTITY,
            "cursor",
        ),
        ("/api/v1/nodes/n0", StatusCode::NOT_FOUND, ""),
        ("/api/v1/nothing", StatusCode::NOT_FOUND, ""),
    ] {
        let answer = site.call("GET", path).bearer(&token).send().await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.is_problem(), "{path}: {}", answer.body);
        assert!(answer.body.contains(field), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_openapi_document_describes_every_route_for_programs() {
    let site = site().await;
    let document = site.call("GET", "/api/v1/openapi.json").send().await;
    let document: serde_json::Value = serde_json::from_str(&document.body).unwrap();
    for (method, path, class) in ROUTES {
        if matches!(class, Class::Api(_)) {
            assert!(
                document["paths"][path][method.to_lowercase()].is_object(),
                "{method} {path} is not described"
            );
        }
    }
    let mut refusals = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                if !status.starts_with(['4', '5']) {
                    continue;
                }
                let content = response["content"].as_object();
                let kinds: Vec<&str> = content
                    .into_iter()
                    .flat_map(|content| content.keys().map(String::as_str))
                    .collect();
                assert_eq!(
                    kinds,
                    ["application/problem+json"],
                    "{method} {path} {status}"
                );
                let schema = &response["content"]["application/problem+json"]["schema"];
                assert_eq!(
                    schema["$ref"], "#/components/schemas/Problem",
                    "{method} {path} {status}"
                );
                refusals += 1;
            }
        }
    }
    assert!(refusals > 50, "{refusals}");
}

/// Keeps the helper's fields in use in every test binary that includes it.
#[tokio::test]
async fn health_says_that_it_serves() {
    let site: Site = site().await;
    assert_eq!(
        site.call("GET", "/healthz").send().await.status,
        StatusCode::OK
    );
    assert_eq!(site.call("GET", "/readyz").send().await.body, "ready\n");
}

#[tokio::test]
async fn a_refused_form_is_a_page_for_a_person_and_a_problem_for_a_program() {
    let site = site().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    let refused = |accept: &'static str| {
        site.call("POST", "/nodes/n1%3Cscript%3E/approve")
            .cookie(&cookie)
            .header("accept", accept)
            .header("referer", "http://127.0.0.1/nodes?q=%3Cb%3E")
            .form("")
    };
    let page = refused("text/html,application/xhtml+xml").send().await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.body.contains("role viewer may not"), "{}", page.body);
    assert!(!page.body.contains("<script"), "{}", page.body);
    let problem = refused("*/*").send().await;
    assert_eq!(problem.status, StatusCode::FORBIDDEN);
    assert!(problem.is_problem());
}

#[tokio::test]
async fn a_wall_is_opened_by_a_viewers_token_and_sees_the_wall_alone() {
    let site = site().await;
    site.admin().await;
    let open = async |token: &str| {
        let path = format!("/wall?view=overview&kiosk={token}&rotate=30");
        site.call("GET", &path).send().await
    };
    for token in [
        site.api_token(Role::Operator).await,
        "oca_guessed".to_owned(),
    ] {
        let refused = open(&token).await;
        assert!(
            refused.location.starts_with("/login"),
            "{}",
            refused.location
        );
        assert!(refused.header("set-cookie").is_empty());
    }
    let root = site.root();
    let made = server::people::service::create_api_token(
        &site.ops,
        &root,
        "third floor",
        Role::Viewer,
        "30d",
    );
    let made = made.await.unwrap();
    let opened = open(&made.token).await;
    assert_eq!(opened.location, "/wall?view=overview&rotate=30");
    let cookie = opened.header("set-cookie");
    assert!(cookie.contains("HttpOnly"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let get = async |path: &str| site.call("GET", path).cookie(&cookie).send().await;
    assert_eq!(get(&opened.location).await.status, StatusCode::OK);
    for path in ["/", "/nodes", "/settings/profile", "/nodes/export.csv"] {
        assert!(get(path).await.location.starts_with("/login"), "{path}");
    }
    let post = async |path: &str| site.call("POST", path).cookie(&cookie).send().await;
    assert_eq!(post("/fn/overview").await.status, StatusCode::OK);
    assert_eq!(post("/fn/sections").await.status, StatusCode::UNAUTHORIZED);
    assert!(post("/nodes/views").await.location.starts_with("/login"));

    let revoked = server::people::service::revoke_api_token(&site.ops, &root, &made.id);
    revoked.await.unwrap();
    assert!(get("/wall").await.location.starts_with("/login"));
    assert_eq!(post("/fn/overview").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_system_has_its_own_overview() {
    let site = site().await;
    let token = site.token(|new| new.system = "shop".to_owned()).await;
    site.enroll(&token, 1, "till-1").await.ok().unwrap();
    let token = site.token(|new| {
        new.system = "bank".to_owned();
        new.cluster = "vault".to_owned();
    });
    site.enroll(&token.await, 2, "vault-1").await.ok().unwrap();
    let cookie = site.sign_in_as(Role::Viewer).await;
    let get = async |path: &str| site.call("GET", path).cookie(&cookie).send().await;
    let all = get("/").await.body;
    assert!(all.contains("href=\"/systems/shop\"") && all.contains("href=\"/systems/bank\""));
    let bank = get("/systems/bank").await;
    assert_eq!(bank.status, StatusCode::OK);
    let heading = bank
        .body
        .split("<h1")
        .nth(1)
        .and_then(|rest| rest.split("</h1>").next());
    assert!(
        heading.is_some_and(|text| text.contains("bank")),
        "{heading:?}"
    );
    assert!(bank.body.contains("vault-1") && !bank.body.contains("till-1"));
    assert!(bank.body.contains("/nodes?q=system:bank"));
    assert!(bank.body.contains("/clusters?q=system:bank"));
    let none = get("/systems/nothing").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}
