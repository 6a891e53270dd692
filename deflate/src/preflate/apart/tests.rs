use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::*;
use crate::preflate::parameters::{BlockTypes, Parameters, of_level};

fn deflated(plain: &[u8], level: u32) -> Vec<u8> {
    let mut stored = Vec::with_capacity(plain.len() * 2 + 1024);
    let mut compress = Compress::new(Compression::new(level), false);
    compress.compress_vec(plain, &mut stored, FlushCompress::Finish).unwrap();
    stored
}

fn text(seed: u32, words: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    (0..words)
        .flat_map(|_| {
            format!("{} ", ["deflate", "the", "stream", "of", "block", "window"][next() as usize % 6]).into_bytes()
        })
        .chain((0..words % 7).map(|byte| byte as u8))
        .collect()
}

/// One fixed block: what any zlib makes of it.
#[test]
fn a_known_compressor_costs_one_byte() {
    let stored = [0x4b, 0x04, 0x00];
    let apart = take_apart(&stored, 10).unwrap();
    assert_eq!((apart.plain.as_slice(), apart.corrections.len()), (b"a".as_slice(), 1));
    assert_eq!(rebuild(&apart.plain, &apart.corrections, 3).unwrap(), stored);
    assert_eq!(rebuild(&apart.plain, &apart.corrections, 2), Err(DeflateError::TooLong(2)));
}

#[test]
fn bounds_hold() {
    let stored = deflated(&text(1, 1000), 6);
    assert_eq!(take_apart(&stored, 100), None);
    assert_eq!(take_apart(&stored[..stored.len() - 1], 1 << 20), None);
    assert_eq!(take_apart(b"", 1 << 20), None);
    assert_eq!(rebuild(b"plain", &[0; 100], 16), Err(DeflateError::Corrections));
    assert_eq!(rebuild(b"plain", &[], 16), Err(DeflateError::Corrections));
}

/// Nothing is read of what is predicted: such a rebuilder would never come to the stream's end.
#[test]
fn corrections_with_endless_empty_blocks_are_refused() {
    let corrections = |max_token_count| {
        let known = of_level(6, false, BlockTypes::Dynamic);
        let parameters = bitcode::encode(&Parameters { max_token_count, ..known });
        [[0x3f, parameters.len() as u8].as_slice(), &parameters, &[0; 8]].concat()
    };
    assert_eq!(rebuild(&text(1, 100), &corrections(0), 4096), Err(DeflateError::Corrections));
    assert!(rebuild(&text(1, 100), &corrections(16383), 4096).is_ok());
}

/// Empty blocks take memory, and hardly any bits: what counts them is told by preflate-rs's order of contexts.
#[test]
fn blocks_are_counted() {
    let plain = text(5, 3000);
    let mut stored = Vec::with_capacity(1 << 20);
    let mut compress = Compress::new(Compression::new(6), false);
    for part in plain.chunks(plain.len() / 10 + 1) {
        compress.compress_vec(part, &mut stored, FlushCompress::Sync).unwrap();
    }
    compress.compress_vec(b"", &mut stored, FlushCompress::Finish).unwrap();
    let foreign = packed::foreign(&stored, plain.len()).unwrap();
    let with_blocks = |blocks| {
        let theirs = packed::unpacked(&foreign, Budget { blocks, ..Budget::ENDLESS }).unwrap();
        recreated(&plain, &theirs)
    };
    // Ten that end early, and ten empty stored ones.
    assert!(with_blocks(22).is_some_and(|back| back == stored));
    assert_eq!(with_blocks(19), None);
}

/// Bits of a stream, the lowest of each byte first.
fn stream_of_bits(bits: impl IntoIterator<Item = bool>) -> Vec<u8> {
    let bits: Vec<bool> = bits.into_iter().collect();
    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |all, &bit| all << 1 | u8::from(bit))).collect()
}

/// Static blocks, the first of which holds a byte.
fn empty_blocks(count: usize) -> Vec<u8> {
    let block = |number: usize| {
        // 01, the code of the letter a, and the seven zeros of the end.
        let letter = if number == 0 { [true, false, false, true, false, false, false, true].as_slice() } else { &[] };
        let head = [number + 1 == count, true, false];
        head.into_iter().chain(letter.iter().copied()).chain([false; 7]).collect::<Vec<bool>>()
    };
    stream_of_bits((0..count).flat_map(block))
}

