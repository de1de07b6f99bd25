//! Pieces that several of the clusters' pages show.

use domain::fleet::Status;
use leptos::prelude::*;

use super::view::{ClusterDetail, ClusterSummary, SilenceRow, VersionCount};
use crate::fleet::cells;
use crate::preferences::instant;
use crate::ui::{CountBar, StatusBadge, StatusMark};
use crate::{format, url};

/// A cluster's status; a dash where there is nothing to judge.
pub fn status_badge(status: Option<Status>) -> AnyView {
    match status {
        Some(status) => view! { <StatusBadge status /> }.into_any(),
        None => view! { <span class="of">"No nodes"</span> }.into_any(),
    }
}

/// Its nodes one by one, or as a bar where they are too many.
pub fn nodes_of(cluster: &ClusterSummary) -> AnyView {
    if cluster.cells.is_empty() && cluster.rollup.members > 0 {
        view! { <CountBar counts=cluster.rollup.counts.clone() /> }.into_any()
    } else {
        cells(&cluster.cells)
    }
}

/// Since when it has had less than it needs.
pub fn below_since(cluster: &ClusterSummary) -> Option<AnyView> {
    let at_ms = cluster.below_since_ms?;
    Some(view! { <span class="of">" since "{instant(at_ms)}</span> }.into_any())
}

/// "Apache Tomcat 9.0.83" and, where there are several versions, how many more.
pub fn version_words(versions: &[VersionCount]) -> String {
    let Some(first) = versions.first() else {
        return format::UNKNOWN.to_owned();
    };
    let name = format!(
        "{} {}",
        first.product,
        first.version.as_deref().unwrap_or("of unknown version")
    );
    match versions.len() - 1 {
        0 => name,
        more => format!("{name} + {more} more"),
    }
}

/// Nodes that fell silent together, before the reason: a line of its own would push the page down when it comes.
fn silence_links(silences: &[SilenceRow]) -> AnyView {
    silences
        .iter()
        .map(|silence| {
            view! { <a class="cluster-silence" href=silence.url()><StatusMark status=Status::Unknown /><bdi>{silence.sentence()}</bdi></a>". " }
        })
        .collect_view()
        .into_any()
}

/// Breadcrumb, heading, why it is as it is, links, tabs. `here` is the last part of the open tab's path, or empty.
pub fn head(cluster: &ClusterDetail, here: &'static str) -> AnyView {
    let summary = &cluster.summary;
    let slug = summary.slug.clone();
    let siblings: Vec<_> = cluster
        .siblings
        .iter()
        .map(|slug| view! { <li><a href=url::cluster(slug)><bdi>{slug.clone()}</bdi></a></li> })
        .collect();
    let siblings = (!siblings.is_empty()).then(|| {
        view! {
            <details class="siblings">
                <summary aria-label="Other clusters of this system">"▾"</summary>
                <ul>{siblings}</ul>
            </details>
        }
    });
    let system = match &summary.environment {
        Some(environment) => format!("{} ({environment})", summary.system),
        None => summary.system.clone(),
    };
    // Only what the domain let through as `http` or `https` becomes a link.
    let console = cluster
        .console
        .clone()
        .filter(|(_, url)| url.starts_with("https://") || url.starts_with("http://"))
        .map(|(name, url)| view! { <a class="button" href=url rel="external noopener noreferrer" target="_blank">"Console of "<bdi>{name}</bdi></a> });
    let topology = url::with_query("/topology", &[("focus", &format!("c:{slug}"))]);
    let silences = cluster.silences.iter().map(SilenceRow::sentence);
    let title: Vec<String> = silences.chain([summary.reason.clone()]).collect();
    let title = title.join(". ");
    view! {
        <nav class="breadcrumb" aria-label="Breadcrumb">
            <ol>
                <li><a href="/clusters">"Clusters"</a></li>
                <li><a href=url::system(&summary.system)><bdi>{system}</bdi></a></li>
                <li aria-current="page"><bdi>{slug.clone()}</bdi></li>
            </ol>
            {siblings}
        </nav>
        <header class="page-header cluster-header">
            <h1><bdi>{slug.clone()}</bdi></h1>
            {status_badge(summary.rollup.status)}
            <span class="cluster-reason" title=title>{silence_links(&cluster.silences)}{summary.reason.clone()}{below_since(summary)}</span>
            <span class="page-actions">{console}<a class="button" href=topology>"Show in topology"</a></span>
        </header>
        {tab_links(cluster, here)}
    }
    .into_any()
}

fn tab_links(cluster: &ClusterDetail, here: &'static str) -> AnyView {
    let base = url::cluster(&cluster.summary.slug);
    // As many as the cluster is said to have; hosts that leave counting to their servers are in the table, too.
    let nodes = format!(
        "Nodes {}",
        format::count(u64::from(cluster.summary.rollup.members))
    );
    let tabs = [
        ("", "Overview".to_owned()),
        ("/nodes", nodes),
        ("/events", "Events".to_owned()),
        ("/settings", "Settings".to_owned()),
    ]
    .map(|(tab, label)| {
        let current = (tab == here).then_some("page");
        view! { <li><a href=format!("{base}{tab}") aria-current=current>{label}</a></li> }
    });
    view! { <nav class="tabs" aria-label="Cluster"><ul>{tabs}</ul></nav> }.into_any()
}

/// Counts with shapes and words: "1 critical, 13 OK".
pub fn counts_line(counts: &[(Status, u32)]) -> AnyView {
    counts
        .iter()
        .map(|(status, count)| {
            let words = format!("{} {}", format::count(u64::from(*count)), status.label());
            view! { <span class="count" data-status=status.as_str()><StatusMark status=*status />{words}</span> }
        })
        .collect_view()
        .into_any()
}
