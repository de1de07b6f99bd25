//! A node's page: what it is, how it does now, its charts, what it has, what happened to it.

use domain::fleet::{Facts, Liveness, Status};
use domain::metric::Metric;
use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use super::api;
use super::charts::charts;
use super::crosshair::{ChartsOf, Crosshair};
use super::labels::{self, labels_form};
use super::parts::{changes, node_badge};
use super::peers::peers;
use super::place::place_form;
use super::range::range_picker;
use super::resources::{collectors, filesystems, interfaces};
use super::sections::{FailedServices, NodeLists};
use super::server;
use super::view::{ChartSet, LiveTopic, LiveUpdate, NodeDetail, RangeQuery};
use super::words::{is_current, skew_words};
use super::zoom::zoom_links;
use crate::account::api::load_form_feedback;
use crate::codec::{PageData, page_data};
use crate::error::UiError;
use crate::events::view::EventsQuery;
use crate::live::Live;
use crate::page::{Followed, Loaded, follow, followed, followed_part};
use crate::preferences::network_rate;
use crate::ui::{Age, CopyButton, FormMessage, Icon, Instant, Meter, Panel, StatusMark};
use crate::{format, url};

/// Between refreshes of charts whose window moves.
#[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
const CHARTS_EVERY_MS: i64 = 10_000;

/// `/nodes/{id}`
#[component]
pub fn NodePage() -> impl IntoView {
    let params = use_params_map();
    let query = use_query_map();
    let id = Memo::new(move |_| params.read().get("id").unwrap_or_default());
    let range = Memo::new(move |_| RangeQuery::from_params(|key| query.read().get(key)));
    let node = page_data(move || id.get(), api::load_node);
    let asked = page_data(
        move || (id.get(), range.get()),
        |(id, range)| async move {
            let answer = api::load_charts(id.clone(), range.clone()).await;
            (url::node(&id), range, answer)
        },
    );
    let sections = page_data(move || id.get(), api::load_sections);
    let feedback = page_data(|| (), |()| load_form_feedback());
    follow(move || LiveTopic::Node { id: id.get() });
    let pick = |update: &LiveUpdate, now: &NodeDetail| match update {
        LiveUpdate::Node(next) if next.row.id == now.row.id => Some((**next).clone()),
        _ => None,
    };
    let live = expect_context::<Live>();
    Effect::new(move |_| {
        // With its first report a node has charts.
        let reports = matches!(live.latest(), Some(LiveUpdate::Node(next)) if next.row.last_report_at_ms.is_some());
        let had_none = node.with_untracked(
            |node| matches!(node, Some(Ok(node)) if node.row.last_report_at_ms.is_none()),
        );
        if reports && had_none {
            node.refetch();
            asked.refetch();
            sections.refetch();
        }
    });
    let source = || Followed {
        data: node,
        pick,
        now_ms: |node| node.now_ms,
    };
    view! {
        // The forms are far down on the page: what was refused is said where it begins.
        <Suspense>
            {move || Suspend::new(async move {
                feedback.await.ok().flatten().map(|refused| view! { <FormMessage text=refused.message fields=refused.fields /> })
            })}
        </Suspense>
        {followed(source(), |node| node.row.name.clone(), head)}
        <FailedServices node sections />
        {followed_part(source(), about)}
        <NodeCharts node asked range id />
        {followed_part(source(), tail)}
        <NodeLists node sections />
        <Transition>
            {move || Suspend::new(async move {
                let feedback = feedback.await.ok().flatten();
                node.await.ok().map(|node| view! { <div class="node-forms">{labels_form(&node, feedback.clone())}{place_form(&node, feedback)}</div> })
            })}
        </Transition>
        <div class="node-happened">{followed_part(source(), happened)}</div>
    }
    .into_any()
}

