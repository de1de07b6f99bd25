//! One live connection of a page: says what changed of what the page follows, at most once a second.
//!
//! Ends with the session, with the server, or with the page. A page that follows a node makes its host report every
//! second; nothing else does.

use std::sync::Arc;
use std::time::Duration;

use app::backend::Operator;
use app::error::UiError;
use app::fleet::view::{LiveRequest, LiveTopic, LiveUpdate};
use app::live::message::LiveMessage;
use futures::{Stream, StreamExt};
use leptos::server_fn::BoxedStream;
use tokio::time::{Instant, MissedTickBehavior};

use super::topics::Topic;
use super::{clusters, overview, service};
use crate::ops::Ops;

/// Messages to one page.
const PERIOD: Duration = Duration::from_secs(1);
/// Lines tick together at one of so many moments of a second: a thousand moments would be as many wake-ups of threads.
const MOMENTS: u32 = 20;
/// A line without news says that it is open.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How soon a revoked session loses its connections.
const SESSION_CHECK: Duration = Duration::from_secs(2);

struct Line {
    ops: Ops,
    who: Operator,
    requests: BoxedStream<LiveRequest, UiError>,
    topic: Option<Arc<Topic>>,
    /// Number of the state that the page shows.
    shown: Option<u32>,
    changes: tokio::sync::watch::Receiver<u64>,
    tick: tokio::time::Interval,
    spoke_at: Option<Instant>,
    checked_at: Option<Instant>,
}

/// Opens the connection.
pub fn open(
    ops: Ops,
    who: Operator,
    requests: BoxedStream<LiveRequest, UiError>,
) -> BoxedStream<LiveMessage, UiError> {
    let mut tick = tokio::time::interval_at(next_moment(&ops), PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let changes = ops.live.subscribe();
    let line = Line {
        ops,
        who,
        requests,
        topic: None,
        shown: None,
        changes,
        tick,
        spoke_at: None,
        checked_at: None,
    };
    BoxedStream::from(messages(line))
}

fn next_moment(ops: &Ops) -> Instant {
    let apart = u64::from(PERIOD.subsec_millis().max(1_000) / MOMENTS);
    let since = ops.clock.monotonic().0 % apart;
    Instant::now() + Duration::from_millis(apart - since)
}

fn messages(line: Line) -> impl Stream<Item = Result<LiveMessage, UiError>> + Send {
    futures::stream::unfold(Some(line), |line| async {
        let mut line = line?;
        match line.next().await {
            Some(Ok(message)) => Some((Ok(message), Some(line))),
            // What ends the connection is said once.
            Some(Err(error)) => Some((Err(error), None)),
            None => None,
        }
    })
}

impl Line {
    async fn next(&mut self) -> Option<Result<LiveMessage, UiError>> {
        loop {
            tokio::select! {
                () = self.ops.shutdown.cancelled() => return None,
                request = self.requests.next() => match request {
                    Some(Ok(LiveRequest::Follow { topic })) => match resolved(&self.ops, &self.who, topic).await {
                        Ok(topic) => {
                            self.topic = Some(self.ops.topics.follow(topic, self.who.role));
                            self.shown = None;
                        }
                        Err(error) => return Some(Err(error)),
                    },
                    Some(Ok(LiveRequest::Ping)) => {}
                    Some(Err(_)) | None => return None,
                },
                now = self.tick.tick() => {
                    if let Err(error) = self.check_session(now).await {
                        return Some(Err(error));
                    }
                    if let Some(LiveTopic::Node { id }) = self.topic.as_ref().map(|topic| topic.topic()) {
                        self.ops.live.watch(id, self.ops.clock.monotonic());
                    }
                    if let Some(message) = self.speak(now).await {
                        return Some(message);
                    }
                }
            }
        }
    }

    async fn check_session(&mut self, now: Instant) -> Result<(), UiError> {
        if self.checked_at.is_some_and(|at| now - at < SESSION_CHECK) {
            return Ok(());
        }
        self.checked_at = Some(now);
        let Some(token) = &self.who.session else {
            return Err(UiError::SignedOut);
        };
        match self.ops.open_sessions.is_open(&self.ops, token).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(UiError::SignedOut),
            Err(_) => Err(UiError::Unavailable(
                "the session cannot be checked now".to_owned(),
            )),
        }
    }

    async fn speak(&mut self, now: Instant) -> Option<Result<LiveMessage, UiError>> {
        let news = match &self.topic {
            Some(topic) => {
                let version = *self.changes.borrow_and_update();
                match topic.since(&self.ops, &self.who, version, self.shown).await {
                    Ok(news) => news,
                    Err(error) => return Some(Err(error)),
                }
            }
            None => None,
        };
        let quiet = self.spoke_at.is_none_or(|at| now - at >= HEARTBEAT);
        let payload = match news {
            Some((seq, payload)) => {
                self.shown = Some(seq);
                payload
            }
            None if quiet => Vec::new(),
            None => return None,
        };
        self.spoke_at = Some(now);
        Some(Ok(LiveMessage {
            now_ms: self.ops.clock.now().0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            payload,
        }))
    }
}

/// A list whose URL says nothing is followed as the reader's default view.
async fn resolved(ops: &Ops, who: &Operator, topic: LiveTopic) -> Result<LiveTopic, UiError> {
    Ok(match topic {
        LiveTopic::Nodes { query } => LiveTopic::Nodes {
            query: super::views::resolved(ops, who, query).await?,
        },
        // What was does not change, and is read from the samples of all hosts.
        LiveTopic::Topology { query } if query.at_ms.is_some() => {
            return Err(UiError::NotFound(
                "the past is not live: leave `to` out to follow the map".to_owned(),
            ));
        }
        other => other,
    })
}

/// The data of a topic, as somebody of this role sees it.
///
/// # Errors
/// What is followed is gone, or the database refuses.
pub async fn update(ops: &Ops, who: &Operator, topic: &LiveTopic) -> Result<LiveUpdate, UiError> {
    Ok(match topic {
        LiveTopic::Node { id } => {
            LiveUpdate::Node(Box::new(service::node_detail(ops, who.role, id).await?))
        }
        LiveTopic::Overview { system } => {
            LiveUpdate::Overview(Box::new(overview::overview(ops, system.as_deref()).await?))
        }
        LiveTopic::Nodes { query } => {
            LiveUpdate::Nodes(Box::new(super::list::nodes_page(ops, query)))
        }
        LiveTopic::Topology { query } => LiveUpdate::Topology(Box::new(
            crate::topology::map::page(ops, who.role, query).await?,
        )),
        LiveTopic::Clusters { query } => {
            LiveUpdate::Clusters(Box::new(clusters::service::page(ops, query).await?))
        }
        LiveTopic::Cluster { slug } => LiveUpdate::Cluster(Box::new(
            clusters::service::detail(ops, who.role, slug).await?,
        )),
        LiveTopic::Events { query, after_seq } => {
            LiveUpdate::NewEvents(crate::events::service::count_new(ops, query, *after_seq).await?)
        }
    })
}
