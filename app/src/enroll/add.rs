//! Adding a node: choose a cluster, run a command, watch for the first report.
//!
//! A plain post to `/nodes/add` answers with this same page and the new token, whose secret is shown that once. The page
//! then asks how the token is doing until the first report; without scripts a link does.

use std::time::Duration;

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

use super::api::{list_tokens, load_add_node, load_token_status};
use super::steps::{HINTS_AFTER_MS, Wait};
use super::view::{AddNode, CreatedToken, EnrolledNode, TokenStatus};
use crate::account::api::load_form_feedback;
use crate::account::view::FormFeedback;
use crate::codec::page_data;
use crate::error::UiError;
use crate::live::Live;
use crate::page::{Context, Loading, Problem};
use crate::ui::{CopyButton, FormMessage, Icon, Instant, PageHeader, Panel, TextField};
use crate::{format, url};

/// Between questions how a token is doing.
const WATCH_EVERY: Duration = Duration::from_secs(2);
const TTLS: [(&str, &str); 4] = [
    ("10m", "10 minutes"),
    ("1h", "1 hour"),
    ("12h", "12 hours"),
    ("7d", "7 days"),
];

/// `/nodes/add`
#[component]
pub fn AddNodePage() -> impl IntoView {
    let context = expect_context::<Context>();
    let offer = page_data(|| (), |()| load_add_node());
    let feedback = page_data(|| (), |()| load_form_feedback());
    let open = page_data(|| (), |()| list_tokens());
    let token_in_url = use_query_map().read_untracked().get("token");
    view! {
        <Transition fallback=Loading>
            {move || {
                let token_in_url = token_in_url.clone();
                Suspend::new(async move {
                    let (offer, feedback) = (offer.await, feedback.await);
                    match offer {
                        Err(error) => view! { <Problem error /> }.into_any(),
                        Ok(offer) => {
                            context.focus_heading();
                            let feedback = feedback.ok().flatten();
                            let open = open.await.unwrap_or_default();
                            view! { <Title text="Add a node" /><Steps offer feedback open token_in_url /> }.into_any()
                        }
                    }
                })
            }}
        </Transition>
    }
    .into_any()
}

#[component]
fn Steps(
    offer: AddNode,
    #[prop(optional_no_strip)] feedback: Option<FormFeedback>,
    open: Vec<TokenStatus>,
    #[prop(optional_no_strip)] token_in_url: Option<String>,
) -> impl IntoView {
    let watched = offer
        .created
        .as_ref()
        .map(|created| created.id.clone())
        .or(token_in_url);
    let has_token = watched.is_some();
    if let Some(created) = &offer.created {
        name_in_address(&created.id);
    }
    let others: Vec<TokenStatus> = open
        .into_iter()
        .filter(|token| Some(&token.id) != watched.as_ref())
        .collect();
    view! {
        <PageHeader title="Add a node" />
        <ol class="steps">
            {match offer.created.clone() {
                Some(created) => view! { <li><Run created /></li> }.into_any(),
                None if has_token => ().into_any(),
                None => view! { <li><Choose clusters=offer.clusters feedback=feedback.unwrap_or_default() /></li> }.into_any(),
            }}
            {watched.map(|id| view! { <li><Watch id /></li> })}
        </ol>
        {has_token.then(|| view! { <p class="add-another"><a class="button" href="/nodes/add" rel="external"><Icon name="plus" />"Add another"</a></p> })}
        {(!others.is_empty()).then(|| view! { <OpenTokens tokens=others /> })}
        <About />
    }
    .into_any()
}

/// The page answers a post: loading it again should ask how the token is doing, not make another one.
fn name_in_address(id: &str) {
    let url = url::with_query("/nodes/add", &[("token", id)]);
    Effect::new(move |_| {
        if let Ok(history) = window().history() {
            let _replaced =
                history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&url));
        }
    });
}

