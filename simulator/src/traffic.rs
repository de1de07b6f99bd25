//! TCP connections between the hosts of a scenario, as each end sees them.
//!
//! Pure. Every connection is a function of (dependency, both hosts' processes, how often it was renewed), and both ends
//! compute it alike: the flow that the client tells and the flow that the server tells name the same 4-tuples.

use std::collections::BTreeSet;

use protocol::v1::section::{BoundListener, Connections, FLOW_PORTS_MAX, Flow};

use crate::machine::address;
use crate::products::product;
use crate::random::{mix, unit};
use crate::scenario::{Clients, Cluster, Dependency};
use crate::world::{NodeState, Place, World};

/// The kernel's range of client ports.
const CLIENT_PORT_MIN: u64 = 32_768;
const CLIENT_PORTS: u64 = 28_000;
const SSH: u16 = 22;
/// Kinds of connections are numbered: dependencies first, then clients and services outside.
const CLIENT_KINDS: u64 = 1 << 16;
const SERVICE_KINDS: u64 = 1 << 17;

/// How every host is at one look.
#[derive(Debug)]
pub struct Snapshot {
    /// When.
    pub at_ms: i64,
    /// By index.
    pub nodes: Vec<NodeState>,
}

impl Snapshot {
    /// Everybody at `at_ms`.
    pub fn new(world: &World, at_ms: i64) -> Self {
        let hosts = u32::try_from(world.places().len()).unwrap_or(u32::MAX);
        Self {
            at_ms,
            nodes: (0..hosts).map(|index| world.state(index, at_ms)).collect(),
        }
    }

    fn node(&self, index: u32) -> Option<&NodeState> {
        self.nodes.get(index as usize)
    }
}

/// All connections of one dependency between two hosts: their number, and what their client ports are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bundle {
    count: u32,
    draw: u64,
    /// What one of them usually carries.
    each_bytes_per_s: u64,
}

/// What a connection of one kind usually carries, 2 to 200 kB/s: kinds differ by powers of ten, as in life.
fn usual_bytes_per_s(seed: u64, kind: u64) -> u64 {
    (2_000.0 * 100_f64.powf(unit(mix(seed ^ 0x4A7E, kind)))) as u64
}

/// What so many carry: a fifth more or less with each renewal, in two digits as agents tell it.
fn bytes_per_s(count: u32, draw: u64, each: u64) -> u64 {
    let percent = 80 + mix(draw, 0x4A7E) % 41;
    let rate = u64::from(count) * each * percent / 100;
    let step = 10_u64.pow(rate.checked_ilog10().unwrap_or(0).saturating_sub(1));
    rate / step * step
}

impl Bundle {
    fn ports(self) -> Vec<u16> {
        let room = CLIENT_PORTS.saturating_sub(u64::from(self.count)).max(1);
        let first = CLIENT_PORT_MIN + self.draw % room;
        (first..)
            .take((self.count as usize).min(FLOW_PORTS_MAX))
            .filter_map(|port| u16::try_from(port).ok())
            .collect()
    }
}

/// One host's look.
struct Look<'a> {
    world: &'a World,
    snapshot: &'a Snapshot,
}

fn epoch(draw: u64, at_ms: i64, renew_ms: i64) -> u64 {
    let renew_ms = renew_ms.max(1);
    let phase = (draw % renew_ms.unsigned_abs()) as i64;
    (at_ms + phase).div_euclid(renew_ms) as u64
}

