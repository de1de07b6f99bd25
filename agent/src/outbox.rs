//! What a record carries besides samples: facts, and how the collectors ran. Both only when they are news.
//!
//! Used by [`crate::run`]. Pure: the caller passes the instants.

use protocol::v1::report::CollectorRun;

use crate::collect::{Outcome, Run};
use crate::spool::Spool;

const RUNS_EVERY_MS: u64 = 60_000;

/// The facts, and what the server holds of them.
#[derive(Default)]
pub struct FactsState {
    /// As they are sent.
    pub encoded: Vec<u8>,
    /// Of that.
    pub digest: Option<[u8; 8]>,
    /// When they were last read.
    pub checked_ms: Option<u64>,
    /// How that went.
    pub run: Option<Run>,
    /// What the server holds, known after hello.
    pub at_server: Option<Option<[u8; 8]>>,
    /// What the waiting record carries.
    pub sent: Option<[u8; 8]>,
    /// What the server would not take.
    pub refused: Option<[u8; 8]>,
}

/// What was last told about the collectors.
#[derive(Default)]
pub struct RunsState {
    told: Vec<(u16, Outcome)>,
    told_ms: Option<u64>,
}

impl FactsState {
    /// The facts, when the server holds others and none are under way.
    pub fn due(&mut self, spool: &Spool) -> Option<Vec<u8>> {
        let at_server = self.at_server?;
        let is_due = self.digest.is_some()
            && self.digest != at_server
            && self.digest != self.refused
            && !spool.has_facts();
        if !is_due {
            return None;
        }
        self.sent = self.digest;
        Some(self.encoded.clone())
    }
}

impl RunsState {
    /// All runs, when an outcome changed or a minute went by.
    pub fn due(
        &mut self,
        now_ms: u64,
        runs: &[Run],
        facts: Option<&Run>,
    ) -> Option<Vec<CollectorRun>> {
        if runs.is_empty() {
            return None;
        }
        let all = || runs.iter().chain(facts);
        let is_same = self.told.len() == all().count()
            && self.told.iter().zip(all()).all(|((number, outcome), run)| {
                *number == run.collector.wire() && *outcome == run.outcome
            });
        let is_recent = self
            .told_ms
            .is_some_and(|told| now_ms.saturating_sub(told) < RUNS_EVERY_MS);
        if is_same && is_recent {
            return None;
        }
        self.told = all()
            .map(|run| (run.collector.wire(), run.outcome.clone()))
            .collect();
        self.told_ms = Some(now_ms);
        Some(
            all()
                .map(|run| CollectorRun {
                    collector: run.collector.wire(),
                    duration_us: run.duration_us,
                    outcome: run.outcome.wire(),
                    reason: run.outcome.reason().map(domain::text::clean_label),
                })
                .collect(),
        )
    }
}
