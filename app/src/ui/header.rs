//! The one heading of a page.

use leptos::prelude::*;

/// Heading with what belongs beside it. Takes focus when the page was reached by a link (`page::Context`).
#[component]
pub fn PageHeader(
    /// The heading.
    #[prop(into)]
    title: String,
    /// Beside it.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <header class="page-header">
            <h1>{title}</h1>
            {children.map(|children| view! { <div class="page-actions">{children()}</div> })}
        </header>
    }
}
