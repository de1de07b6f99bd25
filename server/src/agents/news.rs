//! What a hello or a report tells about the host itself, where that is news: facts, collectors, lists, the agent.
//!
//! Written before the report's samples, by [`crate::fleet::writer`], as upserts that may be repeated; in memory only
//! after that.

use std::collections::BTreeMap;

use domain::event::{Budget, LeftOut, NODE_EVENTS_MAX, NODE_EVENTS_MS, Verdict, is_limited};
use domain::fleet::{Admission, CollectorOutcome};
use domain::time::{Timestamp, format_utc};
use protocol::keys::short_digest;
use protocol::v1::hello::Hello;
use protocol::v1::report::{Facts, Record};
use protocol::v1::section::{KIND_CONNECTIONS, KIND_SERVERS};

use super::ingest;
use crate::error::OpsError;
use crate::fleet::live::HostLive;
use crate::fleet::servers;
use crate::fleet::servers::store::{Place, PlacedBy};
use crate::fleet::store::StoredSection;
use crate::fleet::writer::{HostEvent, HostNews};
use crate::ops::Ops;
use crate::series::writer::NewRecord;
use protocol::http::Code;

/// Lists of one host that are kept; later versions may add kinds, but not without end.
const SECTION_KINDS_MAX: usize = 32;

/// Stores version, interval and suggestions when a hello tells others than we hold.
///
/// # Errors
/// When the database refuses.
pub async fn of_hello(ops: &Ops, host: &HostLive, hello: &Hello) -> Result<(), OpsError> {
    let version = domain::text::clean_label(&hello.agent_version);
    let interval_s = hello.interval_s.clamp(1, 3_600);
    let suggested = ingest::suggested(hello.suggested.as_ref());
    if host.record.agent_version == version
        && host.record.interval_s == interval_s
        && host.record.suggested == suggested
    {
        return Ok(());
    }
    let moved = moved(ops, host, &suggested).await?;
    let events = moved.iter().map(|place| move_event(ops, host, place));
    let (events, budgets) = limited(ops, host, events.collect());
    let news = HostNews {
        host_id: host.record.id.clone(),
        agent: Some((version.clone(), interval_s, suggested.clone())),
        events,
        moved: moved
            .clone()
            .map(|place| (host.record.node_id.clone(), place)),
        ..HostNews::default()
    };
    ops.news.write(news).await?;
    ops.live.update(host.record.no, |host| {
        host.event_budgets.extend(budgets);
        host.record.agent_version = version;
        host.record.interval_s = interval_s;
        host.record.suggested = suggested;
        if let Some(place) = moved {
            host.record.cluster = place.cluster;
            host.record.node_role = place.node_role;
            host.record.placed_by = place.placed_by;
        }
    });
    Ok(())
}

/// Where a host's node goes because its own settings say so and its token allows it; an operator's word stays.
async fn moved(
    ops: &Ops,
    host: &HostLive,
    suggested: &domain::fleet::Suggested,
) -> Result<Option<Place>, OpsError> {
    let record = &host.record;
    if !record.allows_suggestions || record.placed_by == PlacedBy::Operator {
        return Ok(None);
    }
    let Some(cluster) = suggested.cluster.clone() else {
        return Ok(None);
    };
    let role = suggested.role.clone().or_else(|| record.node_role.clone());
    if (&cluster, &role) == (&record.cluster, &record.node_role) {
        return Ok(None);
    }
    let out_of_reach = servers::out_of_reach(ops, host, std::iter::once(&cluster)).await?;
    if out_of_reach.contains_key(&cluster) {
        return Ok(None);
    }
    Ok(Some(Place {
        system: record.system.clone(),
        cluster,
        node_role: role,
        node_name: record.node_name.clone(),
        admission: Admission::Accepted,
        placed_by: PlacedBy::Suggestion,
    }))
}

