use std::collections::BTreeSet;

use proptest::prelude::*;
use protocol::v1::report::{Group, Lost};

use super::*;

const BOOT: [u8; 16] = [7; 16];

fn opening() -> Opening {
    Opening {
        epoch: 1,
        acked_seq: 0,
        waiting: 0,
        is_same_boot: true,
        is_cursor_damaged: false,
        boot_id: BOOT,
        boot_ms: 0,
        wall_ms: 0,
        last_ack_at_ms: None,
    }
}

const WIDE: Limits = Limits {
    bytes_max: 1 << 30,
    age_ms_max: u64::MAX,
};

fn record(seq: u64, taken_boot_ms: u64, samples: usize) -> Record {
    Record {
        epoch: 1,
        seq,
        taken_boot_ms,
        taken_at_ms: i64::try_from(taken_boot_ms).unwrap() + 1_000_000,
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

/// Everything that waits, taken out batch by batch.
fn drain(spool: &mut Spool) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some(batch) = spool.batch(RECORDS_MAX) {
        let acked = spool.ack(batch.epoch, batch.seq).unwrap();
        assert_eq!(acked.records, batch.records.len());
        spool.tidy();
        records.extend(read(&batch));
    }
    assert!(spool.is_empty());
    records
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn fresh(folder: &Path, limits: Limits) -> Spool {
    Spool::open(&folder.join("spool"), limits, opening()).0
}

#[test]
fn what_waits_is_found_again_with_its_numbers_and_bytes() {
    let temp = tempfile::tempdir().unwrap();
    let mut spool = fresh(temp.path(), WIDE);
    for seq in 1..=400 {
        spool.push(record(seq, seq * 10_000, 40));
    }
    let before = spool.batch(RECORDS_MAX).unwrap();
    let acked = spool.ack(1, 100).unwrap();
    assert_eq!((acked.records, acked.last.1), (100, 100));
    drop(spool);

    let folder = temp.path().join("spool");
    assert_eq!(count(&folder, 1, 100).unwrap(), 300);
    let at = Opening {
        acked_seq: 100,
        waiting: 300,
        boot_ms: 5_000_000,
        wall_ms: 6_000_000,
        ..opening()
    };
    let (mut spool, last_seq) = Spool::open(&folder, WIDE, at);
    assert_eq!((spool.len(), last_seq, spool.trouble()), (300, 400, None));
    spool.push(record(401, 5_010_000, 1));
    let again = spool.batch(RECORDS_MAX).unwrap();
    assert_eq!(again.earlier_boots, []);
    assert_eq!(again.records[..50], before.records[100..150]);
    let records = drain(&mut spool);
    assert_eq!(seqs(&records), (101..=401).collect::<Vec<_>>());
    assert!(records.iter().all(|record| record.lost.is_none()));
    assert_eq!(files(&folder).len(), 1, "only the one that is appended to");
}

#[test]
fn records_of_an_earlier_boot_say_so_and_age_by_the_wall_clock() {
    let temp = tempfile::tempdir().unwrap();
    let mut spool = fresh(temp.path(), WIDE);
    spool.push(record(1, 10_000, 1));
    spool.push(record(2, 20_000, 1));
    drop(spool);
    let at = Opening {
        boot_id: [8; 16],
        is_same_boot: false,
        boot_ms: 5_000,
        wall_ms: 1_000_000 + 30_000,
        ..opening()
    };
    let limits = Limits {
        age_ms_max: 15_000,
        ..WIDE
    };
    let (mut spool, _) = Spool::open(&temp.path().join("spool"), limits, at);
    // Taken 20 s and 10 s before; the first is too old.
    assert_eq!(spool.push(record(10_003, 5_000, 1)), 1);
    let batch = spool.batch(RECORDS_MAX).unwrap();
    let boots: Vec<_> = batch
        .earlier_boots
        .iter()
        .map(|boot| (boot.boot_id, boot.records))
        .collect();
    assert_eq!(boots, [(BOOT, 1)]);
    let records = read(&batch);
    assert_eq!(seqs(&records), [2, 10_003]);
    let lost = records[1].lost.clone().unwrap();
    assert_eq!((lost.records, lost.first_age_ms), (1, 20_000));
}

#[test]
fn nothing_is_kept_on_disk_of_what_a_prompt_server_took() {
    let temp = tempfile::tempdir().unwrap();
    let mut spool = fresh(temp.path(), WIDE);
    for seq in 1..=2_000 {
        spool.push(record(seq, seq * 10_000, 40));
        assert!(spool.ack(1, seq).is_some());
        spool.tidy();
        assert_eq!(spool.sync_due_ms(), None);
    }
    let files = files(&temp.path().join("spool"));
    assert_eq!(files.len(), 1);
    assert!(std::fs::metadata(&files[0]).unwrap().len() <= EMPTY_BEYOND_BYTES + 200);
}

#[test]
fn what_waits_is_synced_after_a_second() {
    let temp = tempfile::tempdir().unwrap();
    let mut spool = fresh(temp.path(), WIDE);
    spool.push(record(1, 10_000, 1));
    spool.push(record(2, 10_500, 1));
    assert_eq!(spool.sync_due_ms(), Some(11_000));
    spool.sync_if_due(10_999);
    assert!(spool.sync_due_ms().is_some());
    spool.sync_if_due(11_000);
    assert_eq!(spool.sync_due_ms(), None);
    assert_eq!(spool.trouble(), None);
}

#[test]
fn what_is_dropped_is_told_by_the_next_record() {
    let temp = tempfile::tempdir().unwrap();
    let limits = Limits {
        age_ms_max: 25_000,
        ..WIDE
    };
    let mut spool = fresh(temp.path(), limits);
    for at in 0..5u64 {
        spool.push(record(at + 1, at * 10_000, 1));
    }
    let told: Vec<_> = drain(&mut spool)
        .into_iter()
        .map(|record| (record.seq, record.lost))
        .collect();
    let lost = |age_ms| {
        Some(Lost {
            records: 1,
            first_age_ms: age_ms,
            last_age_ms: age_ms,
            reason: "queue_full".into(),
        })
    };
    assert_eq!(
        told,
        [(3, None), (4, lost(30_000)), (5, lost(30_000))],
        "at 30 s that of 0 s went, at 40 s that of 10 s"
    );
}

#[test]
fn the_disk_never_holds_more_than_it_may() {
    let temp = tempfile::tempdir().unwrap();
    let limits = Limits {
        bytes_max: 64 * 1024,
        ..WIDE
    };
    let mut spool = fresh(temp.path(), limits);
    let mut dropped = 0;
    for seq in 1..=1_000u64 {
        dropped += spool.push(record(seq, seq * 1_000, 100));
        let on_disk: u64 = files(&temp.path().join("spool"))
            .iter()
            .map(|path| std::fs::metadata(path).unwrap().len())
            .sum();
        assert!(on_disk <= limits.bytes_max, "{on_disk}");
    }
    assert!(spool.len() > 100, "{}", spool.len());
    let records = drain(&mut spool);
    let told: u64 = records
        .iter()
        .filter_map(|r| r.lost.as_ref())
        .map(|l| l.records)
        .sum();
    assert_eq!((told, records.len() as u64 + told), (dropped, 1_000));
}

#[test]
fn a_refused_record_is_told_apart_and_blocks_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let mut spool = fresh(temp.path(), WIDE);
    spool.push(record(1, 1_000, 1));
    spool.push(record(2, 2_000, 1));
    assert_eq!(spool.refuse_oldest(), Some((1, false)));
    spool.push(record(3, 3_000, 1));
    let records = drain(&mut spool);
    assert_eq!(seqs(&records), [2, 3]);
    let lost = records[1].lost.as_ref().unwrap();
    assert_eq!(
        (lost.records, lost.first_age_ms, lost.reason.as_str()),
        (1, 2_000, "refused")
    );
}

#[test]
fn a_report_holds_no_more_than_the_protocol_allows() {
    let temp = tempfile::tempdir().unwrap();
    let mut spool = fresh(temp.path(), WIDE);
    for seq in 1..=600 {
        spool.push(record(seq, seq, 1_000));
    }
    let batch = spool.batch(usize::MAX).unwrap();
    let bytes: usize = batch.records.iter().map(|r| r.0.len()).sum();
    assert!(bytes <= BATCH_BYTES_MAX && batch.records.len() > 50);
    assert_eq!(spool.batch(1).unwrap().seq, 1);
    assert_eq!(drain(&mut spool).len(), 600);
    for seq in 601..=1_200 {
        spool.push(record(seq, seq, 1));
    }
    let batch = spool.batch(usize::MAX).unwrap();
    assert_eq!(batch.records.len(), RECORDS_MAX);
}

#[test]
fn a_disk_that_takes_nothing_is_said_and_recovered_from() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("spool");
    // A file where the folder should be: every write fails.
    std::fs::write(&folder, "").unwrap();
    let mut spool = fresh(temp.path(), WIDE);
    for seq in 1..=20 {
        spool.push(record(seq, seq * 1_000, 1));
    }
    assert!(spool.trouble().is_some());
    assert_eq!(spool.len(), 20);
    assert_eq!(spool.batch(5).unwrap().seq, 5, "the server still gets all");
    spool.ack(1, 5).unwrap();
    std::fs::remove_file(&folder).unwrap();
    spool.push(record(21, 21_000, 1));
    assert_eq!(spool.trouble(), None);
    assert_eq!(
        count(&folder, 1, 5).unwrap(),
        16,
        "all of it is on disk now"
    );
    assert_eq!(seqs(&drain(&mut spool)), (6..=21).collect::<Vec<_>>());
}

