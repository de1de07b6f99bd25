//! From values to shapes in the plot's own units: scaling, breaking where nothing is known, thinning, stacking.
//!
//! Called by [`super::marks`]. Invariants: every coordinate lies in the plot; no shape spans a stretch in which nothing is
//! known; least and greatest of each column survive thinning. It knows neither colours nor SVG.

use domain::metric::series::{GAP_STEPS, Gap};

use super::lines::{Drawn, Point};

/// Width of the plot in its own units; plotters' coordinates are integers, so a small plot would show steps.
pub const WIDTH: i32 = 2000;
/// Height of the plot in its own units.
pub const HEIGHT: i32 = 800;
/// Columns a line is thinned to when it has more points than a screen can show: 5 units, about 1.5 px on a phone.
const COLUMNS: i32 = 400;
/// Pieces of one line that are still drawn as lines; with more of them only their points are.
const PIECES_MAX: usize = 200;
/// Gaps that are still told one by one.
const GAPS_MAX: usize = 100;

/// Units from the left and from the bottom.
pub type Spot = (i32, i32);

/// What the plot's edges stand for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Left edge.
    pub from_ms: i64,
    /// Right edge.
    pub to_ms: i64,
    /// Value at the upper edge; the lower edge is 0.
    pub top: f64,
}

impl Scale {
    /// `round(WIDTH × (t − from) / (to − from))`, kept in the plot.
    pub fn x(&self, t_ms: i64) -> i32 {
        let range = self.to_ms.saturating_sub(self.from_ms).max(1);
        let share = t_ms.saturating_sub(self.from_ms) as f64 / range as f64;
        units(share, WIDTH)
    }

    /// `round(HEIGHT × value / top)`, kept in the plot.
    pub fn y(&self, value: f64) -> i32 {
        units(value / self.top, HEIGHT)
    }

    /// Where an instant stands, 0..=1 from the left.
    pub fn left_share(&self, t_ms: i64) -> f64 {
        f64::from(self.x(t_ms)) / f64::from(WIDTH)
    }

    /// Where a value stands, 0..=1 from the top.
    pub fn top_share(&self, value: f64) -> f64 {
        f64::from(HEIGHT - self.y(value)) / f64::from(HEIGHT)
    }
}

fn units(share: f64, size: i32) -> i32 {
    // A cast of NaN is 0, and of what is too large the limit: both are in the plot.
    (share.clamp(0.0, 1.0) * f64::from(size)).round() as i32
}

/// A line as it is drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Strokes {
    /// Unbroken pieces, each of two spots or more.
    pub paths: Vec<Vec<Spot>>,
    /// Points without neighbours.
    pub dots: Vec<Spot>,
}

/// One part of a stack as it is drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layer {
    /// Outlines of its area.
    pub areas: Vec<Vec<Spot>>,
    /// Its upper edge at instants without neighbours.
    pub lone: Vec<Spot>,
}

/// The line through the means.
pub fn strokes(scale: &Scale, line: &Drawn) -> Strokes {
    let spots: Vec<(i64, Spot)> = line
        .points
        .iter()
        .map(|p| (p.t_ms, (scale.x(p.t_ms), scale.y(p.mean))))
        .collect();
    let detail = Detail::of(spots.len());
    let mut out = Strokes::default();
    for piece in pieces(&spots, |(t_ms, _)| *t_ms, &line.gaps, line.step_ms) {
        let piece: Vec<Spot> = piece.iter().map(|(_, spot)| *spot).collect();
        out.add(thinned(&piece, detail, |spot| spot.0, |spot| spot.1));
    }
    out.bounded()
}

/// Outlines of the band from least to greatest; none where points are single values.
pub fn bands(scale: &Scale, line: &Drawn) -> Vec<Vec<Spot>> {
    envelope(scale, line, |p| p.least)
}

/// Outlines of the band from mean to greatest; none where points are single values.
pub fn peaks(scale: &Scale, line: &Drawn) -> Vec<Vec<Spot>> {
    envelope(scale, line, |p| p.mean)
}

