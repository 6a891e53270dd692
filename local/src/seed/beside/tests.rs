use std::io::Write;

use regrow_chunker::{Params, Zeros};
use regrow_image::WalkRules;

use super::*;
use crate::seed::{Seed, SeedContext};
use crate::{NoProgress, Pool};

const BLOCK: usize = 4096;

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(b"beside").finalize_xof().fill(&mut noise);
    noise
}

/// A file in a tar, whose blocks 8, 9 and 20 are zeros, and the tar as a seed.
fn seed(pieces: Option<PieceRule>) -> (FileSeed, Vec<u8>) {
    let mut file = noise(40 * BLOCK + 100);
    file[8 * BLOCK..10 * BLOCK].fill(0);
    file[20 * BLOCK..21 * BLOCK].fill(0);
    let mut header = vec![0u8; 512];
    header[..4].copy_from_slice(b"file");
    header[124..135].copy_from_slice(format!("{:011o}", file.len()).as_bytes());
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = [header, file.clone()].concat();
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tar");
    std::fs::File::create(&path).unwrap().write_all(&tar).unwrap();
    let pool = Pool::new();
    let context = SeedContext {
        rules: WalkRules::V6ForDisks(pieces),
        params: Params::default(),
        pool: &pool,
        catalog: None,
        progress: &NoProgress,
        scratch: folder.path(),
        unfolds: true,
        on_scan: &|| (),
    };
    (FileSeed::open(&path, &context).unwrap(), file)
}

/// What a seed gives at the places beside a range of the file.
fn beside(seed: &FileSeed, known: Range<usize>, side: Side, wanted: usize) -> Vec<Vec<u8>> {
    let place = (known.start as u64) << 1 | 1;
    let places = seed.beside(place, known.len() as u32, side, wanted as u32);
    let read = |place| {
        let mut out = Vec::new();
        seed.read(place, wanted, &mut out).ok().map(|()| out)
    };
    places.into_iter().filter_map(read).collect()
}

#[test]
fn what_is_beside_a_chunk_is_read_with_and_without_holes() {
    let (seed, file) = seed(PieceRule::new(BLOCK as u64, Zeros::Joined, false));
    let plain = |from: usize, to: usize| file[from..to].to_vec();
    assert_eq!(beside(&seed, 0..1000, Side::Behind, 2000), [plain(1000, 3000)]);
    assert_eq!(beside(&seed, 5000..6000, Side::Before, 2000), [plain(3000, 5000)]);
    let over = [plain(8 * BLOCK - 100, 8 * BLOCK), plain(10 * BLOCK, 10 * BLOCK + 900)].concat();
    let around = 7 * BLOCK..8 * BLOCK - 100;
    assert_eq!(beside(&seed, around, Side::Behind, 1000), [over.clone(), plain(8 * BLOCK - 100, 8 * BLOCK + 900)]);
    let around = 10 * BLOCK + 900..11 * BLOCK;
    assert_eq!(beside(&seed, around, Side::Before, 1000), [over, plain(10 * BLOCK - 100, 10 * BLOCK + 900)]);
    // The last chunk before a hole, and the first one behind it.
    let around = 7 * BLOCK..8 * BLOCK;
    assert_eq!(beside(&seed, around, Side::Behind, 50)[0], plain(10 * BLOCK, 10 * BLOCK + 50));
    let around = 21 * BLOCK..22 * BLOCK;
    assert_eq!(beside(&seed, around, Side::Before, 50)[0], plain(20 * BLOCK - 50, 20 * BLOCK));
}

#[test]
fn places_lead_on_to_further_places() {
    let (seed, file) = seed(PieceRule::new(BLOCK as u64, Zeros::Joined, false));
    let (mut place, mut known, mut found) = ((7 * BLOCK as u64) << 1 | 1, 10, file[7 * BLOCK..7 * BLOCK + 10].to_vec());
    for _ in 0..30 {
        place = seed.beside(place, known, Side::Behind, 3000)[0];
        known = 3000;
        let mut out = Vec::new();
        seed.read(place, 3000, &mut out).unwrap();
        found.extend(out);
    }
    let data = [&file[7 * BLOCK..8 * BLOCK], &file[10 * BLOCK..20 * BLOCK], &file[21 * BLOCK..]].concat();
    assert!(found == data[..found.len()]);
}

#[test]
fn nothing_lies_beyond_the_ends_of_a_file() {
    let (seed, file) = seed(PieceRule::new(BLOCK as u64, Zeros::Joined, false));
    assert_eq!(beside(&seed, file.len() - 10..file.len(), Side::Behind, 1), [[0; 0]; 0]);
    assert_eq!(beside(&seed, 5..10, Side::Before, 6), [[0; 0]; 0]);
    assert_eq!(beside(&seed, 0..10, Side::Before, 1), [[0; 0]; 0]);
    for place in [0, u64::MAX, IN_FILE, FOUND, ALONE, IN_FILES, OVER_HOLES, IN_FILES - 1, OVER_HOLES - 1] {
        for side in [Side::Before, Side::Behind] {
            for place in seed.beside(place, u32::MAX, side, u32::MAX) {
                assert!(seed.read(place, 10, &mut Vec::new()).is_err() || place & IN_FILES != 0);
            }
        }
    }
}

#[test]
fn without_a_rule_nothing_is_passed_over() {
    let (seed, file) = seed(None);
    let around = 7 * BLOCK..8 * BLOCK - 100;
    assert_eq!(beside(&seed, around, Side::Behind, 1000), [file[8 * BLOCK - 100..8 * BLOCK + 900].to_vec()]);
}
