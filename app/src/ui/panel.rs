//! A titled box.

use leptos::prelude::*;

/// A section of a page with its heading; what belongs beside the heading comes as `aside`.
#[component]
pub fn Panel(
    /// Heading, and id of the section for links to it.
    title: &'static str,
    /// Fragment id.
    id: &'static str,
    /// Beside the heading.
    #[prop(optional, into)]
    aside: Option<AnyView>,
    /// Content.
    children: Children,
) -> impl IntoView {
    let heading_id = format!("{id}-heading");
    let labelled_by = heading_id.clone();
    view! {
        <section class="panel" data-panel=id id=id aria-labelledby=labelled_by>
            <header class="panel-header">
                <h2 id=heading_id>{title}</h2>
                {aside}
            </header>
            {children()}
        </section>
    }
}
