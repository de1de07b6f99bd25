//! The overview: is anything broken, since when, where is it tight, what changed. Health is one line; problems take the
//! space. A panel with nothing to say is not drawn.

use domain::fleet::Status;
use leptos::prelude::*;

use super::api;
use super::parts::{self, cells, node_link, reported};
use super::view::{
    Attention, AttentionRow, CapacityRow, LiveTopic, LiveUpdate, NodesQuery, Overview,
    StatusCounts, SystemRow,
};
use super::words::{badge_words, status_in_sentence};
use crate::clusters::view::{ClusterSummary, SilenceRow};
use crate::codec::page_data;
use crate::events::view::EventsQuery;
use crate::live::Live;
use crate::page::{Followed, follow, followed};
use crate::ui::{
    Banner, CountBar, EmptyState, Icon, Meter, PageHeader, Panel, StatusBadge, StatusMark, Tone,
};
use crate::{format, installed, url};

/// `/`
#[component]
pub fn OverviewPage() -> impl IntoView {
    let data = page_data(|| (), |()| api::load_overview());
    follow(|| LiveTopic::Overview);
    let pick = |update: &LiveUpdate, _: &Overview| match update {
        LiveUpdate::Overview(next) => Some((**next).clone()),
        _ => None,
    };
    let live = expect_context::<Live>();
    Effect::new(move |_| {
        let keep = |now: &Overview| installed::remember(&now.counts.sentence(), now.now_ms);
        match live.latest() {
            Some(LiveUpdate::Overview(now)) => keep(&now),
            _ => data.with_untracked(|first| {
                if let Some(Ok(first)) = first {
                    keep(first);
                }
            }),
        }
    });
    followed(
        Followed {
            data,
            pick,
            now_ms: |data| data.now_ms,
        },
        |_| "Overview".to_owned(),
        page,
    )
}

fn page(data: &Overview, now_ms: i64) -> AnyView {
    if data.counts.total() == 0 {
        return no_nodes();
    }
    view! {
        <PageHeader title="Overview" />
        {headline(&data.counts)}
        {silences(data)}
        {systems(&data.systems)}
        <div class="overview">
            {attention(data, now_ms)}
            {clusters(&data.clusters)}
            {capacity(data)}
            {changes(data, now_ms)}
        </div>
    }
    .into_any()
}

fn no_nodes() -> AnyView {
    view! {
        <PageHeader title="Overview" />
        <EmptyState icon="server" title="No nodes yet">
            <p>"Install the agent on a machine and it appears here within seconds, with its processors, memory, disks and network."</p>
            <a class="button button-primary" href="/nodes/add"><Icon name="plus" />"Add a node"</a>
        </EmptyState>
    }
    .into_any()
}

/// One sentence; every number leads to its nodes.
fn headline(counts: &StatusCounts) -> AnyView {
    let content = match counts.all_well() {
        Some(sentence) => {
            view! { <StatusMark status=Status::Ok /><span>{sentence}</span> }.into_any()
        }
        None => {
            let parts: Vec<_> = counts
                .0
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(status, count)| {
                    let href = NodesQuery::of_status(*status).url();
                    let words = format!("{} {}", format::count(u64::from(*count)), status_in_sentence(*status));
                    view! { <a class="headline-part" data-status=status.as_str() href=href><StatusMark status=*status />{words}</a> }
                })
                .collect();
            let total = format!("of {}", format::plural(counts.total(), "node", "nodes"));
            view! { {parts}<span class="headline-total">{total}</span> }.into_any()
        }
    };
    view! { <p class="headline" aria-live="polite" data-status=counts.worst().as_str()>{content}</p> }.into_any()
}

/// Many at once are said above everything else: what to look for is one thing.
fn silences(data: &Overview) -> AnyView {
    data.attention
        .iter()
        .filter_map(|finding| match finding {
            Attention::Silence(silence) => Some(silence),
            Attention::Cluster { .. } | Attention::Node(_) => None,
        })
        .map(|silence: &SilenceRow| {
            let (words, href) = (silence.sentence(), silence.url());
            view! {
                <Banner tone=Tone::Warning>
                    <bdi>{words}</bdi>". "<a href=href>"Show them"</a>
                </Banner>
            }
        })
        .collect_view()
        .into_any()
}

fn systems(rows: &[SystemRow]) -> AnyView {
    if rows.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let environment = row
                .environment
                .clone()
                .map(|environment| view! { <span class="of">" "<bdi>{environment}</bdi></span> });
            let href = url::with_query("/clusters", &[("q", &row.slug)]);
            view! {
                <li class="system" data-status=row.status.as_str()>
                    <StatusBadge status=row.status />
                    <span><a class="node-link" href=href><bdi>{row.slug.clone()}</bdi></a>{environment}</span>
                    <span class="of">{row.reason.clone()}</span>
                </li>
            }
        })
        .collect();
    view! { <ul class="systems" aria-label="Systems">{rows}</ul> }.into_any()
}

fn attention(data: &Overview, now_ms: i64) -> AnyView {
    if data.attention.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = data
        .attention
        .iter()
        .map(|finding| match finding {
            Attention::Silence(silence) => silence_row(silence, now_ms),
            Attention::Cluster {
                slug,
                status,
                reason,
            } => cluster_finding(slug, *status, reason),
            Attention::Node(row) => attention_row(row, now_ms),
        })
        .collect();
    let more = (data.attention_more > 0).then(|| {
        let words = format!("{} more", format::count(u64::from(data.attention_more)));
        view! { <a class="panel-more" href="/nodes?sort=status">{words}</a> }
    });
    view! {
        <Panel title="Needs attention" id="attention">
            <ul class="attention">{rows}</ul>
            {more}
        </Panel>
    }
    .into_any()
}

