//! Where eight bytes occur in the base: hash chains over every place.

/// Bytes that a match has at least.
const SEED: usize = 8;

/// An index of some base bytes.
pub struct Chains<'b> {
    base: &'b [u8],
    /// The last place of each hash, plus 1.
    heads: Vec<u32>,
    /// The place before with the same hash, plus 1.
    before: Vec<u32>,
    shift: u32,
    depth: usize,
}

impl<'b> Chains<'b> {
    /// Indexes `base`: up to 2^32 - 2 bytes, 4 bytes of memory each. `depth`: how many places a search looks at.
    #[must_use]
    pub fn new(base: &'b [u8], depth: usize) -> Self {
        let bits = (base.len().max(16).ilog2() + 1).clamp(8, 22);
        let mut chains = Self { base, heads: vec![0; 1 << bits], before: vec![0; base.len()], shift: 64 - bits, depth };
        for (place, seed) in (1u32..).zip(base.windows(SEED)) {
            let hash = chains.hash(seed);
            chains.before[place as usize - 1] = std::mem::replace(&mut chains.heads[hash], place);
        }
        chains
    }

    /// The bytes.
    #[must_use]
    pub fn base(&self) -> &'b [u8] {
        self.base
    }

    fn hash(&self, seed: &[u8]) -> usize {
        let seed = seed.first_chunk::<SEED>().map_or(0, |seed| u64::from_le_bytes(*seed));
        (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// The longest match that `target` begins with: its place and its length, 0 if there is none.
    #[must_use]
    pub fn longest(&self, target: &[u8]) -> (usize, usize) {
        if target.len() < SEED || self.base.len() < SEED {
            return (0, 0);
        }
        let mut place = self.heads[self.hash(target)] as usize;
        let (mut best, mut best_len) = (0, 0);
        for _ in 0..self.depth {
            let Some(at) = place.checked_sub(1) else { break };
            // Only what is longer than the best counts: one look tells of most that they are not.
            if best_len == 0 || self.base.get(at + best_len).is_some_and(|byte| target.get(best_len) == Some(byte)) {
                let len = common(&self.base[at..], target);
                if len > best_len {
                    (best, best_len) = (at, len);
                }
            }
            place = self.before[at] as usize;
        }
        (best, best_len)
    }
}

/// How many bytes two slices have in common at their start.
#[must_use]
pub(crate) fn common(a: &[u8], b: &[u8]) -> usize {
    let words = a.chunks_exact(8).zip(b.chunks_exact(8));
    let same = words.take_while(|(a, b)| a == b).count() * 8;
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}
