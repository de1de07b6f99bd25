//! Folds what is stored of a series, at whatever levels, into one answer: few buckets, however long the range.
//!
//! Called by the server's series service, once a series, with points in any order. [`source`] says which level to read.
//! Invariants: memory grows with the points of the answer and the gaps, not with the points read; no point counts twice;
//! where no point is, there is a gap with a reason. It reads nothing itself.

use super::history::floor;
use super::series::{
    Bucket, DivCeil, GAP_STEPS, Gap, Level, POINTS_MAX, SeriesError, SeriesRequest, Slice,
    whole_steps,
};

/// Which level is read, and how wide the answer's buckets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Raw means raw points and, where these are no longer kept, minutes.
    pub level: Level,
    /// 0: points as they are.
    pub bucket_ms: i64,
}

/// What is kept of one host: the first instant of each level, raw with the tail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// In the order of [`Level::ALL`].
    pub first_ms: [Option<i64>; 4],
}

impl Source {
    /// Chunks to read beside the tail.
    pub fn levels(&self, request: &SeriesRequest) -> &'static [Level] {
        match (self.level, request.level) {
            (Level::Raw, Some(Level::Raw)) => &[Level::Raw],
            (Level::Raw | Level::OneMinute, _) => &[Level::Raw, Level::OneMinute],
            (Level::TenMinutes, _) => &[Level::TenMinutes],
            (Level::OneHour, _) => &[Level::OneHour],
        }
    }

    /// The range to read: whole buckets, so that a bucket that reaches into the range is known, even if it is not shown.
    pub fn range(&self, request: &SeriesRequest) -> (i64, i64) {
        if self.bucket_ms == 0 {
            return (request.from_ms, request.to_ms);
        }
        let end_ms = floor(request.to_ms.saturating_sub(1), self.bucket_ms);
        (
            floor(request.from_ms, self.bucket_ms),
            end_ms.saturating_add(self.bucket_ms),
        )
    }
}

/// The level to read: the one asked for; else the coarsest that has the detail that is wanted, or a coarser one when only
/// that is kept from the beginning of the range on.
pub fn source(request: &SeriesRequest, kept: &Kept) -> Source {
    let bucket_ms = request.bucket_ms();
    if let Some(level) = request.level {
        let level = match level {
            Level::OneMinute => Level::Raw,
            level => level,
        };
        return Source { level, bucket_ms };
    }
    let [raw, one_minute, ten_minutes, one_hour] = kept.first_ms;
    let fine = [raw, one_minute].into_iter().flatten().min();
    let firsts = [
        (Level::Raw, fine),
        (Level::TenMinutes, ten_minutes),
        (Level::OneHour, one_hour),
    ];
    let mut level = match Level::fitting(bucket_ms) {
        Level::OneMinute => Level::Raw,
        level => level,
    };
    for (coarser, first_ms) in firsts {
        let own_ms = firsts
            .iter()
            .find(|(of, _)| *of == level)
            .and_then(|(_, first_ms)| *first_ms)
            .unwrap_or(i64::MAX);
        let step_ms = i64::from(coarser.step_s(1)) * 1000;
        let reaches_back = first_ms.is_some_and(|first_ms| {
            first_ms.saturating_add(step_ms) <= own_ms && first_ms < request.to_ms
        });
        if coarser > level && request.from_ms < own_ms && reaches_back {
            level = coarser;
        }
    }
    let minutes_inside = level == Level::Raw
        && one_minute.is_some_and(|first_ms| {
            // Where raw points begin, minutes end.
            first_ms < request.to_ms && raw.is_none_or(|raw_ms| request.from_ms < raw_ms)
        });
    let at_least = if minutes_inside {
        Level::OneMinute
    } else {
        level
    };
    let bucket_ms = match at_least {
        Level::Raw => bucket_ms,
        level => request.folded_ms().max(i64::from(level.step_s(1)) * 1000),
    };
    Source {
        level,
        bucket_ms: whole_steps(bucket_ms, at_least),
    }
}

