use std::collections::HashSet;

use super::*;
use crate::KlauspostVersion;

const LEVELS: [i8; 11] = [-2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const GENERATIONS: [GoGeneration; 3] = [GoGeneration::Before127, GoGeneration::From127, GoGeneration::From127Fused];

/// Lines that look a little like a program's.
fn plain(lines: u32) -> Vec<u8> {
    let line = |number: u32| {
        let mixed = number.wrapping_mul(2_654_435_761);
        format!("{:x} let value{} = table[{}];\n", mixed >> (mixed & 15), number % 97, mixed >> 20)
    };
    (0..lines).flat_map(|number| line(number).into_bytes()).collect()
}

fn encoded(known: KnownEncoder, plain: &[u8], piece_bytes: usize) -> Vec<u8> {
    let (mut encoder, mut stream) = (Encoder::new(known), Vec::new());
    plain.chunks(piece_bytes).for_each(|piece| encoder.write(piece, &mut stream));
    encoder.finish(&mut stream);
    stream
}

#[test]
fn numbers_are_unique_and_stand_for_encoders() {
    let numbers: HashSet<u16> = KnownEncoder::all().map(KnownEncoder::number).collect();
    assert_eq!(numbers.len(), KnownEncoder::all().count());
    assert!(KnownEncoder::all().all(|known| KnownEncoder::of_number(known.number()) == Some(known)));
    assert_eq!(KnownEncoder::of_number(0), None);
    assert_eq!(KnownEncoder::of_number(u16::MAX), None);
    let pgzip = |version, block_bytes| KnownEncoder::Klauspost(Klauspost::Pgzip { level: 5, version, block_bytes });
    let pgzips = [pgzip(KlauspostVersion::V1_15, 1 << 20), pgzip(KlauspostVersion::V1_20, 16385)];
    for known in KnownEncoder::all().chain(pgzips) {
        let mut bytes = Vec::new();
        known.put(&mut bytes);
        bytes.push(7);
        let mut rest = bytes.as_slice();
        assert_eq!(KnownEncoder::take(&mut rest), Some(known));
        assert_eq!(rest, [7]);
    }
    for bad in [
        &[][..],
        &[0],
        &[0x80, 0x7f],
        &[0x87, 0x06],
        &[0x87, 0x06, 0x80, 0x80, 1],
        &[0x87, 0x06, 0x81, 0x80, 0x80, 0x80, 1],
    ] {
        assert_eq!(KnownEncoder::take(&mut &*bad), None, "{bad:?}");
    }
}

#[test]
fn numbers_do_not_change() {
    let klauspost = |level, version| KnownEncoder::Klauspost(Klauspost::Gzip { level, version }).number();
    let pgzip =
        |level, version| KnownEncoder::Klauspost(Klauspost::Pgzip { level, version, block_bytes: 1 << 20 }).number();
    assert_eq!([klauspost(-2, KlauspostVersion::V1_15), klauspost(9, KlauspostVersion::V1_20)], [512, 555]);
    assert_eq!([pgzip(5, KlauspostVersion::V1_15), pgzip(-1, KlauspostVersion::V1_18)], [775, 791]);
    let number = |generation, level| KnownEncoder::Go { generation, level }.number();
    assert_eq!(
        LEVELS.map(|level| number(GoGeneration::Before127, level)),
        [256, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267]
    );
    assert_eq!(
        LEVELS.map(|level| number(GoGeneration::From127, level)),
        [272, 274, 275, 276, 277, 278, 279, 280, 281, 282, 283]
    );
    assert_eq!(
        LEVELS.map(|level| number(GoGeneration::From127Fused, level)),
        [288, 290, 291, 292, 293, 294, 295, 296, 297, 298, 299]
    );
}

#[test]
fn streams_are_streams_of_the_plain_bytes() {
    for known in KnownEncoder::all() {
        for plain in [plain(0), plain(1), plain(5), plain(20_000), vec![7; 300_000]] {
            let stream = encoded(known, &plain, 1 << 20);
            assert!(crate::inflate(&stream, plain.len()).unwrap() == plain, "{known:?}");
            assert!(encoded(known, &plain, 777) == stream, "{known:?}");
        }
    }
}

fn recognised(stored: &[u8], plain: &[u8]) -> Vec<KnownEncoder> {
    recognise(stored, plain).collect()
}

#[test]
fn encoders_are_recognised_by_the_beginning() {
    let plain = plain(20_000);
    for generation in GENERATIONS {
        for level in LEVELS {
            let known = KnownEncoder::Go { generation, level };
            let stream = encoded(known, &plain, 1 << 20);
            let by_beginning = recognised(&stream[..stream.len() / 2], &plain[..plain.len() / 2]);
            assert!(by_beginning.contains(&known), "{known:?}");
            assert!(by_beginning.len() <= 6, "{known:?}: {by_beginning:?}");
            assert!(recognised(&stream, &plain).contains(&known), "{known:?}");
        }
    }
}

#[test]
fn a_short_stream_is_recognised_whole() {
    let plain = plain(100);
    let known = KnownEncoder::Go { generation: GoGeneration::From127, level: 6 };
    let recognised = recognised(&encoded(known, &plain, 1 << 20), &plain);
    assert!(recognised.contains(&known));
    assert!(recognised.iter().all(|&known| encoded(known, &plain, 1 << 20) == encoded(recognised[0], &plain, 1)));
}

#[test]
fn what_no_known_encoder_wrote_is_not_recognised() {
    let plain = plain(20_000);
    let mut compress = flate2::Compress::new(flate2::Compression::default(), false);
    let mut stream = Vec::with_capacity(1 << 20);
    compress.compress_vec(&plain, &mut stream, flate2::FlushCompress::Finish).unwrap();
    assert_eq!(recognised(&stream, &plain), []);
    assert_eq!(recognised(&[], &plain), []);
    assert_eq!(recognised(&stream[..1], &[]), []);
}

/// A flush in between: the first part is as known, then blocks end where they would not.
#[test]
fn a_flushed_stream_is_not_recognised() {
    let (first, second) = (plain(10_000), plain(20_000));
    let known = KnownEncoder::Go { generation: GoGeneration::Before127, level: 6 };
    let mut stream = encoded(known, &first, 1 << 20);
    // The empty stored block that ends the first part, as one that does not end the stream: a flush.
    let last = stream.len() - 5;
    stream[last] &= !1;
    stream.extend(encoded(known, &second, 1 << 20));
    assert_eq!(recognised(&stream, &[first, second].concat()), []);
}
