//! Blocks are decoded within bounds, and encoders are written down as docs/format/disk.md says.

use super::*;

fn plain() -> Vec<u8> {
    (0..30_000u32).flat_map(|number| format!("{} ", number.wrapping_mul(2_654_435_761) >> 20).into_bytes()).collect()
}

/// Encoders as they are written down, with their names.
const WRITTEN: &[(&[u8], &str)] = &[
    (&[0x80, 0x40, 9, 15, 8], "zlib, level 9"),
    (&[0x80, 0x40, 1, 15, 9], "zlib, level 1, memory level 9"),
    (&[0x80, 0x40, 3, 12, 8], "zlib, level 3, window 12"),
    (&[0x81, 0x40, 6, 15, 9], "deflate by zlib, level 6, memory level 9"),
    (&[0x81, 0x40, 6, 12, 9], "deflate by zlib, level 6, window 12, memory level 9"),
    (&[0x90, 0x40, 0x80, 0x30, 0x8b, 0x52, 15, 0, 1, 0], "libzstd 1.5.7, level 15, in one call"),
    (&[0xa0, 0x40, 1], "liblz4, default level"),
    (&[0xa1, 0x40, 12], "liblz4, high compression, level 12"),
    (&[0xa1, 0x40, 9], "liblz4, high compression, level 9"),
    (&[0xb0, 0x40, 6, 0x80, 0x80, 8, 1, 0], "liblzma, preset 6, dictionary of 128 KiB"),
    (&[0xb0, 0x40, 25, 0x80, 0x80, 8, 1, 4], "liblzma, preset 9e, dictionary of 128 KiB, x86 filter"),
    (&[0xc0, 0x40, 8, 1], "liblzo2, lzo1x_999, level 8"),
    (&[0xc0, 0x40, 9, 0], "liblzo2, lzo1x_999, level 9, not optimized"),
    (&[0xc1, 0x40, 14], "liblzo2, lzo1x_1"),
    (&[0xc1, 0x40, 13], "liblzo2, lzo1x_1_15"),
    (&[0xc1, 0x40, 11], "liblzo2, lzo1x_1_11"),
];

#[test]
fn encoders_are_written_down_as_specified() {
    let plain = plain();
    for (written, name) in WRITTEN {
        let known = BlockEncoder::take(&mut &**written).unwrap();
        assert_eq!(known.to_string(), *name);
        let mut again = Vec::new();
        known.put(&mut again);
        assert_eq!(again, *written);
        let stored = known.encode(&plain).unwrap();
        assert!(decode(known.codec(), &stored, plain.len()).unwrap() == plain);
        let other = known.encode(&plain[..9000]).unwrap();
        let blocks: [(&[u8], &[u8]); 2] = [(&stored, &plain), (&other, &plain[..9000])];
        let found = recognise(known.codec(), &blocks).next().unwrap();
        assert!(found.encode(&plain).unwrap() == stored, "{found} for {known}");
    }
}

#[test]
fn nonsense_stands_for_no_encoder() {
    for bytes in [
        [].as_slice(),
        &[0x80],
        &[0x80, 0x40],
        &[0x80, 0x40, 0, 15, 8],
        &[0x80, 0x40, 10, 15, 8],
        &[0x80, 0x40, 9, 16, 8],
        &[0x80, 0x40, 9, 8, 8],
        &[0x80, 0x40, 9, 15, 10],
        &[0x80, 0x40, 9, 15],
        &[0x80, 0x40, 0x89, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
        &[0xff, 0x7f],
        &[6, 15, 8],
        &[0xc0, 0x40, 0, 1],
        &[0xc0, 0x40, 10, 1],
        &[0xc0, 0x40, 8, 2],
        &[0xc0, 0x40, 8],
        &[0xc1, 0x40, 10],
        &[0xc1, 0x40, 15],
    ] {
        assert_eq!(BlockEncoder::take(&mut &*bytes), None, "{bytes:?}");
    }
}

#[test]
fn damaged_blocks_are_errors_and_bombs_are_bounded() {
    let plain = &plain()[..20_000];
    for (written, name) in WRITTEN {
        let known = BlockEncoder::take(&mut &**written).unwrap();
        let stored = known.encode(plain).unwrap();
        let read = |bytes: &[u8], most| decode(known.codec(), bytes, most);
        assert!(matches!(read(&stored, plain.len() - 1), Err(BlockError::TooLong(_) | BlockError::Damaged)), "{name}");
        assert!(read(&stored[..stored.len() - 1], plain.len()).is_err());
        if known.codec() != BlockCodec::Lz4 {
            // An LZ4 block does not tell where it ends.
            let longer = [&stored, b"x".as_slice()].concat();
            assert!(read(&longer, plain.len()).is_err());
            let measured = measure(known.codec(), &longer, plain.len());
            match known.codec() {
                BlockCodec::Deflate | BlockCodec::Zstd => assert_eq!(measured.unwrap(), stored.len(), "{name}"),
                codec => assert!(matches!(measured, Err(BlockError::Endless(found)) if found == codec)),
            }
        }
        assert!(read(&[], plain.len()).is_err());
        let mut bad = stored.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 4;
        assert!(read(&bad, plain.len()).is_err() || read(&bad, plain.len()).unwrap() != plain);
        // What no encoder made is not recognised.
        let blocks: [(&[u8], &[u8]); 1] = [(&bad, plain)];
        assert_eq!(recognise(known.codec(), &blocks).next(), None);
    }
    assert_eq!(recognise(BlockCodec::Zlib, &[]).next(), None);
}
