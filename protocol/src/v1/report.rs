//! Reports: what was measured, since when nothing was, and what the host is.

use minicbor::{Decode, Encode};

use super::section::{SECTION_BYTES_MAX, SECTIONS_MAX, Section};
use crate::wire::{self, WireError};
use crate::{INSTANCE_BYTES_MAX, RECORDS_MAX, REPORT_BYTES_MAX, SAMPLES_MAX};

/// Body of `POST /agent/v1/report`. Never empty; records in ascending (epoch, seq).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Report {
    /// The host's boot clock when this was sent, to turn ages into instants.
    #[n(0)]
    pub sent_boot_ms: u64,
    /// The host's wall clock when this was sent, to measure its skew.
    #[n(1)]
    pub sent_wall_ms: i64,
    /// The records, each encoded, so that each has a digest of its own.
    #[n(2)]
    pub records: Vec<EncodedRecord>,
    /// Which records were taken in earlier boots than the one of the session's hello. The first so many records are of
    /// the first boot named, the next of the next; what follows is of this boot.
    #[n(3)]
    pub earlier_boots: Option<Vec<EarlierBoot>>,
}

/// Records of an earlier boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EarlierBoot {
    /// Its boot id; zeros when that is not known any more.
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub boot_id: [u8; 16],
    /// How many records.
    #[n(1)]
    pub records: u32,
}

/// A [`Record`] in its exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct EncodedRecord(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub Vec<u8>,
);

/// What was known at one instant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Record {
    /// Epoch of the state folder that gave the number.
    #[n(0)]
    pub epoch: u32,
    /// Strictly rising within the epoch, from 1.
    #[n(1)]
    pub seq: u64,
    /// The host's boot clock when it was taken.
    #[n(2)]
    pub taken_boot_ms: u64,
    /// The host's wall clock when it was taken.
    #[n(3)]
    pub taken_at_ms: i64,
    /// Boot id, only where it is not the one of the session's hello.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub boot_id: Option<[u8; 16]>,
    /// Samples by instance.
    #[n(5)]
    pub groups: Vec<Group>,
    /// A [`Facts`], encoded; only when the server does not hold these bytes yet.
    #[n(6)]
    #[cbor(with = "minicbor::bytes")]
    pub facts: Option<Vec<u8>>,
    /// How the collectors ran; when an outcome changed, else once a minute.
    #[n(7)]
    pub collectors: Option<Vec<CollectorRun>>,
    /// Records that had to be dropped before this one.
    #[n(8)]
    pub lost: Option<Lost>,
    /// The agent stops in good order.
    #[n(9)]
    pub goodbye: Option<bool>,
    /// Lists that are news to the server.
    #[n(10)]
    pub sections: Option<Vec<Section>>,
}

/// Samples of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Group {
    /// Mount point, device, interface; empty for the host.
    #[n(0)]
    pub instance: String,
    /// Metric number, stored value, metric number, stored value … Integers at each metric's own precision.
    #[n(1)]
    #[cbor(with = "super::samples")]
    pub values: Vec<i64>,
}

/// Records that were dropped.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Lost {
    /// How many.
    #[n(0)]
    pub records: u64,
    /// The first one's age in ms on the boot clock when this record was taken.
    #[n(1)]
    pub first_age_ms: u64,
    /// The last one's.
    #[n(2)]
    pub last_age_ms: u64,
    /// Why: `queue_full`, `refused`, `spool_damaged`.
    #[n(3)]
    pub reason: String,
}

/// One run of one collector.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CollectorRun {
    /// Number of the collector.
    #[n(0)]
    pub collector: u16,
    /// How long it took.
    #[n(1)]
    pub duration_us: u32,
    /// 0 ok, 1 absent on this host, 2 failed, 3 switched off.
    #[n(2)]
    pub outcome: u8,
    /// Why, for absent and failed.
    #[n(3)]
    pub reason: Option<String>,
}

/// What the host is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Facts {
    /// Kernel host name.
    #[n(0)]
    pub hostname: String,
    /// Operating system.
    #[n(1)]
    pub os: Option<String>,
    /// Kernel.
    #[n(2)]
    pub kernel: Option<String>,
    /// Architecture.
    #[n(3)]
    pub architecture: Option<String>,
    /// Processor.
    #[n(4)]
    pub cpu_model: Option<String>,
    /// Processors online.
    #[n(5)]
    pub cpu_count: Option<u32>,
    /// Virtualisation.
    #[n(6)]
    pub virtualization: Option<String>,
    /// Installed memory.
    #[n(7)]
    pub memory_bytes: Option<u64>,
    /// Swap space.
    #[n(8)]
    pub swap_bytes: Option<u64>,
    /// Kernel boot id as text.
    #[n(9)]
    pub boot_id: Option<String>,
    /// Boot instant by the host's clock, in whole seconds.
    #[n(10)]
    pub booted_at_s: Option<i64>,
    /// Version of the agent.
    #[n(11)]
    pub agent_version: String,
    /// What the host's policy allows.
    #[n(12)]
    pub policy: String,
    /// Filesystems measured.
    #[n(13)]
    pub filesystems: Vec<Filesystem>,
    /// Interfaces measured.
    #[n(14)]
    pub interfaces: Vec<Interface>,
    /// Why the host should be rebooted; absent when nothing says so.
    #[n(15)]
    pub reboot_required: Option<String>,
}

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Filesystem {
    /// Where.
    #[n(0)]
    pub mount_point: String,
    /// What.
    #[n(1)]
    pub device: String,
    /// Type.
    #[n(2)]
    pub kind: String,
    /// Size.
    #[n(3)]
    pub size_bytes: u64,
    /// Read-only?
    #[n(4)]
    pub read_only: bool,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Interface {
    /// Name.
    #[n(0)]
    pub name: String,
    /// Addresses.
    #[n(1)]
    pub addresses: Vec<String>,
    /// Mbit/s.
    #[n(2)]
    pub speed_mbit: Option<u32>,
}

/// Answer to a report, authenticated by the session's other key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ReportAnswer {
    /// Everything up to this is durable.
    #[n(0)]
    pub acked_epoch: u32,
    /// Everything up to this is durable.
    #[n(1)]
    pub acked_seq: u64,
    /// When to report next: the configured interval, or one second while somebody watches.
    #[n(2)]
    pub next_interval_ms: u32,
    /// The server's wall clock.
    #[n(3)]
    pub now_ms: i64,
    /// What of the report was not stored, in words: limits reached, metrics unknown.
    #[n(4)]
    pub notes: Vec<String>,
}

