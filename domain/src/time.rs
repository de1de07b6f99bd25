//! Instants and spans in milliseconds, and how people write them.

use serde::{Deserialize, Serialize};

/// Wall-clock instant, milliseconds since 1970-01-01 UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This instant moved by `ms` milliseconds, stopping at the ends of the range.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this instant; negative when `earlier` is later.
    pub fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds of a clock that never jumps and has no meaning across restarts of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Milliseconds from `earlier` to this instant, zero when `earlier` is later.
    pub fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Calendar fields of an instant in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Year, such as 2026.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// Splits an instant into calendar fields in UTC (proleptic Gregorian).
///
/// Days to date after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": eras of 146,097 days beginning on
/// 1 March of the year 0.
pub fn civil(at: Timestamp) -> Civil {
    let seconds = at.0.div_euclid(1000);
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil {
        year,
        month: month as u8,
        day: day as u8,
        hour: (of_day / 3_600) as u8,
        minute: (of_day / 60 % 60) as u8,
        second: (of_day % 60) as u8,
    }
}

/// Less than this between two clocks is the way of a message, and would only make an instant tremble.
const SKEW_MS_MIN: u64 = 5_000;

/// An instant that a host told by its own clock, which is ahead of ours by `skew_ms`, where that was measured.
pub fn on_our_clock(at_ms: i64, skew_ms: Option<i64>) -> i64 {
    let skew_ms = skew_ms.filter(|skew_ms| skew_ms.unsigned_abs() >= SKEW_MS_MIN);
    at_ms.saturating_sub(skew_ms.unwrap_or(0))
}

/// `2026-11-22 03:12:07 UTC`
pub fn format_utc(at: Timestamp) -> String {
    let c = civil(at);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    )
}

/// `2026-11-22T03:12:07Z`, for the `datetime` attribute and exports.
pub fn format_iso(at: Timestamp) -> String {
    let c = civil(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    )
}

/// Days from 1970-01-01 to a calendar date (the inverse of [`civil`]); after Hinnant, as there.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Reads `2026-11-22T03:12`, with seconds and `Z` if wanted, always UTC, or plain milliseconds, into milliseconds.
pub fn parse_iso_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() >= 4 && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once(['T', ' '])?;
    let number = |part: Option<&str>, digits: usize| -> Option<i64> {
        let part = part?;
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse().ok())?
    };
    let mut date = date.split('-');
    let (year, month, day) = (
        number(date.next(), 4)?,
        number(date.next(), 2)?,
        number(date.next(), 2)?,
    );
    let mut time = time.split(':');
    let (hour, minute) = (number(time.next(), 2)?, number(time.next(), 2)?);
    let second = match time.next() {
        Some(part) => number(part.split('.').next(), 2)?,
        None => 0,
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    let fits = (1..=month_days).contains(&day) && hour < 24 && minute < 60 && second < 60;
    let days = days_from_civil(year, month, day);
    (fits && date.next().is_none() && time.next().is_none())
        .then_some((days * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000)
}

/// A span that is not written as we read it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{value}` is not a duration: write a whole number and s, m, h, d or y, such as 30s, 10m, 12h, 30d or 2y"
)]
pub struct DurationError {
    /// What was given, shortened to 64 characters.
    pub value: String,
}

/// Reads `30s`, `10m`, `12h`, `30d`, `2y` (of 365 days) into milliseconds.
///
/// # Errors
/// When the text has another shape or the span is zero or beyond ten years.
pub fn parse_duration_ms(text: &str) -> Result<i64, DurationError> {
    let error = || DurationError {
        value: text.chars().take(64).collect(),
    };
    let trimmed = text.trim();
    let split = trimmed
        .find(|c: char| !c.is_ascii_digit())
        .ok_or_else(error)?;
    let (number, unit) = trimmed.split_at(split);
    let number: i64 = number.parse().map_err(|_| error())?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return Err(error()),
    };
    let span = number.checked_mul(unit_ms).ok_or_else(error)?;
    if span <= 0 || span > 3_660 * 86_400_000 {
        Err(error())
    } else {
        Ok(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrong_clock_told_is_put_on_ours_and_a_right_one_is_believed() {
        let ten_years_ms = 10 * 365 * 86_400_000;
        for (told_ms, skew_ms, ours_ms) in [
            (1_000 + ten_years_ms, Some(ten_years_ms), 1_000),
            (1_000, Some(-60_000), 61_000),
            (1_000, Some(300), 1_000),
            (1_000, None, 1_000),
            (i64::MIN, Some(ten_years_ms), i64::MIN),
        ] {
            assert_eq!(on_our_clock(told_ms, skew_ms), ours_ms, "{told_ms}");
        }
    }

    #[test]
    fn known_instants_are_written_as_calendars_do() {
        for (ms, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00 UTC"),
            (1_795_317_127_999, "2026-11-22 03:12:07 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
            (4_107_542_399_000, "2100-02-28 23:59:59 UTC"),
        ] {
            assert_eq!(format_utc(Timestamp(ms)), text);
        }
        assert_eq!(
            format_iso(Timestamp(1_795_317_127_000)),
            "2026-11-22T03:12:07Z"
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        for ms in [
            0,
            951_782_400_000,
            1_795_317_127_000,
            4_107_542_399_000,
            -86_400_000,
        ] {
            assert_eq!(parse_iso_ms(&format_iso(Timestamp(ms))), Some(ms));
        }
        assert_eq!(parse_iso_ms("2026-11-22T03:12"), Some(1_795_317_120_000));
        assert_eq!(parse_iso_ms("1795317127000"), Some(1_795_317_127_000));
        for bad in [
            "",
            "12",
            "2026-02-29T00:00Z",
            "2026-13-01T00:00Z",
            "2026-11-22",
            "2026-11-22T24:00",
            "2026-11-22T03:12:60Z",
            "now",
        ] {
            assert_eq!(parse_iso_ms(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_read_and_others_are_refused_by_name() {
        assert_eq!(parse_duration_ms("10m"), Ok(600_000));
        assert_eq!(parse_duration_ms("30d"), Ok(2_592_000_000));
        assert_eq!(parse_duration_ms("2y"), Ok(63_072_000_000));
        for bad in [
            "",
            "10",
            "m",
            "-5m",
            "0s",
            "1.5h",
            "10 minutes",
            "99999999999999999999s",
            "9999999d",
        ] {
            assert!(parse_duration_ms(bad).is_err(), "{bad} was accepted");
        }
    }
}
