//! The six status shapes: distinct at 12 px, without colour.

use domain::fleet::Status;
use leptos::prelude::*;

/// The shape of a status. Hidden from assistive technology: its text stands beside it or in the name of what holds it.
#[component]
pub fn StatusMark(
    /// Which.
    status: Status,
) -> impl IntoView {
    let (shape, glyph) = status_outline(status);
    view! {
        <svg class="status-mark" data-status=status.as_str() viewBox="0 0 16 16" aria-hidden="true" focusable="false">
            <path class="status-shape" d=shape></path>
            <path class="status-glyph" d=glyph></path>
        </svg>
    }
}

/// Shape and glyph as paths in a square of 16: filled where something is wrong, outlined where all is well; the glyph is
/// cut out of the fill.
pub fn status_outline(status: Status) -> (&'static str, &'static str) {
    match status {
        Status::Critical => ("M5 1h6l4 4v6l-4 4H5l-4-4V5z", "M5.5 5.5l5 5m0-5l-5 5"),
        Status::Unknown => (
            "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13",
            "M6.2 6.3a1.9 1.9 0 1 1 2.6 1.8c-.6.2-.8.6-.8 1.1M8 11.4v.1",
        ),
        Status::Warning => ("M8 1.2L15.2 14.4H.8z", "M8 6v3.6M8 11.9v.1"),
        Status::Pending => (
            "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 1 1 0-13",
            "M8 1.5a6.5 6.5 0 0 1 0 13z",
        ),
        Status::Maintenance => ("M1.5 1.5h13v13h-13z", "M5 11l4-4m-.4-2.6a2 2 0 1 0 2.8 2.8"),
        Status::Ok => (
            "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11",
            "M5.6 8.2l1.7 1.7l3.2-3.6",
        ),
    }
}
