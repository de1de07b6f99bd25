//! How full the server's own disk is, and what follows from that.
//!
//! Called by the server's `health` area with what the filesystem says. Invariants: a level is left only when there is
//! clearly room again, so that nothing flaps at an edge; a share alone is no emergency, because a twentieth of a large
//! disk lasts for years; room that was kept as ballast is not taken for room, so that giving it up changes no level.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Below its edges by this much, a level is left.
const CALM_RATIO: f64 = 0.01;
/// What is kept for the worst case, of a large disk.
pub const BALLAST_BYTES_MAX: u64 = 128 * MIB;
/// And of a small one: this part of it.
const BALLAST_PART: u64 = 16;

/// Steps of the ladder, least trouble first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum DiskLevel {
    /// Room for what comes.
    #[default]
    Ok,
    /// Said to people; nothing else.
    Warning,
    /// Samples are refused: agents keep them and come back.
    NoSamples,
    /// Only what must not be lost is written: events, people, tokens.
    Critical,
}

/// What the filesystem says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// That this process may still write.
    pub free_bytes: u64,
    /// Used and free, without what is reserved for root.
    pub usable_bytes: u64,
}

impl DiskLevel {
    /// Most trouble first: (level, from this share on, and with less than this free).
    const EDGES: [(DiskLevel, f64, u64); 3] = [
        (DiskLevel::Critical, 0.96, 512 * MIB),
        (DiskLevel::NoSamples, 0.92, 2 * GIB),
        (DiskLevel::Warning, 0.85, 20 * GIB),
    ];

    /// As in metrics and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            DiskLevel::Ok => "ok",
            DiskLevel::Warning => "warning",
            DiskLevel::NoSamples => "no_samples",
            DiskLevel::Critical => "critical",
        }
    }

    /// Are reports stored at this level?
    pub fn takes_samples(self) -> bool {
        self < DiskLevel::NoSamples
    }

    /// Can so much more be written and samples still be taken?
    pub fn has_room_for(self, space: DiskSpace, bytes: u64) -> bool {
        self.next(space.without(bytes)).takes_samples()
    }

    /// The level that follows from this one, and what becomes of the ballast.
    #[must_use]
    pub fn look(self, seen: Seen) -> (DiskLevel, BallastStep) {
        let missing_bytes = seen.ballast_wanted.saturating_sub(seen.ballast_held);
        let level = match seen.is_refusing {
            true => DiskLevel::Critical,
            false => self.next(seen.space.without(missing_bytes)),
        };
        let step = match level {
            DiskLevel::Critical if seen.ballast_held > 0 => BallastStep::GiveUp,
            DiskLevel::Critical => BallastStep::Keep,
            _ if missing_bytes > 0 => BallastStep::Make,
            _ => BallastStep::Keep,
        };
        (level, step)
    }

    /// The level after a ballast could not be made: the worst is over when there is room for it again, whatever the
    /// filesystem says of itself (a quota).
    #[must_use]
    pub fn without_ballast(self, before: DiskLevel) -> DiskLevel {
        match before {
            DiskLevel::Critical => DiskLevel::Critical,
            _ => self,
        }
    }

    /// The level that follows from this one.
    #[must_use]
    pub fn next(self, space: DiskSpace) -> DiskLevel {
        let used = space.used_ratio();
        for (level, ratio, free_bytes) in Self::EDGES {
            // Where we are already, a little more room than the edge is asked for.
            let (ratio, free_bytes) = if self >= level {
                (
                    ratio - CALM_RATIO,
                    free_bytes.saturating_add(free_bytes / 8),
                )
            } else {
                (ratio, free_bytes)
            };
            if used >= ratio && space.free_bytes < free_bytes {
                return level;
            }
        }
        DiskLevel::Ok
    }
}

/// What there is to decide by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What the filesystem says.
    pub space: DiskSpace,
    /// Was a write refused since the last look because nothing was free?
    pub is_refusing: bool,
    /// How large the ballast should be.
    pub ballast_wanted: u64,
    /// How large it is.
    pub ballast_held: u64,
}

/// What becomes of the ballast: a file that only takes room, so that there is some to give up when all else is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BallastStep {
    /// It stays as it is.
    Keep,
    /// It is made, or made whole.
    Make,
    /// It is removed; what must not be lost is written in its place.
    GiveUp,
}

impl DiskSpace {
    /// How large a ballast this disk gets.
    pub fn ballast_bytes(self) -> u64 {
        (self.usable_bytes / BALLAST_PART / MIB * MIB).min(BALLAST_BYTES_MAX)
    }

    fn without(self, bytes: u64) -> Self {
        Self {
            free_bytes: self.free_bytes.saturating_sub(bytes),
            ..self
        }
    }

