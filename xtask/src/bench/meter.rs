//! The meter: what a running process has used.
//!
//! Processor time comes from the kernel's clock of that process, in nanoseconds; `/proc/PID/stat`
//! rounds to ticks of 10 ms, more than an agent uses in a minute.

use std::time::Duration;

use anyhow::Context as _;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Processor time of all threads since the process began, living and ended.
pub fn cpu(pid: Pid) -> anyhow::Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(pid)
        .with_context(|| format!("process {pid} has no processor clock"))?;
    let time = clock_gettime(clock)
        .with_context(|| format!("the processor clock of {pid} cannot be read"))?;
    Ok(time.into())
}

/// Memory in use now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// All pages in memory.
    pub rss_kib: u64,
    /// The same, pages shared with other processes counted by their share.
    pub pss_kib: u64,
}

pub fn memory(pid: Pid) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse(&text).with_context(|| format!("{path} tells no Rss and Pss"))
}

fn parse(smaps_rollup: &str) -> Option<Memory> {
    let kib = |name: &str| {
        let rest = smaps_rollup
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        rest.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some(Memory {
        rss_kib: kib("Rss")?,
        pss_kib: kib("Pss")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_rollup() {
        let text = "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss:                3056 kB\n\
                    Pss_Dirty:           400 kB\nPss:                1527 kB\n";
        let expected = Memory {
            rss_kib: 3056,
            pss_kib: 1527,
        };
        assert_eq!(parse(text), Some(expected));
        for bad in [
            "",
            "Rss: 1 kB\n",
            "Rss: x kB\nPss: 1 kB\n",
            "Rss: 1\nPss: 1\n",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn this_process_has_used_something() {
        let before = cpu(nix::unistd::getpid()).unwrap();
        let sum = (0..2_000_000u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        std::hint::black_box(sum);
        assert!(cpu(nix::unistd::getpid()).unwrap() > before);
        assert!(memory(nix::unistd::getpid()).unwrap().rss_kib > 0);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        child.wait().unwrap();
        assert!(cpu(pid).is_err());
        assert!(memory(pid).is_err());
    }
}
