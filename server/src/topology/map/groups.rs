//! Groups of clusters: as boxes, where there are too many clusters or somebody asked for it; and the clusters of one group.

use std::collections::{BTreeMap, BTreeSet};

use app::topology::view::{BoxKind, Group, MapBox, TopologyPage, TopologyQuery, View};
use domain::fleet::{Status, roll_up};
use domain::topology::WidthBy;
use domain::topology::layout::{ArcIn, BoxIn, HEADER, PADDING, layout};

use super::super::model::{Cluster, Model, counts};
use super::boxes::map_box;
use super::edges::{self, Bundle};
use super::{BOXES_MAX, area, degrees};

/// So many tags are offered to group by.
const TAGS_MAX: usize = 12;
/// What tells places apart, best first: tried where nobody says what to group by.
const PLACES: [&str; 5] = ["region", "zone", "dc", "site", "az"];
/// Clusters without a value.
const NONE: &str = "(none)";

/// Tags that nodes have, by name.
pub(super) fn tags(model: &Model) -> Vec<String> {
    let nodes = model.clusters.values().flat_map(|cluster| &cluster.members);
    let rows = nodes.filter_map(|at| model.nodes.get(*at));
    let tags: BTreeSet<&String> = rows.flat_map(|node| node.row.tags.keys()).collect();
    tags.into_iter().take(TAGS_MAX).cloned().collect()
}

/// Which group a cluster is in.
fn group_of(model: &Model, cluster: &Cluster, group: &Group) -> String {
    let none = || NONE.to_owned();
    match group {
        Group::Auto | Group::System => cluster.system.clone(),
        Group::Environment => cluster.environment.clone().unwrap_or_else(none),
        Group::Tag(tag) => {
            let mut counted: BTreeMap<&str, u32> = BTreeMap::new();
            let nodes = cluster.members.iter().filter_map(|at| model.nodes.get(*at));
            for value in nodes.filter_map(|node| node.row.tags.get(tag)) {
                *counted.entry(value).or_default() += 1;
            }
            // Of values that are as frequent, the first by name.
            let most = counted.iter().rev().max_by_key(|(_, count)| **count);
            most.map_or_else(none, |(value, _)| (*value).to_owned())
        }
    }
}

/// Leaves only the clusters of the group that was entered.
pub(super) fn enter(model: &mut Model, query: &mut TopologyQuery, notes: &mut Vec<String>) {
    if query.within.is_empty() {
        return;
    }
    let inside: BTreeSet<String> = model
        .clusters
        .iter()
        .filter(|(_, cluster)| group_of(model, cluster, &query.group) == query.within)
        .map(|(slug, _)| slug.clone())
        .collect();
    let what = domain::text::clean_label(query.group.label());
    let named = domain::text::clean_label(&query.within);
    if inside.is_empty() {
        notes.push(format!(
            "There is no {what} “{named}”; all clusters are shown."
        ));
        query.within.clear();
        return;
    }
    let others = model.clusters.len() - inside.len();
    model.clusters.retain(|slug, _| inside.contains(slug));
    notes.push(match others {
        1 => format!("Only {what} “{named}”; 1 cluster is in another."),
        others => format!("Only {what} “{named}”; {others} clusters are in others."),
    });
}

/// What the clusters are drawn as groups of, if they are.
pub(super) fn wanted(model: &Model, page: &TopologyPage) -> Option<Group> {
    let query = &page.query;
    if query.view != View::Graph || !query.focus.is_empty() || !query.within.is_empty() {
        return None;
    }
    if query.group != Group::Auto {
        return Some(query.group.clone());
    }
    if model.clusters.len() <= BOXES_MAX {
        return None;
    }
    if query.system.is_empty() && page.systems.len() > 1 {
        return Some(Group::System);
    }
    let groups = |group: &Group| -> usize {
        let all = model.clusters.values();
        all.map(|cluster| group_of(model, cluster, group))
            .collect::<BTreeSet<_>>()
            .len()
    };
    let has_use = |group: &Group| (2..=BOXES_MAX).contains(&groups(group));
    let places = PLACES.iter().map(|place| Group::Tag((*place).to_owned()));
    std::iter::once(Group::Environment)
        .chain(places)
        .find(has_use)
}

