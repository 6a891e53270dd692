//! The smallest contract of regrow: what a chunk is called, where it is cut, and how numbers are written.
//! Pure: no I/O, no async, no knowledge of tar or stores. FORMAT.md, sections 1, 3 and 11.

pub mod bounds;
mod cut;
mod digest;
mod group;
mod id;
mod params;
mod stream;
pub mod varint;

pub use bounds::ReaderLimits;
pub use cut::Cutter;
pub use digest::{BLOCK_BYTES, ImageDigest, block_value};
pub use group::{FileHash, GroupRule};
pub use id::{ChunkId, ParseIdError};
pub use params::{MAX_CHUNK_BYTES, Params, ParamsError};
pub use stream::{Cut, StreamCutter};

/// One chunk of a recipe: what it is called and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record {
    /// BLAKE3 of the chunk's bytes.
    pub id: ChunkId,
    /// Length in bytes, 1 to [`MAX_CHUNK_BYTES`].
    pub len: u32,
}
