//! The index of an image (`.rgx`), and the recipe segments that it names: model, encoding and decoding.
//!
//! An index is the one file that names an image. It states the image's size and hash, lists its recipe by segments,
//! and says which packs hold its chunks. Segments are cut by content, so two similar images share most of them, and
//! a reader that has the old image derives most of the new recipe without fetching it. FORMAT.md, sections 4 to 6,
//! is the specification.
//!
//! The crate does no I/O. [`Index::decode`] trusts nothing: it checks every count, and that the image id follows
//! from the recipe.
//!
//! ```
//! use regrow_chunker::{ChunkId, PackId, Params, Record, varint};
//! use regrow_index::{Index, IndexError, PackRef, Run, SegmentCutter, SegmentRef, StreamHead};
//!
//! /// A stream of a single chunk.
//! fn stream(bytes: &[u8]) -> StreamHead {
//!     let record = Record { id: ChunkId::of(bytes), len: bytes.len() as u32 };
//!     let mut cutter = SegmentCutter::default();
//!     let segments = cutter.push(record).into_iter().chain(cutter.finish());
//!     let segments = segments.map(|segment| SegmentRef { id: segment.id(), records: 1 }).collect();
//!     StreamHead { bytes: bytes.len() as u64, chunks: 1, segments }
//! }
//!
//! let image = [7; 5000];
//! let mut skeleton = Vec::new();
//! varint::put(&mut skeleton, 5000 * 4 + 1); // all of the image is contents
//! let index = Index {
//!     walk_version: 1,
//!     params: Params::default(),
//!     image_bytes: 5000,
//!     image_digest: *blake3::hash(&image).as_bytes(),
//!     skeleton: stream(&skeleton),
//!     contents: stream(&image),
//!     packs: vec![PackRef { id: PackId::from_bytes([1; 32]), bytes: 5200, skeleton_at: 5000, tail_at: 5050 }],
//!     chunk_runs: vec![Run { count: 2, pack: 0 }],
//!     segment_runs: vec![Run { count: 2, pack: 0 }],
//!     store: "store".into(),
//!     codings: Vec::new(),
//!     fresh_packs: Vec::new(),
//!     patches: Vec::new(),
//!     units: None,
//! };
//! let read = Index::decode(&index.encode())?;
//! assert_eq!(read, index);
//! assert_eq!(read.image_id(), index.image_id());
//! # Ok::<(), IndexError>(())
//! ```

mod check;
mod coding;
mod error;
mod fields;
mod file;
mod model;
mod segment;
mod units;
mod v1;
mod v2;

pub use coding::{Coding, MAX_FRINGE_BYTES, MemberCoding};
pub use error::IndexError;
pub use model::{Index, PackRef, Run, SegmentRef, StreamHead};
pub use segment::{MAX_SEGMENT_RECORDS, Segment, SegmentCutter};
pub use units::{
    AnnouncedPatch, Claims, KeptEntries, MAX_PARTS, Part, Signature, SignatureKind, Unit, UnitStream, Units,
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
