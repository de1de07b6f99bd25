//! One step of the sealer: read, compute apart from the database, write in one transaction.
//!
//! Called by [`super::Sealer`] alone. Invariant: a step commits only if the tail still is what was read; else it has
//! changed nothing.

use domain::metric::Level;
use domain::metric::chunk::{self, Buckets, Chunk, ChunkError, Points};
use domain::metric::history::{
    Held, Places, Retention, Step, by_series, chunk_ms, floor, merge_buckets, roll_up,
};
use domain::metric::pack::unpack;
use sqlx::SqliteConnection;

use super::store::{self, LastPart, NewChunk};
use crate::db::Db;
use crate::error::StoreError;

/// Records moved in one transaction: some milliseconds.
const RECORDS_A_STEP: i64 = 8_000;
/// Points moved in one transaction, of hosts with very many series.
const POINTS_A_STEP: usize = 1 << 20;
/// Points in one chunk; with what a step brings it stays below what a chunk can hold.
const POINTS_A_PART: usize = chunk::POINTS_MAX / 2;

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is committed.
    Done,
    /// A report came between: nothing was changed.
    Changed,
}

/// Carries out one step.
///
/// # Errors
/// When the database refuses or holds what we never write; then nothing was changed.
pub async fn carry_out(
    db: &Db,
    policy: &Retention,
    step: &Step,
    now_ms: i64,
) -> Result<Outcome, StoreError> {
    let places = Places::at(policy, now_ms);
    match *step {
        Step::Seal {
            host_no,
            from_ms,
            to_ms,
        } => seal(db, places, host_no, from_ms, to_ms).await,
        Step::RollUp {
            chunk, before_ms, ..
        } => {
            let keep_from_ms = policy.cut_ms(Level::OneMinute, now_ms);
            roll_up_chunk(db, chunk, before_ms, keep_from_ms).await
        }
        Step::Drop { chunk, .. } => {
            let mut tx = db.write().await?;
            store::delete_chunk(&mut tx, chunk.no).await?;
            store::move_cut(&mut tx, chunk.level, chunk.end_ms).await?;
            commit(tx).await
        }
    }
}

async fn commit(tx: crate::db::WriteTx) -> Result<Outcome, StoreError> {
    tx.commit()
        .await
        .map_err(StoreError::doing("committing history"))?;
    Ok(Outcome::Done)
}

/// Computing takes milliseconds of processor: not on a thread that serves others.
async fn apart<T: Send + 'static>(
    host_no: i64,
    compute: impl FnOnce() -> Result<T, ChunkError> + Send + 'static,
) -> Result<T, StoreError> {
    let corrupt = |detail: String| StoreError::Corrupt {
        what: format!("history of host {host_no}"),
        detail,
    };
    match tokio::task::spawn_blocking(compute).await {
        Ok(computed) => computed.map_err(|error| corrupt(error.to_string())),
        Err(error) => Err(corrupt(error.to_string())),
    }
}

/// Records that are moved together.
struct Moved {
    points: Points,
    records: u64,
    to_ms: i64,
}

async fn read_tail(
    connection: &mut SqliteConnection,
    host_no: i64,
    from_ms: i64,
    to_ms: i64,
) -> Result<Moved, StoreError> {
    let mut rows =
        store::list_tail_part(connection, host_no, from_ms, to_ms, RECORDS_A_STEP).await?;
    let mut to_ms = to_ms;
    if rows.len() as i64 == RECORDS_A_STEP
        && let Some((last_ms, _)) = rows.last()
    {
        // There may be more of the last instant, and a step moves whole instants.
        to_ms = *last_ms;
        rows.retain(|(t_ms, _)| *t_ms < to_ms);
        if rows.is_empty() {
            to_ms = to_ms.saturating_add(1);
            rows = store::list_tail_part(connection, host_no, from_ms, to_ms, i64::MAX).await?;
        }
    }
    let mut records = Vec::with_capacity(rows.len());
    let (mut count, mut previous_ms) = (0, i64::MIN);
    for (t_ms, samples) in rows {
        if count >= POINTS_A_STEP && t_ms > previous_ms {
            to_ms = t_ms;
            break;
        }
        let samples: Vec<(u32, i64)> =
            unpack(&samples)
                .collect::<Result<_, _>>()
                .map_err(|error| StoreError::Corrupt {
                    what: format!("samples of host {host_no} at {t_ms}"),
                    detail: error.to_string(),
                })?;
        count += samples.len();
        previous_ms = t_ms;
        records.push((t_ms, samples));
    }
    Ok(Moved {
        records: records.len() as u64,
        points: by_series(records),
        to_ms,
    })
}

