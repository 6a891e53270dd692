//! The index of an image (`.rgx`) and the recipe segments it names: model, encoding, decoding. Does no I/O.
//! FORMAT.md, sections 4 to 6.

mod coding;
mod decode;
mod encode;
mod error;
mod model;
mod segment;

pub use coding::{Coding, MAX_FRINGE_BYTES, MemberCoding};
pub use error::IndexError;
pub use model::{Index, PackRef, Run, SegmentRef, StreamHead, image_id};
pub use segment::{MAX_SEGMENT_RECORDS, Segment, SegmentCutter};

/// First bytes of an index.
pub const MAGIC: [u8; 8] = *b"\x89RGX\r\n\x1a\n";
/// The version of the format.
pub const VERSION: u32 = 1;
/// Magic, version, and the length of the body.
pub const HEAD_BYTES: usize = 16;
/// A stream has at most this many chunks: it bounds what a reader must hold.
pub const MAX_CHUNKS: u64 = 1 << 25;
/// An index is at most this many bytes.
pub const MAX_INDEX_BYTES: u64 = 64 << 20;
/// Bases of patches that an index names at most.
pub const MAX_PATCH_BASES: usize = 64;