fn silence_row(silence: &SilenceRow, now_ms: i64) -> AnyView {
    let words = format!(
        "{} of {} nodes",
        format::count(u64::from(silence.silent)),
        format::count(u64::from(silence.of))
    );
    let place = match &silence.scope {
        domain::fleet::silence::Scope::Fleet => "several clusters".to_owned(),
        domain::fleet::silence::Scope::Cluster(slug) => slug.clone(),
    };
    view! {
        <li class="attention-row">
            <StatusBadge status=Status::Unknown />
            <a class="node-link" href=silence.url()>{words}</a>
            <span class="attention-reason">"Silent together: likely network or server."</span>
            <span class="attention-place"><bdi>{place}</bdi></span>
            <span class="attention-age">{reported(Some(silence.since_ms), now_ms)}</span>
        </li>
    }
    .into_any()
}

fn cluster_finding(slug: &str, status: Status, reason: &str) -> AnyView {
    view! {
        <li class="attention-row">
            <StatusBadge status />
            <a class="node-link" href=url::cluster(slug)><bdi>{slug.to_owned()}</bdi></a>
            <span class="attention-reason">"Cluster: "{reason.to_owned()}</span>
            <span class="attention-place"></span>
            <span class="attention-age"></span>
        </li>
    }
    .into_any()
}

fn attention_row(row: &AttentionRow, now_ms: i64) -> AnyView {
    view! {
        <li class="attention-row">
            <StatusBadge status=row.status text=badge_words(row.status, row.liveness) />
            {node_link(&row.id, &row.name)}
            <span class="attention-reason"><bdi>{row.reason.clone().unwrap_or_default()}</bdi></span>
            <span class="attention-place"><a href=url::cluster(&row.cluster)><bdi>{row.cluster.clone()}</bdi></a></span>
            <span class="attention-age">{reported(row.last_report_at_ms, now_ms)}</span>
        </li>
    }
    .into_any()
}

fn clusters(rows: &[ClusterSummary]) -> AnyView {
    if rows.is_empty() {
        return ().into_any();
    }
    let several_systems = rows
        .iter()
        .any(|row| Some(&row.system) != rows.first().map(|first| &first.system));
    let rows: Vec<_> = rows
        .iter()
        .map(|row| cluster_row(row, several_systems))
        .collect();
    let all = view! { <a class="panel-aside" href="/clusters">"All"</a> };
    view! { <Panel title="Clusters" id="clusters" aside=all.into_any()><ul class="clusters">{rows}</ul></Panel> }
        .into_any()
}

fn cluster_row(row: &ClusterSummary, with_system: bool) -> AnyView {
    let status = row.rollup.status.unwrap_or(Status::Ok);
    let nodes = if row.cells.is_empty() {
        view! { <CountBar counts=row.rollup.counts.clone() /> }.into_any()
    } else {
        cells(&row.cells)
    };
    view! {
        <li class="cluster" data-status=status.as_str()>
            <div class="cluster-name">
                <StatusMark status />
                <a href=url::cluster(&row.slug)><bdi>{with_system.then(|| format!("{} / ", row.system))}{row.slug.clone()}</bdi></a>
                <span class="cluster-count">{row.reason.clone()}<span class="visually-hidden">", "{status.label()}</span></span>
            </div>
            {nodes}
            <dl class="cluster-means">
                <div><dt>"CPU"</dt><dd><Meter ratio=row.cpu_used_ratio /></dd></div>
                <div><dt>"Memory"</dt><dd><Meter ratio=row.memory_used_ratio limited=true /></dd></div>
            </dl>
        </li>
    }
    .into_any()
}

fn capacity(data: &Overview) -> AnyView {
    let lists = [
        ("Fullest disks", &data.capacity.disks, true),
        ("Memory", &data.capacity.memory, true),
        ("CPU", &data.capacity.cpu, false),
    ];
    let lists: Vec<_> = lists
        .into_iter()
        .filter(|(_, rows, _)| !rows.is_empty())
        .map(|(title, rows, limited)| {
            let rows: Vec<_> = rows.iter().map(|row| capacity_row(row, limited)).collect();
            view! { <div class="capacity-list"><h3>{title}</h3><ul>{rows}</ul></div> }
        })
        .collect();
    if lists.is_empty() {
        return ().into_any();
    }
    view! { <Panel title="Capacity" id="capacity"><div class="capacity">{lists}</div></Panel> }
        .into_any()
}

fn capacity_row(row: &CapacityRow, limited: bool) -> AnyView {
    let instance = (!row.instance.is_empty()).then(
        || view! { <span class="capacity-instance"><bdi>{row.instance.clone()}</bdi></span> },
    );
    view! {
        <li class="capacity-row">
            <span class="capacity-what">{node_link(&row.id, &row.name)}{instance}</span>
            <Meter ratio=Some(row.ratio) limited />
        </li>
    }
    .into_any()
}

fn changes(data: &Overview, now_ms: i64) -> AnyView {
    if data.events.is_empty() {
        return ().into_any();
    }
    let events = parts::changes(&data.events, &EventsQuery::default(), now_ms);
    let all = view! { <a class="panel-aside" href="/events">"All"</a> };
    view! { <Panel title="What changed" id="changes" aside=all.into_any()>{events}</Panel> }
        .into_any()
}
