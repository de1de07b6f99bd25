//! What every page is made of: its context, its data kept current, its problems.
//!
//! Pages load through a blocking resource, so that server and browser render the same first view. What comes over the
//! live line then replaces the data; views are patched in place, so nothing that has focus is lost.

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_location, use_params_map};

use crate::account::view::PageContext;
use crate::codec::{Held, JsonText, PageData, Part};
use crate::error::UiError;
use crate::fleet::view::{LiveTopic, LiveUpdate};
use crate::live::{Live, steady_now_ms};
use crate::search::PaletteState;
use crate::ui::{Icon, PageHeader};
use crate::url;

/// How long the router may take to put a page in place whose data is there.
const FOCUS_AFTER: Duration = Duration::from_millis(60);

/// A page's data, from the server.
pub type Loaded<T> = PageData<Result<T, UiError>>;

/// The slug in the path.
pub fn slug_of_path() -> Memo<String> {
    let params = use_params_map();
    Memo::new(move |_| params.read().get("slug").unwrap_or_default())
}

/// Who looks at what kind of server; given once by the app.
#[derive(Clone, Copy)]
pub struct Context {
    /// Loaded with the first page.
    pub page: Loaded<PageContext>,
    /// Path whose heading has had focus, so that only another page takes it.
    focused_path: StoredValue<Option<String>>,
}

impl Context {
    /// Around the resource that loads it.
    pub fn new(page: Loaded<PageContext>) -> Self {
        Self {
            page,
            focused_path: StoredValue::new(None),
        }
    }

    /// Moves focus to the heading when the page has changed, so that it is read out; not on the first page.
    pub fn focus_heading(self) {
        let path = use_location().pathname;
        Effect::new(move |_| {
            let path = path.get_untracked();
            let before = self.focused_path.get_value();
            if before.as_ref() == Some(&path) {
                return;
            }
            self.focused_path.set_value(Some(path.clone()));
            let palette = use_context::<PaletteState>();
            let is_first = before.is_none();
            // The router puts the new page in place after this; until then the old heading would be found.
            set_timeout(
                move || {
                    let heading = document().query_selector("main h1").ok().flatten();
                    let Some(heading) = heading else { return };
                    if let Some(palette) = palette {
                        palette.saw(&path, heading.text_content().unwrap_or_default());
                    }
                    if !is_first {
                        focus(heading);
                    }
                },
                FOCUS_AFTER,
            );
        });
    }
}

/// Gives focus to it, unless somebody types already: keys are quicker than pages.
fn focus(element: web_sys::Element) {
    use wasm_bindgen::JsCast;
    let active = document().active_element();
    if active.is_some_and(|active| {
        active
            .matches("input, select, textarea, dialog *")
            .unwrap_or(false)
    }) {
        return;
    }
    if let Ok(element) = element.dyn_into::<web_sys::HtmlElement>() {
        // Said here and not by the heading itself: see `ui::tab_stop`.
        let _set = element.set_attribute("tabindex", "-1");
        let _focused = element.focus();
    }
}

/// What a page that follows something is made of.
pub struct Followed<T: Send + Sync + 'static> {
    /// Loads it.
    pub data: Loaded<T>,
    /// Its own update, out of what the line brings; `None` for those of others.
    pub pick: fn(&LiveUpdate, &T) -> Option<T>,
    /// The server's clock when the data was made.
    pub now_ms: fn(&T) -> i64,
}

/// Renders `data` and keeps it current; `view` gets the data and the server's clock, once a second.
pub fn followed<T: Held>(
    source: Followed<T>,
    title: fn(&T) -> String,
    view: fn(&T, i64) -> AnyView,
) -> AnyView {
    show(source, Some(title), view, true)
}

/// As [`followed`], for pages that say no ages: rendered again only when their data changes.
pub fn followed_still<T: Held>(
    source: Followed<T>,
    title: fn(&T) -> String,
    view: fn(&T) -> AnyView,
) -> AnyView {
    show(source, Some(title), move |data, _| view(data), false)
}

