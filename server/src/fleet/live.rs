//! What every host last said, in memory: lists, pages and pushes are made from this, never from the database.
//!
//! Filled from the database at start and by `agents::routes` after each commit, so it never shows what could still be
//! lost. Invariant: it only ever holds hosts whose node was not removed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use domain::event::Budget;
use domain::fleet::{
    Admission, Facts, HostDates, Liveness, Observation, ServerChange, Status, liveness, own_status,
};
use domain::metric::Metric;
use domain::time::Monotonic;
use domain::topology::HostConnections;
use protocol::v1::section::KIND_CONNECTIONS;
use sqlx::SqlitePool;
use tokio::sync::watch;

use super::recent::Recent;
use super::servers::store::{ServerRecord, Servers};
use super::store::{self, HostRecord, HostState};
use crate::clock::Clock;
use crate::db::Db;
use crate::error::StoreError;
use crate::events::store::last_of;
use crate::series::SeriesKey;

/// A page that follows a node renews its wish at least this often.
pub const WATCH_MS: u64 = 15_000;

/// One host.
#[derive(Debug, Clone)]
pub struct HostLive {
    /// As stored.
    pub record: HostRecord,
    /// Its facts, cleaned.
    pub facts: Option<Facts>,
    /// Servers found on it, by key.
    pub servers: Servers,
    /// Its TCP connections, as last told.
    pub connections: Option<Arc<HostConnections>>,
    /// When that list was taken, by the server's clock.
    pub connections_at_ms: i64,
    /// Digests of its lists that are stored.
    pub sections: BTreeMap<u16, [u8; 8]>,
    /// When its last report was accepted, by the clock that never jumps.
    pub last_report: Option<Monotonic>,
    /// The same by the wall clock.
    pub last_report_at_ms: Option<i64>,
    /// Did that report say goodbye?
    pub goodbye: bool,
    /// When two machines were found to use its identity, where they were.
    pub quarantined_at_ms: Option<i64>,
    /// Latest value of every series that the last record held.
    pub values: BTreeMap<SeriesKey, i64>,
    /// Its processor use of the last minutes.
    pub recent: Recent,
    /// How much each of its nodes had written into the log lately.
    pub event_budgets: BTreeMap<String, Budget>,
    /// The host's wall clock minus ours.
    pub skew_ms: Option<i64>,
    /// Somebody looks until then: report every second.
    pub watched_until: Monotonic,
    /// Grows with every change.
    pub version: u64,
}

impl HostLive {
    fn new(record: HostRecord) -> Self {
        let facts = record.facts.as_ref().map(crate::agents::ingest::facts);
        Self {
            record,
            facts,
            servers: Servers::new(),
            connections: None,
            connections_at_ms: 0,
            sections: BTreeMap::new(),
            last_report: None,
            last_report_at_ms: None,
            goodbye: false,
            quarantined_at_ms: None,
            values: BTreeMap::new(),
            recent: Recent::default(),
            event_budgets: BTreeMap::new(),
            skew_ms: None,
            watched_until: Monotonic(0),
            version: 0,
        }
    }

    /// An instant that this host told by its own clock.
    pub fn on_our_clock(&self, at_ms: i64) -> i64 {
        domain::time::on_our_clock(at_ms, self.skew_ms)
    }

    /// Do we still see it?
    pub fn liveness(&self, now: Monotonic) -> Liveness {
        let seen = Observation {
            pending_review: self.record.state == HostState::Pending,
            last_report: self.last_report,
            said_goodbye: self.goodbye,
            interval_s: self.record.interval_s,
        };
        liveness(seen, now)
    }

    /// What its state is dated by.
    pub fn dates(&self, now: Monotonic) -> HostDates {
        HostDates {
            liveness: self.liveness(now),
            enrolled_at_ms: self.record.enrolled_at_ms,
            last_report_at_ms: self.last_report_at_ms,
            quarantined_at_ms: self.quarantined_at_ms,
        }
    }