async fn seal(
    db: &Db,
    places: Places,
    host_no: i64,
    from_ms: i64,
    to_ms: i64,
) -> Result<Outcome, StoreError> {
    let mut connection = db
        .read()
        .acquire()
        .await
        .map_err(StoreError::doing("reading the tail"))?;
    let moved = read_tail(&mut connection, host_no, from_ms, to_ms).await?;
    let mut present = Vec::new();
    for level in Level::ALL {
        let start_ms = floor(from_ms, chunk_ms(level));
        let last = store::find_last_part(&mut connection, host_no, level, start_ms).await?;
        present.push((level, start_ms, last));
    }
    drop(connection);
    let Moved {
        points,
        records,
        to_ms,
    } = moved;
    let chunks = apart(host_no, move || {
        let mut chunks = Vec::new();
        for (level, start_ms, last) in present {
            let place = Place {
                host_no,
                level,
                start_ms,
            };
            let parts = points
                .iter()
                .map(|(no, points)| (*no, places.part(level, points)))
                .filter(|(_, part)| !part.is_empty());
            chunks.extend(match level {
                Level::Raw => place
                    .with_points(last, parts.map(|(no, part)| (no, part.to_vec())).collect())?,
                level => place.with_buckets(
                    last,
                    parts
                        .map(|(no, part)| (no, roll_up(part, step_ms(level))))
                        .collect(),
                )?,
            });
        }
        Ok(chunks)
    })
    .await?;
    let mut tx = db.write().await?;
    if store::delete_tail(&mut tx, host_no, from_ms, to_ms).await? != records {
        return Ok(Outcome::Changed);
    }
    for chunk in &chunks {
        store::upsert_chunk(&mut tx, chunk).await?;
    }
    // What came too late for a level is missing there for the same reason as what was deleted.
    for level in Level::ALL {
        if from_ms < places.cut_ms(level) {
            store::move_cut(&mut tx, level, places.cut_ms(level)).await?;
        }
    }
    commit(tx).await
}

async fn roll_up_chunk(
    db: &Db,
    held: Held,
    before_ms: i64,
    keep_from_ms: i64,
) -> Result<Outcome, StoreError> {
    let mut connection = db
        .read()
        .acquire()
        .await
        .map_err(StoreError::doing("reading a chunk"))?;
    let Some((start_ms, part, bytes)) = store::find_chunk(&mut connection, held.no).await? else {
        return Ok(Outcome::Changed);
    };
    let minutes =
        store::find_last_part(&mut connection, held.host_no, Level::OneMinute, start_ms).await?;
    drop(connection);
    let computed = apart(held.host_no, move || {
        let Chunk::Raw(points) = chunk::decode(&bytes)? else {
            return Err(ChunkError::Corrupt("level"));
        };
        let place = |level| Place {
            host_no: held.host_no,
            level,
            start_ms,
        };
        let (mut old, mut kept) = (Buckets::new(), Points::new());
        for (no, points) in points {
            let expired = points.partition_point(|(t_ms, _)| *t_ms < before_ms);
            let (gone, stays) = points.split_at(expired);
            let gone_from = gone.partition_point(|(t_ms, _)| *t_ms < keep_from_ms);
            let gone = gone.get(gone_from..).unwrap_or_default();
            old.insert(no, roll_up(gone, step_ms(Level::OneMinute)));
            kept.insert(no, stays.to_vec());
        }
        let rest = place(Level::Raw).with_points(None, kept)?;
        Ok((
            rest.map(|rest| NewChunk { part, ..rest }),
            place(Level::OneMinute).with_buckets(minutes, old)?,
        ))
    })
    .await;
    let (rest, minutes) = match computed {
        Ok(computed) => computed,
        // What cannot be read cannot be rolled up; when all of it is old it goes, and the log says so.
        Err(error) if held.end_ms <= before_ms => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an old chunk is deleted unread"
            );
            (None, None)
        }
        Err(error) => return Err(error),
    };
    let mut tx = db.write().await?;
    match rest {
        Some(rest) => store::upsert_chunk(&mut tx, &rest).await?,
        None => store::delete_chunk(&mut tx, held.no).await?,
    }
    if let Some(minutes) = minutes {
        store::upsert_chunk(&mut tx, &minutes).await?;
    }
    store::move_cut(&mut tx, Level::Raw, before_ms).await?;
    commit(tx).await
}