/// What is known beside the points.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Losses with their reasons.
    pub explicit: &'a [Gap],
    /// Last instant at which something could have been known: now, or the end of the range.
    pub until_ms: i64,
    /// What is older was deleted at the level that is read.
    pub cut_ms: i64,
}

/// An answer in the making.
#[derive(Debug, Clone)]
pub struct Fold {
    request: SeriesRequest,
    source: Source,
    bucket_ms: i64,
    from_ms: i64,
    to_ms: i64,
    /// What begins in these is shown.
    shown_ms: (i64, i64),
    limit_ms: i64,
    buckets: Vec<Bucket>,
    /// Stretches in which points follow each other closely.
    runs: Vec<(i64, i64)>,
    is_beyond: bool,
}

impl Fold {
    /// An empty answer.
    pub fn new(request: &SeriesRequest, source: Source) -> Self {
        let interval_ms = i64::from(request.interval_s.max(1)) * 1000;
        let (from_ms, to_ms) = source.range(request);
        // At a level that is named each bucket is whole; else a point is in the answer when it is in the range.
        let shown_ms = match request.level {
            Some(_) if source.bucket_ms > 0 => (
                request
                    .from_ms
                    .div_ceil_i64(source.bucket_ms)
                    .saturating_mul(source.bucket_ms),
                to_ms,
            ),
            _ => (request.from_ms, request.to_ms),
        };
        Self {
            request: *request,
            source,
            bucket_ms: source.bucket_ms,
            from_ms,
            to_ms,
            shown_ms,
            limit_ms: (interval_ms as f64 * GAP_STEPS) as i64,
            buckets: Vec::new(),
            runs: Vec::new(),
            is_beyond: false,
        }
    }

    /// Takes in a point (`span_ms` 0) or a bucket of that width; what lies outside of the range is passed over.
    pub fn add(&mut self, bucket: &Bucket, span_ms: i64) {
        if bucket.t_ms < self.from_ms || bucket.t_ms >= self.to_ms {
            return;
        }
        let end_ms = bucket.t_ms.saturating_add(span_ms);
        match self.runs.last_mut() {
            Some((start_ms, last_ms))
                if bucket.t_ms >= *start_ms
                    && bucket.t_ms.saturating_sub(*last_ms) <= self.limit_ms =>
            {
                *last_ms = end_ms.max(*last_ms);
            }
            _ => self.runs.push((bucket.t_ms, end_ms)),
        }
        if bucket.t_ms < self.shown_ms.0 || bucket.t_ms >= self.shown_ms.1 {
            return;
        }
        if self.bucket_ms == 0 {
            self.buckets.push(*bucket);
            self.bound();
        } else {
            self.put(*bucket);
        }
    }

    fn put(&mut self, mut bucket: Bucket) {
        bucket.t_ms = floor(bucket.t_ms, self.bucket_ms).max(self.shown_ms.0);
        match self.buckets.last_mut() {
            Some(last) if last.t_ms == bucket.t_ms => last.merge(&bucket),
            _ => self.buckets.push(bucket),
        }
    }

    /// A watched host has ten points an interval: they become buckets of an interval or more when they are too many.
    fn bound(&mut self) {
        match self.request.level {
            None if self.buckets.len() > self.request.max_points => {
                self.bucket_ms = self.request.folded_ms();
                for bucket in std::mem::take(&mut self.buckets) {
                    self.put(bucket);
                }
            }
            Some(_) if self.buckets.len() > POINTS_MAX => {
                self.is_beyond = true;
                self.buckets.clear();
            }
            _ => {}
        }
    }

