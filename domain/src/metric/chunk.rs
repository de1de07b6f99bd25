//! Sealed history as bytes: the points of many series of one host over one stretch of time, compressed and exact.
//!
//! Written by the server's sealer, read by its series service; behind the feature `chunk`, so that neither the agent nor
//! the browser carries the codec. Invariants: what is encoded is decoded bit for bit, whatever the values; any bytes at
//! all end in a chunk or in a [`ChunkError`], with at most [`POINTS_MAX`] points' worth of memory. It knows nothing of
//! files, levels kept or deleted, or of metrics: series are numbers given per host.
//!
//! Layout: magic, version, kind, CRC-32 of the rest · the instants of all rows, once for all series · a directory of
//! (series step, length) · one column a series: which rows it has, then its numbers. A reader of one series decodes the
//! instants and one column.
//!
//! Remaining risk: behind a right checksum bytes reach `pco`, which has panics of its own on impossible input. None was
//! found (`cargo xtask fuzz chunk` repairs the checksum so that bytes get there); a panic would end one request.

mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use self::stream::{Reader, put_number, put_stream};
use super::series::Bucket;

/// Points in one chunk at most.
pub const POINTS_MAX: usize = 1 << 23;
const MAGIC: [u8; 3] = [b'O', b'C', 1];
const KIND_RAW: u8 = 1;
const KIND_BUCKETS: u8 = 2;
const HEAD_LEN: usize = 8;

/// Points of each series, ascending; instants may repeat.
pub type Points = BTreeMap<u32, Vec<(i64, i64)>>;
/// Buckets of each series, ascending.
pub type Buckets = BTreeMap<u32, Vec<Bucket>>;

/// Why bytes are no chunk, or points cannot become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// Not written by this version or an earlier one.
    #[error("chunk has an unknown format")]
    Format,
    /// Ends before it should.
    #[error("chunk is cut short")]
    Short,
    /// Bytes changed since they were written.
    #[error("chunk does not have the checksum it was written with")]
    Checksum,
    /// The named part makes no sense.
    #[error("chunk is corrupt: {0}")]
    Corrupt(&'static str),
    /// More than [`POINTS_MAX`].
    #[error("chunk has more than {POINTS_MAX} points")]
    TooLarge,
}

/// A whole chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Points as reported.
    Raw(Points),
    /// Points rolled up.
    Buckets(Buckets),
}

/// Encodes raw points. Series without points are left out.
///
/// # Errors
/// More than [`POINTS_MAX`] points.
pub fn encode_points(points: &Points) -> Result<Vec<u8>, ChunkError> {
    encode(
        KIND_RAW,
        points,
        |(t_ms, _)| *t_ms,
        |out, points| {
            let values: Vec<i64> = points.iter().map(|(_, value)| *value).collect();
            put_stream(out, &values)
        },
    )
}

/// Encodes buckets. Series without buckets are left out.
///
/// Of a bucket are written: the least value, how far the greatest is above it, how far the sum is above `least × count`,
/// and the count: the second and third are small where the first is not.
///
/// # Errors
/// More than [`POINTS_MAX`] buckets, or one that no points can have made.
pub fn encode_buckets(buckets: &Buckets) -> Result<Vec<u8>, ChunkError> {
    let possible = |b: &Bucket| b.count > 0 && b.max >= b.min && excess(b).is_some();
    if !buckets.values().flatten().all(possible) {
        return Err(ChunkError::Corrupt("bucket"));
    }
    encode(
        KIND_BUCKETS,
        buckets,
        |bucket| bucket.t_ms,
        |out, buckets| {
            let mut stream = |number: fn(&Bucket) -> i64| {
                let numbers: Vec<i64> = buckets.iter().map(number).collect();
                put_stream(out, &numbers)
            };
            stream(|b| b.min)?;
            stream(|b| b.max.wrapping_sub(b.min))?;
            stream(|b| i64::from(b.count))?;
            stream(|b| excess(b).unwrap_or_default() as i64)?;
            stream(|b| (excess(b).unwrap_or_default() >> 64) as i64)
        },
    )
}

/// `sum − min × count`; `None` where it is no number that points can have made.
fn excess(bucket: &Bucket) -> Option<u128> {
    let least = i128::from(bucket.min).checked_mul(i128::from(bucket.count))?;
    u128::try_from(bucket.sum.checked_sub(least)?).ok()
}

