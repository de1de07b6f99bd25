//! The command palette: a few letters, the arrows, Enter.
//!
//! A combobox with a list, in a modal dialog, opened by Ctrl K or its button. Without scripts the button is a link to the
//! search page. Answers that come late for letters that are no longer there are dropped.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

use super::api;
use super::view::{Hit, HitKind};
use crate::ui::{Icon, StatusMark};
use crate::{keys, url};

/// Between a letter and the question to the server.
const ASK_AFTER_MS: u64 = 80;
const LIST_ID: &str = "palette-list";
/// Pages of nodes and clusters that are offered again.
const RECENT_MAX: usize = 5;

/// Opens the palette from anywhere; a context given by the frame.
#[derive(Clone, Copy)]
pub struct PaletteState {
    dialog: NodeRef<leptos::html::Dialog>,
    input: NodeRef<leptos::html::Input>,
    q: RwSignal<String>,
    hits: RwSignal<Vec<Hit>>,
    chosen: RwSignal<usize>,
    recent: StoredValue<Vec<Hit>>,
    /// What `hits` are the answer to.
    answered: StoredValue<String>,
    /// Enter was pressed before the answer came: hands are quicker than lines.
    is_entered: StoredValue<bool>,
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
            recent: StoredValue::new(Vec::new()),
            answered: StoredValue::new(String::new()),
            is_entered: StoredValue::new(false),
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
        self.fill(String::new());
        let _shown = dialog.show_modal();
    }

    fn fill(self, q: String) {
        if let Some(input) = self.input.get_untracked() {
            input.set_value(&q);
        }
        self.typed(q);
    }

    /// Somebody looks at the page of a node or a cluster. Kept until the tab is loaded anew.
    pub fn saw(self, path: &str, heading: String) {
        let mut parts = path.split('/').skip(1);
        let kind = match parts.next() {
            Some("nodes") => HitKind::Node,
            Some("clusters") => HitKind::Cluster,
            _ => return,
        };
        let (Some(id), rest) = (parts.next(), parts.next()) else {
            return;
        };
        // `/nodes/add` and its like.
        if kind == HitKind::Node && (rest.is_some() || matches!(id, "add" | "inbox" | "bulk")) {
            return;
        }
        let base = if kind == HitKind::Node {
            "/nodes/"
        } else {
            "/clusters/"
        };
        let hit = Hit {
            kind,
            label: heading,
            detail: "seen lately".to_owned(),
            href: [base, id].concat(),
            status: None,
        };
        self.recent.update_value(|recent| {
            recent.retain(|seen| seen.href != hit.href);
            recent.insert(0, hit);
            recent.truncate(RECENT_MAX);
        });
    }

    /// Without what this page has no control for; with what was seen lately, where nothing is asked for.
    fn offered(self, q: &str, mut hits: Vec<Hit>) -> Vec<Hit> {
        hits.retain(|hit| {
            hit.control()
                .is_none_or(|name| keys::control(name).is_some())
        });
        if q.is_empty() {
            let calm = hits.iter().position(|hit| hit.status.is_none());
            let calm = calm.unwrap_or(hits.len());
            let mut recent = self.recent.get_value();
            recent.retain(|seen| hits.iter().all(|hit| hit.href != seen.href));
            hits.splice(calm..calm, recent);
        }
        hits
    }

    fn close(self) {
        if let Some(dialog) = self.dialog.get_untracked() {
            dialog.close();
        }
    }

    fn typed(self, q: String) {
        self.q.set(q.clone());
        self.chosen.set(0);
        self.is_entered.set_value(false);
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
                let hits = self.offered(&q, hits);
                self.answered.set_value(q);
                self.hits.set(hits);
            }
        });
    }

    fn step(self, by: isize) {
        let count = self.hits.with_untracked(Vec::len);
        if count > 0 {
            self.chosen
                .update(|at| *at = at.saturating_add(count).saturating_add_signed(by) % count);
            let row = document().get_element_by_id(&option_id(self.chosen.get_untracked()));
            if let Some(row) = row {
                let nearest = web_sys::ScrollIntoViewOptions::new();
                nearest.set_block(web_sys::ScrollLogicalPosition::Nearest);
                row.scroll_into_view_with_scroll_into_view_options(&nearest);
            }
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
    let do_it = move |hit: &Hit| match hit.control() {
        Some(name) => {
            state.close();
            keys::press(name);
        }
        None if hit.kind == HitKind::Help => state.fill(hit.label.clone()),
        None => go(&hit.href),
    };
    let do_first = do_it.clone();
    let do_chosen = move |in_new_tab: bool| {
        let hit = state
            .hits
            .with_untracked(|hits| hits.get(state.chosen.get_untracked()).cloned());
        let hit = hit.unwrap_or_else(|| Hit {
            kind: HitKind::Page,
            label: String::new(),
            detail: String::new(),
            href: url::with_query("/search", &[("q", &state.q.get_untracked())]),
            status: None,
        });
        if in_new_tab && hit.control().is_none() {
            let _opened = window().open_with_url_and_target(&hit.href, "_blank");
        } else {
            do_first(&hit);
        }
    };
    let do_entered = do_chosen.clone();
    Effect::new(move |_| {
        state.hits.track();
        if state.is_entered.get_value() {
            state.is_entered.set_value(false);
            do_entered(false);
        }
    });
    let keydown = move |event: leptos::ev::KeyboardEvent| {
        match event.key().as_str() {
            "ArrowDown" => state.step(1),
            "ArrowUp" => state.step(-1),
            "Enter" => {
                let in_new_tab = event.ctrl_key() || event.meta_key();
                let is_answered = state
                    .answered
                    .with_value(|of| state.q.with_untracked(|q| of == q));
                if is_answered {
                    do_chosen(in_new_tab);
                } else {
                    state.is_entered.set_value(true);
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
                let (do_it, its) = (do_it.clone(), hit.clone());
                view! {
                    <li
                        class="search-hit"
                        id=option_id(place)
                        role="option"
                        aria-selected=if is_chosen { "true" } else { "false" }
                        on:click=move |_| do_it(&its)
                        on:pointermove=move |_| if state.chosen.get_untracked() != place { state.chosen.set(place) }
                    >
                        <span class="search-kind">{hit.kind.label()}</span>
                        <bdi class="search-label">{hit.status.map(|status| view! { <StatusMark status /> })}{hit.label}</bdi>
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
                    placeholder="Node, cluster, page or action; ? for help"
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
