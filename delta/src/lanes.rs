//! Eight 16-bit numbers at a time. A compiler that sees single numbers seldom uses the instructions that every processor has
//! for this, so they are asked for.

use wide::bytemuck::cast;
use wide::{i16x8, i32x8, u16x8};

/// Eight 16-bit numbers.
#[derive(Clone, Copy)]
pub(crate) struct Lanes(i16x8);

impl Lanes {
    #[inline(always)]
    pub(crate) fn of(numbers: [i16; 8]) -> Self {
        Self(i16x8::new(numbers))
    }

    #[inline(always)]
    pub(crate) fn splat(number: i16) -> Self {
        Self(i16x8::splat(number))
    }

    /// The numbers one by one.
    #[inline(always)]
    pub(crate) fn numbers(self) -> [i16; 8] {
        self.0.to_array()
    }

    /// For slots, how far their probabilities are from the middle, times their counts, of which at most 8 counts.
    /// Probabilities are at the top of slots, and counts are what `count_mask` leaves of them.
    #[inline(always)]
    pub(crate) fn confidences(slots: [u32; 8], count_mask: u32) -> Self {
        let slots = i32x8::new(slots.map(|slot| slot as i32));
        let halves = i16x8::from_i32x8_saturate(slots >> 16u32) ^ i16x8::splat(i16::MIN);
        let counts = i16x8::from_i32x8_saturate(slots & i32x8::splat(count_mask as i32));
        Self(halves.mul_keep_high(counts.min(i16x8::splat(8)) << 8u32))
    }

    #[inline(always)]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    #[inline(always)]
    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }

    #[inline(always)]
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[inline(always)]
    pub(crate) fn inverted(self) -> Self {
        Self(!self.0)
    }

    /// All bits where the numbers are this one, and no bits elsewhere.
    #[inline(always)]
    pub(crate) fn equal_to(self, number: i16) -> Self {
        Self(self.0.simd_eq(i16x8::splat(number)))
    }

    /// The numbers, which have no sign, without their last bits.
    #[inline(always)]
    pub(crate) fn shifted_down(self, bits: u32) -> Self {
        Self(cast(cast::<_, u16x8>(self.0) >> bits))
    }

    /// The sum of the products of two pairs of lanes.
    #[inline(always)]
    pub(crate) fn dot(first: [Self; 2], second: [Self; 2]) -> i32 {
        (first[0].0.dot(second[0].0) + first[1].0.dot(second[1].0)).reduce_add()
    }

    /// Weights that are moved by the error, for these inputs.
    #[inline(always)]
    pub(crate) fn trained(self, inputs: Self, error: i16) -> Self {
        let steps = (inputs.0 << 2u32).mul_keep_high(i16x8::splat(error));
        Self(self.0.saturating_add((steps + i16x8::splat(2)) >> 2u32))
    }
}
