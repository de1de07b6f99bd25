//! Who calls whom, as curves between boxes.

use std::collections::{BTreeMap, BTreeSet};

use app::format;
use app::topology::view::{MapBox, MapEdge};
use domain::fleet::Status;
use domain::topology::layout::{Layout, Position, halfway, labels};
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
    let names: BTreeMap<&str, &MapBox> = boxes.iter().map(|b| (b.key.as_str(), b)).collect();
    let connections = |bundle: &Bundle<'_>| u64::from(bundle.connections().unwrap_or(0));
    let rate = |bundle: &Bundle<'_>| bundle.bytes_per_s().unwrap_or(0);
    let all: u64 = bundles.values().map(connections).sum();
    let all_rate = bundles.values().map(rate).fold(0, u64::saturating_add);
    let is_small = |part: u64, all: u64| part.saturating_mul(SMALL_SHARE) < all;
    let mut hidden = 0;
    let mut edges = Vec::new();
    for (number, arc) in layout.arcs.iter().enumerate() {
        let Some(bundle) = bundles.get(&(arc.from.as_str(), arc.to.as_str())) else {
            continue;
        };
        let is_small = is_small(connections(bundle), all)
            && (all_rate == 0 || is_small(rate(bundle), all_rate));
        if layout.arcs.len() > EDGES_MAX && is_small && bundle.trouble().is_none() {
            hidden += 1;
            continue;
        }
        edges.push((number, one(layout, number, bundle, &names, focus, by)));
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
    say(layout, &mut edges);
    let mut edges: Vec<MapEdge> = edges.into_iter().map(|(_, edge)| edge).collect();
    // Faults above the rest.
    edges.sort_by_key(|edge| (edge.trouble.is_some(), edge.from.clone(), edge.to.clone()));
    (edges, by)
}

/// Signs of faults and words of chosen edges stand where there is room for them, signs first. Where there is none for all
/// that is said, there may be for the port.
fn say(layout: &Layout, edges: &mut [(usize, MapEdge)]) {
    const SIGN: i32 = 16;
    let signs = edges.iter().filter(|(_, edge)| edge.trouble.is_some());
    let signs: Vec<(usize, i32)> = signs.map(|(number, _)| (*number, SIGN)).collect();
    let with_words = |edges: &[(usize, MapEdge)]| {
        let chosen = edges.iter().filter(|(_, edge)| edge.is_selected);
        let words = chosen.map(|(number, edge)| (*number, width_of(&edge.short)));
        let wanted: Vec<(usize, i32)> = signs.iter().copied().chain(words).collect();
        let places = labels(layout, &wanted);
        let places = wanted.into_iter().zip(places);
        places.map(|((number, _), place)| (number, place.map(|at| (at.x, at.y))))
    };
    let places: Vec<_> = with_words(edges).skip(signs.len()).collect();
    for (number, place) in places {
        let edge = edges.iter_mut().find(|(of, _)| *of == number);
        if let (Some((_, edge)), None) = (edge, place) {
            edge.short
                .truncate(edge.short.find(' ').unwrap_or(edge.short.len()));
        }
    }
    let places: Vec<_> = with_words(edges).collect();
    for (at, (number, place)) in places.into_iter().enumerate() {
        let Some((_, edge)) = edges.iter_mut().find(|(of, _)| *of == number) else {
            continue;
        };
        match place {
            Some(place) if at < signs.len() => edge.middle = place,
            place if at >= signs.len() => edge.short_at = place,
            _ => {}
        }
    }
}

/// Of words on the map, with their halo.
pub(super) fn width_of(words: &str) -> i32 {
    const LETTER: i32 = 7;
    words.chars().count() as i32 * LETTER + 12
}

/// As a path says it: level lines are short.
fn path(curve: &[Position]) -> String {
    let Some((start, parts)) = curve.split_first() else {
        return String::new();
    };
    let mut text = format!("M{} {}", start.x, start.y);
    let mut y = start.y;
    for part in parts.chunks(3) {
        let [a, b, to] = part else { continue };
        if a.y == y && to.y == y {
            text.push_str(&format!("H{}", to.x));
        } else {
            text.push_str(&format!(
                "C{} {} {} {} {} {}",
                a.x, a.y, b.x, b.y, to.x, to.y
            ));
        }
        y = to.y;
    }
    text
}

/// One edge between two boxes.
pub(super) fn one(
    layout: &Layout,
    number: usize,
    bundle: &Bundle<'_>,
    boxes: &BTreeMap<&str, &MapBox>,
    focus: &str,
    by: WidthBy,
) -> MapEdge {
    let name = |key: &str| boxes.get(key).map_or(key, |b| b.label.as_str()).to_owned();
    let is_far = |key: &str| boxes.get(key).is_some_and(|b| b.is_dimmed);
    let (from, to, is_back, curve) =
        layout
            .arcs
            .get(number)
            .map_or(("", "", false, &[][..]), |arc| {
                (
                    arc.from.as_str(),
                    arc.to.as_str(),
                    arc.is_back,
                    arc.curve.as_slice(),
                )
            });
    let label = format!("{} → {}: {}", name(from), name(to), bundle.words());
    // What is said of it when it is pointed at does not leave the drawing.
    let half = width_of(&label) / 2;
    let middle = halfway(curve).map_or((0, 0), |at| {
        let (left, right) = (layout.left + half, layout.left + layout.width - half);
        (at.x.clamp(left.min(right), right.max(left)), at.y)
    });
    MapEdge {
        from: from.to_owned(),
        to: to.to_owned(),
        label,
        short: bundle.short(),
        path: path(curve),
        middle,
        short_at: None,
        width_step: by.step(bundle.connections(), bundle.bytes_per_s()),
        state: bundle.state(),
        trouble: bundle.trouble(),
        is_selected: from == focus || to == focus,
        is_back,
        is_dimmed: is_far(from) || is_far(to),
    }
}
