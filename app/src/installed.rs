//! The console as an app of the device: its service worker, the prompt for a new version, and the one line that is kept
//! for the time without a connection.
//!
//! The worker is registered once the page has come to life, where the browser has workers at all (secure contexts). A
//! page of an older build learns that there is a newer one and offers to load it; nothing is ever forced. What is kept is
//! a sentence and its instant, in this browser, until somebody signs out. Nothing here runs on the server.

use leptos::prelude::*;

/// Where `public/offline.js` finds the last headline.
#[cfg(feature = "hydrate")]
const LAST_HEADLINE: &str = "last-headline";

/// Is there a newer build than the page's own? A context given once by the app.
#[derive(Clone, Copy)]
pub struct NewVersion {
    is_ready: RwSignal<bool>,
}

impl Default for NewVersion {
    fn default() -> Self {
        Self::new()
    }
}

impl NewVersion {
    /// Not as far as we know.
    pub fn new() -> Self {
        Self {
            is_ready: RwSignal::new(false),
        }
    }

    /// A newer build waits to take over.
    pub fn is_ready(self) -> bool {
        self.is_ready.get()
    }

    /// Registers the worker and listens. Call once, in an effect.
    pub fn watch(self) {
        #[cfg(feature = "hydrate")]
        worker::watch(self.is_ready);
    }

    /// Looks for a newer build now: the server has told of another version.
    pub fn look(self) {
        #[cfg(feature = "hydrate")]
        worker::look();
    }

    /// Lets the newer build take over and loads the page anew.
    pub fn reload(self) {
        #[cfg(feature = "hydrate")]
        worker::reload();
    }
}

/// Keeps the headline for the offline page.
pub fn remember(text: &str, at_ms: i64) {
    #[cfg(feature = "hydrate")]
    if let Some(storage) = storage() {
        let theme = document()
            .document_element()
            .and_then(|root| root.get_attribute("data-theme"))
            .unwrap_or_default();
        let known = js_sys::Object::new();
        for (key, value) in [
            ("text", text.into()),
            ("at_ms", (at_ms as f64).into()),
            ("theme", theme.into()),
        ] {
            let _set: Result<bool, wasm_bindgen::JsValue> =
                js_sys::Reflect::set(&known, &key.into(), &value);
        }
        if let Ok(json) = js_sys::JSON::stringify(&known).map(String::from) {
            // A full or forbidden storage only means that the offline page knows less.
            let _kept = storage.set_item(LAST_HEADLINE, &json);
        }
    }
    #[cfg(not(feature = "hydrate"))]
    let _ = (text, at_ms);
}

/// Erases what [`remember`] kept: nobody is signed in any more.
pub fn forget() {
    #[cfg(feature = "hydrate")]
    if let Some(storage) = storage() {
        let _gone = storage.remove_item(LAST_HEADLINE);
    }
}

#[cfg(feature = "hydrate")]
fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

#[cfg(feature = "hydrate")]
mod worker {
    use leptos::prelude::*;
    use leptos::task::spawn_local;
    use wasm_bindgen::prelude::Closure;
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{MessageEvent, ServiceWorker, ServiceWorkerContainer, ServiceWorkerRegistration};

    /// How long the newer worker may take to take over before the page is loaded anyway.
    const TAKE_OVER_MS: u32 = 2_000;

    /// `None` where the browser has no workers: plain HTTP beyond this machine, private windows of some browsers.
    fn container() -> Option<ServiceWorkerContainer> {
        let navigator = web_sys::window()?.navigator();
        let value = js_sys::Reflect::get(&navigator, &"serviceWorker".into()).ok()?;
        value.dyn_into().ok()
    }

    async fn registration() -> Option<ServiceWorkerRegistration> {
        let found = JsFuture::from(container()?.get_registration()).await.ok()?;
        found.dyn_into().ok()
    }

    pub fn watch(is_ready: RwSignal<bool>) {
        let Some(container) = container() else {
            return;
        };
        let told = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let kind = js_sys::Reflect::get(&event.data(), &"kind".into());
            if kind.ok().and_then(|kind| kind.as_string()).as_deref() == Some("newer") {
                is_ready.set(true);
            }
        });
        container.set_onmessage(Some(told.as_ref().unchecked_ref()));
        told.forget();
        spawn_local(async move {
            let registered = JsFuture::from(container.register("/sw.js")).await;
            let Some(registration) = registered
                .ok()
                .and_then(|found| found.dyn_into::<ServiceWorkerRegistration>().ok())
            else {
                return;
            };
            ask(registration.waiting());
            let of = registration.clone();
            let found = Closure::<dyn FnMut()>::new(move || follow(of.installing()));
            registration.set_onupdatefound(Some(found.as_ref().unchecked_ref()));
            found.forget();
            follow(registration.installing());
        });
    }

    /// Asks a worker once it is installed.
    fn follow(installing: Option<ServiceWorker>) {
        let Some(worker) = installing else {
            return;
        };
        let of = worker.clone();
        let changed = Closure::<dyn FnMut()>::new(move || {
            if of.state() == web_sys::ServiceWorkerState::Installed {
                ask(Some(of.clone()));
            }
        });
        worker.set_onstatechange(Some(changed.as_ref().unchecked_ref()));
        changed.forget();
    }

    /// Tells a waiting worker which build this page is; it takes over when it is the same, else it answers "newer".
    fn ask(waiting: Option<ServiceWorker>) {
        let script = document()
            .query_selector("link[rel=modulepreload]")
            .ok()
            .flatten()
            .and_then(|link| link.get_attribute("href"))
            .unwrap_or_default();
        // Without a worker in charge nothing waits: the first one takes over by itself.
        if container().is_some_and(|container| container.controller().is_some()) {
            post(waiting, &[("kind", "page"), ("script", &script)]);
        }
    }

    fn post(worker: Option<ServiceWorker>, pairs: &[(&str, &str)]) {
        let Some(worker) = worker else {
            return;
        };
        let message = js_sys::Object::new();
        for (key, value) in pairs {
            let _set: Result<bool, JsValue> =
                js_sys::Reflect::set(&message, &(*key).into(), &(*value).into());
        }
        let _posted = worker.post_message(&message);
    }

    pub fn look() {
        spawn_local(async {
            if let Some(found) = registration().await
                && let Ok(promise) = found.update()
            {
                let _looked = JsFuture::from(promise).await;
            }
        });
    }

    pub fn reload() {
        spawn_local(async {
            if let Some(waiting) = registration().await.and_then(|found| found.waiting()) {
                if let Some(container) = container() {
                    let changed = Closure::<dyn FnMut()>::new(load);
                    container.set_oncontrollerchange(Some(changed.as_ref().unchecked_ref()));
                    changed.forget();
                }
                post(Some(waiting), &[("kind", "activate")]);
                gloo_timers::future::TimeoutFuture::new(TAKE_OVER_MS).await;
            }
            load();
        });
    }

    fn load() {
        let _loading = window().location().reload();
    }
}
