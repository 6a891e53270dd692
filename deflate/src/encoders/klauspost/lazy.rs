//! Levels 7 to 9: chains of places with the same four bytes, and a match is kept back while the next byte may have a
//! longer one.

use super::Version;
use super::blocks::BlockWriter;
use super::fast::hash4;
use super::tokens::Tokens;
use crate::common_bytes::common_bytes;
use crate::encoders::huffman::Codes;
use crate::format::tables::{
    DISTANCE_EXTRA, LENGTH_EXTRA, MAX_CODE_BITS, MAX_MATCH_BYTES as MAX_LENGTH, WINDOW_BYTES as WINDOW,
    distance_symbol, length_symbol,
};

const HASH_BITS: u32 = 17;
const MIN_LENGTH: usize = 4;
const BLOCK_TOKENS: usize = 1 << 15;
/// From here on positions in chains are brought back to small numbers.
const MAX_BASE: usize = 1 << 28;

/// The effort that a level makes.
#[derive(Debug, Clone, Copy)]
struct Effort {
    /// A match of this length is not kept back.
    lazy: usize,
    /// A match of this length ends the search.
    nice: usize,
    chain: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Match {
    length: usize,
    distance: usize,
}

#[derive(Debug)]
pub(super) struct Lazy {
    effort: Effort,
    version: Version,
    bytes: Box<[u8]>,
    end: usize,
    /// The place where the open block begins, if that is still among the bytes.
    block_start: Option<usize>,
    tokens: Tokens,
    /// The place where a hash was seen last, plus `base`; and the place where each of the last places' hash was seen
    /// before.
    heads: Box<[u32]>,
    before: Box<[u32]>,
    base: usize,
    at: usize,
    head: usize,
    found: Match,
    /// The byte before `at` is not put out yet.
    kept: bool,
    /// Bytes since the last match, modulo 2^16.
    unmatched: u16,
    /// Hashes are noted before this place.
    hashed_end: usize,
    /// Level 9: how many bits all literals up to a place take, from where `at` was.
    literal_bits: Vec<u32>,
}

impl Lazy {
    pub(super) fn new(level: i8, version: Version) -> Self {
        let effort = match level {
            7 => Effort { lazy: 12, nice: 16, chain: 24 },
            8 => Effort { lazy: 30, nice: 40, chain: 64 },
            _ => Effort { lazy: 258, nice: 258, chain: 1024 },
        };
        Self {
            effort,
            version,
            bytes: vec![0; 2 * WINDOW].into_boxed_slice(),
            end: 0,
            block_start: Some(0),
            tokens: Tokens::new(),
            heads: vec![0; 1 << HASH_BITS].into_boxed_slice(),
            before: vec![0; WINDOW].into_boxed_slice(),
            base: 1,
            at: 0,
            head: 0,
            found: Match { length: MIN_LENGTH - 1, distance: 0 },
            kept: false,
            unmatched: 0,
            hashed_end: 0,
            literal_bits: if effort.chain > 100 { vec![0; 2 * WINDOW + 1] } else { Vec::new() },
        }
    }

    /// Forgets all that came before.
    pub(super) fn reset(&mut self) {
        self.heads.fill(0);
        self.before.fill(0);
        (self.base, self.at, self.end, self.head, self.hashed_end) = (1, 0, 0, 0, 0);
        (self.block_start, self.kept, self.unmatched) = (Some(0), false, 0);
        self.found = Match { length: MIN_LENGTH - 1, distance: 0 };
        self.tokens.clear();
    }

    /// Makes positions large, as if much had come before.
    #[cfg(test)]
    pub(super) fn age(&mut self) {
        self.base = MAX_BASE - 100_000;
    }

    /// Right after a start: what comes before the first byte.
    pub(super) fn set_dictionary(&mut self, dictionary: &[u8]) {
        let dictionary = &dictionary[dictionary.len().saturating_sub(WINDOW)..];
        let length = dictionary.len();
        self.bytes[..length].copy_from_slice(dictionary);
        (0..(length + 1).saturating_sub(MIN_LENGTH)).for_each(|at| {
            self.note(at);
        });
        (self.end, self.at) = (length, length);
        if self.version.knows_where_dictionary_ends() {
            self.block_start = Some(length);
        }
    }

    pub(super) fn write(&mut self, mut plain: &[u8], out: &mut BlockWriter) {
        while !plain.is_empty() {
            if self.end == self.bytes.len() {
                self.encode(out, false);
            }
            if self.at >= 2 * WINDOW - (MIN_LENGTH + MAX_LENGTH) {
                self.shift();
            }
            let (now, later) = plain.split_at(plain.len().min(self.bytes.len() - self.end));
            self.bytes[self.end..self.end + now.len()].copy_from_slice(now);
            self.end += now.len();
            plain = later;
        }
    }