#[test]
fn memory_is_bounded_while_the_disk_takes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::write(temp.path().join("spool"), "").unwrap();
    let mut spool = fresh(temp.path(), WIDE);
    let mut dropped = 0;
    for seq in 1..=3_000 {
        dropped += spool.push(record(seq, seq, 1_000));
        assert!(spool.unwritten_bytes <= MEMORY_BYTES_MAX);
    }
    assert!(dropped > 0);
    assert_eq!(spool.len() as u64 + dropped, 3_000);
}

#[test]
fn a_change_of_epoch_is_all_or_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("spool");
    let build = || {
        drop(std::fs::remove_dir_all(&folder));
        let mut spool = fresh(temp.path(), WIDE);
        for seq in 11..=20 {
            spool.push(record(seq, seq * 1_000, 3));
        }
        assert_eq!(spool.restamp(5, 1), 11);
        spool
    };
    // Killed before the cursor named the new epoch: the old one counts.
    drop(build());
    let at = Opening {
        acked_seq: 10,
        waiting: 10,
        ..opening()
    };
    let (mut spool, _) = Spool::open(&folder, WIDE, at);
    assert_eq!(seqs(&drain(&mut spool)), (11..=20).collect::<Vec<_>>());
    // Killed behind it: the new one does.
    drop(build());
    let at = Opening {
        epoch: 5,
        waiting: 10,
        ..opening()
    };
    let (mut spool, _) = Spool::open(&folder, WIDE, at);
    let records = drain(&mut spool);
    assert_eq!(seqs(&records), (1..=10).collect::<Vec<_>>());
    assert!(records.iter().all(|r| r.epoch == 5 && r.lost.is_none()));
}

