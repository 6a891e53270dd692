//! Levels 5 and 6: a candidate for hashes of four bytes, the last two for hashes of seven.

use super::fast::Tables;
use super::history::{MAX_DISTANCE, Match, Pass, Rebase, hash};
use crate::encoders::go::tokens::MAX_LENGTH;

const BITS: u32 = 15;
/// A match found by its end may have this many bytes less at its beginning.
const SKIPPED: i32 = 2;
/// Level 5 looks for a match by its end only if the match so far is shorter.
const SHORT_LENGTH: i32 = 30;

/// Level 6 is `THOROUGH`: looks at the last match's distance, and puts more places into the tables.
pub(super) struct ShortPair<const THOROUGH: bool> {
    short: Box<[i32; 1 << BITS]>,
    /// The last position and the one before it.
    long: Box<[[i32; 2]; 1 << BITS]>,
    /// The last match's distance.
    repeat: i32,
}

impl<const THOROUGH: bool> ShortPair<THOROUGH> {
    const SKIP_SHIFT: i32 = if THOROUGH { 7 } else { 6 };

    pub(super) fn new() -> Self {
        Self { short: Box::new([0; 1 << BITS]), long: Box::new([[0; 2]; 1 << BITS]), repeat: 1 }
    }

    #[inline(always)]
    fn exchange_short(&mut self, pass: &Pass, word: u64, at: i32) -> i32 {
        pass.place(std::mem::replace(&mut self.short[hash::<4, BITS>(word)], pass.position(at)))
    }

    #[inline(always)]
    fn exchange_long(&mut self, pass: &Pass, word: u64, at: i32) -> [i32; 2] {
        let pair = &mut self.long[hash::<7, BITS>(word)];
        let before = *pair;
        *pair = [pass.position(at), before[0]];
        before.map(|position| pass.place(position))
    }

    /// The next match from `at` on. Its length is 0 as long as it is not known, and else at most a token's.
    #[inline(always)]
    fn search(&mut self, pass: &Pass, mut at: i32, mut word: u64) -> Option<Match> {
        loop {
            let next = at + 1 + ((at - pass.emitted) >> Self::SKIP_SHIFT);
            if next > pass.limit {
                return None;
            }
            let short = self.exchange_short(pass, word, at);
            let [long, before] = self.exchange_long(pass, word, at);
            let next_word = pass.load64(next);
            let found = Match { at, from: long, length: 0, next };
            if at - long < MAX_DISTANCE {
                if pass.load32(long) == word as u32 {
                    self.exchange_short(pass, next_word, next);
                    self.exchange_long(pass, next_word, next);
                    return Some(longer(pass, found, before, word));
                }
                if pass.matches(at, before, word) {
                    self.exchange_short(pass, next_word, next);
                    self.exchange_long(pass, next_word, next);
                    return Some(Match { from: before, ..found });
                }
            }
            if pass.matches(at, short, word) {
                let length = pass.common_limited(at, short);
                self.exchange_short(pass, next_word, next);
                let next_long = self.exchange_long(pass, next_word, next);
                return Some(self.better(pass, Match { from: short, length, ..found }, word, next_long));
            }
            (at, word) = (next, next_word);
        }
    }

    /// A match of four bytes gives way to a longer one that begins a little later.
    #[inline(always)]
    fn better(&self, pass: &Pass, found: Match, word: u64, next_long: [i32; 2]) -> Match {
        let Match { at, next, .. } = found;
        if THOROUGH {
            let from = at + 1 - self.repeat;
            if pass.load32(from) == (word >> 8) as u32 {
                let length = pass.common_limited(at + 1, from);
                if length > found.length {
                    return Match { at: at + 1, from, length, next };
                }
            }
        }
        let [long, before] = next_long;
        let mut best = found;
        if next - long >= MAX_DISTANCE {
            return best;
        }
        let next_word = u64::from(pass.load32(next));
        for from in [long, before] {
            if pass.matches(next, from, next_word) {
                let length = pass.common_limited(next, from);
                if length > best.length {
                    best = Match { at: next, from, length, next };
                    if !THOROUGH {
                        return best;
                    }
                }
            }
        }
        best
    }

