//! Keeps the screen of a wall from going dark, where the browser offers that.
//!
//! The lock is lost whenever the page is hidden, and asked for again when it is seen. A browser that refuses (no power, no
//! HTTPS) is left alone: the wall works without.

/// For as long as this page is open.
#[cfg(feature = "hydrate")]
pub fn keep() {
    ask();
    let handle = leptos::prelude::window_event_listener_untyped("visibilitychange", |_| ask());
    leptos::prelude::on_cleanup(move || handle.remove());
}

/// Only browsers have a screen.
#[cfg(not(feature = "hydrate"))]
pub fn keep() {}

#[cfg(feature = "hydrate")]
fn ask() {
    use js_sys::{Function, Promise, Reflect};
    use wasm_bindgen::{JsCast, JsValue};

    let navigator: JsValue = leptos::prelude::window().navigator().into();
    let get = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok();
    let asked = get(&navigator, "wakeLock").and_then(|lock| {
        let request: Function = get(&lock, "request")?.dyn_into().ok()?;
        request
            .call1(&lock, &"screen".into())
            .ok()?
            .dyn_into::<Promise>()
            .ok()
    });
    if let Some(asked) = asked {
        // Awaited, so that a refusal is no error on the page.
        leptos::task::spawn_local(async move {
            let _granted = wasm_bindgen_futures::JsFuture::from(asked).await;
        });
    }
}
