//! The collectors over recorded and invented hosts: two readings ten seconds apart, reviewed as text.
//!
//! `fixtures/HOST/{proc,sys,root}` is what the host shows first, `fixtures/HOST/later` what changes until the second
//! reading, `fixtures/HOST/expected.txt` what is made of it. Write the last anew with `OC_UPDATE_EXPECTED=1`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends where its ground gives way"
)]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use agent::collect::{Addresses, Ask, Collectors, Outcome, Roots, Space};
use domain::metric::Metric;
use protocol::v1::report::{Group, Record, Report};
use protocol::wire;

const SECOND_NS: u64 = 1_000_000_000;

fn ask() -> Ask {
    Ask {
        space: |path| match path.to_str() {
            Some("/mnt/\u{1b}[2J\u{1b}]0;pwned\u{7}") => Err(std::io::Error::from_raw_os_error(5)),
            _ => Ok(Space {
                block_bytes: 4096,
                blocks: 1_000_000,
                free: 400_000,
                available: 350_000,
                inodes: 1000,
                inodes_free: 900,
            }),
        },
        addresses: || {
            let ips: [IpAddr; 2] = ["2001:db8::7".parse().unwrap(), "192.0.2.7".parse().unwrap()];
            Addresses::from([("eth0".to_owned(), ips.to_vec())])
        },
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy(&source, &target);
        } else {
            std::fs::write(&target, std::fs::read(&source).unwrap()).unwrap();
        }
    }
}

fn write_round(out: &mut String, groups: &[Group]) {
    for group in groups {
        for [metric, stored] in group.values.as_chunks::<2>().0 {
            let metric = Metric::from_wire(u16::try_from(*metric).unwrap()).unwrap();
            let value = metric.from_stored(*stored);
            let unit = metric.unit().as_str();
            assert!(*stored >= 0, "{metric:?} is {stored}");
            writeln!(
                out,
                "  {:<30} {:<24} {value} {unit}",
                metric.name(),
                group.instance
            )
            .unwrap();
        }
    }
}

fn collect(host: &str) -> String {
    let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(host);
    let temp = tempfile::tempdir().unwrap();
    copy(&fixture, temp.path());
    let roots = Roots {
        proc: temp.path().join("proc"),
        sys: temp.path().join("sys"),
        root: temp.path().join("root"),
    };
    let mut collectors = Collectors::with(&roots, ask(), &BTreeSet::new());
    let now = Cell::new(1000 * SECOND_NS);
    let mut out = String::from("first reading\n");
    let (groups, _) = collectors.collect(|| now.get(), false, &[]);
    write_round(&mut out, &groups);

    let later = fixture.join("later");
    if later.is_dir() {
        copy(&later, temp.path());
    }
    now.set(1010 * SECOND_NS);
    let (groups, runs) = collectors.collect(|| now.get(), false, &[]);
    out.push_str("ten seconds later\n");
    write_round(&mut out, &groups);
    out.push_str("collectors\n");
    let (facts, facts_run) = collectors.facts(|| now.get(), 1_795_365_025_000, "observe only");
    for run in runs.iter().chain([&facts_run]) {
        let outcome = match &run.outcome {
            Outcome::Ok(None) => "ok".to_owned(),
            Outcome::Ok(Some(note)) => format!("ok: {note}"),
            Outcome::Absent(reason) => format!("absent: {reason}"),
            Outcome::Failed(reason) => format!("failed: {reason}"),
            Outcome::Off => "off".to_owned(),
        };
        writeln!(out, "  {:<12} {outcome}", run.collector.name()).unwrap();
    }
    let mut facts = facts.unwrap();
    facts.architecture = None;
    facts.agent_version = "x".to_owned();
    writeln!(out, "facts\n{facts:#?}").unwrap();

    // What is made of any host, the server takes.
    let record = Record {
        epoch: 1,
        seq: 1,
        groups,
        facts: Some(wire::encode(&facts)),
        ..Record::default()
    };
    let report = Report {
        sent_boot_ms: 1,
        sent_wall_ms: 1,
        earlier_boots: None,
        records: vec![protocol::v1::report::EncodedRecord(wire::encode(&record))],
    };
    Report::open(&wire::encode(&report)).unwrap();
    out.replace(&temp.path().display().to_string(), "")
}

#[track_caller]
fn check(host: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(host)
        .join("expected.txt");
    let got = collect(host);
    assert!(
        !got.chars()
            .any(|c| c != '\n' && domain::text::is_deceptive(c)),
        "something deceptive came through:\n{got:?}"
    );
    if std::env::var_os("OC_UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(
        got == expected,
        "{host} differs from {}:\n{got}",
        path.display()
    );
}

#[test]
fn a_debian_12_host() {
    check("debian-12");
}

#[test]
fn a_centos_6_host_without_pressure_information_whose_counters_began_anew() {
    check("centos-6");
}

#[test]
fn a_container_where_much_is_missing() {
    check("container");
}

#[test]
fn a_host_that_means_harm() {
    check("hostile");
}

#[test]
fn ten_thousand_mounts_and_interfaces_stay_within_the_protocol() {
    let temp = tempfile::tempdir().unwrap();
    let roots = Roots {
        proc: temp.path().join("proc"),
        sys: temp.path().join("sys"),
        root: temp.path().to_owned(),
    };
    std::fs::create_dir_all(roots.proc.join("self")).unwrap();
    std::fs::create_dir_all(roots.proc.join("net")).unwrap();
    let mut mounts = String::new();
    let mut interfaces = String::new();
    let mut disks = String::new();
    for at in 0..10_000u32 {
        writeln!(
            mounts,
            "{at} 1 8:{at} / /mnt/{at:05} rw - ext4 /dev/sd{at} rw"
        )
        .unwrap();
        writeln!(interfaces, "veth{at}: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1").unwrap();
        writeln!(disks, "8 {at} sd{at} 1 1 1 1 1 1 1 1 1 1 1").unwrap();
        if at < 100 {
            std::fs::create_dir_all(roots.sys.join("block").join(format!("sd{at}"))).unwrap();
        }
    }
    writeln!(interfaces, "eth0: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1").unwrap();
    std::fs::write(roots.proc.join("self/mountinfo"), mounts).unwrap();
    std::fs::write(roots.proc.join("net/dev"), interfaces).unwrap();
    std::fs::write(roots.proc.join("diskstats"), disks).unwrap();
    let mut collectors = Collectors::with(&roots, ask(), &BTreeSet::new());
    let now = Cell::new(SECOND_NS);
    collectors.collect(|| now.get(), false, &[]);
    now.set(11 * SECOND_NS);
    let (groups, runs) = collectors.collect(|| now.get(), false, &[]);
    assert_eq!(groups.len(), 1 + 3 * 64, "the host itself too");
    assert!(
        groups.iter().any(|group| group.instance == "eth0"),
        "a real interface comes first"
    );
    let notes: Vec<&str> = runs.iter().filter_map(|run| run.outcome.reason()).collect();
    for part in [
        "9936 filesystems beyond 64",
        "36 disks beyond 64",
        "9937 interfaces beyond 64",
    ] {
        assert!(
            notes.iter().any(|note| note.contains(part)),
            "{part} is not in {notes:?}"
        );
    }
    let samples: usize = groups.iter().map(|group| group.values.len() / 2).sum();
    assert!(samples <= protocol::SAMPLES_MAX);
}
