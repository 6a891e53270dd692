//! SpeedBestCompression of 1.15.11 and 1.15.12: two tables that keep the last two places, and the match that saves most;
//! of two that save the same, the one that was found later.

use super::best::{LONG_BITS, MARGIN_BYTES, MIN_BLOCK_BYTES, STEP_SHIFT};
use super::entropy::entropy_bits;
use super::finder::{Found, Input, common, common_before, hash4, hash8, load4, load8, new_offset, table};
use super::pairs::{both, pack, place_of, pushed, rebase_pairs};
use super::sequences::Costs;

const SHORT_BITS: u32 = super::best::SHORT_BITS;
/// Nothing better is looked for than a match of this length.
const GOOD_LENGTH: i64 = 100;
/// The bits of what is no match.
const NO_MATCH: i64 = 25_000;

#[derive(Debug)]
pub(super) struct BestBefore {
    costs: Costs,
    /// Pairs of places.
    long: Box<[u64; 1 << LONG_BITS]>,
    short: Box<[u64; 1 << SHORT_BITS]>,
}

/// A search through one block.
struct Search<'a> {
    costs: &'a Costs,
    long: &'a mut [u64; 1 << LONG_BITS],
    short: &'a mut [u64; 1 << SHORT_BITS],
    input: Input<'a>,
    found: &'a mut Found,
    /// Matches do not begin here or later.
    limit: usize,
    at: usize,
    /// The end of the last match.
    done: usize,
    offsets: [usize; 3],
    /// The bits of a literal, times 2^10.
    literal_bits: i64,
}

#[derive(Debug, Clone, Copy)]
struct Match {
    /// The place of what it repeats, and its own.
    earlier: i64,
    place: i64,
    length: i64,
    /// The number of the recent offset that it repeats, from 1 on; 0 if it repeats none.
    repeat: u32,
    /// The bits that it takes, less those that it saves.
    bits: i64,
}

impl BestBefore {
    pub(super) fn new() -> Self {
        Self { costs: Costs::predefined(), long: table(), short: table() }
    }

    /// Takes `less` off all places, and forgets those that are smaller than `least`.
    pub(super) fn rebase(&mut self, least: u32, less: u32) {
        rebase_pairs(&mut *self.long, least, less);
        rebase_pairs(&mut *self.short, least, less);
    }

    pub(super) fn find(&mut self, input: Input<'_>, found: &mut Found) {
        let Input { bytes, start, .. } = input;
        let block = &bytes[start..];
        if block.len() < MIN_BLOCK_BYTES {
            found.literals.extend_from_slice(block);
            return;
        }
        // No code is shorter than a bit.
        let literal_bits = (entropy_bits(block) * 1024 / block.len() as u64).max(1024) as i64;
        let mut search = Search {
            costs: &self.costs,
            long: &mut self.long,
            short: &mut self.short,
            input,
            offsets: found.offsets.map(|offset| offset as usize),
            found,
            limit: bytes.len() - MARGIN_BYTES,
            at: start,
            done: start,
            literal_bits,
        };
        search.run();
        let (done, offsets) = (search.done, search.offsets);
        found.literals.extend_from_slice(bytes.get(done..).unwrap_or_default());
        found.offsets = offsets.map(|offset| offset as u32);
    }
}

