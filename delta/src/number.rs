//! Numbers. The count of their bits comes in unary, then the bits; the first bits are predicted from those before
//! them.

use crate::coder::BitCoder;
use crate::mix::{Field, Slots, no_further};

/// The model of a number's bits, with three contexts.
pub(crate) type NumberField = Field<3>;

/// The number of selectors that a field of numbers needs.
pub(crate) const SELECTORS: usize = 48;
/// The largest number of bits in a number of a patch.
const MAX_BITS: u32 = 62;

/// Codes a number below 2^62.
pub(crate) fn code_number<C: BitCoder>(
    coder: &mut C,
    field: &mut NumberField,
    slots: &mut Slots,
    contexts: &[u64; 3],
    number: u64,
) -> u64 {
    let number = number + 1;
    let bits = number.ilog2();
    let mut found = 0;
    while found < MAX_BITS {
        field.select(contexts, u64::from(found / 16));
        let selector = (found as usize).min(31);
        if field.bit(coder, slots, (found % 16) as usize, no_further(), selector, u32::from(bits > found)) == 0 {
            break;
        }
        found += 1;
    }
    let mut value = 1u64;
    for place in (0..found).rev() {
        let depth = found - 1 - place;
        // The first bits depend on all bits before them; the later ones say little about each other.
        let (salt, node) = match depth {
            0..3 => (64 + u64::from(found), (1 << depth | (value & ((1 << depth) - 1))) as usize),
            3..6 => (
                1024 + u64::from(found) * 8 + (value & 7),
                (1 << (depth - 3) | (value >> 3 & ((1 << (depth - 3)) - 1))) as usize,
            ),
            _ => (128 + u64::from(found), (place % 16) as usize),
        };
        field.select(contexts, salt);
        let selector = 32 + (place as usize).min(15);
        value =
            value << 1 | u64::from(field.bit(coder, slots, node, no_further(), selector, (number >> place) as u32 & 1));
    }
    value - 1
}

/// The number of bits of a number; 0 for 0.
#[inline]
pub(crate) fn magnitude(number: u64) -> u64 {
    u64::from(64 - number.leading_zeros())
}

/// Maps signed numbers to unsigned ones: 0, -1, 1, -2, ….
pub(crate) fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

/// Maps them back.
pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
