//! Indexes of version 2 do not change. Those that were written mean what they meant, and are written the same again.
//!
//! `cargo test -p regrow-index --test golden -- --ignored` makes the files in `tests/golden`. Run it only together
//! with a new version, or before a version is released.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::PathBuf;

use regrow_chunker::{
    ChunkId, ImageId, PackId, Params, PartKind, PartName, PartPlace, Record, SegmentId, UnitId, varint,
};
use regrow_index::{
    AnnouncedPatch, BasePart, BlockRun, Claims, CodedFormat, CodedStretch, Coding, CorrectedBlock, DiskCoding,
    DiskPiece, Head, HeadRead, Index, KeptBlock, KeptEntries, MemberCoding, PackRef, Part, Run, SegmentCutter,
    SegmentRef, Signature, SignatureKind, StreamHead, Unit, UnitStream, Units,
};

const NAMES: [&str; 5] = ["parts.rgx", "coded.rgx", "patched.rgx", "zstd.rgx", "disk.rgx"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v2").join(name)
}

/// The segments of a unit's share of a stream.
fn share(seed: &str, chunks: u32) -> (UnitStream, Vec<SegmentRef>) {
    let (mut cutter, mut segments) = (SegmentCutter::default(), Vec::new());
    let mut bytes = 0;
    for number in 0..chunks {
        let record = Record { id: ChunkId::of(format!("{seed} {number}").as_bytes()), len: 100 + number * 37 % 3000 };
        bytes += u64::from(record.len);
        segments.extend(cutter.push(record));
    }
    segments.extend(cutter.finish());
    let share = UnitStream { bytes, chunks: chunks.into(), segments: segments.len() as u32 };
    (share, segments.iter().map(|s| SegmentRef { id: s.id(), records: s.records().len() as u32 }).collect())
}

fn add(stream: &mut StreamHead, (share, segments): (UnitStream, Vec<SegmentRef>)) -> (UnitStream, Vec<SegmentId>) {
    stream.bytes += share.bytes;
    stream.chunks += share.chunks;
    let ids = segments.iter().map(|segment| segment.id).collect();
    stream.segments.extend(segments);
    (share, ids)
}

/// A part's kind, its numbers of chunks, and its place.
type PartShape = (PartKind, (u32, u32), (u32, u32));

/// An index by this version of the walking rules, with a wrapper of these numbers of chunks, and these parts.
fn index_of(walk_version: u32, wrapper: (u32, u32), parts: &[PartShape]) -> Index {
    let params = Params::default();
    let (mut skeleton, mut contents) = (StreamHead::default(), StreamHead::default());
    let (wrapper_skeleton, skeleton_ids) = add(&mut skeleton, share("wrapper skeleton", wrapper.0));
    let (wrapper_contents, contents_ids) = add(&mut contents, share("wrapper contents", wrapper.1));
    let places: Vec<_> =
        parts.iter().map(|(_, _, place)| PartPlace { skeleton_records: place.0, contents_records: place.1 }).collect();
    let id = UnitId::of_wrapper(walk_version, &params, &skeleton_ids, &contents_ids, &places);
    let wrapper = Unit { id, skeleton: wrapper_skeleton, contents: wrapper_contents };
    let mut found = Vec::new();
    for (number, ((kind, chunks, _), place)) in parts.iter().zip(places).enumerate() {
        let (part_skeleton, skeleton_ids) = add(&mut skeleton, share(&format!("skeleton {number}"), chunks.0));
        let (part_contents, contents_ids) = add(&mut contents, share(&format!("contents {number}"), chunks.1));
        let id = UnitId::of_part(*kind, &params, &skeleton_ids, &contents_ids);
        found.push(Part {
            kind: *kind,
            name: PartName::from_bytes([0x50 + number as u8; 32]),
            plain_bytes: part_skeleton.bytes + part_contents.bytes,
            unit: Unit { id, skeleton: part_skeleton, contents: part_contents },
            place,
        });
    }
    let plain_bytes = skeleton.bytes + contents.bytes;
    let pack = |n: u8| PackRef { id: PackId::from_bytes([n; 32]), bytes: 9000, skeleton_at: 7000, tail_at: 8000 };
    Index {
        walk_version,
        params,
        image_bytes: plain_bytes,
        image_digest: [7; 32],
        packs: vec![pack(1), pack(2)],
        chunk_runs: vec![Run { count: skeleton.chunks, pack: 0 }, Run { count: contents.chunks, pack: 1 }],
        segment_runs: vec![Run { count: (skeleton.segments.len() + contents.segments.len()) as u64, pack: 1 }],
        skeleton,
        contents,
        store: "store".into(),
        codings: Vec::new(),
        fresh_packs: Vec::new(),
        patches: Vec::new(),
        units: Some(Units {
            image_sha256: [6; 32],
            plain_bytes,
            claims: Claims::default(),
            wrapper,
            parts: found,
            files: Vec::new(),
            disk: None,
            signatures: Vec::new(),
            kept: KeptEntries::default(),
        }),
    }
}