    /// Reads out of the log since when it and its servers are in trouble: a restart of ours is no news about them.
    async fn date(&mut self, state: &SqlitePool) -> Result<(), StoreError> {
        if self.record.state == HostState::Quarantined {
            let node_id = &self.record.node_id;
            self.quarantined_at_ms = last_of(state, node_id, &["agent quarantined"]).await?;
        }
        for server in self.servers.values_mut() {
            if own_status(&server.facts) == Status::Ok {
                continue;
            }
            let since_ms = last_of(state, &server.node_id, &ServerChange::TROUBLES).await?;
            Arc::make_mut(server).since_ms = since_ms;
        }
        Ok(())
    }

    /// Name for people: the one given, else the one its owner suggests, else the host name.
    pub fn name(&self) -> &str {
        let record = &self.record;
        record
            .node_name
            .as_deref()
            .or(record.suggested.name.as_deref())
            .unwrap_or(&self.record.hostname)
    }

    /// Its first address that is not loopback.
    pub fn address(&self) -> Option<&str> {
        let interfaces = &self.facts.as_ref()?.interfaces;
        interfaces
            .iter()
            .filter(|interface| interface.name != "lo")
            .find_map(|interface| interface.addresses.first())
            .map(String::as_str)
    }

    /// Keeps the processor use that its last report told.
    fn note_recent(&mut self) {
        let key = SeriesKey {
            metric: Metric::CpuUsedRatio,
            instance: String::new(),
        };
        if let (Some(at_ms), Some(stored)) = (self.last_report_at_ms, self.values.get(&key)) {
            self.recent.note(at_ms, key.metric.from_stored(*stored));
        }
    }

    /// When it should report next.
    pub fn next_interval_ms(&self, now: Monotonic) -> u32 {
        if self.watched_until > now {
            1_000
        } else {
            self.record.interval_s.saturating_mul(1_000)
        }
    }
}

#[derive(Debug, Default)]
struct Tables {
    /// Shared with whoever reads one: only what is read while it changes is copied.
    by_no: BTreeMap<i64, Arc<HostLive>>,
    no_by_node: HashMap<String, i64>,
    no_by_host: HashMap<String, i64>,
    /// (number of the host, key) of each server's node.
    server_by_node: HashMap<String, (i64, String)>,
}

/// A node: a host's own, or a server on a host.
#[derive(Debug, Clone)]
pub struct NodeLive {
    /// Its host.
    pub host: Arc<HostLive>,
    /// The server, unless it is the host itself.
    pub server: Option<Arc<ServerRecord>>,
}

/// All hosts.
#[derive(Debug)]
pub struct Live {
    tables: RwLock<Tables>,
    changes: watch::Sender<u64>,
}

