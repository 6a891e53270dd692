//! Divides a part of the target that is too large to be matched as a whole. Chunks that the base has become copies.
//! The bytes between them are matched in pieces, against the base around the place where they would be.

use std::ops::Range;

use regrow_image::StreamKind;

use crate::side::Side;
use crate::unit::{Source, Unit, Unknown, WHOLE_BYTES, push_same};

/// The smallest copy. A shorter one is left to the matching of the bytes around it, since a unit for each of many
/// small gaps would take long.
const COPY_BYTES: u64 = 64 << 10;
/// The number of bytes that a copy leaves at either end to the matching of the bytes around it, so that a compressed stream
/// that changed is matched as a whole.
const MARGIN_BYTES: u64 = 16 << 10;
/// The size of the pieces that are matched one by one.
const PIECE_BYTES: u64 = 8 << 20;
/// The distance to which the base is searched around a piece's place. It is the piece's length, within these
/// bounds.
const AROUND_BYTES: Range<u64> = 64 << 10..512 << 10;

/// A large part of the target, in the stored space.
pub(super) struct Region {
    pub(super) stream: StreamKind,
    pub(super) target: Range<u64>,
    /// The part of the base from which it is probably made.
    pub(super) base: Option<Range<u64>>,
}

impl Region {
    /// Whether it can be matched as a whole.
    pub(super) fn is_small(&self) -> bool {
        let base_bytes = self.base.as_ref().map_or(0, |base| base.end - base.start);
        self.target.end - self.target.start <= WHOLE_BYTES && base_bytes <= WHOLE_BYTES
    }
}

/// Appends the units of a large part of the target.
pub(super) fn split(base: &Side, target: &Side, region: &Region, units: &mut Vec<Unit>) {
    let copies = copies(base, target, region);
    let ends = region.base.clone();
    // The offset in the base behind the last copy, and the offset in the target at which the part between begins.
    let (mut left, mut from) = (ends.as_ref().map(|base| base.start), region.target.start);
    for copy in &copies {
        let gap = Gap { target: from..copy.target.start, left, right: Some(copy.base_at) };
        gap.split(base, units);
        push_same(units, copy.target.clone(), copy.base_at);
        from = copy.target.end;
        left = Some(copy.base_at + (copy.target.end - copy.target.start));
    }
    Gap { target: from..region.target.end, left, right: ends.map(|base| base.end) }.split(base, units);
}

struct Copy {
    target: Range<u64>,
    base_at: u64,
}

/// The chunks of the region that the base has. Chunks that follow each other on both sides form one copy.
fn copies(base: &Side, target: &Side, region: &Region) -> Vec<Copy> {
    let offset = |image: &Side| match region.stream {
        StreamKind::Skeleton => 0,
        StreamKind::Contents => image.skeleton_bytes(),
    };
    let (base_offset, target_offset) = (offset(base), offset(target));
    let (starts, records) = (target.chunk_starts(region.stream), target.records(region.stream));
    let first = starts.partition_point(|start| start + target_offset < region.target.start);
    let mut copies: Vec<Copy> = Vec::new();
    for (start, record) in starts.iter().zip(records).skip(first) {
        let chunk = start + target_offset..start + target_offset + u64::from(record.len);
        if chunk.end > region.target.end {
            break;
        }
        let last = copies.last_mut().filter(|last| last.target.end == chunk.start);
        let next = last.as_ref().map(|last| last.base_at + (last.target.end - last.target.start));
        let goes_on = next.is_some_and(|next| is_chunk(base, region.stream, next - base_offset, record));
        match last {
            Some(last) if goes_on => last.target.end = chunk.end,
            _ => {
                // Of the places of a chunk that the base has often, as zeros, the one that continues the last copy counts.
                let along = copies.last().and_then(|last| (last.base_at + chunk.start).checked_sub(last.target.start));
                let along = along.and_then(|at| at.checked_sub(base_offset));
                let along = along.filter(|&at| is_chunk(base, region.stream, at, record));
                let found = along.or_else(|| base.find(region.stream, &record.id));
                copies.extend(found.map(|at| Copy { target: chunk, base_at: at + base_offset }));
            }
        }
    }
    copies.retain(|copy| copy.target.end - copy.target.start >= COPY_BYTES);
    for copy in &mut copies {
        let before = if copy.target.start > region.target.start { MARGIN_BYTES } else { 0 };
        let behind = if copy.target.end < region.target.end { MARGIN_BYTES } else { 0 };
        copy.target = copy.target.start + before..copy.target.end - behind;
        copy.base_at += before;
    }
    copies
}

/// Whether an image has a chunk at this offset of a stream.
fn is_chunk(image: &Side, stream: StreamKind, at: u64, record: &regrow_chunker::Record) -> bool {
    let found = image.chunk_starts(stream).binary_search(&at);
    found.is_ok_and(|number| image.records(stream)[number].id == record.id)
}

/// The bytes between two copies.
struct Gap {
    target: Range<u64>,
    /// The offsets in the base at which the gap would begin and end.
    left: Option<u64>,
    right: Option<u64>,
}

impl Gap {
    fn split(&self, base: &Side, units: &mut Vec<Unit>) {
        let mut at = self.target.start;
        while at < self.target.end {
            let piece = at..self.target.end.min(at + PIECE_BYTES);
            at = piece.end;
            let near = self.near(&piece, base.stored_bytes());
            let unknown = Unknown { near, ..Unknown::default() };
            units.push(Unit { target: piece, source: Source::Unknown(unknown) });
        }
    }

    /// The ranges of the base in which a piece would be, seen from the left and from the right.
    fn near(&self, piece: &Range<u64>, base_bytes: u64) -> Vec<Range<u64>> {
        let len = piece.end - piece.start;
        let reach = len.clamp(AROUND_BYTES.start, AROUND_BYTES.end);
        let around =
            |from: u64, to: u64| from.saturating_sub(reach).min(base_bytes)..to.saturating_add(reach).min(base_bytes);
        let left = self.left.map(|left| left + (piece.start - self.target.start));
        let left = left.map(|at| around(at, at + len));
        let right = self.right.map(|right| right.saturating_sub(self.target.end - piece.end));
        let right = right.map(|end| around(end.saturating_sub(len), end));
        merged(left.into_iter().chain(right).collect())
    }
}

/// The ranges in order, with those that touch merged.
pub(super) fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
