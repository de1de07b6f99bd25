//! Reading a chart: which point lies at an instant, what it says, and which window lies around it.
//!
//! Used by the crosshair in the browser; the server fills [`PointSet`]. Pure. Invariant: a value is only told where a point
//! is near; between points further apart than gaps allow, nothing is known and nothing is said.

use domain::metric::Gap;
use serde::{Deserialize, Serialize};

use crate::format;
use crate::preferences::{on_clock, time_of_day};

/// As in charts: a point stands for nothing that is further away than this many steps.
const REACH_STEPS: f64 = 2.5;
/// Shortest window that charts show.
pub const WINDOW_MS_MIN: i64 = 60_000;
/// Longest window that "zoom out" leads to: as long as any may be.
const WINDOW_MS_MAX: i64 = 3 * 366 * 86_400_000;
const DAY_MS: i64 = 86_400_000;

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// Of a ratio.
    Percent,
    /// A plain number with decimals.
    Number,
    /// Whole things.
    Count,
    /// Bytes in powers of 1024.
    Bytes,
    /// Milliseconds.
    Millis,
    /// Bytes per second in powers of 1024.
    BytesPerS,
    /// From bytes per second: decimal bits per second.
    BitsPerS,
    /// Events per second.
    PerS,
    /// From seconds.
    Span,
}

/// A value as it is written everywhere.
pub fn value(kind: ValueKind, value: f64) -> String {
    match kind {
        ValueKind::Percent => format::percent(value),
        ValueKind::Number => format::load(value, None),
        // A cast to u64 stops at 0 and at its limit.
        ValueKind::Count => format::count(value.round() as u64),
        ValueKind::Bytes => format::bytes(value),
        ValueKind::Millis => format::millis(value),
        ValueKind::BytesPerS => format::bytes_per_s(value),
        ValueKind::BitsPerS => format::bits_per_s(value),
        ValueKind::PerS => format::per_s(value),
        ValueKind::Span => format::duration_ms((value * 1000.0) as i64),
    }
}

/// The points of a page's charts, for one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointSet {
    /// Start of the window.
    pub from_ms: i64,
    /// End of the window.
    pub to_ms: i64,
    /// In no order.
    pub charts: Vec<ChartPoints>,
}

/// The points of one chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChartPoints {
    /// As the chart's.
    pub key: String,
    /// How its values are written.
    pub kind: ValueKind,
    /// Seconds from point to point.
    pub step_s: u32,
    /// Seconds after the start of the window; ascending, at most 400 or so.
    pub at_s: Vec<u32>,
    /// Its lines, in the order of the legend.
    pub lines: Vec<LinePoints>,
    /// Where nothing is known, and why.
    pub gaps: Vec<Gap>,
}

/// The points of one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinePoints {
    /// As in the legend.
    pub label: String,
    /// 1..=6: `--series-N`.
    pub color: u8,
    /// One for each instant of the chart; four significant digits.
    pub values: Vec<Option<f32>>,
}

impl PointSet {
    /// The points of a chart.
    pub fn chart(&self, key: &str) -> Option<&ChartPoints> {
        self.charts.iter().find(|chart| chart.key == key)
    }

    /// An instant as a share of the window.
    pub fn share(&self, at_ms: i64) -> f64 {
        let span = (self.to_ms - self.from_ms).max(1);
        ((at_ms - self.from_ms) as f64 / span as f64).clamp(0.0, 1.0)
    }
}

/// What a chart says at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The instant of the point, on the reader's clock.
    pub time: String,
    /// Label, colour, value; nothing where nothing is known.
    pub values: Vec<(String, u8, String)>,
    /// Why there are no values.
    pub silence: Option<String>,
}

impl Reading {
    /// In one sentence, for those who do not see it.
    pub fn sentence(&self) -> String {
        let told: Vec<String> = self
            .values
            .iter()
            .map(|(label, _, value)| format!("{label} {value}"))
            .collect();
        let told = match &self.silence {
            Some(why) => why.clone(),
            None => told.join(", "),
        };
        format!("{}: {told}", self.time)
    }
}