/// A further part of a page whose data [`followed`] shows already: no title, no problem of its own.
pub fn followed_part<T: Held>(source: Followed<T>, view: fn(&T, i64) -> AnyView) -> AnyView {
    show(source, None, view, true)
}

/// What is done with data whose type only the page knows.
trait Look: Send + Sync {
    fn problem(&self, part: &Part) -> Option<UiError>;
    /// Has the whole page this title? `None` for a part of a page.
    fn title(&self, part: &Part) -> Option<String>;
    fn view(&self, part: &Part, now_ms: i64) -> AnyView;
    fn pick(&self, update: &LiveUpdate, shown: &Part) -> Option<Part>;
    fn now_ms(&self, part: &Part) -> i64;
}

struct LookAt<T, V> {
    title: Option<fn(&T) -> String>,
    view: V,
    pick: fn(&LiveUpdate, &T) -> Option<T>,
    now_ms: fn(&T) -> i64,
}

fn data_of<T: Held>(part: &Part) -> Option<&T> {
    part.get::<Result<T, UiError>>()?.as_ref().ok()
}

impl<T: Held, V: Fn(&T, i64) -> AnyView + Send + Sync> Look for LookAt<T, V> {
    fn problem(&self, part: &Part) -> Option<UiError> {
        part.get::<Result<T, UiError>>()?.as_ref().err().cloned()
    }

    fn title(&self, part: &Part) -> Option<String> {
        Some(self.title?(data_of(part)?))
    }

    fn view(&self, part: &Part, now_ms: i64) -> AnyView {
        match data_of(part) {
            Some(data) => (self.view)(data, now_ms),
            None => ().into_any(),
        }
    }

    fn pick(&self, update: &LiveUpdate, shown: &Part) -> Option<Part> {
        let next = (self.pick)(update, data_of(shown)?)?;
        Some(Part::of(Ok::<T, UiError>(next)))
    }

    fn now_ms(&self, part: &Part) -> i64 {
        data_of(part).map_or(0, self.now_ms)
    }
}

fn show<T: Held>(
    source: Followed<T>,
    title: Option<fn(&T) -> String>,
    view: impl Fn(&T, i64) -> AnyView + Send + Sync + 'static,
    is_ageing: bool,
) -> AnyView {
    let is_page = title.is_some();
    let look = LookAt {
        title,
        view,
        pick: source.pick,
        now_ms: source.now_ms,
    };
    show_part(source.data.part, Arc::new(look), is_page, is_ageing)
}

/// Of these there is one for all pages.
fn show_part(
    data: Resource<Part, JsonText>,
    look: Arc<dyn Look>,
    is_page: bool,
    is_ageing: bool,
) -> AnyView {
    let live = expect_context::<Live>();
    let context = expect_context::<Context>();
    view! {
        <Transition fallback=move || is_page.then(|| view! { <Loading /> })>
            {move || {
                let look = look.clone();
                Suspend::new(async move {
                    let first = data.await;
                    if let Some(error) = look.problem(&first) {
                        return is_page.then(|| view! { <Problem error /> }.into_any());
                    }
                    let title = look.title(&first).map(|text| {
                        context.focus_heading();
                        view! { <Title text /> }
                    });
                    // Counted references: the old view may still render while the next data loads.
                    let shown = ArcRwSignal::new(first);
                    keep_current(live, shown.clone(), look.clone());
                    let content = move || shown.with(|part| {
                        let made_at = look.now_ms(part);
                        look.view(part, if is_ageing { live.now_or(made_at) } else { made_at })
                    });
                    Some((title, content).into_any())
                })
            }}
        </Transition>
    }
    .into_any()
}

fn keep_current(live: Live, shown: ArcRwSignal<Part>, look: Arc<dyn Look>) {
    let (seed, clock) = (shown.clone(), look.clone());
    Effect::new(move |_| {
        live.set_clock(
            seed.with_untracked(|part| clock.now_ms(part)),
            steady_now_ms(),
        );
    });
    Effect::new(move |_| {
        let next = live
            .latest()
            .and_then(|update| shown.with_untracked(|now| look.pick(&update, now)));
        if let Some(next) = next {
            shown.set(next);
        }
    });
}

