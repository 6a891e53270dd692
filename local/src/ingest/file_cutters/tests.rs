use regrow_disk::{DiskFile, DiskKind, DivisionRules, Stretch};
use regrow_image::SkeletonPart;

use super::*;

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut noise);
    noise
}

/// An image that grows run by run.
#[derive(Default)]
struct Image {
    plain: Vec<u8>,
    stretches: Vec<Stretch>,
    files: Vec<DiskFile>,
    /// The bytes of the files.
    bytes: Vec<Vec<u8>>,
}

impl Image {
    fn file(&mut self, bytes: Vec<u8>) -> usize {
        self.files.push(DiskFile { bytes: bytes.len() as u64, ..DiskFile::default() });
        self.bytes.push(bytes);
        self.files.len() - 1
    }

    /// Adds bytes of a file. Short ones are skeleton.
    fn run(&mut self, file: usize, range: std::ops::Range<usize>) {
        let (plain_at, bytes) = (self.plain.len() as u64, range.len() as u64);
        self.plain.extend_from_slice(&self.bytes[file][range.clone()]);
        self.files[file].runs.push(FileRun { file_at: range.start as u64, plain_at, bytes });
        self.files[file].runs.sort_by_key(|run| run.file_at);
        let kind = if bytes < 512 { StretchKind::Skeleton } else { StretchKind::File(file as u32) };
        self.stretches.push(Stretch { bytes, kind });
    }

    fn division(&self) -> Division {
        let (stretches, files) = (self.stretches.clone(), self.files.clone());
        let (details, pieces) = (String::new(), Vec::new());
        Division { kind: DiskKind::Ext, details, pieces, stretches, files, rules: DivisionRules::V5, tree: None }
    }

    /// The chunks that are cut otherwise, each checked to be what is at its place.
    fn cut(&self, rule: Option<PieceRule>, piece: usize) -> HashSet<Vec<u8>> {
        let division = self.division();
        let mut cutters =
            FileCutters::new(&division, WalkRules::V6ForDisks(rule), Params::default()).expect("another image");
        let files = DiskFiles::of(&division);
        let mut found = HashSet::new();
        for plain in self.plain.chunks(piece) {
            cutters.push(&Bytes::copy_from_slice(plain));
            for (bytes, place) in cutters.take() {
                let ranges = place.ranges(bytes.len() as u32).expect("a place");
                let parts = ranges.into_iter().flat_map(|range| files.parts(range).expect("within a file"));
                let there = parts.flat_map(|part| match part {
                    SkeletonPart::Number(zeros) => zeros,
                    SkeletonPart::InImage(range) => self.plain[range.start as usize..range.end as usize].to_vec(),
                });
                assert!(there.collect::<Vec<u8>>() == bytes, "{place:?}");
                found.insert(bytes.to_vec());
            }
        }
        assert!(cutters.open.is_empty() && cutters.held_bytes == 0);
        found
    }
}

/// The chunks of bytes that are cut alone.
fn chunks(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (cutter, mut rest, mut chunks) = (Cutter::new(Params::default()), bytes, Vec::new());
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(cutter.cut(rest));
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks
}

/// Files with holes, with ends in other places, before them or behind, and small ones.
fn image() -> Image {
    let mut image = Image::default();
    let mut holes = noise(1, 300_000);
    holes[4096..8192].fill(0);
    holes[102_400..204_800].fill(0);
    let (holes, tail, early) =
        (image.file(holes), image.file(noise(2, 131_072 + 700)), image.file(noise(3, 8192 + 99)));
    let (small, whole) = (image.file(noise(4, 300)), image.file(noise(5, 90_000)));
    image.run(early, 8192..8291);
    image.run(holes, 0..4096);
    image.run(holes, 8192..102_400);
    image.run(tail, 0..131_072);
    image.run(holes, 204_800..300_000);
    image.run(early, 0..8192);
    image.run(small, 0..300);
    image.run(tail, 131_072..131_772);
    image.run(whole, 0..90_000);
    image
}

#[test]
fn files_in_pieces_are_cut_whole() {
    let image = image();
    for piece in [997, 100_000, 1 << 22] {
        let found = image.cut(None, piece);
        for file in &image.bytes[..4] {
            assert!(chunks(file).iter().all(|chunk| found.contains(chunk)));
        }
        // That file has its chunks already.
        assert!(!chunks(&image.bytes[4]).iter().any(|chunk| found.contains(chunk)));
    }
}

