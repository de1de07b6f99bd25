//! Ticked rows, and what may be done with them: one plain form, to which the boxes in the table belong.
//!
//! A box is bound to its node and not to its row: rows change places while the page lives, and what was ticked must stay
//! what was ticked. With scripts a selection also holds across pages.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::filter::hidden;
use crate::fleet::view::{NodeRow, NodesPage};
use crate::format;
use crate::ui::Icon;

/// Id of the form.
const FORM: &str = "bulk";

/// Ticked nodes; a context of the page.
#[derive(Clone, Copy)]
pub struct Selection(RwSignal<BTreeSet<String>>);

impl Selection {
    /// Nothing is ticked.
    pub fn new() -> Self {
        Self(RwSignal::new(BTreeSet::new()))
    }

    /// Is anything ticked?
    pub fn is_any(self) -> bool {
        self.0.with_untracked(|ticked| !ticked.is_empty())
    }

    fn set(self, ids: &[String], is_on: bool) {
        self.0.update(|ticked| {
            for id in ids {
                if is_on {
                    ticked.insert(id.clone());
                } else {
                    ticked.remove(id);
                }
            }
        });
    }
}

/// The box of a row.
pub fn tick(row: &NodeRow) -> AnyView {
    let selection = use_context::<Selection>();
    let words = format!("Select {}", row.name);
    let id = row.id.clone();
    let of_row = id.clone();
    let is_on = move || {
        selection.is_some_and(|selection| selection.0.with(|ticked| ticked.contains(&of_row)))
    };
    let value = id.clone();
    let change = move |event: leptos::ev::Event| {
        if let Some(selection) = selection {
            selection.set(std::slice::from_ref(&id), event_target_checked(&event));
        }
    };
    view! {
        <td data-column="tick">
            <label class="tick"><input type="checkbox" form=FORM name="id" value=value prop:checked=is_on on:change=change aria-label=words /></label>
        </td>
    }
    .into_any()
}

/// The head above the boxes: ticks all rows of this page.
pub fn tick_all(page: &NodesPage) -> AnyView {
    let selection = use_context::<Selection>();
    let ids: Vec<String> = page.rows.iter().map(|row| row.id.clone()).collect();
    let of_page = ids.clone();
    let is_all = move || {
        selection.is_some_and(|selection| {
            selection
                .0
                .with(|ticked| of_page.iter().all(|id| ticked.contains(id)))
        })
    };
    let change = move |event: leptos::ev::Event| {
        if let Some(selection) = selection {
            selection.set(&ids, event_target_checked(&event));
        }
    };
    view! {
        <td data-column="tick">
            <label class="tick needs-script"><input type="checkbox" prop:checked=is_all on:change=change aria-label="Select all rows of this page" /></label>
        </td>
    }
    .into_any()
}

/// The menu with the form.
pub fn menu(page: &NodesPage) -> AnyView {
    let selection = use_context::<Selection>();
    let shown: BTreeSet<String> = page.rows.iter().map(|row| row.id.clone()).collect();
    let count = move || selection.map_or(0, |selection| selection.0.with(BTreeSet::len)) as u64;
    let words = move || match count() {
        0 => "Selection".to_owned(),
        count => format!("{} selected", format::count(count)),
    };
    // Ticked on other pages: their boxes are not here.
    let elsewhere = move || {
        let ticked = selection
            .map(|selection| selection.0.get())
            .unwrap_or_default();
        ticked
            .into_iter()
            .filter(|id| !shown.contains(id))
            .map(|id| view! { <input type="hidden" name="id" value=id /> })
            .collect::<Vec<_>>()
    };
    let all = format!(
        "All {} matching, on every page",
        format::count(u64::from(page.matching))
    );
    let all = if page.filter_error.is_some() {
        // Everything is shown beside a filter that is none; nobody means that.
        None
    } else {
        Some(
            view! { <label class="list-menu-check"><input type="checkbox" name="all" value="yes" />{all}</label> },
        )
    };
    view! {
        <details class="list-menu">
            <summary class="button" data-on=move || (count() > 0).then_some("")>{words}<Icon name="chevron-down" /></summary>
            <div class="list-menu-body">
                <form id=FORM class="bulk-form" method="post" action="/nodes/bulk">
                    // Enter in a field presses the first button of a form: this one, which only asks what to do.
                    <button type="submit" name="action" value="" class="visually-hidden" tabindex="-1" aria-hidden="true"></button>
                    {hidden(&page.query, &[])}
                    {elsewhere}
                    <p class="of">"Tick rows in the table, or:"</p>
                    {all}
                    <label class="list-menu-field">"Tag"<input type="text" name="tag" placeholder="tier=edge" autocomplete="off" autocapitalize="none" spellcheck="false" /></label>
                    <span class="bulk-buttons">
                        <button class="button" type="submit" name="action" value="add_tag">"Add tag"</button>
                        <button class="button" type="submit" name="action" value="remove_tag">"Remove tag"</button>
                    </span>
                    <label class="list-menu-field">"Cluster"<input type="text" name="cluster" placeholder="app-eu" autocomplete="off" autocapitalize="none" spellcheck="false" /></label>
                    <span class="bulk-buttons"><button class="button" type="submit" name="action" value="move">"Move to cluster"</button></span>
                    <span class="bulk-buttons">
                        <button class="button" type="submit" name="action" value="accept">"Accept"</button>
                        <button class="button" type="submit" name="action" value="ignore">"Ignore"</button>
                        <button class="button" type="submit" name="action" value="export">"Export as CSV"</button>
                    </span>
                </form>
            </div>
        </details>
    }
    .into_any()
}
