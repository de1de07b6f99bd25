//! Copying a text to the clipboard. Needs scripts: without them the button keeps its place and is not seen.

use std::time::Duration;

use leptos::prelude::*;

use super::Icon;

/// What was copied last, for two seconds; a context, so that a button may be drawn anew meanwhile.
#[derive(Clone, Copy)]
pub struct Copied(RwSignal<Option<String>>);

impl Copied {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(RwSignal::new(None))
    }

    /// Copies it.
    pub fn copy(self, text: String) {
        let Some(window) = web_sys::window() else {
            return;
        };
        // The clipboard exists in secure contexts only; elsewhere the text is shown, chosen, ready to be copied by hand.
        if !window.is_secure_context() {
            let _shown = window.prompt_with_message_and_default("Copy with Ctrl C:", &text);
            return;
        }
        // `write_text` needs no permission after a click or a key.
        let _promise = window.navigator().clipboard().write_text(&text);
        self.0.set(Some(text));
        set_timeout(move || self.0.set(None), Duration::from_secs(2));
    }
}

impl Default for Copied {
    fn default() -> Self {
        Self::new()
    }
}

/// What was copied, for whoever copied by a key and sees no button. Stands once on every page.
#[component]
pub fn CopiedNote() -> impl IntoView {
    let copied = expect_context::<Copied>();
    let words = move || {
        copied
            .0
            .get()
            .map(|text| view! { "Copied "<bdi>{text}</bdi> })
    };
    view! { <p class="copied-note" role="status">{words}</p> }
}

/// Copies `text`.
#[component]
pub fn CopyButton(
    /// What to copy.
    #[prop(into)]
    text: String,
    /// What it is, as in "Copy boot id".
    what: &'static str,
    /// Says "Copy" in words.
    #[prop(optional)]
    wide: bool,
    /// Its key.
    #[prop(optional)]
    shortcut: Option<&'static str>,
) -> impl IntoView {
    let copied = expect_context::<Copied>();
    // No signal of its own: the button may be drawn anew while it says "Copied".
    let mine: std::sync::Arc<str> = text.as_str().into();
    let is_done = move || copied.0.with(|last| last.as_deref() == Some(&*mine));
    let (in_label, in_icon) = (is_done.clone(), is_done.clone());
    view! {
        <button
            type="button"
            class="copy-button needs-script"
            class:copy-button-wide=wide
            data-shortcut=shortcut
            title=format!("Copy {what}")
            aria-label=move || if in_label() { format!("Copied {what}") } else { format!("Copy {what}") }
            on:click=move |_| copied.copy(text.clone())
        >
            {move || if in_icon() { view! { <Icon name="check" /> } } else { view! { <Icon name="copy" /> } }}
            {wide.then(|| view! { <span>{move || if is_done() { "Copied" } else { "Copy" }}</span> })}
        </button>
    }
}
