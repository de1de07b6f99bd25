//! The cluster in focus, beside the drawing; on phones it is the ladder: who uses it above, what it depends on below.

use leptos::prelude::*;

use super::graph::group_address;
use super::view::{
    BoxKind, FocusPanel, MapBox, Neighbour, NodeCard, Reach, TopologyPage, TopologyQuery, View,
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
    let may_change = page.may_arrange && page.past.is_none();
    let dependants = match focus.dependants {
        0 => view! { <p class="topo-reach">"Nothing depends on it."</p> }.into_any(),
        count => reach(query, &focus.cluster, count),
    };
    let traffic = {
        let words = |count: Option<u32>| {
            count.map_or_else(
                || format::UNKNOWN.to_owned(),
                |count| format::count(u64::from(count)),
            )
        };
        format!(
            "Connections: in {} · out {}",
            words(focus.accepted),
            words(focus.opened)
        )
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
                <p class="topo-reach">{traffic}</p>
                {dependants}
                <p class="topo-links">
                    <a class="button" href=format!("/clusters/{}", url::encode(&focus.cluster))>"Open cluster"</a>
                    <a class="button" href=url::with_query("/nodes", &[("q", &format!("cluster:{}", focus.cluster))])>"Its nodes"</a>
                </p>
                {may_change.then(|| arrange(query, focus))}
                {may_change.then(|| declare(query, focus))}
            </section>
            {neighbours(query, "Depends on", &focus.depends_on, "It was not seen calling anybody.")}
        </aside>
    }
    .into_any()
}

/// How far what depends on it is shown.
fn reach(query: &TopologyQuery, cluster: &str, count: u32) -> AnyView {
    let clusters = format::plural(u64::from(count), "cluster depends", "clusters depend");
    let is_shown = query.reach == Reach::Callers;
    let depth = |depth: u8, words: &'static str| {
        let is_current = (is_shown && query.depth == depth).then_some("true");
        view! { <li><a href=query.dependants(depth).url() aria-current=is_current>{words}</a></li> }
    };
    let back = is_shown.then(|| {
        view! { <li><a href=query.focused_on(cluster).url()>"Both ways"</a></li> }
    });
    view! {
        <p class="topo-reach">{clusters}" on it. Show what does, so many calls away:"</p>
        <ul class="topo-depths" aria-label="What depends on it">{depth(1, "1")}{depth(2, "2")}{depth(3, "3")}{back}</ul>
    }
    .into_any()
}

/// The nodes of the cluster in focus, large enough to read.
pub fn cards(focus: &FocusPanel) -> AnyView {
    let card = |one: &NodeCard| {
        view! {
            <li>
                <a class="topo-card" data-status=one.status.as_str() href=url::node(&one.id)>
                    <span class="topo-card-name"><StatusMark status=one.status /><bdi>{one.name.clone()}</bdi></span>
                    <span class="topo-card-words">{one.status.label()}", "{one.words.clone()}</span>
                </a>
            </li>
        }
    };
    let cards: Vec<_> = focus.cards.iter().map(card).collect();
    let more = (focus.cards_more > 0).then(|| {
        let words = format!("{} more nodes", format::count(u64::from(focus.cards_more)));
        let href = url::with_query("/nodes", &[("q", &format!("cluster:{}", focus.cluster))]);
        view! { <li class="topo-card-more"><a href=href>{words}</a></li> }
    });
    view! {
        <section class="topo-cards" aria-labelledby="topo-cards-heading">
            <h2 id="topo-cards-heading">"Nodes of "<bdi>{focus.cluster.clone()}</bdi></h2>
            <ul>{cards}{more}</ul>
        </section>
    }
    .into_any()
}

/// What somebody expects it to call.
fn declare(query: &TopologyQuery, focus: &FocusPanel) -> AnyView {
    /// A page has only so many elements; any other name can be written.
    const OTHERS_MAX: usize = 30;
    let fields = || {
        view! {
            <input type="hidden" name="from" value=focus.cluster.clone() />
            <input type="hidden" name="back" value=query.url() />
        }
    };
    let others: Vec<_> = focus
        .others
        .iter()
        .take(OTHERS_MAX)
        .map(|slug| view! { <option value=slug.clone()></option> })
        .collect();
    let taken_back: Vec<_> = focus
        .depends_on
        .iter()
        .flat_map(|one| one.declared.iter().map(move |port| (one, *port)))
        .map(|(one, port)| {
            view! {
                <form method="post" action="/topology/declare">
                    {fields()}
                    <input type="hidden" name="to" value=one.name.clone() />
                    <input type="hidden" name="port" value=port.to_string() />
                    <button class="button" type="submit" name="take" value="back">{format!("Take back {}:{port}", one.name)}</button>
                </form>
            }
        })
        .collect();
    view! {
        <details class="topo-move topo-declare">
            <summary>"Declare a dependency…"</summary>
            <form method="post" action="/topology/declare">
                {fields()}
                <div class="field"><label for="topo-declare-to">"It calls cluster"</label><input id="topo-declare-to" name="to" required=true list="topo-others" autocomplete="off" autocapitalize="none" spellcheck="false" /><datalist id="topo-others">{others}</datalist></div>
                <div class="field"><label for="topo-declare-port">"At port"</label><input id="topo-declare-port" name="port" required=true inputmode="numeric" autocomplete="off" /></div>
                <button class="button" type="submit">"Declare"</button>
            </form>
            {taken_back}
            <p class="topo-reach">"What is declared is drawn dotted until it is seen."</p>
        </details>
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
    let ours = |one: &&MapBox| matches!(one.kind, BoxKind::Cluster | BoxKind::Group);
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
    let href = match one.kind {
        BoxKind::Group => group_address(&page.query, one),
        _ => page.query.focused_on(&one.key).url(),
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
