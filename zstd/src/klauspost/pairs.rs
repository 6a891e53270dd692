//! Tables that keep the last two places of a hash, each in 32 bits with a check.
//!
//! Places within reach lie in many MiB, and hardly ever have the bytes that are looked for. The check saves most looks
//! there, and costs no room in the table.

/// The bits of a place, which leave room for four of the largest windows; the rest is the check.
const PLACE_BITS: u32 = super::parameters::MAX_WINDOW_LOG as u32 + 2;
/// Places are smaller than this.
pub(super) const LIMIT: u32 = 1 << PLACE_BITS;

/// A place with the lowest bits of its check.
#[inline(always)]
pub(super) fn pack(place: u32, check: u32) -> u32 {
    place | check << PLACE_BITS
}

#[inline(always)]
pub(super) fn place_of(noted: u32) -> u32 {
    noted & (LIMIT - 1)
}

/// Whether a place may have the bytes of a check.
#[inline(always)]
pub(super) fn may_have(noted: u32, check: u32) -> bool {
    (noted ^ (check << PLACE_BITS)) >> PLACE_BITS == 0
}

/// Both places of a pair, the last one first. Those that are not there yet are 0, which is out of reach.
#[inline(always)]
pub(super) fn both(pair: u64) -> [u32; 2] {
    [(pair >> 32) as u32, pair as u32]
}

/// A pair after another place.
#[inline(always)]
pub(super) fn pushed(pair: u64, noted: u32) -> u64 {
    u64::from(noted) << 32 | pair >> 32
}

/// Takes `less` off the places of pairs, or forgets those that are smaller than `least`.
pub(super) fn rebase_pairs(pairs: &mut [u64], least: u32, less: u32) {
    let moved = |noted: u32| if place_of(noted) < least { 0 } else { noted - less };
    for pair in pairs {
        let [last, before] = both(*pair).map(moved);
        *pair = u64::from(last) << 32 | u64::from(before);
    }
}

/// A hash of eight bytes, and a check with other bits of it.
#[inline(always)]
pub(super) fn hash8_and_check<const BITS: u32>(bytes: u64) -> (usize, u32) {
    let product = bytes.wrapping_mul(0xcf1b_bcdc_b7a5_6463);
    ((product >> (64 - BITS)) as usize, (product >> 32) as u32)
}

/// A check of the four lowest bytes.
#[inline(always)]
pub(super) fn check4(bytes: u32) -> u32 {
    bytes.wrapping_mul(2_654_435_761) >> 8
}
