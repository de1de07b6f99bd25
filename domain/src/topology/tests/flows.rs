//! Tables and properties of matching.

use core::net::IpAddr;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::*;

const NOW: i64 = 1_800_000_000_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[derive(Debug)]
struct Host {
    no: i64,
    is_seen: bool,
    known_at_ms: i64,
    addresses: Vec<IpAddr>,
    connections: HostConnections,
}

fn host(no: i64, addresses: &[&str]) -> Host {
    Host {
        no,
        is_seen: true,
        known_at_ms: NOW,
        addresses: addresses.iter().map(|text| ip(text)).collect(),
        connections: HostConnections::default(),
    }
}

impl Host {
    fn silent(mut self) -> Self {
        self.is_seen = false;
        self
    }

    fn listens(mut self, address: &str, port: u16, server: &str) -> Self {
        self.connections.listeners.push(Listener {
            address: ip(address),
            port,
            server: (!server.is_empty()).then(|| server.to_owned()),
            process: None,
        });
        self
    }

    fn flow(
        mut self,
        is_incoming: bool,
        server: &str,
        ends: (&str, &str),
        port: u16,
        ports: &[u16],
    ) -> Self {
        self.connections.flows.push(Flow {
            is_incoming,
            server: (!server.is_empty()).then(|| server.to_owned()),
            process: None,
            local: ip(ends.0),
            peer: ip(ends.1),
            port,
            client_ports: ports.to_vec(),
            connections: ports.len() as u32,
            failing: 0,
            bytes_per_s: None,
        });
        self
    }

    fn opens(self, server: &str, from: &str, to: &str, port: u16, ports: &[u16]) -> Self {
        self.flow(false, server, (from, to), port, ports)
    }

    fn fails(
        self,
        server: &str,
        from: &str,
        to: &str,
        port: u16,
        (all, failing): (u32, u32),
    ) -> Self {
        let ports: Vec<u16> = (0..all).map(|n| 40_000 + n as u16).collect();
        let mut new = self.flow(false, server, (from, to), port, &ports);
        if let Some(flow) = new.connections.flows.last_mut() {
            flow.failing = failing;
        }
        new
    }

    /// The rate of the flow that was added last.
    fn at_rate(mut self, bytes_per_s: impl Into<Option<u64>>) -> Self {
        if let Some(flow) = self.connections.flows.last_mut() {
            flow.bytes_per_s = bytes_per_s.into();
        }
        self
    }

    fn accepts(self, server: &str, at: &str, from: &str, port: u16, ports: &[u16]) -> Self {
        self.flow(true, server, (at, from), port, ports)
    }
}

fn run(hosts: &[Host]) -> Matches {
    run_knowing(hosts, &[])
}

fn run_knowing(hosts: &[Host], known: &[LinkKey]) -> Matches {
    let views: Vec<HostView<'_>> = hosts
        .iter()
        .map(|host| HostView {
            host_no: host.no,
            is_seen: host.is_seen,
            known_at_ms: host.known_at_ms,
            addresses: &host.addresses,
            connections: &host.connections,
        })
        .collect();
    match_flows(&views, &KnownListeners::of_keys(known), NOW)
}

fn side(side: &Side) -> String {
    match side {
        Side::Fleet(end) => format!(
            "{}/{}",
            end.host_no,
            end.server
                .as_deref()
                .or(end.process.as_deref())
                .unwrap_or("?")
        ),
        Side::Peer(peer) => peer.to_string(),
    }
}

/// `1/app > 2/db :5432 x3 tuple`
fn told(hosts: &[Host]) -> Vec<String> {
    told_knowing(hosts, &[])
}

fn told_knowing(hosts: &[Host], known: &[LinkKey]) -> Vec<String> {
    run_knowing(hosts, known)
        .links
        .iter()
        .map(|link| {
            format!(
                "{} > {} :{} x{} {}",
                side(&link.key.from),
                side(&link.key.to),
                link.key.port,
                link.connections,
                match link.evidence {
                    Evidence::Tuple => "tuple",
                    Evidence::Client => "client",
                    Evidence::Listener => "listener",
                    Evidence::Gone => "gone",
                    Evidence::OneEnd => "one end",
                }
            )
        })
        .collect()
}

