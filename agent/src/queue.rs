//! Records that are not acknowledged yet, bounded in bytes and age; what falls out is remembered as an explicit gap.
//!
//! Used by [`crate::run`]. Pure: no clock, no file. The invariant: every record pushed is acknowledged, still here, or
//! counted in a [`Lost`] that a later record carries. The disk spool will take its place behind the same calls.

use std::collections::VecDeque;

use protocol::v1::report::{EncodedRecord, Lost, Record};
use protocol::{RECORDS_MAX, REPORT_BYTES_MAX, keys, wire};

/// Bytes kept in memory.
pub const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest wait for an acknowledgement.
pub const QUEUE_AGE_MS_MAX: u64 = 24 * 3600 * 1000;
/// What one report may carry, with room for its own head.
const BATCH_BYTES_MAX: usize = REPORT_BYTES_MAX - 4096;
/// Counted per record besides its bytes.
const RECORD_OVERHEAD: usize = size_of::<Queued>() + 16;

/// Why records were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LostReason {
    /// They did not fit, or waited too long.
    QueueFull,
    /// The server will never take them.
    Refused,
}

impl LostReason {
    fn as_str(self) -> &'static str {
        match self {
            LostReason::QueueFull => "queue_full",
            LostReason::Refused => "refused",
        }
    }
}

/// Dropped records, by the boot clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    records: u64,
    first_ms: u64,
    last_ms: u64,
    reason: LostReason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Queued {
    epoch: u32,
    seq: u64,
    taken_ms: u64,
    bytes: Vec<u8>,
    lost: Option<Span>,
    has_facts: bool,
}

/// A report's worth of records, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The records.
    pub records: Vec<EncodedRecord>,
    /// Epoch of the last.
    pub epoch: u32,
    /// Number of the last.
    pub seq: u64,
}

/// What an acknowledgement took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acked {
    /// How many records.
    pub records: usize,
    /// Epoch, number and short digest of the last of them.
    pub last: (u32, u64, [u8; 8]),
    /// Did one of them carry facts?
    pub facts: bool,
}

/// The queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    records: VecDeque<Queued>,
    bytes: usize,
    bytes_max: usize,
    age_ms_max: u64,
    lost: Vec<Span>,
}

