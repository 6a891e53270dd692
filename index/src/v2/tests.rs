//! Whatever is written can be read, and nothing else can.

mod base_parts;
mod codings;
mod disk;
mod hostile;
mod random;

use std::ops::Range;

use regrow_chunker::{
    ChunkId, ImageId, PackId, Params, PartKind, PartName, PartPlace, ReaderLimits, Record, SegmentId, UnitId,
};

use super::*;
use crate::{
    AnnouncedPatch, BasePart, Claims, KeptEntries, PackRef, Part, Run, SegmentCutter, SegmentRef, Signature,
    SignatureKind, StreamHead, Unit, UnitStream,
};

/// The segments of a stream of this many chunks, and the stream's bytes.
fn segments(seed: &str, chunks: u64) -> (Vec<SegmentRef>, UnitStream) {
    let (mut cutter, mut found, mut share) = (SegmentCutter::default(), Vec::new(), UnitStream::default());
    for i in 0..chunks {
        let record = Record { id: ChunkId::of(format!("{seed}{i}").as_bytes()), len: i as u32 % 900 + 1 };
        share.bytes += u64::from(record.len);
        share.chunks += 1;
        found.extend(cutter.push(record));
    }
    found.extend(cutter.finish());
    share.segments = found.len() as u32;
    (found.iter().map(|s| SegmentRef { id: s.id(), records: s.records().len() as u32 }).collect(), share)
}

fn ids(segments: &[SegmentRef]) -> Vec<SegmentId> {
    segments.iter().map(|segment| segment.id).collect()
}

/// A part, or the wrapper if it has no kind, with this many chunks in each stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    kind: Option<PartKind>,
    chunks: (u64, u64),
    place: (u32, u32),
}

/// An index of units like these, the wrapper first.
pub(super) fn index_of(shapes: &[Shape]) -> Index {
    let params = Params::default();
    let mut streams = [StreamHead::default(), StreamHead::default()];
    let (mut wrapper, mut parts, mut wrapper_ids) = (None, Vec::new(), [Vec::new(), Vec::new()]);
    for (number, shape) in shapes.iter().enumerate() {
        let (skeleton_segments, skeleton) = segments(&format!("s{number} "), shape.chunks.0);
        let (contents_segments, contents) = segments(&format!("c{number} "), shape.chunks.1);
        let unit_ids = [ids(&skeleton_segments), ids(&contents_segments)];
        for (stream, (found, share)) in
            streams.iter_mut().zip([(skeleton_segments, skeleton), (contents_segments, contents)])
        {
            stream.bytes += share.bytes;
            stream.chunks += share.chunks;
            stream.segments.extend(found);
        }
        let Some(kind) = shape.kind else {
            wrapper = Some(Unit { id: UnitId::default(), skeleton, contents });
            wrapper_ids = unit_ids;
            continue;
        };
        let id = UnitId::of_part(kind, &params, &unit_ids[0], &unit_ids[1]);
        parts.push(Part {
            kind,
            name: PartName::from_bytes([number as u8; 32]),
            plain_bytes: skeleton.bytes + contents.bytes,
            unit: Unit { id, skeleton, contents },
            place: PartPlace { skeleton_records: shape.place.0, contents_records: shape.place.1 },
        });
    }
    let places: Vec<_> = parts.iter().map(|part| part.place).collect();
    let mut wrapper = wrapper.unwrap();
    wrapper.id = UnitId::of_wrapper(3, &params, &wrapper_ids[0], &wrapper_ids[1], &places);
    let [skeleton, contents] = streams;
    let plain_bytes = skeleton.bytes + contents.bytes;
    let pack = |n: u8| PackRef { id: PackId::from_bytes([n; 32]), bytes: 5000, skeleton_at: 3000, tail_at: 4000 };
    let run = |count, pack| (count > 0).then_some(Run { count, pack });
    Index {
        walk_version: 3,
        params,
        image_bytes: plain_bytes,
        image_digest: [7; 32],
        packs: vec![pack(1), pack(2)],
        chunk_runs: run(skeleton.chunks, 0).into_iter().chain(run(contents.chunks, 1)).collect(),
        segment_runs: run((skeleton.segments.len() + contents.segments.len()) as u64, 1).into_iter().collect(),
        skeleton,
        contents,
        store: "../store".into(),
        codings: Vec::new(),
        fresh_packs: vec![1],
        patches: Vec::new(),
        units: Some(Units {
            image_sha256: [6; 32],
            plain_bytes,
            claims: Claims::default(),
            wrapper,
            parts,
            files: Vec::new(),
            disk: None,
            signatures: Vec::new(),
            kept: KeptEntries::default(),
        }),
    }
}

