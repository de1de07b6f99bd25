//! Every node as a cell, cluster by cluster, in HTML lists: no edges.

use leptos::prelude::*;

use super::legend::legend;
use super::view::{BoxKind, Color, MapBox, TopologyPage, TopologyQuery};
use super::words::{box_count, cell_name};
use crate::ui::StatusMark;
use crate::url;

/// The view.
pub fn cells(page: &TopologyPage) -> AnyView {
    let ours = |one: &&MapBox| one.kind == BoxKind::Cluster;
    let mut boxes: Vec<&MapBox> = page.boxes.iter().filter(ours).collect();
    boxes.sort_by(|a, b| (a.status, &a.key).cmp(&(b.status, &b.key)));
    let clusters: Vec<_> = boxes
        .into_iter()
        .map(|one| cluster(&page.query, one))
        .collect();
    let legend = (!page.scale.is_empty()).then(|| legend(page));
    view! { <div class="topo-cells-view"><ul class="topo-clusters">{clusters}</ul>{legend}</div> }
        .into_any()
}

fn cluster(query: &TopologyQuery, one: &MapBox) -> AnyView {
    let kind = match query.color {
        Color::Status => None,
        Color::Version => Some("kind"),
        _ => Some("heat"),
    };
    let cells: Vec<_> = one
        .cells
        .iter()
        .map(|cell| {
            let words = cell_name(cell);
            let tint = cell.tint.map(|tint| tint.to_string());
            view! {
                <li><a class="topo-square-link" data-status=cell.status.as_str() data-step=tint data-kind=kind data-dimmed=cell.is_dimmed.then_some("") href=url::node(&cell.id) title=words.clone() aria-label=words></a></li>
            }
        })
        .collect();
    let more = one
        .more
        .clone()
        .map(|more| view! { <p class="topo-more">{more}</p> });
    view! {
        <li class="topo-cluster" data-status=one.status.as_str() data-dimmed=one.is_dimmed.then_some("")>
            <h2 class="topo-cluster-name">
                <StatusMark status=one.status />
                <a href=query.focused_on(&one.key).url()><bdi>{one.key.clone()}</bdi></a>
                <span class="topo-cluster-count">{box_count(one)}<span class="visually-hidden">", "{one.summary.clone()}</span></span>
            </h2>
            <ul class="topo-squares">{cells}</ul>
            {more}
        </li>
    }
    .into_any()
}