    /// 0..=1; an empty filesystem counts as full.
    pub fn used_ratio(self) -> f64 {
        if self.usable_bytes == 0 {
            return 1.0;
        }
        1.0 - (self.free_bytes as f64 / self.usable_bytes as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(free_bytes: u64, usable_bytes: u64) -> DiskSpace {
        DiskSpace {
            free_bytes,
            usable_bytes,
        }
    }

    #[test]
    fn the_ladder() {
        use DiskLevel::*;
        for (name, before, free, usable, after) in [
            ("half empty", Ok, 5 * GIB, 10 * GIB, Ok),
            ("at 85 %", Ok, 3 * GIB, 20 * GIB, Warning),
            ("a small one at 92 %", Ok, 800 * MIB, 10 * GIB, NoSamples),
            ("a small one at 96 %", Ok, 400 * MIB, 10 * GIB, Critical),
            ("93 % of a large one", Ok, 70 * GIB, 1000 * GIB, Ok),
            ("97 % of a large one", Ok, 30 * GIB, 1000 * GIB, Ok),
            ("99 % of a large one", Ok, 10 * GIB, 1000 * GIB, Warning),
            ("full", Warning, 0, 10 * GIB, Critical),
            ("of size nothing", Ok, 0, 0, Critical),
            (
                "just below the edge it stays",
                NoSamples,
                860 * MIB,
                10 * GIB,
                NoSamples,
            ),
            ("with room it leaves", NoSamples, 3 * GIB, 10 * GIB, Ok),
            ("step by step", Critical, 600 * MIB, 10 * GIB, NoSamples),
        ] {
            assert_eq!(before.next(space(free, usable)), after, "{name}");
        }
    }

    #[test]
    fn the_ballast_is_given_up_when_nothing_else_is_left_and_made_again_when_there_is_room() {
        use BallastStep::*;
        use DiskLevel::{Critical, NoSamples, Ok};
        let (none, whole) = (0, 128 * MIB);
        for (name, before, free, is_refusing, held, after) in [
            ("at a start", Ok, 5 * GIB, false, none, (Ok, Make)),
            ("a part of it", Ok, 5 * GIB, false, MIB, (Ok, Make)),
            ("usually", Ok, 5 * GIB, false, whole, (Ok, Keep)),
            (
                "nearly full",
                Ok,
                800 * MIB,
                false,
                whole,
                (NoSamples, Keep),
            ),
            ("full", NoSamples, 0, false, whole, (Critical, GiveUp)),
            (
                "given up",
                Critical,
                128 * MIB,
                false,
                none,
                (Critical, Keep),
            ),
            (
                "its room is none",
                Critical,
                600 * MIB,
                false,
                none,
                (Critical, Keep),
            ),
            ("with room", Critical, 5 * GIB, false, none, (Ok, Make)),
            ("a quota", Ok, 5 * GIB, true, whole, (Critical, GiveUp)),
            ("still", Critical, 5 * GIB, true, none, (Critical, Keep)),
        ] {
            let seen = Seen {
                space: space(free, 10 * GIB),
                is_refusing,
                ballast_wanted: whole,
                ballast_held: held,
            };
            assert_eq!(before.look(seen), after, "{name}");
        }
        assert_eq!(Ok.without_ballast(Critical), Critical, "no room for it");
        assert_eq!(Ok.without_ballast(NoSamples), Ok, "it was no need");
    }

    #[test]
    fn giving_up_the_ballast_and_making_it_again_changes_no_level() {
        for free in (0..10 * 1_024).map(|step| step * MIB) {
            for before in [DiskLevel::Ok, DiskLevel::NoSamples, DiskLevel::Critical] {
                let wanted = 128 * MIB;
                let seen = |free_bytes, ballast_held| Seen {
                    space: space(free_bytes, 10 * GIB),
                    is_refusing: false,
                    ballast_wanted: wanted,
                    ballast_held,
                };
                let (level, step) = before.look(seen(free, wanted));
                let (free, held) = match step {
                    BallastStep::GiveUp => (free + wanted, 0),
                    _ => (free, wanted),
                };
                assert_eq!(level.look(seen(free, held)).0, level, "{before:?} {free}");
            }
        }
    }

    #[test]
    fn what_would_stop_samples_has_no_room() {
        for (before, free, bytes, has_room) in [
            (DiskLevel::Ok, 5 * GIB, GIB, true),
            (DiskLevel::Warning, 5 * GIB, 2 * GIB, true),
            (DiskLevel::Ok, 5 * GIB, 4 * GIB + 300 * MIB, false),
            (DiskLevel::Ok, 5 * GIB, 6 * GIB, false),
            (DiskLevel::NoSamples, 700 * MIB, 0, false),
        ] {
            let found = before.has_room_for(space(free, 10 * GIB), bytes);
            assert_eq!(found, has_room, "{before:?} {free} {bytes}");
        }
    }

    #[test]
    fn a_small_disk_has_a_small_ballast() {
        for (usable, ballast) in [
            (0, 0),
            (15 * MIB, 0),
            (64 * MIB, 4 * MIB),
            (10 * GIB, 128 * MIB),
            (1_000 * GIB, 128 * MIB),
        ] {
            assert_eq!(space(0, usable).ballast_bytes(), ballast, "{usable}");
        }
    }

    #[test]
    fn at_an_edge_it_does_not_flap() {
        for free in (0..4_096).map(|step| step * MIB) {
            for before in [
                DiskLevel::Ok,
                DiskLevel::Warning,
                DiskLevel::NoSamples,
                DiskLevel::Critical,
            ] {
                let once = before.next(space(free, 10 * GIB));
                assert_eq!(once.next(space(free, 10 * GIB)), once, "{before:?} {free}");
            }
        }
    }
}
