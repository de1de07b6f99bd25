//! The list of nodes: filter, sort and page are in the URL, so each view of it is a link and works without scripts.

use domain::fleet::Status;
use leptos::prelude::*;
use leptos_router::NavigateOptions;
use leptos_router::hooks::{use_navigate, use_query_map};

use super::api;
use super::parts::{node_badge, node_link, report_age};
use super::query::{COLUMNS, Column, PER_CHOICES, PER_DEFAULT};
use super::view::{LiveTopic, LiveUpdate, NodeRow, NodesPage, NodesQuery};
use super::words::is_current;
use crate::format;
use crate::page::{Followed, follow, followed};
use crate::preferences::Preferences;
use crate::ui::{EmptyState, Icon, Meter, PageHeader, StatusPill};

/// `/nodes`
#[component]
pub fn NodesListPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| NodesQuery::from_params(|key| params.read().get(key)));
    let data = Resource::new_blocking(
        move || query.get(),
        |query| async move {
            api::list_nodes(query.clone())
                .await
                .map(|page| (query, page))
        },
    );
    follow(move || LiveTopic::Nodes { query: query.get() });
    let pick = |update: &LiveUpdate, now: &(NodesQuery, NodesPage)| match update {
        LiveUpdate::Nodes(next) => Some((now.0.clone(), (**next).clone())),
        _ => None,
    };
    view! {
        <PageHeader title="Nodes"><a class="button button-primary" href="/nodes/add"><Icon name="plus" />"Add a node"</a></PageHeader>
        <Filter query />
        {followed(Followed { data, pick, now_ms: |data| data.1.now_ms }, |_| "Nodes".to_owned(), |data, now_ms| page(&data.0, &data.1, now_ms))}
    }
    .into_any()
}

/// A plain form, which scripts shorten to a link: what it does not hold as fields it carries hidden.
#[component]
fn Filter(query: Memo<NodesQuery>) -> impl IntoView {
    let text = NodeRef::<leptos::html::Input>::new();
    let navigate = use_navigate();
    let submit = move |event: leptos::ev::SubmitEvent| {
        let Some(text) = text.get_untracked() else {
            return;
        };
        event.prevent_default();
        let query = NodesQuery {
            q: text.value(),
            page: 1,
            ..query.get_untracked()
        };
        navigate(&query.url(), NavigateOptions::default());
    };
    let status = move || query.read().status.map(Status::as_str);
    view! {
        <form class="filter" role="search" method="get" action="/nodes" on:submit=submit>
            <label class="visually-hidden" for="filter">"Filter by name, host name, cluster or system"</label>
            <span class="filter-box">
                <Icon name="search" />
                <input
                    id="filter"
                    data-shortcut="/"
                    type="search"
                    name="q"
                    placeholder="Name, host, cluster or system"
                    value=move || query.read().q.clone()
                    // What was typed is replaced, too, when Back leads to another filter.
                    prop:value=move || query.read().q.clone()
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    node_ref=text
                />
            </span>
            <input type="hidden" name="status" value=status disabled=move || query.read().status.is_none() />
            <input type="hidden" name="sort" value=move || query.read().sort.clone() disabled=move || query.read().sort.is_empty() />
            <input type="hidden" name="per" value=move || query.read().per.to_string() disabled=move || query.read().per == PER_DEFAULT />
            <button class="button" type="submit">"Filter"</button>
        </form>
    }
    .into_any()
}

fn page(query: &NodesQuery, page: &NodesPage, now_ms: i64) -> AnyView {
    if page.total == 0 {
        return view! {
            <EmptyState icon="server" title="No nodes yet">
                <p>"A node is a machine with an agent. Add one and it reports here within seconds."</p>
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
        {pills(query, page)}
        {notes}
        {if page.rows.is_empty() { nothing_matches(query, page) } else { table(query, page, now_ms) }}
    }
    .into_any()
}

fn pills(query: &NodesQuery, page: &NodesPage) -> AnyView {
    let pill = |status: Option<Status>, count: u32| {
        view! { <li><StatusPill status count href=query.with_status(status).url() current=query.status == status /></li> }
    };
    let mut pills = vec![pill(None, page.total)];
    pills.extend(
        page.counts
            .0
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(status, count)| pill(Some(*status), *count)),
    );
    view! { <ul class="pills" aria-label="By status">{pills}</ul> }.into_any()
}

fn nothing_matches(query: &NodesQuery, page: &NodesPage) -> AnyView {
    let wanted = match (query.q.is_empty(), query.status) {
        (false, Some(status)) => format!(
            "No nodes match “{}” with status {}",
            query.q,
            status.label()
        ),
        (false, None) => format!("No nodes match “{}”", query.q),
        (true, Some(status)) => format!("No nodes have status {}", status.label()),
        (true, None) => "There is no such page".to_owned(),
    };
    let hidden = format!(
        "{} hidden.",
        format::plural(u64::from(page.total), "node is", "nodes are")
    );
    view! {
        <EmptyState icon="search" title=wanted>
            <p>{hidden}</p>
            <a class="button" href="/nodes">"Show all nodes"</a>
        </EmptyState>
    }
    .into_any()
}

