//! Servers as nodes: what a host's new list of servers changes, and what people decide about a node's place.
//!
//! Called by `agents::news` for each list that is news, by forms and by local commands. Invariants: a server keeps its id
//! as long as its key lasts; a list never removes a node (what is no longer told is gone, not forgotten); what an
//! operator said about a node's place is moved by nobody else.

pub mod arrange;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};

use domain::fleet::{
    Admission, GivenTags, ServerFacts, ServerState, own_since, place, server_changes,
};
use domain::id::NodeId;
use domain::time::Timestamp;

use self::store::{PlacedBy, ServerRecord};
use super::live::{HostLive, NodeLive};
use super::writer::HostEvent;
use crate::error::OpsError;
use crate::ops::Ops;
use crate::random;

/// Servers of one host that are kept, those included that are gone; an operator removes those.
pub const KNOWN_MAX: usize = 2 * crate::agents::ingest::SERVERS_MAX;

impl ServerRecord {
    /// Name for people: the one given, else as its agent calls it, behind its host's: `app-02/wso2`. Fourteen servers
    /// of one product would otherwise all have the same.
    pub fn name_on(&self, host: &str) -> String {
        match &self.node_name {
            Some(name) => name.clone(),
            None => format!("{host}/{}", self.facts.name),
        }
    }
}

impl NodeLive {
    /// Public id of the node.
    pub fn id(&self) -> &str {
        match &self.server {
            Some(server) => &server.node_id,
            None => &self.host.record.node_id,
        }
    }

    /// Name for people.
    pub fn name(&self) -> String {
        match &self.server {
            Some(server) => server.name_on(self.host.name()),
            None => self.host.name().to_owned(),
        }
    }

    /// Slug of its system.
    pub fn system(&self) -> &str {
        match &self.server {
            Some(server) => &server.system,
            None => &self.host.record.system,
        }
    }

    /// Slug of its cluster.
    pub fn cluster(&self) -> &str {
        match &self.server {
            Some(server) => &server.cluster,
            None => &self.host.record.cluster,
        }
    }
}

/// What a list of servers changes.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    /// As they are to be stored.
    pub servers: Vec<ServerRecord>,
    /// What happened.
    pub events: Vec<HostEvent>,
}

/// Compares what a host tells now with what is known of it; writes nothing.
///
/// # Errors
/// When the database cannot say whose a suggested cluster is.
pub async fn changed(
    ops: &Ops,
    host: &HostLive,
    told: Vec<ServerFacts>,
) -> Result<Changed, OpsError> {
    let named = told.iter().filter_map(|server| server.cluster.as_ref());
    let out_of_reach = out_of_reach(ops, host, named).await?;
    Ok(compare(host, told, &out_of_reach, ops.clock.now()))
}

/// Clusters that one host may make by suggesting them.
pub const CLUSTERS_OF_HOST_MAX: i64 = 8;
/// Clusters that all hosts together may make so.
pub const CLUSTERS_SUGGESTED_MAX: i64 = 200;

/// Those of these suggested clusters that a host cannot get into, each with the reason: they are another system's, or do
/// not exist and would be one too many.
///
/// # Errors
/// When the database refuses.
pub async fn out_of_reach<'a>(
    ops: &Ops,
    host: &HostLive,
    suggested: impl Iterator<Item = &'a String>,
) -> Result<BTreeMap<String, String>, OpsError> {
    let mut out = BTreeMap::new();
    if !host.record.allows_suggestions {
        return Ok(out);
    }
    let distinct: BTreeSet<&String> = suggested
        .filter(|cluster| **cluster != host.record.cluster)
        .collect();
    let mut made = None;
    for cluster in distinct {
        match store::find_owner(ops.state.read(), cluster).await? {
            Some(owner) if owner == host.record.system => {}
            Some(owner) => {
                out.insert(cluster.clone(), format!("it is of system {owner}"));
            }
            None => {
                let (own, all) = match made {
                    Some(made) => made,
                    None => store::count_made(ops.state.read(), &host.record.id).await?,
                };
                if own >= CLUSTERS_OF_HOST_MAX {
                    let why = format!(
                        "this host has made {own} clusters by suggesting them, the most it may"
                    );
                    out.insert(cluster.clone(), why);
                } else if all >= CLUSTERS_SUGGESTED_MAX {
                    let why = format!(
                        "hosts have made {all} clusters by suggesting them, the most they may"
                    );
                    out.insert(cluster.clone(), why);
                }
                made = Some((own + 1, all + 1));
            }
        }
    }
    Ok(out)
}

