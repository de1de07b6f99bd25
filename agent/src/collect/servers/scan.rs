//! One look at all processes: which are servers, and which belong to them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use protocol::INSTANCE_BYTES_MAX;

use super::super::home::{Home, View};
use super::super::process::{self, Stat};
use super::super::text::instance;
use super::Inventory;
use super::known::{Known, Main, Member, State};
use crate::packs::{self, Pack};

/// Processes looked at.
const PROCESSES_MAX: usize = 32_768;
/// A process that was there so long stays the program that it is, mostly.
const YOUNG_NS: u64 = 150_000_000_000;
/// Against those that do not, and numbers that were given again.
const ALL_EVERY_NS: u64 = 600_000_000_000;
/// Steps from a process to its first ancestor.
const DEPTH_MAX: usize = 64;

/// What was judged of a process, until it becomes another program.
#[derive(Debug)]
pub struct Seen {
    first_ns: u64,
    parent: u32,
    started: u64,
    name: Vec<u8>,
    /// Its name, fit to be told.
    pub shown_name: Rc<str>,
    /// Its own command line is empty.
    pub is_kernel: bool,
    class: Option<Class>,
}

impl Seen {
    /// Nothing new is expected of it: neither a server, whose end matters, nor so young that it becomes one.
    fn is_settled(&self, now_ns: u64) -> bool {
        self.is_kernel || (self.class.is_none() && now_ns.saturating_sub(self.first_ns) >= YOUNG_NS)
    }
}

/// By server, its processes whose parents are not its own.
type Tops = BTreeMap<Rc<str>, Vec<u32>>;

/// A process that a pack matches.
#[derive(Debug, Clone)]
pub struct Class {
    pub key: Rc<str>,
    /// Place in the packs.
    pub pack: usize,
    pub home: Option<PathBuf>,
    pub unit: Option<String>,
    pub offset: Option<u32>,
    pub command_line: String,
}

impl Inventory {
    pub(super) fn scan(&mut self, now_ns: u64, wall_ms: i64) -> std::io::Result<()> {
        let is_all = self
            .scanned_all_ns
            .is_none_or(|at| now_ns.saturating_sub(at) >= ALL_EVERY_NS);
        let mut buffer = Vec::new();
        let mut before = std::mem::take(&mut self.seen);
        for pid in process::pids(&self.roots.proc)?.take(PROCESSES_MAX) {
            let known = before.remove(&pid);
            let known = match known {
                Some(seen) if !is_all && seen.is_settled(now_ns) => {
                    self.seen.insert(pid, seen);
                    continue;
                }
                known => known,
            };
            // A process that ended meanwhile is none.
            let folder = self.roots.proc.join(pid.to_string());
            let Some(stat) = process::stat(&folder, &mut buffer) else {
                continue;
            };
            let same = known.filter(|seen| seen.started == stat.started && seen.name == stat.name);
            let same = same.map(|seen| Seen {
                parent: stat.parent,
                ..seen
            });
            if let Some(seen) = same.or_else(|| self.judge(pid, &stat, now_ns)) {
                self.seen.insert(pid, seen);
            }
        }
        self.scanned_ns = Some(now_ns);
        if is_all {
            self.scanned_all_ns = Some(now_ns);
        }
        let (tops, by_pid) = self.families();
        self.by_pid = by_pid;
        self.take_note(&tops, now_ns, wall_ms);
        self.find_control_groups();
        Ok(())
    }

