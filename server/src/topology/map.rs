//! The map as a page: what of the fleet is drawn, where, and what is said instead of the rest.
//!
//! Bounds keep it calm: a page never has more than about 3,000 elements, so beyond [`CELLS_MAX`] nodes only those that are
//! not OK are drawn, and beyond [`BOXES_MAX`] clusters their systems. What is left out is said.

use std::collections::{BTreeMap, BTreeSet};

use app::topology::view::{
    Area, BoxKind, EdgeRow, FocusPanel, MapBox, MapCell, MapEdge, Neighbour, NodeLine, Reach,
    TopologyPage, TopologyQuery, View,
};
use domain::access::{Action, Role, authorize};
use domain::fleet::Status;
use domain::topology::layout::{ArcIn, ArcOut, BoxIn, BoxOut, Layout, layout};
use domain::topology::{ClusterEdge, EdgeState, trouble, width_step};

use super::model::{CLIENTS, Cluster, Model, SERVICES, counts, folded, is_outside, name_of};
use super::service::Known;
use super::source::{self, NodeAt};
use crate::ops::Ops;

/// More clusters than that are drawn as their systems.
const BOXES_MAX: usize = 60;
/// Where there is one system only, so many of its clusters are drawn, worst first.
const BOXES_DRAWN_MAX: usize = 150;
/// Of more nodes than that only those are drawn that are not OK.
const CELLS_MAX: usize = 1_000;
/// And of those at most so many in all.
const PROBLEMS_MAX: usize = 800;
/// Above so many edges, small ones are not drawn.
const EDGES_MAX: usize = 80;
/// An edge with less than this share of all connections is small.
const SMALL_SHARE: u64 = 100;
/// Rows of each table.
const ROWS_MAX: usize = 200;

/// The page, as its URL asks for it.
pub fn page(ops: &Ops, role: Role, query: &TopologyQuery) -> TopologyPage {
    let nodes = source::nodes(ops);
    let mut hosts = 0_u32;
    ops.live.for_each(|_| hosts += 1);
    let known = ops.topology.known();
    let mut page = draw(nodes, &known, query, ops.clock.now().0);
    page.hosts = hosts;
    page.may_arrange = authorize(role, Action::ArrangeFleet).is_ok();
    page
}

/// Everything but who asks.
pub fn draw(nodes: Vec<NodeAt>, known: &Known, query: &TopologyQuery, now_ms: i64) -> TopologyPage {
    let mut notes = Vec::new();
    let systems: BTreeSet<String> = nodes.iter().map(|node| node.row.system.clone()).collect();
    let mut query = query.clone();
    if !query.system.is_empty() && !systems.contains(&query.system) {
        let named = domain::text::clean_label(&query.system);
        notes.push(format!("There is no system “{named}”; all are shown."));
        query.system.clear();
    }
    let mut model = Model::new(nodes, known.edges.values(), &query.system);
    if !query.focus.is_empty() && !model.clusters.contains_key(&query.focus) {
        let named = domain::text::clean_label(&query.focus);
        notes.push(format!(
            "There is no cluster “{named}” here; nothing is in focus."
        ));
        query.focus.clear();
    }
    narrow(&mut model, &query, &mut notes);
    let map = if systems.len() > 1 {
        query.system.clone()
    } else {
        String::new()
    };
    let focus = focus_panel(&model, known, &map, &query);
    let statuses = shown(&model).map(|node| node.row.status);
    let mut page = TopologyPage {
        now_ms,
        systems: systems.into_iter().collect(),
        counts: counts(statuses),
        boxes: Vec::new(),
        edges: Vec::new(),
        area: Area::default(),
        notes: Vec::new(),
        hosts_telling: known.hosts_telling,
        hosts: 0,
        focus,
        edge_rows: Vec::new(),
        node_rows: Vec::new(),
        may_arrange: false,
        query,
    };
    if page.query.view == View::Table {
        page.edge_rows = edge_rows(&model, &mut notes);
        page.node_rows = node_rows(&model, &mut notes);
    } else if is_grouped(&model, &page) {
        notes.push(format!(
            "{} clusters are drawn as their systems; choose a system to see its clusters.",
            model.clusters.len()
        ));
        draw_systems(&model, &mut page);
    } else {
        draw_clusters(&model, known, &map, &mut page, &mut notes);
    }
    page.notes = notes;
    page
}

