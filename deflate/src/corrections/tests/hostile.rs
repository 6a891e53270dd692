//! Corrections and streams that nobody honest wrote.

use flate2::FlushCompress;
use proptest::prelude::*;

use super::data::*;
use super::pairs::corrections;
use crate::DeflateError;
use crate::corrections::channels::{Channel, NumberWriter};
use crate::corrections::{Differ, Patcher};

/// The stream that comes of it, whose size is bounded.
fn tried(
    predicted: &[u8],
    plain_bytes: usize,
    corrections: &[u8],
    inflated_bytes: usize,
) -> Result<Vec<u8>, DeflateError> {
    let (mut patcher, mut out) = (Patcher::new(corrections.to_vec()), Vec::new());
    let result = predicted.chunks(1000).try_for_each(|piece| patcher.push(piece, &mut out));
    let result = result.and_then(|()| patcher.finish(&mut out));
    assert!(out.len() <= 2 * plain_bytes + 330 * (inflated_bytes + 1), "{}", out.len());
    result.map(|()| out)
}

fn channel(number: u8) -> Channel {
    use Channel::{Blocks, Distances, Headers, Kinds, Lengths, Runs};
    [Blocks, Headers, Runs, Kinds, Lengths, Distances][usize::from(number % 6)]
}

#[test]
fn numbers_end_early_or_late() {
    let plain = mixed(1, 5000);
    let stream = zlib(&plain, 6, usize::MAX, FlushCompress::None);
    let of = |blocks: &[u64]| {
        let mut numbers = NumberWriter::default();
        blocks.iter().for_each(|&number| numbers.put(Channel::Blocks, number));
        numbers.put(Channel::Runs, 1 << 40);
        numbers.pack(0)
    };
    for blocks in [&[][..], &[0], &[1], &[2], &[0, 0, 0], &[u64::MAX >> 1]] {
        assert_eq!(tried(&stream, 5000, &of(blocks), 100), Err(DeflateError::Corrections), "{blocks:?}");
    }
    assert_eq!(tried(&stream[..100], 5000, &[], 0), Err(DeflateError::Corrections));
}

/// A predicted stream that goes on behind the end is not held.
#[test]
fn a_stream_that_ends_early() {
    let stream = zlib(&noise(3, 200_000), 6, usize::MAX, FlushCompress::None);
    let mut numbers = NumberWriter::default();
    // None is the same; fixed, the last, with as many tokens as follow.
    [0, 1 + 1 + (1 << 1) + (2 << 3), 1].into_iter().for_each(|number| numbers.put(Channel::Blocks, number));
    numbers.put(Channel::Runs, 1);
    let mut patcher = Patcher::new(numbers.pack(0));
    let mut out = Vec::new();
    assert_eq!(patcher.push(&stream[..10_000], &mut out), Err(DeflateError::Corrections));
    assert_eq!(crate::inflate(&out, 10).unwrap(), &noise(3, 1)[..]);
}

#[test]
fn corrections_that_inflate_without_end() {
    let mut bomb = vec![1, 1];
    bomb.extend(zlib(&vec![0; 30 << 20], 9, usize::MAX, FlushCompress::None));
    assert_eq!(Patcher::new(bomb).push(&[3, 0], &mut Vec::new()), Err(DeflateError::Corrections));
}

#[test]
fn a_stream_far_ahead_is_given_up() {
    let few: Vec<u8> = noise(1, 9 << 20).iter().map(|byte| byte & 63).collect();
    let stream = zlib(&few, 1, usize::MAX, FlushCompress::None);
    for is_actual in [false, true] {
        let mut differ = Differ::new(1 << 20);
        if is_actual {
            differ.push_actual(&stream)
        } else {
            differ.push_predicted(&stream)
        }
        assert!(differ.is_over());
        assert_eq!(differ.finish(), None);
    }
}

#[test]
fn a_limit_is_kept() {
    let plain = mixed(2, 400_000);
    let (actual, predicted) = (any_encoder(&plain, 6), any_encoder(&plain, 54));
    let needed = corrections(&actual, &predicted, 1 << 20, 1000).unwrap().len();
    assert!(corrections(&actual, &predicted, needed, 1000).is_some());
    assert_eq!(corrections(&actual, &predicted, needed - 1, 1000), None);
    let mut differ = Differ::new(10);
    differ.push_actual(&actual);
    differ.push_predicted(&predicted);
    assert!(differ.is_over());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn flipped_bits(
        seed in any::<u32>(), len in 0usize..8000, actual in any::<u8>(), predicted in any::<u8>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4), is_unpacked in any::<bool>(),
    ) {
        let plain = mixed(seed.into(), len);
        let (actual, predicted) = (any_encoder(&plain, actual), any_encoder(&plain, predicted));
        let mut found = corrections(&actual, &predicted, 1 << 20, 1000).unwrap();
        if is_unpacked && found[1] == 1 {
            found = [vec![1, 0], crate::inflate(&found[2..], 1 << 20).unwrap()].concat();
        }
        let most = if found[1] == 0 { found.len() } else { 1032 * found.len() };
        for (at, bit) in flips {
            let at = at.index(found.len());
            found[at] ^= 1 << bit;
        }
        let _ = tried(&predicted, plain.len(), &found, most);
    }

    #[test]
    fn any_numbers(
        seed in any::<u32>(), len in 0usize..3000, predicted in any::<u8>(), padding in any::<u8>(),
        all in prop::collection::vec((any::<u8>(), 0u64..40), 0..200),
        some in prop::collection::vec((any::<u8>(), any::<u64>()), 0..2),
    ) {
        let plain = mixed(seed.into(), len);
        let mut numbers = NumberWriter::default();
        all.iter().chain(&some).for_each(|&(number, value)| numbers.put(channel(number), value >> 1));
        let bytes = numbers.bytes();
        let _ = tried(&any_encoder(&plain, predicted), plain.len(), &numbers.pack(padding), bytes);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), flag in 0u8..3) {
        let predicted = any_encoder(&mixed(1, 2000), 4);
        let _ = tried(&predicted, 2000, &bytes, bytes.len());
        let _ = tried(&predicted, 2000, &[&[1, flag], bytes.as_slice()].concat(), 1032 * bytes.len());
        let _ = tried(&bytes, 1032 * bytes.len(), &[1, 0, 0, 1, 0, 1, 0, 0, 0, 9, 100], 20);
    }

    /// The differ takes anything.
    #[test]
    fn broken_streams(
        seed in any::<u32>(), len in 0usize..3000, actual in any::<u8>(), predicted in any::<u8>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8, any::<bool>()), 0..3),
    ) {
        let plain = mixed(seed.into(), len);
        let mut streams = [any_encoder(&plain, actual), any_encoder(&plain, predicted)];
        for (at, bit, which) in flips {
            let stream = &mut streams[usize::from(which)];
            let at = at.index(stream.len());
            stream[at] ^= 1 << bit;
        }
        if let Some(found) = corrections(&streams[0], &streams[1], 1 << 20, 1000) {
            let most = 1032 * found.len();
            prop_assert!(tried(&streams[1], 1032 * streams[1].len(), &found, most) == Ok(streams[0].clone()));
        }
    }
}
