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
use serde_json::Value;
use server::fleet::stream;

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