impl Queue {
    /// An empty queue with these limits.
    pub fn new(bytes_max: usize, age_ms_max: u64) -> Self {
        Self {
            records: VecDeque::new(),
            bytes: 0,
            bytes_max,
            age_ms_max,
            lost: Vec::new(),
        }
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Does a waiting record carry facts?
    pub fn has_facts(&self) -> bool {
        self.records.iter().any(|queued| queued.has_facts)
    }

    /// Encodes a record behind the others, telling in it what was dropped before; drops the oldest where the limits
    /// demand it. The newest is always kept. Gives the number dropped now.
    pub fn push(&mut self, mut record: Record) -> u64 {
        let now_ms = record.taken_boot_ms;
        let span = if self.lost.is_empty() {
            None
        } else {
            Some(self.lost.remove(0))
        };
        record.lost = span.map(|span| Lost {
            records: span.records,
            first_age_ms: now_ms.saturating_sub(span.first_ms),
            last_age_ms: now_ms.saturating_sub(span.last_ms),
            reason: span.reason.as_str().to_owned(),
        });
        let queued = Queued {
            epoch: record.epoch,
            seq: record.seq,
            taken_ms: now_ms,
            has_facts: record.facts.is_some(),
            lost: span,
            bytes: wire::encode(&record),
        };
        self.bytes += cost(&queued);
        self.records.push_back(queued);
        let mut dropped = 0;
        while self.records.len() > 1
            && (self.bytes > self.bytes_max || self.oldest_age_ms(now_ms) > self.age_ms_max)
        {
            self.drop_oldest(LostReason::QueueFull);
            dropped += 1;
        }
        dropped
    }

    fn oldest_age_ms(&self, now_ms: u64) -> u64 {
        self.records
            .front()
            .map_or(0, |oldest| now_ms.saturating_sub(oldest.taken_ms))
    }

    /// Up to `most` records, oldest first, as many as one report may carry.
    pub fn batch(&self, most: usize) -> Option<Batch> {
        let mut batch = Batch {
            records: Vec::new(),
            epoch: 0,
            seq: 0,
        };
        let mut bytes = 0;
        for queued in self.records.iter().take(most.clamp(1, RECORDS_MAX)) {
            bytes += queued.bytes.len() + 8;
            if bytes > BATCH_BYTES_MAX && !batch.records.is_empty() {
                break;
            }
            (batch.epoch, batch.seq) = (queued.epoch, queued.seq);
            batch.records.push(EncodedRecord(queued.bytes.clone()));
        }
        (!batch.records.is_empty()).then_some(batch)
    }

    /// Takes away everything up to this number; `None` when that is nothing.
    pub fn ack(&mut self, epoch: u32, seq: u64) -> Option<Acked> {
        let mut acked: Option<Acked> = None;
        while let Some(oldest) = self.records.front() {
            if (oldest.epoch, oldest.seq) > (epoch, seq) {
                break;
            }
            acked = Some(Acked {
                records: acked.map_or(0, |a| a.records) + 1,
                last: (oldest.epoch, oldest.seq, keys::short_digest(&oldest.bytes)),
                facts: oldest.has_facts || acked.is_some_and(|a| a.facts),
            });
            self.bytes = self.bytes.saturating_sub(cost(oldest));
            self.records.pop_front();
        }
        acked
    }

    /// Drops the oldest record because the server will never take it. Gives its number and whether it carried facts.
    pub fn refuse_oldest(&mut self) -> Option<(u64, bool)> {
        self.drop_oldest(LostReason::Refused)
    }

    fn drop_oldest(&mut self, reason: LostReason) -> Option<(u64, bool)> {
        let oldest = self.records.pop_front()?;
        self.bytes = self.bytes.saturating_sub(cost(&oldest));
        // What it told about earlier losses would be lost with it.
        if let Some(span) = oldest.lost {
            self.note_lost(span);
        }
        self.note_lost(Span {
            records: 1,
            first_ms: oldest.taken_ms,
            last_ms: oldest.taken_ms,
            reason,
        });
        Some((oldest.seq, oldest.has_facts))
    }

    fn note_lost(&mut self, span: Span) {
        match self
            .lost
            .iter_mut()
            .find(|known| known.reason == span.reason)
        {
            Some(known) => {
                known.records = known.records.saturating_add(span.records);
                known.first_ms = known.first_ms.min(span.first_ms);
                known.last_ms = known.last_ms.max(span.last_ms);
            }
            None => self.lost.push(span),
        }
    }

    /// Gives every waiting record a new epoch and fresh numbers from `first_seq` on; gives the next free number.
    ///
    /// A record that cannot be read back (never seen: it is our own) is dropped and counted.
    pub fn restamp(&mut self, epoch: u32, first_seq: u64) -> u64 {
        let mut next = first_seq;
        for mut queued in std::mem::take(&mut self.records) {
            match wire::decode::<Record>("queued record", &queued.bytes) {
                Ok(mut record) => {
                    record.epoch = epoch;
                    record.seq = next;
                    self.bytes = self.bytes.saturating_sub(cost(&queued));
                    queued.bytes = wire::encode(&record);
                    (queued.epoch, queued.seq) = (epoch, next);
                    self.bytes += cost(&queued);
                    self.records.push_back(queued);
                    next = next.saturating_add(1);
                }
                Err(_) => {
                    self.bytes = self.bytes.saturating_sub(cost(&queued));
                    self.note_lost(Span {
                        records: 1,
                        first_ms: queued.taken_ms,
                        last_ms: queued.taken_ms,
                        reason: LostReason::Refused,
                    });
                }
            }
        }
        next
    }
}

fn cost(queued: &Queued) -> usize {
    queued.bytes.len() + RECORD_OVERHEAD
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::v1::report::Group;

    use super::*;

    fn record(seq: u64, taken_boot_ms: u64, samples: usize) -> Record {
        Record {
            epoch: 1,
            seq,
            taken_boot_ms,
            groups: vec![Group {
                instance: String::new(),
                values: vec![1; samples * 2],
            }],
            ..Record::default()
        }
    }

    fn read(batch: &Batch) -> Vec<Record> {
        batch
            .records
            .iter()
            .map(|encoded| wire::decode("record", &encoded.0).unwrap())
            .collect()
    }

    #[test]
    fn what_is_dropped_is_told_by_the_next_record() {
        let mut queue = Queue::new(1 << 20, 25_000);
        for at in 0..5u64 {
            queue.push(record(at + 1, at * 10_000, 1));
        }
        // At 40 s those of 0 s and 10 s are older than 25 s; the one at 30 s told nothing yet.
        assert_eq!(queue.len(), 3);
        queue.push(record(6, 50_000, 1));
        let records = read(&queue.batch(512).unwrap());
        let lost: Vec<_> = records.iter().filter_map(|r| r.lost.clone()).collect();
        assert_eq!(
            lost,
            [
                Lost {
                    records: 1,
                    first_age_ms: 40_000,
                    last_age_ms: 40_000,
                    reason: "queue_full".into()
                },
                Lost {
                    records: 1,
                    first_age_ms: 40_000,
                    last_age_ms: 40_000,
                    reason: "queue_full".into()
                },
            ]
        );
    }

    #[test]
    fn a_refused_record_is_told_apart_and_blocks_nothing() {
        let mut queue = Queue::new(1 << 20, u64::MAX);
        queue.push(record(1, 1_000, 1));
        queue.push(record(2, 2_000, 1));
        assert_eq!(queue.refuse_oldest(), Some((1, false)));
        queue.push(record(3, 3_000, 1));
        let records = read(&queue.batch(512).unwrap());
        assert_eq!(records.iter().map(|r| r.seq).collect::<Vec<_>>(), [2, 3]);
        let lost = records[1].lost.as_ref().unwrap();
        assert_eq!(
            (lost.records, lost.first_age_ms, lost.reason.as_str()),
            (1, 2_000, "refused")
        );
    }

    #[test]
    fn a_report_holds_no_more_than_the_protocol_allows() {
        let mut queue = Queue::new(usize::MAX, u64::MAX);
        for seq in 1..=600 {
            queue.push(record(seq, seq, 2_000));
        }
        let batch = queue.batch(usize::MAX).unwrap();
        let bytes: usize = batch.records.iter().map(|r| r.0.len()).sum();
        assert!(bytes < REPORT_BYTES_MAX && batch.records.len() < RECORDS_MAX);
        assert_eq!(queue.batch(1).unwrap().seq, 1);
        let mut small = Queue::new(usize::MAX, u64::MAX);
        for seq in 1..=600 {
            small.push(record(seq, seq, 1));
        }
        assert_eq!(small.batch(usize::MAX).unwrap().seq, RECORDS_MAX as u64);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Ack(u64),
        Refuse,
        Restamp,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0usize..60).prop_map(Step::Push),
            2 => (0u64..8).prop_map(Step::Ack),
            1 => Just(Step::Refuse),
            1 => Just(Step::Restamp),
        ]
    }

    proptest! {
        /// Conservation: pushed = acknowledged + waiting + told or still to tell.
        #[test]
        fn nothing_disappears_unsaid(steps in prop::collection::vec(step(), 1..120), bytes_max in 300usize..4_000) {
            let mut queue = Queue::new(bytes_max, 70_000);
            let (mut epoch, mut seq, mut now) = (1u32, 0u64, 0u64);
            let (mut pushed, mut acked, mut told) = (0u64, 0u64, 0u64);
            for step in steps {
                match step {
                    Step::Push(samples) => {
                        now += 10_000;
                        seq += 1;
                        pushed += 1;
                        queue.push(Record { epoch, ..record(seq, now, samples) });
                    }
                    Step::Ack(behind) => {
                        let upto = seq.saturating_sub(behind);
                        let before = queue.clone();
                        if let Some(done) = queue.ack(epoch, upto) {
                            acked += done.records as u64;
                            for record in read(&before.batch(done.records).unwrap()).iter().take(done.records) {
                                told += record.lost.as_ref().map_or(0, |lost| lost.records);
                            }
                            prop_assert!(done.last.1 <= upto);
                        }
                    }
                    Step::Refuse => { queue.refuse_oldest(); }
                    Step::Restamp => {
                        epoch += 1;
                        seq = queue.restamp(epoch, 1) - 1;
                    }
                }
                let held: u64 = queue.records.iter().filter_map(|q| q.lost).map(|s| s.records).sum();
                let pending: u64 = queue.lost.iter().map(|s| s.records).sum();
                prop_assert_eq!(pushed, acked + queue.len() as u64 + told + held + pending);
                prop_assert_eq!(queue.bytes, queue.records.iter().map(cost).sum::<usize>());
                prop_assert!(queue.len() <= 1 || queue.bytes <= bytes_max);
                let order: Vec<_> = queue.records.iter().map(|q| (q.epoch, q.seq)).collect();
                prop_assert!(order.is_sorted());
            }
        }
    }
}
