//! What scrolls and can have focus.
//!
//! Not as `tabindex` in views: each time a followed page is drawn anew, attributes of its elements are taken off and put on
//! again, and what can have no focus for a moment loses it. Here the browser's side only ever puts it on.

use leptos::attr::Attribute;

/// Makes an element a stop of the Tab key.
#[cfg(feature = "ssr")]
pub fn tab_stop() -> impl Attribute {
    leptos::attr::custom::custom_attribute("tabindex", "0")
}

/// Makes an element a stop of the Tab key.
#[cfg(not(feature = "ssr"))]
pub fn tab_stop() -> impl Attribute {
    leptos::tachys::html::directive::directive(
        |element: web_sys::Element| {
            let _set = element.set_attribute("tabindex", "0");
        },
        (),
    )
}
