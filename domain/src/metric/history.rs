//! What becomes of samples with time: which are sealed, rolled up and deleted, and how points become buckets.
//!
//! Called by the server's sealer: it loads a [`Stored`], asks [`plan`], carries out the [`Step`]s one transaction each,
//! and asks again until nothing is left. Invariants: every point is in exactly one of {tail, raw, 1 m} while one of these
//! levels is kept, and in exactly one of {tail, 10 m}, and of {tail, 1 h}; nothing younger than its level's span is
//! deleted while the size allows it; the same state gives the same steps. No I/O, no clock, no codec.

use std::collections::BTreeMap;

use super::series::{Bucket, Level};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A record is back-filled when it arrives this long after it was taken: longer than a slow report or a restart.
pub const BACKFILLED_AFTER_MS: i64 = MINUTE_MS;
/// Back-filled spans closer than this are one.
pub const BACKFILL_JOIN_MS: i64 = 5 * MINUTE_MS;

/// How long each level is kept, and how large all of it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Points as reported.
    pub raw_ms: i64,
    /// Buckets of a minute.
    pub one_minute_ms: i64,
    /// Buckets of ten minutes.
    pub ten_minutes_ms: i64,
    /// Buckets of an hour.
    pub one_hour_ms: i64,
    /// Bytes in use by samples at most.
    pub max_bytes: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            raw_ms: 48 * HOUR_MS,
            one_minute_ms: 14 * DAY_MS,
            ten_minutes_ms: 90 * DAY_MS,
            one_hour_ms: 2 * 365 * DAY_MS,
            max_bytes: None,
        }
    }
}

impl Retention {
    /// How long a level is kept.
    pub fn kept_ms(&self, level: Level) -> i64 {
        match level {
            Level::Raw => self.raw_ms,
            Level::OneMinute => self.one_minute_ms,
            Level::TenMinutes => self.ten_minutes_ms,
            Level::OneHour => self.one_hour_ms,
        }
    }

    /// Width of the stretches in which the tail is sealed and raw points expire.
    ///
    /// Four hours: the tail takes four times what sealed points take, and each sealing writes the day's chunk again.
    /// Shorter where raw points are kept for less than two days, so that they are not kept for much longer than asked.
    fn block_ms(&self) -> i64 {
        [4 * HOUR_MS, HOUR_MS, 10 * MINUTE_MS]
            .into_iter()
            .find(|block_ms| *block_ms <= self.raw_ms / 12)
            .unwrap_or(MINUTE_MS)
    }

    /// What was taken before this instant is sealed; late reports get a quarter of an hour before.
    pub fn seal_before_ms(&self, now_ms: i64) -> i64 {
        let block_ms = self.block_ms();
        floor(
            now_ms.saturating_sub(block_ms.min(15 * MINUTE_MS)),
            block_ms,
        )
    }

    /// What was taken before this instant is no longer kept at `level`.
    pub fn cut_ms(&self, level: Level, now_ms: i64) -> i64 {
        floor(now_ms.saturating_sub(self.kept_ms(level)), self.block_ms())
    }
}

/// Start of the stretch of `width_ms` in which `at_ms` lies.
pub fn floor(at_ms: i64, width_ms: i64) -> i64 {
    at_ms.saturating_sub(at_ms.rem_euclid(width_ms.max(1)))
}

/// The stretch of one chunk of a level: about a thousand buckets, so that a chunk fills its pages and is read at once.
pub fn chunk_ms(level: Level) -> i64 {
    match level {
        Level::Raw | Level::OneMinute => DAY_MS,
        Level::TenMinutes => 5 * DAY_MS,
        Level::OneHour => 30 * DAY_MS,
    }
}

/// What of a host is not sealed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Whose.
    pub host_no: i64,
    /// Instant of its first record.
    pub oldest_ms: i64,
    /// Instant of its last record, which stays: it is what the host last said.
    pub newest_ms: i64,
}

/// A chunk that may have to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub no: i64,
    /// Whose.
    pub host_no: i64,
    /// What is in it.
    pub level: Level,
    /// First instant in it.
    pub first_ms: i64,
    /// First instant after it.
    pub end_ms: i64,
    /// Its size.
    pub bytes: u64,
}

/// What is stored, as far as a plan needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Of every host.
    pub tails: Vec<Tail>,
    /// Oldest first, of each level.
    pub chunks: Vec<Held>,
    /// Bytes in use by all of it.
    pub used_bytes: u64,
}

