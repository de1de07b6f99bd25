//! Where an edge has room for words: on a piece of it beside which no box and no other word stands.

use super::{Layout, Position};

/// Height of words on the map, with their halo.
pub const LABEL_HEIGHT: i32 = 20;
/// Between words and whatever else there is.
const APART: i32 = 2;
/// Points of a cubic that are looked at.
const SAMPLES: i32 = 12;

/// A rectangle.
#[derive(Debug, Clone, Copy)]
struct Plate {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

impl Plate {
    fn around(at: Position, width: i32) -> Self {
        Self {
            left: at.x - width / 2,
            top: at.y - LABEL_HEIGHT / 2,
            right: at.x + width / 2,
            bottom: at.y + LABEL_HEIGHT / 2,
        }
    }

    fn touches(&self, other: &Plate) -> bool {
        self.left < other.right + APART
            && other.left < self.right + APART
            && self.top < other.bottom + APART
            && other.top < self.bottom + APART
    }

    fn has(&self, at: &Position) -> bool {
        (self.left..=self.right).contains(&at.x) && (self.top..=self.bottom).contains(&at.y)
    }
}

/// Middles of words on edges: `wanted` has the position of each edge in the layout and the width of its words, who comes
/// first chooses first. The nearest to the middle of the edge of those places that cover fewest other edges; `None` where
/// there is no room.
pub fn labels(layout: &Layout, wanted: &[(usize, i32)]) -> Vec<Option<Position>> {
    let points: Vec<Vec<Position>> = layout.arcs.iter().map(|arc| samples(&arc.curve)).collect();
    let mut plates: Vec<Plate> = layout
        .boxes
        .iter()
        .map(|one| Plate {
            left: one.x,
            top: one.y,
            right: one.right(),
            bottom: one.bottom(),
        })
        .collect();
    wanted
        .iter()
        .map(|&(arc, width)| {
            let own = points.get(arc)?;
            let middle = along(own, 1, 2)?;
            let covered = |plate: &Plate| {
                let others = points.iter().enumerate().filter(|(other, _)| *other != arc);
                others
                    .filter(|(_, points)| points.iter().any(|at| plate.has(at)))
                    .count()
            };
            let best = own
                .iter()
                .map(|at| (*at, Plate::around(*at, width)))
                .filter(|(_, plate)| !plates.iter().any(|other| plate.touches(other)))
                .min_by_key(|(at, plate)| {
                    let away = at.x.abs_diff(middle.x) + at.y.abs_diff(middle.y);
                    (covered(plate), away, at.x, at.y)
                });
            let (at, plate) = best?;
            plates.push(plate);
            Some(at)
        })
        .collect()
}

/// The point of a curve that is as far from its start as from its end.
pub fn halfway(curve: &[Position]) -> Option<Position> {
    along(&samples(curve), 1, 2)
}

/// A point so many parts of the way from the start.
fn along(points: &[Position], part: u32, of: u32) -> Option<Position> {
    let length = |pair: &[Position]| match pair {
        [a, b] => a.x.abs_diff(b.x) + a.y.abs_diff(b.y),
        _ => 0,
    };
    let whole: u32 = points.windows(2).map(length).sum();
    let mut left = whole / of * part;
    for pair in points.windows(2) {
        let own = length(pair);
        if own >= left {
            return pair.first().copied();
        }
        left -= own;
    }
    points.last().copied()
}

/// Points along a curve, close enough to each other that nothing as large as a word is between them.
fn samples(curve: &[Position]) -> Vec<Position> {
    let mut points: Vec<Position> = curve.first().copied().into_iter().collect();
    for part in curve.get(1..).unwrap_or_default().chunks_exact(3) {
        let (Some(from), [a, b, to]) = (points.last().copied(), part) else {
            continue;
        };
        let span = from.x.abs_diff(to.x).max(from.y.abs_diff(to.y)) as i32;
        let steps = (span / LABEL_HEIGHT).clamp(SAMPLES, 200);
        points.extend((1..=steps).map(|step| Position {
            x: bezier([from.x, a.x, b.x, to.x], step, steps),
            y: bezier([from.y, a.y, b.y, to.y], step, steps),
        }));
    }
    points
}

fn bezier([a, b, c, d]: [i32; 4], step: i32, steps: i32) -> i32 {
    let (t, u) = (i64::from(step), i64::from(steps - step));
    let [a, b, c, d] = [a, b, c, d].map(i64::from);
    let sum = u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * d;
    // Between the smallest and the largest of four numbers of 32 bits.
    sum.div_euclid(i64::from(steps).pow(3)) as i32
}
