//! TCP connections of this host, aggregated by who talks to whom, and who listens where.
//!
//! One dump of the kernel's socket diagnosis at most once a minute, every ten seconds while somebody looks. A connection
//! is incoming when its local port is one of this host's listeners, so a connection within the host is told from both
//! its ends. A flow's rate is what went over its sockets since the look before, both ways ([`super::traffic`]). What does
//! not fit into a section loses told ports first, then the smallest flows, which are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use domain::topology::sum_of_rates;
use protocol::v1::section::{BoundListener, Connections, FLOW_PORTS_MAX, Flow, SECTION_BYTES_MAX};
use protocol::wire;

use super::Outcome;
use super::servers::Inventory;
use super::sockets::{self, ALL_CONNECTED, LISTENING, SYN_SENT, Socket};
use super::traffic::Traffic;

/// Connections looked at; more are counted only.
const SOCKETS_MAX: usize = 131_072;
const LISTENERS_MAX: usize = 256;
/// Ports told of one flow, tried in this order.
const PORTS: &[usize] = &[FLOW_PORTS_MAX, 64, 16, 4, 1];
/// Some room for what is around a section.
const BYTES_MAX: usize = SECTION_BYTES_MAX - 1024;
/// Of a number up to 65535, or the head of a list of that length.
const NUMBER_BYTES: usize = 3;
/// How long a listener that is gone still tells the direction of what it accepted (TIME_WAIT lasts one minute).
const LISTENER_KEPT_NS: u64 = 180_000_000_000;
/// Ports from here on are handed out for connecting, so one that listened there tells nothing later.
const EPHEMERAL: u16 = 32_768;
const PARTNER_KEPT_NS: u64 = 300_000_000_000;
const PARTNERS_MAX: usize = 4096;

/// Whose a socket is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whose {
    /// Key of the server.
    pub server: Option<Rc<str>>,
    /// The kernel's name of the process.
    pub process: Option<Rc<str>>,
}

impl Whose {
    fn is_known(&self) -> bool {
        self.server.is_some() || self.process.is_some()
    }
}

/// Who connects to an address and port, from earlier looks.
#[derive(Debug)]
struct Partner {
    /// `None` when several do.
    whose: Option<Whose>,
    seen_ns: u64,
}

/// The source of the list.
#[derive(Debug, Default)]
pub struct ConnectionsReader {
    listened: BTreeMap<(IpAddr, u16), u64>,
    partners: BTreeMap<(IpAddr, u16), Partner>,
    traffic: Traffic,
}

