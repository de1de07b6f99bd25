//! What a simulated host measures: plausible values that are a function of (host, instant) alone.
//!
//! Pure and without state, so that the same seed gives the same curves however often and late they are read, and ten
//! thousand hosts cost no memory. The shape of a day plus smooth noise over four spans behaves like a random walk that
//! stays in its bounds. Related values agree: used and free add up, the processor's states sum to what is used.

use std::f64::consts::TAU;

use domain::metric::Metric;
use protocol::v1::report::Group;

use crate::machine::{Machine, Mount};
use crate::products::product;
use crate::random::{mix, unit};
use crate::scenario::Cluster;
use crate::world::{NodeState, Strain};

const DAY_MS: i64 = 86_400_000;
/// Spans of the noise and their weights; the weights sum to 1.
const SPANS: [(i64, f64); 4] = [
    (4_000, 0.15),
    (60_000, 0.2),
    (900_000, 0.3),
    (7_200_000, 0.35),
];

/// −1..=1, smooth: random numbers at multiples of `span_ms`, joined by `3x² − 2x³`.
fn smooth(seed: u64, t_ms: i64, span_ms: i64) -> f64 {
    let at = t_ms.div_euclid(span_ms);
    let into = t_ms.rem_euclid(span_ms) as f64 / span_ms as f64;
    let knot = |at: i64| unit(mix(seed ^ span_ms.unsigned_abs(), at as u64)) * 2.0 - 1.0;
    let ease = into * into * (3.0 - 2.0 * into);
    knot(at) * (1.0 - ease) + knot(at + 1) * ease
}

/// −1..=1: noise over all spans.
fn walk(seed: u64, t_ms: i64) -> f64 {
    SPANS
        .iter()
        .map(|(span_ms, weight)| smooth(seed, t_ms, *span_ms) * weight)
        .sum()
}

/// 0..=1: the fleet's busy hours, highest at 14:00 UTC.
fn daylight(t_ms: i64) -> f64 {
    let into = (t_ms - 2 * DAY_MS / 24).rem_euclid(DAY_MS) as f64 / DAY_MS as f64;
    0.5 - 0.5 * (TAU * into).cos()
}

/// Samples of one instance under construction.
struct Samples(Vec<i64>);

impl Samples {
    fn put(&mut self, metric: Metric, value: f64) {
        if let Some(stored) = metric.to_stored(value) {
            self.put_stored(metric, stored);
        }
    }

    fn put_stored(&mut self, metric: Metric, stored: i64) {
        self.0.extend([i64::from(metric.wire()), stored]);
    }

    fn group(self, instance: &str) -> Group {
        Group {
            instance: instance.to_owned(),
            values: self.0,
        }
    }
}

/// Everything a host measures at `t_ms` (wall clock), `up_s` seconds after its boot.
pub fn sample(machine: &Machine, t_ms: i64, up_s: u64) -> Vec<Group> {
    sample_under(machine, t_ms, up_s, &|_| Strain::default())
}

/// The same while the host is pressed; `strain` tells how hard at any instant of the wall clock.
pub fn sample_under(
    machine: &Machine,
    t_ms: i64,
    up_s: u64,
    strain: &dyn Fn(i64) -> Strain,
) -> Vec<Group> {
    let pressed = strain(t_ms);
    let busy = busy_under(machine, t_ms, pressed);
    let mut groups = vec![host(machine, t_ms, up_s, busy, strain)];
    groups.extend(machine.mounts.iter().map(|mount| {
        let seed = mix(machine.seed, 300 + mount.mount_point.len() as u64);
        let is_pressed = mount.mount_point == "/var";
        filesystem(
            mount,
            seed,
            t_ms,
            if is_pressed { pressed.disk } else { 0.0 },
        )
    }));
    groups.extend(
        machine
            .disks
            .iter()
            .zip(400u64..)
            .map(|(name, number)| disk(name, mix(machine.seed, number), t_ms, busy, pressed.disk)),
    );
    groups.extend(
        machine
            .interfaces
            .iter()
            .zip(500u64..)
            .map(|(name, number)| interface(name, mix(machine.seed, number), t_ms, busy)),
    );
    groups
}