fn shown(model: &Model) -> impl Iterator<Item = &NodeAt> {
    let members = model.clusters.values().flat_map(|cluster| &cluster.members);
    members.filter_map(|at| model.nodes.get(*at))
}

fn is_grouped(model: &Model, page: &TopologyPage) -> bool {
    page.query.view == View::Graph
        && page.query.system.is_empty()
        && page.query.focus.is_empty()
        && page.systems.len() > 1
        && model.clusters.len() > BOXES_MAX
}

/// Takes away what is hidden, and what has no problem where only those are wanted.
fn narrow(model: &mut Model, query: &TopologyQuery, notes: &mut Vec<String>) {
    let words = words(&query.hide);
    let before = model.clusters.len();
    if !words.is_empty() {
        model
            .clusters
            .retain(|slug, _| !words.iter().any(|word| slug.contains(word)));
        let hidden = before - model.clusters.len();
        notes.push(match hidden {
            1 => "1 cluster is hidden.".to_owned(),
            hidden => format!("{hidden} clusters are hidden."),
        });
    }
    if query.only_problems {
        let before = model.clusters.len();
        let mut wanted: BTreeSet<String> = model
            .clusters
            .iter()
            .filter(|(_, cluster)| cluster.counts.worst() != Status::Ok)
            .map(|(slug, _)| slug.clone())
            .collect();
        let is_failing = |edge: &ClusterEdge| trouble(edge.connections, edge.failing).is_some();
        for edge in model.edges.iter().filter(|edge| is_failing(edge)) {
            wanted.extend([edge.from.clone(), edge.to.clone()]);
        }
        let problems = wanted.clone();
        for edge in &model.edges {
            if problems.contains(&edge.from) || problems.contains(&edge.to) {
                wanted.extend([edge.from.clone(), edge.to.clone()]);
            }
        }
        model.clusters.retain(|slug, _| wanted.contains(slug));
        let well = before - model.clusters.len();
        notes.push(match well {
            1 => "1 cluster without problems is not shown.".to_owned(),
            well => format!("{well} clusters without problems are not shown."),
        });
    }
    let clusters: BTreeSet<String> = model.clusters.keys().cloned().collect();
    let is_there = |key: &String| is_outside(key) || clusters.contains(key);
    model
        .edges
        .retain(|edge| is_there(&edge.from) && is_there(&edge.to));
}

