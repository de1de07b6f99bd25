//! What one identity keeps: its numbers, its queue, what it measures next and when it tries again.
//!
//! Pure: told the time and what was heard. [`crate::agent`] does what it says. The invariant: a record leaves the queue
//! for the list of acknowledged ones by a proved acknowledgement alone, and each record enters that list once.

use protocol::keys::short_digest;
use protocol::v1::hello::HelloAnswer;
use protocol::v1::report::{Record, ReportAnswer};
use protocol::{RECORDS_MAX, wire};

use crate::link::{Claim, Heard, Refusal, Work};
use crate::lists::Lists;
use crate::machine::Machine;
use crate::outcome::AckedRange;
use crate::queue::Queue;
use crate::schedule::{Pace, clamp_interval_ms, next_due_ms};
use crate::{DRAIN_MS, values};

/// How often collectors' outcomes are told.
const RUNS_EVERY_MS: u64 = 60_000;
/// The last try of a drain comes this long before its end.
const LAST_TRY_MS: u64 = 2_000;

/// While a host is cut off, when to see whether it still is.
const LOOK_AGAIN_MS: u64 = 1_000;

/// Both clocks of the simulating machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) boot_ms: u64,
    pub(crate) wall_ms: i64,
}

/// Where an identity's numbers end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) epoch: u32,
    /// Highest number ever given; 0 for none.
    pub(crate) seq: u64,
    /// Last one acknowledged, and its digest.
    pub(crate) acked: Option<(u64, [u8; 8])>,
}

/// What something heard led to, for the fleet's counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) acked: u64,
    pub(crate) latency_us: Option<u64>,
    pub(crate) problem: Option<String>,
}

pub(crate) struct Book {
    machine: Machine,
    /// Of a host of a scenario.
    lists: Option<Lists>,
    numbers: Numbers,
    wants_new_epoch: bool,
    queue: Queue,
    acked: Vec<AckedRange>,
    facts: Vec<u8>,
    facts_digest: [u8; 8],
    facts_at_server: Option<[u8; 8]>,
    configured_ms: u64,
    interval_ms: u64,
    due_ms: u64,
    runs_due_ms: u64,
    next_try_ms: u64,
    batch_max: usize,
    pace: Pace,
    taken: u64,
    is_last_taken: bool,
    has_ended: bool,
}

impl Book {
    /// The first record is due at `first_due_ms`.
    pub(crate) fn new(
        machine: Machine,
        numbers: Numbers,
        interval_ms: u64,
        queue_bytes_max: usize,
        first_due_ms: u64,
        booted_at_s: i64,
    ) -> Self {
        let facts = wire::encode(&machine.facts(booted_at_s));
        Self {
            facts_digest: short_digest(&facts),
            facts,
            facts_at_server: None,
            pace: Pace::new(machine.seed, interval_ms),
            numbers,
            wants_new_epoch: false,
            queue: Queue::new(queue_bytes_max),
            acked: Vec::new(),
            configured_ms: interval_ms,
            interval_ms,
            due_ms: first_due_ms,
            runs_due_ms: 0,
            next_try_ms: 0,
            batch_max: RECORDS_MAX,
            taken: 0,
            is_last_taken: false,
            has_ended: false,
            machine,
            lists: None,
        }
    }

    /// Makes it the book of a host of a scenario.
    pub(crate) fn with_lists(mut self, lists: Lists) -> Self {
        self.lists = Some(lists);
        self
    }

