//! What is measured: one file a collector, one explicit list, each telling how it went.
//!
//! Called by [`crate::run`] and `doctor`. Files stay open and are read again in place; parsers are pure functions over
//! text, so that recorded kernels and hostile bytes can be tabled. What a host lacks is said, never zero; a rate needs
//! two readings of the same counter and is absent otherwise.

pub mod connections;
mod counters;
mod cpu;
mod disk;
mod facts;
mod file;
mod filesystem;
mod home;
mod load;
mod memory;
mod network;
mod owners;
mod pressure;
mod process;
mod processes;
mod reboot;
pub mod servers;
pub mod sockets;
mod sockstat;
mod temperature;
mod text;
mod top;
mod traffic;
mod units;
mod uptime;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use domain::fleet::Collector;
use domain::metric::Metric;
use protocol::v1::report::{Facts, Group};

pub use facts::{Addresses, boot_id, hostname};
pub use filesystem::Space;

use facts::FactsReader;
use file::KeptFile;
use filesystem::Mounts;

/// Instances of one kind that are measured; the rest is counted and said.
pub const INSTANCES_MAX: usize = 64;

/// Where the kernel shows itself; other folders in tests.
#[derive(Debug, Clone)]
pub struct Roots {
    /// /proc
    pub proc: PathBuf,
    /// /sys
    pub sys: PathBuf,
    /// / for the few other files
    pub root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            root: "/".into(),
        }
    }
}

/// What is asked of the kernel by call instead of by file; other answers in tests.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// statvfs
    pub space: fn(&std::path::Path) -> std::io::Result<Space>,
    /// getifaddrs
    pub addresses: fn() -> Addresses,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            space: filesystem::space,
            addresses: facts::addresses,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It measured; perhaps with something to say, such as what was left out.
    Ok(Option<String>),
    /// This host has no such thing.
    Absent(String),
    /// It should have worked and did not.
    Failed(String),
    /// Switched off.
    Off,
}

impl Outcome {
    /// Number on the wire.
    pub fn wire(&self) -> u8 {
        match self {
            Outcome::Ok(_) => 0,
            Outcome::Absent(_) => 1,
            Outcome::Failed(_) => 2,
            Outcome::Off => 3,
        }
    }

    /// The words that go with it.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Outcome::Ok(note) => note.as_deref(),
            Outcome::Absent(reason) | Outcome::Failed(reason) => Some(reason),
            Outcome::Off => None,
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Of which collector.
    pub collector: Collector,
    /// How long it took.
    pub duration_us: u32,
    /// How it ended.
    pub outcome: Outcome,
}

/// Samples of one instant, by instance.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Samples {
    groups: Vec<Group>,
    /// Somebody looks: measure what is too much otherwise.
    is_watched: bool,
}

/// What is read now and then as a list.
pub struct Lists {
    /// Busiest processes.
    pub top: top::Top,
    /// Services.
    pub units: units::UnitsReader,
    /// Servers that packs found.
    pub servers: servers::Inventory,
    /// Who talks to whom.
    pub connections: connections::ConnectionsReader,
}

impl Lists {
    /// Nothing read yet.
    pub fn new(roots: &Roots, setup: servers::Setup) -> Self {
        Self {
            top: top::Top::new(roots),
            units: units::UnitsReader::new(roots),
            servers: servers::Inventory::new(roots, setup),
            connections: connections::ConnectionsReader::default(),
        }
    }
}

impl Samples {
    /// Begins a group; the host's own has the empty name.
    pub fn begin(&mut self, instance: &str) {
        self.groups.push(Group {
            instance: instance.to_owned(),
            values: Vec::with_capacity(if instance.is_empty() { 72 } else { 12 }),
        });
    }

    /// Adds a value to the current group.
    pub fn put(&mut self, metric: Metric, value: f64) {
        if let Some(stored) = metric.to_stored(value) {
            self.put_stored(metric, stored);
        }
    }

    /// Adds a whole number to the current group; the metric must keep no decimals.
    pub fn put_count(&mut self, metric: Metric, value: u64) {
        debug_assert_eq!(metric.decimals(), 0);
        if let Ok(stored) = i64::try_from(value) {
            self.put_stored(metric, stored);
        }
    }

    fn put_stored(&mut self, metric: Metric, stored: i64) {
        if let Some(group) = self.groups.last_mut() {
            group.values.push(i64::from(metric.wire()));
            group.values.push(stored);
        }
    }

