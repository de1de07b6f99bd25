//! History: sealed, rolled up, back-filled and deleted, in real SQLite, at instants that the test chooses.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::collections::BTreeMap;

use common::{Site, site};
use domain::access::Role;
use domain::metric::history::Retention;
use domain::metric::{Bucket, Level, Metric, SeriesRequest, Slice};
use server::series::history::{Sealer, Tally};
use server::series::service;
use server::series::writer::{Appended, NewRecord};
use server::series::{SeriesKey, store};
use tokio_util::sync::CancellationToken;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-11-22 00:00 UTC
const MIDNIGHT_MS: i64 = 1_795_305_600_000;
const NOW_MS: i64 = MIDNIGHT_MS + 12 * HOUR_MS + 20 * MINUTE_MS;

fn key(metric: Metric, instance: &str) -> SeriesKey {
    SeriesKey {
        metric,
        instance: instance.to_owned(),
    }
}

fn series() -> [SeriesKey; 4] {
    [
        key(Metric::CpuUsedRatio, ""),
        key(Metric::MemoryAvailableBytes, ""),
        key(Metric::SwapUsedRatio, ""),
        key(Metric::FilesystemUsedRatio, "/mnt"),
    ]
}

/// Deterministic, with extremes, a constant, and a mount that comes and goes.
fn samples(t_ms: i64) -> Vec<(SeriesKey, i64)> {
    let n = t_ms / SECOND_MS;
    let [cpu, memory, swap, mount] = series();
    let extreme = match n % 97 {
        0 => i64::MAX,
        1 => i64::MIN,
        n => n * 4096,
    };
    let noise = (n as u64)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(29)
        .wrapping_mul(0xBF58_476D_1CE4_E5B9)
        >> 54;
    let mut samples = vec![(cpu, noise as i64), (memory, extreme), (swap, 42)];
    if n / 600 % 3 != 0 {
        samples.push((mount, n % 5));
    }
    samples
}

struct History {
    site: Site,
    host_no: i64,
    node_id: String,
    seq: u64,
}

impl History {
    async fn new() -> Self {
        let site = site().await;
        let agent = site.agent(1).await;
        let host = site.ops.live.host_by_id(&agent.host_id).unwrap();
        Self {
            host_no: host.record.no,
            node_id: agent.node_id,
            site,
            seq: 0,
        }
    }

    /// Stores a record at each instant, as if received at `received_at_ms`, or at once.
    async fn append(
        &mut self,
        instants: impl IntoIterator<Item = i64>,
        received_at_ms: Option<i64>,
    ) {
        let mut records: Vec<NewRecord> = Vec::new();
        for t_ms in instants {
            self.seq += 1;
            records.push(NewRecord {
                epoch: 1,
                seq: self.seq,
                digest: self.seq.to_be_bytes(),
                t_ms,
                samples: samples(t_ms),
                gap: None,
                goodbye: false,
            });
        }
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(500));
            let received = received_at_ms.unwrap_or(records[0].t_ms);
            let records = std::mem::replace(&mut records, rest);
            let records = records.into_iter().map(|record| NewRecord { ..record });
            let stored = self
                .site
                .ops
                .writer
                .append(self.host_no, received, records.collect())
                .await
                .unwrap();
            assert!(matches!(stored, Appended::Stored { .. }));
        }
    }

    async fn seal_with(&self, policy: Retention, now_ms: i64) -> Tally {
        Sealer::new(self.site.ops.metrics.clone(), policy)
            .run_once(now_ms, &CancellationToken::new())
            .await
            .unwrap()
    }

    async fn seal(&self, now_ms: i64) -> Tally {
        self.seal_with(Retention::default(), now_ms).await
    }

    async fn read(
        &self,
        level: Option<Level>,
        from_ms: i64,
        to_ms: i64,
    ) -> BTreeMap<SeriesKey, Slice> {
        let request = SeriesRequest {
            from_ms,
            to_ms,
            level,
            max_points: 400,
            interval_s: 10,
        };
        let metrics = &self.site.ops.metrics;
        service::window(metrics, self.host_no, request, to_ms, |_| true)
            .await
            .unwrap()
            .slices
    }

    /// All answers to one range.
    async fn answers(&self, from_ms: i64, to_ms: i64) -> Vec<BTreeMap<SeriesKey, Slice>> {
        let mut answers = Vec::new();
        for level in Level::ALL {
            answers.push(self.read(Some(level), from_ms, to_ms).await);
        }
        answers.push(self.read(None, from_ms, to_ms).await);
        answers
    }

    async fn tail_len(&self) -> usize {
        let metrics = self.site.ops.metrics.read();
        store::list_tail(metrics, self.host_no, i64::MIN, i64::MAX)
            .await
            .unwrap()
            .len()
    }

    /// (level, first instant, end) of each chunk.
    async fn chunks(&self) -> Vec<(i64, i64, i64)> {
        sqlx::query_as("SELECT level, first_ms, end_ms FROM chunk ORDER BY level, start_ms, part")
            .fetch_all(self.site.ops.metrics.read())
            .await
            .unwrap()
    }
}

