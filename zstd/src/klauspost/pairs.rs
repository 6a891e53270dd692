//! Tables that keep the last two places of a hash.

/// A place, and what tells whether its bytes may be those that are looked for.
///
/// Only places within reach are looked at, and those lie in many MiB: the check saves most of that.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Noted {
    pub(super) place: u32,
    pub(super) check: u32,
}

/// The last two places of a hash. Those that are not there yet are 0, which is out of reach.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(16))]
pub(super) struct Pair {
    pub(super) last: Noted,
    pub(super) before: Noted,
}

impl Pair {
    /// Notes another place.
    #[inline(always)]
    pub(super) fn push(&mut self, place: u32, check: u32) {
        *self = Self { last: Noted { place, check }, before: self.last };
    }

    /// Both, the last one first.
    #[inline(always)]
    pub(super) fn both(self) -> [Noted; 2] {
        [self.last, self.before]
    }

    /// Takes `less` off both places, or forgets those that are smaller than `least`.
    pub(super) fn rebase(&mut self, least: u32, less: u32) {
        for noted in [&mut self.last, &mut self.before] {
            noted.place = if noted.place < least { 0 } else { noted.place - less };
        }
    }
}

/// A hash of eight bytes, and a check with other bits of it.
#[inline(always)]
pub(super) fn hash8<const BITS: u32>(bytes: u64) -> (usize, u32) {
    let product = bytes.wrapping_mul(0xcf1b_bcdc_b7a5_6463);
    ((product >> (64 - BITS)) as usize, (product >> (32 - BITS)) as u32)
}
