//! The processes that use most of the processors and of the memory. Names only: command lines hold secrets.
//!
//! Every process is looked at, which costs a few milliseconds on a busy host: so rarely, and often only while somebody
//! watches.

use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::v1::section::{Process, Processes};

use super::process::{self, Scale, Stat};
use super::text::instance;
use super::{Outcome, Roots};

/// Told of each order.
const TOP: usize = 10;
/// Processes looked at.
const PROCESSES_MAX: usize = 32_768;

/// The source of the list.
pub struct Top {
    proc: PathBuf,
    scale: Scale,
    before: BTreeMap<u32, (u64, u64)>,
    before_ns: Option<u64>,
}

impl Top {
    pub fn new(roots: &Roots) -> Self {
        Self {
            proc: roots.proc.clone(),
            scale: Scale::of_this_host(),
            before: BTreeMap::new(),
            before_ns: None,
        }
    }

    /// Looks at all processes; the first look gives no list, because processor time needs two.
    pub fn read(&mut self, now_ns: u64) -> (Option<Processes>, Outcome) {
        let pids = match process::pids(&self.proc) {
            Ok(pids) => pids,
            Err(error) => {
                let reason = super::file::failed(&self.proc, &error);
                return (None, Outcome::Failed(reason));
            }
        };
        let span_ns = self.before_ns.map(|before| now_ns.saturating_sub(before));
        let mut now = BTreeMap::new();
        let mut all = Vec::new();
        let mut text = Vec::new();
        for pid in pids.take(PROCESSES_MAX) {
            // A process that ended meanwhile is none.
            let Some(stat) = process::stat(&self.proc.join(pid.to_string()), &mut text) else {
                continue;
            };
            // One that began since counts from its beginning; a number used again is another process.
            let ticks_before = match self.before.get(&pid) {
                Some((ticks, started)) if *started == stat.started => *ticks,
                _ => 0,
            };
            let spent = stat.ticks.saturating_sub(ticks_before);
            now.insert(pid, (stat.ticks, stat.started));
            all.push((pid, spent, stat));
        }
        self.before = now;
        self.before_ns = Some(now_ns);
        let Some(span_ns) = span_ns.filter(|ns| *ns > 0) else {
            return (None, Outcome::Ok(None));
        };
        (Some(self.list(span_ns, all)), Outcome::Ok(None))
    }

    fn list(&self, span_ns: u64, mut all: Vec<(u32, u64, Stat)>) -> Processes {
        all.sort_by_key(|(pid, spent, _)| (std::cmp::Reverse(*spent), *pid));
        let by_memory = {
            let mut pids: Vec<(u64, u32)> = all.iter().map(|(p, _, s)| (s.rss_pages, *p)).collect();
            pids.sort_unstable_by(|a, b| b.cmp(a));
            pids.truncate(TOP);
            pids
        };
        let processes = all
            .into_iter()
            .enumerate()
            .filter(|(at, (pid, spent, _))| {
                (*at < TOP && *spent > 0) || by_memory.iter().any(|(_, big)| big == pid)
            })
            .map(|(_, (pid, spent, stat))| {
                let spent_ns = spent.saturating_mul(1_000_000_000 / self.scale.ticks_per_s);
                let milli = u128::from(spent_ns) * 1000 / u128::from(span_ns);
                Process {
                    pid,
                    name: instance(&stat.name),
                    cpu_milli: u32::try_from(milli).unwrap_or(u32::MAX),
                    rss_bytes: stat.rss_pages.saturating_mul(self.scale.page_bytes),
                }
            })
            .collect();
        Processes {
            over_ms: span_ns / 1_000_000,
            processes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(pid: u32, name: &str, ticks: u64, started: u64, rss: u64) -> String {
        format!(
            "{pid} ({name}) S 1 1 1 0 -1 4194560 1 2 3 4 {ticks} 0 0 0 20 0 1 0 {started} 1000 {rss} 99 1 1\n"
        )
    }

    #[test]
    fn time_is_counted_between_two_looks_and_numbers_are_used_again() {
        let temp = tempfile::tempdir().unwrap();
        let write = |pid: u32, text: String| {
            std::fs::create_dir_all(temp.path().join(pid.to_string())).unwrap();
            std::fs::write(temp.path().join(format!("{pid}/stat")), text).unwrap();
        };
        let mut top = Top {
            proc: temp.path().to_owned(),
            scale: Scale {
                ticks_per_s: 100,
                page_bytes: 4096,
                processors: 1,
            },
            before: BTreeMap::new(),
            before_ns: None,
        };
        write(1, line(1, "init", 500, 1, 10));
        write(2, line(2, "busy", 1_000, 2, 20));
        write(3, line(3, "old", 9_000, 3, 30));
        assert_eq!(top.read(1_000_000_000).0, None);
        write(2, line(2, "busy", 1_500, 2, 20));
        write(3, line(3, "new", 100, 77, 30));
        let list = top.read(11_000_000_000).0.unwrap();
        assert_eq!(list.over_ms, 10_000);
        let told: Vec<_> = list
            .processes
            .iter()
            .map(|p| (p.name.as_str(), p.cpu_milli, p.rss_bytes))
            .collect();
        assert_eq!(
            told,
            [
                ("busy", 500, 81_920),
                ("new", 100, 122_880),
                ("init", 0, 40_960)
            ]
        );
    }
}
