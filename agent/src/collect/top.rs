//! The processes that use most of the processors and of the memory. Names only: command lines hold secrets.
//!
//! Every process is looked at, which costs a few milliseconds on a busy host: so rarely, and often only while somebody
//! watches.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use protocol::v1::section::{Process, Processes};

use super::text::{instance, number, words};
use super::{Outcome, Roots};

/// Told of each order.
const TOP: usize = 10;
/// Processes looked at.
const PROCESSES_MAX: usize = 32_768;

/// What was read of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stat {
    name: Vec<u8>,
    ticks: u64,
    started: u64,
    rss_pages: u64,
}

/// The source of the list.
pub struct Top {
    proc: PathBuf,
    ticks_per_s: u64,
    page_bytes: u64,
    before: BTreeMap<u32, (u64, u64)>,
    before_ns: Option<u64>,
}

impl Top {
    pub fn new(roots: &Roots) -> Self {
        let asked = |what| {
            let told = nix::unistd::sysconf(what).ok().flatten();
            told.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0)
        };
        Self {
            proc: roots.proc.clone(),
            ticks_per_s: asked(nix::unistd::SysconfVar::CLK_TCK).unwrap_or(100),
            page_bytes: asked(nix::unistd::SysconfVar::PAGE_SIZE).unwrap_or(4096),
            before: BTreeMap::new(),
            before_ns: None,
        }
    }

    /// Looks at all processes; the first look gives no list, because processor time needs two.
    pub fn read(&mut self, now_ns: u64) -> (Option<Processes>, Outcome) {
        let entries = match std::fs::read_dir(&self.proc) {
            Ok(entries) => entries,
            Err(error) => {
                let reason = super::file::failed(&self.proc, &error);
                return (None, Outcome::Failed(reason));
            }
        };
        let span_ns = self.before_ns.map(|before| now_ns.saturating_sub(before));
        let mut now = BTreeMap::new();
        let mut all = Vec::new();
        let mut text = Vec::new();
        for entry in entries.flatten().take(PROCESSES_MAX) {
            let pid =
                number(entry.file_name().as_encoded_bytes()).and_then(|n| u32::try_from(n).ok());
            // A process that ended meanwhile is none.
            let Some((pid, stat)) = pid.and_then(|pid| {
                text.clear();
                let file = std::fs::File::open(entry.path().join("stat")).ok()?;
                file.take(4096).read_to_end(&mut text).ok()?;
                Some((pid, parse(&text)?))
            }) else {
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
                let spent_ns = spent.saturating_mul(1_000_000_000 / self.ticks_per_s);
                let milli = u128::from(spent_ns) * 1000 / u128::from(span_ns);
                Process {
                    pid,
                    name: instance(&stat.name),
                    cpu_milli: u32::try_from(milli).unwrap_or(u32::MAX),
                    rss_bytes: stat.rss_pages.saturating_mul(self.page_bytes),
                }
            })
            .collect();
        Processes {
            over_ms: span_ns / 1_000_000,
            processes,
        }
    }
}

/// `PID (NAME) STATE …`; a name may hold blanks and brackets, so the last bracket counts. See proc_pid_stat(5).
fn parse(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|b| *b == b'(')?;
    let close = text.iter().rposition(|b| *b == b')')?;
    let name = text.get(open + 1..close)?.to_vec();
    // Field 3, the state, is the first one here.
    let mut fields = words(text.get(close + 1..)?).skip(11);
    let user = number(fields.next()?)?;
    let system = number(fields.next()?)?;
    let mut fields = fields.skip(6);
    let started = number(fields.next()?)?;
    let _virtual_bytes = fields.next()?;
    let rss_pages = number(fields.next()?)?;
    Some(Stat {
        name,
        ticks: user.checked_add(system)?,
        started,
        rss_pages,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(pid: u32, name: &str, ticks: u64, started: u64, rss: u64) -> String {
        format!(
            "{pid} ({name}) S 1 1 1 0 -1 4194560 1 2 3 4 {ticks} 0 0 0 20 0 1 0 {started} 1000 {rss} 99 1 1\n"
        )
    }

    #[test]
    fn names_with_brackets_and_blanks_are_whole() {
        let stat = parse(line(7, "a) R (b c", 12, 5, 9).as_bytes()).unwrap();
        assert_eq!(
            (
                stat.name.as_slice(),
                stat.ticks,
                stat.started,
                stat.rss_pages
            ),
            (&b"a) R (b c"[..], 12, 5, 9)
        );
        assert_eq!(parse(b"7 (x) S 1 2"), None);
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
            ticks_per_s: 100,
            page_bytes: 4096,
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

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }
    }
}
