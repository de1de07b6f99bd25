//! A cluster's nodes as a table, and what happened in it.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::detail::{cluster_of_path, events_of, title};
use super::parts::head;
use super::view::{ClusterDetail, Member};
use crate::fleet::{badge_words, changes, node_link, reported};
use crate::page::followed;
use crate::ui::{EmptyState, Meter, StatusBadge, tab_stop};
use crate::{format, url};

/// `/clusters/{slug}/nodes`
#[component]
pub fn ClusterNodesPage() -> impl IntoView {
    let nodes = |cluster: &ClusterDetail, now_ms: i64| {
        view! { {head(cluster, "/nodes")}{table(cluster, now_ms)} }.into_any()
    };
    followed(cluster_of_path(), title, nodes)
}

/// `/clusters/{slug}/events`
#[component]
pub fn ClusterEventsPage() -> impl IntoView {
    let happened = |cluster: &ClusterDetail, now_ms: i64| {
        let scope = events_of(&cluster.summary.slug);
        let all = scope.in_range("1y").url();
        let list = if cluster.events.is_empty() {
            view! { <p class="note">"Nothing has happened in this cluster yet."</p> }.into_any()
        } else {
            view! { <section class="panel" aria-label="Events">{changes(&cluster.events, &scope, now_ms)}</section> }.into_any()
        };
        view! {
            {head(cluster, "/events")}
            {list}
            <p class="after-list"><a href=all>"All of them, with filters and as a file"</a></p>
        }
        .into_any()
    };
    followed(cluster_of_path(), title, happened)
}

fn table(cluster: &ClusterDetail, now_ms: i64) -> AnyView {
    let slug = &cluster.summary.slug;
    if cluster.members.is_empty() {
        return view! {
            <EmptyState icon="server" title="No nodes are in this cluster">
                <p>"Install an agent with a token for it, or move a node here."</p>
                <a class="button button-primary" href="/nodes/add">"Add a node"</a>
            </EmptyState>
        }
        .into_any();
    }
    let shown = cluster.members.len();
    let all = url::with_query("/nodes", &[("q", slug)]);
    let words = if shown < cluster.nodes as usize {
        format!(
            "{} of {} nodes, worst first in each role.",
            format::count(shown as u64),
            format::count(u64::from(cluster.nodes))
        )
    } else {
        let counting = cluster.summary.rollup.members;
        let mut words = format::plural(u64::from(counting), "node", "nodes");
        if cluster.nodes > counting {
            let others = u64::from(cluster.nodes - counting);
            words = [
                &words,
                ", and ",
                &format::count(others),
                " that do not count",
            ]
            .concat();
        }
        words + "."
    };
    let is_stats = use_query_map().read().get("view").as_deref() == Some("stats");
    let base = format!("{}/nodes", url::cluster(slug));
    let sets = [(false, "State", base.clone()), (true, "Stat table", format!("{base}?view=stats"))]
        .map(|(of, label, href)| view! { <li><a href=href aria-current=(of == is_stats).then_some("true")>{label}</a></li> });
    let heads = if is_stats {
        view! {
            <th scope="col">"Status"</th><th scope="col">"Name"</th><th scope="col">"Cluster"</th><th scope="col">"IP"</th><th scope="col">"Sub domain"</th>
            <th scope="col">"Admin URL"</th><th scope="col" class="number">"Uptime"</th><th scope="col" class="number">"Total RAM"</th>
            <th scope="col" class="number">"Free RAM"</th><th scope="col" class="number">"Threads"</th>
        }
        .into_any()
    } else {
        view! {
            <th scope="col">"Status"</th><th scope="col">"Name"</th><th scope="col">"Role"</th><th scope="col">"Product"</th>
            <th scope="col">"CPU"</th><th scope="col">"Memory"</th><th scope="col" class="number">"Connections"</th><th scope="col" class="number">"Report"</th>
        }
        .into_any()
    };
    let rows: Vec<_> = cluster
        .members
        .iter()
        .map(|member| {
            if is_stats {
                stats(slug, member)
            } else {
                row(member, now_ms)
            }
        })
        .collect();
    view! {
        <ul class="range-presets member-sets" aria-label="Columns">{sets}</ul>
        <div class="table-scroll" {..tab_stop()} role="region" aria-label="Nodes">
            <table class="nodes members-table">
                <thead><tr>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="after-list">{words}" "<a href=all>"In the list of nodes"</a></p>
    }
    .into_any()
}

