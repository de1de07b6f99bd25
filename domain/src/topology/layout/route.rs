//! Which way edges go between placed boxes: through the room that boxes leave, never behind one.
//!
//! Each edge takes the cheapest way through rooms and doors ([`super::free`]), in a fixed order, and a door that is full
//! costs more; [`super::lane`] makes a curve of it. An edge leaves at the side of its box that faces the other.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::free::{CLEAR, Door, Free, Room};
use super::lane::{self, Order, Stop};
use super::{ArcOut, BoxOut, Graph, Layout, Position};

/// Rounds of putting the ends of lines in order; more change little.
const ROUNDS: usize = 4;
/// Room around the map.
const MARGIN: i32 = 24;
/// What turning back costs, in the measure of lengths.
const TURN_COST: i64 = 160;
/// What leaving a line costs.
const BEND_COST: i64 = 24;
/// What a door costs through which there is no lane left.
const FULL_COST: i64 = 240;
/// Height that a line needs.
const LANE: i32 = 8;
/// Rooms narrower than this make steep curves.
const EASY: i32 = 64;

/// An end of an edge: the box, and which of its sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    at: usize,
    is_right: bool,
}

/// An edge and the way it takes.
struct Way {
    from: End,
    to: End,
    /// Doors that it passes.
    doors: Vec<usize>,
    /// Rooms that it passes, one more than doors.
    rooms: Vec<usize>,
}

/// Draws the edges between placed boxes.
pub(super) fn draw(graph: &Graph<'_>, boxes: Vec<BoxOut>) -> Layout {
    let free = Free::around(&boxes);
    let ways = ways(graph, &boxes, &free);
    // Ends are spread by where the other box stands, then by where the line turns to, which hangs on where it leaves.
    let other = |at: usize| [boxes.get(at).map_or(0, BoxOut::middle), 0, 0];
    let mut orders: Vec<[Order; 2]> = ways
        .iter()
        .map(|way| [other(way.to.at), other(way.from.at)])
        .collect();
    for _ in 0..ROUNDS {
        let lines = stops(&ways, &boxes, &free, &orders);
        orders = lines.iter().map(|stops| lane::orders(stops)).collect();
    }
    let lines = stops(&ways, &boxes, &free, &orders);
    let reach: Vec<[i32; 2]> = ways
        .iter()
        .map(|way| {
            [way.from, way.to].map(|end| boxes.get(end.at).map_or(0, |one| side(one, end.is_right)))
        })
        .collect();
    let curves = lane::curves(&lines, &reach, &free.rooms);
    let mut arcs: Vec<ArcOut> = Vec::with_capacity(ways.len());
    for (way, curve) in ways.iter().zip(curves) {
        let (Some(a), Some(b)) = (boxes.get(way.from.at), boxes.get(way.to.at)) else {
            continue;
        };
        arcs.push(ArcOut {
            from: a.key.clone(),
            to: b.key.clone(),
            is_back: b.x < a.right(),
            curve,
        });
    }
    arcs.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
    let corners = || {
        let of_boxes = boxes
            .iter()
            .flat_map(|b| [(b.x, b.y), (b.right(), b.bottom())]);
        of_boxes.chain(
            arcs.iter()
                .flat_map(|arc| arc.curve.iter().map(|at| (at.x, at.y))),
        )
    };
    let left = corners().map(|(x, _)| x).min().unwrap_or(0) - MARGIN;
    let top = corners().map(|(_, y)| y).min().unwrap_or(0) - MARGIN;
    let width = corners().map(|(x, _)| x).max().unwrap_or(0) + MARGIN - left;
    let height = corners().map(|(_, y)| y).max().unwrap_or(0) + MARGIN - top;
    Layout {
        boxes,
        arcs,
        left,
        top,
        width,
        height,
        is_anew: false,
    }
}

fn side(one: &BoxOut, is_right: bool) -> i32 {
    if is_right { one.right() } else { one.x }
}