fn words(text: &str) -> Vec<String> {
    text.split([' ', ','])
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn draw_clusters(
    model: &Model,
    known: &Known,
    map: &str,
    page: &mut TopologyPage,
    notes: &mut Vec<String>,
) {
    let drawn_nodes = cells_drawn(model, notes);
    let sizes: BTreeMap<&str, u32> = drawn_nodes
        .iter()
        .map(|(slug, drawn)| (*slug, drawn.len() as u32))
        .collect();
    let (mut boxes, arcs) = model.drawing(known, map, &sizes);
    fewer_boxes(model, &mut boxes, notes);
    if page.query.hide.is_empty() && !page.query.only_problems {
        // Ghosts stay where something might still be missed.
    } else {
        boxes.retain(|one| is_outside(&one.key) || model.clusters.contains_key(&one.key));
    }
    let layout = layout(&boxes, &arcs);
    let reach = reach(&arcs, &page.query);
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
                MapCell {
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
        new.is_dimmed = is_far || is_other;
        new.is_focus = drawn.key == page.query.focus;
        new.is_pinned = boxes
            .iter()
            .any(|one| one.key == drawn.key && one.is_pinned);
        map_boxes.push(new);
    }
    page.edges = map_edges(model, &layout, &map_boxes, notes);
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
    if total <= CELLS_MAX {
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
        let status = model
            .clusters
            .get(&one.key)
            .map(|cluster| cluster.counts.worst());
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

fn map_box(model: &Model, drawn: &BoxOut, cells: Vec<MapCell>) -> MapBox {
    let cluster = model.clusters.get(&drawn.key);
    let (kind, label) = match (cluster, drawn.key.as_str()) {
        (Some(_), key) => (BoxKind::Cluster, key.to_owned()),
        (None, CLIENTS) => (BoxKind::External, peers(model, true)),
        (None, SERVICES) => (BoxKind::External, peers(model, false)),
        (None, key) => (BoxKind::Ghost, key.to_owned()),
    };
    let counts = cluster
        .map(|cluster| cluster.counts.clone())
        .unwrap_or_default();
    let total = u32::try_from(counts.total()).unwrap_or(u32::MAX);
    let left_out = total.saturating_sub(cells.len() as u32);
    let well_left_out = left_out == counts.of(Status::Ok);
    let more = (left_out > 0).then(|| {
        if well_left_out {
            format!("{left_out} OK")
        } else {
            format!("{left_out} more")
        }
    });
    let summary = match kind {
        BoxKind::Cluster | BoxKind::System => counts.sentence(),
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
        status: counts.worst(),
        problems: total.saturating_sub(counts.of(Status::Ok)),
        total,
        summary,
        used_by: 0,
        depends_on: 0,
        is_dimmed: false,
        is_focus: false,
        is_pinned: false,
        more,
        cells,
    }
}

/// "38 clients outside"; one is called by its address.
fn peers(model: &Model, is_calling: bool) -> String {
    let names: BTreeSet<&str> = model
        .edges
        .iter()
        .map(|edge| if is_calling { &edge.from } else { &edge.to })
        .filter(|key| is_outside(key))
        .map(|key| name_of(key))
        .collect();
    match (names.len(), names.first(), is_calling) {
        (1, Some(only), _) => (*only).to_owned(),
        (count, _, true) => format!("{count} clients outside"),
        (count, _, false) => format!("{count} services outside"),
    }
}

fn degrees(arcs: &[ArcIn], boxes: &mut [MapBox]) {
    for one in boxes {
        one.used_by = arcs.iter().filter(|arc| arc.to == one.key).count() as u32;
        one.depends_on = arcs.iter().filter(|arc| arc.from == one.key).count() as u32;
    }
}

fn area(layout: &Layout) -> Area {
    Area {
        left: layout.left,
        top: layout.top,
        width: layout.width,
        height: layout.height,
    }
}

/// Boxes near the focus; `None` without a focus.
fn reach(arcs: &[ArcIn], query: &TopologyQuery) -> Option<BTreeSet<String>> {
    if query.focus.is_empty() {
        return None;
    }
    let both = query.reach == Reach::Both;
    Some(within(
        arcs,
        &query.focus,
        usize::from(query.depth.max(1)),
        both,
    ))
}

/// Boxes at most `depth` edges away: those that call, and those that are called where `both`.
fn within(arcs: &[ArcIn], from: &str, depth: usize, both: bool) -> BTreeSet<String> {
    let mut near = BTreeSet::from([from.to_owned()]);
    let (mut callers, mut called) = (near.clone(), near.clone());
    for _ in 0..depth {
        let next = |known: &BTreeSet<String>, is_calling: bool| -> BTreeSet<String> {
            arcs.iter()
                .filter(|arc| known.contains(if is_calling { &arc.to } else { &arc.from }))
                .map(|arc| {
                    if is_calling {
                        arc.from.clone()
                    } else {
                        arc.to.clone()
                    }
                })
                .collect()
        };
        callers.extend(next(&callers, true));
        if both {
            called.extend(next(&called, false));
        }
    }
    near.extend(callers);
    near.extend(called);
    near
}

/// All edges between two boxes as one.
struct Bundle<'m> {
    edges: Vec<&'m ClusterEdge>,
}

impl Bundle<'_> {
    fn connections(&self) -> Option<u32> {
        let seen = self.edges.iter().filter_map(|edge| edge.connections);
        seen.reduce(u32::saturating_add)
    }

    fn failing(&self) -> u32 {
        let failing = self.edges.iter().map(|edge| edge.failing);
        failing.fold(0, u32::saturating_add)
    }

    /// Of each edge by itself: one that fails is not lost among many that work.
    fn trouble(&self) -> Option<Status> {
        let each = self
            .edges
            .iter()
            .filter_map(|edge| trouble(edge.connections, edge.failing));
        each.min()
    }

    fn state(&self) -> EdgeState {
        let states = self.edges.iter().map(|edge| edge.state);
        states.min().unwrap_or(EdgeState::Stale)
    }

    fn words(&self) -> String {
        const PORTS_MAX: usize = 3;
        let ports: BTreeSet<u16> = self.edges.iter().map(|edge| edge.port).collect();
        let mut listed: Vec<String> = ports.iter().take(PORTS_MAX).map(u16::to_string).collect();
        if ports.len() > PORTS_MAX {
            listed.push(format!("{} more", ports.len() - PORTS_MAX));
        }
        let what = if ports.len() == 1 { "port" } else { "ports" };
        let mut words = format!("{what} {}", listed.join(", "));
        words.push_str(&match self.connections() {
            Some(1) => " · 1 connection".to_owned(),
            Some(count) => format!(" · {count} connections"),
            None if self.state() == EdgeState::Declared => " · declared, never seen".to_owned(),
            None => " · not seen now".to_owned(),
        });
        if self.failing() > 0 {
            words.push_str(&format!(" · {} failing", self.failing()));
        }
        words
    }
}

fn bundles<'m>(model: &'m Model) -> BTreeMap<(&'m str, &'m str), Bundle<'m>> {
    let mut bundles: BTreeMap<(&str, &str), Bundle<'_>> = BTreeMap::new();
    for edge in &model.edges {
        let key = (folded(&edge.from, CLIENTS), folded(&edge.to, SERVICES));
        let bundle = bundles.entry(key).or_insert(Bundle { edges: Vec::new() });
        bundle.edges.push(edge);
    }
    bundles
}

