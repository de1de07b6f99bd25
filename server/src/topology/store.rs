//! SQL of edges, of what people declared, and of the places of boxes.

use std::collections::{BTreeMap, BTreeSet};

use domain::topology::layout::Position;
use domain::topology::{Edge, EdgeState, LinkKey, Side};
use sqlx::{Row, SqliteConnection, SqlitePool};

use super::service::Declared;
use crate::error::StoreError;

/// Where a box stands on a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Upper left corner.
    pub at: Position,
    /// Somebody put it there.
    pub is_pinned: bool,
    /// It had no edges when it was put there.
    pub is_loose: bool,
    /// Last time its cluster had nodes.
    pub seen_at_ms: i64,
}

/// (system, or empty for the map of all; slug of the cluster) of a place.
pub type PlaceKey = (String, String);

fn text_of(side: &Side) -> Result<String, StoreError> {
    serde_json::to_string(side).map_err(|error| StoreError::Corrupt {
        what: "an end of an edge".to_owned(),
        detail: error.to_string(),
    })
}

fn side_of(text: &str) -> Result<Side, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt {
        what: "an end of an edge".to_owned(),
        detail: error.to_string(),
    })
}

/// All edges.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list_edges(pool: &SqlitePool) -> Result<BTreeMap<LinkKey, Edge>, StoreError> {
    let rows = sqlx::query(
        "SELECT from_end, to_end, port, state, first_seen_at_ms, last_seen_at_ms, connections, failing, \
         bytes_per_s FROM edge",
    )
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading edges"))?;
    let mut edges = BTreeMap::new();
    for row in &rows {
        let corrupt = |detail: &str| StoreError::Corrupt {
            what: "an edge".to_owned(),
            detail: detail.to_owned(),
        };
        let count = |column: &str| u32::try_from(row.get::<i64, _>(column)).unwrap_or(u32::MAX);
        let key = LinkKey {
            from: side_of(row.get("from_end"))?,
            to: side_of(row.get("to_end"))?,
            port: u16::try_from(row.get::<i64, _>("port"))
                .map_err(|_| corrupt("its port is none"))?,
        };
        let edge = Edge {
            key: key.clone(),
            state: EdgeState::parse(row.get("state"))
                .ok_or_else(|| corrupt("its state is unknown"))?,
            first_seen_at_ms: row.get("first_seen_at_ms"),
            last_seen_at_ms: row.get("last_seen_at_ms"),
            connections: count("connections"),
            failing: count("failing"),
            bytes_per_s: row
                .get::<Option<i64>, _>("bytes_per_s")
                .and_then(|rate| u64::try_from(rate).ok()),
        };
        edges.insert(key, edge);
    }
    Ok(edges)
}

/// Writes an edge as it is now.
///
/// # Errors
/// When the database refuses.
pub async fn put_edge(connection: &mut SqliteConnection, edge: &Edge) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO edge (from_end, to_end, port, state, first_seen_at_ms, last_seen_at_ms, connections, failing, \
         bytes_per_s) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (from_end, to_end, port) DO UPDATE SET \
         state = excluded.state, first_seen_at_ms = excluded.first_seen_at_ms, \
         last_seen_at_ms = excluded.last_seen_at_ms, connections = excluded.connections, failing = excluded.failing, \
         bytes_per_s = excluded.bytes_per_s",
    )
    .bind(text_of(&edge.key.from)?)
    .bind(text_of(&edge.key.to)?)
    .bind(i64::from(edge.key.port))
    .bind(edge.state.as_str())
    .bind(edge.first_seen_at_ms)
    .bind(edge.last_seen_at_ms)
    .bind(i64::from(edge.connections))
    .bind(i64::from(edge.failing))
    .bind(edge.bytes_per_s.map(|rate| i64::try_from(rate).unwrap_or(i64::MAX)))
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing an edge"))?;
    Ok(())
}

/// Forgets an edge.
///
/// # Errors
/// When the database refuses.
pub async fn remove_edge(
    connection: &mut SqliteConnection,
    key: &LinkKey,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM edge WHERE from_end = $1 AND to_end = $2 AND port = $3")
        .bind(text_of(&key.from)?)
        .bind(text_of(&key.to)?)
        .bind(i64::from(key.port))
        .execute(connection)
        .await
        .map_err(StoreError::doing("removing an edge"))?;
    Ok(())
}

