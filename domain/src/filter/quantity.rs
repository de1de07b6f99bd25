//! Numbers with units, as people write them: `80%`, `10GiB`, `5m`.

use std::fmt;

use crate::metric::Unit;

/// Longest number, as written and as written back.
const NUMBER_CHARS_MAX: usize = 20;

/// A number as it was written, and how many of the metric's own units one of its unit is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    /// As written.
    pub number: f64,
    /// As written in our own spelling; empty for the unit that goes without saying.
    pub unit: &'static str,
    scale: Scale,
}

/// `number × times / over`: two whole numbers, so that 80 % is exactly 0.8.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    times: f64,
    over: f64,
}

/// Spelling, times, over. The first goes without saying.
type Units = &'static [(&'static str, f64, f64)];

const RATIO: Units = &[("%", 1.0, 100.0)];
const BYTES: Units = &[
    ("B", 1.0, 1.0),
    ("kB", 1e3, 1.0),
    ("MB", 1e6, 1.0),
    ("GB", 1e9, 1.0),
    ("TB", 1e12, 1.0),
    ("KiB", 1_024.0, 1.0),
    ("MiB", 1_048_576.0, 1.0),
    ("GiB", 1_073_741_824.0, 1.0),
    ("TiB", 1_099_511_627_776.0, 1.0),
];
const BYTES_PER_SECOND: Units = &[
    ("B/s", 1.0, 1.0),
    ("kB/s", 1e3, 1.0),
    ("MB/s", 1e6, 1.0),
    ("GB/s", 1e9, 1.0),
    ("KiB/s", 1_024.0, 1.0),
    ("MiB/s", 1_048_576.0, 1.0),
    ("GiB/s", 1_073_741_824.0, 1.0),
    ("bit/s", 1.0, 8.0),
    ("kbit/s", 1e3, 8.0),
    ("Mbit/s", 1e6, 8.0),
    ("Gbit/s", 1e9, 8.0),
];
const SECONDS: Units = &[
    ("s", 1.0, 1.0),
    ("ms", 1.0, 1_000.0),
    ("m", 60.0, 1.0),
    ("h", 3_600.0, 1.0),
    ("d", 86_400.0, 1.0),
];
const MILLISECONDS: Units = &[
    ("ms", 1.0, 1.0),
    ("s", 1_000.0, 1.0),
    ("m", 60_000.0, 1.0),
    ("h", 3_600_000.0, 1.0),
];
const PER_SECOND: Units = &[("/s", 1.0, 1.0)];
const CELSIUS: Units = &[("°C", 1.0, 1.0)];

fn units(unit: Unit) -> Units {
    match unit {
        Unit::Ratio => RATIO,
        Unit::Bytes => BYTES,
        Unit::BytesPerSecond => BYTES_PER_SECOND,
        Unit::PerSecond => PER_SECOND,
        Unit::Seconds => SECONDS,
        Unit::Milliseconds => MILLISECONDS,
        Unit::Count => &[],
        Unit::Celsius => CELSIUS,
    }
}

impl Quantity {
    /// Reads a number with a unit that fits what is measured.
    ///
    /// # Errors
    /// What is wrong and the way out.
    pub fn parse(text: &str, measured_in: Unit) -> Result<Self, String> {
        let digits_end = text
            .char_indices()
            .find(|(place, c)| !(c.is_ascii_digit() || *c == '.' || (*place == 0 && *c == '-')))
            .map_or(text.len(), |(place, _)| place);
        let (digits, unit) = text.split_at(digits_end);
        let known = units(measured_in);
        let number: f64 = (digits.len() <= NUMBER_CHARS_MAX
            && digits.contains(|c: char| c.is_ascii_digit()))
        .then(|| digits.parse::<f64>().ok())
        .flatten()
        // Written out it must read back: what is so large or so small is no limit anybody means.
        .filter(|number| number.to_string().len() <= NUMBER_CHARS_MAX)
        .ok_or_else(|| format!("is no number; {}", example(known)))?;
        if unit.is_empty() {
            let (times, over) = known
                .first()
                .map_or((1.0, 1.0), |(_, times, over)| (*times, *over));
            return Ok(Self {
                number,
                unit: "",
                scale: Scale { times, over },
            });
        }
        // `Mb` may be bits or bytes: where both are possible the case counts.
        let is_case_free = measured_in != Unit::BytesPerSecond;
        let is_it = |name: &str| name == unit || (is_case_free && name.eq_ignore_ascii_case(unit));
        known
            .iter()
            .find(|(name, ..)| {
                is_it(name)
                    || name
                        .strip_suffix("/s")
                        .is_some_and(|short| !short.is_empty() && is_it(short))
                    || name.strip_prefix('°').is_some_and(is_it)
            })
            .map(|(name, times, over)| Self {
                number,
                unit: name,
                scale: Scale {
                    times: *times,
                    over: *over,
                },
            })
            .ok_or_else(|| format!("has a unit that does not fit; {}", example(known)))
    }