#[test]
fn both_halves_make_one_link() {
    let app = host(1, &["10.0.0.1"]).opens("app", "10.0.0.1", "10.0.0.2", 5432, &[40_000, 40_001]);
    let db = host(2, &["10.0.0.2"])
        .listens("0.0.0.0", 5432, "db")
        .accepts("db", "10.0.0.2", "10.0.0.1", 5432, &[40_000, 40_001]);
    assert_eq!(told(&[app, db]), ["1/app > 2/db :5432 x2 tuple"]);
}

#[test]
fn sockets_that_have_just_ended_go_where_their_siblings_went() {
    let app =
        host(1, &["10.0.0.1"]).opens("app", "10.0.0.1", "10.0.0.2", 80, &[40_000, 40_001, 40_002]);
    // Two of them were not there any more, and one is newer than the other list.
    let web = host(2, &["10.0.0.2"]).accepts("web", "10.0.0.2", "10.0.0.1", 80, &[40_002, 40_009]);
    let matches = run(&[app, web]);
    assert_eq!(matches.links.len(), 1);
    assert_eq!(matches.links[0].connections, 3);
}

#[test]
fn one_end_is_enough_where_exactly_one_host_listens() {
    let app = || host(1, &["10.0.0.1"]).opens("app", "10.0.0.1", "10.0.0.2", 80, &[40_000]);
    let web = || host(2, &["10.0.0.2"]);
    for (what, fleet, wanted) in [
        (
            "at any address",
            vec![app(), web().listens("0.0.0.0", 80, "web")],
            "1/app > 2/web :80 x1 listener",
        ),
        (
            "at any address of both families",
            vec![app(), web().listens("::", 80, "web")],
            "1/app > 2/web :80 x1 listener",
        ),
        (
            "at that very address rather than at any",
            vec![
                app(),
                web()
                    .listens("0.0.0.0", 80, "other")
                    .listens("10.0.0.2", 80, "web"),
            ],
            "1/app > 2/web :80 x1 listener",
        ),
        (
            "two servers share the port",
            vec![
                app(),
                web()
                    .listens("0.0.0.0", 80, "a")
                    .listens("0.0.0.0", 80, "b"),
            ],
            "1/app > 2/? :80 x1 listener",
        ),
        (
            "at another port",
            vec![app(), web().listens("0.0.0.0", 81, "web")],
            "1/app > 10.0.0.2 :80 x1 one end",
        ),
        (
            "only inside",
            vec![app(), web().listens("127.0.0.1", 80, "web")],
            "1/app > 10.0.0.2 :80 x1 one end",
        ),
        (
            "two hosts have the address",
            vec![
                app(),
                web().listens("0.0.0.0", 80, "web"),
                host(3, &["10.0.0.2"]).listens("0.0.0.0", 80, "web"),
            ],
            "1/app > 10.0.0.2 :80 x1 one end",
        ),
        (
            "the address was reused: its old host is silent",
            vec![
                app(),
                host(3, &["10.0.0.2"])
                    .listens("0.0.0.0", 80, "old")
                    .silent(),
                web().listens("0.0.0.0", 80, "web"),
            ],
            "1/app > 2/web :80 x1 listener",
        ),
    ] {
        assert_eq!(told(&fleet), [wanted], "{what}");
    }
}

#[test]
fn what_is_known_of_an_hour_ago_proves_nothing() {
    let app = host(1, &["10.0.0.1"]).opens("app", "10.0.0.1", "10.0.0.2", 80, &[40_000]);
    let mut web = host(2, &["10.0.0.2"]).listens("0.0.0.0", 80, "web");
    web.known_at_ms = NOW - 3_600_000;
    assert_eq!(told(&[app, web]), Vec::<String>::new());
}