    /// The answer.
    ///
    /// # Errors
    /// More than [`POINTS_MAX`] points at an explicit level.
    pub fn finish(mut self, known: &Known<'_>) -> Result<Slice, SeriesError> {
        self.buckets.sort_by_key(|bucket| bucket.t_ms);
        if self.bucket_ms > 0 {
            self.buckets = super::history::merge_buckets(self.buckets, Vec::new());
        }
        if self.request.level.is_none() && self.request.max_points == 1 {
            // A range of any length may lie across an edge of buckets of any width.
            let mut all = self.buckets.drain(..);
            let one = all.next().map(|mut first| {
                all.for_each(|bucket| first.merge(&bucket));
                first
            });
            self.buckets = one.into_iter().collect();
        }
        if let Some(level) = self.request.level
            && (self.is_beyond || self.buckets.len() > POINTS_MAX)
        {
            return Err(SeriesError::TooManyPoints {
                level,
                from_ms: self.request.from_ms,
                to_ms: self.request.to_ms,
            });
        }
        self.runs.sort_unstable();
        let interval_ms = i64::from(self.request.interval_s.max(1)) * 1000;
        let step_ms = self.bucket_ms.max(interval_ms);
        Ok(Slice {
            is_folded: self.bucket_ms > 0,
            gaps: self.gaps(known),
            points: self.buckets,
            level: self
                .request
                .level
                .unwrap_or_else(|| Level::fitting(self.bucket_ms)),
            step_s: u32::try_from(step_ms / 1000).unwrap_or(u32::MAX),
        })
    }

    /// Stretches longer than [`GAP_STEPS`] intervals without a point, and what an agent lost, however short; where
    /// coarser levels are read, in which a short silence does not show, also the other losses that are known.
    fn gaps(&self, known: &Known<'_>) -> Vec<Gap> {
        let (from_ms, end_ms) = (self.request.from_ms, self.request.to_ms.min(known.until_ms));
        let mut gaps = Vec::new();
        let mut known_to_ms = from_ms;
        let runs = self.runs.iter().copied();
        for (start_ms, run_end_ms) in runs.chain([(end_ms, end_ms)]) {
            let start_ms = start_ms.min(end_ms);
            if start_ms.saturating_sub(known_to_ms) > self.limit_ms {
                explained(&mut gaps, known_to_ms, start_ms, known);
            }
            known_to_ms = known_to_ms.max(run_end_ms);
        }
        let are_points_near = self.source.level == Level::Raw && self.bucket_ms < 60_000;
        let mut told = Vec::new();
        for gap in known.explicit {
            let mut at_ms = gap.from_ms.max(from_ms);
            let to_ms = gap.to_ms.min(end_ms);
            let inside = gaps
                .iter()
                .filter(|other| other.to_ms > at_ms && other.from_ms < to_ms);
            let edges: Vec<(i64, i64)> = inside.map(|other| (other.from_ms, other.to_ms)).collect();
            // A record or two that an agent lost leave no silence that would tell of them.
            let is_short = to_ms.saturating_sub(at_ms) <= self.limit_ms;
            if is_short && at_ms < to_ms && edges.is_empty() && is_lost(&gap.reason) {
                told.push(Gap {
                    from_ms: at_ms,
                    to_ms,
                    reason: gap.reason.clone(),
                });
                continue;
            }
            if are_points_near {
                continue;
            }
            for (other_from_ms, other_to_ms) in edges.into_iter().chain([(to_ms, to_ms)]) {
                if other_from_ms.saturating_sub(at_ms) > self.limit_ms {
                    told.push(Gap {
                        from_ms: at_ms,
                        to_ms: other_from_ms,
                        reason: gap.reason.clone(),
                    });
                }
                at_ms = at_ms.max(other_to_ms);
            }
        }
        gaps.extend(told);
        gaps.sort_by_key(|gap| (gap.from_ms, gap.to_ms));
        let mut last_ms = i64::MIN;
        gaps.retain(|gap| {
            let is_apart = gap.from_ms >= last_ms;
            if is_apart {
                last_ms = gap.to_ms;
            }
            is_apart
        });
        gaps
    }
}

/// Are these records gone for good, and not only late?
fn is_lost(reason: &str) -> bool {
    ["dropped_by_agent", "damaged_at_agent", "lost_by_agent"].contains(&reason)
}

