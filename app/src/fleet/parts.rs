//! Pieces that several of the fleet's pages show.

use domain::fleet::Status;
use leptos::prelude::*;

use super::view::{Change, ClusterCell, EventRow, NodeRow};
use super::words::badge_text;
use crate::events::query::object_url;
use crate::events::view::EventsQuery;
use crate::preferences::time_of_day;
use crate::ui::{Age, Instant, StatusBadge, StatusMark};
use crate::{format, url};

/// A node's name as a link. Names come from hosts: a text node in an element of its own direction.
pub fn node_link(id: &str, name: &str) -> AnyView {
    view! { <a class="node-link" href=url::node(id) title=name.to_owned()><bdi>{name.to_owned()}</bdi></a> }.into_any()
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

/// How long it has been so; nothing where nobody knows.
pub fn since(at_ms: Option<i64>, now_ms: i64) -> Option<AnyView> {
    at_ms.map(|at_ms| view! { <Age at_ms now_ms /> }.into_any())
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

/// Who did it: an agent is called like its host and leads there.
pub fn actor(event: &EventRow) -> AnyView {
    match &event.actor_node_id {
        Some(id) => node_link(id, &event.actor),
        None => view! { <bdi>{event.actor.clone()}</bdi> }.into_any(),
    }
}

/// What happened, newest first as given; a burst is one line that leads to all of it. `scope` is what the page is about.
pub fn changes(rows: &[Change], scope: &EventsQuery, now_ms: i64) -> AnyView {
    let rows: Vec<_> = rows
        .iter()
        .map(|change| {
            let what = if change.count > 1 {
                burst(change, scope)
            } else {
                single(&change.event)
            };
            view! { <li class="event"><Instant at_ms=change.event.at_ms now_ms /><p>{what}</p></li> }
        })
        .collect();
    view! { <ol class="events">{rows}</ol> }.into_any()
}

fn single(event: &EventRow) -> AnyView {
    let subject = object(event);
    // What a host tells of itself needs no "by": it would say the same name twice.
    let is_own = event.actor_node_id.is_some() && event.actor_node_id == event.node_id;
    let by = (!is_own).then(|| view! { <span class="event-actor">" by "{actor(event)}</span> });
    view! { {event.verb.clone()}" "{subject}{by} }.into_any()
}

/// "36 × server appeared: app-01/tomcat and others, since 03:10 UTC".
fn burst(change: &Change, scope: &EventsQuery) -> AnyView {
    let event = &change.event;
    let more = if change.is_cut { "+" } else { "" };
    let count = format!(
        "{}{more} × {}",
        format::count(u64::from(change.count)),
        event.verb
    );
    let all = EventsQuery {
        kind: event.verb.clone(),
        ..scope.between(
            change.first_at_ms.div_euclid(1_000) * 1_000,
            event.at_ms.div_euclid(1_000) * 1_000 + 1_000,
        )
    };
    let objects = match change.objects {
        1 => object(event),
        others => {
            let others = u64::from(others - 1);
            view! { {object(event)}{format!(" and {}", format::plural(others, "other", "others"))} }
                .into_any()
        }
    };
    let by = change
        .is_of_one_actor
        .then(|| view! { <span class="event-actor">" by "{actor(event)}</span> });
    let since = format!(", since {}", time_of_day(change.first_at_ms));
    view! { <a class="event-burst" href=all.url()>{count}</a>": "{objects}{by}<span class="event-actor">{since}</span> }
        .into_any()
}

/// What an event is about, as a link.
pub fn object(event: &EventRow) -> AnyView {
    view! { <a class="node-link" href=object_url(event) title=event.subject.clone()><bdi>{event.subject.clone()}</bdi></a> }
        .into_any()
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
            actor_node_id: Some(HOSTILE.to_owned()),
            verb: HOSTILE.to_owned(),
            subject: HOSTILE.to_owned(),
            node_id: Some(HOSTILE.to_owned()),
        };
        let line = |count| Change {
            event: event.clone(),
            count,
            is_cut: false,
            first_at_ms: 0,
            objects: count,
            is_of_one_actor: true,
        };
        let owner = Owner::new();
        let html = owner.with(|| {
            node_link(HOSTILE, HOSTILE).to_html()
                + &cells(&[cell]).to_html()
                + &changes(&[line(1), line(3)], &EventsQuery::default(), 0).to_html()
        });
        assert!(html.contains("&lt;script"), "{html}");
        assert!(
            !html.contains("<script") && !html.contains("\"\">"),
            "{html}"
        );
    }
}
