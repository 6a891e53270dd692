//! The smallest contract of regrow: how things are named, where chunks are cut, and how numbers are written.
//!
//! An image is cut into chunks at places that depend on its bytes alone. So two images that share bytes share
//! chunks, wherever those bytes lie, and a machine that has one image needs only the other's new chunks. That works
//! only if every machine cuts and names alike; this crate is the single place that decides both. It does no I/O,
//! and knows nothing of tar files or stores. FORMAT.md, sections 1, 3, 5 and 11, is its specification.
//!
//! - [`Cutter`] finds the end of one chunk, [`StreamCutter`] cuts bytes that arrive in pieces.
//! - [`GroupRule`] says which small files share a chunk.
//! - [`ChunkId`] and [`Record`] name a chunk. [`SegmentId`], [`ImageId`] and [`PackId`] name the other things, and are
//!   types of their own, so that none can stand for another.
//! - [`Verified`] bytes were hashed, [`VerifiedRuns`] knows which of its bytes were.
//! - [`ImageDigest`] hashes an image block by block on several cores.
//! - [`bounds`] says what a reader may refuse, [`varint`] how numbers are written.
//!
//! ```
//! use regrow_chunker::{ChunkId, Cutter, Params, ParamsError, Record};
//!
//! let image = vec![7; 300 << 10];
//! let cutter = Cutter::new(Params::with_average(16 << 10)?);
//! let (mut rest, mut recipe) = (image.as_slice(), Vec::new());
//! while !rest.is_empty() {
//!     let (chunk, after) = rest.split_at(cutter.cut(rest));
//!     recipe.push(Record { id: ChunkId::of(chunk), len: chunk.len() as u32 });
//!     rest = after;
//! }
//! assert_eq!(recipe.iter().map(|record| u64::from(record.len)).sum::<u64>(), 300 << 10);
//! assert_eq!(recipe[0], recipe[1], "equal bytes have equal names");
//! # Ok::<(), ParamsError>(())
//! ```

pub mod bounds;
mod cut;
mod digest;
mod group;
mod id;
mod params;
mod pieces;
mod stream;
mod unit;
pub mod varint;
mod verified;
mod zeros;

pub use bounds::ReaderLimits;
pub use cut::Cutter;
pub use digest::{BLOCK_BYTES, ImageDigest, block_value};
pub use group::{FileHash, GroupRule};
pub use id::{ChunkId, Digest, ImageId, PackId, ParseIdError, PartName, SegmentId, UnitId};
pub use params::{MAX_CHUNK_BYTES, Params, ParamsError};
pub use pieces::{Hole, PieceChunks, PieceCutter, PiecePlace, PieceRule, Zeros};
pub use stream::{Cut, StreamCutter};
pub use unit::{PartKind, PartPlace};
pub use verified::{Verified, VerifiedBuffer, VerifiedRuns};
pub use zeros::is_zero;

/// One chunk of a recipe: its name and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Record {
    /// BLAKE3 of the chunk's bytes.
    pub id: ChunkId,
    /// Length in bytes, 1 to [`MAX_CHUNK_BYTES`].
    pub len: u32,
}
