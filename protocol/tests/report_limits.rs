//! Reports that are too large, half, contradictory, or no reports at all: a clear answer, and never a panic.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, its own functions too"
)]

mod support;

use std::time::{Duration, Instant};

use minicbor::Encoder;
use proptest::prelude::*;
use protocol::v1::report::{EncodedRecord, Group, Record, Report};
use protocol::{INSTANCE_BYTES_MAX, RECORDS_MAX, REPORT_BYTES_MAX, SAMPLES_MAX, wire};
use support::*;

fn open(records: &[Record]) -> Result<usize, String> {
    Report::open(&wire::encode(&report_of(records)))
        .map(|(_, records)| records.len())
        .map_err(|error| error.to_string())
}

fn record(seq: u64) -> Record {
    Record {
        seq,
        ..least_record()
    }
}

fn with_groups(count: usize, instance_bytes: usize, values: usize) -> Record {
    let groups = (0..count)
        .map(|number| Group {
            instance: format!("/{number:0>width$}", width = instance_bytes - 1),
            values: vec![40; values],
        })
        .collect();
    Record {
        groups,
        ..record(1)
    }
}

#[test]
fn the_limits_themselves_are_accepted_and_one_more_is_not() {
    let records: Vec<Record> = (1..=RECORDS_MAX as u64 + 1).map(record).collect();
    assert_eq!(open(&records[1..]), Ok(RECORDS_MAX));
    assert_eq!(
        open(&records),
        Err("report: number of records is 513, at most 512 are accepted".to_owned())
    );
    assert_eq!(open(&[with_groups(SAMPLES_MAX, 8, 2)]), Ok(1));
    assert_eq!(
        open(&[with_groups(SAMPLES_MAX + 1, 8, 2)]),
        Err("record: number of samples is 4097, at most 4096 are accepted".to_owned())
    );
    assert_eq!(open(&[with_groups(1, INSTANCE_BYTES_MAX, 2)]), Ok(1));
    let error = open(&[with_groups(1, INSTANCE_BYTES_MAX + 1, 2)]).unwrap_err();
    assert!(
        error.contains("has 256 bytes, at most 255 are accepted"),
        "{error}"
    );
}

#[test]
fn ten_thousand_mount_points_are_refused_with_their_number() {
    assert_eq!(
        open(&[with_groups(10_000, 16, 6)]),
        Err("record: number of samples is 30000, at most 4096 are accepted".to_owned())
    );
}

#[test]
fn a_report_of_ten_megabytes_is_refused_before_it_is_read() {
    let groups = with_groups(40_000, 250, 0);
    let bytes = wire::encode(&report_of(&[groups]));
    assert!(bytes.len() > 10_000_000);
    let error = Report::open(&bytes).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "report: number of bytes is {}, at most {REPORT_BYTES_MAX} are accepted",
            bytes.len()
        )
    );
}

