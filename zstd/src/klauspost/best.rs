//! SpeedBestCompression from 1.16.4 on: two tables that keep the last two places, and the match that saves most, as far
//! as can be told without the tables of the block.

use super::entropy::entropy_bits;
use super::finder::{Found, Input, common, common_before, hash4, hash8, is_one_byte, load4, load8, new_offset, table};
use super::pairs::{both, check4, may_have, pack, place_of, pushed, rebase_pairs};
use super::sequences::Costs;
use super::version::{RepeatExtension, Version};

pub(super) const LONG_BITS: u32 = 22;
pub(super) const SHORT_BITS: u32 = 18;
/// The least number of bytes between the start of a match and the end of its block.
pub(super) const MARGIN_BYTES: usize = 12;
/// Shorter blocks are not searched.
pub(super) const MIN_BLOCK_BYTES: usize = 16;
/// The further the last match is behind, the larger are steps: by one for each 2^n bytes.
pub(super) const STEP_SHIFT: u32 = 9;
/// Nothing better is looked for than a match of this length.
const GOOD_LENGTH: i64 = 250;
/// A match that ends where another one does may begin this many bytes later.
const SKIPPED_BYTES: i64 = 2;
/// The bits of what is no match.
const NO_MATCH: i64 = 131_074 * 8;

#[derive(Debug)]
pub(super) struct Best {
    version: Version,
    costs: Costs,
    /// Pairs of places.
    long: Box<[u64; 1 << LONG_BITS]>,
    short: Box<[u64; 1 << SHORT_BITS]>,
}

/// A search through one block.
struct Search<'a> {
    style: Version,
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

/// What repeats an offset, if anything does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// There is no match yet.
    Nothing,
    No,
    /// The recent offset with this number, from 1 on, behind literals.
    BehindLiterals(u8),
    /// The number of the recent offset as it is coded right behind a match.
    BehindMatch(u8),
}

impl Repeat {
    fn is_repeat(self) -> bool {
        matches!(self, Self::BehindLiterals(_) | Self::BehindMatch(_))
    }
}

#[derive(Debug, Clone, Copy)]
struct Match {
    /// The place of what it repeats, and its own.
    earlier: i64,
    place: i64,
    length: i64,
    repeat: Repeat,
    /// The bits that it takes, less those that it saves.
    bits: i64,
}

impl Best {
    pub(super) fn new(version: Version) -> Self {
        Self { version, costs: Costs::predefined(), long: table(), short: table() }
    }

    /// Takes `less` off all places, and forgets those that are smaller than `least`.
    pub(super) fn rebase(&mut self, least: u32, less: u32) {
        rebase_pairs(&mut *self.long, least, less);
        rebase_pairs(&mut *self.short, least, less);
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
        // No code is shorter than a bit.
        let literal_bits = (entropy_bits(block) * 1024 / block.len() as u64).max(1024) as i64;
        let mut search = Search {
            style: self.version,
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
            let looked_at = self.at;
            let mut best = self.best_here();
            if best.length < GOOD_LENGTH {
                if best.length < 4 {
                    self.at += 1 + ((self.at - self.done) >> STEP_SHIFT);
                    if self.at >= self.limit {
                        return;
                    }
                    continue;
                }
                self.look_ahead(&mut best);
            }
            self.take(best, looked_at + 1);
            if self.at >= self.limit {
                return;
            }
        }
    }

    /// The best match at the current byte, or that repeats an offset soon after it. Notes the place.
    #[inline(always)]
    fn best_here(&mut self) -> Match {
        let eight = load8(self.input.bytes, self.at);
        let (long_hash, short_hash) = (hash8::<LONG_BITS>(eight), hash4::<SHORT_BITS>(eight));
        let (long, short) = (self.long[long_hash], self.short[short_hash]);
        let place = self.at as i64;
        let mut best = Match { earlier: 0, place, length: 0, repeat: Repeat::Nothing, bits: NO_MATCH };
        for pair in [long, short] {
            self.improve_by_pair(&mut best, pair, place, eight as u32);
        }
        // Offsets of earlier blocks are not repeated.
        if self.found.sequences.len() > 2 && best.length < GOOD_LENGTH {
            self.improve_by_offsets(&mut best, eight);
        }
        let here = (self.at as u32).wrapping_add(self.input.base);
        let noted = pack(here, check4(eight as u32));
        self.long[long_hash] = pushed(long, noted);
        self.short[short_hash] = pushed(short, noted);
        best
    }

