//! Charts of a node's page: slices of series in, drawn marks and the words around them out.
//!
//! Called by the fleet's port for pages and by exports; [`panels`] says which series to load, [`draw`] draws one panel.
//! Pure: the same input gives the same bytes, no clock, no I/O. Invariants: nothing is invented where no point is (a line
//! breaks, a hatched band stands there, the future is blank); [`Chart::marks`] is made of numbers alone, so no text of a
//! host can get into markup that is not escaped; at most six lines. It deliberately loads nothing, decides no status, and
//! draws no text: axes and legends are text of the page, where they can be read, zoomed and selected.
//!
//! `lines` chooses and sums, `shapes` places and thins, `marks` draws, `words` writes; `crowd` and `heatmap` show many
//! nodes at once.

mod compare;
pub mod crowd;
pub mod heatmap;
mod lines;
mod marks;
mod panels;
mod readout;
mod shapes;
#[cfg(test)]
mod tests;
mod words;

pub use compare::Earlier;
pub use readout::readout;

use app::fleet::view::{Chart, ChartSeries};
use domain::metric::Metric;
use domain::metric::series::Slice;

/// For tests that the style sheet maps each of them.
#[cfg(test)]
pub use marks::COLORS;
use panels::Shown;
pub use panels::{Kind, Panel, all_panels, panels, server_panels};

/// The window that is drawn, and what its sentence names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<'a> {
    /// Left edge.
    pub from_ms: i64,
    /// Right edge, exclusive.
    pub to_ms: i64,
    /// Server's wall clock, the same that the slices' gaps were made with; what is after it is left blank.
    pub now_ms: i64,
    /// Configured seconds between reports.
    pub interval_s: u32,
    /// The window in words, such as "last hour".
    pub label: &'a str,
    /// Name of the node.
    pub node: &'a str,
    /// Minutes east of UTC that the time axis is written by.
    pub zone_minutes: i32,
}

impl Window<'_> {
    /// Last instant of the window of which something can be known.
    fn known_to_ms(&self) -> i64 {
        self.to_ms.min(self.now_ms)
    }
}

/// A series that the host has, as far as it lies in the window; its slice has no points when it was silent there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Input<'a> {
    /// Which metric.
    pub metric: Metric,
    /// Mount point, device or interface; empty for none.
    pub instance: &'a str,
    /// Its points and gaps in the window.
    pub slice: &'a Slice,
}

/// Lines that were made elsewhere, of which nothing is stacked or left out; `None` when drawing failed.
fn drawn(
    panel: &Panel,
    window: &Window<'_>,
    lines: &[lines::Drawn],
    gaps: Vec<domain::metric::Gap>,
) -> Option<Chart> {
    let greatest = lines
        .iter()
        .filter_map(|line| Some(line.greatest()?.0))
        .fold(0.0, f64::max);
    let levels = words::levels(panel.kind, greatest);
    let instants = words::instants(window);
    let scale = shapes::Scale {
        from_ms: window.from_ms,
        to_ms: window.to_ms,
        top: levels.last().copied().unwrap_or(1.0),
    };
    let gaps = shapes::joined_gaps(&scale, gaps);
    let plot = marks::Plot {
        scale,
        levels: &levels,
        instants: &instants,
        gaps: &gaps,
        lines,
        style: panel.style,
        headline: None,
    };
    let marks = marks::marks(&plot).ok()?;
    let told: Vec<&lines::Drawn> = lines.iter().collect();
    Some(Chart {
        key: panel.key.to_owned(),
        title: panel.title.to_owned(),
        unit: words::unit(panel.kind, &levels),
        summary: words::summary(panel, window, &told, gaps.len(), 0),
        series: legend(panel.kind, lines),
        marks,
        y_ticks: levels
            .iter()
            .map(|level| (scale.top_share(*level), words::level(panel.kind, *level)))
            .collect(),
        x_ticks: instants
            .iter()
            .map(|at_ms| (scale.left_share(*at_ms), words::instant(window, *at_ms)))
            .collect(),
        step_s: lines
            .iter()
            .map(|line| u32::try_from(line.step_ms / 1000).unwrap_or(u32::MAX))
            .max()
            .unwrap_or(window.interval_s),
        gaps,
        absent: None,
    })
}

