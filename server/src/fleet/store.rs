//! SQL of systems, clusters, hosts and nodes.

use std::collections::{BTreeMap, HashMap};

use domain::fleet::{CollectorOutcome, GivenTags, Suggested};
use protocol::v1::report::Facts;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqliteExecutor, SqlitePool};

use super::servers::store::PlacedBy;
use crate::error::StoreError;

/// Makes sure that system and cluster exist; gives the system the cluster already belongs to when it is another.
///
/// # Errors
/// When the database refuses.
pub async fn ensure_cluster(
    connection: &mut SqliteConnection,
    system: &str,
    cluster: &str,
    now_ms: i64,
) -> Result<Option<String>, StoreError> {
    let doing = || StoreError::doing("making sure of a cluster");
    sqlx::query(
        "INSERT INTO system (slug, created_at_ms) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(system)
    .bind(now_ms)
    .execute(&mut *connection)
    .await
    .map_err(doing())?;
    sqlx::query(
        "INSERT INTO cluster (slug, system, created_at_ms) VALUES ($1, $2, $3) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(cluster)
    .bind(system)
    .bind(now_ms)
    .execute(&mut *connection)
    .await
    .map_err(doing())?;
    let owner: String = sqlx::query_scalar("SELECT system FROM cluster WHERE slug = $1")
        .bind(cluster)
        .fetch_one(connection)
        .await
        .map_err(doing())?;
    Ok((owner != system).then_some(owner))
}

/// All clusters as (system, cluster), by name.
///
/// # Errors
/// When the database refuses.
pub async fn list_clusters(pool: &SqlitePool) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sqlx::query("SELECT system, slug FROM cluster ORDER BY system, slug")
        .fetch_all(pool)
        .await
        .map_err(StoreError::doing("reading clusters"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// What an administrator, or the server, decided about an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostState {
    /// Reports and counts.
    Active,
    /// Reports, but waits for an administrator.
    Pending,
    /// May not report.
    Revoked,
    /// Two machines used it; may not report.
    Quarantined,
}

impl HostState {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            HostState::Active => "active",
            HostState::Pending => "pending",
            HostState::Revoked => "revoked",
            HostState::Quarantined => "quarantined",
        }
    }

    fn from_stored(text: &str) -> Option<Self> {
        [
            HostState::Active,
            HostState::Pending,
            HostState::Revoked,
            HostState::Quarantined,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// A host with its own node, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct HostRecord {
    /// Public id; the agent's identity.
    pub id: String,
    /// Small number for samples.
    pub no: i64,
    /// The agent's public key.
    pub public_key: [u8; 32],
    /// What was decided about it.
    pub state: HostState,
    /// Token it came with.
    pub token_id: String,
    /// Kernel host name as last told, cleaned.
    pub hostname: String,
    /// Version of its agent as last told.
    pub agent_version: String,
    /// Configured seconds between reports.
    pub interval_s: u32,
    /// When it was enrolled.
    pub enrolled_at_ms: i64,
    /// Facts as last told.
    pub facts: Option<Facts>,
    /// Short digest of the facts' exact bytes.
    pub facts_digest: Option<[u8; 8]>,
    /// Its collectors' last outcomes.
    pub collectors: Vec<CollectorOutcome>,
    /// What its owner suggests; decides nothing.
    pub suggested: Suggested,
    /// Its own node.
    pub node_id: String,
    /// Name given to the node; `None`: the host name.
    pub node_name: Option<String>,
    /// System of the node.
    pub system: String,
    /// Cluster of the node.
    pub cluster: String,
    /// Role of the node in the cluster.
    pub node_role: Option<String>,
    /// Who said where the node belongs.
    pub placed_by: PlacedBy,
    /// What people said about tags, over those that its owner suggests.
    pub tags: GivenTags,
    /// May it, and servers found on it, go into the clusters that they suggest? Its token says so.
    pub allows_suggestions: bool,
}

/// As [`set_tags`] wrote them.
pub fn given_tags(stored: Option<String>) -> Result<GivenTags, String> {
    stored
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map(Option::unwrap_or_default)
        .map_err(|error| error.to_string())
}

/// Writes what people said about a node's tags.
///
/// # Errors
/// When the database refuses.
pub async fn set_tags(
    connection: &mut SqliteConnection,
    node_id: &str,
    tags: &GivenTags,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(tags).map_err(|error| StoreError::Corrupt {
        what: format!("tags of node {node_id}"),
        detail: error.to_string(),
    })?;
    sqlx::query("UPDATE node SET tags = $2 WHERE id = $1")
        .bind(node_id)
        .bind((!tags.is_empty()).then_some(text))
        .execute(connection)
        .await
        .map_err(StoreError::doing("writing tags"))?;
    Ok(())
}

/// A node's notes; empty where nobody wrote any.
///
/// # Errors
/// When the database refuses.
pub async fn find_notes(
    executor: impl SqliteExecutor<'_>,
    node_id: &str,
) -> Result<String, StoreError> {
    let notes: Option<Option<String>> = sqlx::query_scalar("SELECT notes FROM node WHERE id = $1")
        .bind(node_id)
        .fetch_optional(executor)
        .await
        .map_err(StoreError::doing("reading notes"))?;
    Ok(notes.flatten().unwrap_or_default())
}

/// Writes a node's notes.
///
/// # Errors
/// When the database refuses.
pub async fn set_notes(
    connection: &mut SqliteConnection,
    node_id: &str,
    notes: &str,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE node SET notes = $2 WHERE id = $1")
        .bind(node_id)
        .bind((!notes.is_empty()).then_some(notes))
        .execute(connection)
        .await
        .map_err(StoreError::doing("writing notes"))?;
    Ok(())
}

const HOST_COLUMNS: &str = "host.id, host.no, host.public_key, host.state, host.token_id, host.hostname, \
    host.agent_version, host.interval_s, host.enrolled_at_ms, host.facts, host.facts_digest, host.collectors, host.suggested, \
    node.id AS node_id, node.name AS node_name, node.system, node.cluster, node.node_role, node.placed_by, node.tags AS given_tags, \
    (SELECT allows_suggestions FROM enrollment_token WHERE enrollment_token.id = host.token_id) AS allows_suggestions";

fn host(row: &sqlx::sqlite::SqliteRow) -> Result<HostRecord, StoreError> {
    let id: String = row.get("id");
    let corrupt = |detail: &str| StoreError::Corrupt {
        what: format!("host {id}"),
        detail: detail.to_owned(),
    };
    let state: String = row.get("state");
    let facts: Option<Vec<u8>> = row.get("facts");
    let digest: Option<Vec<u8>> = row.get("facts_digest");
    let collectors: Option<String> = row.get("collectors");
    let suggested: Option<String> = row.get("suggested");
    Ok(HostRecord {
        no: row.get("no"),
        public_key: row
            .get::<Vec<u8>, _>("public_key")
            .try_into()
            .map_err(|_| corrupt("its key has not 32 bytes"))?,
        state: HostState::from_stored(&state).ok_or_else(|| corrupt("its state is unknown"))?,
        token_id: row.get("token_id"),
        hostname: row.get("hostname"),
        agent_version: row.get("agent_version"),
        interval_s: u32::try_from(row.get::<i64, _>("interval_s"))
            .map_err(|_| corrupt("its interval is negative"))?,
        enrolled_at_ms: row.get("enrolled_at_ms"),
        facts: facts
            .map(|bytes| protocol::wire::decode("facts", &bytes))
            .transpose()
            .map_err(|error| corrupt(&error.to_string()))?,
        facts_digest: digest.and_then(|bytes| bytes.try_into().ok()),
        collectors: collectors
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| corrupt(&error.to_string()))?
            .unwrap_or_default(),
        suggested: suggested
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| corrupt(&error.to_string()))?
            .unwrap_or_default(),
        node_id: row.get("node_id"),
        node_name: row.get("node_name"),
        system: row.get("system"),
        cluster: row.get("cluster"),
        node_role: row.get("node_role"),
        placed_by: PlacedBy::from_stored(row.get("placed_by"))
            .ok_or_else(|| corrupt("who placed it is unknown"))?,
        tags: given_tags(row.get("given_tags")).map_err(|detail| corrupt(&detail))?,
        allows_suggestions: row.get::<Option<i64>, _>("allows_suggestions") == Some(1),
        id,
    })
}

/// All hosts whose node was not removed.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list_hosts(pool: &SqlitePool) -> Result<Vec<HostRecord>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {HOST_COLUMNS} FROM host JOIN node ON node.host_id = host.id AND node.kind = 'host' \
         WHERE node.removed_at_ms IS NULL ORDER BY host.no"
    )))
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading hosts"))?;
    rows.iter().map(host).collect()
}