/// Adds a gap with its reason: deleted when it was before the cut; else the known loss that covers most of it.
fn explained(gaps: &mut Vec<Gap>, from_ms: i64, to_ms: i64, known: &Known<'_>) {
    let cut_ms = known.cut_ms.clamp(from_ms, to_ms);
    if cut_ms > from_ms {
        gaps.push(Gap {
            from_ms,
            to_ms: cut_ms,
            reason: "retention".to_owned(),
        });
    }
    if cut_ms == to_ms {
        return;
    }
    let overlap = |gap: &Gap| gap.to_ms.min(to_ms).saturating_sub(gap.from_ms.max(cut_ms));
    let reason = known
        .explicit
        .iter()
        .filter(|gap| overlap(gap) > 0)
        .max_by_key(|gap| overlap(gap))
        .map_or("no_report", |gap| gap.reason.as_str());
    gaps.push(Gap {
        from_ms: cut_ms,
        to_ms,
        reason: reason.to_owned(),
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metric::history::roll_up;

    const DAY_MS: i64 = 86_400_000;

    fn request(from_ms: i64, to_ms: i64) -> SeriesRequest {
        SeriesRequest {
            from_ms,
            to_ms,
            level: None,
            max_points: 400,
            interval_s: 10,
        }
    }

    #[test]
    fn the_coarsest_level_with_the_wanted_detail_is_read_or_what_is_still_kept() {
        let now_ms = 1_000 * DAY_MS;
        let kept = Kept {
            first_ms: [
                Some(now_ms - 2 * DAY_MS),
                Some(now_ms - 14 * DAY_MS),
                Some(now_ms - 90 * DAY_MS),
                Some(now_ms - 730 * DAY_MS),
            ],
        };
        let hour = 3_600_000;
        for (from_ms, to_ms, level, bucket_s) in [
            (now_ms - hour, now_ms, Level::Raw, 0),
            (now_ms - 6 * hour, now_ms, Level::Raw, 60),
            (now_ms - DAY_MS, now_ms, Level::Raw, 240),
            (now_ms - 7 * DAY_MS, now_ms, Level::TenMinutes, 1_800),
            (now_ms - 30 * DAY_MS, now_ms, Level::OneHour, 7_200),
            (now_ms - 730 * DAY_MS, now_ms, Level::OneHour, 158_400),
            (now_ms - 36_500 * DAY_MS, now_ms, Level::OneHour, 7_905_600),
            // An hour of last week is only kept in minutes, one of last month in tens of them, one of last year in hours.
            (
                now_ms - 7 * DAY_MS,
                now_ms - 7 * DAY_MS + hour,
                Level::Raw,
                60,
            ),
            (
                now_ms - 30 * DAY_MS,
                now_ms - 30 * DAY_MS + hour,
                Level::TenMinutes,
                600,
            ),
            (
                now_ms - 300 * DAY_MS,
                now_ms - 300 * DAY_MS + hour,
                Level::OneHour,
                3_600,
            ),
            // Half an hour on each side of where raw begins.
            (
                now_ms - 2 * DAY_MS - hour / 2,
                now_ms - 2 * DAY_MS + hour / 2,
                Level::Raw,
                60,
            ),
        ] {
            let found = source(&request(from_ms, to_ms), &kept);
            assert_eq!(
                found,
                Source {
                    level,
                    bucket_ms: bucket_s * 1000
                },
                "{} h ago, {} h",
                (now_ms - from_ms) / hour,
                (to_ms - from_ms) / hour
            );
        }
        // A host that is new has nothing older anywhere.
        let young = Kept {
            first_ms: [
                Some(now_ms - 5 * hour),
                None,
                Some(now_ms - 5 * hour - 1),
                Some(now_ms - 5 * hour - 2),
            ],
        };
        let found = source(&request(now_ms - DAY_MS, now_ms), &young);
        assert_eq!(found.level, Level::Raw);
    }

    #[test]
    fn a_level_that_is_named_is_read_whatever_is_kept() {
        for (level, read) in [
            (Level::Raw, Level::Raw),
            (Level::OneMinute, Level::Raw),
            (Level::TenMinutes, Level::TenMinutes),
            (Level::OneHour, Level::OneHour),
        ] {
            let request = SeriesRequest {
                level: Some(level),
                ..request(0, 100 * 366 * DAY_MS)
            };
            assert_eq!(source(&request, &Kept::default()).level, read);
        }
    }

    #[test]
    fn what_was_deleted_is_told_from_what_was_never_known() {
        let request = request(0, 100_000_000);
        let source = Source {
            level: Level::OneHour,
            bucket_ms: 3_600_000,
        };
        let mut fold = Fold::new(&request, source);
        for hour in [10, 11, 13] {
            fold.add(&Bucket::point(hour * 3_600_000, 1), 3_600_000);
        }
        let known = Known {
            explicit: &[Gap {
                from_ms: 37_000_000,
                to_ms: 37_500_000,
                reason: "dropped_by_agent".to_owned(),
            }],
            until_ms: 60_000_000,
            cut_ms: 20_000_000,
        };
        let gaps: Vec<(i64, i64, String)> = fold
            .finish(&known)
            .unwrap()
            .gaps
            .into_iter()
            .map(|gap| (gap.from_ms, gap.to_ms, gap.reason))
            .collect();
        assert_eq!(
            gaps,
            [
                (0, 20_000_000, "retention".to_owned()),
                (20_000_000, 36_000_000, "no_report".to_owned()),
                (37_000_000, 37_500_000, "dropped_by_agent".to_owned()),
                (43_200_000, 46_800_000, "no_report".to_owned()),
                (50_400_000, 60_000_000, "no_report".to_owned()),
            ]
        );
    }

    #[test]
    fn raw_points_beyond_what_an_answer_holds_are_refused_without_keeping_them() {
        let request = SeriesRequest {
            level: Some(Level::Raw),
            ..request(0, DAY_MS)
        };
        let mut fold = Fold::new(&request, source(&request, &Kept::default()));
        for t_ms in 0..60_000 {
            fold.add(&Bucket::point(t_ms * 1000, 1), 0);
            assert!(fold.buckets.len() <= POINTS_MAX);
        }
        let known = Known {
            explicit: &[],
            until_ms: DAY_MS,
            cut_ms: i64::MIN,
        };
        assert!(matches!(
            fold.finish(&known),
            Err(SeriesError::TooManyPoints { .. })
        ));
    }

    proptest! {
        /// Watched (1 s) and not (10 s), from points or from any level that was rolled up from them, in any order of parts.
        #[test]
        fn an_answer_is_the_same_from_points_and_from_levels(steps in prop::collection::vec((prop_oneof![Just(1i64), Just(10)], -50i64..50), 1..900), hours in 12i64..400, level_s in prop_oneof![Just(60i64), Just(600), Just(3_600)], split in 0usize..900) {
            let mut at_s = 0;
            let points: Vec<(i64, i64)> = steps.iter().map(|(step_s, value)| { at_s += step_s; (at_s * 1000, *value) }).collect();
            let request = SeriesRequest { max_points: 7, ..request(0, hours * 3_600_000) };
            let source = Source { level: Level::OneHour, bucket_ms: hours.max(1) * 3_600_000 };
            let known = Known { explicit: &[], until_ms: 0, cut_ms: i64::MIN };
            let mut naive = Fold::new(&request, source);
            points.iter().for_each(|(t_ms, value)| naive.add(&Bucket::point(*t_ms, *value), 0));
            let (old, new) = points.split_at(split.min(points.len()));
            let mut folded = Fold::new(&request, source);
            new.iter().for_each(|(t_ms, value)| folded.add(&Bucket::point(*t_ms, *value), 0));
            roll_up(old, level_s * 1000).iter().for_each(|bucket| folded.add(bucket, level_s * 1000));
            prop_assert_eq!(folded.finish(&known).unwrap().points, naive.finish(&known).unwrap().points);
        }
    }
}