    /// `None` when it should be looked at again: it ended, or is about to become a program.
    fn judge(&mut self, pid: u32, stat: &Stat, now_ns: u64) -> Option<Seen> {
        let seen = |is_kernel, class| Seen {
            first_ns: now_ns,
            parent: stat.parent,
            started: stat.started,
            name: stat.name.clone(),
            shown_name: instance(&stat.name).into(),
            is_kernel,
            class,
        };
        // kthreadd and its children.
        if stat.parent == 2 || (pid == 2 && stat.parent == 0 && stat.rss_pages == 0) {
            return Some(seen(true, None));
        }
        let name = String::from_utf8_lossy(&stat.name);
        let candidates: Vec<usize> = (0..self.packs.in_force.len())
            .filter(|at| {
                self.packs
                    .in_force
                    .get(*at)
                    .is_some_and(|pack| pack.detect.allows_program(&name))
            })
            .collect();
        if candidates.is_empty() {
            return Some(seen(false, None));
        }
        let folder = self.roots.proc.join(pid.to_string());
        let command_line = process::command_line(&folder)?;
        let group = process::control_group(&folder);
        let unit = group.as_deref().and_then(process::unit);
        for at in candidates {
            let Some(pack) = self.packs.in_force.get(at) else {
                continue;
            };
            let Some(home) = pack.detect.matches(&command_line, unit) else {
                continue;
            };
            let view = View {
                process: &folder,
                root: &self.roots.root,
            };
            match classify(pack, at, home, unit, &command_line, &view) {
                Ok(class) => return Some(seen(false, Some(class))),
                Err(why) => {
                    let name = instance(&stat.name);
                    self.notes.push(format!(
                        "process {pid} ({name}) of pack {} is left out: {why}",
                        pack.name
                    ));
                    return Some(seen(false, None));
                }
            }
        }
        Some(seen(false, None))
    }

    /// The top processes of each server, and all processes that belong to one: children belong to whom their parent
    /// belongs to.
    fn families(&self) -> (Tops, BTreeMap<u32, Rc<str>>) {
        let mut tops = Tops::new();
        let mut by_pid = BTreeMap::new();
        let class = |pid: u32| self.seen.get(&pid).and_then(|seen| seen.class.as_ref());
        for pid in self.seen.keys() {
            let mut owner: Option<&Rc<str>> = class(*pid).map(|class| &class.key);
            let mut is_top = owner.is_some();
            let mut at = *pid;
            for _ in 0..DEPTH_MAX {
                let Some(parent) = self
                    .seen
                    .get(&at)
                    .map(|seen| seen.parent)
                    .filter(|p| *p > 1)
                else {
                    break;
                };
                at = parent;
                if let Some(above) = class(at) {
                    is_top &= owner != Some(&above.key);
                    owner = owner.or(Some(&above.key));
                    break;
                }
            }
            if let Some(key) = owner {
                by_pid.insert(*pid, key.clone());
                if is_top {
                    tops.entry(key.clone()).or_default().push(*pid);
                }
            }
        }
        (tops, by_pid)
    }

    fn take_note(&mut self, tops: &Tops, now_ns: u64, wall_ms: i64) {
        for known in self.known.values_mut() {
            if known.main.is_some() && !tops.contains_key(&known.key) {
                known.vanished();
            }
        }
        for (key, pids) in tops {
            let started = |pid: &u32| self.seen.get(pid).map_or(u64::MAX, |seen| seen.started);
            // The oldest one; others are told with it.
            let Some(pid) = pids.iter().copied().min_by_key(|pid| (started(pid), *pid)) else {
                continue;
            };
            let Some(class) = self.seen.get(&pid).and_then(|seen| seen.class.clone()) else {
                continue;
            };
            if pids.len() > 1 && class.home.is_some() {
                self.notes.push(format!(
                    "{} processes claim {key}; they are told as one (containers with the same folders are not told apart)",
                    pids.len()
                ));
            }
            let Some(pack) = self.packs.in_force.get(class.pack) else {
                continue;
            };
            let known = self.known.entry(key.clone()).or_insert_with(|| {
                Known::new(
                    key.clone(),
                    &pack.name,
                    class.home.as_ref(),
                    class.unit.as_deref(),
                )
            });
            let started = started(&pid);
            let is_same = known
                .main
                .as_ref()
                .is_some_and(|main| (main.pid, main.started) == (pid, started));
            if !is_same {
                let ns_per_tick = 1_000_000_000 / self.scale.ticks_per_s;
                let age_ms = now_ns.saturating_sub(started.saturating_mul(ns_per_tick)) / 1_000_000;
                let age_ms = i64::try_from(age_ms).unwrap_or(0);
                known.main = Some(Main {
                    pid,
                    started,
                    started_at_s: wall_ms.saturating_sub(age_ms) / 1000,
                });
                known.unit.clone_from(&class.unit);
                known.state = State::Running;
                known.is_unit_open = known.unit.is_some();
                known.looked_ns = None;
                known.measured_ns = None;
            }
            let mut members = std::mem::take(&mut known.members);
            let own = self.by_pid.iter().filter(|(_, owner)| *owner == key);
            known.members = own
                .filter_map(|(pid, _)| {
                    let started = self.seen.get(pid)?.started;
                    let before = members.remove(pid).filter(|m| m.started == started);
                    Some((
                        *pid,
                        before.unwrap_or(Member {
                            started,
                            ticks: None,
                        }),
                    ))
                })
                .collect();
            let folder = self.roots.proc.join(pid.to_string());
            super::details::look(known, pack, &class, &folder, &self.roots.root, now_ns);
        }
    }