/// What of these is written: a node that flaps has only so much to say, and that something was left out is said. What
/// changes where a node stands is always written.
fn limited(
    ops: &Ops,
    host: &HostLive,
    events: Vec<HostEvent>,
) -> (Vec<HostEvent>, BTreeMap<String, Budget>) {
    let now_ms = ops.clock.now().0;
    let mut budgets: BTreeMap<String, Budget> = BTreeMap::new();
    let mut told = Vec::with_capacity(events.len());
    for event in events {
        if !is_limited(event.verb) {
            told.push(event);
            continue;
        }
        let known = || host.event_budgets.get(&event.node_id).copied();
        let budget = budgets
            .entry(event.node_id.clone())
            .or_insert_with(|| known().unwrap_or_default());
        let (verdict, missed) = budget.take(now_ms);
        let about = |verb: &'static str, detail: String| HostEvent {
            verb,
            detail,
            ..event.clone()
        };
        if missed > 0 {
            let detail = format!("{missed} before this were counted, not written");
            told.push(about("events left out", detail));
        }
        match verdict {
            Verdict::Tell => told.push(event),
            Verdict::TellLast { until_ms } => {
                let minutes = NODE_EVENTS_MS / 60_000;
                let detail = format!(
                    "{NODE_EVENTS_MAX} in {minutes} minutes: further ones are counted, not written, until {}; its page shows how it is",
                    format_utc(Timestamp(until_ms))
                );
                let limit = about("events limited", detail);
                told.extend([event, limit]);
            }
            Verdict::LeaveOut => {}
        }
    }
    (told, budgets)
}

/// What of these budgets is not as it was and must be kept.
fn left_out(host: &HostLive, budgets: &BTreeMap<String, Budget>) -> Vec<(String, Option<LeftOut>)> {
    let known = |node_id: &String| host.event_budgets.get(node_id).and_then(Budget::left_out);
    budgets
        .iter()
        .map(|(node_id, budget)| (node_id.clone(), budget.left_out()))
        .filter(|(node_id, left_out)| known(node_id) != *left_out)
        .collect()
}

fn move_event(ops: &Ops, host: &HostLive, place: &Place) -> HostEvent {
    HostEvent {
        at: ops.clock.now(),
        verb: "node moved",
        subject: host.name().to_owned(),
        node_id: host.record.node_id.clone(),
        detail: format!("{} → {}", host.record.cluster, place.cluster),
    }
}

/// Stores what of a report is news about the host; `placed` are its records in time.
///
/// # Errors
/// Facts that cannot be read, or the database refuses.
pub async fn of_report(
    ops: &Ops,
    host: &HostLive,
    records: &[Record],
    placed: &[NewRecord],
) -> Result<(), OpsError> {
    let facts = new_facts(host, records)?;
    let runs = records
        .iter()
        .rev()
        .find_map(|record| record.collectors.as_deref());
    let collectors = runs.map(ingest::collectors);
    let changed = |new: &&Vec<CollectorOutcome>| outcomes(new) != outcomes(&host.record.collectors);
    let sections = new_sections(host, records, placed);
    let servers = match latest_body(&sections, KIND_SERVERS).and_then(ingest::servers) {
        Some(told) => servers::changed(ops, host, told).await?,
        None => servers::Changed::default(),
    };
    let mut events = facts
        .as_ref()
        .map_or_else(Vec::new, |(_, _, wire)| changes(ops, host, wire));
    events.extend(servers.events);
    let (events, budgets) = limited(ops, host, events);
    let news = HostNews {
        host_id: host.record.id.clone(),
        agent: None,
        moved: None,
        left_out: left_out(host, &budgets),
        servers: servers.servers.clone(),
        facts: facts
            .as_ref()
            .map(|(bytes, digest, wire)| (ingest::facts(wire).hostname, bytes.clone(), *digest)),
        collectors: collectors.as_ref().filter(changed).cloned(),
        events,
        sections: sections.clone(),
    };
    ops.news.write(news).await?;
    if facts.is_none() && collectors.is_none() && sections.is_empty() {
        return Ok(());
    }
    let connections = sections
        .iter()
        .find(|section| section.kind == KIND_CONNECTIONS)
        .and_then(|section| Some((section.taken_at_ms, ingest::connections(&section.body)?)));
    ops.live.update(host.record.no, |live| {
        live.event_budgets.extend(budgets);
        if let Some((_, digest, wire)) = facts {
            let cleaned = ingest::facts(&wire);
            live.record.hostname.clone_from(&cleaned.hostname);
            live.record.facts_digest = Some(digest);
            live.record.facts = Some(wire);
            live.facts = Some(cleaned);
        }
        if let Some(collectors) = collectors {
            live.record.collectors = collectors;
        }
        let held = sections
            .iter()
            .map(|section| (section.kind, section.digest));
        live.sections.extend(held);
        if let Some((taken_at_ms, connections)) = connections {
            live.connections = Some(std::sync::Arc::new(connections));
            live.connections_at_ms = taken_at_ms;
        }
    });
    if !servers.servers.is_empty() {
        ops.live.put_servers(host.record.no, servers.servers);
    }
    Ok(())
}

