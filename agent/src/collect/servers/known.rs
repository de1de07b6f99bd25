//! One server, as far as it is known, and how it is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use protocol::v1::section::{Probe, SECTION_BYTES_MAX, Server, Servers, Unit};
use protocol::wire;
use serde::{Deserialize, Serialize};

use super::super::text::instance;

/// A server that was not seen for so long is forgotten.
const FORGET_S: i64 = 7 * 86_400;
const BYTES_MAX: usize = SECTION_BYTES_MAX - 1024;

/// Whether its process is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Running,
    Stopped,
    Failed,
    Gone,
}

/// What stays over restarts of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    pub key: String,
    pub pack: String,
    pub name: String,
    pub product: Option<String>,
    pub version: Option<String>,
    pub home: Option<String>,
    pub unit: Option<String>,
    pub port_offset: Option<u32>,
    pub cluster: Option<String>,
    pub role: Option<String>,
    pub sub_domain: Option<String>,
    pub console_url: Option<String>,
    pub ports: Vec<u16>,
    pub probed_port: Option<u16>,
    pub state: State,
    pub last_seen_s: i64,
}

/// The main process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Main {
    pub pid: u32,
    pub started: u64,
    pub started_at_s: i64,
}

/// A process of the server, and its processor time when it was last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub started: u64,
    pub ticks: Option<u64>,
}

/// All that is known.
#[derive(Debug, Clone)]
pub struct Known {
    pub key: Rc<str>,
    pub pack: String,
    pub name: String,
    pub product: Option<String>,
    pub version: Option<String>,
    pub home: Option<String>,
    pub unit: Option<String>,
    pub port_offset: Option<u32>,
    pub cluster: Option<String>,
    pub role: Option<String>,
    pub sub_domain: Option<String>,
    pub console_host: Option<String>,
    pub console_url: Option<String>,
    /// Ports that its own files name.
    pub named_ports: BTreeMap<String, Option<u16>>,
    pub ports: Vec<u16>,
    /// The port of its health probe, once somebody was seen to listen there.
    pub probed_port: Option<u16>,
    pub state: State,
    pub last_seen_s: i64,
    pub restarts: Option<u32>,
    pub main: Option<Main>,
    pub members: BTreeMap<u32, Member>,
    pub measured_ns: Option<u64>,
    /// When its files were read.
    pub looked_ns: Option<u64>,
    /// What systemd says is not known or not final.
    pub is_unit_open: bool,
    /// As counted last, which is at most a minute ago.
    pub connections: Option<u64>,
    /// Open files as counted last, where the kernel does not tell their number.
    pub open_files: Option<u64>,
}

impl Known {
    /// Just found.
    pub fn new(key: Rc<str>, pack: &str, home: Option<&PathBuf>, unit: Option<&str>) -> Self {
        let home = home.map(|home| instance(home.as_os_str().as_encoded_bytes()));
        let last = home
            .as_deref()
            .and_then(|home| home.rsplit('/').find(|part| !part.is_empty()));
        let name = last
            .or_else(|| unit.map(|unit| unit.strip_suffix(".service").unwrap_or(unit)))
            .unwrap_or(pack)
            .to_owned();
        Self {
            key,
            pack: pack.to_owned(),
            name,
            product: None,
            version: None,
            home,
            unit: unit.map(|unit| instance(unit.as_bytes())),
            port_offset: None,
            cluster: None,
            role: None,
            sub_domain: None,
            console_host: None,
            console_url: None,
            named_ports: BTreeMap::new(),
            ports: Vec::new(),
            probed_port: None,
            state: State::Running,
            last_seen_s: 0,
            restarts: None,
            main: None,
            members: BTreeMap::new(),
            measured_ns: None,
            looked_ns: None,
            is_unit_open: unit.is_some(),
            connections: None,
            open_files: None,
        }
    }

    /// From before this agent started.
    pub fn remembered(from: Remembered) -> Self {
        let home = from.home.as_ref().map(PathBuf::from);
        let fresh = Self::new(
            from.key.into(),
            &from.pack,
            home.as_ref(),
            from.unit.as_deref(),
        );
        Self {
            name: from.name,
            product: from.product,
            version: from.version,
            port_offset: from.port_offset,
            cluster: from.cluster,
            role: from.role,
            sub_domain: from.sub_domain,
            console_url: from.console_url,
            ports: from.ports,
            probed_port: from.probed_port,
            // One that ran and has no process at the first look is gone, or what its service says.
            state: match from.state {
                State::Running => State::Gone,
                other => other,
            },
            last_seen_s: from.last_seen_s,
            ..fresh
        }
    }

