//! The same panel at another time, behind the lines of now: thin, dashed, in the colour of the line it belongs to.
//!
//! Called by [`super::draw_with`]. Invariant: an earlier point is never drawn where now is not: it is moved by the whole
//! distance, and lines without a counterpart now are left out.

use super::lines::{self, Drawn};
use super::marks::COLORS;
use super::panels::Panel;
use super::shapes::{self, HEIGHT, Scale};
use super::{Input, Window};

/// Another window of the same length.
#[derive(Debug, Clone, Copy)]
pub struct Earlier<'a> {
    /// How much earlier.
    pub by_ms: i64,
    /// Its series.
    pub inputs: &'a [Input<'a>],
}

/// The lines of then, each with the place of its counterpart now.
pub fn lines_of(
    panel: &Panel,
    window: &Window<'_>,
    now: &[Drawn],
    earlier: &Earlier<'_>,
) -> Vec<(usize, Drawn)> {
    let then = Window {
        from_ms: window.from_ms - earlier.by_ms,
        to_ms: window.to_ms - earlier.by_ms,
        ..*window
    };
    let chosen = match lines::headline(panel, &then, earlier.inputs) {
        // Of a stack only the whole: its parts would stand on parts of another time.
        Some(whole) => vec![(0, whole)],
        None => lines::choose(panel, &then, earlier.inputs)
            .lines
            .into_iter()
            .filter_map(|line| Some((now.iter().position(|of| of.label == line.label)?, line)))
            .collect(),
    };
    let moved = |(place, mut line): (usize, Drawn)| {
        for point in &mut line.points {
            point.t_ms += earlier.by_ms;
        }
        for gap in &mut line.gaps {
            gap.from_ms += earlier.by_ms;
            gap.to_ms += earlier.by_ms;
        }
        (place, line)
    };
    chosen.into_iter().map(moved).collect()
}

/// Their marks.
pub fn marks(scale: &Scale, earlier: &[(usize, Drawn)]) -> String {
    let mut out = String::new();
    for (place, line) in earlier {
        let mut d = String::new();
        for path in shapes::strokes(scale, line).paths {
            for (step, (x, y)) in path.iter().enumerate() {
                let letter = if step == 0 { 'M' } else { 'L' };
                d.push_str(&format!("{letter}{x} {}", HEIGHT - y));
            }
        }
        if !d.is_empty() {
            let hex = COLORS.get(*place).copied().unwrap_or(COLORS[0]);
            out.push_str(&format!(
                r#"<path class="earlier" fill="none" stroke="{hex}" stroke-width="1" stroke-dasharray="3 3" vector-effect="non-scaling-stroke" d="{d}"/>"#
            ));
        }
    }
    out
}
