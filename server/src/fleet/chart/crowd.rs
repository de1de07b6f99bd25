//! Charts of many nodes at once: the median with its band from least to greatest, and the nodes that differ, by name.
//!
//! Called by the clusters' charts with one [`Track`] a node, all on the same grid. Invariants: an instant at which no node
//! is known is a gap and no line goes through it; a node that is not known at an instant is no part of that instant's
//! median; at most three nodes are named (`domain::fleet::outlier`).

use app::fleet::readout::ChartPoints;
use app::fleet::view::Chart;
use domain::fleet::outlier::{band, outliers};
use domain::metric::series::{GAP_STEPS, Gap};

use super::lines::{Drawn, Point};
use super::panels::{Kind, Panel, Shown, Style};
use super::readout::points_of;
use super::{Window, absent, drawn};

/// What is asked about many nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question {
    /// Stable key: also the fragment id.
    pub key: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What its axis is counted in.
    pub kind: Kind,
    /// What nobody would call a difference between nodes, in the metric's unit.
    pub least_distance: f64,
    /// Said instead of a chart when no node has such a series.
    pub absent: &'static str,
}

impl Question {
    fn panel(&self) -> Panel {
        Panel {
            key: self.key,
            title: self.title,
            kind: self.kind,
            lines: &[],
            style: Style::Lines,
            headline: None,
            shown: Shown::Always,
            absent: self.absent,
        }
    }
}

/// One node's values on the common grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Name of the node.
    pub name: String,
    /// One for each column of the grid; `None` where nothing is known.
    pub cells: Vec<Option<Cell>>,
}

/// A node in one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Least in the column.
    pub least: f64,
    /// Mean of the column.
    pub mean: f64,
    /// Greatest in the column.
    pub greatest: f64,
}

/// Columns of equal width over the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Start of the first column; a multiple of the width.
    pub first_ms: i64,
    /// Width of a column.
    pub step_ms: i64,
    /// How many.
    pub columns: usize,
}

impl Grid {
    /// Columns of at least `step_ms` over `from_ms..to_ms`, at most `columns_max` and one that is cut off.
    ///
    /// The width grows in whole multiples of `step_ms`, so that buckets of that width fall into one column each.
    pub fn over(from_ms: i64, to_ms: i64, step_ms: i64, columns_max: usize) -> Self {
        let step_ms = step_ms.max(1);
        let span_ms = to_ms.saturating_sub(from_ms).max(1);
        let least_ms = span_ms / i64::try_from(columns_max.max(1)).unwrap_or(i64::MAX);
        let step_ms = step_ms * (least_ms.max(1) + step_ms - 1).div_euclid(step_ms).max(1);
        let first_ms = from_ms.div_euclid(step_ms) * step_ms;
        let columns = (to_ms - first_ms + step_ms - 1).div_euclid(step_ms);
        Self {
            first_ms,
            step_ms,
            columns: usize::try_from(columns).unwrap_or(0).max(1),
        }
    }

    /// The column an instant falls into.
    pub fn column(&self, at_ms: i64) -> Option<usize> {
        let column = (at_ms - self.first_ms).div_euclid(self.step_ms);
        usize::try_from(column)
            .ok()
            .filter(|column| *column < self.columns)
    }

    fn at_ms(&self, column: usize) -> i64 {
        self.first_ms + i64::try_from(column).unwrap_or(0) * self.step_ms
    }
}

/// Draws one question about many nodes, and gives its points for reading it.
pub fn draw_crowd(
    question: &Question,
    window: &Window<'_>,
    grid: &Grid,
    tracks: &[Track],
) -> (Chart, Option<ChartPoints>) {
    let panel = question.panel();
    if tracks
        .iter()
        .all(|track| track.cells.iter().all(Option::is_none))
    {
        return (absent(&panel, window, question.absent), None);
    }
    let known: Vec<(usize, Point)> = (0..grid.columns)
        .filter_map(|column| Some((column, middle(tracks, column, window, grid)?)))
        .collect();
    let gaps = gaps(&known, grid, window);
    let fresh = |points: &[Point]| {
        points
            .last()
            .is_some_and(|last| is_fresh(last.t_ms, grid, window))
    };
    let points: Vec<Point> = known.into_iter().map(|(_, point)| point).collect();
    let label = match tracks.len() {
        1 => "1 node".to_owned(),
        nodes => format!("median of {nodes} nodes"),
    };
    let mut lines = vec![Drawn {
        label,
        is_fresh: fresh(&points),
        points,
        gaps: gaps.clone(),
        step_ms: grid.step_ms,
    }];
    let means: Vec<Option<f64>> = tracks.iter().map(mean_of).collect();
    for place in outliers(&means, question.least_distance) {
        let Some(track) = tracks.get(place) else {
            continue;
        };
        let points: Vec<Point> = track
            .cells
            .iter()
            .enumerate()
            .filter_map(|(column, cell)| {
                let mean = (*cell)?.mean;
                Some(Point {
                    t_ms: grid.at_ms(column).max(window.from_ms),
                    least: mean,
                    mean,
                    greatest: mean,
                })
            })
            .collect();
        lines.push(Drawn {
            label: track.name.clone(),
            is_fresh: fresh(&points),
            points,
            gaps: Vec::new(),
            step_ms: grid.step_ms,
        });
    }
    let points = points_of(&panel, window, &lines, gaps.clone());
    let chart = drawn(&panel, window, &lines, gaps)
        .unwrap_or_else(|| absent(&panel, window, "This chart could not be drawn."));
    (chart, points)
}

