//! SQL of sealed history (`metrics.db`).

use domain::metric::Level;
use domain::metric::history::{BACKFILL_JOIN_MS, Held, Tail};
use sqlx::{Row, SqliteConnection};

use crate::error::StoreError;

/// A chunk as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRow {
    /// What is in it.
    pub level: Level,
    /// First instant in it.
    pub first_ms: i64,
    /// First instant after it.
    pub end_ms: i64,
    /// `domain::metric::chunk`
    pub bytes: Vec<u8>,
}

/// A chunk to write in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChunk {
    /// Whose.
    pub host_no: i64,
    /// What is in it.
    pub level: Level,
    /// Beginning of its stretch.
    pub start_ms: i64,
    /// Which of the chunks of this stretch.
    pub part: i64,
    /// First instant in it.
    pub first_ms: i64,
    /// First instant after it.
    pub end_ms: i64,
    /// Points or buckets in it.
    pub points: i64,
    /// `domain::metric::chunk`
    pub bytes: Vec<u8>,
}

/// The last chunk of a stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastPart {
    /// Which of the chunks of this stretch.
    pub part: i64,
    /// Points or buckets in it.
    pub points: i64,
    /// `domain::metric::chunk`
    pub bytes: Vec<u8>,
}

/// First and last instant of every host's tail.
///
/// # Errors
/// When the database refuses.
pub async fn list_tails(connection: &mut SqliteConnection) -> Result<Vec<Tail>, StoreError> {
    // Two seeks a host; a GROUP BY would read the whole tail.
    let rows: Vec<(i64, Option<i64>, Option<i64>)> = sqlx::query_as(
        "SELECT host_no, (SELECT MIN(t_ms) FROM sample_tail WHERE host_no = cursor.host_no), \
         (SELECT MAX(t_ms) FROM sample_tail WHERE host_no = cursor.host_no) FROM cursor",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::doing("reading where tails begin"))?;
    Ok(rows
        .into_iter()
        .filter_map(|(host_no, oldest_ms, newest_ms)| {
            Some(Tail {
                host_no,
                oldest_ms: oldest_ms?,
                newest_ms: newest_ms?,
            })
        })
        .collect())
}

/// Chunks of a level with points before an instant, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn list_oldest(
    connection: &mut SqliteConnection,
    level: Level,
    before_ms: i64,
    limit: i64,
) -> Result<Vec<Held>, StoreError> {
    let rows = sqlx::query(
        "SELECT no, host_no, first_ms, end_ms, LENGTH(bytes) FROM chunk \
         WHERE level = $1 AND start_ms < $2 AND first_ms < $2 ORDER BY start_ms LIMIT $3",
    )
    .bind(level.no())
    .bind(before_ms)
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(StoreError::doing("reading which chunks are old"))?;
    Ok(rows
        .iter()
        .map(|row| Held {
            no: row.get(0),
            host_no: row.get(1),
            level,
            first_ms: row.get(2),
            end_ms: row.get(3),
            bytes: u64::try_from(row.get::<i64, _>(4)).unwrap_or(0),
        })
        .collect())
}

/// Bytes in use, and pages that are free.
///
/// # Errors
/// When the database refuses.
pub async fn usage(connection: &mut SqliteConnection) -> Result<(u64, u64, u64), StoreError> {
    let (pages, free, page_bytes): (i64, i64, i64) = sqlx::query_as(
        "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    )
    .fetch_one(connection)
    .await
    .map_err(StoreError::doing("reading the size"))?;
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok((
        number(pages.saturating_sub(free).saturating_mul(page_bytes)),
        number(pages),
        number(free),
    ))
}

/// Gives free pages at the end back to the disk.
///
/// # Errors
/// When the database refuses.
pub async fn vacuum(connection: &mut SqliteConnection, pages: u32) -> Result<(), StoreError> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "PRAGMA incremental_vacuum({pages})"
    )))
    .fetch_all(connection)
    .await
    .map_err(StoreError::doing("giving space back"))?;
    Ok(())
}

/// Records of one host in `from_ms..to_ms`, ascending; at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn list_tail_part(
    connection: &mut SqliteConnection,
    host_no: i64,
    from_ms: i64,
    to_ms: i64,
    limit: i64,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    sqlx::query_as(
        "SELECT t_ms, samples FROM sample_tail WHERE host_no = $1 AND t_ms >= $2 AND t_ms < $3 \
         ORDER BY t_ms, epoch, seq LIMIT $4",
    )
    .bind(host_no)
    .bind(from_ms)
    .bind(to_ms)
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(StoreError::doing("reading the tail"))
}

/// Deletes records of one host in `from_ms..to_ms`; gives how many there were.
///
/// # Errors
/// When the database refuses.
pub async fn delete_tail(
    connection: &mut SqliteConnection,
    host_no: i64,
    from_ms: i64,
    to_ms: i64,
) -> Result<u64, StoreError> {
    let done =
        sqlx::query("DELETE FROM sample_tail WHERE host_no = $1 AND t_ms >= $2 AND t_ms < $3")
            .bind(host_no)
            .bind(from_ms)
            .bind(to_ms)
            .execute(connection)
            .await
            .map_err(StoreError::doing("deleting sealed samples"))?;
    Ok(done.rows_affected())
}

