//! The ranges that are read at the ends of packs: the tail alone, or the skeleton frames before it as well.

use std::ops::Range;

use regrow_index::PackRef;

/// The largest skeleton part that comes with its tail in one request. All those parts together may have twice as many
/// bytes.
const SKELETON_WITH_TAIL_BYTES: u64 = 4 << 20;

/// The range of each pack's end. Skeleton frames are included if the flag in `wanted` says so and the sizes allow it.
pub(crate) fn ends_of(packs: &[PackRef], wanted: &[(u32, bool)]) -> Vec<(u32, Range<u64>)> {
    let mut budget = 2 * SKELETON_WITH_TAIL_BYTES;
    wanted.iter().map(|&(pack, skeleton)| (pack, end_of(&packs[pack as usize], skeleton, &mut budget))).collect()
}

fn end_of(pack: &PackRef, skeleton: bool, budget: &mut u64) -> Range<u64> {
    let PackRef { bytes, skeleton_at, tail_at, .. } = *pack;
    let skeleton_bytes = tail_at - skeleton_at;
    if !skeleton || skeleton_bytes > SKELETON_WITH_TAIL_BYTES || skeleton_bytes > *budget {
        return tail_at..bytes;
    }
    *budget -= skeleton_bytes;
    skeleton_at..bytes
}