/// 0.01..=0.97: how much of its processors a host uses.
fn busy(machine: &Machine, t_ms: i64) -> f64 {
    let draw = |what| unit(mix(machine.seed, what));
    let level = 0.05 + 0.25 * draw(100);
    let swing = 0.1 + 0.3 * draw(101);
    let noise = 0.35 * walk(mix(machine.seed, 102), t_ms);
    (level + swing * daylight(t_ms) + noise).clamp(0.01, 0.97)
}

/// The same under a strain.
pub fn busy_under(machine: &Machine, t_ms: i64, strain: Strain) -> f64 {
    toward(busy(machine, t_ms), 0.97, strain.cpu)
}

/// From `value` towards `end`, never back.
fn toward(value: f64, end: f64, share: f64) -> f64 {
    value + (end - value).max(0.0) * share
}

fn host(
    machine: &Machine,
    t_ms: i64,
    up_s: u64,
    busy: f64,
    strain: &dyn Fn(i64) -> Strain,
) -> Group {
    let mut samples = Samples(Vec::with_capacity(64));
    let pressed = strain(t_ms);
    let noise = |what| walk(mix(machine.seed, what), t_ms);
    cpu(&mut samples, busy, noise(110), pressed.disk);
    let cpus = f64::from(machine.cpu_count);
    for (metric, lag_ms) in [
        (Metric::Load1, 30_000),
        (Metric::Load5, 150_000),
        (Metric::Load15, 450_000),
    ] {
        let then = busy_under(machine, t_ms - lag_ms, strain(t_ms - lag_ms));
        samples.put(metric, cpus * then * (1.0 + then * then));
    }
    samples.put(Metric::Processes, 140.0 + 20.0 * cpus + 40.0 * noise(111));
    samples.put(Metric::ProcessesRunning, (cpus * busy).ceil());
    samples.put(
        Metric::ProcessesBlocked,
        (3.0 * noise(112)).max(0.0).floor(),
    );
    samples.put(Metric::UptimeS, up_s as f64);
    memory(&mut samples, machine, noise(120), t_ms, pressed.memory);
    if machine.has_pressure {
        let waits =
            |factor: f64, what| (busy * busy * factor * (1.0 + noise(what))).clamp(0.0, 1.0);
        let memory = toward(waits(0.02, 131), 0.2, pressed.memory);
        let io = toward(waits(0.08, 132), 0.6, pressed.disk);
        samples.put(Metric::PressureCpuSomeRatio, waits(0.3, 130));
        samples.put(Metric::PressureMemorySomeRatio, memory);
        samples.put(Metric::PressureMemoryFullRatio, memory / 2.0);
        samples.put(Metric::PressureIoSomeRatio, io);
        samples.put(Metric::PressureIoFullRatio, io * 0.7);
    }
    samples.group("")
}

/// States of the processors; what is used is exactly their sum.
fn cpu(samples: &mut Samples, busy: f64, noise: f64, disk: f64) {
    let states = [
        (Metric::CpuUserRatio, 0.70 + 0.1 * noise),
        (Metric::CpuNiceRatio, 0.01),
        (Metric::CpuSystemRatio, 0.22 - 0.1 * noise),
        (Metric::CpuIrqRatio, 0.03),
        (Metric::CpuStealRatio, 0.04),
    ];
    let mut used = 0;
    for (metric, share) in states {
        let stored = metric.to_stored(busy * share).unwrap_or(0);
        used += stored;
        samples.put_stored(metric, stored);
    }
    samples.put_stored(Metric::CpuUsedRatio, used);
    let waiting = (1.0 - busy) * (0.06 * (1.0 + noise) + 0.5 * disk);
    samples.put(Metric::CpuIowaitRatio, waiting.max(0.0));
}

/// Share of memory in use.
fn memory_used(machine: &Machine, noise: f64, t_ms: i64, strain: f64) -> f64 {
    let level = 0.3 + 0.35 * unit(mix(machine.seed, 121));
    let used = (level + 0.08 * daylight(t_ms) + 0.12 * noise).clamp(0.05, 0.97);
    toward(used, 0.96, strain)
}

