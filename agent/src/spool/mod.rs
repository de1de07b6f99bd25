//! Records that are not acknowledged yet: on disk, bounded in bytes and age; what falls out is an explicit gap.
//!
//! Used by [`crate::run`]. A record is written to the page cache before it is sent, so a killed agent loses nothing; it
//! is synced about a second later if it still waits then, so with a server that answers no sync ever happens. Records
//! leave in order, because the server's cursor only rises. Only the oldest are held in memory.
//!
//! The invariant: every record pushed is acknowledged, still here, or counted in a [`protocol::v1::report::Lost`] that a
//! later record carries. Where the disk refuses, records wait in a small bounded queue in memory, and go to the disk when
//! it takes them again. It deliberately knows no clock: instants come with the calls.

mod crc32c;
mod disk;
pub mod format;
mod found;
mod lost;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use protocol::v1::report::{EarlierBoot, EncodedRecord, Record};
use protocol::{RECORDS_MAX, keys, wire};

use format::{HEAD_BYTES, Place};
use lost::{LostReason, Span, Untold};
use segment::Segment;

/// Bytes kept on disk unless the settings say otherwise.
pub const SPOOL_BYTES: u64 = 64 * 1024 * 1024;
/// Longest wait for an acknowledgement unless the settings say otherwise.
pub const SPOOL_AGE_MS: u64 = 24 * 3600 * 1000;
/// Kept in memory while the disk takes nothing.
pub const MEMORY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// A record that still waits after this is synced to the disk.
pub const SYNC_AFTER_MS: u64 = 1_000;
const SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A file whose records are all acknowledged is emptied beyond this.
const EMPTY_BEYOND_BYTES: u64 = 64 * 1024;
/// What one report carries, and what is read ahead for it. An hour of ordinary records is less.
const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Counted per record in memory besides its bytes.
const RECORD_OVERHEAD: usize = size_of::<Held>() + 16;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on disk.
    pub bytes_max: u64,
    /// Age of the oldest.
    pub age_ms_max: u64,
}

impl Limits {
    fn segment_bytes(self) -> u64 {
        (self.bytes_max / 8).clamp(HEAD_BYTES as u64, SEGMENT_BYTES_MAX)
    }
}

/// What the cursor and the clocks say when the spool is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Epoch of the state folder.
    pub epoch: u32,
    /// Last number acknowledged in it.
    pub acked_seq: u64,
    /// Records that waited when the cursor was last written.
    pub waiting: u64,
    /// Is the cursor from this boot, so that `waiting` is exact?
    pub is_same_boot: bool,
    /// Nothing above could be read: what waits cannot be told from what was acknowledged.
    pub is_cursor_damaged: bool,
    /// This boot.
    pub boot_id: [u8; 16],
    /// Its clock.
    pub boot_ms: u64,
    /// The wall clock.
    pub wall_ms: i64,
    /// The last acknowledgement, by the wall clock.
    pub last_ack_at_ms: Option<i64>,
}

/// A report's worth of records, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The records.
    pub records: Vec<EncodedRecord>,
    /// Which of them are from earlier boots.
    pub earlier_boots: Vec<EarlierBoot>,
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

#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    seq: u64,
    /// By this boot's clock.
    taken_ms: i64,
    boot_id: [u8; 16],
    bytes: Vec<u8>,
    lost: Option<Span>,
    has_facts: bool,
    /// Where it is on disk.
    place: Option<Place>,
}

impl Held {
    fn cost(&self) -> usize {
        self.bytes.len() + RECORD_OVERHEAD
    }
}

/// The spool.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    limits: Limits,
    epoch: u32,
    boot_id: [u8; 16],
    /// This boot's clock minus the wall clock, at opening.
    boot_minus_wall_ms: i64,
    next_segment: u64,
    /// Oldest first; all records of one are older than those of the next.
    segments: VecDeque<Segment>,
    /// The last segment's file, while it is appended to.
    active: Option<File>,
    /// The oldest records.
    oldest: VecDeque<Held>,
    oldest_bytes: usize,
    /// The newest records, which the disk did not take.
    unwritten: VecDeque<Held>,
    unwritten_bytes: usize,
    untold: Untold,
    /// The last record that carries facts.
    facts_seq: Option<u64>,
    /// Files of the epoch before, to be removed when the cursor names the new one.
    retired: Vec<Place>,
    trouble: Option<String>,
    unsynced_since_ms: Option<u64>,
    is_folder_unsynced: bool,
    buffer: Vec<u8>,
}