/// The lines on top of each other, the first at the bottom; drawn only at instants at which every part is known, since a
/// sum without one of its parts is another number. Parts without any point are left out.
pub fn stacked(scale: &Scale, lines: &[Drawn], gaps: &[Gap]) -> Vec<Layer> {
    let step_ms = lines.iter().map(|line| line.step_ms).max().unwrap_or(1);
    let rows = rows(lines);
    let detail = Detail::of(rows.len());
    let mut layers = vec![Layer::default(); lines.len()];
    for piece in pieces(&rows, |row| row.t_ms, gaps, step_ms) {
        let piece = thinned(
            piece,
            detail,
            |row| scale.x(row.t_ms),
            |row| row.edges.last().copied().unwrap_or_default(),
        );
        for (part, layer) in layers.iter_mut().enumerate() {
            let edge = |part: usize| -> Vec<Spot> {
                piece
                    .iter()
                    .filter_map(|row| Some((scale.x(row.t_ms), scale.y(*row.edges.get(part)?))))
                    .collect()
            };
            let (lower, upper) = (edge(part), edge(part + 1));
            match upper.as_slice() {
                [] => {}
                [one] => layer.lone.push(*one),
                _ => layer.areas.push(outline(lower, upper)),
            }
        }
    }
    for layer in &mut layers {
        if layer.areas.len() > PIECES_MAX {
            layer.lone.extend(layer.areas.drain(..).flatten());
        }
        layer.lone = bounded(std::mem::take(&mut layer.lone));
    }
    layers
}

/// The gaps as they are or, when there are very many, with those joined that nobody could see apart.
pub fn joined_gaps(scale: &Scale, gaps: Vec<Gap>) -> Vec<Gap> {
    if gaps.len() <= GAPS_MAX {
        return gaps;
    }
    let mut out: Vec<Gap> = Vec::new();
    for gap in gaps {
        match out.last_mut() {
            Some(last)
                if last.reason == gap.reason
                    && scale.x(gap.from_ms) - scale.x(last.to_ms) < WIDTH / COLUMNS =>
            {
                last.to_ms = gap.to_ms;
            }
            _ => out.push(gap),
        }
    }
    out
}

/// An instant of a stack: 0, then the sums of the first one, two, … parts.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    t_ms: i64,
    edges: Vec<f64>,
}

fn rows(lines: &[Drawn]) -> Vec<Row> {
    let Some(first) = lines.iter().find(|line| !line.points.is_empty()) else {
        return Vec::new();
    };
    let mut own: Vec<_> = lines
        .iter()
        .map(|line| (line.points.is_empty(), line.points.iter().peekable()))
        .collect();
    first
        .points
        .iter()
        .filter_map(|Point { t_ms, .. }| {
            let mut edges = vec![0.0];
            let mut total = 0.0;
            for (is_empty, points) in &mut own {
                while points.next_if(|p| p.t_ms < *t_ms).is_some() {}
                match points.peek().filter(|p| p.t_ms == *t_ms) {
                    Some(point) => total += point.mean,
                    None if *is_empty => {}
                    None => return None,
                }
                edges.push(total);
            }
            Some(Row { t_ms: *t_ms, edges })
        })
        .collect()
}

impl Strokes {
    fn add(&mut self, piece: Vec<Spot>) {
        let piece = without_runs(piece);
        match piece.as_slice() {
            [] => {}
            [one] => self.dots.push(*one),
            _ => self.paths.push(piece),
        }
    }

    /// Points alone when there are too many pieces: each is narrower than what a screen can show.
    fn bounded(mut self) -> Self {
        if self.paths.len() > PIECES_MAX {
            self.dots.extend(self.paths.drain(..).flatten());
        }
        self.dots = bounded(self.dots);
        self
    }
}

fn bounded(mut dots: Vec<Spot>) -> Vec<Spot> {
    dots.sort_unstable();
    dots.dedup();
    thinned(&dots, Detail::of(dots.len()), |spot| spot.0, |spot| spot.1)
}

