//! How one likes one's pages: theme, clock, units, room, keys. Plain forms; the answers are cookies of this browser.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::frame::ThemeSwitch;
use crate::page::Context;
use crate::preferences::{Density, Preferences, Zone};
use crate::ui::{PageHeader, Panel};

/// Offsets in use, in minutes.
const OFFSETS_MIN: [i32; 37] = [
    -720, -660, -600, -570, -540, -480, -420, -360, -300, -240, -210, -180, -120, -60, 60, 120,
    180, 210, 240, 270, 300, 330, 345, 360, 390, 420, 480, 525, 540, 570, 600, 630, 660, 720, 765,
    780, 840,
];

/// The tabs of the settings; `here` is the path of the one that is open.
#[component]
pub fn SettingsTabs(
    /// Path of the open one.
    here: &'static str,
) -> impl IntoView {
    let tabs = [
        ("/settings/profile", "Profile"),
        ("/settings/about", "About"),
    ]
    .map(|(path, label)| {
        let current = (path == here).then_some("page");
        view! { <li><a href=path aria-current=current>{label}</a></li> }
    });
    view! { <nav class="tabs" aria-label="Settings"><ul>{tabs}</ul></nav> }
}

/// `/settings/profile`
#[component]
pub fn ProfilePage() -> impl IntoView {
    let context = expect_context::<Context>();
    context.focus_heading();
    let now = Preferences::of_page();
    view! {
        <Title text="Profile" />
        <PageHeader title="Settings" />
        <SettingsTabs here="/settings/profile" />
        <div class="settings">
            <Panel title="Theme" id="theme">
                <p class="panel-text">"All of this is kept in this browser. “System” follows your operating system between light and dark."</p>
                <ThemeSwitch theme=now.theme />
            </Panel>
            <Panel title="How pages are written" id="writing">
                {writing(now)}
            </Panel>
        </div>
    }
    .into_any()
}

fn writing(now: Preferences) -> AnyView {
    let zones = std::iter::once(0)
        .chain(OFFSETS_MIN)
        // One that a browser has told and that stands in no list.
        .chain((now.zone.0 != 0 && !OFFSETS_MIN.contains(&now.zone.0)).then_some(now.zone.0))
        .map(|minutes| {
            let zone = Zone(minutes);
            let is_chosen = zone == now.zone;
            view! { <option value=zone.value() selected=is_chosen>{zone.name()}</option> }
        })
        .collect_view();
    let choice = |name: &'static str,
                  legend: &'static str,
                  options: [(&'static str, &'static str, bool); 2]| {
        let options = options.map(|(value, words, is_on)| {
            view! { <label class="choice"><input type="radio" name=name value=value checked=is_on />{words}</label> }
        });
        view! { <fieldset class="choices"><legend>{legend}</legend>{options}</fieldset> }
    };
    let comfortable = now.density == Density::Comfortable;
    view! {
        <form class="settings-form" method="post" action="/preferences">
            <input type="hidden" name="next" value="/settings/profile" />
            <div class="field">
                <label for="zone">"Times in"</label>
                <select id="zone" name="zone" aria-describedby="zone-hint">{zones}</select>
                <p class="field-hint" id="zone-hint">"A fixed distance to UTC, named after every time. The key u changes between UTC and this browser’s clock."</p>
            </div>
            {choice("network", "Networks in", [("bits", "bit/s", !now.network_bytes), ("bytes", "B/s", now.network_bytes)])}
            {choice("density", "Rows", [("compact", "Compact", !comfortable), ("comfortable", "Comfortable", comfortable)])}
            {choice("keys", "Single keys, such as p to pause", [("on", "On", now.keys), ("off", "Off", !now.keys)])}
            <div><button class="button button-primary" type="submit">"Save"</button></div>
        </form>
    }
    .into_any()
}