/// Something to do, in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Move records from the tail into chunks.
    Seal {
        /// Whose.
        host_no: i64,
        /// Inclusive.
        from_ms: i64,
        /// Exclusive, on the same day.
        to_ms: i64,
    },
    /// Move what is older from a raw chunk into one of minutes.
    RollUp {
        /// The chunk.
        chunk: Held,
        /// Exclusive.
        before_ms: i64,
        /// Because of the size, before its time?
        for_size: bool,
    },
    /// Delete a chunk.
    Drop {
        /// The chunk.
        chunk: Held,
        /// Because of the size, before its time?
        for_size: bool,
    },
}

impl Step {
    /// Whose.
    pub fn host_no(&self) -> i64 {
        match self {
            Step::Seal { host_no, .. } => *host_no,
            Step::RollUp { chunk, .. } | Step::Drop { chunk, .. } => chunk.host_no,
        }
    }
}

/// What to do now; empty when all is in its place. A host's tail is sealed a day a plan.
pub fn plan(stored: &Stored, policy: &Retention, now_ms: i64) -> Vec<Step> {
    let mut steps: Vec<Step> = stored
        .tails
        .iter()
        .filter_map(|tail| {
            let day_end_ms = floor(tail.oldest_ms, DAY_MS).saturating_add(DAY_MS);
            let to_ms = policy
                .seal_before_ms(now_ms)
                .min(tail.newest_ms)
                .min(day_end_ms);
            (tail.oldest_ms < to_ms).then_some(Step::Seal {
                host_no: tail.host_no,
                from_ms: tail.oldest_ms,
                to_ms,
            })
        })
        .collect();
    for chunk in &stored.chunks {
        let cut_ms = policy.cut_ms(chunk.level, now_ms);
        let step = match chunk.level {
            Level::Raw if chunk.first_ms < cut_ms => Step::RollUp {
                chunk: *chunk,
                before_ms: cut_ms,
                for_size: false,
            },
            Level::Raw => continue,
            _ if chunk.end_ms <= cut_ms => Step::Drop {
                chunk: *chunk,
                for_size: false,
            },
            _ => continue,
        };
        steps.push(step);
    }
    if steps.is_empty() {
        steps = for_size(stored, policy);
    }
    steps
}

/// The oldest chunks of the finest level that has any, until the rest fits.
fn for_size(stored: &Stored, policy: &Retention) -> Vec<Step> {
    let Some(mut excess) = policy
        .max_bytes
        .and_then(|max_bytes| stored.used_bytes.checked_sub(max_bytes))
        .filter(|excess| *excess > 0)
    else {
        return Vec::new();
    };
    let mut chunks: Vec<&Held> = stored.chunks.iter().collect();
    chunks.sort_by_key(|chunk| (chunk.level, chunk.first_ms, chunk.no));
    let finest = chunks.first().map(|chunk| chunk.level);
    chunks
        .into_iter()
        .filter(|chunk| Some(chunk.level) == finest)
        .map_while(|chunk| {
            if excess == 0 {
                return None;
            }
            // What a raw chunk becomes is counted by the next plan.
            excess = excess.saturating_sub(chunk.bytes.max(1));
            Some(match chunk.level {
                Level::Raw => Step::RollUp {
                    chunk: *chunk,
                    before_ms: chunk.end_ms,
                    for_size: true,
                },
                _ => Step::Drop {
                    chunk: *chunk,
                    for_size: true,
                },
            })
        })
        .collect()
}

/// Buckets of raw points, both ascending.
pub fn roll_up(points: &[(i64, i64)], step_ms: i64) -> Vec<Bucket> {
    let mut out: Vec<Bucket> = Vec::new();
    for (t_ms, value) in points {
        let point = Bucket::point(floor(*t_ms, step_ms), *value);
        match out.last_mut() {
            Some(bucket) if bucket.t_ms == point.t_ms => bucket.merge(&point),
            _ => out.push(point),
        }
    }
    out
}

/// Two ascending lists as one; buckets of the same instant become one.
pub fn merge_buckets(mut all: Vec<Bucket>, more: Vec<Bucket>) -> Vec<Bucket> {
    all.extend(more);
    all.sort_by_key(|bucket| bucket.t_ms);
    all.dedup_by(|next, kept| {
        let is_same = next.t_ms == kept.t_ms;
        if is_same {
            kept.merge(next);
        }
        is_same
    });
    all
}

/// Which levels points of one stretch go to when they are sealed, and from which instant on.
///
/// Raw and minutes share what is kept: a point is in one of them. `None` of them for points that came too late for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    cuts: [i64; 4],
}

impl Places {
    /// At this instant.
    pub fn at(policy: &Retention, now_ms: i64) -> Self {
        Self {
            cuts: Level::ALL.map(|level| policy.cut_ms(level, now_ms)),
        }
    }

    /// What is older than this does not go to `level`.
    pub fn cut_ms(&self, level: Level) -> i64 {
        let [raw, one_minute, ten_minutes, one_hour] = self.cuts;
        match level {
            Level::Raw => raw,
            Level::OneMinute => one_minute,
            Level::TenMinutes => ten_minutes,
            Level::OneHour => one_hour,
        }
    }

