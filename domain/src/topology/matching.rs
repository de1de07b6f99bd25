//! Both halves of a connection, told by two hosts, become one link.
//!
//! In this order: the same four numbers (client address and port, server address and port) on one host; the same four
//! numbers on two hosts; the same client address and port alone, where address translation changed the other end; a
//! listener of exactly one host at the address and port that was called; calls that fail, the listener that was known
//! there. What then is left is a peer outside of the fleet, named by its address, unless that was a silent host's,
//! or all calls to it fail and it is one of ours: of those nothing is said. An address alone never makes a link: addresses are reused, and every host has the same ones inside.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::connection::{Flow, HostConnections, Listener, sum_of_rates};
use super::gone::KnownListeners;

/// What is known of a host for longer than this says nothing about now.
const FRESH_MS: i64 = 5 * 60_000;
/// More peers outside than this, of one end and port, are told as networks.
const PEERS_MAX: usize = 5;

/// A host and what it told.
#[derive(Debug, Clone, Copy)]
pub struct HostView<'a> {
    /// Its number.
    pub host_no: i64,
    /// Does it report? A silent host proves no link: its address may be another's by now.
    pub is_seen: bool,
    /// When its connections last were known to be these: when the list was taken or, for a list that has not changed
    /// since, the last report.
    pub known_at_ms: i64,
    /// Its own addresses.
    pub addresses: &'a [IpAddr],
    /// Its connections.
    pub connections: &'a HostConnections,
}

/// An end of a link that is in the fleet: a server, else a process, else just the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct End {
    /// Number of the host.
    pub host_no: i64,
    /// Key of the server.
    pub server: Option<String>,
    /// Name of the process; `None` when it is a server's.
    pub process: Option<String>,
}

impl End {
    fn new(host_no: i64, server: Option<&str>, process: Option<&str>) -> Self {
        Self {
            host_no,
            server: server.map(str::to_owned),
            process: process.filter(|_| server.is_none()).map(str::to_owned),
        }
    }

    fn is_named(&self) -> bool {
        self.server.is_some() || self.process.is_some()
    }
}

/// Addresses outside of the fleet: one, or a network of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer {
    /// The address, or the first of the network.
    pub address: IpAddr,
    /// Bits that are the network's: 32 or 128 for one address.
    pub prefix: u8,
}

impl Peer {
    fn one(address: IpAddr) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self { address, prefix }
    }

    fn network(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self {
                address: Ipv4Addr::from(u32::from(v4) & 0xffff_ff00).into(),
                prefix: 24,
            },
            IpAddr::V6(v6) => Self {
                address: Ipv6Addr::from(u128::from(v6) & !u128::from(u64::MAX)).into(),
                prefix: 64,
            },
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = if self.address.is_ipv4() { 32 } else { 128 };
        if self.prefix == whole {
            self.address.fmt(f)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// In the fleet.
    Fleet(End),
    /// Outside.
    Peer(Peer),
}

impl Side {
    /// The end in the fleet.
    pub fn end(&self) -> Option<&End> {
        match self {
            Side::Fleet(end) => Some(end),
            Side::Peer(_) => None,
        }
    }
}

/// What makes a link this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkKey {
    /// Who opens the connections.
    pub from: Side,
    /// Who accepts them.
    pub to: Side,
    /// Where they are accepted.
    pub port: u16,
}

/// Why we believe in a link, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Both ends tell the same four numbers.
    Tuple,
    /// Both ends tell the same client address and port.
    Client,
    /// One end tells it, and one host listens at what it calls.
    Listener,
    /// One end tells it; the other listened there, is gone or silent, and the link is known.
    Gone,
    /// One end tells it; the other is outside.
    OneEnd,
}

/// Connections from one end to another, as of now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// From, to and port.
    pub key: LinkKey,
    /// Best reason to believe in it.
    pub evidence: Evidence,
    /// Connections.
    pub connections: u32,
    /// Of them without an answer or with retransmissions.
    pub failing: u32,
    /// Bytes a second, both ways together, as those tell who open them; as those tell who accept them where the others tell
    /// none. Both see the same bytes, so the two are never added. `None` where nobody tells it.
    pub bytes_per_s: Option<u64>,
    /// Newest report that shows it.
    pub known_at_ms: i64,
}

/// All links of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matches {
    /// By key, each once.
    pub links: Vec<Link>,
    /// Connections that a host tells and that are in no link: their other end is in the fleet but does not show them
    /// (they have just ended, or it is silent), or it cannot be told which of several hosts it is.
    pub unmatched: u64,
}

