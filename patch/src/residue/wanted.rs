//! An index of literals, in which all bytes of the base are looked up.

use regrow_delta::common_prefix;

/// The number of bytes that a match has at least in common with a literal, from some looked-up place of the base on.
const SEED: usize = 16;
/// The distance of the places of the base that are looked up. So every match of `SEED` + 7 bytes is found.
const STEP: usize = 8;
/// The number of places in the literals that are compared for each place of the base.
const DEPTH: usize = 12;
/// The size of the parts of a literal for each of which the longest matches are kept.
const SLOT: usize = 64;
/// The number of matches that are kept for each slot.
const KEPT: usize = 3;

/// A stretch of a literal that the base has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hit {
    /// The place among the literals.
    pub(super) at: u32,
    pub(super) len: u32,
    /// The place in the base space.
    pub(super) base_at: u64,
}

/// Literals, one behind the other, and an index of them.
pub(super) struct Wanted {
    bytes: Vec<u8>,
    /// For each literal the place where it begins, and the end of the last one.
    starts: Vec<u32>,
    /// The last place of each hash, plus 1.
    heads: Vec<u32>,
    /// For each place the one before it with the same hash, plus 1.
    before: Vec<u32>,
    shift: u32,
    /// One bit for each hash, in which most of the base's places are told from all literals.
    filter: Vec<u64>,
    filter_shift: u32,
}

impl Wanted {
    /// Indexes literals that lie one behind the other and begin at these places.
    pub(super) fn new(bytes: Vec<u8>, mut starts: Vec<u32>) -> Self {
        starts.push(bytes.len() as u32);
        let bits = (bytes.len().max(16).ilog2() + 1).clamp(10, 22);
        let filter_bits = (bytes.len().max(16).ilog2() + 4).clamp(12, 26);
        let mut wanted = Self {
            heads: vec![0; 1 << bits],
            before: vec![0; bytes.len()],
            shift: 64 - bits,
            filter: vec![0; 1 << (filter_bits - 6)],
            filter_shift: 64 - filter_bits,
            bytes,
            starts,
        };
        for literal in 0..wanted.literals() {
            wanted.index(literal);
        }
        wanted
    }

    fn index(&mut self, literal: usize) {
        let (start, end) = (self.starts[literal] as usize, self.starts[literal + 1] as usize);
        let mut last = None;
        for at in start..(end + 1).saturating_sub(SEED).max(start) {
            let Some(hash) = hash(&self.bytes[at..]) else { break };
            // Only the first place of a run of equal bytes is indexed.
            if last.replace(hash) == Some(hash) {
                continue;
            }
            let bit = hash >> self.filter_shift;
            self.filter[(bit >> 6) as usize] |= 1 << (bit & 63);
            let head = &mut self.heads[(hash >> self.shift) as usize];
            self.before[at] = std::mem::replace(head, at as u32 + 1);
        }
    }

    /// The number of literals.
    pub(super) fn literals(&self) -> usize {
        self.starts.len() - 1
    }

    /// The bytes of a literal, and the place where they begin.
    pub(super) fn literal(&self, number: usize) -> (&[u8], u32) {
        let start = self.starts[number];
        (&self.bytes[start as usize..self.starts[number + 1] as usize], start)
    }

    /// No hits yet.
    pub(super) fn no_hits(&self) -> Hits {
        Hits { slots: vec![[Hit::default(); KEPT]; self.bytes.len() / SLOT + 1] }
    }

    /// Looks up a stretch of the base, which begins at `base_at`.
    pub(super) fn look_up(&self, base: &[u8], base_at: u64, hits: &mut Hits) {
        let mut last = None;
        // The alignment of the last hit, and where that ends in the base.
        let (mut along, mut along_end) = (0usize, 0);
        for (number, window) in base.windows(SEED).step_by(STEP).enumerate() {
            let Some(hash) = hash(window) else { break };
            let bit = hash >> self.filter_shift;
            if self.filter[(bit >> 6) as usize] >> (bit & 63) & 1 == 0 || last.replace(hash) == Some(hash) {
                continue;
            }
            let at = number * STEP;
            let mut entry = self.heads[(hash >> self.shift) as usize];
            for _ in 0..DEPTH {
                let Some(place) = (entry as usize).checked_sub(1) else { break };
                let alignment = at.wrapping_sub(place);
                if !(at < along_end && alignment == along)
                    && let Some(hit) = self.extended(base, at, place)
                {
                    (along, along_end) = (alignment, at + (hit.at + hit.len) as usize - place);
                    hits.add(Hit { base_at: base_at + hit.base_at, ..hit });
                }
                entry = self.before[place];
            }
        }
    }

