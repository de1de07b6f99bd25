//! Latencies as counts in buckets, sixteen to each doubling: 6 % exact, and the same memory for any number of reports.

use std::sync::atomic::{AtomicU64, Ordering};

const PER_DOUBLING: u32 = 16;
const BUCKETS: usize = 64 * PER_DOUBLING as usize;

/// Counts by microseconds.
#[derive(Debug)]
pub(crate) struct Latencies(Vec<AtomicU64>);

/// `16 × floor(log2(us)) + the four bits below the highest`
fn bucket(us: u64) -> usize {
    let us = us.max(PER_DOUBLING.into());
    let doubling = us.ilog2();
    let below = (us >> (doubling - 4)) & 0xf;
    (doubling as usize) * 16 + below as usize
}

/// The middle of a bucket, in microseconds.
fn middle_us(bucket: usize) -> f64 {
    let doubling = (bucket / 16) as i32;
    (1.0 + ((bucket % 16) as f64 + 0.5) / 16.0) * 2f64.powi(doubling)
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn add(&self, us: u64) {
        if let Some(count) = self.0.get(bucket(us)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The value below which `share` of all lie, in ms with two decimals; `None` without any.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        let counts: Vec<u64> = self.0.iter().map(|c| c.load(Ordering::Relaxed)).collect();
        let all: u64 = counts.iter().sum();
        let wanted = ((all as f64) * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some((middle_us(found) / 10.0).round() / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_is_found_again_within_six_percent(us in 16u64..1 << 50) {
            let found = middle_us(bucket(us));
            prop_assert!((found / us as f64 - 1.0).abs() < 0.0626, "{} {}", us, found);
        }
    }

    #[test]
    fn quantiles_of_a_known_distribution() {
        let latencies = Latencies::new();
        assert_eq!(latencies.quantile_ms(0.5), None);
        for ms in 1..=100 {
            latencies.add(ms * 1_000);
        }
        let near = |share: f64, wanted: f64| {
            let found = latencies.quantile_ms(share).unwrap();
            assert!((found / wanted - 1.0).abs() < 0.07, "{found} {wanted}");
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
        latencies.add(0);
        latencies.add(u64::MAX);
    }
}