/// A small index that has everything.
pub(super) fn sample() -> Index {
    let shape = |kind, chunks, place| Shape { kind, chunks, place };
    let mut index = index_of(&[
        shape(None, (5, 40), (0, 0)),
        shape(Some(PartKind::Tar), (30, 90), (2, 10)),
        shape(Some(PartKind::File), (0, 70), (0, 10)),
        shape(Some(PartKind::Tar), (1, 0), (2, 40)),
    ]);
    let foreign = BasePart { id: *b"unit id ", name: *b"its name" };
    let parts = [index.units.as_ref().unwrap().base_parts(), vec![foreign]].concat();
    index.patches = vec![
        AnnouncedPatch { base: ImageId::from_bytes([8; 32]), bytes: Some(2000), parts },
        AnnouncedPatch { base: ImageId::from_bytes([9; 32]), bytes: None, parts: Vec::new() },
    ];
    let units = index.units.as_mut().unwrap();
    units.claims = Claims { channel: "stable".into(), counter: 7, signed_at: 1_790_000_000, expires_at: u64::MAX };
    units.signatures = [SignatureKind::Pure, SignatureKind::Prehashed]
        .map(|kind| Signature { kind, key_id: [kind as u8; 8], signature: [3; 64] })
        .to_vec();
    index
}

pub(super) fn head_of(file: &[u8]) -> Head {
    match Head::decode(file) {
        Ok(HeadRead::Head(head)) => *head,
        other => panic!("no head: {other:?}"),
    }
}

#[test]
fn round_trips() {
    let index = sample();
    let file = index.encode();
    assert_eq!(Index::decode(&file), Ok(index.clone()));
    let head = head_of(&file);
    assert_eq!(Some(&head.statement), index.statement().as_ref());
    assert_eq!(head.statement.image_id(), index.image_id());
    assert_eq!(Statement::decode(&head.statement.encode()), Ok(head.statement.clone()));
    assert_eq!(head.recipe_block().end, file.len() as u64);
    assert_eq!(head.encode(), file[..head.recipe_block().start as usize]);
}

/// A head is read from any piece of the file that holds it, and says how much that is.
#[test]
fn a_head_is_complete_in_itself() {
    let file = sample().encode();
    let head = head_of(&file);
    let end = head.codings_block().start as usize;
    for at in 0..=file.len() {
        let expected = match at {
            0..16 => HeadRead::NeedsMore(16),
            at if at < end => HeadRead::NeedsMore(end as u64),
            _ => HeadRead::Head(Box::new(head.clone())),
        };
        assert_eq!(Head::decode(&file[..at]), Ok(expected), "{at}");
        assert!(at == file.len() || Index::decode(&file[..at]).is_err(), "{at}");
    }
    assert!(Index::decode(&[file.as_slice(), &[0]].concat()).is_err());
    let first = Index { units: None, walk_version: 1, ..sample() }.encode();
    assert_eq!(Head::decode(&first[..16]), Ok(HeadRead::Whole(first.len() as u64)));
    assert_eq!(Head::decode(b"\x89RGY"), Err(IndexError::NotAnIndex));
    assert!(Index::may_begin(first[..16].first_chunk().unwrap(), first.len() as u64));
    assert!(!Index::may_begin(first[..16].first_chunk().unwrap(), first.len() as u64 + 1));
    assert!(Index::may_begin(file[..16].first_chunk().unwrap(), file.len() as u64));
    assert!(!Index::may_begin(file[..16].first_chunk().unwrap(), end as u64 - 1));
}

/// A head that is changed keeps its blocks, and what nobody knows in its lists.
#[test]
fn a_head_is_rewritten_without_its_blocks() {
    let mut index = sample();
    let units = index.units.as_mut().unwrap();
    units.kept = KeptEntries { signatures: vec![vec![77, 1, 2]], patches: vec![vec![2, 9], vec![3]] };
    let file = index.encode();
    assert_eq!(Index::decode(&file), Ok(index.clone()));
    let mut head = head_of(&file);
    let blocks = &file[head.codings_block().start as usize..];
    let patch = AnnouncedPatch { base: ImageId::from_bytes([9; 32]), bytes: Some(90), parts: Vec::new() };
    head.announce(patch.clone());
    head.statement.claims.counter += 1;
    head.signatures.truncate(1);
    let read = Index::decode(&[head.encode(), blocks.to_vec()].concat()).unwrap();
    index.announce(patch.clone());
    let units = index.units.as_mut().unwrap();
    units.claims.counter += 1;
    units.signatures.truncate(1);
    assert_eq!(read, index);
    assert_eq!(read.patches[0], patch);
    assert_eq!(read.patches.len(), 2);
    for n in 0..70 {
        head.announce(AnnouncedPatch { base: ImageId::from_bytes([n; 32]), bytes: None, parts: Vec::new() });
    }
    assert_eq!(head.patches.len(), crate::MAX_PATCHES - 2, "two are kept");
}

