//! Prefix codes of bounded length (package-merge), with the original's choice where several are equally good.

use crate::format::tables::{LITERAL_SYMBOLS as MAX_SYMBOLS, MAX_CODE_BITS as MAX_BITS};

/// A code word, ready to be written: its bits in the order of writing above, how many they are in the low 8 bits. 0: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Code(u32);

impl Code {
    fn new(word: u16, bits: u8) -> Self {
        Self(u32::from(word.reverse_bits() >> (16 - bits)) << 8 | u32::from(bits))
    }

    #[inline]
    pub(super) fn bits(self) -> u32 {
        self.0 & 0xFF
    }

    #[inline]
    pub(super) fn word(self) -> u64 {
        u64::from(self.0 >> 8)
    }

    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// The code of an alphabet with N symbols.
#[derive(Debug, Clone)]
pub(super) struct Huffman<const N: usize> {
    pub(super) codes: [Code; N],
}

impl<const N: usize> Huffman<N> {
    pub(super) fn none() -> Self {
        Self { codes: [Code::default(); N] }
    }

    /// The best code with words of at most `max_bits` for symbols that occur so often; symbols beyond `counts` keep theirs.
    pub(super) fn generate(&mut self, counts: &[u16], max_bits: usize) {
        let mut used = [0u32; MAX_SYMBOLS];
        let mut number = 0;
        for (symbol, &count) in counts.iter().enumerate() {
            self.codes[symbol] = Code::default();
            if count != 0 {
                used[number] = u32::from(count) << 16 | symbol as u32;
                number += 1;
            }
        }
        let used = &mut used[..number];
        if number <= 2 {
            for (word, node) in used.iter().enumerate() {
                self.codes[(node & 0xFFFF) as usize] = Code::new(word as u16, 1);
            }
            return;
        }
        used.sort_unstable();
        let of_length = symbols_of_length(used, max_bits.min(number - 1));
        self.assign(counts.len(), used, &of_length);
    }

    /// Gives the most frequent symbols the shortest words; those of one length go up with the symbol.
    fn assign(&mut self, symbols: usize, ascending: &[u32], of_length: &[usize; MAX_BITS + 1]) {
        let mut lengths = [0u8; MAX_SYMBOLS];
        let mut next = [0u16; MAX_BITS + 1];
        let mut end = ascending.len();
        let mut word = 0;
        for (bits, &number) in of_length.iter().enumerate().skip(1) {
            word <<= 1;
            next[bits] = word;
            word += number as u16;
            ascending[end - number..end].iter().for_each(|node| lengths[(node & 0xFFFF) as usize] = bits as u8);
            end -= number;
        }
        for (code, &bits) in self.codes.iter_mut().zip(&lengths[..symbols]).filter(|(_, bits)| **bits != 0) {
            *code = Code::new(next[usize::from(bits)], bits);
            next[usize::from(bits)] += 1;
        }
    }

    /// How many bits symbols that occur so often need.
    pub(super) fn bits_of(&self, counts: &[u16]) -> usize {
        counts.iter().zip(&self.codes).map(|(&count, code)| usize::from(count) * code.bits() as usize).sum()
    }

    /// The same, or none if one of them has no code.
    pub(super) fn bits_if_all(&self, counts: &[u16]) -> Option<usize> {
        self.has_all(counts).then(|| self.bits_of(counts))
    }

    pub(super) fn has_all(&self, counts: &[u16]) -> bool {
        counts.iter().zip(&self.codes).all(|(&count, code)| count == 0 || !code.is_none())
    }
}

/// How many symbols get words of each length. `ascending`: three or more nodes with their counts from bit 16.
///
/// At each length the symbols and the pairs of what is one bit longer are merged by their counts, pairs first where equal;
/// of the shortest length's, the first `2 * n - 2` are taken, and with each pair both parts.
fn symbols_of_length(ascending: &[u32], max_bits: usize) -> [usize; MAX_BITS + 1] {
    let symbols = ascending.len();
    let wanted = 2 * symbols - 2;
    // For each length, how many symbols are among the first items.
    let mut leaves = [[0u16; 2 * MAX_SYMBOLS]; MAX_BITS];
    let mut weights = [0u32; 2 * MAX_SYMBOLS];
    let mut below = [0u32; 2 * MAX_SYMBOLS];
    let mut items = 0;
    for of_level in leaves.iter_mut().take(max_bits) {
        let pairs = items / 2;
        let (mut leaf, mut pair) = (0, 0);
        items = (symbols + pairs).min(wanted);
        for item in 0..items {
            let leaf_weight = if leaf < symbols { ascending[leaf] >> 16 } else { u32::MAX };
            let pair_weight = if pair < pairs { below[2 * pair] + below[2 * pair + 1] } else { u32::MAX };
            let is_leaf = leaf_weight < pair_weight;
            weights[item] = if is_leaf { leaf_weight } else { pair_weight };
            leaf += usize::from(is_leaf);
            pair += usize::from(!is_leaf);
            of_level[item] = leaf as u16;
        }
        std::mem::swap(&mut weights, &mut below);
    }
    let mut of_length = [0; MAX_BITS + 1];
    let (mut taken, mut before) = (wanted, symbols);
    for (above, of_level) in leaves[..max_bits].iter().rev().enumerate() {
        let here = if taken == 0 { 0 } else { usize::from(of_level[taken - 1]) };
        if above > 0 {
            of_length[above] = before - here;
        }
        before = here;
        taken = 2 * (taken - here);
    }
    of_length[max_bits] = before;
    of_length
}

/// The fixed codes (RFC 1951, 3.2.6).
pub(super) fn fixed_literals<const N: usize>() -> Huffman<N> {
    let mut fixed = Huffman::none();
    for (symbol, code) in fixed.codes.iter_mut().enumerate().take(MAX_SYMBOLS) {
        let symbol = symbol as u16;
        *code = match symbol {
            0..144 => Code::new(symbol + 48, 8),
            144..256 => Code::new(symbol - 144 + 400, 9),
            256..280 => Code::new(symbol - 256, 7),
            _ => Code::new(symbol - 280 + 192, 8),
        };
    }
    fixed
}

pub(super) fn fixed_distances<const N: usize>() -> Huffman<N> {
    let mut fixed = Huffman::none();
    fixed.codes.iter_mut().take(30).enumerate().for_each(|(symbol, code)| *code = Code::new(symbol as u16, 5));
    fixed
}
