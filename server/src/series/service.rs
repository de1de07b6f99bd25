//! Reads series back: from the tail, from sealed chunks, at the level that suits.

use std::collections::{BTreeMap, HashMap};

use domain::metric::chunk::{ChunkError, Sealed};
use domain::metric::fold::{Fold, Kept, Known, Source, source};
use domain::metric::pack::unpack;
use domain::metric::{Bucket, Gap, Level, SeriesError, SeriesRequest, Slice};

use super::history::store as history;
use super::{SeriesKey, store};
use crate::db::Db;
use crate::error::{OpsError, StoreError};

/// Series of one host in a window.
#[derive(Debug, Default)]
pub struct Window {
    /// Of each series that the host ever had; without points when it was silent.
    pub slices: BTreeMap<SeriesKey, Slice>,
    /// Stretches whose records came long after they were taken.
    pub backfilled: Vec<(i64, i64)>,
}

/// What is read of one host, at one moment.
struct Loaded {
    keys: Vec<(u32, SeriesKey)>,
    source: Source,
    chunks: Vec<history::ChunkRow>,
    tail: Vec<(i64, Vec<u8>)>,
    gaps: Vec<Gap>,
    cut_ms: i64,
    backfilled: Vec<(i64, i64)>,
}

/// Reads all series of a host that `wanted` asks for.
///
/// # Errors
/// When the request makes no sense, the database refuses or a row is corrupt. A chunk that cannot be read is a gap.
pub async fn window(
    db: &Db,
    host_no: i64,
    request: SeriesRequest,
    now_ms: i64,
    wanted: impl Fn(&SeriesKey) -> bool,
) -> Result<Window, OpsError> {
    request.check().map_err(refused)?;
    let loaded = load(db, host_no, &request, wanted).await?;
    // Decoding takes milliseconds of processor: not on a thread that serves others.
    let folding = tokio::task::spawn_blocking(move || fold(host_no, &request, now_ms, loaded));
    folding.await.map_err(|error| {
        tracing::error!(%error, host_no, "reading series failed");
        OpsError::Store
    })?
}

async fn load(
    db: &Db,
    host_no: i64,
    request: &SeriesRequest,
    wanted: impl Fn(&SeriesKey) -> bool,
) -> Result<Loaded, StoreError> {
    // One moment for all: a stretch that is sealed meanwhile is neither missed nor counted twice.
    let mut tx = db
        .read()
        .begin()
        .await
        .map_err(StoreError::doing("beginning to read"))?;
    let keys = store::list_series(&mut *tx, Some(host_no))
        .await?
        .into_iter()
        .filter(|(_, _, key)| wanted(key))
        .map(|(_, no, key)| (no, key))
        .collect();
    let kept = Kept {
        first_ms: history::list_firsts(&mut tx, host_no).await?,
    };
    let source = source(request, &kept);
    let (from_ms, to_ms) = source.range(request);
    let mut chunks = Vec::new();
    let mut cut_ms = i64::MIN;
    for level in source.levels(request) {
        chunks.extend(history::list_chunks(&mut tx, host_no, *level, from_ms, to_ms).await?);
        // The last of them is kept longest.
        cut_ms = history::find_cut(&mut tx, *level)
            .await?
            .unwrap_or(i64::MIN);
    }
    Ok(Loaded {
        keys,
        source,
        chunks,
        tail: store::list_tail(&mut *tx, host_no, from_ms, to_ms).await?,
        gaps: store::list_gaps(&mut *tx, host_no, from_ms, to_ms).await?,
        cut_ms,
        backfilled: history::list_backfilled(&mut tx, host_no, request.from_ms, request.to_ms)
            .await?,
    })
}