/// The host with this agent key, whatever became of it.
///
/// # Errors
/// When the database refuses or the row is corrupt.
pub async fn find_host_by_key(
    connection: &mut SqliteConnection,
    public_key: &[u8; 32],
) -> Result<Option<HostRecord>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {HOST_COLUMNS} FROM host JOIN node ON node.host_id = host.id AND node.kind = 'host' WHERE host.public_key = $1"
    )))
    .bind(public_key.as_slice())
    .fetch_optional(connection)
    .await
    .map_err(StoreError::doing("reading a host"))?;
    row.as_ref().map(host).transpose()
}

/// What hosts were called last, in view or not, by their internal ids.
///
/// # Errors
/// When the database refuses.
pub async fn list_host_names(
    pool: &SqlitePool,
    ids: &[&str],
) -> Result<Vec<(String, String)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT host.id, COALESCE(node.name, host.hostname) FROM host \
         JOIN node ON node.host_id = host.id AND node.kind = 'host' WHERE host.id IN (",
    );
    let mut wanted = query.separated(", ");
    for id in ids {
        wanted.push_bind(*id);
    }
    query.push(")");
    query
        .build_query_as()
        .fetch_all(pool)
        .await
        .map_err(StoreError::doing("reading hosts' names"))
}

/// The next free number for samples.
///
/// # Errors
/// When the database refuses.
pub async fn next_host_no(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT COALESCE(MAX(no), 0) + 1 FROM host")
        .fetch_one(connection)
        .await
        .map_err(StoreError::doing("numbering a host"))
}

