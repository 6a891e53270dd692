//! Streams are those of liblzo2 2.10, of which digests are kept here, and hostile ones are refused.

use sha2::{Digest, Sha256};

use super::stream::{MAX_DISTANCE, MIDDLE_DISTANCE};
use super::*;

/// For each encoder, the beginning of the digest of all streams that liblzo2 makes of the [`inputs`], each behind its length.
/// For levels, the second one is that of streams over which `lzo1x_optimize` did not go.
const LAZY: [(&str, &str); 9] = [
    ("e5b78c9784428582", "b4850ff9bb118ce3"),
    ("1c22882a000637ca", "713d1b5371be4726"),
    ("fa5b2e90be67fae8", "467a01a76668ad0f"),
    ("d6ff9040d0d94813", "e10a9e3c32c0d5c9"),
    ("05446d56dfdce6e3", "b6c8dea40d267fd3"),
    ("908a4becf28d3f96", "931354511efe46cf"),
    ("d94394d2f1550424", "4dc7846a1733bddb"),
    ("0b5c6a96b78a9a61", "8a9b4a1f86d8c157"),
    ("7da718a18f8eddb6", "d3844f0a80e8dbbd"),
];
const FAST: [(u8, &str); 4] =
    [(14, "637cd6f6492d2e8b"), (13, "67cbeb36fb5f19fc"), (12, "7861a057e62f765a"), (11, "65b2554c4ccf3a93")];

/// Numbers that look random.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn of<const N: usize>(&mut self, bounds: [usize; N]) -> usize {
        bounds[self.below(N)]
    }
}

/// Noise, and repetitions of all lengths from all distances.
fn mixture(bytes: usize, seed: u64) -> Vec<u8> {
    let (mut numbers, mut out) = (Numbers(seed), Vec::new());
    while out.len() < bytes {
        if numbers.below(3) == 0 || out.is_empty() {
            let most = numbers.of([3, 20, 300]);
            let count = 1 + numbers.below(most);
            out.extend((0..count).map(|_| numbers.below(256) as u8));
        } else {
            let reach = numbers.of([16, 1100, 2100, 3200, 17_000, 60_000]).min(out.len());
            let distance = 1 + numbers.below(reach);
            let most = numbers.of([2, 3, 8, 40, 400, 3000]);
            let length = 2 + numbers.below(most);
            (0..length).for_each(|_| out.push(out[out.len() - distance]));
        }
    }
    out.truncate(bytes);
    out
}

fn inputs() -> Vec<Vec<u8>> {
    let short = (0..80).map(|bytes| mixture(bytes, bytes as u64));
    let longer = (1..9).map(|number| mixture(number * 997, number as u64));
    let numbers =
        (0..20_000u32).flat_map(|number| format!("{} ", number.wrapping_mul(2_654_435_761) >> 20).into_bytes());
    short.chain(longer).chain([mixture(200_000, 1), vec![0; 100_000], vec![7; 12_345], numbers.collect()]).collect()
}

