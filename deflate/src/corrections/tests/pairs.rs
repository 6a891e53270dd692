//! Streams predicted by others of the same plain bytes.

use flate2::FlushCompress;
use proptest::prelude::*;

use super::data::*;
use crate::corrections::{Differ, Patcher};
use crate::encoders::GoGeneration;
use crate::encoders::klauspost::Version;

const VERSIONS: [Version; 3] = [Version::V1_15, Version::V1_18, Version::V1_20];

/// Corrections with both streams pushed in step, in pieces.
pub(super) fn corrections(actual: &[u8], predicted: &[u8], limit_bytes: usize, piece_bytes: usize) -> Option<Vec<u8>> {
    let mut differ = Differ::new(limit_bytes);
    let (mut actual, mut predicted) = (actual.chunks(piece_bytes), predicted.chunks(piece_bytes));
    loop {
        let (of_actual, of_predicted) = (actual.next(), predicted.next());
        differ.push_actual(of_actual.unwrap_or_default());
        differ.push_predicted(of_predicted.unwrap_or_default());
        if of_actual.is_none() && of_predicted.is_none() {
            return differ.finish();
        }
    }
}

fn patched(predicted: &[u8], corrections: &[u8], piece_bytes: usize) -> Vec<u8> {
    let (mut patcher, mut out) = (Patcher::new(corrections.to_vec()), Vec::new());
    predicted.chunks(piece_bytes).for_each(|piece| patcher.push(piece, &mut out).unwrap());
    patcher.finish(&mut out).unwrap();
    out
}

/// The number of bytes of corrections; the stream that they make is compared.
pub(super) fn cost(actual: &[u8], predicted: &[u8]) -> usize {
    let corrections = corrections(actual, predicted, 2 * actual.len() + 1000, 4096).unwrap();
    assert!(patched(predicted, &corrections, 5000) == actual);
    corrections.len()
}

#[test]
fn the_same_costs_nothing() {
    let plain = mixed(1, 1_000_000);
    for number in 0..60 {
        let stream = any_encoder(&plain, number);
        assert!(cost(&stream, &stream) <= 16, "{number}: {}", cost(&stream, &stream));
    }
}

#[test]
fn go_levels_and_generations() {
    let plain = mixed(2, 1_000_000);
    let predicted = go(&plain, GoGeneration::Before127, 6);
    for (generation, level) in [
        (GoGeneration::Before127, 5),
        (GoGeneration::Before127, 7),
        (GoGeneration::From127, 6),
        (GoGeneration::From127, 1),
    ] {
        let actual = go(&plain, generation, level);
        let cost = cost(&actual, &predicted);
        println!("{generation:?} {level}: {cost} of {}", actual.len());
        assert!(cost < actual.len());
    }
}

#[test]
fn klauspost_versions() {
    let plain = mixed(3, 600_000);
    for level in 1..=9 {
        for actual in VERSIONS {
            for predicted in VERSIONS {
                let (actual, predicted) = (klauspost(&plain, actual, level), klauspost(&plain, predicted, level));
                let cost = cost(&actual, &predicted);
                assert!(cost < actual.len() / 2, "{level}: {cost} of {}", actual.len());
            }
        }
    }
}

#[test]
fn zlib_levels() {
    let plain = mixed(4, 400_000);
    let streams: Vec<Vec<u8>> = (0..10).map(|level| zlib(&plain, level, usize::MAX, FlushCompress::None)).collect();
    for actual in &streams {
        for predicted in &streams {
            cost(actual, predicted);
        }
    }
}

#[test]
fn flushes() {
    let plain = mixed(5, 2_000_000);
    for level in [0, 1, 6] {
        let predicted = zlib(&plain, level, usize::MAX, FlushCompress::None);
        for (every, flush) in
            [(500_000, FlushCompress::Sync), (100_000, FlushCompress::Full), (999_999, FlushCompress::Sync)]
        {
            let actual = zlib(&plain, level, every, flush);
            println!("{level} {every}: {} of {}", cost(&actual, &predicted), actual.len());
            cost(&predicted, &actual);
        }
    }
}

#[test]
fn pgzip_blocks() {
    let plain = mixed(6, 3_000_000);
    let predicted = pgzip(&plain, Version::V1_18, 5, 1 << 20);
    for actual in [pgzip(&plain, Version::V1_20, 5, 1 << 20), pgzip(&plain, Version::V1_18, 5, 256 << 10)] {
        println!("{} of {}", cost(&actual, &predicted), actual.len());
    }
    cost(&klauspost(&plain, Version::V1_18, 5), &predicted);
}

#[test]
fn other_plain_bytes() {
    let (one, mut other) = (mixed(7, 100_000), mixed(7, 100_000));
    other[50_000] ^= 1;
    let stream = |plain: &[u8]| zlib(plain, 6, usize::MAX, FlushCompress::None);
    assert_eq!(corrections(&stream(&one), &stream(&other), 1 << 20, 1000), None);
    assert_eq!(corrections(&stream(&one), &stream(&one[..99_000]), 1 << 20, 1000), None);
    assert_eq!(corrections(&stream(&one[..99_000]), &stream(&one), 1 << 20, 1000), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn unrelated_encoders(
        seed in any::<u32>(), len in 0usize..40_000, actual in any::<u8>(), predicted in any::<u8>(),
        pieces in (1usize..3000, 1usize..3000),
    ) {
        let plain = mixed(seed.into(), len);
        let (actual, predicted) = (any_encoder(&plain, actual), any_encoder(&plain, predicted));
        let found = corrections(&actual, &predicted, 1 << 20, pieces.0).unwrap();
        prop_assert!(patched(&predicted, &found, pieces.1) == actual);
    }
}
