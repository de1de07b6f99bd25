//! The console's events port: one page of the log, with what it can be filtered by.

use std::collections::{BTreeSet, HashMap};

use app::backend::Operator;
use app::error::UiError;
use app::events::EventsPort;
use app::events::query::RANGE_DEFAULT;
use app::events::view::{AuditDetail, Chain, EventLine, EventsPage, EventsQuery};
use app::fleet::view::{Change, EventRow};
use domain::access::Action;
use domain::chart::range::{self, Window};
use domain::event::{self, Entry};

use super::store::{self, EventFilter, EventRecord, Facet, Scope};
use super::{AGENT_PREFIX, ChainState};
use crate::error::OpsError;
use crate::fleet;
use crate::ops::Ops;
use crate::web::console::Console;

/// Rows a page.
const ROWS_MAX: u32 = 100;
/// Entries that are read at once to fold them.
const CHANGES_BATCH: u32 = 250;
/// Entries that are read at most; what a burst has beyond is said to be more.
const CHANGES_READ_MAX: usize = 1_000;
/// Choices of a facet.
const CHOICES_MAX: u32 = 50;

#[async_trait::async_trait]
impl EventsPort for Console {
    async fn events_page(&self, who: &Operator, query: EventsQuery) -> Result<EventsPage, UiError> {
        who.may(needed(&query))?;
        Ok(page(self.ops(), &query).await?)
    }
}

/// From where people act is for who manages them; what happened is for everybody.
pub fn needed(query: &EventsQuery) -> Action {
    if query.is_audit {
        Action::ManagePeople
    } else {
        Action::ViewFleet
    }
}

/// Events as pages and programs get them: who did it is a name, whatever the log's own words for it are.
///
/// # Errors
/// When the database refuses.
pub async fn rows(ops: &Ops, records: Vec<EventRecord>) -> Result<Vec<EventRow>, OpsError> {
    let names = Names::of(ops, records.iter().map(|event| event.actor.as_str())).await?;
    Ok(records
        .into_iter()
        .map(|event| row(&names, event))
        .collect())
}

fn row(names: &Names, event: EventRecord) -> EventRow {
    let (actor, actor_node_id) = names.of_actor(&event.actor);
    EventRow {
        seq: event.seq,
        at_ms: event.at_ms,
        actor,
        actor_node_id,
        verb: event.verb,
        subject: event.subject,
        node_id: event.node_id,
    }
}

/// What hosts are called whose agents acted.
pub struct Names(HashMap<String, (String, Option<String>)>);

impl Names {
    /// Of these actors; of hosts that are no longer in view, the name that they had last.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn of<'a>(
        ops: &Ops,
        actors: impl Iterator<Item = &'a str>,
    ) -> Result<Self, OpsError> {
        let ids: BTreeSet<&str> = actors
            .filter_map(|actor| actor.strip_prefix(AGENT_PREFIX))
            .collect();
        let mut names = HashMap::new();
        let mut missing = Vec::new();
        for id in ids {
            match ops.live.host_name(id) {
                Some((name, node_id)) => {
                    names.insert(id.to_owned(), (name, Some(node_id)));
                }
                None => missing.push(id),
            }
        }
        let gone = fleet::store::list_host_names(ops.state.read(), &missing).await?;
        names.extend(gone.into_iter().map(|(id, name)| (id, (name, None))));
        Ok(Self(names))
    }

    /// The actor's name, and the node that it leads to.
    pub fn of_actor(&self, actor: &str) -> (String, Option<String>) {
        let Some(id) = actor.strip_prefix(AGENT_PREFIX) else {
            return (actor.to_owned(), None);
        };
        self.0
            .get(id)
            .cloned()
            .unwrap_or_else(|| ("an agent that is gone".to_owned(), None))
    }
}

/// The last things that happened, bursts folded, at most so many lines.
///
/// # Errors
/// When the database refuses.
pub async fn changes(
    ops: &Ops,
    scope: Scope<'_>,
    lines_max: usize,
) -> Result<Vec<Change>, OpsError> {
    let pool = ops.state.read();
    let mut records: Vec<EventRecord> = Vec::new();
    let (lines, is_open) = loop {
        let before = records.last().map(|event| event.seq);
        // Bursts are rare: most pages need little more than what they show.
        let limit = match before {
            None => u32::try_from(4 * lines_max).unwrap_or(CHANGES_BATCH),
            Some(_) => CHANGES_BATCH,
        };
        let batch = store::list_brief(pool, scope, before, limit).await?;
        let is_end = batch.len() < limit as usize;
        records.extend(batch);
        let entries: Vec<Entry<'_>> = records
            .iter()
            .map(|event| Entry {
                verb: &event.verb,
                at_ms: event.at_ms,
            })
            .collect();
        let lines = event::lines(&entries);
        let is_open = !is_end && event::may_grow(&entries, &lines, lines_max);
        if !is_open || records.len() >= CHANGES_READ_MAX {
            break (lines, is_open);
        }
    };
    let last_ms = records.last().map_or(0, |event| event.at_ms);
    let names = Names::of(ops, records.iter().map(|event| event.actor.as_str())).await?;
    let of_line = |line: &Vec<usize>| {
        let of: Vec<&EventRecord> = line
            .iter()
            .filter_map(|place| records.get(*place))
            .collect();
        let (newest, oldest) = (*of.first()?, *of.last()?);
        let objects: BTreeSet<&str> = of
            .iter()
            .map(|event| event.node_id.as_deref().unwrap_or(&event.subject))
            .collect();
        Some(Change {
            count: u32::try_from(of.len()).unwrap_or(u32::MAX),
            is_cut: is_open
                && of.len() > 1
                && oldest.at_ms.saturating_sub(last_ms) <= event::BURST_GAP_MS,
            first_at_ms: oldest.at_ms,
            objects: u32::try_from(objects.len()).unwrap_or(u32::MAX),
            is_of_one_actor: of.iter().all(|event| event.actor == newest.actor),
            event: row(&names, newest.clone()),
        })
    };
    Ok(lines.iter().take(lines_max).filter_map(of_line).collect())
}

