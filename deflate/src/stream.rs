//! Deflate streams (RFC 1951) of any length, in pieces: read in bounded memory, and from places within.

mod checkpoint;
mod codes;
mod header;
mod inflater;
#[cfg(test)]
mod tests;

pub use checkpoint::Checkpoint;
pub use inflater::{Inflater, Step};
