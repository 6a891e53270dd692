//! Writing bits, the least significant first (RFC 1951, 3.1.1), and what blocks consist of.

use super::prefix_code::Code;
use super::tables::{
    DISTANCE_BASE, DISTANCE_EXTRA, END_OF_BLOCK, FIRST_LENGTH, LENGTH_BASE, LENGTH_EXTRA, length_symbol,
};

/// The kinds of blocks, as their two bits say them.
pub(crate) const STORED: u64 = 0;
pub(crate) const FIXED: u64 = 1;
pub(crate) const DYNAMIC: u64 = 2;

/// Collects bits into bytes. Between calls, fewer than 32 bits wait.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    waiting: u64,
    waiting_bits: u32,
    out: Vec<u8>,
}

impl BitWriter {
    /// Appends the lowest `bits` bits of `value`, at most 32; those above are zero.
    #[inline]
    pub(crate) fn put(&mut self, value: u64, bits: u32) {
        debug_assert!(bits <= 32 && value >> bits == 0);
        self.waiting |= value << self.waiting_bits;
        self.waiting_bits += bits;
        if self.waiting_bits >= 32 {
            self.out.extend_from_slice(&(self.waiting as u32).to_le_bytes());
            self.waiting >>= 32;
            self.waiting_bits -= 32;
        }
    }

    #[inline]
    pub(crate) fn put_code(&mut self, code: Code) {
        self.put(code.word(), code.len());
    }

    pub(crate) fn put_end_of_block(&mut self, literals: &[Code]) {
        self.put_code(literals[END_OF_BLOCK]);
    }

    /// Appends the three bits that begin a block.
    pub(crate) fn put_block_start(&mut self, kind: u64, is_last: bool) {
        self.put(kind << 1 | u64::from(is_last), 3);
    }

    /// Appends a stored block of at most 65535 bytes.
    pub(crate) fn put_stored_block(&mut self, content: &[u8], is_last: bool) {
        self.put_block_start(STORED, is_last);
        self.align();
        self.put_stored_length(content.len() as u16);
        self.put_bytes(content);
    }

    /// Appends the length of a stored block, and its complement.
    pub(crate) fn put_stored_length(&mut self, length: u16) {
        self.put(u64::from(length) | u64::from(!length) << 16, 32);
    }

    /// Appends the content of a stored block; what is before it ends with a whole byte.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        self.drain();
        self.out.extend_from_slice(bytes);
    }

    /// The number of bits in the last byte, if it is not full.
    pub(crate) fn odd_bits(&self) -> u32 {
        self.waiting_bits % 8
    }

    /// Fills the last byte with zeros.
    pub(crate) fn align(&mut self) {
        self.pad(0);
    }

    /// Fills the last byte with the lowest bits of `padding`.
    pub(crate) fn pad(&mut self, padding: u8) {
        let bits = (8 - self.odd_bits()) & 7;
        self.put(u64::from(padding) & ((1 << bits) - 1), bits);
    }

    /// Begins to write many bits.
    pub(crate) fn run(&mut self) -> BitRun<'_> {
        self.drain();
        let (waiting, waiting_bits) = (self.waiting, self.waiting_bits);
        BitRun { writer: self, waiting, waiting_bits, bytes: [0; RUN_BYTES + WORD_BYTES], gathered: 0 }
    }

    /// Appends bytes as literals.
    pub(crate) fn put_literals(&mut self, bytes: &[u8], literals: &[Code]) {
        let mut run = self.run();
        for pair in bytes.chunks(2) {
            let (mut word, mut bits) = (0, 0);
            for &byte in pair {
                let code = literals[usize::from(byte)];
                word |= code.word() << bits;
                bits += code.len();
            }
            run.put(word, bits);
        }
        run.done();
    }

    /// Moves all whole bytes to the end of `out`.
    pub(crate) fn append_to(&mut self, out: &mut Vec<u8>) {
        self.drain();
        if out.is_empty() {
            std::mem::swap(&mut self.out, out);
        } else {
            out.append(&mut self.out);
        }
    }

    /// Gives `out` what was written, and takes what it held as if that had been written: a caller's vector is lent to
    /// the writer by one call and given back by the next, and nothing is copied.
    pub(crate) fn exchange(&mut self, out: &mut Vec<u8>) {
        self.drain();
        std::mem::swap(&mut self.out, out);
    }

    /// Puts whole bytes out.
    fn drain(&mut self) {
        let bytes = self.waiting_bits / 8;
        self.out.extend_from_slice(&self.waiting.to_le_bytes()[..bytes as usize]);
        self.waiting >>= 8 * bytes;
        self.waiting_bits -= 8 * bytes;
    }
}

/// Bytes that are gathered before they go to the writer.
const RUN_BYTES: usize = 1024;
/// The bytes that one `put` may store at once.
const WORD_BYTES: usize = 8;

/// A [`BitWriter`] while it writes many bits: its state is apart from what is written, so that it stays in registers.
/// Between calls, fewer than eight bits wait.
pub(crate) struct BitRun<'a> {
    writer: &'a mut BitWriter,
    waiting: u64,
    waiting_bits: u32,
    bytes: [u8; RUN_BYTES + WORD_BYTES],
    gathered: usize,
}

impl BitRun<'_> {
    /// Appends the lowest `bits` bits of `word`, at most 56; those above are zero.
    #[inline(always)]
    pub(crate) fn put(&mut self, word: u64, bits: u32) {
        self.waiting |= word << self.waiting_bits;
        self.waiting_bits += bits;
        self.bytes[self.gathered..self.gathered + WORD_BYTES].copy_from_slice(&self.waiting.to_le_bytes());
        self.gathered += (self.waiting_bits >> 3) as usize;
        self.waiting >>= self.waiting_bits & 0x38;
        self.waiting_bits &= 7;
        if self.gathered >= RUN_BYTES {
            self.writer.out.extend_from_slice(&self.bytes[..self.gathered]);
            self.gathered = 0;
        }
    }

    #[inline(always)]
    pub(crate) fn put_code(&mut self, code: Code) {
        self.put(code.word(), code.len());
    }

    /// Appends a match: its length less three, its distance less one, and the symbol of that.
    #[inline(always)]
    pub(crate) fn put_match(&mut self, matched: (u8, u16, usize), literals: &[Code], distances: &[Code]) {
        let (length, distance, distance_symbol) = matched;
        let symbol = usize::from(length_symbol(length)) & 31;
        let code = literals[FIRST_LENGTH + symbol];
        let (mut word, mut bits) = (code.word(), code.len());
        word |= u64::from(length - LENGTH_BASE[symbol]) << bits;
        bits += u32::from(LENGTH_EXTRA[symbol]);
        let code = distances[distance_symbol];
        word |= code.word() << bits;
        bits += code.len();
        word |= u64::from(distance - DISTANCE_BASE[distance_symbol]) << bits;
        self.put(word, bits + u32::from(DISTANCE_EXTRA[distance_symbol]));
    }

    /// Ends the run.
    pub(crate) fn done(self) {
        self.writer.out.extend_from_slice(&self.bytes[..self.gathered]);
        (self.writer.waiting, self.writer.waiting_bits) = (self.waiting, self.waiting_bits);
    }
}
