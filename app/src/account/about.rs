//! What this server is.

use leptos::prelude::*;
use leptos_meta::Title;

use super::api::load_about;
use super::profile::SettingsTabs;
use super::view::AboutView;
use crate::codec::page_data;
use crate::format;
use crate::page::{Context, Loading, Problem};
use crate::ui::{CopyButton, Instant, PageHeader, Panel};

/// `/settings/about`
#[component]
pub fn AboutPage() -> impl IntoView {
    let about = page_data(|| (), |()| load_about());
    expect_context::<Context>().focus_heading();
    view! {
        <Title text="About" />
        <PageHeader title="Settings" />
        <SettingsTabs here="/settings/about" />
        <Transition fallback=Loading>
            {move || Suspend::new(async move {
                match about.await {
                    Err(error) => view! { <Problem error /> }.into_any(),
                    Ok(about) => facts(about),
                }
            })}
        </Transition>
    }
    .into_any()
}

fn facts(about: AboutView) -> AnyView {
    let reporting = format!(
        "{}, {} OK",
        format::count(about.nodes),
        format::count(about.nodes_ok)
    );
    let (oldest, current) = about.protocol;
    let protocol = if oldest == current {
        current.to_string()
    } else {
        format!("{oldest} to {current}")
    };
    let short: String = about.server_key_fingerprint.chars().take(16).collect();
    let commit = about.commit_us_mean.map_or_else(
        || format::UNKNOWN.to_owned(),
        |us| format!("{} on average", format::duration_us(us)),
    );
    let lost = (about.reports_not_stored > 0)
        .then(|| format!(", {} not stored", format::count(about.reports_not_stored)));
    view! {
        <div class="settings">
            <Panel title="This server" id="about">
                <dl class="facts">
                    <div><dt>"Reached as"</dt><dd><bdi>{about.server_name}</bdi></dd></div>
                    <div><dt>"Version"</dt><dd>{about.version}</dd></div>
                    <div><dt>"Agents’ protocol"</dt><dd>{protocol}</dd></div>
                    <div><dt>"Server key"</dt><dd><code title=about.server_key_fingerprint.clone()>{short}"…"</code><CopyButton text=about.server_key_fingerprint what="fingerprint of the server key" /></dd></div>
                    <div><dt>"Hosts"</dt><dd>{reporting}</dd></div>
                    <div><dt>"For programs"</dt><dd><a href="/api/v1/openapi.json" rel="external">"OpenAPI document"</a></dd></div>
                </dl>
            </Panel>
            <Panel title="Health" id="health">
                <dl class="facts">
                    <div><dt>"Running since"</dt><dd><Instant at_ms=about.started_at_ms now_ms=about.now_ms /></dd></div>
                    <div><dt>"Agents connected"</dt><dd>{format::count(about.agent_sessions)}</dd></div>
                    <div><dt>"Pages following"</dt><dd>{format::count(about.live_viewers)}</dd></div>
                    <div><dt>"Reports stored"</dt><dd>{format::count(about.reports_stored)}{lost}</dd></div>
                    <div><dt>"Time to commit"</dt><dd>{commit}</dd></div>
                    <div><dt>"Turned away"</dt><dd>{format::plural(about.turned_away, "request", "requests")}</dd></div>
                    <div><dt>"Databases"</dt><dd>{format::bytes(about.database_bytes as f64)}", "{format::bytes(about.disk_free_bytes as f64)}" free"</dd></div>
                    <div><dt>"Memory"</dt><dd>{format::bytes(about.resident_bytes as f64)}</dd></div>
                </dl>
            </Panel>
        </div>
    }
    .into_any()
}
