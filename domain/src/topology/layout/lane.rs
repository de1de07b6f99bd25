//! Curves of the ways that edges take: level lines through as many rooms as they fit, each in a lane of its own, and between
//! two lines a curve that is level at both ends. Such a curve stays in the rectangle between its ends, so it stays in the
//! rooms that it crosses.

use super::Position;
use super::free::Room;

/// Between two lines beside each other.
const LANE: i32 = 8;
/// A change of lane takes at least so much of the way, where there is room.
const CURVE: i32 = 64;
/// How far a line that turns back goes before it does.
const TURN: i32 = 24;

/// What a line passes: its port, a door, or its other port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    pub x: i32,
    /// Where it may pass.
    pub top: i32,
    pub bottom: i32,
    /// The room behind it; none behind the last.
    pub room: Option<usize>,
}

/// Stops that are passed on one level.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Positions of its first and last stop.
    first: usize,
    last: usize,
    /// Where it may be.
    top: i32,
    bottom: i32,
    /// Where it is.
    y: i32,
}

/// As few runs as pass all stops, each as near as it can be to the one before.
fn runs(stops: &[Stop]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut before: Option<Stop> = None;
    for (number, stop) in stops.iter().enumerate() {
        // At the same x it turns back.
        let goes_on = before.is_some_and(|before| before.x != stop.x);
        let longer = runs
            .last_mut()
            .filter(|run| goes_on && run.top.max(stop.top) <= run.bottom.min(stop.bottom));
        match longer {
            Some(run) => {
                run.last = number;
                run.top = run.top.max(stop.top);
                run.bottom = run.bottom.min(stop.bottom);
            }
            None => runs.push(Run {
                first: number,
                last: number,
                top: stop.top,
                bottom: stop.bottom,
                y: stop.top,
            }),
        }
        before = Some(*stop);
    }
    let mut y = None;
    for run in &mut runs {
        run.y = y.map_or(run.top, |y: i32| y.clamp(run.top, run.bottom));
        y = Some(run.y);
    }
    runs
}

/// Place of a line among those of one side of a box, from above.
pub(super) type Order = [i32; 3];

/// The order in which lines leave where they begin, and arrive where they end, without crossing each other: at the top
/// those that turn up, the soonest first, then those that go on level, then those that turn down, the soonest last.
pub(super) fn orders(stops: &[Stop]) -> [Order; 2] {
    let runs = runs(stops);
    let x = |at: usize| stops.get(at).map_or(0, |stop| stop.x);
    let order = |own: Option<&Run>, next: Option<&Run>, port: usize, turn: fn(&Run) -> usize| {
        let (Some(own), Some(next)) = (own, next) else {
            return [1, own.map_or(0, |run| run.y), 0];
        };
        let away = x(turn(own)).abs_diff(x(port)) as i32;
        if next.y < own.y {
            [0, away, next.y]
        } else {
            [2, -away, next.y]
        }
    };
    let before_last = runs.len().checked_sub(2).and_then(|at| runs.get(at));
    let end = stops.len().saturating_sub(1);
    [
        order(runs.first(), runs.get(1), 0, |run| run.last),
        order(runs.last(), before_last, end, |run| run.first),
    ]
}

/// A run that has its lane.
struct Taken {
    left: i32,
    right: i32,
    y: i32,
}

/// The curve of each line: its start, and for each part two controls and an end. It begins and ends at the sides of boxes,
/// whose x `reach` says, a little before its first and behind its last stop.
pub(super) fn curves(
    lines: &[Vec<Stop>],
    reach: &[[i32; 2]],
    rooms: &[Room],
) -> Vec<Vec<Position>> {
    let mut all: Vec<Vec<Run>> = lines.iter().map(|stops| runs(stops)).collect();
    spread(lines, &mut all);
    lines
        .iter()
        .zip(&all)
        .zip(reach)
        .map(|((stops, runs), reach)| curve(stops, runs, *reach, rooms))
        .collect()
}

/// Lines that would lie on each other get lanes beside each other.
fn spread(lines: &[Vec<Stop>], all: &mut [Vec<Run>]) {
    let span = |line: usize, run: &Run| {
        let x = |at: usize| {
            lines
                .get(line)
                .and_then(|stops| stops.get(at))
                .map_or(0, |stop| stop.x)
        };
        let (a, b) = (x(run.first), x(run.last));
        (a.min(b) - LANE, a.max(b) + LANE)
    };
    let mut taken: Vec<Taken> = Vec::new();
    let mut free: Vec<(i32, i32, usize, usize)> = Vec::new();
    for (line, runs) in all.iter().enumerate() {
        let mut before = None;
        for (number, run) in runs.iter().enumerate() {
            if run.top == run.bottom {
                let (left, right) = span(line, run);
                taken.push(Taken {
                    left,
                    right,
                    y: run.y,
                });
            } else {
                // Of those that want the same, the one that comes from nearest is nearest: so they do not cross.
                let from: i32 = before.unwrap_or(run.y);
                let order = if from > run.y { -from } else { from };
                free.push((run.y, order, line, number));
            }
            before = Some(run.y);
        }
    }
    free.sort_unstable();
    for (wished, _, line, number) in free {
        let Some(run) = all.get_mut(line).and_then(|runs| runs.get_mut(number)) else {
            continue;
        };
        let (left, right) = span(line, run);
        let mut beside: Vec<i32> = taken
            .iter()
            .filter(|other| other.left <= right && left <= other.right)
            .map(|other| other.y)
            .collect();
        beside.sort_unstable();
        let lanes = [LANE, LANE / 2, 2];
        let y = lanes
            .into_iter()
            .find_map(|apart| nearest(wished, (run.top, run.bottom), &beside, apart));
        run.y = y.unwrap_or(wished);
        taken.push(Taken {
            left,
            right,
            y: run.y,
        });
    }
}

