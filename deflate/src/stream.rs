//! Deflate streams (RFC 1951) of any length, in pieces: read in bounded memory, and from places within.

mod checkpoint;
pub(crate) mod codes;
pub(crate) mod header;
pub(crate) mod inflater;
#[cfg(test)]
mod tests;

pub use checkpoint::Checkpoint;
pub use inflater::{Inflater, Step};
