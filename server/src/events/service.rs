//! The console's events port: one page of the log, with what it can be filtered by.

use app::backend::Operator;
use app::error::UiError;
use app::events::EventsPort;
use app::events::query::RANGE_DEFAULT;
use app::events::view::{EventLine, EventsPage, EventsQuery};
use app::fleet::view::EventRow;
use domain::access::Action;
use domain::chart::range::{self, Window};

use super::store::{self, EventFilter, EventRecord, Facet};
use crate::error::OpsError;
use crate::ops::Ops;
use crate::web::console::Console;

/// Rows a page.
const ROWS_MAX: u32 = 100;
/// Bars of the histogram.
const BARS: usize = 60;
/// Choices of a facet.
const CHOICES_MAX: u32 = 50;

#[async_trait::async_trait]
impl EventsPort for Console {
    async fn events_page(&self, who: &Operator, query: EventsQuery) -> Result<EventsPage, UiError> {
        who.may(Action::ViewFleet)?;
        Ok(page(self.ops(), &query).await?)
    }
}

/// An event as pages show it.
pub fn row(event: EventRecord) -> EventRow {
    EventRow {
        seq: event.seq,
        at_ms: event.at_ms,
        actor: event.actor,
        verb: event.verb,
        subject: event.subject,
        node_id: event.node_id,
    }
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
    let mut histogram = vec![0u32; BARS];
    let bars = i64::try_from(BARS).unwrap_or(1);
    for (part, entries) in store::histogram(pool, &filter, bars).await? {
        let part = usize::try_from(part).unwrap_or(0).min(BARS - 1);
        if let Some(bar) = histogram.get_mut(part) {
            *bar += count(entries);
        }
    }
    let facet = async |facet| store::facet(pool, facet, &filter, CHOICES_MAX).await;
    let named = |list: Vec<(String, String, i64)>| -> Vec<(String, u32)> {
        list.into_iter()
            .map(|(value, _, entries)| (value, count(entries)))
            .collect()
    };
    Ok(EventsPage {
        now_ms: ops.clock.now().0,
        from_ms: window.from_ms,
        to_ms: window.to_ms,
        label: window.label,
        notes: window.notes,
        rows: records.into_iter().map(line).collect(),
        next_cursor,
        matching: histogram.iter().sum(),
        last_seq,
        histogram,
        kinds: named(facet(Facet::Verb).await?),
        actors: named(facet(Facet::Actor).await?),
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

/// Every event about a cluster itself says so in its verb, and has the slug as its subject.
fn line(event: EventRecord) -> EventLine {
    let is_cluster = event.node_id.is_none() && event.verb.starts_with("cluster ");
    EventLine {
        cluster: is_cluster.then(|| event.subject.clone()),
        detail: event.detail.clone(),
        event: row(event),
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
