//! The header of a block with its own codes (RFC 1951, 3.2.7).

use super::bits::{BitWriter, DistanceCode, LiteralCode};
use super::huffman::Huffman;
use crate::format::tables::{CODE_LENGTH_ORDER, CODE_LENGTH_SYMBOLS, MAX_CODE_LENGTH_BITS, repetition};

#[derive(Debug)]
pub(super) struct Header {
    literals: usize,
    distances: usize,
    /// Symbols with what follows them.
    runs: Vec<(u8, u8)>,
    code: Huffman<CODE_LENGTH_SYMBOLS>,
    lengths: usize,
    /// All of it, in bits.
    pub(super) bits: usize,
}

impl Header {
    /// For the codes of the first so many symbols.
    pub(super) fn of(literal: &LiteralCode, literals: usize, distance: &DistanceCode, distances: usize) -> Self {
        let lengths = literal.codes[..literals].iter().chain(&distance.codes[..distances]);
        let runs = runs(lengths.map(|code| code.bits() as u8));
        let mut counts = [0u16; CODE_LENGTH_SYMBOLS];
        runs.iter().for_each(|&(symbol, _)| counts[usize::from(symbol)] += 1);
        let mut code = Huffman::none();
        code.generate(&counts, MAX_CODE_LENGTH_BITS);
        let lengths =
            CODE_LENGTH_ORDER.iter().rposition(|&symbol| counts[symbol] != 0).map_or(4, |last| (last + 1).max(4));
        let extra: usize =
            (16..19).map(|symbol| usize::from(counts[usize::from(symbol)]) * repetition(symbol).0 as usize).sum();
        let bits = 3 + 5 + 5 + 4 + 3 * lengths + code.bits_of(&counts) + extra;
        Self { literals, distances, runs, code, lengths, bits }
    }

    pub(super) fn write(&self, out: &mut BitWriter) {
        out.bits(4, 3);
        out.bits(self.literals as u32 - 257, 5);
        out.bits(self.distances as u32 - 1, 5);
        out.bits(self.lengths as u32 - 4, 4);
        CODE_LENGTH_ORDER[..self.lengths].iter().for_each(|&symbol| out.bits(self.code.codes[symbol].bits(), 3));
        for &(symbol, following) in &self.runs {
            out.code(self.code.codes[usize::from(symbol)]);
            if symbol >= 16 {
                out.bits(u32::from(following), repetition(symbol).0);
            }
        }
    }
}

/// Code lengths as symbols: 16 repeats the last length 3 to 6 times, 17 and 18 are 3 to 10 and 11 to 138 zeros.
fn runs(lengths: impl Iterator<Item = u8>) -> Vec<(u8, u8)> {
    let mut runs = Vec::with_capacity(320);
    let mut lengths = lengths.peekable();
    while let Some(length) = lengths.next() {
        let mut count = 1;
        while lengths.next_if_eq(&length).is_some() {
            count += 1;
        }
        put_run(&mut runs, length, count);
    }
    runs
}

fn put_run(runs: &mut Vec<(u8, u8)>, length: u8, mut count: usize) {
    if length == 0 {
        while count >= 11 {
            let zeros = count.min(138);
            runs.push((18, (zeros - 11) as u8));
            count -= zeros;
        }
        if count >= 3 {
            runs.push((17, (count - 3) as u8));
            count = 0;
        }
    } else {
        runs.push((length, 0));
        count -= 1;
        while count >= 3 {
            let more = count.min(6);
            runs.push((16, (more - 3) as u8));
            count -= more;
        }
    }
    runs.extend(std::iter::repeat_n((length, 0), count));
}
