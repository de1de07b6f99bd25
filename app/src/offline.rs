//! The page that stands in for any other while the server cannot be reached.
//!
//! The service worker keeps it and serves it under the address that was wanted, so it is no page of the router and is not
//! brought to life: what it shows besides its words is written by `public/offline.js`, from what
//! [`crate::installed::remember`] left in this browser. Without scripts it is simply true.

use leptos::prelude::*;

use crate::shell::Assets;
use crate::ui::Logo;

/// The document. Nothing in it depends on who asks.
pub fn offline_document(assets: &Assets) -> String {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="robots" content="noindex" />
                <meta name="color-scheme" content="light dark" />
                {assets.css.clone().map(|css| view! { <link rel="stylesheet" href=css /> })}
                <link rel="icon" type="image/svg+xml" href="/favicon.svg" />
                <link rel="manifest" href="/manifest.webmanifest" />
                <title>"No connection · Operations Center"</title>
                <script type="module" src="/offline.js"></script>
            </head>
            <body>
                <main class="door" id="main">
                    <div class="door-brand"><Logo /><span>"Operations Center"</span></div>
                    <div class="door-card">
                        <h1>"No connection"</h1>
                        <p role="status" id="offline-state">"This device cannot reach the server "<bdi id="offline-host"></bdi>" right now. Its agents keep measuring, and the page comes back by itself as soon as the server answers."</p>
                        <div class="offline-known" id="offline-known" hidden>
                            <p class="offline-age" id="offline-age"></p>
                            <p class="offline-headline" id="offline-headline"></p>
                        </div>
                        <a class="button button-primary" id="offline-retry" href="/">"Try again"</a>
                    </div>
                </main>
            </body>
        </html>
    }
    .to_html()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_nobodys_page_and_needs_no_wasm() {
        let assets = Assets {
            js: Some("/assets/app.1.js".to_owned()),
            wasm: Some("/assets/app.1.wasm".to_owned()),
            css: Some("/assets/app.1.css".to_owned()),
            icons: None,
        };
        let html = Owner::new().with(|| offline_document(&assets));
        assert!(
            html.contains("/assets/app.1.css") && html.contains("No connection"),
            "{html}"
        );
        assert!(!html.contains(".wasm") && !html.contains("nonce"), "{html}");
    }
}
