//! What is said to the server, and what each answer does to the records, the numbers and the next attempt.

use std::io::Write;

use protocol::RECORDS_MAX;
use protocol::v1::hello::HelloAnswer;
use protocol::v1::report::ReportAnswer;

use super::Running;
use crate::exit::Failure;
use crate::schedule::{REFUSED_RETRY_MS, RETRY_AFTER_MS_MAX, clamp_interval_ms};
use crate::session::{Refusal, Refused, Session};
use crate::{clock, log, random};

/// Between two reports of what waited, on average: live values of other hosts come first at the server.
const BACKFILL_PAUSE_MS: u64 = 1_000;
/// Spread of agents that all lost their session at once.
const HELLO_JITTER_MS: u64 = 2_000;
/// Refusals without proof that one record gets before it is given up.
const UNPROVED_REFUSALS_MAX: u32 = 3;
const CLOCK_DIFFERENCE_MS: u64 = 60_000;

impl Running {
    pub(super) fn hello(&mut self) {
        let opened = Session::open(
            &self.client,
            &self.speaker,
            &self.cursor.get(),
            self.cursor.wants_new_epoch(),
            self.config.interval_ms,
            self.config.suggested().as_ref(),
        );
        match opened {
            Ok((session, answer)) => {
                if let Err(failure) = self.settle_numbers(&answer) {
                    log::error(failure.message);
                    self.try_later();
                    return;
                }
                self.session = Some(session);
                self.facts.at_server = Some(answer.facts_digest);
                self.lists_state.set_held(answer.sections.as_deref());
                self.next_send_ms = 0;
                self.tell_clock(answer.now_ms);
                if self.served.take(answer.packs) {
                    log::info("the server offers other packs than before");
                    self.follow_packs();
                    self.say_refused_packs();
                }
                if answer.pending_review {
                    log::info("this node waits for an administrator to accept it in the console");
                }
            }
            Err(refused) => {
                self.note_refusal(&refused);
                self.refused(refused.refusal);
            }
        }
    }

    /// Keeps what the server said, for `status` and `doctor`.
    fn note_refusal(&mut self, refused: &Refused) {
        let Some(told) = &refused.told else {
            return;
        };
        if let Err(error) = self.refusals.note(told, clock::wall_ms()) {
            self.tell_trouble(&format!(
                "why the server refused cannot be kept for `oc-agent status` ({error}): {}",
                told.words
            ));
        }
    }

    /// Brings epoch and numbers in line with what the server holds.
    fn settle_numbers(&mut self, answer: &HelloAnswer) -> Result<(), Failure> {
        let cursor = self.cursor.get();
        if answer.epoch != cursor.epoch || self.cursor.wants_new_epoch() {
            let instead = match cursor.epoch {
                ours if ours == answer.epoch => "anew".to_owned(),
                ours => format!("instead of {ours}"),
            };
            log::warn(format!(
                "the server gave epoch {} {instead}: it knows other records under this agent's numbers; the gap is recorded there",
                answer.epoch
            ));
            let next = self
                .spool
                .restamp(answer.epoch, answer.stored_seq.saturating_add(1));
            let last = next.saturating_sub(1);
            self.cursor
                .begin_epoch(answer.epoch, last, self.spool.len())?;
            self.spool.tidy();
            Ok(())
        } else if answer.stored_seq > cursor.seq {
            // Our server answers that with a new epoch itself.
            self.cursor.want_new_epoch();
            Err(Failure::could_not(format!(
                "the server holds record {} although only {} were made; asking for a new epoch",
                answer.stored_seq, cursor.seq
            )))
        } else {
            self.take_ack(answer.epoch, answer.stored_seq).map(|_| ())
        }
    }

    /// Lets go of what is durable; gives how many records that was.
    fn take_ack(&mut self, epoch: u32, seq: u64) -> Result<usize, Failure> {
        let Some(acked) = self.spool.ack(epoch, seq) else {
            return Ok(0);
        };
        self.lists_state.acked(acked.last.1);
        if acked.facts {
            self.facts.at_server = Some(self.facts.sent);
        }
        let (last_epoch, last_seq, digest) = acked.last;
        let last = (last_epoch == self.cursor.get().epoch).then_some((last_seq, digest));
        self.cursor
            .acked(last, clock::wall_ms(), self.spool.len())?;
        self.spool.tidy();
        Ok(acked.records)
    }

    pub(super) fn send(&mut self) {
        let Some(session) = &self.session else {
            return;
        };
        let Some(batch) = self.spool.batch(self.batch_max) else {
            return;
        };
        let count = batch.records.len();
        let (sent_ms, sent_at_ms) = (clock::boot_ms(), clock::wall_ms());
        match session.report(&self.client, batch) {
            Ok(answer) => {
                // The server read its clock about half way between asking and being answered.
                let half_way_ms = i64::try_from((clock::boot_ms() - sent_ms) / 2).unwrap_or(0);
                let own_ms = sent_at_ms.saturating_add(half_way_ms);
                self.clock_skew_ms = Some(own_ms.saturating_sub(answer.now_ms));
                self.acknowledged(&answer, count);
            }
            Err(refused) => {
                self.note_refusal(&refused);
                match refused.refusal {
                    Refusal::Unacceptable { is_proved, words } => {
                        self.unacceptable(count, is_proved, &words);
                    }
                    refusal => self.refused(refusal),
                }
            }
        }
    }

