//! What stands around every page of those who are signed in: bar, navigation, notices.
//!
//! Navigation shows only what exists. The live indicator is the page's own word about its freshness; the banner below
//! the bar speaks up only when something is wrong with the whole page.

use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::{use_location, use_query_map};

use crate::account::view::PageContext;
use crate::fleet::typed_into;
use crate::format;
use crate::installed::{self, NewVersion};
use crate::keys::{self, KeySheet, KeySheetButton, KeySheetState};
use crate::live::{Live, Phase};
use crate::page::Context;
use crate::preferences::{self, Preferences, Theme, Zone};
use crate::search::{Palette, PaletteState, SearchButton};
use crate::ui::{Banner, Copied, CopiedNote, Icon, Logo, Tone};
use crate::url;

/// Skip link, bar, navigation, notices, and the page.
#[component]
pub fn Frame(
    /// The page.
    children: Children,
) -> impl IntoView {
    let live = expect_context::<Live>();
    let (palette, sheet) = (PaletteState::new(), KeySheetState::new());
    provide_context(palette);
    provide_context(sheet);
    keys::listen(palette);
    view! {
        <a class="skip-link" href="#main" rel="external">"Skip to content"</a>
        <div class="frame">
            <header class="topbar">
                <a class="brand" href="/" aria-label="Operations Center: overview"><Logo /><span class="brand-name">"Operations Center"</span></a>
                <LiveIndicator />
                <SearchButton />
                <UserMenu />
            </header>
            <Navigation />
            <Notices />
            <main id="main" class="page" tabindex="-1" data-stale=move || live.is_stale().then_some("")>{children()}</main>
        </div>
        <Palette />
        <KeySheet />
        <CopiedNote />
    }
    .into_any()
}

#[component]
fn Navigation() -> impl IntoView {
    let path = use_location().pathname;
    view! {
        <nav class="rail" aria-label="Main">
            <ul>
                <li><A href="/" exact=true attr:title="Overview (g o)"><Icon name="layout-dashboard" />"Overview"</A></li>
                <li><A href="/topology" attr:title="Topology (g t)"><Icon name="network" />"Topology"</A></li>
                <li><A href="/clusters" attr:title="Clusters (g c)"><Icon name="boxes" />"Clusters"</A></li>
                <li><A href="/nodes" attr:title="Nodes (g n)"><Icon name="server" />"Nodes"</A></li>
                <li><A href="/events" attr:title="Events (g e)"><Icon name="history" />"Events"</A></li>
                <li><a href="/settings/profile" title="Settings (g s)" aria-current=move || path.get().starts_with("/settings/").then_some("page")><Icon name="settings" />"Settings"</a></li>
            </ul>
        </nav>
    }
    .into_any()
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
                    Phase::Paused { at_ms: 0 } => "Paused".into_any(),
                    Phase::Paused { at_ms } => format!("Paused at {}", preferences::time_of_day(at_ms)).into_any(),
                }}
            </span>
            <button
                type="button"
                class="live-button needs-script"
                aria-keyshortcuts="p"
                data-shortcut="p"
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
                context.page.await.ok().map(|page| view! { "As of " {preferences::time_of_day(page.now_ms)} " · " })
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
                        <ZoneSwitch />
                        <a class="menu-item" href="" rel="external" data-shortcut="r" aria-keyshortcuts="r"><Icon name="refresh-cw" />"Refresh"<kbd aria-hidden="true">"r"</kbd></a>
                        <CopyLink />
                        <KeySheetButton />
                        {(user.role == domain::access::Role::Admin).then(|| view! { <a class="menu-item" href="/audit"><Icon name="history" />"Audit log"</a> })}
                        <form method="post" action="/logout" on:submit=|_| installed::forget()>
                            <button type="submit" class="menu-item" data-shortcut="sign-out"><Icon name="log-out" />"Sign out"</button>
                        </form>
                    </div>
                })
            })}
        </Suspense>
    }
    .into_any()
}

