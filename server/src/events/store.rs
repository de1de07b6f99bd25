//! SQL of the event log.

use domain::event::Bars;
use std::collections::BTreeMap;

use domain::event::LeftOut;
use protocol::keys::digest;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row, SqliteConnection, SqlitePool};

use super::{Actor, BeforeAfter, ChainState, NewEvent};
use crate::error::StoreError;

/// One entry as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// From 1, without gaps.
    pub seq: i64,
    /// Server's wall clock.
    pub at_ms: i64,
    /// Who, in words.
    pub actor: String,
    /// What.
    pub verb: String,
    /// To what.
    pub subject: String,
    /// Which node, if one.
    pub node_id: Option<String>,
    /// More.
    pub detail: String,
    /// What was changed, as it was.
    pub before: Option<String>,
    /// What was changed, as it is.
    pub after: Option<String>,
    /// Where the request of a person came from.
    pub address: Option<String>,
    /// The id of that request in the server's log.
    pub request_id: Option<String>,
}

impl EventRecord {
    /// What entries had no room for at first; those that have none of it are chained as they always were.
    fn extras(&self) -> Option<[&str; 4]> {
        let extras = [&self.before, &self.after, &self.address, &self.request_id];
        extras
            .iter()
            .any(|extra| extra.is_some())
            .then(|| extras.map(|extra| extra.as_deref().unwrap_or("")))
    }
}

const COLUMNS: &str =
    "seq, at_ms, actor, verb, subject, node_id, detail, before, after, address, request_id";

const COLUMNS_BRIEF: &str = "seq, at_ms, actor, verb, subject, node_id, detail, NULL AS before, NULL AS after, \
     NULL AS address, NULL AS request_id";

/// `SHA-256(hash before || each field behind its length)`
fn chain(before: &[u8], event: &EventRecord) -> [u8; 32] {
    let seq = event.seq.to_be_bytes();
    let at = event.at_ms.to_be_bytes();
    let node = event.node_id.as_deref().unwrap_or("");
    let fields: [&[u8]; 8] = [
        before,
        &seq,
        &at,
        event.actor.as_bytes(),
        event.verb.as_bytes(),
        event.subject.as_bytes(),
        node.as_bytes(),
        event.detail.as_bytes(),
    ];
    let mut bytes = Vec::new();
    let extras = event.extras();
    let extras = extras.iter().flatten().map(|extra| extra.as_bytes());
    for field in fields.into_iter().chain(extras) {
        bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
        bytes.extend_from_slice(field);
    }
    digest(&bytes)
}

/// Appends an entry in the transaction of the change it tells of.
///
/// # Errors
/// When the database refuses.
pub async fn append(
    connection: &mut SqliteConnection,
    event: NewEvent<'_>,
) -> Result<i64, StoreError> {
    append_with(connection, event, None).await
}

/// As [`append`], with what was changed.
///
/// # Errors
/// When the database refuses.
pub async fn append_change(
    connection: &mut SqliteConnection,
    event: NewEvent<'_>,
    change: BeforeAfter,
) -> Result<i64, StoreError> {
    append_with(connection, event, Some(change)).await
}