#[test]
fn units_stand_in_the_order_of_the_image() {
    let index = sample();
    assert_eq!(index.skeleton_order(), [0..2, 5..35, 35..36, 2..5]);
    assert_eq!(index.contents_order(), [0..10, 40..130, 130..200, 10..40]);
    let units = index.units.as_ref().unwrap();
    for (number, unit) in units.iter().enumerate() {
        let [skeleton, contents] = index.unit_segments(number);
        assert_eq!(
            (skeleton.len(), contents.len()),
            (unit.skeleton.segments as usize, unit.contents.segments as usize)
        );
        let records = |segments: &[SegmentRef]| segments.iter().map(|s| u64::from(s.records)).sum::<u64>();
        assert_eq!((records(skeleton), records(contents)), (unit.skeleton.chunks, unit.contents.chunks));
    }
    assert_eq!(index.unit_segments(4), [&[], &[]] as [&[SegmentRef]; 2]);
    let first = Index { units: None, ..index };
    let whole = |order: Vec<Range<u64>>| (order.len(), order[0].clone());
    assert_eq!(whole(first.skeleton_order()), (1, 0..36));
    assert_eq!(whole(first.contents_order()), (1, 0..200));
}

#[test]
fn limits_are_those_of_version_1() {
    let index = sample();
    let statement = index.statement().unwrap();
    let limits = ReaderLimits { max_image_bytes: index.image_bytes - 1, ..ReaderLimits::default() };
    let error = IndexError::LargeImage { bytes: index.image_bytes, limit: index.image_bytes - 1 };
    assert_eq!(statement.check_limits(&limits), Err(error.clone()));
    assert_eq!(index.check_limits(&limits), Err(error));
    assert_eq!(statement.check_limits(&ReaderLimits::default()), Ok(()));
}

#[test]
fn units_alone_have_their_own_segments_and_packs() {
    let mut index = sample();
    // Each chunk and each segment lies in a pack of its own number.
    let own = |count: u64| (0..count).map(|number| Run { count: 1, pack: number as u32 }).collect::<Vec<_>>();
    index.chunk_runs = own(index.chunks());
    index.segment_runs = own(index.segments().count() as u64);
    let packs = |runs: &[Run]| runs.iter().map(|run| (run.pack, run.count)).collect::<Vec<_>>();
    let [of_wrapper, of_first, of_file] = [0, 1, 2].map(|unit| index.of_units(&[unit]));
    // The skeleton is two records of the wrapper, 30 of the first tar, one of the last, and the wrapper's others.
    assert_eq!((of_wrapper.skeleton.chunks, of_wrapper.contents.chunks), (5, 40));
    let skeleton: Vec<u32> = of_wrapper.chunk_runs[..5].iter().map(|run| run.pack).collect();
    assert_eq!(skeleton, [0, 1, 33, 34, 35]);
    assert_eq!(packs(&of_first.chunk_runs[..1]), [(2, 1)]);
    assert_eq!(of_first.chunk_runs.len(), 120);
    // The contents are ten records of the wrapper, 90 and 70 of parts, and the wrapper's others.
    let first_of_file = 36 + 10 + 90;
    assert_eq!(of_file.chunk_runs.first().map(|run| run.pack), Some(first_of_file));
    assert_eq!((of_file.skeleton.bytes, of_file.contents.chunks), (0, 70));
    for unit in 0..4 {
        let alone = index.of_units(&[unit]);
        let segments = index.unit_segments(unit).concat();
        assert!(alone.segments().eq(segments.iter()), "{unit}");
        assert_eq!(alone.segment_runs.len(), segments.len());
    }
    let both = index.of_units(&[2, 1, 2]);
    assert_eq!(both.contents.chunks, 70 + 90 + 70);
    assert_eq!(both.chunk_runs.len() as u64, both.chunks());
    assert!(both.contents.segments.starts_with(&of_file.contents.segments));
    index.chunk_runs = vec![Run { count: index.chunks(), pack: 7 }];
    assert_eq!(packs(&index.of_units(&[3, 0]).chunk_runs), [(7, 46)]);
    assert_eq!(index.of_units(&[9]).chunks(), 0);
}

#[test]
fn the_numbers_of_files_are_a_hint() {
    let mut index = sample();
    let without = index.encode();
    for files in [vec![3, 0, 70_000], vec![u64::MAX; 3]] {
        index.units.as_mut().unwrap().files = files.clone();
        let file = index.encode();
        assert_eq!(Index::decode(&file).as_ref(), Ok(&index));
        assert_eq!(head_of(&file).files(), files);
        assert_eq!(head_of(&file).encode(), file[..head_of(&file).recipe_block().start as usize]);
    }
    // Others than there are parts, or a section that says nothing, count as none.
    for files in [vec![1; 2], vec![1; 4], vec![1; 5000]] {
        index.units.as_mut().unwrap().files = files;
        assert_eq!(head_of(&index.encode()).files(), [0; 0]);
    }
    assert_eq!(index.encode(), without, "there is no room for that many");
}
