//! What a simulated estate is made of: clusters, who talks to whom, and what goes wrong now and then.
//!
//! Pure data, read by [`read`] and brought to a number of hosts by [`Scenario::scaled`]. What follows from it at an
//! instant is [`crate::world`]'s. Nothing of a scenario is random but through the fleet's seed.

mod read;
mod scale;

use std::collections::BTreeMap;

pub use read::{ScenarioError, read};
pub use scale::ScaleError;

/// Hosts a cluster gets at most by scaling; beyond, the whole estate is there several times.
pub const SCALED_NODES_MAX: u32 = 200;

/// The estate that `operations-center demo` shows.
const DEMO: &str = include_str!("demo.toml");

/// Product packs whose servers can be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pack {
    /// WSO2 Carbon.
    Carbon,
    /// Apache Tomcat.
    Tomcat,
    /// nginx.
    Nginx,
    /// PostgreSQL.
    Postgresql,
    /// Any service of systemd.
    Systemd,
}

impl Pack {
    /// Every pack.
    pub const ALL: [Pack; 5] = [
        Pack::Carbon,
        Pack::Tomcat,
        Pack::Nginx,
        Pack::Postgresql,
        Pack::Systemd,
    ];

    /// As in files and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Pack::Carbon => "carbon",
            Pack::Tomcat => "tomcat",
            Pack::Nginx => "nginx",
            Pack::Postgresql => "postgresql",
            Pack::Systemd => "systemd",
        }
    }
}

/// An estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// System that its hosts suggest for themselves.
    pub system: String,
    /// Availability zones; hosts of a cluster are spread over them in turn.
    pub zones: Vec<String>,
    /// Between two looks of a host at its connections.
    pub look_ms: u64,
    /// In the order of the file; the first are kept when there are fewer hosts than clusters.
    pub clusters: Vec<Cluster>,
    /// Who opens connections to whom.
    pub dependencies: Vec<Dependency>,
    /// Peers outside that connect to a cluster.
    pub clients: Vec<Clients>,
    /// Addresses outside that a cluster connects to.
    pub services: Vec<Service>,
    /// What goes wrong.
    pub incidents: Vec<Incident>,
}

/// A cluster of equal servers, one on each host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its name; hosts are called after it.
    pub slug: String,
    /// What its servers are.
    pub pack: Pack,
    /// Such as `RabbitMQ`; the pack's own name of it when absent.
    pub product: Option<String>,
    /// Service of systemd; the pack's usual one when absent.
    pub unit: Option<String>,
    /// The kernel's name of its process; the pack's usual one when absent.
    pub process: Option<String>,
    /// Versions; a deploy goes from one to the next. Never empty.
    pub versions: Vec<String>,
    /// Where its servers listen, ascending. Never empty.
    pub ports: Vec<u16>,
    /// Which hosts do what. Never empty.
    pub roles: Vec<Role>,
    /// Labels of its hosts.
    pub tags: BTreeMap<String, String>,
}

/// A part of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name; empty for hosts without a role.
    pub name: String,
    /// How many.
    pub nodes: u32,
    /// Sub-domain of the cluster (Carbon).
    pub sub_domain: Option<String>,
}

impl Cluster {
    /// Hosts of all roles.
    pub fn nodes(&self) -> u32 {
        self.roles.iter().map(|role| role.nodes).sum()
    }
}

/// One end of a dependency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Which cluster, by its place in [`Scenario::clusters`].
    pub cluster: usize,
    /// Only hosts of this role.
    pub role: Option<String>,
}

/// Connections between clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// Who opens them.
    pub from: End,
    /// Who listens.
    pub to: End,
    /// Where.
    pub port: u16,
    /// Of each host that opens them, over all hosts that listen.
    pub connections: u32,
    /// How often they are closed and opened again.
    pub renew_ms: i64,
}

/// Peers outside that connect to each host of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    /// Cluster, by its place.
    pub to: usize,
    /// Where.
    pub port: u16,
    /// How many addresses.
    pub peers: u32,
    /// Of all of them, to each host.
    pub connections: u32,
    /// How often other peers come.
    pub renew_ms: i64,
}

/// An address outside that each host of a cluster connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Cluster, by its place.
    pub from: usize,
    /// Where.
    pub address: [u8; 4],
    /// Where.
    pub port: u16,
    /// Of each host.
    pub connections: u32,
    /// How often they are closed and opened again.
    pub renew_ms: i64,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The server's process is gone, and back afterwards with another pid.
    Crash,
    /// The agent is not heard.
    Silent,
    /// The health probe answers 503.
    Probe,
    /// The processors are busy.
    Cpu,
    /// A filesystem is nearly full, and the disk busy.
    Disk,
    /// Memory is nearly used up.
    Memory,
    /// The cluster's next version: on some hosts first, on all afterwards.
    Deploy,
    /// The process restarts by itself: another pid, other client ports.
    Restart,
    /// All hosts of a zone are not heard; one zone after the other.
    Partition,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Trouble; 9] = [
        Trouble::Crash,
        Trouble::Silent,
        Trouble::Probe,
        Trouble::Cpu,
        Trouble::Disk,
        Trouble::Memory,
        Trouble::Deploy,
        Trouble::Restart,
        Trouble::Partition,
    ];

    /// As in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Trouble::Crash => "crash",
            Trouble::Silent => "silent",
            Trouble::Probe => "probe",
            Trouble::Cpu => "cpu",
            Trouble::Disk => "disk",
            Trouble::Memory => "memory",
            Trouble::Deploy => "deploy",
            Trouble::Restart => "restart",
            Trouble::Partition => "partition",
        }
    }
}

/// Something that goes wrong again and again, each time on the next hosts in a seeded order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What.
    pub trouble: Trouble,
    /// Where, by its place; `None` for a partition, which is everywhere.
    pub cluster: Option<usize>,
    /// On how many hosts at once; 0 for a partition.
    pub nodes: u32,
    /// First time, after the start of the run.
    pub first_ms: i64,
    /// From one time to the next; longer than it lasts.
    pub every_ms: i64,
    /// For how long.
    pub lasts_ms: i64,
}

impl Scenario {
    /// The built-in one.
    ///
    /// # Errors
    /// The file that this program was built with is wrong; a test says that it is not.
    pub fn demo() -> Result<Self, ScenarioError> {
        read(DEMO)
    }

    /// Hosts of all clusters.
    pub fn nodes(&self) -> u32 {
        self.clusters.iter().map(Cluster::nodes).sum()
    }
}
