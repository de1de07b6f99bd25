//! One live connection of a page: says what changed of what the page follows, at most once a second.
//!
//! Ends with the session, with the server, or with the page. A page that follows a node makes its host report every
//! second; nothing else does. A page that reads slowly is asked for nothing more until it has taken what it was sent: it
//! misses moments, and gets what happened meanwhile at once.

use std::sync::Arc;
use std::time::Duration;

use app::backend::Operator;
use app::error::UiError;
use app::fleet::view::{LiveRequest, LiveTopic, LiveUpdate};
use app::live::message::{LiveFrame, LiveMessage, LivePayload};
use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior};

use super::topics::Topic;
use super::{clusters, overview, service};
use crate::ops::Ops;

/// Messages to one page.
const PERIOD: Duration = Duration::from_secs(1);
/// Lines tick together, this far apart: a thousand moments of their own would be as many wake-ups of threads.
const APART_MS: u64 = 50;
/// A line without news says that it is open.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How soon a revoked session loses its connections.
const SESSION_CHECK: Duration = Duration::from_secs(2);
/// Greatest message of a page: what it follows, with its filter.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// Read at once; every line holds such a buffer.
const READ_BYTES: usize = 2 * 1024;
/// A page that takes nothing for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// A page, as its line knows it.
struct Line {
    ops: Ops,
    who: Operator,
    topic: Option<Arc<Topic>>,
    /// Number of the state that the page shows.
    shown: Option<u32>,
    changes: tokio::sync::watch::Receiver<u64>,
    spoke_at: Option<Instant>,
    checked_at: Option<Instant>,
}

/// `GET /fn/live`, upgraded: the page says what it follows, the server what changes.
pub async fn open(
    State(ops): State<Ops>,
    Extension(who): Extension<Operator>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let line = Line {
        changes: ops.live.subscribe(),
        ops,
        who,
        topic: None,
        shown: None,
        spoke_at: None,
        checked_at: None,
    };
    upgrade
        .max_message_size(REQUEST_BYTES_MAX)
        .max_frame_size(REQUEST_BYTES_MAX)
        .read_buffer_size(READ_BYTES)
        .on_upgrade(|socket| line.run(socket))
}

fn next_moment(ops: &Ops) -> Instant {
    let since = ops.clock.monotonic().0 % APART_MS;
    Instant::now() + Duration::from_millis(APART_MS - since)
}

impl Line {
    async fn run(mut self, mut socket: WebSocket) {
        let shutdown = self.ops.shutdown.clone();
        let mut tick = tokio::time::interval_at(next_moment(&self.ops), PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let frame = tokio::select! {
                () = shutdown.cancelled() => break,
                heard = socket.recv() => match heard {
                    Some(Ok(message)) => self.hear(message).await.err().map(Err),
                    Some(Err(_)) | None => return,
                },
                now = tick.tick() => self.speak(now).await.transpose(),
            };
            let Some(frame) = frame else { continue };
            let is_taken = tokio::select! {
                () = shutdown.cancelled() => break,
                sent = tokio::time::timeout(SEND_TIMEOUT, send(&mut socket, &frame)) => matches!(sent, Ok(Ok(()))),
            };
            if !is_taken {
                return;
            }
            if frame.is_err() {
                break;
            }
        }
        // Whoever is gone need not be told.
        let _closed = tokio::time::timeout(PERIOD, socket.send(Message::Close(None))).await;
    }

    async fn hear(&mut self, message: Message) -> Result<(), UiError> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                return Err(UiError::Unavailable(
                    "a page speaks in text frames".to_owned(),
                ));
            }
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => return Ok(()),
        };
        let request = serde_json::from_str(&text).map_err(|_| {
            UiError::Unavailable("this page is of another version; reload it".to_owned())
        })?;
        match request {
            LiveRequest::Follow { topic } => {
                let topic = resolved(&self.ops, &self.who, topic).await?;
                self.topic = Some(self.ops.topics.follow(topic, self.who.role));
                self.shown = None;
            }
            LiveRequest::Ping => {}
        }
        Ok(())
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

    /// What there is to say at a tick.
    async fn speak(&mut self, now: Instant) -> Result<Option<LiveMessage>, UiError> {
        self.check_session(now).await?;
        let Some(topic) = &self.topic else {
            return Ok(self.message(now, None));
        };
        if let LiveTopic::Node { id } = topic.topic() {
            self.ops.live.watch(id, self.ops.clock.monotonic());
        }
        let version = *self.changes.borrow_and_update();
        let news = topic.since(&self.ops, &self.who, version, self.shown);
        let news = news.await?;
        Ok(self.message(now, news))
    }

    fn message(
        &mut self,
        now: Instant,
        news: Option<(u32, Vec<LivePayload>)>,
    ) -> Option<LiveMessage> {
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
        Some(LiveMessage {
            now_ms: self.ops.clock.now().0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            payload,
        })
    }
}

async fn send(socket: &mut WebSocket, frame: &LiveFrame) -> Result<(), axum::Error> {
    let text = serde_json::to_string(frame).map_err(axum::Error::new)?;
    socket.send(Message::Text(text.into())).await
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
