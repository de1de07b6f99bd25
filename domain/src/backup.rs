//! When the next scheduled backup is due, and which old ones may go.
//!
//! Called by the server's `backup` area. Invariants: the newest backups stay, whatever the clock says; one that was made
//! in the future (a clock that was set back) does not keep the next from being made.

use crate::time::Timestamp;

/// How often, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupPolicy {
    /// Between two backups.
    pub every_ms: i64,
    /// How many are kept; 0 makes none.
    pub keep: usize,
}

/// What follows from the backups that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlan {
    /// When the next one is to be made; in the past: now. `None` when none are wanted.
    pub due_at: Option<Timestamp>,
    /// Those that may go, oldest first.
    pub expired: Vec<Timestamp>,
}

impl BackupPolicy {
    /// Decides over backups made at these instants, in any order.
    pub fn plan(self, made: &[Timestamp], now: Timestamp) -> BackupPlan {
        let mut made = made.to_vec();
        made.sort();
        made.dedup();
        if self.keep == 0 {
            return BackupPlan {
                due_at: None,
                expired: Vec::new(),
            };
        }
        let last = made.iter().rev().find(|at| **at <= now);
        let due_at = last.map_or(now, |at| {
            Timestamp(at.0.saturating_add(self.every_ms.max(1)))
        });
        made.truncate(made.len().saturating_sub(self.keep));
        BackupPlan {
            due_at: Some(due_at),
            expired: made,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn plan(keep: usize, made: &[i64], now: i64) -> (Option<i64>, Vec<i64>) {
        let made: Vec<Timestamp> = made.iter().map(|day| Timestamp(day * DAY_MS)).collect();
        let policy = BackupPolicy {
            every_ms: DAY_MS,
            keep,
        };
        let plan = policy.plan(&made, Timestamp(now * DAY_MS));
        (
            plan.due_at.map(|at| at.0 / DAY_MS),
            plan.expired.iter().map(|at| at.0 / DAY_MS).collect(),
        )
    }

    #[test]
    fn the_next_and_the_expired() {
        for (name, keep, made, now, due, expired) in [
            ("none yet", 3, &[][..], 10, Some(10), vec![]),
            ("made today", 3, &[10], 10, Some(11), vec![]),
            ("long ago", 3, &[2], 10, Some(3), vec![]),
            ("too many", 2, &[9, 7, 8, 6], 9, Some(10), vec![6, 7]),
            ("none wanted", 0, &[1, 2], 9, None, vec![]),
            ("one from the future", 3, &[8, 40], 10, Some(9), vec![]),
        ] {
            assert_eq!(plan(keep, made, now), (due, expired), "{name}");
        }
    }
}
