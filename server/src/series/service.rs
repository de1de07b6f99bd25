//! Reads series back.

use std::collections::{BTreeMap, HashMap};

use domain::metric::pack::unpack;
use domain::metric::{Gap, SeriesRequest, Slice};

use super::{SeriesKey, store};
use crate::db::Db;
use crate::error::{OpsError, StoreError};

/// Raw points of one host in a window, by series, and the known gaps.
#[derive(Debug, Default)]
pub struct Window {
    /// (instant, stored value), ascending.
    pub points: BTreeMap<SeriesKey, Vec<(i64, i64)>>,
    /// Known losses that touch the window.
    pub gaps: Vec<Gap>,
}

/// Reads all series of a host that `wanted` asks for, in `from_ms..to_ms`.
///
/// # Errors
/// When the database refuses or a row is corrupt.
pub async fn window(
    db: &Db,
    host_no: i64,
    from_ms: i64,
    to_ms: i64,
    wanted: impl Fn(&SeriesKey) -> bool,
) -> Result<Window, StoreError> {
    let mut points: BTreeMap<SeriesKey, Vec<(i64, i64)>> = BTreeMap::new();
    let mut keys: Vec<Option<SeriesKey>> = Vec::new();
    for (_, no, key) in store::list_series(db.read(), Some(host_no)).await? {
        if wanted(&key) {
            points.entry(key.clone()).or_default();
            let at = no as usize;
            if keys.len() <= at {
                keys.resize(at + 1, None);
            }
            if let Some(slot) = keys.get_mut(at) {
                *slot = Some(key);
            }
        }
    }
    // Collected by number first: one look-up in a vector a sample, not one in a tree of strings.
    let mut by_number: Vec<Vec<(i64, i64)>> = vec![Vec::new(); keys.len()];
    for (t_ms, samples) in store::list_tail(db.read(), host_no, from_ms, to_ms).await? {
        for sample in unpack(&samples) {
            let (no, value) = sample.map_err(|error| StoreError::Corrupt {
                what: format!("samples of host {host_no} at {t_ms}"),
                detail: error.to_string(),
            })?;
            if let Some(list) = by_number.get_mut(no as usize) {
                list.push((t_ms, value));
            }
        }
    }
    for (key, list) in keys.into_iter().zip(by_number) {
        if let Some(key) = key {
            points.insert(key, list);
        }
    }
    let gaps = store::list_gaps(db.read(), host_no, from_ms, to_ms).await?;
    Ok(Window { points, gaps })
}

/// One series as a program asks for it; `None` when the host never had it.
///
/// # Errors
/// When the request makes no sense, the database refuses or a row is corrupt.
pub async fn slice(
    db: &Db,
    host_no: i64,
    key: &SeriesKey,
    request: SeriesRequest,
    now_ms: i64,
) -> Result<Option<Slice>, OpsError> {
    request.check().map_err(refused)?;
    let window = window(db, host_no, request.from_ms, request.to_ms, |found| {
        found == key
    })
    .await?;
    let Some(points) = window.points.get(key) else {
        return Ok(None);
    };
    request
        .slice(points, &window.gaps, now_ms)
        .map(Some)
        .map_err(refused)
}

fn refused(error: domain::metric::SeriesError) -> OpsError {
    use domain::metric::SeriesError;
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