/// Writes a new host and its own node.
///
/// # Errors
/// When the database refuses.
pub async fn insert_host(
    connection: &mut SqliteConnection,
    host: &HostRecord,
) -> Result<(), StoreError> {
    let doing = || StoreError::doing("writing a host");
    sqlx::query(
        "INSERT INTO host (id, no, public_key, state, token_id, hostname, agent_version, interval_s, enrolled_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&host.id)
    .bind(host.no)
    .bind(host.public_key.as_slice())
    .bind(host.state.as_str())
    .bind(&host.token_id)
    .bind(&host.hostname)
    .bind(&host.agent_version)
    .bind(host.interval_s)
    .bind(host.enrolled_at_ms)
    .execute(&mut *connection)
    .await
    .map_err(doing())?;
    sqlx::query(
        "INSERT INTO node (id, host_id, kind, name, node_role, system, cluster, created_at_ms) \
         VALUES ($1, $2, 'host', $3, $4, $5, $6, $7)",
    )
    .bind(&host.node_id)
    .bind(&host.id)
    .bind(&host.node_name)
    .bind(&host.node_role)
    .bind(&host.system)
    .bind(&host.cluster)
    .bind(host.enrolled_at_ms)
    .execute(connection)
    .await
    .map_err(doing())?;
    Ok(())
}

/// Gives a host's place and history to a new key.
///
/// # Errors
/// When the database refuses.
pub async fn replace_key(
    connection: &mut SqliteConnection,
    host: &HostRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE host SET public_key = $2, state = $3, token_id = $4, hostname = $5, agent_version = $6, interval_s = $7, \
         facts = NULL, facts_digest = NULL WHERE id = $1",
    )
    .bind(&host.id)
    .bind(host.public_key.as_slice())
    .bind(host.state.as_str())
    .bind(&host.token_id)
    .bind(&host.hostname)
    .bind(&host.agent_version)
    .bind(host.interval_s)
    .execute(connection)
    .await
    .map_err(StoreError::doing("replacing a host's key"))?;
    Ok(())
}

/// Changes what was decided about a host.
///
/// # Errors
/// When the database refuses.
pub async fn set_host_state(
    connection: &mut SqliteConnection,
    id: &str,
    state: HostState,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE host SET state = $2 WHERE id = $1")
        .bind(id)
        .bind(state.as_str())
        .execute(connection)
        .await
        .map_err(StoreError::doing("changing a host's state"))?;
    Ok(())
}

/// Notes what a hello told.
///
/// # Errors
/// When the database refuses.
pub async fn set_agent(
    connection: &mut SqliteConnection,
    id: &str,
    agent_version: &str,
    interval_s: u32,
    suggested: &Suggested,
) -> Result<(), StoreError> {
    let suggested = serde_json::to_string(suggested).map_err(|error| StoreError::Corrupt {
        what: format!("suggestions of host {id}"),
        detail: error.to_string(),
    })?;
    sqlx::query(
        "UPDATE host SET agent_version = $2, interval_s = $3, suggested = $4 WHERE id = $1",
    )
    .bind(id)
    .bind(agent_version)
    .bind(interval_s)
    .bind(suggested)
    .execute(connection)
    .await
    .map_err(StoreError::doing("noting an agent's version"))?;
    Ok(())
}

/// Notes facts in their exact bytes.
///
/// # Errors
/// When the database refuses.
pub async fn set_facts(
    connection: &mut SqliteConnection,
    id: &str,
    hostname: &str,
    facts: &[u8],
    digest: &[u8; 8],
) -> Result<(), StoreError> {
    sqlx::query("UPDATE host SET hostname = $2, facts = $3, facts_digest = $4 WHERE id = $1")
        .bind(id)
        .bind(hostname)
        .bind(facts)
        .bind(digest.as_slice())
        .execute(connection)
        .await
        .map_err(StoreError::doing("writing facts"))?;
    Ok(())
}

