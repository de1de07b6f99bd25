//! Reading charts by pointer, touch and keys, and zooming into what was dragged over.
//!
//! One instant is read in all charts of the page at once. Listeners are the window's and what they write are attributes and
//! texts of elements that the charts leave empty for this (`.plot-cross`, `.chart-readout`), so charts may be drawn anew
//! under the pointer. Points are asked for at the first touch, for the window that is shown. Nothing here runs on the
//! server; without scripts charts are pictures, and any window is a form.

use leptos::prelude::*;

use super::view::RangeQuery;

/// Whose charts a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartsOf {
    /// A node's, by its id.
    Node,
    /// A cluster's, by its slug.
    Cluster,
}

/// What is read on this page.
#[derive(Clone, Copy)]
pub struct Crosshair {
    /// The instant under the pointer or chosen by keys.
    at_ms: RwSignal<Option<i64>>,
}

impl Crosshair {
    /// Nothing is read yet. Call in the component of a page: it ends with it.
    pub fn of_page(of: ChartsOf, id: Memo<String>, range: Memo<RangeQuery>) -> Self {
        let at_ms = RwSignal::new(None);
        #[cfg(feature = "hydrate")]
        browser::listen(at_ms, of, id, range);
        #[cfg(not(feature = "hydrate"))]
        let _ = (of, id, range);
        Self { at_ms }
    }

