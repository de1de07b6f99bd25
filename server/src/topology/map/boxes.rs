//! Clusters as boxes with their nodes as cells.

use std::collections::{BTreeMap, BTreeSet};

use app::topology::view::{BoxKind, Glyph, MapBox, MapCell, TopologyPage};
use domain::fleet::Status;
use domain::topology::WidthBy;
use domain::topology::layout::{BoxIn, BoxOut, CELL, layout};

use super::super::model::{CLIENTS, Cluster, Model, SERVICES, is_outside, is_short_lived, name_of};
use super::super::service::Known;
use super::super::source::NodeAt;
use super::paint::Paint;
use super::{
    BOX_ELEMENTS, BOXES_DRAWN_MAX, CELL_ELEMENTS, EDGE_ELEMENTS, EDGES_MAX, ELEMENTS_MAX,
    PROBLEMS_MAX, WALL_NODES_MAX, area, degrees, edges, focus, shown, words,
};

/// Cells in whose place it is said how many nodes are not drawn, and those of a row that may be left over before.
const MORE_CELLS: u32 = 5;
const WORDS_CELLS: u32 = 3;

/// Draws clusters.
pub(super) fn draw(
    model: &Model,
    known: &Known,
    map: &str,
    ghosts: &[String],
    paint: &Paint,
    page: &mut TopologyPage,
    notes: &mut Vec<String>,
) {
    let is_plain = page.query.plain && shown(model).count() > WALL_NODES_MAX;
    let drawn_nodes = if is_plain {
        BTreeMap::new()
    } else {
        cells_drawn(model, notes)
    };
    let sizes: BTreeMap<&str, u32> = drawn_nodes
        .iter()
        .map(|(slug, drawn)| {
            let all = model.clusters.get(*slug).map_or(0, |one| one.members.len());
            let words = if all > drawn.len() { MORE_CELLS } else { 0 };
            (*slug, drawn.len() as u32 + words)
        })
        .collect();
    let (mut boxes, arcs) = model.drawing(known, map, &sizes);
    fewer_boxes(model, &mut boxes, notes);
    if is_plain {
        // They are smaller than where they stand: close together they can be read from farther away.
        for one in &mut boxes {
            one.position = None;
        }
    }
    // What is not looked for is not missed either.
    let query = &page.query;
    let is_all = query.hide.is_empty() && !query.only_problems && query.within.is_empty();
    boxes.retain(|one| {
        let is_there = is_outside(&one.key) || model.clusters.contains_key(&one.key);
        is_there || (is_all && ghosts.contains(&one.key))
    });
    let layout = layout(&boxes, &arcs);
    let reach = focus::reach(&arcs, &page.query);
    let find = words(&page.query.find);
    let is_found = |text: &str| find.iter().all(|word| text.to_lowercase().contains(word));
    let mut map_boxes = Vec::with_capacity(layout.boxes.len());
    for drawn in &layout.boxes {
        let nodes = drawn_nodes
            .get(drawn.key.as_str())
            .map_or(&[][..], Vec::as_slice);
        let box_found = is_found(&drawn.key);
        let cells: Vec<MapCell> = nodes
            .iter()
            .enumerate()
            .map(|(at, node)| {
                let corner = drawn.cell(at as u32);
                let (tint, value) = paint.of(node);
                MapCell {
                    tint,
                    value,
                    id: node.row.id.clone(),
                    name: node.row.name.clone(),
                    status: node.row.status,
                    x: corner.x,
                    y: corner.y,
                    is_dimmed: !box_found && !is_found(&node.row.name),
                }
            })
            .collect();
        let is_far = reach
            .as_ref()
            .is_some_and(|near| !near.contains(&drawn.key));
        let is_other = !find.is_empty() && !box_found && cells.iter().all(|cell| cell.is_dimmed);
        let mut new = map_box(model, drawn, cells);
        if is_plain && new.kind == BoxKind::Cluster {
            new.has_bar = true;
            new.more = None;
        }
        new.is_dimmed = is_far || is_other;
        new.is_focus = drawn.key == page.query.focus;
        new.is_pinned = boxes
            .iter()
            .any(|one| one.key == drawn.key && one.is_pinned);
        map_boxes.push(new);
    }
    let (edges, width_by) = edges::draw(model, &layout, &map_boxes, &page.query.focus, notes);
    page.edges = edges;
    page.is_width_rate = width_by == WidthBy::Rate;
    page.area = area(&layout);
    degrees(&arcs, &mut map_boxes);
    map_boxes.sort_by(|a, b| (a.x, a.y, &a.key).cmp(&(b.x, b.y, &b.key)));
    page.boxes = map_boxes;
}

/// The nodes that are drawn of each cluster: all, or where that is too much only those that are not OK.
fn cells_drawn<'m>(
    model: &'m Model,
    notes: &mut Vec<String>,
) -> BTreeMap<&'m str, Vec<&'m NodeAt>> {
    let members =
        |cluster: &'m Cluster| cluster.members.iter().filter_map(|at| model.nodes.get(*at));
    let total: usize = model
        .clusters
        .values()
        .map(|cluster| cluster.members.len())
        .sum();
    let all: BTreeMap<&str, Vec<&NodeAt>> = model
        .clusters
        .iter()
        .map(|(slug, cluster)| (slug.as_str(), members(cluster).collect()))
        .collect();
    let edges = edges::bundles(model).len().min(EDGES_MAX);
    let elements = total * CELL_ELEMENTS + all.len() * BOX_ELEMENTS + edges * EDGE_ELEMENTS;
    if elements <= ELEMENTS_MAX {
        return all;
    }
    let mut problems: BTreeMap<&str, Vec<&NodeAt>> = all
        .into_iter()
        .map(|(slug, mut nodes)| {
            nodes.retain(|node| node.row.status != Status::Ok);
            (slug, nodes)
        })
        .collect();
    let wrong: usize = problems.values().map(Vec::len).sum();
    notes.push(format!(
        "Of {total} nodes only those that are not OK are drawn; the table view and each cluster list all."
    ));
    if wrong > PROBLEMS_MAX {
        for nodes in problems.values_mut() {
            nodes.sort_by(|a, b| (a.row.status, &a.row.name).cmp(&(b.row.status, &b.row.name)));
            nodes.truncate((nodes.len() * PROBLEMS_MAX).div_ceil(wrong));
        }
        notes.push(format!(
            "{wrong} nodes are not OK; the worst of each cluster are drawn."
        ));
    }
    problems
}

