//! Numbers, units and spans as people read them.
//!
//! Used by pages and by whoever draws for them. Invariant: a value that is not known is never a number; rounding never
//! turns "almost" into "all". Units stand after a narrow no-break space.

/// Stands between a number and its unit, and between groups of digits.
pub const THIN: char = '\u{202F}';
/// Stands where nothing is known.
pub const UNKNOWN: &str = "—";

const IEC: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const SI: [&str; 6] = ["", "k", "M", "G", "T", "P"];

/// Three significant digits: `1.50`, `84.2`, `512`, `1024` stays whole.
fn significant(value: f64) -> String {
    let size = value.abs();
    if size >= 99.95 {
        format!("{value:.0}")
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// Divides until three digits stand before the point, and says how often.
fn scaled(value: f64, base: f64, most: usize) -> (f64, usize) {
    let (mut value, mut power) = (value, 0);
    // 999.5 would be written as 1000.
    while value.abs() >= (base - 0.5).min(999.5) && power < most {
        value /= base;
        power += 1;
    }
    (value, power)
}

/// A share 0..=1: `4.2 %`, `71 %`, `< 0.1 %`; `100 %` only from 99.95 on.
pub fn percent(ratio: f64) -> String {
    if !ratio.is_finite() {
        return UNKNOWN.to_owned();
    }
    let percent = ratio * 100.0;
    if percent == 0.0 {
        format!("0{THIN}%")
    } else if percent > 0.0 && percent < 0.05 {
        format!("<{THIN}0.1{THIN}%")
    } else if percent.abs() < 9.95 {
        format!("{percent:.1}{THIN}%")
    } else if (99.0..99.95).contains(&percent) {
        format!("99{THIN}%")
    } else {
        format!("{percent:.0}{THIN}%")
    }
}

/// Memory and disks, in powers of 1024: `512 MiB`, `1.50 GiB`.
pub fn bytes(bytes: f64) -> String {
    if !bytes.is_finite() {
        return UNKNOWN.to_owned();
    }
    let (value, power) = scaled(bytes, 1024.0, IEC.len() - 1);
    let number = if power == 0 {
        format!("{value:.0}")
    } else {
        significant(value)
    };
    format!(
        "{number}{THIN}{}",
        IEC.get(power).copied().unwrap_or_default()
    )
}

/// Disks at work: `1.50 MiB/s`.
pub fn bytes_per_s(rate: f64) -> String {
    if rate.is_finite() {
        format!("{}/s", bytes(rate))
    } else {
        UNKNOWN.to_owned()
    }
}

/// Networks, in powers of 1000, from bytes per second: `84.2 Mbit/s`.
pub fn bits_per_s(bytes_per_s: f64) -> String {
    if !bytes_per_s.is_finite() {
        return UNKNOWN.to_owned();
    }
    let (value, power) = scaled(bytes_per_s * 8.0, 1000.0, SI.len() - 1);
    let number = if power == 0 {
        format!("{value:.0}")
    } else {
        significant(value)
    };
    format!(
        "{number}{THIN}{}bit/s",
        SI.get(power).copied().unwrap_or_default()
    )
}

/// As [`bits_per_s`], under a head that names the unit: `84.2 M`.
pub fn bits_compact(rate: f64) -> String {
    bits_per_s(rate)
        .trim_end_matches("bit/s")
        .trim_end()
        .to_owned()
}

/// Events: `1.24 k/s`, `0.20 /s`.
pub fn per_s(rate: f64) -> String {
    if !rate.is_finite() {
        return UNKNOWN.to_owned();
    }
    let (value, power) = scaled(rate, 1000.0, SI.len() - 1);
    format!(
        "{}{THIN}{}/s",
        significant(value),
        SI.get(power).copied().unwrap_or_default()
    )
}

/// Whole numbers in full, in groups of three: `12 480`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(THIN);
        }
        grouped.push(digit);
    }
    grouped
}

/// Load with the processors it is to be read by: `3.20 / 8 cores`.
pub fn load(load: f64, cores: Option<u32>) -> String {
    match cores {
        _ if !load.is_finite() => UNKNOWN.to_owned(),
        Some(1) => format!("{load:.2} / 1 core"),
        Some(cores) => format!("{load:.2} / {cores} cores"),
        None => format!("{load:.2}"),
    }
}

/// A span in at most two units: `340 ms`, `42 s`, `4 min 10 s`, `2 d 4 h`.
pub fn duration_ms(ms: i64) -> String {
    let ms = ms.max(0);
    let (s, min, h, d) = (ms / 1000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large}{THIN}{unit}")
        } else {
            format!("{large}{THIN}{unit} {small}{THIN}{small_unit}")
        }
    };
    if ms < 1000 {
        format!("{ms}{THIN}ms")
    } else if s < 60 {
        format!("{s}{THIN}s")
    } else if min < 60 {
        two(min, "min", s % 60, "s")
    } else if h < 24 {
        two(h, "h", min % 60, "min")
    } else {
        two(d, "d", h % 24, "h")
    }
}

/// As [`duration_ms`], from microseconds: `850 µs`, `1.2 ms`.
pub fn duration_us(us: u32) -> String {
    match us {
        0..1_000 => format!("{us}{THIN}µs"),
        1_000..100_000 => format!("{:.1}{THIN}ms", f64::from(us) / 1000.0),
        _ => duration_ms(i64::from(us) / 1000),
    }
}

