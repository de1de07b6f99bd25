//! The lists about this host: when each is read, and whether the server holds it already.
//!
//! Used by [`crate::run`]. A list goes into the next record when its bytes are others than the server holds and none of
//! its kind is under way.

use std::collections::{BTreeMap, BTreeSet};

use domain::fleet::Collector;
use protocol::keys::short_digest;
use protocol::v1::section::{
    HeldSection, KIND_CONNECTIONS, KIND_PROCESSES, KIND_SERVERS, KIND_SOCKETS, KIND_UNITS, Section,
};
use protocol::wire;

use crate::collect::{Lists, Outcome, Run, sockets};

/// How often a list is read: while nobody looks, and while somebody does.
#[derive(Debug, Clone, Copy)]
struct Rhythm {
    usual_ms: u64,
    watched_ms: u64,
}

const KINDS: &[(u16, Collector, Rhythm)] = &[
    (
        KIND_SOCKETS,
        Collector::Listeners,
        Rhythm {
            usual_ms: 60_000,
            watched_ms: 10_000,
        },
    ),
    (
        KIND_PROCESSES,
        Collector::TopProcesses,
        Rhythm {
            usual_ms: 600_000,
            watched_ms: 5_000,
        },
    ),
    (
        KIND_UNITS,
        Collector::Units,
        Rhythm {
            usual_ms: 300_000,
            watched_ms: 30_000,
        },
    ),
    (
        KIND_SERVERS,
        Collector::Servers,
        Rhythm {
            usual_ms: 60_000,
            watched_ms: 10_000,
        },
    ),
    // After the servers: it tells whose a connection is.
    (
        KIND_CONNECTIONS,
        Collector::Connections,
        Rhythm {
            usual_ms: 60_000,
            watched_ms: 10_000,
        },
    ),
];

/// After the start, before the first reading: what is costly is not in the way of the first report.
const FIRST_AFTER_MS: u64 = 2_000;
/// Of one list, however much happens.
const PAUSE_MS: u64 = 5_000;

#[derive(Debug, Default)]
struct List {
    next_ms: u64,
    read_ms: Option<u64>,
    body: Vec<u8>,
    digest: Option<[u8; 8]>,
    at_server: Option<[u8; 8]>,
    sent_seq: Option<u64>,
    run: Option<Run>,
}

/// All lists.
#[derive(Debug)]
pub struct ListsState {
    lists: BTreeMap<u16, List>,
    off: BTreeSet<Collector>,
    /// Known after hello.
    is_server_known: bool,
}

impl ListsState {
    /// None read yet.
    pub fn new(now_ms: u64, off: &BTreeSet<Collector>) -> Self {
        let list = |kind: u16| {
            let list = List {
                next_ms: now_ms + FIRST_AFTER_MS,
                ..List::default()
            };
            (kind, list)
        };
        Self {
            lists: KINDS.iter().map(|(kind, ..)| list(*kind)).collect(),
            off: off.clone(),
            is_server_known: false,
        }
    }

    /// Takes note of what the server holds; what was under way may not have arrived.
    pub fn set_held(&mut self, held: Option<&[HeldSection]>) {
        self.is_server_known = true;
        self.forget_sent();
        for (kind, list) in &mut self.lists {
            list.at_server = held
                .unwrap_or_default()
                .iter()
                .find(|section| section.kind == *kind)
                .map(|section| section.digest);
        }
    }

    /// What was under way may be lost.
    pub fn forget_sent(&mut self) {
        for list in self.lists.values_mut() {
            list.sent_seq = None;
        }
    }

    /// Everything up to this record arrived.
    pub fn acked(&mut self, seq: u64) {
        for list in self.lists.values_mut() {
            if list.sent_seq.take_if(|sent| *sent <= seq).is_some() {
                list.at_server = list.digest;
            }
        }
    }

    /// Reads what is due; `wall_ms` is the wall clock at `now_ns`.
    pub fn read(&mut self, lists: &mut Lists, now_ns: u64, wall_ms: i64, is_watched: bool) {
        let now_ms = now_ns / 1_000_000;
        // A server that stopped or does not answer is told soon.
        if lists.servers.take_changed()
            && let Some(list) = self.lists.get_mut(&KIND_SERVERS)
            && let Some(read_ms) = list.read_ms
        {
            list.next_ms = list.next_ms.min(read_ms + PAUSE_MS);
        }
        for (kind, collector, rhythm) in KINDS {
            let Some(list) = self.lists.get_mut(kind) else {
                continue;
            };
            // Somebody begins to look: not before the usual time, but soon.
            if is_watched {
                list.next_ms = list.next_ms.min(now_ms + rhythm.watched_ms);
            }
            if now_ms < list.next_ms {
                continue;
            }
            let began_ns = crate::clock::boot_ns();
            let (body, outcome) = if self.off.contains(collector) {
                (None, Outcome::Off)
            } else {
                read(lists, *kind, now_ns, wall_ms, is_watched)
            };
            list.read_ms = Some(now_ms);
            let is_first_look = *kind == KIND_PROCESSES && body.is_none();
            let wait_ms = match () {
                () if is_watched => rhythm.watched_ms,
                // Processor time needs two looks.
                () if is_first_look && list.run.is_none() => 5_000,
                () => rhythm.usual_ms,
            };
            list.next_ms = now_ms + wait_ms;
            let took_ns = crate::clock::boot_ns().saturating_sub(began_ns);
            list.run = Some(Run {
                collector: *collector,
                duration_us: u32::try_from(took_ns / 1000).unwrap_or(u32::MAX),
                outcome,
            });
            // One under way keeps its bytes until it is acknowledged.
            if let Some(body) = body.filter(|_| list.sent_seq.is_none()) {
                list.digest = Some(short_digest(&body));
                list.body = body;
            }
        }
    }

    /// How the last readings went.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.lists.values().filter_map(|list| list.run.as_ref())
    }

    /// The lists that are news, for the record with this number.
    pub fn due(&mut self, seq: u64) -> Option<Vec<Section>> {
        if !self.is_server_known {
            return None;
        }
        let mut sections = Vec::new();
        for (kind, list) in &mut self.lists {
            let is_news = list.digest.is_some() && list.digest != list.at_server;
            if is_news && list.sent_seq.is_none() {
                list.sent_seq = Some(seq);
                sections.push(Section {
                    kind: *kind,
                    body: list.body.clone(),
                });
            }
        }
        (!sections.is_empty()).then_some(sections)
    }
}

fn read(
    lists: &mut Lists,
    kind: u16,
    now_ns: u64,
    wall_ms: i64,
    is_watched: bool,
) -> (Option<Vec<u8>>, Outcome) {
    match kind {
        KIND_SERVERS => {
            let (list, outcome) = lists.servers.read(now_ns, wall_ms);
            (list.map(|list| wire::encode(&list)), outcome)
        }
        KIND_CONNECTIONS => {
            let (list, outcome) = lists.connections.read(&mut lists.servers, now_ns, wall_ms);
            (list.map(|list| wire::encode(&list)), outcome)
        }
        KIND_SOCKETS => {
            let (list, outcome) = sockets::read(is_watched);
            (list.map(|list| wire::encode(&list)), outcome)
        }
        KIND_PROCESSES => {
            let (list, outcome) = lists.top.read(now_ns);
            (list.map(|list| wire::encode(&list)), outcome)
        }
        KIND_UNITS => {
            let (list, outcome) = lists.units.read();
            (list.map(|list| wire::encode(&list)), outcome)
        }
        _ => (None, Outcome::Off),
    }
}
