//! SpeedBetterCompression: a table of eight bytes that keeps the last two places, and one of five; a match is given up
//! for a longer one at the next byte, or for one that reaches further.

use super::finder::{
    Found, Input, REPEAT, common, common_before, has_bytes, hash5, is_one_byte, load4, load8, new_offset, note,
    noted_place, rebase, table,
};
use super::pairs::{both, hash8_and_check, may_have, pack, place_of, pushed, rebase_pairs};
use super::version::Version;

const LONG_BITS: u32 = 19;
const SHORT_BITS: u32 = 13;
/// The least number of bytes between the start of a match and the end of its block.
const MARGIN_BYTES: usize = 10;
/// Shorter blocks are not searched.
const MIN_BLOCK_BYTES: usize = 16;
/// The further the last match is behind, the larger are steps: by one for each 2^n bytes.
const STEP_SHIFT: u32 = 8;
/// A match that ends where another one does may begin this many bytes later.
const SKIPPED_BYTES: usize = 3;

#[derive(Debug)]
pub(super) struct Better {
    version: Version,
    /// Pairs of places.
    long: Box<[u64; 1 << LONG_BITS]>,
    short: Box<[u64; 1 << SHORT_BITS]>,
}

/// A search through one block.
struct Search<'a> {
    long: &'a mut [u64; 1 << LONG_BITS],
    short: &'a mut [u64; 1 << SHORT_BITS],
    notes_all_places: bool,
    input: Input<'a>,
    found: &'a mut Found,
    /// Matches do not begin here or later.
    limit: usize,
    at: usize,
    /// The end of the last match.
    done: usize,
    offset: usize,
    offset_before: usize,
}

/// A match: the place of what it repeats, and its length.
#[derive(Debug, Clone, Copy)]
struct Match {
    earlier: usize,
    length: usize,
}

impl Better {
    pub(super) fn new(version: Version) -> Self {
        Self { version, long: table(), short: table() }
    }

    /// Takes `less` off all places, and forgets those that are smaller than `least`.
    pub(super) fn rebase(&mut self, least: u32, less: u32) {
        rebase_pairs(&mut *self.long, least, less);
        rebase(&mut *self.short, least, less);
    }

    pub(super) fn find(&mut self, input: Input<'_>, found: &mut Found) {
        let Input { bytes, start, .. } = input;
        let block = &bytes[start..];
        if self.version.finds_one_byte() && is_one_byte(block) {
            found.push(&block[..1], block.len() - 1, new_offset(1));
            return;
        }
        if block.len() < MIN_BLOCK_BYTES {
            found.literals.extend_from_slice(block);
            return;
        }
        let [offset, offset_before, _] = found.offsets.map(|offset| offset as usize);
        let limit = bytes.len() - MARGIN_BYTES;
        let (long, short) = (&mut *self.long, &mut *self.short);
        let notes_all_places = self.version.notes_all_places();
        let mut search = Search {
            long,
            short,
            notes_all_places,
            input,
            found,
            limit,
            at: start,
            done: start,
            offset,
            offset_before,
        };
        search.run();
        let (done, offsets) = (search.done, [search.offset as u32, search.offset_before as u32]);
        found.literals.extend_from_slice(bytes.get(done..).unwrap_or_default());
        found.offsets[..2].copy_from_slice(&offsets);
    }
}

