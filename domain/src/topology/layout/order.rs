//! The order of boxes in their layers: few crossings.

use super::Graph;

/// Rounds of reordering; more change little at the size of a fleet.
const ROUNDS: usize = 12;

/// An item of a layer: a box, or the place where an edge passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Box(usize),
    Pass,
}

/// Layers from left to right, and edges between neighbouring layers.
pub(super) struct Layers {
    /// Items by their number.
    pub(super) items: Vec<Item>,
    /// Numbers of items, top to bottom.
    pub(super) layers: Vec<Vec<usize>>,
    /// Neighbours of each item in the layer before.
    pub(super) before: Vec<Vec<usize>>,
    /// Neighbours of each item in the layer after.
    pub(super) after: Vec<Vec<usize>>,
}

/// Boxes with edges in their layers, in an order with few crossings. Boxes without edges are in none.
pub(super) fn layers(graph: &Graph<'_>, ranks: &[usize]) -> Layers {
    let mut layers = split(graph, ranks);
    let mut best = layers.layers.clone();
    let mut fewest = crossings(&layers);
    for round in 0..ROUNDS {
        if fewest == 0 {
            break;
        }
        sweep(&mut layers, round % 2 == 0);
        let count = crossings(&layers);
        if count < fewest {
            fewest = count;
            best.clone_from(&layers.layers);
        }
    }
    layers.layers = best;
    layers
}

fn split(graph: &Graph<'_>, ranks: &[usize]) -> Layers {
    let rank = |one: usize| ranks.get(one).copied().unwrap_or(0);
    let depth = ranks.iter().max().map_or(0, |deepest| deepest + 1);
    let n = graph.len();
    let mut new = Layers {
        items: (0..n).map(Item::Box).collect(),
        layers: vec![Vec::new(); depth],
        before: vec![Vec::new(); n],
        after: vec![Vec::new(); n],
    };
    for one in 0..n {
        if let Some(layer) = new
            .layers
            .get_mut(rank(one))
            .filter(|_| !graph.is_alone(one))
        {
            layer.push(one);
        }
    }
    for &(a, b) in &graph.arcs {
        // A back edge pulls its ends together as well as any other.
        let (from, to) = if rank(a) <= rank(b) { (a, b) } else { (b, a) };
        let mut last = from;
        for passed in rank(from) + 1..rank(to) {
            let pass = new.items.len();
            new.items.push(Item::Pass);
            new.before.push(Vec::new());
            new.after.push(Vec::new());
            super::push(&mut new.layers, passed, pass);
            new.join(last, pass);
            last = pass;
        }
        new.join(last, to);
    }
    new
}

impl Layers {
    fn join(&mut self, left: usize, right: usize) {
        super::push(&mut self.after, left, right);
        super::push(&mut self.before, right, left);
    }

    /// Place of each item in its layer.
    pub(super) fn places(&self) -> Vec<usize> {
        let mut places = vec![0; self.items.len()];
        for layer in &self.layers {
            for (place, item) in layer.iter().enumerate() {
                if let Some(at) = places.get_mut(*item) {
                    *at = place;
                }
            }
        }
        places
    }
}

/// Orders each layer by the medians of the one before (or after) it; who has no neighbour there keeps their place.
fn sweep(layers: &mut Layers, is_forward: bool) {
    let depth = layers.layers.len();
    let sequence: Vec<usize> = if is_forward {
        (1..depth).collect()
    } else {
        (0..depth.saturating_sub(1)).rev().collect()
    };
    for at in sequence {
        let places = layers.places();
        let neighbours = if is_forward {
            &layers.before
        } else {
            &layers.after
        };
        let median = |item: usize, place: usize| -> usize {
            let mut around: Vec<usize> = neighbours
                .get(item)
                .into_iter()
                .flatten()
                .filter_map(|other| places.get(*other).copied())
                .collect();
            around.sort_unstable();
            // Doubled, so that the middle of two is whole.
            match around.len() {
                0 => place * 2,
                count => {
                    let low = around.get((count - 1) / 2).copied().unwrap_or(place);
                    let high = around.get(count / 2).copied().unwrap_or(place);
                    low + high
                }
            }
        };
        let Some(layer) = layers.layers.get(at) else {
            continue;
        };
        let mut keyed: Vec<(usize, usize, usize)> = layer
            .iter()
            .enumerate()
            .map(|(place, item)| (median(*item, place), place, *item))
            .collect();
        keyed.sort_unstable();
        if let Some(layer) = layers.layers.get_mut(at) {
            *layer = keyed.into_iter().map(|(_, _, item)| item).collect();
        }
    }
}

/// Crossings between all neighbouring layers.
fn crossings(layers: &Layers) -> u64 {
    let places = layers.places();
    let mut total = 0;
    for (at, layer) in layers.layers.iter().enumerate() {
        let width = layers.layers.get(at + 1).map_or(0, Vec::len);
        // Edges by their left end, then right end: each pair that is the wrong way round is a crossing. Counted with a
        // tree of sums over the right ends.
        let mut tree = vec![0_u64; width + 1];
        let mut so_far = 0;
        for item in layer {
            let mut ends: Vec<usize> = layers
                .after
                .get(*item)
                .into_iter()
                .flatten()
                .filter_map(|other| places.get(*other).copied())
                .collect();
            ends.sort_unstable();
            for end in &ends {
                total += so_far - sum_to(&tree, end + 1);
            }
            for end in ends {
                add(&mut tree, end + 1);
                so_far += 1;
            }
        }
    }
    total
}

fn sum_to(tree: &[u64], mut at: usize) -> u64 {
    let mut sum = 0;
    while at > 0 {
        sum += tree.get(at).copied().unwrap_or(0);
        at &= at - 1;
    }
    sum
}

fn add(tree: &mut [u64], mut at: usize) {
    while let Some(value) = tree.get_mut(at) {
        *value += 1;
        at += at & at.wrapping_neg();
    }
}