    /// Does somebody read? Then charts should not move.
    pub fn is_reading(self) -> bool {
        self.at_ms.with_untracked(Option::is_some)
    }
}

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::prelude::*;
    use leptos::task::spawn_local;
    use leptos_router::NavigateOptions;
    use leptos_router::hooks::{use_location, use_navigate};
    use wasm_bindgen::JsCast;
    use web_sys::Element;

    use super::ChartsOf;
    use crate::clusters::api::load_cluster_points;
    use crate::fleet::api;
    use crate::fleet::readout::{PointSet, Reading, zoomed_in};
    use crate::fleet::view::RangeQuery;

    /// A drag below this is a click.
    const DRAG_SHARE_MIN: f64 = 0.02;
    /// Points that Page Up and Page Down leap over.
    const LEAP: i64 = 10;

    /// What is known of the page's charts at the moment.
    #[derive(Clone, Copy)]
    struct State {
        at_ms: RwSignal<Option<i64>>,
        points: RwSignal<Option<PointSet>>,
        /// Window whose points were asked for last.
        asked: StoredValue<Option<(i64, i64)>>,
        /// Where a drag began: the overlay, its share, its window.
        drag: StoredValue<Option<Drag>, LocalStorage>,
        of: ChartsOf,
        id: Memo<String>,
        range: Memo<RangeQuery>,
    }

    #[derive(Clone)]
    struct Drag {
        overlay: Element,
        from: f64,
        to: f64,
        window: (i64, i64),
    }

    pub fn listen(
        at_ms: RwSignal<Option<i64>>,
        of: ChartsOf,
        id: Memo<String>,
        range: Memo<RangeQuery>,
    ) {
        let state = State {
            at_ms,
            points: RwSignal::new(None),
            asked: StoredValue::new(None),
            drag: StoredValue::new_local(None),
            of,
            id,
            range,
        };
        let path = use_location().pathname;
        let navigate = use_navigate();
        let zoom = move |window: (i64, i64)| {
            state.at_ms.set(None);
            let url = state
                .range
                .get_untracked()
                .between(window)
                .url(&path.get_untracked());
            navigate(
                &url,
                NavigateOptions {
                    scroll: false,
                    ..NavigateOptions::default()
                },
            );
        };
        let zoom_by_key = zoom.clone();
        let handles = [
            window_event_listener(leptos::ev::pointermove, move |event| state.moved(&event)),
            window_event_listener(leptos::ev::pointerdown, move |event| state.pressed(&event)),
            window_event_listener(leptos::ev::pointerup, move |_| {
                if let Some(window) = state.released() {
                    zoom(window);
                }
            }),
            window_event_listener(leptos::ev::pointercancel, move |_| state.leave()),
            window_event_listener(leptos::ev::keydown, move |event| {
                if let Some(window) = state.key(&event) {
                    zoom_by_key(window);
                }
            }),
            window_event_listener(leptos::ev::focusout, move |event| {
                if overlay_of(&event).is_some() {
                    state.leave();
                }
            }),
        ];
        on_cleanup(move || handles.into_iter().for_each(|handle| handle.remove()));
        Effect::new(move |_| {
            state
                .points
                .with(|points| show(points.as_ref(), state.at_ms.get()))
        });
    }

    impl State {
        fn moved(self, event: &web_sys::PointerEvent) {
            if let Some(mut drag) = self.drag.get_value() {
                drag.to = share_in(&drag.overlay, event);
                mark(&drag);
                self.drag.set_value(Some(drag));
                return;
            }
            match overlay_of(event).zip(window_of_charts()) {
                Some((overlay, window)) => {
                    self.read_at(instant(window, share_in(&overlay, event)), window)
                }
                // Whoever reads by keys is not disturbed by a pointer that lies elsewhere.
                None if self.at_ms.with_untracked(Option::is_some)
                    && focused_overlay().is_none() =>
                {
                    self.leave()
                }
                None => {}
            }
        }

        fn pressed(self, event: &web_sys::PointerEvent) {
            let Some((overlay, window)) = overlay_of(event).zip(window_of_charts()) else {
                return;
            };
            let from = share_in(&overlay, event);
            self.read_at(instant(window, from), window);
            // A finger that moves sideways reads; it has the links to zoom.
            if event.pointer_type() == "mouse" && event.button() == 0 {
                let drag = Drag {
                    overlay,
                    from,
                    to: from,
                    window,
                };
                self.drag.set_value(Some(drag));
            }
        }

        /// The window that was dragged over, if one was.
        fn released(self) -> Option<(i64, i64)> {
            let drag = self.drag.get_value()?;
            self.end_drag();
            ((drag.to - drag.from).abs() >= DRAG_SHARE_MIN).then(|| {
                zoomed_in(
                    instant(drag.window, drag.from),
                    instant(drag.window, drag.to),
                )
            })
        }

        fn end_drag(self) {
            if let Some(drag) = self.drag.get_value() {
                mark(&Drag {
                    from: 0.0,
                    to: 0.0,
                    ..drag
                });
                self.drag.set_value(None);
            }
        }

        fn leave(self) {
            self.end_drag();
            if self.at_ms.with_untracked(Option::is_some) {
                self.at_ms.set(None);
            }
        }

        fn read_at(self, at_ms: i64, window: (i64, i64)) {
            if self.asked.get_value() != Some(window) {
                self.asked.set_value(Some(window));
                self.points.set(None);
                let range = RangeQuery {
                    from: window.0.to_string(),
                    to: window.1.to_string(),
                    ..RangeQuery::default()
                };
                let (of, id) = (self.of, self.id.get_untracked());
                spawn_local(async move {
                    // Where it cannot be had, the picture stays; the next touch asks again.
                    let answer = match of {
                        ChartsOf::Node => api::load_points(id, range).await,
                        ChartsOf::Cluster => load_cluster_points(id, range).await,
                    };
                    if self.asked.try_get_value().flatten() == Some(window) {
                        match answer {
                            Ok(points) => self.arrived(points),
                            Err(_) => self.asked.set_value(None),
                        }
                    }
                });
            }
            if self.at_ms.get_untracked() != Some(at_ms) {
                self.at_ms.set(Some(at_ms));
            }
        }

        /// Whoever waits by keys is put on the point that is nearest.
        fn arrived(self, points: PointSet) {
            let key = focused_overlay().and_then(|overlay| overlay.get_attribute("data-key"));
            let nearest = key
                .zip(self.at_ms.get_untracked())
                .and_then(|(key, at_ms)| points.chart(&key)?.stepped(points.from_ms, at_ms, 0));
            self.points.set(Some(points));
            if nearest.is_some() {
                self.at_ms.set(nearest);
            }
        }

        /// Handles a key on a chart; the window to zoom into, if it was that key.
        fn key(self, event: &web_sys::KeyboardEvent) -> Option<(i64, i64)> {
            let overlay = overlay_of(event)?;
            let window = window_of_charts()?;
            let now = self.at_ms.get_untracked();
            let steps = match event.key().as_str() {
                "ArrowLeft" | "ArrowDown" => -1,
                "ArrowRight" | "ArrowUp" => 1,
                "PageDown" => -LEAP,
                "PageUp" => LEAP,
                "Home" => i64::MIN,
                "End" => i64::MAX,
                "Escape" => {
                    self.leave();
                    return None;
                }
                "Enter" => {
                    let quarter = (window.1 - window.0) / 4;
                    return now.map(|at| zoomed_in(at - quarter, at + quarter));
                }
                _ => return None,
            };
            event.prevent_default();
            let key = overlay.get_attribute("data-key").unwrap_or_default();
            let at = now.unwrap_or(window.1);
            let next = self.points.with_untracked(|points| {
                let points = points.as_ref()?;
                points.chart(&key)?.stepped(
                    points.from_ms,
                    at,
                    if now.is_some() { steps } else { 0 },
                )
            });
            self.read_at(next.unwrap_or(at), window);
            None
        }
    }

    fn overlay_of(event: &web_sys::Event) -> Option<Element> {
        let target = event.target()?.dyn_into::<Element>().ok()?;
        target.closest(".chart-read").ok().flatten()
    }

    fn focused_overlay() -> Option<Element> {
        document()
            .active_element()
            .filter(|element| element.matches(".chart-read").unwrap_or(false))
    }

    fn share_in(overlay: &Element, event: &web_sys::PointerEvent) -> f64 {
        let place = overlay.get_bounding_client_rect();
        ((f64::from(event.client_x()) - place.left()) / place.width().max(1.0)).clamp(0.0, 1.0)
    }

    fn instant(window: (i64, i64), share: f64) -> i64 {
        window.0 + ((window.1 - window.0) as f64 * share) as i64
    }

    /// The window that the charts on the page show.
    fn window_of_charts() -> Option<(i64, i64)> {
        let charts = document().query_selector(".charts").ok().flatten()?;
        let number = |name| charts.get_attribute(name)?.parse::<i64>().ok();
        number("data-from").zip(number("data-to"))
    }

    fn each(selector: &str, mut with: impl FnMut(Element)) {
        let Ok(found) = document().query_selector_all(selector) else {
            return;
        };
        for place in 0..found.length() {
            if let Some(element) = found
                .get(place)
                .and_then(|node| node.dyn_into::<Element>().ok())
            {
                with(element);
            }
        }
    }

    fn set(element: &Element, name: &str, value: &str) {
        // Elements of ours and names that exist: this cannot fail.
        let _set = element.set_attribute(name, value);
    }

    fn inside(element: &Element, selector: &str) -> Option<Element> {
        element.query_selector(selector).ok().flatten()
    }

    fn percent(share: f64) -> String {
        format!("{:.2}%", share.clamp(0.0, 1.0) * 100.0)
    }

    /// Marks what is dragged over, in all charts.
    fn mark(drag: &Drag) {
        let (from, to) = (drag.from.min(drag.to), drag.from.max(drag.to));
        each(".plot-cross rect", |rect| {
            set(&rect, "x", &percent(from));
            set(&rect, "width", &percent(to - from));
        });
    }

    /// Shows in every chart what it says at `at_ms`.
    fn show(points: Option<&PointSet>, at_ms: Option<i64>) {
        let share = at_ms
            .zip(window_of_charts())
            .map(|(at_ms, (from, to))| (at_ms - from) as f64 / (to - from).max(1) as f64);
        each(".chart", |chart| {
            let (Some(line), Some(box_), Some(overlay)) = (
                inside(&chart, ".plot-cross line"),
                inside(&chart, ".chart-readout"),
                inside(&chart, ".chart-read"),
            ) else {
                return;
            };
            let place = share.map_or_else(|| "-10%".to_owned(), percent);
            set(&line, "x1", &place);
            set(&line, "x2", &place);
            let key = overlay.get_attribute("data-key").unwrap_or_default();
            let known = points.and_then(|points| Some((points.chart(&key)?, points)));
            let reading = at_ms
                .zip(known)
                .map(|(at, (chart, points))| chart.read((points.from_ms, points.to_ms), at));
            if let (Some(reading), Some(share)) = (&reading, share) {
                set(&overlay, "aria-valuenow", &format!("{:.0}", share * 100.0));
                set(&overlay, "aria-valuetext", &reading.sentence());
                set(
                    &box_,
                    "data-side",
                    if share > 0.5 { "start" } else { "end" },
                );
            }
            write(&box_, reading.as_ref());
        });
    }

    fn write(box_: &Element, reading: Option<&Reading>) {
        box_.set_text_content(None);
        let Some(reading) = reading else {
            let _hidden = box_.set_attribute("hidden", "");
            return;
        };
        let _shown = box_.remove_attribute("hidden");
        let add = |to: &Element, tag: &str, class: &str, text: &str| -> Option<Element> {
            let element = document().create_element(tag).ok()?;
            set(&element, "class", class);
            // Labels come from hosts: a text, never markup.
            element.set_text_content(Some(text));
            to.append_child(&element).ok()?;
            Some(element)
        };
        add(box_, "div", "readout-time", &reading.time);
        if let Some(why) = &reading.silence {
            add(box_, "div", "readout-silence", why);
        }
        for (label, color, value) in &reading.values {
            if let Some(row) = add(box_, "div", "readout-row", "") {
                if let Some(key) = add(&row, "span", "readout-key", "") {
                    set(&key, "data-series", &color.to_string());
                }
                add(&row, "bdi", "readout-label", label);
                add(&row, "span", "readout-value", value);
            }
        }
    }
}
