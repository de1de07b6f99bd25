//! An icon of the sprite (names: `style/icons.txt`). Always beside text, so hidden from assistive technology.

use leptos::prelude::*;

/// URL of the sprite; a context given once by the shell (server) or the app (browser). Empty: no icons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IconSprite(pub String);

impl IconSprite {
    /// The sprite that this document names: the one the shell was given, or the one its head says.
    pub fn of_document() -> Self {
        #[cfg(feature = "hydrate")]
        {
            let named = document()
                .query_selector("meta[name=icon-sprite]")
                .ok()
                .flatten();
            Self(
                named
                    .and_then(|meta| meta.get_attribute("content"))
                    .unwrap_or_default(),
            )
        }
        #[cfg(not(feature = "hydrate"))]
        use_context::<Self>().unwrap_or_else(|| Self(String::new()))
    }
}

/// Draws `name` in the colour of the text.
#[component]
pub fn Icon(
    /// A Lucide name that the sprite has.
    name: &'static str,
) -> impl IntoView {
    let sprite = use_context::<IconSprite>()
        .map(|sprite| sprite.0)
        .unwrap_or_default();
    view! {
        <svg class="icon" aria-hidden="true" focusable="false">
            <use href=format!("{sprite}#{name}")></use>
        </svg>
    }
}
