//! A sealed chunk, whose checksum is made right first: without that, no changed byte would get past it.
//!
//! What is behind the checksum must hold by itself too, because a chunk may have been written by a broken disk or a
//! broken version with a checksum that is right.

use std::collections::BTreeMap;

use domain::metric::chunk::{Chunk, Sealed, decode, encode_buckets, encode_points};
use domain::metric::history::roll_up;

/// Beyond this, writing again what was read costs more than it finds.
const POINTS_AGAIN_MAX: usize = 4_096;
const HEAD_BYTES: usize = 8;

pub fn seeds() -> Vec<Vec<u8>> {
    let walk = |no: i64| -> Vec<(i64, i64)> {
        let noise = |i: i64| (i * 7_919 + no * 104_729) % 97;
        (0..200).map(|i| (i * 10_000, noise(i) - 40)).collect()
    };
    let constant: Vec<(i64, i64)> = (0..200).map(|i| (i * 10_000, 42)).collect();
    let extreme = vec![(i64::MIN, i64::MIN), (0, i64::MAX), (0, 0), (i64::MAX, -1)];
    let sparse: Vec<(i64, i64)> = walk(3).into_iter().step_by(7).collect();
    let large: Vec<(i64, i64)> = walk(4).into_iter().map(|(t, v)| (t, v << 50)).collect();
    let raw = [
        BTreeMap::new(),
        BTreeMap::from([(0, constant)]),
        BTreeMap::from([(1, walk(1)), (2, walk(2)), (9, sparse), (12, large)]),
        BTreeMap::from([(1, extreme), (u32::MAX, vec![(5, 5)])]),
    ];
    let mut seeds = Vec::new();
    for points in &raw {
        seeds.extend(encode_points(points));
        let rolled = |(no, points): (&u32, &Vec<(i64, i64)>)| (*no, roll_up(points, 60_000));
        seeds.extend(encode_buckets(&points.iter().map(rolled).collect()));
    }
    seeds
}

pub fn run(bytes: &[u8]) {
    // As it is: the checksum is wrong, or an input happened on the right one.
    drop(decode(bytes));
    let mut sealed = bytes.to_vec();
    if let Some((head, rest)) = sealed.split_at_mut_checked(HEAD_BYTES) {
        head[4..].copy_from_slice(&crc32(rest).to_le_bytes());
    }
    let Ok(chunk) = decode(&sealed) else {
        return;
    };
    let open = Sealed::open(&sealed).expect("what is decoded is opened");
    let count = match &chunk {
        Chunk::Raw(series) => series.values().map(Vec::len).sum::<usize>(),
        Chunk::Buckets(series) => series.values().map(Vec::len).sum(),
    };
    if count > POINTS_AGAIN_MAX {
        return;
    }
    for no in open.series() {
        assert!(open.buckets(no).is_ok());
    }
    let written = match chunk.clone() {
        Chunk::Raw(mut series) => {
            series.retain(|_, points| !points.is_empty());
            (encode_points(&series), Chunk::Raw(series))
        }
        Chunk::Buckets(mut series) => {
            series.retain(|_, buckets| !buckets.is_empty());
            (encode_buckets(&series), Chunk::Buckets(series))
        }
    };
    let again = written.0.expect("what was read is written");
    assert_eq!(decode(&again), Ok(written.1));
}

/// CRC-32 as in IEEE 802.3, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1))
        })
    })
}