/// Client address and port, server address and port.
type Tuple = (IpAddr, u16, IpAddr, u16);
/// A flow by the position of its host and its own.
type FlowAt = (usize, usize);

/// Matches what hosts tell; calls that fail count for the links that are `known`, and make none. The order of `hosts` does
/// not matter; two views of one host are one too many.
pub fn match_flows(hosts: &[HostView<'_>], known: &KnownListeners, now_ms: i64) -> Matches {
    let is_seen =
        |host: &HostView<'_>| host.is_seen && now_ms.saturating_sub(host.known_at_ms) <= FRESH_MS;
    let mut seen: Vec<HostView<'_>> = hosts.iter().filter(|host| is_seen(host)).copied().collect();
    seen.sort_by_key(|host| host.host_no);
    let mut matching = Matching::new(seen, known);
    for host in hosts.iter().filter(|host| !is_seen(host)) {
        for address in host.addresses {
            let silent = matching.silent_holders.entry(*address).or_default();
            silent.insert(host.host_no);
        }
    }
    matching.match_outgoing();
    matching.ask_acceptors();
    matching.match_incoming();
    matching.finish()
}

struct Matching<'a> {
    hosts: Vec<HostView<'a>>,
    known: &'a KnownListeners,
    /// Hosts that have an address.
    holders: BTreeMap<IpAddr, BTreeSet<usize>>,
    /// Numbers of hosts that had it when they were last heard.
    silent_holders: BTreeMap<IpAddr, BTreeSet<i64>>,
    incoming_by_tuple: BTreeMap<Tuple, Vec<FlowAt>>,
    incoming_by_client: BTreeMap<(IpAddr, u16), BTreeSet<FlowAt>>,
    outgoing_by_client: BTreeMap<(IpAddr, u16), BTreeSet<FlowAt>>,
    /// Incoming flows whose other half was found, and the only link that they are in; `None` where that cannot be told.
    taken: BTreeMap<FlowAt, Option<LinkKey>>,
    links: BTreeMap<LinkKey, Link>,
    unmatched: u64,
}

impl<'a> Matching<'a> {
    fn new(hosts: Vec<HostView<'a>>, known: &'a KnownListeners) -> Self {
        let mut new = Self {
            hosts,
            known,
            silent_holders: BTreeMap::new(),
            holders: BTreeMap::new(),
            incoming_by_tuple: BTreeMap::new(),
            incoming_by_client: BTreeMap::new(),
            outgoing_by_client: BTreeMap::new(),
            taken: BTreeMap::new(),
            links: BTreeMap::new(),
            unmatched: 0,
        };
        for (h, host) in new.hosts.iter().enumerate() {
            for address in host.addresses {
                new.holders.entry(*address).or_default().insert(h);
            }
            for (f, flow) in host.connections.flows.iter().enumerate() {
                for client_port in &flow.client_ports {
                    let client = client_address(flow);
                    let by_client = if flow.is_incoming {
                        let tuple = (client, *client_port, flow.local, flow.port);
                        new.incoming_by_tuple.entry(tuple).or_default().push((h, f));
                        &mut new.incoming_by_client
                    } else {
                        &mut new.outgoing_by_client
                    };
                    by_client
                        .entry((client, *client_port))
                        .or_default()
                        .insert((h, f));
                }
            }
        }
        new
    }

    fn match_outgoing(&mut self) {
        for h in 0..self.hosts.len() {
            let Some(host) = self.hosts.get(h).copied() else {
                continue;
            };
            for flow in host
                .connections
                .flows
                .iter()
                .filter(|flow| !flow.is_incoming)
            {
                self.match_flow(h, &host, flow);
            }
        }
    }

