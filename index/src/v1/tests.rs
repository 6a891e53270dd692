//! Whatever is written can be read, and nothing else can.

use crate::primitives::CHECKSUM_BYTES;
use crate::{
    AnnouncedPatch, CodedFormat, CodedStretch, Coding, HEAD_BYTES, Index, IndexError, MAX_FRINGE_BYTES, MemberCoding,
    PackRef, Run, Segment, SegmentCutter, SegmentRef, StreamHead,
};
use regrow_chunker::{ChunkId, ImageId, PackId, Params, ReaderLimits, Record, SegmentId, bounds};

fn segments(seed: &str, count: u32) -> StreamHead {
    let mut cutter = SegmentCutter::default();
    let (mut head, mut found) = (StreamHead::default(), Vec::<Segment>::new());
    for i in 0..count {
        let record = Record { id: ChunkId::of(format!("{seed}{i}").as_bytes()), len: i + 1 };
        head.bytes += u64::from(record.len);
        head.chunks += 1;
        found.extend(cutter.push(record));
    }
    found.extend(cutter.finish());
    head.segments = found.iter().map(|s| SegmentRef { id: s.id(), records: s.records().len() as u32 }).collect();
    head
}

fn sample() -> Index {
    let (skeleton, contents) = (segments("s", 100), segments("c", 3000));
    let pack = |n: u8| PackRef {
        id: PackId::from_bytes([n; 32]),
        bytes: 5000 + u64::from(n),
        skeleton_at: 3000,
        tail_at: 4000,
    };
    let segment_runs = vec![Run { count: (skeleton.segments.len() + contents.segments.len()) as u64, pack: 1 }];
    Index {
        walk_version: 1,
        params: Params::default(),
        image_bytes: contents.bytes + 3000,
        image_digest: [7; 32],
        skeleton,
        contents,
        packs: vec![pack(1), pack(2)],
        chunk_runs: vec![Run { count: 100, pack: 0 }, Run { count: 3000, pack: 1 }],
        segment_runs,
        codings: Vec::new(),
        fresh_packs: vec![1, 0],
        patches: [8, 9]
            .map(|n| AnnouncedPatch { base: ImageId::from_bytes([n; 32]), bytes: None, parts: Vec::new() })
            .to_vec(),
        units: None,
        store: "../store".into(),
    }
}

fn coding(members: Vec<MemberCoding>, tail: &[u8]) -> CodedStretch {
    Coding { format: CodedFormat::Gzip, members, tail: tail.into() }.into()
}

/// The sample, followed by two coded gzip files. The first has three members; the second has one, with every field
/// that a member can have.
fn coded_sample() -> Index {
    let member = |header: &[u8], encoder: &[u8], plain_bytes, stream_bytes, corrections: &[u8]| MemberCoding {
        header: header.into(),
        encoder: encoder.into(),
        plain_bytes,
        stream_bytes,
        corrections: corrections.to_vec(),
    };
    let header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff";
    let members =
        vec![member(header, &[5], 700, 300, b""), member(header, &[5], 0, 2, b""), member(header, &[6], 1, 9, b"")];
    let last = vec![member(b"\x1f\x8b\x08\x08nm\x00", &[0x82, 2, 9], 900, 200, b"corrections")];
    let codings = vec![coding(members, b""), coding(last, b"behind")];
    let sample = sample();
    let sizes = codings.iter().map(|coding| coding.plain_bytes().abs_diff(coding.stored_bytes())).sum::<u64>();
    Index { walk_version: 2, image_bytes: sample.image_bytes - sizes, codings, ..sample }
}

#[test]
fn codings_round_trip_and_add_up() {
    let index = coded_sample();
    assert_eq!(index.plain_bytes(), sample().image_bytes);
    let bytes = index.encode();
    assert_eq!(Index::decode(&bytes), Ok(index.clone()));
    assert_eq!(index.codings[0].cost_bytes(), 1 + (11 + 2 + 2 + 2 + 1) + 5 + (1 + 2 + 1 + 1 + 1) + 1);
    let with = |change: &dyn Fn(&mut Index)| {
        let mut index = coded_sample();
        change(&mut index);
        Index::decode(&index.encode()).unwrap_err().to_string()
    };
    assert!(
        with(&|index| index.codings[0].file_mut().unwrap().members[0].plain_bytes = 300 * 1040).contains("gzip member")
    );
    assert!(
        with(&|index| index.codings[0].file_mut().unwrap().members[0].stream_bytes = u64::MAX - 9)
            .contains("coded file")
    );
    assert!(with(&|index| index.codings[0].file_mut().unwrap().members.clear()).contains("coded file"));
    assert!(with(&|index| index.image_bytes = 100).contains("larger than the image"));
    assert!(with(&|index| index.codings[0].file_mut().unwrap().members[0].header = [].into()).contains("no header"));
    assert!(
        with(&|index| index.codings[0].file_mut().unwrap().tail = vec![0; MAX_FRINGE_BYTES + 1].into())
            .contains("too long")
    );
    for at in 0..bytes.len() - CHECKSUM_BYTES {
        let mut bad = bytes[..bytes.len() - CHECKSUM_BYTES].to_vec();
        bad[at] ^= 0x81;
        bad.extend_from_slice(blake3::hash(&bad).as_bytes());
        let _ = Index::decode(&bad);
    }
}

#[test]
fn round_trips() {
    let index = sample();
    assert_eq!(Index::decode(&index.encode()), Ok(index.clone()));
    let mean = index.chunks() / index.segments().count() as u64;
    assert!((40..90).contains(&mean), "{mean}");
}