fn head(node: &NodeDetail, now_ms: i64) -> AnyView {
    let row = &node.row;
    let cluster = url::cluster(&row.cluster);
    let host = node.server.is_some().then(
        || view! { <li><a href=url::node(&node.host_node_id)><bdi>{row.host_name.clone()}</bdi></a></li> },
    );
    let reason = row
        .reason
        .clone()
        .map(|reason| view! { <span class="node-reason"><bdi>{reason}</bdi></span> });
    let report = match row.last_report_at_ms {
        Some(at_ms) => view! { "Last report "<Age at_ms now_ms />" ago" }.into_any(),
        None => "Never reported".into_any(),
    };
    let late = (row.liveness == Liveness::Late).then(|| view! { <Icon name="clock" /> });
    view! {
        <nav class="breadcrumb" aria-label="Breadcrumb">
            <ol>
                <li><a href="/nodes">"Nodes"</a></li>
                <li><bdi>{row.system.clone()}</bdi></li>
                <li><a href=cluster><bdi>{row.cluster.clone()}</bdi></a></li>
                {host}
                <li aria-current="page"><bdi>{row.name.clone()}</bdi></li>
            </ol>
        </nav>
        <header class="page-header node-header">
            <h1><bdi>{row.name.clone()}</bdi></h1>
            <CopyButton text=row.hostname.clone() what="host name" shortcut="c" />
            {node_badge(row)}
            {reason}
            <span class="node-report">{late}{report}</span>
        </header>
    }
    .into_any()
}

/// What there is to know before the numbers, what it is, and how it does.
fn about(node: &NodeDetail, now_ms: i64) -> AnyView {
    let tags = labels::tags(&node.row.tags);
    if let Some(facts) = &node.server {
        return view! {
            {tags}
            {server::admission(node)}
            {server::identity(node, facts, now_ms)}
            {server::values(node, facts)}
        }
        .into_any();
    }
    view! {
        {tags}
        {notes(node)}
        {node.may_approve.then(|| approval(node))}
        {node.facts.as_ref().map(|facts| identity(node, facts, now_ms))}
        {if node.row.last_report_at_ms.is_some() { values(node) } else { waiting(node, now_ms) }}
        {server::on_host(node)}
    }
    .into_any()
}

/// What is odd about the machine itself: its clock, a reboot that waits.
fn notes(node: &NodeDetail) -> AnyView {
    let reboot = node
        .facts
        .as_ref()
        .and_then(|facts| facts.reboot_required.as_ref())
        .map(|why| format!("Reboot required: {}.", why.trim_end_matches('.')))
        .map(|words| (Status::Warning, words));
    let clock = skew_words(node.clock_skew_ms).map(|words| (Status::Warning, words));
    let notes: Vec<_> = [reboot, clock]
        .into_iter()
        .flatten()
        .map(|(status, words)| {
            view! { <p class="node-note" data-status=status.as_str()><StatusMark status /><bdi>{words}</bdi></p> }
        })
        .collect();
    notes.into_any()
}

/// The one decision that a node may wait for; a plain form.
fn approval(node: &NodeDetail) -> AnyView {
    let action = format!("/nodes/{}/approve", node.row.id);
    view! {
        <form class="approval" method="post" action=action>
            <p>"This node came with a token that asks for review. Until you approve it, it does not count in its cluster."</p>
            <button class="button button-primary" type="submit">"Approve"</button>
        </form>
    }
    .into_any()
}

/// A node that never reported has nothing to show but the wait.
fn waiting(node: &NodeDetail, now_ms: i64) -> AnyView {
    let enrolled_at_ms = node.enrolled_at_ms;
    let hint = match node.row.liveness {
        Liveness::PendingReview => view! { <p>"An administrator decides whether it counts in its cluster."</p> }.into_any(),
        _ => view! { <p>"If it should have reported by now, run "<code>"oc-agent doctor"</code>" on it: it says what is in the way."</p> }.into_any(),
    };
    view! { <div class="waiting"><p>"Enrolled "<Instant at_ms=enrolled_at_ms now_ms />"; it has not reported yet."</p>{hint}</div> }
        .into_any()
}

