//! From shapes to the inside of an `<svg>`: the only place that knows colours and plotters.
//!
//! Called by [`super::draw`]. Invariants: the output holds elements, numbers and the colours of [`COLORS`] alone; no text,
//! no `style`, no ids; strokes keep their width in CSS pixels however the plot is stretched. Colours are those of the
//! light theme, which a style sheet maps, so the same marks are right on paper and in files. Axes, legends and words are
//! not drawn here.

use domain::metric::series::Gap;
use plotters::coord::types::RangedCoordi32;
use plotters::prelude::*;

use super::lines::Drawn;
use super::panels::Style;
use super::shapes::{self, HEIGHT, Scale, Spot, Strokes, WIDTH};

/// Every colour that is ever emitted, each mapped by the style sheet: six series, grid, gap.
pub const COLORS: [&str; 8] = [
    "#204CA6", "#C86400", "#009391", "#812465", "#4F4A00", "#906BDE", GRID_HEX, GAP_HEX,
];
const GRID_HEX: &str = "#E3E6EA";
const GAP_HEX: &str = "#6E767F";
const GRID: RGBColor = RGBColor(0xE3, 0xE6, 0xEA);
/// Strokes of the lines, in their order.
pub const SERIES: [RGBColor; 6] = [
    RGBColor(0x20, 0x4C, 0xA6),
    RGBColor(0xC8, 0x64, 0x00),
    RGBColor(0x00, 0x93, 0x91),
    RGBColor(0x81, 0x24, 0x65),
    RGBColor(0x4F, 0x4A, 0x00),
    RGBColor(0x90, 0x6B, 0xDE),
];
/// Keeps lines apart without colour, in the order of the series; empty is solid.
const DASHES: [&str; 6] = ["", "6 3", "2 2", "8 3 2 3", "1 3", "10 4"];

/// Opacity of the area under a single line.
const UNDER: f64 = 0.08;
/// Opacity of a band from least to greatest.
const BAND: f64 = 0.18;
/// Opacity of the parts of a stack.
const PART: f64 = 0.7;
/// Distance of hatch lines, in units.
const HATCH_UNITS: i32 = 32;
/// How far a hatch line leans over the height of the plot, in units.
const HATCH_LEAN: i32 = 672;

/// What is drawn in one plot.
pub struct Plot<'a> {
    /// Its edges.
    pub scale: Scale,
    /// Values of horizontal grid lines.
    pub levels: &'a [f64],
    /// Instants of vertical grid lines.
    pub instants: &'a [i64],
    /// Bands of nothing known.
    pub gaps: &'a [Gap],
    /// In drawing order, at most six.
    pub lines: &'a [Drawn],
    /// How they are drawn.
    pub style: Style,
    /// What the peaks behind a stack are of.
    pub headline: Option<&'a Drawn>,
}

/// Drawing failed; plotters writes into memory, so this means a fault in this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarksError;

/// The marks of `plot`.
///
/// # Errors
/// A fault of plotters or of how it is called.
pub fn marks(plot: &Plot<'_>) -> Result<String, MarksError> {
    let mut out = grid(plot)?;
    out.push_str(&hatched(&plot.scale, plot.gaps));
    match plot.style {
        Style::Lines => lines(&mut out, plot)?,
        Style::Stacked => stack(&mut out, plot)?,
    }
    Ok(out)
}

fn color(place: usize) -> RGBColor {
    SERIES.get(place).copied().unwrap_or(SERIES[0])
}

fn lines(out: &mut String, plot: &Plot<'_>) -> Result<(), MarksError> {
    for (place, line) in plot.lines.iter().enumerate() {
        let color = color(place);
        let strokes = shapes::strokes(&plot.scale, line);
        out.push_str(&painted("", |canvas| {
            for band in shapes::bands(&plot.scale, line) {
                canvas.draw_series([Polygon::new(band, color.mix(BAND))])?;
            }
            if plot.lines.len() == 1 {
                for path in &strokes.paths {
                    let area = AreaSeries::new(path.iter().copied(), 0, color.mix(UNDER));
                    // The border of an area series would be a second line over ours.
                    canvas.draw_series(area.take(1))?;
                }
            }
            Ok(())
        })?);
        out.push_str(&stroked(&strokes, place)?);
    }
    Ok(())
}

fn stack(out: &mut String, plot: &Plot<'_>) -> Result<(), MarksError> {
    if let Some(headline) = plot.headline {
        out.push_str(&painted("", |canvas| {
            for area in shapes::peaks(&plot.scale, headline) {
                canvas.draw_series([Polygon::new(area, color(0).mix(BAND))])?;
            }
            Ok(())
        })?);
    }
    let layers = shapes::stacked(&plot.scale, plot.lines, plot.gaps);
    for (place, layer) in layers.iter().enumerate() {
        out.push_str(&painted("", |canvas| {
            for area in &layer.areas {
                canvas.draw_series([Polygon::new(area.clone(), color(place).mix(PART))])?;
            }
            Ok(())
        })?);
    }
    for (place, layer) in layers.iter().enumerate() {
        out.push_str(&dots(&layer.lone, place));
    }
    Ok(())
}

