//! A host's processor use of the last half hour, a mean a minute, in memory: the small lines in lists are made from this,
//! so that a page of 500 rows costs no read.
//!
//! It begins empty when the server starts: what charts show is stored, this is a glance.

use std::collections::VecDeque;

/// Minutes kept.
pub const MINUTES: usize = 30;
const MINUTE_MS: i64 = 60_000;

#[derive(Debug, Clone, Copy)]
struct Minute {
    number: i64,
    sum: f64,
    count: u32,
}

/// The last minutes of one host.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    minutes: VecDeque<Minute>,
}

impl Recent {
    /// A report of this instant told this share.
    pub fn note(&mut self, at_ms: i64, ratio: f64) {
        let number = at_ms.div_euclid(MINUTE_MS);
        match self.minutes.back_mut() {
            Some(last) if last.number == number => {
                last.sum += ratio;
                last.count += 1;
            }
            // The wall clock was set back: what is later than now did not happen.
            Some(last) if last.number > number => {
                self.minutes.retain(|minute| minute.number < number);
                self.begin(number, ratio);
            }
            _ => self.begin(number, ratio),
        }
    }

    fn begin(&mut self, number: i64, ratio: f64) {
        if self.minutes.len() == MINUTES {
            self.minutes.pop_front();
        }
        self.minutes.push_back(Minute {
            number,
            sum: ratio,
            count: 1,
        });
    }

    /// Percent a minute, oldest first, up to the minute of `now_ms`; `None` where nothing is known.
    pub fn percents(&self, now_ms: i64) -> Option<Vec<Option<u8>>> {
        let last = now_ms.div_euclid(MINUTE_MS);
        let first = last - (MINUTES as i64 - 1);
        let mut percents = vec![None; MINUTES];
        for minute in &self.minutes {
            let place = usize::try_from(minute.number - first).ok();
            if let Some(slot) = place.and_then(|place| percents.get_mut(place)) {
                let mean = minute.sum / f64::from(minute.count);
                *slot = Some((mean.clamp(0.0, 1.0) * 100.0).round() as u8);
            }
        }
        percents.iter().any(Option::is_some).then_some(percents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000 * MINUTE_MS + 30_000;

    #[test]
    fn a_minute_has_its_mean_and_silence_is_a_hole() {
        let mut recent = Recent::default();
        assert_eq!(recent.percents(NOW), None);
        recent.note(NOW - 2 * MINUTE_MS, 0.5);
        recent.note(NOW, 0.1);
        recent.note(NOW + 1_000, 0.3);
        let percents = recent.percents(NOW).unwrap();
        assert_eq!(percents.len(), MINUTES);
        assert_eq!(percents[27..], [Some(50), None, Some(20)]);
        assert_eq!(recent.percents(NOW + 60 * MINUTE_MS), None);
    }

    #[test]
    fn it_is_bounded_and_survives_a_clock_set_back() {
        let mut recent = Recent::default();
        for minute in 0..200 {
            recent.note(NOW + minute * MINUTE_MS, 1.0);
        }
        assert_eq!(recent.minutes.len(), MINUTES);
        recent.note(NOW + 190 * MINUTE_MS, 0.0);
        let percents = recent.percents(NOW + 190 * MINUTE_MS).unwrap();
        assert_eq!(percents[28..], [Some(100), Some(0)]);
        assert!(percents[..8].iter().all(Option::is_none));
    }
}
