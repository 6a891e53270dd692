//! Deflate streams (RFC 1951) inside files: finding them, and taking one apart into its plain bytes and the corrections
//! that give exactly its bytes again, whatever compressor wrote it. Pure: no I/O, no knowledge of images or stores.
//!
//! [`find`] says where a file's streams lie, [`take_apart`] does the work on the side that makes a patch, [`rebuild`] is
//! the way back. The prediction of what the compressor did is preflate-rs's; this crate bounds it, contains its panics
//! and writes its corrections in fewer bytes.

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
pub use find::{FoundStream, Trailer, find, is_candidate};
pub use inflate::gzip::{GzipMember, GzipPoint, GzipReader, GzipStep, GzipTrailer, MAX_GZIP_FRINGE_BYTES};
pub use inflate::whole::inflate;
pub use inflate::{Checkpoint, Inflater, Step};
pub use preflate::apart::{Apart, REBUILDER_VERSION, rebuild, take_apart};