fn memory(samples: &mut Samples, machine: &Machine, noise: f64, t_ms: i64, strain: f64) {
    let total = machine.memory_bytes as f64;
    let used = memory_used(machine, noise, t_ms, strain);
    let free = 1.0 - used;
    samples.put(Metric::MemoryUsedRatio, used);
    samples.put(Metric::MemoryAvailableBytes, (total * free).floor());
    samples.put(Metric::MemoryCachedBytes, (total * free * 0.7).floor());
    let swapped = ((used - 0.5).max(0.0) * 0.6).min(1.0);
    samples.put(
        Metric::SwapUsedBytes,
        (machine.swap_bytes as f64 * swapped).floor(),
    );
    if machine.swap_bytes > 0 {
        samples.put(Metric::SwapUsedRatio, swapped);
    }
}

/// Fills slowly and is cleaned once in a few days, as logs are.
fn filesystem(mount: &Mount, seed: u64, t_ms: i64, strain: f64) -> Group {
    let mut samples = Samples(Vec::with_capacity(6));
    let size = mount.size_bytes as f64;
    let period_ms = DAY_MS * (2 + (mix(seed, 1) % 5) as i64);
    let shifted = t_ms + (mix(seed, 2) % DAY_MS.unsigned_abs()) as i64;
    let filling = shifted.rem_euclid(period_ms) as f64 / period_ms as f64;
    let level = 0.2 + 0.45 * unit(mix(seed, 3));
    let used = (level + 0.2 * filling + 0.01 * walk(seed, t_ms)).clamp(0.01, 0.99);
    let used = toward(used, 0.98, strain);
    samples.put(Metric::FilesystemUsedRatio, used);
    samples.put(Metric::FilesystemFreeBytes, (size * (1.0 - used)).floor());
    if mount.has_inodes {
        samples.put(Metric::FilesystemInodesUsedRatio, used * 0.3);
    }
    samples.group(mount.mount_point)
}

fn disk(name: &str, seed: u64, t_ms: i64, busy: f64, strain: f64) -> Group {
    let mut samples = Samples(Vec::with_capacity(10));
    let rate = |what| (1.0 + walk(mix(seed, what), t_ms)).max(0.0) * busy;
    let (reads, writes) = (rate(1) * 120.0, rate(2) * 200.0 + 400.0 * strain);
    samples.put(Metric::DiskReadBytesPerS, reads * 24_000.0);
    samples.put(Metric::DiskWriteBytesPerS, writes * 16_000.0);
    samples.put(Metric::DiskReadsPerS, reads);
    samples.put(Metric::DiskWritesPerS, writes);
    let busy = ((reads + writes) / 800.0).min(1.0);
    samples.put(Metric::DiskBusyRatio, toward(busy, 0.95, strain));
    samples.group(name)
}

fn interface(name: &str, seed: u64, t_ms: i64, busy: f64) -> Group {
    let mut samples = Samples(Vec::with_capacity(12));
    let rate = |what| (1.0 + walk(mix(seed, what), t_ms)).max(0.0) * busy;
    let (received, sent) = (rate(1) * 6_000.0, rate(2) * 5_000.0);
    samples.put(Metric::NetworkReceiveBytesPerS, received * 600.0);
    samples.put(Metric::NetworkTransmitBytesPerS, sent * 900.0);
    samples.put(Metric::NetworkReceivePacketsPerS, received);
    samples.put(Metric::NetworkTransmitPacketsPerS, sent);
    samples.put(Metric::NetworkErrorsPerS, 0.0);
    let dropping = walk(mix(seed, 3), t_ms) - 0.6;
    samples.put(Metric::NetworkDropsPerS, (dropping * 10.0).max(0.0));
    samples.group(name)
}

/// What a server's values follow from, besides its host.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// How it is.
    pub state: &'a NodeState,
    /// How hard its host is pressed.
    pub strain: Strain,
    /// Since its process began.
    pub up_ms: i64,
    /// At the last look; `None` before the first.
    pub connections: Option<u32>,
}