/// One line: what this machine is. What it does not tell is left out.
fn identity(node: &NodeDetail, facts: &Facts, now_ms: i64) -> AnyView {
    let cores = facts
        .cpu_count
        .map(|cores| format::plural(u64::from(cores), "core", "cores"));
    let memory = facts
        .memory_bytes
        .map(|bytes| format!("{} memory", format::bytes(bytes as f64)));
    let up = node
        .row
        .now
        .uptime_s
        .map(|seconds| format!("up {}", format::duration_ms((seconds * 1000.0) as i64)));
    let virtualization = facts.virtualization.clone().filter(|kind| kind != "none");
    let agent = (!facts.agent_version.is_empty()).then(|| format!("agent {}", facts.agent_version));
    let policy = (!facts.policy.is_empty()).then(|| facts.policy.clone());
    let hostname = (facts.hostname != node.row.name).then(|| facts.hostname.clone());
    let parts: Vec<_> = [
        hostname,
        facts.os.clone(),
        facts.kernel.clone(),
        facts.architecture.clone(),
        virtualization,
        cores,
        facts.cpu_model.clone(),
        memory,
        up,
        agent,
        policy,
    ]
    .into_iter()
    .flatten()
    .map(|part| view! { <li><bdi>{part}</bdi></li> })
    .collect();
    let boot = facts.boot_id.clone().map(|boot| {
        let short: String = boot.chars().take(8).collect();
        view! { <li>"boot "<code title=boot.clone()>{short}</code><CopyButton text=boot what="boot id" /></li> }
    });
    view! { <ul class="identity" aria-label="About this node">{parts}<li>"enrolled "<Instant at_ms=node.enrolled_at_ms now_ms /></li>{boot}</ul> }.into_any()
}

/// Use and saturation of each resource, now.
fn values(node: &NodeDetail) -> AnyView {
    let now = &node.row.now;
    let of = |metric| node.latest_of(metric, "");
    let percent = |metric| of(metric).map(format::percent);
    let waited =
        |metric: Metric| percent(metric).map(|share| format!("waited {share} of the time"));
    let memory_free =
        of(Metric::MemoryAvailableBytes).map(|bytes| format!("{} available", format::bytes(bytes)));
    let swap = of(Metric::SwapUsedBytes)
        .filter(|bytes| *bytes > 0.0)
        .map(|bytes| format!("{} swapped", format::bytes(bytes)));
    let load = now
        .load1
        .map(|load| format!("load {}", format::load(load, now.cpu_count)));
    let net = |rate: Option<f64>| rate.map_or_else(|| format::UNKNOWN.to_owned(), network_rate);
    let items = [
        ("Processor", view! { <Meter ratio=now.cpu_used_ratio /> }.into_any(), vec![load, waited(Metric::PressureCpuSomeRatio)]),
        ("Memory", view! { <Meter ratio=now.memory_used_ratio limited=true /> }.into_any(), vec![memory_free, swap, waited(Metric::PressureMemorySomeRatio)]),
        ("Fullest disk", view! { <Meter ratio=now.disk_used_ratio limited=true /> }.into_any(), vec![now.disk_mount_point.clone(), waited(Metric::PressureIoSomeRatio)]),
        (
            "Network",
            view! { <span class="value-number">{net(now.network_receive_bytes_per_s)}<span class="of">" in"</span></span> }.into_any(),
            vec![Some(format!("{} out", net(now.network_transmit_bytes_per_s)))],
        ),
    ];
    let items: Vec<_> = items
        .into_iter()
        .map(|(name, value, notes)| {
            let notes: Vec<_> = notes.into_iter().flatten().map(|note| view! { <li><bdi>{note}</bdi></li> }).collect();
            view! { <div class="value"><dt>{name}</dt><dd>{value}<ul class="value-notes">{notes}</ul></dd></div> }
        })
        .collect();
    view! { <dl class="values" data-current=is_current(&node.row).then_some("")>{items}</dl> }
        .into_any()
}

/// Charts as they were asked for: the page's path, the window in its URL, and the answer.
type Asked = (String, RangeQuery, Result<ChartSet, UiError>);

