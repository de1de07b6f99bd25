//! The graph in a browser with scripts: one tab stop and keys that walk it, dragging, sizes, the map in small.
//!
//! Listeners are the window's and find what they act on by class, so the drawing may be patched under them. Without
//! scripts nothing of this is there: boxes are links and tab stops, sizes are links, the frame scrolls.

use std::collections::BTreeSet;
use std::sync::Arc;

use leptos::prelude::*;

use super::view::MapBox;

/// What the drawing is asked for by hand.
#[derive(Clone, Copy)]
pub struct Hand {
    /// Key of the box that is the tab stop; `None` without scripts.
    stop: RwSignal<Option<String>>,
    /// Left, top, width and height of what is seen of the drawing; `None` where it is not far more than that.
    seen: RwSignal<Option<[i32; 4]>>,
    /// Percent; 0 fits the page.
    zoom: Memo<u16>,
    /// Where in the drawing the middle of what is seen lies, 0 to 1: it stays there in another size.
    #[cfg(feature = "hydrate")]
    middle: StoredValue<(f64, f64)>,
    /// The box that gets the focus back when the drawing that follows a press has taken its place.
    #[cfg(feature = "hydrate")]
    wanted: StoredValue<Option<String>>,
}

impl Hand {
    /// Call in the component of the page: it ends with it.
    pub fn of_page(zoom: Memo<u16>) -> Self {
        let hand = Self {
            stop: RwSignal::new(None),
            seen: RwSignal::new(None),
            zoom,
            #[cfg(feature = "hydrate")]
            middle: StoredValue::new((0.5, 0.5)),
            #[cfg(feature = "hydrate")]
            wanted: StoredValue::new(None),
        };
        #[cfg(feature = "hydrate")]
        browser::listen(hand);
        hand
    }

    /// Percent; 0 fits the page.
    pub fn zoom(self) -> u16 {
        self.zoom.get()
    }

    /// It was drawn, perhaps anew.
    pub fn drawn(self) {
        #[cfg(feature = "hydrate")]
        browser::drawn(self);
    }

    /// Another part of the drawing is seen.
    pub fn scrolled(self) {
        #[cfg(feature = "hydrate")]
        browser::scrolled(self);
    }

    /// What is seen of the drawing, where that is far less than all.
    pub fn seen(self) -> Option<[i32; 4]> {
        self.seen.get()
    }
}

/// Which boxes of one drawing are tab stops.
#[derive(Clone)]
pub struct Stops {
    hand: Option<Hand>,
    keys: Arc<BTreeSet<String>>,
    /// Where the keyboard begins.
    worst: Arc<str>,
}

impl Stops {
    /// Of these boxes.
    pub fn new(hand: Option<Hand>, boxes: &[MapBox]) -> Self {
        let worst = boxes.iter().min_by(|a, b| {
            let place = |one: &MapBox| (one.status, one.x, one.y);
            place(a).cmp(&place(b))
        });
        Self {
            hand,
            keys: Arc::new(boxes.iter().map(|one| one.key.clone()).collect()),
            worst: worst.map_or("", |one| one.key.as_str()).into(),
        }
    }

    /// Of one box.
    pub fn of(&self, key: &str) -> Stop {
        Stop {
            all: self.clone(),
            key: key.into(),
        }
    }

    /// The frame scrolls by keys only where nothing in it moves the focus.
    pub fn of_region(&self) -> &'static str {
        let is_walked = self
            .hand
            .is_some_and(|hand| hand.stop.with(Option::is_some));
        if is_walked && !self.keys.is_empty() {
            "-1"
        } else {
            "0"
        }
    }
}

/// Whether a box is a tab stop.
#[derive(Clone)]
pub struct Stop {
    all: Stops,
    key: Arc<str>,
}

impl Stop {
    /// As the attribute says it.
    pub fn tabindex(&self) -> &'static str {
        let Some(hand) = self.all.hand else {
            return "0";
        };
        let is_stop = hand.stop.with(|stop| match stop {
            None => true,
            Some(stop) if self.all.keys.contains(stop) => **stop == *self.key,
            Some(_) => self.all.worst == self.key,
        });
        if is_stop { "0" } else { "-1" }
    }
}

