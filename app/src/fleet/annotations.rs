//! What happened while charts were drawn: a line through each of them, and a list of them all.
//!
//! The lines carry no text; the list is their equivalent, with links. Silences are hatched in the charts already and stand
//! in the list with their reason.

use domain::metric::Gap;
use domain::time::{Timestamp, format_iso};
use leptos::prelude::*;

use super::parts::actor;
use super::readout::silence;
use super::view::{ChartSet, EventRow};
use crate::format;
use crate::preferences::{Preferences, instant, on_clock};

/// Lines in a chart at most; further ones stand in the list alone.
const LINES_MAX: usize = 24;
/// Lines of the list at most.
const LIST_MAX: usize = 12;

/// Vertical lines at the instants of events, as the inside of an `<svg>`: written from numbers alone.
pub fn event_lines(events: &[EventRow], window: (i64, i64)) -> String {
    let (from_ms, to_ms) = window;
    let span = (to_ms - from_ms).max(1) as f64;
    events
        .iter()
        .take(LINES_MAX)
        .map(|event| {
            let place = ((event.at_ms - from_ms) as f64 / span * 100.0).clamp(0.0, 100.0);
            format!(r#"<line x1="{place:.2}%" x2="{place:.2}%" y1="0" y2="100%"/><circle cx="{place:.2}%" cy="0" r="3"/>"#)
        })
        .collect()
}

/// What happened in the window, newest first; nothing where nothing did.
pub fn happened(set: &ChartSet) -> Option<AnyView> {
    // Every chart of a host falls silent with it; the processor's is always there.
    let gaps: &[Gap] = set.charts.first().map_or(&[], |chart| &chart.gaps);
    let mut lines: Vec<(i64, AnyView)> = Vec::new();
    for gap in gaps {
        let span = format::duration_ms((gap.to_ms - gap.from_ms) / 1000 * 1000);
        let (from, to) = (clock(set, gap.from_ms), clock(set, gap.to_ms));
        let words = format!("{} ({span})", silence(&gap.reason));
        let line = view! { <li data-kind="gap"><span class="happened-at">{from}"–"{to}" "{zone()}</span><span>{words}</span></li> };
        lines.push((gap.from_ms, line.into_any()));
    }
    for event in &set.events {
        let at = Timestamp(event.at_ms);
        let line = view! {
            <li data-kind="event">
                <time class="happened-at" datetime=format_iso(at) title=instant(event.at_ms)>{clock(set, event.at_ms)}" "{zone()}</time>
                <span>{event.verb.clone()}" by "{actor(event)}</span>
            </li>
        };
        lines.push((event.at_ms, line.into_any()));
    }
    if lines.is_empty() {
        return None;
    }
    lines.sort_by_key(|(at_ms, _)| std::cmp::Reverse(*at_ms));
    let more = lines.len().saturating_sub(LIST_MAX);
    let lines: Vec<_> = lines
        .into_iter()
        .take(LIST_MAX)
        .map(|(_, line)| line)
        .collect();
    let more = (more > 0).then(
        || view! { <p class="happened-more">{format!("and {more} more in this window")}</p> },
    );
    Some(
        view! {
            <section class="happened" aria-labelledby="happened-heading">
                <h3 id="happened-heading">"In this window"</h3>
                <ol>{lines}</ol>
                {more}
            </section>
        }
        .into_any(),
    )
}

fn zone() -> String {
    Preferences::of_page().zone.name()
}

/// `12:03`, with the day where the window has more than one.
fn clock(set: &ChartSet, at_ms: i64) -> String {
    let c = on_clock(at_ms);
    let time = format!("{:02}:{:02}:{:02}", c.hour, c.minute, c.second);
    if set.to_ms - set.from_ms > 86_400_000 {
        format!("{:04}-{:02}-{:02} {time}", c.year, c.month, c.day)
    } else {
        time
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbers_and_silence_has_its_reason() {
        let event = |at_ms| EventRow {
            seq: 1,
            at_ms,
            actor: "<script>".to_owned(),
            actor_node_id: None,
            verb: "node enrolled".to_owned(),
            subject: String::new(),
            node_id: None,
        };
        let lines = event_lines(&[event(250)], (0, 1000));
        assert!(
            lines.starts_with(r#"<line x1="25.00%" x2="25.00%""#),
            "{lines}"
        );
        assert!(!lines.contains("script"));
        let set = |events| ChartSet {
            from_ms: 0,
            to_ms: 1000,
            label: String::new(),
            notes: Vec::new(),
            charts: Vec::new(),
            events,
        };
        let html =
            Owner::new().with(|| happened(&set(vec![event(250)])).map(|list| list.to_html()));
        let html = html.unwrap_or_default();
        assert!(
            html.contains("node enrolled") && html.contains("&lt;script"),
            "{html}"
        );
        assert!(happened(&set(Vec::new())).is_none());
    }
}