fn table(query: &NodesQuery, page: &NodesPage, now_ms: i64) -> AnyView {
    let heads: Vec<_> = COLUMNS
        .into_iter()
        .map(|column| head(query, column))
        .collect();
    let rows: Vec<_> = page.rows.iter().map(|row| table_row(row, now_ms)).collect();
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label="Nodes">
            <table class="nodes">
                <thead><tr>{heads}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {paging(query, page)}
    }
    .into_any()
}

/// Under a head that names the unit.
fn network(rate: f64) -> String {
    if Preferences::of_page().network_bytes {
        format::bytes_per_s(rate).trim_end_matches("/s").to_owned()
    } else {
        format::bits_compact(rate)
    }
}

fn head(query: &NodesQuery, column: Column) -> AnyView {
    let order = query.order_of(column);
    let label = match column.key {
        "net" if Preferences::of_page().network_bytes => "In / out, B/s",
        _ => column.label,
    };
    let icon = match order {
        Some("ascending") => "chevron-up",
        Some(_) => "chevron-down",
        None => "chevrons-up-down",
    };
    view! {
        <th scope="col" data-column=column.key aria-sort=order>
            <a href=query.sorted_by(column).url()>{label}<Icon name=icon /></a>
        </th>
    }
    .into_any()
}

fn table_row(row: &NodeRow, now_ms: i64) -> AnyView {
    let now = &row.now;
    let net = match (
        now.network_receive_bytes_per_s,
        now.network_transmit_bytes_per_s,
    ) {
        (None, None) => format::UNKNOWN.to_owned(),
        (received, sent) => {
            let rate = |rate: Option<f64>| rate.map_or_else(|| format::UNKNOWN.to_owned(), network);
            format!("{} / {}", rate(received), rate(sent))
        }
    };
    let load = now
        .load1
        .map_or_else(|| format::UNKNOWN.to_owned(), |load| format!("{load:.2}"));
    let of_cores = now
        .cpu_count
        .map(|cores| view! { <span class="of">" / "{cores}</span> });
    let mount_point = now
        .disk_mount_point
        .clone()
        .filter(|mount| mount != "/")
        .map(|mount| view! { <span class="of"><bdi>{mount}</bdi></span> });
    let hostname = (row.hostname != row.name)
        .then(|| view! { <span class="of"><bdi>{row.hostname.clone()}</bdi></span> });
    view! {
        <tr data-current=is_current(row).then_some("")>
            <td data-column="status">{node_badge(row)}</td>
            <th scope="row" data-column="name">{node_link(&row.id, &row.name)}{hostname}</th>
            <td data-column="cluster"><bdi>{row.cluster.clone()}</bdi></td>
            <td data-column="cpu" data-label="CPU"><Meter ratio=now.cpu_used_ratio /></td>
            <td data-column="memory" data-label="Memory"><Meter ratio=now.memory_used_ratio limited=true /></td>
            <td data-column="disk" data-label="Disk"><Meter ratio=now.disk_used_ratio limited=true />{mount_point}</td>
            <td data-column="net" data-label="In / out, bit/s">{net}</td>
            <td data-column="load" data-label="Load">{load}{of_cores}</td>
            <td data-column="report" data-label="Report">{report_age(row, now_ms)}</td>
        </tr>
    }
    .into_any()
}

fn paging(query: &NodesQuery, page: &NodesPage) -> AnyView {
    let per = query.per.max(1);
    let first = (query.page.saturating_sub(1)).saturating_mul(per);
    let last = first.saturating_add(page.rows.len() as u32);
    let count = |number: u32| format::count(u64::from(number));
    let words = format!(
        "{}–{} of {}",
        count(first + 1),
        count(last),
        count(page.matching)
    );
    let back = (query.page > 1).then(|| view! { <a class="button" rel="prev" href=query.at_page(query.page - 1).url()><Icon name="chevron-left" />"Previous"</a> });
    let on = (last < page.matching).then(|| view! { <a class="button" rel="next" href=query.at_page(query.page + 1).url()>"Next"<Icon name="chevron-right" /></a> });
    let least = PER_CHOICES.into_iter().min().unwrap_or(PER_DEFAULT);
    let sizes: Vec<_> = PER_CHOICES
        .into_iter()
        .map(|per| {
            let href = NodesQuery { per, page: 1, ..query.clone() }.url();
            view! { <li><a href=href aria-current=(per == query.per).then_some("true")>{per}</a></li> }
        })
        .collect();
    let sizes = (page.matching > least)
        .then(|| view! { <ul class="paging-sizes" aria-label="Rows a page">{sizes}</ul> });
    view! {
        <nav class="paging" aria-label="Pages">
            <span class="paging-where">{words}</span>
            {sizes}
            <span class="paging-steps">{back}{on}</span>
        </nav>
    }
    .into_any()
}
