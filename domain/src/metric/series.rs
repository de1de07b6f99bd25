//! From raw points to what a chart or a program asks for: buckets with their extremes, and gaps with their reasons.
//!
//! Called by the server's series API and charts. Invariant: nothing is invented; where no point is, there is a gap.

use serde::{Deserialize, Serialize};

use super::fold::{Fold, Known, Source};

/// Points in one answer at an explicit level.
pub const POINTS_MAX: usize = 20_000;
/// Points in one answer when the caller does not say.
pub const POINTS_DEFAULT: usize = 400;
/// A path breaks where two points are further apart than this many steps.
pub const GAP_STEPS: f64 = 2.5;

/// How finely a series is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Level {
    /// Every point as reported.
    #[serde(rename = "raw")]
    Raw,
    /// One bucket a minute.
    #[serde(rename = "1m")]
    OneMinute,
    /// One bucket each ten minutes.
    #[serde(rename = "10m")]
    TenMinutes,
    /// One bucket an hour.
    #[serde(rename = "1h")]
    OneHour,
}

impl Level {
    /// Finest first.
    pub const ALL: [Level; 4] = [
        Level::Raw,
        Level::OneMinute,
        Level::TenMinutes,
        Level::OneHour,
    ];

    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Raw => "raw",
            Level::OneMinute => "1m",
            Level::TenMinutes => "10m",
            Level::OneHour => "1h",
        }
    }

    /// The level with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Level::ALL.into_iter().find(|level| level.as_str() == name)
    }

    /// The coarsest level whose buckets are no wider than this.
    pub fn fitting(bucket_ms: i64) -> Self {
        match bucket_ms / 1000 {
            step_s if step_s >= 3_600 => Level::OneHour,
            step_s if step_s >= 600 => Level::TenMinutes,
            step_s if step_s >= 60 => Level::OneMinute,
            _ => Level::Raw,
        }
    }

    /// Number in storage.
    pub fn no(self) -> u8 {
        match self {
            Level::Raw => 0,
            Level::OneMinute => 1,
            Level::TenMinutes => 2,
            Level::OneHour => 3,
        }
    }

    /// The level with this number.
    pub fn from_no(no: i64) -> Option<Self> {
        Level::ALL
            .into_iter()
            .find(|level| i64::from(level.no()) == no)
    }

    /// Seconds a bucket, given the configured interval of raw points.
    pub fn step_s(self, interval_s: u32) -> u32 {
        match self {
            Level::Raw => interval_s.max(1),
            Level::OneMinute => 60,
            Level::TenMinutes => 600,
            Level::OneHour => 3_600,
        }
    }
}

/// What is asked of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesRequest {
    /// Inclusive.
    pub from_ms: i64,
    /// Exclusive.
    pub to_ms: i64,
    /// A level, when the caller wants all of its points.
    pub level: Option<Level>,
    /// Points wanted at most when no level is asked for.
    pub max_points: usize,
    /// Configured seconds between reports.
    pub interval_s: u32,
}

/// A request that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// The range ends before it begins.
    #[error("to_ms ({to_ms}) must be after from_ms ({from_ms})")]
    EmptyRange {
        /// Inclusive.
        from_ms: i64,
        /// Exclusive.
        to_ms: i64,
    },
    /// More points than one answer holds.
    #[error("level {level} from {from_ms} to {to_ms} has more than {POINTS_MAX} points: shorten the range, choose a coarser level, or leave `level` out and set `max_points`", level = .level.as_str())]
    TooManyPoints {
        /// Asked for.
        level: Level,
        /// Inclusive.
        from_ms: i64,
        /// Exclusive.
        to_ms: i64,
    },
    /// A number of points that makes no sense.
    #[error("max_points must be from 1 to {POINTS_MAX}, not {given}")]
    MaxPoints {
        /// Asked for.
        given: usize,
    },
}

/// A point, or many of them in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Instant of the point, or start of the bucket.
    pub t_ms: i64,
    /// Least stored value.
    pub min: i64,
    /// Sum of stored values, for the mean.
    pub sum: i128,
    /// Greatest stored value.
    pub max: i64,
    /// Points in it; never 0.
    pub count: u32,
}

impl Bucket {
    /// One raw point.
    pub fn point(t_ms: i64, value: i64) -> Self {
        Self {
            t_ms,
            min: value,
            sum: i128::from(value),
            max: value,
            count: 1,
        }
    }

    /// Mean of the stored values.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / f64::from(self.count.max(1))
    }

    /// Takes in what another bucket of the same stretch holds.
    pub fn merge(&mut self, other: &Bucket) {
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
        self.count = self.count.saturating_add(other.count);
    }
}