/// Milliseconds with what decimals say something: `340 ms`, `1.9 ms`, `2.4 s`.
pub fn millis(ms: f64) -> String {
    if !ms.is_finite() {
        UNKNOWN.to_owned()
    } else if ms < 10.0 {
        format!("{ms:.1}{THIN}ms")
    } else if ms < 1_000.0 {
        format!("{ms:.0}{THIN}ms")
    } else {
        format!("{}{THIN}s", significant(ms / 1_000.0))
    }
}

/// How long ago, in whole seconds: `4 s`, and `0 s` for what is in the future by skew.
pub fn age(now_ms: i64, at_ms: i64) -> String {
    match now_ms.saturating_sub(at_ms) {
        ..1_000 => format!("0{THIN}s"),
        ms => duration_ms(ms),
    }
}

/// How long until: `9 min 10 s`, or `None` when it is over.
pub fn remaining(now_ms: i64, until_ms: i64) -> Option<String> {
    (until_ms > now_ms).then(|| age(until_ms, now_ms))
}

/// `one node`, `3 nodes`: the number in full and the word that goes with it.
pub fn plural(number: u64, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", count(number))
    }
}

/// Time of day in UTC, `03:12:07 UTC`.
pub fn time_of_day(at_ms: i64) -> String {
    let c = domain::time::civil(domain::time::Timestamp(at_ms));
    format!("{:02}:{:02}:{:02} UTC", c.hour, c.minute, c.second)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thin spaces are hard to read in a table.
    fn plain(text: String) -> String {
        text.replace(THIN, " ")
    }

    #[test]
    fn percentages() {
        for (ratio, text) in [
            (0.0, "0 %"),
            (0.0001, "< 0.1 %"),
            (0.0005, "0.1 %"),
            (0.042, "4.2 %"),
            (0.0994, "9.9 %"),
            (0.0996, "10 %"),
            (0.71, "71 %"),
            (0.9899, "99 %"),
            (0.9951, "99 %"),
            (0.9994, "99 %"),
            (0.9996, "100 %"),
            (1.0, "100 %"),
            (f64::NAN, "—"),
        ] {
            assert_eq!(plain(percent(ratio)), text, "{ratio}");
        }
    }

    #[test]
    fn sizes() {
        let mib = 1024.0 * 1024.0;
        for (value, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (1023.0, "1.00 KiB"),
            (1024.0, "1.00 KiB"),
            (1536.0 * mib, "1.50 GiB"),
            (512.0 * mib, "512 MiB"),
            (1023.9 * mib, "1.00 GiB"),
            (84.25 * mib, "84.2 MiB"),
            (f64::INFINITY, "—"),
        ] {
            assert_eq!(plain(bytes(value)), text, "{value}");
        }
        assert_eq!(plain(bytes_per_s(1.5 * mib)), "1.50 MiB/s");
    }

    #[test]
    fn rates() {
        for (value, text) in [
            (0.0, "0 bit/s"),
            (10.0, "80 bit/s"),
            (10_525_000.0, "84.2 Mbit/s"),
            (125e6, "1.00 Gbit/s"),
            (124.95, "1.00 kbit/s"),
        ] {
            assert_eq!(plain(bits_per_s(value)), text, "{value}");
        }
        assert_eq!(plain(bits_compact(10_525_000.0)), "84.2 M");
        assert_eq!(plain(bits_compact(10.0)), "80");
        assert_eq!(plain(per_s(1_240.0)), "1.24 k/s");
        assert_eq!(plain(per_s(0.2)), "0.20 /s");
    }

    #[test]
    fn whole_numbers_and_load() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (12_480, "12 480"),
            (1_234_567, "1 234 567"),
        ] {
            assert_eq!(plain(count(value)), text);
        }
        assert_eq!(load(3.2, Some(8)), "3.20 / 8 cores");
        assert_eq!(load(0.1, Some(1)), "0.10 / 1 core");
        assert_eq!(plural(1, "node", "nodes"), "1 node");
        assert_eq!(plural(0, "node", "nodes"), "0 nodes");
    }

    #[test]
    fn spans() {
        for (ms, text) in [
            (-5, "0 ms"),
            (340, "340 ms"),
            (42_900, "42 s"),
            (250_000, "4 min 10 s"),
            (240_000, "4 min"),
            (3_600_000, "1 h"),
            (86_400_000 * 2 + 3_600_000 * 4, "2 d 4 h"),
            (86_400_000 * 41, "41 d"),
        ] {
            assert_eq!(plain(duration_ms(ms)), text, "{ms}");
        }
        assert_eq!(plain(duration_us(850)), "850 µs");
        assert_eq!(plain(duration_us(1_230)), "1.2 ms");
        assert_eq!(plain(duration_us(2_000_000)), "2 s");
    }

    #[test]
    fn ages_count_whole_seconds_and_never_run_backwards() {
        assert_eq!(plain(age(10_000, 5_400)), "4 s");
        assert_eq!(plain(age(10_000, 9_900)), "0 s");
        assert_eq!(plain(age(10_000, 20_000)), "0 s");
        assert_eq!(remaining(10_000, 10_000), None);
        assert_eq!(
            remaining(0, 70_000).map(plain),
            Some("1 min 10 s".to_owned())
        );
        assert_eq!(time_of_day(1_795_317_127_999), "03:12:07 UTC");
    }
}
