//! What the state of the line means to the person who looks.

/// Below this, a lost line is not worth a word.
pub const QUIET_MS: f64 = 5_000.0;
/// From here on a banner says it: within 15 s, ticks of a second included.
pub const BANNER_MS: f64 = 14_000.0;

/// The line as the connection sees it. Instants are of the browser's steady clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Line {
    /// Nothing is followed, or the page has not come to life.
    Resting,
    /// Messages come.
    Open,
    /// No line (yet, or any more).
    Down {
        /// The last moment at which what is shown was current.
        since_ms: f64,
        /// Server's clock at that moment, once known.
        data_at_ms: Option<i64>,
        /// When the next attempt begins.
        retry_at_ms: f64,
    },
    /// The session has ended: trying again is of no use.
    SignedOut,
}

/// What a page says about its freshness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// As of its rendering; nothing moves.
    Resting,
    /// Moves.
    Live,
    /// Not yet, or briefly not.
    Connecting,
    /// Not for more than [`QUIET_MS`].
    Reconnecting,
    /// Not for more than [`BANNER_MS`].
    Lost {
        /// Server's clock of what is shown.
        data_at_ms: Option<i64>,
        /// How old that is.
        age_ms: i64,
        /// Until the next attempt.
        retry_in_s: u32,
    },
    /// The person stopped it.
    Paused {
        /// Server's clock then; 0 when it was not known.
        at_ms: i64,
    },
    /// Needs signing in again.
    SignedOut,
}

/// Judges the line at `steady_ms`. A pause hides everything but a session that has ended.
pub fn phase(line: &Line, steady_ms: f64, paused_at_ms: Option<i64>) -> Phase {
    match (line, paused_at_ms) {
        (Line::SignedOut, _) => Phase::SignedOut,
        (Line::Resting, None) => Phase::Resting,
        (_, Some(at_ms)) => Phase::Paused { at_ms },
        (Line::Open, None) => Phase::Live,
        (
            Line::Down {
                since_ms,
                data_at_ms,
                retry_at_ms,
            },
            None,
        ) => {
            let age_ms = (steady_ms - since_ms).max(0.0);
            if age_ms < QUIET_MS {
                Phase::Connecting
            } else if age_ms < BANNER_MS {
                Phase::Reconnecting
            } else {
                let retry_in_s = ((retry_at_ms - steady_ms) / 1000.0).ceil().max(0.0) as u32;
                Phase::Lost {
                    data_at_ms: *data_at_ms,
                    age_ms: age_ms as i64,
                    retry_in_s,
                }
            }
        }
    }
}

/// How long to wait before attempt number `attempt` (from 0): 250 ms doubling to 5 s.
#[cfg_attr(not(feature = "hydrate"), allow(dead_code))]
pub fn backoff_ms(attempt: u32) -> u32 {
    250_u32.saturating_mul(1 << attempt.min(5)).min(5_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_line_is_said_louder_the_longer_it_lasts() {
        let line = Line::Down {
            since_ms: 1_000.0,
            data_at_ms: Some(7),
            retry_at_ms: 17_500.0,
        };
        let at = |steady_ms| phase(&line, steady_ms, None);
        assert_eq!(at(1_000.0), Phase::Connecting);
        assert_eq!(at(5_999.0), Phase::Connecting);
        assert_eq!(at(6_000.0), Phase::Reconnecting);
        assert_eq!(at(14_999.0), Phase::Reconnecting);
        assert_eq!(
            at(15_000.0),
            Phase::Lost {
                data_at_ms: Some(7),
                age_ms: 14_000,
                retry_in_s: 3
            }
        );
        assert_eq!(
            at(60_000.0),
            Phase::Lost {
                data_at_ms: Some(7),
                age_ms: 59_000,
                retry_in_s: 0
            }
        );
    }

    #[test]
    fn a_pause_hides_the_line_but_not_the_end_of_the_session() {
        assert_eq!(phase(&Line::Open, 0.0, Some(5)), Phase::Paused { at_ms: 5 });
        assert_eq!(phase(&Line::SignedOut, 0.0, Some(5)), Phase::SignedOut);
        assert_eq!(phase(&Line::Resting, 0.0, None), Phase::Resting);
    }

    #[test]
    fn attempts_wait_longer_up_to_five_seconds() {
        let waits: Vec<u32> = (0..7).map(backoff_ms).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        assert_eq!(backoff_ms(u32::MAX), 5_000);
    }
}
