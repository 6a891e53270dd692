//! The index of an image (`.rgx`), and the recipe segments that it names: model, encoding and decoding.
//!
//! An index is the one file that names an image. It states the image's size and hash, lists its recipe by segments,
//! and says which packs hold its chunks. Segments are cut by content, so two similar images share most of them, and
//! a reader that has the old image derives most of the new recipe without fetching it. FORMAT.md, sections 4 to 6,
//! and docs/format/index-2.md are the specification.
//!
//! There are two versions of the format, and [`Index`] is the model of both. One of version 2 has [`Units`]: the image
//! consists of a wrapper and parts, such as layers, which other images may have too. Its file begins with a [`Head`],
//! whose [`Statement`] says what the image is, and is signed; [`Head::decode`] reads it from the beginning of the file.
//!
//! The crate does no I/O. [`Index::decode`] trusts nothing: it checks every count, and that the ids follow from the
//! recipe.
//!
//! ```
//! use regrow_chunker::{ChunkId, PackId, Params, PartKind, PartName, PartPlace, Record, UnitId, varint};
//! use regrow_index::{
//!     Claims, Head, HeadRead, Index, IndexError, KeptEntries, PackRef, Part, Run, SegmentCutter, SegmentRef,
//!     StreamHead, Unit, UnitStream, Units,
//! };
//!
//! /// A stream of a single chunk.
//! fn stream(bytes: &[u8]) -> (StreamHead, UnitStream) {
//!     let record = Record { id: ChunkId::of(bytes), len: bytes.len() as u32 };
//!     let mut cutter = SegmentCutter::default();
//!     let segments = cutter.push(record).into_iter().chain(cutter.finish());
//!     let segments = segments.map(|segment| SegmentRef { id: segment.id(), records: 1 }).collect();
//!     let bytes = bytes.len() as u64;
//!     (StreamHead { bytes, chunks: 1, segments }, UnitStream { bytes, chunks: 1, segments: 1 })
//! }
//!
//! // The image is one file. It is a part, and the operation that stands for it is the wrapper's.
//! let (image, sha256) = ([7; 5000], [1; 32]);
//! let mut operation = Vec::new();
//! varint::put(&mut operation, 5000 * 4 + 1);
//! let ((skeleton, skeleton_share), (contents, contents_share)) = (stream(&operation), stream(&image));
//! let (skeleton_ids, contents_ids) = ([skeleton.segments[0].id], [contents.segments[0].id]);
//! let (params, place) = (Params::default(), PartPlace::default());
//! let wrapper = Unit {
//!     id: UnitId::of_wrapper(3, &params, &skeleton_ids, &[], &[place]),
//!     skeleton: skeleton_share,
//!     contents: UnitStream::default(),
//! };
//! let unit = Unit {
//!     id: UnitId::of_part(PartKind::File, &params, &[], &contents_ids),
//!     skeleton: UnitStream::default(),
//!     contents: contents_share,
//! };
//! let part = Part { kind: PartKind::File, name: PartName::from_bytes(sha256), plain_bytes: 5000, unit, place };
//! let index = Index {
//!     walk_version: 3,
//!     params,
//!     image_bytes: 5000,
//!     image_digest: *ChunkId::of(&image).as_bytes(),
//!     skeleton,
//!     contents,
//!     packs: vec![PackRef { id: PackId::of(b"pack"), bytes: 5200, skeleton_at: 5000, tail_at: 5050 }],
//!     chunk_runs: vec![Run { count: 2, pack: 0 }],
//!     segment_runs: vec![Run { count: 2, pack: 0 }],
//!     store: "store".into(),
//!     codings: Vec::new(),
//!     fresh_packs: Vec::new(),
//!     patches: Vec::new(),
//!     units: Some(Units {
//!         image_sha256: sha256,
//!         plain_bytes: 5000,
//!         claims: Claims { channel: "stable".into(), counter: 1, ..Claims::default() },
//!         wrapper,
//!         parts: vec![part],
//!         files: Vec::new(),
//!         disk: None,
//!         signatures: Vec::new(),
//!         kept: KeptEntries::default(),
//!     }),
//! };
//! let file = index.encode();
//! assert_eq!(Index::decode(&file)?, index);
//!
//! // The head is enough to know what the image is.
//! let HeadRead::NeedsMore(bytes) = Head::decode(&file[..16])? else { panic!("a head of 16 bytes") };
//! let HeadRead::Head(head) = Head::decode(&file[..bytes as usize])? else { panic!("no head") };
//! assert_eq!(head.statement.image_id(), index.image_id());
//! assert_eq!(head.statement.claims.channel, "stable");
//! # Ok::<(), IndexError>(())
//! ```

mod check;
mod coding;
mod disk_coding;
mod error;
mod file;
mod filled;
mod model;
mod patch_codings;
mod primitives;
mod segment;
mod selection;
mod units;
mod v1;
mod v2;

pub use coding::{CodedFormat, CodedStretch, Coding, MAX_FRINGE_BYTES, MemberCoding};
pub use disk_coding::{
    BlockRun, CorrectedBlock, DiskCoding, DiskPiece, HashTreePiece, KeptBlock, MAX_BLOCK_PLAIN_BYTES, MAX_GAP_BYTES,
    MAX_KEPT_BYTES, RUN_DIGEST_BYTES, StreamPiece,
};
pub use error::IndexError;
pub use filled::{FilledGroup, FilledRun};
pub use model::{Index, PackRef, Run, SegmentRef, StreamHead};
pub use patch_codings::{decode_patch_codings, encode_patch_codings};
pub use segment::{MAX_SEGMENT_RECORDS, Segment, SegmentCutter};
pub use units::{
    AnnouncedPatch, BasePart, Claims, DiskNote, KeptEntries, MAX_BASE_PARTS, MAX_DISK_WORDS_BYTES, MAX_PARTS, Part,
    Signature, SignatureKind, Unit, UnitStream, Units,
};
pub use v2::{Head, HeadRead, MAX_HEAD_BYTES, StatedPart, StatedUnit, Statement};

/// The first bytes of an index.
pub const MAGIC: [u8; 8] = *b"\x89RGX\r\n\x1a\n";
/// The first version of the format.
pub const VERSION_1: u32 = 1;
/// The version of the format that has a head and units.
pub const VERSION_2: u32 = 2;
/// The size in bytes of what a file starts with: magic, version, and the length of what comes next.
pub const HEAD_BYTES: usize = 16;
/// The largest number of chunks in a stream. It bounds what a reader must hold.
pub const MAX_CHUNKS: u64 = 1 << 25;
/// The largest size of an index in bytes.
pub const MAX_INDEX_BYTES: u64 = 64 << 20;
/// The largest number of patches that an index announces.
pub const MAX_PATCHES: usize = 64;
/// The largest number of signatures that an index has.
pub const MAX_SIGNATURES: usize = 16;