async fn append_with(
    connection: &mut SqliteConnection,
    event: NewEvent<'_>,
    change: Option<BeforeAfter>,
) -> Result<i64, StoreError> {
    // After the head, not the last row: where rows were taken from the end, the gap stays. Where somebody took the head
    // away, what happens is still written; that it is missing is for `verify` to tell.
    let mut last: Option<(i64, Vec<u8>)> = None;
    for sql in [
        "SELECT seq, hash FROM event_head",
        "SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1",
    ] {
        if last.is_none() {
            last = sqlx::query_as(sql)
                .fetch_optional(&mut *connection)
                .await
                .map_err(StoreError::doing("reading the last event"))?;
        }
    }
    let (seq, before) = last.map_or((1, Vec::new()), |(seq, hash)| (seq + 1, hash));
    let (before_change, after_change) = change.map(|change| (change.before, change.after)).unzip();
    let (address, request_id) = match event.actor {
        Actor::Person(person) => (person.address.clone(), person.request_id.clone()),
        Actor::CommandLine(_) | Actor::Agent(_) | Actor::Server => (None, None),
    };
    let record = EventRecord {
        before: before_change,
        after: after_change,
        address,
        request_id,
        seq,
        at_ms: event.at.0,
        actor: event.actor.to_string(),
        verb: event.verb.to_owned(),
        subject: event.subject,
        node_id: event.node_id.map(str::to_owned),
        detail: event.detail,
    };
    let hash = chain(&before, &record);
    sqlx::query(
        "INSERT INTO event (seq, at_ms, actor, verb, subject, node_id, detail, hash, before, after, address, request_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(record.seq)
    .bind(record.at_ms)
    .bind(&record.actor)
    .bind(&record.verb)
    .bind(&record.subject)
    .bind(&record.node_id)
    .bind(&record.detail)
    .bind(hash.as_slice())
    .bind(&record.before)
    .bind(&record.after)
    .bind(&record.address)
    .bind(&record.request_id)
    .execute(&mut *connection)
    .await
    .map_err(StoreError::doing("writing an event"))?;
    sqlx::query("UPDATE event_head SET seq = $1, hash = $2")
        .bind(seq)
        .bind(hash.as_slice())
        .execute(connection)
        .await
        .map_err(StoreError::doing("writing where the event log ends"))?;
    Ok(seq)
}

impl FromRow<'_, SqliteRow> for EventRecord {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            at_ms: row.try_get("at_ms")?,
            actor: row.try_get("actor")?,
            verb: row.try_get("verb")?,
            subject: row.try_get("subject")?,
            node_id: row.try_get("node_id")?,
            detail: row.try_get("detail")?,
            before: row.try_get("before")?,
            after: row.try_get("after")?,
            address: row.try_get("address")?,
            request_id: row.try_get("request_id")?,
        })
    }
}

/// Who did this to what has this name last, as the log writes them, and when.
///
/// # Errors
/// When the database refuses.
pub async fn last_about(
    pool: &SqlitePool,
    verb: &str,
    subject: &str,
) -> Result<Option<(String, i64)>, StoreError> {
    sqlx::query_as(
        "SELECT actor, at_ms FROM event WHERE verb = $1 AND subject = $2 ORDER BY seq DESC LIMIT 1",
    )
    .bind(verb)
    .bind(subject)
    .fetch_optional(pool)
    .await
    .map_err(StoreError::doing("reading who did something last"))
}

/// When one of these last happened to a node, if any did.
///
/// # Errors
/// When the database refuses.
pub async fn last_of(
    pool: &SqlitePool,
    node_id: &str,
    verbs: &[&str],
) -> Result<Option<i64>, StoreError> {
    let verbs = serde_json::Value::from(verbs.to_vec()).to_string();
    sqlx::query_scalar(
        "SELECT at_ms FROM event WHERE node_id = $1 AND verb IN (SELECT value FROM json_each($2)) ORDER BY seq DESC LIMIT 1",
    )
    .bind(node_id)
    .bind(verbs)
    .fetch_optional(pool)
    .await
    .map_err(StoreError::doing("reading when something last happened"))
}

/// Whose entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Everything.
    All,
    /// A node, by its public id.
    Node(&'a str),
    /// A cluster itself, and nodes that are in it or were when they were removed.
    Cluster(&'a str),
    /// All clusters of a system, and their nodes.
    System(&'a str),
}

/// Entries of a scope, newest first, before `before_seq`. The clause is chosen here: one for all scopes would use no index.
async fn newest(
    pool: &SqlitePool,
    columns: &str,
    scope: Scope<'_>,
    before_seq: Option<i64>,
    limit: u32,
) -> Result<Vec<EventRecord>, StoreError> {
    let (clause, whose) = match scope {
        Scope::All => ("$1 IS NULL".to_owned(), None),
        Scope::Node(id) => ("node_id = $1".to_owned(), Some(id)),
        Scope::Cluster(slug) => (of_cluster("= $1"), Some(slug)),
        Scope::System(slug) => (
            of_cluster("IN (SELECT slug FROM cluster WHERE system = $1)"),
            Some(slug),
        ),
    };
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {columns} FROM event WHERE {clause} AND seq < $2 ORDER BY seq DESC LIMIT $3"
    )))
    .bind(whose)
    .bind(before_seq.unwrap_or(i64::MAX))
    .bind(limit)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading events"))
}