/// The page follows `topic` while it is open; what is over is not followed (`None`).
pub fn follow<T: Into<Option<LiveTopic>>>(topic: impl Fn() -> T + Send + Sync + 'static) {
    let live = expect_context::<Live>();
    let mine: StoredValue<Option<LiveTopic>> = StoredValue::new(None);
    Effect::new(move |_| {
        let topic: Option<LiveTopic> = topic().into();
        match (&topic, mine.get_value()) {
            (Some(topic), _) => live.follow(topic.clone()),
            (None, Some(before)) => live.leave(&before),
            (None, None) => {}
        }
        mine.set_value(topic);
    });
    Owner::on_cleanup(move || {
        if let Some(topic) = mine.try_get_value().flatten() {
            live.leave(&topic);
        }
    });
}

/// Shown while a first load takes its time (in the browser only).
#[component]
pub fn Loading() -> impl IntoView {
    view! { <p class="loading" role="status">"Loading…"</p> }
}

/// A page that cannot be shown: what happened, and the way on.
#[component]
pub fn Problem(
    /// What happened.
    error: UiError,
) -> impl IntoView {
    expect_context::<Context>().focus_heading();
    let location = use_location();
    let here = url::whole(
        &location.pathname.get_untracked(),
        &location.search.get_untracked(),
    );
    let heading = match &error {
        UiError::SignedOut => "You are signed out",
        UiError::Forbidden(_) => "Not allowed",
        UiError::NotFound(_) => "Not found",
        UiError::Invalid(_) => "That cannot be shown",
        UiError::Conflict(_) => "Changed meanwhile",
        UiError::Unavailable(_) => "The server cannot answer now",
        UiError::Offline(_) => "No connection to the server",
    };
    let way_on = match &error {
        UiError::SignedOut => view! { <a class="button button-primary" href=url::login(&here) rel="external">"Sign in"</a> }.into_any(),
        UiError::NotFound(_) => view! { <FindNode /> }.into_any(),
        UiError::Forbidden(_) => view! { <a class="button" href="/">"Go to the overview"</a> }.into_any(),
        UiError::Invalid(_) | UiError::Conflict(_) | UiError::Unavailable(_) | UiError::Offline(_) => {
            view! { <a class="button" href=here rel="external"><Icon name="refresh-cw" />"Try again"</a> }.into_any()
        }
    };
    view! {
        <Title text=heading />
        <PageHeader title=heading />
        <div class="problem">
            <p>{sentence(&error.to_string())}</p>
            {way_on}
        </div>
    }
    .into_any()
}

/// Errors are written to be quoted; on a page they are sentences.
fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let mut sentence: String = first.to_uppercase().chain(characters).collect();
    if !sentence.ends_with(['.', '!', '?', '…']) {
        sentence.push('.');
    }
    sentence
}

/// The search that a missing page offers, filled from its path.
#[component]
fn FindNode() -> impl IntoView {
    let path = use_location().pathname.get_untracked();
    let wanted = path.rsplit('/').next().unwrap_or_default().to_owned();
    view! {
        <form class="find-node" method="get" action="/nodes" role="search">
            <label for="find-node">"Find a node"</label>
            <input id="find-node" type="search" name="q" value=wanted autocomplete="off" spellcheck="false" />
            <button class="button" type="submit"><Icon name="search" />"Search"</button>
        </form>
    }
}

/// No route has this path.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    #[cfg(feature = "ssr")]
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(http::StatusCode::NOT_FOUND);
    }
    view! { <Problem error=UiError::NotFound("there is no page at this address".to_owned()) /> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_sentences() {
        assert_eq!(sentence("no node `n1`"), "No node `n1`.");
        assert_eq!(sentence("Gone!"), "Gone!");
        assert_eq!(sentence(""), "");
    }
}
