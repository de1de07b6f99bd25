//! The document around every page: assets, policy, theme.
//!
//! Called by the server for each page it renders. Invariant: without assets the page still renders and works, scriptless;
//! scripts run only from our own origin or with this response's nonce.

#[cfg(feature = "ssr")]
use crate::preferences::Theme;
#[cfg(feature = "ssr")]
use crate::preferences::{Density, Preferences};
#[cfg(feature = "ssr")]
use crate::{App, ui::IconSprite};
#[cfg(feature = "ssr")]
use leptos::attr::custom::custom_attribute;
#[cfg(feature = "ssr")]
use leptos::prelude::*;
#[cfg(feature = "ssr")]
use leptos_meta::MetaTags;

/// URLs of what the browser loads, under their hashed names; what is missing is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assets {
    /// The module made by wasm-bindgen.
    pub js: Option<String>,
    /// The console compiled to wasm.
    pub wasm: Option<String>,
    /// The style sheet.
    pub css: Option<String>,
    /// The sprite of icons.
    pub icons: Option<String>,
}

/// The policy of every response; pages pass their nonce, everything else passes none.
///
/// Wasm needs `wasm-unsafe-eval`. Styles come from our files only: no page carries a `style` attribute.
pub fn content_security_policy(nonce: Option<&str>) -> String {
    let nonce = nonce
        .map(|nonce| format!(" 'nonce-{nonce}'"))
        .unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'self'{nonce} 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    )
}

/// The document. Sets the response's content security policy.
#[cfg(feature = "ssr")]
pub fn shell(assets: Assets) -> impl IntoView {
    let nonce = leptos::nonce::use_nonce();
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>()
        && let Ok(policy) = http::HeaderValue::from_str(&content_security_policy(nonce.as_deref()))
    {
        response.insert_header(http::header::CONTENT_SECURITY_POLICY, policy);
    }
    let Preferences { theme, density, .. } = Preferences::current();
    let icons = assets.icons.clone().unwrap_or_default();
    // Inside `App`, `IconSprite::of_document` finds it here.
    provide_context(IconSprite(icons.clone()));
    let start = assets
        .js
        .as_deref()
        .zip(assets.wasm.as_deref())
        .map(|(js, wasm)| start_script(js, wasm));
    // As `--surface` in style/tokens.css, which browsers do not read here.
    let bar_colors = [(Theme::Light, "#FFFFFF"), (Theme::Dark, "#13171E")].map(|(of, color)| {
        let media = (theme == Theme::System).then(|| format!("(prefers-color-scheme: {})", of.as_str()));
        (theme == of || theme == Theme::System)
            .then(|| view! { <meta name="theme-color" content={color} {..custom_attribute("media", media)} /> })
    });
    view! {
        <!DOCTYPE html>
        <html lang="en" data-theme=(theme != Theme::System).then(|| theme.as_str()) data-density=(density == Density::Comfortable).then_some("comfortable")>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="robots" content="noindex" />
                <meta name="description" content="Operations Center: what every node is doing, now and before." />
                <meta name="color-scheme" content=match theme {
                    Theme::System => "light dark",
                    Theme::Light => "light",
                    Theme::Dark => "dark",
                } />
                {bar_colors}
                <meta name="icon-sprite" content=icons />
                {assets.css.clone().map(|css| view! { <link rel="stylesheet" href=css /> })}
                <link rel="icon" type="image/svg+xml" href="/favicon.svg" />
                <link rel="apple-touch-icon" href="/icons/apple-touch-icon.png" />
                <link rel="manifest" href="/manifest.webmanifest" />
                {assets.js.clone().map(|js| view! { <link rel="modulepreload" href=js /> })}
                {start.map(|script| view! { <script type="module" nonce=nonce>{[&script, MENUS, BACK].concat()}</script> })}
                <MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
    .into_any()
}

/// A page that only says what went wrong with a form: no scripts, nothing of the fleet.
#[cfg(feature = "ssr")]
pub fn problem_document(assets: &Assets, heading: &str, lines: &[String], back: &str) -> String {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| view! { <p>{line.clone()}</p> })
        .collect();
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
                <title>{format!("{heading} · Operations Center")}</title>
            </head>
            <body>
                <main class="door">
                    <div class="door-card">
                        <h1>{heading.to_owned()}</h1>
                        {lines}
                        <a class="button button-primary" href=back.to_owned()>"Back"</a>
                    </div>
                </main>
            </body>
        </html>
    }
    .to_html()
}

/// Menus that are `details` close with Escape, which leads back to what opened them, and with a press beside them.
#[cfg(feature = "ssr")]
const MENUS: &str = r#"
const shut = kept => document.querySelectorAll(".list-menu[open], .siblings[open], .range-other[open]").forEach(menu => {
  if (menu.contains(kept)) return;
  if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  menu.open = false;
});
addEventListener("click", event => event.target.isConnected && shut(event.target));
addEventListener("keydown", event => { if (event.key === "Escape") shut(null); });
"#;

/// Back leads to where somebody was: as far down, in the list of nodes, too, and with focus on the link that led away. The
/// new page's heading has focus once the page is in place (`page::Context::focus_heading`); that is waited for. Another page
/// of a list begins at its top.
#[cfg(feature = "ssr")]
const BACK: &str = r#"
const places = new Map();
let back;
const list = () => document.querySelector(".nodes-scroll");
const keep = event => {
  back = null;
  const link = event.target.closest?.("main a");
  places.set(location.href, [scrollY, list()?.scrollTop, link?.getAttribute("href")]);
  if (event.type === "click" && link?.closest(".paging, .nodes thead")) list()?.scrollTo(0, 0);
};
addEventListener("click", keep, true);
addEventListener("keydown", keep, true);
addEventListener("popstate", () => { back = places.get(location.href); });
addEventListener("focusin", event => {
  if (!back || !event.target.matches("main h1")) return;
  const [top, inner, href] = back;
  back = null;
  if (href) document.querySelector(`main a[href=${JSON.stringify(href)}]`)?.focus({ preventScroll: true });
  list()?.scrollTo(0, inner);
  scrollTo(0, top);
});
"#;

/// Loads the wasm and hands the page over to it, once the page has been painted: on a slow line half a megabyte would
/// come between a person and what the page says. Hidden pages paint nothing. URLs are ours and are written as JSON strings.
#[cfg(feature = "ssr")]
fn start_script(js: &str, wasm: &str) -> String {
    format!(
        "const start = () => {{ const file = fetch({wasm:?}); \
         import({js:?}).then(({{ default: init, hydrate }}) => init({{ module_or_path: file }}).then(hydrate)); }}; \
         document.hidden ? start() : requestAnimationFrame(() => setTimeout(start));"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_forbids_what_is_not_named() {
        let policy = content_security_policy(Some("abc"));
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'nonce-abc' 'wasm-unsafe-eval'; style-src 'self';"));
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
        assert!(!content_security_policy(None).contains("nonce"));
    }
}
