//! The bytes that matches are looked for in, and the search.

use super::super::tokens::Tokens;
use crate::common_bytes::common_bytes;

/// The bytes that are compressed at a time.
const BLOCK_BYTES: usize = 65535;
const HISTORY_BYTES: usize = 5 * BLOCK_BYTES;
/// Matches reach back less far than this, or just as far.
pub(super) const MAX_DISTANCE: i32 = 1 << 15;
/// From here on positions in tables are brought back to small numbers.
const MAX_BASE: i32 = 1 << 30;
/// The place where the search ends before the end of a block.
const MARGIN: usize = 11;

/// The last bytes. Positions in tables are those in `bytes` plus `base`, which grows when bytes are dropped: 0, what a
/// table begins with, is always too far away.
#[derive(Debug)]
pub(super) struct History {
    pub(super) bytes: Vec<u8>,
    pub(super) base: i32,
}

impl History {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(HISTORY_BYTES), base: BLOCK_BYTES as i32 }
    }

    pub(super) fn reset(&mut self) {
        self.base += MAX_DISTANCE + self.bytes.len() as i32;
        self.bytes.clear();
    }

    #[cfg(test)]
    pub(super) fn age(&mut self) {
        self.base = MAX_BASE - 100_000;
    }

    /// The number that positions in the tables must be lowered by, if they have become too large.
    pub(super) fn rebase(&mut self) -> Option<i32> {
        (self.base >= MAX_BASE).then(|| {
            let less = self.base - MAX_DISTANCE;
            self.base = MAX_DISTANCE;
            less
        })
    }

    /// The place where the block begins, if it is long enough to have matches.
    pub(super) fn add(&mut self, block: &[u8]) -> Option<i32> {
        if self.bytes.len() + block.len() > HISTORY_BYTES {
            let dropped = self.bytes.len() - MAX_DISTANCE as usize;
            self.bytes.copy_within(dropped.., 0);
            self.bytes.truncate(MAX_DISTANCE as usize);
            self.base += dropped as i32;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(block);
        (block.len() >= MARGIN + 2).then_some(start as i32)
    }
}

/// Makes what a table holds smaller; what is too far away in any case becomes 0.
pub(super) fn lower(entry: &mut i32, less: i32) {
    *entry = (*entry - less).max(0);
}

/// The bytes that are searched, and what has been put out of them.
pub(super) struct Scan<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) base: i32,
    pub(super) tokens: &'a mut Tokens,
    /// The place where the search ends.
    pub(super) limit: i32,
    /// The place up to which all has been put out.
    pub(super) done: i32,
}

impl<'a> Scan<'a> {
    pub(super) fn new(history: &'a History, tokens: &'a mut Tokens, start: i32) -> Self {
        let limit = (history.bytes.len() - MARGIN) as i32;
        Self { bytes: &history.bytes, base: history.base, tokens, limit, done: start }
    }

    #[inline(always)]
    pub(super) fn load32(&self, at: i32) -> u32 {
        let mut four = [0; 4];
        four.copy_from_slice(&self.bytes[at as usize..at as usize + 4]);
        u32::from_le_bytes(four)
    }

    #[inline(always)]
    pub(super) fn load64(&self, at: i32) -> u64 {
        let mut eight = [0; 8];
        eight.copy_from_slice(&self.bytes[at as usize..at as usize + 8]);
        u64::from_le_bytes(eight)
    }

    /// The number of bytes from `at` on that are those from `before` on.
    #[inline(always)]
    pub(super) fn length(&self, at: i32, before: i32) -> i32 {
        common_bytes(&self.bytes[at as usize..], &self.bytes[before as usize..]) as i32
    }

    /// The number of such bytes, but 254 at most.
    #[inline(always)]
    pub(super) fn length_to_254(&self, at: i32, before: i32) -> i32 {
        let end = (at as usize + 254).min(self.bytes.len());
        common_bytes(&self.bytes[at as usize..end], &self.bytes[before as usize..]) as i32
    }

    /// Puts out a match, made longer towards the front, and the literals before it. Returns its end and length.
    #[inline(always)]
    pub(super) fn put(&mut self, mut at: i32, mut before: i32, mut length: i32) -> (i32, i32) {
        let backwards = self.bytes[self.done as usize..at as usize].iter().rev();
        let more = backwards.zip(self.bytes[..before as usize].iter().rev()).take_while(|(a, b)| a == b).count() as i32;
        (at, before, length) = (at - more, before - more, length + more);
        self.tokens.literals(&self.bytes[self.done as usize..at as usize]);
        self.tokens.long_match(length as u32, (at - before - 1) as u32);
        self.done = at + length;
        (self.done, length)
    }

    /// Puts out what is left of a block with matches.
    pub(super) fn put_rest(&mut self) {
        if !self.tokens.list.is_empty() {
            self.tokens.literals(&self.bytes[self.done as usize..]);
        }
    }
}
