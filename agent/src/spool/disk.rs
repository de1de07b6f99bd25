//! Records onto the disk and back: segments that are begun, appended to, read ahead, emptied and synced.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};

use protocol::v1::report::Record;
use protocol::wire;

use super::format::{self, HEAD_BYTES, Place};
use super::lost::{LostReason, Span};
use super::segment::Segment;
use super::{BATCH_BYTES_MAX, EMPTY_BEYOND_BYTES, Held, RECORD_OVERHEAD, SYNC_AFTER_MS, Spool};

impl Spool {
    /// Appends a record to the last segment, or to a new one when that is full or of another boot.
    pub(super) fn write(&mut self, held: &Held) -> io::Result<Place> {
        let bytes = (format::RECORD_HEAD_BYTES + held.bytes.len()) as u64;
        let is_usable = self.active.is_some()
            && self.segments.back().is_some_and(|last| {
                last.boot_id == held.boot_id
                    && (last.len + bytes <= self.limits.segment_bytes()
                        || last.len == HEAD_BYTES as u64)
            });
        if !is_usable {
            self.begin_segment(held.boot_id)?;
        }
        let (Some(segment), Some(file)) = (self.segments.back_mut(), &self.active) else {
            return Err(io::Error::other("no segment is open"));
        };
        self.buffer.clear();
        format::put_record(
            &mut self.buffer,
            segment.place,
            segment.len,
            held.seq,
            &held.bytes,
        );
        if let Err(error) = file.write_all_at(&self.buffer, segment.len) {
            // Part of it may be there. When it cannot be taken back, nothing is appended here any more.
            if file.set_len(segment.len).is_err() {
                self.active = None;
            }
            return Err(error);
        }
        segment.len += bytes;
        Ok(segment.place)
    }

    fn begin_segment(&mut self, boot_id: [u8; 16]) -> io::Result<()> {
        self.sync()?;
        self.active = None;
        let place = Place {
            epoch: self.epoch,
            number: self.next_segment,
        };
        if !self.folder.is_dir() {
            DirBuilder::new().mode(0o700).create(&self.folder)?;
        }
        let (segment, file) = Segment::begin(&self.folder, place, boot_id)?;
        self.next_segment = self.next_segment.saturating_add(1);
        self.is_folder_unsynced = true;
        self.segments.push_back(segment);
        self.active = Some(file);
        Ok(())
    }

    pub(super) fn note_written(&mut self, mut held: Held, place: Place) {
        let has_unread = self.segments.iter().any(|segment| segment.unread > 0);
        let Some(segment) = self.segments.back_mut() else {
            return;
        };
        if has_unread || self.oldest_bytes + held.cost() > BATCH_BYTES_MAX {
            segment.unread += 1;
            return;
        }
        segment.read_to = segment.len;
        held.place = Some(place);
        self.oldest_bytes += held.cost();
        self.oldest.push_back(held);
    }

    /// Reads the oldest records on disk into memory, as many as a report takes.
    pub(super) fn read_ahead(&mut self) {
        while self.oldest_bytes < BATCH_BYTES_MAX {
            let Some(at) = self.segments.iter().position(|segment| segment.unread > 0) else {
                return;
            };
            self.read_segment(at);
        }
    }

    fn read_segment(&mut self, at: usize) {
        let Some(segment) = self.segments.get_mut(at) else {
            return;
        };
        let (place, boot_id) = (segment.place, segment.boot_id);
        let mut read: Vec<(u64, Vec<u8>)> = Vec::new();
        let mut bytes = self.oldest_bytes;
        let outcome = segment.read_on(&self.folder, |seq, payload| {
            bytes += payload.len() + RECORD_OVERHEAD;
            read.push((seq, payload.to_vec()));
            bytes < BATCH_BYTES_MAX
        });
        let has_more = outcome.unwrap_or_else(|error| {
            self.trouble = Some(error.to_string());
            false
        });
        let mut gone = 0;
        if !has_more {
            // What was there at the start, or was written since, is there no more.
            gone = std::mem::take(&mut segment.unread);
            segment.read_to = segment.len;
        }
        for (seq, payload) in read {
            match wire::decode::<Record>("spooled record", &payload) {
                Ok(record) => self.hold(seq, &record, payload, place, boot_id),
                Err(_) => gone += 1,
            }
        }
        if gone > 0 {
            let at_ms = self.oldest.back().map_or(0, |held| held.taken_ms);
            self.untold.note(Span {
                records: gone,
                first_ms: at_ms,
                last_ms: at_ms,
                reason: LostReason::Damaged,
            });
        }
    }

    fn hold(&mut self, seq: u64, record: &Record, bytes: Vec<u8>, place: Place, boot_id: [u8; 16]) {
        let taken_ms = self.instant(record, boot_id);
        let held = Held {
            seq,
            taken_ms,
            boot_id,
            lost: record
                .lost
                .as_ref()
                .map(|lost| Span::of_wire(lost, taken_ms)),
            has_facts: record.facts.is_some(),
            bytes,
            place: Some(place),
        };
        self.oldest_bytes += held.cost();
        self.oldest.push_back(held);
    }

    /// Gives back the disk what holds nothing any more.
    pub fn tidy(&mut self) {
        self.remove_retired();
        while let Some(segment) = self.segments.front() {
            let place = segment.place;
            let is_used =
                segment.unread > 0 || self.oldest.front().is_some_and(|h| h.place == Some(place));
            let is_last = self.segments.len() == 1 && self.active.is_some();
            if is_used {
                return;
            }
            if is_last {
                self.empty_last();
                return;
            }
            self.segments.pop_front();
            self.retired.push(place);
            self.remove_retired();
        }
    }

    /// The last file is kept for the next record, and emptied only when it grew: cutting it costs more than writing.
    fn empty_last(&mut self) {
        self.unsynced_since_ms = None;
        let most = EMPTY_BEYOND_BYTES.min(self.limits.segment_bytes());
        let (Some(segment), Some(file)) = (self.segments.front_mut(), &self.active) else {
            return;
        };
        if segment.len <= most {
            return;
        }
        if file.set_len(HEAD_BYTES as u64).is_ok() {
            segment.len = HEAD_BYTES as u64;
            segment.read_to = segment.len;
        } else {
            self.active = None;
        }
    }

    pub(super) fn remove_retired(&mut self) {
        for place in std::mem::take(&mut self.retired) {
            match std::fs::remove_file(self.folder.join(place.file_name())) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.trouble = Some(error.to_string()),
            }
        }
    }

    /// When what waits should be synced, by the boot clock.
    pub fn sync_due_ms(&self) -> Option<u64> {
        let since_ms = self.unsynced_since_ms?;
        (!self.is_empty()).then_some(since_ms.saturating_add(SYNC_AFTER_MS))
    }

    /// Syncs what has waited long enough.
    pub fn sync_if_due(&mut self, now_ms: u64) {
        if self.sync_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            self.sync_or_trouble(now_ms);
        }
    }

    pub(super) fn sync_or_trouble(&mut self, now_ms: u64) {
        if let Err(error) = self.sync() {
            self.trouble = Some(error.to_string());
            self.unsynced_since_ms = Some(now_ms);
        }
    }

    /// Waits until the disk has all of it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = &self.active {
            file.sync_data()?;
        }
        if self.is_folder_unsynced {
            File::open(&self.folder)?.sync_all()?;
            self.is_folder_unsynced = false;
        }
        self.unsynced_since_ms = None;
        Ok(())
    }
}
