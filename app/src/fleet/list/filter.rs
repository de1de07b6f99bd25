//! The filter of the list of nodes: beside the box and its chips, filters at hand and menus of values. All of them write
//! the same text.

use crate::fleet::filter::{FilterParts, filter_form, hidden_fields};
use crate::fleet::view::{Facet, NodesPage, NodesQuery};
use crate::format;
use crate::ui::{Icon, StatusMark};
use leptos::prelude::*;

/// The filter of the list of nodes.
#[component]
pub fn FilterForm(query: Memo<NodesQuery>) -> impl IntoView {
    let parts = FilterParts {
        path: "/nodes",
        label: "Filter by words, or by keys such as cluster:app-eu status:critical cpu>80",
        placeholder: "Words, cluster:app-eu, status:critical, cpu>80 …",
        q: Signal::derive(move || query.read().q.clone()),
        hidden: Signal::derive(move || query.read().hidden(&["q"])),
        url: Callback::new(move |q: String| query.read_untracked().with_q(&q).url()),
    };
    filter_form(parts)
}

/// Fields that carry the rest of the query.
pub fn hidden(query: &NodesQuery, own: &[&str]) -> Vec<AnyView> {
    hidden_fields(query.hidden(own))
}

/// The list with another filter.
pub fn with_q(page: &NodesPage, q: &str) -> String {
    page.everything_if_bare(page.query.with_q(q))
}

/// Filters at hand.
pub fn pills(page: &NodesPage) -> AnyView {
    let pills: Vec<_> = page
        .pills
        .iter()
        .map(|pill| {
            let href = with_q(page, &pill.q);
            view! {
                <li>
                    <a class="status-pill" href=href aria-current=pill.is_on.then_some("true") data-status=pill.status.map(|status| status.as_str())>
                        {pill.status.map(|status| view! { <StatusMark status /> })}
                        {pill.label.clone()}
                        <span class="status-pill-count">{format::count(u64::from(pill.count))}</span>
                    </a>
                </li>
            }
        })
        .collect();
    view! { <ul class="pills" aria-label="By status">{pills}</ul> }.into_any()
}

/// Menus of values.
pub fn facets(page: &NodesPage) -> Vec<AnyView> {
    page.facets.iter().map(|facet| menu(page, facet)).collect()
}

fn menu(page: &NodesPage, facet: &Facet) -> AnyView {
    let options: Vec<_> = facet
        .options
        .iter()
        .map(|option| {
            let href = with_q(page, &option.q);
            view! {
                <li>
                    <a href=href aria-current=option.is_on.then_some("true")>
                        <bdi>{option.value.clone()}</bdi>
                        <span class="list-menu-count">{format::count(u64::from(option.count))}</span>
                    </a>
                </li>
            }
        })
        .collect();
    let more = (facet.more > 0).then(|| {
        let words = format!(
            "{} more; write {}:…",
            format::count(u64::from(facet.more)),
            facet.key
        );
        view! { <p class="note">{words}</p> }
    });
    let is_on = facet.options.iter().any(|option| option.is_on);
    view! {
        <details class="list-menu" data-on=is_on.then_some("")>
            <summary class="button">{facet.label.clone()}<Icon name="chevron-down" /></summary>
            <div class="list-menu-body"><ul>{options}</ul>{more}</div>
        </details>
    }
    .into_any()
}