/// Groups instead of their clusters.
pub(super) fn draw(model: &Model, group: &Group, page: &mut TopologyPage, notes: &mut Vec<String>) {
    let of: BTreeMap<&str, String> = model
        .clusters
        .iter()
        .map(|(slug, cluster)| (slug.as_str(), group_of(model, cluster, group)))
        .collect();
    let mut by_group: BTreeMap<&str, Vec<&Cluster>> = BTreeMap::new();
    for (slug, name) in &of {
        if let Some(cluster) = model.clusters.get(*slug) {
            by_group.entry(name).or_default().push(cluster);
        }
    }
    let what = domain::text::clean_label(group.label());
    notes.push(format!(
        "{} clusters are drawn by {what}; choose one to see its clusters.",
        model.clusters.len()
    ));
    let mut bundles: BTreeMap<(&str, &str), Bundle<'_>> = BTreeMap::new();
    for edge in &model.edges {
        let (Some(from), Some(to)) = (of.get(edge.from.as_str()), of.get(edge.to.as_str())) else {
            continue;
        };
        if from != to {
            let bundle = bundles
                .entry((from, to))
                .or_insert(Bundle { edges: Vec::new() });
            bundle.edges.push(edge);
        }
    }
    let arcs: Vec<ArcIn> = bundles
        .keys()
        .map(|(from, to)| ArcIn {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        })
        .collect();
    let boxes: Vec<BoxIn> = by_group
        .keys()
        .map(|name| BoxIn {
            key: (*name).to_owned(),
            tier: None,
            cells: 0,
            position: None,
            is_pinned: false,
        })
        .collect();
    let layout = layout(&boxes, &arcs);
    let mut drawn: Vec<MapBox> = Vec::new();
    for one in &layout.boxes {
        let clusters = by_group
            .get(one.key.as_str())
            .map_or(&[][..], Vec::as_slice);
        let members = clusters.iter().flat_map(|cluster| &cluster.members);
        let nodes = members.filter_map(|at| model.nodes.get(*at));
        let counts = counts(nodes.map(|node| node.row.status));
        let statuses = clusters.iter().map(|cluster| cluster.status());
        let words = match clusters.len() {
            1 => "1 cluster".to_owned(),
            many => format!("{many} clusters"),
        };
        let mut new = map_box(model, one, Vec::new());
        new.kind = BoxKind::Group;
        new.has_bar = true;
        // Between its head and its bar.
        new.more_at = (one.x + PADDING, one.y + HEADER + 7);
        new.label.clone_from(&one.key);
        new.status = roll_up(statuses, None).status.unwrap_or(Status::Ok);
        new.total = u32::try_from(counts.total()).unwrap_or(u32::MAX);
        new.problems = new.total.saturating_sub(counts.of(Status::Ok));
        new.summary = format!("{words}, {}", counts.sentence());
        new.more = Some(words);
        new.counts = counts;
        drawn.push(new);
    }
    let labels: BTreeMap<&str, &MapBox> = drawn.iter().map(|b| (b.key.as_str(), b)).collect();
    let by = edges::width_by(bundles.values());
    page.is_width_rate = by == WidthBy::Rate;
    page.edges = layout
        .arcs
        .iter()
        .enumerate()
        .filter_map(|(number, arc)| {
            let bundle = bundles.get(&(arc.from.as_str(), arc.to.as_str()))?;
            Some(edges::one(&layout, number, bundle, &labels, "", by))
        })
        .collect();
    page.area = area(&layout);
    degrees(&arcs, &mut drawn);
    drawn.sort_by(|a, b| (a.x, a.y, &a.key).cmp(&(b.x, b.y, &b.key)));
    page.boxes = drawn;
    page.query.group = group.clone();
}