/// Step 1: where the node belongs, and how far the token goes.
#[component]
fn Choose(clusters: Vec<(String, String)>, feedback: FormFeedback) -> impl IntoView {
    let (first_system, first_cluster) = clusters
        .first()
        .cloned()
        .unwrap_or_else(|| ("default".to_owned(), "local".to_owned()));
    let options = |slugs: Vec<String>| {
        slugs
            .into_iter()
            .map(|slug| view! { <option value=slug></option> })
            .collect::<Vec<_>>()
    };
    let mut systems: Vec<String> = clusters.iter().map(|(system, _)| system.clone()).collect();
    let mut slugs: Vec<String> = clusters.into_iter().map(|(_, cluster)| cluster).collect();
    for list in [&mut systems, &mut slugs] {
        list.sort();
        list.dedup();
    }
    let kept_ttl = feedback.kept("ttl").unwrap_or_else(|| "1h".to_owned());
    let ttls = TTLS.map(
        |(value, label)| view! { <option value=value selected=value == kept_ttl>{label}</option> },
    );
    view! {
        <section class="step" aria-labelledby="choose-heading">
            <h2 id="choose-heading">"Choose where it belongs"</h2>
            {(!feedback.message.is_empty()).then(|| view! { <FormMessage text=feedback.message.clone() /> })}
            <form class="step-form" method="post" action="/nodes/add">
                <TextField name="system" label="System" list=Some("systems") pattern=Some("[a-z0-9\\-]{1,63}")
                    value=feedback.kept("system").unwrap_or(first_system) error=feedback.error("system")
                    hint="What one team runs for its users." />
                <TextField name="cluster" label="Cluster" list=Some("clusters") pattern=Some("[a-z0-9\\-]{1,63}")
                    value=feedback.kept("cluster").unwrap_or(first_cluster) error=feedback.error("cluster")
                    hint="Nodes that do the same work. A new name makes a new cluster." />
                <datalist id="systems">{options(systems)}</datalist>
                <datalist id="clusters">{options(slugs)}</datalist>
                <div class="field">
                    <label for="ttl">"Token valid for"</label>
                    <select id="ttl" name="ttl">{ttls}</select>
                    {feedback.error("ttl").map(|error| view! { <p class="field-error">{error}</p> })}
                </div>
                <div class="field">
                    <label for="uses">"For how many nodes"</label>
                    <input id="uses" name="uses" type="number" min="1" max="10000" required=true value=feedback.kept("uses").unwrap_or_else(|| "1".to_owned()) />
                    {feedback.error("uses").map(|error| view! { <p class="field-error">{error}</p> })}
                </div>
                <div class="field field-check">
                    <input id="review" name="review" type="checkbox" value="true" checked=feedback.kept("review").is_some() />
                    <label for="review">"Nodes wait for an administrator’s approval"</label>
                </div>
                <button type="submit" class="button button-primary">"Create token"</button>
            </form>
        </section>
    }
    .into_any()
}

