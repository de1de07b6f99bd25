//! Who calls whom, as curves between boxes.

use std::collections::{BTreeMap, BTreeSet};

use app::format;
use app::topology::view::{MapBox, MapEdge};
use domain::fleet::Status;
use domain::topology::layout::{ArcOut, Layout};
use domain::topology::{ClusterEdge, EdgeState, WidthBy, sum_of_rates, trouble};

use super::super::model::{CLIENTS, Model, SERVICES, folded};
use super::{EDGES_MAX, SMALL_SHARE};

/// All edges between two boxes as one.
pub(super) struct Bundle<'m> {
    /// Each at its port.
    pub edges: Vec<&'m ClusterEdge>,
}

impl Bundle<'_> {
    pub fn connections(&self) -> Option<u32> {
        let seen = self.edges.iter().filter_map(|edge| edge.connections);
        seen.reduce(u32::saturating_add)
    }

    pub fn failing(&self) -> u32 {
        let failing = self.edges.iter().map(|edge| edge.failing);
        failing.fold(0, u32::saturating_add)
    }

    pub fn bytes_per_s(&self) -> Option<u64> {
        sum_of_rates(self.edges.iter().map(|edge| edge.bytes_per_s))
    }

    /// " · 84.2 Mbit/s"
    fn rate(&self) -> String {
        self.bytes_per_s()
            .map(|rate| format!(" · {}", format::bits_per_s(rate as f64)))
            .unwrap_or_default()
    }

    /// Of each edge by itself: one that fails is not lost among many that work.
    pub fn trouble(&self) -> Option<Status> {
        let each = self
            .edges
            .iter()
            .filter_map(|edge| trouble(edge.connections, edge.failing));
        each.min()
    }

    pub fn state(&self) -> EdgeState {
        let states = self.edges.iter().map(|edge| edge.state);
        states.min().unwrap_or(EdgeState::Stale)
    }

    /// "5432 · 130 · 84.2 Mbit/s", "8243 +1 · 96 · 3 ✕"
    pub fn short(&self) -> String {
        let ports: BTreeSet<u16> = self.edges.iter().map(|edge| edge.port).collect();
        let mut words = ports.first().map(u16::to_string).unwrap_or_default();
        if ports.len() > 1 {
            words.push_str(&format!(" +{}", ports.len() - 1));
        }
        if let Some(count) = self.connections() {
            words.push_str(&format!(" · {}", format::count(u64::from(count))));
        }
        words.push_str(&self.rate());
        if self.failing() > 0 {
            words.push_str(&format!(
                " · {} ✕",
                format::count(u64::from(self.failing()))
            ));
        }
        words
    }

    pub fn words(&self) -> String {
        const PORTS_MAX: usize = 3;
        let ports: BTreeSet<u16> = self.edges.iter().map(|edge| edge.port).collect();
        let mut listed: Vec<String> = ports.iter().take(PORTS_MAX).map(u16::to_string).collect();
        if ports.len() > PORTS_MAX {
            listed.push(format!("{} more", ports.len() - PORTS_MAX));
        }
        let what = if ports.len() == 1 { "port" } else { "ports" };
        let mut words = format!("{what} {}", listed.join(", "));
        words.push_str(&match self.connections() {
            Some(count) => format!(
                " · {}",
                format::plural(u64::from(count), "connection", "connections")
            ),
            None if self.state() == EdgeState::Declared => " · declared, never seen".to_owned(),
            None if self.state() == EdgeState::Seen => " · seen then".to_owned(),
            None => " · not seen now".to_owned(),
        });
        words.push_str(&self.rate());
        if self.failing() > 0 {
            words.push_str(&format!(
                " · {} failing",
                format::count(u64::from(self.failing()))
            ));
        }
        words
    }
}

/// All between boxes as the map draws them.
pub(super) fn bundles<'m>(model: &'m Model) -> BTreeMap<(&'m str, &'m str), Bundle<'m>> {
    let mut bundles: BTreeMap<(&str, &str), Bundle<'_>> = BTreeMap::new();
    for edge in &model.edges {
        let key = (folded(&edge.from, CLIENTS), folded(&edge.to, SERVICES));
        let bundle = bundles.entry(key).or_insert(Bundle { edges: Vec::new() });
        bundle.edges.push(edge);
    }
    bundles
}

/// What the widths of all of these mean.
pub(super) fn width_by<'b, 'm: 'b>(bundles: impl IntoIterator<Item = &'b Bundle<'m>>) -> WidthBy {
    WidthBy::of(bundles.into_iter().map(Bundle::bytes_per_s))
}

/// Draws what is not hidden; also what widths mean.
pub(super) fn draw(
    model: &Model,
    layout: &Layout,
    boxes: &[MapBox],
    focus: &str,
    notes: &mut Vec<String>,
) -> (Vec<MapEdge>, WidthBy) {
    let bundles = bundles(model);
    let by = width_by(bundles.values());
    let labels: BTreeMap<&str, &MapBox> = boxes.iter().map(|b| (b.key.as_str(), b)).collect();
    let connections = |bundle: &Bundle<'_>| u64::from(bundle.connections().unwrap_or(0));
    let rate = |bundle: &Bundle<'_>| bundle.bytes_per_s().unwrap_or(0);
    let all: u64 = bundles.values().map(connections).sum();
    let all_rate = bundles.values().map(rate).fold(0, u64::saturating_add);
    let is_small = |part: u64, all: u64| part.saturating_mul(SMALL_SHARE) < all;
    let mut hidden = 0;
    let mut edges = Vec::new();
    for arc in &layout.arcs {
        let Some(bundle) = bundles.get(&(arc.from.as_str(), arc.to.as_str())) else {
            continue;
        };
        let is_small = is_small(connections(bundle), all)
            && (all_rate == 0 || is_small(rate(bundle), all_rate));
        if layout.arcs.len() > EDGES_MAX && is_small && bundle.trouble().is_none() {
            hidden += 1;
            continue;
        }
        edges.push(one(arc, bundle, &labels, focus, by));
    }
    if hidden > 0 {
        let of_what = match by {
            WidthBy::Connections => "all connections",
            WidthBy::Rate => "all connections and traffic",
        };
        notes.push(format!(
            "{hidden} edges with less than 1 % of {of_what} are hidden."
        ));
    }
    // Faults above the rest.
    edges.sort_by_key(|edge| (edge.trouble.is_some(), edge.from.clone(), edge.to.clone()));
    (edges, by)
}

/// One edge between two boxes.
pub(super) fn one(
    arc: &ArcOut,
    bundle: &Bundle<'_>,
    boxes: &BTreeMap<&str, &MapBox>,
    focus: &str,
    by: WidthBy,
) -> MapEdge {
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
        short: bundle.short(),
        curve: arc.curve,
        width_step: by.step(bundle.connections(), bundle.bytes_per_s()),
        state: bundle.state(),
        trouble: bundle.trouble(),
        is_selected: arc.from == focus || arc.to == focus,
        is_back: arc.is_back,
        is_dimmed: is_far(&arc.from) || is_far(&arc.to),
    }
}
