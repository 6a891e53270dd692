//! The tokens of a block and how often each symbol occurs in it.

use crate::format::tables::{
    DISTANCE_EXTRA, DISTANCE_SYMBOLS, LENGTH_EXTRA, LENGTH_SYMBOLS, distance_symbol, length_symbol,
};

/// A token: a literal below 256, [`END`], or a match with [`MATCH`] set, `length - 3` from bit 22, the distance's
/// symbol from bit 16 and `distance - 1` below.
pub(super) type Token = u32;
pub(super) const END: Token = 256;
pub(super) const MATCH: Token = 1 << 30;
const LENGTH_SHIFT: u32 = 22;
const SYMBOL_SHIFT: u32 = 16;

/// A block may have as many tokens as its bytes and an end.
const MAX_TOKENS: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) list: Vec<Token>,
    pub(super) literals: [u16; 256],
    /// The end of the block, then lengths.
    pub(super) lengths: [u16; 32],
    pub(super) distances: [u16; 32],
}

/// `length - 3` of a match.
pub(super) fn length_less_3(token: Token) -> u8 {
    (token >> LENGTH_SHIFT) as u8
}

/// The symbol of a match's distance.
pub(super) fn symbol_of_distance(token: Token) -> usize {
    (token >> SYMBOL_SHIFT & 31) as usize
}

/// `distance - 1` of a match.
pub(super) fn distance_less_1(token: Token) -> u16 {
    token as u16
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self { list: Vec::with_capacity(MAX_TOKENS), literals: [0; 256], lengths: [0; 32], distances: [0; 32] }
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.literals = [0; 256];
        self.lengths = [0; 32];
        self.distances = [0; 32];
    }

    #[inline]
    pub(super) fn literal(&mut self, literal: u8) {
        self.list.push(Token::from(literal));
        self.literals[usize::from(literal)] += 1;
    }

    #[inline]
    pub(super) fn literals(&mut self, literals: &[u8]) {
        self.list.extend(literals.iter().map(|&literal| Token::from(literal)));
        literals.iter().for_each(|&literal| self.literals[usize::from(literal)] += 1);
    }

    #[inline]
    pub(super) fn matched(&mut self, length_less_3: u32, distance_less_1: u32) {
        let symbol = u32::from(distance_symbol(distance_less_1 as u16));
        self.lengths[(usize::from(length_symbol(length_less_3 as u8)) + 1) & 31] += 1;
        self.distances[symbol as usize & 31] += 1;
        self.list.push(MATCH | length_less_3 << LENGTH_SHIFT | symbol << SYMBOL_SHIFT | distance_less_1);
    }

    /// A match of any length, as several where one cannot have it.
    #[inline]
    pub(super) fn long_match(&mut self, mut length: u32, distance_less_1: u32) {
        while length > 0 {
            let part = match length {
                0..=258 => length,
                // So that the rest is not too short for a match.
                259..=261 => 255,
                _ => 258,
            };
            length -= part;
            self.matched(part - 3, distance_less_1);
        }
    }

    pub(super) fn end(&mut self) {
        self.list.push(END);
        self.lengths[0] += 1;
    }

    /// About how many bits the tokens need with the best codes, as the original estimates it: the sum of logarithms by
    /// a quadratic approximation in single precision, in this order of operations, without fused ones.
    pub(super) fn estimated_bits(&self) -> usize {
        let mut entropy = 0f32;
        let mut extra = 0;
        let mut matches = 0;
        if !self.list.is_empty() {
            let of_all = 1.0 / self.list.len() as f32;
            entropy = self.literals.iter().fold(entropy, |sum, &count| sum + cost(count, of_all));
            entropy += 15.0;
            for (&count, &bits) in self.lengths[1..=LENGTH_SYMBOLS].iter().zip(&LENGTH_EXTRA) {
                entropy += cost(count, of_all);
                extra += usize::from(bits) * usize::from(count);
                matches += usize::from(count);
            }
        }
        if matches > 0 {
            let of_all = 1.0 / matches as f32;
            for (&count, &bits) in self.distances[..DISTANCE_SYMBOLS].iter().zip(&DISTANCE_EXTRA) {
                entropy += cost(count, of_all);
                extra += usize::from(bits) * usize::from(count);
            }
        }
        entropy as usize + extra
    }
}

/// The cost of `count` symbols together, each of which has from 1 to 15 bits.
fn cost(count: u16, of_all: f32) -> f32 {
    if count == 0 {
        return 0.0;
    }
    let count = f32::from(count);
    let bits = (-rough_log2(count * of_all)).clamp(1.0, 15.0);
    bits * count
}

fn rough_log2(value: f32) -> f32 {
    let bits = value.to_bits();
    let exponent = (bits >> 23 & 0xFF) as i32 - 128;
    let mantissa = f32::from_bits((bits & !0x7F80_0000) + (127 << 23));
    exponent as f32 + ((-0.344_848_43 * mantissa + 2.024_665_8) * mantissa - 0.674_877_6)
}