/// The window of a query, which moves with the clock, and what else it asks for.
pub fn filter(ops: &Ops, query: &EventsQuery) -> (Window, EventFilter) {
    let range = if query.range.is_empty() {
        RANGE_DEFAULT
    } else {
        &query.range
    };
    let window = range::window(range, &query.from, &query.to, ops.clock.now());
    let is_moving = query.from.is_empty() && query.to.is_empty();
    let asked = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let filter = EventFilter {
        from_ms: window.from_ms,
        // What happens in this very millisecond belongs to a window that ends now.
        to_ms: window.to_ms + i64::from(is_moving),
        verb: asked(&query.kind),
        actor: asked(&query.actor),
        object: asked(&query.object),
        cluster: asked(&query.cluster),
        is_audit: query.is_audit,
    };
    (window, filter)
}

/// One page, as its URL asks for it.
///
/// # Errors
/// When the database refuses.
pub async fn page(ops: &Ops, query: &EventsQuery) -> Result<EventsPage, OpsError> {
    let pool = ops.state.read();
    let (window, filter) = filter(ops, query);
    // Before the list: what comes between the two is told as new and listed, never neither.
    let last_seq = store::last_seq(pool).await?;
    let mut records = store::list(pool, &filter, query.cursor, ROWS_MAX + 1).await?;
    let has_more = records.len() > ROWS_MAX as usize;
    records.truncate(ROWS_MAX as usize);
    let next_cursor = records.last().filter(|_| has_more).map(|event| event.seq);
    // Who asks for a window to the second sees that window.
    let first_ms = match query.preset() {
        Some(_) => store::first_at(pool, &filter).await?,
        None => None,
    };
    let bars = event::bars(window.from_ms, window.to_ms, first_ms);
    let mut histogram = vec![0u32; bars.count];
    for (part, entries) in store::histogram(pool, &filter, bars).await? {
        let part = usize::try_from(part).unwrap_or(0).min(bars.count - 1);
        if let Some(bar) = histogram.get_mut(part) {
            *bar += count(entries);
        }
    }
    let facet = async |facet| store::facet(pool, facet, &filter, CHOICES_MAX).await;
    let chain = match query.is_audit && query.verify {
        true => Some(match store::verify(pool).await? {
            ChainState::Whole { count } => Chain::Whole(count),
            ChainState::Broken { first_bad_seq } => Chain::Broken(first_bad_seq),
        }),
        false => None,
    };
    let acted = facet(Facet::Actor).await?;
    let who = records.iter().map(|event| event.actor.as_str());
    let who = who.chain(acted.iter().map(|(actor, ..)| actor.as_str()));
    let who = who.chain((!query.actor.is_empty()).then_some(query.actor.as_str()));
    let names = Names::of(ops, who).await?;
    let named = |list: Vec<(String, String, i64)>| -> Vec<(String, u32)> {
        list.into_iter()
            .map(|(value, _, entries)| (value, count(entries)))
            .collect()
    };
    Ok(EventsPage {
        chain,
        now_ms: ops.clock.now().0,
        from_ms: window.from_ms,
        to_ms: window.to_ms,
        label: window.label,
        notes: window.notes,
        rows: records
            .into_iter()
            .map(|event| line(&names, query, event))
            .collect(),
        next_cursor,
        matching: histogram.iter().sum(),
        last_seq,
        bars_from_ms: bars.from_ms,
        bar_ms: bars.bar_ms,
        histogram,
        kinds: named(facet(Facet::Verb).await?),
        actors: acted
            .into_iter()
            .map(|(actor, _, entries)| {
                let name = names.of_actor(&actor).0;
                (actor, name, count(entries))
            })
            .collect(),
        objects: facet(Facet::Object)
            .await?
            .into_iter()
            .map(|(value, name, entries)| (value, name, count(entries)))
            .collect(),
    })
}

fn count(entries: i64) -> u32 {
    u32::try_from(entries).unwrap_or(u32::MAX)
}

fn line(names: &Names, query: &EventsQuery, event: EventRecord) -> EventLine {
    EventLine {
        severity: event::severity(&event.verb),
        detail: event.detail.clone(),
        audit: query.is_audit.then(|| AuditDetail {
            before: event.before.clone(),
            after: event.after.clone(),
            address: event.address.clone(),
            request_id: event.request_id.clone(),
        }),
        event: row(names, event),
    }
}

/// How many events that match came after the page was made.
///
/// # Errors
/// When the database refuses.
pub async fn count_new(ops: &Ops, query: &EventsQuery, after_seq: i64) -> Result<u32, OpsError> {
    let (_, filter) = filter(ops, query);
    let entries = store::count_after(ops.state.read(), &filter, after_seq).await?;
    Ok(count(entries))
}
