//! Coordinates: of a whole map, and of new boxes between those that stand already.

use super::order::{Item, Layers};
use super::{BOX_GAP, BoxOut, Graph, LAYER_GAP, ROW_WIDTH};

/// Rounds of moving boxes level with their neighbours.
const ROUNDS: usize = 6;
/// Height kept free where an edge passes a layer, and beside it.
const PASS_HEIGHT: i64 = 8;
const PASS_GAP: i64 = 12;

/// Places all boxes; gives them by their number.
pub(super) fn place(graph: &Graph<'_>, layers: &Layers) -> Vec<BoxOut> {
    let mut boxes: Vec<BoxOut> = (0..graph.len()).map(|one| graph.sized(one)).collect();
    let heights: Vec<i64> = layers
        .items
        .iter()
        .map(|item| match item {
            Item::Box(one) => boxes.get(*one).map_or(0, |b| i64::from(b.height)),
            Item::Pass => PASS_HEIGHT,
        })
        .collect();
    let tops = level(layers, &heights);
    let mut x = 0;
    for layer in &layers.layers {
        let mut widest = 0;
        for item in layer {
            let Some(Item::Box(one)) = layers.items.get(*item) else {
                continue;
            };
            if let Some(b) = boxes.get_mut(*one) {
                b.x = x;
                b.y = tops.get(*item).map_or(0, |top| *top as i32);
                widest = widest.max(b.width);
            }
        }
        if widest > 0 {
            x += widest + LAYER_GAP;
        }
    }
    let joined: Vec<usize> = (0..graph.len())
        .filter(|one| !graph.is_alone(*one))
        .collect();
    let of_joined = || joined.iter().filter_map(|one| boxes.get(*one));
    let top = of_joined().map(|b| b.y).min().unwrap_or(0);
    let bottom = of_joined().map(|b| b.bottom()).max();
    for one in joined {
        if let Some(b) = boxes.get_mut(one) {
            b.y -= top;
        }
    }
    rows(graph, &mut boxes, bottom.map_or(0, |b| b - top + LAYER_GAP));
    boxes
}

/// Boxes without edges, in rows below the others.
fn rows(graph: &Graph<'_>, boxes: &mut [BoxOut], top: i32) {
    let (mut x, mut y, mut tallest) = (0, top, 0);
    for (one, b) in boxes.iter_mut().enumerate() {
        if !graph.is_alone(one) {
            continue;
        }
        if x > 0 && x + b.width > ROW_WIDTH {
            x = 0;
            y += tallest + BOX_GAP;
            tallest = 0;
        }
        (b.x, b.y) = (x, y);
        x += b.width + BOX_GAP;
        tallest = tallest.max(b.height);
    }
}

/// Tops of all items: level with their neighbours, as far as order and gaps allow.
fn level(layers: &Layers, heights: &[i64]) -> Vec<i64> {
    let height = |item: usize| heights.get(item).copied().unwrap_or(0);
    let is_pass = |item: &usize| layers.items.get(*item) == Some(&Item::Pass);
    // Below each item of a layer.
    let gaps = |layer: &[usize]| -> Vec<i64> {
        let below = layer.iter().skip(1).map(Some).chain([None]);
        layer
            .iter()
            .zip(below)
            .map(
                |(item, below)| match (is_pass(item), below.is_some_and(is_pass)) {
                    (true, true) => 0,
                    (false, false) => i64::from(BOX_GAP),
                    _ => PASS_GAP,
                },
            )
            .collect()
    };
    let mut tops = vec![0_i64; heights.len()];
    for layer in &layers.layers {
        let mut y = 0;
        for (item, gap) in layer.iter().zip(gaps(layer)) {
            if let Some(top) = tops.get_mut(*item) {
                *top = y;
            }
            y += height(*item) + gap;
        }
    }
    let depth = layers.layers.len();
    for round in 0..ROUNDS {
        let sequence: Vec<usize> = if round % 2 == 0 {
            (0..depth).collect()
        } else {
            (0..depth).rev().collect()
        };
        for at in sequence {
            let Some(layer) = layers.layers.get(at) else {
                continue;
            };
            let middle = |item: usize| tops.get(item).copied().unwrap_or(0) + height(item) / 2;
            let wished: Vec<i64> = layer
                .iter()
                .map(|item| {
                    let around = || {
                        let before = layers.before.get(*item).into_iter().flatten();
                        before.chain(layers.after.get(*item).into_iter().flatten())
                    };
                    match around().count() as i64 {
                        0 => middle(*item),
                        count => around()
                            .map(|other| middle(*other))
                            .sum::<i64>()
                            .div_euclid(count),
                    }
                })
                .collect();
            let sizes: Vec<i64> = layer.iter().map(|item| height(*item)).collect();
            for (item, y) in layer.iter().zip(settle(&wished, &sizes, &gaps(layer))) {
                if let Some(top) = tops.get_mut(*item) {
                    *top = y;
                }
            }
        }
    }
    tops
}

/// Tops of items in this order whose middles are as near to `wished` as gaps allow: items that push each other move as
/// one, to the mean of their wishes.
fn settle(wished: &[i64], heights: &[i64], gaps: &[i64]) -> Vec<i64> {
    struct Group {
        members: usize,
        sum: i64,
    }
    impl Group {
        fn mean(&self) -> i64 {
            self.sum.div_euclid(self.members.max(1) as i64)
        }
    }
    // The wish of each item for where the first of a gapless row would begin.
    let mut offsets = Vec::with_capacity(wished.len());
    let mut groups: Vec<Group> = Vec::new();
    let mut offset = 0;
    for ((wish, height), gap) in wished.iter().zip(heights).zip(gaps) {
        let mut group = Group {
            members: 1,
            sum: wish - height / 2 - offset,
        };
        while let Some(above) = groups.pop_if(|above| above.mean() >= group.mean()) {
            group.members += above.members;
            group.sum += above.sum;
        }
        groups.push(group);
        offsets.push(offset);
        offset += height + gap;
    }
    let starts = groups
        .iter()
        .flat_map(|group| std::iter::repeat_n(group.mean(), group.members));
    starts
        .zip(offsets)
        .map(|(start, offset)| start + offset)
        .collect()
}