#[test]
fn loopback_stays_on_its_host() {
    let pair = |no: i64| {
        host(no, &["127.0.0.1"])
            .opens("app", "127.0.0.1", "127.0.0.1", 80, &[40_000])
            .accepts("web", "127.0.0.1", "127.0.0.1", 80, &[40_000])
    };
    assert_eq!(
        told(&[pair(1), pair(2)]),
        ["1/app > 1/web :80 x1 tuple", "2/app > 2/web :80 x1 tuple"]
    );
    // Only the listener is told, and another host has the same.
    let half = host(1, &[])
        .opens("app", "127.0.0.1", "127.0.0.1", 80, &[40_000])
        .listens("127.0.0.1", 80, "web");
    let other = host(2, &[]).listens("127.0.0.1", 80, "web");
    assert_eq!(told(&[half, other]), ["1/app > 1/web :80 x1 listener"]);
    let lost = host(1, &[]).opens("app", "127.0.0.1", "127.0.0.1", 80, &[40_000]);
    let matches = run(&[lost, host(2, &[]).listens("127.0.0.1", 80, "web")]);
    assert_eq!((matches.links.len(), matches.unmatched), (0, 1));
}

#[test]
fn the_same_container_addresses_on_two_hosts_are_kept_apart() {
    let docker = |no: i64, own: &str| {
        host(no, &[own, "172.17.0.1"])
            .listens("0.0.0.0", 80, "web")
            .opens("proxy", "172.17.0.1", "172.17.0.2", 8080, &[40_000])
    };
    // The second is told to accept the very numbers that the first opens: by chance, as both start at the same port.
    let second = docker(2, "10.0.0.2").accepts("c", "172.17.0.2", "172.17.0.1", 8080, &[40_000]);
    assert_eq!(
        told(&[docker(1, "10.0.0.1"), second]),
        [
            "1/proxy > 172.17.0.2 :8080 x1 one end",
            "2/proxy > 2/c :8080 x1 tuple"
        ]
    );
    // The second opens nothing of the kind: still the bridge of the first is not that of the second.
    let only_accepts = host(2, &["10.0.0.2", "172.17.0.1"]).accepts(
        "c",
        "172.17.0.2",
        "172.17.0.1",
        8080,
        &[40_000],
    );
    assert_eq!(
        told(&[docker(1, "10.0.0.1"), only_accepts]),
        ["1/proxy > 172.17.0.2 :8080 x1 one end"]
    );
    // A host without containers calls a router of that address; another has a bridge that listens there.
    let caller = host(3, &["10.0.0.3"]).opens("app", "10.0.0.3", "172.17.0.1", 80, &[40_000]);
    let bridge = host(4, &["10.0.0.4", "172.17.0.1"]).listens("0.0.0.0", 80, "web");
    assert_eq!(
        told(&[caller, bridge]),
        ["3/app > 172.17.0.1 :80 x1 one end"]
    );
}

#[test]
fn behind_address_translation_the_client_end_decides() {
    // The address called is a balancer's; the server sees its own.
    let app = || host(1, &["10.0.0.1"]).opens("app", "10.0.0.1", "192.0.2.1", 443, &[40_000]);
    let web = |no: i64, at: &str| host(no, &[at]).accepts("web", at, "10.0.0.1", 8443, &[40_000]);
    assert_eq!(
        told(&[app(), web(2, "10.0.0.2")]),
        ["1/app > 2/web :8443 x1 client"]
    );
    // Two that claim to have it: no guess.
    let both = [app(), web(2, "10.0.0.2"), web(3, "10.0.0.3")];
    let told = run(&both);
    assert_eq!(told.links.len(), 1, "{told:?}");
    assert_eq!(side(&told.links[0].key.to), "192.0.2.1");
    assert_eq!(told.unmatched, 2);
    // The client's port leads to two places: which of them was translated cannot be told.
    let twice = [
        app().opens("cron", "10.0.0.1", "198.51.100.1", 25, &[40_000]),
        web(2, "10.0.0.2"),
    ];
    assert!(
        run(&twice)
            .links
            .iter()
            .all(|link| link.evidence == Evidence::OneEnd)
    );
}