/// Notes how the collectors ran.
///
/// # Errors
/// When the database refuses.
pub async fn set_collectors(
    connection: &mut SqliteConnection,
    id: &str,
    collectors: &[CollectorOutcome],
) -> Result<(), StoreError> {
    let text = serde_json::to_string(collectors).map_err(|error| StoreError::Corrupt {
        what: format!("collectors of host {id}"),
        detail: error.to_string(),
    })?;
    sqlx::query("UPDATE host SET collectors = $2 WHERE id = $1")
        .bind(id)
        .bind(text)
        .execute(connection)
        .await
        .map_err(StoreError::doing("writing collectors' outcomes"))?;
    Ok(())
}

/// Notes a list in its exact bytes; the latest of its kind.
///
/// # Errors
/// When the database refuses.
pub async fn set_section(
    connection: &mut SqliteConnection,
    host_id: &str,
    section: &StoredSection,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO host_section (host_id, kind, digest, taken_at_ms, body) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (host_id, kind) DO UPDATE SET digest = $3, taken_at_ms = $4, body = $5",
    )
    .bind(host_id)
    .bind(section.kind)
    .bind(section.digest.as_slice())
    .bind(section.taken_at_ms)
    .bind(&section.body)
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing a section"))?;
    Ok(())
}

/// A list about a host, as its agent sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSection {
    /// Which list, as `protocol::v1::section` numbers them.
    pub kind: u16,
    /// Short digest of the body.
    pub digest: [u8; 8],
    /// When it was taken, by the server's clock.
    pub taken_at_ms: i64,
    /// The list, encoded.
    pub body: Vec<u8>,
}

/// All lists of a host.
///
/// # Errors
/// When the database refuses.
pub async fn list_sections(
    pool: &SqlitePool,
    host_id: &str,
) -> Result<Vec<StoredSection>, StoreError> {
    let rows = sqlx::query(
        "SELECT kind, digest, taken_at_ms, body FROM host_section WHERE host_id = $1 ORDER BY kind",
    )
    .bind(host_id)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading sections"))?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            Some(StoredSection {
                kind: u16::try_from(row.get::<i64, _>("kind")).ok()?,
                digest: row.get::<Vec<u8>, _>("digest").try_into().ok()?,
                taken_at_ms: row.get("taken_at_ms"),
                body: row.get("body"),
            })
        })
        .collect())
}

/// The digests of all hosts' lists, by host and kind.
///
/// # Errors
/// When the database refuses.
pub async fn list_section_digests(
    pool: &SqlitePool,
) -> Result<HashMap<String, BTreeMap<u16, [u8; 8]>>, StoreError> {
    let rows = sqlx::query("SELECT host_id, kind, digest FROM host_section")
        .fetch_all(pool)
        .await
        .map_err(StoreError::doing("reading sections' digests"))?;
    let mut digests: HashMap<String, BTreeMap<u16, [u8; 8]>> = HashMap::new();
    for row in &rows {
        let kind = u16::try_from(row.get::<i64, _>("kind"));
        let digest = row.get::<Vec<u8>, _>("digest").try_into();
        if let (Ok(kind), Ok(digest)) = (kind, digest) {
            digests
                .entry(row.get("host_id"))
                .or_default()
                .insert(kind, digest);
        }
    }
    Ok(digests)
}

/// One kind of list of all hosts: when each was taken, and its bytes.
///
/// # Errors
/// When the database refuses.
pub async fn list_sections_of(
    pool: &SqlitePool,
    kind: u16,
) -> Result<HashMap<String, (i64, Vec<u8>)>, StoreError> {
    let rows = sqlx::query("SELECT host_id, taken_at_ms, body FROM host_section WHERE kind = $1")
        .bind(kind)
        .fetch_all(pool)
        .await
        .map_err(StoreError::doing("reading sections"))?;
    Ok(rows
        .iter()
        .map(|row| {
            (
                row.get("host_id"),
                (row.get("taken_at_ms"), row.get("body")),
            )
        })
        .collect())
}

/// Removes a node from view; its history stays.
///
/// # Errors
/// When the database refuses.
pub async fn remove_node(
    connection: &mut SqliteConnection,
    id: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE node SET removed_at_ms = $2 WHERE id = $1 AND removed_at_ms IS NULL")
            .bind(id)
            .bind(now_ms)
            .execute(connection)
            .await
            .map_err(StoreError::doing("removing a node"))?;
    Ok(done.rows_affected() == 1)
}