    #[inline(always)]
    fn improve_by_pair(&self, best: &mut Match, pair: u64, place: i64, four: u32) {
        let check = check4(four);
        for noted in both(pair) {
            if may_have(noted, check) {
                self.improve(best, self.place_of(noted), place, four, Repeat::No);
            }
        }
    }

    #[inline(always)]
    fn place_of(&self, noted: u32) -> i64 {
        i64::from(place_of(noted)) - i64::from(self.input.base)
    }

    /// Looks for repetitions of recent offsets at the current byte, at the next one, and two bytes later.
    fn improve_by_offsets(&self, best: &mut Match, eight: u64) {
        let place = self.at as i64;
        let [one, two, three] = self.offsets.map(|offset| offset as i64);
        if self.at == self.done {
            let four = eight as u32;
            self.improve(best, place - two, place, four, Repeat::BehindMatch(1));
            self.improve(best, place - three, place, four, Repeat::BehindMatch(2));
            if one > 1 {
                self.improve(best, place - (one - 1), place, four, Repeat::BehindMatch(3));
            }
        }
        if best.repeat.is_repeat() {
            return;
        }
        for (number, offset) in (1..).zip([one, two, three]) {
            self.improve(best, place + 1 - offset, place + 1, (eight >> 8) as u32, Repeat::BehindLiterals(number));
        }
        if best.repeat == Repeat::No {
            for (number, offset) in (1..).zip([one, two, three]) {
                self.improve(best, place + 3 - offset, place + 3, (eight >> 24) as u32, Repeat::BehindLiterals(number));
            }
        }
    }

    /// Looks for a better match at the next two bytes, and for one that reaches further.
    fn look_ahead(&self, best: &mut Match) {
        let bytes = self.input.bytes;
        let (next, later) = (load8(bytes, self.at + 1), load8(bytes, self.at + 2));
        let place = self.at as i64;
        let short = self.short[hash4::<SHORT_BITS>(next)];
        self.improve(best, self.place_of(both(short)[0]), place + 1, next as u32, Repeat::No);
        self.improve_by_pair(best, self.long[hash8::<LONG_BITS>(next)], place + 1, next as u32);
        self.improve_by_pair(best, self.long[hash8::<LONG_BITS>(later)], place + 2, later as u32);
        let end = best.place + best.length;
        // Places from there on are noted already.
        if best.place <= place - SKIPPED_BYTES || end >= self.limit as i64 {
            return;
        }
        let pair = self.long[hash8::<LONG_BITS>(load8(bytes, end as usize))];
        for noted in both(pair) {
            let earlier = self.place_of(noted) - best.length + SKIPPED_BYTES;
            if earlier < 0 {
                return;
            }
            let place = best.place + SKIPPED_BYTES;
            self.improve(best, earlier, place, load4(bytes, place as usize), Repeat::No);
        }
    }