/// The last chunk of a stretch.
///
/// # Errors
/// When the database refuses.
pub async fn find_last_part(
    connection: &mut SqliteConnection,
    host_no: i64,
    level: Level,
    start_ms: i64,
) -> Result<Option<LastPart>, StoreError> {
    let row = sqlx::query(
        "SELECT part, points, bytes FROM chunk WHERE host_no = $1 AND level = $2 AND start_ms = $3 \
         ORDER BY part DESC LIMIT 1",
    )
    .bind(host_no)
    .bind(level.no())
    .bind(start_ms)
    .fetch_optional(connection)
    .await
    .map_err(StoreError::doing("reading a chunk"))?;
    Ok(row.map(|row| LastPart {
        part: row.get(0),
        points: row.get(1),
        bytes: row.get(2),
    }))
}

/// The bytes of one chunk, and the place it has: (beginning of its stretch, part).
///
/// # Errors
/// When the database refuses.
pub async fn find_chunk(
    connection: &mut SqliteConnection,
    no: i64,
) -> Result<Option<(i64, i64, Vec<u8>)>, StoreError> {
    sqlx::query_as("SELECT start_ms, part, bytes FROM chunk WHERE no = $1")
        .bind(no)
        .fetch_optional(connection)
        .await
        .map_err(StoreError::doing("reading a chunk"))
}

/// Chunks of one host and level with points in `from_ms..to_ms`, ascending.
///
/// # Errors
/// When the database refuses.
pub async fn list_chunks(
    connection: &mut SqliteConnection,
    host_no: i64,
    level: Level,
    from_ms: i64,
    to_ms: i64,
) -> Result<Vec<ChunkRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT first_ms, end_ms, bytes FROM chunk WHERE host_no = $1 AND level = $2 \
         AND start_ms < $4 AND end_ms > $3 AND first_ms < $4 ORDER BY start_ms, part",
    )
    .bind(host_no)
    .bind(level.no())
    .bind(from_ms)
    .bind(to_ms)
    .fetch_all(connection)
    .await
    .map_err(StoreError::doing("reading chunks"))?;
    Ok(rows
        .into_iter()
        .map(|row| ChunkRow {
            level,
            first_ms: row.get(0),
            end_ms: row.get(1),
            bytes: row.get(2),
        })
        .collect())
}

/// First instant of each level of one host, in the order of [`Level::ALL`]; raw with the tail.
///
/// # Errors
/// When the database refuses.
pub async fn list_firsts(
    connection: &mut SqliteConnection,
    host_no: i64,
) -> Result<[Option<i64>; 4], StoreError> {
    let rows: Vec<(i64, Option<i64>)> = sqlx::query_as(
        "SELECT level, MIN(first_ms) FROM chunk WHERE host_no = $1 GROUP BY level \
         UNION ALL SELECT 0, MIN(t_ms) FROM sample_tail WHERE host_no = $1",
    )
    .bind(host_no)
    .fetch_all(connection)
    .await
    .map_err(StoreError::doing("reading what is kept"))?;
    Ok(Level::ALL.map(|level| {
        rows.iter()
            .filter(|(no, _)| *no == i64::from(level.no()))
            .filter_map(|(_, first_ms)| *first_ms)
            .min()
    }))
}

/// Writes a chunk in its place.
///
/// # Errors
/// When the database refuses.
pub async fn upsert_chunk(
    connection: &mut SqliteConnection,
    chunk: &NewChunk,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO chunk (host_no, level, start_ms, part, first_ms, end_ms, points, bytes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (host_no, level, start_ms, part) DO UPDATE SET \
         first_ms = excluded.first_ms, end_ms = excluded.end_ms, points = excluded.points, bytes = excluded.bytes",
    )
    .bind(chunk.host_no)
    .bind(chunk.level.no())
    .bind(chunk.start_ms)
    .bind(chunk.part)
    .bind(chunk.first_ms)
    .bind(chunk.end_ms)
    .bind(chunk.points)
    .bind(chunk.bytes.as_slice())
    .execute(connection)
    .await
    .map_err(StoreError::doing("writing a chunk"))?;
    Ok(())
}

/// Deletes a chunk.
///
/// # Errors
/// When the database refuses.
pub async fn delete_chunk(connection: &mut SqliteConnection, no: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM chunk WHERE no = $1")
        .bind(no)
        .execute(connection)
        .await
        .map_err(StoreError::doing("deleting a chunk"))?;
    Ok(())
}

