//! Blocks: headers and tokens, as bits.

use super::huffman::{Codes, DistanceCodes, LiteralCodes};
use super::tokens::Token;
use crate::format::bit_writer::BitWriter;
use crate::format::tables::{
    CODE_LENGTH_ORDER, CODE_LENGTH_SYMBOLS, DISTANCE_BASE, DISTANCE_EXTRA, END_OF_BLOCK, FEW_ZEROS, FIRST_LENGTH,
    LENGTH_BASE, LENGTH_EXTRA, MANY_ZEROS, MAX_CODE_LENGTH_BITS, MAX_STORED_BYTES, REPEAT, length_symbol, repetition,
};

/// The header of a dynamic block: how the lengths of both codes are coded.
pub(super) struct Header {
    literals: usize,
    distances: usize,
    /// A symbol, and the value of its extra bits.
    runs: Vec<(u8, u8)>,
    codes: Codes<CODE_LENGTH_SYMBOLS>,
    /// How many of the lengths' own lengths are written.
    written: usize,
    size: usize,
}

impl Header {
    /// For the codes of the first `literals` and `distances` symbols.
    pub(super) fn new(literals: &LiteralCodes, literal_count: usize, distances: &DistanceCodes, count: usize) -> Self {
        let lengths = literals.0[..literal_count].iter().chain(&distances.0[..count]).map(|code| code.length as u8);
        let runs = runs(lengths);
        let mut counts = [0; CODE_LENGTH_SYMBOLS];
        runs.iter().for_each(|&(symbol, _)| counts[usize::from(symbol)] += 1);
        let mut codes = Codes::none();
        codes.set(&counts, MAX_CODE_LENGTH_BITS);
        let written =
            CODE_LENGTH_ORDER.iter().rposition(|&symbol| counts[symbol] > 0).map_or(4, |last| (last + 1).max(4));
        let extra: u32 = (16..).zip(&counts[16..]).map(|(symbol, count)| count * repetition(symbol).0).sum();
        let size = 3 + 5 + 5 + 4 + 3 * written + codes.size(&counts) + extra as usize;
        Self { literals: literal_count, distances: count, runs, codes, written, size }
    }

    /// In bits, with the three that begin the block.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn write(&self, bits: &mut BitWriter) {
        bits.put(4, 3);
        bits.put((self.literals - FIRST_LENGTH) as u64, 5);
        bits.put((self.distances - 1) as u64, 5);
        bits.put((self.written - 4) as u64, 4);
        for &symbol in &CODE_LENGTH_ORDER[..self.written] {
            bits.put(u64::from(self.codes.0[symbol].length), 3);
        }
        for &(symbol, extra) in &self.runs {
            let code = self.codes.0[usize::from(symbol)];
            bits.put(u64::from(code.bits), u32::from(code.length));
            bits.put(u64::from(extra), repetition(symbol).0);
        }
    }
}

/// Lengths as runs. Each run is taken greedily, and what is too short for a repetition is written out.
fn runs(lengths: impl Iterator<Item = u8>) -> Vec<(u8, u8)> {
    let mut runs = Vec::with_capacity(LITERALS_AND_DISTANCES);
    let mut lengths = lengths.peekable();
    while let Some(length) = lengths.next() {
        let mut count = 1;
        while lengths.next_if_eq(&length).is_some() {
            count += 1;
        }
        if length == 0 {
            count = push_zeros(&mut runs, count);
        } else {
            runs.push((length, 0));
            count -= 1;
            while count >= 3 {
                let repeated = count.min(6);
                runs.push((REPEAT, (repeated - 3) as u8));
                count -= repeated;
            }
        }
        runs.extend(std::iter::repeat_n((length, 0), count));
    }
    runs
}

const LITERALS_AND_DISTANCES: usize = 320;

/// How many zeros are left over.
fn push_zeros(runs: &mut Vec<(u8, u8)>, mut count: usize) -> usize {
    while count >= 11 {
        let repeated = count.min(138);
        runs.push((MANY_ZEROS, (repeated - 11) as u8));
        count -= repeated;
    }
    if count >= 3 {
        runs.push((FEW_ZEROS, (count - 3) as u8));
        count = 0;
    }
    count
}

/// A stored block. Up to 65535 bytes.
pub(super) fn write_stored(bits: &mut BitWriter, content: &[u8]) {
    bits.put(0, 3);
    bits.align();
    let length = content.len() as u16;
    bits.put(u64::from(length), 16);
    bits.put(u64::from(!length), 16);
    bits.put_bytes(content);
}

/// How many bits a stored block takes, if one may hold so many bytes.
pub(super) fn stored_size(bytes: usize) -> Option<usize> {
    (bytes <= MAX_STORED_BYTES).then_some((bytes + 5) * 8)
}

pub(super) fn write_end_of_block(bits: &mut BitWriter, literals: &LiteralCodes) {
    let code = literals.0[END_OF_BLOCK];
    bits.put(u64::from(code.bits), u32::from(code.length));
}

/// All the tokens; not the end of the block.
pub(super) fn write_tokens(bits: &mut BitWriter, tokens: &[Token], literals: &LiteralCodes, distances: &DistanceCodes) {
    for &token in tokens {
        if let Some(literal) = token.literal() {
            let code = literals.0[usize::from(literal)];
            bits.put(u64::from(code.bits), u32::from(code.length));
            continue;
        }
        let length = token.length();
        let symbol = usize::from(length_symbol(length)) & 31;
        let code = literals.0[FIRST_LENGTH + symbol];
        let mut value = u64::from(code.bits);
        let mut count = u32::from(code.length);
        value |= u64::from(length - LENGTH_BASE[symbol]) << count;
        count += u32::from(LENGTH_EXTRA[symbol]);

        let symbol = token.distance_symbol();
        let code = distances.0[symbol];
        value |= u64::from(code.bits) << count;
        count += u32::from(code.length);
        value |= u64::from(token.distance() - DISTANCE_BASE[symbol]) << count;
        count += u32::from(DISTANCE_EXTRA[symbol]);
        bits.put(value, count);
    }
}