#[test]
fn a_client_behind_a_gateway_is_found_by_what_it_calls() {
    let inside = host(1, &["192.168.1.5"]).opens("app", "192.168.1.5", "10.0.0.2", 5432, &[40_000]);
    let gateway = host(9, &["10.0.0.9", "192.168.1.1"]);
    let db = host(2, &["10.0.0.2"])
        .listens("10.0.0.2", 5432, "db")
        .accepts("db", "10.0.0.2", "10.0.0.9", 5432, &[61_000]);
    assert_eq!(
        told(&[inside, gateway, db]),
        ["1/app > 2/db :5432 x1 listener"],
        "and the gateway, which opened nothing, has no link"
    );
}

#[test]
fn after_a_restart_with_other_ports_the_links_are_the_new_ones() {
    let at = |db_port: u16, ports: &[u16]| {
        told(&[
            host(1, &["10.0.0.1"]).opens("app", "10.0.0.1", "10.0.0.2", db_port, ports),
            host(2, &["10.0.0.2"])
                .listens("0.0.0.0", db_port, "db")
                .accepts("db", "10.0.0.2", "10.0.0.1", db_port, ports),
        ])
    };
    assert_eq!(at(5432, &[40_000]), ["1/app > 2/db :5432 x1 tuple"]);
    assert_eq!(at(6432, &[51_000, 51_001]), ["1/app > 2/db :6432 x2 tuple"]);
}

#[test]
fn who_accepts_is_taken_from_the_listener_where_the_socket_does_not_say() {
    let app = host(1, &["10.0.0.1"]).opens("", "10.0.0.1", "10.0.0.2", 80, &[40_000]);
    let web = host(2, &["10.0.0.2"]).listens("::", 80, "web").accepts(
        "",
        "10.0.0.2",
        "10.0.0.1",
        80,
        &[40_000],
    );
    assert_eq!(told(&[app, web]), ["1/? > 2/web :80 x1 tuple"]);
}

#[test]
fn peers_outside_are_named_and_many_become_their_network() {
    let mut web = host(2, &["10.0.0.2"]).accepts("web", "10.0.0.2", "203.0.113.7", 443, &[1]);
    assert_eq!(told(&[host(3, &["10.0.0.3"])]), Vec::<String>::new());
    for last in 8..13 {
        web = web.accepts(
            "web",
            "10.0.0.2",
            &format!("203.0.113.{last}"),
            443,
            &[1, 2],
        );
    }
    let web = web.accepts("web", "10.0.0.2", "2001:db8::5", 443, &[9]);
    assert_eq!(
        told(&[web]),
        [
            "203.0.113.0/24 > 2/web :443 x11 one end",
            "2001:db8::/64 > 2/web :443 x1 one end"
        ]
    );
}

#[test]
fn what_a_host_of_ours_accepts_from_another_is_said_by_the_other_or_not_at_all() {
    let web = host(2, &["10.0.0.2"]).accepts("web", "10.0.0.2", "10.0.0.1", 80, &[40_000]);
    let matches = run(&[host(1, &["10.0.0.1"]), web]);
    assert_eq!((matches.links.len(), matches.unmatched), (0, 1));
}

#[test]
fn the_addresses_of_a_silent_host_are_no_peers_outside() {
    let app = || host(1, &["10.0.0.1"]).opens("app", "10.0.0.1", "10.0.0.2", 80, &[40_000]);
    let web = |no| {
        host(no, &["10.0.0.2"])
            .listens("0.0.0.0", 80, "web")
            .silent()
    };
    let accepting = || host(1, &["10.0.0.1"]).accepts("app", "10.0.0.1", "10.0.0.2", 81, &[40_001]);
    for (what, fleet) in [
        (
            "it is called, and no edge is known: the address may be another's by now",
            vec![app(), web(2)],
        ),
        ("two of them had the address", vec![app(), web(2), web(3)]),
        ("it calls", vec![accepting(), web(2)]),
    ] {
        let matches = run(&fleet);
        assert_eq!((matches.links, matches.unmatched), (vec![], 1), "{what}");
    }
    // Of what is inside of every host nothing is known.
    let inside = host(2, &["172.17.0.2"]).silent();
    let app = host(1, &["10.0.0.1"]).opens("app", "10.0.0.1", "172.17.0.2", 80, &[40_000]);
    assert_eq!(told(&[app, inside]), ["1/app > 172.17.0.2 :80 x1 one end"]);
}

