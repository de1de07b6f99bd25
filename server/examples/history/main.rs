//! What history takes on disk: writes a day of a small fleet through the real writer and sealer, prints one JSON document.
//!
//! Run by `cargo xtask bench history`. Values are those of [`values`], the same each time. The file is
//! measured whole after the database is closed, so that the write-ahead log is folded in.

mod values;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use domain::metric::history::Retention;
use domain::metric::{Level, SeriesRequest};
use server::clock::Clock;
use server::db::{Db, metrics_migrations};
use server::series::history::Sealer;
use server::series::service;
use server::series::writer::{NewRecord, Writer};
use tokio_util::sync::CancellationToken;
use values::Host;

const NODES: u32 = 20;
const INTERVAL_MS: i64 = 10_000;
const DAY_MS: i64 = 86_400_000;
/// 2026-11-22 00:00 UTC
const FROM_MS: i64 = 1_795_305_600_000;
const TO_MS: i64 = FROM_MS + DAY_MS;
const SEED: u64 = 7;
/// Records in one report: as an agent that comes back sends them.
const RECORDS_A_REPORT: usize = 100;

/// 0 at 02:00 UTC, 1 at 14:00.
fn daylight(t_ms: i64) -> f64 {
    let of_day = (t_ms - FROM_MS - DAY_MS / 12) as f64 / DAY_MS as f64;
    0.5 - 0.5 * (std::f64::consts::TAU * of_day).cos()
}

async fn write(db: &Db) -> anyhow::Result<u64> {
    let (writer, handle) = Writer::load(db.clone()).await?;
    let writing = tokio::spawn(writer.run());
    let mut count = 0;
    for index in 0..NODES {
        let mut host = Host::new(SEED, index);
        let mut seq = 0;
        let mut at_ms = FROM_MS;
        while at_ms < TO_MS {
            let mut records = Vec::with_capacity(RECORDS_A_REPORT);
            while records.len() < RECORDS_A_REPORT && at_ms < TO_MS {
                seq += 1;
                // Reports do not come on the dot.
                let jitter_ms = (seq * 7_919 % 97) as i64;
                let samples = host.step(daylight(at_ms));
                count += samples.len() as u64;
                records.push(NewRecord {
                    epoch: 1,
                    seq,
                    digest: [0; 8],
                    t_ms: at_ms + jitter_ms,
                    samples,
                    gap: None,
                    goodbye: false,
                });
                at_ms += INTERVAL_MS;
            }
            let received_ms = records.first().map_or(at_ms, |record| record.t_ms);
            handle
                .append(i64::from(index) + 1, received_ms, records)
                .await?;
        }
    }
    drop(handle);
    writing.await?;
    Ok(count)
}

/// Milliseconds it took, and what came of it.
async fn timed<T>(clock: &Clock, work: impl Future<Output = T>) -> (u64, T) {
    let start = clock.monotonic();
    let done = work.await;
    (clock.monotonic().since_ms(start), done)
}

async fn read(db: &Db, span_ms: i64, level: Option<Level>) -> anyhow::Result<usize> {
    let request = SeriesRequest {
        from_ms: TO_MS - span_ms,
        to_ms: TO_MS,
        level,
        max_points: 400,
        interval_s: 10,
    };
    let window = service::window(db, 1, request, TO_MS, |_| true).await?;
    Ok(window.slices.values().map(|slice| slice.points.len()).sum())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).context("usage: history FOLDER")?;
    let path = Path::new(&folder).join("metrics.db");
    anyhow::ensure!(!path.exists(), "{} exists", path.display());
    let clock = Clock::system();
    let size = || std::fs::metadata(&path).map(|file| file.len());

    let db = Db::open(&path, &metrics_migrations()).await?;
    let (write_ms, samples) = timed(&clock, write(&db)).await;
    let samples = samples?;
    db.close().await;
    let before_bytes = size()?;

    let db = Db::open(&path, &metrics_migrations()).await?;
    let sealer = Sealer::new(db.clone(), Retention::default());
    // As in life: a look whenever four hours are over, then one long enough afterwards that all but the last is sealed.
    let stop = CancellationToken::new();
    let (seal_ms, sealed) = timed(&clock, async {
        let mut steps = 0;
        for block in 1..=7 {
            let now_ms = FROM_MS + block * DAY_MS / 6 + 900_000;
            steps += sealer.run_once(now_ms, &stop).await?.sealed;
        }
        anyhow::Ok(steps)
    })
    .await;
    let sealed = sealed?;
    let (page_ms, page) = timed(&clock, read(&db, DAY_MS, None)).await;
    let (hundred_years_ms, points) = timed(&clock, read(&db, 36_500 * DAY_MS, None)).await;
    let (page, points) = (page?, points?);
    db.close().await;
    // The last checkpoint may end a moment after the last connection.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let after_bytes = size()?;

    let db = Db::open(&path, &metrics_migrations()).await?;
    Sealer::new(db.clone(), Retention::default())
        .run_once(TO_MS + 4 * DAY_MS, &stop)
        .await?;
    db.close().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let minutes_bytes = size()?;

    let document = serde_json::json!({
        "nodes": NODES, "gauges": samples / u64::from(NODES) / (DAY_MS / INTERVAL_MS).unsigned_abs(), "samples": samples,
        "before_bytes": before_bytes, "after_bytes": after_bytes, "minutes_bytes": minutes_bytes,
        "write_ms": write_ms, "seal_ms": seal_ms, "seal_steps": sealed,
        "read_day_ms": page_ms, "read_day_points": page,
        "read_100_years_ms": hundred_years_ms, "read_100_years_points": points,
    });
    println!("{document}");
    Ok(())
}
