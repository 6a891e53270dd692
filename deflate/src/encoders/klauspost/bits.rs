//! Writing bits, lowest first.

use super::huffman::{Code, Huffman};
use super::tokens::{END, Token, distance_less_1, length_less_3, symbol_of_distance};
use crate::format::tables::{DISTANCE_BASE, DISTANCE_EXTRA, FIRST_LENGTH, LENGTH_BASE, LENGTH_EXTRA, length_symbol};

/// All symbols of literals, the end and lengths; those from 286 on have no codes.
pub(super) type LiteralCode = Huffman<289>;
/// All symbols of distances; those from 30 on have no codes.
pub(super) type DistanceCode = Huffman<32>;

#[derive(Debug, Default)]
pub(super) struct BitWriter {
    pub(super) out: Vec<u8>,
    waiting: u64,
    waiting_bits: u32,
}

/// Bytes that are gathered before they go to `out`.
const GATHERED: usize = 1024;

impl BitWriter {
    pub(super) fn bits(&mut self, value: u32, bits: u32) {
        self.waiting |= u64::from(value) << self.waiting_bits;
        self.waiting_bits += bits;
        while self.waiting_bits >= 8 {
            self.out.push(self.waiting as u8);
            self.waiting >>= 8;
            self.waiting_bits -= 8;
        }
    }

    pub(super) fn code(&mut self, code: Code) {
        self.bits(code.word() as u32, code.bits());
    }

    /// Zero bits up to the next byte.
    pub(super) fn align(&mut self) {
        self.bits(0, (8 - self.waiting_bits) % 8);
    }

    pub(super) fn is_aligned(&self) -> bool {
        self.waiting_bits == 0
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        debug_assert!(self.is_aligned());
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn tokens(&mut self, tokens: &[Token], literals: &LiteralCode, distances: &DistanceCode) {
        let mut gathered = Gathered::of(self);
        for &token in tokens {
            if token <= END {
                let code = literals.codes[token as usize];
                gathered.put(code.word(), code.bits());
            } else {
                let length = length_less_3(token);
                let symbol = usize::from(length_symbol(length)) & 31;
                let code = literals.codes[FIRST_LENGTH + symbol];
                let extra = u64::from(length) - u64::from(LENGTH_BASE[symbol]);
                let mut word = code.word() | extra << code.bits();
                let mut bits = code.bits() + u32::from(LENGTH_EXTRA[symbol]);
                let symbol = symbol_of_distance(token);
                let code = distances.codes[symbol];
                word |= code.word() << bits;
                bits += code.bits();
                let extra = u64::from(distance_less_1(token)) - u64::from(DISTANCE_BASE[symbol]);
                gathered.put(word | extra << bits, bits + u32::from(DISTANCE_EXTRA[symbol]));
            }
        }
        gathered.done();
    }

    pub(super) fn literals(&mut self, bytes: &[u8], literals: &LiteralCode) {
        let mut gathered = Gathered::of(self);
        for pair in bytes.chunks(2) {
            let (mut word, mut bits) = (0, 0);
            for &byte in pair {
                let code = literals.codes[usize::from(byte)];
                word |= code.word() << bits;
                bits += code.bits();
            }
            gathered.put(word, bits);
        }
        gathered.done();
    }
}

/// A writer's state while many bits are written.
struct Gathered<'a> {
    writer: &'a mut BitWriter,
    waiting: u64,
    waiting_bits: u32,
    bytes: [u8; GATHERED + 8],
    length: usize,
}

impl<'a> Gathered<'a> {
    fn of(writer: &'a mut BitWriter) -> Self {
        let (waiting, waiting_bits) = (writer.waiting, writer.waiting_bits);
        Self { writer, waiting, waiting_bits, bytes: [0; GATHERED + 8], length: 0 }
    }

    /// Up to 48 bits; fewer than 8 are waiting.
    #[inline(always)]
    fn put(&mut self, word: u64, bits: u32) {
        self.waiting |= word << self.waiting_bits;
        self.waiting_bits += bits;
        self.bytes[self.length..self.length + 8].copy_from_slice(&self.waiting.to_le_bytes());
        self.length += (self.waiting_bits >> 3) as usize;
        self.waiting >>= self.waiting_bits & 0x38;
        self.waiting_bits &= 7;
        if self.length >= GATHERED {
            self.writer.out.extend_from_slice(&self.bytes[..self.length]);
            self.length = 0;
        }
    }

    fn done(self) {
        self.writer.out.extend_from_slice(&self.bytes[..self.length]);
        (self.writer.waiting, self.writer.waiting_bits) = (self.waiting, self.waiting_bits);
    }
}