fn middle(tracks: &[Track], column: usize, window: &Window<'_>, grid: &Grid) -> Option<Point> {
    let cells = || {
        tracks
            .iter()
            .filter_map(move |track| track.cells.get(column).copied().flatten())
    };
    let means = band(cells().map(|cell| cell.mean))?;
    Some(Point {
        t_ms: grid.at_ms(column).max(window.from_ms),
        least: cells().map(|cell| cell.least).fold(means.least, f64::min),
        mean: means.median,
        greatest: cells()
            .map(|cell| cell.greatest)
            .fold(means.greatest, f64::max),
    })
}

fn mean_of(track: &Track) -> Option<f64> {
    let (sum, count) = track
        .cells
        .iter()
        .flatten()
        .fold((0.0, 0u32), |(sum, count), cell| {
            (sum + cell.mean, count + 1)
        });
    (count > 0).then(|| sum / f64::from(count))
}

fn reach_ms(grid: &Grid) -> i64 {
    (grid.step_ms as f64 * GAP_STEPS) as i64
}

fn is_fresh(last_ms: i64, grid: &Grid, window: &Window<'_>) -> bool {
    window.known_to_ms() - last_ms <= reach_ms(grid)
}

/// Stretches in which no node is known, from where the last known column ends.
fn gaps(known: &[(usize, Point)], grid: &Grid, window: &Window<'_>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut ends_ms = window.from_ms;
    let mut add = |from_ms: i64, to_ms: i64| {
        if to_ms - from_ms > reach_ms(grid) - grid.step_ms {
            gaps.push(Gap {
                from_ms,
                to_ms,
                reason: "no_report".to_owned(),
            });
        }
    };
    for (column, _) in known {
        add(ends_ms, grid.at_ms(*column));
        ends_ms = grid.at_ms(*column) + grid.step_ms;
    }
    add(ends_ms, window.known_to_ms());
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question {
        key: "cpu",
        title: "Processor",
        kind: Kind::Percent,
        least_distance: 0.05,
        absent: "Nobody tells.",
    };

    fn window() -> Window<'static> {
        Window {
            from_ms: 0,
            to_ms: 600_000,
            now_ms: 600_000,
            interval_s: 10,
            label: "last 10 minutes",
            node: "app-eu",
            zone_minutes: 0,
        }
    }

    fn track(name: &str, values: &[Option<f64>]) -> Track {
        let cell = |mean: f64| Cell {
            least: mean,
            mean,
            greatest: mean,
        };
        Track {
            name: name.to_owned(),
            cells: values.iter().map(|value| value.map(cell)).collect(),
        }
    }

    #[test]
    fn a_grid_covers_the_window_and_holds_whole_buckets() {
        for (from, to, step, max, expected) in [
            (0, 600_000, 10_000, 60, (0, 10_000, 60)),
            (5_000, 600_000, 10_000, 60, (0, 10_000, 60)),
            (0, 3_600_000, 10_000, 120, (0, 30_000, 120)),
            (1, 3_600_001, 10_000, 120, (0, 30_000, 121)),
            (0, 600_000, 60_000, 120, (0, 60_000, 10)),
            (0, 1, 10_000, 120, (0, 10_000, 1)),
        ] {
            let grid = Grid::over(from, to, step, max);
            assert_eq!(
                (grid.first_ms, grid.step_ms, grid.columns),
                expected,
                "{from} {to} {step} {max}"
            );
            assert_eq!(grid.column(from), Some(0));
            assert!(grid.column(to - 1).is_some() && grid.column(to + grid.step_ms).is_none());
        }
    }

    #[test]
    fn the_median_is_drawn_and_who_differs_is_named() {
        let grid = Grid::over(0, 600_000, 60_000, 60);
        let mut tracks: Vec<Track> = ["a", "b", "c", "d"]
            .iter()
            .enumerate()
            .map(|(place, name)| track(name, &[Some(0.20 + place as f64 / 100.0); 10]))
            .collect();
        tracks.push(track("hot <b>", &[Some(0.95); 10]));
        let chart = draw_crowd(&QUESTION, &window(), &grid, &tracks).0;
        let labels: Vec<&str> = chart
            .series
            .iter()
            .map(|line| line.label.as_str())
            .collect();
        assert_eq!(labels, ["median of 5 nodes", "hot <b>"]);
        assert_eq!(chart.series[0].latest.as_deref(), Some("22\u{202F}%"));
        assert!(
            chart.marks.contains("<path") && !chart.marks.contains("hot"),
            "no text of a host in marks"
        );
        assert!(chart.gaps.is_empty(), "{:?}", chart.gaps);
        assert!(
            chart
                .summary
                .starts_with("Processor of app-eu, last 10 minutes: median of 5 nodes now 22"),
            "{}",
            chart.summary
        );
    }

    #[test]
    fn where_no_node_is_known_is_a_gap_and_where_some_are_is_none() {
        let grid = Grid::over(0, 600_000, 60_000, 60);
        let (some, none) = (Some(0.5), None);
        let half = track(
            "a",
            &[some, some, some, none, none, none, none, some, some, some],
        );
        let one = draw_crowd(&QUESTION, &window(), &grid, std::slice::from_ref(&half)).0;
        let gaps: Vec<(i64, i64)> = one
            .gaps
            .iter()
            .map(|gap| (gap.from_ms, gap.to_ms))
            .collect();
        assert_eq!(gaps, [(180_000, 420_000)]);
        let both = draw_crowd(
            &QUESTION,
            &window(),
            &grid,
            &[half, track("b", &[some; 10])],
        )
        .0;
        assert!(both.gaps.is_empty());
        let silent = draw_crowd(&QUESTION, &window(), &grid, &[track("a", &[none; 10])]).0;
        assert_eq!(silent.absent.as_deref(), Some("Nobody tells."));
    }
}