impl ChartPoints {
    /// Number of the point that is nearest.
    pub fn nearest(&self, from_ms: i64, at_ms: i64) -> Option<usize> {
        let wanted = (at_ms - from_ms) as f64 / 1000.0;
        let after = self
            .at_s
            .partition_point(|at| f64::from(*at) < wanted)
            .min(self.at_s.len().checked_sub(1)?);
        let before = after.saturating_sub(1);
        let distance = |place: usize| {
            self.at_s
                .get(place)
                .map_or(f64::INFINITY, |at| (f64::from(*at) - wanted).abs())
        };
        Some(if distance(before) <= distance(after) {
            before
        } else {
            after
        })
    }

    /// Instant of the point that lies `steps` points from the one nearest to `at_ms`.
    pub fn stepped(&self, from_ms: i64, at_ms: i64, steps: i64) -> Option<i64> {
        let last = i64::try_from(self.at_s.len()).ok()?.checked_sub(1)?;
        let place = i64::try_from(self.nearest(from_ms, at_ms)?).ok()?;
        let place = usize::try_from(place.saturating_add(steps).clamp(0, last)).ok()?;
        self.instant(from_ms, place)
    }

    fn instant(&self, from_ms: i64, place: usize) -> Option<i64> {
        Some(from_ms + i64::from(*self.at_s.get(place)?) * 1000)
    }

    /// What is known at `at_ms`, in a window from `from_ms` to `to_ms`.
    pub fn read(&self, window: (i64, i64), at_ms: i64) -> Reading {
        let (from_ms, to_ms) = window;
        let long = to_ms - from_ms > DAY_MS;
        let reach_ms = f64::from(self.step_s.max(1)) * 1000.0 * REACH_STEPS / 2.0;
        let near = self.nearest(from_ms, at_ms).and_then(|place| {
            let point_ms = self.instant(from_ms, place)?;
            ((point_ms - at_ms).abs() as f64 <= reach_ms).then_some((place, point_ms))
        });
        let gap = self
            .gaps
            .iter()
            .find(|gap| (gap.from_ms..gap.to_ms).contains(&at_ms));
        // Points are told by whole seconds: one right at the edge of a gap is not in it.
        let gap = gap.filter(|_| near.is_none_or(|(_, point_ms)| (point_ms - at_ms).abs() >= 1000));
        match (near, gap) {
            (Some((place, point_ms)), None) => Reading {
                time: instant(point_ms, long),
                values: self
                    .lines
                    .iter()
                    .map(|line| {
                        let known = line.values.get(place).copied().flatten();
                        let text = known.map_or_else(
                            || format::UNKNOWN.to_owned(),
                            |known| value(self.kind, f64::from(known)),
                        );
                        (line.label.clone(), line.color, text)
                    })
                    .collect(),
                silence: None,
            },
            (_, gap) => Reading {
                time: instant(at_ms, long),
                values: Vec::new(),
                silence: Some(
                    gap.map_or_else(|| "nothing known".to_owned(), |gap| silence(&gap.reason)),
                ),
            },
        }
    }
}

/// `12:03:07 UTC`, with the day before it in long windows.
fn instant(at_ms: i64, with_day: bool) -> String {
    let c = on_clock(at_ms);
    let clock = time_of_day(at_ms);
    if with_day {
        format!("{:04}-{:02}-{:02} {clock}", c.year, c.month, c.day)
    } else {
        clock
    }
}

/// Why nothing is known, from the reason of a gap.
pub fn silence(reason: &str) -> String {
    match reason {
        "no_report" => "no data: no report came",
        "not_enrolled" => "not known yet",
        "server_down" => "no data: we were blind, the server was down",
        "dropped_by_agent" => "no data: the agent's queue was full",
        "lost_by_agent" => "no data: the agent lost it",
        "damaged_at_agent" => "no data: what the agent had kept was damaged",
        "unreadable" => "no data: what was stored cannot be read",
        "retention" => "no data: not kept so long",
        "refused_by_server" => "no data: the server refused it",
        _ => "no data",
    }
    .to_owned()
}