#[test]
fn with_a_damaged_cursor_nothing_is_sent_twice_and_the_loss_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let mut spool = fresh(temp.path(), WIDE);
    for seq in 1..=10 {
        spool.push(record(seq, seq * 1_000, 3));
    }
    drop(spool);
    let at = Opening {
        is_cursor_damaged: true,
        ..opening()
    };
    let (mut spool, _) = Spool::open(&temp.path().join("spool"), WIDE, at);
    assert!(spool.is_empty());
    spool.push(record(11, 11_000, 3));
    let lost = drain(&mut spool)[0].lost.clone().unwrap();
    assert_eq!((lost.records, lost.reason.as_str()), (10, "spool_damaged"));
}

/// A spool of ten records in one file, its bytes, and where each record begins and ends.
fn small(folder: &Path) -> (PathBuf, Vec<u8>, Vec<(usize, usize)>) {
    let mut spool = fresh(folder, WIDE);
    let mut ends = Vec::new();
    let mut at = HEAD_BYTES;
    for seq in 1..=10 {
        spool.push(record(seq, seq * 1_000, seq as usize));
        let end = usize::try_from(spool.segments[0].len).unwrap();
        ends.push((at, end));
        at = end;
    }
    let file = files(&folder.join("spool")).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(bytes.len(), at);
    (file, bytes, ends)
}