fn encode<T>(
    kind: u8,
    series: &BTreeMap<u32, Vec<T>>,
    at: impl Fn(&T) -> i64,
    body: impl Fn(&mut Vec<u8>, &[T]) -> Result<(), ChunkError>,
) -> Result<Vec<u8>, ChunkError> {
    let series: Vec<(u32, &[T])> = series
        .iter()
        .filter(|(_, items)| !items.is_empty())
        .map(|(no, items)| (*no, items.as_slice()))
        .collect();
    if series.iter().map(|(_, items)| items.len()).sum::<usize>() > POINTS_MAX {
        return Err(ChunkError::TooLarge);
    }
    let instants: Vec<Vec<i64>> = series
        .iter()
        .map(|(_, items)| items.iter().map(&at).collect())
        .collect();
    if instants
        .iter()
        .any(|times| times.windows(2).any(|pair| matches!(pair, [a, b] if a > b)))
    {
        return Err(ChunkError::Corrupt("order"));
    }
    let axis = axis(&instants);
    let mut bodies = Vec::new();
    let mut directory = Vec::new();
    let mut previous = 0;
    for ((no, items), times) in series.iter().zip(&instants) {
        let start = bodies.len();
        let runs = runs(&axis, times);
        put_number(&mut bodies, runs.len() as u64);
        for run in runs {
            put_number(&mut bodies, run);
        }
        body(&mut bodies, items)?;
        put_number(&mut directory, u64::from(no - previous));
        put_number(&mut directory, (bodies.len() - start) as u64);
        previous = *no;
    }
    let mut out = Vec::with_capacity(HEAD_LEN + bodies.len() + directory.len() + 64);
    out.extend_from_slice(&MAGIC);
    out.push(kind);
    out.extend_from_slice(&[0; 4]);
    put_number(&mut out, axis.len() as u64);
    put_stream(&mut out, &axis)?;
    put_number(&mut out, series.len() as u64);
    out.extend_from_slice(&directory);
    out.extend_from_slice(&bodies);
    let (head, rest) = out.split_at_mut(HEAD_LEN);
    if let Some(field) = head.get_mut(4..) {
        field.copy_from_slice(&stream::crc32(rest).to_le_bytes());
    }
    Ok(out)
}

/// The instants of all series, each as often as in the series that has it most often.
fn axis(instants: &[Vec<i64>]) -> Vec<i64> {
    let longest = instants.iter().max_by_key(|times| times.len());
    let mut axis = longest.cloned().unwrap_or_default();
    for times in instants {
        let mut missing = Vec::new();
        let mut rows = axis.iter().peekable();
        for t_ms in times {
            while rows.next_if(|row| *row < t_ms).is_some() {}
            if rows.next_if(|row| *row == t_ms).is_none() {
                missing.push(*t_ms);
            }
        }
        if !missing.is_empty() {
            // Two ascending runs: a stable sort merges them in one pass.
            axis.extend(missing);
            axis.sort();
        }
    }
    axis
}

/// Rows without and with a point, in turns; nothing at all when every row has one.
fn runs(axis: &[i64], times: &[i64]) -> Vec<u64> {
    if axis.len() == times.len() {
        return Vec::new();
    }
    let mut runs: Vec<u64> = vec![0];
    let mut times = times.iter().peekable();
    let mut is_present = false;
    for row in axis {
        let has = times.next_if(|t_ms| *t_ms == row).is_some();
        if has != is_present {
            runs.push(0);
            is_present = has;
        }
        if let Some(last) = runs.last_mut() {
            *last += 1;
        }
    }
    runs
}

/// A chunk that is open: its directory is read, its columns are not.
#[derive(Debug, Clone)]
pub struct Sealed<'a> {
    bytes: &'a [u8],
    is_raw: bool,
    axis: Vec<i64>,
    columns: Vec<(u32, Range<usize>)>,
}

impl<'a> Sealed<'a> {
    /// Checks the checksum, reads the instants and the directory.
    ///
    /// # Errors
    /// See [`ChunkError`].
    pub fn open(bytes: &'a [u8]) -> Result<Self, ChunkError> {
        let (head, rest) = bytes.split_at_checked(HEAD_LEN).ok_or(ChunkError::Short)?;
        let (kind, crc) = match head {
            [a, b, c, kind, crc @ ..] if [*a, *b, *c] == MAGIC => (*kind, crc),
            _ => return Err(ChunkError::Format),
        };
        if ![KIND_RAW, KIND_BUCKETS].contains(&kind) {
            return Err(ChunkError::Format);
        }
        if crc != stream::crc32(rest).to_le_bytes() {
            return Err(ChunkError::Checksum);
        }
        let mut reader = Reader::new(rest);
        let rows = reader.length(POINTS_MAX)?;
        let axis = reader.stream(rows)?;
        if axis.windows(2).any(|pair| matches!(pair, [a, b] if a > b)) {
            return Err(ChunkError::Corrupt("instants"));
        }
        // A column takes two bytes of directory at least, so a false count cannot reserve much.
        let count = reader.length(rest.len() / 2)?;
        let mut lengths: Vec<(u32, usize)> = Vec::with_capacity(count);
        for place in 0..count {
            let step = reader.number()?;
            let before = lengths.last().map_or(0, |(no, _)| *no);
            let no = u32::try_from(step)
                .ok()
                .and_then(|step| before.checked_add(step));
            match no {
                Some(no) if place == 0 || no > before => {
                    lengths.push((no, reader.length(rest.len())?));
                }
                _ => return Err(ChunkError::Corrupt("series")),
            }
        }
        let mut at = reader.at();
        let mut columns = Vec::with_capacity(count);
        for (no, length) in lengths {
            let end = at.checked_add(length).ok_or(ChunkError::Short)?;
            columns.push((no, at..end));
            at = end;
        }
        match at.cmp(&rest.len()) {
            std::cmp::Ordering::Equal => Ok(Self {
                bytes: rest,
                is_raw: kind == KIND_RAW,
                axis,
                columns,
            }),
            std::cmp::Ordering::Greater => Err(ChunkError::Short),
            std::cmp::Ordering::Less => Err(ChunkError::Corrupt("length")),
        }
    }

