//! Records of one identity that are not acknowledged yet, bounded in bytes; what falls out is told as an explicit gap.
//!
//! Pure. The invariant: every record pushed is acknowledged, still here, or counted in a `Lost` that a later record
//! carries.

use std::collections::VecDeque;

use protocol::v1::report::{EncodedRecord, Lost, Record};
use protocol::{RECORDS_MAX, REPORT_BYTES_MAX, keys, wire};

/// What one report may carry, with room for its own head.
const BATCH_BYTES_MAX: usize = REPORT_BYTES_MAX - 4_096;

/// Dropped records, by the boot clock.
#[derive(Debug, Clone, Copy)]
struct Span {
    records: u64,
    first_ms: u64,
    last_ms: u64,
}

impl Span {
    fn join(self, other: Self) -> Self {
        Self {
            records: self.records + other.records,
            first_ms: self.first_ms.min(other.first_ms),
            last_ms: self.last_ms.max(other.last_ms),
        }
    }
}

#[derive(Debug, Clone)]
struct Queued {
    epoch: u32,
    seq: u64,
    taken_ms: u64,
    bytes: Vec<u8>,
    lost: Option<Span>,
    has_facts: bool,
    sections: Vec<u16>,
}

/// A report's worth of records, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) records: Vec<EncodedRecord>,
    /// Place of the last.
    pub(crate) epoch: u32,
    pub(crate) seq: u64,
}

/// One record that left because it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acked {
    pub(crate) epoch: u32,
    pub(crate) seq: u64,
    pub(crate) digest: [u8; 8],
    pub(crate) has_facts: bool,
    /// Kinds of the lists in it.
    pub(crate) sections: Vec<u16>,
}

#[derive(Debug)]
pub(crate) struct Queue {
    records: VecDeque<Queued>,
    bytes: usize,
    bytes_max: usize,
    lost: Option<Span>,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            records: VecDeque::new(),
            bytes: 0,
            bytes_max,
            lost: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(crate) fn has_facts(&self) -> bool {
        self.records.iter().any(|queued| queued.has_facts)
    }

    /// Kinds of the lists in the records that wait.
    pub(crate) fn sections(&self) -> Vec<u16> {
        let waiting = self.records.iter().flat_map(|queued| &queued.sections);
        waiting.copied().collect()
    }

    /// Adds a record behind the others, telling in it what was dropped; the newest is always kept.
    pub(crate) fn push(&mut self, mut record: Record) {
        let now_ms = record.taken_boot_ms;
        let span = self.lost.take();
        record.lost = span.map(|span| Lost {
            records: span.records,
            first_age_ms: now_ms.saturating_sub(span.first_ms),
            last_age_ms: now_ms.saturating_sub(span.last_ms),
            reason: "queue_full".to_owned(),
        });
        let bytes = wire::encode(&record);
        self.bytes += bytes.len();
        self.records.push_back(Queued {
            epoch: record.epoch,
            seq: record.seq,
            taken_ms: now_ms,
            has_facts: record.facts.is_some(),
            sections: record.sections.iter().flatten().map(|s| s.kind).collect(),
            lost: span,
            bytes,
        });
        while self.bytes > self.bytes_max && self.records.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Lets go of the oldest record for good; gives whether there was one.
    pub(crate) fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.pop() else {
            return false;
        };
        let own = Span {
            records: 1,
            first_ms: oldest.taken_ms,
            last_ms: oldest.taken_ms,
        };
        // What it told about earlier losses would be lost with it.
        let told = oldest.lost.map_or(own, |before| own.join(before));
        self.lost = Some(self.lost.map_or(told, |lost| lost.join(told)));
        true
    }

    fn pop(&mut self) -> Option<Queued> {
        let oldest = self.records.pop_front()?;
        self.bytes = self.bytes.saturating_sub(oldest.bytes.len());
        Some(oldest)
    }

