//! The bytes of a segment: a head, then records, each told apart from rubbish by its checksums.
//!
//! | segment head, 40 bytes | | record head, 21 bytes | |
//! |---|---|---|---|
//! | 0 | `ocspool1` | 0 | length of the payload, u32 |
//! | 8 | epoch, u32 | 4 | number of the record, u64 |
//! | 12 | number of the segment, u64 | 12 | class, u8 |
//! | 20 | boot id | 13 | CRC-32C of the payload, u32 |
//! | 36 | CRC-32C, u32 | 17 | CRC-32C of this head, u32 |
//!
//! All little endian. The record head's checksum also covers epoch, segment and offset, so that bytes of another place
//! (a stale disk block, a copied file, a payload that looks like a record) are never taken for a record. Its own checksum
//! means that a length is never believed unless it was written, and that a damaged payload costs that record alone.

use protocol::REPORT_BYTES_MAX;

use super::crc32c::Crc;

/// Bytes before the first record.
pub const HEAD_BYTES: usize = 40;
/// Bytes before a payload.
pub const RECORD_HEAD_BYTES: usize = 21;
const MAGIC: &[u8; 8] = b"ocspool1";
/// Class B of reliability: measured values, kept as long as there is room. `A` is reserved for what must never be
/// evicted before B, such as results of actions; nothing of that kind exists yet.
const CLASS_MEASURED: u8 = b'B';

/// Which segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Epoch of all of its records.
    pub epoch: u32,
    /// Rising with each segment.
    pub number: u64,
}

impl Place {
    /// The file's name: it sorts as the records do.
    pub fn file_name(self) -> String {
        format!("{:08x}-{:016x}.seg", self.epoch, self.number)
    }

    /// The place a file name tells.
    pub fn of_file_name(name: &str) -> Option<Self> {
        let (epoch, number) = name.strip_suffix(".seg")?.split_once('-')?;
        let place = Self {
            epoch: u32::from_str_radix(epoch, 16).ok()?,
            number: u64::from_str_radix(number, 16).ok()?,
        };
        (place.file_name() == name).then_some(place)
    }

    fn crc(self) -> Crc {
        Crc::new()
            .with(&self.epoch.to_le_bytes())
            .with(&self.number.to_le_bytes())
    }
}

/// The head of a segment.
pub fn head(place: Place, boot_id: &[u8; 16]) -> [u8; HEAD_BYTES] {
    let mut out = [0; HEAD_BYTES];
    let sum = Crc::new()
        .with(MAGIC)
        .with(&place.epoch.to_le_bytes())
        .with(&place.number.to_le_bytes())
        .with(boot_id)
        .sum();
    let fields = MAGIC
        .iter()
        .copied()
        .chain(place.epoch.to_le_bytes())
        .chain(place.number.to_le_bytes())
        .chain(*boot_id)
        .chain(sum.to_le_bytes());
    for (byte, field) in out.iter_mut().zip(fields) {
        *byte = field;
    }
    out
}

/// The boot id in a segment's head; `None` when the head is damaged.
pub fn boot_id_of(place: Place, bytes: &[u8]) -> Option<[u8; 16]> {
    let boot_id: [u8; 16] = bytes.get(20..36)?.try_into().ok()?;
    (bytes.get(..HEAD_BYTES)? == head(place, &boot_id)).then_some(boot_id)
}

/// Appends a record that will stand at this offset of its segment.
pub fn put_record(out: &mut Vec<u8>, place: Place, offset: u64, seq: u64, payload: &[u8]) {
    let start = out.len();
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.push(CLASS_MEASURED);
    out.extend_from_slice(&Crc::new().with(payload).sum().to_le_bytes());
    let sum = place
        .crc()
        .with(&offset.to_le_bytes())
        .with(out.get(start..).unwrap_or_default())
        .sum();
    out.extend_from_slice(&sum.to_le_bytes());
    out.extend_from_slice(payload);
}

/// What stands at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole record.
    Record {
        /// Its number.
        seq: u64,
        /// Its payload.
        payload: &'a [u8],
        /// Where the next one begins.
        end: usize,
    },
    /// No record; the next place where one may begin.
    Damaged {
        /// That place.
        end: usize,
    },
    /// The beginning of a record whose rest is not among these bytes, or too few bytes to tell.
    Incomplete,
}

/// Looks at `at` of `bytes`, which begin at offset `base` of the segment.
///
/// Where no record begins, every following offset is tried: what is intact behind a damaged stretch is found again.
pub fn look(place: Place, base: u64, bytes: &[u8], at: usize) -> Found<'_> {
    match record_head(place, base, bytes, at) {
        Head::Valid(head) => whole(bytes, at, &head),
        Head::TooShort => Found::Incomplete,
        Head::Wrong => {
            let mut next = at + 1;
            loop {
                match record_head(place, base, bytes, next) {
                    Head::Wrong => next += 1,
                    Head::Valid(_) | Head::TooShort => return Found::Damaged { end: next },
                }
            }
        }
    }
}

struct RecordHead {
    len: usize,
    seq: u64,
    payload_crc: u32,
    class: u8,
}

enum Head {
    Valid(RecordHead),
    Wrong,
    TooShort,
}

fn record_head(place: Place, base: u64, bytes: &[u8], at: usize) -> Head {
    let Some(head) = bytes
        .get(at..)
        .and_then(<[u8]>::first_chunk::<RECORD_HEAD_BYTES>)
    else {
        return Head::TooShort;
    };
    let [
        l0,
        l1,
        l2,
        l3,
        s0,
        s1,
        s2,
        s3,
        s4,
        s5,
        s6,
        s7,
        class,
        p0,
        p1,
        p2,
        p3,
        c0,
        c1,
        c2,
        c3,
    ] = *head;
    let len = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    // Cheap, and most of what is no record fails here already.
    if len == 0 || len > REPORT_BYTES_MAX {
        return Head::Wrong;
    }
    let offset = base.saturating_add(at as u64);
    let sum = place
        .crc()
        .with(&offset.to_le_bytes())
        .with(head.get(..RECORD_HEAD_BYTES - 4).unwrap_or_default())
        .sum();
    if sum != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Head::Wrong;
    }
    Head::Valid(RecordHead {
        len,
        seq: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        payload_crc: u32::from_le_bytes([p0, p1, p2, p3]),
        class,
    })
}

fn whole<'a>(bytes: &'a [u8], at: usize, head: &RecordHead) -> Found<'a> {
    let begin = at + RECORD_HEAD_BYTES;
    let end = begin + head.len;
    match bytes.get(begin..end) {
        None => Found::Incomplete,
        Some(payload)
            if head.class == CLASS_MEASURED
                && Crc::new().with(payload).sum() == head.payload_crc =>
        {
            Found::Record {
                seq: head.seq,
                payload,
                end,
            }
        }
        Some(_) => Found::Damaged { end },
    }
}
