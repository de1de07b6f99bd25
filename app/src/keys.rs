//! Keys: one listener, and the sheet that names them.
//!
//! A single letter presses the control that says it is its key (`data-shortcut`), so that no key does what no control does;
//! [`crate::rows`] goes through lists and ticks their boxes.
//! `g` and a letter lead to pages. Letters count only outside of what takes text, without modifiers, and not where somebody
//! has switched them off (WCAG 2.1.4); Ctrl K always opens the palette.

use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use wasm_bindgen::JsCast;

use crate::preferences::Preferences;
use crate::rows::{self, Ticks};
use crate::search::PaletteState;
use crate::ui::Icon;

/// After `g`: where letters lead.
const PLACES: [(&str, &str, &str); 6] = [
    ("o", "/", "Overview"),
    ("t", "/topology", "Topology"),
    ("c", "/clusters", "Clusters"),
    ("n", "/nodes", "Nodes"),
    ("e", "/events", "Events"),
    ("s", "/settings/profile", "Settings"),
];

/// What the sheet says besides.
const KEYS: [(&str, &str); 20] = [
    ("Ctrl K", "Search: nodes, clusters, pages, actions"),
    ("/", "To the filter"),
    ("j k", "The next row, the row before"),
    ("Enter", "Open the row"),
    ("x", "Select the row, or no longer"),
    ("Shift X", "Select all from the last one to this"),
    ("Shift S", "Sort again, where the order has changed"),
    ("t", "To the time range"),
    ("p", "Pause or resume live updates"),
    ("r", "Refresh the page"),
    ("u", "Times in UTC, or in this browser’s zone"),
    ("c", "Copy the host name"),
    ("Shift C", "Copy the link to what is shown"),
    (
        "[ ]",
        "Charts: the window before, after. Map: the problem before, after",
    ),
    ("z", "Charts: zoom out"),
    ("← →", "On a chart: from point to point; Enter zooms in"),
    ("+ - 0 f", "Map: larger, smaller, its own size, as the page"),
    ("n N", "Map: the next, the one before of what was found"),
    ("Esc", "Close, or leave a chart"),
    ("?", "This sheet"),
];

/// How long `g` waits for its letter.
const CHORD_MS: f64 = 1_500.0;

/// The sheet; a context given by the frame.
#[derive(Clone, Copy)]
pub struct KeySheetState(NodeRef<leptos::html::Dialog>);

impl Default for KeySheetState {
    fn default() -> Self {
        Self::new()
    }
}

impl KeySheetState {
    /// Closed.
    pub fn new() -> Self {
        Self(NodeRef::new())
    }

    /// Shows it.
    pub fn open(self) {
        if let Some(dialog) = self.0.get_untracked().filter(|dialog| !dialog.open()) {
            let _shown = dialog.show_modal();
        }
    }
}

/// Listens as long as the calling component lives.
pub fn listen(palette: PaletteState) {
    let navigate = use_navigate();
    let are_on = use_context::<Preferences>().unwrap_or_default().keys;
    let chord_at = StoredValue::new(f64::NEG_INFINITY);
    let ticks = Ticks::listen();
    Effect::new(move |_| {
        let navigate = navigate.clone();
        let handle = window_event_listener(leptos::ev::keydown, move |event| {
            let key = event.key();
            if (event.ctrl_key() || event.meta_key())
                && !event.alt_key()
                && key.eq_ignore_ascii_case("k")
            {
                event.prevent_default();
                palette.open();
                return;
            }
            if !are_on
                || event.ctrl_key()
                || event.meta_key()
                || event.alt_key()
                || (event.repeat() && !matches!(key.as_str(), "j" | "k"))
                || takes_text(&event)
            {
                return;
            }
            let now = crate::live::steady_now_ms();
            if now - chord_at.get_value() < CHORD_MS {
                chord_at.set_value(f64::NEG_INFINITY);
                if let Some((_, path, _)) = PLACES.iter().find(|(letter, ..)| *letter == key) {
                    event.prevent_default();
                    navigate(path, NavigateOptions::default());
                }
                return;
            }
            let is_done = match key.as_str() {
                "g" => {
                    chord_at.set_value(now);
                    false
                }
                "j" => rows::step(true),
                "k" => rows::step(false),
                "x" => ticks.tick(false),
                "X" => ticks.tick(true),
                // Controls have names, too, that are no keys; and marks that would end the selector are none.
                _ => {
                    key.chars().count() == 1 && !matches!(key.as_str(), "\"" | "\\") && press(&key)
                }
            };
            if is_done {
                event.prevent_default();
            }
        });
        on_cleanup(move || handle.remove());
    });
}

