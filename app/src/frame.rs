//! What stands around every page of those who are signed in: bar, navigation, notices.
//!
//! Navigation shows only what exists. The live indicator is the page's own word about its freshness; the banner below
//! the bar speaks up only when something is wrong with the whole page.

use domain::time::{Timestamp, format_utc};
use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_location;

use crate::account::view::{PageContext, Theme};
use crate::format;
use crate::live::{Live, Phase};
use crate::page::Context;
use crate::ui::{Banner, Icon, Logo, Tone};
use crate::url;

/// Skip link, bar, navigation, notices, and the page.
#[component]
pub fn Frame(
    /// The page.
    children: Children,
) -> impl IntoView {
    let live = expect_context::<Live>();
    listen_for_keys(live);
    view! {
        <a class="skip-link" href="#main" rel="external">"Skip to content"</a>
        <div class="frame">
            <header class="topbar">
                <a class="brand" href="/" aria-label="Operations Center: overview"><Logo /><span class="brand-name">"Operations Center"</span></a>
                <LiveIndicator />
                <UserMenu />
            </header>
            <Navigation />
            <Notices />
            <main id="main" class="page" tabindex="-1" data-stale=move || live.is_stale().then_some("")>{children()}</main>
        </div>
    }
    .into_any()
}

#[component]
fn Navigation() -> impl IntoView {
    view! {
        <nav class="rail" aria-label="Main">
            <ul>
                <li><A href="/" exact=true><Icon name="layout-dashboard" />"Overview"</A></li>
                <li><A href="/nodes"><Icon name="server" />"Nodes"</A></li>
                <li><A href="/settings/appearance"><Icon name="settings" />"Settings"</A></li>
            </ul>
        </nav>
    }
    .into_any()
}

/// `p` pauses; only outside of what takes text, and without modifiers.
fn listen_for_keys(live: Live) {
    Effect::new(move |_| {
        let handle = window_event_listener(leptos::ev::keydown, move |event| {
            let in_text = event_target::<web_sys::Element>(&event)
                .closest("input, textarea, select, [contenteditable]");
            let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
            if event.key() == "p" && !modified && !event.repeat() && matches!(in_text, Ok(None)) {
                live.toggle_pause();
            }
        });
        on_cleanup(move || handle.remove());
    });
}

#[component]
fn LiveIndicator() -> impl IntoView {
    let live = expect_context::<Live>();
    let context = expect_context::<Context>();
    let phase = Memo::new(move |_| live.phase());
    let name = move || match phase.get() {
        Phase::Resting => "resting",
        Phase::Live => "live",
        Phase::Connecting => "connecting",
        Phase::Reconnecting => "reconnecting",
        Phase::Lost { .. } | Phase::SignedOut => "lost",
        Phase::Paused { .. } => "paused",
    };
    let is_paused = move || matches!(phase.get(), Phase::Paused { .. });
    view! {
        <div class="live" data-phase=name>
            <span class="live-dot" aria-hidden="true"></span>
            <span class="live-text" role="status">
                {move || match phase.get() {
                    Phase::Resting => view! { <AsOf context /> }.into_any(),
                    Phase::Live => "Live".into_any(),
                    Phase::Connecting => "Connecting…".into_any(),
                    Phase::Reconnecting => "Reconnecting…".into_any(),
                    Phase::Lost { .. } => "Connection lost".into_any(),
                    Phase::SignedOut => "Signed out".into_any(),
                    Phase::Paused { at_ms } => format!("Paused at {}", format::time_of_day(at_ms)).into_any(),
                }}
            </span>
            <button
                type="button"
                class="live-button needs-script"
                aria-keyshortcuts="p"
                title=move || if is_paused() { "Resume live updates (p)" } else { "Pause live updates (p)" }
                on:click=move |_| live.toggle_pause()
            >
                {move || if is_paused() { view! { <Icon name="play" /> } } else { view! { <Icon name="pause" /> } }}
                <span>{move || if is_paused() { "Resume" } else { "Pause" }}</span>
            </button>
        </div>
    }
    .into_any()
}

/// Before a page comes to life, and for good where scripts are off.
#[component]
fn AsOf(context: Context) -> impl IntoView {
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                context.page.await.ok().map(|page| view! { "As of " {format::time_of_day(page.now_ms)} " · " })
            })}
        </Suspense>
        <a href="" rel="external">"Refresh"</a>
    }
}

