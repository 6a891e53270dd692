//! Names, whatever the pieces in which an image comes, and whoever hashes.

use std::collections::VecDeque;

use proptest::prelude::*;
use regrow_chunker::Params;
use regrow_image::WalkRules;

use super::*;

const MIB: usize = 1 << 20;

impl Names<'_> {
    /// The reading thread hashes, as where no thread can be started.
    fn here() -> Self {
        Self::on(Lanes { image: Lane::Here(Box::default()), parts: Lane::Here(Box::default()) }, None)
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

fn tar_of(files: &[Vec<u8>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for bytes in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, "file", bytes.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Bytes that begin like a gzip file.
fn stored(seed: u64, len: usize) -> Vec<u8> {
    [vec![0x1f, 0x8b, 8, 0], noise(seed, len)].concat()
}

/// Reads an image as make does, in these pieces. Candidates that are in `coded` hold the bytes beside them. The result
/// is the names, and what the parts' plain bytes are.
fn names_of(
    mut names: Names<'_>,
    image: &[u8],
    pieces: &[usize],
    coded: &[(Vec<u8>, Vec<u8>)],
) -> (Sha256Names, Vec<[u8; 32]>) {
    let mut splitter = Splitter::finding_candidates(Params::default()).by_rules(WalkRules::V3);
    let (mut at, mut turn, mut plain) = (0, 0, Vec::new());
    let mut blocks = VecDeque::new();
    while at < image.len() {
        let end = image.len().min(at + pieces[turn % pieces.len()]);
        let piece = Bytes::copy_from_slice(&image[at..end]);
        // Pieces stand for blocks. Workers hash them, so that their hashes come later.
        names.begin_block().unwrap();
        blocks.push_back(*blake3::hash(&image[..end]).as_bytes());
        if blocks.len() > turn % 4 {
            names.block_hashed(blocks.pop_front().unwrap()).unwrap();
        }
        let taken = splitter.push(piece.clone());
        names.push(&piece.slice(..taken), &mut splitter).unwrap();
        plain.extend_from_slice(&image[at..at + taken]);
        (at, turn) = (at + taken, turn + 1);
        let Some(candidate) = splitter.candidate() else { continue };
        names.at_candidate();
        at -= candidate.held.len();
        plain.truncate(plain.len() - candidate.held.len());
        // An image that is a coded file is one to its end.
        let is_coded = |file: &Vec<u8>| if at == 0 { image == file } else { image[at..].starts_with(file) };
        let Some((file, held)) = coded.iter().find(|(file, _)| is_coded(file)) else {
            splitter.decline();
            continue;
        };
        splitter.begin_coded();
        names.begin_coded(&splitter).unwrap();
        file.chunks(700).for_each(|piece| names.push_stored(&Bytes::copy_from_slice(piece)).unwrap());
        for piece in held.chunks(pieces[0]) {
            let piece = Bytes::copy_from_slice(piece);
            splitter.push(piece.clone());
            names.push(&piece, &mut splitter).unwrap();
        }
        splitter.end_coded();
        names.end_coded(&mut splitter).unwrap();
        plain.extend_from_slice(held);
        at += file.len();
    }
    blocks.into_iter().for_each(|block| names.block_hashed(block).unwrap());
    let has_tar = splitter.has_tar_part();
    let last = splitter.finish_parts();
    let ranges = last.parts.iter().map(|part| part.plain.start as usize..part.plain.end as usize);
    let expected = ranges.map(|range| sha256(&plain[range])).collect();
    (names.finish(&last.borders, has_tar).unwrap(), expected)
}

fn any_file() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0usize..3000, any::<u64>()).prop_map(|(len, seed)| noise(seed, len)),
        (0usize..3000, any::<u64>()).prop_map(|(len, seed)| tar_of(&[noise(seed, len), noise(seed, 10)])),
        (MIB - 1..MIB + 2, any::<u64>()).prop_map(|(len, seed)| noise(seed, len)),
        (1u64..5).prop_map(|seed| stored(seed, 900)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn any_pieces_give_the_same_names(
        files in prop::collection::vec(any_file(), 0..6), is_archive in any::<bool>(), layers in any::<bool>(),
        pieces in prop::collection::vec(200usize..60_000, 1..4), cut in any::<prop::sample::Index>(),
    ) {
        let mut image = if is_archive { tar_of(&files) } else { files.concat() };
        let layer = |seed| if layers { tar_of(&[noise(seed, 2000)]) } else { noise(seed, MIB + seed as usize) };
        let coded: Vec<_> = (1..4).map(|seed| (stored(seed, 900), layer(seed))).collect();
        let catalog = Catalog::in_memory();
        for _ in 0..2 {
            let (names, expected) = names_of(Names::new(None), &image, &pieces, &coded);
            prop_assert_eq!(names.image, sha256(&image));
            prop_assert_eq!(names.parts.iter().map(|name| *name.as_bytes()).collect::<Vec<_>>(), expected);
            prop_assert_eq!(&names_of(Names::here(), &image, &[1 << 22], &coded).0, &names);
            // The second time hashes nothing, and the shorter image only what is different.
            for _ in 0..2 {
                prop_assert_eq!(&names_of(Names::new(Some(&catalog)), &image, &pieces, &coded).0, &names);
            }
            image.truncate(cut.index(image.len() + 1));
        }
    }
}

#[cfg(feature = "names")]
/// Reads an image in blocks of this many bytes, and gives its names, and how many blocks were spared.
fn spared(catalog: &Catalog, image: &[u8], block_bytes: usize) -> (Sha256Names, usize) {
    let mut splitter = Splitter::new(Params::default()).by_rules(WalkRules::V3);
    let mut names = Names::new(Some(catalog));
    for (number, block) in image.chunks(block_bytes).enumerate() {
        names.begin_block().unwrap();
        splitter.push(Bytes::copy_from_slice(block));
        names.push(&Bytes::copy_from_slice(block), &mut splitter).unwrap();
        names.block_hashed(*blake3::hash(&[&number.to_le_bytes()[..], block].concat()).as_bytes()).unwrap();
    }
    let has_tar = splitter.has_tar_part();
    let last = splitter.finish_parts();
    let count = names.known.as_ref().map_or(0, Known::spared);
    (names.finish(&last.borders, has_tar).unwrap(), count)
}

#[cfg(feature = "names")]
fn archive(seeds: &[u64]) -> Vec<u8> {
    let layers: Vec<Vec<u8>> = seeds.iter().map(|&seed| tar_of(&[noise(seed, 50_000), noise(seed, 700)])).collect();
    tar_of(&layers)
}

#[cfg(feature = "names")]
#[test]
fn what_an_image_shares_with_an_earlier_one_is_not_hashed_again() {
    let catalog = Catalog::in_memory();
    let images = [archive(&[1, 2, 3, 4]), archive(&[1, 2, 5, 4]), archive(&[1, 6])];
    let unknown = |image: &[u8]| spared(&Catalog::in_memory(), image, 10_000).0;
    let blocks = images[0].len().div_ceil(10_000);
    assert_eq!(spared(&catalog, &images[0], 10_000), (unknown(&images[0]), 0));
    assert_eq!(spared(&catalog, &images[0], 10_000), (unknown(&images[0]), blocks - 1));
    let (names, count) = spared(&catalog, &images[1], 10_000);
    assert_eq!(names, unknown(&images[1]));
    assert!((10..13).contains(&count), "two of four layers are the same: {count}");
    // All of them are remembered, though they begin alike.
    assert_eq!(spared(&catalog, &images[2], 10_000).0, unknown(&images[2]));
    for image in &images {
        assert_eq!(spared(&catalog, image, 10_000), (unknown(image), image.len().div_ceil(10_000) - 1));
    }
    assert_eq!(unknown(&images[0]).image, sha256(&images[0]));
}

#[cfg(feature = "names")]
#[test]
fn a_memory_of_another_state_is_not_used() {
    let image = archive(&[1, 2]);
    let catalog = Catalog::in_memory();
    let (names, _) = spared(&catalog, &image, 10_000);
    let first = *blake3::hash(&[&0usize.to_le_bytes()[..], &image[..10_000]].concat()).as_bytes();
    let mut runs = runs::remembered(&catalog, &first);
    runs[0][0].image = runs[0][1].image;
    runs::remember(&catalog, Vec::new(), runs.remove(0));
    assert_eq!(spared(&catalog, &image, 10_000), (names, 0));
    // Hashing it has mended the memory.
    assert!(spared(&catalog, &image, 10_000).1 > 0);
}
