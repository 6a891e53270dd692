//! Deflate streams (RFC 1951) inside files: finding them, and taking one apart into its plain bytes and the corrections
//! that give exactly its bytes again, whatever compressor wrote it. Pure: no I/O, no knowledge of images or stores.
//!
//! [`find`] says where a file's streams lie, [`take_apart`] does the work on the side that makes a patch, [`rebuild`] is
//! the way back. The prediction of what the compressor did is preflate-rs's; this crate bounds it, contains its panics
//! and writes its corrections in fewer bytes.

mod actions;
mod apart;
mod blocks;
mod common;
mod contained;
mod corrections;
mod differ;
pub mod encode;
mod error;
mod find;
mod gzip;
mod inflate;
mod klauspost;
mod known;
mod number;
mod parameters;
mod stream;
mod trailer;

pub use apart::{Apart, REBUILDER_VERSION, rebuild, take_apart};

pub use differ::{Differ, Patcher};
pub use error::DeflateError;
pub use find::{Found, find, is_candidate};
pub use gzip::{GzipMember, GzipPoint, GzipReader, GzipStep, GzipTrailer, MAX_GZIP_FRINGE_BYTES};
pub use inflate::inflate;
pub use klauspost::{
    Klauspost, KlauspostEncoder, Version as KlauspostVersion, pgzip_block, recognise as recognise_klauspost,
};
pub use stream::{Checkpoint, Inflater, Step};
pub use trailer::Trailer;