#[component]
fn UserMenu() -> impl IntoView {
    let context = expect_context::<Context>();
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                let page = context.page.await.ok()?;
                let user = page.user.clone()?;
                let initial: String = user.name.chars().take(1).flat_map(char::to_uppercase).collect();
                Some(view! {
                    <button type="button" class="user-button" popovertarget="user-menu" aria-label=format!("Menu of {}", user.name)>
                        <span class="user-initial" aria-hidden="true">{initial}</span>
                        <span class="user-name" aria-hidden="true">{user.name.clone()}</span>
                        <Icon name="chevron-down" />
                    </button>
                    <div class="menu" id="user-menu" popover="auto">
                        <p class="menu-who"><bdi>{user.name}</bdi><span>{user.role.as_str()}" on "<bdi>{page.server_name.clone()}</bdi></span></p>
                        <ThemeSwitch theme=Theme::from_name(&page.theme) />
                        <form method="post" action="/logout">
                            <button type="submit" class="menu-item"><Icon name="log-out" />"Sign out"</button>
                        </form>
                    </div>
                })
            })}
        </Suspense>
    }
    .into_any()
}

/// Three buttons in one form; the server sets the cookie and leads back here.
#[component]
pub fn ThemeSwitch(
    /// Chosen now.
    theme: Theme,
) -> impl IntoView {
    let location = use_location();
    let here = move || location.pathname.get() + &location.search.get();
    let buttons = Theme::ALL.map(|choice| {
        let icon = match choice {
            Theme::System => "monitor",
            Theme::Light => "sun",
            Theme::Dark => "moon",
        };
        view! {
            <button type="submit" name="theme" value=choice.as_str() aria-pressed=if choice == theme { "true" } else { "false" }>
                <Icon name=icon />{choice.label()}
            </button>
        }
    });
    view! {
        <form method="post" action="/preferences">
            <input type="hidden" name="next" value=here />
            <div class="theme-switch" role="group" aria-label="Theme">{buttons}</div>
        </form>
    }
    .into_any()
}

#[component]
fn Notices() -> impl IntoView {
    let live = expect_context::<Live>();
    let context = expect_context::<Context>();
    let phase = Memo::new(move |_| live.phase());
    view! {
        <div class="notices">
            <Suspense>
                {move || Suspend::new(async move {
                    context.page.await.ok().map(|page| view! { <PageNotices page /> })
                })}
            </Suspense>
            <div class="notices-line" role="status">
                {move || match phase.get() {
                    Phase::Lost { data_at_ms, age_ms, retry_in_s } => view! { <Lost data_at_ms age_ms retry_in_s /> }.into_any(),
                    Phase::SignedOut => view! { <SignedOut /> }.into_any(),
                    Phase::Resting | Phase::Live | Phase::Connecting | Phase::Reconnecting | Phase::Paused { .. } => ().into_any(),
                }}
            </div>
        </div>
    }
    .into_any()
}

/// What the server says about itself.
#[component]
fn PageNotices(page: PageContext) -> impl IntoView {
    let live = expect_context::<Live>();
    let insecure = page.insecure.then(|| view! {
        <Banner tone=Tone::Warning>
            "This connection is not encrypted: passwords and data can be read on the way. Use TLS, or a proxy that does."
        </Banner>
    });
    let notices: Vec<_> = page
        .notices
        .into_iter()
        .map(|notice| view! { <Banner tone=Tone::Warning>{notice}</Banner> })
        .collect();
    let version = page.version;
    let updated = move || {
        let now = live.server_version().filter(|now| *now != version);
        now.map(|now| view! { <Banner tone=Tone::Info>"The server was updated to " {now} ". " <a href="" rel="external">"Reload"</a></Banner> })
    };
    view! { {insecure} {notices} {updated} }
}

#[component]
fn Lost(data_at_ms: Option<i64>, age_ms: i64, retry_in_s: u32) -> impl IntoView {
    let live = expect_context::<Live>();
    let from = data_at_ms.map_or_else(String::new, |at| {
        format!(" from {}", format_utc(Timestamp(at)))
    });
    let retrying = if retry_in_s == 0 {
        "Trying now".to_owned()
    } else {
        format!("Retrying in {retry_in_s}{}s", format::THIN)
    };
    view! {
        <Banner tone=Tone::Warning>
            <strong>"Connection lost"</strong>" — showing data"{from}" ("{format::age(age_ms, 0)}" ago). "
            <span aria-hidden="true">{retrying}" · "</span>
            <button type="button" class="link-button" on:click=move |_| live.retry_now()>"Retry now"</button>
        </Banner>
    }
}

#[component]
fn SignedOut() -> impl IntoView {
    let location = use_location();
    let here = location.pathname.get_untracked() + &location.search.get_untracked();
    view! {
        <Banner tone=Tone::Warning>
            <strong>"Your session has ended"</strong>" — this page no longer changes. "
            <a href=url::login(&here) rel="external">"Sign in again"</a>
        </Banner>
    }
}
