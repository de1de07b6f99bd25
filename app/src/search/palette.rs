//! The command palette: a few letters, the arrows, Enter.
//!
//! A combobox with a list, in a modal dialog, opened by Ctrl K or its button. Without scripts the button is a link to the
//! search page. Answers that come late for letters that are no longer there are dropped.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::api;
use super::view::Hit;
use crate::ui::Icon;
use crate::url;

/// Between a letter and the question to the server.
const ASK_AFTER_MS: u64 = 80;
const LIST_ID: &str = "palette-list";

/// Opens the palette from anywhere; a context given by the frame.
#[derive(Clone, Copy)]
pub struct PaletteState {
    dialog: NodeRef<leptos::html::Dialog>,
    input: NodeRef<leptos::html::Input>,
    q: RwSignal<String>,
    hits: RwSignal<Vec<Hit>>,
    chosen: RwSignal<usize>,
}

impl Default for PaletteState {
    fn default() -> Self {
        Self::new()
    }
}

impl PaletteState {
    /// Closed.
    pub fn new() -> Self {
        Self {
            dialog: NodeRef::new(),
            input: NodeRef::new(),
            q: RwSignal::new(String::new()),
            hits: RwSignal::new(Vec::new()),
            chosen: RwSignal::new(0),
        }
    }

    /// Shows it with an empty box.
    pub fn open(self) {
        let Some(dialog) = self.dialog.get_untracked() else {
            return;
        };
        if dialog.open() {
            return;
        }
        self.typed(String::new());
        if let Some(input) = self.input.get_untracked() {
            input.set_value("");
        }
        let _shown = dialog.show_modal();
    }

    fn close(self) {
        if let Some(dialog) = self.dialog.get_untracked() {
            dialog.close();
        }
    }

    fn typed(self, q: String) {
        self.q.set(q.clone());
        self.chosen.set(0);
        set_timeout(
            move || {
                if self.q.with_untracked(|now| *now == q) {
                    self.ask(q);
                }
            },
            std::time::Duration::from_millis(ASK_AFTER_MS),
        );
    }

    fn ask(self, q: String) {
        leptos::task::spawn_local(async move {
            // Where the server cannot be asked, the last answer stays.
            if let Ok(hits) = api::search(q.clone()).await
                && self.q.try_with_untracked(|now| *now == q) == Some(true)
            {
                self.hits.set(hits);
            }
        });
    }

    fn step(self, by: isize) {
        let count = self.hits.with_untracked(Vec::len);
        if count > 0 {
            self.chosen
                .update(|at| *at = at.saturating_add(count).saturating_add_signed(by) % count);
        }
    }
}

fn option_id(place: usize) -> String {
    format!("palette-option-{place}")
}

/// The dialog. Stands once on every page.
#[component]
pub fn Palette() -> impl IntoView {
    let state = expect_context::<PaletteState>();
    let navigate = use_navigate();
    let go = move |href: &str| {
        state.close();
        navigate(href, NavigateOptions::default());
    };
    let open_chosen = go.clone();
    let keydown = move |event: leptos::ev::KeyboardEvent| {
        match event.key().as_str() {
            "ArrowDown" => state.step(1),
            "ArrowUp" => state.step(-1),
            "Enter" => {
                let hit = state
                    .hits
                    .with_untracked(|hits| hits.get(state.chosen.get_untracked()).cloned());
                let href = hit.map_or_else(
                    || url::with_query("/search", &[("q", &state.q.get_untracked())]),
                    |hit| hit.href,
                );
                if event.ctrl_key() || event.meta_key() {
                    let _opened = window().open_with_url_and_target(&href, "_blank");
                } else {
                    open_chosen(&href);
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    let rows = move || {
        let chosen = state.chosen.get();
        let hits = state.hits.get();
        hits.into_iter()
            .enumerate()
            .map(|(place, hit)| {
                let is_chosen = place == chosen;
                let (go, href) = (go.clone(), hit.href.clone());
                view! {
                    <li
                        class="search-hit"
                        id=option_id(place)
                        role="option"
                        aria-selected=if is_chosen { "true" } else { "false" }
                        on:click=move |_| go(&href)
                        on:pointermove=move |_| if state.chosen.get_untracked() != place { state.chosen.set(place) }
                    >
                        <span class="search-kind">{hit.kind.label()}</span>
                        <bdi class="search-label">{hit.label}</bdi>
                        <bdi class="search-detail">{hit.detail}</bdi>
                    </li>
                }
            })
            .collect_view()
    };
    let none = move || state.hits.with(Vec::is_empty) && state.q.with(|q| !q.is_empty());
    let active = move || (!state.hits.with(Vec::is_empty)).then(|| option_id(state.chosen.get()));
    view! {
        <dialog class="palette" aria-label="Search" node_ref=state.dialog on:click=move |event| {
            // The dialog itself is what lies beside its content.
            if event.target() == event.current_target() { state.close(); }
        }>
            <div class="palette-box">
                <Icon name="search" />
                <input
                    type="text"
                    class="palette-input"
                    role="combobox"
                    aria-label="What to find"
                    aria-expanded="true"
                    aria-controls=LIST_ID
                    aria-autocomplete="list"
                    aria-activedescendant=active
                    placeholder="Node, cluster, page or action"
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    node_ref=state.input
                    on:input=move |event| state.typed(event_target_value(&event))
                    on:keydown=keydown
                />
                <kbd>"Esc"</kbd>
            </div>
            <ul class="palette-list" id=LIST_ID role="listbox" aria-label="Found">{rows}</ul>
            <p class="palette-none" role="status">{move || none().then_some("Nothing goes by that. Enter searches anyway.")}</p>
        </dialog>
    }
    .into_any()
}

/// Opens the palette; without scripts it is a link to the search page.
#[component]
pub fn SearchButton() -> impl IntoView {
    let state = expect_context::<PaletteState>();
    view! {
        <a
            class="search-button"
            href="/search"
            aria-keyshortcuts="Control+K"
            on:click=move |event| {
                event.prevent_default();
                state.open();
            }
        >
            <Icon name="search" />
            <span class="search-words">"Search"</span>
            <kbd class="search-key needs-script" aria-hidden="true">"Ctrl K"</kbd>
        </a>
    }
    .into_any()
}