/// The level nearest to the wished one that is that far from all others.
fn nearest(wished: i32, (top, bottom): (i32, i32), others: &[i32], apart: i32) -> Option<i32> {
    let is_free = |y: &i32| {
        let at = others.partition_point(|other| *other <= *y - apart);
        (top..=bottom).contains(y) && others.get(at).is_none_or(|other| *other >= *y + apart)
    };
    let beside = others
        .iter()
        .flat_map(|other| [*other - apart, *other + apart]);
    std::iter::once(wished)
        .chain(beside)
        .filter(is_free)
        .min_by_key(|y| (y.abs_diff(wished), *y))
}

fn curve(stops: &[Stop], runs: &[Run], [begins, ends]: [i32; 2], rooms: &[Room]) -> Vec<Position> {
    let Some((start, last)) = stops.first().zip(stops.last()) else {
        return Vec::new();
    };
    let mut pen = Pen {
        points: vec![Position {
            x: begins,
            y: start.top,
        }],
        is_line: false,
    };
    for (place, pair) in runs.windows(2).enumerate() {
        let [from, to] = pair else { continue };
        let (Some(a), Some(b)) = (stops.get(from.last), stops.get(to.first)) else {
            continue;
        };
        let Some(room) = a.room.and_then(|room| rooms.get(room)) else {
            continue;
        };
        if a.x == b.x {
            pen.line_to(a.x, from.y);
            pen.turn(to.y, room);
            continue;
        }
        let (begin, end) = stretch(
            stops,
            rooms,
            (from, place == 0),
            (to, place + 2 == runs.len()),
        );
        pen.line_to(begin, from.y);
        pen.curve_to(end, to.y);
    }
    pen.line_to(ends, last.top);
    pen.points
}

/// Where a change from one run to the next may begin and end: around the room between them, in all rooms that both levels
/// cross, as long as is good for the eye. A run in the middle keeps half of its length for the change at its other end.
fn stretch(
    stops: &[Stop],
    rooms: &[Room],
    (from, is_first): (&Run, bool),
    (to, is_last): (&Run, bool),
) -> (i32, i32) {
    let x = |at: usize| stops.get(at).map_or(0, |stop| stop.x);
    let has_both = |at: usize| {
        let room = stops.get(at).and_then(|stop| rooms.get(stop.room?));
        room.is_some_and(|room| room.has(from.y) && room.has(to.y))
    };
    let half = |run: &Run| i32::midpoint(x(run.first), x(run.last));
    let (mut begin, mut end) = (x(from.last), x(to.first));
    let ahead = (end - begin).signum();
    let wanted = CURVE.max(from.y.abs_diff(to.y) as i32);
    let middle = i32::midpoint(begin, end);
    let mut at = from.last;
    while at > from.first && has_both(at - 1) {
        at -= 1;
        begin = x(at);
    }
    let mut at = to.first;
    while at < to.last && has_both(at) {
        at += 1;
        end = x(at);
    }
    // In the direction of the line, from its middle.
    let (mut back, mut on) = ((middle - begin) * ahead, (end - middle) * ahead);
    if !is_first {
        back = back
            .min((middle - half(from)) * ahead)
            .max((middle - x(from.last)) * ahead);
    }
    if !is_last {
        on = on
            .min((half(to) - middle) * ahead)
            .max((x(to.first) - middle) * ahead);
    }
    let back = back.min((wanted / 2).max(wanted - on));
    let on = on.min(wanted - back.min(wanted));
    (middle - back * ahead, middle + on * ahead)
}

struct Pen {
    points: Vec<Position>,
    /// What it drew last is a line.
    is_line: bool,
}

impl Pen {
    fn at(&self) -> Position {
        self.points
            .last()
            .copied()
            .unwrap_or(Position { x: 0, y: 0 })
    }

    fn line_to(&mut self, x: i32, y: i32) {
        let (from, to) = (self.at(), Position { x, y });
        if self.is_line {
            for point in self.points.iter_mut().rev().take(2) {
                *point = to;
            }
        } else if from != to {
            self.points.extend([from, to, to]);
            self.is_line = true;
        }
    }

    /// Level at both ends.
    fn curve_to(&mut self, x: i32, y: i32) {
        let from = self.at();
        self.is_line = false;
        let middle = i32::midpoint(from.x, x);
        self.points.extend([
            Position {
                x: middle,
                y: from.y,
            },
            Position { x: middle, y },
            Position { x, y },
        ]);
    }

    /// Back to where it came from, inside of a room at one side of which it stands.
    fn turn(&mut self, y: i32, room: &Room) {
        let from = self.at();
        self.is_line = false;
        // A curve goes three quarters as far as its controls.
        let wide = TURN.max((y - from.y).abs() / 4).min(room.width()) * 4 / 3;
        let out = if room.left == from.x { wide } else { -wide };
        let x = from.x + out;
        self.points.extend([
            Position { x, y: from.y },
            Position { x, y },
            Position { x: from.x, y },
        ]);
    }
}
