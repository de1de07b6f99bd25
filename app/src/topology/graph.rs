//! The graph: one SVG, geometry in attributes only. Box heads and cells are links beside each other, never one in another.
//!
//! What is drawn is patched in place when data moves. Cells are no tab stops: the table is the way by keyboard.

use domain::fleet::Status;
use domain::topology::EdgeState;
use domain::topology::layout::{CELL, HEADER, PADDING};
use leptos::prelude::*;
use leptos::svg;

use super::query::ZOOMS;
use super::view::{BoxKind, MapBox, MapCell, MapEdge, TopologyPage, TopologyQuery};
use super::words::{box_count, box_name, fit, no_edges, summary};
use crate::ui::{StatusMark, status_outline};
use crate::url;

/// Widths of the five steps.
const WIDTHS: [&str; 5] = ["1", "1.5", "2.5", "4", "6"];

/// The drawing in its frame, with what stands below it.
pub fn graph(page: &TopologyPage) -> AnyView {
    let area = page.area;
    let view_box = format!("{} {} {} {}", area.left, area.top, area.width, area.height);
    let scale = |length: i32| match page.query.zoom {
        0 => length,
        zoom => length * i32::from(zoom) / 100,
    };
    let (width, height) = (scale(area.width), scale(area.height));
    let is_fit = page.query.zoom == 0;
    let edges: Vec<_> = page.edges.iter().map(edge).collect();
    let boxes: Vec<_> = page
        .boxes
        .iter()
        .map(|one| map_box(&page.query, one))
        .collect();
    let none = no_edges(page).map(|words| view! { <p class="topo-none">{words}</p> });
    view! {
        <figure class="topo-figure">
            <div class="topo-scroll" role="region" aria-label="Map" tabindex="0">
                <svg class="topo-map" data-fit=is_fit.then_some("") viewBox=view_box width=width.to_string() height=height.to_string() role="group" aria-label=summary(page)>
                    {definitions()}
                    <g class="topo-edges">{edges}</g>
                    <g class="topo-boxes">{boxes}</g>
                </svg>
            </div>
            {none}
            <figcaption class="topo-caption">{legend()}{zooms(&page.query)}</figcaption>
        </figure>
    }
    .into_any()
}

/// What is drawn often, once.
fn definitions() -> AnyView {
    let arrows = ["neutral", "warning", "critical"].into_iter().map(|tone| {
        view! {
            <marker id=format!("topo-arrow-{tone}") class="topo-arrow" data-tone=tone viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">
                <path d="M0 0L8 4L0 8z"></path>
            </marker>
        }
    }).collect::<Vec<_>>();
    let cells = Status::ALL.into_iter().map(|status| {
        let (_, glyph) = status_outline(status);
        let size = CELL.to_string();
        view! {
            <g id=format!("topo-cell-{}", status.as_str()) class="topo-cell-mark" data-status=status.as_str()>
                <rect class="topo-square" width=size.clone() height=size rx="4"></rect>
                {(status != Status::Ok).then(|| view! { <path class="topo-glyph" transform="translate(4 4) scale(.75)" d=glyph></path> })}
            </g>
        }
    }).collect::<Vec<_>>();
    let marks = Status::ALL.into_iter().map(|status| {
        let (shape, glyph) = status_outline(status);
        view! {
            <g id=format!("topo-mark-{}", status.as_str()) class="status-mark" data-status=status.as_str()>
                <path class="status-shape" d=shape></path>
                <path class="status-glyph" d=glyph></path>
            </g>
        }
    }).collect::<Vec<_>>();
    view! { <defs>{arrows}{cells}{marks}</defs> }.into_any()
}

fn edge(edge: &MapEdge) -> AnyView {
    let [x1, y1, x2, y2, x3, y3, x4, y4] = edge.curve;
    let path = format!("M{x1} {y1}C{x2} {y2} {x3} {y3} {x4} {y4}");
    let width = WIDTHS
        .get(usize::from(edge.width_step.saturating_sub(1)))
        .copied()
        .unwrap_or("1");
    let tone = edge.trouble.map_or("neutral", |trouble| match trouble {
        Status::Critical => "critical",
        _ => "warning",
    });
    // The middle of the curve.
    let middle = |a: i32, b: i32, c: i32, d: i32| (a + 3 * b + 3 * c + d) / 8;
    let (x, y) = (middle(x1, x2, x3, x4) - 8, middle(y1, y2, y3, y4) - 8);
    let sign = edge.trouble.map(|trouble| {
        view! { <use href=format!("#topo-mark-{}", trouble.as_str()) x=x.to_string() y=y.to_string()></use> }
    });
    view! {
        <g class="topo-edge" data-tone=tone data-state=edge.state.as_str() data-dimmed=edge.is_dimmed.then_some("")>
            <title>{edge.label.clone()}</title>
            <path d=path stroke-width=width marker-end=format!("url(#topo-arrow-{tone})")></path>
            {sign}
        </g>
    }
    .into_any()
}

fn kind(one: &MapBox) -> &'static str {
    match one.kind {
        BoxKind::Cluster => "cluster",
        BoxKind::System => "system",
        BoxKind::External => "external",
        BoxKind::Ghost => "ghost",
    }
}

/// Where a box leads: a cluster into focus, a system to its clusters, other boxes nowhere.
fn address(query: &TopologyQuery, one: &MapBox) -> Option<String> {
    match one.kind {
        BoxKind::Cluster if one.is_focus => Some(query.focused_on("").url()),
        BoxKind::Cluster => Some(query.focused_on(&one.key).url()),
        BoxKind::System => Some(
            TopologyQuery {
                system: one.system.clone(),
                ..query.clone()
            }
            .url(),
        ),
        BoxKind::External | BoxKind::Ghost => None,
    }
}