/// Where one system has very many clusters, the worst are drawn, and those that talk most.
fn fewer_boxes(model: &Model, boxes: &mut Vec<BoxIn>, notes: &mut Vec<String>) {
    if boxes.len() <= BOXES_DRAWN_MAX {
        return;
    }
    let mut talks: BTreeMap<&str, u64> = BTreeMap::new();
    for edge in &model.edges {
        for key in [&edge.from, &edge.to] {
            *talks.entry(key).or_default() += u64::from(edge.connections.unwrap_or(0));
        }
    }
    let left_out = boxes.len() - BOXES_DRAWN_MAX;
    boxes.sort_by_key(|one| {
        let status = model.clusters.get(&one.key).map(|cluster| cluster.status());
        let talk = talks.get(one.key.as_str()).copied().unwrap_or(0);
        (
            status.unwrap_or(Status::Ok),
            std::cmp::Reverse(talk),
            one.key.clone(),
        )
    });
    boxes.truncate(BOXES_DRAWN_MAX);
    notes.push(format!(
        "{left_out} clusters without problems and with few connections are not drawn; the cells and table views have them."
    ));
}

pub(super) fn map_box(model: &Model, drawn: &BoxOut, cells: Vec<MapCell>) -> MapBox {
    let cluster = model.clusters.get(&drawn.key);
    let (kind, label) = match (cluster, drawn.key.as_str()) {
        (Some(_), key) => (BoxKind::Cluster, key.to_owned()),
        (None, CLIENTS) => (BoxKind::External, peers(model, true)),
        (None, SERVICES) => (BoxKind::External, peers(model, false)),
        (None, key) => (BoxKind::Ghost, key.to_owned()),
    };
    let counts = cluster.map(Cluster::counts).unwrap_or_default();
    let total = u32::try_from(counts.total()).unwrap_or(u32::MAX);
    let drawn_nodes = cells.len() as u32;
    let left_out = total.saturating_sub(drawn_nodes);
    // Behind the last cell, else at the beginning of the next row.
    let columns = drawn.columns.max(1);
    let after = match drawn_nodes % columns {
        used if used + WORDS_CELLS > columns => drawn_nodes + columns - used,
        _ => drawn_nodes,
    };
    let words_at = drawn.cell(after);
    let well_left_out = left_out == counts.of(Status::Ok);
    let more = (left_out > 0).then(|| {
        if well_left_out {
            format!("{left_out} OK")
        } else {
            format!("{left_out} more")
        }
    });
    let summary = match kind {
        BoxKind::Cluster | BoxKind::Group => cluster.map(Cluster::summary).unwrap_or_default(),
        BoxKind::External => "outside of the fleet".to_owned(),
        BoxKind::Ghost => "has no nodes any more".to_owned(),
    };
    MapBox {
        key: drawn.key.clone(),
        kind,
        label,
        system: cluster
            .map(|cluster| cluster.system.clone())
            .unwrap_or_default(),
        x: drawn.x,
        y: drawn.y,
        width: drawn.width,
        height: drawn.height,
        status: cluster.map_or(Status::Ok, Cluster::status),
        glyph: match kind {
            BoxKind::External => Glyph::Outside,
            _ => glyph(cluster.and_then(|cluster| cluster.tier)),
        },
        problems: total.saturating_sub(counts.of(Status::Ok)),
        counts,
        total,
        summary,
        used_by: 0,
        depends_on: 0,
        is_dimmed: false,
        is_focus: false,
        is_pinned: false,
        more,
        more_at: (words_at.x + 2, words_at.y + CELL - 6),
        has_bar: false,
        cells,
    }
}

fn glyph(tier: Option<u8>) -> Glyph {
    match tier {
        Some(1) => Glyph::Edge,
        Some(2) => Glyph::App,
        Some(3) => Glyph::Broker,
        Some(4) => Glyph::Database,
        _ => Glyph::Hosts,
    }
}

/// "38 clients outside"; one is called by its address.
fn peers(model: &Model, is_calling: bool) -> String {
    let keys: BTreeSet<&str> = model
        .edges
        .iter()
        .map(|edge| if is_calling { &edge.from } else { &edge.to })
        .filter(|key| is_outside(key))
        .map(String::as_str)
        .collect();
    let named: Vec<&str> = keys
        .iter()
        .copied()
        .filter(|key| !is_short_lived(key))
        .collect();
    let what = if is_calling { "client" } else { "service" };
    match (named[..].first(), named.len(), keys.len() > named.len()) {
        (None, ..) => format!("Short-lived {what}s outside"),
        (Some(only), 1, false) => name_of(only).to_owned(),
        (Some(_), count, false) => format!("{count} {what}s outside"),
        (Some(_), count, true) => format!("{count}+ {what}s outside"),
    }
}
