use std::collections::BTreeSet;

use protocol::{INSTANCE_BYTES_MAX, wire};

use super::*;
use crate::scenario::Scenario;
use crate::traffic::{self, Snapshot};
use protocol::v1::section::SECTION_BYTES_MAX;

fn world(nodes: u32) -> World {
    World::new(Scenario::demo().unwrap().scaled(nodes).unwrap(), 1)
}

fn each(world: &World, mut look: impl FnMut(Subject<'_>)) {
    for (index, place) in (0u32..).zip(world.places()) {
        let machine = Machine::placed(1, index, place.cluster as u64, world.hostname(*place));
        look(Subject {
            world,
            machine: &machine,
            index,
            place: *place,
            cluster: world.cluster(*place).unwrap(),
            began_at_ms: 1_770_000_000_000,
        });
    }
}

#[test]
fn a_server_tells_what_its_pack_would_find_and_its_keys_name_its_samples_and_flows() {
    let world = world(60);
    let snapshot = Snapshot::new(&world, 0);
    let mut packs = BTreeSet::new();
    each(&world, |subject| {
        let state = world.state(subject.index, 0);
        let told = subject.servers(&state);
        let [server] = told.servers.as_slice() else {
            panic!("{told:?}");
        };
        packs.insert(server.pack.clone());
        assert_eq!(server.key, subject.server_key());
        assert!(server.key.starts_with(&format!("{}:", server.pack)));
        assert!(server.key.len() <= INSTANCE_BYTES_MAX);
        assert_eq!((server.state, server.pid.is_some()), (1, true));
        assert!(server.started_at_s.is_some_and(|s| s < 1_770_000_000));
        assert_eq!(server.ports, subject.cluster.ports);
        assert!(server.version.is_some() && server.product.is_some());
        let connections = traffic::connections(&world, &snapshot, subject.index);
        for flow in &connections.flows {
            assert_eq!(flow.server.as_deref(), Some(server.key.as_str()));
        }
        let bound: Vec<u16> = connections
            .listeners
            .iter()
            .filter(|listener| listener.server.is_some())
            .map(|listener| listener.port)
            .collect();
        assert_eq!(bound, server.ports);
        let units = subject.units(&state);
        let own = units
            .units
            .iter()
            .find(|unit| Some(&unit.name) == server.unit.as_ref());
        assert_eq!(own.map(|unit| unit.active.as_str()), Some("active"));
        assert_eq!(
            subject.processes(&state, 3, 0.5).processes[0].pid,
            server.pid.unwrap()
        );
    });
    assert_eq!(packs.len(), 5, "{packs:?}");
}

#[test]
fn a_failed_server_is_there_with_its_key_and_without_a_process() {
    let world = world(60);
    let at_ms = 41_000;
    let mut failed = 0;
    each(&world, |subject| {
        let state = world.state(subject.index, at_ms);
        let server = subject.servers(&state).servers.remove(0);
        if state.is_running() {
            return;
        }
        failed += 1;
        assert_eq!(
            (server.state, server.pid, server.started_at_s),
            (3, None, None)
        );
        assert!(server.ports.is_empty());
        let probe = server.probe.unwrap();
        assert_eq!(
            (probe.is_up, probe.code, probe.reason.as_deref()),
            (false, None, Some("refused"))
        );
        let unit = subject
            .units(&state)
            .units
            .into_iter()
            .find(|u| Some(&u.name) == server.unit.as_ref());
        assert_eq!(unit.unwrap().active, "failed");
    });
    assert_eq!(failed, 1);
}

#[test]
fn suggestions_name_the_place_and_the_interface_carries_the_address_of_the_flows() {
    let world = world(60);
    let snapshot = Snapshot::new(&world, 0);
    each(&world, |subject| {
        let suggested = subject.suggested();
        assert_eq!(suggested.system.as_deref(), Some("shop"));
        assert_eq!(
            suggested.cluster.as_deref(),
            Some(subject.cluster.slug.as_str())
        );
        let tags: BTreeSet<&str> = suggested.tags.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(tags, ["az", "tier"].into());
        let facts = subject.machine.facts(0);
        let own = &facts.interfaces[0].addresses[0];
        for flow in traffic::connections(&world, &snapshot, subject.index).flows {
            let [a, b, c, d] = flow.local[..] else {
                panic!("{flow:?}")
            };
            assert_eq!(*own, format!("{a}.{b}.{c}.{d}"));
        }
    });
}

#[test]
fn the_largest_cluster_still_fits_into_a_section() {
    let world = world(1_000);
    let snapshot = Snapshot::new(&world, 0);
    let sizes =
        (0..1_000).map(|index| wire::encode(&traffic::connections(&world, &snapshot, index)).len());
    let most = sizes.max().unwrap();
    assert!(most < SECTION_BYTES_MAX, "{most}");
}
