//! Seeded randomness: SplitMix64 (Steele, Lea, Flood 2014), which is short and the same everywhere.

/// A generator of numbers. Each file takes its own, seeded by its name, so that its contents do not depend on the
/// files before it.
#[derive(Debug, Clone)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// The generator of a name, seeded by the name's FNV-1a hash.
    pub(super) fn named(name: &str) -> Self {
        let hash = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        Self { state: name.bytes().fold(0xCBF2_9CE4_8422_2325, hash) }
    }

    pub(super) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // The product is computed in 64 bits on every machine. The result is below `bound`, so it fits.
        (((self.bits() >> 32) * bound as u64) >> 32) as usize
    }

    /// A number below `bound`, in favour of small ones: the least of three.
    pub(super) fn skewed_below(&mut self, bound: usize) -> usize {
        self.below(bound).min(self.below(bound)).min(self.below(bound))
    }

    pub(super) fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn per_thousand(&mut self, share: usize) -> bool {
        self.below(1_000) < share
    }

    /// Picks one element of a list that must not be empty.
    pub(super) fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }
}
