//! Pieces that several of the fleet's pages show.

use domain::fleet::Status;
use leptos::prelude::*;

use super::view::{ClusterCell, EventRow, NodeRow};
use super::words::badge_text;
use crate::ui::{Age, Instant, StatusBadge, StatusMark};
use crate::{format, url};

/// A node's name as a link. Names come from hosts: a text node in an element of its own direction.
pub fn node_link(id: &str, name: &str) -> AnyView {
    view! { <a class="node-link" href=url::node(id)><bdi>{name.to_owned()}</bdi></a> }.into_any()
}

/// A node's status with the word that says most.
pub fn node_badge(row: &NodeRow) -> AnyView {
    view! { <StatusBadge status=row.status text=badge_text(row) /> }.into_any()
}

/// How long ago it last reported.
pub fn report_age(row: &NodeRow, now_ms: i64) -> AnyView {
    reported(row.last_report_at_ms, now_ms)
}

/// As [`report_age`].
pub fn reported(at_ms: Option<i64>, now_ms: i64) -> AnyView {
    match at_ms {
        Some(at_ms) => view! { <Age at_ms now_ms /> }.into_any(),
        None => view! { <span title="never reported">{format::UNKNOWN}</span> }.into_any(),
    }
}

/// Nodes as squares; the list is their equivalent for the keyboard, so a cell is a link like any other.
pub fn cells(nodes: &[ClusterCell]) -> AnyView {
    let cells: Vec<_> = nodes
        .iter()
        .map(|cell| {
            let words = format!("{}: {}", cell.name, cell.status.label());
            let problem = cell.status != Status::Ok;
            view! {
                <li>
                    <a class="cell" data-status=cell.status.as_str() href=url::node(&cell.id) title=words.clone() aria-label=words>
                        {problem.then(|| view! { <StatusMark status=cell.status /> })}
                    </a>
                </li>
            }
        })
        .collect();
    view! { <ul class="cells">{cells}</ul> }.into_any()
}

/// What happened, newest first as given.
pub fn events(rows: &[EventRow], now_ms: i64) -> AnyView {
    let rows: Vec<_> = rows
        .iter()
        .map(|event| {
            let subject = match &event.node_id {
                Some(id) => node_link(id, &event.subject),
                None => view! { <bdi>{event.subject.clone()}</bdi> }.into_any(),
            };
            view! {
                <li class="event">
                    <Instant at_ms=event.at_ms now_ms />
                    <p>{event.verb.clone()}" "{subject}<span class="event-actor">" by "<bdi>{event.actor.clone()}</bdi></span></p>
                </li>
            }
        })
        .collect();
    view! { <ol class="events">{rows}</ol> }.into_any()
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    const HOSTILE: &str = "\"><script>alert(1)</script>";

    #[test]
    fn what_a_host_calls_itself_never_becomes_markup() {
        let cell = ClusterCell {
            id: HOSTILE.to_owned(),
            name: HOSTILE.to_owned(),
            status: Status::Critical,
        };
        let event = EventRow {
            seq: 1,
            at_ms: 0,
            actor: HOSTILE.to_owned(),
            verb: HOSTILE.to_owned(),
            subject: HOSTILE.to_owned(),
            node_id: Some(HOSTILE.to_owned()),
        };
        let owner = Owner::new();
        let html = owner.with(|| {
            node_link(HOSTILE, HOSTILE).to_html()
                + &cells(&[cell]).to_html()
                + &events(&[event], 0).to_html()
        });
        assert!(html.contains("&lt;script"), "{html}");
        assert!(
            !html.contains("<script") && !html.contains("\"\">"),
            "{html}"
        );
    }
}
