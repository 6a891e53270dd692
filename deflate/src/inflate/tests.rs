//! The inflater against zlib-rs, on what compressors write and on what is broken.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use proptest::prelude::*;

use super::*;

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Words, noise and repetitions.
fn mixed(seed: u64, len: usize) -> Vec<u8> {
    let words: Vec<String> =
        noise(seed, 600).chunks(3).map(|c| format!("{:x}{} ", c[0], "ab".repeat((c[1] % 5).into()))).collect();
    let picks = noise(seed + 1, len);
    let mut out = Vec::with_capacity(len + 300);
    for &pick in &picks {
        match pick {
            0..4 => out.extend_from_slice(&noise(pick.into(), 200)),
            4..7 => out.extend(std::iter::repeat_n(pick, 700)),
            _ => out.extend_from_slice(words[usize::from(pick) % words.len()].as_bytes()),
        }
        if out.len() >= len {
            break;
        }
    }
    out.truncate(len);
    out
}

/// Bytes each of which is half as frequent as the one before, whose codes are of all lengths, with a few matches.
fn skewed(seed: u64, len: usize) -> Vec<u8> {
    let picks = noise(seed, 4 * len);
    let mut out: Vec<u8> = picks
        .chunks_exact(4)
        .map(|word| {
            let zeros = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).trailing_zeros();
            (zeros * 8) as u8
        })
        .collect();
    for at in (5000..len).step_by(900) {
        let distance = 1 + usize::from(picks[at]) * 17 % at;
        (at..(at + usize::from(picks[at + 1])).min(len)).for_each(|at| out[at] = out[at - distance]);
    }
    out
}

fn deflated(plain: &[u8], level: u32, flush_every: usize, flush: FlushCompress) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(plain.len() * 2 + 4096);
    let pieces: Vec<&[u8]> = plain.chunks(flush_every.max(1)).collect();
    for (number, piece) in pieces.iter().enumerate() {
        let flush = if number + 1 == pieces.len() { FlushCompress::Finish } else { flush };
        compress.compress_vec(piece, &mut out, flush).unwrap();
    }
    if pieces.is_empty() {
        compress.compress_vec(&[], &mut out, FlushCompress::Finish).unwrap();
    }
    out
}

/// The plain bytes and how many stored ones they took, or why not.
fn inflated(stored: &[u8], pieces: &[usize], most: &[usize]) -> Result<(Vec<u8>, usize), &'static str> {
    let (mut inflater, mut out, mut at, mut turn) = (Inflater::new(), Vec::new(), 0, 0);
    loop {
        let end = stored.len().min(at + pieces[turn % pieces.len()]);
        let before = out.len();
        let step = inflater.inflate(&stored[at..end], &mut out, most[turn % most.len()]).map_err(|_| "damaged")?;
        assert!(out.len() - before <= most[turn % most.len()]);
        at += step.taken;
        turn += 1;
        assert_eq!((inflater.plain_bytes(), inflater.stored_bytes()), (out.len() as u64, at as u64));
        if step.ended {
            return Ok((out, at));
        }
        if at == stored.len() && step.taken == 0 && out.len() == before {
            return Err("cut");
        }
    }
}

fn by_zlib(stored: &[u8]) -> Result<(Vec<u8>, usize), &'static str> {
    let (mut decompress, mut out) = (Decompress::new(false), Vec::with_capacity(1 << 16));
    loop {
        let (taken, given) = (decompress.total_in(), out.len());
        out.reserve(1 << 16);
        let status = decompress.decompress_vec(&stored[taken as usize..], &mut out, FlushDecompress::None);
        match status.map_err(|_| "damaged")? {
            Status::StreamEnd => return Ok((out, decompress.total_in() as usize)),
            _ if decompress.total_in() == taken && out.len() == given => return Err("cut"),
            _ => {}
        }
    }
}

const PIECES: &[&[usize]] = &[&[usize::MAX / 2], &[1], &[7, 1, 3], &[1000, 13]];
const MOST: &[&[usize]] = &[&[usize::MAX / 2], &[1 << 16], &[1, 999, 70_000]];

#[test]
fn what_compressors_write() {
    for (number, len) in [0, 1, 300, 32_768, 200_000, 1_500_000].into_iter().enumerate() {
        for plain in [mixed(number as u64, len), noise(7, len), vec![b'a'; len], skewed(number as u64, len)] {
            for (level, flush) in
                [(0, FlushCompress::None), (1, FlushCompress::Sync), (6, FlushCompress::Full), (9, FlushCompress::None)]
            {
                let stored = [deflated(&plain, level, 100_000, flush), b"behind".to_vec()].concat();
                let (pieces, most) = (PIECES[number % PIECES.len()], MOST[(number + level as usize) % MOST.len()]);
                let (found, taken) = inflated(&stored, pieces, most).unwrap();
                assert!(found == plain, "{len} {level}");
                assert_eq!(taken, stored.len() - 6);
            }
        }
    }
}

