//! Do we still see this node? Decided from data received, by the server's own clock that never jumps.
//!
//! Called by the server for every list, page and push. Invariant: the interval that counts is the *configured* one, so
//! that a host somebody watched at one report a second does not turn "no data" when they close the page.

use serde::{Deserialize, Serialize};

use crate::time::Monotonic;

/// What we know of a node from whether it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// Its last report is at most two intervals old.
    Live,
    /// Older than that, but not yet missing.
    Late,
    /// Silent for more than three intervals and a tenth.
    NoData,
    /// It said goodbye.
    Stopped,
    /// Silent as planned.
    ExpectedDown,
    /// It never reported, or was known before and is no longer found.
    Missing,
    /// Enrolled with a token that asks for review; an administrator has not said yes.
    PendingReview,
}

impl Liveness {
    /// All of them.
    pub const ALL: [Liveness; 7] = [
        Liveness::Live,
        Liveness::Late,
        Liveness::NoData,
        Liveness::Stopped,
        Liveness::ExpectedDown,
        Liveness::Missing,
        Liveness::PendingReview,
    ];

    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Liveness::Live => "live",
            Liveness::Late => "late",
            Liveness::NoData => "no_data",
            Liveness::Stopped => "stopped",
            Liveness::ExpectedDown => "expected_down",
            Liveness::Missing => "missing",
            Liveness::PendingReview => "pending_review",
        }
    }

    /// As on a page.
    pub fn label(self) -> &'static str {
        match self {
            Liveness::Live => "Live",
            Liveness::Late => "Late",
            Liveness::NoData => "No data",
            Liveness::Stopped => "Stopped",
            Liveness::ExpectedDown => "Expected down",
            Liveness::Missing => "Never reported",
            Liveness::PendingReview => "Awaiting review",
        }
    }
}

/// What liveness is judged from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Waits for an administrator?
    pub pending_review: bool,
    /// When the last report was accepted; before this process started it counts from the start of serving, so that a
    /// restart of the server does not condemn the fleet.
    pub last_report: Option<Monotonic>,
    /// Did the last report say goodbye?
    pub said_goodbye: bool,
    /// Configured seconds between reports.
    pub interval_s: u32,
}

/// Milliseconds of silence after which a node has no data: 3 intervals + 10 %.
///
/// `3.3 × interval`; for 10 s: 33,000 ms.
pub fn no_data_after_ms(interval_s: u32) -> u64 {
    u64::from(interval_s.max(1)) * 3_300
}

/// Judges one node.
pub fn liveness(seen: Observation, now: Monotonic) -> Liveness {
    if seen.pending_review {
        return Liveness::PendingReview;
    }
    let Some(last) = seen.last_report else {
        return Liveness::Missing;
    };
    if seen.said_goodbye {
        return Liveness::Stopped;
    }
    let silent_ms = now.since_ms(last);
    if silent_ms > no_data_after_ms(seen.interval_s) {
        Liveness::NoData
    } else if silent_ms > u64::from(seen.interval_s.max(1)) * 2_000 {
        Liveness::Late
    } else {
        Liveness::Live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(silent_ms: Option<u64>, change: impl FnOnce(&mut Observation)) -> Liveness {
        let now = Monotonic(1_000_000);
        let mut seen = Observation {
            pending_review: false,
            last_report: silent_ms.map(|ms| Monotonic(now.0 - ms)),
            said_goodbye: false,
            interval_s: 10,
        };
        change(&mut seen);
        liveness(seen, now)
    }

    #[test]
    fn silence_is_judged_in_configured_intervals() {
        assert_eq!(case(Some(0), |_| ()), Liveness::Live);
        assert_eq!(case(Some(20_000), |_| ()), Liveness::Live);
        assert_eq!(case(Some(20_001), |_| ()), Liveness::Late);
        assert_eq!(case(Some(33_000), |_| ()), Liveness::Late);
        assert_eq!(case(Some(33_001), |_| ()), Liveness::NoData);
        assert_eq!(
            case(Some(33_001), |seen| seen.interval_s = 60),
            Liveness::Live
        );
    }

    #[test]
    fn what_was_said_counts_before_what_was_not() {
        assert_eq!(case(None, |_| ()), Liveness::Missing);
        assert_eq!(
            case(Some(999_999), |seen| seen.said_goodbye = true),
            Liveness::Stopped
        );
        assert_eq!(
            case(Some(0), |seen| seen.pending_review = true),
            Liveness::PendingReview
        );
    }
}
