//! A line across the page about the page itself.

use leptos::prelude::*;

use super::Icon;

/// How loud a banner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Good to know.
    Info,
    /// Better seen to.
    Warning,
}

/// Says something about the whole page; `children` may hold links and buttons.
#[component]
pub fn Banner(
    /// How loud.
    tone: Tone,
    /// What.
    children: Children,
) -> impl IntoView {
    let (name, icon) = match tone {
        Tone::Info => ("info", "info"),
        Tone::Warning => ("warning", "triangle-alert"),
    };
    view! { <div class="banner" data-tone=name><Icon name=icon /><p>{children()}</p></div> }
}
