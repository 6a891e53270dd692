//! SpeedDefault: a table of eight bytes and one of five; the first match is taken.

use super::finder::{
    Found, Input, REPEAT, common, common_before, has_bytes, hash5, hash8, load4, load8, new_offset, note, noted_place,
    rebase, table,
};

const LONG_BITS: u32 = 17;
const SHORT_BITS: u32 = 15;
/// The least number of bytes between the start of a match and the end of its block.
const MARGIN_BYTES: usize = 10;
/// Shorter blocks are not searched.
const MIN_BLOCK_BYTES: usize = 16;
/// The further the last match is behind, the larger are steps: by one for each 2^n bytes.
const STEP_SHIFT: u32 = 7;

#[derive(Debug)]
pub(super) struct DoubleFast {
    long: Box<[u64; 1 << LONG_BITS]>,
    short: Box<[u64; 1 << SHORT_BITS]>,
}

/// A search through one block.
struct Search<'a> {
    long: &'a mut [u64; 1 << LONG_BITS],
    short: &'a mut [u64; 1 << SHORT_BITS],
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

impl DoubleFast {
    pub(super) fn new() -> Self {
        Self { long: table(), short: table() }
    }

    /// Takes `less` off all places, and forgets those that are smaller than `least`.
    pub(super) fn rebase(&mut self, least: u32, less: u32) {
        rebase(&mut *self.long, least, less);
        rebase(&mut *self.short, least, less);
    }

    pub(super) fn find(&mut self, input: Input<'_>, found: &mut Found) {
        let Input { bytes, start, .. } = input;
        if bytes.len() - start < MIN_BLOCK_BYTES {
            found.literals.extend_from_slice(&bytes[start..]);
            return;
        }
        let [offset, offset_before, _] = found.offsets.map(|offset| offset as usize);
        let limit = bytes.len() - MARGIN_BYTES;
        let (long, short) = (&mut *self.long, &mut *self.short);
        let mut search = Search { long, short, input, found, limit, at: start, done: start, offset, offset_before };
        search.run();
        let (done, offsets) = (search.done, [search.offset as u32, search.offset_before as u32]);
        found.literals.extend_from_slice(bytes.get(done..).unwrap_or_default());
        found.offsets[..2].copy_from_slice(&offsets);
    }
}

impl Search<'_> {
    fn run(&mut self) {
        loop {
            // Offsets of earlier blocks are not repeated.
            let could_repeat = self.found.sequences.len() > 2;
            let Some(earlier) = self.next_match(could_repeat) else { return };
            self.take(earlier);
            if self.at >= self.limit {
                return;
            }
            let may_repeat = could_repeat || self.input.is_alone && self.found.sequences.len() > 2;
            if may_repeat && !self.repeat_before() {
                return;
            }
        }
    }

    /// Finds the next match that is no repetition; `at` is at it then.
    #[inline(always)]
    fn next_match(&mut self, may_repeat: bool) -> Option<usize> {
        let Input { bytes, base, window, .. } = self.input;
        let mut eight = load8(bytes, self.at);
        loop {
            let here = (self.at as u32).wrapping_add(base);
            let (long_hash, short_hash) = (hash8::<LONG_BITS>(eight), hash5::<SHORT_BITS>(eight));
            let (long, short) = (self.long[long_hash], self.short[short_hash]);
            self.long[long_hash] = note(here, eight);
            self.short[short_hash] = note(here, eight);
            if may_repeat && self.repeats(eight) {
                self.take_repeat();
                if self.at >= self.limit {
                    return None;
                }
                eight = load8(bytes, self.at);
                continue;
            }
            let distance = here.wrapping_sub(noted_place(long));
            if distance < window && has_bytes(long, eight) {
                return Some(self.at.wrapping_sub(distance as usize));
            }
            let distance = here.wrapping_sub(noted_place(short));
            if distance < window && has_bytes(short, eight) {
                return Some(self.longer(distance as usize));
            }
            self.at += 1 + ((self.at - self.done) >> STEP_SHIFT);
            if self.at >= self.limit {
                return None;
            }
            eight = load8(bytes, self.at);
        }
    }

    /// The match at a distance, unless there is a long one at the next byte.
    #[inline(always)]
    fn longer(&mut self, distance: usize) -> usize {
        let Input { bytes, base, window, .. } = self.input;
        let eight = load8(bytes, self.at + 1);
        let next = (self.at as u32 + 1).wrapping_add(base);
        let hash = hash8::<LONG_BITS>(eight);
        let long = std::mem::replace(&mut self.long[hash], note(next, eight));
        let of_next = next.wrapping_sub(noted_place(long));
        if of_next < window && has_bytes(long, eight) {
            self.at += 1;
            return self.at.wrapping_sub(of_next as usize);
        }
        self.at.wrapping_sub(distance)
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

    /// Takes a match of at least four bytes, and notes some of its places.
    #[inline(always)]
    fn take(&mut self, earlier: usize) {
        let Input { bytes, base, window, .. } = self.input;
        self.offset_before = self.offset;
        self.offset = self.at - earlier;
        let length = 4 + common(bytes, self.at + 4, earlier + 4);
        let earliest = self.at.saturating_sub(window as usize);
        let before = common_before(bytes, self.at, earlier, self.done, earliest);
        let start = self.at - before;
        self.found.push(&bytes[self.done..start], length + before, new_offset(self.offset));
        self.at += length;
        self.done = self.at;
        if self.at >= self.limit {
            return;
        }
        for place in [start + 1, self.at - 2] {
            let (eight, noted) = (load8(bytes, place), (place as u32).wrapping_add(base));
            self.long[hash8::<LONG_BITS>(eight)] = note(noted, eight);
            self.short[hash5::<SHORT_BITS>(eight >> 8)] = note(noted.wrapping_add(1), eight >> 8);
        }
    }

    /// Takes matches at the offset before the last one; `false` at the end of the block.
    #[inline(always)]
    fn repeat_before(&mut self) -> bool {
        let Input { bytes, base, is_alone, .. } = self.input;
        // The bytes whose hash is noted: of a block that is alone, always those behind the first match.
        let hashed = load8(bytes, self.at) & 0xff_ffff_ffff;
        loop {
            let eight = load8(bytes, self.at);
            let Some(earlier) = self.at.checked_sub(self.offset_before) else { return true };
            if load4(bytes, earlier) != eight as u32 {
                return true;
            }
            let short_hash = hash5::<SHORT_BITS>(if is_alone { hashed } else { eight });
            let length = 4 + common(bytes, self.at + 4, earlier + 4);
            let noted = note((self.at as u32).wrapping_add(base), eight);
            self.long[hash8::<LONG_BITS>(eight)] = noted;
            self.short[short_hash] = noted;
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