    /// Takes a record if one is due; gives how many were taken. The last one before `end_ms` says goodbye.
    pub(crate) fn take_due(&mut self, now: Now, end_ms: u64) -> u64 {
        if self.is_last_taken || self.has_ended {
            return 0;
        }
        let is_over = now.boot_ms >= end_ms;
        if is_over && self.taken == 0 {
            self.is_last_taken = true;
            return 0;
        }
        if !is_over && now.boot_ms < self.due_ms {
            return 0;
        }
        self.due_ms = next_due_ms(self.due_ms, now.boot_ms, self.interval_ms);
        self.is_last_taken = is_over || self.due_ms >= end_ms;
        self.taken += 1;
        self.numbers.seq += 1;
        let has_news = self.facts_at_server != Some(self.facts_digest) && !self.queue.has_facts();
        let are_runs_due = now.boot_ms >= self.runs_due_ms;
        if are_runs_due {
            self.runs_due_ms = now.boot_ms + RUNS_EVERY_MS;
        }
        let up_s = self.machine.uptime_offset_s + now.boot_ms / 1_000;
        let under_way = self
            .lists
            .as_ref()
            .map_or(Vec::new(), |_| self.queue.sections());
        let (groups, sections) = match &mut self.lists {
            Some(lists) => (
                lists.sample(&self.machine, now.wall_ms, up_s),
                lists.due(&self.machine, now.wall_ms, &under_way),
            ),
            None => (values::sample(&self.machine, now.wall_ms, up_s), None),
        };
        self.queue.push(Record {
            epoch: self.numbers.epoch,
            seq: self.numbers.seq,
            taken_boot_ms: now.boot_ms,
            taken_at_ms: now.wall_ms,
            boot_id: None,
            groups,
            facts: has_news.then(|| self.facts.clone()),
            collectors: are_runs_due.then(|| self.machine.collectors(now.wall_ms)),
            lost: None,
            goodbye: self.is_last_taken.then_some(true),
            sections,
        });
        1
    }

    /// Is there nothing left to do?
    pub(crate) fn is_done(&self, now_ms: u64, end_ms: u64) -> bool {
        let is_drained = self.is_last_taken && self.queue.is_empty();
        self.has_ended || is_drained || now_ms >= end_ms.saturating_add(DRAIN_MS)
    }

    /// Waits while the scenario lets nothing from this host reach the server; not after the end, so that all is drained.
    pub(crate) fn hold_back(&mut self, now: Now, end_ms: u64) {
        let is_cut_off = |lists: &Lists| !lists.is_heard(now.wall_ms);
        if now.boot_ms < end_ms && self.lists.as_ref().is_some_and(is_cut_off) {
            self.next_try_ms = self
                .next_try_ms
                .max((now.boot_ms + LOOK_AGAIN_MS).min(end_ms));
        }
    }

    /// What to send now, if it is time.
    pub(crate) fn work(&self, has_session: bool, now_ms: u64) -> Option<Work> {
        if now_ms < self.next_try_ms {
            return None;
        }
        let batch = self.queue.batch(self.batch_max)?;
        Some(if has_session {
            Work::Report(batch)
        } else {
            Work::Hello(Claim {
                epoch: self.numbers.epoch,
                highest_seq: self.numbers.seq,
                acked_seq: self.numbers.acked.map_or(0, |(seq, _)| seq),
                acked_digest: self.numbers.acked.map(|(_, digest)| digest),
                wants_new_epoch: self.wants_new_epoch,
            })
        })
    }

    /// When to look again.
    pub(crate) fn wake_ms(&self, end_ms: u64) -> u64 {
        let sample_ms = if self.is_last_taken {
            end_ms.saturating_add(DRAIN_MS)
        } else {
            self.due_ms.min(end_ms)
        };
        if self.queue.is_empty() {
            sample_ms
        } else {
            sample_ms.min(self.next_try_ms)
        }
    }

    /// When the next record is due, whatever else is under way.
    pub(crate) fn sample_ms(&self, end_ms: u64) -> Option<u64> {
        (!self.is_last_taken).then(|| self.due_ms.min(end_ms))
    }