impl Look<'_> {
    /// What connects `client` to `target` under a dependency while both run; `None` when nothing does.
    fn bundle(
        &self,
        number: u64,
        dependency: &Dependency,
        client: u32,
        target: u32,
    ) -> Option<Bundle> {
        let (from, to) = (
            self.world.hosts(&dependency.from),
            self.world.hosts(&dependency.to),
        );
        if client == target || !from.contains(&client) || !to.contains(&target) {
            return None;
        }
        // Connection n of client i goes to target (i + n) modulo all targets.
        let targets = to.end - to.start;
        let skip = (target - to.start + targets - (client - from.start) % targets) % targets;
        let count = dependency.connections.checked_sub(skip + 1)? / targets + 1;
        let (client_state, target_state) =
            (self.snapshot.node(client)?, self.snapshot.node(target)?);
        let place = mix(
            self.world.seed() ^ number << 48,
            u64::from(client) << 32 | u64::from(target),
        );
        let renewed = epoch(
            mix(self.world.seed(), u64::from(client) << 16 | number),
            self.snapshot.at_ms,
            dependency.renew_ms,
        );
        let processes = client_state.generation << 32 | target_state.generation;
        Some(Bundle {
            count,
            draw: mix(mix(place, renewed), processes),
            each_bytes_per_s: usual_bytes_per_s(self.world.seed(), number),
        })
    }

    fn is_running(&self, index: u32) -> bool {
        self.snapshot.node(index).is_some_and(NodeState::is_running)
    }

    fn dependencies(&self) -> impl Iterator<Item = (u64, &Dependency)> {
        (1u64..).zip(&self.world.scenario().dependencies)
    }

    /// Each bundle that this host opens, and whether the other end answers.
    fn outgoing(&self, index: u32, mut each: impl FnMut(&Dependency, u32, Bundle, bool)) {
        for (number, dependency) in self.dependencies() {
            if !self.world.hosts(&dependency.from).contains(&index) {
                continue;
            }
            for target in self.world.hosts(&dependency.to) {
                if let Some(bundle) = self.bundle(number, dependency, index, target) {
                    each(dependency, target, bundle, self.is_running(target));
                }
            }
        }
    }

    /// Each bundle that others open to this host.
    fn incoming(&self, index: u32, mut each: impl FnMut(&Dependency, u32, Bundle)) {
        for (number, dependency) in self.dependencies() {
            if !self.world.hosts(&dependency.to).contains(&index) {
                continue;
            }
            for client in self.world.hosts(&dependency.from) {
                if self.is_running(client)
                    && let Some(bundle) = self.bundle(number, dependency, client, index)
                {
                    each(dependency, client, bundle);
                }
            }
        }
    }

    fn renewals(&self, index: u32, place: Place, mut each: impl FnMut(u64)) {
        let scenario = self.world.scenario();
        let clients = scenario.clients.iter().filter(|c| c.to == place.cluster);
        let services = scenario.services.iter().filter(|s| s.from == place.cluster);
        let spans = clients
            .map(|c| c.renew_ms)
            .chain(services.map(|s| s.renew_ms));
        for (number, renew_ms) in (0u64..).zip(spans) {
            let draw = mix(self.world.seed() ^ 0x0E7, u64::from(index) << 16 | number);
            each(epoch(draw, self.snapshot.at_ms, renew_ms));
        }
    }
}

/// Another number whenever the host's connections are others.
pub fn key(world: &World, snapshot: &Snapshot, index: u32) -> u64 {
    let look = Look { world, snapshot };
    let (Some(place), Some(state)) = (world.place(index), snapshot.node(index)) else {
        return 0;
    };
    let mut key = mix(state.generation, u64::from(state.is_running()));
    if state.is_running() {
        look.outgoing(index, |_, target, bundle, answers| {
            key = mix(
                key ^ bundle.draw,
                u64::from(target) << 1 | u64::from(answers),
            );
        });
        look.incoming(index, |_, client, bundle| {
            key = mix(key ^ bundle.draw, u64::from(client));
        });
        look.renewals(index, place, |epoch| key = mix(key, epoch));
    }
    key
}

/// What a host tells about its connections at one look.
pub fn connections(world: &World, snapshot: &Snapshot, index: u32) -> Connections {
    let look = Look { world, snapshot };
    let (Some(place), Some(state)) = (world.place(index), snapshot.node(index)) else {
        return Connections::default();
    };
    let Some(cluster) = world.cluster(place) else {
        return Connections::default();
    };
    let owner = Owner::new(cluster, index);
    let mut told = Connections {
        listeners: listeners(cluster, &owner, state.is_running()),
        flows: Vec::new(),
        left_out: 0,
    };
    if !state.is_running() {
        return told;
    }
    look.outgoing(index, |dependency, target, bundle, answers| {
        let flow = if answers {
            owner.flow(false, address(target, 0), dependency.port, bundle)
        } else {
            // Nobody listens there: it keeps trying, one at a time.
            let attempt = Bundle { count: 1, ..bundle };
            Flow {
                failing: 1,
                bytes_per_s: Some(0),
                ..owner.flow(false, address(target, 0), dependency.port, attempt)
            }
        };
        told.flows.push(flow);
    });
    look.incoming(index, |dependency, client, bundle| {
        let flow = owner.flow(true, address(client, 0), dependency.port, bundle);
        told.flows.push(flow);
    });
    let scenario = world.scenario();
    let mut epochs = Vec::new();
    look.renewals(index, place, |epoch| epochs.push(epoch));
    let mut epochs = epochs.into_iter();
    for (number, clients) in (0u64..).zip(&scenario.clients) {
        if clients.to == place.cluster {
            let draw = mix(world.seed() ^ 0xC11E, u64::from(index) << 16 | number);
            let draw = mix(mix(draw, epochs.next().unwrap_or(0)), state.generation);
            let each = usual_bytes_per_s(world.seed(), CLIENT_KINDS + number);
            told.flows
                .extend(outside(&owner, clients, number, draw, each));
        }
    }
    for (number, service) in (0u64..).zip(&scenario.services) {
        if service.from == place.cluster {
            let draw = mix(world.seed() ^ 0x5E2F, u64::from(index) << 16 | number);
            let bundle = Bundle {
                count: service.connections,
                draw: mix(mix(draw, epochs.next().unwrap_or(0)), state.generation),
                each_bytes_per_s: usual_bytes_per_s(world.seed(), SERVICE_KINDS + number),
            };
            told.flows
                .push(owner.flow(false, service.address, service.port, bundle));
        }
    }
    told.flows
        .sort_by(|a, b| (a.is_incoming, a.port, &a.peer).cmp(&(b.is_incoming, b.port, &b.peer)));
    told
}

