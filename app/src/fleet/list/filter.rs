//! The filter in its forms: a box, its terms as chips, filters at hand, menus of values. All of them write the same text.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use crate::fleet::view::{Facet, NodesPage, NodesQuery};
use crate::format;
use crate::ui::{Icon, StatusMark};

/// A plain form, which scripts shorten to a link: what it does not hold as fields it carries hidden.
#[component]
pub fn FilterForm(query: Memo<NodesQuery>) -> impl IntoView {
    let text = NodeRef::<leptos::html::Input>::new();
    let navigate = use_navigate();
    let submit = move |event: leptos::ev::SubmitEvent| {
        let Some(text) = text.get_untracked() else {
            return;
        };
        event.prevent_default();
        let url = query.read_untracked().with_q(&text.value()).url();
        navigate(&url, NavigateOptions::default());
    };
    let hidden = move || hidden(&query.read(), &["q"]);
    view! {
        <form class="filter" role="search" method="get" action="/nodes" on:submit=submit>
            <label class="visually-hidden" for="filter">"Filter by words, or by keys such as cluster:app-eu status:critical cpu>80"</label>
            <span class="filter-box">
                <Icon name="search" />
                <input
                    id="filter"
                    data-shortcut="/"
                    type="search"
                    name="q"
                    placeholder="Words, cluster:app-eu, status:critical, cpu>80 …"
                    value=move || query.read().q.clone()
                    // What was typed is replaced, too, when Back leads to another filter.
                    prop:value=move || query.read().q.clone()
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    node_ref=text
                />
            </span>
            {hidden}
            <button class="button" type="submit">"Filter"</button>
        </form>
    }
    .into_any()
}

/// Fields that carry the rest of the query.
pub fn hidden(query: &NodesQuery, own: &[&str]) -> Vec<AnyView> {
    query
        .hidden(own)
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> }.into_any())
        .collect()
}

/// The list with another filter.
fn with_q(page: &NodesPage, q: &str) -> String {
    page.everything_if_bare(page.query.with_q(q))
}

/// What is wrong with the filter, and where.
pub fn problem(page: &NodesPage) -> Option<AnyView> {
    let problem = page.filter_error.as_ref()?;
    let without = with_q(page, &problem.without);
    let token = if problem.token.is_empty() {
        "…".to_owned()
    } else {
        problem.token.clone()
    };
    Some(
        view! {
            <div class="filter-problem" role="alert">
                <code class="filter-problem-text"><bdi>{problem.before.clone()}</bdi><mark><bdi>{token}</bdi></mark><bdi>{problem.after.clone()}</bdi></code>
                <p>{problem.message.clone()}</p>
                <p>"All nodes are shown. "<a href=without>"Leave it out"</a></p>
            </div>
        }
        .into_any(),
    )
}

/// Each term with a way to take it out.
pub fn chips(page: &NodesPage) -> Option<AnyView> {
    if page.chips.is_empty() {
        return None;
    }
    let chips: Vec<_> = page
        .chips
        .iter()
        .map(|chip| {
            let href = with_q(page, &chip.without);
            view! {
                <li>
                    <a class="chip" href=href>
                        <span class="visually-hidden">"Remove "</span>
                        <bdi>{chip.text.clone()}</bdi>
                        <span aria-hidden="true">"×"</span>
                    </a>
                </li>
            }
        })
        .collect();
    let all = (page.chips.len() > 1).then(|| {
        let href = with_q(page, "");
        view! { <li><a class="chip-all" href=href>"Clear all"</a></li> }
    });
    Some(view! { <ul class="chips" aria-label="Filter">{chips}{all}</ul> }.into_any())
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
