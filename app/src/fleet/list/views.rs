//! Columns, saved views and files: what a list offers beside its filter.

use leptos::prelude::*;

use super::filter::hidden;
use crate::fleet::columns::{Column, PRESETS, preset};
use crate::fleet::view::{NodesPage, NodesQuery, SavedView};
use crate::ui::Icon;

/// The menus.
pub fn tools(page: &NodesPage) -> AnyView {
    view! {
        {columns(&page.query)}
        {views(page)}
        <a class="button" href=page.query.url_of("/nodes/export.csv") rel="external" download>"CSV"</a>
        <a class="button" href=page.query.url_of("/nodes/export.json") rel="external" download>"JSON"</a>
    }
    .into_any()
}

fn columns(query: &NodesQuery) -> AnyView {
    let shown = query.columns();
    let boxes: Vec<_> = Column::ALL
        .iter()
        .filter(|column| **column != Column::Name)
        .map(|column| {
            let is_shown = shown.contains(column);
            view! { <label class="list-menu-check"><input type="checkbox" name="cols" value=column.key() checked=is_shown />{column.label()}</label> }
        })
        .collect();
    let has_set = query.cols.is_empty();
    let sets: Vec<_> = PRESETS
        .into_iter()
        .map(|set| {
            let is_on = has_set && preset(&query.view) == &set;
            let href = query.with_view(set.key).url();
            view! { <li><a href=href aria-current=is_on.then_some("true")>{set.label}</a></li> }
        })
        .collect();
    view! {
        <details class="list-menu">
            <summary class="button">"Columns"<Icon name="chevron-down" /></summary>
            <div class="list-menu-body">
                <ul aria-label="Sets of columns">{sets}</ul>
                <form method="get" action="/nodes">
                    {hidden(query, &["cols", "view"])}
                    <input type="hidden" name="cols" value="name" />
                    <fieldset><legend>"Columns beside the name"</legend>{boxes}</fieldset>
                    <button class="button" type="submit">"Show these"</button>
                </form>
            </div>
        </details>
    }
    .into_any()
}

fn views(page: &NodesPage) -> AnyView {
    let list: Vec<_> = page.views.iter().map(|saved| entry(page, saved)).collect();
    let list = (!list.is_empty()).then(|| view! { <ul aria-label="Saved views">{list}</ul> });
    view! {
        <details class="list-menu">
            <summary class="button">"Views"<Icon name="chevron-down" /></summary>
            <div class="list-menu-body">
                {list}
                <form method="post" action="/nodes/views">
                    {hidden(&page.query, &[])}
                    <label class="list-menu-field">"Save this view as"<input type="text" name="name" maxlength="60" required autocomplete="off" /></label>
                    <label class="list-menu-check"><input type="checkbox" name="shared" value="yes" />"For everybody"</label>
                    <button class="button" type="submit">"Save"</button>
                </form>
            </div>
        </details>
    }
    .into_any()
}

fn entry(page: &NodesPage, saved: &SavedView) -> AnyView {
    let is_on = saved.query == page.query;
    let (default_id, default_words) = if saved.is_default {
        (String::new(), "Not my default")
    } else {
        (saved.id.clone(), "My default")
    };
    let shared = saved
        .is_shared
        .then(|| view! { <span class="list-menu-count">"shared"</span> });
    let delete = saved.may_delete.then(|| view! {
        <form method="post" action="/nodes/views/delete">
            <input type="hidden" name="id" value=saved.id.clone() />
            <button class="button" type="submit" aria-label=format!("Delete view {}", saved.name)>"Delete"</button>
        </form>
    });
    view! {
        <li class="list-menu-view">
            <a href=saved.query.url() aria-current=is_on.then_some("true")><bdi>{saved.name.clone()}</bdi>{shared}</a>
            <form method="post" action="/nodes/views/default">
                <input type="hidden" name="id" value=default_id />
                <button class="button" type="submit" aria-label=format!("{default_words}: {}", saved.name)>{default_words}</button>
            </form>
            {delete}
        </li>
    }
    .into_any()
}
