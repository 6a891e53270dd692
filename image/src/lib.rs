//! Takes images apart and puts them together again.
//!
//! A tar is split into two streams: headers and padding (the skeleton), and the bytes of its files (the contents),
//! at every nesting level. Files that did not change then have the same chunks, even if every header has a new
//! time. Any other input is opaque contents. FORMAT.md, sections 2 and 3, gives the rules.
//!
//! - [`Splitter`] turns the bytes of an image into chunks of both streams.
//! - [`LayoutBuilder`] reads the skeleton, and makes the [`Layout`] from which an image is put together again.
//! - [`TreeWalker`] lists the entries of an image from its skeleton.
//!
//! The crate does not know where chunks are stored. The skeleton says everything that a reader needs, so a wrong
//! guess of the walker costs bytes, never correctness.
//!
//! ```
//! use bytes::Bytes;
//! use regrow_chunker::Params;
//! use regrow_image::{ImagePiece, LayoutBuilder, LayoutError, Splitter, StreamKind};
//!
//! let image = vec![7; 200_000]; // no tar, so one opaque file
//! let mut splitter = Splitter::new(Params::default());
//! splitter.push(Bytes::from(image.clone()));
//! let chunks = splitter.finish();
//! let bytes = |kind| chunks.iter().filter(move |chunk| chunk.stream == kind).flat_map(|chunk| chunk.bytes.to_vec());
//! let skeleton: Vec<u8> = bytes(StreamKind::Skeleton).collect();
//! let contents: Vec<u8> = bytes(StreamKind::Contents).collect();
//!
//! let mut builder = LayoutBuilder::new(image.len() as u64);
//! builder.push(&skeleton)?;
//! let layout = builder.finish()?;
//! let mut made = Vec::new();
//! for piece in layout.pieces(0..layout.image_bytes()) {
//!     let (stream, at, range) = match piece {
//!         ImagePiece::Skeleton { image, skeleton_at } => (&skeleton, skeleton_at, image),
//!         ImagePiece::Contents { image, contents_at } => (&contents, contents_at, image),
//!     };
//!     made.extend_from_slice(&stream[at as usize..(at + range.end - range.start) as usize]);
//! }
//! assert_eq!(made, image);
//! # Ok::<(), LayoutError>(())
//! ```

mod header;
mod layout;
mod level;
mod ops;
mod parts;
mod split;
mod stated;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

pub use header::{BLOCK, TarHeader};
pub use layout::{ImagePiece, Layout, LayoutBuilder, LayoutError, SkeletonPart};
pub use ops::{MAX_LITERAL_BYTES, Op, OpDecoder, OpError, OpOrLiteral, op_len, put_op};
pub use parts::{BorderChange, ImagePart, PartBorder, PartRange, UnitGuess, WalkFindings, WalkRules};
pub use split::{LastChunks, RawChunk, Splitter, StreamKind};
pub use stated::Stated;
pub use tree::{Archive, TreeEntry, TreeSink, TreeWalker};
pub use walk::{
    Candidate, Cut, Ending, Entry, FileStart, MAX_PARTS, PartEvent, Piece, WalkSink, Walker, is_xz, is_zstd,
    opaque_format,
};

/// The version of the walking rules for an image without coded files. It is part of the image id.
pub const WALK_VERSION: u32 = 1;
/// The version of the walking rules for an image with coded files.
pub const WALK_VERSION_CODED: u32 = 2;
