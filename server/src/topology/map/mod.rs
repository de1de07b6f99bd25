//! The map as a page: what of the fleet is drawn, where, and what is said instead of the rest.
//!
//! [`boxes`] draws clusters, [`groups`] groups of them where there are too many, [`edges`] who calls whom, [`focus`] the
//! cluster that was chosen, [`rows`] the tables; [`paint`] says what the colours of cells mean. Bounds keep it calm: a page
//! never has more than 3,000 elements, so where all nodes would be more, about a thousand, only those that are not OK are
//! drawn, and beyond [`BOXES_MAX`] clusters their groups. What is left out is said.

mod boxes;
mod edges;
mod focus;
mod groups;
mod paint;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use app::format;
use app::topology::view::{Area, MapBox, TopologyPage, TopologyQuery, View};
use domain::access::{Action, Role, authorize};
use domain::fleet::Status;
use domain::topology::layout::{ArcIn, Layout};
use domain::topology::{ClusterEdge, EdgeRules, as_of, trouble};

use super::model::{Model, Said, counts, is_outside};
use super::past;
use super::service::Known;
use super::source::{self, NodeAt};
use crate::error::OpsError;
use crate::ops::Ops;

/// More clusters than that are drawn as their groups.
const BOXES_MAX: usize = 60;
/// Where they have no groups, so many clusters are drawn, worst first.
const BOXES_DRAWN_MAX: usize = 150;
/// Elements of the drawing; the rest of the page has up to 350.
const ELEMENTS_MAX: usize = 2_650;
/// Elements of a cell, a box and an edge: see `app::topology::graph`.
const CELL_ELEMENTS: usize = 2;
const BOX_ELEMENTS: usize = 9;
const EDGE_ELEMENTS: usize = 4;
/// Of nodes that are not OK at most so many are drawn in all.
const PROBLEMS_MAX: usize = 800;
/// Above so many edges, small ones are not drawn.
const EDGES_MAX: usize = 80;
/// On a wall, more nodes than that are too small to be told apart: their clusters are drawn without them.
const WALL_NODES_MAX: usize = 150;
/// An edge with less than this share of all connections is small.
const SMALL_SHARE: u64 = 100;

/// The page, as its URL asks for it.
///
/// # Errors
/// When the database refuses.
pub async fn page(ops: &Ops, role: Role, query: &TopologyQuery) -> Result<TopologyPage, OpsError> {
    let known = ops.topology.known();
    let now_ms = ops.clock.now().0;
    let fleet = Fleet {
        nodes: source::nodes(ops),
        said: source::said(ops).await?,
        now_ms,
    };
    let mut query = query.clone();
    let mut ahead = None;
    // What is to come is not known.
    if query.at_ms.take_if(|at_ms| *at_ms > now_ms).is_some() {
        ahead = Some("That instant is still to come; the map is shown as it is now.".to_owned());
    }
    let mut page = match query.at_ms {
        None => draw(fleet, &known, &query),
        Some(at_ms) => {
            let (then, words) = past::fleet(ops, fleet, at_ms).await?;
            let known = Known {
                edges: Arc::new(
                    known
                        .edges
                        .values()
                        .filter_map(|edge| as_of(edge, EdgeRules::default(), at_ms))
                        .map(|edge| (edge.key.clone(), edge))
                        .collect(),
                ),
                ..known
            };
            let mut page = draw(then, &known, &query);
            page.past = Some(words);
            page
        }
    };
    page.notes.extend(ahead);
    let mut hosts = 0_u32;
    ops.live.for_each(|_| hosts += 1);
    page.hosts = hosts;
    page.may_arrange = authorize(role, Action::ArrangeFleet).is_ok();
    Ok(page)
}

/// What a map is drawn of, besides what is known of edges.
#[derive(Debug)]
pub struct Fleet {
    /// Nodes.
    pub nodes: Vec<NodeAt>,
    /// What people said about clusters.
    pub said: BTreeMap<String, Said>,
    /// When.
    pub now_ms: i64,
}

