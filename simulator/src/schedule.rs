//! When to sample and when to try again: pure arithmetic on milliseconds of the boot clock.

use crate::random::Jitter;

/// Longest wait between two attempts while nobody answers.
const RETRY_MS_MAX: u64 = 2_000;
const RETRY_MS_FIRST: u64 = 100;
const RETRY_MS_MIN: u64 = 20;
/// Longest `Retry-After` that is followed.
const RETRY_AFTER_MS_MAX: u64 = 10 * 60 * 1_000;
/// Shortest interval a server may ask for, unless the fleet's own is shorter.
const INTERVAL_MS_MIN: u64 = 1_000;

/// When agent `index` of `agents` first reports: spread evenly over one interval.
pub(crate) fn phase_ms(index: u64, agents: u64, interval_ms: u64) -> u64 {
    let spread = u128::from(index) * u128::from(interval_ms) / u128::from(agents.max(1));
    u64::try_from(spread).unwrap_or(0) % interval_ms.max(1)
}

/// The next instant after `now_ms` on the grid through `last_due_ms`; instants missed meanwhile are left out.
pub(crate) fn next_due_ms(last_due_ms: u64, now_ms: u64, interval_ms: u64) -> u64 {
    let interval_ms = interval_ms.max(1);
    let passed = now_ms.saturating_sub(last_due_ms) / interval_ms;
    last_due_ms.saturating_add((passed + 1).saturating_mul(interval_ms))
}

/// What the server may ask for: never slower than configured, never faster than a second unless configured so.
pub(crate) fn clamp_interval_ms(asked_ms: u64, configured_ms: u64) -> u64 {
    asked_ms.clamp(INTERVAL_MS_MIN.min(configured_ms), configured_ms)
}

/// How patiently one identity tries.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    jitter: Jitter,
    failures: u32,
    ceiling_ms: u64,
}

impl Pace {
    /// Waits are in proportion to the interval, at most [`RETRY_MS_MAX`].
    pub(crate) fn new(seed: u64, interval_ms: u64) -> Self {
        Self {
            jitter: Jitter::new(seed),
            failures: 0,
            ceiling_ms: interval_ms.clamp(RETRY_MS_FIRST, RETRY_MS_MAX),
        }
    }

    /// It worked.
    pub(crate) fn worked(&mut self) {
        self.failures = 0;
    }

    /// Nobody answered: full jitter below a ceiling that doubles.
    pub(crate) fn retry_ms(&mut self) -> u64 {
        let doubled = RETRY_MS_FIRST.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        RETRY_MS_MIN
            + self
                .jitter
                .below(doubled.min(self.ceiling_ms) - RETRY_MS_MIN)
    }

    /// The session is gone, as is everybody's: spread the hellos.
    pub(crate) fn hello_ms(&mut self) -> u64 {
        self.jitter.below(self.ceiling_ms)
    }

    /// The server asked for patience: that, and up to a quarter more.
    pub(crate) fn patient_ms(&mut self, asked_ms: u64) -> u64 {
        let asked_ms = asked_ms.min(RETRY_AFTER_MS_MAX);
        asked_ms + self.jitter.below(asked_ms / 4 + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_next_sample_is_on_the_grid_and_within_one_interval(
            due in 0u64..1 << 40, late in 0u64..1 << 20, interval in 1u64..1 << 20,
        ) {
            let now = due + late;
            let next = next_due_ms(due, now, interval);
            prop_assert_eq!((next - due) % interval, 0);
            prop_assert!(next > now && next <= now + interval);
        }

        #[test]
        fn a_fleet_is_spread_evenly_over_one_interval(agents in 1u64..5_000, interval in 1_000u64..60_000) {
            let mut in_tenth = [0u64; 10];
            for index in 0..agents {
                let phase = phase_ms(index, agents, interval);
                prop_assert!(phase < interval);
                in_tenth[usize::try_from(phase * 10 / interval).unwrap()] += 1;
            }
            let (least, most) = (in_tenth.iter().min().unwrap(), in_tenth.iter().max().unwrap());
            prop_assert!(most - least <= 2 + agents / 100, "{:?}", in_tenth);
        }

        #[test]
        fn waits_stay_within_their_bounds(seed: u64, interval in 1u64..100_000, asked in 0u64..1 << 40) {
            let mut pace = Pace::new(seed, interval);
            let ceiling = interval.clamp(100, 2_000);
            for attempt in 0..40 {
                let wait = pace.retry_ms();
                prop_assert!((20..=ceiling).contains(&wait));
                prop_assert!(attempt >= 5 || wait <= 100 << attempt);
                prop_assert!(pace.hello_ms() < ceiling);
            }
            let patient = pace.patient_ms(asked);
            let wanted = asked.min(600_000);
            prop_assert!(patient >= wanted && patient <= wanted + wanted / 4);
        }

        #[test]
        fn the_server_may_hurry_a_fleet_and_not_slow_it_down(asked: u64, configured in 1u64..100_000) {
            let interval = clamp_interval_ms(asked, configured);
            prop_assert!(interval <= configured && interval >= configured.min(1_000));
        }
    }
}
