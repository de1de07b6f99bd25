//! The cluster that was chosen: whom it reaches, and what is said of it beside the map.

use std::collections::{BTreeMap, BTreeSet};

use app::format;
use app::topology::view::{FocusPanel, Neighbour, NodeCard, Reach, TopologyQuery};
use domain::fleet::Status;
use domain::topology::layout::ArcIn;

use super::super::model::{Cluster, Model, is_outside, name_of};
use super::super::service::Known;
use super::super::source::NodeAt;
use super::edges::Bundle;

/// So many nodes are shown one by one.
const CARDS_MAX: usize = 12;

/// Boxes near the focus; `None` without a focus.
pub(super) fn reach(arcs: &[ArcIn], query: &TopologyQuery) -> Option<BTreeSet<String>> {
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

/// What is beside the map when a cluster was chosen.
pub(super) fn panel(
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
                status: model.clusters.get(*key).map(Cluster::status),
                words: bundle.words(),
                trouble: bundle.trouble(),
                state: bundle.state(),
                declared: declared(known, &query.focus, key),
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
    let (cards, cards_more) = cards(model, cluster);
    Some(FocusPanel {
        cluster: query.focus.clone(),
        system: cluster.system.clone(),
        status: cluster.status(),
        summary: cluster.summary(),
        accepted: sum(used_by),
        opened: sum(depends_on),
        cards,
        cards_more,
        others: model
            .clusters
            .keys()
            .filter(|slug| **slug != query.focus)
            .cloned()
            .collect(),
        used_by: neighbours(used_by),
        depends_on: neighbours(depends_on),
        dependants: dependants as u32,
        is_pinned: known
            .place(map, &query.focus)
            .is_some_and(|place| place.is_pinned),
    })
}

fn sum(side: &BTreeMap<&str, Bundle<'_>>) -> Option<u32> {
    let seen = side.values().filter_map(Bundle::connections);
    seen.reduce(u32::saturating_add)
}

/// Ports at which the focus was declared to call this cluster.
fn declared(known: &Known, focus: &str, called: &str) -> Vec<u16> {
    let of_both = known
        .declared
        .iter()
        .filter(|(from, to, _)| from == focus && to == called);
    of_both.map(|(_, _, port)| *port).collect()
}

/// Its nodes, worst first, and how many are left out.
fn cards(model: &Model, cluster: &Cluster) -> (Vec<NodeCard>, u32) {
    let members = cluster.members.iter();
    let mut nodes: Vec<&NodeAt> = members.filter_map(|at| model.nodes.get(*at)).collect();
    nodes.sort_by(|a, b| (a.row.status, &a.row.name).cmp(&(b.row.status, &b.row.name)));
    let more = nodes.len().saturating_sub(CARDS_MAX) as u32;
    let cards = nodes.into_iter().take(CARDS_MAX).map(|node| NodeCard {
        id: node.row.id.clone(),
        name: node.row.name.clone(),
        status: node.row.status,
        words: card_words(node),
    });
    (cards.collect(), more)
}

/// Why a node is not fine, else what of it is nearest to its limit.
fn card_words(node: &NodeAt) -> String {
    let row = &node.row;
    if let Some(reason) = row.reason.as_ref().filter(|_| row.status != Status::Ok) {
        return reason.clone();
    }
    let values = [
        ("CPU", row.now.cpu_used_ratio),
        ("memory", row.now.memory_used_ratio),
        ("disk", row.now.disk_used_ratio),
    ];
    let fullest = values
        .into_iter()
        .filter_map(|(what, value)| Some((what, value?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    match fullest {
        Some((what, value)) => format!("{} {what}", format::percent(value)),
        None => "no values yet".to_owned(),
    }
}