    /// Up to `most` records, oldest first, as many as one report may carry.
    pub(crate) fn batch(&self, most: usize) -> Option<Batch> {
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

    /// Takes the oldest record away if it is covered by an acknowledgement up to this place.
    pub(crate) fn take_acked(&mut self, epoch: u32, seq: u64) -> Option<Acked> {
        let oldest = self.records.front()?;
        if (oldest.epoch, oldest.seq) > (epoch, seq) {
            return None;
        }
        self.pop().map(|oldest| Acked {
            epoch: oldest.epoch,
            seq: oldest.seq,
            digest: keys::short_digest(&oldest.bytes),
            has_facts: oldest.has_facts,
            sections: oldest.sections,
        })
    }

    /// Numbers all records anew from `first_seq` in another epoch; gives the next free number.
    pub(crate) fn restamp(&mut self, epoch: u32, first_seq: u64) -> u64 {
        let mut seq = first_seq;
        let mut total = 0;
        for queued in &mut self.records {
            // We encoded these bytes ourselves; should they not decode, they stay and the server refuses them by name.
            if let Ok(mut record) = wire::decode::<Record>("queued record", &queued.bytes) {
                (record.epoch, record.seq) = (epoch, seq);
                (queued.epoch, queued.seq) = (epoch, seq);
                queued.bytes = wire::encode(&record);
                seq += 1;
            }
            total += queued.bytes.len();
        }
        self.bytes = total;
        seq
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(seq: u64) -> Record {
        Record {
            epoch: 1,
            seq,
            taken_boot_ms: seq * 1_000,
            facts: (seq == 1).then(|| vec![7; 30]),
            ..Record::default()
        }
    }

    fn decoded(queue: &Queue) -> Vec<Record> {
        queue
            .records
            .iter()
            .map(|queued| wire::decode("record", &queued.bytes).unwrap())
            .collect()
    }

    proptest! {
        #[test]
        fn every_record_is_acknowledged_here_or_counted_as_lost(
            bytes_max in 50usize..2_000,
            steps in prop::collection::vec((0u8..4, 1u64..8), 1..120),
        ) {
            let mut queue = Queue::new(bytes_max);
            let (mut pushed, mut acked, mut told) = (0u64, 0u64, 0u64);
            for (step, number) in steps {
                if step < 3 {
                    for _ in 0..number {
                        pushed += 1;
                        queue.push(record(pushed));
                    }
                } else {
                    let up_to = queue.records.front().map_or(0, |oldest| oldest.seq + number);
                    let before = decoded(&queue);
                    let mut taken = 0;
                    while let Some(one) = queue.take_acked(1, up_to) {
                        prop_assert!(one.seq <= up_to);
                        taken += 1;
                    }
                    acked += taken as u64;
                    told += before.iter().take(taken).filter_map(|r| r.lost.as_ref()).map(|l| l.records).sum::<u64>();
                }
                prop_assert!(queue.bytes <= bytes_max || queue.len() == 1);
                let sizes: usize = queue.records.iter().map(|queued| queued.bytes.len()).sum();
                prop_assert_eq!(sizes, queue.bytes);
            }
            let waiting = decoded(&queue);
            let lost = told
                + waiting.iter().filter_map(|r| r.lost.as_ref()).map(|l| l.records).sum::<u64>()
                + queue.lost.map_or(0, |span| span.records);
            prop_assert_eq!(pushed, acked + waiting.len() as u64 + lost);
        }
    }

    #[test]
    fn a_new_epoch_numbers_the_waiting_records_anew() {
        let mut queue = Queue::new(1 << 20);
        (5..9).for_each(|seq| queue.push(record(seq)));
        assert_eq!(queue.restamp(2, 1), 5);
        let places: Vec<(u32, u64)> = decoded(&queue).iter().map(|r| (r.epoch, r.seq)).collect();
        assert_eq!(places, [(2, 1), (2, 2), (2, 3), (2, 4)]);
        let batch = queue.batch(3).unwrap();
        assert_eq!((batch.records.len(), batch.epoch, batch.seq), (3, 2, 3));
        assert!(
            queue.take_acked(1, 99).is_none(),
            "an old epoch acknowledges nothing"
        );
    }
}