fn step_ms(level: Level) -> i64 {
    i64::from(level.step_s(1)) * 1000
}

/// Where a chunk lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    host_no: i64,
    level: Level,
    start_ms: i64,
}

impl Place {
    /// The chunk with `new` added, or one beside it when it is full or cannot be read; `None` when there is nothing new.
    fn with_points(
        self,
        last: Option<LastPart>,
        new: Points,
    ) -> Result<Option<NewChunk>, ChunkError> {
        let count: usize = new.values().map(Vec::len).sum();
        if count == 0 {
            return Ok(None);
        }
        let (part, mut all) = match last {
            None => (0, Points::new()),
            Some(last) if last.points as usize + count > POINTS_A_PART => {
                (last.part + 1, Points::new())
            }
            Some(last) => match chunk::decode(&last.bytes) {
                Ok(Chunk::Raw(points)) => (last.part, points),
                other => (self.beside(&last, other.err()), Points::new()),
            },
        };
        for (no, points) in new {
            let series = all.entry(no).or_default();
            series.extend(points);
            series.sort_by_key(|(t_ms, _)| *t_ms);
        }
        let bytes = chunk::encode_points(&all)?;
        let instants = all.values().flatten().map(|(t_ms, _)| *t_ms);
        Ok(Some(self.chunk(part, instants, 1, bytes)))
    }

    /// As [`Place::with_points`]; buckets of the same instant become one.
    fn with_buckets(
        self,
        last: Option<LastPart>,
        new: Buckets,
    ) -> Result<Option<NewChunk>, ChunkError> {
        if new.values().all(Vec::is_empty) {
            return Ok(None);
        }
        let (part, mut all) = match last {
            None => (0, Buckets::new()),
            Some(last) => match chunk::decode(&last.bytes) {
                Ok(Chunk::Buckets(buckets)) => (last.part, buckets),
                other => (self.beside(&last, other.err()), Buckets::new()),
            },
        };
        for (no, buckets) in new {
            let series = all.entry(no).or_default();
            *series = merge_buckets(std::mem::take(series), buckets);
        }
        let bytes = chunk::encode_buckets(&all)?;
        let instants = all.values().flatten().map(|bucket| bucket.t_ms);
        Ok(Some(self.chunk(part, instants, step_ms(self.level), bytes)))
    }

    fn beside(self, last: &LastPart, error: Option<ChunkError>) -> i64 {
        tracing::error!(
            place = ?self,
            part = last.part,
            ?error,
            "a chunk cannot be read; what is new is written beside it"
        );
        last.part + 1
    }

    fn chunk(
        self,
        part: i64,
        instants: impl Iterator<Item = i64>,
        span_ms: i64,
        bytes: Vec<u8>,
    ) -> NewChunk {
        let (mut first_ms, mut last_ms, mut points) = (i64::MAX, i64::MIN, 0);
        for t_ms in instants {
            first_ms = first_ms.min(t_ms);
            last_ms = last_ms.max(t_ms);
            points += 1;
        }
        NewChunk {
            host_no: self.host_no,
            level: self.level,
            start_ms: self.start_ms,
            part,
            first_ms,
            end_ms: last_ms.saturating_add(span_ms),
            points,
            bytes,
        }
    }
}
