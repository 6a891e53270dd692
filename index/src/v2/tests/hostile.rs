//! Files that nobody wrote.

use regrow_chunker::varint;

use super::*;
use crate::primitives::CHECKSUM_BYTES;
use crate::{HEAD_BYTES, MAX_CHUNKS};

/// The head's sections with the right length, checksum and blocks around them.
fn sealed(sections: &[u8], blocks: &[u8]) -> Vec<u8> {
    let mut file = [crate::MAGIC.as_slice(), &2u32.to_le_bytes(), &(sections.len() as u32).to_le_bytes()].concat();
    file.extend_from_slice(sections);
    file.extend_from_slice(blake3::hash(&file).as_bytes());
    file.extend_from_slice(blocks);
    file
}

/// The sections of a file's head, and its blocks.
fn parts_of(file: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let end = head_of(file).codings_block().start as usize;
    (file[HEAD_BYTES..end - CHECKSUM_BYTES].to_vec(), file[end..].to_vec())
}

/// The file of this index with another recipe block, which the head names.
fn with_recipe(index: &Index, recipe: &[u8]) -> Vec<u8> {
    let units = index.units.as_ref().unwrap();
    let (head, codings) = Head::of(index, units, crate::v2::codings::encode(&index.codings), recipe);
    [head.encode(), codings, recipe.to_vec()].concat()
}

/// What is read can be written and read again.
fn check_again(file: &[u8]) -> bool {
    let read = Index::decode(file);
    if let Ok(index) = &read {
        assert_eq!(Index::decode(&index.encode()).as_ref(), Ok(index));
    }
    read.is_ok()
}

#[test]
fn every_cut_and_every_flipped_bit_is_an_error() {
    let file = sample().encode();
    for at in 0..file.len() {
        let mut bad = file.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(Index::decode(&bad).is_err(), "flipped at {at}");
        let _ = Head::decode(&bad);
        assert!(Index::decode(&file[..at]).is_err(), "cut at {at}");
    }
}

/// Checksums and hashes are made right again, so that the code behind them is reached.
#[test]
fn sealed_nonsense_does_no_harm() {
    let index = sample();
    let file = index.encode();
    let (sections, blocks) = parts_of(&file);
    for at in 0..sections.len() {
        for bit in 0..8 {
            let mut bad = sections.clone();
            bad[at] ^= 1 << bit;
            check_again(&sealed(&bad, &blocks));
        }
    }
    let recipe = recipe::encode(&index, index.units.as_ref().unwrap());
    assert!(check_again(&with_recipe(&index, &recipe)));
    for at in 0..recipe.len() {
        for bad in [recipe[..at].to_vec(), {
            let mut bad = recipe.clone();
            bad[at] ^= 1 << (at % 8);
            bad
        }] {
            check_again(&with_recipe(&index, &bad));
        }
    }
}

