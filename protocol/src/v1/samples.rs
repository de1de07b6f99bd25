//! How the samples of a group travel: varints in one byte string, half as many bytes as CBOR's integers.
//!
//! (step of the metric number, value), both as zigzag LEB128. The array of integers that agents sent first is read, too:
//! it may lie in their spools.

use minicbor::decode::Error;
use minicbor::encode::Write;
use minicbor::{Decoder, Encoder, data::Type};

/// Longest varint of 64 bits.
const VARINT_BYTES_MAX: usize = 10;

pub fn encode<C, W: Write>(
    values: &[i64],
    encoder: &mut Encoder<W>,
    _: &mut C,
) -> Result<(), minicbor::encode::Error<W::Error>> {
    let (pairs, half) = values.as_chunks::<2>();
    let mut packed = Vec::with_capacity(values.len() * 2);
    let mut before = 0i64;
    for [metric, value] in pairs {
        put(&mut packed, metric.wrapping_sub(before));
        put(&mut packed, *value);
        before = *metric;
    }
    for metric in half {
        put(&mut packed, metric.wrapping_sub(before));
    }
    encoder.bytes(&packed)?.ok()
}

pub fn decode<C>(decoder: &mut Decoder<'_>, context: &mut C) -> Result<Vec<i64>, Error> {
    if matches!(decoder.datatype()?, Type::Array | Type::ArrayIndef) {
        return decoder.decode_with(context);
    }
    let at = decoder.position();
    let mut packed = decoder.bytes()?;
    let mut values = Vec::with_capacity(packed.len() / 2);
    let mut metric = 0i64;
    while !packed.is_empty() {
        let read = take(&mut packed).ok_or_else(|| {
            Error::message("samples end in half a number, or it is too large").at(at)
        })?;
        values.push(if values.len().is_multiple_of(2) {
            metric = metric.wrapping_add(read);
            metric
        } else {
            read
        });
    }
    Ok(values)
}

fn put(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The next number; `None` where there is none.
fn take(packed: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for place in 0..VARINT_BYTES_MAX {
        let (byte, rest) = packed.split_first()?;
        *packed = rest;
        let part = u64::from(byte & 0x7f);
        if place == VARINT_BYTES_MAX - 1 && part > 1 {
            return None;
        }
        value |= part << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}
