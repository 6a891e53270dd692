//! The choice between a patch and chunks: which patches the seeds hold the bases of, and whether one is taken. No other
//! code decides this.
//!
//! A patch is taken if it costs fewer bytes than the missing chunks, and if there is room for its result. Choosing
//! chunks is always safe: whatever a patch does not yield comes as chunks.

use std::collections::HashSet;
use std::path::Path;

use regrow_chunker::{ImageId, SegmentId};
use regrow_index::{AnnouncedPatch, Index, Segment};
use regrow_local::Seeds;
use regrow_patch::{NOTHING, PatchHeader};

use super::bases::{HeldBase, SeedParts};
use super::closed_parts::ClosedLayer;
use super::outline::is_outline;

/// The most patches that a run asks for, since an update should take few requests.
const MOST_ASKED: usize = 2;

/// A patch that the seeds hold the base of.
pub(crate) struct Candidate<'a> {
    /// The id of the image that the patch was made from.
    pub(crate) base: ImageId,
    pub(crate) held: HeldBase<'a>,
    /// Two numbers of records of the new image: those in segments that no seed has, and those in segments that the base
    /// does not have. The base may lack records that other seeds have, and those need not be fetched as chunks.
    share: (u64, u64),
}

/// The patches that the seeds hold the bases of, starting with those that the index announces, the smallest patch first.
/// An index of version 2 has room for all patches, so others are not asked for. If the seeds have the whole recipe,
/// there are no candidates, since then hardly a chunk is missing. The outline of an index does not tell that.
///
/// `closed` are parts of the image that are held but were not read.
pub(crate) fn candidates<'a>(index: &Index, seeds: &'a Seeds, closed: &'a [ClosedLayer<'a>]) -> Vec<Candidate<'a>> {
    let of_closed = segments_of(index, closed);
    let unknown_records = |tell: &mut Tell<'_>| unknown_records(index, of_closed.clone(), tell);
    let unknown = unknown_records(&mut |take| seeds.seeds.iter().for_each(|seed| seed.segments(&mut *take)));
    let is_outline = is_outline(index);
    if unknown == 0 && !is_outline {
        return Vec::new();
    }
    let known = SeedParts::new(seeds, index.params).with_closed(closed);
    let mut bases: Vec<(ImageId, HeldBase<'a>)> = if index.units.is_some() {
        let mut announced: Vec<&AnnouncedPatch> = index.patches.iter().collect();
        announced.sort_by_key(|patch| patch.bytes.unwrap_or(u64::MAX));
        announced.into_iter().filter_map(|patch| Some((patch.base, known.base_of(patch)?))).collect()
    } else {
        let mut images: Vec<ImageId> = known.images().collect();
        images.sort_by_key(|id| !index.announces(id));
        images.into_iter().filter_map(|id| Some((id, known.image(&id)?))).collect()
    };
    bases.retain(|(base, _)| *base != index.image_id());
    if !may_take_all(index, unknown, is_outline && !seeds.seeds.is_empty()) {
        bases.retain(|(base, _)| *base != NOTHING);
    }
    bases.truncate(MOST_ASKED);
    let share = |held: &HeldBase<'_>| match is_outline {
        true => (1, 1),
        false => (unknown, unknown_records(&mut |take| held.segments(take))),
    };
    bases.into_iter().map(|(base, held)| Candidate { base, share: share(&held), held }).collect()
}

/// Whether the patch from nothing may cost less than the chunks of the unknown records, of which `unknown` is the number.
/// The sizes of the packs say what all chunks cost, so the patch is only asked for where it may pay. An outline does not
/// say how much of the image the seeds have.
fn may_take_all(index: &Index, unknown: u64, has_outline_and_seeds: bool) -> bool {
    let bytes = index.patches.iter().find(|patch| patch.base == NOTHING).and_then(|patch| patch.bytes);
    let Some(bytes) = bytes.filter(|_| !has_outline_and_seeds) else { return false };
    let all: u64 = index.segments().map(|segment| u64::from(segment.records)).sum();
    let packs_bytes: u64 = index.packs.iter().map(|pack| pack.bytes).fold(0, u64::saturating_add);
    is_outline(index) || u128::from(bytes) * u128::from(all) < u128::from(packs_bytes) * u128::from(unknown)
}