/// Draws `panel` from the series of one host; inputs of other panels are ignored.
///
/// `None` when the panel has no place here (see [`Shown`]). Without any series the chart says why it is absent.
pub fn draw(panel: &Panel, window: &Window<'_>, inputs: &[Input<'_>]) -> Option<Chart> {
    draw_with(panel, window, inputs, None)
}

/// As [`draw`], before the same panel at another time.
pub fn draw_with(
    panel: &Panel,
    window: &Window<'_>,
    inputs: &[Input<'_>],
    earlier: Option<&Earlier<'_>>,
) -> Option<Chart> {
    let chosen = lines::choose(panel, window, inputs);
    let then = earlier.map_or_else(Vec::new, |earlier| {
        compare::lines_of(panel, window, &chosen.lines, earlier)
    });
    let greatest = chosen
        .lines
        .iter()
        .chain(then.iter().map(|(_, line)| line))
        .filter_map(|line| Some(line.greatest()?.0))
        .fold(0.0, f64::max);
    if panel.shown == Shown::WhenAboveZero && greatest <= 0.0 {
        return None;
    }
    if chosen.lines.is_empty() {
        return Some(absent(panel, window, panel.absent));
    }
    let levels = words::levels(panel.kind, greatest);
    let instants = words::instants(window);
    let scale = shapes::Scale {
        from_ms: window.from_ms,
        to_ms: window.to_ms,
        top: levels.last().copied().unwrap_or(1.0),
    };
    let gaps = lines::common_gaps(chosen.lines.iter().map(|line| line.gaps.as_slice()));
    let gaps = shapes::joined_gaps(&scale, gaps);
    let headline = lines::headline(panel, window, inputs);
    let Ok(mut marks) = marks::marks(&marks::Plot {
        scale,
        levels: &levels,
        instants: &instants,
        gaps: &gaps,
        lines: &chosen.lines,
        style: panel.style,
        headline: headline.as_ref(),
    }) else {
        // plotters writes into memory, so this is a fault of ours: it is shown, and the other charts stand.
        return Some(absent(panel, window, "This chart could not be drawn."));
    };
    marks.push_str(&compare::marks(&scale, &then));
    let told = match &headline {
        Some(headline) => vec![headline],
        None => chosen.lines.iter().collect(),
    };
    Some(Chart {
        key: panel.key.to_owned(),
        title: panel.title.to_owned(),
        unit: words::unit(panel.kind, &levels),
        summary: words::summary(panel, window, &told, gaps.len(), chosen.left_out),
        series: legend(panel.kind, &chosen.lines),
        marks,
        y_ticks: levels
            .iter()
            .map(|level| (scale.top_share(*level), words::level(panel.kind, *level)))
            .collect(),
        x_ticks: instants
            .iter()
            .map(|at_ms| (scale.left_share(*at_ms), words::instant(window, *at_ms)))
            .collect(),
        gaps,
        step_s: chosen.step_s().unwrap_or(window.interval_s),
        absent: None,
    })
}

fn legend(kind: Kind, lines: &[lines::Drawn]) -> Vec<ChartSeries> {
    (1..)
        .zip(lines)
        .map(|(color, line)| ChartSeries {
            label: line.label.clone(),
            color,
            latest: line.latest().map(|latest| words::value(kind, latest)),
            range: line
                .least()
                .zip(line.greatest())
                .map(|(least, (greatest, _))| {
                    (words::value(kind, least), words::value(kind, greatest))
                }),
        })
        .collect()
}

fn absent(panel: &Panel, window: &Window<'_>, reason: &str) -> Chart {
    Chart {
        key: panel.key.to_owned(),
        title: panel.title.to_owned(),
        unit: String::new(),
        summary: format!("{} of {}: {reason}", panel.title, window.node),
        series: Vec::new(),
        marks: String::new(),
        y_ticks: Vec::new(),
        x_ticks: Vec::new(),
        gaps: Vec::new(),
        step_s: window.interval_s,
        absent: Some(reason.to_owned()),
    }
}