impl Search<'_> {
    fn run(&mut self) {
        let notes_all = self.notes_all_places;
        loop {
            // Offsets of earlier blocks are not repeated.
            let may_repeat = self.found.sequences.len() > 2;
            let Some((mut best, looked_at)) = self.next_match(may_repeat) else { return };
            self.reach_further(&mut best);
            let start = self.take(best);
            if self.at >= self.limit {
                return;
            }
            self.note_up_to(if notes_all { looked_at + 1 } else { start + 1 });
            if may_repeat && !self.repeat_before() {
                return;
            }
        }
    }

    #[inline(always)]
    fn noted(&self, place: usize) -> u32 {
        (place as u32).wrapping_add(self.input.base)
    }

    /// The place that a note stands for, if it is in reach of another.
    #[inline(always)]
    fn in_reach(&self, noted: u32, place: usize) -> Option<usize> {
        let distance = self.noted(place).wrapping_sub(noted);
        (distance < self.input.window).then(|| place.wrapping_sub(distance as usize))
    }

    /// The match of at least eight bytes at a note, if there is one.
    #[inline(always)]
    fn long_match(&self, noted: u32, check: u32, eight: u64) -> Option<Match> {
        let place = place_of(noted);
        let earlier = self.in_reach(place, self.at).filter(|_| may_have(noted, check))?;
        self.long_match_at(earlier, self.at, eight)
    }

    /// Finds the next match that is no repetition; `at` is at it then. Gives also the place that was looked at last.
    #[inline(always)]
    fn next_match(&mut self, may_repeat: bool) -> Option<(Match, usize)> {
        let bytes = self.input.bytes;
        let mut eight = load8(bytes, self.at);
        loop {
            let looked_at = self.at;
            let here = self.noted(self.at);
            let ((long_hash, check), short_hash) = (hash8_and_check::<LONG_BITS>(eight), hash5::<SHORT_BITS>(eight));
            let (long, short) = (self.long[long_hash], self.short[short_hash]);
            self.long[long_hash] = pushed(long, pack(here, check));
            self.short[short_hash] = note(here, eight);
            // What the table has of the next place takes long to come: it is asked for before it is known whether it is
            // needed.
            let next = self.at + 1 + ((self.at - self.done) >> STEP_SHIFT);
            let next_eight = load8(bytes, next);
            std::hint::black_box(self.long[hash8_and_check::<LONG_BITS>(next_eight).0]);
            if may_repeat && self.repeats(eight) {
                self.take_repeat();
                if self.at >= self.limit {
                    return None;
                }
                self.note_up_to(looked_at + 1);
                eight = load8(bytes, self.at);
                continue;
            }
            let [last, before] = both(long);
            let last = self.long_match(last, check, eight);
            let before = self.long_match(before, check, eight);
            let longer = match (last, before) {
                (Some(last), Some(before)) if before.length > last.length => Some(before),
                (last, before) => last.or(before),
            };
            if let Some(longer) = longer {
                return Some((longer, looked_at));
            }
            if let Some(earlier) = self.in_reach(noted_place(short), self.at).filter(|_| has_bytes(short, eight)) {
                return Some((self.longer(earlier), looked_at));
            }
            self.at = next;
            if self.at >= self.limit {
                return None;
            }
            eight = next_eight;
        }
    }

    /// The match of at least four bytes, unless there is a longer one at the next byte.
    #[inline(always)]
    fn longer(&mut self, earlier: usize) -> Match {
        let bytes = self.input.bytes;
        let length = 4 + common(bytes, self.at + 4, earlier + 4);
        let next = self.at + 1;
        let eight = load8(bytes, next);
        let (hash, check) = hash8_and_check::<LONG_BITS>(eight);
        let (here, long) = (self.noted(next), self.long[hash]);
        self.long[hash] = pushed(long, pack(here, check));
        for noted in both(long) {
            // What is in reach is measured from the place before.
            if may_have(noted, check)
                && let Some(earlier) = self.in_reach(place_of(noted), self.at)
                && let Some(longer) = self.long_match_at(earlier, next, eight)
                && longer.length > length
            {
                self.at = next;
                return longer;
            }
        }
        Match { earlier, length }
    }

    /// The match of at least eight bytes between two places, if there is one.
    #[inline(always)]
    fn long_match_at(&self, earlier: usize, place: usize, eight: u64) -> Option<Match> {
        let bytes = self.input.bytes;
        let is_long = load8(bytes, earlier) == eight;
        is_long.then(|| Match { earlier, length: 8 + common(bytes, place + 8, earlier + 8) })
    }

    /// Looks for a longer match by what comes behind this one.
    #[inline(always)]
    fn reach_further(&mut self, best: &mut Match) {
        let bytes = self.input.bytes;
        let end = self.at + best.length;
        if end >= self.limit {
            return;
        }
        let long = self.long[hash8_and_check::<LONG_BITS>(load8(bytes, end)).0];
        let later = self.at + SKIPPED_BYTES;
        let four = load4(bytes, later);
        for noted in both(long) {
            // If the first candidate is taken, the second one is looked for by its length.
            let place = i64::from(place_of(noted)) - i64::from(self.input.base);
            let Ok(earlier) = usize::try_from(place - best.length as i64 + SKIPPED_BYTES as i64) else { continue };
            if earlier >= later || later - earlier >= self.input.window as usize || load4(bytes, earlier) != four {
                continue;
            }
            let length = 4 + common(bytes, later + 4, earlier + 4);
            if length > best.length {
                *best = Match { earlier, length };
                self.at = later;
            }
        }
    }

    /// Whether the last offset has the four bytes from the next one on.
    #[inline(always)]
    fn repeats(&self, eight: u64) -> bool {
        let next = self.at + 1;
        self.offset <= next && load4(self.input.bytes, next - self.offset) == (eight >> 8) as u32
    }

    /// Takes the repetition that [`Search::repeats`] found.
    #[inline(always)]
    fn take_repeat(&mut self) {
        let Input { bytes, window, .. } = self.input;
        let next = self.at + 1;
        let earlier = next - self.offset;
        let length = 4 + common(bytes, next + 4, earlier + 4);
        let earliest = self.at.saturating_sub(window as usize);
        let before = common_before(bytes, next, earlier, self.done + 1, earliest);
        self.found.push(&bytes[self.done..next - before], length + before, REPEAT);
        self.at = next + length;
        self.done = self.at;
    }

    /// Takes a match, and gives the place where it begins.
    #[inline(always)]
    fn take(&mut self, best: Match) -> usize {
        let Input { bytes, window, .. } = self.input;
        self.offset_before = self.offset;
        self.offset = self.at - best.earlier;
        let earliest = self.at.saturating_sub(window as usize);
        let before = common_before(bytes, self.at, best.earlier, self.done, earliest);
        let start = self.at - before;
        self.found.push(&bytes[self.done..start], best.length + before, new_offset(self.offset));
        self.at += best.length;
        self.done = self.at;
        start
    }

    /// Notes places from one on up to the current one, every other in each table.
    #[inline(always)]
    fn note_up_to(&mut self, from: usize) {
        for place in (from..self.at.saturating_sub(1)).step_by(2) {
            let (eight, here) = (load8(self.input.bytes, place), self.noted(place));
            let (hash, check) = hash8_and_check::<LONG_BITS>(eight);
            self.long[hash] = pushed(self.long[hash], pack(here, check));
            self.short[hash5::<SHORT_BITS>(eight >> 8)] = note(here.wrapping_add(1), eight >> 8);
        }
    }

    /// Takes matches at the offset before the last one; `false` at the end of the block.
    #[inline(always)]
    fn repeat_before(&mut self) -> bool {
        let bytes = self.input.bytes;
        loop {
            let eight = load8(bytes, self.at);
            let Some(earlier) = self.at.checked_sub(self.offset_before) else { return true };
            if load4(bytes, earlier) != eight as u32 {
                return true;
            }
            let length = 4 + common(bytes, self.at + 4, earlier + 4);
            let here = self.noted(self.at);
            let (hash, check) = hash8_and_check::<LONG_BITS>(eight);
            self.long[hash] = pushed(self.long[hash], pack(here, check));
            self.short[hash5::<SHORT_BITS>(eight)] = note(here, eight);
            self.found.push(&[], length, REPEAT);
            self.at += length;
            self.done = self.at;
            std::mem::swap(&mut self.offset, &mut self.offset_before);
            if self.at >= self.limit {
                return false;
            }
        }
    }
}