    /// A match is replaced by a longer one that is found by the bytes after its end.
    #[inline(always)]
    fn improve(&self, pass: &Pass, found: &mut Match) {
        let end = found.at + found.length;
        if end >= pass.limit || !THOROUGH && found.length >= SHORT_LENGTH {
            return;
        }
        let candidates = self.long[hash::<7, BITS>(pass.load64(end))];
        // Both are taken back by the length so far, and compared at the place so far.
        let at = found.at + SKIPPED;
        let mut back = found.length - SKIPPED;
        for position in candidates.into_iter().take(if THOROUGH { 2 } else { 1 }) {
            let from = pass.place(position) - back;
            let distance = at - from;
            if distance >= MAX_DISTANCE {
                return;
            }
            if distance > 0 && from >= 0 {
                let length = pass.common(at, from);
                if length > found.length {
                    (found.at, found.from, found.length) = (at, from, length);
                    back = length - SKIPPED;
                }
            }
        }
    }

    /// Level 5: after a match, every third place in it.
    #[inline(always)]
    fn fill(&mut self, pass: &Pass, begin: i32, end: i32) {
        let mut at = begin + 1;
        if at < end - 1 {
            let word = pass.load64(at);
            self.exchange_short(pass, word, at);
            self.exchange_long(pass, word, at);
            self.exchange_long(pass, word >> 8, at + 1);
            self.exchange_short(pass, word >> 16, at + 2);
            at += 4;
        }
        while at < end - 1 {
            let word = pass.load64(at);
            self.exchange_long(pass, word, at);
            self.exchange_short(pass, word >> 8, at + 1);
            at += 3;
        }
        let word = pass.load64(end - 1);
        self.exchange_short(pass, word, end - 1);
        self.exchange_long(pass, word, end - 1);
    }

    /// Level 6: after a match, every place in it.
    #[inline(always)]
    fn fill_all(&mut self, pass: &Pass, begin: i32, end: i32) {
        let mut at = begin;
        while at < end - 1 {
            let word = pass.load64(at);
            self.exchange_short(pass, word, at);
            self.exchange_long(pass, word, at);
            self.exchange_long(pass, word >> 8, at + 1);
            at += 2;
        }
    }

    /// Level 6: after a block's last match, every second place up to the end.
    fn fill_rest(&mut self, pass: &Pass, begin: i32) {
        let mut at = begin;
        while at < pass.bytes.len() as i32 - 8 {
            let word = pass.load64(at);
            self.exchange_short(pass, word, at);
            self.exchange_long(pass, word, at);
            at += 2;
        }
    }
}

/// The candidate with the longer match, if the second has one at all.
#[inline(always)]
fn longer(pass: &Pass, found: Match, before: i32, word: u64) -> Match {
    if !pass.matches(found.at, before, word) {
        return found;
    }
    let length = pass.common_limited(found.at, found.from);
    let length_before = pass.common_limited(found.at, before);
    if length_before > length {
        Match { from: before, length: length_before, ..found }
    } else {
        Match { length, ..found }
    }
}

impl<const THOROUGH: bool> Tables for ShortPair<THOROUGH> {
    fn rebase(&mut self, rebase: Rebase) {
        let positions = self.short.iter_mut().chain(self.long.as_flattened_mut());
        positions.for_each(|position| rebase.apply(position));
    }

    fn run(&mut self, mut pass: Pass) {
        self.repeat = 1;
        let (mut at, mut word) = (pass.emitted, pass.load64(pass.emitted));
        while let Some(mut found) = self.search(&pass, at, word) {
            if found.length == 0 {
                found.length = 4 + pass.common(found.at + 4, found.from + 4);
            } else if found.length == MAX_LENGTH as i32 {
                found.length += pass.common(found.at + found.length, found.from + found.length);
            }
            self.improve(&pass, &mut found);
            found = pass.take(found);
            self.repeat = found.at - found.from;
            at = found.at + found.length;
            if found.next >= at {
                at = found.next + 1;
            }
            if at >= pass.limit {
                if THOROUGH {
                    self.fill_rest(&pass, found.next + 1);
                }
                return pass.finish();
            }
            if THOROUGH {
                self.fill_all(&pass, found.next + 1, at);
            } else {
                self.fill(&pass, at - found.length, at);
            }
            word = pass.load64(at);
        }
        pass.finish();
    }
}
