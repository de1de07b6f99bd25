//! How long a commit waits for other reports to share it: a commit costs as much as ten reports, and a disk its `fsync`.

use crate::time::Monotonic;

/// Reports are counted over this long.
const OVER_MS: u64 = 100;
/// Fewer than this in that time, and nothing waits: an agent that is alone is answered at once.
const BUSY_FROM: u64 = 5;
/// So many share a commit on average, where that takes no longer than [`WAIT_MAX_MS`].
const SHARED: u64 = 4;
/// Within this, as many share a commit as come: more would not make it cheaper, but answers later.
const WAIT_MIN_MS: u64 = 4;
/// Nobody waits for the answer to a report, but what it tells is seen after the commit.
const WAIT_MAX_MS: u64 = 40;

/// How fast reports come.
#[derive(Debug, Default)]
pub struct Pace {
    began: Option<Monotonic>,
    came: u64,
    wait_ms: u64,
}

impl Pace {
    /// So many came, no matter whether they waited or were waited for.
    pub fn came(&mut self, count: usize) {
        self.came += count as u64;
    }

    /// How many milliseconds the next commit should wait for more; 0 where few come.
    pub fn wait_ms(&mut self, now: Monotonic) -> u64 {
        let began = *self.began.get_or_insert(now);
        let lasted_ms = now.since_ms(began);
        if lasted_ms >= OVER_MS {
            // As many as this in a longer time are fewer a second.
            let is_busy = lasted_ms < 2 * OVER_MS && self.came >= BUSY_FROM;
            self.wait_ms = match is_busy {
                true => (SHARED * lasted_ms / self.came).clamp(WAIT_MIN_MS, WAIT_MAX_MS),
                false => 0,
            };
            (self.began, self.came) = (Some(now), 0);
        }
        self.wait_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the writer does: what comes while a commit waits shares it.
    fn steady(every_ms: u64, count: usize) -> u64 {
        let mut pace = Pace::default();
        let (mut free_at, mut told, mut waiting) = (0, 0, 0);
        for now in (0..2_000).map(|n| n * every_ms) {
            waiting += count;
            if now >= free_at {
                pace.came(std::mem::take(&mut waiting));
                told = pace.wait_ms(Monotonic(7 + now));
                free_at = now + told;
            }
        }
        told
    }

    #[test]
    fn commits_wait_where_many_report_and_the_less_the_more_do() {
        for (every_ms, count, told, what) in [
            (1, 1, 4..=4, "a thousand a second"),
            (1, 100, 4..=4, "more than can be written"),
            (5, 1, 18..=22, "two hundred a second"),
            (10, 1, 35..=40, "a hundred a second"),
            (40, 10, 12..=20, "two hundred and fifty, in bunches"),
            (50, 1, 0..=0, "twenty a second"),
            (1_000, 60, 0..=0, "many at once, and seldom"),
        ] {
            let wait_ms = steady(every_ms, count);
            assert!(told.contains(&wait_ms), "{what}: {wait_ms}");
        }
    }

    #[test]
    fn when_reports_become_few_the_next_is_answered_at_once() {
        let mut pace = Pace::default();
        for n in 0..100 {
            pace.came(1);
            pace.wait_ms(Monotonic(n * 10));
        }
        assert!(pace.wait_ms > 0);
        pace.came(1);
        assert_eq!(pace.wait_ms(Monotonic(10_000)), 0);
    }
}