/// The same points; of what is read from points also the same gaps (a sealed level knows them to its buckets).
fn assert_same(found: &[BTreeMap<SeriesKey, Slice>], wanted: &[BTreeMap<SeriesKey, Slice>]) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert_eq!(found.len(), wanted.len());
        for (key, wanted) in wanted {
            let found = &found[key];
            assert_points(&found.points, &wanted.points, &format!("{key:?}"));
            assert_eq!((found.level, found.step_s), (wanted.level, wanted.step_s));
            if wanted.level < Level::TenMinutes {
                assert!(found.gaps == wanted.gaps, "{key:?} {:?}", found.gaps);
            }
        }
    }
}

/// Says where they differ, not all they hold.
fn assert_points(found: &[Bucket], wanted: &[Bucket], of: &str) {
    let differs = found.iter().zip(wanted).position(|(a, b)| a != b);
    let at = |list: &[Bucket]| differs.and_then(|at| list.get(at).copied());
    assert!(
        differs.is_none() && found.len() == wanted.len(),
        "{of}: {} points, wanted {}; {:?}, wanted {:?}",
        found.len(),
        wanted.len(),
        at(found),
        at(wanted)
    );
}

fn every(step_ms: i64, from_ms: i64, to_ms: i64) -> impl Iterator<Item = i64> {
    (0..(to_ms - from_ms) / step_ms).map(move |i| from_ms + i * step_ms)
}

/// What an answer must hold, computed the obvious way: whole buckets, those that begin in the range.
fn naive(instants: &[i64], from_ms: i64, wanted: &SeriesKey, step_ms: i64) -> Vec<Bucket> {
    let mut all: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for t_ms in instants {
        for (key, value) in samples(*t_ms) {
            if key == *wanted {
                all.entry(t_ms - t_ms % step_ms).or_default().push(value);
            }
        }
    }
    all.into_iter()
        .filter(|(t_ms, _)| *t_ms >= from_ms)
        .map(|(t_ms, values)| Bucket {
            t_ms,
            min: *values.iter().min().unwrap(),
            max: *values.iter().max().unwrap(),
            sum: values.iter().map(|value| i128::from(*value)).sum(),
            count: values.len() as u32,
        })
        .collect()
}

#[tokio::test]
async fn sealed_points_and_levels_are_what_was_reported_watched_or_not() {
    let mut history = History::new().await;
    let from_ms = NOW_MS - 20 * HOUR_MS;
    // Every 10 s; an hour of them each second; then half an hour of silence.
    let watched_ms = from_ms + 3 * HOUR_MS;
    let silent_ms = from_ms + 9 * HOUR_MS;
    let instants: Vec<i64> = every(10 * SECOND_MS, from_ms, watched_ms)
        .chain(every(SECOND_MS, watched_ms, watched_ms + HOUR_MS))
        .chain(every(10 * SECOND_MS, watched_ms + HOUR_MS, silent_ms))
        .chain(every(10 * SECOND_MS, silent_ms + HOUR_MS / 2, NOW_MS))
        .collect();
    history.append(instants.clone(), None).await;
    let before = history.answers(from_ms, NOW_MS).await;
    let tally = history.seal(NOW_MS).await;
    assert!(tally.sealed >= 2 && tally.put_off == 0, "{tally:?}");
    let left = history.tail_len().await as i64;
    assert_eq!(left, 20 * 6, "what was taken since noon stays in the tail");
    let after = history.answers(from_ms, NOW_MS).await;
    assert_same(&after, &before);
    for (level, answer) in Level::ALL.into_iter().zip(&after) {
        let step_ms = match level {
            Level::Raw => 1,
            level => i64::from(level.step_s(10)) * 1000,
        };
        for key in series() {
            let slice = &answer[&key];
            assert_points(
                &slice.points,
                &naive(&instants, from_ms, &key, step_ms),
                &format!("{step_ms} {key:?}"),
            );
            let silent = |gap: &domain::metric::Gap| {
                gap.from_ms < silent_ms + HOUR_MS / 2 && gap.to_ms > silent_ms
            };
            // Half an hour shows in hours only where it empties one.
            assert!(
                level == Level::OneHour || slice.gaps.iter().any(silent),
                "{level:?} {key:?} {:?}",
                slice.gaps
            );
        }
    }
    assert_eq!(
        history.seal(NOW_MS).await,
        Tally::default(),
        "all is in its place"
    );
}

