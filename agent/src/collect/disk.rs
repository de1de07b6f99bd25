//! Transfers of whole disks from /proc/diskstats; partitions, loop devices and memory disks are left out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::metric::Metric;

use super::counters::Counters;
use super::file::{KeptFile, failed};
use super::text::{instance, lines, number, words};
use super::{Collect, INSTANCES_MAX, Outcome, Roots, Samples};

const SECTOR_BYTES: f64 = 512.0;
/// A name that appears is looked at at once; one that changes its kind, within ten minutes.
const LOOK_AGAIN_NS: u64 = 600_000_000_000;
/// Never a disk whose transfers anybody waits for.
const LEFT_OUT: &[&[u8]] = &[b"loop", b"ram", b"zram", b"fd", b"sr"];

/// Reads, sectors read, writes, sectors written, ms with a request open, ms of all reads, ms of all writes.
type Transfers = [u64; 7];

/// The collector.
pub struct Disk {
    file: KeptFile,
    block: PathBuf,
    /// Is this name a whole disk?
    known: BTreeMap<Vec<u8>, bool>,
    looked_at_ns: u64,
    counters: Counters<7>,
}

impl Disk {
    pub fn new(roots: &Roots) -> Self {
        Self {
            file: KeptFile::new(roots.proc.join("diskstats")),
            block: roots.sys.join("block"),
            known: BTreeMap::new(),
            looked_at_ns: 0,
            counters: Counters::new(),
        }
    }
}

impl Collect for Disk {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        if now_ns.saturating_sub(self.looked_at_ns) >= LOOK_AGAIN_NS {
            self.known.clear();
            self.looked_at_ns = now_ns;
        }
        let path = self.file.path().to_owned();
        let bytes = match self.file.read(now_ns) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Outcome::Absent(format!("{} does not exist here", path.display()));
            }
            Err(error) => return Outcome::Failed(failed(&path, &error)),
        };
        let mut measured = 0;
        let mut left_out = 0;
        for (name, transfers) in lines(bytes).filter_map(parse) {
            if !self.known.contains_key(name) {
                let is_disk = is_whole_disk(&self.block, name);
                self.known.insert(name.to_vec(), is_disk);
            }
            if self.known.get(name) != Some(&true) {
                continue;
            }
            if measured == INSTANCES_MAX {
                left_out += 1;
                continue;
            }
            measured += 1;
            let name = instance(name);
            let Some(delta) = self.counters.step(&name, now_ns, transfers) else {
                continue;
            };
            out.begin(&name);
            for (at, metric, factor) in [
                (1, Metric::DiskReadBytesPerS, SECTOR_BYTES),
                (3, Metric::DiskWriteBytesPerS, SECTOR_BYTES),
                (0, Metric::DiskReadsPerS, 1.0),
                (2, Metric::DiskWritesPerS, 1.0),
            ] {
                if let Some(rate) = delta.rate(at) {
                    out.put(metric, rate * factor);
                }
            }
            if let Some(busy_ms_per_s) = delta.rate(4) {
                out.put(Metric::DiskBusyRatio, (busy_ms_per_s / 1000.0).min(1.0));
            }
            if let Some(await_ms) = await_ms(&delta.values) {
                out.put(Metric::DiskAwaitMs, await_ms);
            }
        }
        self.counters.forget_before(now_ns);
        if measured == 0 {
            return Outcome::Absent("this host shows no whole disk".to_owned());
        }
        Outcome::Ok(
            (left_out > 0).then(|| format!("{left_out} disks beyond {INSTANCES_MAX} are left out")),
        )
    }
}

/// Mean time of what was completed; `None` when nothing was.
fn await_ms(counted: &[Option<u64>; 7]) -> Option<f64> {
    let [reads, _, writes, _, _, read_ms, write_ms] = *counted;
    let requests = reads?.checked_add(writes?)?;
    let ms = read_ms?.checked_add(write_ms?)?;
    (requests > 0).then(|| ms as f64 / requests as f64)
}

fn is_whole_disk(block: &std::path::Path, name: &[u8]) -> bool {
    let is_left_out = LEFT_OUT.iter().any(|prefix| {
        name.strip_prefix(*prefix)
            .is_some_and(|rest| number(rest).is_some())
    });
    if is_left_out {
        return false;
    }
    // A `/` in a device name, as in `cciss/c0d0`, is a `!` in /sys.
    match std::str::from_utf8(name) {
        Ok(name) if !name.contains("..") => block.join(name.replace('/', "!")).exists(),
        _ => false,
    }
}

/// `254 0 vda 12 3 456 …`: device name and what was transferred. See the kernel's admin-guide/iostats.
pub fn parse(line: &[u8]) -> Option<(&[u8], Transfers)> {
    let mut words = words(line).skip(2);
    let name = words.next()?;
    let mut fields = [0u64; 10];
    for field in &mut fields {
        *field = number(words.next()?)?;
    }
    let [
        reads,
        _,
        read_sectors,
        read_ms,
        writes,
        _,
        written_sectors,
        write_ms,
        _,
        busy_ms,
    ] = fields;
    Some((
        name,
        [
            reads,
            read_sectors,
            writes,
            written_sectors,
            busy_ms,
            read_ms,
            write_ms,
        ],
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_is_read_whatever_newer_kernels_append() {
        let old = b" 254 0 vda 10 1 200 5 20 2 400 6 0 77 8";
        assert_eq!(
            parse(old),
            Some((&b"vda"[..], [10, 200, 20, 400, 77, 5, 6]))
        );
        let new = b" 254 0 vda 10 1 200 5 20 2 400 6 0 77 8 1 2 3 4 5 6";
        assert_eq!(parse(new), parse(old));
        for bad in [
            &b""[..],
            b"254 0 vda",
            b"254 0 vda 1 2 3 4",
            b"254 0 vda 1 2 x 4 5 6 7 8 9 10",
        ] {
            assert_eq!(parse(bad), None);
        }
    }

    #[test]
    fn waiting_is_a_mean_over_what_was_completed() {
        let counted = [4, 0, 6, 0, 0, 20, 5].map(Some);
        assert_eq!(await_ms(&counted), Some(2.5));
        assert_eq!(await_ms(&[0, 0, 0, 0, 9, 0, 0].map(Some)), None);
        assert_eq!(
            await_ms(&[Some(1), None, None, None, None, Some(1), Some(1)]),
            None
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }
    }
}
