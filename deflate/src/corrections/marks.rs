//! The numbers that stand for blocks and tokens in corrections.

use super::history::MAX_PLACES;
use crate::format::structure::{LONGEST_OTHERWISE, MAX_MATCH, MIN_MATCH, Token};

/// A predicted block that is not there.
pub(super) const NO_BLOCK: u64 = 0;
/// A block's number is this, and the fields below.
pub(super) const BLOCK: u64 = 1;
pub(super) const IS_LAST: u64 = 1;
/// Two bits.
pub(super) const KIND_SHIFT: u32 = 1;
pub(super) const STORED: u64 = 0;
pub(super) const FIXED: u64 = 1;
/// Dynamic, with the header of the predicted one.
pub(super) const SAME_HEADER: u64 = 2;
pub(super) const OTHER_HEADER: u64 = 3;
/// Two bits: where it ends. Of a stored block whether its padding, then 1, is not zeros.
pub(super) const END_SHIFT: u32 = 3;
/// It ends where the predicted one does.
pub(super) const END_SAME_PLACE: u64 = 0;
/// It ends after as many tokens as the block before it had.
pub(super) const END_SAME_TOKENS: u64 = 1;
/// It ends after a number of tokens that follows.
pub(super) const END_TOKENS: u64 = 2;
pub(super) const MAX_BLOCK: u64 = BLOCK + (END_TOKENS << END_SHIFT | 7);

/// Blocks with more tokens have no header that is built of them: these are held as long as it is not known.
pub(super) const MAX_BUFFERED_TOKENS: u64 = 1 << 18;

/// A number of tokens is this and how many literals there are, or less, for a match.
pub(super) const LITERALS: u64 = 3;
/// Its length follows, or it ends where the predicted match does...
pub(super) const HAS_LENGTH: u64 = 1;
/// ... and its distance follows, or it is that of the predicted match.
pub(super) const HAS_DISTANCE: u64 = 2;
/// Lengths are said by how much less they are than the longest match that is found, modulo this.
pub(super) const LENGTHS: u16 = LONGEST_OTHERWISE + 1;
/// Distances are said by rank, or are this plus the distance.
pub(super) const FIRST_DISTANCE: u64 = MAX_PLACES as u64;

/// The length and the distance of a match at a place that would be like a predicted one, which begins at or near the
/// place.
pub(super) fn like(place: u64, predicted: Option<(Token, u64)>) -> (Option<u16>, Option<u16>) {
    let Some((token, start)) = predicted else { return (None, None) };
    let length = (start + u64::from(token.plain_bytes())).checked_sub(place);
    let length = length.and_then(|length| u16::try_from(length).ok());
    let length = length.filter(|length| (MIN_MATCH..=MAX_MATCH).contains(length));
    (length, token.as_match().map(|(_, distance)| distance))
}