fn map_box(query: &TopologyQuery, one: &MapBox) -> AnyView {
    let (x, y) = (one.x, one.y);
    let status = match one.kind {
        BoxKind::Cluster | BoxKind::System => Some(one.status.as_str()),
        BoxKind::External | BoxKind::Ghost => None,
    };
    let cells: Vec<_> = one.cells.iter().map(cell).collect();
    let more = one.more.clone().map(|more| {
        let (x, y) = (x + PADDING, y + one.height - PADDING - 4);
        view! { <text class="topo-more" x=x.to_string() y=y.to_string()>{more}</text> }
    });
    view! {
        <g class="topo-box" data-box=one.key.clone() data-kind=kind(one) data-status=status data-focus=one.is_focus.then_some("") data-dimmed=one.is_dimmed.then_some("")>
            <rect class="topo-frame" x=x.to_string() y=y.to_string() width=one.width.to_string() height=one.height.to_string() rx="8"></rect>
            {head(query, one)}
            {more}
            <g class="topo-cells">{cells}</g>
        </g>
    }
    .into_any()
}

fn head(query: &TopologyQuery, one: &MapBox) -> AnyView {
    let (x, y) = (one.x, one.y);
    let is_ours = matches!(one.kind, BoxKind::Cluster | BoxKind::System);
    let mark = is_ours.then(|| {
        let href = format!("#topo-mark-{}", one.status.as_str());
        view! { <use href=href x=(x + PADDING).to_string() y=(y + 8).to_string()></use> }
    });
    let count = box_count(one);
    let left = x + PADDING + if is_ours { 22 } else { 0 };
    let room = x + one.width - PADDING - left - count.len() as i32 * 7 - 6;
    let name = fit(&one.label, room);
    let inside = view! {
        <g>
            <rect class="topo-hit" x=x.to_string() y=y.to_string() width=one.width.to_string() height=HEADER.to_string() rx="8"></rect>
            {mark}
            <text class="topo-name" x=left.to_string() y=(y + 21).to_string()>{name}</text>
            <text class="topo-count" x=(x + one.width - PADDING).to_string() y=(y + 21).to_string() text-anchor="end">{count}</text>
        </g>
    };
    match address(query, one) {
        // By the builder: in the macro this would be an HTML link, which is none in a drawing made by the browser.
        Some(href) => svg::a()
            .attr("class", "topo-head")
            .attr("href", href)
            .attr("aria-label", box_name(one))
            .attr("aria-current", one.is_focus.then_some("true"))
            .child(inside)
            .into_any(),
        None => svg::g()
            .attr("class", "topo-head")
            .attr("role", "img")
            .attr("aria-label", box_name(one))
            .child(inside)
            .into_any(),
    }
}

fn cell(cell: &MapCell) -> AnyView {
    let mark = view! { <use href=format!("#topo-cell-{}", cell.status.as_str()) x=cell.x.to_string() y=cell.y.to_string()></use> };
    svg::a()
        .attr("class", "topo-cell")
        .attr("href", url::node(&cell.id))
        .attr("tabindex", "-1")
        .attr(
            "aria-label",
            format!("{}: {}", cell.name, cell.status.label()),
        )
        .attr("data-dimmed", cell.is_dimmed.then_some(""))
        .child(mark)
        .into_any()
}

fn zooms(query: &TopologyQuery) -> AnyView {
    let link = |zoom: u16, text: String| {
        let is_current = (query.zoom == zoom).then_some("true");
        view! { <li><a href=query.zoomed(zoom).url() aria-current=is_current>{text}</a></li> }
    };
    let mut sizes = vec![link(0, "Fit".to_owned())];
    sizes.extend(ZOOMS.map(|zoom| link(zoom, format!("{zoom} %"))));
    view! { <ul class="topo-zooms" aria-label="Size">{sizes}</ul> }.into_any()
}

fn legend() -> AnyView {
    let statuses: Vec<_> = [
        Status::Critical,
        Status::Unknown,
        Status::Warning,
        Status::Ok,
    ]
    .into_iter()
    .map(|status| view! { <li><StatusMark status />{status.label()}</li> })
    .collect();
    let line = |state: EdgeState, words: &'static str| {
        view! {
            <li>
                <svg class="topo-sample" viewBox="0 0 32 8" aria-hidden="true"><g class="topo-edge" data-tone="neutral" data-state=state.as_str()><path d="M0 4L32 4" stroke-width="1.5"></path></g></svg>
                {words}
            </li>
        }
    };
    let widths: Vec<_> = WIDTHS
        .into_iter()
        .zip(["under 10", "10", "100", "1,000", "10,000"])
        .map(|(width, words)| {
            view! {
                <li>
                    <svg class="topo-sample" viewBox="0 0 32 8" aria-hidden="true"><g class="topo-edge" data-tone="neutral" data-state="seen"><path d="M0 4L32 4" stroke-width=width></path></g></svg>
                    {words}
                </li>
            }
        })
        .collect();
    view! {
        <details class="topo-legend">
            <summary>"Legend"</summary>
            <div class="topo-legend-parts">
                <ul aria-label="Nodes and clusters">{statuses}</ul>
                <ul aria-label="Dependencies">
                    {line(EdgeState::Seen, "seen now; the arrow points at who accepts")}
                    {line(EdgeState::Stale, "seen before, not now")}
                    {line(EdgeState::Declared, "declared, never seen")}
                    <li><StatusMark status=Status::Critical />"one in five connections fails"</li>
                    <li><StatusMark status=Status::Warning />"one in a hundred fails"</li>
                </ul>
                <ul aria-label="Connections, from">{widths}</ul>
            </div>
        </details>
    }
    .into_any()
}
