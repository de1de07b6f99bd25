//! How full the server's own disk is, and what follows from that.
//!
//! Called by the server's `health` area with what the filesystem says. Invariants: a level is left only when there is
//! clearly room again, so that nothing flaps at an edge; a share alone is no emergency, because a twentieth of a large
//! disk lasts for years.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// Below its edges by this much, a level is left.
const CALM_RATIO: f64 = 0.01;

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

impl DiskSpace {
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
