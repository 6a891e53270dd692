//! The tar format as engines read and write it: ustar, pax, and what GNU tar adds.

mod header;
mod pax;
pub(crate) mod read;
mod sparse;
pub(crate) mod write;

/// The size of a tar block in bytes.
pub(crate) const BLOCK: usize = 512;

/// The number of bytes of padding behind `bytes` bytes of data.
pub(crate) fn padding(bytes: u64) -> u64 {
    bytes.wrapping_neg() % BLOCK as u64
}