/// A stretch in which nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Last instant known before it, or the start of the range.
    pub from_ms: i64,
    /// First instant known after it, or the end of what could be known.
    pub to_ms: i64,
    /// Why, such as `no_report`, `dropped_by_agent`, `server_down`.
    pub reason: String,
}

/// So long after it became known a node may take to tell something.
const FIRST_REPORT_MS: i64 = 60_000;

/// Says of the time before `since_ms`, when nobody knew of the node, that it is no silence.
pub fn name_time_before(gaps: &mut Vec<Gap>, since_ms: i64) {
    let mut named = Vec::with_capacity(gaps.len() + 1);
    for gap in gaps.drain(..) {
        if gap.reason != "no_report" || gap.from_ms >= since_ms {
            named.push(gap);
            continue;
        }
        let is_silent_after = gap.to_ms.saturating_sub(since_ms) > FIRST_REPORT_MS;
        let until_ms = if is_silent_after { since_ms } else { gap.to_ms };
        named.push(Gap {
            from_ms: gap.from_ms,
            to_ms: until_ms,
            reason: "not_enrolled".to_owned(),
        });
        if is_silent_after {
            named.push(Gap {
                from_ms: until_ms,
                ..gap
            });
        }
    }
    *gaps = named;
}

/// A series as answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Ascending.
    pub points: Vec<Bucket>,
    /// Ascending, not overlapping.
    pub gaps: Vec<Gap>,
    /// What the points are.
    pub level: Level,
    /// Seconds from one point to the next where nothing is missing.
    pub step_s: u32,
    /// Is a point what several reports add up to, and not one as it was reported?
    pub is_folded: bool,
}

impl Slice {
    /// As in the API, where a raw point has count 1.
    pub fn level_name(&self) -> &'static str {
        match self.level {
            Level::Raw if self.is_folded => "folded",
            level => level.as_str(),
        }
    }
}

impl SeriesRequest {
    /// Refuses what cannot be answered, before anything is read.
    ///
    /// # Errors
    /// An empty range, or a senseless number of points.
    pub fn check(&self) -> Result<(), SeriesError> {
        if self.to_ms <= self.from_ms {
            return Err(SeriesError::EmptyRange {
                from_ms: self.from_ms,
                to_ms: self.to_ms,
            });
        }
        if self.max_points == 0 || self.max_points > POINTS_MAX {
            return Err(SeriesError::MaxPoints {
                given: self.max_points,
            });
        }
        Ok(())
    }

    /// Bucket width for this request in milliseconds; 0 means raw points.
    ///
    /// Without an explicit level raw points are kept while they fit into `max_points`, then see [`Self::folded_ms`].
    pub fn bucket_ms(&self) -> i64 {
        let interval_ms = i64::from(self.interval_s.max(1)) * 1000;
        match self.level {
            Some(Level::Raw) => 0,
            Some(level) => i64::from(level.step_s(self.interval_s)) * 1000,
            None => {
                let range = self.to_ms.saturating_sub(self.from_ms).max(1);
                let fitting = range / interval_ms;
                if fitting <= self.max_points as i64 {
                    0
                } else {
                    self.folded_ms()
                }
            }
        }
    }

    /// The narrowest width of buckets of which `max_points` hold the range, wherever it begins: a range touches one
    /// bucket more than it is long, and a width that depended on that would change while a window moves.
    ///
    /// It is a whole number of intervals: `ceil(range / (max_points - 1) / interval) × interval`. From a minute on it is
    /// also a whole number of the coarsest level's buckets that fit, so that this level can be read instead.
    pub(super) fn folded_ms(&self) -> i64 {
        let interval_ms = i64::from(self.interval_s.max(1)) * 1000;
        let range = self.to_ms.saturating_sub(self.from_ms).max(1);
        // Of one bucket there is no moving: see `Fold::finish`.
        let spans = (self.max_points as i64 - 1).max(1);
        let wanted = range.div_ceil_i64(spans);
        let wanted = wanted.div_ceil_i64(interval_ms).saturating_mul(interval_ms);
        whole_steps(wanted, Level::fitting(wanted))
    }

    /// Turns raw points (ascending, within the range) and known gaps into the answer.
    ///
    /// `known_until_ms` is the last instant at which something could have been known (now, or the end of the range);
    /// the future is left blank. Points of a watched host arrive each second; without an explicit level they are put
    /// into buckets of one interval once there are more than `max_points`.
    ///
    /// # Errors
    /// More than [`POINTS_MAX`] points at an explicit level.
    pub fn slice(
        &self,
        raw: &[(i64, i64)],
        explicit: &[Gap],
        known_until_ms: i64,
    ) -> Result<Slice, SeriesError> {
        self.check()?;
        let source = Source {
            level: Level::Raw,
            bucket_ms: self.bucket_ms(),
        };
        let mut fold = Fold::new(self, source);
        for (t_ms, value) in raw {
            fold.add(&Bucket::point(*t_ms, *value), 0);
        }
        fold.finish(&Known {
            explicit,
            until_ms: known_until_ms,
            cut_ms: i64::MIN,
        })
    }
}

