//! The overview: is anything broken, since when, where is it tight, what changed. Health is one line; problems take the
//! space. A panel with nothing to say is not drawn.

use domain::fleet::Status;
use leptos::prelude::*;

use super::api;
use super::parts::{cells, events, node_badge, node_link, report_age};
use super::view::{
    CapacityRow, ClusterRow, LiveTopic, LiveUpdate, NodeRow, NodesQuery, Overview, StatusCounts,
};
use super::words::status_in_sentence;
use crate::live::Live;
use crate::page::{Followed, follow, followed};
use crate::ui::{EmptyState, Icon, Meter, PageHeader, Panel, StatusMark};
use crate::{format, installed};

/// `/`
#[component]
pub fn OverviewPage() -> impl IntoView {
    let data = Resource::new_blocking(|| (), |()| api::load_overview());
    follow(|| LiveTopic::Overview);
    let pick = |update: &LiveUpdate, _: &Overview| match update {
        LiveUpdate::Overview(next) => Some((**next).clone()),
        LiveUpdate::Heartbeat | LiveUpdate::Node(_) | LiveUpdate::Nodes(_) => None,
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

fn attention(data: &Overview, now_ms: i64) -> AnyView {
    if data.attention.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = data
        .attention
        .iter()
        .map(|row| attention_row(row, now_ms))
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

fn attention_row(row: &NodeRow, now_ms: i64) -> AnyView {
    view! {
        <li class="attention-row">
            {node_badge(row)}
            {node_link(&row.id, &row.name)}
            <span class="attention-reason"><bdi>{row.reason.clone().unwrap_or_default()}</bdi></span>
            <span class="attention-place"><bdi>{row.cluster.clone()}</bdi></span>
            <span class="attention-age">{report_age(row, now_ms)}</span>
        </li>
    }
    .into_any()
}

fn clusters(rows: &[ClusterRow]) -> AnyView {
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
    view! { <Panel title="Clusters" id="clusters"><ul class="clusters">{rows}</ul></Panel> }
        .into_any()
}

fn cluster_row(row: &ClusterRow, with_system: bool) -> AnyView {
    let worst = row
        .nodes
        .iter()
        .map(|cell| cell.status)
        .min()
        .unwrap_or(Status::Ok);
    let problems = row
        .nodes
        .iter()
        .filter(|cell| cell.status != Status::Ok)
        .count();
    let nodes = format::plural(row.nodes.len() as u64, "node", "nodes");
    let words = if problems == 0 {
        nodes
    } else {
        format!(
            "{problems} of {} not OK",
            format::count(row.nodes.len() as u64)
        )
    };
    let href = NodesQuery::of_filter(format!("cluster:{}", row.cluster)).url();
    view! {
        <li class="cluster" data-status=worst.as_str()>
            <div class="cluster-name">
                <StatusMark status=worst />
                <a href=href><bdi>{with_system.then(|| format!("{} / ", row.system))}{row.cluster.clone()}</bdi></a>
                <span class="cluster-count">{words}<span class="visually-hidden">", worst: "{worst.label()}</span></span>
            </div>
            {cells(&row.nodes)}
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
    let events = events(&data.events, now_ms);
    view! { <Panel title="What changed" id="changes">{events}</Panel> }.into_any()
}
