//! One report's samples as bytes for the durable tail: varints of (series number step, value).
//!
//! Used by the server's `series` area. Lossless and self-delimiting; a corrupt row is an error, never a wrong number.
//! Series numbers are small and given per host, in ascending order, so a step is one byte and most values are two.

/// Bytes that are not packed samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("packed samples are corrupt at byte {at}")]
pub struct PackError {
    /// Offset of the first byte that makes no sense.
    pub at: usize,
}

/// LEB128: 7 bits a byte, least significant first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn take_varint(bytes: &[u8], at: &mut usize) -> Result<u64, PackError> {
    let start = *at;
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or(PackError { at: start })?;
        *at += 1;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return Err(PackError { at: start });
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(PackError { at: start })
}

/// Signed to unsigned with small magnitudes small: 0, −1, 1, −2 … become 0, 1, 2, 3 …
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

pub(super) fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// Packs samples; they are sorted by series number, and of two for one series the later wins.
pub fn pack(samples: &mut Vec<(u32, i64)>) -> Vec<u8> {
    samples.reverse();
    samples.sort_by_key(|(series, _)| *series);
    samples.dedup_by_key(|(series, _)| *series);
    let mut out = Vec::with_capacity(samples.len() * 3);
    let mut previous = 0u32;
    for (series, value) in samples {
        put_varint(&mut out, u64::from(*series - previous));
        put_varint(&mut out, zigzag(*value));
        previous = *series;
    }
    out
}

/// Reads packed samples one after the other.
pub struct Unpack<'a> {
    bytes: &'a [u8],
    at: usize,
    series: u32,
    failed: bool,
}

/// Opens packed samples.
pub fn unpack(bytes: &[u8]) -> Unpack<'_> {
    Unpack {
        bytes,
        at: 0,
        series: 0,
        failed: false,
    }
}

impl Iterator for Unpack<'_> {
    type Item = Result<(u32, i64), PackError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        let read = (|| {
            let step = take_varint(self.bytes, &mut self.at)?;
            let step = u32::try_from(step).map_err(|_| PackError { at: start })?;
            self.series = self
                .series
                .checked_add(step)
                .ok_or(PackError { at: start })?;
            let value = unzigzag(take_varint(self.bytes, &mut self.at)?);
            Ok((self.series, value))
        })();
        self.failed = read.is_err();
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(samples in prop::collection::vec((any::<u32>(), any::<i64>()), 0..200)) {
            let wanted: BTreeMap<u32, i64> = samples.iter().copied().collect();
            let bytes = pack(&mut samples.clone());
            let got: Result<Vec<_>, _> = unpack(&bytes).collect();
            prop_assert_eq!(got, Ok(wanted.into_iter().collect::<Vec<_>>()));
        }

        #[test]
        fn any_bytes_end_in_samples_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(unpack(&bytes).count() <= bytes.len());
        }
    }

    #[test]
    fn a_torn_row_is_an_error() {
        let bytes = pack(&mut vec![(1, 300), (2, i64::MIN), (9, i64::MAX)]);
        for cut in 1..bytes.len() {
            let whole: Vec<_> = unpack(&bytes[..cut]).filter_map(Result::ok).collect();
            assert!(whole.len() < 3, "cut at {cut}");
        }
    }

    #[test]
    fn a_usual_report_is_small() {
        let mut samples: Vec<(u32, i64)> = (1..=60).map(|series| (series, 731)).collect();
        assert_eq!(
            pack(&mut samples).len(),
            180,
            "3 bytes a sample of three digits"
        );
    }
}