/// A function that passes on segments that are known.
type Tell<'t> = dyn FnMut(&mut dyn FnMut(Segment)) + 't;

/// The segments of parts that are held but were not read.
fn segments_of(index: &Index, closed: &[ClosedLayer<'_>]) -> HashSet<SegmentId> {
    let segments = closed.iter().flat_map(|layer| index.unit_segments(layer.number + 1));
    segments.flatten().map(|segment| segment.id).collect()
}

/// Counts the new image's records in segments that are neither known nor reported by `tell`.
fn unknown_records(index: &Index, mut known: HashSet<SegmentId>, tell: &mut Tell<'_>) -> u64 {
    tell(&mut |segment| {
        known.insert(segment.id());
    });
    index.segments().filter(|segment| !known.contains(&segment.id)).map(|segment| u64::from(segment.records)).sum()
}

/// The choice of what a run fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Patch,
    Chunks,
    /// The patch would cost less, but there is no room for its result.
    ChunksForWantOfRoom,
}

/// Everything that the choice between a patch and chunks depends on, apart from the patch itself.
pub(crate) struct PatchOrChunks<'a> {
    share: (u64, u64),
    /// The size of all packs of the new image, if it is known. No patch is worth more than that.
    whole_bytes: u64,
    /// The bytes of both streams.
    image_bytes: u64,
    /// The room that the output will take as well.
    output_bytes: u64,
    /// The bytes of the recipes of coded files that chunks would need, and a patch with codings does not.
    codings_left: u64,
    scratch: &'a Path,
}

impl<'a> PatchOrChunks<'a> {
    /// Prepares the choice for patches from this candidate. The output will still take `output_bytes`, and the result
    /// of a patch waits in `scratch`.
    pub(crate) fn new(index: &Index, candidate: &Candidate<'_>, output_bytes: u64, scratch: &'a Path) -> Self {
        let packs_bytes = || index.packs.iter().map(|pack| pack.bytes).fold(0, u64::saturating_add);
        let whole_bytes = if is_outline(index) { u64::MAX } else { packs_bytes() };
        let image_bytes = index.skeleton.bytes + index.contents.bytes;
        Self { share: candidate.share, whole_bytes, image_bytes, output_bytes, codings_left: 0, scratch }
    }

    /// The same choice where this many bytes of the recipes of coded files were not read.
    pub(crate) fn with_codings_left(self, codings_left: u64) -> Self {
        Self { codings_left, ..self }
    }

    /// Chooses for a patch with this header, for which `bytes` would be fetched. A cached patch takes none.
    pub(crate) fn of(&self, header: &PatchHeader, bytes: u64) -> Choice {
        let codings = if header.has_codings { self.codings_left } else { 0 };
        if bytes > 0 && bytes >= self.chunk_bytes(header).saturating_add(codings) {
            Choice::Chunks
        } else if self.has_room(header) {
            Choice::Patch
        } else {
            Choice::ChunksForWantOfRoom
        }
    }

    /// The cost of chunks in bytes. The patch states this cost for a machine that has only the base; other seeds reduce
    /// it.
    fn chunk_bytes(&self, header: &PatchHeader) -> u64 {
        let (unknown, of_base) = self.share;
        let bytes = u128::from(header.chunk_cost.bytes) * u128::from(unknown) / u128::from(of_base.max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX).min(self.whole_bytes)
    }

    /// Whether the new chunks and the patch fit where they must wait, together with whatever else will be written
    /// there.
    fn has_room(&self, header: &PatchHeader) -> bool {
        let plain_bytes = header.chunk_cost.plain_bytes.min(self.image_bytes);
        let needed = plain_bytes.saturating_add(header.patch_bytes).saturating_add(self.output_bytes);
        free_bytes(self.scratch).is_none_or(|free| free > needed)
    }
}

/// The bytes of a folder's disk that are free for this user, if the system tells.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}
