//! Level 1: after Snappy. One candidate for each hash of four bytes; the more bytes have none, the more are skipped.

use super::writer::BlockWriter;
use crate::common_bytes::common_bytes;
use crate::encoders::go::tokens::{MAX_LENGTH, Tokens};
use crate::format::tables::MAX_STORED_BYTES;

const TABLE_BITS: u32 = 14;
const HASH_FACTOR: u32 = 0x1e35_a7bd;
const MAX_DISTANCE: u32 = 1 << 15;
/// No match begins in the last bytes of a block.
const MARGIN: usize = 15;
/// A last block of up to this many bytes is stored, and one below the second number becomes literals.
const STORED_LAST_BYTES: usize = 16;
const LITERALS_LAST_BYTES: usize = 128;
/// Positions grow up to here, then the table is taken down to small numbers. The original does it later, to the same
/// effect.
const MAX_START: u32 = 1 << 30;

pub(super) struct Fast {
    /// The position at which four bytes of this hash were last seen.
    table: Box<[u32; 1 << TABLE_BITS]>,
    /// The block before and this one.
    window: Vec<u8>,
    /// The position of the window's first byte.
    start: u32,
    tokens: Tokens,
}

impl Fast {
    pub(super) fn new() -> Self {
        Self {
            table: Box::new([0; 1 << TABLE_BITS]),
            window: Vec::with_capacity(2 * MAX_STORED_BYTES),
            // Beyond the reach of what the table begins with.
            start: MAX_DISTANCE + 1,
            tokens: Tokens::with_capacity(MAX_STORED_BYTES),
        }
    }

    /// The last block, if it is not empty and not a full one.
    pub(super) fn write_last(&mut self, content: &[u8], writer: &mut BlockWriter) {
        if content.len() <= STORED_LAST_BYTES {
            writer.write_stored(content);
        } else if content.len() < LITERALS_LAST_BYTES {
            writer.write_literals(content);
        } else {
            self.write(content, writer);
        }
    }

    pub(super) fn write(&mut self, content: &[u8], writer: &mut BlockWriter) {
        let first = self.append(content);
        self.tokens.clear();
        let mut pass = Pass {
            window: &self.window,
            table: &mut self.table,
            start: self.start,
            limit: self.window.len() - MARGIN,
            emitted: first,
        };
        pass.run(&mut self.tokens);
        let rest = pass.emitted;
        self.tokens.push_literals(&self.window[rest..]);
        if self.tokens.list.len() > content.len() - (content.len() >> 4) {
            writer.write_literals(content);
        } else {
            writer.write_dynamic_or_stored(&self.tokens, content);
        }
    }

    /// The place where the block begins in the window.
    fn append(&mut self, content: &[u8]) -> usize {
        if self.window.len() > MAX_STORED_BYTES {
            self.window.drain(..MAX_STORED_BYTES);
            self.start += MAX_STORED_BYTES as u32;
        }
        if self.start >= MAX_START {
            let less = self.start - MAX_DISTANCE - 1;
            self.table.iter_mut().for_each(|position| *position = position.saturating_sub(less));
            self.start -= less;
        }
        let first = self.window.len();
        self.window.extend_from_slice(content);
        first
    }
}

/// The way through one block.
struct Pass<'a> {
    window: &'a [u8],
    table: &'a mut [u32; 1 << TABLE_BITS],
    start: u32,
    /// The place where no more matches are looked for.
    limit: usize,
    /// Up to where there are tokens.
    emitted: usize,
}

impl Pass<'_> {
    fn run(&mut self, tokens: &mut Tokens) {
        let mut at = self.emitted;
        while let Some((mut here, mut candidate)) = self.search(at) {
            tokens.push_literals(&self.window[self.emitted..here]);
            loop {
                here = self.take(here, candidate, tokens);
                if here >= self.limit {
                    return;
                }
                let around = load64(self.window, here - 1);
                self.exchange(around as u32, here - 1);
                let word = (around >> 8) as u32;
                match self.exchange(word, here) {
                    Some(next) if load32(self.window, next) == word => candidate = next,
                    _ => break,
                }
            }
            at = here + 1;
        }
    }

    /// The next place from `at` on at which four bytes are known, and where they were.
    #[inline(always)]
    fn search(&mut self, at: usize) -> Option<(usize, usize)> {
        let (mut skip, mut next, mut word) = (32, at, load32(self.window, at));
        loop {
            let here = next;
            next = here + (skip >> 5);
            skip += skip >> 5;
            if next > self.limit {
                return None;
            }
            let candidate = self.exchange(word, here);
            if let Some(candidate) = candidate
                && load32(self.window, candidate) == word
            {
                return Some((here, candidate));
            }
            word = load32(self.window, next);
        }
    }

    /// The match of at least four bytes becomes a token; where it ends.
    #[inline(always)]
    fn take(&mut self, here: usize, candidate: usize, tokens: &mut Tokens) -> usize {
        let end = self.window.len().min(here + MAX_LENGTH);
        let length = 4 + common_bytes(&self.window[here + 4..end], &self.window[candidate + 4..]);
        tokens.push_match(length, here - candidate);
        self.emitted = here + length;
        self.emitted
    }

    /// Puts `here` into the table for the bytes there; what was there before, if it is in reach.
    #[inline(always)]
    fn exchange(&mut self, word: u32, here: usize) -> Option<usize> {
        let position = self.start + here as u32;
        let before = std::mem::replace(&mut self.table[hash(word)], position);
        let distance = position - before;
        (distance <= MAX_DISTANCE).then(|| here - distance as usize)
    }
}

#[inline(always)]
fn hash(word: u32) -> usize {
    (word.wrapping_mul(HASH_FACTOR) >> (32 - TABLE_BITS)) as usize
}

#[inline(always)]
fn load32(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word))
}

#[inline(always)]
fn load64(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}
