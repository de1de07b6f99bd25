//! SQL of samples (`metrics.db`).

use std::collections::HashMap;

use domain::metric::{Gap, Metric};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqliteExecutor, SqlitePool};

use super::SeriesKey;
use crate::db::Db;
use crate::error::StoreError;

/// Rows in one statement: five columns each stay below SQLite's limit of 32,766 bound values.
const ROWS_A_STATEMENT: usize = 1_000;

/// Up to where a host's records are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Epoch of the last record.
    pub epoch: u32,
    /// Number of the last record.
    pub seq: u64,
    /// Short digest of its bytes.
    pub digest: [u8; 8],
    /// Server's wall clock when it was received.
    pub received_at_ms: i64,
    /// Did it say goodbye?
    pub goodbye: bool,
}

/// A stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailRow {
    /// Whose.
    pub host_no: i64,
    /// When it was taken, by the server's clock.
    pub t_ms: i64,
    /// Its place.
    pub epoch: u32,
    /// Its place.
    pub seq: u64,
    /// `domain::metric::pack`
    pub samples: Vec<u8>,
}

/// A stored gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapRow {
    /// Whose.
    pub host_no: i64,
    /// From when to when, and why.
    pub gap: Gap,
    /// Records lost.
    pub records: u64,
}

const CURSOR_COLUMNS: &str = "host_no, epoch, seq, digest, received_at_ms, goodbye";

fn cursor(row: &sqlx::sqlite::SqliteRow) -> Result<(i64, Cursor), StoreError> {
    let host_no: i64 = row.get(0);
    let corrupt = |detail: &str| StoreError::Corrupt {
        what: format!("cursor {host_no}"),
        detail: detail.to_owned(),
    };
    let cursor = Cursor {
        epoch: u32::try_from(row.get::<i64, _>(1)).map_err(|_| corrupt("epoch"))?,
        seq: u64::try_from(row.get::<i64, _>(2)).map_err(|_| corrupt("seq"))?,
        digest: row
            .get::<Vec<u8>, _>(3)
            .try_into()
            .map_err(|_| corrupt("digest"))?,
        received_at_ms: row.get(4),
        goodbye: row.get::<i64, _>(5) != 0,
    };
    Ok((host_no, cursor))
}

/// All cursors.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn list_cursors(pool: &SqlitePool) -> Result<HashMap<i64, Cursor>, StoreError> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {CURSOR_COLUMNS} FROM cursor"
    )))
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading cursors"))?;
    rows.iter().map(cursor).collect()
}

/// The cursor of one host.
///
/// # Errors
/// When the database refuses or the row is corrupt.
pub async fn find_cursor(pool: &SqlitePool, host_no: i64) -> Result<Option<Cursor>, StoreError> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {CURSOR_COLUMNS} FROM cursor WHERE host_no = $1"
    )))
    .bind(host_no)
    .fetch_optional(pool)
    .await
    .map_err(StoreError::doing("reading a cursor"))?;
    row.as_ref()
        .map(|row| cursor(row).map(|(_, cursor)| cursor))
        .transpose()
}

/// Series of one host, or of all; those of metrics this version does not know are left out.
///
/// # Errors
/// When the database refuses.
pub async fn list_series(
    pool: impl SqliteExecutor<'_>,
    host_no: Option<i64>,
) -> Result<Vec<(i64, u32, SeriesKey)>, StoreError> {
    let rows = sqlx::query(
        "SELECT host_no, no, metric, instance FROM series WHERE $1 IS NULL OR host_no = $1",
    )
    .bind(host_no)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading series"))?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let metric = Metric::from_wire(u16::try_from(row.get::<i64, _>(2)).ok()?)?;
            let no = u32::try_from(row.get::<i64, _>(1)).ok()?;
            Some((
                row.get(0),
                no,
                SeriesKey {
                    metric,
                    instance: row.get(3),
                },
            ))
        })
        .collect())
}

/// Records of one host in `from_ms..to_ms`, ascending, as (instant, packed samples).
///
/// # Errors
/// When the database refuses.
pub async fn list_tail(
    pool: impl SqliteExecutor<'_>,
    host_no: i64,
    from_ms: i64,
    to_ms: i64,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT t_ms, samples FROM sample_tail WHERE host_no = $1 AND t_ms >= $2 AND t_ms < $3 ORDER BY t_ms, epoch, seq",
    )
    .bind(host_no)
    .bind(from_ms)
    .bind(to_ms)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading samples"))?;
    Ok(rows)
}

/// The newest record of every host, as (host, packed samples).
///
/// # Errors
/// When the database refuses.
pub async fn list_latest(pool: &SqlitePool) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    sqlx::query_as(
        "SELECT tail.host_no, tail.samples FROM cursor JOIN sample_tail AS tail ON tail.host_no = cursor.host_no \
         AND tail.t_ms = (SELECT MAX(t_ms) FROM sample_tail WHERE host_no = cursor.host_no)",
    )
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading the latest samples"))
}

