//! Seeing through zstd (RFC 8878): frames are read, and made again bit for bit as known encoders make them.
//!
//! A compressed stream hides what two versions of a file have in common: one changed byte changes all that follows. So
//! regrow keeps and compares *plain bytes*, and makes the compressed stream from them again. Nearly all image builders
//! write zstd by one library, klauspost/compress, whose streams follow from the plain bytes and a few parameters alone.
//! Those of zstd's own library are made again by that, if its version is the same.
//!
//! - [`ZstdReader`] takes a file in pieces and gives what its frames hold: checksums are verified, windows bounded, and
//!   dictionaries refused by name.
//! - [`Beginning`] tells which known encoders make the beginning of a frame; [`guess`] gives the likeliest.
//! - [`Reencoder`] makes a frame from its plain bytes, in bounded memory. [`KnownEncoder::put`] writes an encoder down in
//!   at most 32 bytes, mostly 7.
//!
//! - [`Differ`] finds the corrections of a frame that an encoder nearly makes, and [`Rebuilder`] makes the frame with them.
//!
//! All of it is pure: bytes in, bytes out, without I/O and without knowledge of images or stores. Zstd's own library
//! decodes; klauspost's encoders are written for regrow.
//!
//! # A frame, recognised and made again
//!
//! ```
//! use regrow_zstd::{Beginning, KnownEncoder, Reencoder};
//!
//! let plain = b"a layer of an image, say ".repeat(1000);
//! let frame = zstd::bulk::compress(&plain, 3).unwrap();
//! // Which encoder wrote the frame? Its beginning is enough to tell.
//! let known = Beginning::of(&frame).unwrap().encoders().next().unwrap();
//! let mut written = Vec::new();
//! known.put(&mut written);
//! // The encoder makes the same frame of the plain bytes again.
//! let known = KnownEncoder::take(&mut written.as_slice()).unwrap();
//! let (mut encoder, mut made) = (Reencoder::new(known, plain.len() as u64), Vec::new());
//! encoder.write(&plain, &mut made);
//! encoder.finish(&mut made);
//! assert_eq!(made, frame);
//! ```
//!
//! # Where things are
//!
//! | file or folder | what it is | depends on |
//! |---|---|---|
//! | `format.rs`, `checksum.rs` | RFC 8878's headers, and XXH64 | |
//! | `reader.rs`, `beginning.rs` | files in pieces; the beginning of a frame | `format` |
//! | `klauspost/` | the exact encoders, and the kinds that a beginning leaves | `format`, `beginning` |
//! | `chunked.rs`, `chunked/` | zstd:chunked files, which have many of klauspost's frames | `klauspost` |
//! | `libzstd.rs`, `libzstd/` | zstd's own library as an encoder | `format` |
//! | `anatomy.rs`, `anatomy/` | frames taken apart into blocks, tables and matches | `format` |
//! | `corrections.rs`, `corrections/` | frames that an encoder nearly makes | `anatomy`, `encoders` |
//! | `encoders.rs` | all known encoders by one name, and how they are written down | `klauspost`, `chunked`, `libzstd` |
//! | `recognise.rs` | trying the kinds on a beginning | `beginning`, `encoders` |
//!
//! The module `klauspost` has the table of versions, and how each was tested.

mod anatomy;
mod beginning;
mod checksum;
mod chunked;
mod corrections;
mod encoders;
mod error;
mod format;
mod klauspost;
mod libzstd;
mod number;
mod reader;
mod recognise;

pub use beginning::Beginning;
pub use chunked::{Chunked, ChunkedCutter, ChunkedFrame, ChunkedPiece, Generation, LongPart, MadeFrame, Spares};
pub use corrections::{Differ, Rebuilder, corrections};
pub use encoders::{KnownEncoder, Reencoder};
pub use error::ZstdError;
pub use format::{FrameHeader, MAX_HEADER_BYTES};
pub use klauspost::{Form, Klauspost, Level, MAX_BLOCK_LOG, MAX_WINDOW_LOG, MIN_WINDOW_LOG, Version};
pub use libzstd::{LIBZSTD_VERSION, Libzstd};
pub use number::{put_number, take_number};
pub use reader::{MAX_TAIL_BYTES, ZstdPart, ZstdReader, ZstdStep};
pub use recognise::guess;
