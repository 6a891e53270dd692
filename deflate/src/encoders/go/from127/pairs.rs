//! Level 3: the last two candidates for each hash of five bytes.

use super::fast::Tables;
use super::history::{MAX_DISTANCE, Match, Pass, Rebase, hash};

const BITS: u32 = 16;
const SKIP_SHIFT: i32 = 7;
/// Candidates are not further away.
const REACH: i32 = MAX_DISTANCE - 4;

/// The last position and the one before it.
pub(super) struct Pairs(Box<[[i32; 2]; 1 << BITS]>);

impl Pairs {
    pub(super) fn new() -> Self {
        Self(Box::new([[0; 2]; 1 << BITS]))
    }

    /// Puts a place in for the bytes there; the places that were there before.
    #[inline(always)]
    fn exchange(&mut self, pass: &Pass, word: u64, at: i32) -> [i32; 2] {
        let pair = &mut self.0[hash::<5, BITS>(word)];
        let before = *pair;
        *pair = [pass.position(at), before[0]];
        before.map(|position| pass.place(position))
    }

    /// The next match from `at` on.
    #[inline(always)]
    fn search(&mut self, pass: &Pass, mut at: i32, mut word: u64) -> Option<Match> {
        loop {
            let next = at + 1 + ((at - pass.emitted) >> SKIP_SHIFT);
            if next > pass.limit {
                return None;
            }
            let next_word = pass.load64(next);
            let candidates = self.exchange(pass, word, at);
            if let Some(from) = choose(pass, candidates, at, word as u32) {
                return Some(Match { at, from, length: 0, next });
            }
            (at, word) = (next, next_word);
        }
    }

    /// After a match: puts in what lies within it, and is at `at`. The place that `at` repeats, if it does.
    #[inline(always)]
    fn fill(&mut self, pass: &Pass, begin: i32, at: i32) -> Option<i32> {
        let mut within = begin + 2;
        while within < at - 5 {
            self.exchange(pass, pass.load64(within), within);
            within += 6;
        }
        let around = pass.load64(at - 2);
        self.exchange(pass, around, at - 2);
        self.exchange(pass, around >> 8, at - 1);
        let word = around >> 16;
        let [last, before] = self.exchange(pass, word, at);
        let matches = |from: i32| from > at - REACH && pass.load32(from) == word as u32;
        if last <= at - REACH {
            return None;
        }
        [last, before].into_iter().find(|&from| matches(from))
    }
}

/// The candidate with the longer match, if any has one.
#[inline(always)]
fn choose(pass: &Pass, [last, before]: [i32; 2], at: i32, word: u32) -> Option<i32> {
    let nearest = at - REACH;
    if last < nearest {
        return None;
    }
    if pass.load32(last) != word {
        return (before > nearest && pass.load32(before) == word).then_some(before);
    }
    if before < nearest || pass.load32(before) != word {
        return Some(last);
    }
    let length = |from: i32| pass.common(at + 4, from + 4);
    Some(if length(before) > length(last) { before } else { last })
}

impl Tables for Pairs {
    fn rebase(&mut self, rebase: Rebase) {
        self.0.as_flattened_mut().iter_mut().for_each(|position| rebase.apply(position));
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
                    let from = found.from + found.length;
                    if from + 8 < pass.bytes.len() as i32 && from > 0 {
                        self.exchange(&pass, pass.load64(from), from);
                    }
                    return pass.finish();
                }
                match self.fill(&pass, at - found.length, at) {
                    Some(from) => (found.at, found.from) = (at, from),
                    None => break,
                }
            }
            // As many of the bytes around the end as are hashed.
            word = pass.load64(at - 2) >> 24;
            at += 1;
        }
        pass.finish();
    }
}
