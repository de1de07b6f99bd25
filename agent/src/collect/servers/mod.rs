//! Servers on this host, found by product packs: which there are, how they are, what they use.
//!
//! All processes are looked at once a minute (every ten seconds while somebody looks, and at once when a server's main
//! process vanished); in between only the processes of known servers are read. A process that was judged once is judged
//! again only when it became another program, which programs do when they are young; all are read again every ten
//! minutes. What was found before is remembered over restarts of the agent, so that a
//! server whose process is gone is told as such.

mod details;
mod known;
mod measure;
mod memory;
mod probe;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use domain::fleet::Collector;
use protocol::v1::section::{Flow, Servers};

use super::connections::Whose;
use super::owners::Owners;
use super::process::Scale;
use super::sockets::{self, LISTENING, Socket};
use super::units::UnitsReader;
use super::{Outcome, Roots, Run};
use crate::packs::Packs;
use known::{Known, State};
use memory::Memory;
use probe::Prober;
use scan::Seen;

/// Servers told of one host.
pub const SERVERS_MAX: usize = 256;
/// Between two looks at all processes, whatever happens.
const SCAN_PAUSE_NS: u64 = 5_000_000_000;
/// States of services that nothing calls for are asked this often.
const UNITS_EVERY_NS: u64 = 300_000_000_000;

/// What is known of the servers of this host.
pub struct Inventory {
    roots: Roots,
    scale: Scale,
    packs: Packs,
    units: UnitsReader,
    units_asked_ns: Option<u64>,
    owners: Owners,
    prober: Option<Prober>,
    memory: Memory,
    scanned_ns: Option<u64>,
    /// When every process was read again, whether known or not.
    scanned_all_ns: Option<u64>,
    seen: BTreeMap<u32, Seen>,
    known: BTreeMap<Rc<str>, Known>,
    by_pid: BTreeMap<u32, Rc<str>>,
    by_control_group: BTreeMap<u64, Rc<str>>,
    /// Where somebody listens on this host: address, port, and whose.
    listening: Vec<(Socket, Option<Rc<str>>)>,
    /// Something happened that the next list should tell soon.
    is_changed: bool,
    notes: Vec<String>,
    host_name: String,
}

/// How an inventory is made.
#[derive(Debug, Default)]
pub struct Setup {
    /// Packs in force.
    pub packs: Packs,
    /// File in which found servers are remembered.
    pub memory: Option<PathBuf>,
    /// Ask health probes?
    pub is_probing: bool,
}

impl Inventory {
    /// Nothing looked at yet.
    pub fn new(roots: &Roots, setup: Setup) -> Self {
        let memory = Memory::at(setup.memory);
        let known = memory
            .read()
            .into_iter()
            .map(|remembered| {
                let known = Known::remembered(remembered);
                (known.key.clone(), known)
            })
            .collect();
        Self {
            roots: roots.clone(),
            scale: Scale::of_this_host(),
            packs: setup.packs,
            units: UnitsReader::new(roots),
            units_asked_ns: None,
            owners: Owners::default(),
            prober: setup.is_probing.then(Prober::default),
            memory,
            scanned_ns: None,
            scanned_all_ns: None,
            seen: BTreeMap::new(),
            known,
            by_pid: BTreeMap::new(),
            by_control_group: BTreeMap::new(),
            listening: Vec::new(),
            is_changed: false,
            notes: Vec::new(),
            host_name: super::hostname(roots),
        }
    }

    /// The packs in force and those that are not.
    pub fn packs(&self) -> &Packs {
        &self.packs
    }

    /// Did something happen that should be told before its time? Asking forgets it.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Looks at all processes and tells the servers.
    pub fn read(&mut self, now_ns: u64, wall_ms: i64) -> (Option<Servers>, Outcome) {
        self.is_changed = false;
        self.notes.clear();
        if let Err(error) = self.scan(now_ns, wall_ms) {
            return (
                None,
                Outcome::Failed(super::file::failed(&self.roots.proc, &error)),
            );
        }
        self.count_files();
        self.find_listeners();
        self.ask_units(now_ns);
        self.forget(wall_ms);
        let told = self.told();
        if let Err(problem) = self.memory.write(self.known.values(), wall_ms) {
            self.notes.push(problem);
        }
        let note = (!self.notes.is_empty()).then(|| self.notes.join("; "));
        (Some(told), Outcome::Ok(note))
    }

    fn told(&mut self) -> Servers {
        let beyond = self.known.len().saturating_sub(SERVERS_MAX);
        let mut told = Servers {
            servers: Vec::new(),
            left_out: u32::try_from(beyond).unwrap_or(u32::MAX),
            refused_packs: self
                .packs
                .refused
                .iter()
                .map(|text| known::short(text))
                .collect(),
        };
        if beyond > 0 {
            self.notes.push(format!(
                "{beyond} servers beyond {SERVERS_MAX} are left out"
            ));
        }
        for known in self.known.values().take(SERVERS_MAX) {
            let probe = self
                .prober
                .as_ref()
                .filter(|_| known.state == State::Running)
                .and_then(|prober| prober.told(&known.key));
            told.servers.push(known.server(probe));
        }
        known::fit(&mut told);
        told
    }