/// Known gaps of one host that touch `from_ms..to_ms`.
///
/// # Errors
/// When the database refuses.
pub async fn list_gaps(
    pool: impl SqliteExecutor<'_>,
    host_no: i64,
    from_ms: i64,
    to_ms: i64,
) -> Result<Vec<Gap>, StoreError> {
    let rows = sqlx::query(
        "SELECT from_ms, to_ms, reason FROM gap WHERE host_no = $1 AND to_ms > $2 AND from_ms < $3 ORDER BY from_ms",
    )
    .bind(host_no)
    .bind(from_ms)
    .bind(to_ms)
    .fetch_all(pool)
    .await
    .map_err(StoreError::doing("reading gaps"))?;
    Ok(rows
        .iter()
        .map(|row| Gap {
            from_ms: row.get(0),
            to_ms: row.get(1),
            reason: row.get(2),
        })
        .collect())
}

/// Writes records.
///
/// # Errors
/// When the database refuses; then the transaction is the caller's to drop.
pub async fn insert_tail(
    connection: &mut SqliteConnection,
    rows: &[TailRow],
) -> Result<(), StoreError> {
    for part in rows.chunks(ROWS_A_STATEMENT) {
        let mut query = QueryBuilder::default();
        push_tail(&mut query, part);
        query
            .build()
            .execute(&mut *connection)
            .await
            .map_err(StoreError::doing("writing samples"))?;
    }
    Ok(())
}

fn push_tail(query: &mut QueryBuilder<Sqlite>, rows: &[TailRow]) {
    query.push("INSERT INTO sample_tail (host_no, t_ms, epoch, seq, samples) ");
    query.push_values(rows, |mut values, row| {
        values
            .push_bind(row.host_no)
            .push_bind(row.t_ms)
            .push_bind(row.epoch)
            .push_bind(row.seq as i64)
            .push_bind(row.samples.clone());
    });
}

/// The usual commit, records and cursors of known series and nothing else, in one turn of the database's thread.
///
/// # Errors
/// When the database refuses; then nothing was written.
pub async fn append(
    db: &Db,
    rows: &[TailRow],
    cursors: &[(i64, Cursor)],
) -> Result<(), StoreError> {
    let mut query = Db::statements();
    push_tail(&mut query, rows);
    query.push("; ");
    push_cursors(&mut query, cursors);
    db.write_at_once(query)
        .await
        .map_err(StoreError::doing("committing samples"))
}

/// Fits [`append`]?
pub fn is_one_statement(rows: &[TailRow]) -> bool {
    (1..=ROWS_A_STATEMENT).contains(&rows.len())
}

/// Writes new series.
///
/// # Errors
/// When the database refuses.
pub async fn insert_series(
    connection: &mut SqliteConnection,
    series: &[(i64, u32, SeriesKey)],
) -> Result<(), StoreError> {
    for part in series.chunks(ROWS_A_STATEMENT) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO series (host_no, no, metric, instance) ");
        query.push_values(part, |mut values, (host_no, no, key)| {
            values
                .push_bind(*host_no)
                .push_bind(*no)
                .push_bind(key.metric.wire())
                .push_bind(key.instance.as_str());
        });
        query
            .build()
            .execute(&mut *connection)
            .await
            .map_err(StoreError::doing("writing series"))?;
    }
    Ok(())
}

/// Moves cursors.
///
/// # Errors
/// When the database refuses.
pub async fn upsert_cursors(
    connection: &mut SqliteConnection,
    cursors: &[(i64, Cursor)],
) -> Result<(), StoreError> {
    for part in cursors.chunks(ROWS_A_STATEMENT) {
        let mut query = QueryBuilder::default();
        push_cursors(&mut query, part);
        query
            .build()
            .execute(&mut *connection)
            .await
            .map_err(StoreError::doing("moving cursors"))?;
    }
    Ok(())
}

fn push_cursors(query: &mut QueryBuilder<Sqlite>, cursors: &[(i64, Cursor)]) {
    query.push("INSERT INTO cursor (host_no, epoch, seq, digest, received_at_ms, goodbye) ");
    query.push_values(cursors, |mut values, (host_no, cursor)| {
        values
            .push_bind(*host_no)
            .push_bind(cursor.epoch)
            .push_bind(cursor.seq as i64)
            .push_bind(cursor.digest.to_vec())
            .push_bind(cursor.received_at_ms)
            .push_bind(i64::from(cursor.goodbye));
    });
    query.push(
        " ON CONFLICT (host_no) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, digest = excluded.digest, \
         received_at_ms = excluded.received_at_ms, goodbye = excluded.goodbye",
    );
}

/// Writes gaps.
///
/// # Errors
/// When the database refuses.
pub async fn insert_gaps(
    connection: &mut SqliteConnection,
    gaps: &[GapRow],
) -> Result<(), StoreError> {
    for row in gaps {
        sqlx::query(
            "INSERT INTO gap (host_no, from_ms, to_ms, reason, records) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (host_no, from_ms, to_ms, reason) DO NOTHING",
        )
        .bind(row.host_no)
        .bind(row.gap.from_ms)
        .bind(row.gap.to_ms)
        .bind(&row.gap.reason)
        .bind(i64::try_from(row.records).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await
        .map_err(StoreError::doing("writing a gap"))?;
    }
    Ok(())
}
