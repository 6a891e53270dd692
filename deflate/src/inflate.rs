//! Inflating: streams of any length in pieces, in bounded memory and from places within; gzip files; small streams
//! whole.

mod checkpoint;
mod codes;
mod fast;
pub(crate) mod gzip;
pub(crate) mod inflater;
#[cfg(test)]
mod tests;
pub(crate) mod whole;

pub use checkpoint::Checkpoint;
pub use inflater::{Inflater, Step};
