//! SpeedFastest: one table of six bytes, looked up at two bytes in three or more.

use super::finder::{
    Found, Input, REPEAT, common, common_before, has_bytes, hash6, load4, load8, new_offset, note, noted_place, rebase,
    table,
};

const TABLE_BITS: u32 = 15;
/// The least number of bytes between the start of a match and the end of its block.
const MARGIN_BYTES: usize = 8;
/// Shorter blocks are not searched.
const MIN_BLOCK_BYTES: usize = 10;
/// The further the last match is behind, the larger are steps: by one for each 2^n bytes.
const STEP_SHIFT: u32 = 5;

#[derive(Debug)]
pub(super) struct Fast {
    table: Box<[u64; 1 << TABLE_BITS]>,
}

/// A search through one block.
struct Search<'a> {
    table: &'a mut [u64; 1 << TABLE_BITS],
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

impl Fast {
    pub(super) fn new() -> Self {
        Self { table: table() }
    }

    /// Takes `less` off all places, and forgets those that are smaller than `least`.
    pub(super) fn rebase(&mut self, least: u32, less: u32) {
        rebase(&mut *self.table, least, less);
    }

    pub(super) fn find(&mut self, input: Input<'_>, found: &mut Found) {
        let Input { bytes, start, .. } = input;
        if bytes.len() - start < MIN_BLOCK_BYTES {
            found.literals.extend_from_slice(&bytes[start..]);
            return;
        }
        let [offset, offset_before, _] = found.offsets.map(|offset| offset as usize);
        let (table, limit) = (&mut *self.table, bytes.len() - MARGIN_BYTES);
        let mut search = Search { table, input, found, limit, at: start, done: start, offset, offset_before };
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
            if may_repeat {
                self.repeat_before();
                if self.at >= self.limit {
                    return;
                }
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
            let (hash, next_hash) = (hash6::<TABLE_BITS>(eight), hash6::<TABLE_BITS>(eight >> 8));
            let (noted, noted_next) = (self.table[hash], self.table[next_hash]);
            self.table[hash] = note(here, eight);
            self.table[next_hash] = note(here.wrapping_add(1), eight >> 8);
            if may_repeat && self.repeats(eight) {
                self.take_repeat();
                if self.at >= self.limit {
                    return None;
                }
                eight = load8(bytes, self.at);
                continue;
            }
            let distance = here.wrapping_sub(noted_place(noted));
            if distance < window && has_bytes(noted, eight) {
                return Some(self.at.wrapping_sub(distance as usize));
            }
            let distance = here.wrapping_add(1).wrapping_sub(noted_place(noted_next));
            if distance < window && has_bytes(noted_next, eight >> 8) {
                self.at += 1;
                return Some(self.at.wrapping_sub(distance as usize));
            }
            self.at += 2 + ((self.at - self.done) >> STEP_SHIFT);
            if self.at >= self.limit {
                return None;
            }
            eight = load8(bytes, self.at);
        }
    }

    /// Whether the last offset has the four bytes from the second next on.
    #[inline(always)]
    fn repeats(&self, eight: u64) -> bool {
        let next = self.at + 2;
        self.offset <= next && load4(self.input.bytes, next - self.offset) == (eight >> 16) as u32
    }

    /// Takes the repetition that [`Search::repeats`] found.
    #[inline(always)]
    fn take_repeat(&mut self) {
        let Input { bytes, window, .. } = self.input;
        let next = self.at + 2;
        let earlier = next - self.offset;
        let length = 4 + common(bytes, next + 4, earlier + 4);
        let earliest = self.at.saturating_sub(window as usize);
        let before = common_before(bytes, next, earlier, self.done + 1, earliest);
        self.found.push(&bytes[self.done..next - before], length + before, REPEAT);
        self.at = next + length;
        self.done = self.at;
    }

    /// Takes a match of at least four bytes.
    #[inline(always)]
    fn take(&mut self, earlier: usize) {
        let Input { bytes, window, .. } = self.input;
        self.offset_before = self.offset;
        self.offset = self.at - earlier;
        let length = 4 + common(bytes, self.at + 4, earlier + 4);
        let earliest = self.at.saturating_sub(window as usize);
        let before = common_before(bytes, self.at, earlier, self.done, earliest);
        self.found.push(&bytes[self.done..self.at - before], length + before, new_offset(self.offset));
        self.at += length;
        self.done = self.at;
    }

    /// Takes a match at the offset before the last one, if there is one.
    #[inline(always)]
    fn repeat_before(&mut self) {
        let Input { bytes, base, .. } = self.input;
        let eight = load8(bytes, self.at);
        let Some(earlier) = self.at.checked_sub(self.offset_before) else { return };
        if load4(bytes, earlier) != eight as u32 {
            return;
        }
        let length = 4 + common(bytes, self.at + 4, earlier + 4);
        self.table[hash6::<TABLE_BITS>(eight)] = note((self.at as u32).wrapping_add(base), eight);
        self.found.push(&[], length, REPEAT);
        self.at += length;
        self.done = self.at;
        std::mem::swap(&mut self.offset, &mut self.offset_before);
    }
}
