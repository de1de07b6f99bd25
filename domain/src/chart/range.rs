//! The window that a chart shows, from what stands in the URL.

use crate::time::{Timestamp, civil, parse_iso_ms};

/// Shortest window.
const SHORTEST_MS: i64 = 60_000;
/// Longest window: what is kept longest, and some.
const LONGEST_MS: i64 = 3 * 366 * 86_400_000;

/// Windows that are offered, and their words.
pub const RANGES: [(&str, i64, &str); 9] = [
    ("15m", 900_000, "last 15 minutes"),
    ("1h", 3_600_000, "last hour"),
    ("6h", 21_600_000, "last 6 hours"),
    ("24h", 86_400_000, "last 24 hours"),
    ("7d", 604_800_000, "last 7 days"),
    ("30d", 2_592_000_000, "last 30 days"),
    ("90d", 7_776_000_000, "last 90 days"),
    ("1y", 31_536_000_000, "last year"),
    ("2y", 63_072_000_000, "last 2 years"),
];

/// A window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Inclusive.
    pub from_ms: i64,
    /// Exclusive.
    pub to_ms: i64,
    /// In words.
    pub label: String,
    /// What was not understood, and what is shown instead.
    pub notes: Vec<String>,
}

/// Reads `range`, or `from` and `to`, which win together. What makes no sense falls back with a note.
pub fn window(range: &str, from: &str, to: &str, now: Timestamp) -> Window {
    let mut notes = Vec::new();
    if !from.is_empty() || !to.is_empty() {
        match absolute(from, to, now) {
            Ok(window) => return window,
            Err(note) => notes.push(note),
        }
    }
    let known = RANGES.iter().find(|(name, _, _)| *name == range);
    if known.is_none() && !range.is_empty() {
        let shown = crate::text::clean_label(&range.chars().take(40).collect::<String>());
        notes.push(format!("`{shown}` is not a range; the last hour is shown"));
    }
    let (_, span_ms, label) = known.copied().unwrap_or(("1h", 3_600_000, "last hour"));
    Window {
        from_ms: now.0 - span_ms,
        to_ms: now.0,
        label: label.to_owned(),
        notes,
    }
}

fn absolute(from: &str, to: &str, now: Timestamp) -> Result<Window, String> {
    let instant = |field: &str, text: &str| {
        parse_iso_ms(text).ok_or_else(|| {
            let shown = crate::text::clean_label(&text.chars().take(40).collect::<String>());
            format!("{field} `{shown}` is not an instant; write one such as 2026-11-22T03:12Z")
        })
    };
    let from_ms = instant("from", from)?;
    let to_ms = if to.is_empty() {
        now.0
    } else {
        instant("to", to)?
    };
    if to_ms - from_ms < SHORTEST_MS {
        return Err(
            "the window must end at least a minute after it begins; the last hour is shown"
                .to_owned(),
        );
    }
    if to_ms - from_ms > LONGEST_MS {
        return Err("nothing is kept longer than three years; choose a shorter window. The last hour is shown".to_owned());
    }
    let text = |ms: i64| {
        let c = civil(Timestamp(ms));
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}",
            c.year, c.month, c.day, c.hour, c.minute
        )
    };
    Ok(Window {
        from_ms,
        to_ms,
        label: format!("{} to {} UTC", text(from_ms), text(to_ms)),
        notes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_317_127_000);

    #[test]
    fn what_stands_in_the_url_becomes_a_window_or_a_note() {
        let hour = window("", "", "", NOW);
        assert_eq!(
            (
                hour.to_ms - hour.from_ms,
                hour.label.as_str(),
                hour.notes.len()
            ),
            (3_600_000, "last hour", 0)
        );
        assert_eq!(window("24h", "", "", NOW).from_ms, NOW.0 - 86_400_000);
        let absolute = window("24h", "2026-11-22T02:00Z", "2026-11-22T03:00:30Z", NOW);
        assert_eq!(absolute.label, "2026-11-22 02:00 to 2026-11-22 03:00 UTC");
        assert_eq!(absolute.to_ms - absolute.from_ms, 3_630_000);
        for (range, from, to) in [
            ("3y", "", ""),
            ("", "yesterday", ""),
            ("", "2026-11-22T03:00Z", "2026-11-22T02:00Z"),
            ("", "1000", ""),
        ] {
            let fallback = window(range, from, to, NOW);
            assert_eq!(
                (fallback.label.as_str(), fallback.notes.len()),
                ("last hour", 1),
                "{range} {from} {to}"
            );
        }
    }
}