#[tokio::test]
async fn what_came_live_between_two_outages_is_not_marked() {
    let mut history = History::new().await;
    let from_ms = NOW_MS - HOUR_MS;
    // Two outages of two minutes, a minute of live reports between them.
    let first = (from_ms, from_ms + 2 * MINUTE_MS);
    let second = (first.1 + MINUTE_MS, first.1 + 3 * MINUTE_MS);
    let step = 10 * SECOND_MS;
    let late = |(from_ms, to_ms)| every(step, from_ms, to_ms).collect::<Vec<i64>>();
    history.append(late(first), Some(NOW_MS)).await;
    history.append(late((first.1, second.0)), None).await;
    // In two parts, which are one.
    let half = second.0 + MINUTE_MS;
    history.append(late((second.0, half)), Some(NOW_MS)).await;
    history.append(late((half, second.1)), Some(NOW_MS)).await;
    let token = history.site.api_token(Role::Viewer).await;
    let path = format!(
        "/api/v1/nodes/{}/series?metric=cpu_used_ratio&from_ms={from_ms}&to_ms={NOW_MS}",
        history.node_id
    );
    let answer = history.site.call("GET", &path).bearer(&token).send().await;
    let span = |(from_ms, to_ms): (i64, i64)| serde_json::json!({ "from_ms": from_ms, "to_ms": to_ms - step + 1 });
    let wanted = serde_json::json!([span(first), span(second)]);
    assert_eq!(answer.json()["backfilled"], wanted, "{}", answer.body);
}

#[tokio::test]
async fn what_comes_late_goes_to_its_place_and_is_marked() {
    let mut history = History::new().await;
    let from_ms = NOW_MS - 30 * HOUR_MS;
    let hole = (from_ms + 5 * HOUR_MS, from_ms + 7 * HOUR_MS);
    let live: Vec<i64> = every(10 * SECOND_MS, from_ms, NOW_MS)
        .filter(|t_ms| *t_ms < hole.0 || *t_ms >= hole.1)
        .collect();
    history.append(live.clone(), None).await;
    history.seal(NOW_MS).await;
    let late: Vec<i64> = every(10 * SECOND_MS, hole.0, hole.1).collect();
    history.append(late.clone(), Some(NOW_MS)).await;
    let mut all = [live, late].concat();
    all.sort_unstable();
    let before = history.answers(from_ms, NOW_MS).await;
    assert!(history.seal(NOW_MS).await.sealed > 0);
    assert_eq!(history.tail_len().await, 20 * 6);
    let after = history.answers(from_ms, NOW_MS).await;
    assert_same(&after, &before);
    for (answer, step_ms) in after.iter().zip([1, MINUTE_MS, 10 * MINUTE_MS, HOUR_MS]) {
        for key in series() {
            assert_points(
                &answer[&key].points,
                &naive(&all, from_ms, &key, step_ms),
                &format!("{step_ms} {key:?}"),
            );
        }
    }
    let token = history.site.api_token(Role::Viewer).await;
    let path = format!(
        "/api/v1/nodes/{}/series?metric=cpu_used_ratio&level=10m&from_ms={}&to_ms={NOW_MS}",
        history.node_id,
        hole.0 + HOUR_MS
    );
    let answer = history.site.call("GET", &path).bearer(&token).send().await;
    let wanted =
        serde_json::json!([{ "from_ms": hole.0 + HOUR_MS, "to_ms": hole.1 - 10 * SECOND_MS + 1 }]);
    assert_eq!(answer.json()["backfilled"], wanted, "{}", answer.body);
}