    /// Series in it, ascending.
    pub fn series(&self) -> impl Iterator<Item = u32> + '_ {
        self.columns.iter().map(|(no, _)| *no)
    }

    /// Are these raw points? Else they are buckets.
    pub fn is_raw(&self) -> bool {
        self.is_raw
    }

    /// Raw points of one series, ascending; none when it is not in here.
    ///
    /// # Errors
    /// See [`ChunkError`]; also when these are buckets.
    pub fn points(&self, series: u32) -> Result<Vec<(i64, i64)>, ChunkError> {
        if !self.is_raw {
            return Err(ChunkError::Corrupt("kind"));
        }
        let Some((times, mut reader)) = self.column(series)? else {
            return Ok(Vec::new());
        };
        let values = reader.stream(times.len())?;
        reader.end()?;
        Ok(times.into_iter().zip(values).collect())
    }

    /// Buckets of one series, ascending; none when it is not in here. Raw points are buckets of one point each.
    ///
    /// # Errors
    /// See [`ChunkError`].
    pub fn buckets(&self, series: u32) -> Result<Vec<Bucket>, ChunkError> {
        if self.is_raw {
            let points = self.points(series)?;
            return Ok(points
                .into_iter()
                .map(|(t_ms, value)| Bucket::point(t_ms, value))
                .collect());
        }
        let Some((times, mut reader)) = self.column(series)? else {
            return Ok(Vec::new());
        };
        let mut stream = || reader.stream(times.len());
        let (mins, spreads, counts) = (stream()?, stream()?, stream()?);
        let (lows, highs) = (stream()?, stream()?);
        reader.end()?;
        let bucket = |(place, t_ms): (usize, &i64)| {
            let number = |stream: &[i64]| stream.get(place).copied();
            let (min, count) = (number(&mins)?, u32::try_from(number(&counts)?).ok()?);
            let max = min.wrapping_add(number(&spreads)?);
            let excess = (i128::from(number(&highs)?) << 64) | i128::from(number(&lows)? as u64);
            let sum = (i128::from(min) * i128::from(count)).checked_add(excess)?;
            (count > 0 && max >= min && excess >= 0).then_some(Bucket {
                t_ms: *t_ms,
                min,
                sum,
                max,
                count,
            })
        };
        times
            .iter()
            .enumerate()
            .map(bucket)
            .collect::<Option<_>>()
            .ok_or(ChunkError::Corrupt("bucket"))
    }

    /// The instants of one series, and a reader that stands before its numbers.
    fn column(&self, series: u32) -> Result<Option<(Vec<i64>, Reader<'a>)>, ChunkError> {
        let Ok(place) = self.columns.binary_search_by_key(&series, |(no, _)| *no) else {
            return Ok(None);
        };
        let range = self.columns.get(place).map(|(_, range)| range.clone());
        let body = range
            .and_then(|range| self.bytes.get(range))
            .ok_or(ChunkError::Short)?;
        let mut reader = Reader::new(body);
        let run_count = reader.length(body.len())?;
        if run_count == 0 {
            return Ok(Some((self.axis.clone(), reader)));
        }
        let mut times = Vec::new();
        let mut row = 0usize;
        for place in 0..run_count {
            let length = reader.length(self.axis.len())?;
            let rows = self
                .axis
                .get(row..row + length)
                .ok_or(ChunkError::Corrupt("rows"))?;
            if place % 2 == 1 {
                times.extend_from_slice(rows);
            }
            row += length;
        }
        Ok(Some((times, reader)))
    }
}

/// Decodes a whole chunk: for tests, fuzzers, and to add what came late.
///
/// # Errors
/// See [`ChunkError`].
pub fn decode(bytes: &[u8]) -> Result<Chunk, ChunkError> {
    let sealed = Sealed::open(bytes)?;
    let mut left = POINTS_MAX;
    let mut count = |points: usize| {
        left = left.checked_sub(points).ok_or(ChunkError::TooLarge)?;
        Ok(())
    };
    if sealed.is_raw() {
        let mut all = Points::new();
        for no in sealed.series() {
            let points = sealed.points(no)?;
            count(points.len())?;
            all.insert(no, points);
        }
        return Ok(Chunk::Raw(all));
    }
    let mut all = Buckets::new();
    for no in sealed.series() {
        let buckets = sealed.buckets(no)?;
        count(buckets.len())?;
        all.insert(no, buckets);
    }
    Ok(Chunk::Buckets(all))
}
