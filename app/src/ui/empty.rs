//! What stands where nothing is: why, and what to do.

use leptos::prelude::*;

use super::Icon;

/// Says what would be here, and offers one way on.
#[component]
pub fn EmptyState(
    /// Icon above.
    icon: &'static str,
    /// What is missing.
    #[prop(into)]
    title: String,
    /// Why it matters, and the way on.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="empty">
            <Icon name=icon />
            <p class="empty-title">{title}</p>
            {children()}
        </div>
    }
}