/// Is the key meant for a field, or for a dialog that is open?
fn takes_text(event: &leptos::ev::KeyboardEvent) -> bool {
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok());
    let inside = target.and_then(|element| {
        element
            .closest("input:not([type=checkbox]), textarea, select, [contenteditable], dialog")
            .ok()
            .flatten()
    });
    inside.is_some() || matches!(document().query_selector("dialog[open]"), Ok(Some(_)))
}

/// The control with this key or name on this page.
pub fn control(name: &str) -> Option<web_sys::HtmlElement> {
    let found = document().query_selector(&format!("[data-shortcut=\"{name}\"]"));
    found.ok().flatten()?.dyn_into().ok()
}

/// Presses the control whose key or name this is, or gives it focus where it takes text or is one of several links.
pub fn press(name: &str) -> bool {
    let Some(control) = control(name) else {
        return false;
    };
    if control.matches("input").unwrap_or(false) {
        let _focused = control.focus();
    } else if control.matches("ul").unwrap_or(false) {
        let link = |selector: &str| control.query_selector(selector).ok().flatten();
        let chosen = link("[aria-current]").or_else(|| link("a"));
        if let Some(link) = chosen.and_then(|link| link.dyn_into::<web_sys::HtmlElement>().ok()) {
            let _focused = link.focus();
        }
    } else {
        control.click();
    }
    true
}

/// The dialog that names the keys. Stands once on every page.
#[component]
pub fn KeySheet() -> impl IntoView {
    let KeySheetState(dialog) = expect_context::<KeySheetState>();
    let are_on = use_context::<Preferences>().unwrap_or_default().keys;
    let row = |keys: String, words: &'static str| {
        let keys: Vec<_> = keys
            .split(' ')
            .map(|key| view! { <kbd>{key.to_owned()}</kbd> })
            .collect();
        view! { <div><dt>{keys}</dt><dd>{words}</dd></div> }
    };
    let places: Vec<_> = PLACES
        .iter()
        .map(|(letter, _, words)| row(format!("g {letter}"), words))
        .collect();
    let keys: Vec<_> = KEYS
        .iter()
        .map(|(keys, words)| row((*keys).to_owned(), words))
        .collect();
    let off = (!are_on)
        .then(|| view! { <p class="note">"Single keys are switched off; Ctrl K works."</p> });
    view! {
        <dialog class="key-sheet" aria-labelledby="key-sheet-heading" node_ref=dialog>
            <header class="key-sheet-header">
                <h2 id="key-sheet-heading">"Keys"</h2>
                <form method="dialog"><button class="button" type="submit">"Close"</button></form>
            </header>
            {off}
            <dl class="key-list">{keys}{places}</dl>
            <p class="key-sheet-foot">"Switch single keys off in the "<a href="/settings/profile">"profile"</a>"."</p>
        </dialog>
    }
    .into_any()
}

/// Opens the sheet.
#[component]
pub fn KeySheetButton() -> impl IntoView {
    let sheet = expect_context::<KeySheetState>();
    view! { <button type="button" class="menu-item needs-script" data-shortcut="?" aria-keyshortcuts="?" on:click=move |_| sheet.open()><Icon name="keyboard" />"Keys"<kbd aria-hidden="true">"?"</kbd></button> }
}
