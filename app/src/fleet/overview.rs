//! The overview: is anything broken, since when, where is it tight, what changed. Health is one line; problems take the
//! space. A panel with nothing to say is not drawn.

use domain::fleet::Status;
use leptos::prelude::*;

use super::api;
use super::parts::{self, cells, node_link, since};
use super::view::{
    Attention, AttentionRow, CapacityRow, LiveTopic, LiveUpdate, NodesQuery, Overview, SystemRow,
};
use super::words::{badge_words, status_in_sentence};
use crate::clusters::view::{ClusterSummary, SilenceRow};
use crate::codec::page_data;
use crate::events::view::EventsQuery;
use crate::live::Live;
use crate::page::{Followed, follow, followed, slug_of_path};
use crate::ui::{CountBar, EmptyState, Icon, Meter, PageHeader, Panel, StatusBadge, StatusMark};
use crate::{format, installed, url};

/// `/`
#[component]
pub fn OverviewPage() -> impl IntoView {
    let source = followed_overview(Signal::stored(None));
    let data = source.data;
    let live = expect_context::<Live>();
    Effect::new(move |_| {
        let keep = |now: &Overview| installed::remember(&now.sentence(), now.now_ms);
        match live.latest() {
            Some(LiveUpdate::Overview(now)) => keep(&now),
            _ => data.with_untracked(|first| {
                if let Some(Ok(first)) = first {
                    keep(first);
                }
            }),
        }
    });
    followed(source, title, page)
}

/// `/systems/{slug}`
#[component]
pub fn SystemPage() -> impl IntoView {
    let slug = slug_of_path();
    let system = Signal::derive(move || Some(slug.get()));
    followed(followed_overview(system), title, page)
}

/// Loads the overview of one system, or of all, and follows it. One function for all pages that show it: each call of what
/// it calls would be compiled anew.
pub fn followed_overview(system: Signal<Option<String>>) -> Followed<Overview> {
    fn slug_of(data: &Overview) -> Option<&str> {
        data.of.as_ref().map(|system| system.slug.as_str())
    }
    let data = page_data(move || system.get(), api::load_overview);
    follow(move || LiveTopic::Overview {
        system: system.get(),
    });
    Followed {
        data,
        pick: |update: &LiveUpdate, shown: &Overview| match update {
            LiveUpdate::Overview(next) if slug_of(next) == slug_of(shown) => {
                Some(where_they_are((**next).clone(), shown))
            }
            _ => None,
        },
        now_ms: |data| data.now_ms,
    }
}

/// Clusters stay where they are shown while somebody looks, new ones come last: the worst are first when a page is opened,
/// and what goes wrong then stands above them.
fn where_they_are(mut next: Overview, shown: &Overview) -> Overview {
    let place = |row: &ClusterSummary| {
        let mut shown = shown.clusters.iter();
        shown
            .position(|at| at.slug == row.slug)
            .unwrap_or(usize::MAX)
    };
    next.clusters.sort_by_cached_key(place);
    next
}

fn title(data: &Overview) -> String {
    data.of
        .as_ref()
        .map_or_else(|| "Overview".to_owned(), |system| system.slug.clone())
}

fn page(data: &Overview, now_ms: i64) -> AnyView {
    if data.counts.total() == 0 && data.of.is_none() {
        return no_nodes();
    }
    view! {
        {head(data)}
        {headline(data)}
        {systems(&data.systems)}
        <div class="overview">
            {attention(data, now_ms)}
            {clusters(data)}
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

/// What is looked at, and the way to its lists.
fn head(data: &Overview) -> AnyView {
    let Some(system) = &data.of else {
        return view! { <PageHeader title="Overview" /> }.into_any();
    };
    let environment = system
        .environment
        .clone()
        .map(|environment| view! { <span class="cluster-reason"><bdi>{environment}</bdi></span> });
    let topology = url::with_query("/topology", &[("system", &system.slug)]);
    view! {
        <nav class="breadcrumb" aria-label="Breadcrumb">
            <ol>
                <li><a href="/">"Overview"</a></li>
                <li aria-current="page"><bdi>{system.slug.clone()}</bdi></li>
            </ol>
        </nav>
        <header class="page-header cluster-header">
            <h1><bdi>{system.slug.clone()}</bdi></h1>
            <StatusBadge status=system.status />
            {environment}
            <span class="cluster-reason">{system.reason.clone()}</span>
            <span class="page-actions">
                <a class="button" href=NodesQuery::of_filter(of_system(data)).url()>"Its nodes"</a>
                <a class="button" href=topology>"Show in topology"</a>
            </span>
        </header>
    }
    .into_any()
}

/// The term of a filter that lets through what is looked at; empty where that is everything.
fn of_system(data: &Overview) -> String {
    let system = data.of.as_ref();
    system.map_or_else(String::new, |system| format!("system:{}", system.slug))
}

/// One sentence; every number leads to its nodes.
fn headline(data: &Overview) -> AnyView {
    let counts = &data.counts;
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
                    let filter = format!("{} status:{}", of_system(data), status.as_str());
                    let href = NodesQuery::of_filter(filter.trim_start().to_owned()).url();
                    let words = format!("{} {}", format::count(u64::from(*count)), status_in_sentence(*status));
                    view! { <a class="headline-part" data-status=status.as_str() href=href><StatusMark status=*status />{words}</a> }
                })
                .collect();
            let total = format!("of {}", format::plural(counts.total(), "node", "nodes"));
            view! { {parts}<span class="headline-total">{total}</span> }.into_any()
        }
    };
    view! { <p class="headline" aria-live="polite" data-status=counts.worst().as_str()>{content}{full(data)}</p> }.into_any()
}