impl Search<'_> {
    fn run(&mut self) {
        loop {
            // Offsets of earlier blocks are not repeated.
            let may_repeat = self.found.sequences.len() > 2;
            let mut best = self.best_here(may_repeat);
            if best.length < GOOD_LENGTH {
                if best.length < 4 {
                    self.at += 1 + ((self.at - self.done) >> STEP_SHIFT);
                    if self.at >= self.limit {
                        return;
                    }
                    continue;
                }
                best = self.look_ahead(best);
            }
            let noted_from = self.take(best);
            if self.at >= self.limit {
                return;
            }
            (noted_from..self.at - 1).for_each(|place| self.note(place));
            if best.repeat == 0 && may_repeat && !self.repeat_before() {
                return;
            }
        }
    }

    /// The better one of two matches.
    #[inline(always)]
    fn better(&self, a: Match, b: Match) -> Match {
        let further = |a: Match, b: Match| ((a.place - b.place) * self.literal_bits) >> 10;
        if a.bits + further(a, b) < b.bits + further(b, a) { a } else { b }
    }

    /// The match between two places, if there are four bytes of it.
    #[inline(always)]
    fn match_at(&self, earlier: i64, place: i64, four: u32, repeat: u32) -> Match {
        let (bytes, distance) = (self.input.bytes, place - earlier);
        let mut found = Match { earlier: 0, place, length: 0, repeat: 0, bits: NO_MATCH };
        if distance >= i64::from(self.input.window) || distance <= 0 || load4(bytes, earlier as usize) != four {
            return found;
        }
        found.length = 4 + common(bytes, place as usize + 4, earlier as usize + 4) as i64;
        (found.earlier, found.repeat) = (earlier, repeat);
        let coded = if repeat == 0 { new_offset(distance as usize) } else { repeat };
        found.bits = self.costs.bits(coded, found.length as u32) - ((found.length * self.literal_bits) >> 10);
        if found.bits > 0 {
            (found.length, found.bits) = (0, NO_MATCH);
        }
        found
    }

    /// The better one of a match and one at a place that was noted.
    #[inline(always)]
    fn or_noted(&self, best: Match, noted: u32, place: i64, four: u32) -> Match {
        self.better(best, self.match_at(self.place_of(noted), place, four, 0))
    }

    #[inline(always)]
    fn place_of(&self, noted: u32) -> i64 {
        i64::from(place_of(noted)) - i64::from(self.input.base)
    }

    /// The best match at the current byte, or that repeats an offset one or three bytes later. Notes the place.
    #[inline(always)]
    fn best_here(&mut self, may_repeat: bool) -> Match {
        let eight = load8(self.input.bytes, self.at);
        let (place, four) = (self.at as i64, eight as u32);
        let (long, short) = (self.long[hash8::<LONG_BITS>(eight)], self.short[hash4::<SHORT_BITS>(eight)]);
        let mut best = self.match_at(self.place_of(both(long)[0]), place, four, 0);
        for noted in [both(long)[1], both(short)[0], both(short)[1]] {
            best = self.or_noted(best, noted, place, four);
        }
        if may_repeat && best.length < GOOD_LENGTH {
            best = self.or_repeated(best, place + 1, (eight >> 8) as u32);
            if best.length > 0 {
                best = self.or_repeated(best, place + 3, (eight >> 24) as u32);
            }
        }
        self.note(self.at);
        best
    }

    /// The better one of a match and those that repeat a recent offset at a place.
    #[inline(always)]
    fn or_repeated(&self, mut best: Match, place: i64, four: u32) -> Match {
        for (number, offset) in (1..).zip(self.offsets) {
            best = self.better(best, self.match_at(place - offset as i64, place, four, number));
        }
        best
    }

    /// The better one of a match and those at the next two bytes, or that reach further.
    fn look_ahead(&self, mut best: Match) -> Match {
        let bytes = self.input.bytes;
        let (next, later) = (load8(bytes, self.at + 1), load8(bytes, self.at + 2));
        let place = self.at as i64 + 1;
        let short = self.short[hash4::<SHORT_BITS>(next)];
        let (long, long_later) = (self.long[hash8::<LONG_BITS>(next)], self.long[hash8::<LONG_BITS>(later)]);
        for noted in [both(short)[0], both(long)[0], both(long)[1]] {
            best = self.or_noted(best, noted, place, next as u32);
        }
        for noted in both(long_later) {
            best = self.or_noted(best, noted, place + 1, later as u32);
        }
        let end = best.place + best.length;
        if end >= self.limit as i64 {
            return best;
        }
        let pair = self.long[hash8::<LONG_BITS>(load8(bytes, end as usize))];
        let four = load4(bytes, best.place as usize);
        let mut longest = best;
        for noted in both(pair) {
            let earlier = self.place_of(noted) - best.length;
            if earlier < 0 {
                break;
            }
            longest = self.better(longest, self.match_at(earlier, best.place, four, 0));
        }
        longest
    }

    #[inline(always)]
    fn note(&mut self, place: usize) {
        let (eight, here) = (load8(self.input.bytes, place), (place as u32).wrapping_add(self.input.base));
        let (long, short) = (hash8::<LONG_BITS>(eight), hash4::<SHORT_BITS>(eight));
        let noted = pack(here, 0);
        self.long[long] = pushed(self.long[long], noted);
        self.short[short] = pushed(self.short[short], noted);
    }

    /// Takes a match with the same bytes before it, and gives the place from which on places are noted.
    fn take(&mut self, best: Match) -> usize {
        let Input { bytes, window, .. } = self.input;
        let (place, length, earlier) = (best.place as usize, best.length as usize, best.earlier as usize);
        let [one, two, three] = self.offsets;
        let (coded, offsets) = match best.repeat {
            0 => (new_offset(place - earlier), [place - earlier, one, two]),
            1 => (1, [one, two, three]),
            2 => (2, [two, one, three]),
            _ => (3, [three, one, two]),
        };
        // A repetition needs a literal before it, or it means another offset.
        let floor = self.done + usize::from(best.repeat > 0);
        let before = common_before(bytes, place, earlier, floor, place.saturating_sub(window as usize));
        self.found.push(&bytes[self.done..place - before], length + before, coded);
        self.at = place + length;
        self.done = self.at;
        self.offsets = offsets;
        if best.repeat > 0 { place } else { place - before + 1 }
    }

    /// Takes matches at the offset before the last one; `false` at the end of the block.
    fn repeat_before(&mut self) -> bool {
        let bytes = self.input.bytes;
        loop {
            let Some(earlier) = self.at.checked_sub(self.offsets[1]) else { return true };
            if load4(bytes, earlier) != load4(bytes, self.at) {
                return true;
            }
            let length = 4 + common(bytes, self.at + 4, earlier + 4);
            self.note(self.at);
            self.found.push(&[], length, 1);
            self.at += length;
            self.done = self.at;
            self.offsets.swap(0, 1);
            if self.at >= self.limit {
                return false;
            }
        }
    }
}
