//! The lists of one host of a scenario: built when something they tell has changed, sent when their bytes are news to
//! the server, as agents do. What is kept of a list is its digest.

use std::sync::{Arc, Mutex, PoisonError};

use protocol::keys::short_digest;
use protocol::v1::report::Group;
use protocol::v1::section::{
    HeldSection, KIND_CONNECTIONS, KIND_PROCESSES, KIND_SERVERS, KIND_SOCKETS, KIND_UNITS, Section,
};
use protocol::wire;

use crate::machine::Machine;
use crate::random::mix;
use crate::sections::{Subject, count, sockets};
use crate::traffic::{self, Snapshot};
use crate::values::{self, Load};
use crate::world::World;

/// Between two looks at the processes.
const PROCESSES_MS: i64 = 600_000;

/// A world whose run has begun, shared by its hosts.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    /// Wall clock when it began.
    pub(crate) began_at_ms: i64,
    /// Everybody at the last look, so that hosts that look at the same instant compute it once.
    snapshot: Mutex<Option<Arc<Snapshot>>>,
}

impl Stage {
    pub(crate) fn new(world: Arc<World>, began_at_ms: i64) -> Self {
        Self {
            world,
            began_at_ms,
            snapshot: Mutex::new(None),
        }
    }

    fn subject<'a>(&'a self, index: u32, machine: &'a Machine) -> Option<Subject<'a>> {
        Subject::new(&self.world, index, machine, self.began_at_ms)
    }

    /// Since the run began.
    pub(crate) fn at_ms(&self, wall_ms: i64) -> i64 {
        wall_ms - self.began_at_ms
    }

    /// Everybody at the last common look before `at_ms`.
    fn snapshot(&self, at_ms: i64) -> Arc<Snapshot> {
        let look_ms = i64::try_from(self.world.scenario().look_ms.max(1)).unwrap_or(i64::MAX);
        let at_ms = at_ms.div_euclid(look_ms) * look_ms;
        // Nothing panics while the lock is held; should it, a whole snapshot is there or none.
        let mut kept = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.as_ref() {
            Some(snapshot) if snapshot.at_ms == at_ms => snapshot.clone(),
            _ => {
                let fresh = Arc::new(Snapshot::new(&self.world, at_ms));
                *kept = Some(fresh.clone());
                fresh
            }
        }
    }
}

#[derive(Debug)]
struct List {
    kind: u16,
    /// Of what it was last built from.
    key: Option<u64>,
    digest: [u8; 8],
    at_server: Option<[u8; 8]>,
    /// Of the one under way, should there be one.
    sent: [u8; 8],
}

/// What one host of a scenario keeps.
#[derive(Debug)]
pub(crate) struct Lists {
    stage: Arc<Stage>,
    index: u32,
    lists: [List; 5],
    /// Known after hello.
    is_server_known: bool,
    /// Connections at the last look.
    connections: Option<u32>,
}

impl Lists {
    pub(crate) fn new(stage: Arc<Stage>, index: u32) -> Self {
        let list = |kind| List {
            kind,
            key: None,
            digest: [0; 8],
            at_server: None,
            sent: [0; 8],
        };
        Self {
            stage,
            index,
            lists: [
                KIND_PROCESSES,
                KIND_UNITS,
                KIND_SOCKETS,
                KIND_SERVERS,
                KIND_CONNECTIONS,
            ]
            .map(list),
            is_server_known: false,
            connections: None,
        }
    }

    /// Takes note of what the server holds.
    pub(crate) fn set_held(&mut self, held: Option<&[HeldSection]>) {
        self.is_server_known = true;
        for list in &mut self.lists {
            let held = held.unwrap_or_default().iter();
            list.at_server = held
                .filter(|section| section.kind == list.kind)
                .map(|section| section.digest)
                .next();
        }
    }

    /// Lists of these kinds arrived.
    pub(crate) fn acked(&mut self, kinds: &[u16]) {
        for list in &mut self.lists {
            if kinds.contains(&list.kind) {
                list.at_server = Some(list.sent);
            }
        }
    }

    /// Does anything reach the server from this host?
    pub(crate) fn is_heard(&self, wall_ms: i64) -> bool {
        let at_ms = self.stage.at_ms(wall_ms);
        self.stage.world.state(self.index, at_ms).is_heard
    }

    /// What the host measures, its server included.
    pub(crate) fn sample(&self, machine: &Machine, wall_ms: i64, up_s: u64) -> Vec<Group> {
        let at_ms = self.stage.at_ms(wall_ms);
        let world = &self.stage.world;
        let strain = |t_ms: i64| world.strain(self.index, self.stage.at_ms(t_ms));
        let mut groups = values::sample_under(machine, wall_ms, up_s, &strain);
        if let Some(subject) = self.stage.subject(self.index, machine) {
            let state = world.state(self.index, at_ms);
            let load = Load {
                state: &state,
                strain: strain(wall_ms),
                up_ms: at_ms - state.started_ms,
                connections: self.connections,
            };
            let key = subject.server_key();
            groups.push(values::server(
                machine,
                subject.cluster,
                &key,
                wall_ms,
                load,
            ));
        }
        groups
    }

    /// The lists that are news, but for those `under_way`.
    pub(crate) fn due(
        &mut self,
        machine: &Machine,
        wall_ms: i64,
        under_way: &[u16],
    ) -> Option<Vec<Section>> {
        if !self.is_server_known {
            return None;
        }
        let stage = self.stage.clone();
        let subject = stage.subject(self.index, machine)?;
        let at_ms = stage.at_ms(wall_ms);
        let state = stage.world.state(self.index, at_ms);
        let snapshot = stage.snapshot(at_ms);
        let traffic_key = traffic::key(&stage.world, &snapshot, self.index);
        let server_key = mix(
            state.generation << 8 | state.version as u64,
            u64::from(state.restarts) << 8
                | u64::from(state.is_healthy) << 4
                | state.process as u64,
        );
        let phase = mix(machine.seed, 0x9C) % PROCESSES_MS.unsigned_abs();
        let slot = (wall_ms.unsigned_abs() + phase) / PROCESSES_MS.unsigned_abs();
        let mut sections = Vec::new();
        let mut connections = None;
        for list in &mut self.lists {
            let key = match list.kind {
                KIND_PROCESSES => mix(slot, server_key),
                KIND_SOCKETS | KIND_CONNECTIONS => traffic_key,
                _ => server_key,
            };
            let is_known = list.key == Some(key);
            if is_known && list.at_server == Some(list.digest) || under_way.contains(&list.kind) {
                continue;
            }
            let mut told = || {
                connections
                    .get_or_insert_with(|| {
                        traffic::connections(&stage.world, &snapshot, self.index)
                    })
                    .clone()
            };
            let body = match list.kind {
                KIND_PROCESSES => {
                    let strain = stage.world.strain(self.index, at_ms);
                    let busy = values::busy_under(machine, wall_ms, strain);
                    wire::encode(&subject.processes(&state, slot, busy))
                }
                KIND_UNITS => wire::encode(&subject.units(&state)),
                KIND_SOCKETS => wire::encode(&sockets(&told())),
                KIND_SERVERS => wire::encode(&subject.servers(&state)),
                _ => wire::encode(&told()),
            };
            list.digest = short_digest(&body);
            list.key = Some(key);
            if list.at_server != Some(list.digest) {
                list.sent = list.digest;
                sections.push(Section {
                    kind: list.kind,
                    body,
                });
            }
        }
        if let Some(connections) = &connections {
            self.connections = Some(count(connections));
        }
        (!sections.is_empty()).then_some(sections)
    }
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