impl Live {
    /// Reads all hosts, where their records end, and their latest values.
    ///
    /// Silence from before this start is carried over: a host that was silent for an hour when the server stopped has
    /// still been silent for an hour now. Silence while the server was down is nobody's, and does not count.
    ///
    /// # Errors
    /// When a database refuses or is corrupt.
    pub async fn load(state: &Db, metrics: &Db, clock: &Clock) -> Result<Self, StoreError> {
        let cursors = crate::series::store::list_cursors(metrics.read()).await?;
        let server_stopped_at_ms = cursors
            .values()
            .map(|cursor| cursor.received_at_ms)
            .max()
            .unwrap_or(0);
        let mut latest = crate::series::service::latest(metrics).await?;
        let mut tables = Tables::default();
        let mut sections = store::list_section_digests(state.read()).await?;
        let mut servers = super::servers::store::list_servers(state.read()).await?;
        let mut connections = store::list_sections_of(state.read(), KIND_CONNECTIONS).await?;
        let mut left_out = crate::events::store::list_left_out(state.read()).await?;
        for record in store::list_hosts(state.read()).await? {
            let mut host = HostLive::new(record);
            host.sections = sections.remove(&host.record.id).unwrap_or_default();
            host.servers = servers.remove(&host.record.id).unwrap_or_default();
            let servers = host.servers.values().map(|server| &server.node_id);
            for node_id in servers.chain([&host.record.node_id]) {
                if let Some((node_id, kept)) = left_out.remove_entry(node_id) {
                    host.event_budgets.insert(node_id, kept.into());
                }
            }
            if let Some((taken_at_ms, body)) = connections.remove(&host.record.id) {
                host.connections = crate::agents::ingest::connections(&body).map(Arc::new);
                host.connections_at_ms = taken_at_ms;
            }
            if let Some(cursor) = cursors.get(&host.record.no) {
                let silent_ms = server_stopped_at_ms
                    .saturating_sub(cursor.received_at_ms)
                    .max(0);
                let started = clock.monotonic();
                host.last_report = Some(Monotonic(
                    started.0.saturating_sub(silent_ms.unsigned_abs()),
                ));
                host.last_report_at_ms = Some(cursor.received_at_ms);
                host.goodbye = cursor.goodbye;
                host.values = latest.remove(&host.record.no).unwrap_or_default();
            }
            host.date(state.read()).await?;
            tables.insert(host);
        }
        Ok(Self {
            tables: RwLock::new(tables),
            changes: watch::Sender::new(0),
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Wakes whoever shows something, at each change.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Moves with each change; for whoever looks now and then, and is no viewer.
    pub fn version(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Pages that follow something now.
    pub fn viewers(&self) -> usize {
        self.changes.receiver_count()
    }

    /// Wakes everybody one last time.
    pub fn close(&self) {
        self.changed();
    }

    fn changed(&self) {
        self.changes
            .send_modify(|version| *version = version.wrapping_add(1));
    }

    /// Adds a host, or takes over what is stored of it.
    pub fn put(&self, record: HostRecord) {
        let mut tables = self.write();
        match tables.by_no.get_mut(&record.no) {
            Some(host) => {
                let host = Arc::make_mut(host);
                host.facts = record.facts.as_ref().map(crate::agents::ingest::facts);
                host.record = record;
                host.version += 1;
            }
            None => tables.insert(HostLive::new(record)),
        }
        drop(tables);
        self.changed();
    }

    /// Takes a host out of view.
    pub fn remove(&self, no: i64) {
        let mut tables = self.write();
        if let Some(host) = tables.by_no.remove(&no) {
            tables.no_by_node.remove(&host.record.node_id);
            tables.no_by_host.remove(&host.record.id);
            for server in host.servers.values() {
                tables.server_by_node.remove(&server.node_id);
            }
        }
        drop(tables);
        self.changed();
    }

    /// Changes a host; gives what `change` gives, `None` when there is no such host.
    pub fn update<T>(&self, no: i64, change: impl FnOnce(&mut HostLive) -> T) -> Option<T> {
        let mut tables = self.write();
        let host = Arc::make_mut(tables.by_no.get_mut(&no)?);
        host.version += 1;
        let before_ms = host.last_report_at_ms;
        let result = change(host);
        if host.last_report_at_ms != before_ms {
            host.note_recent();
        }
        drop(tables);
        self.changed();
        Some(result)
    }

    /// Takes over servers of a host as they are stored now; others stay as they are.
    pub fn put_servers(&self, no: i64, changed: impl IntoIterator<Item = ServerRecord>) {
        let mut tables = self.write();
        let tables = &mut *tables;
        if let Some(host) = tables.by_no.get_mut(&no) {
            let host = Arc::make_mut(host);
            host.version += 1;
            for server in changed {
                let key = server.facts.key.clone();
                let place = (no, key.clone());
                tables.server_by_node.insert(server.node_id.clone(), place);
                host.servers.insert(key, Arc::new(server));
            }
        }
        self.changed();
    }

    /// Takes a server out of view.
    pub fn remove_server(&self, node_id: &str) {
        let mut tables = self.write();
        let tables = &mut *tables;
        if let Some((no, key)) = tables.server_by_node.remove(node_id)
            && let Some(host) = tables.by_no.get_mut(&no)
        {
            let host = Arc::make_mut(host);
            host.version += 1;
            host.servers.remove(&key);
        }
        self.changed();
    }

    /// Somebody looks at this node: its host is asked for a report every second.
    pub fn watch(&self, node_id: &str, now: Monotonic) {
        let mut tables = self.write();
        let no = tables.host_no(node_id);
        if let Some(host) = no.and_then(|no| tables.by_no.get_mut(&no)) {
            Arc::make_mut(host).watched_until = Monotonic(now.0 + WATCH_MS);
        }
    }

    /// The host of this number.
    pub fn host(&self, no: i64) -> Option<Arc<HostLive>> {
        self.read().by_no.get(&no).cloned()
    }

    /// The host with this identity.
    pub fn host_by_id(&self, host_id: &str) -> Option<Arc<HostLive>> {
        let tables = self.read();
        tables
            .no_by_host
            .get(host_id)
            .and_then(|no| tables.by_no.get(no))
            .cloned()
    }

    /// What the host with this identity is called, and its own node.
    pub fn host_name(&self, host_id: &str) -> Option<(String, String)> {
        let tables = self.read();
        let host = tables.by_no.get(tables.no_by_host.get(host_id)?)?;
        Some((host.name().to_owned(), host.record.node_id.clone()))
    }

    /// The host of this node.
    pub fn host_by_node(&self, node_id: &str) -> Option<Arc<HostLive>> {
        let tables = self.read();
        tables
            .no_by_node
            .get(node_id)
            .and_then(|no| tables.by_no.get(no))
            .cloned()
    }

    /// This node with its host.
    pub fn node(&self, node_id: &str) -> Option<NodeLive> {
        let tables = self.read();
        let host = tables.by_no.get(&tables.host_no(node_id)?)?.clone();
        let server = tables
            .server_by_node
            .get(node_id)
            .and_then(|(_, key)| host.servers.get(key))
            .cloned();
        Some(NodeLive { host, server })
    }

    /// Gives every node to `each` but those that somebody ignores: each host, then its servers. No host is copied.
    pub fn for_each_node(&self, mut each: impl FnMut(&HostLive, Option<&Arc<ServerRecord>>)) {
        self.for_each(|host| {
            each(host, None);
            for server in host.servers.values() {
                if server.admission != Admission::Ignored {
                    each(host, Some(server));
                }
            }
        });
    }

    /// Processor use of a node's host, in percent a minute, oldest first.
    pub fn recent_cpu(&self, node_id: &str, now_ms: i64) -> Option<Vec<Option<u8>>> {
        let tables = self.read();
        let no = tables.host_no(node_id)?;
        tables.by_no.get(&no)?.recent.percents(now_ms)
    }

    /// Gives every host to `each`, in the order of enrollment.
    pub fn for_each(&self, mut each: impl FnMut(&HostLive)) {
        for host in self.read().by_no.values() {
            each(host);
        }
    }
}

impl Tables {
    /// Number of the host of this node, be it the host's own or a server's.
    fn host_no(&self, node_id: &str) -> Option<i64> {
        let own = self.no_by_node.get(node_id).copied();
        own.or_else(|| self.server_by_node.get(node_id).map(|(no, _)| *no))
    }

    fn insert(&mut self, host: HostLive) {
        for (key, server) in &host.servers {
            let place = (host.record.no, key.clone());
            self.server_by_node.insert(server.node_id.clone(), place);
        }
        self.no_by_node
            .insert(host.record.node_id.clone(), host.record.no);
        self.no_by_host
            .insert(host.record.id.clone(), host.record.no);
        self.by_no.insert(host.record.no, Arc::new(host));
    }
}
