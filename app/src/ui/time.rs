//! Instants and ages, always with their full form at hand.

use domain::time::{Timestamp, format_iso};
use leptos::prelude::*;

use crate::format;
use crate::preferences::instant;

/// Younger than this is said as an age.
const RECENT_MS: i64 = 86_400_000;

/// `42 s`, with the instant on hover.
#[component]
pub fn Age(
    /// Server's clock.
    at_ms: i64,
    /// Server's clock now.
    now_ms: i64,
) -> impl IntoView {
    let at = Timestamp(at_ms);
    view! { <time class="age" datetime=format_iso(at) title=instant(at_ms)>{format::age(now_ms, at_ms)}</time> }
}

/// `4 min 10 s ago`, or the instant itself when that is longer ago than a day.
#[component]
pub fn Instant(
    /// Server's clock.
    at_ms: i64,
    /// Server's clock now.
    now_ms: i64,
) -> impl IntoView {
    let at = Timestamp(at_ms);
    let text = if now_ms.saturating_sub(at_ms) < RECENT_MS {
        format!("{} ago", format::age(now_ms, at_ms))
    } else {
        instant(at_ms)
    };
    view! { <time class="instant" datetime=format_iso(at) title=instant(at_ms)>{text}</time> }
}
