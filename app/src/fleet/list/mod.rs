//! The list of nodes: filter, columns, order and page are in the URL, so each view of it is a link and works without
//! scripts.
//!
//! The server reads the filter and says what its terms are; the browser only shows and links them. While somebody is in
//! the table its rows keep their places ([`order`]).

mod cells;
mod filter;
mod order;
mod selection;
mod table;
mod views;

pub use filter::hidden;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::api;
use super::filter::{filter_chips, filter_problem, more};
use super::query::{PER_CHOICES, PER_DEFAULT};
use super::view::{LiveTopic, NodesPage, NodesQuery};
use crate::codec::page_data;
use crate::format;
use crate::page::{Followed, follow, followed};
use crate::ui::{EmptyState, Icon, PageHeader};

/// `/nodes`
#[component]
pub fn NodesListPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| {
        let params = params.read();
        NodesQuery::from_params(|key| {
            // A form sends one parameter for each box that is ticked.
            if key == "cols" {
                params.get_all(key).map(|keys| keys.join(","))
            } else {
                params.get(key)
            }
        })
    });
    let data = page_data(move || query.get(), api::list_nodes);
    follow(move || LiveTopic::Nodes { query: query.get() });
    provide_context(order::Sorting::new());
    provide_context(selection::Selection::new());
    view! {
        <PageHeader title="Nodes"><a class="button button-primary" href="/nodes/add"><Icon name="plus" />"Add a node"</a></PageHeader>
        <filter::FilterForm query />
        {followed(Followed { data, pick: order::pick, now_ms: |data| data.now_ms }, |_| "Nodes".to_owned(), page)}
    }
    .into_any()
}

fn page(page: &NodesPage, now_ms: i64) -> AnyView {
    if page.total == 0 {
        return view! {
            <EmptyState icon="server" title="No nodes yet">
                <p>"A node is a machine with an agent. Add one and it reports here within seconds."</p>
                <a class="button button-primary" href="/nodes/add">"Add a node"</a>
            </EmptyState>
        }
        .into_any();
    }
    let notes: Vec<_> = page
        .notes
        .iter()
        .map(|note| view! { <p class="note">{note.clone()}</p> })
        .collect();
    let body = if page.rows.is_empty() {
        nothing_matches(page)
    } else {
        view! { {table::table(page, now_ms)}{paging(page)} }.into_any()
    };
    view! {
        {filter_problem(page.filter_error.as_ref(), "All nodes", |q| filter::with_q(page, q))}
        {filter_chips(&page.chips, |q| filter::with_q(page, q))}
        {filter::pills(page)}
        {more("Filters and order")}
        <div class="list-tools">
            {filter::facets(page)}
            {views::tools(page)}
            {selection::menu(page)}
        </div>
        {notes}
        {body}
    }
    .into_any()
}

fn nothing_matches(page: &NodesPage) -> AnyView {
    let title = if page.query.q.is_empty() {
        "There is no such page".to_owned()
    } else {
        format!("No nodes match “{}”", page.query.q)
    };
    let hidden = format!(
        "{} hidden{}.",
        format::plural(u64::from(page.total), "node is", "nodes are"),
        match page.chips.len() {
            0 | 1 => String::new(),
            terms => format!(" by {terms} terms"),
        }
    );
    let everything = page.everything_if_bare(NodesQuery::default());
    view! {
        <EmptyState icon="search" title>
            <p>{hidden}</p>
            <a class="button" href=everything>"Show all nodes"</a>
        </EmptyState>
    }
    .into_any()
}

fn paging(page: &NodesPage) -> AnyView {
    let query = &page.query;
    let per = query.per.max(1);
    let first = (query.page.saturating_sub(1)).saturating_mul(per);
    let last = first.saturating_add(page.rows.len() as u32);
    let count = |number: u32| format::count(u64::from(number));
    let mut words = format!(
        "{}–{} of {}",
        count(first + 1),
        count(last),
        count(page.matching)
    );
    // Or the overview's number of nodes would be another one.
    if page.uncounted > 0 {
        let hosts = format::plural(u64::from(page.uncounted), "host", "hosts");
        words += &[", of them ", &hosts, " whose servers count instead"].concat();
    }
    let back = (query.page > 1).then(|| view! { <a class="button" rel="prev" href=query.at_page(query.page - 1).url()><Icon name="chevron-left" />"Previous"</a> });
    let on = (last < page.matching).then(|| view! { <a class="button" rel="next" href=query.at_page(query.page + 1).url()>"Next"<Icon name="chevron-right" /></a> });
    let least = PER_CHOICES.into_iter().min().unwrap_or(PER_DEFAULT);
    let sizes: Vec<_> = PER_CHOICES
        .into_iter()
        .map(|per| {
            let href = NodesQuery { per, page: 1, ..query.clone() }.url();
            view! { <li><a href=href aria-current=(per == query.per).then_some("true")>{per}</a></li> }
        })
        .collect();
    let sizes = (page.matching > least)
        .then(|| view! { <ul class="paging-sizes" aria-label="Rows a page">{sizes}</ul> });
    view! {
        <nav class="paging" aria-label="Pages">
            <span class="paging-where">{words}</span>
            {sizes}
            <span class="paging-steps">{back}{on}</span>
        </nav>
    }
    .into_any()
}
