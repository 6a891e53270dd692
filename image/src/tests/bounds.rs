//! Every image that the walker makes keeps to the bounds above which readers refuse (FORMAT.md, section 11). Small
//! images must keep to them with hardly any of the free allowance, so that an image of many such parts keeps to
//! them too.

use super::coded::{gzip, split_coded, split_with};
use super::*;
use regrow_chunker::bounds;

/// The part of the free allowance that these tests take away, which is nearly all of it.
const FREE: u64 = 1024 - 4;
const FREE_SKELETON_BYTES: u64 = (64 << 10) - 64;

/// Checks the chunks of an image by the size of its plain image and the number of its coded files.
pub(super) fn check(plain_bytes: usize, coded_files: u64, params: Params, chunks: &[RawChunk]) {
    let plain_bytes = plain_bytes as u64;
    let [skeleton, contents] = streams(chunks);
    let bytes = |stream: &[Vec<u8>]| stream.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
    let mut operations = 0;
    let mut count = |found: OpOrLiteral<'_>| {
        operations += u64::from(matches!(found, OpOrLiteral::Op(_)));
        Ok::<_, OpError>(())
    };
    OpDecoder::default().push(&skeleton.concat(), &mut count).unwrap();
    assert!(operations <= bounds::max_operations(plain_bytes, coded_files) - FREE, "{operations} operations");
    assert!(coded_files <= bounds::max_coded_files(plain_bytes));
    let most = bounds::max_skeleton_bytes(plain_bytes, bytes(&contents)) - FREE_SKELETON_BYTES;
    assert!(bytes(&skeleton) <= most, "{} bytes of skeleton", bytes(&skeleton));
    for stream in [&skeleton, &contents] {
        let most = bounds::max_chunks(&params, bytes(stream), plain_bytes) - FREE;
        assert!(stream.len() as u64 <= most, "{} chunks of {} bytes", stream.len(), bytes(stream));
    }
}

/// Parameters of every shape, including those whose groups end before they reach `min`.
fn shapes() -> [Params; 4] {
    [(64, 256, 1024), (64, 64, 64), (1024, 1024, 1024), (1024, 4096, 16384)]
        .map(|(min, avg, max)| Params::new(min, avg, max).unwrap())
}

/// An entry that costs as many operations and chunks for its bytes as possible.
fn dense_entry() -> impl Strategy<Value = Vec<u8>> {
    let inner_end = |len: usize, seed| [header("i", b'0', len as u64), noise(seed, len)].concat();
    prop_oneof![
        // Tiny files, and files of whole blocks, which no padding follows.
        (prop::sample::select(vec![1usize, 31, 32, 127, 128, 511, 512, 1024]), any::<u64>())
            .prop_map(|(len, seed)| file("f", &noise(seed, len))),
        // A nested tar that is cut within its last file.
        (1usize..600, 1u64..2000, any::<u64>())
            .prop_map(|(len, size, seed)| { file("t", &[header("i", b'0', size), noise(seed, len)].concat()) }),
        // A nested tar whose end is opaque, so that files have no header of their own.
        (0usize..600, any::<u64>()).prop_map(move |(len, seed)| {
            file("t", &[padded(&inner_end(len, seed)), noise(seed ^ 1, 512)].concat())
        }),
        Just(header("empty", b'0', 0)),
    ]
}

proptest! {
    #[test]
    fn dense_tars_keep_to_the_bounds(entries in prop::collection::vec(dense_entry(), 1..60), cut in any::<prop::sample::Index>()) {
        let image = entries.concat();
        let image = &image[..image.len() - cut.index(600).min(image.len())];
        for params in shapes() {
            check(image.len(), 0, params, &split(image, params, &[1 << 20]));
            let by_parts = Splitter::new(params).by_rules(WalkRules::V3);
            check(image.len(), 0, params, &split_with(by_parts, image, &[1 << 20], &|_| None).chunks);
        }
    }

    /// The largest number of coded files, each of which may hold a single byte.
    #[test]
    fn dense_coded_files_keep_to_the_bounds(plains in prop::collection::vec(prop_oneof![
        (1usize..1100).prop_map(|len| noise(1, len)),
        dense_entry(),
        (1usize..3, dense_entry()).prop_map(|(keep, entry)| entry[..BLOCK * keep.min(entry.len() / BLOCK)].to_vec()),
    ], 1..40)) {
        let stored: Vec<Vec<u8>> = (0..plains.len()).map(|number| gzip(number as u64, 512)).collect();
        let image: Vec<u8> = stored.iter().flat_map(|gzip| file("l", gzip)).collect();
        let plain_of = |bytes: &[u8]| stored.iter().position(|gzip| gzip == bytes).map(|found| plains[found].clone());
        let chunks = split_coded(&image, &[1 << 20], &plain_of);
        let plain_bytes = image.len() - stored.concat().len() + plains.concat().len();
        check(plain_bytes, plains.len() as u64, small_params(), &chunks);
        let by_parts = Splitter::finding_candidates(small_params()).by_rules(WalkRules::V3);
        let chunks = split_with(by_parts, &image, &[1 << 20], &plain_of).chunks;
        check(plain_bytes, plains.len() as u64, small_params(), &chunks);
    }
}
