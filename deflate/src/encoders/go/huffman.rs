//! Huffman codes: of counts, and the fixed ones.

use super::lengths::{self, MAX_BITS};
use crate::format::tables::{DISTANCE_SYMBOLS, END_OF_BLOCK, LITERAL_SYMBOLS};

/// The code of one symbol. A length of 0: the symbol has none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Code {
    /// In the order in which they are written, the first the least significant.
    pub(super) bits: u16,
    pub(super) length: u16,
}

/// The codes of an alphabet of `N` symbols.
#[derive(Clone)]
pub(super) struct Codes<const N: usize>(pub(super) [Code; N]);

pub(super) type LiteralCodes = Codes<LITERAL_SYMBOLS>;
pub(super) type DistanceCodes = Codes<DISTANCE_SYMBOLS>;

impl<const N: usize> Codes<N> {
    pub(super) fn none() -> Self {
        Self([Code::default(); N])
    }

    /// Makes the codes of the first `counts.len()` symbols anew, for how often each occurs: `max_bits` at most, those of
    /// rarer symbols longer, of equally rare ones those of the lower symbols.
    pub(super) fn set(&mut self, counts: &[u32], max_bits: usize) {
        // Sorted by count, then by symbol.
        let mut keys = [0; LITERAL_SYMBOLS];
        let mut used = 0;
        for (symbol, (&count, code)) in (0u64..).zip(counts.iter().zip(&mut self.0)) {
            *code = Code::default();
            if count > 0 {
                keys[used] = u64::from(count) << 16 | symbol;
                used += 1;
            }
        }
        let keys = &mut keys[..used];
        if used <= 2 {
            for (bits, &key) in (0..).zip(keys.iter()) {
                self.0[symbol_of(key)] = Code { bits, length: 1 };
            }
            return;
        }
        keys.sort_unstable();
        self.set_lengths(keys, max_bits);
        self.number(counts.len());
    }

    fn set_lengths(&mut self, keys: &[u64], max_bits: usize) {
        let mut sorted = [0; LITERAL_SYMBOLS];
        for (count, &key) in sorted.iter_mut().zip(keys) {
            *count = (key >> 16) as u32;
        }
        let of_length = lengths::of_counts(&sorted[..keys.len()], max_bits);
        let mut commonest_first = keys.iter().rev();
        for (length, &symbols) in (0..).zip(&of_length) {
            for &key in commonest_first.by_ref().take(symbols) {
                self.0[symbol_of(key)].length = length;
            }
        }
    }

    /// Codes of a length count upwards in the order of the symbols (RFC 1951, 3.2.2).
    fn number(&mut self, symbols: usize) {
        let mut of_length = [0u16; MAX_BITS + 1];
        self.0[..symbols].iter().for_each(|code| of_length[usize::from(code.length)] += 1);
        of_length[0] = 0;
        let mut next = [0u16; MAX_BITS + 1];
        for length in 1..=MAX_BITS {
            next[length] = (next[length - 1] + of_length[length - 1]) << 1;
        }
        for code in self.0[..symbols].iter_mut().filter(|code| code.length > 0) {
            let number = &mut next[usize::from(code.length)];
            code.bits = reversed(*number, code.length);
            *number += 1;
        }
    }

    /// How many bits symbols that occur so often take, without extra bits.
    pub(super) fn size(&self, counts: &[u32]) -> usize {
        counts.iter().zip(&self.0).map(|(&count, code)| count as usize * usize::from(code.length)).sum()
    }

    /// Whether every symbol that occurs has a code.
    pub(super) fn covers(&self, counts: &[u32]) -> bool {
        // A code of length 1 may have no bits set, but has a length.
        counts.iter().zip(&self.0).all(|(&count, code)| count == 0 || code.length > 0)
    }
}

/// The fixed codes (RFC 1951, 3.2.6).
pub(super) fn fixed_literals() -> LiteralCodes {
    let mut codes = Codes::none();
    for (symbol, code) in (0u16..).zip(&mut codes.0) {
        let (number, length) = match symbol {
            0..144 => (symbol + 48, 8),
            144..256 => (symbol + 400 - 144, 9),
            256..280 => (symbol - END_OF_BLOCK as u16, 7),
            _ => (symbol + 192 - 280, 8),
        };
        *code = Code { bits: reversed(number, length), length };
    }
    codes
}

pub(super) fn fixed_distances() -> DistanceCodes {
    let mut codes = Codes::none();
    for (symbol, code) in (0..).zip(&mut codes.0) {
        *code = Code { bits: reversed(symbol, 5), length: 5 };
    }
    codes
}

fn symbol_of(key: u64) -> usize {
    (key & 0xffff) as usize
}

fn reversed(number: u16, length: u16) -> u16 {
    number.reverse_bits() >> (16 - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(counts: &[u32], max_bits: usize) -> Vec<u16> {
        let mut codes = LiteralCodes::none();
        codes.set(counts, max_bits);
        codes.0[..counts.len()].iter().map(|code| code.length).collect()
    }

    #[test]
    fn codes_of_counts() {
        assert_eq!(lengths(&[0, 0, 0], 15), [0, 0, 0]);
        assert_eq!(lengths(&[0, 7, 0], 15), [0, 1, 0]);
        assert_eq!(lengths(&[9, 7, 0], 15), [1, 1, 0]);
        assert_eq!(lengths(&[9, 7, 1], 15), [1, 2, 2]);
        assert_eq!(lengths(&[1, 1, 2, 4, 8, 16, 32, 64, 128], 4), [4, 4, 4, 4, 4, 4, 3, 2, 2]);
    }

    #[test]
    fn codes_fill_the_code_space() {
        let counts: Vec<u32> =
            (0..286).map(|symbol: u32| (symbol.wrapping_mul(2_654_435_761) >> (symbol % 30)) % 65535).collect();
        let room: u32 =
            lengths(&counts, 15).iter().filter(|&&length| length > 0).map(|&length| 1 << (15 - length)).sum();
        assert_eq!(room, 1 << 15);
    }
}