fn coding(corrections: usize) -> Coding {
    let member = |encoder: &[u8], plain_bytes, stream_bytes| MemberCoding {
        header: b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff".as_slice().into(),
        encoder: encoder.into(),
        plain_bytes,
        stream_bytes,
        corrections: vec![1; corrections],
    };
    let members = vec![member(&[0x86, 2], 20_000, 6000), member(&[0x86, 2], 900, 300), member(&[0x46], 1, 3)];
    Coding { format: CodedFormat::Gzip, members, tail: b"tail".as_slice().into() }
}

/// libzstd 1.5.7 at level 3.
const ZSTD: &[u8] = &[0x80, 0x30, 0x8b, 0x52, 3, 2, 3, 0];

/// A zstd file of three frames, the second one behind a skippable frame.
fn zstd_coding() -> Coding {
    let member = |header: &[u8], encoder: &[u8], plain_bytes, stream_bytes| MemberCoding {
        header: header.into(),
        encoder: encoder.into(),
        plain_bytes,
        stream_bytes,
        corrections: Vec::new(),
    };
    let members = vec![
        member(b"", ZSTD, 20_000, 6000),
        member(b"\x50\x2a\x4d\x18\x01\x00\x00\x00s", ZSTD, 900, 300),
        member(b"", &[0x80, 0x30, 0x8b, 0x52, 19, 1, 6, 27], 1, 13),
    ];
    Coding { format: CodedFormat::Zstd, members, tail: vec![7; 70_000].into() }
}

/// A disk image with a piece of each kind, and blocks of two encoders.
fn disk_coding() -> DiskCoding {
    let run = |encoder: &[u8], gap_bytes, sizes: &[u32], coded_bytes| {
        DiskPiece::Run(Box::new(BlockRun::new(encoder.into(), gap_bytes, sizes, (coded_bytes, [0xd5; 16]))))
    };
    let pieces = vec![
        DiskPiece::Plain(96),
        run(&[0x80, 0x40, 9, 15, 8], 0, &[8192, 8192, 8192], 9000),
        run(&[0x80, 0x40, 9, 15, 8], 0, &[8192, 7000, 300], 6000),
        DiskPiece::Kept(Box::new(KeptBlock { plain_bytes: 8192, coded: vec![9; 300] })),
        DiskPiece::Corrected(Box::new(CorrectedBlock {
            encoder: [0x90, 0x40, 0x80, 0x30, 0x8b, 0x52, 15, 0, 1, 0].into(),
            plain_bytes: 8192,
            coded_bytes: 3000,
            corrections: vec![8; 40],
        })),
        run(&[0x80, 0x40, 6, 15, 8], 2, &[4096, 100], 900),
        DiskPiece::Plain(900),
    ];
    DiskCoding { pieces }
}