fn stroked(strokes: &Strokes, place: usize) -> Result<String, MarksError> {
    let color = color(place);
    let dash = DASHES.get(place).copied().unwrap_or_default();
    let mut attributes = r#" fill="none" stroke-width="1.5" stroke-linejoin="round""#.to_owned();
    if !dash.is_empty() {
        attributes.push_str(&format!(r#" stroke-dasharray="{dash}""#));
    }
    let paths = painted(&attributes, |canvas| {
        for path in &strokes.paths {
            canvas.draw_series(LineSeries::new(path.iter().copied(), color))?;
        }
        Ok(())
    })?;
    Ok(paths + &dots(&strokes.dots, place))
}

fn dots(spots: &[Spot], place: usize) -> String {
    if spots.is_empty() {
        return String::new();
    }
    // A stroke of no length with round ends is a round dot, however the plot is stretched.
    let d: String = spots
        .iter()
        .map(|(x, y)| format!("M{x} {}h0", HEIGHT - y))
        .collect();
    let hex = COLORS.get(place).copied().unwrap_or(COLORS[0]);
    format!(
        r#"<path fill="none" stroke="{hex}" stroke-width="4" stroke-linecap="round" vector-effect="non-scaling-stroke" d="{d}"/>"#
    )
}

fn grid(plot: &Plot<'_>) -> Result<String, MarksError> {
    painted(r#" class="grid" fill="none" stroke-width="1""#, |canvas| {
        for level in plot.levels {
            let y = plot.scale.y(*level);
            canvas.draw_series(LineSeries::new([(0, y), (WIDTH, y)], GRID))?;
        }
        for instant in plot.instants {
            let x = plot.scale.x(*instant);
            canvas.draw_series(LineSeries::new([(x, 0), (x, HEIGHT)], GRID))?;
        }
        Ok(())
    })
}

/// Bands from top to bottom, tinted and hatched; each hatch line is cut at the edges of its band.
fn hatched(scale: &Scale, gaps: &[Gap]) -> String {
    let (mut bands, mut hatch) = (String::new(), String::new());
    for gap in gaps {
        let (left, right) = (scale.x(gap.from_ms), scale.x(gap.to_ms));
        if left >= right {
            continue;
        }
        bands.push_str(&format!("M{left} 0H{right}V{HEIGHT}H{left}Z"));
        // Lines stand at whole multiples across the plot, so neighbouring bands continue each other's.
        let first = left / HATCH_UNITS * HATCH_UNITS;
        for foot in (first - HATCH_LEAN..right).step_by(HATCH_UNITS as usize) {
            let (from, to) = (foot.max(left), (foot + HATCH_LEAN).min(right));
            if from < to {
                let y = |x: i32| HEIGHT - (x - foot) * HEIGHT / HATCH_LEAN;
                hatch.push_str(&format!("M{from} {}L{to} {}", y(from), y(to)));
            }
        }
    }
    if bands.is_empty() {
        return String::new();
    }
    format!(
        r#"<g class="gap"><path fill="{GAP_HEX}" opacity="0.06" d="{bands}"/><path fill="none" stroke="{GAP_HEX}" opacity="0.35" stroke-width="1" vector-effect="non-scaling-stroke" d="{hatch}"/></g>"#
    )
}

type Canvas<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordi32, RangedCoordi32>>;
type Outcome = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// What `paint` draws, in a group with `attributes`, without plotters' own `<svg>` around it; nothing for nothing.
fn painted(
    attributes: &str,
    paint: impl FnOnce(&mut Canvas<'_, '_>) -> Outcome,
) -> Result<String, MarksError> {
    let mut svg = String::new();
    // The last of n pixels is n − 1.
    let size = (WIDTH.unsigned_abs() + 1, HEIGHT.unsigned_abs() + 1);
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    ChartBuilder::on(&area)
        .build_cartesian_2d(0..WIDTH, 0..HEIGHT)
        .and_then(|mut canvas| paint(&mut canvas))
        .and_then(|()| area.present())
        .map_err(|_| MarksError)?;
    drop(area);
    let inside: String = svg.lines().filter_map(compact).collect();
    Ok(if inside.is_empty() {
        inside
    } else {
        format!("<g{attributes}>{inside}</g>")
    })
}

/// plotters' `<polyline>` or `<polygon>` as a `<path>` with steps instead of places: half the bytes after compression.
///
/// `points="5,9 10,6 15,8 "` becomes `d="M5 9l5 -3 5 2"`. Anything else plotters writes is its own `<svg>` and is dropped.
fn compact(tag: &str) -> Option<String> {
    let (head, points) = tag.split_once(r#" points=""#)?;
    let mut spots = points
        .split([' ', '"'])
        .filter_map(|spot| spot.split_once(','))
        .filter_map(|(x, y)| Some((x.parse::<i32>().ok()?, y.parse::<i32>().ok()?)));
    let mut last = spots.next()?;
    let mut d = format!("M{} {}l", last.0, last.1);
    for (place, spot) in spots.enumerate() {
        let gap = if place == 0 { "" } else { " " };
        d.push_str(&format!("{gap}{} {}", spot.0 - last.0, spot.1 - last.1));
        last = spot;
    }
    // What the group states once, or what holds anyway, is left out.
    Some(match head.strip_prefix("<polygon") {
        Some(attributes) => format!(r#"<path{attributes} d="{d}"/>"#),
        None => {
            let color = head.split_once("stroke=")?.1.split(' ').next()?;
            format!(r#"<path vector-effect="non-scaling-stroke" stroke={color} d="{d}"/>"#)
        }
    })
}