#[test]
fn every_cut_and_every_flipped_bit_is_an_error() {
    let bytes = sample().encode();
    for end in 0..bytes.len() {
        assert!(Index::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(Index::decode(&bad).is_err(), "flipped at {at}");
    }
}

/// The checksum is made right again, so that the code behind it is reached.
#[test]
fn sealed_nonsense_does_no_harm() {
    let bytes = sample().encode();
    let mut refused = 0;
    for at in 0..bytes.len() - CHECKSUM_BYTES {
        for bit in 0..8 {
            let mut bad = bytes[..bytes.len() - CHECKSUM_BYTES].to_vec();
            bad[at] ^= 1 << bit;
            bad.extend_from_slice(blake3::hash(&bad).as_bytes());
            refused += usize::from(Index::decode(&bad).is_err());
        }
    }
    // Sizes, digests and names may take other values; structure may not.
    assert!(refused > 8 * (bytes.len() - 480), "{refused} of {}", 8 * bytes.len());
}

#[test]
fn unknown_kinds_are_named() {
    let mut bytes = sample().encode();
    bytes[8] = 9;
    assert_eq!(Index::decode(&bytes), Err(IndexError::Version(9)));
    assert_eq!(Index::decode(b"PK\x03\x04"), Err(IndexError::NotAnIndex));
    let reseal = |mut body: Vec<u8>| {
        let len = (body.len() - HEAD_BYTES) as u32;
        body[12..16].copy_from_slice(&len.to_le_bytes());
        let checksum = blake3::hash(&body);
        body.extend_from_slice(checksum.as_bytes());
        body
    };
    let mut extra = sample().encode();
    extra.truncate(extra.len() - CHECKSUM_BYTES);
    let skippable = reseal([extra.clone(), vec![200, 1, 0]].concat());
    assert_eq!(Index::decode(&skippable), Ok(sample()));
    let mut plain = Index { fresh_packs: Vec::new(), patches: Vec::new(), ..sample() }.encode();
    plain.truncate(plain.len() - CHECKSUM_BYTES);
    let needed = reseal([plain, vec![9, 1, 0]].concat());
    assert_eq!(Index::decode(&needed), Err(IndexError::UnknownKind { what: "a section", kind: 9 }));
}

#[test]
fn a_store_has_a_path_that_can_be_one() {
    let with_store = |len| Index { store: "s".repeat(len), ..sample() };
    assert!(Index::decode(&with_store(4096).encode()).is_ok());
    assert_eq!(Index::decode(&with_store(4097).encode()), Err(IndexError::Malformed("store location")));
}

#[test]
fn more_than_the_image_is_worth() {
    let with = |change: &dyn Fn(&mut Index)| {
        let mut index = sample();
        change(&mut index);
        Index::decode(&index.encode()).map(drop)
    };
    let literal = sample().image_bytes - sample().contents.bytes;
    let most = bounds::max_skeleton_bytes(sample().image_bytes, sample().contents.bytes);
    assert!(literal < most);
    assert_eq!(with(&|index| index.skeleton.bytes = most), Ok(()));
    assert_eq!(
        with(&|index| index.skeleton.bytes = most + 1),
        Err(IndexError::Malformed("streams longer than the image"))
    );
    let tiny_chunks = |count: u32| {
        with(&|index| {
            let mut contents = segments("c", 0);
            contents.chunks = u64::from(count);
            contents.bytes = contents.chunks;
            contents.segments =
                vec![SegmentRef { id: SegmentId::from_bytes([5; 32]), records: 256 }; count as usize / 256];
            index.image_bytes = contents.bytes;
            index.contents = contents;
            index.chunk_runs = vec![Run { count: 100 + u64::from(count), pack: 0 }];
            index.segment_runs = vec![Run { count: index.segments().count() as u64, pack: 1 }];
        })
    };
    assert_eq!(tiny_chunks(1024), Ok(()));
    assert_eq!(tiny_chunks(2048), Err(IndexError::Malformed("more chunks than an image of its size has")));
    let index = Index::decode(&sample().encode()).unwrap();
    let limits = |min_avg_bytes, max_image_bytes| ReaderLimits { min_avg_bytes, max_image_bytes };
    assert_eq!(index.check_limits(&ReaderLimits::default()), Ok(()));
    assert_eq!(index.check_limits(&limits(16 << 10, index.image_bytes)), Ok(()));
    let refused = index.check_limits(&limits(20_000, u64::MAX)).unwrap_err();
    assert_eq!(refused, IndexError::SmallChunks { min: 4096, avg: 16384, limit: 20_000, needed: 16384 });
    assert_eq!(index.check_limits(&limits(16384, u64::MAX)), Ok(()));
    let refused = index.check_limits(&limits(4096, index.image_bytes - 1)).unwrap_err();
    assert_eq!(refused, IndexError::LargeImage { bytes: index.image_bytes, limit: index.image_bytes - 1 });
}

/// The image's size bounds the number of coded files, since each of them has a header.
#[test]
fn more_coded_files_than_headers() {
    let header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff".as_slice().into();
    let (encoder, corrections) = ([5].as_slice().into(), Vec::new());
    let member = MemberCoding { header, encoder, plain_bytes: 20, stream_bytes: 2, corrections };
    let coding = coding(vec![member], b"");
    // The file is as long in the plain image as in the image.
    assert_eq!(coding.stored_bytes(), coding.plain_bytes());
    let with = |count: u64| {
        let index = Index { walk_version: 2, codings: vec![coding.clone(); count as usize], ..sample() };
        Index::decode(&index.encode()).map(drop)
    };
    let most = bounds::max_coded_files(sample().image_bytes);
    assert_eq!(with(most), Ok(()));
    assert_eq!(with(most + 1), Err(IndexError::Malformed("more coded files than the image has room for")));
}