    /// Drops the older half of the bytes.
    fn shift(&mut self) {
        self.bytes.copy_within(WINDOW.., 0);
        self.at -= WINDOW;
        self.end -= WINDOW;
        self.block_start = self.block_start.and_then(|start| start.checked_sub(WINDOW));
        self.base += WINDOW;
        if self.base > MAX_BASE {
            let less = self.base - 1;
            self.base = 1;
            self.head = self.head.saturating_sub(less);
            let chains = self.heads.iter_mut().chain(self.before.iter_mut());
            chains.for_each(|position| *position = position.saturating_sub(less as u32));
        }
    }

    /// Puts a place at the head of its chain. Returns the head that was.
    #[inline]
    fn note(&mut self, at: usize) -> usize {
        let hash = self.hash(at);
        let head = self.heads[hash];
        self.before[at % WINDOW] = head;
        self.heads[hash] = (at + self.base) as u32;
        head as usize
    }

    #[inline]
    fn hash(&self, at: usize) -> usize {
        let mut four = [0; 4];
        four.copy_from_slice(&self.bytes[at..at + 4]);
        hash4(u32::from_le_bytes(four), HASH_BITS)
    }

    fn put_block(&mut self, out: &mut BlockWriter, all: bool) {
        let plain = self.block_start.filter(|&start| start <= self.at).map(|start| &self.bytes[start..self.at]);
        self.block_start = Some(self.at);
        out.tokens(&mut self.tokens, plain, all);
        self.tokens.clear();
    }

    fn put_full_block(&mut self, out: &mut BlockWriter, all: bool) {
        if self.tokens.list.len() == BLOCK_TOKENS {
            self.put_block(out, all);
        }
    }

    fn put_literal(&mut self, at: usize, out: &mut BlockWriter, all: bool) {
        self.tokens.literal(self.bytes[at]);
        self.put_full_block(out, all);
    }

    /// Encodes what is there, `all` of it or as far as matches may be of full length.
    pub(super) fn encode(&mut self, out: &mut BlockWriter, all: bool) {
        if self.end - self.at < MIN_LENGTH + MAX_LENGTH && !all {
            return;
        }
        if self.end != self.at && self.effort.chain > 100 {
            self.weigh_literals();
        }
        self.hashed_end = self.end.saturating_sub(MIN_LENGTH - 1);
        loop {
            let ahead = self.end - self.at;
            if ahead < MIN_LENGTH + MAX_LENGTH && !all {
                return;
            }
            if ahead == 0 {
                return self.put_last(out);
            }
            self.step(ahead, out, all);
        }
    }

    fn put_last(&mut self, out: &mut BlockWriter) {
        if self.kept {
            self.tokens.literal(self.bytes[self.at - 1]);
            self.kept = false;
        }
        if !self.tokens.list.is_empty() {
            self.put_block(out, true);
        }
    }

    fn step(&mut self, ahead: usize, out: &mut BlockWriter, all: bool) {
        self.note_here();
        let last = self.found;
        self.found = Match { length: MIN_LENGTH - 1, distance: 0 };
        let furthest = self.at.saturating_sub(WINDOW);
        if self.head >= furthest + self.base && ahead > last.length && last.length < self.effort.lazy {
            self.found = self.longest(self.head - self.base, ahead);
        }
        if last.length >= MIN_LENGTH && self.found.length <= last.length {
            let found = if self.version.gives_up_literals() {
                self.better_later(last, ahead, furthest, out, all)
            } else {
                self.better_by_end(last, ahead, furthest)
            };
            self.put_match(found, out, all);
        } else {
            self.put_byte(out, all);
        }
    }

    #[inline]
    fn note_here(&mut self) {
        if self.at < self.hashed_end {
            self.head = self.note(self.at);
        }
    }

    /// The match of the byte before `at`, which is put out.
    fn put_match(&mut self, found: Match, out: &mut BlockWriter, all: bool) {
        self.tokens.matched((found.length - 3) as u32, (found.distance - 1) as u32);
        let end = self.at + found.length - 1;
        for at in self.at + 1..end.min(self.hashed_end) {
            self.note(at);
        }
        self.at = end;
        self.kept = false;
        self.found.length = MIN_LENGTH - 1;
        self.put_full_block(out, all);
        self.unmatched = 0;
    }

    /// There is no match before `at`: that byte is put out; long after the last match, more of them.
    fn put_byte(&mut self, out: &mut BlockWriter, all: bool) {
        if self.found.length >= MIN_LENGTH {
            self.unmatched = 0;
        }
        if !self.kept {
            self.at += 1;
            self.kept = true;
            return;
        }
        self.unmatched = self.unmatched.wrapping_add(1);
        self.put_literal(self.at - 1, out, all);
        self.at += 1;
        let Some(more) = usize::from(self.unmatched).checked_sub(self.effort.chain + 1) else { return };
        for _ in 0..1 + ((more + 1) >> 6) {
            if self.at + 1 >= self.end {
                break;
            }
            self.put_literal(self.at - 1, out, all);
            self.note_here();
            self.at += 1;
        }
        self.tokens.literal(self.bytes[self.at - 1]);
        self.kept = false;
        self.put_full_block(out, all);
    }