    /// The part of ascending `points` that goes to `level`.
    pub fn part<'p>(&self, level: Level, points: &'p [(i64, i64)]) -> &'p [(i64, i64)] {
        let from_ms = self.cut_ms(level);
        let to_ms = match level {
            Level::OneMinute => self.cut_ms(Level::Raw),
            _ => i64::MAX,
        };
        let start = points.partition_point(|(t_ms, _)| *t_ms < from_ms);
        let end = points.partition_point(|(t_ms, _)| *t_ms < to_ms || to_ms == i64::MAX);
        points.get(start..end.max(start)).unwrap_or_default()
    }
}

/// Points by series from records, ascending.
pub fn by_series(
    records: impl IntoIterator<Item = (i64, Vec<(u32, i64)>)>,
) -> BTreeMap<u32, Vec<(i64, i64)>> {
    let mut series: BTreeMap<u32, Vec<(i64, i64)>> = BTreeMap::new();
    for (t_ms, samples) in records {
        for (no, value) in samples {
            series.entry(no).or_default().push((t_ms, value));
        }
    }
    series
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-11-22 12:00 UTC
    const NOW_MS: i64 = 1_795_348_800_000;

    fn held(level: Level, age_ms: i64, no: i64) -> Held {
        let first_ms = floor(NOW_MS - age_ms, chunk_ms(level));
        Held {
            no,
            host_no: 1,
            level,
            first_ms,
            end_ms: first_ms + chunk_ms(level),
            bytes: 1_000,
        }
    }

    fn tail(oldest_age_ms: i64, newest_age_ms: i64) -> Stored {
        Stored {
            tails: vec![Tail {
                host_no: 1,
                oldest_ms: NOW_MS - oldest_age_ms,
                newest_ms: NOW_MS - newest_age_ms,
            }],
            ..Stored::default()
        }
    }

    #[test]
    fn a_tail_is_sealed_once_its_four_hours_are_over_a_day_at_a_time_and_keeps_its_last_record() {
        let policy = Retention::default();
        let noon_block = NOW_MS - 4 * HOUR_MS;
        for (stored, sealed) in [
            (tail(3 * HOUR_MS, 0), None),
            (
                tail(5 * HOUR_MS, 0),
                Some((NOW_MS - 5 * HOUR_MS, noon_block)),
            ),
            // The block that ended a moment ago waits for late reports.
            (tail(4 * HOUR_MS, 0), None),
            // Yesterday first.
            (
                tail(30 * HOUR_MS, 0),
                Some((NOW_MS - 30 * HOUR_MS, NOW_MS - 12 * HOUR_MS)),
            ),
            // Silent: the last record stays.
            (
                tail(11 * HOUR_MS, 10 * HOUR_MS),
                Some((NOW_MS - 11 * HOUR_MS, NOW_MS - 10 * HOUR_MS)),
            ),
            (tail(10 * HOUR_MS, 10 * HOUR_MS), None),
        ] {
            let steps = plan(&stored, &policy, NOW_MS);
            let wanted: Vec<Step> = sealed
                .map(|(from_ms, to_ms)| Step::Seal {
                    host_no: 1,
                    from_ms,
                    to_ms,
                })
                .into_iter()
                .collect();
            assert_eq!(steps, wanted, "{stored:?}");
        }
        assert_eq!(
            plan(&tail(5 * HOUR_MS, 0), &policy, NOW_MS + 15 * MINUTE_MS),
            [Step::Seal {
                host_no: 1,
                from_ms: NOW_MS - 5 * HOUR_MS,
                to_ms: NOW_MS
            }]
        );
    }

    #[test]
    fn what_is_older_than_its_level_goes_and_nothing_newer() {
        let policy = Retention::default();
        let levels = [
            (Level::Raw, 48 * HOUR_MS),
            (Level::OneMinute, 14 * DAY_MS),
            (Level::TenMinutes, 90 * DAY_MS),
            (Level::OneHour, 730 * DAY_MS),
        ];
        for (level, kept_ms) in levels {
            let young = held(level, kept_ms - DAY_MS, 1);
            let old = held(level, kept_ms + chunk_ms(level) + DAY_MS, 2);
            let stored = Stored {
                chunks: vec![old, young],
                ..Stored::default()
            };
            let wanted = match level {
                Level::Raw => Step::RollUp {
                    chunk: old,
                    before_ms: NOW_MS - kept_ms,
                    for_size: false,
                },
                _ => Step::Drop {
                    chunk: old,
                    for_size: false,
                },
            };
            assert_eq!(plan(&stored, &policy, NOW_MS), [wanted]);
        }
        let shorter = Retention {
            one_minute_ms: 2 * DAY_MS,
            ..policy
        };
        let stored = Stored {
            chunks: vec![held(Level::OneMinute, 5 * DAY_MS, 1)],
            ..Stored::default()
        };
        assert_eq!(plan(&stored, &policy, NOW_MS), []);
        assert_eq!(plan(&stored, &shorter, NOW_MS).len(), 1);
    }

    #[test]
    fn too_much_takes_the_oldest_raw_first() {
        let chunks = vec![
            held(Level::OneHour, 300 * DAY_MS, 1),
            held(Level::OneMinute, 9 * DAY_MS, 2),
            held(Level::Raw, HOUR_MS, 3),
            held(Level::Raw, 25 * HOUR_MS, 4),
        ];
        let planned = |max_bytes: Option<u64>, chunks: &[Held]| {
            let policy = Retention {
                max_bytes,
                ..Retention::default()
            };
            let stored = Stored {
                chunks: chunks.to_vec(),
                used_bytes: 5_000,
                tails: Vec::new(),
            };
            let steps = plan(&stored, &policy, NOW_MS);
            steps
                .into_iter()
                .map(|step| match step {
                    Step::RollUp {
                        chunk,
                        for_size: true,
                        ..
                    }
                    | Step::Drop {
                        chunk,
                        for_size: true,
                    } => chunk.no,
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(planned(None, &chunks), []);
        assert_eq!(planned(Some(5_000), &chunks), []);
        assert_eq!(planned(Some(4_500), &chunks), [4]);
        assert_eq!(planned(Some(1_000), &chunks), [4, 3], "then it asks again");
        assert_eq!(planned(Some(0), &chunks[..2]), [2]);
        assert_eq!(planned(Some(0), &chunks[..1]), [1]);
    }

    #[test]
    fn short_spans_are_sealed_and_cut_in_short_stretches() {
        let policy = Retention {
            raw_ms: HOUR_MS,
            ..Retention::default()
        };
        assert_eq!(policy.cut_ms(Level::Raw, NOW_MS + 59_999), NOW_MS - HOUR_MS);
        assert_eq!(policy.seal_before_ms(NOW_MS + 59_999), NOW_MS - MINUTE_MS);
        assert_eq!(Retention::default().block_ms(), 4 * HOUR_MS);
    }

    proptest! {
        #[test]
        fn a_point_is_in_raw_or_in_minutes_and_in_each_coarser_level(ages in prop::collection::vec(0i64..800 * DAY_MS, 1..60)) {
            let policy = Retention::default();
            let mut points: Vec<(i64, i64)> = ages.iter().map(|age_ms| (NOW_MS - age_ms, 1)).collect();
            points.sort_unstable();
            let places = Places::at(&policy, NOW_MS);
            let count = |level| places.part(level, &points).len();
            let within = |kept_ms: i64| points.iter().filter(|(t_ms, _)| *t_ms >= floor(NOW_MS - kept_ms, 4 * HOUR_MS)).count();
            prop_assert_eq!(count(Level::Raw) + count(Level::OneMinute), within(policy.one_minute_ms));
            prop_assert_eq!(count(Level::Raw), within(policy.raw_ms));
            prop_assert_eq!(count(Level::TenMinutes), within(policy.ten_minutes_ms));
            prop_assert_eq!(count(Level::OneHour), within(policy.one_hour_ms));
        }

        #[test]
        fn rolling_up_in_parts_is_rolling_up_at_once(values in prop::collection::vec((0i64..100_000, any::<i64>()), 1..300), step_ms in 1i64..20_000, from in 0usize..300) {
            let mut points = values;
            points.sort_unstable();
            let (late, live): (Vec<_>, Vec<_>) = points.iter().copied().enumerate().partition(|(at, _)| at % 7 == from % 7);
            let part = |list: Vec<(usize, (i64, i64))>| roll_up(&list.into_iter().map(|(_, point)| point).collect::<Vec<_>>(), step_ms);
            let merged = merge_buckets(part(live), part(late));
            let naive: BTreeMap<i64, Vec<i64>> = points.iter().fold(BTreeMap::new(), |mut all, (t_ms, value)| {
                all.entry(t_ms.div_euclid(step_ms) * step_ms).or_insert_with(Vec::new).push(*value);
                all
            });
            let naive: Vec<Bucket> = naive.into_iter().map(|(t_ms, values)| Bucket {
                t_ms,
                min: values.iter().copied().min().unwrap(),
                max: values.iter().copied().max().unwrap(),
                sum: values.iter().map(|value| i128::from(*value)).sum(),
                count: values.len() as u32,
            }).collect();
            prop_assert_eq!(merged, naive);
        }
    }
}
