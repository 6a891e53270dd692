//! Levels 7 to 9: hash chains. A match is taken when the next byte has no longer one, after a look for a better one by
//! the bytes after its end.

use super::writer::BlockWriter;
use crate::common_bytes::common_bytes;
use crate::encoders::go::places::{MIN_LENGTH, Places, WINDOW_BYTES, tail};
use crate::encoders::go::tokens::{self, MAX_LENGTH, Tokens};
use crate::encoders::huffman::Codes;
use crate::format::tables::{DISTANCE_EXTRA, LENGTH_EXTRA, MAX_CODE_BITS, distance_symbol, length_symbol};

/// Unless the stream ends, this much is known of what follows where a token is made.
const LOOKAHEAD_BYTES: usize = MIN_LENGTH + MAX_LENGTH;
const BLOCK_TOKENS: usize = 1 << 15;
/// A match found by its end may have this many bytes less at its beginning.
const SKIPPED: usize = 2;
/// The bits that a match is taken to cost besides extra bits, and the bits that it must gain.
const MATCH_BITS: i32 = 3;
const MIN_GAIN: i32 = 4;
/// The bytes to come by which the cost of literals is estimated.
const ESTIMATED_BYTES: usize = BLOCK_TOKENS;

/// The effort that a level makes to find matches.
#[derive(Clone, Copy)]
struct Effort {
    /// From this length on, no better match is looked for at the next byte.
    lazy: usize,
    /// From this length on, no better match is looked for at the same byte.
    nice: usize,
    /// The most candidates that are tried.
    chain: usize,
    /// Whether a match is weighed against literals.
    weighs: bool,
}

fn effort(level: i8) -> Effort {
    match level {
        7 => Effort { lazy: 12, nice: 16, chain: 24, weighs: false },
        8 => Effort { lazy: 30, nice: 40, chain: 64, weighs: false },
        _ => Effort { lazy: 258, nice: 258, chain: 1024, weighs: true },
    }
}

/// A match at the current byte.
#[derive(Clone, Copy)]
struct Match {
    length: usize,
    distance: usize,
}

const NO_MATCH: Match = Match { length: MIN_LENGTH - 1, distance: 0 };

pub(super) struct Lazy {
    effort: Effort,
    window: Box<[u8; 2 * WINDOW_BYTES]>,
    filled: usize,
    at: usize,
    /// The place where the current block begins in the window, as long as it is there.
    block_start: Option<usize>,
    places: Places<false>,
    tokens: Tokens,
    /// The match at the byte before, if there is one that is not yet a token.
    pending: Match,
    /// The byte before is not yet a token.
    byte_pending: bool,
    /// The number of literals in a row, modulo 2^16.
    literal_run: u16,
    /// The estimated cost of literals.
    literals: Codes<256>,
    /// Whether the stream ends with what is in the window.
    last: bool,
}

impl Lazy {
    pub(super) fn new(level: i8) -> Self {
        Self {
            effort: effort(level),
            window: Box::new([0; 2 * WINDOW_BYTES]),
            filled: 0,
            at: 0,
            block_start: Some(0),
            places: Places::new(),
            tokens: Tokens::with_capacity(BLOCK_TOKENS),
            pending: NO_MATCH,
            byte_pending: false,
            literal_run: 0,
            literals: Codes::none(),
            last: false,
        }
    }

    pub(super) fn write(&mut self, mut plain: &[u8], writer: &mut BlockWriter) {
        while !plain.is_empty() {
            if self.filled == self.window.len() {
                self.run(LOOKAHEAD_BYTES, writer);
                self.slide();
            }
            let (now, later) = plain.split_at(plain.len().min(self.window.len() - self.filled));
            self.window[self.filled..self.filled + now.len()].copy_from_slice(now);
            self.filled += now.len();
            plain = later;
        }
    }

    pub(super) fn finish(&mut self, writer: &mut BlockWriter) {
        self.last = true;
        self.run(1, writer);
        if self.byte_pending {
            self.tokens.push_literal(self.window[self.at - 1]);
        }
        if !self.tokens.list.is_empty() {
            self.end_block(writer);
        }
    }

    /// Makes tokens as long as `lookahead` bytes are there.
    fn run(&mut self, lookahead: usize, writer: &mut BlockWriter) {
        if self.effort.weighs {
            self.estimate_literals();
        }
        while self.filled - self.at >= lookahead {
            let candidate = self.insert();
            let before = std::mem::replace(&mut self.pending, NO_MATCH);
            if let Some(candidate) = candidate
                && self.filled - self.at > before.length
                && before.length < self.effort.lazy
            {
                self.pending = self.longest(candidate);
            }
            if before.length >= MIN_LENGTH && self.pending.length <= before.length {
                self.take(before, writer);
            } else {
                self.go_on(writer);
            }
        }
    }

    /// The match at the byte before becomes a token, or a better one.
    fn take(&mut self, before: Match, writer: &mut BlockWriter) {
        let taken = self.improve(before, writer).unwrap_or(before);
        self.tokens.push_match(taken.length, taken.distance);
        let end = self.at + taken.length - 1;
        self.places.insert_all(&self.window[..self.filled], self.at + 1, end);
        self.at = end;
        self.byte_pending = false;
        self.pending = NO_MATCH;
        self.end_full_block(writer);
        self.literal_run = 0;
    }

    /// The byte before, if it is pending, becomes a literal.
    fn go_on(&mut self, writer: &mut BlockWriter) {
        if self.pending.length >= MIN_LENGTH {
            self.literal_run = 0;
        }
        if !self.byte_pending {
            self.at += 1;
            self.byte_pending = true;
            return;
        }
        self.literal_run = self.literal_run.wrapping_add(1);
        self.push_literal(writer);
        self.at += 1;
        if let Some(beyond) = usize::from(self.literal_run).checked_sub(self.effort.chain + 1) {
            self.skip(1 + ((beyond + 1) >> 6), writer);
        }
    }