/// Step 2: the command. Masked where it can be copied and uncovered, in full where scripts are off.
#[component]
fn Run(created: CreatedToken) -> impl IntoView {
    let is_shown = RwSignal::new(false);
    let (whole, masked) = (created.command(), created.masked_command());
    let shown = {
        let whole = whole.clone();
        move || {
            if is_shown.get() {
                whole.clone()
            } else {
                masked.clone()
            }
        }
    };
    view! {
        <section class="step" aria-labelledby="run-heading">
            <h2 id="run-heading">"Run this on the machine"</h2>
            <div class="command needs-scripting">
                <pre tabindex="0" aria-label="Command"><code>{shown}</code></pre>
                <div class="command-actions">
                    <CopyButton text=whole.clone() what="command" wide=true />
                    <button type="button" class="button needs-script" aria-pressed=move || is_shown.get().to_string() on:click=move |_| is_shown.update(|shown| *shown = !*shown)>
                        {move || if is_shown.get() { view! { <Icon name="eye-off" /> } } else { view! { <Icon name="eye" /> } }}
                        {move || if is_shown.get() { "Hide token" } else { "Show token" }}
                    </button>
                </div>
            </div>
            <div class="field without-scripting">
                <label for="command">"Command"</label>
                <textarea id="command" readonly=true rows="3" spellcheck="false">{whole}</textarea>
            </div>
            <p class="step-note">
                "The token is shown only now, and works until "<time>{domain::time::format_utc(domain::time::Timestamp(created.expires_at_ms))}</time>". "
                {if created.agent_sha256.is_some() {
                    view! { "It downloads the agent from this server, checks the download, and installs it as a service. " }.into_any()
                } else {
                    view! { "The machine needs the "<code>"oc-agent"</code>" program, which comes with this server’s release. " }.into_any()
                }}
                "To try it without a service, put "<code>"enroll"</code>" in place of "<code>"install"</code>", then run "<code>"oc-agent run"</code>"."
            </p>
        </section>
    }
    .into_any()
}

/// Step 3: the wait.
#[component]
fn Watch(id: String) -> impl IntoView {
    let live = expect_context::<Live>();
    let asked = id.clone();
    let first = page_data(move || asked.clone(), load_token_status);
    let refresh = url::with_query("/nodes/add", &[("token", &id)]);
    view! {
        <section class="step" aria-labelledby="watch-heading">
            <h2 id="watch-heading">"Wait for the first report"</h2>
            <Transition>
                {move || {
                    let id = id.clone();
                    Suspend::new(async move {
                        match first.await {
                            Err(error) => view! { <p class="note">{error.to_string()}</p> }.into_any(),
                            Ok(status) => {
                                let shown = ArcRwSignal::new(status);
                                ask_again(id.clone(), shown.clone());
                                let for_revoking = shown.clone();
                                let clock = shown.clone();
                                Effect::new(move |_| live.set_clock(clock.with_untracked(|status| status.now_ms), crate::live::steady_now_ms()));
                                view! {
                                    <div class="wait" role="status">{move || shown.with(|status| progress(status, live.now_or(status.now_ms)))}</div>
                                    {move || for_revoking.with(TokenStatus::still_works).then(|| revoke_form(&id))}
                                }.into_any()
                            }
                        }
                    })
                }}
            </Transition>
            <p class="without-scripting"><a href=refresh rel="external">"Refresh"</a></p>
        </section>
    }
    .into_any()
}

fn revoke_form(id: &str) -> AnyView {
    let id = id.to_owned();
    view! {
        <form method="post" action="/nodes/add/revoke">
            <input type="hidden" name="id" value=id />
            <button type="submit" class="link-button">"Revoke this token"</button>
        </form>
    }
    .into_any()
}

/// Asks every two seconds until a node has reported; a question that fails is asked again.
fn ask_again(id: String, shown: ArcRwSignal<TokenStatus>) {
    Effect::new(move |_| {
        let (id, shown) = (id.clone(), shown.clone());
        let timer = set_interval_with_handle(
            move || {
                let is_done = shown.with_untracked(|status| {
                    status.nodes.iter().any(|node| node.reported) || status.revoked
                });
                if is_done {
                    return;
                }
                let (id, shown) = (id.clone(), shown.clone());
                leptos::task::spawn_local(async move {
                    let answer: Result<TokenStatus, UiError> = load_token_status(id).await;
                    if let Ok(next) = answer {
                        shown.set(next);
                    }
                });
            },
            WATCH_EVERY,
        );
        on_cleanup(move || {
            if let Ok(timer) = timer {
                timer.clear();
            }
        });
    });
}

