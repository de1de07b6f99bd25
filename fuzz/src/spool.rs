//! A folder as an agent finds it after whatever happened to its disk.
//!
//! An input is a list of pieces: records with checksums that are right (around any payload), plain rubbish, and changes
//! of single bytes; then the folder is opened, drained and opened again. Rubbish alone would never get past a checksum.

use std::cell::RefCell;
use std::path::Path;

use agent::spool::format::{Place, head, put_record};
use agent::spool::{Limits, Opening, Spool, count};
use protocol::RECORDS_MAX;
use protocol::v1::report::Record;
use protocol::wire;

use crate::input::Input;
use crate::seeds;

const BOOT: [u8; 16] = [7; 16];
const PLACES: [Place; 2] = [
    Place {
        epoch: 1,
        number: 1,
    },
    Place {
        epoch: 1,
        number: 2,
    },
];
const LIMITS: Limits = Limits {
    bytes_max: 1 << 20,
    age_ms_max: 3_600_000,
};

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut payloads: Vec<Vec<u8>> = vec![wire::encode(&Record::default())];
    payloads.extend(seeds::golden_bytes("record"));
    let records = |steps: &[u8], flags: u8| {
        let mut seed = vec![flags, 0];
        for (step, payload) in steps.iter().zip(payloads.iter().cycle()) {
            let length = u16::try_from(payload.len())
                .unwrap_or(u16::MAX)
                .to_le_bytes();
            seed.extend([0, *step, length[0], length[1]]);
            seed.extend(payload);
        }
        seed
    };
    let mut torn = records(&[1, 1, 1, 1], 0b0001);
    torn.extend([
        4, 40, 0, 0xff, 2, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 1, 0, 0,
    ]);
    let mut two_segments = records(&[1, 2], 0b0011);
    two_segments.push(5);
    two_segments.extend(&records(&[1, 1], 0)[2..]);
    vec![
        records(&[1, 1, 3], 0),
        torn,
        two_segments,
        vec![0b1000, 2, 2, 60, 0],
    ]
}

pub fn run(bytes: &[u8]) {
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(fresh_folder);
        look(folder.path(), bytes);
        for entry in std::fs::read_dir(folder.path()).expect("the folder is there") {
            std::fs::remove_file(entry.expect("a file").path()).expect("a file goes");
        }
    });
}

/// In memory where there is such a folder: a disk's syncs would be all that is measured.
fn fresh_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = match tempfile::tempdir_in(memory) {
        Err(_) => tempfile::tempdir(),
        made => made,
    };
    made.expect("a folder is made")
}

fn look(folder: &Path, bytes: &[u8]) {
    let mut input = Input(bytes);
    let flags = input.byte();
    let acked_seq = u64::from(input.byte() & 0x0f);
    write_segments(folder, flags, &mut input);
    let opening = Opening {
        epoch: 1,
        acked_seq,
        waiting: u64::from(flags >> 6),
        is_same_boot: flags & 0b0001 != 0,
        is_cursor_damaged: flags & 0b1000 != 0,
        boot_id: if flags & 0b0010 == 0 { BOOT } else { [8; 16] },
        boot_ms: 1_000_000,
        wall_ms: 1_795_000_000_000,
        last_ack_at_ms: (flags & 0b0100 != 0).then_some(1_794_999_000_000),
    };
    let counted = count(folder, 1, acked_seq).expect("a folder is counted");
    let (mut spool, last_seq) = Spool::open(folder, LIMITS, opening);
    assert_eq!(spool.trouble(), None);
    assert!(opening.is_cursor_damaged || spool.len() as u64 <= counted);
    let next = last_seq.max(acked_seq).saturating_add(1);
    spool.push(record(next));
    drain(&mut spool, next);
    spool.push(record(next.saturating_add(1)));
    let epoch = 2;
    spool.restamp(epoch, 1);
    spool.tidy();
    drop(spool);
    let opening = Opening {
        epoch,
        acked_seq: 0,
        waiting: 1,
        is_same_boot: true,
        is_cursor_damaged: false,
        ..opening
    };
    let (mut spool, last_seq) = Spool::open(folder, LIMITS, opening);
    assert_eq!((spool.len(), last_seq), (1, 1));
    drain(&mut spool, 1);
}

fn record(seq: u64) -> Record {
    Record {
        epoch: 1,
        seq,
        taken_boot_ms: 1_000_000,
        ..Record::default()
    }
}

/// Takes everything out; the last is the one that was pushed last.
fn drain(spool: &mut Spool, last_seq: u64) {
    let mut seen = None;
    while let Some(batch) = spool.batch(RECORDS_MAX) {
        let before = spool.len();
        for encoded in &batch.records {
            wire::decode::<Record>("record", &encoded.0).expect("only records leave");
        }
        assert!(batch.earlier_boots.len() <= batch.records.len());
        let acked = spool.ack(batch.epoch, batch.seq).expect("a batch is taken");
        assert_eq!(acked.records, batch.records.len());
        assert!(spool.len() < before);
        assert!(seen < Some(batch.seq), "{seen:?} {}", batch.seq);
        seen = Some(batch.seq);
        spool.tidy();
    }
    assert!(spool.is_empty());
    assert_eq!(seen, Some(last_seq));
}

fn write_segments(folder: &Path, flags: u8, input: &mut Input<'_>) {
    let mut seq = 0u64;
    for place in PLACES {
        if input.is_empty() {
            return;
        }
        let mut bytes = head(place, &BOOT).to_vec();
        if flags & 0b0001_0000 != 0 {
            bytes.clear();
        }
        while !input.is_empty() {
            match input.byte() % 6 {
                0 => {
                    seq = seq.wrapping_add(u64::from(input.byte()));
                    put(&mut bytes, place, seq, input);
                }
                1 => {
                    let jump = u32::from(input.byte() % 64);
                    seq = seq.wrapping_add(1u64.wrapping_shl(jump));
                    put(&mut bytes, place, seq, input);
                }
                2 => {
                    let length = usize::from(input.short());
                    bytes.extend(input.piece(length));
                }
                3 => bytes.truncate(bytes.len().saturating_sub(usize::from(input.byte()))),
                4 => {
                    let at = usize::from(input.short());
                    let mask = input.byte();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= mask;
                    }
                }
                _ => break,
            }
        }
        std::fs::write(folder.join(place.file_name()), &bytes).expect("a segment is written");
    }
}

fn put(bytes: &mut Vec<u8>, place: Place, seq: u64, input: &mut Input<'_>) {
    let length = usize::from(input.short());
    let payload = input.piece(length);
    put_record(bytes, place, bytes.len() as u64, seq, payload);
}