/// What is nearly full, which no status tells: whoever reads only this line knows it.
fn full(data: &Overview) -> Vec<AnyView> {
    let of_system = of_system(data);
    data.full
        .iter()
        .map(|(words, filter)| {
            let filter = format!("{of_system} {filter}");
            let href = NodesQuery::of_filter(filter.trim_start().to_owned()).url();
            view! { <a class="headline-part headline-note" data-status="warning" href=href title=words.clone()><StatusMark status=Status::Warning /><span>{words.clone()}</span></a> }.into_any()
        })
        .collect()
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
            let href = url::system(&row.slug);
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

/// Always there: problems that come and go move nothing below them.
fn attention(data: &Overview, now_ms: i64) -> AnyView {
    let rows: Vec<_> = data
        .attention
        .iter()
        .map(|finding| match finding {
            Attention::Silence(silence) => silence_row(silence, now_ms),
            Attention::Cluster {
                slug,
                status,
                reason,
            } => {
                let cluster = data.clusters.iter().find(|cluster| cluster.slug == *slug);
                let since_ms = cluster.and_then(|cluster| cluster.below_since_ms);
                cluster_finding(slug, *status, reason, since(since_ms, now_ms))
            }
            Attention::Node(row) => attention_row(row, now_ms),
        })
        .collect();
    let more = (data.attention_more > 0).then(|| {
        let words = format!("{} more", format::count(u64::from(data.attention_more)));
        let href = url::with_query("/nodes", &[("q", &of_system(data)), ("sort", "status")]);
        view! { <li><a class="panel-more" href=href>{words}</a></li> }
    });
    let none = rows.is_empty().then(|| {
        let words = if data.full.is_empty() {
            "Nothing needs attention."
        } else {
            "No node has a problem; what is nearly full is named above."
        };
        view! { <li class="panel-text">{words}</li> }
    });
    view! {
        <Panel title="Needs attention" id="attention">
            <ul class="attention">{none}{rows}{more}</ul>
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
            <span class="attention-reason"><bdi>{silence.sentence()}</bdi></span>
            <span class="attention-place"><bdi>{place}</bdi></span>
            <span class="attention-age">{since(Some(silence.since_ms), now_ms)}</span>
        </li>
    }
    .into_any()
}

fn cluster_finding(slug: &str, status: Status, reason: &str, since: Option<AnyView>) -> AnyView {
    view! {
        <li class="attention-row">
            <StatusBadge status />
            <a class="node-link" href=url::cluster(slug)><bdi>{slug.to_owned()}</bdi></a>
            <span class="attention-reason">"Cluster: "{reason.to_owned()}</span>
            <span class="attention-place"></span>
            <span class="attention-age">{since}</span>
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
            <span class="attention-age">{since(row.since_ms, now_ms)}</span>
        </li>
    }
    .into_any()
}

fn clusters(data: &Overview) -> AnyView {
    let rows = &data.clusters;
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
    // On a system's page these are its own.
    let href = url::with_query("/clusters", &[("q", &of_system(data))]);
    let all = view! { <a class="panel-aside" href=href>"All"</a> };
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
                <a href=url::cluster(&row.slug) title=row.slug.clone()><bdi>{with_system.then(|| format!("{} / ", row.system))}{row.slug.clone()}</bdi></a>
                <span class="cluster-count" title=row.reason.clone()>{row.reason.clone()}<span class="visually-hidden">", "{status.label()}</span></span>
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