/// The beginning of the digest of an encoder's streams, which are decoded, too.
fn digest(encoder: LzoBlocks, inputs: &[Vec<u8>]) -> String {
    let mut hasher = Sha256::new();
    for plain in inputs {
        let stored = encoder.encode(plain).unwrap();
        assert!(decode(&stored, plain.len()).unwrap() == *plain, "{encoder}");
        hasher.update((stored.len() as u32).to_le_bytes());
        hasher.update(&stored);
    }
    hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn streams_are_those_of_liblzo2() {
    let inputs = inputs();
    for (level, (optimized, not_optimized)) in (1..).zip(LAZY) {
        for (is_optimized, expected) in [(true, optimized), (false, not_optimized)] {
            let encoder = LzoBlocks::Lazy { level, is_optimized };
            assert_eq!(digest(encoder, &inputs), expected, "{encoder}");
        }
    }
    for (table_log, expected) in FAST {
        assert_eq!(digest(LzoBlocks::Fast(table_log), &inputs), expected, "{table_log}");
    }
}

/// A block is the same whatever blocks were made before it, also where the places of a search begin again.
#[test]
fn blocks_before_change_nothing() {
    let (plain, other) = (mixture(30_000, 3), mixture(30_000, 4));
    let expected = lazy::encode(&plain, 9, &mut search::Tables::default());
    let mut tables = search::Tables::default();
    for block in [&plain, &plain, &other, &plain] {
        let made = lazy::encode(block, 9, &mut tables);
        assert!(*block != plain || made == expected);
    }
    tables.use_up();
    (0..4).for_each(|_| assert!(lazy::encode(&plain, 9, &mut tables) == expected));
}

/// Matches at the borders of their forms.
#[test]
fn the_largest_distances_are_used_and_no_larger_ones() {
    for (distance, gain) in [(MIDDLE_DISTANCE, true), (MAX_DISTANCE, true), (MAX_DISTANCE + 1, false)] {
        let noise: Vec<u8> = {
            let mut numbers = Numbers(9);
            (0..distance).map(|_| numbers.below(256) as u8).collect()
        };
        let plain = [&noise[..], &noise[..700]].concat();
        for encoder in LzoBlocks::candidates() {
            let stored = encoder.encode(&plain).unwrap();
            // The fast encoders' matches do not leave their pieces.
            let is_shorter = stored.len() < plain.len();
            assert!(is_shorter == gain || matches!(encoder, LzoBlocks::Fast(_)), "{encoder}, {distance}");
            assert!(decode(&stored, plain.len()).unwrap() == plain, "{encoder}, {distance}");
        }
    }
}

/// Streams that no encoder writes, but which liblzo2 decodes, and some that it refuses. All of them were given to it.
#[test]
fn streams_of_all_forms_are_decoded() {
    let read = |stored: &[u8]| decode(stored, 300).ok();
    let bytes = |bytes: &[u8]| Some(bytes.to_vec());
    assert_eq!(read(&[0x11, 0, 0]), bytes(b""));
    assert_eq!(read(&[18, b'a', 0x11, 0, 0]), bytes(b"a"));
    // The length and the literals of the end are not looked at.
    assert_eq!(read(&[18, b'a', 0x13, 3, 0]), bytes(b"a"));
    // A pair behind one literal, with two behind it; then another pair.
    assert_eq!(read(&[18, b'a', 2, 0, b'b', b'c', 4, 0, 0x11, 0, 0]), bytes(b"aaabcbc"));
    // A first run without a byte of its own.
    assert_eq!(read(&[1, b'a', b'b', b'c', b'd', 0x11, 0, 0]), bytes(b"abcd"));
    // A match of 33 + 255 + 1 bytes.
    assert_eq!(read(&[18, b'a', 0x20, 0, 1, 0, 0, 0x11, 0, 0]), bytes(&[b'a'; 290]));
    for refused in [
        [].as_slice(),
        &[0x11],
        &[0x11, 0],
        &[0x11, 0, 0, 0],
        &[18, b'a'],
        &[18, b'a', 0x11, 0],
        // Farther back than the beginning: a pair, a triple, a near, a middle and a far match.
        &[18, b'a', 4, 0, 0x11, 0, 0],
        &[1, b'a', b'b', b'c', b'd', 0, 0, 0x11, 0, 0],
        &[18, b'a', 0x44, 0, 0x11, 0, 0],
        &[18, b'a', 0x21, 4, 0, 0x11, 0, 0],
        &[18, b'a', 0x11, 4, 0, 0x11, 0, 0],
        &[0x40, 0, 0x11, 0, 0],
        // Too long, or cut off within a length.
        &[18, b'a', 0x20, 0, 12, 0, 0, 0x11, 0, 0],
        &[18, b'a', 0x20, 0, 0, 0, 0, 0],
        &[0, 0, 0],
        &[3, b'a', b'b', b'c', b'd', b'e', b'f'],
    ] {
        assert_eq!(read(refused), None, "{refused:?}");
    }
    assert!(matches!(decode(&[0x11, 0, 0, 0], 9), Err(BlockError::Trailing)));
    assert!(matches!(decode(&[18, b'a', 0x11, 0, 0], 0), Err(BlockError::TooLong(0))));
}

#[test]
fn damaged_streams_are_bounded() {
    let (mut numbers, mut decoded) = (Numbers(5), 0);
    for round in 0..300 {
        let plain = mixture(numbers.below(3000), round);
        let stored = LzoBlocks::Lazy { level: 1, is_optimized: round % 2 == 0 }.encode(&plain).unwrap();
        for _ in 0..20 {
            let mut bad = stored.clone();
            for _ in 0..1 + numbers.below(3) {
                let at = numbers.below(bad.len());
                bad[at] = match numbers.below(3) {
                    0 => bad[at] ^ 1 << numbers.below(8),
                    1 => 0,
                    _ => numbers.below(256) as u8,
                };
            }
            bad.truncate(if numbers.below(8) == 0 { numbers.below(bad.len()) } else { bad.len() });
            if let Ok(found) = decode(&bad, plain.len()) {
                assert!(found.len() <= plain.len());
                decoded += 1;
            }
            // What is no stream of these bytes is left alone, or changed within its bounds.
            optimize::optimize(&mut bad, &plain);
        }
        assert!(decode(&stored, plain.len().saturating_sub(1)).is_err() || plain.is_empty());
    }
    assert!(decoded > 500, "{decoded} of them are decoded");
}
