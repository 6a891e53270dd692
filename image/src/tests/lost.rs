//! Tars with headers that are lost.

use super::*;

/// A tar of these many files of about `bytes` bytes each, in which nothing is alike.
fn tar_of(seed: u64, files: usize, bytes: usize) -> Vec<u8> {
    let one = |number: usize| file(&format!("file {number}"), &noise(seed + number as u64, bytes + number));
    [(0..files).flat_map(one).collect(), vec![0; 1024]].concat()
}

fn params() -> Params {
    Params::new(1024, 4096, 16384).unwrap()
}

fn pushed(mut splitter: Splitter, image: &[u8], piece_bytes: usize) -> (Vec<RawChunk>, bool) {
    let mut chunks = Vec::new();
    for piece in image.chunks(piece_bytes) {
        assert_eq!(splitter.push(Bytes::copy_from_slice(piece)), piece.len());
        chunks.extend(splitter.take());
    }
    let has_lost_entries = splitter.has_lost_entries();
    chunks.extend(splitter.finish());
    (chunks, has_lost_entries)
}

fn watched(image: &[u8]) -> bool {
    let params = params();
    let (chunks, has_lost_entries) = pushed(Splitter::new(params).watching(), image, 1 << 20);
    assert_eq!(streams(&chunks), streams(&split(image, params, &[1 << 20])), "watching changes no chunk");
    has_lost_entries
}

/// Chunks of a search, as they are named by where they lie; each is checked against the image.
fn searched(image: &[u8], piece_bytes: usize) -> Vec<(StreamKind, u64, Vec<u8>)> {
    let (chunks, _) = pushed(Splitter::new(params()).searching(), image, piece_bytes);
    let mut builder = LayoutBuilder::new(image.len() as u64);
    let skeleton = chunks.iter().filter(|chunk| chunk.stream == StreamKind::Skeleton);
    skeleton.for_each(|chunk| builder.push(&chunk.bytes).unwrap());
    let layout = builder.finish().unwrap();
    assert_eq!(layout.image_bytes(), image.len() as u64);
    for chunk in chunks.iter().filter(|chunk| chunk.stream == StreamKind::Contents) {
        let stretches = layout.contents_in_image(chunk.at..chunk.at + chunk.bytes.len() as u64);
        let bytes: Vec<u8> = stretches.flat_map(|at| image[at.start as usize..at.end as usize].to_vec()).collect();
        assert!(bytes == chunk.bytes, "a chunk lies where it is said to be");
    }
    chunks.into_iter().map(|chunk| (chunk.stream, chunk.at, chunk.bytes.to_vec())).collect()
}

/// The part of an image's contents that a search of a damaged copy finds, in percent.
fn share_found(whole: &[u8], damaged: &[u8]) -> usize {
    let found = searched(damaged, 1 << 20);
    assert!(found == searched(damaged, 700), "pieces do not matter");
    let wanted = split(whole, params(), &[1 << 20]);
    let wanted = wanted.iter().filter(|chunk| chunk.stream == StreamKind::Contents);
    let (mut all, mut there) = (0, 0);
    for chunk in wanted {
        all += chunk.bytes.len();
        there += found.iter().find(|(_, _, bytes)| *bytes == chunk.bytes).map_or(0, |(_, _, bytes)| bytes.len());
    }
    there * 100 / all
}

#[test]
fn a_search_goes_on_at_the_next_header() {
    let image = tar_of(1, 300, 3000);
    assert!(!watched(&image));
    for (at, bytes, byte) in [(0, 512, 0), (0, 30_000, 0), (400_000, 30_000, 0), (400_000, 30_000, 7), (100_300, 1, 1)]
    {
        let mut damaged = image.clone();
        damaged[at..at + bytes].fill(byte);
        let loses = damaged.iter().zip(&image).any(|(byte, was)| byte != was) && bytes > 1;
        assert_eq!(watched(&damaged), loses, "{at} {bytes}");
        let share = share_found(&image, &damaged);
        assert!(share >= 90, "{share} % behind {bytes} bytes at {at}");
    }
}

#[test]
fn nested_tars_are_searched_too() {
    let layers = [tar_of(1000, 150, 4000), tar_of(2000, 80, 9000)];
    let image = [file("layer.tar", &layers[0]), file("layer.tar", &layers[1]), vec![0; 1024]].concat();
    // In the first layer, and over all that is between the two.
    for at in [200_000, 512 + layers[0].len() - 2000] {
        let mut damaged = image.clone();
        damaged[at..at + 5000].fill(0);
        assert!(watched(&damaged), "{at}");
        let share = share_found(&image, &damaged);
        assert!(share >= 90, "{share} %");
    }
}

#[test]
fn few_entries_are_not_worth_a_search() {
    let mut disk = noise(1, 1 << 20);
    assert!(!watched(&disk));
    let small = tar_of(1, 20, 3000);
    disk[4096..4096 + small.len()].copy_from_slice(&small);
    assert!(!watched(&disk));
    let large = tar_of(1, 4, 200_000);
    disk[8192..8192 + large.len()].copy_from_slice(&large);
    assert!(watched(&disk), "a tar in a disk image");
    // A header that is right beside others whose data would go on for ever.
    for block in disk.chunks_exact_mut(512) {
        block.copy_from_slice(&large[..512]);
        block[124..136].copy_from_slice(b"77777777777\0");
        seal(block);
    }
    assert!(!watched(&disk));
}
