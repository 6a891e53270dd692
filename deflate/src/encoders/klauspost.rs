//! The deflate streams of klauspost's `compress/gzip` and `pgzip` (Go), exactly.
//!
//! skopeo, podman, buildah and umoci write layers with them. What they write follows from the plain bytes alone,
//! whatever the sizes of writes are, as long as no writer flushes; so a stream of theirs is rebuilt from those without
//! corrections.
//!
//! | [`Version`] | of klauspost/compress | what is new | tested bit for bit against |
//! |---|---|---|---|
//! | `V1_15` | from 1.15.10 (levels 7 to 9: to 1.15.14) | | 1.15.12, pgzip 1.2.5 (Debian 12) |
//! | `V1_18` | to 1.18.0 | levels 4, 7, 8 and 9; the others as before | 1.18.0, pgzip 1.2.6 (Debian 13) |
//! | `V1_20` | from 1.18.2 or later | headers of all levels | 1.20.0 and 1.20.3, pgzip 1.2.6 (Debian testing, unstable) |
//!
//! Change logs alone say where a range begins and ends between the tested versions. Older versions write other streams.
//! pgzip compresses each block with the last 16 KiB of the one before as a dictionary and ends it with a flush; skopeo
//! and buildah take blocks of 1 MiB, umoci of 256 KiB, all of them level 5 by default.
//!
//! Whether codes are kept for the next block depends on an estimate in single precision. Go fuses its operations where
//! that is faster (not on amd64 as it is usually compiled for, but on arm64), up to 1.20.0: a stream from there may
//! differ where an estimate is off by a bit.
//!
//! The algorithms are those of <https://github.com/klauspost/compress> (BSD-3-Clause; © 2012 The Go Authors, © 2019
//! Klaus Post) and <https://github.com/klauspost/pgzip> (MIT; © 2014 Klaus Post), written for regrow here.
//!
//! [`encoder`] is what others use: a [`deflater`] for all of a stream or a block at a time. That has the matches found
//! by [`fast`] (levels 1 to 6) or [`lazy`] (7 to 9), as [`tokens`], of which [`blocks`] makes deflate's blocks.

mod blocks;
mod deflater;
mod encoder;
mod fast;
mod lazy;
mod recognise;
#[cfg(test)]
mod tests;
mod tokens;
mod version;

pub use encoder::{Klauspost, KlauspostEncoder, pgzip_block};
pub(crate) use encoder::{MAX_BLOCK_BYTES, MIN_BLOCK_BYTES, TAIL_BYTES as PGZIP_TAIL_BYTES};
pub use recognise::recognise;
pub use version::Version;
