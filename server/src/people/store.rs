//! SQL of people, their sessions and API tokens.

use std::collections::HashMap;

use domain::access::Role;
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::error::StoreError;

/// A person as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// Public id.
    pub id: String,
    /// Sign-in name, lower case.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// argon2id, PHC string.
    pub password_hash: String,
    /// May sign in?
    pub enabled: bool,
    /// When they were made.
    pub created_at_ms: i64,
}

fn role(what: &str, text: &str) -> Result<Role, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt {
        what: what.to_owned(),
        detail: format!("role {text:.20}"),
    })
}

fn person(row: &sqlx::sqlite::SqliteRow) -> Result<PersonRecord, StoreError> {
    let name: String = row.get("name");
    Ok(PersonRecord {
        id: row.get("id"),
        role: role("a person", row.get("role"))?,
        name,
        password_hash: row.get("password_hash"),
        enabled: row.get::<i64, _>("enabled") != 0,
        created_at_ms: row.get("created_at_ms"),
    })
}

/// Writes a new person; false when the name is taken.
///
/// # Errors
/// When the database refuses.
pub async fn insert_person(
    connection: &mut SqliteConnection,
    person: &PersonRecord,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO person (id, name, role, password_hash, enabled, created_at_ms) VALUES ($1, $2, $3, $4, 1, $5) \
         ON CONFLICT (name) DO NOTHING",
    )
    .bind(&person.id)
    .bind(&person.name)
    .bind(person.role.as_str())
    .bind(&person.password_hash)
    .bind(person.created_at_ms)
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing a person"))?;
    Ok(done.rows_affected() == 1)
}

/// The person with this name.
///
/// # Errors
/// When the database refuses or the row is corrupt.
pub async fn find_person(
    pool: &SqlitePool,
    name: &str,
) -> Result<Option<PersonRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT id, name, role, password_hash, enabled, created_at_ms FROM person WHERE name = $1",
    )
    .bind(name)
    .fetch_optional(pool)
    .await
    .map_err(StoreError::doing("reading a person"))?;
    row.as_ref().map(person).transpose()
}

/// All people by name.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list_people(pool: &SqlitePool) -> Result<Vec<PersonRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, name, role, password_hash, enabled, created_at_ms FROM person ORDER BY name",
    )
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading people"))?;
    rows.iter().map(person).collect()
}

/// Is there an administrator who may sign in? Asked inside the transaction that depends on it.
///
/// # Errors
/// When the database refuses.
pub async fn count_admins(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT COUNT(*) FROM person WHERE role = 'admin' AND enabled = 1")
        .fetch_one(connection)
        .await
        .map_err(StoreError::doing("counting administrators"))
}

/// Changes a password; the person's sessions end.
///
/// # Errors
/// When the database refuses.
pub async fn set_password(
    connection: &mut SqliteConnection,
    name: &str,
    hash: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE person SET password_hash = $2 WHERE name = $1")
        .bind(name)
        .bind(hash)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::doing("changing a password"))?;
    delete_sessions_of(connection, name).await?;
    Ok(done.rows_affected() == 1)
}

/// Lets a person sign in, or no longer; their sessions end.
///
/// # Errors
/// When the database refuses.
pub async fn set_enabled(
    connection: &mut SqliteConnection,
    name: &str,
    enabled: bool,
) -> Result<bool, StoreError> {
    let done = sqlx::query("UPDATE person SET enabled = $2 WHERE name = $1")
        .bind(name)
        .bind(i64::from(enabled))
        .execute(&mut *connection)
        .await
        .map_err(StoreError::doing("enabling or disabling a person"))?;
    delete_sessions_of(connection, name).await?;
    Ok(done.rows_affected() == 1)
}

/// Removes a person and their sessions; their name stays in events.
///
/// # Errors
/// When the database refuses.
pub async fn delete_person(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<bool, StoreError> {
    delete_sessions_of(connection, name).await?;
    let done = sqlx::query("DELETE FROM person WHERE name = $1")
        .bind(name)
        .execute(connection)
        .await
        .map_err(StoreError::doing("deleting a person"))?;
    Ok(done.rows_affected() == 1)
}

async fn delete_sessions_of(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM session WHERE person_id IN (SELECT id FROM person WHERE name = $1)")
        .bind(name)
        .execute(connection)
        .await
        .map_err(StoreError::doing("ending sessions"))?;
    Ok(())
}

/// A session with its person, as looked up for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// Sign-in name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// When they signed in.
    pub created_at_ms: i64,
    /// Last request, to the minute.
    pub last_seen_at_ms: i64,
}

/// Writes a new session.
///
/// # Errors
/// When the database refuses.
pub async fn insert_session(
    connection: &mut SqliteConnection,
    token_hash: &[u8; 32],
    person_id: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO session (token_hash, person_id, created_at_ms, last_seen_at_ms) VALUES ($1, $2, $3, $3)")
        .bind(token_hash.as_slice())
        .bind(person_id)
        .bind(now_ms)
        .execute(connection)
        .await
        .map_err(StoreError::doing("writing a session"))?;
    Ok(())
}

