//! The zstd streams of klauspost/compress (Go), exactly.
//!
//! buildkit, containerd, podman, skopeo, buildah and crane write layers with it. What it writes follows from the plain
//! bytes and its options alone, whatever the sizes of writes are and whether it compresses in goroutines of its own. Two
//! things of a caller's matter: `EncodeAll` and `Close` end frames differently ([`Form`]), and a flush ends a block. A call
//! of `Write` before `ReadFrom` flushes too: skopeo's first block has 8 bytes, those by which it looks for a format.
//!
//! | [`Version`] | Fastest, Default | Better | Best | tested bit for bit against |
//! |---|---|---|---|---|
//! | `V1_15` | 1.15.0 to 1.16.3 | 1.15.10 to 1.16.3 | 1.15.11, 1.15.12 | 1.15.12 (Debian 12); Fastest and Default: 1.15.0, 1.15.6, 1.16.3; Better: 1.16.3 |
//! | `V1_16_4` | 1.16.4 to 1.16.7 | the same | the same | 1.16.4, 1.16.7 |
//! | `V1_17_0` | 1.17.0 to 1.17.7 | 1.17.0 to 1.17.2 | 1.17.0 to 1.17.2 | 1.17.0, 1.17.2; Fastest and Default: 1.17.7 |
//! | `V1_17_3` | as `V1_17_0` | 1.17.3 to 1.17.7 | 1.17.3 to 1.17.5 | 1.17.3; Better: 1.17.4, 1.17.7 |
//! | `V1_17_6` | as `V1_17_0` | as `V1_17_3` | 1.17.6, 1.17.7 | 1.17.7 |
//! | `V1_17_8` | from 1.17.8 | from 1.17.8 | from 1.17.8 | 1.17.8, 1.18.0, 1.19.1; Better: 1.17.8, 1.19.1; Best: 1.19.1 |
//!
//! Each was compared on 410 files of all kinds and of sizes around those of blocks (Best of 1.15.12: on 70, and on what
//! skopeo 1.9.3 writes as zstd:chunked); 1.15.12 and 1.19.1 also on tars of images of up to 560 MB, at the levels Fastest
//! and Default; 1.17.4 and 1.19.1 at the level Better. The tests keep streams of six versions, by length and hash, with
//! other windows, forms and options. The history of the sources says where ranges begin and end. Not made are Best of
//! 1.15.13 to 1.16.3, Fastest by `EncodeAll` of 64 to 128 KiB before 1.15.6, what `WithConcurrentBlocks` of 1.19 writes of
//! more than a job, dictionaries, and padding.
//!
//! Best weighs literals by logarithms in double precision. Go fuses sums and products on arm64: a stream from there may
//! differ where a sum is off by its last bit.
//!
//! The algorithms are those of <https://github.com/klauspost/compress> (BSD-3-Clause; © 2012 The Go Authors, © 2019 Klaus
//! Post), which follow zstd's (© Yann Collet), written for regrow here.
//!
//! [`FrameEncoder`] cuts plain bytes into blocks. A finder of matches ([`fast`], [`double_fast`], [`better`], [`best`],
//! [`best_before`]) looks through each, and [`block`] writes what it found: [`literals`] with codes of [`huffman`], and
//! [`sequences`] with tables of [`fse`].

mod best;
mod best_before;
mod better;
mod bits;
mod block;
mod double_fast;
mod entropy;
mod fast;
mod finder;
mod frame;
mod fse;
mod huffman;
mod literals;
mod pairs;
mod parameters;
mod recognise;
mod sequences;
#[cfg(test)]
pub(crate) mod tests;
mod version;

pub(crate) use bits::BitWriter;
pub(crate) use frame::FrameEncoder;
pub(crate) use fse::Table;
pub(crate) use huffman::Codes;
pub use parameters::{Form, Klauspost, Level, MAX_BLOCK_LOG, MAX_WINDOW_LOG, MIN_WINDOW_LOG};
pub(crate) use recognise::candidates;
pub(crate) use sequences::{EXTRA_BITS, MIN_MATCH, PREDEFINED, Sequence, put_count, put_sequences};
pub use version::Version;
