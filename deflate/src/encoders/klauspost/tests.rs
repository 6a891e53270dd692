mod data;
mod golden;
mod original;

use super::*;

pub(super) const LEVELS: [i8; 12] = [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
pub(super) const VERSIONS: [Version; 3] = [Version::V1_15, Version::V1_18, Version::V1_20];
/// Nearly the smallest that they may be.
const SMALL_BLOCK_BYTES: u32 = 20_000;

pub(super) fn kinds(version: Version) -> impl Iterator<Item = Klauspost> {
    LEVELS.into_iter().flat_map(move |level| {
        [
            Klauspost::Gzip { level, version },
            Klauspost::Pgzip { level, version, block_bytes: 1 << 20 },
            Klauspost::Pgzip { level, version, block_bytes: SMALL_BLOCK_BYTES },
        ]
    })
}

/// The stream of plain bytes that are written in parts.
pub(super) fn stream(kind: Klauspost, plain: &[u8], part_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = KlauspostEncoder::new(kind);
    plain.chunks(part_bytes).for_each(|part| encoder.write(part, &mut out));
    encoder.finish(&mut out);
    out
}

#[test]
fn streams_inflate_to_what_was_written() {
    for kind in kinds(Version::V1_15).chain(kinds(Version::V1_20)) {
        for (name, plain) in data::small() {
            let mut inflated = Vec::new();
            let mut inflater = flate2::write::DeflateDecoder::new(&mut inflated);
            std::io::Write::write_all(&mut inflater, &stream(kind, &plain, 50_000)).unwrap();
            inflater.finish().unwrap();
            assert!(inflated == plain, "{kind:?}, {name}");
        }
    }
}

#[test]
fn sizes_of_writes_do_not_matter() {
    let plain = data::mixed(150_000);
    for kind in kinds(Version::V1_18) {
        let whole = stream(kind, &plain, plain.len());
        for part_bytes in [977, 65_535, 65_536] {
            assert!(stream(kind, &plain, part_bytes) == whole, "{kind:?} in parts of {part_bytes}");
        }
    }
}

#[test]
fn pgzip_blocks_alone_are_those_of_the_stream() {
    for length in [0, 19_999, 20_000, 40_000, 50_123] {
        let plain = data::mixed(length);
        for level in LEVELS {
            let version = Version::V1_20;
            let kind = Klauspost::Pgzip { level, version, block_bytes: SMALL_BLOCK_BYTES };
            let block_bytes = SMALL_BLOCK_BYTES as usize;
            let mut out = Vec::new();
            for start in (0..=length).step_by(block_bytes) {
                let end = (start + block_bytes).min(length);
                let is_last = length - start < block_bytes;
                pgzip_block(version, level, &plain[..start], &plain[start..end], is_last, &mut out);
            }
            assert!(out == stream(kind, &plain, 4096), "level {level}, {length} bytes");
        }
    }
}

#[test]
fn positions_may_start_over() {
    // After two gigabytes, an entry of a table is either found still, or is too far away.
    let plain = data::mixed(900_000);
    for level in 1..=9 {
        let mut deflaters = [(); 2].map(|()| deflater::Deflater::new(level, Version::V1_20));
        deflaters[1].age();
        let streams = deflaters.map(|mut deflater| {
            deflater.write(&plain);
            deflater.finish();
            let mut stream = Vec::new();
            deflater.blocks.out.append_to(&mut stream);
            stream
        });
        assert!(streams[0] == streams[1], "level {level}");
    }
}

fn recognised(stored: &[u8], plain: &[u8]) -> Vec<Klauspost> {
    recognise(stored, plain).collect()
}

#[test]
fn encoders_are_recognised() {
    let plain = data::mixed(1_200_000);
    for version in VERSIONS {
        for kind in kinds(version) {
            let (Klauspost::Gzip { level, .. } | Klauspost::Pgzip { level, .. }) = kind;
            if !matches!(level, -2 | 1 | 4 | 5 | 7) || !version.is_first_at(level) {
                continue;
            }
            let stored = stream(kind, &plain, 1 << 20);
            let by_beginning = recognised(&stored[..stored.len() / 2], &plain[..plain.len() * 3 / 4]);
            assert!(by_beginning.contains(&kind), "{kind:?}: {by_beginning:?}");
            let by_all = recognised(&stored, &plain);
            assert!(by_all.contains(&kind), "{kind:?}: {by_all:?}");
            // Short blocks are the same in several versions.
            assert!(by_all.iter().all(|&same| stream(same, &plain, 1 << 20) == stored), "{kind:?}: {by_all:?}");
        }
    }
}

#[test]
fn what_follows_a_stream_does_not_matter() {
    let plain = data::mixed(10_000);
    let kind = Klauspost::Pgzip { level: 5, version: Version::V1_15, block_bytes: 1 << 20 };
    let mut stored = stream(kind, &plain, 4096);
    stored.extend([0, 0, 0xFF, 0xFF, 1, 2, 3, 4]);
    assert_eq!(recognised(&stored, &plain)[0], kind);
}

#[test]
fn other_streams_are_not_recognised() {
    let plain = data::mixed(300_000);
    for level in 1..=9 {
        let mut zlib = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(level));
        std::io::Write::write_all(&mut zlib, &plain).unwrap();
        assert_eq!(recognised(&zlib.finish().unwrap(), &plain), []);
    }
    assert_eq!(recognised(&data::noise(1000), &data::noise(70_000)), []);
    assert_eq!(recognised(&data::noise(100_000), &data::mixed(1_000_000)), []);
}

#[test]
fn bombs_are_not_inflated() {
    let plain = vec![0; 30_000_000];
    let stored = stream(Klauspost::Gzip { level: 9, version: Version::V1_20 }, &plain, plain.len());
    // Nothing is made of so few bytes of that kind, so nothing is said of them.
    assert!(recognised(&stored[..stored.len() / 2], &plain[..100_000]).is_empty());
    assert!(!recognised(&stored, &plain).is_empty());
}