    /// One outgoing flow: each of its sockets by both halves, the rest of it as a whole.
    fn match_flow(&mut self, h: usize, host: &HostView<'_>, flow: &Flow) {
        let from = Side::Fleet(end_of_flow(host, flow));
        // What its sockets reached, and their other halves.
        let mut reached: BTreeMap<LinkKey, (Evidence, u32, i64)> = BTreeMap::new();
        let mut halves: BTreeSet<FlowAt> = BTreeSet::new();
        for client_port in &flow.client_ports {
            let Some((other, evidence)) = self.other_half(h, flow, *client_port) else {
                continue;
            };
            let Some((end, port, known_at_ms)) = self.accepting_end(other) else {
                continue;
            };
            halves.insert(other);
            let key = LinkKey {
                from: from.clone(),
                to: Side::Fleet(end),
                port,
            };
            let known_at_ms = known_at_ms.max(host.known_at_ms);
            let entry = reached.entry(key).or_insert((evidence, 0, known_at_ms));
            *entry = (entry.0.min(evidence), entry.1 + 1, entry.2.max(known_at_ms));
        }
        let found: u32 = reached.values().map(|(_, count, _)| count).sum();
        let rest = flow.connections.saturating_sub(found);
        let only_link = only(&reached.keys().collect::<BTreeSet<_>>()).cloned();
        for half in halves {
            let of_this = only_link.clone();
            self.taken
                .entry(half)
                .and_modify(|known| {
                    *known = known.take().filter(|link| Some(link) == of_this.as_ref())
                })
                .or_insert(of_this);
        }
        match reached.len() {
            0 => self.match_whole(h, host, flow, from),
            // What the others of the same process at the same address and port reached, they reach too.
            1 => {
                for (key, (evidence, count, known_at_ms)) in reached {
                    self.add(Link {
                        key,
                        evidence,
                        connections: count + rest,
                        failing: flow.failing,
                        bytes_per_s: flow.bytes_per_s,
                        known_at_ms,
                    });
                }
            }
            // It cannot be told which of them has the rest, nor the failing ones, nor the bytes: the first is as good as any
            // for a sum.
            _ => {
                self.unmatched += u64::from(rest);
                let mut failing = flow.failing;
                let mut bytes_per_s = flow.bytes_per_s;
                for (key, (evidence, connections, known_at_ms)) in reached {
                    let of_this = failing.min(connections);
                    failing -= of_this;
                    self.add(Link {
                        key,
                        evidence,
                        connections,
                        failing: of_this,
                        bytes_per_s: bytes_per_s.take(),
                        known_at_ms,
                    });
                }
            }
        }
    }

    /// The incoming flow that is the other half of a socket.
    fn other_half(&self, h: usize, flow: &Flow, client_port: u16) -> Option<(FlowAt, Evidence)> {
        let tuple = (flow.local, client_port, flow.peer, flow.port);
        let exact = self
            .incoming_by_tuple
            .get(&tuple)
            .map_or(&[] as &[FlowAt], Vec::as_slice);
        if let [here] = of_host(exact, h)[..] {
            return Some((here, Evidence::Tuple));
        }
        if flow.peer.is_loopback() || !self.is_alone_at(h, flow.local) {
            return None;
        }
        // Who else claims to be the client end of these very numbers?
        let clients = self.outgoing_by_client.get(&(flow.local, client_port))?;
        let same_call = |at: &&FlowAt| {
            self.flow(**at)
                .is_some_and(|(_, other)| other.peer == flow.peer && other.port == flow.port)
        };
        if clients.iter().filter(same_call).count() != 1 {
            return None;
        }
        match exact {
            [only] => return Some((*only, Evidence::Tuple)),
            [] => {}
            _ => return None,
        }
        // The port must lead to one place only, and be known at one place only.
        let servers = self.incoming_by_client.get(&(flow.local, client_port))?;
        let _only_this = only(clients)?;
        Some((only(servers)?, Evidence::Client))
    }

    /// A flow of which no socket was found at another host.
    fn match_whole(&mut self, h: usize, host: &HostView<'_>, flow: &Flow, from: Side) {
        let is_own = flow.peer.is_loopback() || host.addresses.contains(&flow.peer);
        let target = if is_own {
            Some(h)
        } else if is_of_one_host_only(flow.peer) {
            None
        } else {
            self.holders
                .get(&flow.peer)
                .and_then(only)
                .filter(|holder| *holder != h)
        };
        let listening = target
            .and_then(|t| self.hosts.get(t).copied())
            .and_then(|there| {
                listening_end(&there, flow.peer, flow.port).map(|end| (end, there.known_at_ms))
            });
        let (to, evidence, known_at_ms) = if let Some((end, known_at_ms)) = listening {
            let known_at_ms = known_at_ms.max(host.known_at_ms);
            (Side::Fleet(end), Evidence::Listener, known_at_ms)
        } else if let Some(end) = self.gone_end(h, target, flow, &from) {
            (Side::Fleet(end), Evidence::Gone, host.known_at_ms)
        } else if is_own || self.is_of_silent(flow.peer) || self.is_refused_by_ours(flow) {
            self.unmatched += u64::from(flow.connections);
            return;
        } else {
            let peer = Side::Peer(Peer::one(flow.peer));
            (peer, Evidence::OneEnd, host.known_at_ms)
        };
        let port = flow.port;
        self.add(whole(
            flow,
            LinkKey { from, to, port },
            evidence,
            known_at_ms,
        ));
    }