fn map_edges(
    model: &Model,
    layout: &Layout,
    boxes: &[MapBox],
    notes: &mut Vec<String>,
) -> Vec<MapEdge> {
    let bundles = bundles(model);
    let labels: BTreeMap<&str, &MapBox> = boxes.iter().map(|b| (b.key.as_str(), b)).collect();
    let all: u64 = bundles
        .values()
        .map(|bundle| u64::from(bundle.connections().unwrap_or(0)))
        .sum();
    let mut hidden = 0;
    let mut edges = Vec::new();
    for arc in &layout.arcs {
        let Some(bundle) = bundles.get(&(arc.from.as_str(), arc.to.as_str())) else {
            continue;
        };
        let connections = u64::from(bundle.connections().unwrap_or(0));
        let is_small = connections * SMALL_SHARE < all;
        if layout.arcs.len() > EDGES_MAX && is_small && bundle.trouble().is_none() {
            hidden += 1;
            continue;
        }
        edges.push(map_edge(arc, bundle, &labels));
    }
    if hidden > 0 {
        notes.push(format!(
            "{hidden} edges with less than 1 % of all connections are hidden."
        ));
    }
    // Faults above the rest.
    edges.sort_by_key(|edge| (edge.trouble.is_some(), edge.from.clone(), edge.to.clone()));
    edges
}

