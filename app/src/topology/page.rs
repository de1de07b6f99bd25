//! `/topology`: the map as a graph, as cells, as tables. All that is asked is in the URL.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::hand::Hand;
use super::view::{BoxKind, TopologyPage, TopologyQuery, View};
use super::{api, cells, filter, graph, panel, table};
use crate::codec::page_data;
use crate::fleet::view::{LiveTopic, LiveUpdate};
use crate::page::{Followed, follow, followed_still};
use crate::ui::{EmptyState, Icon, PageHeader};

/// `/topology`
#[component]
pub fn TopologyMapPage() -> impl IntoView {
    let params = use_query_map();
    // A size is nothing that the server has to know.
    let asked = Memo::new(move |_| TopologyQuery::from_params(|key| params.read().get(key)));
    let query = Memo::new(move |_| asked.with(|asked| asked.zoomed(0)));
    provide_context(Hand::of_page(Memo::new(move |_| {
        asked.with(|asked| asked.zoom)
    })));
    followed_still(followed_map(query), |_| "Topology".to_owned(), page)
}

/// Loads the map and follows it, unless it is of the past.
pub fn followed_map(query: Memo<TopologyQuery>) -> Followed<TopologyPage> {
    let data = page_data(move || query.get(), api::load_topology);
    follow(move || {
        let query = query.get();
        query
            .at_ms
            .is_none()
            .then_some(LiveTopic::Topology { query })
    });
    Followed {
        data,
        pick: |update: &LiveUpdate, now: &TopologyPage| match update {
            LiveUpdate::Topology(next) if next.query == now.query => Some((**next).clone()),
            _ => None,
        },
        now_ms: |data| data.now_ms,
    }
}

fn page(data: &TopologyPage) -> AnyView {
    let mut data = data.clone();
    data.query.zoom = use_context::<Hand>().map_or(0, Hand::zoom);
    let data = &data;
    if data.hosts == 0 {
        return view! {
            <PageHeader title="Topology" />
            <EmptyState icon="network" title="No nodes yet">
                <p>"Clusters appear here with their first node, and who calls whom as soon as agents have seen it."</p>
                <a class="button button-primary" href="/nodes/add"><Icon name="plus" />"Add a node"</a>
            </EmptyState>
        }
        .into_any();
    }
    let notes: Vec<_> = data
        .notes
        .iter()
        .map(|note| view! { <p class="note">{note.clone()}</p> })
        .collect();
    let body = match data.query.view {
        View::Table => table::tables(data),
        _ if !data.boxes.iter().any(|one| one.kind != BoxKind::External) => nothing(&data.query),
        View::Graph => view! {
            <div class="topo-layout" data-focused=data.focus.is_some().then_some("")>{graph::graph(data)}{panel::panel(data)}</div>
        }
        .into_any(),
        View::Cells => view! {
            <div class="topo-layout" data-focused=data.focus.is_some().then_some("")>
                {cells::cells(data)}
                {data.focus.is_some().then(|| panel::panel(data))}
            </div>
        }
        .into_any(),
    };
    // The first stop of the keyboard: all that follows is in the table, too.
    let as_table = (data.query.view != View::Table).then(|| {
        view! { <a class="button topo-as-table" href=data.query.seen_as(View::Table).url()>"View as table"</a> }
    });
    let tidy = (data.may_arrange && data.query.view == View::Graph && data.past.is_none()).then(|| {
        view! {
            <form class="topo-tidy" method="post" action="/topology/tidy">
                <input type="hidden" name="system" value=data.query.system.clone() />
                <input type="hidden" name="back" value=data.query.url() />
                {data.may_undo.then(|| view! { <button class="button" type="submit" name="undo" value="1" title="Puts boxes where they stood before the map was tidied">"Undo tidy"</button> })}
                <button class="button" type="submit" title="Lays the map out anew for everybody; moved boxes lose their places until this is undone">"Tidy"</button>
            </form>
        }
    });
    let past = data.past.clone().map(|words| {
        view! { <p class="note topo-past" role="status"><Icon name="history" /><span>{words}" "<a href=data.query.now().url()>"Back to now"</a></span></p> }
    });
    let cards = data
        .focus
        .as_ref()
        .filter(|_| data.query.view == View::Graph)
        .map(panel::cards);
    view! {
        <PageHeader title="Topology">{as_table}{tidy}</PageHeader>
        {filter::filter(data)}
        {past}
        {notes}
        {body}
        {cards}
    }
    .into_any()
}

/// The drawing alone, for a wall.
pub fn drawing(data: &TopologyPage) -> AnyView {
    if data.boxes.iter().any(|one| one.kind != BoxKind::External) {
        graph::graph(data)
    } else {
        view! { <p class="wall-well">"No nodes yet"</p> }.into_any()
    }
}

fn nothing(query: &TopologyQuery) -> AnyView {
    let title = if query.only_problems {
        "No problems"
    } else {
        "Nothing to show"
    };
    let plain = TopologyQuery {
        view: query.view,
        at_ms: query.at_ms,
        ..TopologyQuery::default()
    };
    view! {
        <EmptyState icon="network" title=title>
            <p>"All clusters are hidden by what is asked for above."</p>
            <a class="button" href=plain.url()>"Show all clusters"</a>
        </EmptyState>
    }
    .into_any()
}
