//! Seeing through deflate (RFC 1951): exact decoders and encoders of compressed streams.
//!
//! A compressed stream hides what two versions of a file have in common: one changed byte changes all that follows. So
//! regrow keeps and compares *plain bytes*, and makes the compressed stream from them again, bit for bit. This crate
//! can do that in three ways, and tells which of them fits:
//!
//! - **An encoder that is known exactly** ([`encoders`]) makes the stream from the plain bytes alone.
//!   [`encoders::recognise()`] finds it by the stream's beginning: zlib, GNU gzip, pigz, Go's `compress/gzip`,
//!   klauspost's and pgzip, which write nearly all layers of container images. Streams may be of any length; memory is
//!   bounded.
//! - **An encoder that is nearly known** leaves *corrections*: [`Differ`] compares the stream with the one that this
//!   encoder makes, and [`Patcher`] makes the stream from both. This is for another version or level, or for a stream
//!   that was flushed.
//! - **A prediction of a small stream** by [preflate-rs](https://github.com/microsoft/preflate-rs), as for a gzip file
//!   or a zip within an image: [`take_apart`] gives the plain bytes and the corrections, [`rebuild`] is the way back.
//!
//! Around these, [`find()`] says where a file's streams lie, [`Inflater`] and [`GzipReader`] inflate in pieces and can
//! go on from a [`Checkpoint`]. All of it is pure: bytes in, bytes out, without I/O and without knowledge of images or
//! stores.
//!
//! # A gzip file, inflated and made again
//!
//! ```
//! use regrow_deflate::encoders::{Encoder, KnownEncoder, ZlibFamily, recognise};
//! use regrow_deflate::{DeflateError, find, inflate};
//!
//! # fn main() -> Result<(), DeflateError> {
//! # let plain = b"some text, and some text again".repeat(100);
//! # let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
//! # let mut gzip = Encoder::new(KnownEncoder::Zlib(ZlibFamily::Gzip { level: 9 }));
//! # gzip.write(&plain, &mut file);
//! # gzip.finish(&mut file);
//! # file.extend(regrow_deflate::Trailer::Gzip.of(&plain));
//! for found in find(&file, 4 << 20) {
//!     let stream = &file[found.stored.clone()];
//!     let plain = inflate(stream, 4 << 20)?;
//!     // Any encoder that made the beginning may have made all of it; comparing the whole stream proves it.
//!     let known = recognise(stream, &plain).next().expect("gzip wrote it");
//!     let (mut encoder, mut again) = (Encoder::new(known), Vec::new());
//!     encoder.write(&plain, &mut again);
//!     encoder.finish(&mut again);
//!     assert_eq!(again, stream);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # A small stream, taken apart
//!
//! ```
//! # let stream = [0x4b, 0x04, 0x00];
//! if let Some(apart) = regrow_deflate::take_apart(&stream, 4 << 20) {
//!     // The plain bytes travel as they like, and the corrections with them: mostly a single byte.
//!     let again = regrow_deflate::rebuild(&apart.plain, &apart.corrections, stream.len());
//!     assert_eq!(again.as_deref(), Ok(stream.as_slice()));
//! }
//! ```
//!
//! # Where things are
//!
//! | folder | what it is | depends on |
//! |---|---|---|
//! | `format/` | RFC 1951, once: tables, bits, prefix codes, block headers, tokens; streams as their parts and back | |
//! | `inflate/` | inflating in pieces, checkpoints, gzip files, small streams whole | `format` |
//! | `find/` | where streams lie in gzip, zip and PNG files, and the checksums behind them | `inflate` |
//! | `encoders/` | the exact encoders `go`, `klauspost` and `zlib`, and recognising them | `format` |
//! | `corrections/` | `Differ` and `Patcher` | `format`, `encoders` |
//! | `preflate/` | `take_apart`, `rebuild` around preflate-rs, whose panics and time are bounded | `format`, `inflate` |
//!
//! docs/format/corrections.md has the forms of corrections and the encoders' numbers and versions; the README has what
//! all of this costs.

mod common_bytes;
mod corrections;
pub mod encoders;
mod error;
mod find;
mod format;
mod inflate;
mod number;
mod preflate;

pub use corrections::{Differ, Patcher};
pub use encoders::klauspost::{
    Klauspost, KlauspostEncoder, Version as KlauspostVersion, pgzip_block, recognise as recognise_klauspost,
};
pub use error::DeflateError;
pub use find::{FoundStream, Trailer, find, find_anywhere, is_candidate};
pub use inflate::gzip::{GzipMember, GzipPoint, GzipReader, GzipStep, GzipTrailer, MAX_GZIP_FRINGE_BYTES};
pub use inflate::whole::{inflate, measure};
pub use inflate::{Checkpoint, Inflater, Step};
pub use preflate::apart::{Apart, REBUILDER_VERSION, rebuild, take_apart};
