//! The one writer of what hosts tell about themselves: many of them in one commit.
//!
//! Called by `agents::news` before a report's samples are stored. A fleet that returns at once brings thousands of such
//! changes, and one commit each would keep everybody waiting. Invariant: the answer comes after the commit; a change
//! that fails alone does not take the others with it.

use domain::event::LeftOut;
use domain::fleet::{CollectorOutcome, Suggested};
use domain::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::servers::store::{self as servers, Place, PlacedBy, ServerRecord};
use super::store::{self, StoredSection};
use crate::db::Db;
use crate::error::StoreError;
use crate::events::{self, Actor, NewEvent};

/// Hosts in one commit.
const BATCH_MAX: usize = 250;
/// Hosts that may wait; beyond, they wait to wait.
const QUEUE_MAX: usize = 1_024;

/// What a host told that is news.
#[derive(Debug, Clone, Default)]
pub struct HostNews {
    /// Internal id of the host.
    pub host_id: String,
    /// Version, interval and suggestions, as its hello told.
    pub agent: Option<(String, u32, Suggested)>,
    /// Host name, encoded facts and their digest.
    pub facts: Option<(String, Vec<u8>, [u8; 8])>,
    /// How its collectors ran.
    pub collectors: Option<Vec<CollectorOutcome>>,
    /// Its lists.
    pub sections: Vec<StoredSection>,
    /// Servers found on it, as they are now.
    pub servers: Vec<ServerRecord>,
    /// Where its own node goes by its own suggestion, where its token allows that.
    pub moved: Option<(String, Place)>,
    /// What of all this is worth an entry in the log.
    pub events: Vec<HostEvent>,
    /// What was worth one and is only counted, by node; none where that is told now.
    pub left_out: Vec<(String, Option<LeftOut>)>,
}

/// An entry in the log about a host, told by itself.
#[derive(Debug, Clone)]
pub struct HostEvent {
    /// When.
    pub at: Timestamp,
    /// What, past tense.
    pub verb: &'static str,
    /// Name of the node.
    pub subject: String,
    /// Its id.
    pub node_id: String,
    /// More.
    pub detail: String,
}

impl HostNews {
    /// Is there nothing to write?
    pub fn is_empty(&self) -> bool {
        self.agent.is_none()
            && self.facts.is_none()
            && self.collectors.is_none()
            && self.sections.is_empty()
            && self.servers.is_empty()
            && self.moved.is_none()
            && self.events.is_empty()
            && self.left_out.is_empty()
    }

    async fn write(&self, connection: &mut sqlx::SqliteConnection) -> Result<(), StoreError> {
        let id = &self.host_id;
        if let Some((version, interval_s, suggested)) = &self.agent {
            store::set_agent(connection, id, version, *interval_s, suggested).await?;
        }
        if let Some((hostname, facts, digest)) = &self.facts {
            store::set_facts(connection, id, hostname, facts, digest).await?;
        }
        if let Some(collectors) = &self.collectors {
            store::set_collectors(connection, id, collectors).await?;
        }
        for section in &self.sections {
            store::set_section(connection, id, section).await?;
        }
        for server in &self.servers {
            make_cluster(
                connection,
                id,
                (&server.system, &server.cluster),
                server.placed_by,
                server.found_at_ms,
            )
            .await?;
            servers::put_server(connection, id, server).await?;
        }
        if let Some((node_id, place)) = &self.moved {
            let now_ms = self.events.first().map_or(0, |event| event.at.0);
            let cluster = (place.system.as_str(), place.cluster.as_str());
            make_cluster(connection, id, cluster, place.placed_by, now_ms).await?;
            servers::set_place(connection, node_id, place).await?;
        }
        for event in &self.events {
            let event = NewEvent {
                at: event.at,
                actor: &Actor::Agent(id.clone()),
                verb: event.verb,
                subject: event.subject.clone(),
                node_id: Some(&event.node_id),
                detail: event.detail.clone(),
            };
            events::store::append(connection, event).await?;
        }
        for (node_id, left_out) in &self.left_out {
            events::store::set_left_out(connection, node_id, *left_out).await?;
        }
        Ok(())
    }
}

/// Makes sure of a cluster, and that it is known who made it.
async fn make_cluster(
    connection: &mut sqlx::SqliteConnection,
    host_id: &str,
    (system, cluster): (&str, &str),
    placed_by: PlacedBy,
    now_ms: i64,
) -> Result<(), StoreError> {
    if placed_by == PlacedBy::Suggestion {
        servers::make_suggested(connection, system, cluster, now_ms, host_id).await?;
    }
    store::ensure_cluster(connection, system, cluster, now_ms).await?;
    Ok(())
}

type Waiting = (HostNews, oneshot::Sender<Result<(), StoreError>>);

/// Hands news to the writer.
#[derive(Debug, Clone)]
pub struct NewsHandle(mpsc::Sender<Waiting>);

impl NewsHandle {
    /// Starts the writer of a database; it ends with its last handle.
    pub fn start(db: Db) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        (Self(sender), tokio::spawn(run(db, queue)))
    }

    /// Writes what a host told; answers when it is durable.
    ///
    /// # Errors
    /// Nothing of it was written.
    pub async fn write(&self, news: HostNews) -> Result<(), StoreError> {
        if news.is_empty() {
            return Ok(());
        }
        let closed = || StoreError::doing("writing what a host told")(sqlx::Error::PoolClosed);
        let (reply, answer) = oneshot::channel();
        self.0.send((news, reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

async fn run(db: Db, mut queue: mpsc::Receiver<Waiting>) {
    let mut batch: Vec<Waiting> = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let together = commit(&db, batch.iter().map(|(news, _)| news)).await;
        if let Err(error) = &together {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                hosts = batch.len(),
                "what hosts told could not be written together; each is tried alone"
            );
        }
        for (news, reply) in batch.drain(..) {
            let answer = match together {
                Ok(()) => Ok(()),
                Err(_) => commit(&db, std::iter::once(&news)).await,
            };
            // Who hung up meanwhile will tell the same again.
            let _gone = reply.send(answer);
        }
    }
}

async fn commit(db: &Db, batch: impl Iterator<Item = &HostNews>) -> Result<(), StoreError> {
    let mut tx = db.write().await?;
    for news in batch {
        news.write(&mut tx).await?;
    }
    tx.commit()
        .await
        .map_err(StoreError::doing("committing what hosts told"))
}