/// Newest first; of one node, or of all.
///
/// # Errors
/// When the database refuses.
pub async fn list_latest(
    pool: &SqlitePool,
    node_id: Option<&str>,
    before_seq: Option<i64>,
    limit: u32,
) -> Result<Vec<EventRecord>, StoreError> {
    let scope = node_id.map_or(Scope::All, Scope::Node);
    newest(pool, COLUMNS, scope, before_seq, limit).await
}

/// Newest first, without what was changed, which may be long.
///
/// # Errors
/// When the database refuses.
pub async fn list_brief(
    pool: &SqlitePool,
    scope: Scope<'_>,
    before_seq: Option<i64>,
    limit: u32,
) -> Result<Vec<EventRecord>, StoreError> {
    newest(pool, COLUMNS_BRIEF, scope, before_seq, limit).await
}

/// What of the log is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Inclusive.
    pub from_ms: i64,
    /// Exclusive.
    pub to_ms: i64,
    /// Only this verb.
    pub verb: Option<String>,
    /// Only by this actor.
    pub actor: Option<String>,
    /// Only what happened to the node with this public id, or to what has this name.
    pub object: Option<String>,
    /// Only what happened to this cluster, and to nodes that are in it.
    pub cluster: Option<String>,
    /// Only what people did, here or by commands: the audit log.
    pub is_audit: bool,
}

/// Not the server, and no agent: as [`Actor`] writes them.
const BY_PEOPLE: &str = "actor <> 'server' AND actor NOT LIKE 'agent %'";

/// `is` compares with the slugs: `= $1`.
fn of_cluster(is: &str) -> String {
    format!(
        "(node_id IN (SELECT id FROM node WHERE cluster {is}) \
         OR (node_id IS NULL AND subject {is} AND verb LIKE 'cluster %'))"
    )
}

/// The clause of an [`EventFilter`], bound as `$1` to `$7`.
fn matches() -> String {
    let of_cluster = of_cluster("= $6");
    format!(
        "at_ms >= $1 AND at_ms < $2 AND ($3 IS NULL OR verb = $3) AND ($4 IS NULL OR actor = $4) \
         AND ($5 IS NULL OR node_id = $5 OR (node_id IS NULL AND subject = $5)) \
         AND ($6 IS NULL OR {of_cluster}) AND (NOT $7 OR ({BY_PEOPLE}))"
    )
}

/// Entries that match, newest first, before `before_seq`.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    pool: &SqlitePool,
    filter: &EventFilter,
    before_seq: Option<i64>,
    limit: u32,
) -> Result<Vec<EventRecord>, StoreError> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM event WHERE {} AND ($8 IS NULL OR seq < $8) ORDER BY seq DESC LIMIT $9",
        matches()
    )))
    .bind(filter.from_ms)
    .bind(filter.to_ms)
    .bind(&filter.verb)
    .bind(&filter.actor)
    .bind(&filter.object)
    .bind(&filter.cluster)
    .bind(filter.is_audit)
    .bind(before_seq)
    .bind(limit)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading events"))
}

/// When the first entry that matches was written.
///
/// # Errors
/// When the database refuses.
pub async fn first_at(pool: &SqlitePool, filter: &EventFilter) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT MIN(at_ms) FROM event WHERE {}",
        matches()
    )))
    .bind(filter.from_ms)
    .bind(filter.to_ms)
    .bind(&filter.verb)
    .bind(&filter.actor)
    .bind(&filter.object)
    .bind(&filter.cluster)
    .bind(filter.is_audit)
    .fetch_one(pool)
    .await
    .map_err(StoreError::doing("reading the first event"))
}

