//! The filter of any list: a box, what is wrong with its text, its terms as chips.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::view::{Chip, FilterProblem};
use crate::ui::Icon;

/// What the filters of two lists differ in.
pub struct FilterParts {
    /// Of the list.
    pub path: &'static str,
    /// For whoever does not see the box.
    pub label: &'static str,
    /// What may be written.
    pub placeholder: &'static str,
    /// The filter as it is.
    pub q: Signal<String>,
    /// The rest of the query.
    pub hidden: Signal<Vec<(&'static str, String)>>,
    /// The list with another filter.
    pub url: Callback<String, String>,
}

/// A plain form, which scripts shorten to a link: what it does not hold as fields it carries hidden.
pub fn filter_form(parts: FilterParts) -> AnyView {
    let FilterParts {
        path,
        label,
        placeholder,
        q,
        hidden,
        url,
    } = parts;
    let text = NodeRef::<leptos::html::Input>::new();
    let navigate = use_navigate();
    let submit = move |event: leptos::ev::SubmitEvent| {
        let Some(text) = text.get_untracked() else {
            return;
        };
        event.prevent_default();
        navigate(&url.run(text.value()), NavigateOptions::default());
    };
    view! {
        <form class="filter" role="search" method="get" action=path on:submit=submit>
            <label class="visually-hidden" for="filter">{label}</label>
            <span class="filter-box">
                <Icon name="search" />
                <input
                    id="filter"
                    data-shortcut="/"
                    type="search"
                    name="q"
                    placeholder=placeholder
                    value=move || q.get()
                    // What was typed is replaced, too, when Back leads to another filter.
                    prop:value=move || q.get()
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    node_ref=text
                />
            </span>
            {move || hidden_fields(hidden.get())}
            <button class="button" type="submit">"Filter"</button>
        </form>
    }
    .into_any()
}

/// Fields that carry what a form does not ask for.
pub fn hidden_fields(pairs: Vec<(&'static str, String)>) -> Vec<AnyView> {
    pairs
        .into_iter()
        .map(|(name, value)| view! { <input type="hidden" name=name value=value /> }.into_any())
        .collect()
}

/// What is wrong with a filter, and where; `all` says what is shown instead.
pub fn filter_problem(
    problem: Option<&FilterProblem>,
    all: &'static str,
    url: impl Fn(&str) -> String,
) -> Option<AnyView> {
    let problem = problem?;
    let token = if problem.token.is_empty() {
        "…".to_owned()
    } else {
        problem.token.clone()
    };
    Some(
        view! {
            <div class="filter-problem" role="alert">
                <code class="filter-problem-text"><bdi>{problem.before.clone()}</bdi><mark><bdi>{token}</bdi></mark><bdi>{problem.after.clone()}</bdi></code>
                <p>{problem.message.clone()}</p>
                <p>{all}" are shown. "<a href=url(&problem.without)>"Leave it out"</a></p>
            </div>
        }
        .into_any(),
    )
}

/// On phones opens what stands below it, tools and heads that sort: there rows come first. Elsewhere it is not seen, and they
/// are always there.
pub fn more(words: &'static str) -> AnyView {
    view! { <details class="list-more"><summary class="button"><Icon name="chevron-down" />{words}</summary></details> }
        .into_any()
}

/// Each term with a way to take it out.
pub fn filter_chips(chips: &[Chip], url: impl Fn(&str) -> String) -> Option<AnyView> {
    if chips.is_empty() {
        return None;
    }
    let all = (chips.len() > 1)
        .then(|| view! { <li><a class="chip-all" href=url("")>"Clear all"</a></li> });
    let chips: Vec<_> = chips
        .iter()
        .map(|chip| {
            view! {
                <li>
                    <a class="chip" href=url(&chip.without)>
                        <span class="visually-hidden">"Remove "</span>
                        <bdi>{chip.text.clone()}</bdi>
                        <span aria-hidden="true">"×"</span>
                    </a>
                </li>
            }
        })
        .collect();
    Some(view! { <ul class="chips" aria-label="Filter">{chips}{all}</ul> }.into_any())
}