/// Everything but who asks.
pub fn draw(fleet: Fleet, known: &Known, query: &TopologyQuery) -> TopologyPage {
    let Fleet {
        nodes,
        said,
        now_ms,
    } = fleet;
    let mut notes: Vec<String> = query
        .strange
        .iter()
        .map(|said| not_understood(said))
        .collect();
    let systems: BTreeSet<String> = nodes.iter().map(|node| node.row.system.clone()).collect();
    let mut query = query.clone();
    if !query.system.is_empty() && !systems.contains(&query.system) {
        let named = domain::text::clean_label(&query.system);
        notes.push(format!("There is no system “{named}”; all are shown."));
        query.system.clear();
    }
    let mut model = Model::new(nodes, &said, known.edges.values(), &query.system);
    model.declare(&known.declared);
    if query.at_ms.is_some() {
        model.forget_counts();
    }
    let map = if systems.len() > 1 {
        query.system.clone()
    } else {
        String::new()
    };
    // Before anything is taken away: what is hidden is not gone.
    let ghosts: Vec<String> = match query.at_ms {
        None => known.ghosts(&map, &model).map(str::to_owned).collect(),
        Some(_) => Vec::new(),
    };
    let tags = groups::tags(&model);
    groups::enter(&mut model, &mut query, &mut notes);
    if !query.focus.is_empty() && !model.clusters.contains_key(&query.focus) {
        let named = domain::text::clean_label(&query.focus);
        notes.push(format!(
            "There is no cluster “{named}” here; nothing is in focus."
        ));
        query.focus.clear();
    }
    narrow(&mut model, &query, &mut notes);
    notes.extend(found(&model, &query));
    let paint = paint::Paint::new(query.color, &model, now_ms);
    let focus = focus::panel(&model, known, &map, &query);
    let statuses = shown(&model).map(|node| node.row.status);
    let mut page = TopologyPage {
        now_ms,
        systems: systems.into_iter().collect(),
        tags,
        scale: paint.scale(),
        past: None,
        counts: counts(statuses),
        boxes: Vec::new(),
        edges: Vec::new(),
        is_width_rate: false,
        area: Area::default(),
        notes: Vec::new(),
        hosts_telling: known.hosts_telling,
        hosts: 0,
        focus,
        edge_rows: Vec::new(),
        node_rows: Vec::new(),
        may_arrange: false,
        may_undo: known.may_undo(&map),
        query,
    };
    if page.query.view == View::Table {
        page.edge_rows = rows::edges(&model, known, &mut notes);
        page.node_rows = rows::nodes(&model, &paint, &mut notes);
        rows::ghosts(&ghosts, &mut notes);
    } else if let Some(group) = groups::wanted(&model, &page) {
        groups::draw(&model, &group, &mut page, &mut notes);
    } else {
        boxes::draw(&model, known, &map, &ghosts, &paint, &mut page, &mut notes);
    }
    page.notes = notes;
    page
}

fn shown(model: &Model) -> impl Iterator<Item = &NodeAt> {
    let members = model.clusters.values().flat_map(|cluster| &cluster.members);
    members.filter_map(|at| model.nodes.get(*at))
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
            .filter(|(_, cluster)| cluster.status() != Status::Ok)
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

fn not_understood(said: &str) -> String {
    let said = domain::text::clean_label(said);
    format!("“{said}” in the address of this page means nothing here, and is left out.")
}

/// How much is found, of what is shown.
fn found(model: &Model, query: &TopologyQuery) -> Option<String> {
    let words = words(&query.find);
    if words.is_empty() {
        return None;
    }
    let named = domain::text::clean_label(&query.find);
    let has = |text: &str| words.iter().all(|word| text.to_lowercase().contains(word));
    let clusters = model.clusters.keys().filter(|slug| has(slug)).count() as u64;
    let nodes = shown(model).filter(|node| has(&node.row.name)).count() as u64;
    let clusters = (clusters > 0).then(|| format::plural(clusters, "cluster", "clusters"));
    let nodes = (nodes > 0).then(|| format::plural(nodes, "node", "nodes"));
    let all: Vec<String> = clusters.into_iter().chain(nodes).collect();
    Some(if all.is_empty() {
        format!("Nothing here is named like “{named}”.")
    } else {
        format!("Named like “{named}”: {}.", all.join(" and "))
    })
}

fn words(text: &str) -> Vec<String> {
    text.split([' ', ','])
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
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
