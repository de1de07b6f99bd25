//! When to sample and when to try again: pure arithmetic on the boot clock.

/// Shortest interval a server may ask for.
pub const INTERVAL_MS_MIN: u64 = 1_000;
/// Longest wait between two attempts to reach the server.
pub const RETRY_MS_MAX: u64 = 30_000;
const RETRY_MS_FIRST: u64 = 1_000;
const RETRY_MS_MIN: u64 = 200;
/// Wait after the server said that an administrator must act.
pub const REFUSED_RETRY_MS: u64 = 5 * 60 * 1_000;
/// Longest `Retry-After` that is followed.
pub const RETRY_AFTER_MS_MAX: u64 = 10 * 60 * 1_000;

/// Where in the interval this host reports, so that a fleet spreads evenly: the first 8 bytes of the id's digest.
pub fn phase_seed(host_id: &str) -> u64 {
    u64::from_be_bytes(protocol::keys::short_digest(host_id.as_bytes()))
}

/// The next instant on the grid `t ≡ seed (mod interval)` that is at least half an interval away.
///
/// Half, so that the first report (sent at once) and a late one are not followed by another at their heels, whose rates
/// would be counted over a few milliseconds. Example: interval 10 s, grid at …3 s; after 12 s comes 23 s, after 9 s
/// comes 23 s too (13 s is only 4 s away).
pub fn next_sample_ms(now_ms: u64, interval_ms: u64, seed: u64) -> u64 {
    let interval_ms = interval_ms.max(1);
    let phase = seed % interval_ms;
    let earliest = now_ms.saturating_add(interval_ms / 2).max(1);
    let into = (earliest % interval_ms + interval_ms - phase) % interval_ms;
    earliest.saturating_add((interval_ms - into) % interval_ms)
}

/// What the server may ask for: never slower than configured, never faster than a second.
pub fn clamp_interval_ms(asked_ms: u64, configured_ms: u64) -> u64 {
    asked_ms.clamp(INTERVAL_MS_MIN.min(configured_ms), configured_ms)
}

/// Attempts to reach the server: full jitter, doubling from 1 s to 30 s.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How often in a row it did not.
    pub fn failures(self) -> u32 {
        self.failures
    }

    /// It did not: how long to wait, given a random number.
    pub fn next_ms(&mut self, random: u64) -> u64 {
        let doubled = RETRY_MS_FIRST.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        let ceiling = doubled.min(RETRY_MS_MAX);
        RETRY_MS_MIN + random % (ceiling - RETRY_MS_MIN + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_next_sample_is_on_the_grid_and_half_to_one_and_a_half_intervals_away(
            now in 0u64..1 << 50, interval in 1_000u64..3_600_000, seed: u64,
        ) {
            let next = next_sample_ms(now, interval, seed);
            prop_assert_eq!(next % interval, seed % interval);
            prop_assert!(next >= now + interval / 2 && next <= now + interval / 2 + interval);
        }

        #[test]
        fn retries_wait_within_their_ceiling(randoms in prop::collection::vec(any::<u64>(), 1..40)) {
            let mut backoff = Backoff::default();
            for (at, random) in randoms.into_iter().enumerate() {
                let wait = backoff.next_ms(random);
                prop_assert!((RETRY_MS_MIN..=RETRY_MS_MAX).contains(&wait));
                prop_assert!(at >= 5 || wait <= 1_000 << at);
            }
        }
    }

    #[test]
    fn a_late_sample_keeps_the_grid() {
        assert_eq!(next_sample_ms(12_000, 10_000, 3_000), 23_000);
        assert_eq!(next_sample_ms(9_000, 10_000, 3_000), 23_000);
        assert_eq!(next_sample_ms(13_000, 10_000, 3_000), 23_000);
        assert_eq!(next_sample_ms(13_400, 10_000, 3_000), 23_000);
    }

    #[test]
    fn the_server_can_hurry_but_not_slow_down() {
        assert_eq!(clamp_interval_ms(1_000, 10_000), 1_000);
        assert_eq!(clamp_interval_ms(1, 10_000), 1_000);
        assert_eq!(clamp_interval_ms(u64::MAX, 10_000), 10_000);
        assert_eq!(clamp_interval_ms(0, 1_000), 1_000);
    }
}
