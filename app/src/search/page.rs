//! `/search?q=`: the palette as a page.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::api;
use super::view::{Hit, HitKind};
use crate::codec::page_data;
use crate::format;
use crate::page::{Context, Loading, Problem};
use crate::ui::{Icon, PageHeader, StatusMark};

/// `/search?q=`
#[component]
pub fn SearchPage() -> impl IntoView {
    let query = use_query_map();
    let q = Memo::new(move |_| query.read().get("q").unwrap_or_default());
    let found = page_data(
        move || q.get(),
        |q| async move { (q.clone(), api::search(q).await) },
    );
    expect_context::<Context>().focus_heading();
    view! {
        <Title text="Search" />
        <PageHeader title="Search" />
        <form class="filter search-form" role="search" method="get" action="/search">
            <label class="visually-hidden" for="search-q">"Nodes, clusters, pages"</label>
            <span class="filter-box">
                <Icon name="search" />
                <input id="search-q" type="search" name="q" placeholder="Node, cluster or page" value=move || q.get() autocomplete="off" autocapitalize="none" spellcheck="false" data-shortcut="/" />
            </span>
            <button class="button" type="submit">"Search"</button>
        </form>
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match found.await {
                    (_, Err(error)) => view! { <Problem error /> }.into_any(),
                    (q, Ok(hits)) if hits.is_empty() => view! { <p class="search-none">"Nothing goes by “"<bdi>{q}</bdi>"”."</p> }.into_any(),
                    (_, Ok(hits)) => results(hits),
                }
            })}
        </Transition>
    }
    .into_any()
}

/// "1 cluster, 12 nodes, 2 pages".
fn counts(hits: &[Hit]) -> String {
    const KINDS: [(HitKind, &str, &str); 4] = [
        (HitKind::Cluster, "cluster", "clusters"),
        (HitKind::Node, "node", "nodes"),
        (HitKind::Page, "page", "pages"),
        (HitKind::Action, "action", "actions"),
    ];
    let is_cut = hits.iter().any(|hit| hit.kind == HitKind::All);
    let words: Vec<String> = KINDS
        .into_iter()
        .filter_map(|(kind, one, many)| {
            let count = hits.iter().filter(|hit| hit.kind == kind).count();
            let words = format::plural(count as u64, one, many);
            let first = if is_cut && kind == HitKind::Node {
                "the first "
            } else {
                ""
            };
            (count > 0).then(|| [first, &words].concat())
        })
        .collect();
    words.join(", ")
}

fn results(mut hits: Vec<Hit>) -> AnyView {
    // Controls are on the page around the palette; from here they would be pressed on another.
    hits.retain(|hit| hit.control().is_none());
    let counts = counts(&hits);
    let hits: Vec<_> = hits
        .into_iter()
        .map(|hit| {
            view! {
                <li>
                    <a class="search-hit" href=hit.href>
                        <span class="search-kind">{hit.kind.label()}</span>
                        <bdi class="search-label">{hit.status.map(|status| view! { <StatusMark status /> })}{hit.label}</bdi>
                        <bdi class="search-detail">{hit.detail}</bdi>
                    </a>
                </li>
            }
        })
        .collect();
    view! { <p class="search-none" role="status">{counts}</p><ul class="search-hits">{hits}</ul> }
        .into_any()
}