/// How many entries match in each bar; bars without any are left out.
///
/// # Errors
/// When the database refuses.
pub async fn histogram(
    pool: &SqlitePool,
    filter: &EventFilter,
    bars: Bars,
) -> Result<Vec<(i64, i64)>, StoreError> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT (at_ms - $8) / $9 AS part, COUNT(*) FROM event WHERE {} GROUP BY part",
        matches()
    )))
    .bind(filter.from_ms)
    .bind(filter.to_ms)
    .bind(&filter.verb)
    .bind(&filter.actor)
    .bind(&filter.object)
    .bind(&filter.cluster)
    .bind(filter.is_audit)
    .bind(bars.from_ms)
    .bind(bars.bar_ms)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("counting events"))
}

/// What entries can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet {
    /// What happened.
    Verb,
    /// Who did it.
    Actor,
    /// To what: a node by its public id, all else by name.
    Object,
}

/// The most common values of a facet in the window as (value, name, how many), whatever the filter says of facets.
///
/// # Errors
/// When the database refuses.
pub async fn facet(
    pool: &SqlitePool,
    facet: Facet,
    filter: &EventFilter,
    limit: u32,
) -> Result<Vec<(String, String, i64)>, StoreError> {
    let column = match facet {
        Facet::Verb => "verb",
        Facet::Actor => "actor",
        Facet::Object => "COALESCE(node_id, subject)",
    };
    let name = match facet {
        Facet::Verb | Facet::Actor => column,
        Facet::Object => "subject",
    };
    // A bare column beside MAX(seq) is that of the newest entry: a node renamed meanwhile has its latest name.
    let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {column} AS value, {name} AS name, COUNT(*) AS entries, MAX(seq) FROM event \
         WHERE at_ms >= $1 AND at_ms < $2 AND (NOT $3 OR ({BY_PEOPLE})) \
         GROUP BY value ORDER BY entries DESC, value LIMIT $4"
    )))
    .bind(filter.from_ms)
    .bind(filter.to_ms)
    .bind(filter.is_audit)
    .bind(limit)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("counting events"))?;
    Ok(rows
        .into_iter()
        .map(|(value, name, entries, _)| (value, name, entries))
        .collect())
}

/// Number of the last entry; 0 when there is none.
///
/// # Errors
/// When the database refuses.
pub async fn last_seq(pool: &SqlitePool) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT COALESCE(MAX(seq), 0) FROM event")
        .fetch_one(pool)
        .await
        .map_err(StoreError::doing("reading the last event"))
}

/// Entries after `seq` that match.
///
/// # Errors
/// When the database refuses.
pub async fn count_after(
    pool: &SqlitePool,
    filter: &EventFilter,
    seq: i64,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT COUNT(*) FROM event WHERE {} AND seq > $8",
        matches()
    )))
    .bind(filter.from_ms)
    .bind(filter.to_ms)
    .bind(&filter.verb)
    .bind(&filter.actor)
    .bind(&filter.object)
    .bind(&filter.cluster)
    .bind(filter.is_audit)
    .bind(seq)
    .fetch_one(pool)
    .await
    .map_err(StoreError::doing("counting events"))
}

/// Newest first, before `before_seq`: of a cluster itself, and of nodes that are or were in it when they were removed.
///
/// # Errors
/// When the database refuses.
pub async fn list_of_cluster(
    pool: &SqlitePool,
    cluster: &str,
    before_seq: Option<i64>,
    limit: u32,
) -> Result<Vec<EventRecord>, StoreError> {
    newest(pool, COLUMNS, Scope::Cluster(cluster), before_seq, limit).await
}

