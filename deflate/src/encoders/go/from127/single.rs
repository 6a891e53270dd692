//! Levels 1 and 2: one candidate for each hash of five bytes, at every second byte or so.

use super::fast::Tables;
use super::history::{MAX_DISTANCE, Match, Pass, Rebase, hash};

const SKIP_SHIFT: i32 = 5;
const STEP: i32 = 2;

/// Level 1.
pub(super) type Sparse = Single<15, { 1 << 15 }, false>;
/// Level 2.
pub(super) type Dense = Single<17, { 1 << 17 }, true>;

/// `DENSE`: places within matches are put into the table, too.
pub(super) struct Single<const BITS: u32, const SIZE: usize, const DENSE: bool>(Box<[i32; SIZE]>);

impl<const BITS: u32, const SIZE: usize, const DENSE: bool> Single<BITS, SIZE, DENSE> {
    pub(super) fn new() -> Self {
        Self(Box::new([0; SIZE]))
    }

    /// Puts a place in for the bytes there; the place that was there before.
    #[inline(always)]
    fn exchange(&mut self, pass: &Pass, word: u64, at: i32) -> i32 {
        pass.place(std::mem::replace(&mut self.0[hash::<5, BITS>(word)], pass.position(at)))
    }

    /// The next match from `at` on, where the bytes are `word`.
    #[inline(always)]
    fn search(&mut self, pass: &Pass, mut at: i32, mut word: u64) -> Option<Match> {
        loop {
            let next = at + STEP + ((at - pass.emitted) >> SKIP_SHIFT);
            if next > pass.limit {
                return None;
            }
            let next_word = pass.load64(next);
            let from = self.exchange(pass, word, at);
            if pass.matches(at, from, word) {
                self.exchange(pass, next_word, next);
                return Some(Match { at, from, length: 0, next });
            }
            // The byte after it, too.
            (at, word) = (next, next_word);
            let next = at + 1;
            let from = self.exchange(pass, word, at);
            if pass.matches(at, from, word) {
                if !DENSE {
                    // Not for the bytes there, but in the place of the ones before.
                    self.exchange(pass, word, next);
                }
                return Some(Match { at, from, length: 0, next });
            }
            (at, word) = (next, word >> 8);
        }
    }

    /// Puts in what lies within a match that ends at `end`.
    #[inline(always)]
    fn fill(&mut self, pass: &Pass, begin: i32, end: i32) {
        let mut at = begin + 2;
        while at < end - 5 {
            let word = pass.load64(at);
            self.exchange(pass, word, at);
            self.exchange(pass, word >> 16, at + 2);
            self.exchange(pass, word >> 32, at + 4);
            at += 7;
        }
    }
}

impl<const BITS: u32, const SIZE: usize, const DENSE: bool> Tables for Single<BITS, SIZE, DENSE> {
    fn rebase(&mut self, rebase: Rebase) {
        self.0.iter_mut().for_each(|position| rebase.apply(position));
    }

    fn run(&mut self, mut pass: Pass) {
        let (mut at, mut word) = (pass.emitted, pass.load64(pass.emitted));
        while let Some(mut found) = self.search(&pass, at, word) {
            loop {
                found.length = 4 + pass.common(found.at + 4, found.from + 4);
                found = pass.take(found);
                at = found.at + found.length;
                if found.next >= at {
                    at = found.next + 1;
                }
                if at >= pass.limit {
                    if at + found.length + 8 < pass.bytes.len() as i32 {
                        self.exchange(&pass, pass.load64(at), at);
                    }
                    return pass.finish();
                }
                if DENSE {
                    self.fill(&pass, at - found.length, at);
                }
                let around = pass.load64(at - 2);
                self.exchange(&pass, around, at - 2);
                if DENSE {
                    self.exchange(&pass, around >> 8, at - 1);
                }
                let from = self.exchange(&pass, around >> 16, at);
                if at - from > MAX_DISTANCE || (around >> 16) as u32 != pass.load32(from) {
                    (at, word) = (at + 1, around >> 24);
                    break;
                }
                (found.at, found.from) = (at, from);
            }
        }
        pass.finish();
    }
}
