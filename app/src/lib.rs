//! The console: what people see and press.
//!
//! Rendered by the server first ([`shell`]), brought to life in the browser by [`hydrate`]. Every page works without
//! scripts; scripts add live values, copying and keys. Folders are screens: `api.rs` holds the port that the server
//! implements and the server functions over it, `view.rs` plain data, the other files pages and their parts. `ui` holds
//! widgets that know no screen. It deliberately holds no SQL, no routes of the server, no decisions about the fleet.

#![recursion_limit = "256"]

pub mod account;
pub mod app;
#[cfg(feature = "ssr")]
pub mod backend;
pub mod clusters;
pub mod codec;
pub mod enroll;
pub mod error;
pub mod events;
pub mod fleet;
pub mod format;
pub mod frame;
pub mod installed;
pub mod keys;
pub mod live;
#[cfg(feature = "ssr")]
pub mod offline;
pub mod page;
pub mod pages;
pub mod preferences;
pub mod rows;
pub mod search;
pub mod shell;
pub mod topology;
pub mod ui;
pub mod url;

pub use app::App;
pub use pages::{FunctionClass, PAGES, PageClass, SERVER_FUNCTIONS, page_class};

/// Takes over the page that the server rendered.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    leptos::mount::hydrate_body(App);
    if let Some(root) = web_sys::window()
        .and_then(|w| w.document())
        .and_then(|d| d.document_element())
    {
        // Controls that need scripts appear only now; see `.needs-script` in the style sheet.
        let _set = root.set_attribute("data-hydrated", "");
    }
}
