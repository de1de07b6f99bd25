//! The list of clusters: filter and sort are in the URL, so each view of it is a link and works without scripts.

use domain::fleet::Status;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::api;
use super::parts::{below_since, nodes_of, status_badge, version_words};
use super::query::COLUMNS;
use super::view::{ClusterSummary, ClustersPage, ClustersQuery};
use crate::codec::page_data;
use crate::fleet::filter::{FilterParts, filter_chips, filter_form, filter_problem, more};
use crate::fleet::view::{LiveTopic, LiveUpdate};
use crate::page::{Followed, follow, followed};
use crate::ui::{EmptyState, Icon, Meter, PageHeader, StatusPill, tab_stop};
use crate::{format, url};

/// `/clusters`
#[component]
pub fn ClustersListPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| ClustersQuery::from_params(|key| params.read().get(key)));
    let data = page_data(
        move || query.get(),
        |query| async move {
            api::list_clusters(query.clone())
                .await
                .map(|page| (query, page))
        },
    );
    follow(move || LiveTopic::Clusters { query: query.get() });
    let pick = |update: &LiveUpdate, now: &(ClustersQuery, ClustersPage)| match update {
        LiveUpdate::Clusters(next) => Some((now.0.clone(), (**next).clone())),
        _ => None,
    };
    let files = move |path: &'static str| query.read().url_at(path);
    view! {
        <PageHeader title="Clusters">
            <a class="button" href=move || files("/clusters.csv") rel="external" download="">"CSV"</a>
            <a class="button" href=move || files("/clusters.json") rel="external" download="">"JSON"</a>
        </PageHeader>
        {filter(query)}
        {followed(Followed { data, pick, now_ms: |data| data.1.now_ms }, |_| "Clusters".to_owned(), |data, _| page(&data.0, &data.1))}
    }
    .into_any()
}

fn filter(query: Memo<ClustersQuery>) -> AnyView {
    filter_form(FilterParts {
        path: "/clusters",
        label: "Filter by words, or by keys such as system:shop tag:tier=edge product:tomcat cpu>80",
        placeholder: "Words, system:shop, tag:tier=edge, cpu>80 …",
        q: Signal::derive(move || query.read().q.clone()),
        hidden: Signal::derive(move || query.read().hidden()),
        url: Callback::new(move |q: String| query.read_untracked().with_q(&q).url()),
    })
}

fn page(query: &ClustersQuery, page: &ClustersPage) -> AnyView {
    if page.total == 0 {
        return view! {
            <EmptyState icon="boxes" title="No clusters yet">
                <p>"A cluster is made with the first token for it: nodes that do the same work and can stand in for one another."</p>
                <a class="button button-primary" href="/nodes/add">"Add a node"</a>
            </EmptyState>
        }
        .into_any();
    }
    let notes: Vec<_> = page
        .notes
        .iter()
        .map(|note| view! { <p class="note">{note.clone()}</p> })
        .collect();
    view! {
        {filter_problem(page.filter_error.as_ref(), "All clusters", |q| query.with_q(q).url())}
        {filter_chips(&page.chips, |q| query.with_q(q).url())}
        {pills(query, page)}
        {more("Order")}
        {notes}
        {if page.rows.is_empty() { nothing_matches(query, page) } else { table(query, page) }}
    }
    .into_any()
}

fn pills(query: &ClustersQuery, page: &ClustersPage) -> AnyView {
    let pill = |status: Option<Status>, count: u32| {
        view! { <li><StatusPill status count href=query.with_status(status).url() current=query.status == status /></li> }
    };
    let mut pills = vec![pill(None, page.total)];
    pills.extend(
        page.counts
            .0
            .iter()
            .map(|(status, count)| pill(Some(*status), *count)),
    );
    view! { <ul class="pills" aria-label="By status">{pills}</ul> }.into_any()
}

fn nothing_matches(query: &ClustersQuery, page: &ClustersPage) -> AnyView {
    let wanted = match (query.q.is_empty(), query.status) {
        (false, Some(status)) => format!(
            "No clusters match “{}” with status {}",
            query.q,
            status.label()
        ),
        (false, None) => format!("No clusters match “{}”", query.q),
        (true, status) => format!(
            "No clusters have status {}",
            status.map_or(format::UNKNOWN, Status::label)
        ),
    };
    let hidden = format!(
        "{} hidden.",
        format::plural(u64::from(page.total), "cluster is", "clusters are")
    );
    view! {
        <EmptyState icon="search" title=wanted>
            <p>{hidden}</p>
            <a class="button" href="/clusters">"Show all clusters"</a>
        </EmptyState>
    }
    .into_any()
}

fn table(query: &ClustersQuery, page: &ClustersPage) -> AnyView {
    let heads = COLUMNS.map(|(key, label, is_number)| {
        let order = query.order_of(key);
        let icon = match order {
            Some("ascending") => "chevron-up",
            Some(_) => "chevron-down",
            None => "chevrons-up-down",
        };
        view! {
            <th scope="col" data-column=key aria-sort=order>
                <a href=query.sorted_by(key, is_number).url()>{label}<Icon name=icon /></a>
            </th>
        }
    });
    let several_systems = page
        .rows
        .iter()
        .any(|row| Some(&row.system) != page.rows.first().map(|first| &first.system));
    let rows: Vec<_> = page
        .rows
        .iter()
        .map(|row| table_row(row, several_systems))
        .collect();
    view! {
        <div class="table-scroll" {..tab_stop()} role="region" aria-label="Clusters">
            <table class="nodes clusters-table">
                <thead><tr>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn table_row(row: &ClusterSummary, with_system: bool) -> AnyView {
    let system = match (&row.environment, with_system) {
        (Some(environment), true) => Some(format!("{} ({environment})", row.system)),
        (None, true) => Some(row.system.clone()),
        (_, false) => None,
    };
    let system = system.map(|system| view! { <span class="of"><bdi>{system}</bdi></span> });
    let spread: Vec<String> = row
        .versions
        .iter()
        .map(|run| {
            let version = run.version.as_deref().unwrap_or("unknown");
            format!("{} {version}: {}", run.product, run.nodes)
        })
        .collect();
    let has_one_or_none = row.versions.len() < 2;
    view! {
        <tr data-current="">
            <td data-column="status">{status_badge(row.rollup.status)}</td>
            <th scope="row" data-column="name">
                <a class="node-link" href=url::cluster(&row.slug)><bdi>{row.slug.clone()}</bdi></a>{system}
                <span class="of cluster-why">{row.reason.clone()}{below_since(row)}</span>
            </th>
            <td data-column="nodes" data-label="Nodes">
                <span class="cluster-size">{format::count(u64::from(row.rollup.members))}</span>{nodes_of(row)}
            </td>
            <td data-column="versions" data-label="Versions" title=spread.join("\n") data-spread=(!has_one_or_none).then_some("")><bdi>{version_words(&row.versions)}</bdi></td>
            <td data-column="cpu" data-label="CPU"><Meter ratio=row.cpu_used_ratio /></td>
            <td data-column="memory" data-label="Memory"><Meter ratio=row.memory_used_ratio limited=true /></td>
        </tr>
    }
    .into_any()
}
