//! Level 4: a candidate each for hashes of four and of seven bytes.

use super::fast::Tables;
use super::history::{Match, Pass, Rebase, hash};

const BITS: u32 = 15;
const SKIP_SHIFT: i32 = 6;

pub(super) struct ShortLong {
    short: Box<[i32; 1 << BITS]>,
    long: Box<[i32; 1 << BITS]>,
}

impl ShortLong {
    pub(super) fn new() -> Self {
        Self { short: Box::new([0; 1 << BITS]), long: Box::new([0; 1 << BITS]) }
    }

    #[inline(always)]
    fn exchange_short(&mut self, pass: &Pass, word: u64, at: i32) -> i32 {
        pass.place(std::mem::replace(&mut self.short[hash::<4, BITS>(word)], pass.position(at)))
    }

    #[inline(always)]
    fn exchange_long(&mut self, pass: &Pass, word: u64, at: i32) -> i32 {
        pass.place(std::mem::replace(&mut self.long[hash::<7, BITS>(word)], pass.position(at)))
    }

    /// The next match from `at` on.
    #[inline(always)]
    fn search(&mut self, pass: &Pass, mut at: i32, mut word: u64) -> Option<Match> {
        loop {
            let next = at + 1 + ((at - pass.emitted) >> SKIP_SHIFT);
            if next > pass.limit {
                return None;
            }
            let short = self.exchange_short(pass, word, at);
            let long = self.exchange_long(pass, word, at);
            let next_word = pass.load64(next);
            if pass.matches(at, long, word) {
                return Some(Match { at, from: long, length: 0, next });
            }
            if pass.matches(at, short, word) {
                // The next byte may have a longer match. The original has a slip here: it measures that match not at
                // its place, but at the place whose number is its distance.
                let next_long = pass.place(self.long[hash::<7, BITS>(next_word)]);
                let is_better = pass.matches(next, next_long, next_word)
                    && pass.common(next + 4, next - next_long + 4) > pass.common(at + 4, short + 4);
                let (at, from) = if is_better { (next, next_long) } else { (at, short) };
                return Some(Match { at, from, length: 0, next });
            }
            (at, word) = (next, next_word);
        }
    }

    /// After a match, up to before `end`.
    #[inline(always)]
    fn fill(&mut self, pass: &Pass, begin: i32, end: i32) {
        let mut at = begin;
        while at < end - 1 {
            let word = pass.load64(at);
            self.exchange_long(pass, word, at);
            self.exchange_long(pass, word >> 8, at + 1);
            self.exchange_short(pass, word >> 8, at + 1);
            at += 3;
        }
    }
}

impl Tables for ShortLong {
    fn rebase(&mut self, rebase: Rebase) {
        self.short.iter_mut().chain(self.long.iter_mut()).for_each(|position| rebase.apply(position));
    }

    fn run(&mut self, mut pass: Pass) {
        let (mut at, mut word) = (pass.emitted, pass.load64(pass.emitted));
        while let Some(mut found) = self.search(&pass, at, word) {
            found.length = 4 + pass.common(found.at + 4, found.from + 4);
            found = pass.take(found);
            at = found.at + found.length;
            if found.next >= at {
                at = found.next + 1;
            }
            if at >= pass.limit {
                if at + 8 < pass.bytes.len() as i32 {
                    let word = pass.load64(at);
                    self.exchange_short(&pass, word, at);
                    self.exchange_long(&pass, word, at);
                }
                return pass.finish();
            }
            self.fill(&pass, found.next, at);
            let around = pass.load64(at - 1);
            self.exchange_short(&pass, around, at - 1);
            self.exchange_long(&pass, around, at - 1);
            word = around >> 8;
        }
        pass.finish();
    }
}
