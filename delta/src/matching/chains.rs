//! An index of the places at which eight bytes occur in the base: hash chains over every place, or over every n-th.

use crate::fetch::fetch;

/// The smallest number of bytes in a match.
const SEED: usize = 8;

/// The smallest number of bytes in a long match. The last place of a long match is found, however long its chain
/// is.
const LONG_SEED: usize = 24;

/// The memory of an index.
#[derive(Default)]
pub struct Tables {
    heads: Vec<u32>,
    long_heads: Vec<u32>,
    before: Vec<u32>,
}

/// The largest number of entries of tables that are worth keeping.
const MODERATE: usize = 4 << 20;

impl Tables {
    /// Whether the tables take no more memory than most indexes do.
    #[must_use]
    pub fn is_moderate(&self) -> bool {
        self.before.len() <= MODERATE
    }
}

/// What is at least this large is taken with the memory of [`APART_BYTES`].
const LARGE_BYTES: usize = 2 << 20;
/// Allocators take memory from the system for this many bytes or more, and give it back when it is freed. Smaller pieces of
/// some megabytes stay with the allocator, and together with what was freed before they may take twice the memory.
const APART_BYTES: usize = 33 << 20;

/// An empty list for this many values. If they are many, its memory goes back to the system when it is freed. What is not
/// written of it takes no memory.
#[must_use]
pub fn apart<T>(len: usize) -> Vec<T> {
    let size = size_of::<T>().max(1);
    Vec::with_capacity(if len * size >= LARGE_BYTES { len.max(APART_BYTES / size) } else { len })
}

/// A table of this many entries. What is in them does not matter.
fn of_length(mut table: Vec<u32>, len: usize) -> Vec<u32> {
    if table.capacity() < len {
        table = apart(len);
    }
    table.resize(len, 0);
    table
}

/// A table of this many zeros.
fn cleared(mut table: Vec<u32>, len: usize) -> Vec<u32> {
    table.clear();
    of_length(table, len)
}

/// The number of places ahead for which heads are fetched from memory.
const AHEAD: usize = 8;

/// An index of base bytes.
pub struct Chains<'b> {
    base: &'b [u8],
    /// The last entry of each hash, plus 1.
    heads: Vec<u32>,
    /// The last entry of each hash of a long seed, plus 1.
    long_heads: Vec<u32>,
    /// For each entry the one before it with the same hash, plus 1.
    before: Vec<u32>,
    /// The distance of indexed places: entry n stands for place n times this.
    step: usize,
    shift: u32,
    depth: usize,
}

impl<'b> Chains<'b> {
    /// Indexes `base`, which may have up to 2^32 - 2 bytes, in 4 bytes of memory for each. `depth` is the number of
    /// places that a search looks at.
    #[must_use]
    pub fn new(base: &'b [u8], depth: usize) -> Self {
        Self::sparse(base, depth, 1)
    }

    /// Indexes only every `step`-th place, in 4 bytes of memory for each, for a large base. Any `step` + 7 equal
    /// bytes or more contain such a place, and [`crate::find_ops`] extends the match backwards from there.
    #[must_use]
    pub fn sparse(base: &'b [u8], depth: usize, step: usize) -> Self {
        Self::sparse_in(Tables::default(), base, depth, step)
    }

    /// Does the same in the memory of these tables.
    #[must_use]
    pub fn sparse_in(tables: Tables, base: &'b [u8], depth: usize, step: usize) -> Self {
        let step = step.max(1);
        let entries = base.len().div_ceil(step);
        let bits = (entries.max(16).ilog2() + 1).clamp(8, 22);
        let mut chains = Self {
            base,
            heads: cleared(tables.heads, 1 << bits),
            long_heads: cleared(tables.long_heads, 1 << bits),
            before: of_length(tables.before, entries),
            step,
            shift: 64 - bits,
            depth,
        };
        // Only the first place of a run of equal bytes is indexed, since the match is longest from there.
        let mut last = usize::MAX;
        for (entry, seed) in (1u32..).zip(base.windows(SEED).step_by(step)) {
            if let Some(later) = base.get(entry as usize * step + AHEAD..) {
                chains.fetch(later);
            }
            let hash = chains.hash(seed);
            if std::mem::replace(&mut last, hash) == hash {
                continue;
            }
            chains.before[entry as usize - 1] = std::mem::replace(&mut chains.heads[hash], entry);
        }
        for (entry, seed) in (1u32..).zip(base.windows(LONG_SEED).step_by(step)) {
            if let Some(later) = base.get(entry as usize * step + AHEAD..) {
                chains.fetch_long(later);
            }
            let hash = chains.long_hash(seed);
            if std::mem::replace(&mut last, hash) != hash {
                chains.long_heads[hash] = entry;
            }
        }
        chains
    }

    /// The tables, for another index.
    #[must_use]
    pub fn into_tables(self) -> Tables {
        Tables { heads: self.heads, long_heads: self.long_heads, before: self.before }
    }

    /// Fetches the head of the chain for the beginning of these bytes.
    #[inline]
    fn fetch(&self, seed: &[u8]) {
        if seed.len() >= SEED {
            fetch(&self.heads[self.hash(seed)]);
        }
    }

    /// Does the same for a long seed.
    #[inline]
    fn fetch_long(&self, seed: &[u8]) {
        if seed.len() >= LONG_SEED {
            fetch(&self.long_heads[self.long_hash(seed)]);
        }
    }

    fn long_hash(&self, seed: &[u8]) -> usize {
        let word = |at: usize| seed[at..].first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
        let mixed =
            (word(0).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ word(8)).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(31);
        let mixed = (mixed ^ word(16)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> self.shift) as usize
    }

    /// The indexed bytes.
    #[must_use]
    pub fn base(&self) -> &'b [u8] {
        self.base
    }

    fn hash(&self, seed: &[u8]) -> usize {
        let seed = seed.first_chunk::<SEED>().map_or(0, |seed| u64::from_le_bytes(*seed));
        (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The longest match for the beginning of `target` at an indexed place: its place and its length. The length is
    /// 0 if there is none.
    #[must_use]
    pub fn longest(&self, target: &[u8]) -> (usize, usize) {
        if target.len() < SEED || self.base.len() < SEED {
            return (0, 0);
        }
        // The search mostly goes on byte by byte.
        if let Some(later) = target.get(AHEAD..) {
            self.fetch(later);
            self.fetch_long(later);
        }
        let mut entry = self.heads[self.hash(target)] as usize;
        let (mut best, mut best_len) = (0, 0);
        if target.len() >= LONG_SEED
            && let Some(found) = (self.long_heads[self.long_hash(target)] as usize).checked_sub(1)
        {
            best = found * self.step;
            best_len = common(&self.base[best..], target);
        }
        for _ in 0..self.depth {
            let Some(found) = entry.checked_sub(1) else { break };
            let at = found * self.step;
            // Only a match longer than the best counts. One look at the next byte rules out most of the others.
            if best_len == 0 || self.base.get(at + best_len).is_some_and(|byte| target.get(best_len) == Some(byte)) {
                let len = common(&self.base[at..], target);
                if len > best_len {
                    (best, best_len) = (at, len);
                }
            }
            entry = self.before[found] as usize;
        }
        (best, best_len)
    }
}

/// The number of bytes that two slices have in common at their start.
#[must_use]
pub fn common(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let same = words.take_while(|(a, b)| a == b).count() * 8;
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}