impl ConnectionsReader {
    /// Asks the kernel; gives the connections of each server too.
    pub fn read(
        &mut self,
        inventory: &mut Inventory,
        now_ns: u64,
        wall_ms: i64,
    ) -> (Option<Connections>, Outcome) {
        if let Err(error) = inventory.refresh(now_ns, wall_ms) {
            return (None, Outcome::Failed(format!("/proc: {error}")));
        }
        let mut beyond = 0u32;
        let mut found = Vec::new();
        let mut listeners = Vec::new();
        let asked =
            sockets::all(LISTENING, |socket| listeners.push(canonical(socket))).and_then(|()| {
                sockets::all(ALL_CONNECTED, |socket| {
                    if found.len() < SOCKETS_MAX {
                        found.push(canonical(socket));
                    } else {
                        beyond = beyond.saturating_add(1);
                    }
                })
            });
        if let Err(error) = asked {
            return (None, sockets::no_answer(error));
        }
        // Whose an accepted connection is, its listener tells.
        let accepting: BTreeSet<(IpAddr, u16)> =
            listeners.iter().map(|l| (l.address, l.port)).collect();
        let is_accepted = |socket: &Socket| {
            accepting_addresses(socket.address)
                .iter()
                .any(|address| accepting.contains(&(*address, socket.port)))
        };
        let opened = found.iter().filter(|socket| !is_accepted(socket));
        let wanted = listeners.iter().chain(opened).map(|s| s.inode).collect();
        let denied = inventory.find_owners(&wanted);
        let mut told = self.sum_up(&found, &listeners, &|s| inventory.whose(s), now_ns);
        told.left_out = told.left_out.saturating_add(beyond);
        inventory.note_connections(&told.flows);
        let told = fit(told);
        let mut notes = Vec::new();
        if denied > 0 {
            notes.push(format!(
                "{denied} processes of others may not be looked into; whose connections those are is known only where their service tells it"
            ));
        }
        if told.left_out > 0 {
            notes.push(format!(
                "{} connections are left out of the list",
                told.left_out
            ));
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        (Some(told), Outcome::Ok(note))
    }

    fn sum_up(
        &mut self,
        found: &[Socket],
        listeners: &[Socket],
        whose: &dyn Fn(&Socket) -> Whose,
        now_ns: u64,
    ) -> Connections {
        let mut bound: BTreeMap<(u16, IpAddr), Whose> = BTreeMap::new();
        for socket in listeners {
            // Of several that share a port (SO_REUSEPORT) one that is known tells whose it is.
            let entry = bound.entry((socket.port, socket.address)).or_default();
            if !entry.is_known() {
                *entry = whose(socket);
            }
            if socket.port < EPHEMERAL {
                self.listened.insert((socket.address, socket.port), now_ns);
            }
        }
        self.listened
            .retain(|_, seen| now_ns.saturating_sub(*seen) <= LISTENER_KEPT_NS);
        self.partners
            .retain(|_, partner| now_ns.saturating_sub(partner.seen_ns) <= PARTNER_KEPT_NS);

        let since = self.traffic.look(found, found.len() < SOCKETS_MAX, now_ns);
        let bytes = |socket: &Socket| since.as_ref().and_then(|since| since.of(socket));
        let mut flows: BTreeMap<FlowKey, Sum> = BTreeMap::new();
        let mut add = |socket: &Socket, is_incoming, owner| {
            add(&mut flows, socket, is_incoming, owner, bytes(socket));
        };
        let mut nobodys = Vec::new();
        for socket in found {
            let listener = self.listener(&bound, socket);
            let is_incoming = listener.is_some();
            let owner = match listener {
                Some(owner) if owner.is_known() => owner,
                _ => whose(socket),
            };
            if is_incoming {
                add(socket, true, owner);
            } else if owner.is_known() {
                self.note_partner(socket, &owner, now_ns);
                add(socket, false, owner);
            } else {
                nobodys.push(socket);
            }
        }
        // A socket that nobody holds any more (TIME_WAIT) was opened by whoever opens such ones, if that is only one.
        for socket in nobodys {
            let partner = self.partners.get(&(socket.peer, socket.peer_port));
            let owner = partner.and_then(|p| p.whose.clone()).unwrap_or_default();
            add(socket, false, owner);
        }
        let rate = |bytes| since.as_ref().and_then(|since| since.per_s(bytes));
        Connections {
            listeners: bound
                .into_iter()
                .take(LISTENERS_MAX)
                .map(|((port, address), whose)| BoundListener {
                    address: octets(address),
                    port,
                    server: whose.server.as_deref().map(str::to_owned),
                    process: whose.process.as_deref().map(str::to_owned),
                })
                .collect(),
            flows: flows
                .into_iter()
                .map(|(key, sum)| {
                    let bytes_per_s = sum.bytes.and_then(rate);
                    key.flow(sum, bytes_per_s)
                })
                .collect(),
            left_out: 0,
        }
    }

    /// Who accepted this connection; nobody known when the listener is gone by now.
    fn listener(&self, bound: &BTreeMap<(u16, IpAddr), Whose>, socket: &Socket) -> Option<Whose> {
        let addresses = accepting_addresses(socket.address);
        let now = addresses
            .iter()
            .find_map(|address| bound.get(&(socket.port, *address)));
        let lately = || {
            addresses
                .iter()
                .any(|address| self.listened.contains_key(&(*address, socket.port)))
        };
        // Nobody connects from a port that is not handed out for that to one that is: the listener ended unseen.
        let is_told_by_ports = socket.port < EPHEMERAL && socket.peer_port >= EPHEMERAL;
        now.cloned()
            .or_else(|| (is_told_by_ports || lately()).then(Whose::default))
    }

    fn note_partner(&mut self, socket: &Socket, owner: &Whose, now_ns: u64) {
        let place = (socket.peer, socket.peer_port);
        let has_room = self.partners.len() < PARTNERS_MAX;
        match self.partners.get_mut(&place) {
            Some(partner) => {
                partner.seen_ns = now_ns;
                if partner.whose.as_ref().is_some_and(|known| known != owner) {
                    partner.whose = None;
                }
            }
            None if has_room => {
                let partner = Partner {
                    whose: Some(owner.clone()),
                    seen_ns: now_ns,
                };
                self.partners.insert(place, partner);
            }
            None => {}
        }
    }
}

/// Where a listener for this address may listen. One for any IPv6 address usually takes IPv4 as well.
fn accepting_addresses(local: IpAddr) -> [IpAddr; 3] {
    let any = match local {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    [local, any, IpAddr::from([0; 16])]
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FlowKey {
    is_incoming: bool,
    whose: Whose,
    local: IpAddr,
    peer: IpAddr,
    port: u16,
}

#[derive(Debug, Default)]
struct Sum {
    client_ports: BTreeSet<u16>,
    connections: u32,
    failing: u32,
    /// Since the look before, of those whose are known.
    bytes: Option<u64>,
}

fn add(
    flows: &mut BTreeMap<FlowKey, Sum>,
    socket: &Socket,
    is_incoming: bool,
    whose: Whose,
    bytes: Option<u64>,
) {
    let (port, client_port) = if is_incoming {
        (socket.port, socket.peer_port)
    } else {
        (socket.peer_port, socket.port)
    };
    let key = FlowKey {
        is_incoming,
        whose,
        local: socket.address,
        peer: socket.peer,
        port,
    };
    let sum = flows.entry(key).or_default();
    sum.connections = sum.connections.saturating_add(1);
    sum.failing += u32::from(socket.state == SYN_SENT || socket.is_retransmitting);
    sum.client_ports.insert(client_port);
    sum.bytes = sum_of_rates([sum.bytes, bytes]);
}

impl FlowKey {
    fn flow(self, sum: Sum, bytes_per_s: Option<u64>) -> Flow {
        Flow {
            is_incoming: self.is_incoming,
            server: self.whose.server.as_deref().map(str::to_owned),
            process: self.whose.process.as_deref().map(str::to_owned),
            local: octets(self.local),
            peer: octets(self.peer),
            port: self.port,
            // The lowest, so that both ends tell the same ones.
            client_ports: sum.client_ports.into_iter().take(FLOW_PORTS_MAX).collect(),
            connections: sum.connections,
            failing: sum.failing,
            bytes_per_s,
        }
    }
}

fn canonical(mut socket: Socket) -> Socket {
    socket.address = socket.address.to_canonical();
    socket.peer = socket.peer.to_canonical();
    socket
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Makes it fit into a section.
fn fit(mut told: Connections) -> Connections {
    let mut flows = std::mem::take(&mut told.flows);
    let around = wire::encode(&told).len() + NUMBER_BYTES;
    let room = BYTES_MAX.saturating_sub(around);
    let bare: usize = flows.iter_mut().map(bare_len).sum();
    for ports in PORTS {
        let of_ports: usize = flows.iter().map(|flow| ports_len(flow, *ports)).sum();
        if bare + of_ports <= room {
            truncate(&mut flows, *ports);
            told.flows = flows;
            return told;
        }
    }
    truncate(&mut flows, 1);
    // Of each direction in turn the largest, so that a crowd of clients does not hide what this host depends on.
    let (mut incoming, mut outgoing): (Vec<Flow>, Vec<Flow>) =
        flows.into_iter().partition(|flow| flow.is_incoming);
    // Sorting keeps the order of those that are alike.
    incoming.sort_by_key(|flow| flow.connections);
    outgoing.sort_by_key(|flow| flow.connections);
    let mut bytes = 0;
    let mut kept = Vec::new();
    while !incoming.is_empty() || !outgoing.is_empty() {
        for side in [&mut outgoing, &mut incoming] {
            let Some(mut flow) = side.pop() else {
                continue;
            };
            let len = bare_len(&mut flow) + ports_len(&flow, 1);
            if bytes + len > room {
                told.left_out = told.left_out.saturating_add(flow.connections);
            } else {
                bytes += len;
                kept.push(flow);
            }
        }
    }
    kept.sort_by(|a, b| order(a).cmp(&order(b)));
    told.flows = kept;
    told
}

fn truncate(flows: &mut [Flow], ports: usize) {
    for flow in flows {
        flow.client_ports.truncate(ports);
    }
}

/// Encoded length without ports.
fn bare_len(flow: &mut Flow) -> usize {
    let ports = std::mem::take(&mut flow.client_ports);
    let len = wire::encode(&*flow).len();
    flow.client_ports = ports;
    len
}

/// At most so much is added by so many ports: a longer head of their list, and three bytes each.
fn ports_len(flow: &Flow, ports: usize) -> usize {
    NUMBER_BYTES + NUMBER_BYTES * flow.client_ports.len().min(ports)
}

type Order<'a> = (
    bool,
    &'a Option<String>,
    &'a Option<String>,
    &'a [u8],
    &'a [u8],
    u16,
);

fn order(flow: &Flow) -> Order<'_> {
    (
        flow.is_incoming,
        &flow.server,
        &flow.process,
        &flow.local,
        &flow.peer,
        flow.port,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn socket(state: u8, local: &str, peer: &str, inode: u32) -> Socket {
        let parse = |text: &str| text.parse::<std::net::SocketAddr>().unwrap();
        let (local, peer) = (parse(local), parse(peer));
        canonical(Socket {
            state,
            is_retransmitting: false,
            address: local.ip(),
            port: local.port(),
            peer: peer.ip(),
            peer_port: peer.port(),
            inode,
            control_group: None,
            cookie: 0,
            bytes: None,
        })
    }

    /// By inode: 1x is Tomcat's, 2x is curl's, others are nobody's.
    fn whose(socket: &Socket) -> Whose {
        match socket.inode / 10 {
            1 => Whose {
                server: Some("tomcat:/t".into()),
                process: Some("java".into()),
            },
            2 => Whose {
                server: None,
                process: Some("curl".into()),
            },
            _ => Whose::default(),
        }
    }

    fn sum_up(
        reader: &mut ConnectionsReader,
        found: &[Socket],
        listeners: &[Socket],
        now_s: u64,
    ) -> Vec<String> {
        let told = reader.sum_up(found, listeners, &whose, now_s * 1_000_000_000);
        let show = |bytes: &[u8]| match <[u8; 4]>::try_from(bytes) {
            Ok(four) => IpAddr::from(four).to_string(),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).unwrap()).to_string(),
        };
        told.flows
            .iter()
            .map(|flow| {
                format!(
                    "{} {} {} {} {} :{} {:?} {}/{}",
                    if flow.is_incoming { "in" } else { "out" },
                    flow.server.as_deref().unwrap_or("-"),
                    flow.process.as_deref().unwrap_or("-"),
                    show(&flow.local),
                    show(&flow.peer),
                    flow.port,
                    flow.client_ports,
                    flow.failing,
                    flow.connections
                )
            })
            .collect()
    }

    #[test]
    fn directions_owners_and_what_just_closed_are_told() {
        let listeners = [
            socket(10, "[::]:8080", "[::]:0", 10),
            socket(10, "127.0.0.1:5432", "0.0.0.0:0", 0),
        ];
        let found = [
            socket(1, "[::ffff:10.0.0.2]:8080", "[::ffff:10.0.0.1]:40001", 11),
            socket(6, "[::ffff:10.0.0.2]:8080", "[::ffff:10.0.0.1]:40000", 0),
            socket(3, "10.0.0.2:8080", "10.0.0.1:40002", 0),
            socket(1, "[fd00::2]:8080", "[fd00::1]:41000", 12),
            // Within the host, both ends.
            socket(1, "127.0.0.1:33000", "127.0.0.1:5432", 13),
            socket(1, "127.0.0.1:5432", "127.0.0.1:33000", 31),
            socket(2, "10.0.0.2:50000", "10.0.0.9:5432", 14),
            socket(6, "10.0.0.2:50001", "10.0.0.9:5432", 0),
            socket(1, "10.0.0.2:50002", "10.0.0.8:443", 21),
            // Nobody is known to connect there.
            socket(6, "10.0.0.2:50003", "10.0.0.7:80", 0),
        ];
        let told = sum_up(&mut ConnectionsReader::default(), &found, &listeners, 1);
        assert_eq!(
            told,
            [
                "out - - 10.0.0.2 10.0.0.7 :80 [50003] 0/1",
                "out - curl 10.0.0.2 10.0.0.8 :443 [50002] 0/1",
                "out tomcat:/t java 10.0.0.2 10.0.0.9 :5432 [50000, 50001] 1/2",
                "out tomcat:/t java 127.0.0.1 127.0.0.1 :5432 [33000] 0/1",
                "in - - 127.0.0.1 127.0.0.1 :5432 [33000] 0/1",
                "in tomcat:/t java 10.0.0.2 10.0.0.1 :8080 [40000, 40001, 40002] 0/3",
                "in tomcat:/t java fd00::2 fd00::1 :8080 [41000] 0/1",
            ]
        );
    }

    #[test]
    fn what_closed_is_given_to_nobody_when_two_connect_there() {
        let mut reader = ConnectionsReader::default();
        let live = [
            socket(1, "10.0.0.2:50000", "10.0.0.9:80", 11),
            socket(1, "10.0.0.2:50001", "10.0.0.9:80", 21),
        ];
        sum_up(&mut reader, &live, &[], 1);
        let closed = [socket(6, "10.0.0.2:50000", "10.0.0.9:80", 0)];
        let nobodys = ["out - - 10.0.0.2 10.0.0.9 :80 [50000] 0/1"];
        assert_eq!(sum_up(&mut reader, &closed, &[], 60), nobodys);
        let mut reader = ConnectionsReader::default();
        sum_up(&mut reader, &live[..1], &[], 1);
        let tomcats = ["out tomcat:/t java 10.0.0.2 10.0.0.9 :80 [50000] 0/1"];
        assert_eq!(sum_up(&mut reader, &closed, &[], 60), tomcats);
        assert_eq!(sum_up(&mut reader, &closed, &[], 600), nobodys, "long ago");
    }

    #[test]
    fn a_listener_that_is_gone_still_tells_the_direction_for_a_while() {
        let mut reader = ConnectionsReader::default();
        let listeners = [socket(10, "0.0.0.0:8080", "0.0.0.0:0", 10)];
        let closed = [socket(6, "10.0.0.2:8080", "10.0.0.1:9000", 0)];
        sum_up(&mut reader, &[], &listeners, 1);
        assert_eq!(
            sum_up(&mut reader, &closed, &[], 60),
            ["in - - 10.0.0.2 10.0.0.1 :8080 [9000] 0/1"]
        );
        assert_eq!(
            sum_up(&mut reader, &closed, &[], 300),
            ["out - - 10.0.0.2 10.0.0.1 :9000 [8080] 0/1"]
        );
    }

    #[test]
    fn ports_tell_the_direction_where_the_listener_ended_unseen() {
        let found = [
            socket(6, "10.0.0.2:8080", "10.0.0.1:40000", 0),
            socket(6, "10.0.0.2:40000", "10.0.0.1:8080", 0),
        ];
        assert_eq!(
            sum_up(&mut ConnectionsReader::default(), &found, &[], 1),
            [
                "out - - 10.0.0.2 10.0.0.1 :8080 [40000] 0/1",
                "in - - 10.0.0.2 10.0.0.1 :8080 [40000] 0/1",
            ]
        );
    }

    #[test]
    fn a_flows_rate_is_what_went_over_its_sockets_since_the_look_before() {
        let carrying = |peer: &str, cookie, bytes: Option<u64>| Socket {
            cookie,
            bytes,
            ..socket(1, "10.0.0.2:50000", peer, 11)
        };
        let looks: [&[(&str, u64, Option<u64>)]; 4] = [
            &[("10.0.0.9:80", 1, Some(900)), ("10.0.0.8:80", 2, Some(5))],
            // One goes on, one is new; of another the kernel counts nothing; one has nothing to tell.
            &[
                ("10.0.0.9:80", 1, Some(1_500)),
                ("10.0.0.9:80", 3, Some(600)),
                ("10.0.0.9:80", 4, None),
                ("10.0.0.8:80", 2, Some(5)),
                ("10.0.0.7:80", 5, None),
            ],
            // What the closed one carried last is lost.
            &[("10.0.0.9:80", 3, Some(660))],
            &[("10.0.0.9:80", 3, Some(660))],
        ];
        let wanted: [&[Option<u64>]; 4] = [
            &[None, None],
            &[None, Some(0), Some(20)],
            &[Some(1)],
            &[Some(0)],
        ];
        let mut reader = ConnectionsReader::default();
        for ((minute, look), wanted) in (0..).zip(looks).zip(wanted) {
            let found: Vec<Socket> = look
                .iter()
                .map(|(peer, cookie, bytes)| carrying(peer, *cookie, *bytes))
                .collect();
            let told = reader.sum_up(&found, &[], &whose, minute * 60_000_000_000);
            let rates: Vec<_> = told.flows.iter().map(|flow| flow.bytes_per_s).collect();
            assert_eq!(rates, wanted, "minute {minute}");
        }
    }

    fn many(flows: u32, connections: u32, is_incoming: bool) -> Vec<Flow> {
        (0..flows)
            .map(|at| Flow {
                is_incoming,
                server: Some(format!("tomcat:/opt/servers/with/a/long/path/{}", at % 3)),
                process: Some("java".to_owned()),
                local: vec![10, 0, 0, 1],
                peer: [10, 1]
                    .into_iter()
                    .chain(u16::try_from(at).unwrap().to_be_bytes())
                    .collect(),
                port: 8080,
                client_ports: (0..connections)
                    .map(|port| 32_768 + u16::try_from(port).unwrap())
                    .collect(),
                connections: connections + at % 2,
                failing: 0,
                bytes_per_s: (at % 2 == 0).then_some(12_000_000),
            })
            .collect()
    }

    #[test]
    fn five_thousand_connections_fit() {
        for flows in [
            many(5_000, 1, true),
            many(50, 100, true),
            many(20, 250, false),
            [many(5_000, 1, true), many(30, 1, false)].concat(),
            many(2_500, 2, false),
        ] {
            let all: u32 = flows.iter().map(|flow| flow.connections).sum();
            let outgoing = flows.iter().filter(|flow| !flow.is_incoming).count();
            let told = fit(Connections {
                flows: flows.clone(),
                ..Connections::default()
            });
            assert!(wire::encode(&told).len() <= SECTION_BYTES_MAX);
            let kept: u32 = told.flows.iter().map(|flow| flow.connections).sum();
            assert_eq!(
                kept + told.left_out,
                all,
                "every connection is told or counted"
            );
            if flows.len() <= 50 {
                assert_eq!(told.left_out, 0, "ports go first");
                assert!(told.flows.iter().all(|flow| flow.client_ports.len() >= 64));
            }
            if outgoing == 30 {
                let told = told.flows.iter().filter(|flow| !flow.is_incoming).count();
                assert_eq!(told, outgoing, "a crowd of clients hides no dependency");
            }
            assert!(told.flows.is_sorted_by_key(|flow| flow.is_incoming));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_flows_fit_and_none_is_lost(
            sizes in prop::collection::vec((0u32..300, any::<bool>(), "[a-z]{0,200}"), 0..700),
        ) {
            let flows: Vec<Flow> = sizes.iter().enumerate().map(|(at, (connections, is_incoming, name))| Flow {
                is_incoming: *is_incoming,
                server: Some(name.clone()),
                local: vec![0; 16],
                peer: vec![u8::try_from(at % 250).unwrap(); 16],
                port: 1,
                client_ports: (0..*connections).map(|port| u16::try_from(60_000 + port).unwrap()).take(FLOW_PORTS_MAX).collect(),
                connections: *connections,
                ..Flow::default()
            }).collect();
            let told = fit(Connections { flows, ..Connections::default() });
            prop_assert!(wire::encode(&told).len() <= SECTION_BYTES_MAX);
            let kept: u32 = told.flows.iter().map(|flow| flow.connections).sum();
            prop_assert_eq!(kept + told.left_out, sizes.iter().map(|(n, ..)| n).sum::<u32>());
        }

        #[test]
        fn any_sockets_are_summed_up(
            raw in prop::collection::vec((0u8..13, any::<[u8; 4]>(), 0u16..6, any::<bool>(), 0u16..6, 0u32..30), 0..60),
        ) {
            let sockets: Vec<Socket> = raw.iter().map(|(state, ip, port, is_six, peer_port, inode)| {
                let address = if *is_six { IpAddr::from([ip[0] % 2; 16]) } else { IpAddr::from([ip[0] % 2; 4]) };
                Socket {
                    state: *state, is_retransmitting: ip[1] == 0, address, port: *port, peer: address,
                    peer_port: *peer_port, inode: *inode, control_group: None, cookie: u64::from(*inode),
                    bytes: (*state == 1).then_some(u64::MAX),
                }
            }).collect();
            let (listeners, found): (Vec<Socket>, Vec<Socket>) = sockets.into_iter().partition(|s| s.state == 10);
            let mut reader = ConnectionsReader::default();
            let first = reader.sum_up(&found, &listeners, &whose, 1);
            prop_assert!(first.flows.iter().all(|flow| flow.bytes_per_s.is_none()));
            let told = reader.sum_up(&found, &listeners, &whose, 2);
            let sum: u32 = told.flows.iter().map(|flow| flow.connections).sum();
            prop_assert_eq!(sum as usize, found.len());
            prop_assert!(told.flows.iter().all(|flow| flow.failing <= flow.connections));
        }
    }
}