/// At which sides an edge leaves and arrives.
fn sides(a: &BoxOut, b: &BoxOut) -> (bool, bool) {
    if b.x - a.right() >= 2 * CLEAR {
        (true, false)
    } else if a.x - b.right() >= 2 * CLEAR {
        (false, true)
    } else {
        // One above the other.
        (true, true)
    }
}

/// The way of each edge; short ones choose first.
fn ways(graph: &Graph<'_>, boxes: &[BoxOut], free: &Free) -> Vec<Way> {
    let mut pairs: Vec<(i64, usize, usize)> = graph
        .arcs
        .iter()
        .filter_map(|&(from, to)| {
            let (a, b) = (boxes.get(from)?, boxes.get(to)?);
            let length = a.x.abs_diff(b.x) + a.middle().abs_diff(b.middle());
            Some((i64::from(length), from, to))
        })
        .collect();
    pairs.sort_unstable();
    let mut used = vec![0_i32; free.doors.len()];
    let mut ways = Vec::with_capacity(pairs.len());
    for (_, from, to) in pairs {
        let (Some(a), Some(b)) = (boxes.get(from), boxes.get(to)) else {
            continue;
        };
        let (out, into) = sides(a, b);
        let (Some(begin), Some(end)) = (free.beside(a, out), free.beside(b, into)) else {
            continue;
        };
        let search = Search {
            free,
            used: &used,
            begin: (begin, outer(a, out)),
            end: (end, outer(b, into)),
        };
        let Some(doors) = search.run() else { continue };
        let mut rooms = vec![begin];
        let mut room = begin;
        for door in &doors {
            if let Some(count) = used.get_mut(*door) {
                *count += 1;
            }
            room = free.doors.get(*door).map_or(room, |door| door.beyond(room));
            rooms.push(room);
        }
        ways.push(Way {
            from: End {
                at: from,
                is_right: out,
            },
            to: End {
                at: to,
                is_right: into,
            },
            doors,
            rooms,
        });
    }
    ways
}

/// Where lines of a side leave its wall, in the middle of it.
fn outer(one: &BoxOut, is_right: bool) -> Position {
    let beside = if is_right { CLEAR } else { -CLEAR };
    Position {
        x: side(one, is_right) + beside,
        y: one.middle(),
    }
}

impl Door {
    fn beyond(&self, room: usize) -> usize {
        if self.left == room {
            self.right
        } else {
            self.left
        }
    }
}

/// The cheapest way from room to room (after Dijkstra). A place in it is a door and the room behind it.
struct Search<'a> {
    free: &'a Free,
    used: &'a [i32],
    begin: (usize, Position),
    end: (usize, Position),
}

/// How a place was reached.
#[derive(Clone, Copy)]
struct Step {
    cost: i64,
    before: Option<usize>,
    y: i32,
}

impl Search<'_> {
    fn run(&self) -> Option<Vec<usize>> {
        let goal = self.free.doors.len() * 2;
        let mut known: Vec<Option<Step>> = vec![None; goal + 1];
        let mut next = BinaryHeap::new();
        self.go_on(self.begin, 0, None, &mut known, &mut next);
        while let Some(Reverse((cost, place))) = next.pop() {
            if place == goal {
                return Some(back(&known, goal));
            }
            let step = known.get(place).copied().flatten()?;
            if step.cost < cost {
                continue;
            }
            let door = self.free.doors.get(place / 2)?;
            let room = if place % 2 == 0 {
                door.left
            } else {
                door.right
            };
            let at = Position {
                x: door.x,
                y: step.y,
            };
            self.go_on((room, at), cost, Some(place), &mut known, &mut next);
        }
        None
    }

    /// To the doors of a room, and to the goal if it is there.
    fn go_on(
        &self,
        (room, from): (usize, Position),
        cost: i64,
        before: Option<usize>,
        known: &mut [Option<Step>],
        next: &mut BinaryHeap<Reverse<(i64, usize)>>,
    ) {
        let Some(own) = self.free.rooms.get(room) else {
            return;
        };
        let mut reach = |place: usize, to: Position, more: i64| {
            let cost = cost + length(own, from, to) + more;
            if let Some(step) = known.get_mut(place)
                && step.is_none_or(|step| cost < step.cost)
            {
                *step = Some(Step {
                    cost,
                    before,
                    y: to.y,
                });
                next.push(Reverse((cost, place)));
            }
        };
        if room == self.end.0 {
            reach(self.free.doors.len() * 2, self.end.1, 0);
        }
        for number in self.free.doors_of(room) {
            if before.is_some_and(|before| before / 2 == *number) {
                continue;
            }
            let Some(door) = self.free.doors.get(*number) else {
                continue;
            };
            let used = self.used.get(*number).copied().unwrap_or(0);
            let lanes = (door.bottom - door.top) / LANE + 1;
            let full = if used >= lanes { FULL_COST } else { 0 };
            let to = Position {
                x: door.x,
                y: from.y.clamp(door.top, door.bottom),
            };
            reach(number * 2 + usize::from(door.left == room), to, full);
        }
    }
}