    /// To be kept.
    pub fn remember(&self) -> Remembered {
        Remembered {
            key: self.key.to_string(),
            pack: self.pack.clone(),
            name: self.name.clone(),
            product: self.product.clone(),
            version: self.version.clone(),
            home: self.home.clone(),
            unit: self.unit.clone(),
            port_offset: self.port_offset,
            cluster: self.cluster.clone(),
            role: self.role.clone(),
            sub_domain: self.sub_domain.clone(),
            console_url: self.console_url.clone(),
            ports: self.ports.clone(),
            probed_port: self.probed_port,
            state: self.state,
            last_seen_s: self.last_seen_s,
        }
    }

    /// Its main process vanished.
    pub fn vanished(&mut self) {
        self.main = None;
        self.members.clear();
        self.measured_ns = None;
        self.connections = None;
        self.open_files = None;
        self.state = State::Gone;
        self.is_unit_open = self.unit.is_some();
    }

    /// Should its service manager be asked?
    pub fn wants_unit_state(&self) -> bool {
        self.unit.is_some() && self.is_unit_open
    }

    /// What the service manager says; `None` when it knows no such service.
    pub fn note_unit(&mut self, unit: Option<&Unit>) {
        let Some(unit) = unit else {
            self.is_unit_open = false;
            return;
        };
        self.restarts = unit.restarts;
        if self.main.is_some() {
            self.is_unit_open = false;
            return;
        }
        (self.state, self.is_unit_open) = match unit.active.as_str() {
            "failed" => (State::Failed, false),
            "inactive" => (State::Stopped, false),
            // It stops, or waits to be started again.
            _ => (State::Gone, true),
        };
    }

    /// Not seen for a week?
    pub fn is_too_old(&self, now_s: i64) -> bool {
        now_s.saturating_sub(self.last_seen_s) > FORGET_S
    }

    /// Does this server run where the other one was, from another folder?
    pub fn takes_place_of(&self, gone: &Known) -> bool {
        let is_other = self.main.is_some()
            && gone.main.is_none()
            && self.pack == gone.pack
            && self.key != gone.key
            && self.last_seen_s >= gone.last_seen_s;
        let shares_unit = self.unit.is_some() && self.unit == gone.unit;
        let shares_port = gone.ports.iter().any(|port| self.ports.contains(port));
        is_other && (shares_unit || shares_port)
    }

    /// As it is told.
    pub fn server(&self, probe: Option<Probe>) -> Server {
        let is_running = self.main.is_some();
        Server {
            key: self.key.to_string(),
            pack: self.pack.clone(),
            name: self.name.clone(),
            product: self.product.clone(),
            version: self.version.clone(),
            home: self.home.clone(),
            unit: self.unit.clone(),
            port_offset: self.port_offset,
            pid: self.main.as_ref().map(|main| main.pid),
            started_at_s: self.main.as_ref().map(|main| main.started_at_s),
            ports: if is_running {
                self.ports.clone()
            } else {
                Vec::new()
            },
            cluster: self.cluster.clone(),
            role: self.role.clone(),
            sub_domain: self.sub_domain.clone(),
            console_url: self.console_url.clone(),
            state: match self.state {
                State::Running => 1,
                State::Stopped => 2,
                State::Failed => 3,
                State::Gone => 4,
            },
            probe,
            restarts: self.restarts,
        }
    }
}

/// A text for the wire, cut where it is too long.
pub fn short(text: &str) -> String {
    instance(text.as_bytes())
}

/// Makes the list fit into a section: ports beyond the first go first, then the last servers.
pub fn fit(told: &mut Servers) {
    const PORTS: [usize; 3] = [128, 16, 4];
    const REFUSED: usize = 64;
    told.refused_packs.truncate(REFUSED);
    for ports in PORTS {
        for server in &mut told.servers {
            server.ports.truncate(ports);
        }
        if wire::encode(told).len() <= BYTES_MAX {
            return;
        }
    }
    while wire::encode(told).len() > BYTES_MAX && told.servers.pop().is_some() {
        told.left_out = told.left_out.saturating_add(1);
    }
}