/// The window between two instants, however they were chosen; never shorter than [`WINDOW_MS_MIN`].
pub fn zoomed_in(a_ms: i64, b_ms: i64) -> (i64, i64) {
    let (from, to) = (a_ms.min(b_ms), a_ms.max(b_ms));
    let missing = (WINDOW_MS_MIN - (to - from)).max(0);
    let (from, to) = (from - missing / 2, to + missing - missing / 2);
    // Whole seconds, outwards: that is what stands in addresses.
    (from.div_euclid(1000) * 1000, -(-to).div_euclid(1000) * 1000)
}

/// Twice the window around the same middle, not beyond now.
pub fn zoomed_out(from_ms: i64, to_ms: i64, now_ms: i64) -> (i64, i64) {
    let span = to_ms - from_ms;
    let wide = (2 * span).min(WINDOW_MS_MAX).max(span);
    let to = to_ms
        .saturating_add((wide - span) / 2)
        .min(now_ms.max(to_ms));
    (to - wide, to)
}

/// The window before (`-1`) or after (`1`) this one; `None` after the present.
pub fn shifted(from_ms: i64, to_ms: i64, now_ms: i64, direction: i64) -> Option<(i64, i64)> {
    let span = to_ms - from_ms;
    let (from, to) = (from_ms + direction * span, to_ms + direction * span);
    (from < now_ms).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> ChartPoints {
        ChartPoints {
            key: "cpu".to_owned(),
            kind: ValueKind::Percent,
            step_s: 10,
            at_s: vec![0, 10, 20, 120, 130],
            lines: vec![LinePoints {
                label: "user".to_owned(),
                color: 1,
                values: vec![Some(0.1), None, Some(0.3), Some(0.4), Some(0.5)],
            }],
            gaps: vec![Gap {
                from_ms: 1_020_000,
                to_ms: 1_120_000,
                reason: "server_down".to_owned(),
            }],
        }
    }

    const FROM: i64 = 1_000_000;
    const WINDOW: (i64, i64) = (FROM, FROM + 200_000);

    #[test]
    fn the_nearest_point_is_read_and_nothing_where_none_is_near() {
        let chart = chart();
        let text = |at_ms: i64| {
            chart
                .read(WINDOW, at_ms)
                .sentence()
                .replace(format::THIN, " ")
        };
        assert_eq!(text(FROM + 3_000), "00:16:40 UTC: user 10 %");
        assert_eq!(text(FROM + 8_000), "00:16:50 UTC: user —");
        assert_eq!(text(FROM + 126_000), "00:18:50 UTC: user 50 %");
        // In the gap, next to a point too; and after the last point.
        assert_eq!(
            text(FROM + 21_000),
            "00:17:01 UTC: no data: we were blind, the server was down"
        );
        assert_eq!(
            text(FROM + 70_000),
            "00:17:50 UTC: no data: we were blind, the server was down"
        );
        assert_eq!(text(FROM + 199_000), "00:19:59 UTC: nothing known");
        let empty = ChartPoints {
            at_s: Vec::new(),
            ..chart.clone()
        };
        assert_eq!(empty.nearest(FROM, FROM), None);
        assert!(empty.read(WINDOW, FROM).silence.is_some());
    }

    #[test]
    fn keys_go_from_point_to_point_and_stop_at_the_ends() {
        let chart = chart();
        let from =
            |at_ms: i64, steps: i64| chart.stepped(FROM, FROM + at_ms, steps).map(|at| at - FROM);
        assert_eq!(from(0, 1), Some(10_000));
        assert_eq!(from(20_000, 1), Some(120_000));
        assert_eq!(from(120_000, -1), Some(20_000));
        assert_eq!(from(0, -1), Some(0));
        assert_eq!(from(0, i64::MAX), Some(130_000));
        assert_eq!(from(0, i64::MIN), Some(0));
    }

    #[test]
    fn windows_zoom_and_shift() {
        assert_eq!(zoomed_in(200_500, 100_500), (100_000, 201_000));
        assert_eq!(zoomed_in(100_000, 110_000), (75_000, 135_000));
        assert_eq!(zoomed_out(100_000, 200_000, 1_000_000), (50_000, 250_000));
        assert_eq!(zoomed_out(100_000, 200_000, 210_000), (10_000, 210_000));
        assert_eq!(shifted(100_000, 200_000, 1_000_000, -1), Some((0, 100_000)));
        assert_eq!(shifted(100_000, 200_000, 200_000, 1), None);
    }
}