/// Opens what is in the file; gives the numbers found intact and how many are told as lost.
fn reopened(file: &Path, is_same_boot: bool) -> (BTreeSet<u64>, u64) {
    let at = Opening {
        waiting: if is_same_boot { 10 } else { 0 },
        is_same_boot,
        boot_ms: 20_000,
        wall_ms: 1_020_000,
        ..opening()
    };
    let (mut spool, _) = Spool::open(file.parent().unwrap(), WIDE, at);
    assert_eq!(spool.trouble(), None);
    let untold = spool.untold.records();
    let records = drain(&mut spool);
    for found in &records {
        let written = record(
            found.seq,
            found.seq * 1_000,
            usize::try_from(found.seq).unwrap(),
        );
        assert_eq!(*found, written, "never another than was written");
    }
    assert_eq!(spool.untold.records(), untold, "reading finds no more");
    (seqs(&records).into_iter().collect(), untold)
}

#[test]
fn a_damaged_byte_costs_the_record_it_is_in_and_no_other() {
    let temp = tempfile::tempdir().unwrap();
    let (file, bytes, ends) = small(temp.path());
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xFF] {
            for is_same_boot in [true, false] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                drop(std::fs::remove_dir_all(file.parent().unwrap()));
                std::fs::create_dir(file.parent().unwrap()).unwrap();
                std::fs::write(&file, &damaged).unwrap();
                let (found, lost) = reopened(&file, is_same_boot);
                let hit = ends
                    .iter()
                    .position(|(from, to)| (*from..*to).contains(&at));
                let expected: BTreeSet<u64> = (1..=10)
                    .filter(|seq| Some(*seq as usize) != hit.map(|hit| hit + 1))
                    .collect();
                assert_eq!(found, expected, "byte {at} ^ {flip:#x}");
                // The first one's loss cannot be told from an acknowledgement without the cursor.
                let told = u64::from(hit.is_some());
                assert_eq!(
                    lost, told,
                    "byte {at} ^ {flip:#x}, same boot: {is_same_boot}"
                );
            }
        }
    }
}

#[test]
fn a_torn_end_costs_what_is_behind_it_and_nothing_before() {
    let temp = tempfile::tempdir().unwrap();
    let (file, bytes, ends) = small(temp.path());
    for len in 0..=bytes.len() {
        drop(std::fs::remove_dir_all(file.parent().unwrap()));
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &bytes[..len]).unwrap();
        let (found, lost) = reopened(&file, true);
        let whole = ends.iter().filter(|(_, to)| *to <= len).count();
        assert_eq!(found, (1..=whole as u64).collect(), "{len} bytes");
        assert_eq!(lost, 10 - whole as u64, "{len} bytes");
    }
}