    /// Takes a match of at least four bytes for the best one if it saves more.
    #[inline(always)]
    fn improve(&self, best: &mut Match, earlier: i64, place: i64, four: u32, repeat: Repeat) {
        let (bytes, distance) = (self.input.bytes, place - earlier);
        if distance >= i64::from(self.input.window) || distance <= 0 || load4(bytes, earlier as usize) != four {
            return;
        }
        if best.length > 16 && !self.may_be_longer(best, earlier, place) {
            return;
        }
        let length = 4 + common(bytes, place as usize + 4, earlier as usize + 4);
        let extends = match self.style.repeat_extension() {
            RepeatExtension::Never => repeat == Repeat::No,
            RepeatExtension::Always => true,
            RepeatExtension::UnlessBestRepeats => !best.repeat.is_repeat(),
        };
        let earliest = (place as usize).saturating_sub(self.input.window as usize);
        let before = match extends {
            true => common_before(bytes, place as usize, earlier as usize, self.done, earliest),
            false => 0,
        };
        let (earlier, place) = (earlier - before as i64, place - before as i64);
        let candidate = self.weighed(Match { earlier, place, length: (length + before) as i64, repeat, bits: 0 });
        let further = ((candidate.place - best.place) * self.literal_bits) >> 10;
        if best.bits >= NO_MATCH || candidate.bits - best.bits + further < 0 {
            *best = candidate;
        }
    }

    /// Whether a match may be longer than the best one, by some bytes near the end of that.
    #[inline(always)]
    fn may_be_longer(&self, best: &Match, earlier: i64, place: i64) -> bool {
        let bytes = self.input.bytes;
        let left = bytes.len() as i64 - (best.place + best.length);
        let checked = best.length - (place - best.place) - 8;
        if left > 2 && checked > 4 {
            return load4(bytes, (earlier + checked) as usize) == load4(bytes, (place + checked) as usize);
        }
        left > 0
    }

    /// A match with the bits that it takes, less those of as many literals; none of it if it saves nothing.
    #[inline(always)]
    fn weighed(&self, mut found: Match) -> Match {
        let coded = match found.repeat {
            Repeat::BehindLiterals(number) => u32::from(number),
            Repeat::BehindMatch(number) if self.style.weighs_repeats_alike() => u32::from(number),
            Repeat::BehindMatch(number) => u32::from(number | 4),
            Repeat::No | Repeat::Nothing => new_offset((found.place - found.earlier) as usize),
        };
        found.bits = self.costs.bits(coded, found.length as u32) - ((found.length * self.literal_bits) >> 10);
        if found.bits > 0 {
            (found.length, found.bits) = (0, NO_MATCH);
        }
        found
    }

    /// Takes a match, and notes the places from one on.
    fn take(&mut self, best: Match, noted_from: usize) {
        let (place, length) = (best.place as usize, best.length as usize);
        let [one, two, three] = self.offsets;
        let (coded, offsets) = match best.repeat {
            Repeat::BehindLiterals(1) => (1, [one, two, three]),
            Repeat::BehindLiterals(2) | Repeat::BehindMatch(1) => (2, [two, one, three]),
            Repeat::BehindLiterals(_) | Repeat::BehindMatch(2) => (3, [three, one, two]),
            Repeat::BehindMatch(_) => (3, [one - 1, one, two]),
            Repeat::No | Repeat::Nothing => {
                let offset = (best.place - best.earlier) as usize;
                (new_offset(offset), [offset, one, two])
            }
        };
        let coded = match best.repeat {
            Repeat::BehindMatch(number) => u32::from(number),
            _ => coded,
        };
        self.found.push(&self.input.bytes[self.done..place], length, coded);
        self.at = place + length;
        self.done = self.at;
        self.offsets = offsets;
        let end = match (self.style.notes_all_places(), best.repeat.is_repeat()) {
            (true, true) => self.at.min(self.limit + 4),
            (true, false) => self.at.min(self.limit - 4),
            (false, _) if self.at >= self.limit => return,
            (false, _) => self.at,
        };
        for noted in noted_from..end {
            let (eight, here) = (load8(self.input.bytes, noted), (noted as u32).wrapping_add(self.input.base));
            let (long, short) = (hash8::<LONG_BITS>(eight), hash4::<SHORT_BITS>(eight));
            let noted = pack(here, check4(eight as u32));
            self.long[long] = pushed(self.long[long], noted);
            self.short[short] = pushed(self.short[short], noted);
        }
    }
}
