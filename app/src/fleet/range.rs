//! The window that charts show: presets are links, any other window is a plain form.

use domain::time::{Timestamp, format_iso};
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use wasm_bindgen::JsCast;

use super::view::RangeQuery;
use crate::ui::Icon;
use crate::url::with_query;

const PRESETS: [(&str, &str); 9] = [
    ("15m", "15 min"),
    ("1h", "1 h"),
    ("6h", "6 h"),
    ("24h", "24 h"),
    ("7d", "7 d"),
    ("30d", "30 d"),
    ("90d", "90 d"),
    ("1y", "1 y"),
    ("2y", "2 y"),
];

/// Picks the window of the page at `path`: `range` is what its URL says, `window` what is shown, in milliseconds.
pub fn range_picker(path: &str, range: &RangeQuery, window: Option<(i64, i64)>) -> AnyView {
    let presets = PRESETS.map(|(key, label)| {
        let is_current = range.preset() == Some(key);
        view! {
            <li><a href=with_query(path, &[("range", key), ("metric", &range.metric)]) aria-current=is_current.then_some("true")>{label}</a></li>
        }
    });
    let bound = |typed: &str, at_ms: Option<i64>| match at_ms {
        Some(at_ms) if typed.is_empty() => format_iso(Timestamp(at_ms)),
        _ => typed.to_owned(),
    };
    let from = bound(&range.from, window.map(|(from_ms, _)| from_ms));
    let to = bound(&range.to, window.map(|(_, to_ms)| to_ms));
    let (navigate, here) = (use_navigate(), path.to_owned());
    let metric = range.metric.clone();
    let hidden = (!metric.is_empty())
        .then(|| view! { <input type="hidden" name="metric" value=metric.clone() /> });
    let submit = move |event: leptos::ev::SubmitEvent| {
        if let (Some(from), Some(to)) = (typed_into("range-from"), typed_into("range-to")) {
            event.prevent_default();
            navigate(
                &with_query(&here, &[("from", &from), ("to", &to), ("metric", &metric)]),
                NavigateOptions::default(),
            );
        }
    };
    view! {
        <div class="range">
            <ul class="range-presets" aria-label="Time range" title="Time range (t)" data-shortcut="t">{presets}</ul>
            <details class="range-other">
                <summary><Icon name="calendar-range" />"Other"</summary>
                <form method="get" action=path.to_owned() on:submit=submit>
                    {hidden}
                    <div class="field">
                        <label for="range-from">"From (UTC)"</label>
                        <input id="range-from" name="from" required=true spellcheck="false" autocomplete="off" value=from />
                    </div>
                    <div class="field">
                        <label for="range-to">"To (UTC)"</label>
                        <input id="range-to" name="to" required=true spellcheck="false" autocomplete="off" value=to />
                    </div>
                    <button class="button" type="submit">"Show"</button>
                </form>
            </details>
        </div>
    }
    .into_any()
}

/// What stands in a field.
pub fn typed_into(id: &str) -> Option<String> {
    let input = document()
        .get_element_by_id(id)?
        .dyn_into::<web_sys::HtmlInputElement>();
    input.ok().map(|input| input.value())
}