    /// The whole match around a place of the base and one of the literals, with its place in `base`.
    fn extended(&self, base: &[u8], at: usize, place: usize) -> Option<Hit> {
        let literal = self.starts.partition_point(|&start| start as usize <= place);
        let (start, end) = (self.starts[literal - 1] as usize, self.starts[literal] as usize);
        let len = common_prefix(&base[at..], &self.bytes[place..end]);
        if len < SEED {
            return None;
        }
        let behind = base[..at].iter().rev().zip(self.bytes[start..place].iter().rev());
        let back = behind.take_while(|(a, b)| a == b).count();
        Some(Hit { at: (place - back) as u32, len: (len + back) as u32, base_at: (at - back) as u64 })
    }
}

fn hash(window: &[u8]) -> Option<u64> {
    let (first, rest) = window.split_first_chunk::<8>()?;
    let second = rest.first_chunk::<8>()?;
    let mixed = u64::from_le_bytes(*first).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    let mixed = (mixed ^ u64::from_le_bytes(*second)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    Some((mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The longest hits in each part of the literals.
pub(super) struct Hits {
    slots: Vec<[Hit; KEPT]>,
}

impl Hits {
    fn add(&mut self, hit: Hit) {
        let slots = hit.at as usize / SLOT..(hit.at + hit.len - 1) as usize / SLOT + 1;
        for slot in &mut self.slots[slots] {
            // Among equally long ones the first stays.
            let place = slot.partition_point(|kept| kept.len >= hit.len);
            if place < KEPT && !slot[..place].contains(&hit) {
                slot[place..].rotate_right(1);
                slot[place] = hit;
            }
        }
    }

    /// Adds the hits of a later stretch of the base.
    pub(super) fn merge(&mut self, later: &Self) {
        for (slot, others) in self.slots.iter_mut().zip(&later.slots) {
            for hit in others.iter().filter(|hit| hit.len > 0) {
                let place = slot.partition_point(|kept| kept.len >= hit.len);
                if place < KEPT && !slot[..place].contains(hit) {
                    slot[place..].rotate_right(1);
                    slot[place] = *hit;
                }
            }
        }
    }

    /// The hits within a literal of this many bytes that begins at `start`, the longest first.
    pub(super) fn within(&self, start: u32, bytes: usize) -> Vec<Hit> {
        let end = start as usize + bytes;
        let slots = &self.slots[start as usize / SLOT..end.div_ceil(SLOT)];
        let is_within = |hit: &&Hit| hit.len > 0 && hit.at >= start && ((hit.at + hit.len) as usize) <= end;
        let mut hits: Vec<Hit> = slots.iter().flatten().filter(is_within).copied().collect();
        hits.sort_unstable_by_key(|hit| (std::cmp::Reverse(hit.len), hit.at, hit.base_at));
        hits.dedup();
        hits
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
        out
    }

    #[test]
    fn the_longest_hits_are_found_wherever_they_begin() {
        let base = noise(1, 50_000);
        for shift in 0..STEP {
            // The base has 40 bytes of the first literal, and later all of the second but for its ends.
            let (short, long) = (1_000 + shift..1_040 + shift, 30_000 + shift..30_500 + shift);
            let first = [noise(2, 30), base[short.clone()].to_vec(), noise(3, 30)].concat();
            let second = [noise(4, 7), base[long.clone()].to_vec(), noise(5, 9)].concat();
            let (first_bytes, second_bytes) = (first.len(), second.len());
            let wanted = Wanted::new([first, second].concat(), vec![0, first_bytes as u32]);
            let mut hits = wanted.no_hits();
            for (part, at) in base.chunks(20_000).zip([0, 20_000, 40_000]) {
                let mut later = wanted.no_hits();
                wanted.look_up(part, at, &mut later);
                hits.merge(&later);
            }
            let hit = |at: usize, range: Range<usize>| Hit {
                at: at as u32,
                len: range.len() as u32,
                base_at: range.start as u64,
            };
            assert_eq!(hits.within(0, first_bytes), [hit(30, short)], "{shift}");
            assert_eq!(hits.within(first_bytes as u32, second_bytes), [hit(first_bytes + 7, long)], "{shift}");
        }
    }

    #[test]
    fn runs_and_short_literals_are_no_burden() {
        let wanted = Wanted::new(vec![0; 5_000], vec![0, 3, 3, 100, 115]);
        let mut hits = wanted.no_hits();
        wanted.look_up(&vec![0; 100_000], 0, &mut hits);
        assert_eq!(hits.within(0, 3), []);
        assert!(hits.within(115, 4_885).iter().any(|hit| hit.len == 4_885));
        assert_eq!(Wanted::new(Vec::new(), Vec::new()).literals(), 0);
    }
}
