//! The one writer of `metrics.db`: takes what reports bring, commits many at once, answers after the commit.
//!
//! Called by `agents::routes`. Invariants: a record is stored once or not at all, because its cursor commits with it;
//! nothing in memory moves before the commit succeeded; a failed commit answers every waiter with the failure.

use std::collections::HashMap;
use std::time::Duration;

use domain::metric::Gap;
use domain::metric::history::{BACKFILL_JOIN_MS, BACKFILLED_AFTER_MS};
use domain::metric::pace::Pace;
use domain::time::Monotonic;
use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::SeriesKey;
use super::history::store as history;
use super::store::{self, Cursor, GapRow, TailRow};
use crate::db::Db;
use crate::error::StoreError;

/// Reports in one commit.
const BATCH_MAX: usize = 250;
/// Reports that may wait; beyond, agents are told to come back.
const QUEUE_MAX: usize = 4_096;
/// Series a host may have; what comes beyond is not stored, and said.
pub const SERIES_MAX: usize = 4_096;

/// One record, placed in time by `agents::ingest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Its place.
    pub epoch: u32,
    /// Its place.
    pub seq: u64,
    /// Short digest of its bytes.
    pub digest: [u8; 8],
    /// When it was taken, by the server's clock.
    pub t_ms: i64,
    /// What was measured.
    pub samples: Vec<(SeriesKey, i64)>,
    /// What was lost before it.
    pub gap: Option<(Gap, u64)>,
    /// Does it say goodbye?
    pub goodbye: bool,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Everything up to this place is durable.
    Stored {
        /// Epoch of the cursor.
        epoch: u32,
        /// Number of the cursor.
        seq: u64,
        /// Samples that were not stored because the host has too many series.
        beyond_series_max: usize,
    },
    /// Another record is stored under the number of one of these.
    Forked,
}

/// Why a report was not stored.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Too many wait already.
    #[error("too many reports wait to be written")]
    Busy,
    /// The commit failed; said in the log.
    #[error("samples could not be written")]
    Failed {
        /// Worth another try?
        storage_unavailable: bool,
    },
}

struct Append {
    host_no: i64,
    received_at_ms: i64,
    records: Vec<NewRecord>,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// Hands reports to the writer.
#[derive(Debug, Clone)]
pub struct WriterHandle(mpsc::Sender<Append>);

impl std::fmt::Debug for Append {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Append(host {}, {} records)",
            self.host_no,
            self.records.len()
        )
    }
}

impl WriterHandle {
    /// Writes the records of one report; answers when they are durable.
    ///
    /// # Errors
    /// Nothing of the report was stored.
    pub async fn append(
        &self,
        host_no: i64,
        received_at_ms: i64,
        records: Vec<NewRecord>,
    ) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        self.0
            .try_send(Append {
                host_no,
                received_at_ms,
                records,
                reply,
            })
            .map_err(|_| AppendError::Busy)?;
        answer.await.unwrap_or(Err(AppendError::Failed {
            storage_unavailable: true,
        }))
    }
}

/// The writer and what it knows; `run` it as a task.
pub struct Writer {
    db: Db,
    queue: mpsc::Receiver<Append>,
    cursors: HashMap<i64, Cursor>,
    series: HashMap<i64, HashMap<SeriesKey, u32>>,
}

/// What one batch will change, kept apart until its commit.
#[derive(Default)]
struct Staged {
    tail: Vec<TailRow>,
    gaps: Vec<GapRow>,
    series: Vec<(i64, u32, SeriesKey)>,
    cursors: HashMap<i64, Cursor>,
    /// (host, from, to) of records that came long after they were taken.
    backfilled: Vec<(i64, i64, i64)>,
    /// The host whose last record came late: one that came live ends a span.
    late_host_no: Option<i64>,
}

impl Staged {
    /// One span for records that follow each other; the store joins it with what it touches.
    fn mark_backfilled(&mut self, host_no: i64, t_ms: i64) {
        let end_ms = t_ms.saturating_add(1);
        match self.backfilled.last_mut() {
            Some((host, from_ms, to_ms))
                if *host == host_no
                    && self.late_host_no == Some(host_no)
                    && t_ms >= from_ms.saturating_sub(BACKFILL_JOIN_MS)
                    && t_ms <= to_ms.saturating_add(BACKFILL_JOIN_MS) =>
            {
                *from_ms = t_ms.min(*from_ms);
                *to_ms = end_ms.max(*to_ms);
            }
            _ => self.backfilled.push((host_no, t_ms, end_ms)),
        }
        self.late_host_no = Some(host_no);
    }
}

impl Writer {
    /// Reads where everything stands.
    ///
    /// # Errors
    /// When the database refuses or is corrupt.
    pub async fn load(db: Db) -> Result<(Self, WriterHandle), StoreError> {
        let cursors = store::list_cursors(db.read()).await?;
        let mut series: HashMap<i64, HashMap<SeriesKey, u32>> = HashMap::new();
        for (host_no, no, key) in store::list_series(db.read(), None).await? {
            series.entry(host_no).or_default().insert(key, no);
        }
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        Ok((
            Self {
                db,
                queue,
                cursors,
                series,
            },
            WriterHandle(sender),
        ))
    }

