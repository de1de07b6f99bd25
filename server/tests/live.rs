//! What pages follow: the whole once, then changes that lead exactly to what is, the same for everybody.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use app::backend::Operator;
use app::fleet::view::{LiveTopic, NodesQuery};
use app::live::delta;
use app::live::message::LivePayload;
use common::{Site, site};
use domain::access::Role;
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use server::fleet::stream;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

fn viewer() -> Operator {
    Operator {
        name: "vera".to_owned(),
        role: Role::Viewer,
        address: None,
        request_id: None,
        session: None,
    }
}

/// A page, as a browser keeps it.
#[derive(Default)]
struct Page {
    seq: Option<u32>,
    value: Value,
    bytes: usize,
}

impl Page {
    async fn hear(&mut self, site: &Site, topic: &server::fleet::topics::Topic, version: u64) {
        let news = topic.since(&site.ops, &viewer(), version, self.seq).await;
        let Some((seq, payload)) = news.unwrap() else {
            return;
        };
        for part in payload {
            match part {
                LivePayload::Whole { body, .. } => {
                    self.bytes = body.text().len();
                    self.value = serde_json::from_str(body.text()).unwrap();
                }
                LivePayload::Change { body, .. } => {
                    self.bytes = body.text().len();
                    let change: Value = serde_json::from_str(body.text()).unwrap();
                    delta::apply(&mut self.value, &change).unwrap();
                }
            }
        }
        self.seq = Some(seq);
    }

    /// Without the clock, which only moves with other news.
    fn data(&self) -> Value {
        let mut data = self.value.clone();
        for data in data.as_object_mut().unwrap().values_mut() {
            data["now_ms"].take();
        }
        data
    }
}

#[tokio::test]
async fn changes_lead_to_what_is_and_are_small() {
    let site = site().await;
    let mut agents = Vec::new();
    for seed in 1..=20 {
        let mut agent = site.agent(seed).await;
        let record = agent.record(100);
        agent.send(&site, &[record]).await.ok().unwrap();
        agents.push(agent);
    }
    let query = NodesQuery {
        sort: "-cpu".to_owned(),
        per: 100,
        page: 1,
        ..NodesQuery::default()
    };
    let wanted = LiveTopic::Nodes { query };
    let topic = site.ops.topics.follow(wanted.clone(), Role::Viewer);
    let (mut first, mut late) = (Page::default(), Page::default());
    first.hear(&site, &topic, 1).await;
    let whole = first.bytes;
    for (round, agent) in (2u64..).zip(&mut agents) {
        site.clock.advance_ms(1_000);
        let record = agent.record(1_000 - i64::try_from(round).unwrap());
        agent.send(&site, &[record]).await.ok().unwrap();
        first.hear(&site, &topic, round).await;
        assert!(first.bytes * 4 < whole, "{} of {whole}", first.bytes);
        let now = stream::update(&site.ops, &viewer(), &wanted).await.unwrap();
        let now = Page {
            value: serde_json::to_value(&now).unwrap(),
            ..Page::default()
        };
        assert_eq!(first.data(), now.data());
        if round % 5 == 0 {
            late.hear(&site, &topic, round).await;
            assert_eq!(late.data(), first.data());
        }
    }
    // Who missed more than is kept gets all of it again.
    let mut sleeper = Page {
        seq: Some(1),
        ..Page::default()
    };
    sleeper.hear(&site, &topic, 99).await;
    assert_eq!(sleeper.data(), first.data());
    let shared = site.ops.topics.follow(wanted, Role::Viewer);
    assert!(
        std::sync::Arc::ptr_eq(&topic, &shared),
        "one making for all who follow the same"
    );
}

#[tokio::test]
async fn what_somebody_may_do_is_not_shared_with_who_may_not() {
    let site = site().await;
    let agent = site.agent(1).await;
    let topic = LiveTopic::Node {
        id: agent.node_id.clone(),
    };
    let viewers = site.ops.topics.follow(topic.clone(), Role::Viewer);
    let operators = site.ops.topics.follow(topic, Role::Operator);
    assert!(!std::sync::Arc::ptr_eq(&viewers, &operators));
}

/// A page's line to a server that really listens.
struct Line(WebSocketStream<TcpStream>);

impl Line {
    async fn open(site: &Site, cookie: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = site.router.clone();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut request = format!("ws://{address}{}", app::live::PATH)
            .into_client_request()
            .unwrap();
        for (name, value) in [("cookie", cookie), ("origin", &format!("http://{address}"))] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap();
        Self(socket)
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The next frame; `None` when the server ended the line.
    async fn hear(&mut self) -> Option<Value> {
        match self.0.next().await {
            Some(Ok(Message::Text(text))) => Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => None,
            Some(Ok(other)) => panic!("{other:?}"),
        }
    }
}

const FOLLOW: &str = r#"{"kind":"follow","topic":{"topic":"overview"}}"#;

#[tokio::test]
async fn a_line_tells_the_whole_then_changes_and_ends_with_the_session() {
    let site = site().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    let mut agent = site.agent(1).await;
    let mut line = Line::open(&site, &cookie).await;
    line.say(FOLLOW).await;
    let first = line.hear().await.unwrap();
    assert_eq!(first["Ok"]["now_ms"], site.clock.now().0);
    let whole = &first["Ok"]["payload"][0]["whole"];
    assert!(whole["body"]["overview"].is_object(), "{first}");
    let seq = whole["seq"].as_u64().unwrap();

    site.clock.advance_ms(1_000);
    let record = agent.record(500);
    agent.send(&site, &[record]).await.ok().unwrap();
    let news = line.hear().await.unwrap();
    assert_eq!(news["Ok"]["payload"][0]["change"]["seq"], seq + 1, "{news}");

    site.call("POST", "/logout").cookie(&cookie).send().await;
    site.clock.advance_ms(60_000);
    let mut last = Value::Null;
    while let Some(frame) = line.hear().await {
        last = frame;
    }
    assert_eq!(last["Err"], "signed_out", "{last}");
}

#[tokio::test]
async fn a_line_that_says_what_nobody_understands_or_too_much_ends() {
    let site = site().await;
    let cookie = site.sign_in_as(Role::Viewer).await;
    let mut line = Line::open(&site, &cookie).await;
    line.say("{\"kind\":\"fetch\"}").await;
    let answer = line.hear().await.unwrap();
    assert!(
        answer["Err"]["unavailable"]
            .as_str()
            .unwrap()
            .contains("reload"),
        "{answer}"
    );
    assert_eq!(line.hear().await, None);

    let mut line = Line::open(&site, &cookie).await;
    let padded = format!("{FOLLOW}{}", " ".repeat(20_000));
    line.say(&padded).await;
    assert_eq!(line.hear().await, None, "nothing was said to that");
}
