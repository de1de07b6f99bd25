//! What is said about a chart: ticks, legend numbers, and the sentence for those who do not see it.
//!
//! Called by [`super::draw`]. Numbers are written by [`app::format`] so that they look the same on every page. Invariant:
//! what is not known is said to be unknown, never written as 0. Text from hosts passes through as it is: whoever writes
//! markup escapes it.

use app::format;
use app::preferences::Zone;
use domain::chart::ticks::{nice_byte_ticks, nice_ticks, time_ticks};
use domain::time::{Timestamp, civil};

use super::Window;
use super::lines::Drawn;
use super::panels::{Kind, Panel};

/// Ticks on an axis, about.
const TICKS: u32 = 4;
/// Ticks on the time axis at most.
const TIME_TICKS_MAX: u32 = 7;
/// Between levels of spans up to four days.
const SPAN_STEPS_S: [f64; 11] = [
    60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0,
];
const DAY_MS: i64 = 86_400_000;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A value as it is written in legends and sentences.
pub fn value(kind: Kind, value: f64) -> String {
    app::fleet::readout::value(kind.into(), value)
}

/// Round values, ascending from 0, that cover `0..=greatest`; the last is the upper edge of the plot.
///
/// `greatest` is raised to what keeps noise from filling the plot, such as a load of 1; percentages always go to 100.
pub fn levels(kind: Kind, greatest: f64) -> Vec<f64> {
    let scaled = |unit: f64, least: f64| -> Vec<f64> {
        let levels = nice_ticks(greatest.max(least) / unit, TICKS);
        levels.into_iter().map(|level| level * unit).collect()
    };
    match kind {
        Kind::Percent => vec![0.0, 0.25, 0.5, 0.75, 1.0],
        Kind::Number | Kind::PerS => scaled(1.0, 1.0),
        Kind::Count => scaled(1.0, 4.0),
        Kind::Millis => scaled(1.0, 4.0),
        Kind::Bytes | Kind::BytesPerS => nice_byte_ticks(greatest.max(4096.0), TICKS),
        Kind::BitsPerS => scaled(1.0 / 8.0, 500.0),
        Kind::Span => match SPAN_STEPS_S.iter().find(|step| greatest <= **step * 4.0) {
            Some(step) => scaled(*step, 4.0 * step),
            None => scaled(86_400.0, 0.0),
        },
    }
}

/// Text at a level: as [`value`], without decimals that say nothing.
pub fn level(kind: Kind, level: f64) -> String {
    if kind == Kind::Span && level == 0.0 {
        return "0".to_owned();
    }
    let text = value(kind, level);
    match text.split_once(format::THIN) {
        Some((number, unit)) if number.contains('.') => {
            format!("{}{}{unit}", trimmed(number), format::THIN)
        }
        None if text.contains('.') => trimmed(&text).to_owned(),
        _ => text,
    }
}

fn trimmed(number: &str) -> &str {
    number.trim_end_matches('0').trim_end_matches('.')
}

/// The unit of the uppermost level; empty for plain numbers.
pub fn unit(kind: Kind, levels: &[f64]) -> String {
    if matches!(kind, Kind::Number | Kind::Count) {
        return String::new();
    }
    levels
        .last()
        .map(|top| value(kind, *top))
        .and_then(|text| Some(text.rsplit_once(format::THIN)?.1.to_owned()))
        .unwrap_or_default()
}

/// Instants of the time axis.
pub fn instants(window: &Window<'_>) -> Vec<i64> {
    let by_ms = i64::from(window.zone_minutes) * 60_000;
    let ticks = time_ticks(window.from_ms + by_ms, window.to_ms + by_ms, TIME_TICKS_MAX);
    ticks.into_iter().map(|at_ms| at_ms - by_ms).collect()
}

/// Text at an instant, on the reader's clock: `14:30`, `14:30:15` in short windows, `22 Nov` at midnight, `Nov 2026` in long ones.
pub fn instant(window: &Window<'_>, at_ms: i64) -> String {
    let range_ms = window.to_ms.saturating_sub(window.from_ms);
    let at_ms = on_clock(window, at_ms);
    let c = civil(Timestamp(at_ms));
    let month = month(c.month);
    if range_ms > 300 * DAY_MS {
        format!("{month} {}", c.year)
    } else if at_ms.rem_euclid(DAY_MS) == 0 && range_ms > 300_000 {
        format!("{} {month}", c.day)
    } else if range_ms <= 300_000 {
        format!("{:02}:{:02}:{:02}", c.hour, c.minute, c.second)
    } else {
        format!("{:02}:{:02}", c.hour, c.minute)
    }
}

fn month(number: u8) -> &'static str {
    MONTHS
        .get(usize::from(number).saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

fn on_clock(window: &Window<'_>, at_ms: i64) -> i64 {
    at_ms + i64::from(window.zone_minutes) * 60_000
}

/// The instant of a peak, on the reader's clock; with its day when the window is longer than one.
fn moment(window: &Window<'_>, at_ms: i64) -> String {
    let c = civil(Timestamp(on_clock(window, at_ms)));
    let zone = Zone(window.zone_minutes).name();
    let clock = format!("{:02}:{:02} {zone}", c.hour, c.minute);
    if window.to_ms.saturating_sub(window.from_ms) > DAY_MS {
        format!("{} {} {clock}", c.day, month(c.month))
    } else {
        clock
    }
}

/// `Processor of db-eu-2, last hour: now 71 %, min 12 %, max 97 % at 03:08 UTC, one gap`; several lines one after the
/// other, each with its name.
pub fn summary(
    panel: &Panel,
    window: &Window<'_>,
    lines: &[&Drawn],
    gaps: usize,
    left_out: usize,
) -> String {
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            let told = extremes(panel.kind, window, line);
            if lines.len() > 1 {
                format!("{} {told}", line.label)
            } else {
                told
            }
        })
        .collect();
    let mut text = format!(
        "{} of {}, {}: {}",
        panel.title,
        window.node,
        window.label,
        told.join("; ")
    );
    match gaps {
        0 => {}
        1 => text.push_str(", one gap"),
        many => text.push_str(&format!(", {many} gaps")),
    }
    if left_out > 0 {
        text.push_str(&format!(", {left_out} more not drawn"));
    }
    text
}

fn extremes(kind: Kind, window: &Window<'_>, line: &Drawn) -> String {
    let (Some(least), Some((greatest, at_ms))) = (line.least(), line.greatest()) else {
        return "no data".to_owned();
    };
    let end = if window.to_ms < window.now_ms {
        "at the end"
    } else {
        "now"
    };
    let latest = line
        .latest()
        .map_or_else(|| "unknown".to_owned(), |latest| value(kind, latest));
    format!(
        "{end} {latest}, min {}, max {} at {}",
        value(kind, least),
        value(kind, greatest),
        moment(window, at_ms)
    )
}