/// Keeps what of a node's events was counted and not written, until that is told.
///
/// # Errors
/// When the database refuses.
pub async fn set_left_out(
    connection: &mut SqliteConnection,
    node_id: &str,
    left_out: Option<LeftOut>,
) -> Result<(), StoreError> {
    let query = match left_out {
        Some(kept) => sqlx::query(
            "INSERT INTO event_left_out (node_id, began_at_ms, told, left_out) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (node_id) DO UPDATE SET began_at_ms = $2, told = $3, left_out = $4",
        )
        .bind(node_id)
        .bind(kept.began_at_ms)
        .bind(kept.told)
        .bind(kept.count),
        None => sqlx::query("DELETE FROM event_left_out WHERE node_id = $1").bind(node_id),
    };
    let done = query.execute(connection).await;
    done.map_err(StoreError::doing("counting events that are left out"))?;
    Ok(())
}

/// What is counted and not told yet, by node.
///
/// # Errors
/// When the database refuses.
pub async fn list_left_out(pool: &SqlitePool) -> Result<BTreeMap<String, LeftOut>, StoreError> {
    let rows: Vec<(String, i64, u32, u32)> =
        sqlx::query_as("SELECT node_id, began_at_ms, told, left_out FROM event_left_out")
            .fetch_all(pool)
            .await
            .map_err(StoreError::doing("reading events that are left out"))?;
    let kept = |(node_id, began_at_ms, told, count)| {
        let left_out = LeftOut {
            began_at_ms,
            told,
            count,
        };
        (node_id, left_out)
    };
    Ok(rows.into_iter().map(kept).collect())
}

/// Walks the whole chain, to where it must end.
///
/// # Errors
/// When the database refuses.
pub async fn verify(pool: &SqlitePool) -> Result<ChainState, StoreError> {
    const BATCH: i64 = 1_000;
    let reading = || StoreError::doing("reading events");
    // One snapshot: the log may grow meanwhile.
    let mut snapshot = pool.begin().await.map_err(reading())?;
    let head = head(&mut snapshot).await?;
    let broken = |first_bad_seq| Ok(ChainState::Broken { first_bad_seq });
    let mut before: Vec<u8> = Vec::new();
    let mut wanted = 1i64;
    loop {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS}, hash FROM event WHERE seq >= $1 ORDER BY seq LIMIT $2"
        )))
        .bind(if wanted == 1 { i64::MIN } else { wanted })
        .bind(BATCH)
        .fetch_all(&mut *snapshot)
        .await
        .map_err(reading())?;
        for row in &rows {
            // What cannot even be read, such as bytes in the place of text, was not written by us.
            let (Ok(event), Ok(hash)) = (EventRecord::from_row(row), row.try_get("hash")) else {
                return broken(wanted);
            };
            let hash: Vec<u8> = hash;
            if event.seq != wanted || chain(&before, &event) != hash.as_slice() {
                return broken(wanted);
            }
            before = hash;
            wanted += 1;
        }
        if (rows.len() as i64) < BATCH {
            break;
        }
    }
    let count = wanted - 1;
    match head {
        Head::At(seq, hash) if seq == count && hash == before => {}
        // Entries were taken from the end, or put there, or all were written anew.
        Head::At(seq, _) if seq < count => return broken(seq + 1),
        Head::At(seq, _) if seq == count => return broken(count),
        Head::At(..) | Head::Missing => return broken(wanted),
        Head::NotKept => {}
    }
    Ok(ChainState::Whole {
        count: count.unsigned_abs(),
    })
}

/// Where the log ends, as kept beside it.
enum Head {
    /// Number and hash of the last entry.
    At(i64, Vec<u8>),
    /// It was taken away, or is not as we write it.
    Missing,
    /// A copy of a version that did not keep it.
    NotKept,
}

async fn head(connection: &mut SqliteConnection) -> Result<Head, StoreError> {
    let is_kept: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'event_head')",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(StoreError::doing("reading where the event log ends"))?;
    if !is_kept {
        return Ok(Head::NotKept);
    }
    let row = sqlx::query("SELECT seq, hash FROM event_head")
        .fetch_optional(connection)
        .await
        .map_err(StoreError::doing("reading where the event log ends"))?;
    Ok(row
        .and_then(|row| Some(Head::At(row.try_get(0).ok()?, row.try_get(1).ok()?)))
        .unwrap_or(Head::Missing))
}