impl Spool {
    /// Opens the folder and finds what waits there; also gives the highest number found.
    ///
    /// A folder that cannot be used is [`Self::trouble`], not an end.
    pub fn open(folder: &Path, limits: Limits, opening: Opening) -> (Self, u64) {
        let boot_ms = i64::try_from(opening.boot_ms).unwrap_or(i64::MAX);
        let mut spool = Self {
            folder: folder.to_owned(),
            limits,
            epoch: opening.epoch,
            boot_id: opening.boot_id,
            boot_minus_wall_ms: boot_ms.saturating_sub(opening.wall_ms),
            next_segment: 1,
            segments: VecDeque::new(),
            active: None,
            oldest: VecDeque::new(),
            oldest_bytes: 0,
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            untold: Untold::default(),
            facts_seq: None,
            retired: Vec::new(),
            trouble: None,
            unsynced_since_ms: None,
            is_folder_unsynced: false,
            buffer: Vec::new(),
        };
        let last_seq = spool.find_again(&opening, boot_ms);
        (spool, last_seq)
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        let unread: u64 = self.segments.iter().map(|segment| segment.unread).sum();
        self.oldest.len() + self.unwritten.len() + usize::try_from(unread).unwrap_or(usize::MAX)
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Does a waiting record carry facts?
    pub fn has_facts(&self) -> bool {
        self.facts_seq.is_some()
    }

    /// What the disk said when it last refused, until it takes records again.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// What is kept from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Keeps a record behind the others, telling in it what was lost before; drops the oldest where the limits demand
    /// it. Gives the number dropped now.
    pub fn push(&mut self, mut record: Record) -> u64 {
        let taken_ms = i64::try_from(record.taken_boot_ms).unwrap_or(i64::MAX);
        record.lost = None;
        let about = wire::encode(&record).len() + format::RECORD_HEAD_BYTES + 64;
        let mut dropped = self.make_room(taken_ms, about as u64);
        let span = self.untold.take();
        record.lost = span.map(|span| span.to_wire(taken_ms));
        if record.facts.is_some() {
            self.facts_seq = Some(record.seq);
        }
        let held = Held {
            seq: record.seq,
            taken_ms,
            boot_id: self.boot_id,
            has_facts: record.facts.is_some(),
            lost: span,
            bytes: wire::encode(&record),
            place: None,
        };
        dropped += self.keep(held, record.taken_boot_ms);
        dropped
    }

    fn make_room(&mut self, now_ms: i64, bytes: u64) -> u64 {
        let mut dropped = 0;
        loop {
            let on_disk: u64 = self.segments.iter().map(|segment| segment.len).sum();
            let is_full = on_disk.saturating_add(bytes) > self.limits.bytes_max;
            let age_ms = self
                .first()
                .map_or(0, |first| now_ms.saturating_sub(first.taken_ms));
            let is_old = u64::try_from(age_ms).is_ok_and(|age| age > self.limits.age_ms_max);
            if !(is_full || is_old) || self.drop_oldest(LostReason::QueueFull).is_none() {
                return dropped;
            }
            dropped += 1;
            self.tidy();
        }
    }

    /// The oldest record, read from disk if need be.
    fn first(&mut self) -> Option<&Held> {
        if self.oldest.is_empty() {
            self.read_ahead();
        }
        self.oldest.front().or(self.unwritten.front())
    }

    /// Keeps a record behind the others, on disk if possible; gives how many in memory made room for it.
    fn keep(&mut self, held: Held, now_ms: u64) -> u64 {
        self.unwritten_bytes += held.cost();
        self.unwritten.push_back(held);
        while let Some(held) = self.unwritten.pop_front() {
            match self.write(&held) {
                Ok(place) => {
                    self.trouble = None;
                    self.unsynced_since_ms.get_or_insert(now_ms);
                    self.unwritten_bytes = self.unwritten_bytes.saturating_sub(held.cost());
                    self.note_written(held, place);
                }
                Err(error) => {
                    self.trouble = Some(error.to_string());
                    self.unwritten.push_front(held);
                    break;
                }
            }
        }
        let mut dropped = 0;
        while self.unwritten_bytes > MEMORY_BYTES_MAX && self.unwritten.len() > 1 {
            if let Some(held) = self.unwritten.pop_front() {
                self.unwritten_bytes = self.unwritten_bytes.saturating_sub(held.cost());
                self.note_dropped(&held, LostReason::QueueFull);
                dropped += 1;
            }
        }
        dropped
    }

    /// Up to `most` records, oldest first, as many as one report may carry.
    pub fn batch(&mut self, most: usize) -> Option<Batch> {
        self.read_ahead();
        let has_unread = self.segments.iter().any(|segment| segment.unread > 0);
        let in_memory = self.unwritten.iter().filter(|_| !has_unread);
        let mut batch = Batch {
            records: Vec::new(),
            earlier_boots: Vec::new(),
            epoch: self.epoch,
            seq: 0,
        };
        let mut bytes = 0;
        let most = most.clamp(1, RECORDS_MAX);
        for held in self.oldest.iter().chain(in_memory).take(most) {
            bytes += held.bytes.len() + 8;
            if bytes > BATCH_BYTES_MAX && !batch.records.is_empty() {
                break;
            }
            batch.seq = held.seq;
            batch.records.push(EncodedRecord(held.bytes.clone()));
            if held.boot_id == self.boot_id {
                continue;
            }
            match batch.earlier_boots.last_mut() {
                Some(last) if last.boot_id == held.boot_id => last.records += 1,
                _ => batch.earlier_boots.push(EarlierBoot {
                    boot_id: held.boot_id,
                    records: 1,
                }),
            }
        }
        (!batch.records.is_empty()).then_some(batch)
    }

    /// Takes away everything up to this number; `None` when that is nothing. Files stay until [`Self::tidy`], so that
    /// the cursor can be written in between.
    pub fn ack(&mut self, epoch: u32, seq: u64) -> Option<Acked> {
        let own = self.epoch;
        let mut acked: Option<Acked> = None;
        while let Some(first) = self.first() {
            if (own, first.seq) > (epoch, seq) {
                break;
            }
            let last = (own, first.seq, keys::short_digest(&first.bytes));
            acked = Some(Acked {
                records: acked.map_or(0, |acked| acked.records) + 1,
                last,
                facts: false,
            });
            self.pop_oldest();
        }
        if let Some(acked) = &mut acked {
            acked.facts = self.forget_facts(acked.last.1);
        }
        acked
    }

    fn forget_facts(&mut self, upto_seq: u64) -> bool {
        self.facts_seq.take_if(|seq| *seq <= upto_seq).is_some()
    }

    fn pop_oldest(&mut self) -> Option<Held> {
        if self.oldest.is_empty() {
            self.read_ahead();
        }
        if let Some(held) = self.oldest.pop_front() {
            self.oldest_bytes = self.oldest_bytes.saturating_sub(held.cost());
            return Some(held);
        }
        let held = self.unwritten.pop_front()?;
        self.unwritten_bytes = self.unwritten_bytes.saturating_sub(held.cost());
        Some(held)
    }

    /// Drops the oldest record because the server will never take it. Gives its number and whether it carried facts.
    pub fn refuse_oldest(&mut self) -> Option<(u64, bool)> {
        let refused = self.drop_oldest(LostReason::Refused);
        self.tidy();
        refused
    }

    fn drop_oldest(&mut self, reason: LostReason) -> Option<(u64, bool)> {
        let held = self.pop_oldest()?;
        self.note_dropped(&held, reason);
        Some((held.seq, held.has_facts))
    }

    fn note_dropped(&mut self, held: &Held, reason: LostReason) {
        // What it told about earlier losses would be lost with it.
        if let Some(span) = held.lost {
            self.untold.note(span);
        }
        self.untold.note(Span {
            records: 1,
            first_ms: held.taken_ms,
            last_ms: held.taken_ms,
            reason,
        });
        if held.has_facts {
            self.forget_facts(held.seq);
        }
    }

    /// Gives every waiting record a new epoch and fresh numbers from `first_seq` on; gives the next free number.
    ///
    /// The files of the old epoch stay until [`Self::tidy`], which is to come after the cursor names the new epoch: a
    /// crash in between leaves either all of the old or all of the new.
    pub fn restamp(&mut self, epoch: u32, first_seq: u64) -> u64 {
        let mut fresh = Self {
            folder: self.folder.clone(),
            limits: self.limits,
            epoch,
            boot_id: self.boot_id,
            boot_minus_wall_ms: self.boot_minus_wall_ms,
            next_segment: self.next_segment,
            segments: VecDeque::new(),
            active: None,
            oldest: VecDeque::new(),
            oldest_bytes: 0,
            unwritten: VecDeque::new(),
            unwritten_bytes: 0,
            untold: Untold::default(),
            facts_seq: None,
            retired: std::mem::take(&mut self.retired),
            trouble: None,
            unsynced_since_ms: None,
            is_folder_unsynced: false,
            buffer: Vec::new(),
        };
        fresh
            .retired
            .extend(self.segments.iter().map(|segment| segment.place));
        let mut next = first_seq;
        while let Some(mut held) = self.pop_oldest() {
            match wire::decode::<Record>("spooled record", &held.bytes) {
                Ok(mut record) => {
                    record.epoch = epoch;
                    record.seq = next;
                    held.bytes = wire::encode(&record);
                    held.seq = next;
                    held.place = None;
                    if held.has_facts {
                        fresh.facts_seq = Some(next);
                    }
                    fresh.keep(held, 0);
                    next = next.saturating_add(1);
                }
                // Never seen: it is our own.
                Err(_) => fresh.note_dropped(&held, LostReason::Damaged),
            }
        }
        while let Some(span) = self.untold.take() {
            fresh.untold.note(span);
        }
        if !fresh.is_empty() {
            fresh.sync_or_trouble(0);
        }
        *self = fresh;
        next
    }
}

/// How many records wait on disk behind this number, without touching anything; for `status`.
///
/// # Errors
/// The folder cannot be read.
pub fn count(folder: &Path, epoch: u32, acked_seq: u64) -> io::Result<u64> {
    let mut waiting = 0;
    for place in list(folder)? {
        if place.epoch == epoch {
            waiting += Segment::scan(folder, place, acked_seq)?.segment.unread;
        }
    }
    Ok(waiting)
}

fn list(folder: &Path) -> io::Result<Vec<Place>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut places = Vec::new();
    for entry in entries {
        if let Some(place) = entry?.file_name().to_str().and_then(Place::of_file_name) {
            places.push(place);
        }
    }
    places.sort_unstable();
    Ok(places)
}
