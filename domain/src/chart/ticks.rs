//! Round numbers for axes.

/// Ascending round ticks (1, 2, 2.5, 5 × 10ⁿ) that cover `0..=max`, about `wanted` of them.
///
/// `step = nice(max / wanted)`; the last tick is the first multiple of the step that is not below `max`. Example:
/// `max = 0.73, wanted = 4` gives 0, 0.2, 0.4, 0.6, 0.8. A `max` that is no positive number counts as 1.
pub fn nice_ticks(max: f64, wanted: u32) -> Vec<f64> {
    nice_ticks_in(max, wanted, 10.0, &[1.0, 2.0, 2.5, 5.0, 10.0])
}

/// As [`nice_ticks`], in powers of 1024 and halves of them, for bytes.
pub fn nice_byte_ticks(max: f64, wanted: u32) -> Vec<f64> {
    nice_ticks_in(
        max,
        wanted,
        1024.0,
        &[
            1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
        ],
    )
}

fn nice_ticks_in(max: f64, wanted: u32, base: f64, multiples: &[f64]) -> Vec<f64> {
    let max = if max.is_finite() && max > 0.0 {
        max
    } else {
        1.0
    };
    let rough = max / f64::from(wanted.clamp(1, 20));
    let magnitude = base.powf(rough.log(base).floor());
    let factor = multiples
        .iter()
        .copied()
        .find(|m| m * magnitude >= rough * (1.0 - 1e-9))
        .unwrap_or(base);
    let step = magnitude * factor;
    let count = (max / step - 1e-9).ceil().clamp(1.0, 40.0) as u32;
    (0..=count).map(|i| f64::from(i) * step).collect()
}

/// Spans between time ticks that read well, in seconds.
const TIME_STEPS_S: [i64; 22] = [
    1, 5, 10, 15, 30, 60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
];

/// Instants of time ticks in `from_ms..to_ms`, at most `most` of them, aligned to UTC.
pub fn time_ticks(from_ms: i64, to_ms: i64, most: u32) -> Vec<i64> {
    let range_s = (to_ms.saturating_sub(from_ms) / 1000).max(1);
    let most = i64::from(most.max(1));
    let step_s = TIME_STEPS_S
        .into_iter()
        .find(|step| range_s / step <= most)
        .unwrap_or(31_536_000);
    let step_ms = step_s * 1000;
    let first =
        (from_ms.div_euclid(step_ms) + i64::from(from_ms.rem_euclid(step_ms) != 0)) * step_ms;
    (0..=most + 1)
        .map(|i| first.saturating_add(i * step_ms))
        .take_while(|t| *t < to_ms)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_cover_the_greatest_value() {
        assert_eq!(nice_ticks(4.0, 4), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(nice_ticks(97.0, 4), [0.0, 25.0, 50.0, 75.0, 100.0]);
        for max in [0.0, -5.0, f64::NAN, 1e-9, 0.731, 12_480.0, 1e18] {
            let ticks = nice_ticks(max, 4);
            assert!(ticks.len() >= 2 && ticks.len() <= 7, "{max}: {ticks:?}");
            assert!(
                max.is_nan() || *ticks.last().unwrap() >= max * 0.999,
                "{max}: {ticks:?}"
            );
        }
    }

    #[test]
    fn byte_ticks_are_powers_of_two() {
        let gib = 1024f64.powi(3);
        assert_eq!(
            nice_byte_ticks(3.0 * gib, 4),
            [0.0, gib, 2.0 * gib, 3.0 * gib]
        );
    }

    #[test]
    fn time_ticks_stand_on_whole_minutes_inside_the_range() {
        let from = 1_795_317_127_000;
        let ticks = time_ticks(from, from + 3_600_000, 6);
        assert_eq!(ticks.len(), 6);
        assert!(ticks.iter().all(|t| t % 600_000 == 0 && *t >= from));
        assert!(time_ticks(0, 0, 6).len() <= 1);
        assert!(time_ticks(0, 100 * 366 * 86_400_000, 6).len() <= 8);
    }
}
