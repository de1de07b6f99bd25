//! Edges and nodes as tables: all that the drawing says, for whoever does not see it.

use domain::topology::EdgeState;
use leptos::prelude::*;

use super::view::{EdgeRow, NodeLine, TopologyPage, TopologyQuery};
use super::words::{state_label, trouble_label};
use crate::preferences::network_rate;
use crate::ui::{EmptyState, Instant, Panel, StatusBadge};
use crate::{format, url};

/// The view.
pub fn tables(page: &TopologyPage) -> AnyView {
    view! { <div class="topo-tables">{edges(page)}{nodes(page)}</div> }.into_any()
}

fn end(query: &TopologyQuery, name: &str, is_cluster: bool) -> AnyView {
    if is_cluster {
        view! { <a href=query.focused_on(name).url()><bdi>{name.to_owned()}</bdi></a> }.into_any()
    } else {
        view! { <span class="mono"><bdi>{name.to_owned()}</bdi></span><span class="of">" outside"</span> }.into_any()
    }
}

fn instant(at_ms: Option<i64>, now_ms: i64) -> AnyView {
    match at_ms {
        Some(at_ms) => view! { <Instant at_ms now_ms /> }.into_any(),
        None => format::UNKNOWN.into_any(),
    }
}

fn edges(page: &TopologyPage) -> AnyView {
    if page.edge_rows.is_empty() {
        return view! {
            <Panel title="Dependencies" id="edges">
                <EmptyState icon="network" title="No dependencies seen">
                    <p>"Agents look at their hosts' connections once a minute; one appears here when it was seen twice."</p>
                </EmptyState>
            </Panel>
        }
        .into_any();
    }
    let rows: Vec<_> = page.edge_rows.iter().map(|row| edge(page, row)).collect();
    view! {
        <Panel title="Dependencies" id="edges">
            <div class="table-scroll" tabindex="0" role="region" aria-label="Dependencies, table">
                <table>
                    <thead><tr><th scope="col">"From"</th><th scope="col">"To"</th><th scope="col" class="number">"Port"</th><th scope="col" class="number">"Connections"</th><th scope="col" class="number">"Rate"</th><th scope="col" class="number">"Failing"</th><th scope="col">"State"</th><th scope="col">"First seen"</th><th scope="col">"Last seen"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Panel>
    }
    .into_any()
}

fn edge(page: &TopologyPage, row: &EdgeRow) -> AnyView {
    let count = |count: Option<u32>| {
        count.map_or_else(
            || format::UNKNOWN.to_owned(),
            |count| format::count(u64::from(count)),
        )
    };
    let rate = row.bytes_per_s.map_or_else(
        || format::UNKNOWN.to_owned(),
        |rate| network_rate(rate as f64),
    );
    let state = match (row.trouble, trouble_label(row.trouble)) {
        (Some(status), Some(words)) => view! { <StatusBadge status text=words /> }.into_any(),
        _ => state_label(row.state).into_any(),
    };
    let declared = (row.is_declared && row.state != EdgeState::Declared)
        .then(|| view! { <span class="of">" declared"</span> });
    view! {
        <tr>
            <th scope="row">{end(&page.query, &row.from, row.from_cluster)}</th>
            <td>{end(&page.query, &row.to, row.to_cluster)}</td>
            <td class="number">{row.port}</td>
            <td class="number">{count(row.connections)}</td>
            <td class="number">{rate}</td>
            <td class="number">{count(row.connections.map(|_| row.failing))}</td>
            <td>{state}{declared}</td>
            <td>{instant(row.first_seen_at_ms, page.now_ms)}</td>
            <td>{instant(row.last_seen_at_ms, page.now_ms)}</td>
        </tr>
    }
    .into_any()
}

fn nodes(page: &TopologyPage) -> AnyView {
    if page.node_rows.is_empty() {
        return ().into_any();
    }
    let rows: Vec<_> = page
        .node_rows
        .iter()
        .map(|row| node(&page.query, row))
        .collect();
    let heading =
        (!page.scale.is_empty()).then(|| view! { <th scope="col">{page.query.color.label()}</th> });
    view! {
        <Panel title="Nodes" id="nodes">
            <a class="panel-more" href="/nodes">"All nodes"</a>
            <div class="table-scroll" tabindex="0" role="region" aria-label="Nodes, table">
                <table>
                    <thead><tr><th scope="col">"Node"</th><th scope="col">"Status"</th><th scope="col">"Cluster"</th><th scope="col">"Kind"</th><th scope="col">"Role"</th>{heading}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Panel>
    }
    .into_any()
}

fn node(query: &TopologyQuery, row: &NodeLine) -> AnyView {
    let role = row
        .role
        .clone()
        .unwrap_or_else(|| format::UNKNOWN.to_owned());
    view! {
        <tr>
            <th scope="row"><a class="node-link" href=url::node(&row.id)><bdi>{row.name.clone()}</bdi></a></th>
            <td><StatusBadge status=row.status /></td>
            <td>{end(query, &row.cluster, true)}</td>
            <td><bdi>{row.kind.clone()}</bdi></td>
            <td><bdi>{role}</bdi></td>
            {row.value.clone().map(|value| view! { <td><bdi>{value}</bdi></td> })}
        </tr>
    }
    .into_any()
}
