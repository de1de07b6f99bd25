//! From what a host has to the at most six lines that a chart can tell apart.
//!
//! Called by [`super::draw`]. Invariant: what is not drawn is either summed under a name that says so or counted in
//! [`Chosen::left_out`]; order and colours depend on names and values alone, not on the order of the input. It knows
//! nothing of pixels.

use std::collections::BTreeMap;

use domain::metric::series::{Gap, Slice};

use super::panels::{Line, Panel, Shown};
use super::{Input, Window};

/// Lines that colour and dash pattern can keep apart.
pub const LINES_MAX: usize = 6;

/// One point of a line, in the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Instant, or start of the bucket; never before the window.
    pub t_ms: i64,
    /// Least value in the bucket.
    pub least: f64,
    /// Mean of the bucket.
    pub mean: f64,
    /// Greatest value in the bucket.
    pub greatest: f64,
}

/// A line to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// Legend.
    pub label: String,
    /// Ascending, all inside the window.
    pub points: Vec<Point>,
    /// Stretches in which none of what it consists of is known.
    pub gaps: Vec<Gap>,
    /// From point to point where nothing is missing.
    pub step_ms: i64,
    /// Is the last point still true at the end of what can be known?
    pub is_fresh: bool,
}

impl Drawn {
    /// Value at the end of the window; `None` when it is not known there.
    pub fn latest(&self) -> Option<f64> {
        self.points.last().filter(|_| self.is_fresh).map(|p| p.mean)
    }

    /// Least value in the window.
    pub fn least(&self) -> Option<f64> {
        self.points.iter().map(|p| p.least).reduce(f64::min)
    }

    /// Greatest value in the window, and the first instant it had it.
    pub fn greatest(&self) -> Option<(f64, i64)> {
        self.points
            .iter()
            .map(|p| (p.greatest, p.t_ms))
            .reduce(|best, next| if next.0 > best.0 { next } else { best })
    }
}

/// What a panel shows of what a host has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chosen {
    /// At most [`LINES_MAX`], in drawing order.
    pub lines: Vec<Drawn>,
    /// Instances that are neither drawn nor summed.
    pub left_out: usize,
}

impl Chosen {
    /// Coarsest step of its lines.
    pub fn step_s(&self) -> Option<u32> {
        self.lines
            .iter()
            .map(|line| u32::try_from(line.step_ms / 1000).unwrap_or(u32::MAX))
            .max()
    }
}

/// Chooses the lines of `panel`; nothing when the host has none of its series.
///
/// With more lines than fit, the instances that went highest keep theirs and the rest becomes "other N" where a sum means
/// something, else it is left out and counted.
pub fn choose(panel: &Panel, window: &Window<'_>, inputs: &[Input<'_>]) -> Chosen {
    if !panel.is_per_instance() {
        let lines = panel
            .lines
            .iter()
            .filter_map(|line| {
                let slices = slices_of(line, inputs.iter());
                (!slices.is_empty())
                    .then(|| sum(line.label.to_owned(), window, &slices, Needs::All))
            })
            .collect();
        return Chosen { lines, left_out: 0 };
    }
    let mut by_instance: BTreeMap<&str, Vec<&Input<'_>>> = BTreeMap::new();
    for input in inputs {
        let is_worth_a_line =
            panel.shown == Shown::Always || input.slice.points.iter().any(|point| point.max > 0);
        if is_worth_a_line && panel.metrics().any(|metric| metric == input.metric) {
            by_instance.entry(input.instance).or_default().push(input);
        }
    }
    let per_instance = panel.lines.len().max(1);
    let fitting = LINES_MAX / per_instance;
    let (named, rest) = if by_instance.len() <= fitting {
        (by_instance, BTreeMap::new())
    } else {
        highest(by_instance, (LINES_MAX - per_instance) / per_instance)
    };
    let mut lines: Vec<Drawn> = named
        .iter()
        .flat_map(|(instance, of_it)| {
            panel.lines.iter().filter_map(|line| {
                let slices = slices_of(line, of_it.iter().copied());
                let label = joined(instance, line.label);
                (!slices.is_empty()).then(|| sum(label, window, &slices, Needs::All))
            })
        })
        .collect();
    if rest.is_empty() || !panel.kind.adds_up() {
        return Chosen {
            lines,
            left_out: rest.len(),
        };
    }
    let other = format!("other {}", rest.len());
    lines.extend(panel.lines.iter().filter_map(|line| {
        let slices = slices_of(line, rest.values().flatten().copied());
        let label = joined(&other, line.label);
        (!slices.is_empty()).then(|| sum(label, window, &slices, Needs::Any))
    }));
    Chosen { lines, left_out: 0 }
}

/// The headline of a stack, as if it were a line.
pub fn headline(panel: &Panel, window: &Window<'_>, inputs: &[Input<'_>]) -> Option<Drawn> {
    let metric = panel.headline?;
    let input = inputs.iter().find(|input| input.metric == metric)?;
    let slices = [(metric.scale(), input.slice)];
    Some(sum(String::new(), window, &slices, Needs::All))
}