    /// After many literals: as many more, without a look for matches.
    fn skip(&mut self, literals: usize, writer: &mut BlockWriter) {
        for _ in 0..literals {
            if self.at + 1 >= self.filled {
                break;
            }
            self.push_literal(writer);
            self.insert();
            self.at += 1;
        }
        self.push_literal(writer);
        self.byte_pending = false;
    }

    fn push_literal(&mut self, writer: &mut BlockWriter) {
        self.tokens.push_literal(self.window[self.at - 1]);
        self.end_full_block(writer);
    }

    #[inline(always)]
    fn insert(&mut self) -> Option<usize> {
        self.places.insert(&self.window[..self.filled], self.at)
    }

    /// The longest match at the current byte, and of equally long ones the nearest.
    #[inline(always)]
    fn longest(&self, mut candidate: usize) -> Match {
        let max_length = MAX_LENGTH.min(self.filled - self.at);
        let nice = max_length.min(self.effort.nice);
        let here = &self.window[self.at..self.at + max_length];
        let window = &self.window[..self.at + max_length];
        let (mut best, mut best_gain) = (NO_MATCH, MIN_GAIN);
        let oldest = self.at.saturating_sub(WINDOW_BYTES);
        let mut end = tail(here, 0, best.length);
        for _ in 0..self.effort.chain {
            if tail(window, candidate, best.length) == end {
                let found = Match { length: common_bytes(here, &window[candidate..]), distance: self.at - candidate };
                if found.length > best.length && self.gains(here, found, &mut best_gain) {
                    best = found;
                    if best.length >= nice {
                        break;
                    }
                    end = tail(here, 0, best.length);
                }
            }
            match self.places.before(candidate, oldest) {
                Some(before) => candidate = before,
                None => break,
            }
        }
        best
    }

    /// Whether a match is worth more than the best one so far, if that matters.
    #[inline(always)]
    fn gains(&self, here: &[u8], found: Match, best_gain: &mut i32) -> bool {
        if !self.effort.weighs {
            return true;
        }
        let literals: u32 = here[..found.length]
            .iter()
            .map(|&literal| u32::from(self.literals.0[usize::from(literal)].length.max(1)))
            .sum();
        let length_symbol = length_symbol((found.length - tokens::MIN_LENGTH) as u8);
        // The original takes the symbol of the next distance.
        let distance_symbol = distance_symbol(found.distance as u16);
        let extra = DISTANCE_EXTRA[usize::from(distance_symbol & 31)] + LENGTH_EXTRA[usize::from(length_symbol & 31)];
        let gain = literals as i32 - i32::from(extra) - MATCH_BITS;
        let is_better = gain > *best_gain;
        if is_better {
            *best_gain = gain;
        }
        is_better
    }

    /// A longer match than `before`, the one at the byte before, found by the bytes after its end. The literals before
    /// it are made tokens.
    fn improve(&mut self, before: Match, writer: &mut BlockWriter) -> Option<Match> {
        let first = self.at - 1;
        if before.length >= MAX_LENGTH - SKIPPED {
            return None;
        }
        // There must be four bytes.
        let word = self.window[..self.filled].get(first + before.length..)?.first_chunk()?;
        let from = self.places.last(*word)?.checked_sub(before.length)?;
        if first.checked_sub(from) == Some(before.distance) || from <= self.at.saturating_sub(WINDOW_BYTES) + SKIPPED {
            return None;
        }
        let end = first + (self.filled - self.at).min(MAX_LENGTH + SKIPPED);
        let mut length = common_bytes(self.window.get(first + SKIPPED..end)?, &self.window[from + SKIPPED..]);
        if length <= before.length {
            return None;
        }
        for skipped in (0..SKIPPED).rev() {
            if length >= MAX_LENGTH || self.window[first + skipped] != self.window[from + skipped] {
                self.push_skipped(skipped + 1, writer);
                break;
            }
            length += 1;
        }
        Some(Match { length, distance: first.checked_sub(from)? })
    }

    fn push_skipped(&mut self, literals: usize, writer: &mut BlockWriter) {
        for _ in 0..literals {
            self.push_literal(writer);
            self.at += 1;
            self.insert();
        }
    }

    /// Estimates the cost of the literals to come.
    fn estimate_literals(&mut self) {
        let coming = &self.window[self.at..self.filled.min(self.at + ESTIMATED_BYTES)];
        if coming.is_empty() {
            return;
        }
        let mut counts = [0u32; 256];
        coming.iter().for_each(|&literal| counts[usize::from(literal)] += 1);
        self.literals.set(&counts, MAX_CODE_BITS);
    }

    /// The byte at the current place is not in the block.
    fn end_full_block(&mut self, writer: &mut BlockWriter) {
        if self.tokens.list.len() == BLOCK_TOKENS {
            self.end_block(writer);
        }
    }

    fn end_block(&mut self, writer: &mut BlockWriter) {
        let content = self.block_start.and_then(|start| self.window.get(start..self.at));
        writer.write(&self.tokens, content, self.last);
        self.tokens.clear();
        self.block_start = Some(self.at);
    }

    /// Makes room for half a window.
    fn slide(&mut self) {
        self.window.copy_within(WINDOW_BYTES.., 0);
        self.at -= WINDOW_BYTES;
        self.filled -= WINDOW_BYTES;
        self.block_start = self.block_start.and_then(|start| start.checked_sub(WINDOW_BYTES));
        self.places.slide();
    }
}