#[tokio::test]
async fn raw_becomes_minutes_when_its_time_is_over_and_late_points_join_them() {
    let mut history = History::new().await;
    let from_ms = MIDNIGHT_MS - 4 * DAY_MS;
    let to_ms = from_ms + DAY_MS + HOUR_MS;
    let (late, live): (Vec<i64>, Vec<i64>) =
        every(10 * SECOND_MS, from_ms, to_ms).partition(|t_ms| t_ms % HOUR_MS < 5 * MINUTE_MS);
    history.append(live, None).await;
    history.append([NOW_MS], None).await;
    history.seal(to_ms + HOUR_MS).await;
    assert!(history.chunks().await.iter().any(|(level, ..)| *level == 0));
    let tally = history.seal(NOW_MS).await;
    assert_eq!(
        tally.rolled_up, 1,
        "the rest is sealed into minutes at once: {tally:?}"
    );
    assert!(history.chunks().await.iter().all(|(level, ..)| *level != 0));
    history.append(late, Some(NOW_MS)).await;
    history.seal(NOW_MS).await;
    assert!(history.chunks().await.iter().all(|(level, ..)| *level != 0));
    let all: Vec<i64> = every(10 * SECOND_MS, from_ms, to_ms).collect();
    for (level, step_ms) in [
        (Level::OneMinute, MINUTE_MS),
        (Level::TenMinutes, 10 * MINUTE_MS),
        (Level::OneHour, HOUR_MS),
    ] {
        let answer = history.read(Some(level), from_ms, to_ms).await;
        for key in series() {
            assert_points(
                &answer[&key].points,
                &naive(&all, from_ms, &key, step_ms),
                &format!("{step_ms} {key:?}"),
            );
        }
    }
    let raw = history.read(Some(Level::Raw), from_ms, to_ms).await;
    let cpu = &raw[&series()[0]];
    assert!(cpu.points.is_empty());
    assert_eq!(cpu.gaps[0].reason, "retention", "{:?}", cpu.gaps);
    let hour = history.read(None, from_ms, from_ms + HOUR_MS).await;
    let cpu = &hour[&series()[0]];
    assert_eq!((cpu.level, cpu.points.len()), (Level::OneMinute, 60));
}

#[tokio::test]
async fn a_step_that_fails_changes_nothing_and_is_done_the_next_time() {
    let mut history = History::new().await;
    let from_ms = NOW_MS - 30 * HOUR_MS;
    history
        .append(every(10 * SECOND_MS, from_ms, NOW_MS), None)
        .await;
    let before = history.answers(from_ms, NOW_MS).await;
    let tail_len = history.tail_len().await;
    let metrics = &history.site.ops.metrics;
    // In the middle of a step: the tail is deleted and the raw chunk written, the coarser level is refused.
    let refuse = "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.chunk WHEN new.level = 2 BEGIN SELECT RAISE(ABORT, 'no'); END";
    metrics.pragma_for_tests(refuse).await;
    let tally = history.seal(NOW_MS).await;
    assert_eq!((tally.sealed, tally.put_off), (0, 1), "{tally:?}");
    assert_eq!(history.tail_len().await, tail_len);
    assert_eq!(history.chunks().await, []);
    assert_same(&history.answers(from_ms, NOW_MS).await, &before);
    metrics.pragma_for_tests("DROP TRIGGER temp.refuse").await;
    assert!(history.seal(NOW_MS).await.sealed > 0);
    assert_same(&history.answers(from_ms, NOW_MS).await, &before);
}