/// Charts of the window in the URL. Loaded apart from the live line, and kept until the next ones are there. What is
/// rendered owns no signals: the old charts stay on the page while what made them is cleaned up.
#[component]
fn NodeCharts(
    node: Loaded<NodeDetail>,
    asked: PageData<Asked>,
    range: Memo<RangeQuery>,
    id: Memo<String>,
) -> impl IntoView {
    let crosshair = Crosshair::of_page(ChartsOf::Node, id, range);
    refresh(expect_context::<Live>(), asked, range, crosshair);
    view! {
        <Transition>
            {move || Suspend::new(async move {
                // A node that cannot be shown, or never reported, has said so already.
                let now_ms = node.await.ok().filter(|node| node.row.last_report_at_ms.is_some())?.now_ms;
                let (path, range, answer) = asked.await;
                Some(match answer {
                    Ok(set) => {
                        let picker = range_picker(&path, &range, Some((set.from_ms, set.to_ms)));
                        let links = zoom_links(&path, &range, (set.from_ms, set.to_ms), now_ms);
                        charts_section(set.label.clone(), view! { {picker}{links} }.into_any(), charts(&path, &set))
                    }
                    Err(error) => charts_section(String::new(), range_picker(&path, &range, None), charts_error(&error, asked)),
                })
            })}
        </Transition>
    }
    .into_any()
}

fn charts_section(label: String, picker: AnyView, content: AnyView) -> AnyView {
    view! {
        <section class="charts-section" aria-labelledby="charts-heading">
            <header class="charts-header">
                <h2 id="charts-heading">"Charts "<span class="charts-label">{label}</span></h2>
                {picker}
            </header>
            {content}
        </section>
    }
    .into_any()
}

fn charts_error(error: &UiError, asked: PageData<Asked>) -> AnyView {
    let words = error.to_string();
    view! {
        <div class="panel-error" role="status">
            <p>"The charts could not be loaded: "{words}"."</p>
            <button type="button" class="button needs-script" on:click=move |_| asked.refetch()>"Try again"</button>
        </div>
    }
    .into_any()
}

/// Asks for the charts again while the page is live and the window moves, and when the line has come back.
fn refresh(live: Live, charts: PageData<Asked>, range: Memo<RangeQuery>, crosshair: Crosshair) {
    Effect::new(move |asked_at: Option<i64>| {
        let now_ms = live.now_or(0);
        let asked_at = asked_at.filter(|at| *at > 0).unwrap_or(now_ms);
        if live.is_live()
            && !crosshair.is_reading()
            && range.with_untracked(RangeQuery::is_moving)
            && now_ms - asked_at >= CHARTS_EVERY_MS
        {
            charts.refetch();
            return now_ms;
        }
        asked_at
    });
    Effect::new(move |before: Option<u32>| {
        let count = live.recovered();
        if before.is_some_and(|before| before != count) {
            charts.refetch();
        }
        count
    });
}

fn tail(node: &NodeDetail, _: i64) -> AnyView {
    // A server's page says what is its own; the machine has a page, too.
    let facts = node.facts.as_ref().filter(|_| node.server.is_none());
    view! {
        <div class="node-tables">
            {labels::notes(&node.notes_html)}
            {peers(&node.peers)}
            {facts.map(|facts| filesystems(node, facts))}
            {facts.map(|facts| interfaces(node, facts))}
        </div>
    }
    .into_any()
}

/// How the agent itself does, and what happened, last on the page: it grows while somebody looks.
fn happened(node: &NodeDetail, now_ms: i64) -> AnyView {
    let runs: &[_] = if node.server.is_none() {
        &node.collectors
    } else {
        &[]
    };
    view! { {collectors(runs)}{events(node, now_ms)} }.into_any()
}

fn events(node: &NodeDetail, now_ms: i64) -> AnyView {
    if node.events.is_empty() {
        return ().into_any();
    }
    let scope = EventsQuery {
        object: node.row.id.clone(),
        ..EventsQuery::default()
    };
    let events = changes(&node.events, &scope, now_ms);
    let all = view! { <a class="panel-aside" href=scope.in_range("1y").url()>"All"</a> };
    view! { <Panel title="Events" id="events" aside=all.into_any()>{events}</Panel> }.into_any()
}