/// Parts of `points` in which neighbours are at most [`GAP_STEPS`] steps apart and no gap reaches from one to the next.
///
/// A gap is known to the raw interval, so between two buckets it can be shorter than their distance allows for.
fn pieces<'a, T>(
    points: &'a [T],
    at: impl Fn(&T) -> i64 + 'a,
    gaps: &'a [Gap],
    step_ms: i64,
) -> impl Iterator<Item = &'a [T]> {
    let limit_ms = (step_ms as f64 * GAP_STEPS) as i64;
    points.chunk_by(move |a, b| {
        let (a, b) = (at(a), at(b));
        let before_b = gaps.partition_point(|gap| gap.from_ms < b);
        let has_gap = before_b
            .checked_sub(1)
            .and_then(|last| gaps.get(last))
            .is_some_and(|gap| gap.from_ms >= a && gap.to_ms >= b);
        !has_gap && b.saturating_sub(a) <= limit_ms
    })
}

fn envelope(scale: &Scale, line: &Drawn, lower: impl Fn(&Point) -> f64) -> Vec<Vec<Spot>> {
    if line.points.iter().all(|p| p.least == p.greatest) {
        return Vec::new();
    }
    let detail = Detail::of(line.points.len());
    let bands: Vec<Vec<Spot>> = pieces(&line.points, |p| p.t_ms, &line.gaps, line.step_ms)
        .filter(|piece| piece.len() > 1)
        .map(|piece| {
            let mut columns: Vec<(i32, i32, i32)> = Vec::new();
            for point in piece {
                let x = scale.x(point.t_ms);
                let (low, high) = (scale.y(lower(point)), scale.y(point.greatest));
                match columns.last_mut() {
                    Some(last) if detail == Detail::ByColumn && column(last.0) == column(x) => {
                        last.1 = last.1.min(low);
                        last.2 = last.2.max(high);
                    }
                    _ => columns.push((x, low, high)),
                }
            }
            outline(
                columns.iter().map(|(x, low, _)| (*x, *low)).collect(),
                columns.iter().map(|(x, _, high)| (*x, *high)).collect(),
            )
        })
        .collect();
    if bands.len() > PIECES_MAX {
        Vec::new()
    } else {
        bands
    }
}

/// There along the upper edge, back along the lower one.
fn outline(lower: Vec<Spot>, upper: Vec<Spot>) -> Vec<Spot> {
    let mut spots = without_runs(upper);
    spots.extend(without_runs(lower).into_iter().rev());
    spots
}

fn column(x: i32) -> i32 {
    x / (WIDTH / COLUMNS)
}

/// Whether a line's points are all drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// They are.
    Full,
    /// There are more than a screen can show.
    ByColumn,
}

impl Detail {
    fn of(points: usize) -> Self {
        if points > 2 * COLUMNS as usize {
            Detail::ByColumn
        } else {
            Detail::Full
        }
    }
}

/// The least and the greatest of each column, in order.
fn thinned<T: Clone, Y: PartialOrd>(
    items: &[T],
    detail: Detail,
    x: impl Fn(&T) -> i32,
    y: impl Fn(&T) -> Y,
) -> Vec<T> {
    if detail == Detail::Full {
        return items.to_vec();
    }
    let mut out = Vec::with_capacity(2 * COLUMNS as usize);
    for column in items.chunk_by(|a, b| column(x(a)) == column(x(b))) {
        let (mut least, mut greatest) = (0, 0);
        for (place, item) in column.iter().enumerate() {
            let is_beyond = |other: usize, beyond: fn(&Y, &Y) -> bool| {
                column.get(other).is_some_and(|o| beyond(&y(item), &y(o)))
            };
            if is_beyond(least, |a, b| a < b) {
                least = place;
            }
            if is_beyond(greatest, |a, b| a > b) {
                greatest = place;
            }
        }
        let (first, second) = (least.min(greatest), least.max(greatest));
        out.extend(column.get(first).cloned());
        if first != second {
            out.extend(column.get(second).cloned());
        }
    }
    out
}

/// Without the middle of spots on one level, and without repeated ones: they change nothing that is seen.
fn without_runs(spots: Vec<Spot>) -> Vec<Spot> {
    let mut out: Vec<Spot> = Vec::with_capacity(spots.len());
    for spot in spots {
        if out.last() == Some(&spot) {
            continue;
        }
        if let [.., before, last] = out.as_mut_slice()
            && before.1 == last.1
            && last.1 == spot.1
        {
            *last = spot;
        } else {
            out.push(spot);
        }
    }
    out
}
