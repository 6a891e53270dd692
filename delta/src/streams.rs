//! The coding by streams: numbers, changes and literals in six streams of bytes, each compressed by LZMA2 over all blocks.

mod block;
mod packer;
mod read;
mod write;

pub(crate) use read::decode;
pub(crate) use write::Writer;

/// How many streams there are.
const STREAMS: usize = 6;
const LITERAL_LENS: usize = 0;
const COPY_LENS: usize = 1;
const PLACES: usize = 2;
const GAPS: usize = 3;
const DIFFERENCES: usize = 4;
const LITERALS: usize = 5;

/// Bytes of one stream in one block, at most.
const STREAM_MAX: usize = 1 << 20;
/// What a writer begins the next block at, for any stream.
const STREAM_FULL: usize = STREAM_MAX - PIECE_MAX - 64;
/// Literal bytes, or changes of a copy, that an op has at most: longer ones are several. A gap takes ten bytes at most.
const PIECE_MAX: usize = 64 << 10;
const CHANGES_MAX: usize = PIECE_MAX / 10;
/// LZMA's dictionaries, by stream.
const DICTIONARIES: [u32; STREAMS] = [1 << 20, 1 << 20, 1 << 20, 1 << 20, 2 << 20, 8 << 20];
/// LZMA's lc and pb, by stream; lp is 0.
const CONTEXT_BITS: [(u32, u32); STREAMS] = [(0, 0), (0, 0), (0, 0), (0, 0), (0, 0), (3, 0)];
