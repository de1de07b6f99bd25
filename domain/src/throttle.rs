//! How often something may be tried: token buckets by key, bounded in number.
//!
//! Called by the server before it hashes a password, so that guessing costs the guesser and not the processor.

use std::collections::BTreeMap;

use crate::time::Monotonic;

/// How many tries at once, and how soon another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Tries at once.
    pub burst: u32,
    /// Milliseconds until one more.
    pub refill_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Milliseconds of credit: `burst × refill_ms` when full, `refill_ms` a try.
    credit_ms: u64,
    at: Monotonic,
}

/// Buckets by key.
#[derive(Debug)]
pub struct Throttle {
    limit: Limit,
    keys_max: usize,
    buckets: BTreeMap<String, Bucket>,
}

impl Throttle {
    /// No key has tried anything yet; at most `keys_max` are remembered.
    pub fn new(limit: Limit, keys_max: usize) -> Self {
        Self {
            limit,
            keys_max,
            buckets: BTreeMap::new(),
        }
    }

    fn full_ms(&self) -> u64 {
        u64::from(self.limit.burst) * self.limit.refill_ms
    }

    fn credit_ms(&self, key: &str, now: Monotonic) -> u64 {
        self.buckets.get(key).map_or(self.full_ms(), |bucket| {
            bucket
                .credit_ms
                .saturating_add(now.since_ms(bucket.at))
                .min(self.full_ms())
        })
    }

    /// Milliseconds until `key` may try; 0 when it may now.
    pub fn wait_ms(&self, key: &str, now: Monotonic) -> u64 {
        self.limit
            .refill_ms
            .saturating_sub(self.credit_ms(key, now))
    }

    /// Takes one try from `key`.
    ///
    /// # Errors
    /// Milliseconds until it may try again.
    pub fn take(&mut self, key: &str, now: Monotonic) -> Result<(), u64> {
        let credit_ms = self.credit_ms(key, now);
        if credit_ms < self.limit.refill_ms {
            return Err(self.limit.refill_ms - credit_ms);
        }
        self.make_room(now);
        self.buckets.insert(
            key.to_owned(),
            Bucket {
                credit_ms: credit_ms - self.limit.refill_ms,
                at: now,
            },
        );
        Ok(())
    }

    /// Forgets what `key` has tried: it succeeded.
    pub fn clear(&mut self, key: &str) {
        self.buckets.remove(key);
    }

    /// Forgets full buckets first, then, if somebody makes up keys faster than they fill, the fullest.
    fn make_room(&mut self, now: Monotonic) {
        if self.buckets.len() < self.keys_max {
            return;
        }
        let full_ms = self.full_ms();
        self.buckets
            .retain(|_, bucket| bucket.credit_ms.saturating_add(now.since_ms(bucket.at)) < full_ms);
        if self.buckets.len() >= self.keys_max {
            let fullest = self
                .buckets
                .iter()
                .max_by_key(|(_, bucket)| bucket.credit_ms + now.since_ms(bucket.at));
            if let Some(key) = fullest.map(|(key, _)| key.clone()) {
                self.buckets.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit {
        burst: 3,
        refill_ms: 1_000,
    };

    #[test]
    fn a_burst_then_one_a_refill_and_others_are_not_affected() {
        let mut throttle = Throttle::new(LIMIT, 10);
        let now = Monotonic(0);
        for _ in 0..3 {
            assert_eq!(throttle.take("a", now), Ok(()));
        }
        assert_eq!(throttle.take("a", now), Err(1_000));
        assert_eq!(throttle.take("b", now), Ok(()));
        assert_eq!(throttle.take("a", Monotonic(400)), Err(600));
        assert_eq!(throttle.wait_ms("a", Monotonic(400)), 600);
        assert_eq!(throttle.take("a", Monotonic(1_000)), Ok(()));
        throttle.clear("a");
        assert_eq!(throttle.wait_ms("a", Monotonic(1_000)), 0);
    }

    #[test]
    fn ten_thousand_tries_in_a_minute_are_few_hashes() {
        let mut throttle = Throttle::new(
            Limit {
                burst: 10,
                refill_ms: 6_000,
            },
            100,
        );
        let passed = (0..10_000)
            .filter(|i| throttle.take("guesser", Monotonic(i * 6)).is_ok())
            .count();
        assert!(passed <= 20, "{passed}");
    }

    #[test]
    fn made_up_keys_do_not_fill_memory_or_free_an_exhausted_one() {
        let mut throttle = Throttle::new(LIMIT, 50);
        for _ in 0..3 {
            assert_eq!(throttle.take("victim", Monotonic(0)), Ok(()));
        }
        for i in 0..1_000 {
            assert_eq!(throttle.take(&format!("made up {i}"), Monotonic(0)), Ok(()));
        }
        assert!(throttle.buckets.len() <= 50);
        assert!(throttle.take("victim", Monotonic(0)).is_err());
    }
}
