//! The cluster in focus, beside the drawing; on phones it is the ladder: who uses it above, what it depends on below.

use leptos::prelude::*;

use super::view::{
    BoxKind, FocusPanel, MapBox, Neighbour, Reach, TopologyPage, TopologyQuery, View,
};
use super::words::{state_label, trouble_label};
use crate::ui::{Icon, StatusMark};
use crate::{format, url};

/// The cluster in focus, else the list of clusters that a phone shows instead of the drawing.
pub fn panel(page: &TopologyPage) -> AnyView {
    match &page.focus {
        Some(focus) => focused(page, focus),
        None => rungs(page),
    }
}

fn focused(page: &TopologyPage, focus: &FocusPanel) -> AnyView {
    let query = &page.query;
    let dependants = match focus.dependants {
        0 => view! { <p class="topo-reach">"Nothing depends on it."</p> }.into_any(),
        count => {
            let clusters = format::plural(u64::from(count), "cluster depends", "clusters depend");
            let (href, words) = match query.reach {
                Reach::Callers => (
                    query.focused_on(&focus.cluster).url(),
                    "Show its neighbours",
                ),
                Reach::Both => (query.dependants().url(), "Show what depends on it"),
            };
            view! { <p class="topo-reach">{clusters}" on it. "<a href=href>{words}</a></p> }
                .into_any()
        }
    };
    view! {
        <aside class="topo-panel" aria-label=format!("Cluster {}", focus.cluster)>
            {neighbours(query, "Used by", &focus.used_by, "Nobody was seen calling it.")}
            <section class="topo-self" data-status=focus.status.as_str()>
                <header>
                    <h2><StatusMark status=focus.status /><bdi>{focus.cluster.clone()}</bdi></h2>
                    <a class="topo-close" href=query.focused_on("").url()>"Close"</a>
                </header>
                <p>{focus.summary.clone()}</p>
                {dependants}
                <p class="topo-links">
                    <a class="button" href=format!("/clusters/{}", url::encode(&focus.cluster))>"Open cluster"</a>
                    <a class="button" href=url::with_query("/nodes", &[("q", &format!("cluster:{}", focus.cluster))])>"Its nodes"</a>
                </p>
                {page.may_arrange.then(|| arrange(query, focus))}
            </section>
            {neighbours(query, "Depends on", &focus.depends_on, "It was not seen calling anybody.")}
        </aside>
    }
    .into_any()
}

fn neighbours(
    query: &TopologyQuery,
    title: &'static str,
    list: &[Neighbour],
    none: &'static str,
) -> AnyView {
    /// More would push the panel off the page; the table has all.
    const SHOWN_MAX: usize = 12;
    let rows: Vec<_> = list
        .iter()
        .take(SHOWN_MAX)
        .map(|one| neighbour(query, one))
        .collect();
    let more = list.len().saturating_sub(SHOWN_MAX);
    let more = (more > 0).then(|| {
        let words = format!("{more} more in the table");
        view! { <p class="topo-reach"><a href=query.seen_as(View::Table).url()>{words}</a></p> }
    });
    let list = if rows.is_empty() {
        view! { <p class="topo-reach">{none}</p> }.into_any()
    } else {
        view! { <ul>{rows}</ul> }.into_any()
    };
    view! { <section class="topo-side"><h2>{title}</h2>{list}{more}</section> }.into_any()
}

fn neighbour(query: &TopologyQuery, one: &Neighbour) -> AnyView {
    let mark = one.status.map(|status| view! { <StatusMark status /> });
    let name = if one.is_cluster {
        view! { <a href=query.focused_on(&one.name).url()><bdi>{one.name.clone()}</bdi></a> }
            .into_any()
    } else {
        view! { <span class="mono"><bdi>{one.name.clone()}</bdi></span> }.into_any()
    };
    let words = match (one.trouble, trouble_label(one.trouble)) {
        (Some(status), Some(label)) => {
            view! { <span class="topo-words"><StatusMark status />{label}": "{one.words.clone()}</span> }
                .into_any()
        }
        _ => view! { <span class="topo-words" title=state_label(one.state)>{one.words.clone()}</span> }.into_any(),
    };
    view! { <li>{mark}{name}{words}</li> }.into_any()
}

/// Moving a box: one press is two cells.
fn arrange(query: &TopologyQuery, focus: &FocusPanel) -> AnyView {
    let arrow = |to: &'static str, words: &'static str| {
        view! { <button class="button" type="submit" name="to" value=to>{words}</button> }
    };
    let unpin = focus.is_pinned.then(|| arrow("unpin", "Unpin"));
    view! {
        <details class="topo-move">
            <summary>"Move…"</summary>
            <form method="post" action="/topology/move">
                <input type="hidden" name="system" value=query.system.clone() />
                <input type="hidden" name="cluster" value=focus.cluster.clone() />
                <input type="hidden" name="back" value=query.url() />
                {arrow("left", "Left")}{arrow("right", "Right")}{arrow("up", "Up")}{arrow("down", "Down")}{unpin}
            </form>
            <p class="topo-reach">"A moved box stays where it is put, for everybody."</p>
        </details>
    }
    .into_any()
}

/// Clusters, worst first, each a way into its ladder.
fn rungs(page: &TopologyPage) -> AnyView {
    /// All of them are in the cells view; a page has only so many elements.
    const SHOWN_MAX: usize = 20;
    let ours = |one: &&MapBox| matches!(one.kind, BoxKind::Cluster | BoxKind::System);
    let mut boxes: Vec<&MapBox> = page.boxes.iter().filter(ours).collect();
    boxes.sort_by(|a, b| (a.status, &a.key).cmp(&(b.status, &b.key)));
    let more = boxes.len().saturating_sub(SHOWN_MAX);
    let more = (more > 0).then(|| {
        let words = format!("{more} more as cells");
        view! { <p class="topo-reach"><a href=page.query.seen_as(View::Cells).url()>{words}</a></p> }
    });
    let rows: Vec<_> = boxes
        .into_iter()
        .take(SHOWN_MAX)
        .map(|one| rung(page, one))
        .collect();
    view! {
        <nav class="topo-panel topo-rungs" aria-label="Clusters">
            <section class="topo-side"><h2><Icon name="network" />"Clusters"</h2><ul>{rows}</ul>{more}</section>
        </nav>
    }
    .into_any()
}

fn rung(page: &TopologyPage, one: &MapBox) -> AnyView {
    let href = if one.kind == BoxKind::System {
        TopologyQuery {
            system: one.system.clone(),
            ..page.query.clone()
        }
        .url()
    } else {
        page.query.focused_on(&one.key).url()
    };
    let words = format!(
        "{}; used by {}, depends on {}",
        one.summary, one.used_by, one.depends_on
    );
    view! {
        <li>
            <StatusMark status=one.status />
            <a href=href>{one.key.clone()}</a>
            <span class="topo-words">{words}</span>
        </li>
    }
    .into_any()
}
