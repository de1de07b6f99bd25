//! Rows by keys: `j` and `k` go from one to the next, `x` ticks the one that has focus, `X` all from the last that was
//! ticked to it; a click with Shift does as `X` does.
//!
//! What has focus in a row is its first link: Enter opens it, and it is read out. Boxes are pressed, so that whatever
//! listens to them hears of it. It holds no list and no selection of its own.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, HtmlInputElement};

/// What lists are made of.
const ROWS: &str = "main :is(tbody tr, .attention-row, .event-line, .search-hits li, .inbox-item)";
/// Their boxes.
const BOXES: &str = "main tbody .tick input";

fn all<T: JsCast>(selector: &str) -> Vec<T> {
    let Ok(found) = document().query_selector_all(selector) else {
        return Vec::new();
    };
    (0..found.length())
        .filter_map(|place| found.get(place)?.dyn_into().ok())
        .collect()
}

/// The row that has focus.
fn current() -> Option<Element> {
    document().active_element()?.closest(ROWS).ok().flatten()
}

/// The first link of a row that is in sight.
fn link_of(row: &Element) -> Option<HtmlElement> {
    let link = row.query_selector("a[href]").ok().flatten()?;
    let link: HtmlElement = link.dyn_into().ok()?;
    link.offset_parent().is_some().then_some(link)
}

/// Gives focus to the next row, or to the one before; to the first, where none has it. Is there any?
pub fn step(is_down: bool) -> bool {
    let current = current();
    let rows = all::<Element>(ROWS);
    let place = rows.iter().position(|row| Some(row) == current.as_ref());
    let next = match (place, is_down) {
        (None, _) => rows.iter().find_map(link_of),
        (Some(place), true) => rows.iter().skip(place + 1).find_map(link_of),
        (Some(place), false) => rows.iter().take(place).rev().find_map(link_of),
    };
    if let Some(link) = &next {
        let _focused = link.focus();
    }
    next.is_some()
}

/// Which box was pressed last: where a range begins.
#[derive(Clone, Copy)]
pub struct Ticks(StoredValue<String>);

impl Ticks {
    /// Listens as long as the calling component lives.
    pub fn listen() -> Self {
        let ticks = Self(StoredValue::new(String::new()));
        Effect::new(move |_| {
            let handle = window_event_listener(leptos::ev::click, move |event| {
                let target = event.target();
                let pressed = target.and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
                if let Some(pressed) = pressed.filter(|pressed| pressed.matches(BOXES) == Ok(true))
                {
                    if event.shift_key() {
                        ticks.spread_to(&pressed);
                    }
                    ticks.0.set_value(pressed.value());
                }
            });
            on_cleanup(move || handle.remove());
        });
        ticks
    }

    /// Presses the box of the row that has focus, with all between where that is asked for. Is there one?
    pub fn tick(self, is_range: bool) -> bool {
        let found = current().and_then(|row| row.query_selector(".tick input").ok().flatten());
        let Some(found) = found.and_then(|found| found.dyn_into::<HtmlInputElement>().ok()) else {
            return false;
        };
        if !is_range {
            found.click();
            return true;
        }
        let last = self.0.get_value();
        if !found.checked() {
            found.click();
        }
        self.0.set_value(last);
        self.spread_to(&found);
        self.0.set_value(found.value());
        true
    }

    /// Makes all boxes from the last one to `pressed` as that is.
    fn spread_to(self, pressed: &HtmlInputElement) {
        let boxes = all::<HtmlInputElement>(BOXES);
        let place = |value: String| boxes.iter().position(|one| one.value() == value);
        if let (Some(last), Some(here)) = (place(self.0.get_value()), place(pressed.value())) {
            let between = boxes.get(last.min(here)..=last.max(here));
            for one in between.into_iter().flatten() {
                if one.checked() != pressed.checked() {
                    one.click();
                }
            }
        }
    }
}
