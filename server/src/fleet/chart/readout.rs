//! The numbers behind a drawn chart, for reading it by pointer and by keys.
//!
//! Called by the fleet's port on the first touch of a chart. Invariant: the same lines in the same order as drawn.

use std::collections::BTreeMap;

use app::fleet::readout::{ChartPoints, LinePoints};

use super::lines;
use super::panels::Panel;
use super::{Input, Window};

/// The points of `panel`; `None` when it has no lines.
pub fn readout(panel: &Panel, window: &Window<'_>, inputs: &[Input<'_>]) -> Option<ChartPoints> {
    let chosen = lines::choose(panel, window, inputs);
    let step_s = chosen.step_s()?;
    let mut at: BTreeMap<u32, Vec<Option<f32>>> = BTreeMap::new();
    for (place, line) in chosen.lines.iter().enumerate() {
        for point in &line.points {
            let seconds = (point.t_ms - window.from_ms).max(0) / 1000;
            let row = at
                .entry(u32::try_from(seconds).unwrap_or(u32::MAX))
                .or_insert_with(|| vec![None; chosen.lines.len()]);
            if let Some(cell) = row.get_mut(place) {
                *cell = Some(four_digits(point.mean));
            }
        }
    }
    let lines = (1..)
        .zip(&chosen.lines)
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
    Some(ChartPoints {
        key: panel.key.to_owned(),
        kind: panel.kind.into(),
        step_s,
        at_s: at.into_keys().collect(),
        lines,
        gaps: lines::common_gaps(chosen.lines.iter().map(|line| line.gaps.as_slice())),
    })
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