/// The session of this token, if its person may still sign in.
///
/// # Errors
/// When the database refuses or the row is corrupt.
pub async fn find_session(
    pool: &SqlitePool,
    token_hash: &[u8; 32],
) -> Result<Option<SessionRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT person.name, person.role, session.created_at_ms, session.last_seen_at_ms FROM session \
         JOIN person ON person.id = session.person_id WHERE session.token_hash = $1 AND person.enabled = 1",
    )
    .bind(token_hash.as_slice())
    .fetch_optional(pool)
    .await
    .map_err(StoreError::doing("reading a session"))?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(SessionRecord {
        name: row.get(0),
        role: role("a session's person", row.get(1))?,
        created_at_ms: row.get(2),
        last_seen_at_ms: row.get(3),
    }))
}

/// Every session that is good: its token's digest, and when it was last used.
///
/// # Errors
/// When the database refuses.
pub async fn list_sessions_since(
    pool: &SqlitePool,
    created_since_ms: i64,
    seen_since_ms: i64,
) -> Result<HashMap<[u8; 32], i64>, StoreError> {
    let rows = sqlx::query(
        "SELECT session.token_hash, session.last_seen_at_ms FROM session JOIN person ON person.id = session.person_id \
         WHERE person.enabled = 1 AND session.created_at_ms >= $1 AND session.last_seen_at_ms >= $2",
    )
    .bind(created_since_ms)
    .bind(seen_since_ms)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading sessions"))?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.get::<Vec<u8>, _>(0).try_into().ok()?, row.get(1))))
        .collect())
}

/// Notes that a session was used.
///
/// # Errors
/// When the database refuses.
pub async fn touch_session(
    connection: &mut SqliteConnection,
    token_hash: &[u8; 32],
    now_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE session SET last_seen_at_ms = $2 WHERE token_hash = $1")
        .bind(token_hash.as_slice())
        .bind(now_ms)
        .execute(connection)
        .await
        .map_err(StoreError::doing("touching a session"))?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// When the database refuses.
pub async fn delete_session(
    connection: &mut SqliteConnection,
    token_hash: &[u8; 32],
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM session WHERE token_hash = $1")
        .bind(token_hash.as_slice())
        .execute(connection)
        .await
        .map_err(StoreError::doing("ending a session"))?;
    Ok(())
}

/// Removes sessions that are over.
///
/// # Errors
/// When the database refuses.
pub async fn delete_sessions_before(
    connection: &mut SqliteConnection,
    created_before_ms: i64,
    seen_before_ms: i64,
) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM session WHERE created_at_ms < $1 OR last_seen_at_ms < $2")
        .bind(created_before_ms)
        .bind(seen_before_ms)
        .execute(connection)
        .await
        .map_err(StoreError::doing("removing old sessions"))?;
    Ok(done.rows_affected())
}

/// An API token as stored: never its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRecord {
    /// Public id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at_ms: i64,
    /// Until when it works.
    pub expires_at_ms: i64,
    /// Since when it was taken back.
    pub revoked_at_ms: Option<i64>,
}

fn api_token(row: &sqlx::sqlite::SqliteRow) -> Result<ApiTokenRecord, StoreError> {
    Ok(ApiTokenRecord {
        id: row.get("id"),
        name: row.get("name"),
        role: role("an API token", row.get("role"))?,
        created_by: row.get("created_by"),
        created_at_ms: row.get("created_at_ms"),
        expires_at_ms: row.get("expires_at_ms"),
        revoked_at_ms: row.get("revoked_at_ms"),
    })
}

/// Writes a new API token.
///
/// # Errors
/// When the database refuses.
pub async fn insert_api_token(
    connection: &mut SqliteConnection,
    token: &ApiTokenRecord,
    hash: &[u8; 32],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO api_token (id, name, role, token_hash, created_by, created_at_ms, expires_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&token.id)
    .bind(&token.name)
    .bind(token.role.as_str())
    .bind(hash.as_slice())
    .bind(&token.created_by)
    .bind(token.created_at_ms)
    .bind(token.expires_at_ms)
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing an API token"))?;
    Ok(())
}

/// The API token with this hash.
///
/// # Errors
/// When the database refuses or the row is corrupt.
pub async fn find_api_token(
    pool: &SqlitePool,
    hash: &[u8; 32],
) -> Result<Option<ApiTokenRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT id, name, role, created_by, created_at_ms, expires_at_ms, revoked_at_ms FROM api_token WHERE token_hash = $1",
    )
    .bind(hash.as_slice())
    .fetch_optional(pool)
    .await
    .map_err(StoreError::doing("reading an API token"))?;
    row.as_ref().map(api_token).transpose()
}

/// All API tokens, newest first.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list_api_tokens(pool: &SqlitePool) -> Result<Vec<ApiTokenRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, name, role, created_by, created_at_ms, expires_at_ms, revoked_at_ms FROM api_token \
         ORDER BY created_at_ms DESC, id LIMIT 1000",
    )
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading API tokens"))?;
    rows.iter().map(api_token).collect()
}

/// Takes an API token back; false when there is none or it was taken back before.
///
/// # Errors
/// When the database refuses.
pub async fn revoke_api_token(
    connection: &mut SqliteConnection,
    id: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE api_token SET revoked_at_ms = $2 WHERE id = $1 AND revoked_at_ms IS NULL",
    )
    .bind(id)
    .bind(now_ms)
    .execute(connection)
    .await
    .map_err(StoreError::doing("revoking an API token"))?;
    Ok(done.rows_affected() == 1)
}
