//! What a reader of the log needs to see one by one, and what is said better in one line with a count.
//!
//! Pure: called for every "what changed". The log itself keeps every entry; a line leads to all that it stands for.

use crate::fleet::Status;

/// Entries of one kind that follow each other within so long are one burst.
pub const BURST_GAP_MS: i64 = 5 * 60_000;
/// Two of a kind are still told one by one.
pub const BURST_LEAST: usize = 3;

/// What folding looks at of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What happened.
    pub verb: &'a str,
    /// When.
    pub at_ms: i64,
}

/// Places of the entries that each line stands for, newest first in each, lines by their newest entry. `entries` are given
/// newest first. Every place is in exactly one line.
pub fn lines(entries: &[Entry<'_>]) -> Vec<Vec<usize>> {
    let mut lines: Vec<Vec<usize>> = Vec::new();
    // The line that a further entry of a kind would join.
    let mut open: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (place, entry) in entries.iter().enumerate() {
        let joined = open.get(entry.verb).copied().filter(|line| {
            let oldest = lines.get(*line).and_then(|line| line.last());
            oldest
                .and_then(|oldest| entries.get(*oldest))
                .is_some_and(|oldest| oldest.at_ms.saturating_sub(entry.at_ms) <= BURST_GAP_MS)
        });
        match joined.and_then(|line| lines.get_mut(line)) {
            Some(line) => line.push(place),
            None => {
                open.insert(entry.verb, lines.len());
                lines.push(vec![place]);
            }
        }
    }
    let mut split: Vec<Vec<usize>> = lines
        .into_iter()
        .flat_map(|line| {
            if line.len() < BURST_LEAST {
                line.into_iter().map(|place| vec![place]).collect()
            } else {
                vec![line]
            }
        })
        .collect();
    split.sort_by_key(|line| line.first().copied());
    split
}

/// Could an entry older than all of `entries` belong to one of the first `shown` lines? Then their counts are not known yet.
pub fn may_grow(entries: &[Entry<'_>], lines: &[Vec<usize>], shown: usize) -> bool {
    let Some(last) = entries.last() else {
        return false;
    };
    lines.len() < shown
        || lines.iter().take(shown).any(|line| {
            let oldest = line.last().and_then(|oldest| entries.get(*oldest));
            oldest.is_some_and(|oldest| oldest.at_ms.saturating_sub(last.at_ms) <= BURST_GAP_MS)
        })
}

/// Equal parts of a window, each as long as somebody would say it; the last may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bars {
    /// Where the first begins.
    pub from_ms: i64,
    /// Length of each.
    pub bar_ms: i64,
    /// How many there are.
    pub count: usize,
}

/// Lengths that a bar may have.
const BAR_LENGTHS_S: [i64; 18] = [
    1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800,
];
/// Bars at most.
pub const BARS_MAX: i64 = 60;
/// The shortest stretch that bars are drawn over.
const BARS_LEAST_MS: i64 = 60_000;

/// Bars over a window. `first_ms` is the first entry in it where the window is none that somebody chose to the second: with
/// nothing in its first three quarters bars begin with that entry, or all that there is would be one bar.
pub fn bars(from_ms: i64, to_ms: i64, first_ms: Option<i64>) -> Bars {
    let late = from_ms + (to_ms - from_ms) / 4 * 3;
    let begin = first_ms
        .filter(|first| *first >= late)
        .map_or(from_ms, |first| {
            first.min(to_ms - BARS_LEAST_MS).max(from_ms)
        });
    let of_length = |seconds: i64| {
        let bar_ms = seconds * 1_000;
        let from_ms = if begin > from_ms {
            (begin.div_euclid(bar_ms) * bar_ms).max(from_ms)
        } else {
            from_ms
        };
        (
            from_ms,
            bar_ms,
            ((to_ms - from_ms).max(1) + bar_ms - 1) / bar_ms,
        )
    };
    let longest = BAR_LENGTHS_S.last().copied().unwrap_or(1);
    let (from_ms, bar_ms, count) = BAR_LENGTHS_S
        .into_iter()
        .map(of_length)
        .find(|(.., count)| *count <= BARS_MAX)
        .unwrap_or_else(|| {
            let weeks = (to_ms - from_ms) / (longest * 1_000 * BARS_MAX) + 1;
            of_length(longest * weeks)
        });
    Bars {
        from_ms,
        bar_ms,
        count: usize::try_from(count).unwrap_or(1),
    }
}

/// Entries that one node gets in the log within [`NODE_EVENTS_MS`]: a server that starts and stops without end would
/// otherwise bury everything else, and fill the disk.
pub const NODE_EVENTS_MAX: u32 = 12;
/// See [`NODE_EVENTS_MAX`].
pub const NODE_EVENTS_MS: i64 = 10 * 60_000;

/// May entries of this kind be left out? What says that a node came to be or stands elsewhere may not: no change without
/// its entry, and the number of nodes and of clusters has bounds of its own.
pub fn is_limited(verb: &str) -> bool {
    !matches!(verb, "node moved" | "server appeared")
}

/// How bad it is that this happened, or that it is over; `None` for what is neither.
pub fn severity(verb: &str) -> Option<Status> {
    Some(match verb {
        "server failed" | "server vanished" | "health probe failed" | "agent quarantined" => {
            Status::Critical
        }
        "server stopped"
        | "agent restored from a copy"
        | "suggestion refused"
        | "events limited" => Status::Warning,
        "server started" | "health probe answered" => Status::Ok,
        _ => return None,
    })
}

/// How much a node had written lately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    began_at_ms: Option<i64>,
    told: u32,
    left_out: u32,
}

