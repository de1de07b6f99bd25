use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const MINUTE_MS: i64 = 60_000;

fn demo(nodes: u32, seed: u64) -> World {
    World::new(Scenario::demo().unwrap().scaled(nodes).unwrap(), seed)
}

/// The demo with only its incidents of this kind.
fn only(trouble: Trouble, seed: u64) -> World {
    let mut scenario = Scenario::demo().unwrap();
    scenario
        .incidents
        .retain(|incident| incident.trouble == trouble);
    assert!(!scenario.incidents.is_empty(), "the demo has {trouble:?}");
    World::new(scenario, seed)
}

fn everybody(world: &World, at_ms: i64) -> Vec<NodeState> {
    let hosts = 0..world.places().len() as u32;
    hosts.map(|index| world.state(index, at_ms)).collect()
}

proptest! {
    #[test]
    fn the_same_seed_is_the_same_estate_whatever_was_asked_before(seed: u64, at_s in 0i64..200_000, before_s in 0i64..200_000) {
        let (one, other) = (demo(60, seed), demo(60, seed));
        let _before = everybody(&one, before_s * 1_000);
        prop_assert_eq!(everybody(&one, at_s * 1_000), everybody(&other, at_s * 1_000));
    }

    /// Counting every coming of an incident one by one gives what the arithmetic says.
    #[test]
    fn how_often_a_host_was_taken_is_what_counting_gives(seed: u64, nodes in 6u32..300, times in 0i64..60) {
        let world = demo(nodes, seed);
        for (number, incident) in world.scenario.incidents.iter().enumerate() {
            let Some(cluster) = incident.cluster else { continue };
            let mut all = 0;
            for place in world.places.iter().filter(|place| place.cluster == cluster) {
                let comings: Vec<i64> = (0..times).filter(|time| world.is_taken(number, incident, *place, *time)).collect();
                let taken = world.taken(number, incident, *place, times);
                prop_assert_eq!(taken.times, comings.len() as u64);
                prop_assert_eq!(taken.time, comings.last().copied());
                prop_assert_eq!(taken.is_last, comings.last() == Some(&(times - 1)));
                all += comings.len() as i64;
            }
            prop_assert_eq!(all, times * i64::from(incident.nodes), "each time on as many hosts as the file says");
        }
    }

    #[test]
    fn incidents_never_overlap_themselves(seed: u64, time in 0i64..10_000) {
        let world = demo(60, seed);
        for (number, incident) in world.scenario.incidents.iter().enumerate() {
            let start = world.start_ms(number, incident, time);
            prop_assert!(start + incident.lasts_ms <= world.start_ms(number, incident, time + 1));
            let course = world.course(number, incident, start);
            prop_assert_eq!((course.times, course.is_active), (time + 1, true));
            prop_assert_eq!(world.course(number, incident, start - 1).times, time);
            prop_assert!(!world.course(number, incident, start + incident.lasts_ms).is_active);
        }
    }

    /// A process has one beginning: while its number stays, so does the instant, and it is never in the future.
    #[test]
    fn a_process_begins_once_and_numbers_rise(seed: u64, index in 0u32..60, step_s in 1i64..120) {
        let world = demo(60, seed);
        let mut before = world.state(index, 0);
        for at_ms in (0..100).map(|step| step * step_s * 1_000) {
            let state = world.state(index, at_ms);
            prop_assert!(state.generation >= before.generation && state.restarts >= before.restarts);
            prop_assert!(state.started_ms <= at_ms && state.started_ms >= before.started_ms);
            prop_assert!(state.generation != before.generation || state.started_ms == before.started_ms, "{:?} {:?}", before, state);
            before = state;
        }
    }

    #[test]
    fn strain_grows_and_fades_without_jumps(seed: u64, index in 0u32..60, at_s in 0i64..20_000) {
        let world = demo(60, seed);
        let (now, next) = (world.strain(index, at_s * 1_000), world.strain(index, at_s * 1_000 + 100));
        for (a, b) in [(now.cpu, next.cpu), (now.memory, next.memory), (now.disk, next.disk)] {
            prop_assert!((0.0..=1.0).contains(&a) && (a - b).abs() < 0.01, "{} {}", a, b);
        }
    }
}

#[test]
fn a_crash_comes_and_goes_and_takes_another_host_next_time() {
    let world = only(Trouble::Crash, 1);
    let incident = world.scenario.incidents[0].clone();
    let down = |at_ms| {
        let states = everybody(&world, at_ms);
        let down = states.iter().enumerate().filter(|(_, s)| !s.is_running());
        down.map(|(index, state)| (index, state.process))
            .collect::<Vec<_>>()
    };
    assert!(down(incident.first_ms - 1).is_empty());
    let first = down(incident.first_ms);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].1, Process::Failed);
    assert_eq!(down(incident.first_ms + incident.lasts_ms - 1), first);
    let end_ms = incident.first_ms + incident.lasts_ms;
    assert!(down(end_ms).is_empty());
    let back = world.state(first[0].0 as u32, end_ms);
    assert_eq!(
        (back.generation, back.started_ms),
        (1, end_ms),
        "another process"
    );
    let second = down(world.start_ms(0, &incident, 1));
    assert_ne!(second, first);
}

