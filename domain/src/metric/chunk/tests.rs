use proptest::prelude::*;

use super::*;

fn points_strategy() -> impl Strategy<Value = Points> {
    let value = prop_oneof![
        4 => -1_000i64..1_000,
        2 => Just(731i64),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()],
    ];
    let at = prop_oneof![5 => (0i64..400).prop_map(|i| i * 10_000), 2 => 0i64..100_000, 1 => any::<i64>()];
    let points = prop::collection::vec((at, value), 0..300).prop_map(|mut points| {
        points.sort_by_key(|(t_ms, _)| *t_ms);
        points
    });
    prop::collection::btree_map(prop_oneof![0u32..60, any::<u32>()], points, 0..12)
}

fn without_empty<T>(mut series: BTreeMap<u32, Vec<T>>) -> BTreeMap<u32, Vec<T>> {
    series.retain(|_, items| !items.is_empty());
    series
}

/// With a checksum that is right, so that what is behind it is reached.
fn resealed(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() >= HEAD_LEN {
        let crc = stream::crc32(&bytes[HEAD_LEN..]).to_le_bytes();
        bytes[4..HEAD_LEN].copy_from_slice(&crc);
    }
    bytes
}

proptest! {
    #[test]
    fn points_come_back_as_they_were(points in points_strategy()) {
        let bytes = encode_points(&points).unwrap();
        prop_assert_eq!(decode(&bytes), Ok(Chunk::Raw(without_empty(points.clone()))));
        let sealed = Sealed::open(&bytes).unwrap();
        for (no, points) in &points {
            prop_assert_eq!(&sealed.points(*no).unwrap(), points);
        }
    }

    #[test]
    fn buckets_come_back_as_they_were(points in points_strategy(), step_s in 1i64..100_000) {
        let buckets: Buckets = points.iter().map(|(no, points)| (*no, crate::metric::history::roll_up(points, step_s * 1_000))).collect();
        let bytes = encode_buckets(&buckets).unwrap();
        prop_assert_eq!(decode(&bytes), Ok(Chunk::Buckets(without_empty(buckets))));
    }

    #[test]
    fn any_bytes_end_in_a_chunk_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 0u8..4) {
        let _any = decode(&bytes);
        let mut headed = MAGIC.to_vec();
        headed.push(kind);
        headed.extend_from_slice(&[0; 4]);
        headed.extend(bytes);
        let _any = decode(&resealed(headed));
    }

    #[test]
    fn changed_bytes_are_noticed_and_behind_the_checksum_harmless(points in points_strategy(), places in prop::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 1..6)) {
        let bytes = encode_points(&points).unwrap();
        let mut changed = bytes.clone();
        for (place, by) in &places {
            changed[place.index(bytes.len())] ^= by;
        }
        prop_assume!(changed != bytes);
        if places.len() == 1 {
            prop_assert!(decode(&changed).is_err());
        }
        let _any = decode(&resealed(changed));
    }

    #[test]
    fn a_part_of_a_chunk_is_an_error(points in points_strategy(), cut in any::<prop::sample::Index>()) {
        let bytes = encode_points(&points).unwrap();
        let cut = bytes[..cut.index(bytes.len())].to_vec();
        prop_assert!(decode(&cut).is_err());
        prop_assert!(decode(&resealed(cut)).is_err());
    }
}

#[test]
fn extremes_constants_and_doubled_instants_are_exact() {
    let points = Points::from([
        (
            0,
            vec![(i64::MIN, i64::MIN), (0, i64::MAX), (i64::MAX, i64::MIN)],
        ),
        (7, vec![(0, 5), (0, 6), (0, 5)]),
        (u32::MAX, (0..1_000).map(|i| (i, 42)).collect()),
    ]);
    let bytes = encode_points(&points).unwrap();
    assert_eq!(decode(&bytes), Ok(Chunk::Raw(points)));
    let extreme = Bucket {
        t_ms: 0,
        min: i64::MIN,
        max: i64::MAX,
        sum: i128::from(i64::MAX) * 4_000_000_000,
        count: 4_100_000_000,
    };
    let buckets = Buckets::from([(3, vec![extreme])]);
    let bytes = encode_buckets(&buckets).unwrap();
    assert_eq!(decode(&bytes), Ok(Chunk::Buckets(buckets)));
}

#[test]
fn what_no_points_can_have_made_is_refused() {
    let point = Bucket::point(0, 5);
    for bucket in [
        Bucket { count: 0, ..point },
        Bucket { max: 4, ..point },
        Bucket { sum: 4, ..point },
    ] {
        assert!(
            encode_buckets(&Buckets::from([(1, vec![bucket])])).is_err(),
            "{bucket:?}"
        );
    }
    assert!(encode_points(&Points::from([(1, vec![(2, 0), (1, 0)])])).is_err());
}

#[test]
fn a_small_chunk_cannot_ask_for_much_memory() {
    // Says it has 2^62 rows.
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[KIND_RAW, 0, 0, 0, 0]);
    put_number(&mut bytes, 1 << 62);
    assert_eq!(decode(&resealed(bytes)), Err(ChunkError::Corrupt("length")));
    // Many series of a constant each: a few bytes a million points.
    let axis: Vec<i64> = (0..1 << 20).collect();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[KIND_RAW, 0, 0, 0, 0]);
    put_number(&mut bytes, axis.len() as u64);
    put_stream(&mut bytes, &axis).unwrap();
    put_number(&mut bytes, 1_000);
    let mut body = vec![0];
    put_stream(&mut body, &[7]).unwrap();
    for _ in 0..1_000 {
        put_number(&mut bytes, 1);
        put_number(&mut bytes, body.len() as u64);
    }
    for _ in 0..1_000 {
        bytes.extend_from_slice(&body);
    }
    assert_eq!(decode(&resealed(bytes)), Err(ChunkError::TooLarge));
}

#[test]
fn a_day_of_a_usual_host_takes_little() {
    let mut seed = 7u64;
    let mut next = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as i64
    };
    let points: Points = (0..40)
        .map(|no| {
            (
                no,
                (0..8_640)
                    .map(|i| (i * 10_000, 500 + next() % 16))
                    .collect(),
            )
        })
        .collect();
    let bytes = encode_points(&points).unwrap();
    // Four random bits a value are half a byte; nothing can do better.
    let wanted = 40.0 * 8_640.0 * 0.5;
    assert!(
        (bytes.len() as f64) < wanted * 1.03,
        "{} bytes",
        bytes.len()
    );
}
