//! A cluster's nodes as a table, and what happened in it.

use leptos::prelude::*;

use super::detail::{cluster_of_path, events_of, title};
use super::parts::head;
use super::view::{ClusterDetail, Member};
use crate::fleet::{badge_words, changes, node_link, reported};
use crate::page::followed;
use crate::ui::{EmptyState, Meter, StatusBadge};
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
    let rows: Vec<_> = cluster
        .members
        .iter()
        .map(|member| row(member, now_ms))
        .collect();
    let shown = cluster.members.len();
    let all = url::with_query("/nodes", &[("q", slug)]);
    let words = if shown < cluster.nodes as usize {
        format!(
            "{} of {} nodes, worst first in each role.",
            format::count(shown as u64),
            format::count(u64::from(cluster.nodes))
        )
    } else {
        format!("{}.", format::plural(shown as u64, "node", "nodes"))
    };
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label="Nodes">
            <table class="nodes members-table">
                <thead><tr>
                    <th scope="col">"Status"</th><th scope="col">"Name"</th><th scope="col">"Role"</th><th scope="col">"Product"</th>
                    <th scope="col">"CPU"</th><th scope="col">"Memory"</th><th scope="col" class="number">"Connections"</th><th scope="col" class="number">"Report"</th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="after-list">{words}" "<a href=all>"In the list of nodes"</a></p>
    }
    .into_any()
}

fn row(member: &Member, now_ms: i64) -> AnyView {
    let is_current = matches!(
        member.liveness,
        domain::fleet::Liveness::Live | domain::fleet::Liveness::Late
    );
    let on = member
        .host_name
        .clone()
        .map(|host| view! { <span class="of">"on "<bdi>{host}</bdi></span> });
    let reason = member
        .reason
        .clone()
        .map(|reason| view! { <span class="of"><bdi>{reason}</bdi></span> });
    let uncounted = (!member.counts).then(|| view! { <span class="of">"does not count"</span> });
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
