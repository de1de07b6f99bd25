use protocol::v1::section::Servers;

use super::*;
use crate::scenario::Scenario;

const BEGAN: i64 = 1_770_000_000_000;

struct Host {
    lists: Lists,
    machine: Machine,
}

fn host(index: u32) -> Host {
    let world = Arc::new(World::new(Scenario::demo().unwrap(), 1));
    let name = world.hostname(world.place(index).unwrap());
    Host {
        machine: Machine::placed(1, index, 0, name),
        lists: Lists::new(Arc::new(Stage::new(world, BEGAN)), index),
    }
}

fn kinds(sections: &Option<Vec<Section>>) -> Vec<u16> {
    sections
        .iter()
        .flatten()
        .map(|section| section.kind)
        .collect()
}

fn held(sections: &Option<Vec<Section>>) -> Vec<HeldSection> {
    let sections = sections.iter().flatten();
    sections
        .map(|s| HeldSection {
            kind: s.kind,
            digest: short_digest(&s.body),
        })
        .collect()
}

const ALL: [u16; 5] = [
    KIND_PROCESSES,
    KIND_UNITS,
    KIND_SOCKETS,
    KIND_SERVERS,
    KIND_CONNECTIONS,
];

#[test]
fn nothing_is_told_before_the_server_said_what_it_holds() {
    let Host { mut lists, machine } = host(0);
    assert_eq!(lists.due(&machine, BEGAN, &[]), None);
    lists.set_held(None);
    let told = lists.due(&machine, BEGAN, &[]);
    assert_eq!(kinds(&told), ALL);
    let Host {
        lists: mut again, ..
    } = host(0);
    again.set_held(Some(&held(&told)));
    assert_eq!(again.due(&machine, BEGAN, &[]), None, "it holds them all");
}

#[test]
fn what_is_under_way_is_not_told_again_and_what_was_lost_is() {
    let Host { mut lists, machine } = host(0);
    lists.set_held(None);
    lists.due(&machine, BEGAN, &[]);
    assert_eq!(lists.due(&machine, BEGAN + 1_000, &ALL), None);
    let lost = lists.due(&machine, BEGAN + 1_000, &[KIND_UNITS]);
    assert_eq!(kinds(&lost).len(), 4);
    lists.acked(&ALL);
    assert_eq!(lists.due(&machine, BEGAN + 2_000, &[]), None);
}

#[test]
fn a_crash_is_told_when_it_happens_and_is_over() {
    let world = World::new(Scenario::demo().unwrap(), 1);
    let at_ms = 41_000;
    let down = (0..60)
        .find(|index| !world.state(*index, at_ms).is_running())
        .unwrap();
    let Host { mut lists, machine } = host(down);
    lists.set_held(None);
    let server = |sections: &Option<Vec<Section>>| {
        let found = sections.iter().flatten().find(|s| s.kind == KIND_SERVERS);
        found.map(|s| {
            wire::decode::<Servers>("servers", &s.body)
                .unwrap()
                .servers
                .remove(0)
        })
    };
    let before = server(&lists.due(&machine, BEGAN, &[])).unwrap();
    lists.acked(&ALL);
    let crashed = lists.due(&machine, BEGAN + at_ms, &[]);
    assert_eq!(server(&crashed).unwrap().state, 3);
    assert!(kinds(&crashed).contains(&KIND_CONNECTIONS));
    lists.acked(&kinds(&crashed));
    let back = server(&lists.due(&machine, BEGAN + 165_000, &[])).unwrap();
    assert_eq!((back.state, back.key), (1, before.key));
    assert_ne!(back.pid, before.pid, "another process");
}

#[test]
fn hosts_that_look_within_the_same_span_share_one_snapshot() {
    let stage = Stage::new(Arc::new(World::new(Scenario::demo().unwrap(), 1)), BEGAN);
    let one = stage.snapshot(20_000);
    assert!(Arc::ptr_eq(&one, &stage.snapshot(29_999)));
    assert_eq!(stage.snapshot(30_000).at_ms, 30_000);
}

#[test]
fn samples_carry_the_servers_own_values_under_its_key() {
    use domain::metric::Metric;
    let Host { mut lists, machine } = host(5);
    lists.set_held(None);
    lists.due(&machine, BEGAN, &[]);
    let groups = lists.sample(&machine, BEGAN, 5_000);
    let own = groups.last().unwrap();
    assert_eq!(own.instance, "carbon:/opt/wso2/server");
    let values: std::collections::BTreeMap<i64, i64> = own
        .values
        .chunks(2)
        .map(|pair| (pair[0], pair[1]))
        .collect();
    let value = |metric: Metric| values[&i64::from(metric.wire())];
    assert_eq!(value(Metric::ServerUp), 1);
    assert!(value(Metric::ServerConnections) > 10);
    assert!(value(Metric::ServerMemoryBytes) < machine.memory_bytes as i64);
    assert_eq!(values.len(), 10, "every server metric: {values:?}");
}
