//! `/search?q=`: the palette as a page.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::api;
use super::view::Hit;
use crate::codec::page_data;
use crate::page::{Context, Loading, Problem};
use crate::ui::{Icon, PageHeader};

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

fn results(hits: Vec<Hit>) -> AnyView {
    let hits: Vec<_> = hits
        .into_iter()
        .map(|hit| {
            view! {
                <li>
                    <a class="search-hit" href=hit.href>
                        <span class="search-kind">{hit.kind.label()}</span>
                        <bdi class="search-label">{hit.label}</bdi>
                        <bdi class="search-detail">{hit.detail}</bdi>
                    </a>
                </li>
            }
        })
        .collect();
    view! { <ul class="search-hits">{hits}</ul> }.into_any()
}