/// Entries that were left out and are not told of yet: what of a budget must outlive the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut {
    /// When the stretch began.
    pub began_at_ms: i64,
    /// Entries that were written in it.
    pub told: u32,
    /// Entries that were not; at least one.
    pub count: u32,
}

impl From<LeftOut> for Budget {
    fn from(kept: LeftOut) -> Self {
        Self {
            began_at_ms: Some(kept.began_at_ms),
            told: kept.told,
            left_out: kept.count,
        }
    }
}

/// What becomes of a further entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is written.
    Tell,
    /// It is written, and that further ones are not until then.
    TellLast {
        /// When entries are written again.
        until_ms: i64,
    },
    /// It is counted.
    LeaveOut,
}

impl Budget {
    /// What is left out and not told yet.
    pub fn left_out(&self) -> Option<LeftOut> {
        let kept = self.began_at_ms.map(|began_at_ms| LeftOut {
            began_at_ms,
            told: self.told,
            count: self.left_out,
        });
        kept.filter(|kept| kept.count > 0)
    }

    /// Takes a further entry; says what becomes of it, and how many were left out in a stretch that is over now.
    pub fn take(&mut self, now_ms: i64) -> (Verdict, u32) {
        let mut missed = 0;
        let is_over = |began_ms: i64| !(began_ms..began_ms + NODE_EVENTS_MS).contains(&now_ms);
        if self.began_at_ms.is_none_or(is_over) {
            missed = self.left_out;
            *self = Self {
                began_at_ms: Some(now_ms),
                ..Self::default()
            };
        }
        let until_ms = self.began_at_ms.unwrap_or(now_ms) + NODE_EVENTS_MS;
        if self.told >= NODE_EVENTS_MAX {
            self.left_out += 1;
            return (Verdict::LeaveOut, missed);
        }
        self.told += 1;
        let verdict = if self.told == NODE_EVENTS_MAX {
            Verdict::TellLast { until_ms }
        } else {
            Verdict::Tell
        };
        (verdict, missed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries<'a>(list: &[(&'a str, i64)]) -> Vec<Entry<'a>> {
        list.iter()
            .map(|(verb, minutes)| Entry {
                verb,
                at_ms: minutes * 60_000,
            })
            .collect()
    }

    #[test]
    fn what_makes_a_server_ill_is_marked_and_what_ends_it_is_too() {
        use crate::fleet::ServerChange;
        for verb in ServerChange::TROUBLES
            .iter()
            .filter(|verb| **verb != "server appeared")
        {
            assert!(
                severity(verb).is_some_and(|bad| bad < Status::Pending),
                "{verb}"
            );
        }
        for over in [ServerChange::Started, ServerChange::ProbeAnswered] {
            assert_eq!(severity(over.verb()), Some(Status::Ok));
        }
        assert_eq!(severity("signed in"), None);
    }

    #[test]
    fn bursts_are_one_line_and_pairs_are_not() {
        for (what, given, wanted) in [
            ("nothing", vec![], vec![]),
            ("a pair", vec![("a", 9), ("a", 9)], vec![vec![0], vec![1]]),
            (
                "a burst with others between",
                vec![("a", 9), ("b", 9), ("a", 8), ("c", 7), ("a", 6)],
                vec![vec![0, 2, 4], vec![1], vec![3]],
            ),
            (
                "a pause ends it",
                vec![("a", 20), ("a", 19), ("a", 18), ("a", 12), ("a", 11)],
                vec![vec![0, 1, 2], vec![3], vec![4]],
            ),
            (
                "without a pause it goes on for any time",
                vec![("a", 20), ("a", 15), ("a", 10), ("a", 5)],
                vec![vec![0, 1, 2, 3]],
            ),
        ] {
            assert_eq!(lines(&entries(&given)), wanted, "{what}");
        }
    }

    #[test]
    fn a_count_is_known_once_the_pause_behind_it_is_seen() {
        let grows = |given: &[(&str, i64)], shown| {
            let given = entries(given);
            may_grow(&given, &lines(&given), shown)
        };
        assert!(!grows(&[], 3));
        assert!(grows(&[("a", 9), ("b", 2)], 3), "there is room for more");
        assert!(!grows(&[("a", 9), ("b", 2)], 1));
        assert!(grows(&[("a", 9), ("b", 4)], 1));
        assert!(grows(&[("a", 9), ("b", 2)], 2));
    }

    #[test]
    fn a_node_that_flaps_is_told_so_often_then_counted_and_the_count_is_said() {
        let mut budget = Budget::default();
        let verdicts: Vec<Verdict> = (0..20).map(|n| budget.take(1_000 + n).0).collect();
        let last = NODE_EVENTS_MAX as usize - 1;
        assert!(
            verdicts[..last]
                .iter()
                .all(|verdict| *verdict == Verdict::Tell)
        );
        let until_ms = 1_000 + NODE_EVENTS_MS;
        assert_eq!(verdicts[last], Verdict::TellLast { until_ms });
        assert!(
            verdicts[last + 1..]
                .iter()
                .all(|verdict| *verdict == Verdict::LeaveOut)
        );
        assert_eq!(budget.take(until_ms), (Verdict::Tell, 8));
        assert_eq!(budget.take(until_ms + 1), (Verdict::Tell, 0));
        // A clock set back begins anew and never waits for the time it had.
        assert_eq!(budget.take(0), (Verdict::Tell, 0));
    }

    #[test]
    fn bars_begin_where_something_happened_and_are_of_round_length() {
        const HOUR_MS: i64 = 3_600_000;
        const WEEK_MS: i64 = 168 * HOUR_MS;
        let of = |first: Option<i64>| {
            let bars = bars(0, WEEK_MS, first);
            (bars.from_ms, bars.bar_ms, bars.count)
        };
        assert_eq!(of(None), (0, 3 * HOUR_MS, 56));
        assert_eq!(of(Some(HOUR_MS)), (0, 3 * HOUR_MS, 56), "early in the week");
        // Two hours ago: from the whole bar that holds it.
        let first = WEEK_MS - 2 * HOUR_MS + 1;
        assert_eq!(of(Some(first)), (WEEK_MS - 2 * HOUR_MS, 120_000, 60));
        // A moment ago: never less than a minute.
        assert_eq!(of(Some(WEEK_MS - 5)), (WEEK_MS - 60_000, 1_000, 60));
    }

    #[test]
    fn what_was_left_out_is_told_after_a_restart_as_without_one() {
        let mut budget = Budget::default();
        for _ in 0..NODE_EVENTS_MAX {
            budget.take(0);
            assert_eq!(budget.left_out(), None);
        }
        budget.take(1);
        budget.take(2);
        let kept = budget.left_out().unwrap();
        let mut restarted = Budget::from(kept);
        assert_eq!(restarted, budget);
        assert_eq!(restarted.take(3), (Verdict::LeaveOut, 0), "no new one");
        assert_eq!(restarted.take(NODE_EVENTS_MS), (Verdict::Tell, 3));
        assert_eq!(restarted.left_out(), None, "it is told");
    }

    proptest! {
        #[test]
        fn bars_cover_the_window_from_its_first_entry(span in 60_000i64..100_000_000_000, at in 0.0f64..1.0) {
            let first = (span as f64 * at) as i64;
            let bars = bars(1_000_000, 1_000_000 + span, Some(1_000_000 + first));
            prop_assert!(bars.from_ms >= 1_000_000 && bars.from_ms <= 1_000_000 + first);
            prop_assert!((1..=BARS_MAX as usize).contains(&bars.count));
            let end = bars.from_ms + bars.bar_ms * bars.count as i64;
            prop_assert!((1_000_000 + span..1_000_000 + span + bars.bar_ms).contains(&end));
        }

        #[test]
        fn every_entry_is_in_one_line(given in proptest::collection::vec((0usize..4, 0i64..8), 0..60)) {
            let mut at_ms = 0;
            let given: Vec<Entry<'_>> = given
                .iter()
                .map(|(verb, minutes)| {
                    at_ms -= minutes * 60_000;
                    Entry { verb: ["a", "b", "c", "d"][*verb], at_ms }
                })
                .collect();
            let lines = lines(&given);
            let mut places: Vec<usize> = lines.iter().flatten().copied().collect();
            prop_assert!(lines.windows(2).all(|two| two[0][0] < two[1][0]));
            for line in &lines {
                prop_assert!(line.windows(2).all(|two| two[0] < two[1]));
                prop_assert!(line.iter().all(|place| given[*place].verb == given[line[0]].verb));
            }
            places.sort_unstable();
            prop_assert_eq!(places, (0..given.len()).collect::<Vec<_>>());
        }
    }
}