/// Stretches that are gaps in every one of the lists; ascending lists give an ascending list.
pub fn common_gaps<'g>(lists: impl IntoIterator<Item = &'g [Gap]>) -> Vec<Gap> {
    lists
        .into_iter()
        .fold(None::<Vec<Gap>>, |common, list| {
            Some(match common {
                None => list.to_vec(),
                Some(common) => overlap(&common, list),
            })
        })
        .unwrap_or_default()
}

fn overlap(a: &[Gap], b: &[Gap]) -> Vec<Gap> {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    let mut out = Vec::new();
    while let (Some(x), Some(y)) = (a.peek(), b.peek()) {
        let (from_ms, to_ms) = (x.from_ms.max(y.from_ms), x.to_ms.min(y.to_ms));
        if from_ms < to_ms {
            let reason = x.reason.clone();
            out.push(Gap {
                from_ms,
                to_ms,
                reason,
            });
        }
        if x.to_ms <= y.to_ms {
            a.next();
        } else {
            b.next();
        }
    }
    out
}

fn joined(instance: &str, label: &str) -> String {
    [instance, label]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

type ByInstance<'a> = BTreeMap<&'a str, Vec<&'a Input<'a>>>;

/// Splits off the `count` instances with the greatest values; equal ones by name.
fn highest<'a>(all: ByInstance<'a>, count: usize) -> (ByInstance<'a>, ByInstance<'a>) {
    let mut ranked: Vec<(i64, &str, Vec<&Input<'_>>)> = all
        .into_iter()
        .map(|(instance, inputs)| {
            let greatest = inputs
                .iter()
                .flat_map(|input| input.slice.points.iter().map(|p| p.max))
                .max()
                .unwrap_or(i64::MIN);
            (greatest, instance, inputs)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let rest = ranked.split_off(count.min(ranked.len()));
    let keyed = |list: Vec<(i64, &'a str, Vec<&'a Input<'a>>)>| {
        list.into_iter()
            .map(|(_, instance, inputs)| (instance, inputs))
            .collect()
    };
    (keyed(ranked), keyed(rest))
}

/// Slices of a line's metrics with the scale of their stored values.
fn slices_of<'a>(
    line: &Line,
    inputs: impl Iterator<Item = &'a Input<'a>>,
) -> Vec<(f64, &'a Slice)> {
    inputs
        .filter(|input| line.metrics.contains(&input.metric))
        .map(|input| (input.metric.scale(), input.slice))
        .collect()
}

/// What a sum is known by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Parts of one number: all that have points at all must have one at the instant.
    All,
    /// Things that come and go, such as interfaces: those that are there.
    Any,
}

fn sum(label: String, window: &Window<'_>, slices: &[(f64, &Slice)], needs: Needs) -> Drawn {
    let step_ms = slices
        .iter()
        .map(|(_, slice)| i64::from(slice.step_s.max(1)) * 1000)
        .max()
        .unwrap_or(1000);
    let known_to_ms = window.known_to_ms();
    let gaps = common_gaps(slices.iter().map(|(_, slice)| slice.gaps.as_slice()));
    Drawn {
        label,
        points: match slices {
            [(scale, slice)] => own_points(window, *scale, slice, step_ms).collect(),
            _ => summed_points(window, slices, step_ms, needs),
        },
        is_fresh: gaps.last().is_none_or(|gap| gap.to_ms < known_to_ms),
        gaps,
        step_ms,
    }
}

fn own_points<'a>(
    window: &'a Window<'_>,
    scale: f64,
    slice: &'a Slice,
    step_ms: i64,
) -> impl Iterator<Item = Point> + 'a {
    slice
        .points
        .iter()
        // A bucket may begin before the window; what lies wholly outside is not ours to draw.
        .filter(move |p| p.t_ms.saturating_add(step_ms) > window.from_ms && p.t_ms < window.to_ms)
        .map(move |p| Point {
            t_ms: p.t_ms.max(window.from_ms),
            least: p.min as f64 / scale,
            mean: p.mean() / scale,
            greatest: p.max as f64 / scale,
        })
}

/// Sums of means; a sum has no band, because the extremes of its parts need not have met.
fn summed_points(
    window: &Window<'_>,
    slices: &[(f64, &Slice)],
    step_ms: i64,
    needs: Needs,
) -> Vec<Point> {
    let with_points = slices
        .iter()
        .filter(|(_, slice)| !slice.points.is_empty())
        .count();
    let mut at: BTreeMap<i64, (usize, f64)> = BTreeMap::new();
    for (scale, slice) in slices {
        for point in own_points(window, *scale, slice, step_ms) {
            let (count, total) = at.entry(point.t_ms).or_default();
            *count += 1;
            *total += point.mean;
        }
    }
    at.into_iter()
        .filter(|(_, (count, _))| needs == Needs::Any || *count >= with_points)
        .map(|(t_ms, (_, total))| Point {
            t_ms,
            least: total,
            mean: total,
            greatest: total,
        })
        .collect()
}