/// Everything a host measures of its server, whose key is `key`. Of one that does not run: only that.
pub fn server(machine: &Machine, cluster: &Cluster, key: &str, t_ms: i64, load: Load<'_>) -> Group {
    let product = product(cluster);
    let mut samples = Samples(Vec::with_capacity(20));
    let has_answer = product.probe.is_none() || load.state.is_healthy;
    let is_up = load.state.is_running() && has_answer;
    samples.put(Metric::ServerUp, f64::from(u8::from(is_up)));
    samples.put(Metric::ServerRestarts, f64::from(load.state.restarts));
    if !load.state.is_running() {
        return samples.group(key);
    }
    let noise = |what| walk(mix(machine.seed, what), t_ms);
    let busy = busy_under(machine, t_ms, load.strain);
    // A process that just began is still loading.
    let warmth = (load.up_ms as f64 / 60_000.0).clamp(0.3, 1.0);
    let used = memory_used(machine, noise(120), t_ms, load.strain.memory) * warmth;
    let connections = f64::from(load.connections.unwrap_or(0));
    samples.put(Metric::ServerCpuUsedRatio, busy * (0.82 + 0.1 * noise(600)));
    let memory = machine.memory_bytes as f64 * used * product.memory_share;
    samples.put(Metric::ServerMemoryBytes, memory.floor());
    let threads = f64::from(product.threads) * (1.0 + 0.3 * busy) + connections * 0.2;
    samples.put(Metric::ServerThreads, threads.floor());
    let files = 40.0 + f64::from(product.threads) * 0.5 + connections;
    samples.put(Metric::ServerOpenFiles, files.floor());
    samples.put(Metric::ServerUptimeS, (load.up_ms.max(0) / 1_000) as f64);
    samples.put(Metric::ServerProcesses, f64::from(product.processes));
    if product.probe.is_some() {
        let slow = if load.state.is_healthy { 1.0 } else { 6.0 };
        let ms = 4.0 * slow * (1.0 + 8.0 * busy * busy) * (1.2 + noise(601));
        samples.put(Metric::ServerProbeMs, ms);
    }
    if load.connections.is_some() {
        samples.put(Metric::ServerConnections, connections);
    }
    samples.group(key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::metric::Unit;
    use proptest::prelude::*;

    use super::*;

    fn by_metric(groups: &[Group]) -> BTreeMap<(String, Metric), i64> {
        let mut found = BTreeMap::new();
        for group in groups {
            for pair in group.values.chunks(2) {
                let metric = Metric::from_wire(u16::try_from(pair[0]).unwrap()).unwrap();
                let doubled = found.insert((group.instance.clone(), metric), pair[1]);
                assert_eq!(doubled, None, "{metric:?} twice");
            }
        }
        found
    }

    /// Around the year 2026.
    fn instants() -> impl Strategy<Value = i64> {
        1_700_000_000_000i64..1_900_000_000_000
    }

    fn strains() -> impl Strategy<Value = Strain> {
        let share = || prop_oneof![Just(0.0), Just(1.0), 0.0..1.0];
        (share(), share(), share()).prop_map(|(cpu, memory, disk)| Strain { cpu, memory, disk })
    }

    #[test]
    fn a_strain_is_seen_in_what_it_presses_and_only_there() {
        let machine = Machine::new(3, 1);
        let t_ms = 1_770_000_000_000;
        let values = |strain: Strain| by_metric(&sample_under(&machine, t_ms, 77, &|_| strain));
        let calm = values(Strain::default());
        assert_eq!(calm, by_metric(&sample(&machine, t_ms, 77)));
        let none = Strain::default();
        let host = |metric| (String::new(), metric);
        let var = ("/var".to_owned(), Metric::FilesystemUsedRatio);
        for (strain, key, least, untouched) in [
            (
                Strain { cpu: 1.0, ..none },
                host(Metric::CpuUsedRatio),
                950,
                var.clone(),
            ),
            (
                Strain {
                    memory: 1.0,
                    ..none
                },
                host(Metric::MemoryUsedRatio),
                950,
                host(Metric::CpuUsedRatio),
            ),
            (
                Strain { disk: 1.0, ..none },
                var.clone(),
                970,
                host(Metric::MemoryUsedRatio),
            ),
        ] {
            let pressed = values(strain);
            assert!(
                pressed[&key] >= least && pressed[&key] > calm[&key],
                "{key:?}"
            );
            assert_eq!(pressed[&untouched], calm[&untouched]);
        }
    }

    proptest! {
        #[test]
        fn every_value_is_possible_and_related_values_agree(seed: u64, index in 0u32..10_000, t_ms in instants(), strain in strains()) {
            let machine = Machine::new(seed, index);
            let values = by_metric(&sample_under(&machine, t_ms, 77, &|_| strain));
            for ((instance, metric), stored) in &values {
                prop_assert!(*stored >= 0, "{:?} {}", metric, stored);
                prop_assert_eq!(instance.is_empty(), metric.wire() < 40);
                if metric.unit() == Unit::Ratio {
                    prop_assert!(metric.from_stored(*stored) <= 1.0, "{:?} {}", metric, stored);
                }
            }
            let host = |metric| values[&(String::new(), metric)];
            let states = host(Metric::CpuUserRatio) + host(Metric::CpuNiceRatio) + host(Metric::CpuSystemRatio)
                + host(Metric::CpuIrqRatio) + host(Metric::CpuStealRatio);
            prop_assert_eq!(host(Metric::CpuUsedRatio), states);
            prop_assert!(states + host(Metric::CpuIowaitRatio) <= 1_000);
            prop_assert_eq!(host(Metric::UptimeS), 77);
            let free = host(Metric::MemoryAvailableBytes) as f64 / machine.memory_bytes as f64;
            prop_assert!((free + Metric::MemoryUsedRatio.from_stored(host(Metric::MemoryUsedRatio)) - 1.0).abs() < 0.001);
            for mount in &machine.mounts {
                let value = |metric| values[&(mount.mount_point.to_owned(), metric)];
                let free = value(Metric::FilesystemFreeBytes) as f64 / mount.size_bytes as f64;
                let used = Metric::FilesystemUsedRatio.from_stored(value(Metric::FilesystemUsedRatio));
                prop_assert!((free + used - 1.0).abs() < 0.001);
                prop_assert_eq!(values.contains_key(&(mount.mount_point.to_owned(), Metric::FilesystemInodesUsedRatio)), mount.has_inodes);
            }
            prop_assert_eq!(values.contains_key(&(String::new(), Metric::PressureCpuSomeRatio)), machine.has_pressure);
            prop_assert!((34..=55).contains(&values.len()), "{}", values.len());
        }

        #[test]
        fn curves_have_no_jumps_within_a_tenth_of_a_second(seed: u64, t_ms in instants()) {
            let machine = Machine::new(seed, 0);
            prop_assert!((busy(&machine, t_ms) - busy(&machine, t_ms + 100)).abs() < 0.01);
        }

        #[test]
        fn the_same_seed_gives_the_same_values(seed: u64, index in 0u32..1_000, t_ms in instants()) {
            let machine = Machine::new(seed, index);
            prop_assert_eq!(sample(&machine, t_ms, 5), sample(&Machine::new(seed, index), t_ms, 5));
            prop_assert_ne!(sample(&machine, t_ms, 5), sample(&Machine::new(seed ^ 1, index), t_ms, 5));
        }
    }

    #[test]
    fn a_day_has_its_shape_and_hosts_differ() {
        let at = |hour: i64| 1_770_000_000_000 / DAY_MS * DAY_MS + hour * 3_600_000;
        let fleet: Vec<Machine> = (0..300).map(|index| Machine::new(1, index)).collect();
        let mean = |t_ms| fleet.iter().map(|m| busy(m, t_ms)).sum::<f64>() / fleet.len() as f64;
        let (night, day) = (mean(at(2)), mean(at(14)));
        assert!(day > night + 0.15, "{night} {day}");
        let spread: Vec<f64> = fleet.iter().map(|m| busy(m, at(14))).collect();
        let most = spread.iter().copied().fold(0.0, f64::max);
        let least = spread.iter().copied().fold(1.0, f64::min);
        assert!(most - least > 0.3, "{least} {most}");
    }
}
