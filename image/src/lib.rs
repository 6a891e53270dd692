//! Takes images apart and puts them together: a tar's headers and padding (the skeleton) apart from the
//! contents of its files, at every nesting level; any other input as opaque contents. Knows nothing of where chunks lie.
//! FORMAT.md, sections 2 and 3.

mod header;
mod layout;
mod level;
mod ops;
mod split;
mod tree;
mod walk;

#[cfg(test)]
mod tests;

pub use header::{BLOCK, Header};
pub use layout::{ImagePiece, Layout, LayoutBuilder, LayoutError, SkeletonPart};
pub use ops::{Found, MAX_LITERAL_BYTES, Op, OpDecoder, OpError, op_len, put_op};
pub use split::{RawChunk, Splitter, StreamKind};
pub use tree::{Archive, TreeEntry, TreeSink, TreeWalker};
pub use walk::{Candidate, Cut, Ending, Entry, FileStart, Piece, WalkSink, Walker, is_xz, is_zstd};

/// Version of the walking rules of an image without coded files, part of its image id.
pub const WALK_VERSION: u32 = 1;
/// The same of an image with coded files.
pub const WALK_VERSION_CODED: u32 = 2;
