//! The events' port, and the server function over it.

use leptos::prelude::*;
use leptos::server_fn::codec::Json;

use super::view::{EventsPage, EventsQuery};
use crate::codec::Answer;
use crate::error::UiError;
#[cfg(feature = "ssr")]
use crate::{
    backend::{backend, operator},
    error::answer,
    preferences::{Preferences, Zone},
};
#[cfg(feature = "ssr")]
use domain::time::{Timestamp, format_utc, parse_iso_ms};

/// What the events page needs of the server.
#[cfg(feature = "ssr")]
#[async_trait::async_trait]
pub trait EventsPort: Send + Sync {
    /// One page of the log.
    async fn events_page(
        &self,
        who: &crate::backend::Operator,
        query: EventsQuery,
    ) -> Result<EventsPage, UiError>;
}

/// One page of the log.
#[server(prefix = "/fn", endpoint = "events", input = Json, output = Answer)]
pub async fn list_events(query: EventsQuery) -> Result<EventsPage, UiError> {
    answer(async move {
        let zone = Preferences::current().zone;
        let mut page = backend()?.events_page(&operator()?, query).await?;
        for line in &mut page.rows {
            line.detail = on_clock_of(zone, &line.detail);
        }
        Ok(page)
    })
    .await
}

/// The log's own words have instants in UTC, for good; whoever reads them here has a clock.
#[cfg(feature = "ssr")]
fn on_clock_of(zone: Zone, text: &str) -> String {
    /// Letters of `2026-11-22 03:12:07`.
    const INSTANT: usize = 19;
    let mut told = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" UTC") {
        let cut = before.len().saturating_sub(INSTANT);
        let written = before.split_at_checked(cut);
        let at = written.and_then(|(words, instant)| {
            let at_ms = parse_iso_ms(&format!("{}Z", instant.replacen(' ', "T", 1)))?;
            Some((words, Timestamp(zone.shifted_ms(at_ms))))
        });
        match at {
            Some((words, at)) => {
                let text = format_utc(at);
                told += words;
                told += text.trim_end_matches("UTC");
                told += &zone.name();
            }
            None => told.extend([before, " UTC"]),
        }
        rest = after;
    }
    told + rest
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn instants_in_the_words_of_the_log_are_told_on_the_readers_clock() {
        let text = "for 1 host, until 2026-12-01 23:30:00 UTC, then 2026-12-02 00:00:00 UTC";
        let zone = Zone(90);
        let name = zone.name();
        assert_eq!(
            on_clock_of(zone, text),
            format!(
                "for 1 host, until 2026-12-02 01:00:00 {name}, then 2026-12-02 01:30:00 {name}"
            )
        );
        for same in ["", "times in UTC", "ä UTC", "2026-99-99 00:00:00 UTC"] {
            assert_eq!(on_clock_of(zone, same), same);
        }
        assert_eq!(on_clock_of(Zone::default(), text), text);
    }
}
