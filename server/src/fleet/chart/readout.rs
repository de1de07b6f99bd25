//! The numbers behind a drawn chart, for reading it by pointer and by keys.
//!
//! Called by the fleet's port on the first touch of a chart. Invariant: the same lines in the same order as drawn.

use std::collections::BTreeMap;

use app::fleet::readout::{ChartPoints, LinePoints};

use domain::metric::Gap;

use super::lines::{self, Drawn};
use super::panels::Panel;
use super::{Input, Window};

/// The points of `panel`; `None` when it has no lines.
pub fn readout(panel: &Panel, window: &Window<'_>, inputs: &[Input<'_>]) -> Option<ChartPoints> {
    let chosen = lines::choose(panel, window, inputs);
    let step_s = chosen.step_s()?;
    let gaps = lines::common_gaps(chosen.lines.iter().map(|line| line.gaps.as_slice()));
    Some(points(panel, window, &chosen.lines, step_s, gaps))
}

/// The points of lines that are drawn already; `None` when there are none.
pub fn points_of(
    panel: &Panel,
    window: &Window<'_>,
    lines: &[Drawn],
    gaps: Vec<Gap>,
) -> Option<ChartPoints> {
    let step_ms = lines.first()?.step_ms;
    let step_s = u32::try_from(step_ms / 1_000).unwrap_or(u32::MAX).max(1);
    Some(points(panel, window, lines, step_s, gaps))
}

fn points(
    panel: &Panel,
    window: &Window<'_>,
    drawn: &[Drawn],
    step_s: u32,
    gaps: Vec<Gap>,
) -> ChartPoints {
    let mut at: BTreeMap<u32, Vec<Option<f32>>> = BTreeMap::new();
    for (place, line) in drawn.iter().enumerate() {
        for point in &line.points {
            let seconds = (point.t_ms - window.from_ms).max(0) / 1000;
            let row = at
                .entry(u32::try_from(seconds).unwrap_or(u32::MAX))
                .or_insert_with(|| vec![None; drawn.len()]);
            if let Some(cell) = row.get_mut(place) {
                *cell = Some(four_digits(point.mean));
            }
        }
    }
    let lines = (1..)
        .zip(drawn)
        .enumerate()
        .map(|(place, (color, line))| LinePoints {
            label: line.label.clone(),
            color,
            values: at
                .values()
                .map(|row| row.get(place).copied().flatten())
                .collect(),
        })
        .collect();
    ChartPoints {
        key: panel.key.to_owned(),
        kind: panel.kind.into(),
        step_s,
        at_s: at.into_keys().collect(),
        lines,
        gaps,
    }
}

/// More than a line of text shows, and half the bytes.
fn four_digits(value: f64) -> f32 {
    if value == 0.0 || !value.is_finite() {
        return value as f32;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    let scale = 10f64.powi(digits);
    ((value * scale).round() / scale) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_four_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.123_456, "0.1235"),
            (98_765.4, "98770"),
            (-1.00049, "-1"),
            (3.0e-7, "0.0000003"),
        ] {
            assert_eq!(four_digits(value).to_string(), text);
        }
    }
}
