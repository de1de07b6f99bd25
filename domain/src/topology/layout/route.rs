//! Edges as curves, with their ends spread along the sides of boxes.

use super::{ArcOut, BoxOut, Graph, Layout};

/// Room around the map.
const MARGIN: i32 = 24;
/// How far a back edge goes below the lower of its boxes.
const DIP: i32 = 48;

/// Draws the edges between placed boxes.
pub(super) fn draw(graph: &Graph<'_>, boxes: Vec<BoxOut>) -> Layout {
    let mut arcs: Vec<ArcOut> = Vec::with_capacity(graph.arcs.len());
    for &(from, to) in &graph.arcs {
        let (Some(a), Some(b)) = (boxes.get(from), boxes.get(to)) else {
            continue;
        };
        let is_back = b.x < a.right();
        let curve = if is_back {
            below(graph, &boxes, (from, a), (to, b))
        } else {
            across(graph, &boxes, (from, a), (to, b))
        };
        arcs.push(ArcOut {
            from: a.key.clone(),
            to: b.key.clone(),
            is_back,
            curve,
        });
    }
    let xs = || {
        let ends = boxes.iter().flat_map(|b| [b.x, b.right()]);
        ends.chain(
            arcs.iter()
                .flat_map(|arc| points(&arc.curve).map(|(x, _)| x)),
        )
    };
    let ys = || {
        let ends = boxes.iter().flat_map(|b| [b.y, b.bottom()]);
        ends.chain(
            arcs.iter()
                .flat_map(|arc| points(&arc.curve).map(|(_, y)| y)),
        )
    };
    let (left, top) = (
        xs().min().unwrap_or(0) - MARGIN,
        ys().min().unwrap_or(0) - MARGIN,
    );
    let (width, height) = (
        xs().max().unwrap_or(0) + MARGIN - left,
        ys().max().unwrap_or(0) + MARGIN - top,
    );
    Layout {
        boxes,
        arcs,
        left,
        top,
        width,
        height,
    }
}

fn points(curve: &[i32; 8]) -> [(i32, i32); 4] {
    let [a, b, c, d, e, f, g, h] = *curve;
    [(a, b), (c, d), (e, f), (g, h)]
}

/// From the right side of one to the left side of the other.
fn across(
    graph: &Graph<'_>,
    boxes: &[BoxOut],
    a: (usize, &BoxOut),
    b: (usize, &BoxOut),
) -> [i32; 8] {
    let (start_x, end_x) = (a.1.right(), b.1.x);
    let start_y = port(boxes, a.1, graph.called(a.0), b.0, |own, other| {
        other.x >= own.right()
    });
    let end_y = port(boxes, b.1, graph.callers(b.0), a.0, |own, other| {
        own.x >= other.right()
    });
    let reach = (end_x - start_x) / 2;
    [
        start_x,
        start_y,
        start_x + reach,
        start_y,
        end_x - reach,
        end_y,
        end_x,
        end_y,
    ]
}

/// Where an edge to `to` meets the side of `own`: ends are spread from top to bottom in the order of the boxes they lead
/// to. `counts` says which of `others` meet the same side.
fn port(
    boxes: &[BoxOut],
    own: &BoxOut,
    others: &[usize],
    to: usize,
    counts: fn(&BoxOut, &BoxOut) -> bool,
) -> i32 {
    let mut ends: Vec<(i32, usize)> = others
        .iter()
        .filter_map(|other| Some((*other, boxes.get(*other)?)))
        .filter(|(_, b)| counts(own, b))
        .map(|(other, b)| (b.middle(), other))
        .collect();
    ends.sort_unstable();
    let place = ends.iter().position(|(_, other)| *other == to).unwrap_or(0) as i32;
    own.y + own.height * (place + 1) / (ends.len() as i32 + 1)
}

/// From below one to below the other.
fn below(
    graph: &Graph<'_>,
    boxes: &[BoxOut],
    a: (usize, &BoxOut),
    b: (usize, &BoxOut),
) -> [i32; 8] {
    let back = |one: &(usize, usize)| {
        let ends = (boxes.get(one.0), boxes.get(one.1));
        matches!(ends, (Some(from), Some(to)) if to.x < from.right())
    };
    let spread = |own: &BoxOut, at: usize| {
        let mut ends: Vec<&(usize, usize)> = graph
            .arcs
            .iter()
            .filter(|arc| (arc.0 == at || arc.1 == at) && back(arc))
            .collect();
        ends.sort_unstable();
        let place = ends.iter().position(|arc| **arc == (a.0, b.0)).unwrap_or(0) as i32;
        own.x + own.width * (place + 1) / (ends.len() as i32 + 1)
    };
    let low = a.1.bottom().max(b.1.bottom()) + DIP;
    let (start_x, end_x) = (spread(a.1, a.0), spread(b.1, b.0));
    [
        start_x,
        a.1.bottom(),
        start_x,
        low,
        end_x,
        low,
        end_x,
        b.1.bottom(),
    ]
}
