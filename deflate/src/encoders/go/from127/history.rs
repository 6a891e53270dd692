//! The plain bytes that matches are found in, and what all of levels 1 to 6 do with a match.
//!
//! Numbers in tables are positions: places in the history plus `start`. Places are signed, as a position may be of
//! bytes that are gone.

use crate::common_bytes::common_bytes;
use crate::encoders::go::tokens::{MAX_LENGTH, MIN_LENGTH, Tokens};
use crate::format::tables::MAX_STORED_BYTES;

pub(super) const MAX_DISTANCE: i32 = 1 << 15;
/// The bytes that are kept when the history is full, and the blocks that it has room for.
const KEPT_BYTES: usize = 1 << 15;
const CAPACITY: usize = 5 * MAX_STORED_BYTES;
/// No match begins in the last bytes of a block.
const MARGIN: usize = 11;
/// Positions grow up to here, then tables are taken down to small numbers. The limit makes no difference to what is
/// found.
const MAX_START: i32 = 1 << 30;

/// The blocks so far, as far as they are remembered.
pub(super) struct History {
    bytes: Vec<u8>,
    start: i32,
}

/// A step that takes positions down to a new start: those that are out of reach become 0.
#[derive(Clone, Copy)]
pub(super) struct Rebase {
    out_of_reach: i32,
    less: i32,
}

impl Rebase {
    pub(super) fn apply(self, position: &mut i32) {
        *position = if *position <= self.out_of_reach { 0 } else { *position - self.less };
    }
}

impl History {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(CAPACITY), start: MAX_STORED_BYTES as i32 }
    }

    /// The step that the tables must take before the next block.
    pub(super) fn rebase(&mut self) -> Option<Rebase> {
        if self.start < MAX_START {
            return None;
        }
        let rebase = Rebase {
            out_of_reach: self.start + self.bytes.len() as i32 - MAX_DISTANCE,
            less: self.start - MAX_DISTANCE,
        };
        self.start = MAX_DISTANCE;
        Some(rebase)
    }

    /// Takes the next block.
    pub(super) fn append<'a>(&'a mut self, block: &[u8], tokens: &'a mut Tokens) -> Pass<'a> {
        if self.bytes.len() + block.len() > CAPACITY {
            let gone = self.bytes.len() - KEPT_BYTES;
            self.bytes.drain(..gone);
            self.start += gone as i32;
        }
        let first = self.bytes.len();
        self.bytes.extend_from_slice(block);
        let limit = self.bytes.len().saturating_sub(MARGIN) as i32;
        Pass { bytes: &self.bytes, start: self.start, limit, emitted: first as i32, tokens }
    }
}

/// The way through one block.
pub(super) struct Pass<'a> {
    pub(super) bytes: &'a [u8],
    start: i32,
    /// The place where no more matches are looked for.
    pub(super) limit: i32,
    /// Up to where there are tokens.
    pub(super) emitted: i32,
    tokens: &'a mut Tokens,
}

/// A match: its place, the place it repeats, and its length.
#[derive(Clone, Copy)]
pub(super) struct Match {
    pub(super) at: i32,
    pub(super) from: i32,
    pub(super) length: i32,
    /// The place after `at` that was to be looked at next.
    pub(super) next: i32,
}

impl Pass<'_> {
    #[inline(always)]
    pub(super) fn load32(&self, at: i32) -> u32 {
        self.bytes.get(at as usize..).and_then(|bytes| bytes.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
    }

    #[inline(always)]
    pub(super) fn load64(&self, at: i32) -> u64 {
        self.bytes.get(at as usize..).and_then(|bytes| bytes.first_chunk()).map_or(0, |word| u64::from_le_bytes(*word))
    }

    #[inline(always)]
    pub(super) fn position(&self, place: i32) -> i32 {
        place + self.start
    }

    #[inline(always)]
    pub(super) fn place(&self, position: i32) -> i32 {
        position - self.start
    }

    /// Whether the four bytes at `from`, which may be out of reach, are those of `word`, which is at `at`.
    #[inline(always)]
    pub(super) fn matches(&self, at: i32, from: i32, word: u64) -> bool {
        at - from < MAX_DISTANCE && self.load32(from) == word as u32
    }

    /// The number of bytes from `at` on that are those from `from` on, which is before.
    #[inline(always)]
    pub(super) fn common(&self, at: i32, from: i32) -> i32 {
        let tail = |place: i32| self.bytes.get(place as usize..).unwrap_or(&[]);
        common_bytes(tail(at), tail(from)) as i32
    }

    /// The length of a match whose first four bytes are known to be the same: at most a token's.
    #[inline(always)]
    pub(super) fn common_limited(&self, at: i32, from: i32) -> i32 {
        let (at, from) = (at as usize + 4, from as usize + 4);
        let end = self.bytes.len().min(at + MAX_LENGTH - 4);
        match (self.bytes.get(at..end), self.bytes.get(from..)) {
            (Some(here), Some(there)) => 4 + common_bytes(here, there) as i32,
            _ => 4,
        }
    }

    /// Extends the match backwards and makes tokens of it and the literals before it. It is given as it has become, up
    /// to the length.
    #[inline(always)]
    pub(super) fn take(&mut self, mut found: Match) -> Match {
        let byte = |place: i32| self.bytes.get(place as usize - 1);
        while found.from > 0 && found.at > self.emitted && byte(found.from) == byte(found.at) {
            found.from -= 1;
            found.at -= 1;
            found.length += 1;
        }
        self.emit_literals(found.at);
        let distance = (found.at - found.from) as usize;
        let mut left = found.length as usize;
        while left > 0 {
            let length = match left {
                0..=MAX_LENGTH => left,
                // The rest is long enough for a token.
                _ if left > MAX_LENGTH + MIN_LENGTH => MAX_LENGTH,
                _ => MAX_LENGTH - MIN_LENGTH,
            };
            self.tokens.push_match(length, distance);
            left -= length;
        }
        self.emitted = found.at + found.length;
        found
    }

    #[inline(always)]
    fn emit_literals(&mut self, end: i32) {
        self.tokens.push_literals(self.bytes.get(self.emitted as usize..end as usize).unwrap_or(&[]));
    }

    /// The rest of the block; nothing at all if there was no match.
    pub(super) fn finish(mut self) {
        if !self.tokens.list.is_empty() {
            self.emit_literals(self.bytes.len() as i32);
        }
    }
}

/// The hash of the lowest `BYTES` bytes, 4, 5 or 7, in `BITS` bits.
#[inline(always)]
pub(super) fn hash<const BYTES: u32, const BITS: u32>(word: u64) -> usize {
    const FOUR: u32 = 2_654_435_761;
    const FIVE: u64 = 889_523_592_379;
    const SEVEN: u64 = 58_295_818_150_454_627;
    match BYTES {
        5 => ((word << 24).wrapping_mul(FIVE) >> (64 - BITS)) as usize,
        7 => ((word << 8).wrapping_mul(SEVEN) >> (64 - BITS)) as usize,
        _ => ((word as u32).wrapping_mul(FOUR) >> (32 - BITS)) as usize,
    }
}
