//! Levels 2 to 9: chains of earlier places with the same hash of four bytes.

use super::writer::BlockWriter;
use crate::common_bytes::common_bytes;
use crate::encoders::go::places::{MIN_LENGTH, Places, WINDOW_BYTES, tail};
use crate::encoders::go::tokens::{MAX_LENGTH, Tokens};

/// Matches as short as this are only taken from nearby.
const SHORT_LENGTH: usize = 4;
const SHORT_MAX_DISTANCE: usize = 4096;
/// Unless the stream ends, this much is known of what follows where a token is made.
const LOOKAHEAD_BYTES: usize = MIN_LENGTH + MAX_LENGTH;
const BLOCK_TOKENS: usize = 1 << 14;

/// The effort that a level makes to find matches.
#[derive(Clone, Copy)]
struct Effort {
    /// The most bytes of a match that are put into the table, for levels that take the first match; other levels put in
    /// all.
    eager: Option<usize>,
    /// From this length on, no better match is looked for at the next byte.
    lazy: usize,
    /// From this length on, no better match is looked for at the same byte.
    nice: usize,
    /// The most candidates that are tried.
    chain: usize,
}

/// The original's levels also have a length from which on only a quarter of the chain is tried; it has no effect.
fn effort(level: i8) -> Effort {
    let (eager, lazy, nice, chain) = match level {
        2 => (Some(5), 0, 16, 8),
        3 => (Some(6), 0, 32, 32),
        4 => (None, 4, 16, 16),
        5 => (None, 16, 32, 32),
        7 => (None, 32, 128, 256),
        8 => (None, 128, 258, 1024),
        9 => (None, 258, 258, 4096),
        _ => (None, 16, 128, 128),
    };
    Effort { eager, lazy, nice, chain }
}

/// A match at the current byte.
#[derive(Clone, Copy)]
struct Match {
    length: usize,
    distance: usize,
}

const NO_MATCH: Match = Match { length: MIN_LENGTH - 1, distance: 0 };

pub(super) struct Chains {
    effort: Effort,
    window: Box<[u8; 2 * WINDOW_BYTES]>,
    filled: usize,
    at: usize,
    /// The place where the current block begins in the window, as long as it is there.
    block_start: Option<usize>,
    table: Places<true>,
    tokens: Tokens,
    /// Lazily: the match at the byte before, if there is one that is not yet a token.
    pending: Match,
    /// Lazily: the byte before is not yet a token.
    byte_pending: bool,
}

impl Chains {
    pub(super) fn new(level: i8) -> Self {
        Self {
            effort: effort(level),
            window: Box::new([0; 2 * WINDOW_BYTES]),
            filled: 0,
            at: 0,
            block_start: Some(0),
            table: Places::new(),
            tokens: Tokens::with_capacity(BLOCK_TOKENS),
            pending: NO_MATCH,
            byte_pending: false,
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
        self.run(1, writer);
        if self.byte_pending {
            self.tokens.push_literal(self.window[self.at - 1]);
        }
        if !self.tokens.list.is_empty() {
            self.end_block(self.at, writer);
        }
    }

    /// Makes tokens as long as `lookahead` bytes are there.
    fn run(&mut self, lookahead: usize, writer: &mut BlockWriter) {
        match self.effort.eager {
            Some(max_inserted) => self.run_eagerly(max_inserted, lookahead, writer),
            None => self.run_lazily(lookahead, writer),
        }
    }

    fn run_eagerly(&mut self, max_inserted: usize, lookahead: usize, writer: &mut BlockWriter) {
        while self.filled - self.at >= lookahead {
            let found = match self.table.insert(&self.window[..self.filled], self.at) {
                Some(candidate) => self.longest(candidate),
                None => NO_MATCH,
            };
            if found.length < MIN_LENGTH {
                self.tokens.push_literal(self.window[self.at]);
                self.at += 1;
            } else {
                self.tokens.push_match(found.length, found.distance);
                let end = self.at + found.length;
                if found.length <= max_inserted {
                    self.table.insert_all(&self.window[..self.filled], self.at + 1, end);
                }
                self.at = end;
            }
            self.end_full_block(self.at, writer);
        }
    }

    fn run_lazily(&mut self, lookahead: usize, writer: &mut BlockWriter) {
        while self.filled - self.at >= lookahead {
            let candidate = self.table.insert(&self.window[..self.filled], self.at);
            let before = std::mem::replace(&mut self.pending, NO_MATCH);
            if let Some(candidate) = candidate
                && self.filled - self.at > before.length
                && before.length < self.effort.lazy
            {
                self.pending = self.longest(candidate);
            }
            if before.length >= MIN_LENGTH && self.pending.length <= before.length {
                self.tokens.push_match(before.length, before.distance);
                let end = self.at + before.length - 1;
                self.table.insert_all(&self.window[..self.filled], self.at + 1, end);
                self.at = end;
                self.byte_pending = false;
                self.pending = NO_MATCH;
                self.end_full_block(self.at, writer);
            } else {
                if self.byte_pending {
                    self.tokens.push_literal(self.window[self.at - 1]);
                    self.end_full_block(self.at, writer);
                }
                self.at += 1;
                self.byte_pending = true;
            }
        }
    }

    /// The longest match at the current byte, and of equally long ones the nearest.
    #[inline(always)]
    fn longest(&self, mut candidate: usize) -> Match {
        let max_length = MAX_LENGTH.min(self.filled - self.at);
        let nice = max_length.min(self.effort.nice);
        let here = &self.window[self.at..self.at + max_length];
        let window = &self.window[..self.at + max_length];
        let mut best = NO_MATCH;
        let oldest = self.at.saturating_sub(WINDOW_BYTES);
        let mut end = tail(here, 0, best.length);
        for _ in 0..self.effort.chain {
            if tail(window, candidate, best.length) == end {
                let length = common_bytes(here, &window[candidate..]);
                let distance = self.at - candidate;
                if length > best.length && (length > SHORT_LENGTH || distance <= SHORT_MAX_DISTANCE) {
                    best = Match { length, distance };
                    if length >= nice {
                        break;
                    }
                    end = tail(here, 0, length);
                }
            }
            match self.table.before(candidate, oldest) {
                Some(before) => candidate = before,
                None => break,
            }
        }
        best
    }

    fn end_full_block(&mut self, end: usize, writer: &mut BlockWriter) {
        if self.tokens.list.len() == BLOCK_TOKENS {
            self.end_block(end, writer);
        }
    }

    fn end_block(&mut self, end: usize, writer: &mut BlockWriter) {
        let content = self.block_start.and_then(|start| self.window.get(start..end));
        writer.write_smallest(&self.tokens, content);
        self.tokens.clear();
        self.block_start = Some(end);
    }

    /// Makes room for half a window.
    fn slide(&mut self) {
        self.window.copy_within(WINDOW_BYTES.., 0);
        self.at -= WINDOW_BYTES;
        self.filled -= WINDOW_BYTES;
        self.block_start = self.block_start.and_then(|start| start.checked_sub(WINDOW_BYTES));
        self.table.slide();
    }
}
