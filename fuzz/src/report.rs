//! A report as the server opens it, with its facts and lists; and each of these by itself, so that changed bytes need
//! not survive the layers around them.

use std::fmt::Debug;

use minicbor::{Decode, Encode};
use protocol::SAMPLES_MAX;
use protocol::v1::report::{EncodedRecord, Facts, Record, Report, ReportAnswer};
use protocol::v1::section::{Certificates, Processes, Section, Sockets, Units};
use protocol::wire;

use crate::seeds;

pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = seeds::golden_bytes("report").collect();
    seeds.extend(seeds::golden_bytes("record"));
    seeds.extend(seeds::golden_bytes("facts"));
    let records: Vec<Record> = seeds
        .iter()
        .filter_map(|bytes| Report::open(bytes).ok())
        .flat_map(|(_, records)| records)
        .chain(seeds::golden_bytes("record").filter_map(|b| wire::decode("record", &b).ok()))
        .collect();
    for record in records {
        seeds.push(wire::encode(&record));
        seeds.extend(record.facts);
        seeds.extend(record.sections.into_iter().flatten().map(|s| s.body));
    }
    seeds
}

pub fn run(bytes: &[u8]) {
    open(bytes);
    // And as one record: a search does not find the lengths around it by itself.
    open(&wire::encode(&Report {
        sent_boot_ms: 0,
        sent_wall_ms: 0,
        records: vec![EncodedRecord(bytes.to_vec())],
        earlier_boots: None,
    }));
    again::<Report>(bytes);
    if let Some(record) = again::<Record>(bytes) {
        look_at(&record);
    }
    again::<Facts>(bytes);
    again::<ReportAnswer>(bytes);
    lists(bytes);
}

fn open(bytes: &[u8]) {
    if let Ok((report, records)) = Report::open(bytes) {
        assert_eq!(report.boots().count(), records.len());
        let mut last = None;
        for record in &records {
            let place = (record.epoch, record.seq);
            assert!(last < Some(place), "{place:?} does not follow {last:?}");
            last = Some(place);
            assert!(record.samples().count() <= SAMPLES_MAX);
            look_at(record);
        }
    }
}

fn look_at(record: &Record) {
    let values: usize = record.groups.iter().map(|group| group.values.len()).sum();
    assert!(record.samples().count() <= values / 2);
    if let Some(facts) = &record.facts {
        again::<Facts>(facts);
    }
    for Section { body, .. } in record.sections.iter().flatten() {
        lists(body);
    }
}

fn lists(bytes: &[u8]) {
    again::<Processes>(bytes);
    again::<Units>(bytes);
    again::<Sockets>(bytes);
    again::<Certificates>(bytes);
}

/// What is read is the same after it was written and read once more.
pub fn again<T>(bytes: &[u8]) -> Option<T>
where
    T: Encode<()> + for<'b> Decode<'b, ()> + PartialEq + Debug,
{
    let message: T = wire::decode("message", bytes).ok()?;
    let written = wire::encode(&message);
    let second: T = wire::decode("message", &written).expect("what was written is read");
    assert_eq!(second, message);
    Some(message)
}
