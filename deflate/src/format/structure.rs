//! What a deflate stream consists of: blocks and tokens, with all that is free to choose in how they are coded.

use super::tables::{CODE_LENGTH_SYMBOLS, MAX_MATCH_BYTES, MIN_MATCH_BYTES, WINDOW_BYTES};

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
/// How far matches reach back.
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

    /// How many plain bytes it stands for.
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

/// How a block begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) is_last: bool,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Stored {
        /// Bits up to the next whole byte.
        padding: u8,
        len: u16,
    },
    Fixed,
    Dynamic(Box<Header>),
}

/// The header of a dynamic block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Header {
    /// How many of the lengths are of literals and match lengths: 257 to 286.
    pub(crate) literals: usize,
    /// Lengths of the codes of literals and match lengths, then of distances.
    pub(crate) lengths: Vec<u8>,
    /// How these are coded.
    pub(crate) steps: Vec<LengthStep>,
    /// How many of `own` are coded: 4 to 19.
    pub(crate) own_coded: usize,
    /// Lengths of the codes for code lengths, in the order in which they are coded.
    pub(crate) own: [u8; CODE_LENGTH_SYMBOLS],
}

/// One code of code lengths: a symbol, and how many lengths it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LengthStep {
    pub(crate) symbol: u8,
    pub(crate) times: u8,
}

impl Header {
    pub(crate) fn of_literals(&self) -> &[u8] {
        &self.lengths[..self.literals.min(self.lengths.len())]
    }

    pub(crate) fn of_distances(&self) -> &[u8] {
        &self.lengths[self.literals.min(self.lengths.len())..]
    }
}

/// Takes the parts of a stream, in their order.
pub(crate) trait Sink {
    /// A block begins.
    fn block(&mut self, block: Block);
    fn token(&mut self, token: Token);
    /// Bytes of a stored block.
    fn stored(&mut self, bytes: &[u8]);
    /// A block ended, after this many bits of the stream.
    fn end_of_block(&mut self, end_bit: u64);
    /// The stream ended; the rest of its last byte.
    fn end(&mut self, padding: u8);
}
