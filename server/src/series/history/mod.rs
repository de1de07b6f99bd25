//! The sealer: moves samples from the durable tail into compressed chunks and coarser levels, and deletes what is old.
//!
//! Run by `serve` each minute; tests call [`Sealer::run_once`]. What to do is decided by `domain::metric::history`.
//! Invariants: each step is one short transaction, so a crash at any moment loses and doubles nothing, and the same plan
//! simply comes again; nobody else writes chunks, so what a step has read of them is true until it commits; reports that
//! arrive meanwhile commit between two steps. It never touches the last record of a host: that is what the host last said.

mod steps;
pub mod store;

use std::collections::BTreeSet;
use std::time::Duration;

use domain::disk::DiskLevel;
use domain::metric::Level;
use domain::metric::history::{Retention, Step, Stored, plan};
use tokio_util::sync::CancellationToken;

use crate::db::Db;
use crate::error::StoreError;
use crate::ops::Ops;
use steps::Outcome;

/// Between two looks.
const TICK: Duration = Duration::from_secs(60);
/// Old chunks of each level in one plan.
const CHUNKS_A_PLAN: i64 = 500;
/// Pages given back in one transaction: 2 MiB.
const PAGES_A_STEP: u32 = 512;
/// Free pages that are kept for what comes next: a quarter of a MiB, or a sixteenth of the file.
const PAGES_SPARE: u64 = 64;
const SPARE_SHARE: u64 = 16;
/// Old gaps and marks deleted at once.
const SPANS_A_STEP: i64 = 1_000;

/// What one look did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Stretches of tails sealed.
    pub sealed: u64,
    /// Raw chunks rolled up into minutes, whole or in part.
    pub rolled_up: u64,
    /// Chunks deleted.
    pub dropped: u64,
    /// Of the last two, how many before their time because of `max_bytes`.
    pub for_size: u64,
    /// Steps that failed, or must be looked at again because a report came between.
    pub put_off: u64,
}

/// Seals, rolls up and deletes.
#[derive(Debug, Clone)]
pub struct Sealer {
    db: Db,
    policy: Retention,
    is_sealing: bool,
}

impl Sealer {
    /// A sealer of `metrics.db`.
    pub fn new(db: Db, policy: Retention) -> Self {
        Self {
            db,
            policy,
            is_sealing: true,
        }
    }

    /// One that only makes room: on a disk with none, what is left is for what must not be lost, and what can be deleted
    /// is the way out.
    #[must_use]
    pub fn that_only_deletes(self) -> Self {
        Self {
            is_sealing: false,
            ..self
        }
    }

    /// Does all there is to do, step by step, until it is done or `stop` is cancelled.
    ///
    /// # Errors
    /// When the database refuses to say what there is; a step that fails is logged and put off.
    pub async fn run_once(
        &self,
        now_ms: i64,
        stop: &CancellationToken,
    ) -> Result<Tally, StoreError> {
        let mut tally = Tally::default();
        let mut put_off = BTreeSet::new();
        loop {
            let stored = self.stored(now_ms).await?;
            let mut planned = plan(&stored, &self.policy, now_ms);
            planned.retain(|step| {
                !put_off.contains(&step.host_no())
                    && (self.is_sealing || !matches!(step, Step::Seal { .. }))
            });
            if planned.is_empty() {
                break;
            }
            for step in planned {
                if stop.is_cancelled() {
                    return Ok(tally);
                }
                if put_off.contains(&step.host_no()) {
                    continue;
                }
                let outcome = steps::carry_out(&self.db, &self.policy, &step, now_ms).await;
                let is_done = matches!(outcome, Ok(Outcome::Done));
                if let Err(error) = outcome {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        host_no = step.host_no(),
                        "a stretch of history could not be sealed; it is tried again"
                    );
                }
                if is_done {
                    tally.count(&step);
                } else {
                    tally.put_off += 1;
                    put_off.insert(step.host_no());
                }
            }
        }
        self.forget(now_ms).await?;
        self.give_back(stop).await?;
        Ok(tally)
    }

    async fn stored(&self, now_ms: i64) -> Result<Stored, StoreError> {
        let mut connection = self
            .db
            .read()
            .acquire()
            .await
            .map_err(StoreError::doing("reading what is stored"))?;
        let (used_bytes, _, _) = store::usage(&mut connection).await?;
        let is_too_large = self
            .policy
            .max_bytes
            .is_some_and(|max_bytes| used_bytes > max_bytes);
        let mut chunks = Vec::new();
        for level in Level::ALL {
            let before_ms = if is_too_large {
                i64::MAX
            } else {
                self.policy.cut_ms(level, now_ms)
            };
            chunks.extend(
                store::list_oldest(&mut connection, level, before_ms, CHUNKS_A_PLAN).await?,
            );
        }
        Ok(Stored {
            tails: store::list_tails(&mut connection).await?,
            chunks,
            used_bytes,
        })
    }

    /// Reasons of gaps and marks are kept as long as the coarsest level.
    async fn forget(&self, now_ms: i64) -> Result<(), StoreError> {
        let mut tx = self.db.write().await?;
        let before_ms = self.policy.cut_ms(Level::OneHour, now_ms);
        store::forget_spans(&mut tx, before_ms, SPANS_A_STEP).await?;
        tx.commit()
            .await
            .map_err(StoreError::doing("committing what is forgotten"))
    }

    /// Gives space back to the disk, two mebibytes a transaction, but for what the next hours will need.
    async fn give_back(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut before = u64::MAX;
        while !stop.is_cancelled() {
            let mut tx = self.db.write().await?;
            let (_, pages, free) = store::usage(&mut tx).await?;
            if free <= PAGES_SPARE.max(pages / SPARE_SHARE) || free >= before {
                break;
            }
            before = free;
            store::vacuum(&mut tx, PAGES_A_STEP).await?;
            tx.commit()
                .await
                .map_err(StoreError::doing("committing what was given back"))?;
        }
        Ok(())
    }
}

impl Tally {
    fn count(&mut self, step: &Step) {
        match step {
            Step::Seal { .. } => self.sealed += 1,
            Step::RollUp { for_size, .. } => {
                self.rolled_up += 1;
                self.for_size += u64::from(*for_size);
            }
            Step::Drop { for_size, .. } => {
                self.dropped += 1;
                self.for_size += u64::from(*for_size);
            }
        }
    }
}

/// Looks each minute until the server stops.
pub async fn run(ops: Ops) {
    let usual = Sealer::new(ops.metrics.clone(), ops.settings.retention);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ops.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let sealer = match ops.disk.level() {
            DiskLevel::Critical => usual.clone().that_only_deletes(),
            DiskLevel::Ok | DiskLevel::Warning | DiskLevel::NoSamples => usual.clone(),
        };
        match sealer.run_once(ops.clock.now().0, &ops.shutdown).await {
            Ok(tally) => say(&tally),
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "history could not be looked after; it is tried again"
            ),
        }
    }
}

fn say(tally: &Tally) {
    if tally.for_size > 0 {
        tracing::warn!(
            chunks = tally.for_size,
            "samples exceed retention.max_bytes: the oldest were deleted before their time"
        );
    }
    if *tally != Tally::default() {
        tracing::debug!(?tally, "history looked after");
    }
}
