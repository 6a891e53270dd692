//! Frames that a known encoder nearly makes: what differs is coded as *corrections*, and the frame follows from the
//! encoder, the plain bytes and these. docs/format/zstd-corrections.md has their form.
//!
//! Both frames are taken apart into blocks, tables and matches (`anatomy`). [`Differ`] finds the matches that both have, and
//! notes the others; [`Rebuilder`] runs the encoder, corrects what it made, and writes the blocks again.

mod channels;
mod differ;
mod predicted;
mod rebuilder;
mod shapes;
mod writer;

pub use differ::{Differ, corrections};
pub use rebuilder::Rebuilder;

/// The version of the form of corrections.
const VERSION: u8 = 1;
/// The plain bytes of a block unless corrections say otherwise.
const BLOCK_BYTES: u64 = crate::format::MAX_BLOCK_BYTES as u64;

/// Where a block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// After 128 KiB, or at the end of the plain bytes.
    Full = 0,
    /// Where the predicted block ends.
    Predicted = 1,
    /// After a number of plain bytes that follows.
    Stated = 2,
}

/// The kinds of matches that are listed: [`OTHER_PLACE`], [`LENGTH`] times one of the three kinds of lengths, and
/// [`DISTANCE`] times one of the five kinds of distances.
const OTHER_PLACE: u64 = 1;
const LENGTH: u64 = 2;
const DISTANCE: u64 = 6;
/// A match that ends where the predicted one does.
const SAME_END: u64 = 0;
/// A match that ends with the block.
const TO_BLOCK_END: u64 = 1;
/// A match of a length that follows.
const OTHER_LENGTH: u64 = 2;
/// A match with the predicted distance. 1 to 3 are recent ones.
const SAME_DISTANCE: u64 = 0;
/// A match with a distance that follows.
const OTHER_DISTANCE: u64 = 4;
/// Kinds of matches have these numbers and what they are added up to, instead of a listed match.
const PASSED: u64 = 0;
const BLOCK_ENDS: u64 = 1;
const LISTED: u64 = 2;
const MAX_KIND: u64 = LISTED + OTHER_PLACE + LENGTH * OTHER_LENGTH + DISTANCE * OTHER_DISTANCE;

/// Zigzag: 2n for n more, 2n - 1 for n less.
fn zigzag(from: u64, to: u64) -> u64 {
    if to >= from { (to - from).wrapping_mul(2) } else { (from - to).wrapping_mul(2) - 1 }
}

fn unzigzag(from: u64, number: u64) -> Option<u64> {
    if number & 1 == 0 { from.checked_add(number >> 1) } else { from.checked_sub((number >> 1) + 1) }
}

#[cfg(test)]
mod tests;
