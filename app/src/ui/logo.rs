//! The mark of the product: a pulse in a frame, the same drawing as `public/favicon.svg`.

use leptos::prelude::*;

/// Draws the mark in the accent colour.
#[component]
pub fn Logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
            <rect class="logo-plate" width="32" height="32" rx="8"></rect>
            <path class="logo-line" d="M5 17h5l3-8l5 15l4-11l2 4h3"></path>
        </svg>
    }
}