/// `work` after so many polls at most; then it is dropped where it stands, as if the process had been killed there.
async fn killed_after<F: Future>(polls: u32, work: F) -> Option<F::Output> {
    let mut work = std::pin::pin!(work);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn a_sealer_that_is_killed_anywhere_loses_and_doubles_nothing() {
    let mut history = History::new().await;
    // Two days that are sealed, one that goes to minutes.
    let from_ms = NOW_MS - 60 * HOUR_MS;
    history
        .append(every(20 * SECOND_MS, from_ms, NOW_MS), None)
        .await;
    history.seal(NOW_MS - 20 * HOUR_MS).await;
    let before = history.answers(from_ms, NOW_MS).await;
    let (mut polls, mut kills, mut stages) = (1, 0, std::collections::BTreeSet::new());
    loop {
        let is_done = killed_after(polls, history.seal(NOW_MS)).await.is_some();
        kills += u32::from(!is_done);
        polls += 1;
        let chunks = history.chunks().await;
        stages.insert(chunks.clone());
        let after = history.answers(from_ms, NOW_MS).await;
        // Raw points go when their time is over; all the coarser levels stay what they are.
        for (found, wanted) in after[1..4].iter().zip(&before[1..4]) {
            for key in series() {
                assert_points(&found[&key].points, &wanted[&key].points, "levels");
            }
        }
        if is_done {
            break;
        }
    }
    assert!(kills > 10, "{kills} kills");
    assert!(stages.len() > 2, "seen at {} stages", stages.len());
    assert_eq!(history.seal(NOW_MS).await, Tally::default());
}

#[tokio::test]
async fn retention_deletes_what_is_old_and_nothing_newer() {
    let mut history = History::new().await;
    let from_ms = NOW_MS - 120 * DAY_MS;
    history
        .append(every(10 * MINUTE_MS, from_ms, NOW_MS), None)
        .await;
    for day in (0..=120).rev() {
        history.seal(NOW_MS - day * DAY_MS).await;
    }
    let level_ms = |level: i64| Retention::default().kept_ms(Level::from_no(level).unwrap());
    let span_ms = [DAY_MS, DAY_MS, 5 * DAY_MS, 30 * DAY_MS];
    let mut firsts = BTreeMap::new();
    for (level, first_ms, end_ms) in history.chunks().await {
        assert!(
            end_ms > NOW_MS - level_ms(level) - 4 * HOUR_MS,
            "{level} {end_ms}"
        );
        firsts.entry(level).or_insert(first_ms);
    }
    for (level, first_ms) in &firsts {
        let wanted_ms = (NOW_MS - level_ms(*level)).max(from_ms);
        assert!(
            *first_ms <= wanted_ms
                && *first_ms > wanted_ms - span_ms[*level as usize] - 4 * HOUR_MS,
            "level {level} begins {} h from where it should",
            (first_ms - wanted_ms) / HOUR_MS
        );
    }
    let shorter = Retention {
        ten_minutes_ms: 20 * DAY_MS,
        one_hour_ms: 30 * DAY_MS,
        ..Retention::default()
    };
    let minutes = |chunks: Vec<(i64, i64, i64)>| -> Vec<_> {
        chunks
            .into_iter()
            .filter(|(level, ..)| *level < 2)
            .collect()
    };
    let before = history.chunks().await;
    assert!(history.seal_with(shorter, NOW_MS).await.dropped > 10);
    let after = history.chunks().await;
    assert_eq!(minutes(after.clone()), minutes(before));
    assert!(
        after
            .iter()
            .all(|(level, _, end_ms)| *level < 2 || *end_ms > NOW_MS - 31 * DAY_MS)
    );
    let answer = history.read(None, NOW_MS - 36_500 * DAY_MS, NOW_MS).await;
    let cpu = &answer[&series()[0]];
    assert!(!cpu.points.is_empty() && cpu.points.len() <= 400);
    assert_eq!(cpu.gaps[0].reason, "retention");
}

#[tokio::test]
async fn too_large_takes_the_oldest_raw_first_and_keeps_its_minutes() {
    let mut history = History::new().await;
    let from_ms = NOW_MS - 40 * HOUR_MS;
    history
        .append(every(SECOND_MS, from_ms, NOW_MS), None)
        .await;
    history.seal(NOW_MS).await;
    let used: i64 = sqlx::query_scalar(
        "SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    )
    .fetch_one(history.site.ops.metrics.read())
    .await
    .unwrap();
    let minutes = history.read(Some(Level::OneMinute), from_ms, NOW_MS).await;
    let smaller = Retention {
        max_bytes: Some(used as u64 - 1),
        ..Retention::default()
    };
    let tally = history.seal_with(smaller, NOW_MS).await;
    assert!(tally.for_size >= 1, "{tally:?}");
    let raw: Vec<i64> = history
        .chunks()
        .await
        .iter()
        .filter(|(level, ..)| *level == 0)
        .map(|(_, first_ms, _)| *first_ms)
        .collect();
    assert_eq!(raw, [MIDNIGHT_MS - DAY_MS, MIDNIGHT_MS], "the oldest alone");
    let after = history.read(Some(Level::OneMinute), from_ms, NOW_MS).await;
    for key in series() {
        assert_points(&after[&key].points, &minutes[&key].points, "minutes");
    }
    let gone = history
        .read(Some(Level::Raw), from_ms, from_ms + HOUR_MS)
        .await;
    assert_eq!(gone[&series()[0]].gaps[0].reason, "retention");
}
