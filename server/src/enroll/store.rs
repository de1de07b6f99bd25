//! SQL of enrollment tokens.

use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::error::StoreError;

/// A token as stored: never its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Public id.
    pub id: String,
    /// Public half of the key derived from the secret.
    pub public_key: [u8; 32],
    /// Where its nodes go.
    pub system: String,
    /// Where its nodes go.
    pub cluster: String,
    /// Role of its nodes in the cluster.
    pub node_role: Option<String>,
    /// Uses allowed.
    pub uses: i64,
    /// Uses made.
    pub used: i64,
    /// Do its nodes wait for review?
    pub review: bool,
    /// May its hosts, and servers found on them, go into the clusters that they suggest?
    pub allows_suggestions: bool,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at_ms: i64,
    /// Until when it works.
    pub expires_at_ms: i64,
    /// Since when it was taken back.
    pub revoked_at_ms: Option<i64>,
}

const COLUMNS: &str = "id, public_key, system, cluster, node_role, uses, used, review, created_by, created_at_ms, expires_at_ms, revoked_at_ms, allows_suggestions";

fn record(row: &sqlx::sqlite::SqliteRow) -> Result<TokenRecord, StoreError> {
    let id: String = row.get("id");
    let public_key: Vec<u8> = row.get("public_key");
    let public_key = public_key.try_into().map_err(|_| StoreError::Corrupt {
        what: format!("enrollment token {id}"),
        detail: "its key has not 32 bytes".to_owned(),
    })?;
    Ok(TokenRecord {
        id,
        public_key,
        system: row.get("system"),
        cluster: row.get("cluster"),
        node_role: row.get("node_role"),
        uses: row.get("uses"),
        used: row.get("used"),
        review: row.get::<i64, _>("review") != 0,
        allows_suggestions: row.get::<i64, _>("allows_suggestions") != 0,
        created_by: row.get("created_by"),
        created_at_ms: row.get("created_at_ms"),
        expires_at_ms: row.get("expires_at_ms"),
        revoked_at_ms: row.get("revoked_at_ms"),
    })
}

/// Writes a new token.
///
/// # Errors
/// When the database refuses.
pub async fn insert(
    connection: &mut SqliteConnection,
    token: &TokenRecord,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO enrollment_token (id, public_key, system, cluster, node_role, uses, used, review, created_by, created_at_ms, expires_at_ms, allows_suggestions) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, $11)",
    )
    .bind(&token.id)
    .bind(token.public_key.as_slice())
    .bind(&token.system)
    .bind(&token.cluster)
    .bind(&token.node_role)
    .bind(token.uses)
    .bind(i64::from(token.review))
    .bind(&token.created_by)
    .bind(token.created_at_ms)
    .bind(token.expires_at_ms)
    .bind(i64::from(token.allows_suggestions))
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing an enrollment token"))?;
    Ok(())
}

/// The token with this public id.
///
/// # Errors
/// When the database refuses or the row is corrupt.
pub async fn find(
    executor: impl sqlx::SqliteExecutor<'_>,
    id: &str,
) -> Result<Option<TokenRecord>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM enrollment_token WHERE id = $1"
    )))
    .bind(id)
    .fetch_optional(executor)
    .await
    .map_err(StoreError::doing("reading an enrollment token"))?;
    row.as_ref().map(record).transpose()
}

/// All tokens, newest first; `usable_at_ms` leaves out those that no longer work then.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list(
    pool: &SqlitePool,
    usable_at_ms: Option<i64>,
) -> Result<Vec<TokenRecord>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM enrollment_token \
         WHERE $1 IS NULL OR (revoked_at_ms IS NULL AND expires_at_ms > $1 AND used < uses) \
         ORDER BY created_at_ms DESC, id LIMIT 1000"
    )))
    .bind(usable_at_ms)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading enrollment tokens"))?;
    rows.iter().map(record).collect()
}

/// Uses a token once, if at this instant it still may be: compare and set in one statement.
///
/// # Errors
/// When the database refuses.
pub async fn use_once(
    connection: &mut SqliteConnection,
    id: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE enrollment_token SET used = used + 1 \
         WHERE id = $1 AND used < uses AND revoked_at_ms IS NULL AND expires_at_ms > $2",
    )
    .bind(id)
    .bind(now_ms)
    .execute(connection)
    .await
    .map_err(StoreError::doing("using an enrollment token"))?;
    Ok(done.rows_affected() == 1)
}

/// Takes a token back; false when there is none or it was taken back before.
///
/// # Errors
/// When the database refuses.
pub async fn revoke(
    connection: &mut SqliteConnection,
    id: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE enrollment_token SET revoked_at_ms = $2 WHERE id = $1 AND revoked_at_ms IS NULL",
    )
    .bind(id)
    .bind(now_ms)
    .execute(connection)
    .await
    .map_err(StoreError::doing("revoking an enrollment token"))?;
    Ok(done.rows_affected() == 1)
}
