//! The graph: one SVG, geometry in attributes only. Box heads and cells are links beside each other, never one in another.
//!
//! What is drawn is patched in place when data moves. Without scripts boxes are tab stops and cells are none; with them the
//! whole graph is one stop, and `hand` moves the focus in it.

use domain::fleet::Status;
use domain::topology::layout::{CELL, HEADER, PADDING};
use leptos::prelude::*;
use leptos::svg;

use super::hand::{self, Hand};
use super::legend::legend;
use super::query::ZOOMS;
use super::view::{
    BoxKind, Color, Glyph, Group, MapBox, MapCell, MapEdge, TopologyPage, TopologyQuery, View,
};
use super::words::{box_count, box_name, cell_name, fit, no_edges, summary};
use crate::ui::{IconSprite, shares, status_outline};
use crate::url;

/// Width of a letter of a name, on average, and in a drawing that is read from far away.
const LETTER: i32 = 7;
const LETTER_LARGE: i32 = 11;

/// Height of the bar of a group.
const BAR: i32 = 8;

/// Widths of the five steps.
pub(super) const WIDTHS: [&str; 5] = ["1", "1.5", "2.5", "4", "6"];

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
    let is_large = is_fit && is_large(page);
    let hand = use_context::<Hand>();
    let stops = hand::Stops::new(hand, &page.boxes);
    if let Some(hand) = hand {
        hand.drawn();
    }
    let edges: Vec<_> = page.edges.iter().map(edge).collect();
    let labels: Vec<_> = page
        .edges
        .iter()
        .filter(|edge| edge.is_selected)
        .filter_map(edge_label)
        .collect();
    let boxes: Vec<_> = page
        .boxes
        .iter()
        .map(|one| map_box(page, &stops, one, is_large))
        .collect();
    let none = no_edges(page).map(|words| view! { <p class="topo-none">{words}</p> });
    let region_stop = stops.clone();
    view! {
        <figure class="topo-figure">
            <p class="visually-hidden" id="topo-keys">"Arrow keys move from box to box, brackets to the problems. Enter shows a cluster beside the map, Shift Enter opens its page, Space goes to its nodes, Escape leaves."</p>
            <div class="topo-scroll" role="region" aria-label="Map" tabindex=move || region_stop.of_region() on:wheel=hand::wheel on:dragstart=hand::no_drag on:scroll=move |_| { if let Some(hand) = hand { hand.scrolled() } }>
                <svg class="topo-map" data-fit=is_fit.then_some("") data-large=is_large.then_some("") data-small=(page.query.zoom == 50).then_some("") viewBox=view_box.clone() width=width.to_string() height=height.to_string() data-finds=(!page.query.find.is_empty()).then_some("") role="group" aria-label=summary(page) aria-describedby="topo-keys">
                    {definitions(page.query.color)}
                    <g class="topo-edges">{edges}</g>
                    <g class="topo-boxes" id="topo-boxes">{boxes}</g>
                    <g class="topo-labels" aria-hidden="true">{labels}<text class="topo-label topo-label-hover" text-anchor="middle"></text></g>
                </svg>
            </div>
            {minimap(hand, view_box)}
            {none}
            <figcaption class="topo-caption">{legend(page)}{zooms(&page.query)}</figcaption>
        </figure>
    }
    .into_any()
}

/// The whole map, small, where the drawing is far larger than what is seen of it: drawn once more by reference.
fn minimap(hand: Option<Hand>, view_box: String) -> AnyView {
    let Some(hand) = hand else {
        return ().into_any();
    };
    let seen = move |part: usize| {
        hand.seen()
            .map(|window| window.get(part).copied().unwrap_or(0).to_string())
    };
    view! {
        <svg class="topo-mini" viewBox=view_box aria-hidden="true" data-shown=move || hand.seen().map(|_| "")>
            <use href="#topo-boxes"></use>
            <rect class="topo-mini-seen" x=move || seen(0) y=move || seen(1) width=move || seen(2) height=move || seen(3)></rect>
        </svg>
    }
    .into_any()
}

/// What is drawn often, once.
fn definitions(color: Color) -> AnyView {
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
    // A step's colour, and how high it stands: lightness alone is not for everybody.
    let tints = (color != Color::Status).then(|| {
        let kind = if color == Color::Version { "kind" } else { "heat" };
        let size = CELL.to_string();
        (1..=7_i32).map(|step| {
            let level = (kind == "heat").then(|| {
                let height = (CELL - 4) * step / 7;
                view! { <rect class="topo-level" x=(CELL - 5).to_string() y=(CELL - 2 - height).to_string() width="3" height=height.to_string()></rect> }
            });
            view! {
                <g id=format!("topo-tint-{step}") class="topo-tint" data-kind=kind data-step=step.to_string()>
                    <rect class="topo-square" width=size.clone() height=size.clone() rx="4"></rect>
                    {level}
                </g>
            }
        }).collect::<Vec<_>>()
    });
    let marks = Status::ALL.into_iter().map(|status| {
        let (shape, glyph) = status_outline(status);
        view! {
            <g id=format!("topo-mark-{}", status.as_str()) class="status-mark" data-status=status.as_str()>
                <path class="status-shape" d=shape></path>
                <path class="status-glyph" d=glyph></path>
            </g>
        }
    }).collect::<Vec<_>>();
    view! { <defs>{arrows}{cells}{tints}{marks}</defs> }.into_any()
}