    fn acknowledged(&mut self, answer: &ReportAnswer, sent: usize) {
        let taken = match self.take_ack(answer.acked_epoch, answer.acked_seq) {
            Ok(taken) => taken,
            Err(failure) => {
                log::error(failure.message);
                0
            }
        };
        if taken == 0 {
            self.refused(Refusal::Later(
                "the server acknowledged none of the records".to_owned(),
            ));
            return;
        }
        if self.backoff.failures() > 0 {
            log::info(format!(
                "the server takes reports again; {} records wait",
                self.spool.len()
            ));
        }
        self.is_renewing = false;
        self.backoff.reset();
        self.unproved_refusals = 0;
        if taken == sent {
            self.batch_max = (self.batch_max * 2).min(RECORDS_MAX);
        }
        self.next_send_ms = if self.spool.is_empty() {
            0
        } else {
            clock::boot_ms() + BACKFILL_PAUSE_MS / 2 + random::jitter() % BACKFILL_PAUSE_MS
        };
        self.set_interval(clamp_interval_ms(
            u64::from(answer.next_interval_ms),
            self.config.interval_ms,
        ));
        self.tell_clock(answer.now_ms);
        if answer.notes != self.last_notes {
            for note in &answer.notes {
                log::warn(format!("the server says: {note}"));
            }
            self.last_notes.clone_from(&answer.notes);
        }
        if !self.is_ready_told {
            self.is_ready_told = true;
            let mut stdout = std::io::stdout();
            // A closed stdout is no reason to stop reporting.
            drop(writeln!(stdout, "ready {}", self.identity.node_id).and_then(|()| stdout.flush()));
        }
    }

    fn tell_clock(&mut self, server_ms: i64) {
        let difference_ms = clock::wall_ms().abs_diff(server_ms);
        if difference_ms < CLOCK_DIFFERENCE_MS {
            self.is_clock_told = false;
        } else if !self.is_clock_told {
            self.is_clock_told = true;
            log::warn(format!(
                "this host's clock and the server's differ by {} s; the server corrects for it, but check the time service",
                difference_ms / 1000
            ));
        }
    }

    /// Records that will never be taken must not hold up the others: find the one, drop it, say so.
    fn unacceptable(&mut self, sent: usize, is_proved: bool, words: &str) {
        if sent > 1 {
            self.batch_max = sent.div_ceil(2).min(sent - 1);
            return;
        }
        self.unproved_refusals += 1;
        if !is_proved && self.unproved_refusals < UNPROVED_REFUSALS_MAX {
            self.refused(Refusal::Later(format!(
                "a report was refused ({words}), though not provably by the server"
            )));
            return;
        }
        self.unproved_refusals = 0;
        if let Some((seq, has_facts)) = self.spool.refuse_oldest() {
            log::error(format!(
                "record {seq} was refused for good and is dropped ({words})"
            ));
            if has_facts {
                self.facts.refused = self.facts.sent;
            }
            self.lists_state.forget_sent();
            self.note_waiting();
        }
    }

    fn refused(&mut self, refusal: Refusal) {
        match refusal {
            Refusal::Later(words) => {
                self.tell_trouble(&words);
                self.try_later();
            }
            Refusal::RetryAfter(wait_ms, words) => {
                self.tell_trouble(&words);
                self.try_later();
                let patient_ms = wait_ms.min(RETRY_AFTER_MS_MAX) + random::jitter() % 1000;
                self.next_send_ms = self.next_send_ms.max(clock::boot_ms() + patient_ms);
            }
            Refusal::NoSession(words) => {
                self.session = None;
                // A server that was gone and is back knows no session: what was waited for is there. Once, lest a server that
                // forgets each session is asked without end.
                if !self.is_renewing {
                    self.is_renewing = true;
                    log::info(format!("beginning a new session ({words})"));
                    self.try_later();
                    self.next_send_ms = clock::boot_ms() + random::jitter() % HELLO_JITTER_MS;
                } else {
                    self.tell_trouble(&words);
                    self.try_later();
                }
            }
            Refusal::Forked(words) => {
                log::warn(format!("asking for a new epoch ({words})"));
                self.session = None;
                self.cursor.want_new_epoch();
                self.try_later();
            }
            Refusal::NeedsPerson(words) => {
                log::error(format!(
                    "the server does not take this agent's reports ({words}); until somebody acts it is tried again every {} min, and nothing is deleted here",
                    REFUSED_RETRY_MS / 60_000
                ));
                self.session = None;
                self.try_later();
                self.next_send_ms = clock::boot_ms() + REFUSED_RETRY_MS;
            }
            Refusal::Unacceptable { words, .. } => {
                self.tell_trouble(&words);
                self.try_later();
            }
        }
    }

    fn try_later(&mut self) {
        self.next_send_ms = clock::boot_ms() + self.backoff.next_ms(random::jitter());
        // Whoever watched cannot be told now.
        self.set_interval(self.config.interval_ms);
    }

    /// The 1st, 10th, 100th … failure in a row: enough to see it, not enough to fill a disk.
    pub(super) fn tell_trouble(&self, words: &str) {
        let nth = u64::from(self.backoff.failures()) + 1;
        if 10u64.checked_pow(nth.ilog10()) == Some(nth) {
            log::warn(format!(
                "{words}; attempt {nth}, {} records wait, sampling goes on",
                self.spool.len()
            ));
        }
    }
}
