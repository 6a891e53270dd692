//! Frames of the library in all the ways in which programs call it.

use std::io::Write;

use zstd::zstd_safe::CParameter;

use super::*;
use crate::{Beginning, KnownEncoder, Reencoder};

/// Text that repeats itself, near and far, between bytes that do not compress, so that blocks are split.
fn text(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes / 6];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    let words: Vec<String> = (0..997u64).map(|n| format!("{:x} ", n * n * 7919)).collect();
    let mut text: Vec<u8> =
        noise.iter().flat_map(|byte| words[usize::from(*byte) * 3].bytes().chain([b'a' + byte % 26])).collect();
    for (number, piece) in text.chunks_mut(50_000).enumerate().filter(|(number, _)| number % 3 == 1) {
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(piece);
    }
    text.truncate(bytes);
    text
}

/// A frame as a program writes it that passes on pieces of this size, and ends with the last one or after it.
fn streamed(plain: &[u8], parameters: &[CParameter], is_sized: bool, piece: usize, ends_apart: bool) -> Vec<u8> {
    let mut context = CCtx::create();
    for parameter in parameters {
        context.set_parameter(*parameter).unwrap();
    }
    if is_sized {
        context.set_pledged_src_size(Some(plain.len() as u64)).unwrap();
    }
    let mut frame = Vec::with_capacity(compress_bound(plain.len()) + 1000);
    let mut output = OutBuffer::around(&mut frame);
    let last = if ends_apart { plain.len() } else { (plain.len() - 1) / piece * piece };
    for piece in plain[..last].chunks(piece) {
        let mut input = InBuffer::around(piece);
        while input.pos() < piece.len() {
            context.compress_stream2(&mut output, &mut input, ZSTD_EndDirective::ZSTD_e_continue).unwrap();
        }
    }
    let mut input = InBuffer::around(&plain[last..]);
    while context.compress_stream2(&mut output, &mut input, ZSTD_EndDirective::ZSTD_e_end).unwrap() > 0 {}
    frame
}

fn remade(known: KnownEncoder, plain: &[u8], piece: usize) -> Vec<u8> {
    let (mut encoder, mut made) = (Reencoder::new(known, plain.len() as u64), Vec::new());
    plain.chunks(piece).for_each(|piece| encoder.write(piece, &mut made));
    encoder.finish(&mut made);
    made
}

/// The first encoder that makes all of the frame.
fn found(frame: &[u8], plain: &[u8]) -> Option<KnownEncoder> {
    let beginning = Beginning::of(&frame[..frame.len().min(1 << 20)])?;
    let exact = |known: &KnownEncoder| remade(*known, plain, 77_777) == frame;
    beginning.encoders().find(exact)
}

fn check(frame: &[u8], plain: &[u8], what: &str) {
    let known = found(frame, plain).unwrap_or_else(|| panic!("{what} is not recognised"));
    let mut written = Vec::new();
    known.put(&mut written);
    assert!(written.len() <= 32);
    assert_eq!(KnownEncoder::take(&mut written.as_slice()), Some(known));
    assert!(remade(known, plain, 1 << 20) == frame, "{what}");
}

#[test]
fn levels_of_the_command_are_recognised() {
    // More than a job of level 1.
    let plain = text(2_500_000);
    for (level, all) in [(1, &[0, 1, 3][..]), (3, &[0, 2]), (9, &[1])] {
        for &workers in all {
            let parameters =
                [CParameter::CompressionLevel(level), CParameter::NbWorkers(workers), CParameter::ChecksumFlag(true)];
            for is_sized in [true, false] {
                let frame = streamed(&plain, &parameters, is_sized, 128 << 10, !is_sized);
                check(&frame, &plain, &format!("level {level} with {workers} workers"));
            }
        }
    }
}

#[test]
fn long_distance_matching_is_recognised() {
    let plain = [text(2_500_000), vec![b'x'; 3 << 20], text(2_500_000)].concat();
    for level in [1, 3] {
        let parameters = [
            CParameter::CompressionLevel(level),
            CParameter::EnableLongDistanceMatching(true),
            CParameter::WindowLog(27),
            CParameter::NbWorkers(1),
        ];
        for is_sized in [true, false] {
            let frame = streamed(&plain, &parameters, is_sized, 128 << 10, !is_sized);
            check(&frame, &plain, &format!("level {level}, long"));
        }
    }
}

