//! The lists that a simulated host tells: its server, services, sockets and processes.
//!
//! Pure: from how the host is to the message. When each is told is [`crate::lists`]'s, connections are
//! [`crate::traffic`]'s.

use protocol::v1::hello::Suggested;
use protocol::v1::section::{
    Connections, Listener, Probe, Process as ProcessRow, Processes, Server, Servers, Sockets, Unit,
    Units,
};

use crate::machine::{Machine, address};
use crate::products::{Product, product};
use crate::random::{mix, unit};
use crate::scenario::Cluster;
use crate::world::{NodeState, Place, Process, World};

const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;

/// One host among its cluster.
pub(crate) struct Subject<'a> {
    pub(crate) world: &'a World,
    pub(crate) machine: &'a Machine,
    pub(crate) index: u32,
    pub(crate) place: Place,
    pub(crate) cluster: &'a Cluster,
    /// Wall clock when the run began.
    pub(crate) began_at_ms: i64,
}

/// Main process of one generation.
fn pid(machine: &Machine, generation: u64) -> u32 {
    1_000 + (mix(machine.seed ^ 0x91D, generation) % 60_000) as u32
}

impl<'a> Subject<'a> {
    pub(crate) fn new(
        world: &'a World,
        index: u32,
        machine: &'a Machine,
        began_at_ms: i64,
    ) -> Option<Self> {
        let place = world.place(index)?;
        Some(Self {
            world,
            machine,
            index,
            place,
            cluster: world.cluster(place)?,
            began_at_ms,
        })
    }
}

impl Subject<'_> {
    fn product(&self) -> Product<'_> {
        product(self.cluster)
    }

    /// The instance of its samples.
    pub(crate) fn server_key(&self) -> String {
        self.product().key(self.cluster.pack)
    }

    pub(crate) fn servers(&self, state: &NodeState) -> Servers {
        let product = self.product();
        let role = self.world.role(self.place);
        let [a, b, c, d] = address(self.index, 0);
        let first_port = self.cluster.ports.last().copied().unwrap_or(0);
        let url = |path: &str| {
            let scheme = if matches!(first_port, 443 | 8243 | 9443) {
                "https"
            } else {
                "http"
            };
            format!("{scheme}://{a}.{b}.{c}.{d}:{first_port}{path}")
        };
        let running = state.is_running();
        let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let server = Server {
            key: product.key(self.cluster.pack),
            pack: self.cluster.pack.as_str().to_owned(),
            name: product.unit.trim_end_matches(".service").to_owned(),
            product: named(product.label),
            version: self.cluster.versions.get(state.version).cloned(),
            home: product.home.map(str::to_owned),
            unit: named(product.unit),
            port_offset: None,
            pid: running.then(|| pid(self.machine, state.generation)),
            started_at_s: running.then(|| (self.began_at_ms + state.started_ms) / 1_000),
            ports: if running {
                self.cluster.ports.clone()
            } else {
                Vec::new()
            },
            cluster: Some(self.cluster.slug.clone()),
            role: role.and_then(|role| named(&role.name)),
            sub_domain: role.and_then(|role| role.sub_domain.clone()),
            console_url: product.console.map(url),
            state: match state.process {
                Process::Running => 1,
                Process::Failed => 3,
                Process::Restarting => 4,
            },
            probe: product.probe.map(|path| probe(url(path), state)),
            restarts: Some(state.restarts),
        };
        Servers {
            servers: vec![server],
            left_out: 0,
            refused_packs: Vec::new(),
        }
    }

    pub(crate) fn units(&self, state: &NodeState) -> Units {
        let product = self.product();
        let (active, sub) = match state.process {
            Process::Running => ("active", "running"),
            Process::Failed => ("failed", "failed"),
            Process::Restarting => ("activating", "auto-restart"),
        };
        let mut units: Vec<Unit> = [
            ("chrony.service", "chrony, an NTP client/server"),
            (
                "cron.service",
                "Regular background program processing daemon",
            ),
            ("oc-agent.service", "Operations Center agent"),
            ("ssh.service", "OpenBSD Secure Shell server"),
            ("systemd-journald.service", "Journal Service"),
        ]
        .into_iter()
        .map(|(name, description)| row(name, "active", "running", 0, description))
        .collect();
        if !product.unit.is_empty() {
            units.push(row(
                product.unit,
                active,
                sub,
                state.restarts,
                product.label,
            ));
        }
        units.sort_by(|a, b| a.name.cmp(&b.name));
        Units { units, left_out: 0 }
    }

    /// The ten busiest; `slot` numbers the readings.
    pub(crate) fn processes(&self, state: &NodeState, slot: u64, busy: f64) -> Processes {
        let product = self.product();
        let draw = |what: u64| unit(mix(self.machine.seed ^ slot << 8, what));
        let mut processes = Vec::new();
        let all_milli = busy * 1_000.0 * f64::from(self.machine.cpu_count);
        if state.is_running() {
            processes.push(ProcessRow {
                pid: pid(self.machine, state.generation),
                name: product.process.chars().take(15).collect(),
                cpu_milli: (all_milli * 0.85) as u32,
                rss_bytes: (self.machine.memory_bytes as f64 * 0.4 * product.memory_share) as u64,
            });
        }
        let others = [
            ("systemd-journal", 311, 60u64 << 20),
            ("oc-agent", 702, 9 << 20),
            ("chronyd", 655, 4 << 20),
            ("sshd", 690, 9 << 20),
            ("systemd", 1, 14 << 20),
        ];
        processes.extend(
            others
                .iter()
                .zip(1u64..)
                .map(|((name, pid, rss), number)| ProcessRow {
                    pid: *pid,
                    name: (*name).to_owned(),
                    cpu_milli: (draw(number) * 12.0) as u32,
                    rss_bytes: *rss,
                }),
        );
        processes.sort_by_key(|process| std::cmp::Reverse(process.cpu_milli));
        Processes {
            over_ms: 5_000,
            processes,
        }
    }

    /// What its `agent.toml` says.
    pub(crate) fn suggested(&self) -> Suggested {
        let role = self.world.role(self.place).map(|role| role.name.clone());
        let mut tags = self.cluster.tags.clone();
        tags.insert("az".to_owned(), self.world.zone(self.place).to_owned());
        Suggested {
            name: None,
            system: Some(self.world.scenario().system.clone()),
            cluster: Some(self.cluster.slug.clone()),
            role: role.filter(|role| !role.is_empty()),
            tags: tags.into_iter().collect(),
        }
    }
}

