//! How many processes exist, run and wait.
//!
//! Running and blocked come from /proc/stat, which is read for the processors anyway. Counting /proc's numbered folders
//! costs more than all other collectors together on a busy host, so it is done every ten minutes; in between /proc's own
//! link count tells how many came and went (the kernel adds its number of processes to it). In a container that number
//! is the whole machine's, so there, and wherever it does not agree with the next count, folders are counted each time.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use domain::metric::Metric;

use super::file::{KeptFile, failed};
use super::text::{lines, number, words};
use super::{Collect, Outcome, Roots, Samples};

const COUNT_EVERY_NS: u64 = 600_000_000_000;
/// The kernel's first pid namespace always has this number (PROC_PID_INIT_INO).
const FIRST_NAMESPACE: &str = "pid:[4026531836]";
/// Processes that may come and go between counting and asking for the links.
const DIFFERENCE_MAX: u64 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counted {
    at_ns: u64,
    processes: u64,
    links: u64,
}

/// The collector.
pub struct Processes {
    proc: PathBuf,
    /// Kept open: asking it needs no walk along a path.
    folder: Option<File>,
    stat: Rc<RefCell<KeptFile>>,
    last: Option<Counted>,
    links_agree: bool,
}

impl Processes {
    pub fn new(roots: &Roots, stat: Rc<RefCell<KeptFile>>) -> Self {
        Self {
            proc: roots.proc.clone(),
            folder: File::open(&roots.proc).ok(),
            stat,
            last: None,
            links_agree: std::fs::read_link(roots.proc.join("self/ns/pid"))
                .is_ok_and(|namespace| namespace.as_os_str() == FIRST_NAMESPACE),
        }
    }

    fn count(&mut self, now_ns: u64) -> std::io::Result<u64> {
        let links = match &self.folder {
            Some(folder) => folder.metadata(),
            None => std::fs::metadata(&self.proc),
        }?
        .nlink();
        let told = self
            .last
            .map(|last| (last, told_by_links(last.processes, last.links, links)));
        if let Some((last, Some(told))) = told
            && self.links_agree
            && now_ns.saturating_sub(last.at_ns) < COUNT_EVERY_NS
        {
            return Ok(told);
        }
        let processes = count_folders(&self.proc)?;
        if let Some((_, told)) = told {
            self.links_agree &= told.is_some_and(|told| told.abs_diff(processes) <= DIFFERENCE_MAX);
        }
        self.last = Some(Counted {
            at_ns: now_ns,
            processes,
            links,
        });
        Ok(processes)
    }
}

fn told_by_links(processes: u64, links_then: u64, links_now: u64) -> Option<u64> {
    processes.checked_add(links_now)?.checked_sub(links_then)
}

fn count_folders(proc: &Path) -> std::io::Result<u64> {
    let mut processes = 0;
    for entry in std::fs::read_dir(proc)? {
        let name = entry?.file_name();
        processes += u64::from(number(name.as_encoded_bytes()).is_some());
    }
    Ok(processes)
}

impl Collect for Processes {
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome {
        let mut problem = None;
        match self.count(now_ns) {
            Ok(processes) => out.put_count(Metric::Processes, processes),
            Err(error) => problem = Some(failed(&self.proc, &error)),
        }
        let mut stat = self.stat.borrow_mut();
        let path = stat.path().to_owned();
        match stat.read(now_ns).map(parse) {
            Ok((running, blocked)) => {
                if let Some(running) = running {
                    out.put_count(Metric::ProcessesRunning, running);
                }
                if let Some(blocked) = blocked {
                    out.put_count(Metric::ProcessesBlocked, blocked);
                }
            }
            Err(error) => problem = Some(failed(&path, &error)),
        }
        problem.map_or(Outcome::Ok(None), Outcome::Failed)
    }
}

/// `procs_running 2` and `procs_blocked 0`.
pub fn parse(stat: &[u8]) -> (Option<u64>, Option<u64>) {
    let value = |name: &[u8]| {
        let line = lines(stat).find(|line| line.starts_with(name))?;
        number(words(line).nth(1)?)
    };
    (value(b"procs_running "), value(b"procs_blocked "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_and_blocked_are_read() {
        assert_eq!(
            parse(b"cpu 1 2 3 4\nprocs_running 3\nprocs_blocked 1\n"),
            (Some(3), Some(1))
        );
        assert_eq!(parse(b"cpu 1 2 3 4\n"), (None, None));
    }

    #[test]
    fn links_tell_how_many_came_and_went() {
        assert_eq!(told_by_links(80, 100, 103), Some(83));
        assert_eq!(told_by_links(80, 100, 90), Some(70));
        assert_eq!(told_by_links(5, 100, 90), None);
    }

    #[test]
    fn only_numbered_folders_count() {
        let proc = tempfile::tempdir().unwrap();
        for name in ["1", "42", "self", "12x", "sys"] {
            std::fs::create_dir(proc.path().join(name)).unwrap();
        }
        assert_eq!(count_folders(proc.path()).unwrap(), 2);
    }
}