#[test]
fn goes_on_from_checkpoints() {
    let plain = [mixed(3, 700_000), noise(4, 200_000), mixed(5, 400_000)].concat();
    for level in [0, 1, 9] {
        let stored = deflated(&plain, level, 300_000, FlushCompress::Sync);
        let (mut inflater, mut out, mut at) = (Inflater::new(), Vec::new(), 0);
        let mut found = 0;
        while !inflater.inflate(&stored[at..], &mut out, 0).unwrap().ended && out.len() < plain.len() {
            let step = inflater.inflate(&stored[at..stored.len().min(at + 9000)], &mut out, 33_333).unwrap();
            at += step.taken;
            let Some(checkpoint) = inflater.checkpoint() else { continue };
            let bytes = checkpoint.encode();
            let decoded = Checkpoint::decode(&bytes).unwrap();
            assert_eq!(decoded, checkpoint);
            assert!(Checkpoint::decode(&bytes[..bytes.len() - 1]).is_none());
            let (mut again, mut rest) = (Inflater::resume(&decoded), Vec::new());
            let step = again.inflate(&stored[decoded.stored_at() as usize..], &mut rest, usize::MAX / 2).unwrap();
            assert!(step.ended && rest == plain[out.len()..], "level {level} at {}", out.len());
            found += 1;
        }
        assert!(found > 20, "{found}");
    }
}

/// Writes bits of which the first is the lowest of the first byte. Spaces are skipped.
fn from_bits(bits: &str) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(|&bit| bit != b' ').map(|bit| bit - b'0').collect();
    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | bit)).collect()
}

/// A code that stands for nothing is reported as soon as its bits are there, also at the input's end.
#[test]
fn codes_that_stand_for_nothing_at_the_end() {
    let no_code_lengths = format!("0 01 00000 00000 0000 {}", "000".repeat(4));
    for (name, stored, expected) in [
        ("a distance symbol of 31", vec![90, 64, 193, 55], "damaged"),
        ("a distance symbol of 31, before its last bits", vec![90, 64, 193], "cut"),
        ("a length symbol of 286", from_bits("0 10 11000110"), "damaged"),
        ("a length symbol of 286, before its last bits", from_bits("0 10 11000"), "cut"),
        ("a distance of more than there is", from_bits("0 10 0000001 00001 00000000"), "damaged"),
        ("no code for a code length, and no code lengths yet", from_bits(&no_code_lengths), "cut"),
        ("no code for a code length", [from_bits(&no_code_lengths), vec![0; 33]].concat(), "damaged"),
    ] {
        assert_eq!(inflated(&stored, &[5], &[usize::MAX / 2]), Err(expected), "{name}");
        assert_eq!(inflated(&stored, &[1], &[1]), Err(expected), "{name}");
        assert_eq!(by_zlib(&stored), Err(expected), "{name}, by zlib");
    }
}

proptest! {
    #[test]
    fn agrees_with_zlib_on_broken_streams(
        seed in any::<u64>(), len in 0usize..3000, level in 0u32..10, flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 0..3),
        cut in any::<prop::sample::Index>(), pieces in prop::collection::vec(1usize..300, 1..4), most in prop::collection::vec(1usize..5000, 1..3),
    ) {
        let plain = if seed % 3 == 0 { skewed(seed, len) } else { mixed(seed, len) };
        let mut stored = deflated(&plain, level, 1000, FlushCompress::Sync);
        for (at, bit) in flips {
            let at = at.index(stored.len());
            stored[at] ^= 1 << bit;
        }
        stored.truncate(cut.index(stored.len() * 2).max(1));
        prop_assert_eq!(inflated(&stored, &pieces, &most), by_zlib(&stored));
    }

    #[test]
    fn agrees_with_zlib_on_anything(stored in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(inflated(&stored, &[5], &[usize::MAX / 2]), by_zlib(&stored));
    }

    #[test]
    fn any_bytes_may_be_a_checkpoint(bytes in prop::collection::vec(any::<u8>(), 0..500), kind in 0u8..8) {
        let bytes = [vec![1, kind], bytes].concat();
        if let Some(checkpoint) = Checkpoint::decode(&bytes) {
            let _ = Inflater::resume(&checkpoint).inflate(&bytes, &mut Vec::new(), 10_000);
        }
    }
}
