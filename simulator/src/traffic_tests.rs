use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::scenario::Scenario;

type Tuple = (Vec<u8>, u16, Vec<u8>, u16);

fn demo(nodes: u32, seed: u64) -> World {
    World::new(Scenario::demo().unwrap().scaled(nodes).unwrap(), seed)
}

/// Every established 4-tuple (client address, client port, listener address, listener port), by who tells it.
fn tuples(world: &World, at_ms: i64) -> (BTreeSet<Tuple>, BTreeSet<Tuple>) {
    let snapshot = Snapshot::new(world, at_ms);
    let (mut outgoing, mut incoming) = (BTreeSet::new(), BTreeSet::new());
    for index in 0..world.places().len() as u32 {
        for flow in connections(world, &snapshot, index).flows {
            let rate = flow.bytes_per_s.unwrap();
            if flow.failing > 0 {
                assert_eq!(rate, 0);
                continue;
            }
            assert_eq!(flow.connections as usize, flow.client_ports.len());
            assert!(flow.client_ports.is_sorted_by(|a, b| a < b));
            let each = rate / u64::from(flow.connections);
            assert!((1_400..=240_000).contains(&each), "{flow:?}");
            for port in &flow.client_ports {
                let is_new = if flow.is_incoming {
                    incoming.insert((flow.peer.clone(), *port, flow.local.clone(), flow.port))
                } else {
                    outgoing.insert((flow.local.clone(), *port, flow.peer.clone(), flow.port))
                };
                assert!(is_new, "told twice: {flow:?}");
            }
        }
    }
    (outgoing, incoming)
}