    /// Numbers of the control groups that hold one server each, by which the kernel tells whose a socket is even where
    /// open files may not be seen.
    fn find_control_groups(&mut self) {
        let mut groups: BTreeMap<u64, BTreeSet<Rc<str>>> = BTreeMap::new();
        for known in self.known.values() {
            let Some(main) = &known.main else {
                continue;
            };
            if known.unit.is_none() {
                continue;
            }
            let folder = self.roots.proc.join(main.pid.to_string());
            let id = process::control_group(&folder)
                .and_then(|path| group_number(&self.roots.sys, &path));
            if let Some(id) = id {
                groups.entry(id).or_default().insert(known.key.clone());
            }
        }
        self.by_control_group = groups
            .into_iter()
            .filter_map(|(id, keys)| {
                let only = keys.first().filter(|_| keys.len() == 1)?;
                Some((id, only.clone()))
            })
            .collect();
    }
}

/// The kernel numbers a control group by its folder's inode.
fn group_number(sys: &Path, path: &str) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    let beneath = path.trim_start_matches('/');
    ["fs/cgroup/unified", "fs/cgroup"].iter().find_map(|root| {
        let root = sys.join(root);
        root.join("cgroup.controllers").exists().then_some(())?;
        std::fs::metadata(root.join(beneath))
            .ok()
            .map(|meta| meta.ino())
    })
}

/// Home, port offset and with them the key.
fn classify(
    pack: &Pack,
    at: usize,
    home: Option<String>,
    unit: Option<&str>,
    command_line: &str,
    view: &View<'_>,
) -> Result<Class, String> {
    let home = home.or_else(|| packs::find(&pack.home, &mut Home::open(view, None, command_line)));
    let home = match home {
        None => None,
        Some(home) => Some(absolute(&home, view)?),
    };
    if let Some(home) = home.as_deref().filter(|_| pack.only_labels)
        && !view.has_folder(home)
    {
        return Err("what the server's pack takes for its home is no folder".to_owned());
    }
    let mut look = Home::open(view, home.as_deref(), command_line);
    let offset = packs::find(&pack.offset, &mut look)
        .and_then(|text| text.parse::<u32>().ok())
        .filter(|offset| (1..=65_535).contains(offset));
    let place = match (&home, unit) {
        (Some(home), _) => instance(home.as_os_str().as_encoded_bytes()),
        (None, Some(unit)) => instance(unit.as_bytes()),
        (None, None) => return Err("neither its home nor a service is known".to_owned()),
    };
    let mut key = format!("{}:{place}", pack.name);
    if let Some(offset) = offset {
        key = format!("{key}:{offset}");
    }
    if key.len() > INSTANCE_BYTES_MAX {
        return Err(format!(
            "its home is longer than {INSTANCE_BYTES_MAX} bytes"
        ));
    }
    Ok(Class {
        key: key.into(),
        pack: at,
        home,
        unit: unit.map(str::to_owned),
        offset,
        command_line: command_line.to_owned(),
    })
}

/// Without `.`, `..` and slashes too many; beneath the process's folder when it is relative.
fn absolute(home: &str, view: &View<'_>) -> Result<PathBuf, String> {
    use std::path::Component;
    let path = if home.starts_with('/') {
        PathBuf::from(home)
    } else {
        std::fs::read_link(view.process.join("cwd"))
            .map_err(|error| {
                format!("its home is relative and its folder cannot be seen: {error}")
            })?
            .join(home)
    };
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    Ok(out)
}