#[test]
fn calls_of_the_library_are_recognised() {
    for bytes in [1, 500, 30_000, 128 << 10, 256 << 10, 1_100_000] {
        let plain = text(bytes + 60)[..bytes].to_vec();
        let levels = if bytes > 30_000 { &[1, 3][..] } else { &[1, 3, 19, 22] };
        for &level in levels {
            check(&zstd::bulk::compress(&plain, level).unwrap(), &plain, &format!("one call of {bytes} at {level}"));
        }
        let parameters = [CParameter::CompressionLevel(3)];
        for (is_sized, ends_apart) in [(true, true), (true, false), (false, true)] {
            let frame = streamed(&plain, &parameters, is_sized, 128 << 10, ends_apart);
            check(&frame, &plain, &format!("a stream of {bytes}, {is_sized}, {ends_apart}"));
        }
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 6).unwrap();
        encoder.write_all(&plain).unwrap();
        check(&encoder.finish().unwrap(), &plain, &format!("an encoder of {bytes}"));
    }
}

#[test]
fn beginnings_are_enough() {
    let plain = text(4 << 20);
    let frame = streamed(&plain, &[CParameter::CompressionLevel(3)], false, 128 << 10, true);
    let first = |frame: &[u8]| Beginning::of(frame).and_then(|beginning| beginning.encoders().next());
    assert!(first(&frame[..200_000]).is_some());
    // A flush is nothing that programs do.
    let flushed =
        streamed(&plain, &[CParameter::CompressionLevel(3), CParameter::TargetCBlockSize(4000)], false, 1 << 20, true);
    assert_eq!(first(&flushed[..200_000]), None);
    assert_eq!(first(b""), None);
}

#[test]
fn other_versions_and_large_frames_are_refused_by_name() {
    let mut written = Vec::new();
    let plain = text(200_000);
    found(&zstd::bulk::compress(&plain, 3).unwrap(), &plain).unwrap().put(&mut written);
    let with = |at: usize, bytes: &[u8]| {
        let mut other = written.clone();
        other.splice(at..at + bytes.len(), bytes.iter().copied());
        KnownEncoder::take(&mut other.as_slice())
    };
    // The version is the two bytes behind the number.
    let other = with(2, &[0x88, 0x52]).unwrap();
    let reason = other.unavailable(1000).unwrap();
    assert_eq!(reason, "it was made by libzstd 1.5.4, and this regrow has libzstd 1.5.7");
    assert!(remade(other, &plain, 1000).is_empty());
    let large = with(4, &[22]).unwrap();
    assert_eq!(large.unavailable(32 << 20), None);
    assert!(large.unavailable((32 << 20) + 1).unwrap().contains("more memory"));
    for (at, byte) in [(4, 0), (4, 23), (5, 3), (7, 9), (7, 28)] {
        assert_eq!(with(at, &[byte]), None, "{at}");
    }
    assert_eq!(with(6, &[0x80, 1]), None, "flags");
    assert_eq!(KnownEncoder::take(&mut [0x80, 0x20].as_slice()), None);
}

#[test]
fn more_or_fewer_bytes_than_stated_make_no_frame() {
    let plain = text(300_000);
    let known = found(&zstd::bulk::compress(&plain, 3).unwrap(), &plain).unwrap();
    for bytes in [0, 1, 299_999, 300_001, 5 << 20] {
        let (mut encoder, mut made) = (Reencoder::new(known, bytes), Vec::new());
        encoder.write(&plain, &mut made);
        encoder.finish(&mut made);
        assert_ne!(made.len(), zstd::bulk::compress(&plain, 3).unwrap().len(), "{bytes}");
    }
}

/// The releases of regrow contain this version, whatever else changes. If this fails, read docs/format/zstd.md.
#[test]
fn the_version_is_the_one_that_indexes_name() {
    assert_eq!(version_number(), LIBZSTD_VERSION);
}
