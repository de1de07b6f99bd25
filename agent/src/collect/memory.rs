//! Memory and swap from /proc/meminfo.

use domain::metric::Metric;

use super::file::{KeptFile, failed};
use super::text::{lines, number, words};
use super::{Collect, Outcome, Roots, Samples};

/// The collector.
pub struct Memory {
    file: KeptFile,
}

impl Memory {
    pub fn new(roots: &Roots) -> Self {
        Self {
            file: KeptFile::new(roots.proc.join("meminfo")),
        }
    }
}

/// In bytes; `None` where the kernel has no such line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Meminfo {
    pub total: Option<u64>,
    pub free: Option<u64>,
    pub available: Option<u64>,
    pub buffers: Option<u64>,
    pub cached: Option<u64>,
    pub reclaimable: Option<u64>,
    pub swap_total: Option<u64>,
    pub swap_free: Option<u64>,
}

impl Collect for Memory {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        let path = self.file.path().to_owned();
        let info = match self.file.read(now_ns) {
            Ok(bytes) => parse(bytes),
            Err(error) => return Outcome::Failed(failed(&path, &error)),
        };
        let (Some(total), Some(available)) =
            (info.total.filter(|t| *t > 0), info.available_or_free())
        else {
            return Outcome::Failed(format!("{}: no MemTotal or MemFree", path.display()));
        };
        let available = available.min(total);
        out.put(
            Metric::MemoryUsedRatio,
            1.0 - available as f64 / total as f64,
        );
        out.put_count(Metric::MemoryAvailableBytes, available);
        if let Some(cached) = info.cached {
            let more = info
                .buffers
                .unwrap_or(0)
                .saturating_add(info.reclaimable.unwrap_or(0));
            out.put_count(Metric::MemoryCachedBytes, cached.saturating_add(more));
        }
        if let (Some(swap), Some(free)) = (info.swap_total, info.swap_free) {
            let used = swap.saturating_sub(free);
            out.put_count(Metric::SwapUsedBytes, used);
            if swap > 0 {
                out.put(Metric::SwapUsedRatio, used as f64 / swap as f64);
            }
        }
        Outcome::Ok(None)
    }
}

impl Meminfo {
    /// Kernels before 3.14 have no MemAvailable: what is free, buffered and cached comes near it.
    fn available_or_free(&self) -> Option<u64> {
        self.available.or_else(|| {
            let more = self
                .buffers
                .unwrap_or(0)
                .saturating_add(self.cached.unwrap_or(0));
            Some(self.free?.saturating_add(more))
        })
    }
}

/// Lines such as `MemTotal:       24684100 kB`.
pub fn parse(meminfo: &[u8]) -> Meminfo {
    let mut info = Meminfo::default();
    for line in lines(meminfo) {
        let mut words = words(line);
        let (Some(name), Some(kib)) = (words.next(), words.next().and_then(number)) else {
            continue;
        };
        let field = match name {
            b"MemTotal:" => &mut info.total,
            b"MemFree:" => &mut info.free,
            b"MemAvailable:" => &mut info.available,
            b"Buffers:" => &mut info.buffers,
            b"Cached:" => &mut info.cached,
            b"SReclaimable:" => &mut info.reclaimable,
            b"SwapTotal:" => &mut info.swap_total,
            b"SwapFree:" => &mut info.swap_free,
            _ => continue,
        };
        *field = kib.checked_mul(1024);
    }
    info
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn kibibytes_become_bytes_and_what_is_missing_stays_missing() {
        let info = parse(b"MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable: 40 kB\nCached: 5 kB\nHugePages_Total: 0\n");
        assert_eq!(
            (info.total, info.available, info.cached),
            (Some(102_400), Some(40_960), Some(5_120))
        );
        assert_eq!((info.swap_total, info.buffers), (None, None));
    }

    #[test]
    fn old_kernels_tell_what_is_available_by_what_is_free() {
        let info = parse(b"MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 5 kB\nCached: 20 kB\n");
        assert_eq!(info.available_or_free(), Some(35 * 1024));
        assert_eq!(parse(b"MemTotal: 99999999999999999999 kB").total, None);
        assert_eq!(parse(b"MemTotal: 18446744073709551615 kB").total, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = parse(&bytes);
        }
    }
}