/// An archive of two layers, of which one is coded, and a large file; signed, with announced patches. And a coded
/// tar, whose codings are a block. And the archive with patches that start from parts: from its own, from foreign ones,
/// and from an image. And an archive with a layer that is zstd, beside one that is gzip. And a disk image with compressed
/// blocks.
fn indexes() -> [Index; 5] {
    let mut parts = index_of(
        3,
        (6, 40),
        &[(PartKind::Tar, (40, 300), (1, 0)), (PartKind::File, (0, 130), (0, 12)), (PartKind::Tar, (2, 0), (4, 12))],
    );
    let mut coded = index_of(3, (1, 0), &[(PartKind::Tar, (30, 100), (1, 0))]);
    let layers = [(PartKind::Tar, (40, 300), (1, 0)), (PartKind::Tar, (20, 100), (3, 0))];
    let mut zstd = index_of(4, (6, 40), &layers);
    let mut disk = index_of(5, (1, 0), &[(PartKind::Tar, (3, 100), (1, 0))]);
    let all_codings = [
        vec![coding(0).into()],
        vec![coding(300).into()],
        vec![coding(0).into(), zstd_coding().into()],
        vec![disk_coding().into()],
    ];
    for (index, codings) in [&mut parts, &mut coded, &mut zstd, &mut disk].into_iter().zip(all_codings) {
        let codings: Vec<CodedStretch> = codings;
        for coding in &codings {
            index.image_bytes = index.image_bytes + coding.stored_bytes() - coding.plain_bytes();
        }
        index.codings = codings;
    }
    parts.fresh_packs = vec![1];
    parts.patches = [(8, Some(15_000)), (9, None)]
        .map(|(n, bytes)| AnnouncedPatch { base: ImageId::from_bytes([n; 32]), bytes, parts: Vec::new() })
        .to_vec();
    let units = parts.units.as_mut().unwrap();
    units.claims =
        Claims { channel: "stable".into(), counter: 300, signed_at: 1_790_000_000, expires_at: 1_800_000_000 };
    units.signatures = [SignatureKind::Pure, SignatureKind::Prehashed]
        .map(|kind| Signature { kind, key_id: *b"a key id", signature: [0xab; 64] })
        .to_vec();
    let patched = patched(parts.clone());
    [parts, coded, patched, zstd, disk]
}

fn patched(mut index: Index) -> Index {
    let own = index.units.as_ref().unwrap().base_parts();
    let foreign = |n: u8| BasePart { id: [n; 8], name: [n + 1; 8] };
    index.patches = [
        (1, Some(20_000), vec![own[0], foreign(0x30), foreign(0x40), own[2]]),
        (2, Some(900), vec![own[0], own[1], own[2], foreign(0x30)]),
        (3, Some(15_000), Vec::new()),
        (4, None, vec![foreign(0x40)]),
    ]
    .map(|(n, bytes, parts)| AnnouncedPatch { base: ImageId::from_bytes([n; 32]), bytes, parts })
    .to_vec();
    index
}

#[test]
fn indexes_mean_what_they_meant() {
    for (name, index) in NAMES.iter().zip(indexes()) {
        let bytes = std::fs::read(path(name)).unwrap();
        assert_eq!(Index::decode(&bytes).as_ref(), Ok(&index), "{name}");
        assert!(index.encode() == bytes, "{name} is written in another way: that needs a new version");
    }
}

/// The bytes that a key signs, which no version may write in another way.
#[test]
fn statements_stay_as_they_were_signed() {
    let signed = std::fs::read(path("parts.statement")).unwrap();
    let file = std::fs::read(path("parts.rgx")).unwrap();
    let HeadRead::Head(head) = Head::decode(&file).unwrap() else { panic!("no head") };
    assert!(head.statement.encode() == signed);
    let mut section = vec![1];
    varint::put(&mut section, signed.len() as u64);
    assert!(file[16..].starts_with(&[section, signed].concat()));
}

#[test]
#[ignore = "writes the golden files"]
fn write() {
    for (name, index) in NAMES.iter().zip(indexes()) {
        std::fs::write(path(name), index.encode()).unwrap();
    }
    std::fs::write(path("parts.statement"), indexes()[0].statement().unwrap().encode()).unwrap();
}
