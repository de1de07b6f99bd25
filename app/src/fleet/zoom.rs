//! Other windows than the one that is shown, and other times to compare it with: all of them links.

use leptos::prelude::*;

use super::readout::{shifted, zoomed_out};
use super::view::RangeQuery;
use crate::ui::Icon;

const COMPARISONS: [(&str, &str); 2] = [("1d", "1 day earlier"), ("7d", "7 days earlier")];

/// Links around the charts of the page at `path`; `window` is what is shown, `now_ms` the end of what can be known.
pub fn zoom_links(path: &str, range: &RangeQuery, window: (i64, i64), now_ms: i64) -> AnyView {
    let (from_ms, to_ms) = window;
    let to = |window| range.between(window).url(path);
    let earlier = shifted(from_ms, to_ms, now_ms, -1).map(to);
    let later = shifted(from_ms, to_ms, now_ms, 1).map(to);
    let back = (!range.is_moving()).then(|| {
        let moving = RangeQuery {
            vs: range.vs.clone(),
            ..RangeQuery::default()
        };
        view! { <li><a href=moving.url(path)>"Back to the last hour"</a></li> }
    });
    let comparisons = COMPARISONS.map(|(key, words)| {
        let is_on = range.vs == key;
        let vs = if is_on { String::new() } else { key.to_owned() };
        let url = RangeQuery {
            vs,
            ..range.clone()
        }
        .url(path);
        view! { <li><a href=url aria-current=is_on.then_some("true")>{words}</a></li> }
    });
    view! {
        <div class="zoom">
            <ul class="zoom-links" aria-label="Other windows">
                {earlier.map(|url| view! { <li><a href=url data-shortcut="["><Icon name="chevron-left" />"Earlier"</a></li> })}
                {later.map(|url| view! { <li><a href=url data-shortcut="]">"Later"<Icon name="chevron-right" /></a></li> })}
                <li><a href=to(zoomed_out(from_ms, to_ms, now_ms)) data-shortcut="z">"Zoom out ×2"</a></li>
                {back}
            </ul>
            <p class="zoom-name" id="compare-with">"Compare with"</p>
            <ul class="zoom-links" aria-labelledby="compare-with">{comparisons}</ul>
        </div>
    }
    .into_any()
}