fn map_edge(arc: &ArcOut, bundle: &Bundle<'_>, boxes: &BTreeMap<&str, &MapBox>) -> MapEdge {
    let label = |key: &str| boxes.get(key).map_or(key, |b| b.label.as_str()).to_owned();
    let is_far = |key: &str| boxes.get(key).is_some_and(|b| b.is_dimmed);
    MapEdge {
        from: arc.from.clone(),
        to: arc.to.clone(),
        label: format!(
            "{} → {}: {}",
            label(&arc.from),
            label(&arc.to),
            bundle.words()
        ),
        curve: arc.curve,
        width_step: width_step(bundle.connections()),
        state: bundle.state(),
        trouble: bundle.trouble(),
        is_back: arc.is_back,
        is_dimmed: is_far(&arc.from) || is_far(&arc.to),
    }
}

/// Systems instead of their clusters.
fn draw_systems(model: &Model, page: &mut TopologyPage) {
    let system_of = |key: &str| {
        model
            .clusters
            .get(key)
            .map(|cluster| cluster.system.clone())
    };
    let arcs: BTreeSet<(String, String)> = model
        .edges
        .iter()
        .filter_map(|edge| Some((system_of(&edge.from)?, system_of(&edge.to)?)))
        .filter(|(from, to)| from != to)
        .collect();
    let arcs: Vec<ArcIn> = arcs
        .into_iter()
        .map(|(from, to)| ArcIn { from, to })
        .collect();
    let mut by_system: BTreeMap<&str, Vec<&Cluster>> = BTreeMap::new();
    for cluster in model.clusters.values() {
        by_system.entry(&cluster.system).or_default().push(cluster);
    }
    let boxes: Vec<BoxIn> = by_system
        .keys()
        .map(|system| BoxIn {
            key: (*system).to_owned(),
            tier: None,
            cells: 0,
            position: None,
            is_pinned: false,
        })
        .collect();
    let layout = layout(&boxes, &arcs);
    let mut drawn: Vec<MapBox> = Vec::new();
    for one in &layout.boxes {
        let clusters = by_system
            .get(one.key.as_str())
            .map_or(&[][..], Vec::as_slice);
        let members = clusters.iter().flat_map(|cluster| &cluster.members);
        let nodes = members.filter_map(|at| model.nodes.get(*at));
        let counts = counts(nodes.map(|node| node.row.status));
        let mut new = map_box(model, one, Vec::new());
        new.kind = BoxKind::System;
        new.status = counts.worst();
        new.total = u32::try_from(counts.total()).unwrap_or(u32::MAX);
        new.problems = new.total.saturating_sub(counts.of(Status::Ok));
        new.summary = format!("{} clusters, {}", clusters.len(), counts.sentence());
        new.more = Some(format!("{} clusters", clusters.len()));
        new.system.clone_from(&one.key);
        drawn.push(new);
    }
    let labels: BTreeMap<&str, &MapBox> = drawn.iter().map(|b| (b.key.as_str(), b)).collect();
    page.edges = layout
        .arcs
        .iter()
        .map(|arc| {
            let between = |edge: &&ClusterEdge| {
                system_of(&edge.from).as_ref() == Some(&arc.from)
                    && system_of(&edge.to).as_ref() == Some(&arc.to)
            };
            let bundle = Bundle {
                edges: model.edges.iter().filter(between).collect(),
            };
            map_edge(arc, &bundle, &labels)
        })
        .collect();
    page.area = area(&layout);
    degrees(&arcs, &mut drawn);
    drawn.sort_by(|a, b| (a.x, a.y, &a.key).cmp(&(b.x, b.y, &b.key)));
    page.boxes = drawn;
}

