//! Rates from counters: only between two readings of the same counter, never from a reset.

use std::collections::BTreeMap;

/// What was read of one instance at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading<const N: usize> {
    at_ns: u64,
    values: [u64; N],
}

/// The last reading of each instance.
#[derive(Debug, Default)]
pub struct Counters<const N: usize> {
    last: BTreeMap<String, Reading<N>>,
}

/// What was counted between two readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delta<const N: usize> {
    /// Seconds between them.
    pub seconds: f64,
    /// Counted; `None` where the counter went backwards (reset, or wrapped around).
    pub values: [Option<u64>; N],
}

impl<const N: usize> Delta<N> {
    /// Per second.
    pub fn rate(&self, at: usize) -> Option<f64> {
        let counted = self.values.get(at).copied().flatten()?;
        Some(counted as f64 / self.seconds)
    }
}

impl<const N: usize> Counters<N> {
    /// None read yet.
    pub fn new() -> Self {
        Self {
            last: BTreeMap::new(),
        }
    }

    /// Remembers a reading; gives what was counted since the one before.
    pub fn step(&mut self, instance: &str, at_ns: u64, values: [u64; N]) -> Option<Delta<N>> {
        let reading = Reading { at_ns, values };
        let Some(last) = self.last.get_mut(instance) else {
            self.last.insert(instance.to_owned(), reading);
            return None;
        };
        if last.at_ns == at_ns {
            // Another instance whose name became the same when it was cleaned: the first one counts.
            return None;
        }
        let before = std::mem::replace(last, reading);
        delta(&before.values, before.at_ns, &values, at_ns)
    }

    /// Forgets instances that were not read in this round, so that a device that comes back begins anew.
    pub fn forget_before(&mut self, at_ns: u64) {
        self.last.retain(|_, reading| reading.at_ns >= at_ns);
    }
}

/// What was counted between two readings.
pub fn delta<const N: usize>(
    before: &[u64; N],
    before_ns: u64,
    now: &[u64; N],
    now_ns: u64,
) -> Option<Delta<N>> {
    let span_ns = now_ns.checked_sub(before_ns).filter(|ns| *ns > 0)?;
    let mut values = [None; N];
    for ((value, now), before) in values.iter_mut().zip(now).zip(before) {
        *value = now.checked_sub(*before);
    }
    Some(Delta {
        seconds: span_ns as f64 / 1e9,
        values,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_reading_and_a_reset_give_no_rate() {
        let mut counters = Counters::new();
        assert_eq!(counters.step("a", 1_000_000_000, [10, 10]), None);
        let delta = counters.step("a", 3_000_000_000, [30, 5]).unwrap();
        assert_eq!(
            (delta.rate(0), delta.rate(1), delta.rate(2)),
            (Some(10.0), None, None)
        );
        assert_eq!(
            counters.step("a", 3_000_000_000, [30, 5]),
            None,
            "no time went by"
        );
        counters.step("b", 4_000_000_000, [1, 1]);
        counters.forget_before(4_000_000_000);
        assert_eq!(
            counters.step("a", 5_000_000_000, [31, 6]),
            None,
            "it was gone meanwhile"
        );
    }

    proptest! {
        #[test]
        fn rates_are_never_negative(readings in prop::collection::vec((any::<u64>(), any::<u64>()), 0..40)) {
            let mut counters = Counters::<1>::new();
            for (at_ns, value) in readings {
                if let Some(rate) = counters.step("x", at_ns, [value]).and_then(|delta| delta.rate(0)) {
                    prop_assert!(rate >= 0.0 && rate.is_finite());
                }
            }
        }
    }
}