#[test]
fn zeros_rubbish_and_copies_are_never_records() {
    let temp = tempfile::tempdir().unwrap();
    let (file, bytes, ends) = small(temp.path());
    let (from, to) = (ends[3].0, ends[5].1);
    let mut zeroed = bytes.clone();
    zeroed[from..to].fill(0);
    let mut moved = bytes.clone();
    // An intact record at another offset: a stale block of the same file.
    let stale = bytes[ends[1].0..ends[1].1].to_vec();
    moved.splice(from..to, std::iter::repeat_n(stale, 4).flatten());
    moved.truncate(bytes.len());
    for damaged in [zeroed, moved] {
        drop(std::fs::remove_dir_all(file.parent().unwrap()));
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &damaged).unwrap();
        let (found, lost) = reopened(&file, true);
        assert!(found.is_superset(&BTreeSet::from([1, 2, 3])), "{found:?}");
        assert_eq!(lost, 10 - found.len() as u64);
    }
    // The same file under another name is another place.
    let other = file.with_file_name(
        Place {
            epoch: 1,
            number: 9,
        }
        .file_name(),
    );
    std::fs::remove_file(&file).ok();
    std::fs::write(&other, &bytes).unwrap();
    assert_eq!(reopened(&other, true), (BTreeSet::new(), 10));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..4_000)) {
        let temp = tempfile::tempdir().unwrap();
        let place = Place { epoch: 1, number: 1 };
        std::fs::write(temp.path().join(place.file_name()), &bytes).unwrap();
        let (spool, _) = Spool::open(temp.path(), WIDE, opening());
        prop_assert!(spool.is_empty());
    }

    /// Conservation over restarts: pushed = acknowledged + waiting + told or still to tell.
    #[test]
    fn nothing_disappears_unsaid(steps in prop::collection::vec(step(), 1..80), kilobytes in 4u64..32) {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("spool");
        let limits = Limits { bytes_max: kilobytes * 1024, age_ms_max: 700_000 };
        let mut at = opening();
        let mut spool = Spool::open(&folder, limits, at).0;
        let (mut seq, mut now) = (0u64, 0u64);
        let (mut pushed, mut acked, mut told) = (0u64, 0u64, 0u64);
        for step in steps {
            match step {
                Step::Push(samples) => {
                    now += 10_000;
                    seq += 1;
                    pushed += 1;
                    spool.push(Record { epoch: at.epoch, ..record(seq, now, samples) });
                }
                Step::Ack(most) => {
                    if let Some(batch) = spool.batch(most) {
                        let done = spool.ack(batch.epoch, batch.seq).unwrap();
                        prop_assert_eq!(done.records, batch.records.len());
                        prop_assert_eq!(done.last.1, batch.seq);
                        acked += done.records as u64;
                        told += read(&batch).iter().filter_map(|r| r.lost.as_ref()).map(|l| l.records).sum::<u64>();
                        at.acked_seq = done.last.1;
                        spool.tidy();
                    }
                }
                Step::Refuse => { spool.refuse_oldest(); }
                Step::Restamp => {
                    at.epoch += 1;
                    at.acked_seq = 0;
                    seq = spool.restamp(at.epoch, 1) - 1;
                    spool.tidy();
                }
                // A kill. What was refused or evicted and is still in a file comes again; what was not told by then
                // is counted by the cursor's number, which is why an agent writes it.
                Step::Restart => {
                    if spool.untold.records() == 0 && told_nothing_twice(&mut spool) {
                        at.waiting = spool.len() as u64;
                        let before = spool.len();
                        spool = Spool::open(&folder, limits, Opening { boot_ms: now, wall_ms: 1_000_000 + i64::try_from(now).unwrap(), ..at }).0;
                        prop_assert!(spool.len() >= before);
                        pushed += (spool.len() - before) as u64;
                    }
                }
            }
            let held: u64 = waiting(&mut spool).iter().filter_map(|r| r.lost.as_ref()).map(|l| l.records).sum();
            prop_assert_eq!(pushed, acked + spool.len() as u64 + told + held + spool.untold.records());
            prop_assert_eq!(spool.oldest_bytes, spool.oldest.iter().map(Held::cost).sum::<usize>());
            prop_assert_eq!(spool.trouble(), None);
            let order = seqs(&waiting(&mut spool));
            prop_assert!(order.is_sorted());
        }
    }
}

fn told_nothing_twice(spool: &mut Spool) -> bool {
    waiting(spool).iter().all(|record| record.lost.is_none())
}

/// All that waits, without taking it.
fn waiting(spool: &mut Spool) -> Vec<Record> {
    spool
        .batch(RECORDS_MAX)
        .map_or_else(Vec::new, |batch| read(&batch))
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Ack(usize),
    Refuse,
    Restamp,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0usize..60).prop_map(Step::Push),
        2 => (1usize..8).prop_map(Step::Ack),
        1 => Just(Step::Refuse),
        1 => Just(Step::Restamp),
        2 => Just(Step::Restart),
    ]
}