impl Report {
    /// Decodes a report and its records, within the limits of this crate.
    ///
    /// # Errors
    /// Malformed or too many bytes, too many records or samples, records out of order, half a sample.
    pub fn open(bytes: &[u8]) -> Result<(Report, Vec<Record>), WireError> {
        if bytes.len() > REPORT_BYTES_MAX {
            return Err(WireError::TooMany {
                message: "report",
                what: "number of bytes",
                given: bytes.len(),
                max: REPORT_BYTES_MAX,
            });
        }
        let report: Report = wire::decode("report", bytes)?;
        let given = report.records.len();
        if given == 0 {
            return Err(WireError::Invalid {
                message: "report",
                what: "it holds no record".to_owned(),
            });
        }
        if given > RECORDS_MAX {
            return Err(WireError::TooMany {
                message: "report",
                what: "number of records",
                given,
                max: RECORDS_MAX,
            });
        }
        let mut records: Vec<Record> = Vec::with_capacity(given);
        for encoded in &report.records {
            let record: Record = wire::decode("record", &encoded.0)?;
            record.check()?;
            if let Some(before) = records.last()
                && (before.epoch, before.seq) >= (record.epoch, record.seq)
            {
                return Err(WireError::Invalid {
                    message: "report",
                    what: format!(
                        "record {}.{} does not follow {}.{}",
                        record.epoch, record.seq, before.epoch, before.seq
                    ),
                });
            }
            records.push(record);
        }
        Ok((report, records))
    }
}

impl Report {
    /// The boot in which each record was taken, where the report names it.
    pub fn boots(&self) -> impl Iterator<Item = Option<[u8; 16]>> {
        let earlier = self.earlier_boots.as_deref().unwrap_or_default();
        let named = earlier.iter().flat_map(|boot| {
            let count = usize::try_from(boot.records).unwrap_or(RECORDS_MAX);
            std::iter::repeat_n(Some(boot.boot_id), count.min(RECORDS_MAX))
        });
        named
            .chain(std::iter::repeat(None))
            .take(self.records.len())
    }
}

impl Record {
    /// (metric number, stored value) of each sample, by instance.
    pub fn samples(&self) -> impl Iterator<Item = (&str, i64, i64)> {
        self.groups.iter().flat_map(|group| {
            group
                .values
                .as_chunks::<2>()
                .0
                .iter()
                .map(|[metric, value]| (group.instance.as_str(), *metric, *value))
        })
    }

    fn check(&self) -> Result<(), WireError> {
        let invalid = |what: String| {
            Err(WireError::Invalid {
                message: "record",
                what,
            })
        };
        if self.seq == 0 || i64::try_from(self.seq).is_err() {
            return invalid(format!(
                "seq is {}; numbers begin with 1 and fit into 63 bits",
                self.seq
            ));
        }
        let sections = self.sections.as_deref().unwrap_or_default();
        if sections.len() > SECTIONS_MAX {
            return Err(WireError::TooMany {
                message: "record",
                what: "number of sections",
                given: sections.len(),
                max: SECTIONS_MAX,
            });
        }
        if let Some(long) = sections.iter().find(|s| s.body.len() > SECTION_BYTES_MAX) {
            return invalid(format!(
                "section {} has {} bytes, at most {SECTION_BYTES_MAX} are accepted",
                long.kind,
                long.body.len()
            ));
        }
        let mut samples = 0;
        for group in &self.groups {
            if group.values.len() % 2 != 0 {
                return invalid(format!(
                    "group `{:.60}` ends in half a sample",
                    group.instance
                ));
            }
            if group.instance.len() > INSTANCE_BYTES_MAX {
                return invalid(format!(
                    "instance `{:.60}…` has {} bytes, at most {INSTANCE_BYTES_MAX} are accepted",
                    group.instance,
                    group.instance.len()
                ));
            }
            samples += group.values.len() / 2;
        }
        if samples > SAMPLES_MAX {
            return Err(WireError::TooMany {
                message: "record",
                what: "number of samples",
                given: samples,
                max: SAMPLES_MAX,
            });
        }
        Ok(())
    }
}