/// Keeps boxes where they stand and finds room for the others; gives all by their number.
pub(super) fn slot_in(graph: &Graph<'_>, ranks: &[usize]) -> Vec<BoxOut> {
    let mut boxes: Vec<BoxOut> = (0..graph.len()).map(|one| graph.sized(one)).collect();
    let mut standing: Vec<usize> = Vec::new();
    let mut old: Vec<(usize, super::Position)> = graph
        .boxes
        .iter()
        .enumerate()
        .filter_map(|(one, b)| Some((one, b.position?)))
        .collect();
    old.sort_by_key(|(one, at)| (at.y, at.x, *one));
    for (one, at) in old {
        let mut b = graph.sized(one);
        (b.x, b.y) = (at.x, at.y);
        // A box above may have grown since; then this one makes way, downwards.
        b.y = free_below(&boxes, &standing, &b);
        put(&mut boxes, &mut standing, one, b);
    }
    let mut new: Vec<usize> = (0..graph.len())
        .filter(|one| !standing.contains(one))
        .collect();
    // From left to right, those with neighbours first, so that each finds those it stands beside.
    new.sort_by_key(|one| (graph.is_alone(*one), ranks.get(*one).copied(), *one));
    for one in new {
        let mut b = graph.sized(one);
        let at = |others: &[usize]| -> Vec<BoxOut> {
            others
                .iter()
                .filter(|other| standing.contains(other))
                .filter_map(|other| boxes.get(*other).cloned())
                .collect()
        };
        let (callers, called) = (at(graph.callers(one)), at(graph.called(one)));
        let lines: Vec<i32> = standing
            .iter()
            .filter_map(|o| boxes.get(*o))
            .map(|b| b.x)
            .collect();
        if let Some(right) = callers.iter().map(BoxOut::right).max() {
            let from = right + LAYER_GAP;
            let line = lines.iter().filter(|x| **x >= from).min().copied();
            // A layer far away is another's.
            b.x = line.filter(|x| *x <= from + b.width).unwrap_or(from);
        } else if let Some(left) = called.iter().map(|b| b.x).min() {
            let to = left - LAYER_GAP - b.width;
            let line = lines.iter().filter(|x| **x <= to).max().copied();
            b.x = line.filter(|x| *x + b.width >= to).unwrap_or(to);
        } else {
            (b.x, b.y) = row_end(graph, &boxes, &standing, &b);
            put(&mut boxes, &mut standing, one, b);
            continue;
        }
        let middles: Vec<i64> = callers
            .iter()
            .chain(&called)
            .map(|o| i64::from(o.middle()))
            .collect();
        let mean = middles
            .iter()
            .sum::<i64>()
            .div_euclid(middles.len().max(1) as i64);
        b.y = mean as i32 - b.height / 2;
        b.y = free_nearest(&boxes, &standing, &b);
        put(&mut boxes, &mut standing, one, b);
    }
    boxes
}

/// Where a box without neighbours goes: behind the last of those that stand in a row without edges, else in a new row
/// below everything.
fn row_end(graph: &Graph<'_>, boxes: &[BoxOut], standing: &[usize], b: &BoxOut) -> (i32, i32) {
    let all = || standing.iter().filter_map(|o| boxes.get(*o));
    let left = all().map(|o| o.x).min().unwrap_or(0);
    let below = all().map(BoxOut::bottom).max().map_or(0, |y| y + BOX_GAP);
    let alone = || {
        let alone = standing.iter().filter(|o| graph.is_alone(**o));
        alone.filter_map(|o| boxes.get(*o))
    };
    let Some(last) = alone().max_by_key(|o| (o.y, o.x)) else {
        return (left, below);
    };
    let behind = BoxOut {
        x: last.right() + BOX_GAP,
        y: last.y,
        ..b.clone()
    };
    if behind.right() <= left + ROW_WIDTH && hit(boxes, standing, &behind).is_none() {
        (behind.x, behind.y)
    } else {
        (left, below)
    }
}

fn put(boxes: &mut [BoxOut], standing: &mut Vec<usize>, one: usize, b: BoxOut) {
    if let Some(place) = boxes.get_mut(one) {
        *place = b;
        standing.push(one);
    }
}

fn hit<'b>(boxes: &'b [BoxOut], standing: &[usize], b: &BoxOut) -> Option<&'b BoxOut> {
    standing
        .iter()
        .filter_map(|one| boxes.get(*one))
        .find(|other| other.is_near(b))
}

/// The first free top at or below where the box is.
fn free_below(boxes: &[BoxOut], standing: &[usize], b: &BoxOut) -> i32 {
    let mut b = b.clone();
    while let Some(other) = hit(boxes, standing, &b) {
        b.y = other.bottom() + BOX_GAP;
    }
    b.y
}

/// The free top nearest to where the box is.
fn free_nearest(boxes: &[BoxOut], standing: &[usize], b: &BoxOut) -> i32 {
    let below = free_below(boxes, standing, b);
    let mut above = b.clone();
    while let Some(other) = hit(boxes, standing, &above) {
        above.y = other.y - BOX_GAP - b.height;
    }
    if b.y - above.y < below - b.y {
        above.y
    } else {
        below
    }
}
