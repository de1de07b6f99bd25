//! SQL of saved views.

use sqlx::{Row, SqliteConnection};

use crate::error::StoreError;

/// A view as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewRecord {
    /// Public id.
    pub id: String,
    /// Sign-in name of whoever made it.
    pub owner: String,
    /// Given by a person.
    pub name: String,
    /// The query as JSON.
    pub query: String,
    /// For everybody?
    pub is_shared: bool,
    /// When.
    pub created_at_ms: i64,
}

fn record(row: &sqlx::sqlite::SqliteRow) -> ViewRecord {
    ViewRecord {
        id: row.get("id"),
        owner: row.get("owner"),
        name: row.get("name"),
        query: row.get("query"),
        is_shared: row.get::<i64, _>("is_shared") != 0,
        created_at_ms: row.get("created_at_ms"),
    }
}

/// Views that this person may choose, their own first.
///
/// # Errors
/// When the database refuses.
pub async fn list(
    executor: impl sqlx::SqliteExecutor<'_>,
    owner: &str,
    limit: u32,
) -> Result<Vec<ViewRecord>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, owner, name, query, is_shared, created_at_ms FROM saved_view \
         WHERE owner = $1 OR is_shared = 1 ORDER BY owner <> $1, name, id LIMIT $2",
    )
    .bind(owner)
    .bind(limit)
    .fetch_all(executor)
    .await
    .map_err(StoreError::doing("reading saved views"))?;
    Ok(rows.iter().map(record).collect())
}

/// The view with this id.
///
/// # Errors
/// When the database refuses.
pub async fn find(
    executor: impl sqlx::SqliteExecutor<'_>,
    id: &str,
) -> Result<Option<ViewRecord>, StoreError> {
    let row = sqlx::query(
        "SELECT id, owner, name, query, is_shared, created_at_ms FROM saved_view WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(executor)
    .await
    .map_err(StoreError::doing("reading a saved view"))?;
    Ok(row.as_ref().map(record))
}

/// How many this person has, the one with this name not counted.
///
/// # Errors
/// When the database refuses.
pub async fn count_others(
    connection: &mut SqliteConnection,
    owner: &str,
    name: &str,
) -> Result<i64, StoreError> {
    sqlx::query_scalar("SELECT count(*) FROM saved_view WHERE owner = $1 AND name <> $2")
        .bind(owner)
        .bind(name)
        .fetch_one(connection)
        .await
        .map_err(StoreError::doing("counting saved views"))
}

/// Writes a view, in place of the one of this name; gives the id it has.
///
/// # Errors
/// When the database refuses.
pub async fn put(
    connection: &mut SqliteConnection,
    view: &ViewRecord,
) -> Result<String, StoreError> {
    sqlx::query_scalar(
        "INSERT INTO saved_view (id, owner, name, query, is_shared, created_at_ms) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (owner, name) DO UPDATE SET query = excluded.query, is_shared = excluded.is_shared RETURNING id",
    )
    .bind(&view.id)
    .bind(&view.owner)
    .bind(&view.name)
    .bind(&view.query)
    .bind(i64::from(view.is_shared))
    .bind(view.created_at_ms)
    .fetch_one(connection)
    .await
    .map_err(StoreError::doing("writing a saved view"))
}

/// Deletes a view, and whose default it was loses it.
///
/// # Errors
/// When the database refuses.
pub async fn delete(connection: &mut SqliteConnection, id: &str) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM default_view WHERE view_id = $1",
        "DELETE FROM saved_view WHERE id = $1",
    ] {
        sqlx::query(statement)
            .bind(id)
            .execute(&mut *connection)
            .await
            .map_err(StoreError::doing("deleting a saved view"))?;
    }
    Ok(())
}

/// Id of the view that this person sees where the URL says nothing.
///
/// # Errors
/// When the database refuses.
pub async fn find_default(
    executor: impl sqlx::SqliteExecutor<'_>,
    owner: &str,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT view_id FROM default_view WHERE owner = $1")
        .bind(owner)
        .fetch_optional(executor)
        .await
        .map_err(StoreError::doing("reading a default view"))
}

/// Chooses it, or none.
///
/// # Errors
/// When the database refuses.
pub async fn set_default(
    connection: &mut SqliteConnection,
    owner: &str,
    view_id: Option<&str>,
) -> Result<(), StoreError> {
    let done = match view_id {
        Some(view_id) => {
            sqlx::query(
                "INSERT INTO default_view (owner, view_id) VALUES ($1, $2) \
                 ON CONFLICT (owner) DO UPDATE SET view_id = excluded.view_id",
            )
            .bind(owner)
            .bind(view_id)
            .execute(connection)
            .await
        }
        None => {
            sqlx::query("DELETE FROM default_view WHERE owner = $1")
                .bind(owner)
                .execute(connection)
                .await
        }
    };
    done.map_err(StoreError::doing("choosing a default view"))?;
    Ok(())
}
