//! Plain bytes and what encoders make of them.

use flate2::{Compress, Compression, FlushCompress};

use crate::encoders::klauspost::{Klauspost, KlauspostEncoder, Version};
use crate::encoders::{Encoder, GoGeneration, KnownEncoder};

pub(super) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Words, noise and repetitions.
pub(super) fn mixed(seed: u64, len: usize) -> Vec<u8> {
    let words: Vec<String> =
        noise(seed, 600).chunks(3).map(|c| format!("{:x}{} ", c[0], "ab".repeat((c[1] % 5).into()))).collect();
    let mut out = Vec::with_capacity(len + 700);
    for pick in noise(seed + 1, len) {
        match pick {
            0..2 => out.extend_from_slice(&noise(pick.into(), 200)),
            2..4 => out.extend(std::iter::repeat_n(pick, 700)),
            4..14 if out.len() > 30_000 => out.extend_from_within(out.len() - 29_000..out.len() - 28_900),
            _ => out.extend_from_slice(words[usize::from(pick) % words.len()].as_bytes()),
        }
        if out.len() >= len {
            break;
        }
    }
    out.truncate(len);
    out
}

/// zlib, flushed now and then.
pub(super) fn zlib(plain: &[u8], level: u32, flush_every: usize, flush: FlushCompress) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(plain.len() * 2 + 4096);
    let pieces: Vec<&[u8]> = plain.chunks(flush_every.max(1)).collect();
    let (last, before) = pieces.split_last().map_or((&[][..], &[][..]), |(last, before)| (*last, before));
    for (piece, flush) in before.iter().map(|piece| (*piece, flush)).chain([(last, FlushCompress::Finish)]) {
        let end = compress.total_in() + piece.len() as u64;
        let mut at = 0;
        loop {
            out.reserve(64 + piece.len());
            let before = compress.total_in();
            let status = compress.compress_vec(&piece[at..], &mut out, flush).unwrap();
            at += (compress.total_in() - before) as usize;
            if compress.total_in() == end && (flush != FlushCompress::Finish || status == flate2::Status::StreamEnd) {
                break;
            }
        }
    }
    out
}

pub(super) fn go(plain: &[u8], generation: GoGeneration, level: i8) -> Vec<u8> {
    let (mut encoder, mut out) = (Encoder::new(KnownEncoder::Go { generation, level }), Vec::new());
    encoder.write(plain, &mut out);
    encoder.finish(&mut out);
    out
}

pub(super) fn klauspost(plain: &[u8], version: Version, level: i8) -> Vec<u8> {
    let (mut encoder, mut out) = (KlauspostEncoder::new(Klauspost::Gzip { level, version }), Vec::new());
    encoder.write(plain, &mut out);
    encoder.finish(&mut out);
    out
}

pub(super) fn pgzip(plain: &[u8], version: Version, level: i8, block_bytes: u32) -> Vec<u8> {
    let mut encoder = KlauspostEncoder::new(Klauspost::Pgzip { level, version, block_bytes });
    let mut out = Vec::new();
    encoder.write(plain, &mut out);
    encoder.finish(&mut out);
    out
}

/// One of many encoders.
pub(super) fn any_encoder(plain: &[u8], number: u8) -> Vec<u8> {
    let (of_kind, kind) = (number / 6, number % 6);
    let level = (of_kind % 10) as i8;
    match kind {
        0 => zlib(plain, level as u32, usize::MAX, FlushCompress::None),
        1 => zlib(plain, level as u32, 3000, FlushCompress::Sync),
        2 => zlib(plain, level as u32, 70_000, FlushCompress::Full),
        3 => go(plain, GoGeneration::Before127, level),
        4 => go(plain, GoGeneration::From127, level),
        _ => klauspost(plain, [Version::V1_15, Version::V1_18, Version::V1_20][usize::from(of_kind % 3)], level),
    }
}