/// Whose sockets they are.
struct Owner {
    key: String,
    process: String,
    local: [u8; 4],
}

impl Owner {
    fn new(cluster: &Cluster, index: u32) -> Self {
        let product = product(cluster);
        Self {
            key: product.key(cluster.pack),
            process: product.process.to_owned(),
            local: address(index, 0),
        }
    }

    fn flow(&self, is_incoming: bool, peer: [u8; 4], port: u16, bundle: Bundle) -> Flow {
        let flow = self.flow_of(is_incoming, peer, port, bundle.ports(), bundle.count);
        Flow {
            bytes_per_s: Some(bytes_per_s(
                bundle.count,
                bundle.draw,
                bundle.each_bytes_per_s,
            )),
            ..flow
        }
    }

    fn flow_of(
        &self,
        is_incoming: bool,
        peer: [u8; 4],
        port: u16,
        client_ports: Vec<u16>,
        connections: u32,
    ) -> Flow {
        Flow {
            is_incoming,
            server: Some(self.key.clone()),
            process: Some(self.process.clone()),
            local: self.local.to_vec(),
            peer: peer.to_vec(),
            port,
            client_ports,
            connections,
            failing: 0,
            bytes_per_s: None,
        }
    }
}

/// Peers outside: each of the connections comes from one of them.
fn outside(
    owner: &Owner,
    clients: &Clients,
    number: u64,
    draw: u64,
    each_bytes_per_s: u64,
) -> Vec<Flow> {
    let mut by_peer = std::collections::BTreeMap::<u64, BTreeSet<u16>>::new();
    for connection in 0..u64::from(clients.connections) {
        let one = mix(draw, connection);
        let port = CLIENT_PORT_MIN + (one >> 32) % CLIENT_PORTS;
        if let Ok(port) = u16::try_from(port) {
            let peer = one % u64::from(clients.peers.max(1));
            by_peer.entry(peer).or_default().insert(port);
        }
    }
    by_peer
        .into_iter()
        .map(|(peer, ports)| {
            let connections = u32::try_from(ports.len()).unwrap_or(u32::MAX);
            let ports = ports.into_iter().take(FLOW_PORTS_MAX).collect();
            let address = outside_address(number, peer);
            let rate = bytes_per_s(connections, mix(draw, peer), each_bytes_per_s);
            Flow {
                bytes_per_s: Some(rate),
                ..owner.flow_of(true, address, clients.port, ports, connections)
            }
        })
        .collect()
}

/// In 198.18.0.0/15, which no network may use (RFC 2544).
fn outside_address(number: u64, peer: u64) -> [u8; 4] {
    let byte = |value: u64| (value & 0xFF) as u8;
    let net = number * 2 + peer / 250;
    [
        198,
        18 + byte(net >> 8 & 1),
        byte(net),
        byte(peer % 250 + 1),
    ]
}

/// Where a host of this cluster listens.
fn listeners(cluster: &Cluster, owner: &Owner, is_running: bool) -> Vec<BoundListener> {
    let mut told = vec![BoundListener {
        address: vec![0; 4],
        port: SSH,
        server: None,
        process: Some("sshd".to_owned()),
    }];
    if is_running {
        told.extend(cluster.ports.iter().map(|port| BoundListener {
            address: vec![0; 4],
            port: *port,
            server: Some(owner.key.clone()),
            process: Some(owner.process.clone()),
        }));
    }
    told.sort_by_key(|listener| listener.port);
    told
}

#[cfg(test)]
#[path = "traffic_tests.rs"]
mod tests;