/// Empty blocks behind the end of the plain bytes are few in any stream, but they are taken apart and come back.
#[test]
fn empty_blocks_at_the_end_come_back() {
    for count in [1, 2, 3, 40] {
        let stored = empty_blocks(count);
        let plain = inflate(&stored, 10).unwrap();
        assert_eq!(plain, b"a");
        let foreign = packed::foreign(&stored, plain.len()).unwrap();
        assert_eq!(rebuild(&plain, &foreign, stored.len() * 4).unwrap(), stored, "{count} blocks");
        let apart = take_apart(&stored, 10).unwrap();
        assert_eq!(rebuild(&plain, &apart.corrections, stored.len()).unwrap(), stored, "{count} blocks");
    }
}

/// preflate-rs reserves room for the tokens that a block says it has.
#[test]
fn tokens_are_counted() {
    let plain = text(5, 3000);
    let mut stored = Vec::with_capacity(1 << 20);
    let mut compress = Compress::new(Compression::new(6), false);
    compress.compress_vec(&plain[..10_000], &mut stored, FlushCompress::Sync).unwrap();
    compress.compress_vec(&plain[10_000..], &mut stored, FlushCompress::Finish).unwrap();
    let tokens = crate::preflate::blocks::of_stream(&stored).unwrap()[0].tokens as u32;
    let foreign = packed::foreign(&stored, plain.len()).unwrap();
    let with_tokens = |tokens| {
        let theirs = packed::unpacked(&foreign, Budget { tokens, ..Budget::ENDLESS }).unwrap();
        recreated(&plain, &theirs)
    };
    // The second block says nothing: it is the last one.
    assert!(with_tokens(tokens).is_some_and(|back| back == stored));
    assert_eq!(with_tokens(tokens - 1), None);
}

/// Each would reserve room for as many tokens as a full block has.
#[test]
fn blocks_behind_the_end_that_say_no_size_are_refused() {
    use crate::preflate::actions::{Actions, Question};
    let known = of_level(6, false, BlockTypes::Static);
    let rebuilt = |blocks, tokens| {
        let mut actions = Actions::default();
        for number in 1..=blocks {
            actions.push(Question::TokenCount, if number == 1 { 2 } else { tokens });
            actions.push(Question::Last, u32::from(number < blocks));
            actions.push(Question::EndOfChunk, u32::from(number < blocks));
        }
        let parameters = bitcode::encode(&known);
        let head = [0x3f, parameters.len() as u8];
        rebuild(b"a", &[head.as_slice(), &parameters, &actions.written().unwrap()].concat(), 4096)
    };
    assert_eq!(rebuilt(1, 0).unwrap(), empty_blocks(1));
    assert_eq!(rebuilt(2, 0).unwrap(), empty_blocks(2));
    assert_eq!(rebuilt(30, 1).unwrap(), empty_blocks(30));
    assert_eq!(rebuilt(30, 0), Err(DeflateError::Corrections));
}

/// Stored blocks, an empty block at the end, and static ones among dynamic ones.
#[test]
fn blocks_of_all_kinds() {
    let plain = text(5, 3000);
    let mut stored = Vec::with_capacity(1 << 20);
    let mut compress = Compress::new(Compression::new(6), false);
    compress.compress_vec(&plain, &mut stored, FlushCompress::Sync).unwrap();
    compress.compress_vec(b"", &mut stored, FlushCompress::Finish).unwrap();
    for stored in [stored, deflated(&plain, 0), deflated(b"", 6), deflated(&[7; 70_000], 0)] {
        if let Some(apart) = take_apart(&stored, 1 << 20) {
            assert_eq!(rebuild(&apart.plain, &apart.corrections, stored.len()).unwrap(), stored);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn streams_come_back(seed: u32, words in 0usize..3000, level in 0u32..=9) {
        let plain = text(seed, words);
        let stored = deflated(&plain, level);
        if let Some(apart) = take_apart(&stored, 1 << 20) {
            prop_assert_eq!(&apart.plain, &plain);
            prop_assert_eq!(rebuild(&plain, &apart.corrections, stored.len()).unwrap(), stored);
        }
    }

    #[test]
    fn wrong_corrections_are_an_error_or_wrong_bytes(
        seed: u32, corrections in prop::collection::vec(any::<u8>(), 0..64), at in 0usize..64, flip: u8,
    ) {
        let plain = text(seed, 500);
        let _ = rebuild(&plain, &corrections, 4096);
        let stored = deflated(&plain, 1 + seed % 9);
        if let Some(mut apart) = take_apart(&stored, 1 << 20) {
            let len = apart.corrections.len();
            apart.corrections[at % len] ^= flip;
            if let Ok(back) = rebuild(&apart.plain, &apart.corrections, 2 * stored.len()) {
                prop_assert!(back.len() <= 2 * stored.len());
            }
            let _ = rebuild(&apart.plain[..plain.len() / 2], &apart.corrections, stored.len());
        }
    }
}