#[test]
fn a_rate_is_counted_once_and_told_by_those_who_call() {
    let app = |from: &str, ports: &[u16]| {
        host(1, &["10.0.0.1"]).opens(from, "10.0.0.1", "10.0.0.2", 80, ports)
    };
    let and = |fleet: Host, from: &str, ports: &[u16]| {
        fleet.opens(from, "10.0.0.1", "10.0.0.2", 80, ports)
    };
    let web = |ports: &[u16]| {
        host(2, &["10.0.0.2"])
            .listens("0.0.0.0", 80, "web")
            .accepts("web", "10.0.0.2", "10.0.0.1", 80, ports)
    };
    let outside = |last: u8| format!("203.0.113.{last}");
    let crowd = (1..=6).fold(host(2, &["10.0.0.2"]), |host, last| {
        let host = host.accepts("web", "10.0.0.2", &outside(last), 80, &[40_000]);
        host.at_rate((last > 1).then_some(10))
    });
    let one = [40_000];
    let two = [40_000, 40_001];
    for (what, fleet, wanted) in [
        (
            "both ends tell it: not their sum",
            vec![app("a", &one).at_rate(70), web(&one).at_rate(90)],
            vec![Some(70)],
        ),
        (
            "nobody tells it",
            vec![app("a", &one), web(&one)],
            vec![None],
        ),
        (
            "nothing flows, which is not the same",
            vec![app("a", &one).at_rate(0), web(&one)],
            vec![Some(0)],
        ),
        (
            "only who accepts tells it",
            vec![app("a", &one), web(&one).at_rate(90)],
            vec![Some(90)],
        ),
        (
            "what two call cannot be told apart where it is accepted",
            vec![and(app("a", &one), "b", &[40_001]), web(&two).at_rate(90)],
            vec![None, None],
        ),
        (
            "one of two callers tells it: the other's is not known",
            vec![
                and(app("a", &one).at_rate(70), "b", &[40_001]),
                web(&two).at_rate(90),
            ],
            vec![Some(70), None],
        ),
        (
            "flows of one link are summed up, those not known left out",
            vec![
                app("a", &one)
                    .at_rate(5)
                    .opens("a", "10.0.0.1", "10.0.0.3", 80, &[40_001])
                    .at_rate(6)
                    .opens("a", "10.0.0.1", "10.0.0.4", 80, &[40_002]),
                host(2, &["10.0.0.2", "10.0.0.3", "10.0.0.4"]).listens("0.0.0.0", 80, "web"),
            ],
            vec![Some(11)],
        ),
        (
            "behind one address two answered: the first has it all, for a sum",
            vec![
                host(1, &["10.0.0.1"])
                    .opens("a", "10.0.0.1", "10.9.9.9", 80, &two)
                    .at_rate(70),
                web(&one).at_rate(30),
                host(3, &["10.0.0.3"])
                    .accepts("web", "10.0.0.3", "10.0.0.1", 8080, &[40_001])
                    .at_rate(40),
            ],
            vec![Some(70), None],
        ),
        (
            "calls to peers outside, and from them",
            vec![
                host(1, &["10.0.0.1"])
                    .opens("a", "10.0.0.1", "203.0.113.9", 443, &one)
                    .at_rate(7)
                    .accepts("a", "10.0.0.1", "203.0.113.8", 443, &one)
                    .at_rate(8),
            ],
            vec![Some(7), Some(8)],
        ),
        (
            "peers that become their network",
            vec![crowd],
            vec![Some(50)],
        ),
    ] {
        let links = run(&fleet).links;
        let rates: Vec<_> = links.iter().map(|link| link.bytes_per_s).collect();
        assert_eq!(rates, wanted, "{what}");
    }
}