/// What the table of the first operations center had.
fn stats(slug: &str, member: &Member) -> AnyView {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| format::UNKNOWN.to_owned());
    let console = match member.console_url.clone() {
        Some(url) if url.starts_with("https://") || url.starts_with("http://") => {
            let shown = url.clone();
            view! { <a href=url rel="external noopener noreferrer" target="_blank"><bdi>{shown}</bdi></a> }.into_any()
        }
        _ => format::UNKNOWN.into_any(),
    };
    let is_current = is_current(member);
    view! {
        <tr data-current=is_current.then_some("")>
            <td data-column="status"><StatusBadge status=member.status text=badge_words(member.status, member.liveness) /></td>
            <th scope="row" data-column="name">{node_link(&member.id, &member.name)}</th>
            <td data-label="Cluster"><bdi>{slug.to_owned()}</bdi></td>
            <td data-label="IP"><bdi>{or_dash(member.address.clone())}</bdi></td>
            <td data-label="Sub domain"><bdi>{or_dash(member.sub_domain.clone())}</bdi></td>
            <td data-label="Admin URL">{console}</td>
            <td data-label="Uptime" class="number">{or_dash(member.uptime_s.map(|s| format::age((s as i64).saturating_mul(1_000), 0)))}</td>
            <td data-label="Total RAM" class="number">{or_dash(member.memory_total_bytes.map(|bytes| format::bytes(bytes as f64)))}</td>
            <td data-label="Free RAM" class="number">{or_dash(member.memory_available_bytes.map(format::bytes))}</td>
            <td data-label="Threads" class="number">{or_dash(member.threads.map(|count| format::count(count.max(0.0).round() as u64)))}</td>
        </tr>
    }
    .into_any()
}

fn is_current(member: &Member) -> bool {
    matches!(
        member.liveness,
        domain::fleet::Liveness::Live | domain::fleet::Liveness::Late
    )
}

fn row(member: &Member, now_ms: i64) -> AnyView {
    let is_current = is_current(member);
    let on = member
        .host_name
        .clone()
        .map(|host| view! { <span class="of">"on "<bdi>{host}</bdi></span> });
    let reason = member
        .reason
        .clone()
        .map(|reason| view! { <span class="of"><bdi>{reason}</bdi></span> });
    let uncounted = (!member.counts).then(|| {
        let words = if member.host_name.is_none() && member.reason.is_none() {
            "does not count: its servers do"
        } else {
            "does not count"
        };
        view! { <span class="of">{words}</span> }
    });
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| format::UNKNOWN.to_owned());
    let connections = member
        .connections
        .map(|count| format::count(count.max(0.0).round() as u64));
    view! {
        <tr data-current=is_current.then_some("")>
            <td data-column="status"><StatusBadge status=member.status text=badge_words(member.status, member.liveness) /></td>
            <th scope="row" data-column="name">{node_link(&member.id, &member.name)}{on}{uncounted}{reason}</th>
            <td data-label="Role"><bdi>{or_dash(member.role.clone())}</bdi></td>
            <td data-label="Product"><bdi>{or_dash(member.product.clone())}</bdi></td>
            <td data-label="CPU"><Meter ratio=member.cpu_used_ratio /></td>
            <td data-label="Memory"><Meter ratio=member.memory_used_ratio limited=true /></td>
            <td data-label="Connections" class="number">{or_dash(connections)}</td>
            <td data-column="report" data-label="Report">{reported(member.last_report_at_ms, now_ms)}</td>
        </tr>
    }
    .into_any()
}