fn progress(status: &TokenStatus, now_ms: i64) -> AnyView {
    match status.wait(now_ms) {
        Wait::Reported(nodes) => {
            let nodes: Vec<_> = nodes.iter().map(success).collect();
            view! { <ul class="wait-nodes">{nodes}</ul> }.into_any()
        }
        Wait::Enrolled { node, for_ms } => view! {
            <p class="wait-line"><span class="wait-dot" aria-hidden="true"></span><bdi>{node.name}</bdi>" enrolled"{status.review.then_some(" and awaits approval")}"; waiting for its first report"<Timer for_ms /></p>
            {hints(for_ms)}
        }
        .into_any(),
        Wait::Waiting { for_ms } => view! {
            <p class="wait-line"><span class="wait-dot" aria-hidden="true"></span>"Waiting for a node to use the token"<Timer for_ms /></p>
            {hints(for_ms)}
        }
        .into_any(),
        Wait::Over(why) => view! { <p class="wait-line">{why}" "<a href="/nodes/add" rel="external">"Create another"</a></p> }.into_any(),
    }
}

/// Ticking seconds are not read out.
#[component]
fn Timer(for_ms: i64) -> impl IntoView {
    view! { <span class="wait-timer" aria-hidden="true">{format::age(for_ms, 0)}</span> }
}

fn success(node: &EnrolledNode) -> AnyView {
    view! {
        <li class="wait-done">
            <Icon name="circle-check" />
            <span><strong><bdi>{node.name.clone()}</bdi></strong>" reported "<bdi>{node.about()}</bdi></span>
            <a class="button" href=url::node(&node.id)>"Open node"</a>
        </li>
    }
    .into_any()
}

fn hints(for_ms: i64) -> AnyView {
    if for_ms < HINTS_AFTER_MS {
        return ().into_any();
    }
    view! {
        <div class="hints">
            <p>"Nothing yet? On the machine, look at:"</p>
            <ul>
                <li>"the way out: can it reach this server’s address and port through firewall and proxy?"</li>
                <li>"its clock: hours off, and secure connections fail"</li>
                <li><code>"oc-agent doctor"</code>", which checks all of this and says what is wrong"</li>
            </ul>
        </div>
    }
    .into_any()
}

/// Tokens that still work.
#[component]
fn OpenTokens(tokens: Vec<TokenStatus>) -> impl IntoView {
    let rows: Vec<_> = tokens
        .into_iter()
        .map(|token| {
            let used = format!("{} of {} used", format::count(u64::from(token.used)), format::count(u64::from(token.uses)));
            let left = format::remaining(token.now_ms, token.expires_at_ms).map(|left| format!("{left} left"));
            view! {
                <li class="token">
                    <span class="token-place">{token.system}" / "{token.cluster}</span>
                    <span class="token-use">{used}{token.review.then_some(", with approval")}</span>
                    <span class="token-made">"by "<bdi>{token.created_by}</bdi>", "<Instant at_ms=token.created_at_ms now_ms=token.now_ms /></span>
                    <span class="token-left">{left}</span>
                    <form method="post" action="/nodes/add/revoke">
                        <input type="hidden" name="id" value=token.id.clone() />
                        <button type="submit" class="button" aria-label=format!("Revoke token {}", token.id)>"Revoke"</button>
                    </form>
                </li>
            }
        })
        .collect();
    view! { <Panel title="Tokens that still work" id="tokens"><ul class="tokens">{rows}</ul></Panel> }
}

/// What one lets onto the machine.
#[component]
fn About() -> impl IntoView {
    view! {
        <details class="about-agent">
            <summary>"What the agent does"</summary>
            <ul>
                <li>"It reads processors, memory, load, pressure, filesystems, disks, network, uptime and the number of processes, and sends them here."</li>
                <li>"It observes only: it changes nothing and runs nothing on the machine."</li>
                <li>"It listens on no port; it calls this server and proves who it is with a key of its own."</li>
                <li>"To remove it, stop it and delete its state folder; then revoke it here with "<code>"operations-center agent revoke"</code>"."</li>
            </ul>
        </details>
    }
}