fn called(from: (i64, &str), to: (i64, &str), port: u16) -> LinkKey {
    let end = |(host_no, server): (i64, &str)| {
        Side::Fleet(End {
            host_no,
            server: Some(server.to_owned()),
            process: None,
        })
    };
    LinkKey {
        from: end(from),
        to: end(to),
        port,
    }
}

#[test]
fn calls_to_a_listener_that_is_gone_fail_on_the_edge_that_is_known() {
    let app = |all, failing| {
        host(1, &["10.0.0.1"]).fails("app", "10.0.0.1", "10.0.0.2", 5432, (all, failing))
    };
    let gone = || host(2, &["10.0.0.2"]);
    let known = || vec![called((1, "app"), (2, "db"), 5432)];
    let outside = "1/app > 10.0.0.2 :5432 x2 one end".to_owned();
    // It is a host's of ours: no peer outside.
    let nothing = String::new;
    for (what, fleet, known, wanted) in [
        (
            "the server crashed, its host is there",
            vec![app(2, 2), gone()],
            known(),
            "1/app > 2/db :5432 x2 gone".to_owned(),
        ),
        (
            "the host is silent and nothing answers",
            vec![app(2, 2), gone().silent()],
            known(),
            "1/app > 2/db :5432 x2 gone".to_owned(),
        ),
        (
            "the host is silent, and something answers",
            vec![app(2, 0), gone().silent()],
            known(),
            "1/app > 2/db :5432 x2 gone".to_owned(),
        ),
        (
            "a silent host had the address, another has it now",
            vec![app(2, 2), gone().silent(), host(3, &["10.0.0.2"])],
            known(),
            nothing(),
        ),
        ("nothing fails", vec![app(2, 0), gone()], known(), outside),
        (
            "no edge is known",
            vec![app(2, 2), gone()],
            vec![],
            nothing(),
        ),
        (
            "only another's edge is known",
            vec![app(2, 2), gone()],
            vec![called((1, "cron"), (2, "db"), 5432)],
            nothing(),
        ),
        (
            "only one to another port is known",
            vec![app(2, 2), gone()],
            vec![called((1, "app"), (2, "db"), 5433)],
            nothing(),
        ),
        (
            "it may have been one of two",
            vec![app(2, 2), gone()],
            vec![
                called((1, "app"), (2, "db"), 5432),
                called((1, "app"), (2, "db2"), 5432),
            ],
            nothing(),
        ),
        (
            "somebody else listens there now",
            vec![app(2, 2), gone().listens("0.0.0.0", 5432, "new")],
            known(),
            "1/app > 2/new :5432 x2 listener".to_owned(),
        ),
    ] {
        assert_eq!(told_knowing(&fleet, &known).concat(), wanted, "{what}");
    }
    let link = &run_knowing(&[app(2, 2), gone()], &known()).links[0];
    assert_eq!((link.connections, link.failing), (2, 2));
}

const ADDRESSES: [&str; 7] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "172.17.0.1",
    "172.17.0.2",
    "127.0.0.1",
    "203.0.113.9",
];

fn any_host(no: i64) -> impl Strategy<Value = Host> {
    let address = || prop::sample::select(&ADDRESSES[..]);
    let port = || prop::sample::select(&[80_u16, 443, 5432][..]);
    let client = || prop::collection::btree_set(40_000_u16..40_006, 0..4);
    (
        prop::collection::btree_set(address(), 0..3),
        prop::bool::weighted(0.85),
        prop::collection::vec(
            (
                prop::sample::select(&["0.0.0.0", "::", "10.0.0.1", "10.0.0.2", "127.0.0.1"][..]),
                port(),
            ),
            0..3,
        ),
        prop::collection::vec(
            (any::<bool>(), address(), address(), port(), client()),
            0..5,
        ),
    )
        .prop_map(move |(addresses, is_seen, listeners, flows)| {
            let mut new = host(no, &addresses.into_iter().collect::<Vec<_>>());
            new.is_seen = is_seen;
            for (at, port) in listeners {
                new = new.listens(at, port, "s");
            }
            for (is_incoming, local, peer, port, ports) in flows {
                let ports: Vec<u16> = ports.into_iter().collect();
                new = new.flow(is_incoming, "s", (local, peer), port, &ports);
            }
            new
        })
}

