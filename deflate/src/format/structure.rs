//! The parts of a deflate stream: blocks and tokens, with all that is free to choose in how they are coded.

use super::dynamic_header::DynamicHeader;
use super::tables::{MAX_MATCH_BYTES, MIN_MATCH_BYTES, WINDOW_BYTES};

/// A literal or a match, in four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// Plain bytes, but [`LONGEST_OTHERWISE`] for a match of 258 that is coded as 227 and 31.
    length: u16,
    /// A literal's byte, or a match's distance.
    value: u16,
}

/// The shortest match.
pub(crate) const MIN_MATCH: u16 = MIN_MATCH_BYTES as u16;
/// The longest match.
pub(crate) const MAX_MATCH: u16 = MAX_MATCH_BYTES as u16;
/// Stands for the longest match in its other form.
pub(crate) const LONGEST_OTHERWISE: u16 = 259;
/// The farthest that matches reach back.
pub(crate) const MAX_DISTANCE: u16 = WINDOW_BYTES as u16;

impl Token {
    pub(crate) fn literal(byte: u8) -> Self {
        Self { length: 1, value: byte.into() }
    }

    /// `length` may be [`LONGEST_OTHERWISE`]; `None` beyond the format's bounds.
    pub(crate) fn new_match(length: u16, distance: u16) -> Option<Self> {
        let is_match = (MIN_MATCH..=LONGEST_OTHERWISE).contains(&length) && (1..=MAX_DISTANCE).contains(&distance);
        is_match.then_some(Self { length, value: distance })
    }

    /// No token: says that something other than a token comes here.
    pub(crate) fn mark(value: u16) -> Self {
        Self { length: 0, value }
    }

    pub(crate) fn as_mark(self) -> Option<u16> {
        (self.length == 0).then_some(self.value)
    }

    /// The number of plain bytes it stands for.
    pub(crate) fn plain_bytes(self) -> u16 {
        self.length.min(MAX_MATCH)
    }

    /// Length, which may be [`LONGEST_OTHERWISE`], and distance.
    pub(crate) fn as_match(self) -> Option<(u16, u16)> {
        (self.length >= MIN_MATCH).then_some((self.length, self.value))
    }

    pub(crate) fn as_literal(self) -> Option<u8> {
        (self.length == 1).then_some(self.value as u8)
    }
}

/// The beginning of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlockStart {
    pub(crate) is_last: bool,
    pub(crate) kind: BlockKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Stored {
        /// Bits up to the next whole byte.
        padding: u8,
        len: u16,
    },
    Fixed,
    Dynamic(Box<DynamicHeader>),
}

/// Takes the parts of a stream, in their order.
pub(crate) trait Sink {
    /// A block begins.
    fn block(&mut self, block: BlockStart);
    fn token(&mut self, token: Token);
    /// Bytes of a stored block.
    fn stored(&mut self, bytes: &[u8]);
    /// A block ended, after this many bits of the stream.
    fn end_of_block(&mut self, end_bit: u64);
    /// The stream ended; the rest of its last byte.
    fn end(&mut self, padding: u8);
}
