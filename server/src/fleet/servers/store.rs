//! SQL of servers that were found on hosts: nodes with a key.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::fleet::{Admission, GivenTags, ServerFacts};
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::error::StoreError;

/// Who said which cluster a node is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacedBy {
    /// The enrollment token of its host.
    Token,
    /// Its own configuration, where the token allows that.
    Suggestion,
    /// A person; nothing else moves it any more.
    Operator,
}

impl PlacedBy {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            PlacedBy::Token => "token",
            PlacedBy::Suggestion => "suggestion",
            PlacedBy::Operator => "operator",
        }
    }

    /// As [`PlacedBy::as_str`] writes it.
    pub fn from_stored(text: &str) -> Option<Self> {
        [PlacedBy::Token, PlacedBy::Suggestion, PlacedBy::Operator]
            .into_iter()
            .find(|by| by.as_str() == text)
    }
}

/// A server as a node.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerRecord {
    /// Public id of the node.
    pub node_id: String,
    /// Name that a person gave; `None`: as the agent tells it.
    pub node_name: Option<String>,
    /// System.
    pub system: String,
    /// Cluster.
    pub cluster: String,
    /// Role in it.
    pub node_role: Option<String>,
    /// Does it count?
    pub admission: Admission,
    /// Who said where it belongs.
    pub placed_by: PlacedBy,
    /// What people said about tags, over those of its host.
    pub tags: GivenTags,
    /// When it was first found, by the server's clock.
    pub found_at_ms: i64,
    /// Since when it is as it is, by what its agent tells; `None` where nobody knows. Not stored: the log of events has it.
    pub since_ms: Option<i64>,
    /// As its agent last told it.
    pub facts: ServerFacts,
}

/// Servers of one host by key.
pub type Servers = BTreeMap<String, Arc<ServerRecord>>;

/// All servers that were not removed, by host.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list_servers(pool: &SqlitePool) -> Result<HashMap<String, Servers>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, host_id, name, system, cluster, node_role, admission, placed_by, created_at_ms, server_key, facts, tags \
         FROM node WHERE server_key IS NOT NULL AND removed_at_ms IS NULL",
    )
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading servers"))?;
    let mut hosts: HashMap<String, Servers> = HashMap::new();
    for row in &rows {
        let record = server(row)?;
        hosts
            .entry(row.get("host_id"))
            .or_default()
            .insert(row.get("server_key"), Arc::new(record));
    }
    Ok(hosts)
}

fn server(row: &sqlx::sqlite::SqliteRow) -> Result<ServerRecord, StoreError> {
    let node_id: String = row.get("id");
    let corrupt = |detail: String| StoreError::Corrupt {
        what: format!("server {node_id}"),
        detail,
    };
    let facts: Option<String> = row.get("facts");
    let facts = facts.ok_or_else(|| corrupt("it has no facts".to_owned()))?;
    Ok(ServerRecord {
        node_name: row.get("name"),
        system: row.get("system"),
        cluster: row.get("cluster"),
        node_role: row.get("node_role"),
        admission: Admission::from_stored(row.get("admission"))
            .ok_or_else(|| corrupt("its admission is unknown".to_owned()))?,
        placed_by: PlacedBy::from_stored(row.get("placed_by"))
            .ok_or_else(|| corrupt("who placed it is unknown".to_owned()))?,
        tags: crate::fleet::store::given_tags(row.get("tags")).map_err(&corrupt)?,
        found_at_ms: row.get("created_at_ms"),
        since_ms: None,
        facts: serde_json::from_str(&facts).map_err(|error| corrupt(error.to_string()))?,
        node_id,
    })
}

/// Writes a server as it now is; one that was removed and is found again is in view again.
///
/// # Errors
/// When the database refuses.
pub async fn put_server(
    connection: &mut SqliteConnection,
    host_id: &str,
    server: &ServerRecord,
) -> Result<(), StoreError> {
    let facts = serde_json::to_string(&server.facts).map_err(|error| StoreError::Corrupt {
        what: format!("facts of server {}", server.node_id),
        detail: error.to_string(),
    })?;
    sqlx::query(
        "INSERT INTO node (id, host_id, kind, name, node_role, system, cluster, created_at_ms, server_key, facts, admission, placed_by) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (host_id, server_key) WHERE server_key IS NOT NULL DO UPDATE SET id = $1, created_at_ms = $8, kind = $3, name = $4, node_role = $5, \
         system = $6, cluster = $7, facts = $10, admission = $11, placed_by = $12, removed_at_ms = NULL, \
         tags = CASE WHEN node.id = $1 THEN node.tags END, notes = CASE WHEN node.id = $1 THEN node.notes END",
    )
    .bind(&server.node_id)
    .bind(host_id)
    .bind(&server.facts.pack)
    .bind(&server.node_name)
    .bind(&server.node_role)
    .bind(&server.system)
    .bind(&server.cluster)
    .bind(server.found_at_ms)
    .bind(&server.facts.key)
    .bind(facts)
    .bind(server.admission.as_str())
    .bind(server.placed_by.as_str())
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing a server"))?;
    Ok(())
}

/// Where a node is, as a person or its token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// System.
    pub system: String,
    /// Cluster.
    pub cluster: String,
    /// Role in it.
    pub node_role: Option<String>,
    /// Name for people.
    pub node_name: Option<String>,
    /// Does it count?
    pub admission: Admission,
    /// Who says so.
    pub placed_by: PlacedBy,
}

/// Puts a node somewhere.
///
/// # Errors
/// When the database refuses.
pub async fn set_place(
    connection: &mut SqliteConnection,
    node_id: &str,
    place: &Place,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE node SET system = $2, cluster = $3, node_role = $4, name = $5, admission = $6, placed_by = $7 WHERE id = $1",
    )
    .bind(node_id)
    .bind(&place.system)
    .bind(&place.cluster)
    .bind(&place.node_role)
    .bind(&place.node_name)
    .bind(place.admission.as_str())
    .bind(place.placed_by.as_str())
    .execute(connection)
    .await
    .map_err(StoreError::doing("placing a node"))?;
    Ok(())
}

/// System of a cluster, if there is such a cluster.
///
/// # Errors
/// When the database refuses.
pub async fn find_owner(pool: &SqlitePool, cluster: &str) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT system FROM cluster WHERE slug = $1")
        .bind(cluster)
        .fetch_optional(pool)
        .await
        .map_err(StoreError::doing("finding a cluster"))
}

/// Clusters that were made because this host, and any host, suggested them.
///
/// # Errors
/// When the database refuses.
pub async fn count_made(pool: &SqlitePool, host_id: &str) -> Result<(i64, i64), StoreError> {
    sqlx::query_as(
        "SELECT COUNT(CASE WHEN made_by_host = $1 THEN 1 END), COUNT(made_by_host) FROM cluster",
    )
    .bind(host_id)
    .fetch_one(pool)
    .await
    .map_err(StoreError::doing("counting suggested clusters"))
}

/// Makes a cluster that a host suggests, where there is none of this name.
///
/// # Errors
/// When the database refuses.
pub async fn make_suggested(
    connection: &mut SqliteConnection,
    system: &str,
    cluster: &str,
    now_ms: i64,
    host_id: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO cluster (slug, system, created_at_ms, made_by_host) VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(cluster)
    .bind(system)
    .bind(now_ms)
    .bind(host_id)
    .execute(connection)
    .await
    .map_err(StoreError::doing("making a suggested cluster"))?;
    Ok(())
}