fn latest_body(sections: &[StoredSection], kind: u16) -> Option<&[u8]> {
    let section = sections.iter().find(|section| section.kind == kind)?;
    Some(&section.body)
}

type EncodedFacts = (Vec<u8>, [u8; 8], Facts);

fn new_facts(host: &HostLive, records: &[Record]) -> Result<Option<EncodedFacts>, OpsError> {
    let told = records
        .iter()
        .rev()
        .find_map(|record| record.facts.as_deref())
        .map(|bytes| (bytes, short_digest(bytes)))
        .filter(|(_, digest)| Some(*digest) != host.record.facts_digest);
    let Some((bytes, digest)) = told else {
        return Ok(None);
    };
    let wire = protocol::wire::decode("facts", bytes)
        .map_err(|error| OpsError::agent(Code::Malformed, error.to_string()))?;
    Ok(Some((bytes.to_vec(), digest, wire)))
}

/// The last of each list, where it differs from what we hold.
fn new_sections(host: &HostLive, records: &[Record], placed: &[NewRecord]) -> Vec<StoredSection> {
    let mut latest = BTreeMap::new();
    for (record, placed) in records.iter().zip(placed) {
        for section in record.sections.iter().flatten() {
            let stored = StoredSection {
                kind: section.kind,
                digest: short_digest(&section.body),
                taken_at_ms: placed.t_ms,
                body: section.body.clone(),
            };
            latest.insert(section.kind, stored);
        }
    }
    latest.retain(|kind, section| host.sections.get(kind) != Some(&section.digest));
    let room = SECTION_KINDS_MAX.saturating_sub(host.sections.len());
    latest
        .into_values()
        .enumerate()
        .filter(|(at, section)| *at < room || host.sections.contains_key(&section.kind))
        .map(|(_, section)| section)
        .collect()
}

/// What of changed facts is worth an entry in the log: a reboot, another system, kernel or name.
fn changes(ops: &Ops, host: &HostLive, wire: &Facts) -> Vec<HostEvent> {
    let Some(before) = &host.facts else {
        return Vec::new();
    };
    let after = ingest::facts(wire);
    let mut changes: Vec<(&'static str, String)> = Vec::new();
    if before.boot_id != after.boot_id {
        changes.push(("host rebooted", String::new()));
    }
    for (verb, old, new) in [
        ("operating system changed", &before.os, &after.os),
        ("kernel changed", &before.kernel, &after.kernel),
    ] {
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            changes.push((verb, format!("{old} → {new}")));
        }
    }
    if before.hostname != after.hostname {
        changes.push((
            "host renamed",
            format!("{} → {}", before.hostname, after.hostname),
        ));
    }
    let at = ops.clock.now();
    changes
        .into_iter()
        .map(|(verb, detail)| HostEvent {
            at,
            verb,
            subject: host.name().to_owned(),
            node_id: host.record.node_id.clone(),
            detail,
        })
        .collect()
}

/// Outcomes without durations, which differ each time.
fn outcomes(runs: &[CollectorOutcome]) -> Vec<(domain::fleet::Collector, &domain::fleet::Outcome)> {
    runs.iter()
        .map(|run| (run.collector, &run.outcome))
        .collect()
}