fn row(name: &str, active: &str, sub: &str, restarts: u32, description: &str) -> Unit {
    Unit {
        name: name.to_owned(),
        active: active.to_owned(),
        sub: sub.to_owned(),
        restarts: Some(restarts),
        description: Some(description.to_owned()).filter(|text| !text.is_empty()),
    }
}

fn probe(url: String, state: &NodeState) -> Probe {
    let (is_up, code, reason) = match (state.is_running(), state.is_healthy) {
        (true, true) => (true, Some(200), None),
        (true, false) => (false, Some(503), Some("status")),
        (false, _) => (false, None, Some("refused")),
    };
    Probe {
        url,
        is_up,
        code,
        reason: reason.map(str::to_owned),
    }
}

/// The same connections as the kernel's table of sockets shows them.
pub(crate) fn sockets(connections: &Connections) -> Sockets {
    let text = |address: &[u8]| {
        let bytes: Vec<String> = address.iter().map(u8::to_string).collect();
        bytes.join(".")
    };
    let failing: u32 = connections.flows.iter().map(|flow| flow.failing).sum();
    let states = [
        (ESTABLISHED, count(connections).saturating_sub(failing)),
        (SYN_SENT, failing),
    ];
    Sockets {
        listeners: connections
            .listeners
            .iter()
            .map(|listener| Listener {
                address: text(&listener.address),
                port: listener.port,
            })
            .collect(),
        left_out: 0,
        states: states.into_iter().filter(|(_, count)| *count > 0).collect(),
    }
}

/// All connections.
pub(crate) fn count(connections: &Connections) -> u32 {
    connections.flows.iter().map(|flow| flow.connections).sum()
}

#[cfg(test)]
#[path = "sections_tests.rs"]
mod tests;