/// Takes note of what was deleted; the note only ever moves forward.
///
/// # Errors
/// When the database refuses.
pub async fn move_cut(
    connection: &mut SqliteConnection,
    level: Level,
    before_ms: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO level_cut (level, before_ms) VALUES ($1, $2) ON CONFLICT (level) DO UPDATE SET \
         before_ms = MAX(before_ms, excluded.before_ms)",
    )
    .bind(level.no())
    .bind(before_ms)
    .execute(connection)
    .await
    .map_err(StoreError::doing("noting what was deleted"))?;
    Ok(())
}

/// Up to where a level was deleted.
///
/// # Errors
/// When the database refuses.
pub async fn find_cut(
    connection: &mut SqliteConnection,
    level: Level,
) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar("SELECT before_ms FROM level_cut WHERE level = $1")
        .bind(level.no())
        .fetch_optional(connection)
        .await
        .map_err(StoreError::doing("reading what was deleted"))
}

/// Marks a stretch of a host as back-filled; what it touches becomes one with it, unless a record between them came live.
///
/// # Errors
/// When the database refuses.
pub async fn mark_backfilled(
    connection: &mut SqliteConnection,
    host_no: i64,
    from_ms: i64,
    to_ms: i64,
) -> Result<(), StoreError> {
    let doing = || StoreError::doing("marking what was back-filled");
    let (near_from_ms, near_to_ms) = (
        from_ms.saturating_sub(BACKFILL_JOIN_MS),
        to_ms.saturating_add(BACKFILL_JOIN_MS),
    );
    // The nearest records on both sides that are in no marked stretch.
    let live: (Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT MAX(CASE WHEN t_ms < $2 THEN t_ms END), MIN(CASE WHEN t_ms >= $3 THEN t_ms END) FROM sample_tail \
         WHERE host_no = $1 AND t_ms >= $4 AND t_ms <= $5 AND NOT EXISTS (SELECT 1 FROM backfill \
         WHERE backfill.host_no = $1 AND t_ms >= from_ms AND t_ms < to_ms)",
    )
    .bind(host_no)
    .bind(from_ms)
    .bind(to_ms)
    .bind(near_from_ms)
    .bind(near_to_ms)
    .fetch_one(&mut *connection)
    .await
    .map_err(doing())?;
    let near_from_ms = live.0.map_or(near_from_ms, |t_ms| t_ms.saturating_add(1));
    let near_to_ms = live.1.map_or(near_to_ms, |t_ms| t_ms.saturating_sub(1));
    let touched: (Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT MIN(from_ms), MAX(to_ms) FROM backfill WHERE host_no = $1 AND to_ms >= $2 AND from_ms <= $3",
    )
    .bind(host_no)
    .bind(near_from_ms)
    .bind(near_to_ms)
    .fetch_one(&mut *connection)
    .await
    .map_err(doing())?;
    sqlx::query("DELETE FROM backfill WHERE host_no = $1 AND to_ms >= $2 AND from_ms <= $3")
        .bind(host_no)
        .bind(near_from_ms)
        .bind(near_to_ms)
        .execute(&mut *connection)
        .await
        .map_err(doing())?;
    sqlx::query("INSERT INTO backfill (host_no, from_ms, to_ms) VALUES ($1, $2, $3)")
        .bind(host_no)
        .bind(touched.0.map_or(from_ms, |touched| touched.min(from_ms)))
        .bind(touched.1.map_or(to_ms, |touched| touched.max(to_ms)))
        .execute(&mut *connection)
        .await
        .map_err(doing())?;
    Ok(())
}

/// Back-filled stretches of one host that touch `from_ms..to_ms`, ascending, cut to it.
///
/// # Errors
/// When the database refuses.
pub async fn list_backfilled(
    connection: &mut SqliteConnection,
    host_no: i64,
    from_ms: i64,
    to_ms: i64,
) -> Result<Vec<(i64, i64)>, StoreError> {
    sqlx::query_as(
        "SELECT MAX(from_ms, $2), MIN(to_ms, $3) FROM backfill WHERE host_no = $1 AND to_ms > $2 AND from_ms < $3 \
         ORDER BY from_ms",
    )
    .bind(host_no)
    .bind(from_ms)
    .bind(to_ms)
    .fetch_all(connection)
    .await
    .map_err(StoreError::doing("reading what was back-filled"))
}

/// Deletes gaps and marks that ended before an instant; at most `limit` of each.
///
/// # Errors
/// When the database refuses.
pub async fn forget_spans(
    connection: &mut SqliteConnection,
    before_ms: i64,
    limit: i64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM gap WHERE rowid IN (SELECT rowid FROM gap WHERE to_ms < $1 LIMIT $2)")
        .bind(before_ms)
        .bind(limit)
        .execute(&mut *connection)
        .await
        .map_err(StoreError::doing("deleting old gaps"))?;
    sqlx::query(
        "DELETE FROM backfill WHERE (host_no, from_ms) IN \
         (SELECT host_no, from_ms FROM backfill WHERE to_ms < $1 LIMIT $2)",
    )
    .bind(before_ms)
    .bind(limit)
    .execute(&mut *connection)
    .await
    .map_err(StoreError::doing("deleting old marks"))?;
    Ok(())
}