/// The error for the sample with a change to the index.
fn error_with(change: impl Fn(&mut Index, &mut Units)) -> String {
    let mut index = sample();
    let mut units = index.units.take().unwrap();
    change(&mut index, &mut units);
    index.units = Some(units);
    Index::decode(&index.encode()).unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_together_is_refused() {
    type Change = fn(&mut Index, &mut Units);
    let checks: [(&str, Change); 13] = [
        ("unit's id", |_, units| units.wrapper.id = UnitId::from_bytes([1; 32])),
        ("unit's id", |_, units| units.parts[1].unit.id = UnitId::from_bytes([1; 32])),
        ("unit's id", |_, units| units.parts[0].place.contents_records = 9),
        ("a file's contents", |_, units| units.parts[0].kind = PartKind::File),
        ("a file's contents", |_, units| units.parts[1].plain_bytes += 1),
        ("out of order", |_, units| units.parts[1].place.skeleton_records = 1),
        ("out of order", |_, units| units.parts[2].place.contents_records = 9),
        ("behind the wrapper's end", |_, units| units.parts[2].place.contents_records = 41),
        ("behind the wrapper's end", |_, units| units.parts[2].place.skeleton_records = 6),
        ("runs do not add up", |index, _| index.chunk_runs[0].count += 1),
        ("size and its streams'", |_, units| units.plain_bytes = 10),
        ("its plain image", |index, _| index.image_bytes += 1),
        ("channel", |_, units| units.claims.channel = "a\nb".into()),
    ];
    for (expected, change) in checks {
        let error = error_with(change);
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    let shape = |kind, chunks| Shape { kind, chunks, place: (0, 0) };
    let mut index = index_of(&[shape(None, (5, 0)), shape(Some(PartKind::Tar), (30, 90))]);
    let units = index.units.as_mut().unwrap();
    units.plain_bytes = units.parts[0].plain_bytes - 1;
    index.image_bytes = units.plain_bytes;
    assert_eq!(Index::decode(&index.encode()), Err(IndexError::Malformed("parts larger than the image")));
}

#[test]
fn lists_are_no_longer_than_they_may_be() {
    let patch = AnnouncedPatch { base: ImageId::default(), bytes: Some(1), parts: Vec::new() };
    let mut index = sample();
    index.patches = vec![patch.clone(); crate::MAX_PATCHES];
    let units = index.units.as_mut().unwrap();
    units.signatures = vec![units.signatures[0]; crate::MAX_SIGNATURES];
    units.claims.channel = "é".repeat(127);
    assert_eq!(Index::decode(&index.encode()).as_ref(), Ok(&index));
    index.patches.push(patch);
    assert_eq!(Index::decode(&index.encode()).unwrap().patches, [], "too long a hint is none");
    let too_long = |change: fn(&mut Units)| error_with(|_, units| change(units));
    assert!(too_long(|units| units.signatures = vec![units.signatures[0]; 17]).contains("too many"));
    assert!(too_long(|units| units.claims.channel = "é".repeat(128)).contains("channel"));
    assert!(too_long(|units| units.kept.signatures = vec![vec![9; 9000]]).contains("too long"));
    assert!(too_long(|units| units.parts = vec![units.parts[2]; 1025]).contains("1,024 parts"));
}

#[test]
fn counts_are_bounded_by_the_image() {
    let shape = |kind, chunks, place| Shape { kind, chunks, place };
    let mut shapes = vec![shape(None, (1, 0), (0, 0))];
    shapes.extend([shape(Some(PartKind::Tar), (1, 0), (1, 0)); 1024]);
    let most = index_of(&shapes);
    assert!(check_again(&most.encode()));
    assert!(head_of(&most.encode()).codings_block().start < crate::MAX_HEAD_BYTES as u64);
    let mut tiny = sample();
    tiny.params = Params::new(4096, 16384, 65536).unwrap();
    let segment = SegmentRef { id: SegmentId::default(), records: 256 };
    let units = tiny.units.as_mut().unwrap();
    units.wrapper.contents = UnitStream { bytes: 2048, chunks: 2048, segments: 8 };
    units.parts.clear();
    let skeleton = tiny.skeleton.segments[..units.wrapper.skeleton.segments as usize].to_vec();
    units.plain_bytes = units.wrapper.skeleton.bytes + 2048;
    tiny.image_bytes = units.plain_bytes;
    units.wrapper.id = UnitId::of_wrapper(3, &tiny.params, &ids(&skeleton), &[segment.id; 8], &[]);
    tiny.skeleton = StreamHead { segments: skeleton, bytes: units.wrapper.skeleton.bytes, chunks: 5 };
    tiny.contents = StreamHead { bytes: 2048, chunks: 2048, segments: vec![segment; 8] };
    tiny.chunk_runs = vec![Run { count: tiny.chunks(), pack: 0 }];
    tiny.segment_runs = vec![Run { count: tiny.segments().count() as u64, pack: 0 }];
    let refused = Index::decode(&tiny.encode());
    assert_eq!(refused, Err(IndexError::Malformed("more chunks than an image of its size has")));
}

/// A count that the bytes behind it cannot fill is refused before anything is reserved for it.
#[test]
fn counts_allocate_nothing() {
    let index = sample();
    for count in [1 << 20, MAX_CHUNKS, u64::MAX] {
        let mut recipe = vec![1, 0];
        varint::put(&mut recipe, count);
        varint::put(&mut recipe, count);
        recipe[1] = (recipe.len() - 2) as u8;
        assert!(Index::decode(&with_recipe(&index, &recipe)).is_err());
    }
}

#[test]
fn unknown_kinds_are_named_or_skipped() {
    let index = sample();
    let (sections, blocks) = parts_of(&index.encode());
    let skipped = [sections.as_slice(), &[200, 1, 0]].concat();
    assert_eq!(Index::decode(&sealed(&skipped, &blocks)), Ok(index.clone()));
    let bare = Index { patches: Vec::new(), ..index.clone() };
    let mut bare_units = index.units.clone().unwrap();
    bare_units.signatures.clear();
    let (bare, blocks) = parts_of(&Index { units: Some(bare_units), ..bare }.encode());
    let needed = [bare.as_slice(), &[5, 1, 0]].concat();
    let error = IndexError::UnknownKind { what: "a section", kind: 5 };
    assert_eq!(Index::decode(&sealed(&needed, &blocks)), Err(error));
    let mut statement = index.statement().unwrap().encode();
    let at = statement.len() - (1 + 3 + 64);
    statement[at] = 9;
    assert!(matches!(Statement::decode(&statement), Err(IndexError::UnknownKind { what: "a part", kind: 9 })));
    statement[0] ^= 1;
    assert_eq!(Statement::decode(&statement), Err(IndexError::Malformed("not a statement of version 1")));
}