    /// A longer match than the last one, by what follows it, up to 1.15.14.
    fn better_by_end(&self, last: Match, ahead: usize, furthest: usize) -> Match {
        let start = self.at - 1;
        if start + last.length + 2 >= self.hashed_end {
            return last;
        }
        let seen = self.heads[self.hash(start + last.length - 2)] as usize;
        let Some(before) = (seen + 2).checked_sub(self.base + last.length) else { return last };
        if before <= furthest {
            return last;
        }
        let end = start + ahead.min(MAX_LENGTH);
        let length = common_bytes(&self.bytes[start..end], &self.bytes[before..]);
        if length > last.length { Match { length, distance: start - before } } else { last }
    }

    /// A longer match by what follows the last one, before which up to two bytes may be put out as literals.
    fn better_later(&mut self, last: Match, ahead: usize, furthest: usize, out: &mut BlockWriter, all: bool) -> Match {
        const SKIPPED: usize = 2;
        let start = self.at - 1;
        if last.length >= MAX_LENGTH - SKIPPED || start + last.length >= self.hashed_end {
            return last;
        }
        let seen = self.heads[self.hash(start + last.length)] as usize;
        let Some(before) = seen.checked_sub(self.base + last.length) else { return last };
        if start - before == last.distance || before <= furthest + SKIPPED {
            return last;
        }
        let end = start + ahead.min(MAX_LENGTH + SKIPPED);
        let length = common_bytes(&self.bytes[start + SKIPPED..end], &self.bytes[before + SKIPPED..]);
        if length <= last.length {
            return last;
        }
        let mut found = Match { length, distance: start - before };
        for skipped in (0..SKIPPED).rev() {
            if found.length >= MAX_LENGTH || self.bytes[start + skipped] != self.bytes[before + skipped] {
                for literal in start..=start + skipped {
                    self.put_literal(literal, out, all);
                    self.at += 1;
                    self.note_here();
                }
                break;
            }
            found.length += 1;
        }
        found
    }

    /// The longest match along a chain, or in level 9 the one that saves most.
    #[inline]
    fn longest(&self, first: usize, ahead: usize) -> Match {
        let ahead = ahead.min(MAX_LENGTH);
        let nice = self.effort.nice.min(ahead);
        let here = &self.bytes[self.at..self.at + ahead];
        let furthest = self.at.saturating_sub(WINDOW);
        let by_gain = self.effort.chain > 100;
        let mut gain = self.version.least_gain();
        let mut best = Match { length: MIN_LENGTH - 1, distance: 0 };
        let mut place = first;
        for _ in 0..self.effort.chain {
            if here[best.length] == self.bytes[place + best.length] {
                let length = common_bytes(here, &self.bytes[place..place + ahead]);
                if length > best.length {
                    let this_gain = if by_gain { self.gain(length, self.at - place) } else { i64::MAX };
                    if this_gain > gain {
                        best = Match { length, distance: self.at - place };
                        if length >= nice {
                            break;
                        }
                        if by_gain {
                            gain = this_gain;
                        }
                    }
                }
            }
            let next = self.before[place % WINDOW] as usize;
            if place <= furthest || next < furthest + self.base {
                break;
            }
            place = next - self.base;
        }
        best
    }

    /// About how many bits a match saves.
    fn gain(&self, length: usize, distance: usize) -> i64 {
        let literals = i64::from(self.literal_bits[self.at + length]) - i64::from(self.literal_bits[self.at]);
        let symbol = usize::from(distance_symbol(distance as u16));
        let extra = DISTANCE_EXTRA[symbol] + LENGTH_EXTRA[usize::from(length_symbol((length - 3) as u8))];
        literals - i64::from(extra) - self.version.match_cost()
    }

    /// Sums up what the next bytes would need as literals.
    fn weigh_literals(&mut self) {
        let ahead = &self.bytes[self.at..self.end];
        let sample = if self.version.weighs_half() { &ahead[..ahead.len().min(BLOCK_TOKENS)] } else { ahead };
        let mut counts = [0u16; 256];
        sample.iter().for_each(|&byte| {
            let count = &mut counts[usize::from(byte)];
            // The original's counts wrap too: 2^16 of one kind are none.
            *count = count.wrapping_add(1);
        });
        let mut code = Codes::<256>::none();
        code.set(&counts, MAX_CODE_BITS);
        let mut bits = 0;
        self.literal_bits[self.at] = 0;
        for (sum, &byte) in self.literal_bits[self.at + 1..].iter_mut().zip(ahead) {
            bits += code.0[usize::from(byte)].len();
            *sum = bits;
        }
    }
}
