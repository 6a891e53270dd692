//! The symbols by which tokens are coded, and how often they are.

use super::structure::{LONGEST_OTHERWISE, MAX_DISTANCES, MAX_LITERALS, Token};
use crate::format::codes::{DISTANCES, LENGTHS};

pub(crate) const END_OF_BLOCK: usize = 256;
const FIRST_LENGTH: usize = 257;
/// Of a match of 258 in its other form: symbol, base, extra bits.
const OTHERWISE: Symbol = Symbol { number: 284, base: 227, extra: 5 };

/// A symbol of a length or a distance.
#[derive(Clone, Copy)]
pub(crate) struct Symbol {
    pub(crate) number: usize,
    pub(crate) base: u16,
    pub(crate) extra: u8,
}

/// Tables of them: of distances up to 256 one by one, then by their 128s.
pub(crate) struct Symbols {
    lengths: [u8; 259],
    near: [u8; 256],
    far: [u8; 256],
}

impl Symbols {
    pub(crate) fn new() -> Self {
        let mut symbols = Self { lengths: [0; 259], near: [0; 256], far: [0; 256] };
        for (number, &(base, extra)) in LENGTHS.iter().enumerate() {
            let end = usize::from(base) + (1 << extra);
            symbols.lengths[usize::from(base)..end.min(259)].fill(number as u8);
        }
        for (number, &(base, extra)) in DISTANCES.iter().enumerate() {
            let start = usize::from(base) - 1;
            if start < 256 {
                symbols.near[start..start + (1 << extra)].fill(number as u8);
            } else {
                symbols.far[start >> 7..(start + (1 << extra)) >> 7].fill(number as u8);
            }
        }
        symbols
    }

    /// Of a match's length, which may be [`LONGEST_OTHERWISE`].
    pub(crate) fn of_length(&self, length: u16) -> Symbol {
        if length == LONGEST_OTHERWISE {
            return OTHERWISE;
        }
        let number = usize::from(self.lengths[usize::from(length)]);
        Symbol { number: FIRST_LENGTH + number, base: LENGTHS[number].0, extra: LENGTHS[number].1 }
    }

    pub(crate) fn of_distance(&self, distance: u16) -> Symbol {
        let at = usize::from(distance.saturating_sub(1));
        let number = usize::from(if at < 256 { self.near[at] } else { self.far[(at >> 7) & 255] });
        Symbol { number, base: DISTANCES[number].0, extra: DISTANCES[number].1 }
    }
}

/// How often the symbols of a block occur.
#[derive(Clone)]
pub(crate) struct Counts {
    pub(crate) literals: [u32; MAX_LITERALS],
    pub(crate) distances: [u32; MAX_DISTANCES],
}

impl Counts {
    /// Of a block without tokens, which has an end.
    pub(crate) fn new() -> Self {
        let mut counts = Self { literals: [0; MAX_LITERALS], distances: [0; MAX_DISTANCES] };
        counts.literals[END_OF_BLOCK] = 1;
        counts
    }

    pub(crate) fn add(&mut self, token: Token, symbols: &Symbols) {
        let literal = match token.as_match() {
            Some((length, distance)) => {
                let count = &mut self.distances[symbols.of_distance(distance).number];
                *count = count.saturating_add(1);
                symbols.of_length(length).number
            }
            None => token.as_literal().unwrap_or(0).into(),
        };
        let count = &mut self.literals[literal];
        *count = count.saturating_add(1);
    }
}