    /// What an exchange led to.
    pub(crate) fn hear(&mut self, heard: Heard, now_ms: u64, end_ms: u64) -> Effect {
        let mut effect = Effect::default();
        match heard {
            Heard::Session(answer) => {
                self.settle(&answer);
                self.next_try_ms = now_ms;
            }
            Heard::Acked {
                answer,
                latency_us,
                sent,
            } => {
                effect.acked = self.take_acked(&answer);
                effect.latency_us = Some(latency_us);
                if effect.acked == 0 {
                    effect.problem = Some("the server acknowledged none of the records".to_owned());
                    self.next_try_ms = now_ms + self.pace.retry_ms();
                } else {
                    self.pace.worked();
                    self.next_try_ms = now_ms;
                    if effect.acked == sent as u64 {
                        self.batch_max = (self.batch_max * 2).min(RECORDS_MAX);
                    }
                    self.set_interval(u64::from(answer.next_interval_ms), now_ms);
                }
            }
            Heard::Refused(refusal) => effect.problem = Some(self.refused(refusal, now_ms)),
        }
        // Patience ends with the drain: whatever was asked for, there is a last try.
        let last_try_ms = end_ms.saturating_add(DRAIN_MS - LAST_TRY_MS);
        if now_ms < last_try_ms {
            self.next_try_ms = self.next_try_ms.min(last_try_ms);
        }
        effect
    }

    /// Brings the numbers in line with what the server holds.
    fn settle(&mut self, answer: &HelloAnswer) {
        self.facts_at_server = answer.facts_digest;
        if let Some(lists) = &mut self.lists {
            lists.set_held(answer.sections.as_deref());
        }
        let is_new_epoch = answer.epoch != self.numbers.epoch || self.wants_new_epoch;
        if is_new_epoch || answer.stored_seq > self.numbers.seq {
            // Within one epoch no number is given twice, whatever is answered.
            let used = if answer.epoch == self.numbers.epoch {
                self.numbers.seq
            } else {
                0
            };
            let first = answer.stored_seq.max(used).saturating_add(1);
            let next = self.queue.restamp(answer.epoch, first);
            self.numbers = Numbers {
                epoch: answer.epoch,
                seq: next.saturating_sub(1),
                acked: None,
            };
            self.wants_new_epoch = false;
        }
    }

    fn take_acked(&mut self, answer: &ReportAnswer) -> u64 {
        let mut count = 0;
        while let Some(record) = self.queue.take_acked(answer.acked_epoch, answer.acked_seq) {
            count += 1;
            if record.epoch == self.numbers.epoch {
                self.numbers.acked = Some((record.seq, record.digest));
            }
            if record.has_facts {
                self.facts_at_server = Some(self.facts_digest);
            }
            if let Some(lists) = &mut self.lists {
                lists.acked(&record.sections);
            }
            match self.acked.last_mut() {
                Some(range) if range.epoch == record.epoch && range.last_seq + 1 == record.seq => {
                    range.last_seq = record.seq;
                }
                _ => self.acked.push(AckedRange {
                    epoch: record.epoch,
                    first_seq: record.seq,
                    last_seq: record.seq,
                }),
            }
        }
        count
    }

    fn set_interval(&mut self, asked_ms: u64, now_ms: u64) {
        let interval_ms = clamp_interval_ms(asked_ms, self.configured_ms);
        if interval_ms != self.interval_ms {
            self.interval_ms = interval_ms;
            self.due_ms = now_ms + interval_ms;
        }
    }

    fn refused(&mut self, refusal: Refusal, now_ms: u64) -> String {
        let (wait_ms, words) = match refusal {
            Refusal::Later(words) => (self.pace.retry_ms(), words),
            Refusal::RetryAfter(asked_ms, words) => (self.pace.patient_ms(asked_ms), words),
            Refusal::NoSession(words) => (self.pace.hello_ms(), words),
            Refusal::Forked(words) => {
                self.wants_new_epoch = true;
                (self.pace.hello_ms(), words)
            }
            Refusal::Ended(words) => {
                self.has_ended = true;
                (0, words)
            }
            Refusal::Unacceptable { sent, words } => {
                // Find the one record that will never be taken, so that it holds up no other.
                if sent > 1 {
                    self.batch_max = sent.div_ceil(2);
                } else {
                    self.queue.drop_oldest();
                }
                (0, words)
            }
        };
        self.next_try_ms = now_ms + wait_ms;
        words
    }

    /// Ends the book: numbers for the next run, what was acknowledged, how many records still wait.
    pub(crate) fn close(self) -> (Numbers, Vec<AckedRange>, usize) {
        (self.numbers, self.acked, self.queue.len())
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