    /// Who listened where a flow fails, when that link is known. Calls to the last address of a
    /// silent host go where they were known to go, too: it says nothing itself.
    fn gone_end(&self, h: usize, target: Option<usize>, flow: &Flow, from: &Side) -> Option<End> {
        let host_no = match target {
            Some(there) if flow.failing > 0 => self.hosts.get(there)?.host_no,
            Some(_) => return None,
            None if self.holders.contains_key(&flow.peer) || is_of_one_host_only(flow.peer) => {
                return None;
            }
            None => only(self.silent_holders.get(&flow.peer)?)
                .filter(|silent| self.hosts.get(h).is_some_and(|own| own.host_no != *silent))?,
        };
        self.known.find(from, host_no, flow.port)
    }

    /// The rate of links whose openers tell none (an older agent, or its first look), from flows that are all theirs.
    fn ask_acceptors(&mut self) {
        let mut told: BTreeMap<LinkKey, Option<u64>> = BTreeMap::new();
        for (at, link) in &self.taken {
            if let (Some(key), Some((_, flow))) = (link, self.flow(*at)) {
                let so_far = told.get(key).copied().flatten();
                told.insert(key.clone(), sum_of_rates([so_far, flow.bytes_per_s]));
            }
        }
        for (key, bytes_per_s) in told {
            if let Some(link) = self.links.get_mut(&key) {
                link.bytes_per_s = link.bytes_per_s.or(bytes_per_s);
            }
        }
    }

    /// What was accepted and has no half elsewhere.
    fn match_incoming(&mut self) {
        for h in 0..self.hosts.len() {
            let Some(host) = self.hosts.get(h).copied() else {
                continue;
            };
            for (f, flow) in host.connections.flows.iter().enumerate() {
                if !flow.is_incoming {
                    continue;
                }
                if self.taken.contains_key(&(h, f)) {
                    continue;
                }
                // Our own hosts say themselves whom they call; what they do not say has just ended, or they are silent.
                let is_ours = self.holders.contains_key(&flow.peer);
                if flow.peer.is_loopback() || is_ours || self.is_of_silent(flow.peer) {
                    self.unmatched += u64::from(flow.connections);
                    continue;
                }
                let key = LinkKey {
                    from: Side::Peer(Peer::one(flow.peer)),
                    to: Side::Fleet(accepting_end_of(&host, flow)),
                    port: flow.port,
                };
                self.add(whole(flow, key, Evidence::OneEnd, host.known_at_ms));
            }
        }
    }

    fn finish(self) -> Matches {
        Matches {
            links: fold_peers(self.links),
            unmatched: self.unmatched,
        }
    }

    fn add(&mut self, link: Link) {
        merge(&mut self.links, link);
    }

    fn flow(&self, (h, f): FlowAt) -> Option<(&HostView<'a>, &Flow)> {
        let host = self.hosts.get(h)?;
        Some((host, host.connections.flows.get(f)?))
    }

    fn accepting_end(&self, at: FlowAt) -> Option<(End, u16, i64)> {
        let (host, flow) = self.flow(at)?;
        Some((accepting_end_of(host, flow), flow.port, host.known_at_ms))
    }

    /// Was this address a silent host's when it was last heard, and is it nobody's that we see? Then it is no peer outside,
    /// however long the host is silent; its edges that are known grow old on its cluster.
    fn is_of_silent(&self, address: IpAddr) -> bool {
        !is_of_one_host_only(address)
            && !self.holders.contains_key(&address)
            && self.silent_holders.contains_key(&address)
    }

    /// Do all these calls fail, to an address of a host of ours? Where some work, something that we do not see answers there.
    fn is_refused_by_ours(&self, flow: &Flow) -> bool {
        flow.failing > 0
            && flow.failing >= flow.connections
            && !is_of_one_host_only(flow.peer)
            && self.holders.contains_key(&flow.peer)
    }

    /// Is this address this host's, and no other's that we see?
    fn is_alone_at(&self, h: usize, address: IpAddr) -> bool {
        !address.is_loopback() && self.holders.get(&address).and_then(only) == Some(h)
    }
}