/// Ctrl and the wheel, or a pinch on a touchpad, is a size.
pub fn wheel(event: web_sys::WheelEvent) {
    #[cfg(feature = "hydrate")]
    browser::wheel(&event);
    #[cfg(not(feature = "hydrate"))]
    let _ = event;
}

/// A drag moves the drawing, not a link in it.
pub fn no_drag(event: web_sys::DragEvent) {
    event.prevent_default();
}

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::prelude::*;
    use leptos_router::NavigateOptions;
    use leptos_router::hooks::{use_location, use_navigate};
    use wasm_bindgen::JsCast;
    use web_sys::Element;

    use super::Hand;
    use crate::preferences::Preferences;
    use crate::topology::walk::{Arrow, Spot, along, nearest};
    use crate::url;

    /// A press that moves less than that is a click.
    const CLICK_MAX: i32 = 4;
    /// Beyond so many times what is seen of it, the drawing is shown in small, too.
    const SCREENS: f64 = 2.0;

    /// A drag: of the frame or of the map in small.
    #[derive(Clone, Copy)]
    struct Drag {
        x: i32,
        y: i32,
        left: i32,
        top: i32,
        is_moved: bool,
    }

    pub fn listen(hand: Hand) {
        let drag: StoredValue<Option<Drag>> = StoredValue::new(None);
        let navigate = use_navigate();
        let search = use_location().search;
        let are_on = use_context::<Preferences>().unwrap_or_default().keys;
        let go = move |to: &str| navigate(to, NavigateOptions::default());
        let open = go.clone();
        let follow = go.clone();
        let handles = [
            window_event_listener(leptos::ev::keydown, move |event| {
                key(hand, &event, are_on, &go);
            }),
            window_event_listener(leptos::ev::focusin, move |event| {
                let inside = target(&event).and_then(|at| at.closest(".topo-box").ok().flatten());
                if let Some(key) = inside.and_then(|inside| inside.get_attribute("data-box")) {
                    hand.stop.set(Some(key));
                }
            }),
            // The router knows links of pages, not those of drawings.
            window_event_listener(leptos::ev::click, move |event| {
                let is_plain = event.button() == 0
                    && !(event.ctrl_key()
                        || event.meta_key()
                        || event.shift_key()
                        || event.alt_key());
                let link = target(&event)
                    .filter(|_| is_plain)
                    .and_then(|at| at.closest(".topo-head, .topo-cell").ok().flatten())
                    .and_then(|link| link.get_attribute("href"));
                if let Some(to) = link {
                    event.prevent_default();
                    let own = target(&event).and_then(|at| at.closest(".topo-box").ok().flatten());
                    hand.wanted
                        .set_value(own.and_then(|own| own.get_attribute("data-box")));
                    follow(&to);
                }
            }),
            window_event_listener(leptos::ev::dblclick, move |event| {
                let head = target(&event).and_then(|at| at.closest(".topo-head").ok().flatten());
                if let Some(page) = head.as_ref().and_then(page_of) {
                    event.prevent_default();
                    open(&page);
                }
            }),
            window_event_listener(leptos::ev::pointerover, move |event| hover(&event)),
            window_event_listener(leptos::ev::pointerdown, move |event| {
                if event.button() != 0 || event.pointer_type() != "mouse" {
                    return;
                }
                let at = target(&event);
                let is_in = |class: &str| {
                    at.as_ref()
                        .is_some_and(|at| at.closest(class).is_ok_and(|found| found.is_some()))
                };
                if is_in(".topo-mini") {
                    jump(event.client_x(), event.client_y());
                    event.prevent_default();
                } else if let Some(frame) = frame().filter(|_| is_in(".topo-map")) {
                    drag.set_value(Some(Drag {
                        x: event.client_x(),
                        y: event.client_y(),
                        left: frame.scroll_left(),
                        top: frame.scroll_top(),
                        is_moved: false,
                    }));
                }
            }),
            window_event_listener(leptos::ev::pointermove, move |event| {
                let (Some(mut now), Some(frame)) = (drag.get_value(), frame()) else {
                    return;
                };
                let (right, down) = (event.client_x() - now.x, event.client_y() - now.y);
                now.is_moved |= right.abs().max(down.abs()) > CLICK_MAX;
                if now.is_moved {
                    frame.set_scroll_left(now.left - right);
                    frame.set_scroll_top(now.top - down);
                    set(&frame, "data-dragged", Some(""));
                }
                drag.set_value(Some(now));
            }),
            window_event_listener(leptos::ev::pointerup, move |_| {
                drag.set_value(None);
                if let Some(frame) = frame() {
                    // The click that ends a drag is none: it comes right after this, before the next frame.
                    request_animation_frame(move || set(&frame, "data-dragged", None));
                }
            }),
            window_event_listener(leptos::ev::resize, move |_| look(hand)),
        ];
        on_cleanup(move || handles.into_iter().for_each(|handle| handle.remove()));
        Effect::new(move |_| {
            hand.zoom.track();
            search.track();
            if hand.stop.with_untracked(Option::is_none) {
                hand.stop.set(Some(String::new()));
            }
            let kept = hand.middle.get_value();
            request_animation_frame(move || {
                if let Some(frame) = frame() {
                    to_middle(&frame, kept);
                }
                look(hand);
            });
        });
    }

    pub fn wheel(event: &web_sys::WheelEvent) {
        if event.ctrl_key() {
            event.prevent_default();
            press(if event.delta_y() < 0.0 { "+" } else { "-" });
        }
    }

    pub fn drawn(hand: Hand) {
        request_animation_frame(move || {
            let wanted = hand.wanted.try_get_value().flatten();
            let is_lost = document()
                .active_element()
                .is_none_or(|active| active.matches("body").unwrap_or(false));
            if is_lost && wanted.is_some_and(|key| to_box(&key)) {
                hand.wanted.set_value(None);
            }
        });
    }

    pub fn scrolled(hand: Hand) {
        if let Some(frame) = frame() {
            hand.middle.set_value(middle_of(&frame));
        }
        look(hand);
    }

    fn key(hand: Hand, event: &web_sys::KeyboardEvent, are_on: bool, go: &impl Fn(&str)) {
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let Some(at) = target(event) else { return };
        let inside = at.closest(".topo-head, .topo-cell").ok().flatten();
        let Some(inside) = inside else {
            let is_text = at
                .closest("input, textarea, select, dialog")
                .is_ok_and(|found| found.is_some());
            if are_on && !is_text && along_key(&event.key(), "") {
                event.prevent_default();
            }
            return;
        };
        let is_cell = inside.matches(".topo-cell").unwrap_or(false);
        let Some(own) = inside.closest(".topo-box").ok().flatten() else {
            return;
        };
        let name = own.get_attribute("data-box").unwrap_or_default();
        let is_done = match event.key().as_str() {
            "Escape" if is_cell => head_of(&own).is_some_and(|head| focus(&head)),
            "Escape" => match first(".topo-close") {
                Some(close) => {
                    hand.wanted.set_value(Some(name));
                    click(&close);
                    true
                }
                None => first(".topo-as-table").is_some_and(|out| focus(&out)),
            },
            "Enter" if event.shift_key() && !is_cell => match page_of(&inside) {
                Some(page) => {
                    go(&page);
                    true
                }
                None => false,
            },
            " " if !is_cell => match own.query_selector(".topo-cell").ok().flatten() {
                Some(cell) => focus(&cell),
                // A key that scrolls would be a surprise here.
                None => true,
            },
            key => match Arrow::of_key(key) {
                Some(arrow) if is_cell => walk_cells(&own, &inside, arrow),
                Some(arrow) => walk_boxes(&name, arrow),
                None => along_key(key, &name),
            },
        };
        if is_done {
            event.prevent_default();
        }
    }

    /// To a problem, or to what was found.
    fn along_key(key: &str, from: &str) -> bool {
        let spots = boxes();
        let next = match key {
            "]" | "[" => along(&spots, from, key == "]", |spot| spot.is_problem),
            "n" | "N" if first(".topo-map[data-finds]").is_some() => {
                along(&spots, from, key == "n", |spot| is_lit(&spot.key))
            }
            _ => None,
        };
        next.is_some_and(|spot| to_box(&spot.key))
    }

    fn walk_boxes(from: &str, arrow: Arrow) -> bool {
        if let Some(spot) = nearest(&boxes(), from, arrow) {
            to_box(&spot.key);
        }
        true
    }

    fn walk_cells(own: &Element, from: &Element, arrow: Arrow) -> bool {
        let cells = all(own, ".topo-cell");
        let spots: Vec<Spot> = cells
            .iter()
            .enumerate()
            .map(|(at, cell)| spot(at.to_string(), cell, cell))
            .collect();
        let at = cells.iter().position(|cell| cell == from);
        let next = at.and_then(|at| nearest(&spots, &at.to_string(), arrow));
        let next = next.and_then(|spot| cells.get(spot.key.parse::<usize>().ok()?));
        if let Some(next) = next {
            focus(next);
        }
        true
    }

    fn boxes() -> Vec<Spot> {
        let Some(map) = first(".topo-map") else {
            return Vec::new();
        };
        all(&map, ".topo-box")
            .iter()
            .filter_map(|own| {
                let frame = own.query_selector(".topo-frame").ok().flatten()?;
                Some(spot(own.get_attribute("data-box")?, own, &frame))
            })
            .collect()
    }

    fn spot(key: String, own: &Element, shape: &Element) -> Spot {
        let place = shape.get_bounding_client_rect();
        let status = own.get_attribute("data-status");
        Spot {
            key,
            x: place.left() + place.width() / 2.0,
            y: place.top() + place.height() / 2.0,
            is_problem: status.is_some_and(|status| {
                matches!(status.as_str(), "critical" | "unknown" | "warning")
            }),
        }
    }

    fn box_of(key: &str) -> Option<Element> {
        let map = first(".topo-map")?;
        let mut boxes = all(&map, ".topo-box").into_iter();
        boxes.find(|own| own.get_attribute("data-box").as_deref() == Some(key))
    }

    fn is_lit(key: &str) -> bool {
        box_of(key).is_some_and(|own| !own.has_attribute("data-dimmed"))
    }

    fn to_box(key: &str) -> bool {
        let head = box_of(key).and_then(|own| head_of(&own));
        head.is_some_and(|head| focus(&head))
    }

    fn head_of(own: &Element) -> Option<Element> {
        own.query_selector(".topo-head").ok().flatten()
    }

    /// The page of a cluster's box.
    fn page_of(head: &Element) -> Option<String> {
        let own = head
            .closest(".topo-box[data-kind=cluster]")
            .ok()
            .flatten()?;
        let slug = own.get_attribute("data-box")?;
        Some(format!("/clusters/{}", url::encode(&slug)))
    }

    /// Shows what the edge under the pointer says, above all boxes.
    fn hover(event: &web_sys::PointerEvent) {
        let edge = target(event).and_then(|at| at.closest(".topo-edge").ok().flatten());
        let Some(label) = first(".topo-label-hover") else {
            return;
        };
        let words = edge.as_ref().and_then(|edge| {
            let title = edge.query_selector("title").ok().flatten()?;
            Some((title.text_content()?, edge.get_attribute("data-middle")?))
        });
        let (words, middle) = words.unwrap_or_default();
        if let Some((x, y)) = middle.split_once(' ') {
            set(&label, "x", Some(x));
            set(&label, "y", Some(y));
        }
        label.set_text_content(Some(&words));
    }

    /// What of the drawing is seen, in its own measure.
    fn look(hand: Hand) {
        let seen = frame().and_then(|frame| {
            let map = frame.query_selector(".topo-map").ok().flatten()?;
            let area: Vec<f64> = map
                .get_attribute("viewBox")?
                .split(' ')
                .filter_map(|part| part.parse().ok())
                .collect();
            let [left, top, width, height] = area[..] else {
                return None;
            };
            let (all_x, all_y) = (
                f64::from(frame.scroll_width()).max(1.0),
                f64::from(frame.scroll_height()).max(1.0),
            );
            let (own_x, own_y) = (
                f64::from(frame.client_width()),
                f64::from(frame.client_height()),
            );
            if own_x <= 0.0 || own_y <= 0.0 || all_x * all_y < SCREENS * own_x * own_y {
                return None;
            }
            let at = |begin: f64, whole: f64, share: f64| begin + whole * share;
            Some([
                at(left, width, f64::from(frame.scroll_left()) / all_x) as i32,
                at(top, height, f64::from(frame.scroll_top()) / all_y) as i32,
                (width * own_x / all_x) as i32,
                (height * own_y / all_y) as i32,
            ])
        });
        if hand.seen.get_untracked() != seen {
            hand.seen.set(seen);
        }
    }

    /// The frame goes to what was pressed in the map in small.
    fn jump(x: i32, y: i32) {
        let (Some(mini), Some(frame)) = (first(".topo-mini"), frame()) else {
            return;
        };
        let place = mini.get_bounding_client_rect();
        let share = |at: i32, begin: f64, whole: f64| (f64::from(at) - begin) / whole.max(1.0);
        let middle = (
            share(x, place.left(), place.width()),
            share(y, place.top(), place.height()),
        );
        to_middle(&frame, middle);
    }

    fn middle_of(frame: &Element) -> (f64, f64) {
        let middle = |begin: i32, own: i32, all: i32| {
            (f64::from(begin) + f64::from(own) / 2.0) / f64::from(all.max(1))
        };
        (
            middle(
                frame.scroll_left(),
                frame.client_width(),
                frame.scroll_width(),
            ),
            middle(
                frame.scroll_top(),
                frame.client_height(),
                frame.scroll_height(),
            ),
        )
    }

    fn to_middle(frame: &Element, (x, y): (f64, f64)) {
        let begin = |share: f64, own: i32, all: i32| {
            (share * f64::from(all) - f64::from(own) / 2.0).max(0.0) as i32
        };
        frame.set_scroll_left(begin(x, frame.client_width(), frame.scroll_width()));
        frame.set_scroll_top(begin(y, frame.client_height(), frame.scroll_height()));
    }

    fn frame() -> Option<Element> {
        first(".topo-scroll")
    }

    fn press(key: &str) {
        if let Some(link) = first(&format!("[data-zoom][data-shortcut=\"{key}\"]")) {
            click(&link);
        }
    }

    fn target(event: &web_sys::Event) -> Option<Element> {
        event.target()?.dyn_into::<Element>().ok()
    }

    fn first(selector: &str) -> Option<Element> {
        document().query_selector(selector).ok().flatten()
    }

    fn all(inside: &Element, selector: &str) -> Vec<Element> {
        let Ok(found) = inside.query_selector_all(selector) else {
            return Vec::new();
        };
        (0..found.length())
            .filter_map(|place| found.get(place)?.dyn_into::<Element>().ok())
            .collect()
    }

    /// Elements of a drawing take focus and clicks as those of a page do.
    fn focus(element: &Element) -> bool {
        element
            .unchecked_ref::<web_sys::HtmlElement>()
            .focus()
            .is_ok()
    }

    fn click(element: &Element) {
        element.unchecked_ref::<web_sys::HtmlElement>().click();
    }

    fn set(element: &Element, name: &str, value: Option<&str>) {
        // Elements of ours and names that exist: this cannot fail.
        let _set = match value {
            Some(value) => element.set_attribute(name, value),
            None => element.remove_attribute(name),
        };
    }
}