#[test]
fn files_are_cut_in_the_pieces_of_another_image() {
    let image = image();
    let rule = PieceRule::new(4096, Zeros::Apart, true).unwrap();
    for piece in [1000, 1 << 22] {
        let found = image.cut(Some(rule), piece);
        let holes = &image.bytes[0];
        let (tail, whole) = (&image.bytes[1], &image.bytes[4]);
        let pieces =
            [&holes[..4096], &holes[8192..102_400], &holes[204_800..299_008], &tail[131_072..], &whole[86_016..]];
        for piece in pieces {
            let is_found = |chunk: &Vec<u8>| found.contains(chunk) || chunks(&image.bytes[4]).contains(chunk);
            assert!(chunks(piece).iter().all(is_found));
        }
    }
}

/// In some file systems, what is between holes lies together.
#[test]
fn files_are_cut_without_their_holes() {
    let image = image();
    let holes = &image.bytes[0];
    let joined = [&holes[..4096], &holes[8192..102_400], &holes[204_800..]].concat();
    for piece in [1000, 1 << 22] {
        let found = image.cut(PieceRule::new(4096, Zeros::Joined, false), piece);
        assert!(chunks(&joined).iter().all(|chunk| found.contains(chunk)));
    }
}

/// Zeros of a hole that is as large as a disk are not cut, and what follows it is.
#[test]
fn large_holes_are_passed_over() {
    let mut image = Image::default();
    let file = image.file(noise(1, 200_000));
    image.run(file, 0..100_000);
    image.run(file, 100_000..200_000);
    image.files[file].runs[1].file_at += 1 << 50;
    image.files[file].bytes += 1 << 51;
    let found = image.cut(PieceRule::new(4096, Zeros::Apart, true), 1 << 20);
    let after = chunks(&[&vec![0; 100_000][..], &image.bytes[file][100_000..]].concat());
    assert!(after[4..].iter().filter(|chunk| found.contains(*chunk)).count() > 2);
}

#[test]
fn the_rule_by_which_an_image_lies_is_found() {
    let of = |image: &Image| laid(&image.division());
    let mut image = Image::default();
    assert_eq!(of(&image), None);
    let file = image.file(noise(1, 300_000));
    image.run(file, 0..8192);
    image.run(file, 12_288..300_000);
    assert_eq!(of(&image), PieceRule::new(4096, Zeros::Joined, false));
    // It lies as the target does, so that there is nothing to do.
    let rules = WalkRules::V6ForDisks(of(&image));
    assert!(FileCutters::new(&image.division(), rules, Params::default()).is_none());
    for number in 0..4 {
        let file = image.file(noise(number, 131_072 * 2 + 100));
        image.run(file, 0..131_072 * 2);
        image.run(file, 131_072 * 2..131_072 * 2 + 100);
    }
    assert_eq!(of(&image), PieceRule::new(4096, Zeros::Joined, true));
    image.files.remove(0);
    assert_eq!(of(&image), PieceRule::new(1 << 18, Zeros::Kept, true));
}

/// However large chunks are, what waits is counted as it is, and has a bound.
#[test]
fn what_waits_has_a_bound() {
    let mut image = Image::default();
    let files: Vec<usize> = (0..24).map(|number| image.file(noise(number, 2 << 20))).collect();
    files.iter().for_each(|&file| image.run(file, 0..1 << 20));
    files.iter().for_each(|&file| image.run(file, (3 << 19)..2 << 20));
    files.iter().for_each(|&file| image.run(file, 1 << 20..3 << 19));
    let (division, params) = (image.division(), Params::new(1 << 20, 2 << 20, 4 << 20).unwrap());
    for rule in [None, PieceRule::new(4096, Zeros::Joined, true)] {
        let mut cutters = FileCutters::new(&division, WalkRules::V6ForDisks(rule), params).unwrap();
        let mut most = 0;
        for plain in image.plain.chunks(1 << 20) {
            cutters.push(&Bytes::copy_from_slice(plain));
            let held: u64 = cutters.open.values_mut().map(OpenFile::count).sum();
            assert!(held == cutters.held_bytes && held <= MAX_HELD_BYTES, "{held}");
            most = most.max(held);
        }
        assert!(most > MAX_HELD_BYTES / 2 && !cutters.lost.is_empty() && cutters.open.is_empty(), "{most}");
        assert!(!cutters.take().is_empty());
    }
}