fn is_inside(address: &[u8]) -> bool {
    address.first() == Some(&10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_ends_name_the_same_connections(seed: u64, nodes in 6u32..90, at_s in 0i64..20_000) {
        let world = demo(nodes, seed);
        let (outgoing, incoming) = tuples(&world, at_s * 1_000);
        let within = |all: &BTreeSet<Tuple>| all.iter().filter(|t| is_inside(&t.0) && is_inside(&t.2)).cloned().collect::<BTreeSet<_>>();
        prop_assert_eq!(within(&outgoing), within(&incoming));
        // Where a cluster has one host and that is down, nobody may be left to talk.
        if Snapshot::new(&world, at_s * 1_000).nodes.iter().all(NodeState::is_running) {
            prop_assert!(!within(&outgoing).is_empty());
            prop_assert!(outgoing.iter().any(|t| !is_inside(&t.2)), "services outside");
            prop_assert!(incoming.iter().any(|t| !is_inside(&t.0)), "clients outside");
        }
    }

    #[test]
    fn the_key_changes_whenever_the_connections_do_and_not_otherwise(seed: u64, index in 0u32..60, at_s in 0i64..20_000, step_s in 1i64..300) {
        let world = demo(60, seed);
        let (one, other) = (Snapshot::new(&world, at_s * 1_000), Snapshot::new(&world, (at_s + step_s) * 1_000));
        let told = |snapshot| connections(&world, snapshot, index);
        prop_assert_eq!(told(&one) == told(&other), key(&world, &one, index) == key(&world, &other, index));
    }
}

#[test]
fn both_ends_tell_the_same_rate_and_kinds_differ() {
    let world = demo(60, 1);
    let snapshot = Snapshot::new(&world, 0);
    let mut by_call: BTreeMap<(Vec<u8>, Vec<u8>, u16), Vec<u64>> = BTreeMap::new();
    let mut by_port: BTreeMap<u16, u64> = BTreeMap::new();
    for index in 0..60 {
        for flow in connections(&world, &snapshot, index).flows {
            let rate = flow.bytes_per_s.unwrap();
            let (from, to) = if flow.is_incoming {
                (flow.peer, flow.local)
            } else {
                *by_port.entry(flow.port).or_default() += rate;
                (flow.local, flow.peer)
            };
            by_call.entry((from, to, flow.port)).or_default().push(rate);
        }
    }
    let told_twice = by_call.values().filter(|rates| rates.len() == 2);
    assert!(told_twice.clone().count() > 100);
    assert!(told_twice.clone().all(|rates| rates[0] == rates[1]));
    let bits: Vec<u32> = by_port.values().map(|rate| (rate * 8).ilog10()).collect();
    let (least, most) = (bits.iter().min().unwrap(), bits.iter().max().unwrap());
    assert!(most > least && *most <= 9, "{by_port:?}");
}

/// From cluster to cluster with the port, as an observer of all 4-tuples sees it.
fn edges(world: &World, at_ms: i64) -> BTreeMap<(String, String, u16), usize> {
    let by_address: BTreeMap<Vec<u8>, String> = (0..world.places().len() as u32)
        .map(|index| {
            let cluster = world.cluster(world.place(index).unwrap()).unwrap();
            (address(index, 0).to_vec(), cluster.slug.clone())
        })
        .collect();
    let name = |address: &Vec<u8>| {
        by_address
            .get(address)
            .cloned()
            .unwrap_or("outside".to_owned())
    };
    let (outgoing, incoming) = tuples(world, at_ms);
    let mut edges = BTreeMap::new();
    for (client, _, listener, port) in outgoing.union(&incoming) {
        *edges
            .entry((name(client), name(listener), *port))
            .or_default() += 1;
    }
    edges
}

#[test]
fn the_demo_shows_exactly_the_edges_of_its_file() {
    let world = demo(60, 1);
    let edges = edges(&world, 0);
    let found: BTreeSet<String> = edges
        .keys()
        .map(|(from, to, port)| format!("{from} {to} {port}"))
        .collect();
    let wanted = [
        "outside edge 443",
        "edge app 8243",
        "edge app 9443",
        "app app 4000",
        "app db 5432",
        "db db 5432",
        "app mq 5672",
        "app cache 6379",
        "batch mq 5672",
        "batch db 5432",
        "batch cache 6379",
        "app outside 443",
    ];
    assert_eq!(found, wanted.map(str::to_owned).into());
    let count = |from: &str, to: &str, port| edges[&(from.to_owned(), to.to_owned(), port)];
    assert_eq!(count("edge", "app", 8243), 4 * 24);
    assert_eq!(count("app", "db", 5432), 14 * 10);
}

#[test]
fn a_server_that_is_gone_has_no_connections_and_its_clients_say_that_they_fail() {
    let world = demo(60, 1);
    let crash_ms = 41_000;
    let snapshot = Snapshot::new(&world, crash_ms);
    let down = (0..60)
        .find(|index| !world.state(*index, crash_ms).is_running())
        .unwrap();
    let told = connections(&world, &snapshot, down);
    assert!(told.flows.is_empty());
    assert_eq!(told.listeners.len(), 1, "only ssh");
    let gone = address(down, 0).to_vec();
    let mut failing = 0;
    for index in (0..60).filter(|index| *index != down) {
        for flow in connections(&world, &snapshot, index).flows {
            assert!(!(flow.is_incoming && flow.peer == gone));
            if flow.peer == gone {
                assert_eq!((flow.connections, flow.failing), (1, 1));
                failing += 1;
            } else {
                assert_eq!(flow.failing, 0);
            }
        }
    }
    assert!(failing >= 4, "{failing}");
}

#[test]
fn a_restart_changes_client_ports_and_leaves_the_others_alone() {
    let mut scenario = Scenario::demo().unwrap();
    scenario
        .incidents
        .retain(|incident| incident.trouble == crate::scenario::Trouble::Restart);
    for dependency in &mut scenario.dependencies {
        dependency.renew_ms = i64::MAX / 4;
    }
    let incident = scenario.incidents[0].clone();
    let world = World::new(scenario, 4);
    let (before, _) = tuples(&world, incident.first_ms - 1);
    let (after, _) = tuples(&world, incident.first_ms + incident.lasts_ms);
    let changed: BTreeSet<&Vec<u8>> = before
        .difference(&after)
        .filter(|t| is_inside(&t.2))
        .map(|t| &t.0)
        .collect();
    assert_eq!(changed.len(), 1, "one edge host restarted: {changed:?}");
    assert_eq!(before.len(), after.len(), "as many as before");
}

#[test]
fn a_flow_of_many_connections_tells_how_many_and_only_some_ports() {
    let bundle = Bundle {
        count: 2_000,
        draw: u64::MAX,
        each_bytes_per_s: 1,
    };
    let ports = bundle.ports();
    assert_eq!(ports.len(), FLOW_PORTS_MAX);
    assert!(ports.iter().all(|port| (32_768..=60_999).contains(port)));
}
