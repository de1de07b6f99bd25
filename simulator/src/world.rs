//! How every host of a scenario is at an instant: a function of (scenario, seed, instant) alone.
//!
//! Pure. Instants count from the start of the run. An incident comes again and again; each time it takes the next hosts
//! in a seeded order of its cluster, so that how often it took a host until now is arithmetic, not memory.

use std::ops::Range;

use crate::random::{mix, unit};
use crate::scenario::{Cluster, End, Incident, Role, Scenario, Trouble};

/// Over so long a strain grows and fades, unless the incident is short.
const RAMP_MS: i64 = 20_000;
/// Longest time that processes had been running when the run began.
const UPTIME_MS_MAX: f64 = 20.0 * 86_400_000.0;

/// A scenario with its hosts in order.
#[derive(Debug)]
pub struct World {
    scenario: Scenario,
    seed: u64,
    places: Vec<Place>,
    /// First host of each cluster.
    firsts: Vec<u32>,
    /// For each incident, where each host of its cluster stands in its order.
    orders: Vec<Vec<u32>>,
}

/// Where a host belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Cluster, by its place in the scenario.
    pub cluster: usize,
    /// From 0 within the cluster.
    pub number: u32,
    /// Role, by its place in the cluster.
    pub role: usize,
}

/// A server's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// It runs.
    Running,
    /// It ended in failure.
    Failed,
    /// It ended and is about to be started again.
    Restarting,
}

/// How a host and its server are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeState {
    /// Does the agent reach the server?
    pub is_heard: bool,
    /// The server's process.
    pub process: Process,
    /// Does its health probe answer as it should, while it runs?
    pub is_healthy: bool,
    /// Which of its processes since the beginning; another one has another pid and other client ports.
    pub generation: u64,
    /// When that process began; negative before the start of the run.
    pub started_ms: i64,
    /// How often it restarted by itself.
    pub restarts: u32,
    /// Version, by its place in the cluster's versions.
    pub version: usize,
}

/// How hard a host is pressed, each 0..=1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Strain {
    /// Processors.
    pub cpu: f64,
    /// Memory.
    pub memory: f64,
    /// Filesystem and disk.
    pub disk: f64,
}

/// How often an incident has come until an instant, and its last time.
#[derive(Debug, Clone, Copy)]
struct Course {
    times: i64,
    start_ms: i64,
    is_active: bool,
}

