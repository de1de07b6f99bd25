//! A status with its words, and a count of one.

use domain::fleet::Status;
use leptos::prelude::*;

use super::StatusMark;
use crate::format;

/// Shape and text of a status.
#[component]
pub fn StatusBadge(
    /// Which.
    status: Status,
    /// Instead of the status' own word, such as "Late".
    #[prop(optional, into)]
    text: Option<String>,
) -> impl IntoView {
    let text = text.unwrap_or_else(|| status.label().to_owned());
    view! { <span class="status-badge" data-status=status.as_str()><StatusMark status />{text}</span> }
}

/// A link to the nodes of one status, with their number.
#[component]
pub fn StatusPill(
    /// Which; `None`: all.
    status: Option<Status>,
    /// How many.
    count: u32,
    /// Where it leads.
    href: String,
    /// Is this what is shown now?
    current: bool,
) -> impl IntoView {
    let label = status.map_or("All", Status::label);
    view! {
        <a class="status-pill" href=href aria-current=current.then_some("true") data-status=status.map(Status::as_str)>
            {status.map(|status| view! { <StatusMark status /> })}
            {label}
            <span class="status-pill-count">{format::count(u64::from(count))}</span>
        </a>
    }
}