fn compare(
    host: &HostLive,
    told: Vec<ServerFacts>,
    out_of_reach: &BTreeMap<String, String>,
    now: Timestamp,
) -> Changed {
    let mut changed = Changed::default();
    let mut missing = host.servers.clone();
    let mut room = KNOWN_MAX.saturating_sub(host.servers.len());
    for facts in told {
        let before = missing.remove(&facts.key);
        let now_record = match &before {
            Some(known) => again(host, known, facts, out_of_reach, now),
            // A host that tells other servers each time makes no nodes without end.
            None if room == 0 => continue,
            None => {
                room -= 1;
                first_seen(host, facts, out_of_reach, now)
            }
        };
        let refused = now_record
            .facts
            .cluster
            .as_ref()
            .filter(|_| before.as_deref() != Some(&now_record))
            .filter(|cluster| before.as_ref().and_then(|before| before.facts.cluster.as_ref()) != Some(*cluster))
            .and_then(|cluster| Some((cluster, out_of_reach.get(cluster)?)))
            .map(|(cluster, why)| HostEvent {
                at: now,
                verb: "suggestion refused",
                subject: now_record.name_on(host.name()),
                node_id: now_record.node_id.clone(),
                detail: format!("cluster {cluster}: {why}; it waits in the inbox, where an operator can accept or move it"),
            });
        note(
            &mut changed,
            host.name(),
            before.as_deref(),
            now_record,
            now,
        );
        changed.events.extend(refused);
    }
    for known in missing.into_values() {
        // An agent that no longer tells a server has forgotten it; we have not.
        let facts = ServerFacts {
            state: ServerState::Gone,
            pid: None,
            probe: None,
            ..known.facts.clone()
        };
        let gone = ServerRecord {
            since_ms: own_since(Some((&known.facts, known.since_ms)), &facts, now.0),
            facts,
            ..(*known).clone()
        };
        note(&mut changed, host.name(), Some(&known), gone, now);
    }
    changed
}

fn note(
    changed: &mut Changed,
    host: &str,
    before: Option<&ServerRecord>,
    after: ServerRecord,
    now: Timestamp,
) {
    if before == Some(&after) {
        return;
    }
    let mut event = |verb: &'static str, detail: String| {
        changed.events.push(HostEvent {
            at: now,
            verb,
            subject: after.name_on(host),
            node_id: after.node_id.clone(),
            detail,
        });
    };
    for change in server_changes(before.map(|before| &before.facts), &after.facts) {
        event(change.verb(), change.detail());
    }
    if let Some(before) = before.filter(|before| before.cluster != after.cluster) {
        event(
            "node moved",
            format!("{} → {}", before.cluster, after.cluster),
        );
    }
    changed.servers.push(after);
}

/// Where a server's own words and its host's token put it, as far as it may get there.
fn placed(
    host: &HostLive,
    facts: &ServerFacts,
    out_of_reach: &BTreeMap<String, String>,
) -> domain::fleet::Placement {
    let record = &host.record;
    let is_out_of_reach = facts
        .cluster
        .as_ref()
        .is_some_and(|cluster| out_of_reach.contains_key(cluster));
    place(
        &record.cluster,
        record.node_role.as_deref(),
        record.allows_suggestions && !is_out_of_reach,
        facts.cluster.as_deref(),
        facts.role.as_deref(),
    )
}

fn first_seen(
    host: &HostLive,
    facts: ServerFacts,
    out_of_reach: &BTreeMap<String, String>,
    now: Timestamp,
) -> ServerRecord {
    let placement = placed(host, &facts, out_of_reach);
    ServerRecord {
        node_id: NodeId::from_random(random::bytes()).to_string(),
        node_name: None,
        system: host.record.system.clone(),
        placed_by: placed_by(host, &placement.cluster),
        cluster: placement.cluster,
        node_role: placement.role,
        admission: placement.admission,
        tags: GivenTags::new(),
        found_at_ms: now.0,
        since_ms: own_since(None, &facts, now.0),
        facts,
    }
}

fn placed_by(host: &HostLive, cluster: &str) -> PlacedBy {
    if cluster == host.record.cluster {
        PlacedBy::Token
    } else {
        PlacedBy::Suggestion
    }
}

fn again(
    host: &HostLive,
    known: &ServerRecord,
    facts: ServerFacts,
    out_of_reach: &BTreeMap<String, String>,
    now: Timestamp,
) -> ServerRecord {
    let since_ms = own_since(Some((&known.facts, known.since_ms)), &facts, now.0);
    let suggests = |facts: &ServerFacts| (facts.cluster.clone(), facts.role.clone());
    let is_moved =
        known.placed_by != PlacedBy::Operator && suggests(&known.facts) != suggests(&facts);
    if !is_moved {
        return ServerRecord {
            since_ms,
            facts,
            ..known.clone()
        };
    }
    let placement = placed(host, &facts, out_of_reach);
    ServerRecord {
        placed_by: placed_by(host, &placement.cluster),
        cluster: placement.cluster,
        node_role: placement.role,
        admission: match known.admission {
            Admission::Ignored => Admission::Ignored,
            Admission::Accepted | Admission::New => placement.admission,
        },
        since_ms,
        facts,
        ..known.clone()
    }
}