/// The address of what is shown: a window that moves with the clock is written as where it stands now, so that whoever opens
/// the link sees the same.
#[component]
fn CopyLink() -> impl IntoView {
    let (path, query) = (use_location().pathname, use_query_map());
    let copied = expect_context::<Copied>();
    let copy = move |_| {
        let mut query = query.get_untracked();
        if let (Some(from), Some(to)) = (typed_into("range-from"), typed_into("range-to")) {
            query.remove("range");
            query.replace("from", from);
            query.replace("to", to);
        }
        let origin = window().location().origin().unwrap_or_default();
        let path = path.get_untracked();
        copied.copy([origin, path, query.to_query_string()].concat());
    };
    view! {
        <button type="button" class="menu-item needs-script" data-shortcut="C" aria-keyshortcuts="Shift+C" on:click=copy>
            <Icon name="copy" />"Copy link"<kbd aria-hidden="true">"Shift C"</kbd>
        </button>
    }
    .into_any()
}

/// Between UTC and this browser's clock; which of them stands beside every time.
#[component]
fn ZoneSwitch() -> impl IntoView {
    let location = use_location();
    let here = move || url::whole(&location.pathname.get(), &location.search.get());
    let zone = Preferences::of_page().zone;
    let value = NodeRef::<leptos::html::Input>::new();
    // Only the browser knows how far its clock is from UTC.
    let fill = move |_| {
        #[cfg(feature = "hydrate")]
        if let Some(input) = value.get_untracked().filter(|_| zone == Zone::default()) {
            let minutes = -js_sys::Date::new_0().get_timezone_offset();
            input.set_value(&Zone(minutes as i32).value());
        }
    };
    let is_utc = zone == Zone::default();
    let words = if is_utc {
        "Times in this browser’s zone".to_owned()
    } else {
        format!("Times in UTC, not {}", zone.name())
    };
    view! {
        <form method="post" action="/preferences" on:submit=fill class:needs-script=is_utc>
            <input type="hidden" name="next" value=here />
            <input type="hidden" name="zone" value="utc" node_ref=value />
            <button type="submit" class="menu-item" data-shortcut="u" aria-keyshortcuts="u"><Icon name="clock" />{words}<kbd aria-hidden="true">"u"</kbd></button>
        </form>
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
    let here = move || url::whole(&location.pathname.get(), &location.search.get());
    let buttons = Theme::ALL.map(|choice| {
        let icon = match choice {
            Theme::System => "monitor",
            Theme::Light => "sun",
            Theme::Dark => "moon",
        };
        view! {
            <button type="submit" name="theme" value=choice.as_str() data-shortcut=format!("theme-{}", choice.as_str()) aria-pressed=if choice == theme { "true" } else { "false" }>
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
    let new_version = expect_context::<NewVersion>();
    let differs = Memo::new(move |_| live.server_version().is_some_and(|now| now != version));
    Effect::new(move |_| {
        if differs.get() {
            new_version.look();
        }
    });
    // The line has come back: perhaps from a newer server.
    Effect::new(move |before: Option<u32>| {
        let count = live.recovered();
        if before.is_some_and(|before| before != count) {
            new_version.look();
        }
        count
    });
    let updated = move || {
        (differs.get() || new_version.is_ready()).then(|| view! {
            <Banner tone=Tone::Info>
                "A new version is ready — "
                <button type="button" class="link-button" on:click=move |_| new_version.reload()>"Reload"</button>
            </Banner>
        })
    };
    view! { {insecure} {notices} <div role="status">{updated}</div> }
}

#[component]
fn Lost(data_at_ms: Option<i64>, age_ms: i64, retry_in_s: u32) -> impl IntoView {
    let live = expect_context::<Live>();
    let from = data_at_ms.map_or_else(String::new, |at| {
        format!(" from {}", preferences::instant(at))
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
    let here = url::whole(
        &location.pathname.get_untracked(),
        &location.search.get_untracked(),
    );
    Effect::new(|_| installed::forget());
    view! {
        <Banner tone=Tone::Warning>
            <strong>"Your session has ended"</strong>" — this page no longer changes. "
            <a href=url::login(&here) rel="external">"Sign in again"</a>
        </Banner>
    }
}
