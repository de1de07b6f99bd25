//! A whole server in this process: real router, real SQLite, a clock that the test moves.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub mod agent;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use domain::access::Role;
use domain::time::Timestamp;
use server::clock::Clock;
use server::config::Settings;
use server::datadir::DataDir;
use server::ops::Ops;
use server::people::service::{self, Caller};
use tower::ServiceExt;

pub const PASSWORD: &str = "correct horse battery staple";
pub const ORIGIN: &str = "http://127.0.0.1:7700";

pub struct Site {
    pub ops: Ops,
    pub router: Router,
    pub clock: Clock,
    pub folder: tempfile::TempDir,
}

/// A fresh server.
pub async fn site() -> Site {
    site_in(tempfile::tempdir().unwrap()).await
}

/// A server on an existing folder.
pub async fn site_in(folder: tempfile::TempDir) -> Site {
    let clock = Clock::manual(Timestamp(1_795_317_127_000));
    let data = DataDir::create(folder.path()).unwrap();
    let ops = Ops::open(data, Settings::loopback(), clock.clone())
        .await
        .unwrap();
    Site {
        router: server::router::router(ops.clone()),
        ops,
        clock,
        folder,
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub location: String,
    pub bytes: Vec<u8>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("")
    }

    pub fn is_problem(&self) -> bool {
        self.header("content-type") == "application/problem+json"
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub struct Call<'s> {
    site: &'s Site,
    request: axum::http::request::Builder,
    body: Body,
    has_origin: bool,
}

impl Call<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub fn cookie(self, cookie: &str) -> Self {
        self.header("cookie", cookie)
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// A request that a browser did not send from our own page.
    pub fn no_origin(mut self) -> Self {
        self.has_origin = false;
        self
    }

    pub fn form(mut self, body: &str) -> Self {
        self.body = Body::from(body.to_owned());
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    pub fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = Body::from(body);
        self
    }

    pub async fn send(mut self) -> Answer {
        if self.has_origin {
            self.request = self.request.header("origin", ORIGIN);
        }
        let request = self
            .request
            .header("host", "127.0.0.1:7700")
            .body(self.body)
            .unwrap();
        let response = self.site.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX)
            .await
            .unwrap()
            .to_vec();
        let location = parts
            .headers
            .get(header::LOCATION)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
            .to_owned();
        Answer {
            status: parts.status,
            headers: parts.headers,
            location,
            body: String::from_utf8_lossy(&bytes).into_owned(),
            bytes,
        }
    }
}

impl Site {
    /// The server ends and starts again on its folder.
    pub async fn restart(self) -> Self {
        let Self {
            ops,
            router,
            folder,
            ..
        } = self;
        drop(router);
        ops.close().await;
        site_in(folder).await
    }

    /// What a program is told.
    pub async fn told(&self, path: &str) -> serde_json::Value {
        let token = self.api_token(Role::Viewer).await;
        let answer = self.call("GET", path).bearer(&token).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.json()
    }

    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        let request = Request::builder().method(method).uri(path);
        Call {
            site: self,
            request,
            body: Body::empty(),
            has_origin: method == "POST",
        }
    }

    pub fn root(&self) -> Caller {
        Caller::command_line(0)
    }

    /// An administrator called `ada`, made once.
    pub async fn admin(&self) {
        let made = service::create_person(
            &self.ops,
            &self.root(),
            "ada",
            Role::Admin,
            PASSWORD.to_owned(),
        )
        .await;
        assert!(made.is_ok() || matches!(made, Err(server::error::OpsError::Conflict(_))));
    }

    /// Signs in by the form, as somebody of this role; gives the cookie to send.
    pub async fn sign_in_as(&self, role: Role) -> String {
        let name = format!("person-{}", role.as_str());
        service::create_person(&self.ops, &self.root(), &name, role, PASSWORD.to_owned())
            .await
            .unwrap();
        let answer = self
            .call("POST", "/login")
            .form(&format!(
                "user={name}&password=correct+horse+battery+staple&next=/"
            ))
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        answer
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .to_owned()
    }

    pub async fn api_token(&self, role: Role) -> String {
        service::create_api_token(&self.ops, &self.root(), "test", role, "1d")
            .await
            .unwrap()
            .token
    }

    pub async fn event_count(&self) -> usize {
        server::events::store::list_latest(self.ops.state.read(), None, None, 10_000)
            .await
            .unwrap()
            .len()
    }
}

/// Says that a test could not run here, and why; the runner lists it.
pub fn skipped(test: &str, reason: &str) {
    eprintln!("{test}: {reason}");
    if let Some(path) = std::env::var_os("OPSCENTER_TEST_SKIPS") {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path);
        std::io::Write::write_all(&mut file.unwrap(), format!("{test}: {reason}\n").as_bytes())
            .unwrap();
    }
}