fn focus_panel(
    model: &Model,
    known: &Known,
    map: &str,
    query: &TopologyQuery,
) -> Option<FocusPanel> {
    let cluster = model.clusters.get(&query.focus)?;
    let mut around: [BTreeMap<&str, Bundle<'_>>; 2] = [BTreeMap::new(), BTreeMap::new()];
    for edge in &model.edges {
        let (side, other) = if edge.to == query.focus {
            (0, &edge.from)
        } else if edge.from == query.focus {
            (1, &edge.to)
        } else {
            continue;
        };
        if let Some(side) = around.get_mut(side) {
            let bundle = side.entry(other).or_insert(Bundle { edges: Vec::new() });
            bundle.edges.push(edge);
        }
    }
    let neighbours = |side: &BTreeMap<&str, Bundle<'_>>| -> Vec<Neighbour> {
        side.iter()
            .map(|(key, bundle)| Neighbour {
                name: name_of(key).to_owned(),
                is_cluster: !is_outside(key),
                status: model
                    .clusters
                    .get(*key)
                    .map(|cluster| cluster.counts.worst()),
                words: bundle.words(),
                trouble: bundle.trouble(),
                state: bundle.state(),
            })
            .collect()
    };
    let [used_by, depends_on] = &around;
    let far = within(&model.arcs(), &query.focus, model.clusters.len(), false);
    let dependants = far
        .iter()
        .filter(|key| !is_outside(key))
        .count()
        .saturating_sub(1);
    Some(FocusPanel {
        cluster: query.focus.clone(),
        system: cluster.system.clone(),
        status: cluster.counts.worst(),
        summary: cluster.counts.sentence(),
        used_by: neighbours(used_by),
        depends_on: neighbours(depends_on),
        dependants: dependants as u32,
        is_pinned: known
            .place(map, &query.focus)
            .is_some_and(|place| place.is_pinned),
    })
}

fn edge_rows(model: &Model, notes: &mut Vec<String>) -> Vec<EdgeRow> {
    let mut rows: Vec<EdgeRow> = model
        .edges
        .iter()
        .map(|edge| EdgeRow {
            from: name_of(&edge.from).to_owned(),
            from_cluster: !is_outside(&edge.from),
            to: name_of(&edge.to).to_owned(),
            to_cluster: !is_outside(&edge.to),
            port: edge.port,
            connections: edge.connections,
            failing: edge.failing,
            state: edge.state,
            trouble: trouble(edge.connections, edge.failing),
            first_seen_at_ms: edge.first_seen_at_ms,
            last_seen_at_ms: edge.last_seen_at_ms,
        })
        .collect();
    // Faults first, then in the order of names.
    rows.sort_by_key(|row| row.trouble.unwrap_or(Status::Ok));
    if rows.len() > ROWS_MAX {
        notes.push(format!("{ROWS_MAX} of {} edges are listed.", rows.len()));
        rows.truncate(ROWS_MAX);
    }
    rows
}

