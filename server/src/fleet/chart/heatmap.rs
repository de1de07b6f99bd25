//! Many nodes over time, one cell a node and column: one path for each step of the ramp.
//!
//! Called by the clusters' charts. Invariants: where nothing is known there is no cell, which is not the lowest step; rows
//! stand by their greatest value; paths hold numbers alone.

use app::clusters::view::{HeatRow, Heatmap, RAMP_STEPS};

use super::crowd::{Grid, Question, Track};
use super::{Window, shapes, words};

/// Rows that are drawn.
const ROWS_MAX: usize = 60;

/// Draws one question about many nodes; `ids` are the public ids of `tracks`. `None` when nothing is known.
pub fn draw_heatmap(
    question: &Question,
    window: &Window<'_>,
    grid: &Grid,
    ids: &[String],
    tracks: &[Track],
) -> Option<Heatmap> {
    let mut rows: Vec<(f64, &str, &Track)> = ids
        .iter()
        .zip(tracks)
        .filter_map(|(id, track)| Some((greatest(track)?, id.as_str(), track)))
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.name.cmp(&b.2.name)));
    let all = rows.len();
    rows.truncate(ROWS_MAX);
    let (hottest, _, first) = rows.first()?;
    let levels = words::levels(question.kind, *hottest);
    let top = levels.last().copied().unwrap_or(1.0);
    let mut paths = vec![String::new(); RAMP_STEPS];
    for (row, (_, _, track)) in rows.iter().enumerate() {
        runs(track, top, |step, column, columns| {
            if let Some(path) = paths.get_mut(step) {
                path.push_str(&format!("M{column} {row}h{columns}v1h-{columns}z"));
            }
        });
    }
    let value = |value: f64| words::value(question.kind, value);
    let left_out = all - rows.len();
    let scale = shapes::Scale {
        from_ms: grid.first_ms,
        to_ms: grid.first_ms + grid.step_ms * i64::try_from(grid.columns).unwrap_or(1),
        top,
    };
    Some(Heatmap {
        title: question.title.to_owned(),
        summary: format!(
            "{} of {all} nodes of {}, {}: greatest {} on {}",
            question.title,
            window.node,
            window.label,
            value(*hottest),
            first.name
        ),
        columns: u32::try_from(grid.columns).unwrap_or(u32::MAX),
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
        steps: (0..RAMP_STEPS)
            .map(|step| {
                let edge = |step: usize| {
                    words::level(question.kind, top * step as f64 / RAMP_STEPS as f64)
                };
                format!("{} to {}", edge(step), edge(step + 1))
            })
            .collect(),
        rows: rows
            .iter()
            .map(|(greatest, id, track)| HeatRow {
                id: (*id).to_owned(),
                name: track.name.clone(),
                greatest: value(*greatest),
            })
            .collect(),
        paths,
        x_ticks: words::instants(window)
            .iter()
            .map(|at_ms| (scale.left_share(*at_ms), words::instant(window, *at_ms)))
            .collect(),
    })
}

fn greatest(track: &Track) -> Option<f64> {
    track
        .cells
        .iter()
        .flatten()
        .map(|cell| cell.greatest)
        .reduce(f64::max)
}

/// The step of the ramp that a value of `0..=top` has.
fn step(value: f64, top: f64) -> usize {
    let share = (value / top).clamp(0.0, 1.0);
    // A cast of NaN is 0.
    ((share * RAMP_STEPS as f64) as usize).min(RAMP_STEPS - 1)
}

/// Gives (step, first column, columns) of every run of equal cells.
fn runs(track: &Track, top: f64, mut each: impl FnMut(usize, usize, usize)) {
    let steps: Vec<Option<usize>> = track
        .cells
        .iter()
        .map(|cell| cell.map(|cell| step(cell.greatest, top)))
        .collect();
    let mut column = 0;
    for run in steps.chunk_by(|a, b| a == b) {
        if let Some(Some(step)) = run.first() {
            each(*step, column, run.len());
        }
        column += run.len();
    }
}

#[cfg(test)]
mod tests {
    use super::super::crowd::Cell;
    use super::super::panels::Kind;
    use super::*;

    #[test]
    fn cells_are_runs_and_unknown_ones_are_none() {
        let question = Question {
            key: "cpu",
            title: "Processor",
            kind: Kind::Percent,
            least_distance: 0.05,
            absent: "",
        };
        let window = Window {
            from_ms: 0,
            to_ms: 300_000,
            now_ms: 300_000,
            interval_s: 60,
            label: "last 5 minutes",
            node: "app",
            zone_minutes: 0,
        };
        let track = |name: &str, values: [Option<f64>; 5]| Track {
            name: name.to_owned(),
            cells: values
                .map(|value| {
                    value.map(|mean| Cell {
                        least: mean,
                        mean,
                        greatest: mean,
                    })
                })
                .to_vec(),
        };
        let tracks = [
            track("cool", [Some(0.1), Some(0.1), None, None, Some(0.0)]),
            track(
                "hot",
                [Some(0.1), Some(1.0), Some(0.99), Some(0.5), Some(0.2)],
            ),
            track("unknown", [None; 5]),
        ];
        let ids = ["n1", "n2", "n3"].map(str::to_owned);
        let grid = Grid::over(0, 300_000, 60_000, 120);
        let map = draw_heatmap(&question, &window, &grid, &ids, &tracks).unwrap();
        let rows: Vec<&str> = map.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(rows, ["hot", "cool"]);
        assert_eq!((map.columns, map.left_out), (5, 0));
        assert_eq!(
            map.paths,
            [
                "M0 0h1v1h-1zM0 1h2v1h-2zM4 1h1v1h-1z",
                "M4 0h1v1h-1z",
                "M3 0h1v1h-1z",
                "",
                "M1 0h2v1h-2z",
            ]
        );
        assert_eq!(map.steps[1], "20\u{202F}% to 40\u{202F}%");
        assert!(
            map.summary.contains("greatest 100\u{202F}% on hot"),
            "{}",
            map.summary
        );
        assert!(draw_heatmap(&question, &window, &grid, &ids[2..], &tracks[2..]).is_none());
    }

    #[test]
    fn a_cluster_beyond_the_rows_says_how_many_are_left_out() {
        let question = Question {
            key: "cpu",
            title: "Processor",
            kind: Kind::Percent,
            least_distance: 0.05,
            absent: "",
        };
        let window = Window {
            from_ms: 0,
            to_ms: 60_000,
            now_ms: 60_000,
            interval_s: 60,
            label: "last minute",
            node: "app",
            zone_minutes: 0,
        };
        let cell = Cell {
            least: 0.5,
            mean: 0.5,
            greatest: 0.5,
        };
        let tracks: Vec<Track> = (0..ROWS_MAX + 7)
            .map(|no| Track {
                name: format!("n{no}"),
                cells: vec![Some(cell)],
            })
            .collect();
        let ids: Vec<String> = tracks.iter().map(|track| track.name.clone()).collect();
        let grid = Grid::over(0, 60_000, 60_000, 120);
        let map = draw_heatmap(&question, &window, &grid, &ids, &tracks).unwrap();
        assert_eq!((map.rows.len(), map.left_out), (ROWS_MAX, 7));
    }
}