impl World {
    /// The hosts of this scenario.
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        let mut places = Vec::new();
        let mut firsts = Vec::new();
        for (at, cluster) in scenario.clusters.iter().enumerate() {
            firsts.push(u32::try_from(places.len()).unwrap_or(u32::MAX));
            let mut numbers = 0u32..;
            for (role, part) in cluster.roles.iter().enumerate() {
                let hosts = numbers.by_ref().take(part.nodes as usize);
                places.extend(hosts.map(|number| Place {
                    cluster: at,
                    number,
                    role,
                }));
            }
        }
        let orders = scenario.incidents.iter().zip(0u64..);
        let orders = orders
            .map(|(incident, number)| {
                let cluster = incident.cluster.and_then(|at| scenario.clusters.get(at));
                order(cluster.map_or(0, Cluster::nodes), mix(seed, 7_000 + number))
            })
            .collect();
        Self {
            scenario,
            seed,
            places,
            firsts,
            orders,
        }
    }

    /// What it was made of.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What all of it is drawn from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its hosts.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Host `index`.
    pub fn place(&self, index: u32) -> Option<Place> {
        self.places.get(index as usize).copied()
    }

    /// Its cluster.
    pub fn cluster(&self, place: Place) -> Option<&Cluster> {
        self.scenario.clusters.get(place.cluster)
    }

    /// Its role, where it has one.
    pub fn role(&self, place: Place) -> Option<&Role> {
        self.cluster(place)?.roles.get(place.role)
    }

    /// Kernel name of the host: its cluster and its number in it.
    pub fn hostname(&self, place: Place) -> String {
        let slug = self.cluster(place).map_or("", |cluster| &cluster.slug);
        format!("{slug}-{:02}", place.number + 1)
    }

    /// Its availability zone.
    pub fn zone(&self, place: Place) -> &str {
        let zones = &self.scenario.zones;
        let at = (place.number as usize).checked_rem(zones.len());
        at.and_then(|at| zones.get(at)).map_or("", String::as_str)
    }

    /// The hosts at one end of a dependency, by index.
    pub fn hosts(&self, end: &End) -> Range<u32> {
        let mut first = self.firsts.get(end.cluster).copied().unwrap_or(0);
        let Some(cluster) = self.scenario.clusters.get(end.cluster) else {
            return 0..0;
        };
        let Some(name) = &end.role else {
            return first..first + cluster.nodes();
        };
        for role in &cluster.roles {
            if role.name == *name {
                return first..first + role.nodes;
            }
            first += role.nodes;
        }
        0..0
    }

    /// How host `index` is at an instant.
    pub fn state(&self, index: u32, at_ms: i64) -> NodeState {
        let Some(place) = self.place(index) else {
            return NodeState::steady(0);
        };
        let draw = mix(self.seed ^ 0x57A7, u64::from(index));
        let mut state = NodeState::steady(-1_000 - (unit(draw) * UPTIME_MS_MAX) as i64);
        let versions = self.cluster(place).map_or(1, |c| c.versions.len().max(1));
        for (number, incident) in self.incidents_at(place) {
            let course = self.course(number, incident, at_ms);
            if incident.trouble == Trouble::Partition {
                let zones = self.scenario.zones.len() as i64;
                let turn = course.times - 1 + (mix(self.seed, 60) % 64) as i64;
                let is_ours = i64::from(place.number) % zones == turn % zones;
                state.is_heard &= !(course.is_active && is_ours);
                continue;
            }
            let taken = self.taken(number, incident, place, course.times);
            match incident.trouble {
                Trouble::Silent => state.is_heard &= !(taken.is_last && course.is_active),
                Trouble::Probe => state.is_healthy &= !(taken.is_last && course.is_active),
                Trouble::Crash | Trouble::Restart => {
                    let is_down = taken.is_last && course.is_active;
                    if is_down && incident.trouble == Trouble::Crash {
                        state.process = Process::Failed;
                    } else if is_down && state.process == Process::Running {
                        state.process = Process::Restarting;
                    }
                    let begun = taken.times - u64::from(is_down);
                    state.generation += begun;
                    if incident.trouble == Trouble::Restart {
                        state.restarts += u32::try_from(begun).unwrap_or(0);
                    }
                    let ended = if is_down { taken.before } else { taken.time };
                    if let Some(time) = ended {
                        let end = self.start_ms(number, incident, time) + incident.lasts_ms;
                        state.started_ms = state.started_ms.max(end);
                    }
                }
                Trouble::Deploy => self.deploy(&mut state, number, incident, place, course),
                Trouble::Cpu | Trouble::Disk | Trouble::Memory | Trouble::Partition => {}
            }
        }
        state.version %= versions;
        state
    }

    /// The next version: on the hosts that it takes when it comes, on the others when it ends.
    fn deploy(
        &self,
        state: &mut NodeState,
        number: usize,
        incident: &Incident,
        place: Place,
        course: Course,
    ) {
        let has_it = |time: i64| {
            let is_over = time + 1 < course.times || !course.is_active;
            let is_first = self.is_taken(number, incident, place, time);
            is_first || is_over
        };
        let newest = course.times - 1;
        let last = if newest >= 0 && has_it(newest) {
            newest
        } else {
            newest - 1
        };
        if last < 0 {
            return;
        }
        let since = self.start_ms(number, incident, last);
        let since = if self.is_taken(number, incident, place, last) {
            since
        } else {
            since + incident.lasts_ms
        };
        state.started_ms = state.started_ms.max(since);
        state.generation += last.unsigned_abs() + 1;
        state.version += usize::try_from(last).unwrap_or(0) + 1;
    }

    /// How hard host `index` is pressed.
    pub fn strain(&self, index: u32, at_ms: i64) -> Strain {
        let mut strain = Strain::default();
        let Some(place) = self.place(index) else {
            return strain;
        };
        for (number, incident) in self.incidents_at(place) {
            let part = match incident.trouble {
                Trouble::Cpu => &mut strain.cpu,
                Trouble::Memory => &mut strain.memory,
                Trouble::Disk => &mut strain.disk,
                _ => continue,
            };
            let course = self.course(number, incident, at_ms);
            if course.times == 0 || !self.is_taken(number, incident, place, course.times - 1) {
                continue;
            }
            let ramp_ms = RAMP_MS.min(incident.lasts_ms / 3).max(1) as f64;
            let into = (at_ms - course.start_ms) as f64 / ramp_ms;
            let left = (course.start_ms + incident.lasts_ms - at_ms) as f64 / ramp_ms;
            *part = part.max(into.min(left).clamp(0.0, 1.0));
        }
        strain
    }

    fn incidents_at(&self, place: Place) -> impl Iterator<Item = (usize, &Incident)> {
        let incidents = self.scenario.incidents.iter().enumerate();
        incidents.filter(move |(_, i)| i.cluster.is_none_or(|at| at == place.cluster))
    }

    /// When an incident comes for the `time`th time (from 0).
    fn start_ms(&self, number: usize, incident: &Incident, time: i64) -> i64 {
        let room = (incident.every_ms - incident.lasts_ms).min(incident.every_ms / 4);
        let draw = mix(
            self.seed ^ 0x1AC1,
            (number as u64) << 32 | time.unsigned_abs(),
        );
        let late = if time == 0 {
            0
        } else {
            (draw % room.max(1).unsigned_abs()) as i64
        };
        incident.first_ms + time * incident.every_ms + late
    }

    fn course(&self, number: usize, incident: &Incident, at_ms: i64) -> Course {
        let due = (at_ms - incident.first_ms).div_euclid(incident.every_ms.max(1));
        let mut time = due;
        if time >= 0 && self.start_ms(number, incident, time) > at_ms {
            time -= 1;
        }
        if time < 0 {
            return Course {
                times: 0,
                start_ms: 0,
                is_active: false,
            };
        }
        let start_ms = self.start_ms(number, incident, time);
        Course {
            times: time + 1,
            start_ms,
            is_active: at_ms < start_ms + incident.lasts_ms,
        }
    }

    fn position(&self, number: usize, place: Place) -> Option<(u64, u64)> {
        let order = self.orders.get(number)?;
        let position = order.get(place.number as usize)?;
        Some((u64::from(*position), order.len() as u64))
    }

    /// Does the incident take this host at its `time`th coming?
    fn is_taken(&self, number: usize, incident: &Incident, place: Place, time: i64) -> bool {
        self.position(number, place)
            .is_some_and(|(position, size)| {
                let first = time.unsigned_abs() * u64::from(incident.nodes) % size;
                (position + size - first) % size < u64::from(incident.nodes)
            })
    }

    /// How often it took this host in its first `times` comings.
    fn taken(&self, number: usize, incident: &Incident, place: Place, times: i64) -> Taken {
        let nodes = u64::from(incident.nodes.max(1));
        let Some((position, size)) = self.position(number, place) else {
            return Taken::default();
        };
        let drawn = times.unsigned_abs() * nodes;
        if drawn <= position {
            return Taken::default();
        }
        let before = (drawn - 1 - position) / size;
        let time = (position + before * size) / nodes;
        let earlier = before.checked_sub(1);
        let earlier = earlier.map(|before| (position + before * size) / nodes);
        Taken {
            times: before + 1,
            time: i64::try_from(time).ok(),
            before: earlier.and_then(|time| i64::try_from(time).ok()),
            is_last: time + 1 == times.unsigned_abs(),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    times: u64,
    /// The last one.
    time: Option<i64>,
    /// The one before.
    before: Option<i64>,
    /// Is that the incident's last coming?
    is_last: bool,
}

impl NodeState {
    fn steady(started_ms: i64) -> Self {
        Self {
            is_heard: true,
            process: Process::Running,
            is_healthy: true,
            generation: 0,
            started_ms,
            restarts: 0,
            version: 0,
        }
    }

    /// Does its process run?
    pub fn is_running(&self) -> bool {
        self.process == Process::Running
    }
}

/// Where each of `count` hosts stands in a shuffled order.
fn order(count: u32, seed: u64) -> Vec<u32> {
    let mut hosts: Vec<u32> = (0..count).collect();
    hosts.sort_by_key(|host| mix(seed, u64::from(*host)));
    let mut positions = vec![0; count as usize];
    for (position, host) in (0u32..).zip(hosts) {
        if let Some(slot) = positions.get_mut(host as usize) {
            *slot = position;
        }
    }
    positions
}

#[cfg(test)]
#[path = "world_tests.rs"]
mod tests;