    /// The groups that hold something.
    pub fn into_groups(mut self) -> Vec<Group> {
        self.groups.retain(|group| !group.values.is_empty());
        self.groups
    }
}

/// One source of samples.
trait Collect {
    /// Measures once. `now_ns` is the boot clock of this round.
    fn collect(&mut self, now_ns: u64, out: &mut Samples) -> Outcome;
}

/// All of them.
pub struct Collectors {
    list: Vec<(Collector, Option<Box<dyn Collect>>)>,
    facts: Option<FactsReader>,
}

impl Collectors {
    /// The list. Those without instances come first, so that they share the host's group.
    pub fn new(roots: &Roots, off: &BTreeSet<Collector>) -> Self {
        Self::with(roots, Ask::default(), off)
    }

    /// The same, asking somebody else.
    pub fn with(roots: &Roots, ask: Ask, off: &BTreeSet<Collector>) -> Self {
        let mounts = Rc::new(RefCell::new(Mounts::new(roots)));
        let stat = Rc::new(RefCell::new(KeptFile::new(roots.proc.join("stat"))));
        let sources: [(Collector, Box<dyn Collect>); 11] = [
            (Collector::Cpu, Box::new(cpu::Cpu::new(stat.clone()))),
            (Collector::Memory, Box::new(memory::Memory::new(roots))),
            (Collector::Load, Box::new(load::Load::new(roots))),
            (
                Collector::Pressure,
                Box::new(pressure::Pressure::new(roots)),
            ),
            (Collector::Uptime, Box::new(uptime::Uptime::new(roots))),
            (
                Collector::Processes,
                Box::new(processes::Processes::new(roots, stat)),
            ),
            (Collector::Sockets, Box::new(sockstat::Sockstat::new(roots))),
            (Collector::Disk, Box::new(disk::Disk::new(roots))),
            (Collector::Network, Box::new(network::Network::new(roots))),
            (
                Collector::Filesystem,
                Box::new(filesystem::Filesystem::new(mounts.clone(), ask.space)),
            ),
            (
                Collector::Temperature,
                Box::new(temperature::Temperature::new(roots)),
            ),
        ];
        Self {
            facts: (!off.contains(&Collector::Facts)).then(|| FactsReader::new(roots, mounts, ask)),
            list: sources
                .into_iter()
                .map(|(collector, source)| {
                    (collector, (!off.contains(&collector)).then_some(source))
                })
                .collect(),
        }
    }

    /// Runs all of them once; `now_ns` reads the boot clock, `also` are values that are measured elsewhere.
    pub fn collect(
        &mut self,
        now_ns: impl Fn() -> u64,
        is_watched: bool,
        also: &[(Metric, i64)],
    ) -> (Vec<Group>, Vec<Run>) {
        let round_ns = now_ns();
        let mut samples = Samples {
            is_watched,
            ..Samples::default()
        };
        samples.begin("");
        for (metric, stored) in also {
            samples.put_stored(*metric, *stored);
        }
        let mut runs = Vec::with_capacity(self.list.len() + 1);
        let mut began_ns = round_ns;
        for (collector, source) in &mut self.list {
            let outcome = match source {
                Some(source) => source.collect(round_ns, &mut samples),
                None => Outcome::Off,
            };
            let ended_ns = now_ns();
            let took_us = ended_ns.saturating_sub(began_ns) / 1000;
            began_ns = ended_ns;
            runs.push(Run {
                collector: *collector,
                duration_us: u32::try_from(took_us).unwrap_or(u32::MAX),
                outcome,
            });
        }
        (samples.into_groups(), runs)
    }

    /// Reads what the host is; `None` when that is switched off.
    pub fn facts(
        &mut self,
        now_ns: impl Fn() -> u64,
        wall_ms: i64,
        policy: &str,
    ) -> (Option<Facts>, Run) {
        let began_ns = now_ns();
        let (facts, outcome) = match &mut self.facts {
            Some(reader) => {
                let (facts, outcome) = reader.read(began_ns, wall_ms, policy);
                (Some(facts), outcome)
            }
            None => (None, Outcome::Off),
        };
        let took_us = now_ns().saturating_sub(began_ns) / 1000;
        let run = Run {
            collector: Collector::Facts,
            duration_us: u32::try_from(took_us).unwrap_or(u32::MAX),
            outcome,
        };
        (facts, run)
    }
}
