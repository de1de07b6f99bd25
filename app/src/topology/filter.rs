//! What the map shows, as links and one plain form.

use leptos::prelude::*;

use domain::time::{Timestamp, format_iso};

use super::view::{Color, Group, TopologyPage, TopologyQuery, View};
use crate::ui::Icon;

/// The three views, system, find, hide and only problems.
pub fn filter(page: &TopologyPage) -> AnyView {
    let query = &page.query;
    let view_link = |view: View, words: &'static str| {
        let is_current = (query.view == view).then_some("page");
        view! { <li><a href=query.seen_as(view).url() aria-current=is_current>{words}</a></li> }
    };
    view! {
        <nav class="tabs topo-views" aria-label="View">
            <ul>{view_link(View::Graph, "Graph")}{view_link(View::Cells, "Cells")}{view_link(View::Table, "Table")}</ul>
        </nav>
        {form(page)}
    }
    .into_any()
}

fn form(page: &TopologyPage) -> AnyView {
    let query = &page.query;
    let view_value = match query.view {
        View::Graph => None,
        other => Some(other.as_str()),
    };
    let hidden = |name: &'static str, value: Option<String>| {
        value.map(|value| view! { <input type="hidden" name=name value=value /> })
    };
    let focus = (!query.focus.is_empty()).then(|| format!("c:{}", query.focus));
    let zoom = (query.zoom != 0).then(|| query.zoom.to_string());
    let systems: Vec<_> = page
        .systems
        .iter()
        .map(|system| {
            view! { <option value=system.clone() selected=*system == query.system>{system.clone()}</option> }
        })
        .collect();
    let system = (page.systems.len() > 1).then(|| {
        view! {
            <div class="field">
                <label for="topo-system">"System"</label>
                <select id="topo-system" name="system"><option value="">"All"</option>{systems}</select>
            </div>
        }
    });
    let colors: Vec<_> = Color::ALL
        .into_iter()
        .map(|color| {
            view! { <option value=color.as_str() selected=color == query.color>{color.label()}</option> }
        })
        .collect();
    let choices = [Group::System, Group::Environment].into_iter();
    let choices = choices.chain(page.tags.iter().cloned().map(Group::Tag));
    let groups: Vec<_> = choices
        .map(|group| {
            let words = match &group {
                Group::Tag(tag) => format!("Tag {tag}"),
                Group::Environment => "Environment".to_owned(),
                _ => "System".to_owned(),
            };
            view! { <option value=group.to_text() selected=group == query.group>{words}</option> }
        })
        .collect();
    let within = (!query.within.is_empty()).then(|| query.within.clone());
    let at = query.at_ms.map(|at_ms| {
        format_iso(Timestamp(at_ms))
            .trim_end_matches('Z')
            .to_owned()
    });
    let is_filtered = *query
        != TopologyQuery {
            view: query.view,
            zoom: query.zoom,
            depth: query.depth,
            strange: query.strange.clone(),
            ..TopologyQuery::default()
        };
    let clear = is_filtered.then(|| {
        let plain = TopologyQuery {
            view: query.view,
            zoom: query.zoom,
            ..TopologyQuery::default()
        };
        view! { <a class="topo-clear" href=plain.url()>"Clear"</a> }
    });
    view! {
        <form class="topo-filter" method="get" action="/topology" role="search">
            {hidden("view", view_value.map(str::to_owned))}
            {hidden("focus", focus)}
            {hidden("zoom", zoom)}
            {hidden("within", within)}
            {system}
            <div class="field">
                <label for="topo-find">"Find"</label>
                <input id="topo-find" type="search" name="find" value=query.find.clone() autocomplete="off" autocapitalize="none" spellcheck="false" data-shortcut="/" />
            </div>
            <div class="field">
                <label for="topo-hide">"Hide"</label>
                <input id="topo-hide" type="search" name="hide" value=query.hide.clone() autocomplete="off" autocapitalize="none" spellcheck="false" />
            </div>
            <div class="field topo-choice">
                <label for="topo-color">"Colour by"</label>
                <select id="topo-color" name="color">{colors}</select>
            </div>
            <div class="field topo-choice">
                <label for="topo-group">"Group by"</label>
                <select id="topo-group" name="group"><option value="">"Nothing"</option>{groups}</select>
            </div>
            <div class="field topo-choice topo-when">
                <label for="topo-to">"As of (UTC)"</label>
                <input id="topo-to" type="datetime-local" step="1" name="to" value=at />
            </div>
            <div class="field field-check">
                <input id="topo-only" type="checkbox" name="only" value="problems" checked=query.only_problems />
                <label for="topo-only">"Only problems"</label>
            </div>
            <button class="button" type="submit"><Icon name="search" />"Show"</button>
            {clear}
        </form>
    }
    .into_any()
}
