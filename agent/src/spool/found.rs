//! What a spool finds of the process before it, and what of it was damaged.

use protocol::v1::report::Record;
use protocol::wire;

use super::lost::{LostReason, Span};
use super::segment::{Damage, Scanned, Segment};
use super::{Opening, Spool, list};

impl Spool {
    pub(super) fn find_again(&mut self, opening: &Opening, now_ms: i64) -> u64 {
        let places = match list(&self.folder) {
            Ok(places) => places,
            Err(error) => {
                self.trouble = Some(error.to_string());
                return 0;
            }
        };
        self.next_segment = places
            .iter()
            .map(|place| place.number.saturating_add(1))
            .max()
            .unwrap_or(1);
        let mut damaged = 0;
        let mut span: Option<(i64, i64)> = None;
        let from_ms = opening
            .last_ack_at_ms
            .map_or(now_ms, |at| at.saturating_add(self.boot_minus_wall_ms));
        let mut last_seq = 0;
        for place in places {
            // Another epoch is what a change of epoch left behind: it was renumbered, or its renumbering never counted.
            if !opening.is_cursor_damaged && place.epoch != opening.epoch {
                self.retired.push(place);
                continue;
            }
            let scanned = match Segment::scan(&self.folder, place, opening.acked_seq) {
                Ok(scanned) => scanned,
                Err(error) => {
                    self.trouble = Some(error.to_string());
                    continue;
                }
            };
            for damage in &scanned.damage {
                let instant = |at: &Option<(u64, Vec<u8>)>| {
                    let (_, bytes) = at.as_ref()?;
                    let record = wire::decode::<Record>("spooled record", bytes).ok()?;
                    Some(self.instant(&record, scanned.segment.boot_id))
                };
                let first = instant(&damage.before).unwrap_or(from_ms);
                let last = instant(&damage.after).unwrap_or(now_ms);
                let (from, to) = span.unwrap_or((first, last));
                span = Some((from.min(first), to.max(last)));
                damaged += lost_between(damage, opening.acked_seq);
            }
            last_seq = last_seq.max(scanned.last_seq.unwrap_or(0));
            if opening.is_cursor_damaged {
                damaged += scanned.segment.unread;
                self.retired.push(place);
            } else {
                self.adopt(scanned);
            }
        }
        let missing = opening.waiting.saturating_sub(self.len() as u64);
        let lost = if opening.is_same_boot && !opening.is_cursor_damaged {
            missing
        } else {
            damaged.max(missing)
        };
        if lost > 0 {
            let (first_ms, last_ms) = span.unwrap_or((from_ms.min(now_ms), now_ms));
            self.untold.note(Span {
                records: lost,
                first_ms,
                last_ms,
                reason: LostReason::Damaged,
            });
        }
        self.find_facts();
        self.remove_retired();
        last_seq
    }

    fn adopt(&mut self, scanned: Scanned) {
        if scanned.segment.unread > 0 {
            self.segments.push_back(scanned.segment);
        } else {
            self.retired.push(scanned.segment.place);
        }
    }

    /// Is there a record with facts among those found again? Only the first part is looked at: facts that come twice do
    /// no harm.
    fn find_facts(&mut self) {
        self.read_ahead();
        self.facts_seq = self
            .oldest
            .iter()
            .rev()
            .find(|held| held.has_facts)
            .map(|held| held.seq);
    }

    /// When a record was taken, by this boot's clock.
    pub(super) fn instant(&self, record: &Record, boot_id: [u8; 16]) -> i64 {
        if boot_id == self.boot_id {
            i64::try_from(record.taken_boot_ms).unwrap_or(i64::MAX)
        } else {
            record.taken_at_ms.saturating_add(self.boot_minus_wall_ms)
        }
    }
}

/// How many records a damaged stretch took that were not acknowledged.
fn lost_between(damage: &Damage, acked_seq: u64) -> u64 {
    match (&damage.before, &damage.after) {
        (Some((before, _)), Some((after, _))) => after
            .saturating_sub((*before).max(acked_seq))
            .saturating_sub(1),
        // How far back it began cannot be told: numbers are skipped after a boot.
        (None, Some((after, _))) => u64::from(*after > acked_seq.saturating_add(1)),
        (_, None) => 1,
    }
}