/// A flow that is in one link as a whole.
fn whole(flow: &Flow, key: LinkKey, evidence: Evidence, known_at_ms: i64) -> Link {
    Link {
        key,
        evidence,
        connections: flow.connections,
        failing: flow.failing,
        bytes_per_s: flow.bytes_per_s,
        known_at_ms,
    }
}

fn merge(links: &mut BTreeMap<LinkKey, Link>, new: Link) {
    let Some(link) = links.get_mut(&new.key) else {
        links.insert(new.key.clone(), new);
        return;
    };
    link.evidence = link.evidence.min(new.evidence);
    link.connections = link.connections.saturating_add(new.connections);
    link.failing = link.failing.saturating_add(new.failing);
    link.bytes_per_s = sum_of_rates([link.bytes_per_s, new.bytes_per_s]);
    link.known_at_ms = link.known_at_ms.max(new.known_at_ms);
}

/// Many addresses outside at one end and port become the networks they are in.
fn fold_peers(links: BTreeMap<LinkKey, Link>) -> Vec<Link> {
    let place = |key: &LinkKey| match (&key.from, &key.to) {
        (Side::Peer(_), Side::Fleet(end)) => Some((true, end.clone(), key.port)),
        (Side::Fleet(end), Side::Peer(_)) => Some((false, end.clone(), key.port)),
        _ => None,
    };
    let mut peers: BTreeMap<(bool, End, u16), usize> = BTreeMap::new();
    for place in links.keys().filter_map(place) {
        *peers.entry(place).or_default() += 1;
    }
    let mut folded = BTreeMap::new();
    for (key, link) in links {
        let is_crowded = place(&key)
            .and_then(|place| peers.get(&place))
            .is_some_and(|count| *count > PEERS_MAX);
        let fold = |side: Side| match side {
            Side::Peer(peer) if is_crowded => Side::Peer(Peer::network(peer.address)),
            other => other,
        };
        let key = LinkKey {
            from: fold(key.from),
            to: fold(key.to),
            port: key.port,
        };
        merge(&mut folded, Link { key, ..link });
    }
    folded.into_values().collect()
}

/// Addresses that many hosts have inside of them: nothing can be said of another host by them.
fn is_of_one_host_only(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                // The bridges that Docker, Podman and libvirt make unasked.
                || (a, b) == (172, 17)
                || (a, b) == (10, 88)
                || (a, b, c) == (192, 168, 122)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

fn client_address(flow: &Flow) -> IpAddr {
    if flow.is_incoming {
        flow.peer
    } else {
        flow.local
    }
}

fn of_host(candidates: &[FlowAt], h: usize) -> Vec<FlowAt> {
    candidates
        .iter()
        .filter(|(host, _)| *host == h)
        .copied()
        .collect()
}

fn only<T: Copy>(set: &BTreeSet<T>) -> Option<T> {
    let mut items = set.iter();
    match (items.next(), items.next()) {
        (Some(item), None) => Some(*item),
        _ => None,
    }
}

fn end_of_flow(host: &HostView<'_>, flow: &Flow) -> End {
    End::new(
        host.host_no,
        flow.server.as_deref(),
        flow.process.as_deref(),
    )
}

/// Who accepts a flow: as it says, else as the listener says.
fn accepting_end_of(host: &HostView<'_>, flow: &Flow) -> End {
    let end = end_of_flow(host, flow);
    if end.is_named() {
        return end;
    }
    listening_end(host, flow.local, flow.port).unwrap_or(end)
}

/// Who listens at an address and port of a host; a listener at that very address goes before one at any.
fn listening_end(host: &HostView<'_>, address: IpAddr, port: u16) -> Option<End> {
    let at = |wanted: &dyn Fn(IpAddr) -> bool| -> Vec<&Listener> {
        host.connections
            .listeners
            .iter()
            .filter(|listener| listener.port == port && wanted(listener.address))
            .collect()
    };
    let mut found = at(&|bound| bound == address);
    if found.is_empty() {
        found = at(&|bound| bound.is_unspecified() && (bound.is_ipv6() || address.is_ipv4()));
    }
    let ends: BTreeSet<End> = found
        .into_iter()
        .map(|listener| {
            End::new(
                host.host_no,
                listener.server.as_deref(),
                listener.process.as_deref(),
            )
        })
        .collect();
    match ends.len() {
        0 => None,
        1 => ends.into_iter().next(),
        // Several processes share the port: the host is sure, the process is not.
        _ => Some(End::new(host.host_no, None, None)),
    }
}