fn node_rows(model: &Model, notes: &mut Vec<String>) -> Vec<NodeLine> {
    let mut rows: Vec<NodeLine> = shown(model)
        .map(|node| NodeLine {
            id: node.row.id.clone(),
            name: node.row.name.clone(),
            cluster: node.row.cluster.clone(),
            kind: node.row.kind.clone(),
            role: node.row.role.clone(),
            status: node.row.status,
        })
        .collect();
    rows.sort_by(|a, b| (a.status, &a.cluster, &a.name).cmp(&(b.status, &b.cluster, &b.name)));
    if rows.len() > ROWS_MAX {
        notes.push(format!(
            "{ROWS_MAX} of {} nodes are listed, worst first; the list of nodes has all.",
            rows.len()
        ));
        rows.truncate(ROWS_MAX);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use app::fleet::view::{Headline, NodeRow};
    use domain::fleet::Liveness;
    use domain::topology::{Edge, End, LinkKey, Side};

    fn node(no: i64, system: &str, cluster: &str, status: Status) -> NodeAt {
        NodeAt {
            host_no: no,
            server: None,
            row: NodeRow {
                id: format!("n{no}"),
                name: format!("host-{no:05}"),
                hostname: String::new(),
                kind: "host".to_owned(),
                system: system.to_owned(),
                cluster: cluster.to_owned(),
                role: None,
                product: None,
                version: None,
                sub_domain: None,
                host_name: String::new(),
                address: None,
                console_url: None,
                tags: BTreeMap::new(),
                counts: true,
                status,
                liveness: Liveness::Live,
                reason: None,
                last_report_at_ms: None,
                interval_s: 10,
                now: Headline::default(),
            },
        }
    }

    /// `size` nodes in each of `clusters`; every `bad`-th is critical.
    fn fleet(clusters: i64, size: i64, systems: i64, bad: i64) -> Vec<NodeAt> {
        (0..clusters * size)
            .map(|no| {
                let cluster = no / size;
                let status = if no % bad == 0 {
                    Status::Critical
                } else {
                    Status::Ok
                };
                node(
                    no,
                    &format!("s{}", cluster % systems),
                    &format!("c{cluster:03}"),
                    status,
                )
            })
            .collect()
    }

    fn edge(from: i64, to: i64, connections: u32, failing: u32) -> Edge {
        let end = |host_no| {
            Side::Fleet(End {
                host_no,
                server: None,
                process: None,
            })
        };
        Edge {
            key: LinkKey {
                from: end(from),
                to: end(to),
                port: 80,
            },
            state: EdgeState::Seen,
            first_seen_at_ms: Some(0),
            last_seen_at_ms: Some(0),
            connections,
            failing,
        }
    }

    fn known(edges: Vec<Edge>) -> Known {
        Known {
            edges: Arc::new(
                edges
                    .into_iter()
                    .map(|edge| (edge.key.clone(), edge))
                    .collect(),
            ),
            ..Known::default()
        }
    }

    fn asked(change: impl FnOnce(&mut TopologyQuery)) -> TopologyQuery {
        let mut query = TopologyQuery::default();
        change(&mut query);
        query
    }

    /// Elements of the drawing: two a cell, eight a box, four an edge; see `app::topology::graph`.
    fn elements(page: &TopologyPage) -> usize {
        let cells: usize = page.boxes.iter().map(|one| one.cells.len()).sum();
        cells * 2 + page.boxes.len() * 9 + page.edges.len() * 4
    }

    #[test]
    fn a_thousand_nodes_are_all_drawn_and_five_thousand_only_where_something_is_wrong() {
        let thousand = draw(fleet(40, 25, 1, 50), &known(Vec::new()), &asked(|_| ()), 0);
        assert_eq!(
            thousand
                .boxes
                .iter()
                .map(|one| one.cells.len())
                .sum::<usize>(),
            1_000
        );
        assert!(elements(&thousand) < 2_700, "{}", elements(&thousand));
        assert!(thousand.notes.is_empty());

        let many = draw(fleet(50, 100, 1, 50), &known(Vec::new()), &asked(|_| ()), 0);
        assert_eq!(
            many.boxes.iter().map(|one| one.cells.len()).sum::<usize>(),
            100
        );
        assert_eq!(many.boxes[0].more.as_deref(), Some("98 OK"));
        assert_eq!(many.counts.total(), 5_000);
        assert_eq!(many.notes.len(), 1);

        let all_red = draw(fleet(50, 100, 1, 1), &known(Vec::new()), &asked(|_| ()), 0);
        assert!(elements(&all_red) < 2_700, "{}", elements(&all_red));
        assert_eq!(all_red.boxes[0].more.as_deref(), Some("84 more"));
    }

    #[test]
    fn very_many_clusters_are_drawn_as_their_systems_until_one_is_chosen() {
        let nodes = fleet(200, 2, 4, 50);
        // c000 (s0) calls c001 (s1).
        let edges = known(vec![edge(0, 2, 5, 0)]);
        let grouped = draw(nodes.clone(), &edges, &asked(|_| ()), 0);
        assert_eq!(grouped.boxes.len(), 4);
        assert_eq!(grouped.edges.len(), 1);
        assert!(
            grouped
                .boxes
                .iter()
                .all(|one| one.kind == BoxKind::System && one.total == 100)
        );
        assert_eq!(grouped.notes.len(), 1);
        let one = draw(
            nodes.clone(),
            &edges,
            &asked(|query| query.system = "s1".into()),
            0,
        );
        assert_eq!(one.boxes.len(), 50);
        // One system only: the worst and those that talk.
        let single = draw(
            fleet(200, 2, 1, 50),
            &known(vec![edge(398, 396, 5, 0)]),
            &asked(|_| ()),
            0,
        );
        assert_eq!(single.boxes.len(), BOXES_DRAWN_MAX);
        assert!(single.boxes.iter().any(|one| one.key == "c199"), "it talks");
        assert_eq!(
            single
                .boxes
                .iter()
                .filter(|one| one.status == Status::Critical)
                .count(),
            8
        );
    }

    #[test]
    fn small_edges_are_hidden_above_eighty_but_never_those_that_fail() {
        let mut edges = vec![edge(0, 1, 100_000, 0)];
        edges.extend((2..90).map(|to| edge(0, to, 1, 0)));
        edges.push(edge(0, 90, 1, 1));
        let page = draw(fleet(100, 1, 1, 1_000), &known(edges), &asked(|_| ()), 0);
        let drawn: Vec<&str> = page.edges.iter().map(|edge| edge.to.as_str()).collect();
        assert_eq!(drawn, ["c001", "c090"], "and faults are drawn last");
        assert_eq!(
            page.notes,
            ["88 edges with less than 1 % of all connections are hidden."]
        );
    }

    #[test]
    fn a_focus_dims_what_is_farther_away_and_knows_what_depends_on_it() {
        // c000 > c001 > c002 > c003, c004 apart.
        let edges = || known(vec![edge(0, 1, 1, 0), edge(1, 2, 1, 0), edge(2, 3, 1, 0)]);
        let lit = |change: fn(&mut TopologyQuery)| -> Vec<String> {
            let page = draw(fleet(5, 1, 1, 100), &edges(), &asked(change), 0);
            let lit = page.boxes.iter().filter(|one| !one.is_dimmed);
            lit.map(|one| one.key.clone()).collect()
        };
        assert_eq!(
            lit(|query| query.focus = "c002".into()),
            ["c001", "c002", "c003"]
        );
        assert_eq!(
            lit(|query| {
                query.focus = "c002".into();
                query.depth = 3;
                query.reach = Reach::Callers;
            }),
            ["c000", "c001", "c002"]
        );
        assert_eq!(lit(|query| query.find = "host-00003".into()), ["c003"]);
        let page = draw(
            fleet(5, 1, 1, 100),
            &edges(),
            &asked(|query| query.focus = "c003".into()),
            0,
        );
        let panel = page.focus.unwrap();
        assert_eq!(panel.dependants, 3);
        assert_eq!(panel.used_by[0].words, "port 80 · 1 connection");
        assert!(panel.depends_on.is_empty());
    }

    #[test]
    fn only_problems_keeps_them_and_whom_they_talk_to() {
        let mut nodes = fleet(6, 1, 1, 100);
        nodes[0].row.status = Status::Ok;
        nodes[2].row.status = Status::Warning;
        // c001 > c002 (warning); c003 > c004 fails; c000 and c005 have nothing.
        let edges = known(vec![edge(1, 2, 10, 0), edge(3, 4, 10, 5)]);
        let page = draw(nodes, &edges, &asked(|query| query.only_problems = true), 0);
        let mut keys: Vec<&str> = page.boxes.iter().map(|one| one.key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["c001", "c002", "c003", "c004"]);
        assert_eq!(page.notes, ["2 clusters without problems are not shown."]);
    }
}
