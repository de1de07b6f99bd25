//! Numbers as bytes inside a chunk: varints for lengths, pco for long streams, one varint for a constant.
//!
//! Called by [`super`] alone. Invariant: reading never goes past its bytes and never allocates more than was asked for.

use pco::standalone::{simple_compress, simple_decompress_into};

use super::ChunkError;
use crate::metric::pack::{put_varint, take_varint, unzigzag, zigzag};

const CONSTANT: u8 = 0;
const PCO: u8 = 1;

/// Appends a length or count.
pub fn put_number(out: &mut Vec<u8>, number: u64) {
    put_varint(out, number);
}

/// Appends numbers with their length in bytes; how many they are is known elsewhere.
pub fn put_stream(out: &mut Vec<u8>, numbers: &[i64]) -> Result<(), ChunkError> {
    let Some(first) = numbers.first() else {
        put_varint(out, 0);
        return Ok(());
    };
    let mut bytes = Vec::new();
    if numbers.iter().all(|number| number == first) {
        bytes.push(CONSTANT);
        put_varint(&mut bytes, zigzag(*first));
    } else {
        bytes.push(PCO);
        let packed = simple_compress(numbers, &pco::ChunkConfig::default())
            .map_err(|_| ChunkError::Corrupt("numbers to compress"))?;
        bytes.extend_from_slice(&packed);
    }
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(&bytes);
    Ok(())
}

/// Reads what the functions above wrote.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub fn at(&self) -> usize {
        self.at
    }

    pub fn number(&mut self) -> Result<u64, ChunkError> {
        take_varint(self.bytes, &mut self.at).map_err(|_| ChunkError::Short)
    }

    /// A length that must not exceed `max`.
    pub fn length(&mut self, max: usize) -> Result<usize, ChunkError> {
        usize::try_from(self.number()?)
            .ok()
            .filter(|length| *length <= max)
            .ok_or(ChunkError::Corrupt("length"))
    }

    /// `count` numbers.
    pub fn stream(&mut self, count: usize) -> Result<Vec<i64>, ChunkError> {
        let length = self.length(self.bytes.len())?;
        let end = self.at.checked_add(length).ok_or(ChunkError::Short)?;
        let bytes = self.bytes.get(self.at..end).ok_or(ChunkError::Short)?;
        self.at = end;
        let corrupt = ChunkError::Corrupt("numbers");
        match bytes.split_first() {
            None if count == 0 => Ok(Vec::new()),
            Some((&CONSTANT, rest)) if count > 0 => {
                let mut at = 0;
                let number = take_varint(rest, &mut at).map_err(|_| ChunkError::Short)?;
                if at == rest.len() {
                    Ok(vec![unzigzag(number); count])
                } else {
                    Err(corrupt)
                }
            }
            Some((&PCO, rest)) if count > 0 => {
                let mut numbers = vec![0; count];
                let progress = simple_decompress_into(rest, &mut numbers).map_err(|_| corrupt)?;
                if progress.finished && progress.n_processed == count {
                    Ok(numbers)
                } else {
                    Err(corrupt)
                }
            }
            _ => Err(corrupt),
        }
    }

    /// Everything must have been read.
    pub fn end(&self) -> Result<(), ChunkError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(ChunkError::Corrupt("length"))
        }
    }
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0u32; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1));
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// CRC-32 as in IEEE 802.3: polynomial 0xEDB88320 reflected, all ones before and after.
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let place = (crc ^ u32::from(*byte)) & 0xff;
        (crc >> 8) ^ CRC_TABLE.get(place as usize).copied().unwrap_or(0)
    })
}
