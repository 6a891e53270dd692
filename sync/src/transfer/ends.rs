//! What is read of the ends of packs: their tables, and the skeleton frames that lie before these.

use std::ops::Range;

use regrow_index::PackRef;

/// Skeleton parts up to this size come with the tails, in one request; together no more than twice as much.
const SKELETON_WITH_TAIL_BYTES: u64 = 4 << 20;

/// The ends of packs, each with its skeleton frames where `wanted` says so.
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