    /// Writes until every handle is gone.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut pace = Pace::default();
        let started = Instant::now();
        while self.queue.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let first = batch.len();
            pace.came(first);
            let wait_ms = pace.wait_ms(Monotonic(started.elapsed().as_millis() as u64));
            if wait_ms > 0 && first < BATCH_MAX {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                while let Some(room) = BATCH_MAX.checked_sub(batch.len()).filter(|room| *room > 0)
                    && self
                        .queue
                        .recv_many(&mut batch, room)
                        .now_or_never()
                        .is_some_and(|came| came > 0)
                {}
                pace.came(batch.len() - first);
            }
            self.commit(std::mem::take(&mut batch)).await;
        }
    }

    async fn commit(&mut self, batch: Vec<Append>) {
        let mut staged = Staged::default();
        let mut answers = Vec::with_capacity(batch.len());
        for append in batch {
            let outcome = self.stage(
                &mut staged,
                append.host_no,
                append.received_at_ms,
                append.records,
            );
            answers.push((append.reply, outcome));
        }
        match self.write(&staged).await {
            Ok(()) => {
                for (host_no, no, key) in staged.series {
                    self.series.entry(host_no).or_default().insert(key, no);
                }
                self.cursors.extend(staged.cursors);
                for (reply, outcome) in answers {
                    // An agent that hung up meanwhile will ask again and be told "stored".
                    let _gone = reply.send(Ok(outcome));
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "samples could not be written; agents keep them"
                );
                let storage_unavailable = error.is_storage_unavailable();
                for (reply, _) in answers {
                    let _gone = reply.send(Err(AppendError::Failed {
                        storage_unavailable,
                    }));
                }
            }
        }
    }

    async fn write(&self, staged: &Staged) -> Result<(), StoreError> {
        if staged.cursors.is_empty() {
            return Ok(());
        }
        let cursors: Vec<(i64, Cursor)> = staged
            .cursors
            .iter()
            .map(|(no, cursor)| (*no, cursor.clone()))
            .collect();
        let is_usual = staged.series.is_empty()
            && staged.gaps.is_empty()
            && staged.backfilled.is_empty()
            && store::is_one_statement(&staged.tail);
        if is_usual {
            return store::append(&self.db, &staged.tail, &cursors).await;
        }
        let mut tx = self.db.write().await?;
        store::insert_series(&mut tx, &staged.series).await?;
        store::insert_tail(&mut tx, &staged.tail).await?;
        store::insert_gaps(&mut tx, &staged.gaps).await?;
        for (host_no, from_ms, to_ms) in &staged.backfilled {
            history::mark_backfilled(&mut tx, *host_no, *from_ms, *to_ms).await?;
        }
        store::upsert_cursors(&mut tx, &cursors).await?;
        tx.commit()
            .await
            .map_err(StoreError::doing("committing samples"))
    }

    /// Decides what of a report is new, without touching anything but `staged`.
    fn stage(
        &self,
        staged: &mut Staged,
        host_no: i64,
        received_at_ms: i64,
        records: Vec<NewRecord>,
    ) -> Appended {
        let mut cursor = staged
            .cursors
            .get(&host_no)
            .or_else(|| self.cursors.get(&host_no))
            .cloned();
        let forked = records.iter().any(|record| {
            cursor.as_ref().is_some_and(|cursor| {
                (record.epoch, record.seq) == (cursor.epoch, cursor.seq)
                    && record.digest != cursor.digest
            })
        });
        if forked {
            return Appended::Forked;
        }
        let mut beyond_series_max = 0;
        for record in records {
            let known = cursor.as_ref().map(|cursor| (cursor.epoch, cursor.seq));
            if known.is_some_and(|known| (record.epoch, record.seq) <= known) {
                continue;
            }
            let mut numbered = Vec::with_capacity(record.samples.len());
            for (key, value) in record.samples {
                match self.number(staged, host_no, key) {
                    Some(no) => numbered.push((no, value)),
                    None => beyond_series_max += 1,
                }
            }
            if let Some((gap, records)) = record.gap {
                staged.gaps.push(GapRow {
                    host_no,
                    gap,
                    records,
                });
            }
            if received_at_ms.saturating_sub(record.t_ms) > BACKFILLED_AFTER_MS {
                staged.mark_backfilled(host_no, record.t_ms);
            } else {
                staged.late_host_no = None;
            }
            staged.tail.push(TailRow {
                host_no,
                t_ms: record.t_ms,
                epoch: record.epoch,
                seq: record.seq,
                samples: domain::metric::pack::pack(&mut numbered),
            });
            cursor = Some(Cursor {
                epoch: record.epoch,
                seq: record.seq,
                digest: record.digest,
                received_at_ms,
                goodbye: record.goodbye,
            });
        }
        match cursor {
            Some(cursor) => {
                let (epoch, seq) = (cursor.epoch, cursor.seq);
                if self.cursors.get(&host_no) != Some(&cursor) {
                    staged.cursors.insert(host_no, cursor);
                }
                Appended::Stored {
                    epoch,
                    seq,
                    beyond_series_max,
                }
            }
            None => Appended::Stored {
                epoch: 0,
                seq: 0,
                beyond_series_max,
            },
        }
    }

    /// The number of a series, a new one if need be; `None` when the host has too many.
    fn number(&self, staged: &mut Staged, host_no: i64, key: SeriesKey) -> Option<u32> {
        let known = self.series.get(&host_no);
        if let Some(no) = known.and_then(|series| series.get(&key)) {
            return Some(*no);
        }
        if let Some((_, no, _)) = staged
            .series
            .iter()
            .find(|(host, _, staged)| *host == host_no && *staged == key)
        {
            return Some(*no);
        }
        let in_batch = staged
            .series
            .iter()
            .filter(|(host, _, _)| *host == host_no)
            .count();
        let count = known.map_or(0, HashMap::len) + in_batch;
        if count >= SERIES_MAX {
            return None;
        }
        let no = u32::try_from(count).ok()?;
        staged.series.push((host_no, no, key));
        Some(no)
    }
}
