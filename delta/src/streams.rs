//! The coding by streams: numbers, changes and literals in six byte streams, each compressed by LZMA2 across all
//! blocks.

mod block;
mod meter;
mod packer;
mod read;
mod write;

pub(crate) use block::{put_number, take_number};
pub(crate) use read::decode;
pub(crate) use write::Writer;

/// The number of streams.
const STREAMS: usize = 6;
const LITERAL_LENS: usize = 0;
const COPY_LENS: usize = 1;
const PLACES: usize = 2;
const GAPS: usize = 3;
const DIFFERENCES: usize = 4;
const LITERALS: usize = 5;

/// The largest number of bytes of one stream in one block.
const STREAM_MAX: usize = 1 << 20;
/// The size of any stream at which a writer begins the next block.
const STREAM_FULL: usize = STREAM_MAX - PIECE_MAX - 64;
/// The largest number of literal bytes in one coded op; a longer op is split. The limit of changes follows from it,
/// since a gap takes at most ten bytes.
const PIECE_MAX: usize = 64 << 10;
const CHANGES_MAX: usize = PIECE_MAX / 10;
/// The size of LZMA's dictionary for each stream.
const DICTIONARIES: [u32; STREAMS] = [1 << 20, 1 << 20, 1 << 20, 1 << 20, 2 << 20, 8 << 20];
/// LZMA's lc and pb for each stream; lp is 0.
const CONTEXT_BITS: [(u32, u32); STREAMS] = [(0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (3, 0)];
