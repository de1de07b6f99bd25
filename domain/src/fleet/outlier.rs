//! What many nodes have in common, and who differs: median, least and greatest, and outliers.
//!
//! Called by the server for cluster charts. An outlier lies beyond `median ± 3 × MAD`, where MAD is the median of the
//! distances from the median: a few extreme nodes move neither. Invariants: nothing is said about values that are not
//! numbers or not there; at most [`OUTLIERS_MAX`] are named; order of the input decides nothing but ties.

/// Distances from the median, in MADs, from which a node differs.
pub const MADS: f64 = 3.0;
/// Outliers that are named.
pub const OUTLIERS_MAX: usize = 3;
/// With fewer values than this, who differs from whom is a matter of opinion.
const VALUES_MIN: usize = 4;

/// Values of many nodes at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// Least.
    pub least: f64,
    /// The one in the middle, or the mean of the two there.
    pub median: f64,
    /// Greatest.
    pub greatest: f64,
    /// How many there were.
    pub count: usize,
}

/// Sums up values; `None` when there are none.
pub fn band(values: impl IntoIterator<Item = f64>) -> Option<Band> {
    let sorted = sorted(values);
    Some(Band {
        least: *sorted.first()?,
        median: middle(&sorted)?,
        greatest: *sorted.last()?,
        count: sorted.len(),
    })
}

/// Median of values; `None` when there are none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    middle(&sorted(values))
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn middle(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    // Not (a + b) / 2, which overflows.
    Some(lower + (upper - lower) / 2.0)
}

/// Places of the values that differ from the others, the farthest first, at most [`OUTLIERS_MAX`].
///
/// `least_distance` is what nobody would call a difference, such as 0.05 of a ratio: where more than half of the nodes have
/// one and the same value, MAD is 0 and every breath would be an outlier.
///
/// `[1, 2, 3, 4, 100]`: median 3, distances 2 1 0 1 97, MAD 1, so beyond 0..6 is 100.
pub fn outliers(values: &[Option<f64>], least_distance: f64) -> Vec<usize> {
    let known: Vec<(usize, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(place, value)| Some((place, (*value).filter(|v| v.is_finite())?)))
        .collect();
    if known.len() < VALUES_MIN {
        return Vec::new();
    }
    let Some(center) = median(known.iter().map(|(_, value)| *value)) else {
        return Vec::new();
    };
    let distance = |value: f64| (value - center).abs();
    let Some(mad) = median(known.iter().map(|(_, value)| distance(*value))) else {
        return Vec::new();
    };
    let limit = (MADS * mad).max(least_distance);
    let mut beyond: Vec<(usize, f64)> = known
        .into_iter()
        .map(|(place, value)| (place, distance(value)))
        .filter(|(_, distance)| *distance > limit)
        .collect();
    beyond.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    beyond.truncate(OUTLIERS_MAX);
    beyond.into_iter().map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn the_middle_of_many() {
        assert_eq!(band([]), None);
        assert_eq!(band([f64::NAN, f64::INFINITY]), None);
        for (values, least, middle, greatest) in [
            (vec![2.0], 2.0, 2.0, 2.0),
            (vec![3.0, 1.0], 1.0, 2.0, 3.0),
            (vec![9.0, 1.0, 2.0], 1.0, 2.0, 9.0),
            (vec![0.0, f64::NAN, 4.0], 0.0, 2.0, 4.0),
            (vec![f64::MAX, f64::MAX], f64::MAX, f64::MAX, f64::MAX),
        ] {
            let told = band(values.clone()).map(|b| (b.least, b.median, b.greatest));
            assert_eq!(told, Some((least, middle, greatest)), "{values:?}");
        }
    }

    #[test]
    fn who_differs() {
        for (name, values, least_distance, expected) in [
            ("one of five", vec![1.0, 2.0, 3.0, 4.0, 100.0], 0.0, vec![4]),
            (
                "at the limit is within",
                vec![1.0, 2.0, 3.0, 4.0, 6.0],
                0.0,
                vec![],
            ),
            ("three are too few", vec![1.0, 1.0, 100.0], 0.0, vec![]),
            ("below too", vec![50.0, 51.0, 52.0, 53.0, 1.0], 0.0, vec![4]),
            (
                "the farthest three",
                vec![5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 20.0, 40.0, 30.0, 10.0],
                0.0,
                vec![8, 9, 7],
            ),
            (
                "equal values and a breath",
                vec![0.10, 0.10, 0.10, 0.10, 0.12],
                0.05,
                vec![],
            ),
            (
                "equal values and more than a breath",
                vec![0.10, 0.10, 0.10, 0.10, 0.90],
                0.05,
                vec![4],
            ),
        ] {
            assert_eq!(
                outliers(&known(&values), least_distance),
                expected,
                "{name}"
            );
        }
        let mut values = known(&[1.0, 2.0, 3.0, 4.0, 100.0]);
        values.insert(0, None);
        values.insert(3, Some(f64::NAN));
        assert_eq!(outliers(&values, 0.0), [6], "what is not known is nobody");
    }

    proptest! {
        #[test]
        fn outliers_are_few_far_and_real(values in proptest::collection::vec(proptest::option::of(-1e6f64..1e6), 0..60), least_distance in 0f64..100.0) {
            let found = outliers(&values, least_distance);
            prop_assert!(found.len() <= OUTLIERS_MAX);
            prop_assert!(found.len() * 2 <= values.iter().flatten().count(), "not most of them differ");
            let center = median(values.iter().flatten().copied());
            let distances: Vec<f64> = found.iter().map(|place| (values[*place].expect("known") - center.expect("known")).abs()).collect();
            prop_assert!(distances.iter().all(|distance| *distance > least_distance));
            prop_assert!(distances.is_sorted_by(|a, b| a >= b));
        }

        #[test]
        fn a_band_holds_every_value(values in proptest::collection::vec(-1e9f64..1e9, 1..60)) {
            let band = band(values.iter().copied()).expect("there are values");
            prop_assert!(band.least <= band.median && band.median <= band.greatest);
            prop_assert!(values.iter().all(|value| (band.least..=band.greatest).contains(value)));
            let below = values.iter().filter(|value| **value < band.median).count();
            let above = values.iter().filter(|value| **value > band.median).count();
            prop_assert!(below * 2 <= values.len() && above * 2 <= values.len());
        }
    }
}
