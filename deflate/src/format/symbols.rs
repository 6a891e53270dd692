//! The symbols that code a token, and their counts in a block.

use super::structure::{LONGEST_OTHERWISE, Token};
use super::tables::{
    DISTANCE_BASE, DISTANCE_EXTRA, DISTANCE_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH, LENGTH_BASE, LENGTH_EXTRA,
    LITERAL_SYMBOLS, MIN_MATCH_BYTES, distance_symbol, length_symbol,
};

/// The symbol of a match of 258 in its other form, which is 227 and 31 more.
const OTHERWISE: Symbol = Symbol { number: 284, base: 227, extra: 5 };

/// A symbol of a length or a distance.
#[derive(Clone, Copy)]
pub(crate) struct Symbol {
    pub(crate) number: usize,
    pub(crate) base: u16,
    pub(crate) extra: u8,
}

impl Symbol {
    /// The symbol of a match's length, which may be [`LONGEST_OTHERWISE`].
    #[inline]
    pub(crate) fn of_length(length: u16) -> Self {
        if length == LONGEST_OTHERWISE {
            return OTHERWISE;
        }
        let least = MIN_MATCH_BYTES as u16;
        let at = usize::from(length_symbol(length.saturating_sub(least) as u8)) & 31;
        Self { number: FIRST_LENGTH + at, base: least + u16::from(LENGTH_BASE[at]), extra: LENGTH_EXTRA[at] }
    }

    /// The symbol of a match's distance.
    #[inline]
    pub(crate) fn of_distance(distance: u16) -> Self {
        let number = usize::from(distance_symbol(distance.saturating_sub(1))) & 31;
        Self { number, base: 1 + DISTANCE_BASE[number], extra: DISTANCE_EXTRA[number] }
    }
}

/// The counts of the symbols of a block.
#[derive(Clone)]
pub(crate) struct Counts {
    pub(crate) literals: [u32; LITERAL_SYMBOLS],
    pub(crate) distances: [u32; DISTANCE_SYMBOLS],
}

impl Counts {
    /// The counts of a block without tokens, which has an end.
    pub(crate) fn new() -> Self {
        let mut counts = Self { literals: [0; LITERAL_SYMBOLS], distances: [0; DISTANCE_SYMBOLS] };
        counts.literals[END_OF_BLOCK] = 1;
        counts
    }

    pub(crate) fn add(&mut self, token: Token) {
        let literal = match token.as_match() {
            Some((length, distance)) => {
                let count = &mut self.distances[Symbol::of_distance(distance).number];
                *count = count.saturating_add(1);
                Symbol::of_length(length).number
            }
            None => token.as_literal().unwrap_or(0).into(),
        };
        let count = &mut self.literals[literal];
        *count = count.saturating_add(1);
    }
}