fn fold(
    host_no: i64,
    request: &SeriesRequest,
    now_ms: i64,
    mut loaded: Loaded,
) -> Result<Window, OpsError> {
    // By number: one look-up in a vector a sample, not one in a tree of strings.
    let size = loaded.keys.iter().map(|(no, _)| *no as usize + 1).max();
    let mut folds: Vec<Option<Fold>> = vec![None; size.unwrap_or(0)];
    for (no, _) in &loaded.keys {
        if let Some(slot) = folds.get_mut(*no as usize) {
            *slot = Some(Fold::new(request, loaded.source));
        }
    }
    for chunk in &loaded.chunks {
        if let Err(error) = add_chunk(&mut folds, chunk) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                host_no,
                from_ms = chunk.first_ms,
                "a chunk of history cannot be read"
            );
            loaded.gaps.push(Gap {
                from_ms: chunk.first_ms,
                to_ms: chunk.end_ms,
                reason: "unreadable".to_owned(),
            });
        }
    }
    for (t_ms, samples) in &loaded.tail {
        for sample in unpack(samples) {
            let (no, value) = sample.map_err(|error| StoreError::Corrupt {
                what: format!("samples of host {host_no} at {t_ms}"),
                detail: error.to_string(),
            })?;
            if let Some(Some(fold)) = folds.get_mut(no as usize) {
                fold.add(&Bucket::point(*t_ms, value), 0);
            }
        }
    }
    let known = Known {
        explicit: &loaded.gaps,
        until_ms: now_ms,
        cut_ms: loaded.cut_ms,
    };
    let mut slices = BTreeMap::new();
    for (no, key) in loaded.keys {
        if let Some(fold) = folds.get_mut(no as usize).and_then(Option::take) {
            slices.insert(key, fold.finish(&known).map_err(refused)?);
        }
    }
    Ok(Window {
        slices,
        backfilled: loaded.backfilled,
    })
}

fn add_chunk(folds: &mut [Option<Fold>], chunk: &history::ChunkRow) -> Result<(), ChunkError> {
    let sealed = Sealed::open(&chunk.bytes)?;
    let span_ms = match chunk.level {
        Level::Raw => 0,
        level => i64::from(level.step_s(1)) * 1000,
    };
    for no in sealed.series() {
        let Some(Some(fold)) = folds.get_mut(no as usize) else {
            continue;
        };
        if sealed.is_raw() {
            for (t_ms, value) in sealed.points(no)? {
                fold.add(&Bucket::point(t_ms, value), span_ms);
            }
        } else {
            for bucket in sealed.buckets(no)? {
                fold.add(&bucket, span_ms);
            }
        }
    }
    Ok(())
}

/// One series as a program asks for it, with what of it was back-filled; `None` when the host never had it.
///
/// # Errors
/// When the request makes no sense, the database refuses or a row is corrupt.
pub async fn slice(
    db: &Db,
    host_no: i64,
    key: &SeriesKey,
    request: SeriesRequest,
    now_ms: i64,
) -> Result<Option<(Slice, Vec<(i64, i64)>)>, OpsError> {
    let mut window = window(db, host_no, request, now_ms, |found| found == key).await?;
    Ok(window
        .slices
        .remove(key)
        .map(|slice| (slice, window.backfilled)))
}

fn refused(error: SeriesError) -> OpsError {
    let field = match error {
        SeriesError::EmptyRange { .. } => "to_ms",
        SeriesError::TooManyPoints { .. } => "level",
        SeriesError::MaxPoints { .. } => "max_points",
    };
    OpsError::field(field, error.to_string())
}

/// The newest value of every series, by host.
///
/// # Errors
/// When the database refuses.
pub async fn latest(db: &Db) -> Result<HashMap<i64, BTreeMap<SeriesKey, i64>>, StoreError> {
    let keys: HashMap<(i64, u32), SeriesKey> = store::list_series(db.read(), None)
        .await?
        .into_iter()
        .map(|(host_no, no, key)| ((host_no, no), key))
        .collect();
    let mut values: HashMap<i64, BTreeMap<SeriesKey, i64>> = HashMap::new();
    for (host_no, samples) in store::list_latest(db.read()).await? {
        let named = unpack(&samples)
            .filter_map(Result::ok)
            .filter_map(|(no, value)| keys.get(&(host_no, no)).map(|key| (key.clone(), value)));
        values.entry(host_no).or_default().extend(named);
    }
    Ok(values)
}