fn edge(edge: &MapEdge) -> AnyView {
    let width = WIDTHS
        .get(usize::from(edge.width_step.saturating_sub(1)))
        .copied()
        .unwrap_or("1");
    let tone = edge.trouble.map_or("neutral", |trouble| match trouble {
        Status::Critical => "critical",
        _ => "warning",
    });
    let (x, y) = edge.middle;
    let place = format!("{x} {}", y + 20);
    let (x, y) = (x - 8, y - 8);
    let sign = edge.trouble.map(|trouble| {
        view! { <use href=format!("#topo-mark-{}", trouble.as_str()) x=x.to_string() y=y.to_string()></use> }
    });
    view! {
        <g class="topo-edge" data-tone=tone data-state=edge.state.as_str() data-middle=place data-selected=edge.is_selected.then_some("") data-dimmed=edge.is_dimmed.then_some("")>
            <title>{edge.label.clone()}</title>
            <path class="topo-reach-line" d=edge.path.clone()></path>
            <path class="topo-line" d=edge.path.clone() stroke-width=width marker-end=format!("url(#topo-arrow-{tone})")></path>
            {sign}
        </g>
    }
    .into_any()
}

/// What an edge says, on the map.
fn edge_label(edge: &MapEdge) -> Option<AnyView> {
    let (x, y) = edge.short_at?;
    Some(
        view! { <text class="topo-label" text-anchor="middle" x=x.to_string() y=(y + 4).to_string()>{edge.short.clone()}</text> }
            .into_any(),
    )
}

fn kind(one: &MapBox) -> &'static str {
    match one.kind {
        BoxKind::Cluster => "cluster",
        BoxKind::Group => "group",
        BoxKind::External => "external",
        BoxKind::Ghost => "ghost",
    }
}

/// Where a box leads: a cluster into focus, a group to its clusters, peers outside to the table that names them.
fn address(query: &TopologyQuery, one: &MapBox) -> String {
    match one.kind {
        BoxKind::Cluster if one.is_focus => query.focused_on("").url(),
        BoxKind::Cluster => query.focused_on(&one.key).url(),
        BoxKind::Group => group_address(query, one),
        BoxKind::External => query.seen_as(View::Table).url(),
        BoxKind::Ghost => format!("/clusters/{}", url::encode(&one.key)),
    }
}

/// The clusters of a group.
pub(super) fn group_address(query: &TopologyQuery, one: &MapBox) -> String {
    match query.group {
        Group::Auto | Group::System => TopologyQuery {
            system: one.key.clone(),
            group: Group::Auto,
            ..query.clone()
        }
        .url(),
        _ => query.inside(query.group.clone(), &one.key).url(),
    }
}

/// Is it so large that it can only be read with larger names when it fits into a page? On a wall it always is.
fn is_large(page: &TopologyPage) -> bool {
    page.query.plain || page.area.width > 1_600 || page.area.height > 900
}

fn map_box(page: &TopologyPage, stops: &hand::Stops, one: &MapBox, is_large: bool) -> AnyView {
    let (x, y) = (one.x, one.y);
    let status = match one.kind {
        BoxKind::Cluster | BoxKind::Group => Some(one.status.as_str()),
        BoxKind::External | BoxKind::Ghost => None,
    };
    let cells: Vec<_> = one
        .cells
        .iter()
        .map(|one| cell(page.query.color, one))
        .collect();
    let bar = one.has_bar.then(|| bar(one));
    let more = one.more.clone().map(|more| {
        let (x, y) = one.more_at;
        view! { <text class="topo-more" x=x.to_string() y=y.to_string()>{more}</text> }
    });
    view! {
        <g class="topo-box" data-box=one.key.clone() data-kind=kind(one) data-status=status data-focus=one.is_focus.then_some("") data-dimmed=one.is_dimmed.then_some("")>
            <rect class="topo-frame" x=x.to_string() y=y.to_string() width=one.width.to_string() height=one.height.to_string() rx="8"></rect>
            {head(&page.query, stops, one, is_large)}
            {bar}
            {more}
            {cells}
        </g>
    }
    .into_any()
}