fn any_fleet() -> impl Strategy<Value = Vec<Host>> {
    (any_host(1), any_host(2), any_host(3), any_host(4)).prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

/// Is there something in what hosts told that carries this link between two hosts?
fn is_carried(fleet: &[Host], link: &Link) -> bool {
    let (Some(from), Some(to)) = (link.key.from.end(), link.key.to.end()) else {
        return true;
    };
    let of = |no: i64| fleet.iter().find(|host| host.no == no && host.is_seen);
    let (Some(client), Some(server)) = (of(from.host_no), of(to.host_no)) else {
        return false;
    };
    let is_same = from.host_no == to.host_no;
    client
        .connections
        .flows
        .iter()
        .filter(|flow| !flow.is_incoming)
        .any(|out| {
            let by_tuple = server.connections.flows.iter().any(|inc| {
                inc.is_incoming
                    && inc.port == link.key.port
                    && inc.peer == out.local
                    && inc
                        .client_ports
                        .iter()
                        .any(|port| out.client_ports.contains(port))
                    && (is_same || client.addresses.contains(&out.local))
            });
            let by_listener = out.port == link.key.port
                && (server.addresses.contains(&out.peer) || (is_same && out.peer.is_loopback()))
                && server
                    .connections
                    .listeners
                    .iter()
                    .any(|listener| listener.port == out.port);
            by_tuple || by_listener
        })
}

proptest! {
    #[test]
    fn failing_calls_make_no_link_that_was_not_known(
        fleet in any_fleet(),
        failing in 0_u32..3,
        ends in prop::collection::vec((1_i64..5, 1_i64..5, prop::sample::select(&[80_u16, 443, 5432][..])), 0..4),
    ) {
        let mut fleet = fleet;
        for flow in fleet.iter_mut().flat_map(|host| &mut host.connections.flows) {
            flow.failing = failing.min(flow.connections);
        }
        let known: Vec<LinkKey> = ends.iter().map(|(from, to, port)| called((*from, "s"), (*to, "s"), *port)).collect();
        for link in run_knowing(&fleet, &known).links {
            if link.evidence == Evidence::Gone {
                prop_assert!(known.contains(&link.key), "{link:?}");
            } else {
                prop_assert!(is_carried(&fleet, &link), "{link:?}");
            }
        }
    }

    #[test]
    fn no_link_without_what_carries_it(fleet in any_fleet()) {
        for link in run(&fleet).links {
            prop_assert!(is_carried(&fleet, &link), "{link:?}");
        }
    }

    #[test]
    fn the_order_of_hosts_and_flows_does_not_matter(fleet in any_fleet()) {
        let first = run(&fleet);
        let mut turned = fleet;
        turned.reverse();
        for host in &mut turned {
            host.connections.flows.reverse();
            host.connections.listeners.reverse();
        }
        prop_assert_eq!(first, run(&turned));
    }

    #[test]
    fn no_connection_of_a_client_is_counted_twice(fleet in any_fleet()) {
        let told: u32 = fleet.iter().filter(|host| host.is_seen).flat_map(|host| &host.connections.flows)
            .map(|flow| flow.connections).sum();
        let linked: u32 = run(&fleet).links.iter().map(|link| link.connections).sum();
        prop_assert!(linked <= told);
        let keys: BTreeSet<LinkKey> = run(&fleet).links.into_iter().map(|link| link.key).collect();
        prop_assert_eq!(keys.len(), run(&fleet).links.len());
    }
}
