//! The tokens of a block, counted as they come.

use crate::format::tables::{
    DISTANCE_EXTRA, DISTANCE_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH, LENGTH_EXTRA, LITERAL_SYMBOLS, distance_symbol,
    length_symbol,
};
pub(super) use crate::format::tables::{MAX_MATCH_BYTES as MAX_LENGTH, MIN_MATCH_BYTES as MIN_LENGTH};

/// The count of each symbol of the literal and length code.
pub(super) type LiteralCounts = [u32; LITERAL_SYMBOLS];
/// The count of each distance symbol.
pub(super) type DistanceCounts = [u32; DISTANCE_SYMBOLS];

/// A literal, or a match's length and distance.
#[derive(Clone, Copy)]
pub(super) struct Token(u32);

/// | bits | what |
/// |---|---|
/// | 0 to 14 | distance less one (of a literal: the byte) |
/// | 15 to 22 | length less three |
/// | 23 to 27 | the distance's symbol |
/// | 31 | set for a match |
const LENGTH_SHIFT: u32 = 15;
const SYMBOL_SHIFT: u32 = 23;
const MATCH: u32 = 1 << 31;

impl Token {
    #[inline(always)]
    pub(super) fn literal(self) -> Option<u8> {
        (self.0 < MATCH).then_some(self.0 as u8)
    }

    /// Less three.
    #[inline(always)]
    pub(super) fn length(self) -> u8 {
        (self.0 >> LENGTH_SHIFT) as u8
    }

    /// Less one.
    #[inline(always)]
    pub(super) fn distance(self) -> u16 {
        self.0 as u16 & 0x7fff
    }

    #[inline(always)]
    pub(super) fn distance_symbol(self) -> usize {
        (self.0 >> SYMBOL_SHIFT & 31) as usize
    }
}

/// The tokens of a block.
pub(super) struct Tokens {
    pub(super) list: Vec<Token>,
    literals: [u32; 256],
    /// From the end of the block on.
    lengths: [u32; 32],
    distances: [u32; 32],
}

impl Tokens {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { list: Vec::with_capacity(capacity), literals: [0; 256], lengths: [0; 32], distances: [0; 32] }
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.literals.fill(0);
        self.lengths.fill(0);
        self.distances.fill(0);
    }

    #[inline(always)]
    pub(super) fn push_literal(&mut self, literal: u8) {
        self.literals[usize::from(literal)] += 1;
        self.list.push(Token(u32::from(literal)));
    }

    #[inline(always)]
    pub(super) fn push_literals(&mut self, literals: &[u8]) {
        literals.iter().for_each(|&literal| self.literals[usize::from(literal)] += 1);
        self.list.extend(literals.iter().map(|&literal| Token(u32::from(literal))));
    }

    /// A match of 3 to 258 bytes at a distance of 1 to 32768.
    #[inline(always)]
    pub(super) fn push_match(&mut self, length: usize, distance: usize) {
        let (length, distance) = ((length - MIN_LENGTH) as u8, (distance - 1) as u16 & 0x7fff);
        let symbol = distance_symbol(distance);
        self.lengths[(1 + usize::from(length_symbol(length))) & 31] += 1;
        self.distances[usize::from(symbol & 31)] += 1;
        self.list.push(Token(
            MATCH | u32::from(symbol) << SYMBOL_SHIFT | u32::from(length) << LENGTH_SHIFT | u32::from(distance),
        ));
    }

    /// With the end of the block.
    pub(super) fn literal_counts(&self) -> LiteralCounts {
        let mut counts = [0; LITERAL_SYMBOLS];
        counts[..END_OF_BLOCK].copy_from_slice(&self.literals);
        counts[END_OF_BLOCK..].copy_from_slice(&self.lengths[..LITERAL_SYMBOLS - END_OF_BLOCK]);
        counts[END_OF_BLOCK] = 1;
        counts
    }

    pub(super) fn distance_counts(&self) -> DistanceCounts {
        let mut counts = [0; DISTANCE_SYMBOLS];
        counts.copy_from_slice(&self.distances[..DISTANCE_SYMBOLS]);
        counts
    }
}

/// The sum of the extra bits of all matches.
pub(super) fn extra_bits(literals: &LiteralCounts, distances: &DistanceCounts) -> usize {
    let sum = |counts: &[u32], extra: &[u8]| -> usize {
        counts.iter().zip(extra).map(|(&count, &bits)| count as usize * usize::from(bits)).sum()
    };
    sum(&literals[FIRST_LENGTH..], &LENGTH_EXTRA) + sum(distances, &DISTANCE_EXTRA)
}