    /// In the unit of what is measured: 80 % is 0.8.
    pub fn value(&self) -> f64 {
        self.number * self.scale.times / self.scale.over
    }
}

fn example(known: Units) -> String {
    if known.is_empty() {
        return "write a plain number, such as 4".to_owned();
    }
    let names: Vec<&str> = known.iter().map(|(name, ..)| *name).collect();
    format!("write a number with {}", names.join(", "))
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.number, self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_what_they_say() {
        for (text, measured_in, value, written) in [
            ("80", Unit::Ratio, 0.8, "80"),
            ("80%", Unit::Ratio, 0.8, "80%"),
            ("0.5%", Unit::Ratio, 0.005, "0.5%"),
            ("10GiB", Unit::Bytes, 10_737_418_240.0, "10GiB"),
            ("10gib", Unit::Bytes, 10_737_418_240.0, "10GiB"),
            ("10GB", Unit::Bytes, 1e10, "10GB"),
            ("1.5MiB", Unit::Bytes, 1_572_864.0, "1.5MiB"),
            ("512", Unit::Bytes, 512.0, "512"),
            ("8Mbit/s", Unit::BytesPerSecond, 1e6, "8Mbit/s"),
            ("8Mbit", Unit::BytesPerSecond, 1e6, "8Mbit/s"),
            ("1MB/s", Unit::BytesPerSecond, 1e6, "1MB/s"),
            ("5m", Unit::Seconds, 300.0, "5m"),
            ("5", Unit::Seconds, 5.0, "5"),
            ("250ms", Unit::Seconds, 0.25, "250ms"),
            ("2s", Unit::Milliseconds, 2_000.0, "2s"),
            ("-40", Unit::Milliseconds, -40.0, "-40"),
            ("60C", Unit::Celsius, 60.0, "60°C"),
            ("4", Unit::Count, 4.0, "4"),
            ("4/s", Unit::PerSecond, 4.0, "4/s"),
        ] {
            let read = Quantity::parse(text, measured_in).unwrap();
            assert_eq!(read.value(), value, "{text}");
            assert_eq!(read.to_string(), written);
            assert_eq!(Quantity::parse(written, measured_in), Ok(read), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_told_what_would_be() {
        for (text, measured_in, problem) in [
            ("", Unit::Ratio, "is no number; write a number with %"),
            (
                "much",
                Unit::Count,
                "is no number; write a plain number, such as 4",
            ),
            (
                "-",
                Unit::Count,
                "is no number; write a plain number, such as 4",
            ),
            ("1.2.3", Unit::Ratio, "is no number; write a number with %"),
            (
                "80GiB",
                Unit::Ratio,
                "has a unit that does not fit; write a number with %",
            ),
            ("8Mb/s", Unit::BytesPerSecond, "has a unit"),
            ("1e9", Unit::Count, "has a unit"),
            ("111111111111111111111", Unit::Count, "is no number"),
        ] {
            let told = Quantity::parse(text, measured_in).unwrap_err();
            assert!(told.starts_with(problem), "{text}: {told}");
        }
    }
}