/// The nodes of a group by status.
fn bar(one: &MapBox) -> AnyView {
    let percent = |share: f64| format!("{:.2}%", share * 100.0);
    let parts: Vec<_> = shares(&one.counts.0)
        .into_iter()
        .map(|(status, x, width)| {
            view! { <rect data-status=status.as_str() x=percent(x) width=percent(width) height="100%"></rect> }
        })
        .collect();
    svg::svg()
        .attr("class", "topo-bar")
        .attr("x", (one.x + PADDING).to_string())
        .attr("y", (one.y + one.height - PADDING - BAR).to_string())
        .attr("width", (one.width - 2 * PADDING).to_string())
        .attr("height", BAR.to_string())
        .child(parts)
        .into_any()
}

/// What a cluster mostly does, as an icon of the sprite.
fn icon(glyph: Glyph) -> &'static str {
    match glyph {
        Glyph::Hosts => "boxes",
        Glyph::Edge => "split",
        Glyph::App => "server",
        Glyph::Broker => "mail",
        Glyph::Database => "database",
        Glyph::Outside => "globe",
    }
}

fn head(query: &TopologyQuery, stops: &hand::Stops, one: &MapBox, is_large: bool) -> AnyView {
    let (x, y) = (one.x, one.y);
    let is_ours = matches!(one.kind, BoxKind::Cluster | BoxKind::Group);
    let mark = is_ours.then(|| {
        let href = format!("#topo-mark-{}", one.status.as_str());
        view! { <use href=href x=(x + PADDING).to_string() y=(y + 8).to_string()></use> }
    });
    let count = box_count(one);
    let at = x + PADDING + if is_ours { 22 } else { 0 };
    let sprite = use_context::<IconSprite>()
        .map(|sprite| sprite.0)
        .unwrap_or_default();
    // Where names are large, they need its room.
    let glyph = (one.kind != BoxKind::Group && !is_large).then(|| {
        let href = format!("{sprite}#{}", icon(one.glyph));
        view! { <use class="topo-role" href=href x=at.to_string() y=(y + 9).to_string() width="14" height="14"></use> }
    });
    let left = at + if glyph.is_some() { 19 } else { 0 };
    let letter = if is_large { LETTER_LARGE } else { LETTER };
    let room = x + one.width - PADDING - left - count.len() as i32 * letter - 6;
    let name = fit(&one.label, room, letter);
    let base = y + if is_large { 24 } else { 21 };
    let inside = (
        svg::rect()
            .attr("class", "topo-hit")
            .attr("x", x.to_string())
            .attr("y", y.to_string())
            .attr("width", one.width.to_string())
            .attr("height", HEADER.to_string())
            .attr("rx", "8"),
        mark,
        glyph,
        view! { <text class="topo-name" x=left.to_string() y=base.to_string()>{name}</text> },
        view! { <text class="topo-count" x=(x + one.width - PADDING).to_string() y=base.to_string() text-anchor="end">{count}</text> },
    );
    let stop = stops.of(&one.key);
    // By the builder: in the macro this would be an HTML link, which is none in a drawing made by the browser.
    svg::a()
        .attr("class", "topo-head")
        .attr("href", address(query, one))
        .attr("tabindex", move || stop.tabindex())
        .attr("aria-label", box_name(one))
        .attr("aria-current", one.is_focus.then_some("true"))
        .child(inside)
        .into_any()
}

fn cell(color: Color, cell: &MapCell) -> AnyView {
    // What is not known has no colour; its status stands there instead.
    let href = match cell.tint.filter(|_| color != Color::Status) {
        Some(tint) => format!("#topo-tint-{tint}"),
        None => format!("#topo-cell-{}", cell.status.as_str()),
    };
    let mark = view! { <use href=href x=cell.x.to_string() y=cell.y.to_string()></use> };
    svg::a()
        .attr("class", "topo-cell")
        .attr("href", url::node(&cell.id))
        .attr("tabindex", "-1")
        .attr("aria-label", cell_name(cell))
        .attr("data-dimmed", cell.is_dimmed.then_some(""))
        .child(mark)
        .into_any()
}

fn zooms(query: &TopologyQuery) -> AnyView {
    let link = |zoom: u16, text: String, name: String, key: Option<&'static str>| {
        let is_current = (query.zoom == zoom && key.is_none_or(|key| key == "f" || key == "0"))
            .then_some("true");
        view! { <li><a href=query.zoomed(zoom).url() aria-label=name aria-current=is_current data-shortcut=key aria-keyshortcuts=key data-zoom="">{text}</a></li> }
    };
    let mut sizes = vec![
        link(
            query.zoom_step(false),
            "−".to_owned(),
            "Smaller".to_owned(),
            Some("-"),
        ),
        link(
            query.zoom_step(true),
            "+".to_owned(),
            "Larger".to_owned(),
            Some("+"),
        ),
        link(0, "Fit".to_owned(), "Fit the page".to_owned(), Some("f")),
    ];
    sizes.extend(ZOOMS.map(|zoom| {
        let key = (zoom == 100).then_some("0");
        link(zoom, format!("{zoom} %"), format!("{zoom} %"), key)
    }));
    view! { <ul class="topo-zooms" aria-label="Size">{sizes}</ul> }.into_any()
}