/// All dependencies that somebody declared.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list_declared(pool: &SqlitePool) -> Result<BTreeSet<Declared>, StoreError> {
    let rows = sqlx::query("SELECT from_cluster, to_cluster, port FROM declared_edge")
        .fetch_all(pool)
        .await
        .map_err(StoreError::doing("reading declared dependencies"))?;
    rows.iter()
        .map(|row| {
            let port =
                u16::try_from(row.get::<i64, _>("port")).map_err(|_| StoreError::Corrupt {
                    what: "a declared dependency".to_owned(),
                    detail: "its port is none".to_owned(),
                })?;
            Ok((row.get("from_cluster"), row.get("to_cluster"), port))
        })
        .collect()
}

/// Writes a declared dependency; one that is there already stays.
///
/// # Errors
/// When the database refuses.
pub async fn put_declared(
    connection: &mut SqliteConnection,
    (from, to, port): &Declared,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO declared_edge (from_cluster, to_cluster, port) VALUES ($1, $2, $3) \
         ON CONFLICT (from_cluster, to_cluster, port) DO NOTHING",
    )
    .bind(from)
    .bind(to)
    .bind(i64::from(*port))
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing a declared dependency"))?;
    Ok(())
}

/// Takes a declaration back.
///
/// # Errors
/// When the database refuses.
pub async fn remove_declared(
    connection: &mut SqliteConnection,
    (from, to, port): &Declared,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM declared_edge WHERE from_cluster = $1 AND to_cluster = $2 AND port = $3",
    )
    .bind(from)
    .bind(to)
    .bind(i64::from(*port))
    .execute(connection)
    .await
    .map_err(StoreError::doing("removing a declared dependency"))?;
    Ok(())
}

/// Whose places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// Where boxes stand.
    Now,
    /// Where they stood before their map was tidied.
    Before,
}

impl Places {
    fn table(self) -> &'static str {
        match self {
            Places::Now => "position",
            Places::Before => "position_before",
        }
    }
}

/// All places.
///
/// # Errors
/// When the database refuses.
pub async fn list_places(
    pool: &SqlitePool,
    which: Places,
) -> Result<BTreeMap<PlaceKey, Place>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT map, cluster, x, y, is_pinned, is_loose, seen_at_ms FROM {}",
        which.table()
    )))
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading places"))?;
    let number = |value: i64| i32::try_from(value).unwrap_or(0);
    Ok(rows
        .iter()
        .map(|row| {
            let place = Place {
                at: Position {
                    x: number(row.get("x")),
                    y: number(row.get("y")),
                },
                is_pinned: row.get::<i64, _>("is_pinned") != 0,
                is_loose: row.get::<i64, _>("is_loose") != 0,
                seen_at_ms: row.get("seen_at_ms"),
            };
            ((row.get("map"), row.get("cluster")), place)
        })
        .collect())
}

/// Writes where a box stands.
///
/// # Errors
/// When the database refuses.
pub async fn put_place(
    connection: &mut SqliteConnection,
    which: Places,
    key: &PlaceKey,
    place: &Place,
) -> Result<(), StoreError> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "INSERT INTO {} (map, cluster, x, y, is_pinned, is_loose, seen_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (map, cluster) DO UPDATE SET x = excluded.x, y = excluded.y, is_pinned = excluded.is_pinned, \
         is_loose = excluded.is_loose, seen_at_ms = excluded.seen_at_ms",
        which.table()
    )))
    .bind(&key.0)
    .bind(&key.1)
    .bind(i64::from(place.at.x))
    .bind(i64::from(place.at.y))
    .bind(i64::from(place.is_pinned))
    .bind(i64::from(place.is_loose))
    .bind(place.seen_at_ms)
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing a place"))?;
    Ok(())
}

/// Forgets where a box stands.
///
/// # Errors
/// When the database refuses.
pub async fn remove_place(
    connection: &mut SqliteConnection,
    key: &PlaceKey,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM position WHERE map = $1 AND cluster = $2")
        .bind(&key.0)
        .bind(&key.1)
        .execute(connection)
        .await
        .map_err(StoreError::doing("removing a place"))?;
    Ok(())
}

/// Forgets all places of a map.
///
/// # Errors
/// When the database refuses.
pub async fn clear_places(
    connection: &mut SqliteConnection,
    which: Places,
    map: &str,
) -> Result<(), StoreError> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "DELETE FROM {} WHERE map = $1",
        which.table()
    )))
    .bind(map)
    .execute(connection)
    .await
    .map_err(StoreError::doing("clearing a map"))?;
    Ok(())
}
