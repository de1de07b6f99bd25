//! One file of the spool: found again after a start, read in parts, appended to.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::format::{self, Found, HEAD_BYTES, Place};

/// More than any segment holds: one that is longer was not written by us, and its rest is not looked at.
const SEGMENT_READ_MAX: u64 = 16 * 1024 * 1024;
/// Read at a time.
const CHUNK_BYTES: u64 = 128 * 1024;

/// A segment that may hold records nobody acknowledged.
#[derive(Debug)]
pub struct Segment {
    /// Which.
    pub place: Place,
    /// In which boot its records were taken; zeros when that cannot be told any more.
    pub boot_id: [u8; 16],
    /// Bytes in use.
    pub len: u64,
    /// Up to here everything was read into memory, or acknowledged.
    pub read_to: u64,
    /// Records behind that.
    pub unread: u64,
}

/// A stretch in which records were damaged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Damage {
    /// Number and payload of the last intact record before it.
    pub before: Option<(u64, Vec<u8>)>,
    /// Number and payload of the first intact record behind it.
    pub after: Option<(u64, Vec<u8>)>,
}

/// What a look at a whole file found.
#[derive(Debug)]
pub struct Scanned {
    /// The segment, read up to the first record that is not acknowledged.
    pub segment: Segment,
    /// Its last intact record's number.
    pub last_seq: Option<u64>,
    /// The damaged stretches.
    pub damage: Vec<Damage>,
}

impl Segment {
    /// Makes the file with its head.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn begin(folder: &Path, place: Place, boot_id: [u8; 16]) -> io::Result<(Self, File)> {
        let path = folder.join(place.file_name());
        let file = OpenOptions::new()
            .create_new(true)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)?;
        if let Err(error) = file.write_all_at(&format::head(place, &boot_id), 0) {
            drop(std::fs::remove_file(&path));
            return Err(error);
        }
        let segment = Self {
            place,
            boot_id,
            len: HEAD_BYTES as u64,
            read_to: HEAD_BYTES as u64,
            unread: 0,
        };
        Ok((segment, file))
    }

    /// Looks at a whole file; records up to `acked_seq` count as acknowledged.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn scan(folder: &Path, place: Place, acked_seq: u64) -> io::Result<Scanned> {
        use std::io::Read;
        let mut bytes = Vec::new();
        File::open(folder.join(place.file_name()))?
            .take(SEGMENT_READ_MAX)
            .read_to_end(&mut bytes)?;
        let mut segment = Self {
            place,
            boot_id: format::boot_id_of(place, &bytes).unwrap_or_default(),
            len: bytes.len() as u64,
            read_to: bytes.len() as u64,
            unread: 0,
        };
        let mut last: Option<(u64, Vec<u8>)> = None;
        let mut damage: Vec<Damage> = Vec::new();
        let mut is_damaged = false;
        let mut at = HEAD_BYTES;
        while at < bytes.len() {
            match format::look(place, 0, &bytes, at) {
                // Numbers rise; a record whose number does not is one that was there before.
                Found::Record { seq, end, .. } if last.as_ref().is_some_and(|l| seq <= l.0) => {
                    is_damaged = true;
                    at = end;
                }
                Found::Record { seq, payload, end } => {
                    let is_pending = seq > acked_seq;
                    if is_pending && segment.unread == 0 {
                        segment.read_to = at as u64;
                    }
                    segment.unread += u64::from(is_pending);
                    if std::mem::take(&mut is_damaged) {
                        damage.push(Damage {
                            before: last.take(),
                            after: Some((seq, payload.to_vec())),
                        });
                    }
                    last = Some((seq, payload.to_vec()));
                    at = end;
                }
                Found::Damaged { end } => {
                    is_damaged = true;
                    at = end;
                }
                // The torn end: nothing is ever appended behind it.
                Found::Incomplete => {
                    is_damaged = true;
                    break;
                }
            }
        }
        let last_seq = last.as_ref().map(|(seq, _)| *seq);
        if is_damaged {
            damage.push(Damage {
                before: last,
                after: None,
            });
        }
        Ok(Scanned {
            segment,
            last_seq,
            damage,
        })
    }

    /// Reads on, record by record, until `take` has enough (says false) or nothing is left; is there more?
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_on(
        &mut self,
        folder: &Path,
        mut take: impl FnMut(u64, &[u8]) -> bool,
    ) -> io::Result<bool> {
        let file = File::open(folder.join(self.place.file_name()))?;
        let mut chunk_bytes = CHUNK_BYTES;
        while self.unread > 0 && self.read_to < self.len {
            let left = self.len - self.read_to;
            let mut bytes = vec![0; usize::try_from(left.min(chunk_bytes)).unwrap_or(0)];
            file.read_exact_at(&mut bytes, self.read_to)?;
            let base = self.read_to;
            let mut at = 0;
            let mut is_enough = false;
            while at < bytes.len() && self.unread > 0 && !is_enough {
                match format::look(self.place, base, &bytes, at) {
                    Found::Record { seq, payload, end } => {
                        is_enough = !take(seq, payload);
                        self.unread -= 1;
                        at = end;
                    }
                    Found::Damaged { end } => at = end,
                    Found::Incomplete => break,
                }
            }
            self.read_to += at as u64;
            if is_enough {
                return Ok(self.unread > 0);
            }
            if at == 0 {
                if chunk_bytes >= left {
                    break;
                }
                chunk_bytes *= 4;
            }
        }
        Ok(false)
    }
}
