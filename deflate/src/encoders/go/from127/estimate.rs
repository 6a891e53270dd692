//! A quick estimate of the bits that a block would take with codes of its own: in single precision, exact to the last
//! bit.
//!
//! Which processor the original was built for shows here: where it can, Go's compiler makes one operation, with one
//! rounding, of a multiplication and the addition that follows.

use crate::encoders::go::tokens::{DistanceCounts, LiteralCounts, extra_bits};
use crate::format::tables::{END_OF_BLOCK, FIRST_LENGTH};

const END_OF_BLOCK_BITS: f32 = 15.0;

/// The rounding of a multiplication and an addition.
#[derive(Clone, Copy)]
pub(in crate::encoders::go) enum Rounding {
    /// Each is rounded.
    Each,
    /// Their result is.
    Once,
}

impl Rounding {
    fn multiply_add(self, a: f32, b: f32, c: f32) -> f32 {
        match self {
            Self::Each => a * b + c,
            Self::Once => a.mul_add(b, c),
        }
    }
}

/// The estimate for tokens with these counts, `total` of them.
pub(super) fn estimated_bits(
    rounding: Rounding,
    literals: &LiteralCounts,
    distances: &DistanceCounts,
    total: usize,
) -> usize {
    let mut bits = 0.0;
    if total > 0 {
        let share = 1.0 / total as f32;
        bits = add_all(rounding, bits, &literals[..END_OF_BLOCK], share);
        bits += END_OF_BLOCK_BITS;
        bits = add_all(rounding, bits, &literals[FIRST_LENGTH..], share);
    }
    let matches: u32 = literals[FIRST_LENGTH..].iter().sum();
    if matches > 0 {
        bits = add_all(rounding, bits, distances, 1.0 / matches as f32);
    }
    bits as usize + extra_bits(literals, distances)
}

/// Each symbol takes 1 to 15 bits.
fn add_all(rounding: Rounding, bits: f32, counts: &[u32], share: f32) -> f32 {
    counts.iter().filter(|&&count| count > 0).fold(bits, |bits, &count| {
        let count = count as f32;
        rounding.multiply_add((-log2(rounding, count * share)).clamp(1.0, 15.0), count, bits)
    })
}

/// The logarithm as a polynomial of degree two.
fn log2(rounding: Rounding, value: f32) -> f32 {
    const EXPONENT_SHIFT: u32 = 23;
    let bits = value.to_bits();
    let exponent = (bits >> EXPONENT_SHIFT & 255) as i32 - 128;
    let mantissa = f32::from_bits((bits & 0x807f_ffff) + (127 << EXPONENT_SHIFT));
    let slope = rounding.multiply_add(-0.344_848_43, mantissa, 2.024_665_8);
    exponent as f32 + rounding.multiply_add(slope, mantissa, -0.674_877_6)
}