/// `ms` as a whole number of a level's buckets; for raw as it is.
pub(super) fn whole_steps(ms: i64, level: Level) -> i64 {
    match level {
        Level::Raw => ms,
        level => {
            let step_ms = i64::from(level.step_s(1)) * 1000;
            ms.div_ceil_i64(step_ms).saturating_mul(step_ms)
        }
    }
}

/// Division that rounds up; `i64::div_ceil` is not stable.
pub(super) trait DivCeil {
    fn div_ceil_i64(self, by: i64) -> i64;
}

impl DivCeil for i64 {
    fn div_ceil_i64(self, by: i64) -> i64 {
        let by = by.max(1);
        self.div_euclid(by) + i64::from(self.rem_euclid(by) != 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(from_ms: i64, to_ms: i64) -> SeriesRequest {
        SeriesRequest {
            from_ms,
            to_ms,
            level: None,
            max_points: POINTS_DEFAULT,
            interval_s: 10,
        }
    }

    #[test]
    fn what_was_before_a_node_was_known_is_no_silence() {
        let gap = |from_ms, to_ms, reason: &str| Gap {
            from_ms,
            to_ms,
            reason: reason.to_owned(),
        };
        let named = |gaps: &[Gap], since_ms| {
            let mut gaps = gaps.to_vec();
            name_time_before(&mut gaps, since_ms);
            gaps
        };
        let silent = [
            gap(0, 1_000_000, "no_report"),
            gap(1_100_000, 1_200_000, "no_report"),
        ];
        assert_eq!(
            named(&silent, 995_000),
            [gap(0, 1_000_000, "not_enrolled"), silent[1].clone()],
            "the first report takes a moment"
        );
        assert_eq!(
            named(&silent, 500_000),
            [
                gap(0, 500_000, "not_enrolled"),
                gap(500_000, 1_000_000, "no_report"),
                silent[1].clone()
            ]
        );
        assert_eq!(named(&silent, 0), silent);
        let down = [gap(0, 10, "server_down")];
        assert_eq!(named(&down, 5_000), down);
    }

    #[test]
    fn an_hour_of_ten_second_points_is_given_as_it_is() {
        let raw: Vec<(i64, i64)> = (0..360).map(|i| (i * 10_000, i)).collect();
        let slice = request(0, 3_600_000).slice(&raw, &[], 3_600_000).unwrap();
        assert_eq!(
            (slice.points.len(), slice.step_s, slice.level),
            (360, 10, Level::Raw)
        );
        assert!(slice.gaps.is_empty(), "{:?}", slice.gaps);
        assert!(slice.points.iter().all(|p| p.count == 1));
    }

    #[test]
    fn a_day_is_put_into_buckets_that_keep_the_peak() {
        let raw: Vec<(i64, i64)> = (0..8_640)
            .map(|i| (i * 10_000, if i == 5_000 { 999 } else { 1 }))
            .collect();
        let slice = request(0, 86_400_000).slice(&raw, &[], 86_400_000).unwrap();
        assert_eq!(slice.step_s, 240, "216 s, as whole minutes");
        assert!(slice.points.len() <= 400);
        assert_eq!(slice.points.iter().map(|p| p.max).max(), Some(999));
        assert_eq!(slice.points.iter().map(|p| p.count).sum::<u32>(), 8_640);
    }

    #[test]
    fn silence_is_a_gap_with_its_reason_and_the_future_is_blank() {
        let raw = [(0, 1), (10_000, 1), (60_000, 1), (70_000, 1)];
        let slice = request(0, 600_000).slice(&raw, &[], 80_000).unwrap();
        assert_eq!(
            slice.gaps,
            [Gap {
                from_ms: 10_000,
                to_ms: 60_000,
                reason: "no_report".into()
            }]
        );
        let told = [Gap {
            from_ms: 12_000,
            to_ms: 58_000,
            reason: "dropped_by_agent".into(),
        }];
        let slice = request(0, 600_000).slice(&raw, &told, 80_000).unwrap();
        assert_eq!(slice.gaps[0].reason, "dropped_by_agent");
        let none = request(0, 600_000).slice(&[], &[], 600_000).unwrap();
        assert_eq!(
            none.gaps,
            [Gap {
                from_ms: 0,
                to_ms: 600_000,
                reason: "no_report".into()
            }]
        );
    }

    #[test]
    fn one_lost_record_is_a_gap_although_its_silence_is_short() {
        let raw: Vec<(i64, i64)> = (0..60)
            .filter(|i| *i != 30)
            .map(|i| (i * 10_000, 1))
            .collect();
        let lost = |reason: &str| Gap {
            from_ms: 290_000,
            to_ms: 310_000,
            reason: reason.to_owned(),
        };
        let gaps = |reason: &str, level| {
            let asked = SeriesRequest {
                level,
                ..request(0, 600_000)
            };
            asked.slice(&raw, &[lost(reason)], 600_000).unwrap().gaps
        };
        for level in [None, Some(Level::Raw), Some(Level::OneMinute)] {
            assert_eq!(gaps("damaged_at_agent", level), [lost("damaged_at_agent")]);
            assert_eq!(gaps("server_down", level), [], "these records came later");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_refused_with_the_way_out() {
        assert!(
            request(10, 10)
                .check()
                .unwrap_err()
                .to_string()
                .contains("must be after")
        );
        assert!(
            SeriesRequest {
                max_points: 0,
                ..request(0, 10)
            }
            .check()
            .is_err()
        );
        let raw: Vec<(i64, i64)> = (0..20_001).map(|i| (i, 1)).collect();
        let all = SeriesRequest {
            level: Some(Level::Raw),
            ..request(0, 30_000)
        };
        assert!(matches!(
            all.slice(&raw, &[], 30_000),
            Err(SeriesError::TooManyPoints { .. })
        ));
    }

    #[test]
    fn only_points_of_the_range_are_in_an_answer_and_folded_ones_are_not_called_raw() {
        let raw: Vec<(i64, i64)> = (0..7_200).map(|i| (i * 1_000, i)).collect();
        let window = SeriesRequest {
            max_points: 1,
            ..request(3_595_500, 3_605_000)
        };
        let slice = window.slice(&raw, &[], 7_200_000).unwrap();
        let [one] = slice.points.as_slice() else {
            panic!("{:?}", slice.points);
        };
        assert_eq!((one.t_ms, one.count), (3_595_500, 9));
        assert_eq!((one.min, one.max), (3_596, 3_604), "to is exclusive");
        assert_eq!(slice.level_name(), "folded");
        // At a level that is named, whole minutes that begin in the range.
        let minutes = SeriesRequest {
            level: Some(Level::OneMinute),
            ..request(90_000, 200_000)
        };
        let slice = minutes.slice(&raw, &[], 7_200_000).unwrap();
        let told: Vec<(i64, u32)> = slice.points.iter().map(|p| (p.t_ms, p.count)).collect();
        assert_eq!(told, [(120_000, 60), (180_000, 60)]);
        assert_eq!(slice.level_name(), "1m");
        assert!(slice.gaps.is_empty(), "{:?}", slice.gaps);
    }

    proptest! {
        #[test]
        fn an_answer_has_at_most_so_many_points_and_those_of_the_range(from_ms in 0i64..100_000, long_ms in 1i64..2_000_000, max_points in 1usize..50, step in prop_oneof![Just(1i64), Just(7), Just(10)]) {
            let raw: Vec<(i64, i64)> = (0..2_100 / step).map(|i| (i * step * 1_000, i)).collect();
            let to_ms = from_ms + long_ms;
            let slice = SeriesRequest { max_points, ..request(from_ms, to_ms) }.slice(&raw, &[], to_ms).unwrap();
            prop_assert!(slice.points.len() <= max_points, "{} of {}", slice.points.len(), max_points);
            prop_assert!(slice.points.iter().all(|p| p.t_ms >= from_ms && p.t_ms < to_ms));
            let inside = raw.iter().filter(|(t_ms, _)| *t_ms >= from_ms && *t_ms < to_ms).count();
            prop_assert_eq!(slice.points.iter().map(|p| p.count as usize).sum::<usize>(), inside);
            prop_assert!(slice.level_name() != "raw" || slice.points.iter().all(|p| p.count == 1));
        }

        #[test]
        fn nothing_is_lost_or_invented(values in prop::collection::vec(-1_000i64..1_000, 1..800), max_points in 1usize..500, step in 1i64..40) {
            let raw: Vec<(i64, i64)> = values.iter().enumerate().map(|(i, v)| (i as i64 * step * 1_000, *v)).collect();
            let to_ms = raw.last().unwrap().0 + 1;
            let slice = SeriesRequest { max_points, ..request(0, to_ms) }.slice(&raw, &[], to_ms).unwrap();
            prop_assert_eq!(slice.points.iter().map(|p| u64::from(p.count)).sum::<u64>(), raw.len() as u64);
            prop_assert_eq!(slice.points.iter().map(|p| p.sum).sum::<i128>(), values.iter().map(|v| i128::from(*v)).sum::<i128>());
            prop_assert_eq!(slice.points.iter().map(|p| p.max).max(), values.iter().max().copied());
            prop_assert!(slice.points.windows(2).all(|w| w[0].t_ms < w[1].t_ms));
        }
    }
}