/// What crossing a room costs.
fn length(room: &Room, from: Position, to: Position) -> i64 {
    let (along, aside) = (from.x.abs_diff(to.x), from.y.abs_diff(to.y));
    let (along, aside) = (i64::from(along), i64::from(aside));
    if from.x == to.x {
        return TURN_COST + aside;
    }
    if aside == 0 {
        return along;
    }
    let steep = i64::from((EASY - room.width()).max(0));
    along + aside + BEND_COST + aside.min(200) * steep / i64::from(EASY)
}

fn back(known: &[Option<Step>], goal: usize) -> Vec<usize> {
    let mut doors = Vec::new();
    let mut place = goal;
    while let Some(before) = known
        .get(place)
        .copied()
        .flatten()
        .and_then(|step| step.before)
    {
        doors.push(before / 2);
        place = before;
    }
    doors.reverse();
    doors
}

/// What each line has to pass, its two ends spread along the sides of boxes in these orders.
fn stops(ways: &[Way], boxes: &[BoxOut], free: &Free, orders: &[[Order; 2]]) -> Vec<Vec<Stop>> {
    let mut ends: BTreeMap<End, Vec<(Order, usize, bool)>> = BTreeMap::new();
    for (number, (way, [out, into])) in ways.iter().zip(orders).enumerate() {
        ends.entry(way.from)
            .or_default()
            .push((*out, number, false));
        ends.entry(way.to).or_default().push((*into, number, true));
    }
    let mut ports: BTreeMap<(usize, bool), i32> = BTreeMap::new();
    for (end, mut lines) in ends {
        let Some(own) = boxes.get(end.at) else {
            continue;
        };
        lines.sort_unstable();
        let count = lines.len() as i32;
        for (place, (_, number, is_arriving)) in lines.into_iter().enumerate() {
            let y = own.y + own.height * (place as i32 + 1) / (count + 1);
            ports.insert((number, is_arriving), y);
        }
    }
    let port = |number: usize, is_arriving: bool, end: End| {
        let x = boxes
            .get(end.at)
            .map_or(0, |one| outer(one, end.is_right).x);
        let y = ports.get(&(number, is_arriving)).copied().unwrap_or(0);
        (x, y)
    };
    ways.iter()
        .enumerate()
        .map(|(number, way)| {
            let mut rooms = way.rooms.iter().copied();
            let mut stop = |x: i32, top: i32, bottom: i32| Stop {
                x,
                top,
                bottom,
                room: rooms.next(),
            };
            let (x, y) = port(number, false, way.from);
            let mut all = vec![stop(x, y, y)];
            let doors = way.doors.iter().filter_map(|door| free.doors.get(*door));
            all.extend(doors.map(|door| stop(door.x, door.top, door.bottom)));
            let (x, y) = port(number, true, way.to);
            all.push(stop(x, y, y));
            all
        })
        .collect()
}
