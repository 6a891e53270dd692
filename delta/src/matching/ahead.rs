//! Compares the alignments of two copies beyond the short matches that suggest them.

/// How far two alignments are compared beyond a short match, and how far before it the present one is looked at.
const AHEAD: usize = 2 << 10;
const BEFORE: usize = 512;
/// The costs, in about a quarter of a byte, of a change by which no byte nearby changed, and of one by which others did.
const NEW_CHANGE: i32 = 4;
const KNOWN_CHANGE: i32 = 1;
/// How much less an alignment must cost than the present one within that distance, and how much more it may cost meanwhile.
const WORTH_AHEAD: i32 = 200;
const BEHIND: i32 = 24;
/// The largest number of bytes that are looked at for each byte of the target, and at its beginning.
const MOST_LOOKED: (usize, usize) = (24, 256 << 10);

/// Compares alignments beyond short matches. In tables, as those of relocations, entries resemble each other: a wrong one may
/// even agree in more bytes than the right one, in which all addresses have changed, but by the same number. Only many entries
/// together tell them apart, and how many different changes they have.
#[derive(Default)]
pub(super) struct Ahead {
    /// Alignments that were found no better, and the places in the target up to which they were looked at.
    rejected: [(usize, usize); 4],
    /// The number of bytes that were looked at.
    looked: usize,
}

impl Ahead {
    /// Whether the alignment of a match at `at` is better than the present one over some distance from there. The present
    /// copy begins at `from`.
    pub(super) fn is_better(
        &mut self,
        (base, target): (&[u8], &[u8]),
        (at, place): (usize, usize),
        (from, present): (usize, usize),
    ) -> bool {
        let other = place.wrapping_sub(at);
        let is_spent = self.looked > at * MOST_LOOKED.0 + MOST_LOOKED.1;
        if is_spent
            || other == present
            || self.rejected.iter().any(|&(alignment, until)| alignment == other && at < until)
        {
            return false;
        }
        let (mut of_present, mut of_other) = (Changed::new(base, target, present), Changed::new(base, target, other));
        let before = from.max(at.saturating_sub(BEFORE))..at;
        self.looked += before.len();
        before.for_each(|at| _ = of_present.cost(at));
        let (mut gain, mut changed, end) = (0, 0, target.len().min(at + AHEAD));
        for (passed, at) in (1..).zip(at..end) {
            self.looked += 1;
            let cost = of_other.cost(at);
            gain += of_present.cost(at) - cost;
            changed += usize::from(cost > 0);
            // Where most bytes are others, all changes are known soon, and nothing is told by them.
            if gain > WORTH_AHEAD && changed * 2 <= passed {
                return true;
            }
            if gain < -BEHIND {
                return self.reject(other, at);
            }
        }
        self.reject(other, end)
    }

    /// Forgets what was rejected, since the present alignment is another one now.
    pub(super) fn forget(&mut self) {
        self.rejected = Default::default();
    }

    fn reject(&mut self, alignment: usize, until: usize) -> bool {
        self.rejected.rotate_right(1);
        self.rejected[0] = (alignment, until);
        false
    }
}

/// The changes of a target in an alignment.
struct Changed<'b> {
    base: &'b [u8],
    target: &'b [u8],
    alignment: usize,
    /// The changes so far, each as the target's byte minus the base's.
    known: [bool; 256],
}

impl<'b> Changed<'b> {
    fn new(base: &'b [u8], target: &'b [u8], alignment: usize) -> Self {
        Self { base, target, alignment, known: [false; 256] }
    }

    /// About what the byte at `at` costs.
    fn cost(&mut self, at: usize) -> i32 {
        let Some(&base) = self.base.get(at.wrapping_add(self.alignment)) else { return NEW_CHANGE };
        let change = self.target[at].wrapping_sub(base);
        let is_known = std::mem::replace(&mut self.known[usize::from(change)], true);
        match (change, is_known) {
            (0, _) => 0,
            (_, true) => KNOWN_CHANGE,
            (_, false) => NEW_CHANGE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table like that of relocations: for each entry a place, a kind, and the address that belongs there. Both lie at
    /// irregular distances, as those of functions do.
    fn table(entries: u64, place: u64, address: u64) -> Vec<u8> {
        let noise = |n: u64| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let mut place = place;
        let entry = |n: u64| {
            place += 8 + noise(n) % 37 * 8;
            [place, 8, address + noise(n + 5000) % 0x1_0000 * 16].map(u64::to_le_bytes).concat()
        };
        (0..entries).flat_map(entry).collect()
    }

    #[test]
    fn of_two_alignments_in_a_table_the_right_one_is_better() {
        // Two entries more at the front, and all places and addresses moved.
        let base = table(600, 0x9_0000, 0x2_0000);
        let target = [table(2, 1, 2), table(600, 0x9_0040, 0x2_0100)].concat();
        let (right, wrong) = (0usize.wrapping_sub(48), 0);
        let is_better = |other: usize, present| {
            let at = 240;
            Ahead::default().is_better((&base, &target), (at, at.wrapping_add(other)), (0, present))
        };
        assert!(is_better(right, wrong) && !is_better(wrong, right));
        assert!((1..10).all(|entries| !is_better(right.wrapping_add(24 * entries), right)));
    }

    #[test]
    fn other_bytes_are_no_better_than_none() {
        let noise = |seed: u64| -> Vec<u8> {
            let number =
                |n: u64| (n + seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_mul(n ^ 0xff51_afd7_ed55_8ccd);
            (0..8192).map(|n| (number(n) >> 40) as u8).collect()
        };
        let (base, target) = (noise(1), noise(1 << 33));
        // The present alignment is beyond the base's end.
        assert!(!Ahead::default().is_better((&base, &target), (100, 300), (0, 1 << 20)));
    }

    #[test]
    fn what_is_looked_at_is_bounded() {
        let (base, target) = (vec![1; 1 << 16], vec![2; 1 << 16]);
        let mut ahead = Ahead::default();
        for at in 0..1 << 16 {
            ahead.forget();
            ahead.is_better((&base, &target), (at, 5), (0, 1));
        }
        assert!(ahead.looked <= (MOST_LOOKED.0 << 16) + MOST_LOOKED.1 + AHEAD + BEFORE, "{}", ahead.looked);
    }
}
