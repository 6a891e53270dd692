//! Coded files: gzip and zstd files that an image's streams hold in uncompressed form. FORMAT.md, sections 2.3 and 6.1;
//! docs/format/index-2.md.
//!
//! When an image is read, `guess` looks at a compressed file's beginning and decides whether the file is coded. Make also
//! proves it: it puts the file aside (`aside`), and `prove` finds out how the file is rebuilt. A seed reads its
//! compressed files at random through `plain_file`, which starts at the places that `points` gathered and keeps what it
//! decompressed in a file (`span_spool`, `room`), or decompresses a file as a whole once (`spooled`). What a scan in the same
//! run decompressed is there already (`plain_spool`). When an image is written, `stream` makes a gzip member's stream, or a
//! zstd frame, from its plain bytes, and with `chunked` a file of zstd:chunked. `reader` reads files of both formats front to
//! back.

mod aside;
mod chunked;
pub(crate) mod disk;
mod guess;
mod plain_file;
mod plain_spool;
mod points;
mod prove;
mod reader;
mod room;
mod span_spool;
mod spooled;
pub(crate) mod stream;
mod zstd_reader;

pub(crate) use aside::Aside;
pub(crate) use disk::{
    BlockHash, CodedBlocks, DiskGuess, DiskPlaces, DiskProof, DiskUnfolding, HeldBlocks, SpoolFolder, block_hash,
    guess_disk, prove_disk,
};
use guess::plain_beginning;
pub(crate) use guess::{Guess, PREFIX_BYTES, guess};
pub(crate) use plain_file::PlainFile;
pub(crate) use plain_spool::PlainSpool;
pub(crate) use points::{PackedPoint, PointCollector, Starts, Unfolded};
pub(crate) use prove::{Proof, prove};
pub(crate) use reader::CodedReader;