#[test]
fn records_are_numbered_from_one_and_rise() {
    for (numbers, wanted) in [
        (vec![0], "seq is 0"),
        (vec![u64::MAX], "fit into 63 bits"),
        (vec![2, 2], "record 3.2 does not follow 3.2"),
        (vec![2, 1], "record 3.1 does not follow 3.2"),
    ] {
        let records: Vec<Record> = numbers.into_iter().map(record).collect();
        let error = open(&records).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
    let later_epoch = Record {
        epoch: 4,
        ..record(1)
    };
    assert_eq!(open(&[record(9), later_epoch]), Ok(2));
    assert_eq!(open(&[]), Err("report: it holds no record".to_owned()));
}

#[test]
fn half_a_sample_is_refused_by_the_name_of_its_group() {
    let error = open(&[with_groups(1, 5, 3)]).unwrap_err();
    assert_eq!(error, "record: group `/0000` ends in half a sample");
}

/// A record with one group whose values are written by `values`.
fn record_with(values: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    encoder.map(5).unwrap();
    for (key, value) in [(0, 3), (1, 1), (2, 5), (3, 5)] {
        encoder.u8(key).unwrap().u32(value).unwrap();
    }
    encoder.u8(5).unwrap().array(1).unwrap();
    encoder.array(2).unwrap().str("").unwrap();
    values(&mut encoder);
    bytes
}

fn open_encoded(record: Vec<u8>) -> Result<usize, String> {
    let report = Report {
        records: vec![EncodedRecord(record)],
        ..report()
    };
    Report::open(&wire::encode(&report))
        .map(|(_, records)| records.len())
        .map_err(|error| error.to_string())
}

#[test]
fn what_is_no_integer_is_refused_by_the_name_of_its_message() {
    let integers = record_with(|encoder| {
        encoder.array(2).unwrap().u8(1).unwrap().i64(5).unwrap();
    });
    assert_eq!(
        open_encoded(integers),
        Ok(1),
        "the same with an integer is fine"
    );
    for float in [f64::NAN, f64::INFINITY, 0.5, 5.0] {
        let record = record_with(|encoder| {
            encoder.array(2).unwrap().u8(1).unwrap().f64(float).unwrap();
        });
        let error = open_encoded(record).unwrap_err();
        assert!(error.starts_with("record is malformed"), "{float}: {error}");
    }
    let text = record_with(|encoder| {
        encoder.array(2).unwrap().u8(1).unwrap().str("5").unwrap();
    });
    assert!(
        open_encoded(text)
            .unwrap_err()
            .starts_with("record is malformed")
    );
    // Twice as large as any i64.
    let large = record_with(|encoder| {
        encoder
            .array(2)
            .unwrap()
            .u8(1)
            .unwrap()
            .u64(u64::MAX)
            .unwrap();
    });
    assert!(
        open_encoded(large)
            .unwrap_err()
            .starts_with("record is malformed")
    );
}

#[test]
fn packed_samples_that_end_within_a_number_or_are_too_large_are_refused() {
    let packed = |bytes: &[u8]| {
        open_encoded(record_with(|encoder| {
            encoder.bytes(bytes).unwrap();
        }))
    };
    assert_eq!(packed(&[]), Ok(1));
    assert_eq!(packed(&[2, 10]), Ok(1));
    assert_eq!(
        packed(&[2]),
        Err("record: group `` ends in half a sample".to_owned())
    );
    let largest = [&[2][..], &[0xff; 9], &[1]].concat();
    assert_eq!(packed(&largest), Ok(1));
    for broken in [
        vec![2, 0x80],
        [&[2][..], &[0xff; 9], &[2]].concat(),
        [&[2][..], &[0x80; 10], &[0]].concat(),
    ] {
        let error = packed(&broken).unwrap_err();
        assert!(
            error.starts_with("record is malformed"),
            "{broken:?}: {error}"
        );
    }
}

/// Lengths that promise more than follows, and nests that would end a stack, cost nothing.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "how long it takes is what is tested"
)]
fn promises_and_nests_are_refused_at_once() {
    let began = Instant::now();
    let promised = record_with(|encoder| {
        encoder.array(1 << 60).unwrap().u8(1).unwrap();
    });
    assert!(open_encoded(promised).is_err());
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    encoder.map(3).unwrap().u8(0).unwrap().u8(1).unwrap();
    encoder.u8(1).unwrap().u8(1).unwrap();
    encoder.u8(2).unwrap().array(u64::MAX).unwrap();
    assert!(Report::open(&bytes).is_err());

    let mut nest = wire::encode(&least_record());
    nest[0] += 1;
    nest.extend_from_slice(&[0x18, 99]);
    nest.extend(std::iter::repeat_n(0x81, 900_000));
    nest.push(0);
    assert_eq!(
        open_encoded(nest),
        Ok(1),
        "an added field, however deep, is skipped"
    );
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

proptest! {
    #[test]
    fn a_damaged_report_is_an_error_or_a_report_within_the_limits(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 1..8),
    ) {
        let mut bytes = wire::encode(&report());
        for (at, mask) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        if let Ok((_, records)) = Report::open(&bytes) {
            for record in &records {
                prop_assert!(record.seq > 0 && record.samples().count() <= SAMPLES_MAX);
            }
            prop_assert!(records.windows(2).all(|r| (r[0].epoch, r[0].seq) < (r[1].epoch, r[1].seq)));
        }
    }

    #[test]
    fn any_report_within_the_limits_comes_back_as_it_was(
        first in 1u64..1 << 62,
        values in prop::collection::vec(prop::collection::vec(any::<i64>(), 0..20), 1..20),
    ) {
        let records: Vec<Record> = (first..).zip(values).map(|(seq, values)| {
            let values = values[..values.len() & !1].to_vec();
            let groups = vec![Group { instance: "/var".to_owned(), values }];
            Record { seq, groups, ..least_record() }
        }).collect();
        let (_, opened) = Report::open(&wire::encode(&report_of(&records))).unwrap();
        prop_assert_eq!(opened, records);
    }
}