#[test]
fn a_deploy_leaves_two_versions_side_by_side_and_then_one() {
    let world = only(Trouble::Deploy, 3);
    let incident = world.scenario.incidents[0].clone();
    let versions = |at_ms| {
        let states = everybody(&world, at_ms);
        let app = world
            .places
            .iter()
            .zip(states)
            .filter(|(place, _)| Some(place.cluster) == incident.cluster);
        let app: Vec<NodeState> = app.map(|(_, state)| state).collect();
        (0..2)
            .map(|version| app.iter().filter(|s| s.version == version).count())
            .collect::<Vec<_>>()
    };
    let end_ms = incident.first_ms + incident.lasts_ms;
    assert_eq!(versions(0), [14, 0]);
    assert_eq!(versions(incident.first_ms), [7, 7]);
    assert_eq!(versions(end_ms), [0, 14]);
    assert_eq!(versions(world.start_ms(0, &incident, 1)), [7, 7]);
    assert_eq!(
        versions(world.start_ms(0, &incident, 1) + incident.lasts_ms),
        [14, 0]
    );
}

#[test]
fn a_partition_silences_one_zone_everywhere_and_every_zone_has_its_turn() {
    let world = only(Trouble::Partition, 5);
    let incident = world.scenario.incidents[0].clone();
    let mut zones = BTreeSet::new();
    for time in 0..3 {
        let at_ms = world.start_ms(0, &incident, time) + 1;
        let states = everybody(&world, at_ms);
        let silent: BTreeSet<&str> = world
            .places
            .iter()
            .zip(&states)
            .filter(|(_, state)| !state.is_heard)
            .map(|(place, _)| world.zone(*place))
            .collect();
        let zone = silent.first().copied().unwrap_or("");
        assert_eq!(silent.len(), 1, "{silent:?}");
        for (place, state) in world.places.iter().zip(&states) {
            assert_eq!(state.is_heard, world.zone(*place) != zone);
        }
        zones.insert(zone.to_owned());
    }
    assert_eq!(zones.len(), 3);
    assert!(everybody(&world, 0).iter().all(|state| state.is_heard));
}

#[test]
fn every_kind_of_trouble_is_seen_within_an_hour_and_a_calm_estate_is_calm() {
    let mut seen = BTreeSet::new();
    for trouble in Trouble::ALL {
        let world = only(trouble, 9);
        for at_ms in (0..60 * MINUTE_MS).step_by(5_000) {
            for index in 0..60 {
                let (state, strain) = (world.state(index, at_ms), world.strain(index, at_ms));
                let is_seen = match trouble {
                    Trouble::Crash => state.process == Process::Failed,
                    Trouble::Restart => state.process == Process::Restarting && at_ms > 0,
                    Trouble::Silent | Trouble::Partition => !state.is_heard,
                    Trouble::Probe => !state.is_healthy,
                    Trouble::Cpu => strain.cpu > 0.99,
                    Trouble::Memory => strain.memory > 0.99,
                    Trouble::Disk => strain.disk > 0.99,
                    Trouble::Deploy => state.version == 1,
                };
                if is_seen {
                    seen.insert(trouble.as_str());
                }
            }
        }
    }
    assert_eq!(seen.len(), Trouble::ALL.len(), "{seen:?}");
    let mut calm = Scenario::demo().unwrap();
    calm.incidents.clear();
    let calm = World::new(calm, 9);
    assert_eq!(everybody(&calm, 0), everybody(&calm, 60 * MINUTE_MS));
    assert!(
        everybody(&calm, 0)
            .iter()
            .all(|state| state.is_running() && state.is_healthy)
    );
}

#[test]
fn roles_are_where_a_dependency_looks_for_them() {
    let world = demo(60, 1);
    let end = |cluster, role: Option<&str>| End {
        cluster,
        role: role.map(str::to_owned),
    };
    assert_eq!(world.hosts(&end(1, None)), 4..18);
    assert_eq!(world.hosts(&end(1, Some("manager"))), 4..6);
    assert_eq!(world.hosts(&end(1, Some("worker"))), 6..18);
    assert!(world.hosts(&end(1, Some("nobody"))).is_empty());
    for (index, place) in world.places.iter().enumerate() {
        let role = world.role(*place).unwrap();
        let hosts = world.hosts(&end(place.cluster, Some(&role.name)));
        assert!(hosts.contains(&(index as u32)));
    }
    let names: BTreeSet<String> = world
        .places
        .iter()
        .map(|place| world.hostname(*place))
        .collect();
    assert_eq!(names.len(), 60);
    assert!(names.contains("app-14") && names.contains("edge-01"));
}