    fn find_listeners(&mut self) {
        let mut found = Vec::new();
        let asked = sockets::all(LISTENING, |mut socket| {
            socket.address = socket.address.to_canonical();
            found.push(socket);
        });
        if asked.is_err() {
            found.clear();
        }
        let wanted = found.iter().map(|socket| socket.inode).collect();
        self.find_owners(&wanted);
        self.listening = found
            .into_iter()
            .map(|socket| (socket, self.whose(&socket).server))
            .collect();
        let mut ports: BTreeMap<&str, BTreeSet<u16>> = BTreeMap::new();
        for (socket, server) in &self.listening {
            if let Some(server) = server {
                ports.entry(server).or_default().insert(socket.port);
            }
        }
        for known in self.known.values_mut() {
            let ports = ports.remove(&*known.key).unwrap_or_default();
            if known.main.is_some() {
                known.ports = ports.into_iter().collect();
            }
        }
        self.resolve_ports();
    }

    /// Finds who holds these sockets, servers first; gives how many processes may not be looked into.
    pub fn find_owners(&mut self, wanted: &BTreeSet<u32>) -> usize {
        let mut pids: Vec<u32> = self.by_pid.keys().copied().collect();
        pids.extend(
            self.seen
                .iter()
                .filter(|(pid, seen)| !seen.is_kernel && !self.by_pid.contains_key(pid))
                .map(|(pid, _)| *pid),
        );
        self.owners.find(&self.roots.proc, wanted, &pids);
        self.owners.denied()
    }

    /// Whose a socket is: by its process, else by the service in whose control group it was made.
    pub fn whose(&self, socket: &Socket) -> Whose {
        if let Some(pid) = self.owners.pid(socket.inode) {
            return Whose {
                server: self.by_pid.get(&pid).cloned(),
                process: self.seen.get(&pid).map(|seen| seen.shown_name.clone()),
            };
        }
        Whose {
            server: socket
                .control_group
                .and_then(|id| self.by_control_group.get(&id).cloned()),
            process: None,
        }
    }

    /// Makes sure that processes were looked at lately, for those who ask whose a socket is.
    pub fn refresh(&mut self, now_ns: u64, wall_ms: i64) -> std::io::Result<()> {
        let is_fresh = self
            .scanned_ns
            .is_some_and(|at| now_ns.saturating_sub(at) < SCAN_PAUSE_NS);
        if is_fresh {
            Ok(())
        } else {
            self.scan(now_ns, wall_ms)
        }
    }

    /// Takes note of how many connections each server has.
    pub fn note_connections(&mut self, flows: &[Flow]) {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for flow in flows {
            if let Some(server) = &flow.server {
                *counts.entry(server).or_default() += u64::from(flow.connections);
            }
        }
        for known in self.known.values_mut() {
            if known.main.is_some() {
                known.connections = Some(counts.get(&*known.key).copied().unwrap_or(0));
            }
        }
    }

    fn ask_units(&mut self, now_ns: u64) {
        let is_old = self
            .units_asked_ns
            .is_none_or(|at| now_ns.saturating_sub(at) >= UNITS_EVERY_NS);
        let is_wanted = self.known.values().any(Known::wants_unit_state);
        if !is_old && !is_wanted {
            return;
        }
        self.units_asked_ns = Some(now_ns);
        let names: BTreeSet<&str> = self
            .known
            .values()
            .filter_map(|known| known.unit.as_deref())
            .collect();
        if names.is_empty() {
            return;
        }
        let names: Vec<&str> = names.into_iter().collect();
        match self.units.states(&names) {
            Ok(units) => {
                for known in self.known.values_mut() {
                    let unit = known
                        .unit
                        .as_ref()
                        .and_then(|name| units.iter().find(|unit| unit.name == *name));
                    known.note_unit(unit);
                }
            }
            Err(Outcome::Failed(reason)) => self.notes.push(reason),
            // No systemd: a process that is gone is gone.
            Err(_) => {
                for known in self.known.values_mut() {
                    known.note_unit(None);
                }
            }
        }
    }

    /// Lets go of what was not seen for long, and of what another took the place of.
    fn forget(&mut self, wall_ms: i64) {
        let now_s = wall_ms / 1000;
        for known in self.known.values_mut() {
            if known.main.is_some() {
                known.last_seen_s = now_s;
            }
        }
        let gone: Vec<Rc<str>> = self
            .known
            .values()
            .filter(|known| known.main.is_none())
            .filter(|known| {
                known.is_too_old(now_s)
                    || self.known.values().any(|other| other.takes_place_of(known))
            })
            .map(|known| known.key.clone())
            .collect();
        for key in gone {
            self.known.remove(&key);
        }
    }

    /// How asking the probes goes, once it is known whether there are any.
    pub fn probes_run(&self) -> Option<Run> {
        self.scanned_ns?;
        let (outcome, took_us) = match &self.prober {
            None => (Outcome::Off, 0),
            Some(prober) => prober.outcome(),
        };
        Some(Run {
            collector: Collector::Probes,
            duration_us: took_us,
            outcome,
        })
    }
}

#[cfg(test)]
mod tests;
