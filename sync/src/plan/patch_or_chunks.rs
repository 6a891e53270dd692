//! Patch or chunks: which seeds a patch may start from, and whether a patch is taken. Nothing else decides that.
//!
//! A patch is taken where it costs fewer bytes than the chunks that are missing, and where what it yields has room. Chunks are
//! never wrong: whatever a patch does not yield comes as chunks.

use std::collections::HashSet;
use std::path::Path;

use regrow_chunker::ChunkId;
use regrow_index::{Index, Segment};
use regrow_local::{FileSeed, Seed, Seeds};
use regrow_patch::PatchHeader;

/// Patches that are asked for at most: an update is to take few requests.
const MOST_ASKED: usize = 2;

/// A seed that a patch may start from.
pub(crate) struct Candidate<'a> {
    pub(crate) seed: &'a FileSeed,
    /// The image that it is.
    pub(crate) base: ChunkId,
    /// Records of the new image in segments that follow from no seed, and those that do not follow from this one: what the
    /// base lacks and other seeds have need not be fetched as chunks either.
    share: (u64, u64),
}

/// The seeds that are whole images, those first from which patches were announced. There are none where all of the recipe
/// follows from the seeds: then hardly a chunk is missing.
pub(crate) fn candidates<'a>(index: &Index, seeds: &'a Seeds) -> Vec<Candidate<'a>> {
    let unknown = unknown_records(index, |take| seeds.seeds.iter().for_each(|seed| seed.segments(&mut *take)));
    if unknown == 0 {
        return Vec::new();
    }
    let mut found: Vec<Candidate<'a>> = Vec::new();
    for seed in seeds.seeds.iter().filter_map(|seed| seed.as_file()) {
        let base = seed.scan().image_id(index.params);
        if base != index.image_id() && found.iter().all(|known| known.base != base) {
            let share = (unknown, unknown_records(index, |take| Seed::segments(seed, take)));
            found.push(Candidate { seed, base, share });
        }
    }
    found.sort_by_key(|candidate| !index.patch_bases.contains(&candidate.base));
    found.truncate(MOST_ASKED);
    found
}

/// Records in segments of the new image that are not among those that `tell` tells.
fn unknown_records(index: &Index, tell: impl FnOnce(&mut dyn FnMut(Segment))) -> u64 {
    let mut known = HashSet::new();
    tell(&mut |segment| {
        known.insert(segment.id());
    });
    index.segments().filter(|segment| !known.contains(&segment.id)).map(|segment| u64::from(segment.records)).sum()
}

/// What is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Patch,
    Chunks,
    /// The patch would cost less, but what it yields has no room.
    ChunksForWantOfRoom,
}

/// What the choice between a patch and chunks depends on, but for the patch itself.
pub(crate) struct PatchOrChunks<'a> {
    share: (u64, u64),
    /// What all of the new image's packs have: more than that no patch is worth.
    whole_bytes: u64,
    /// Bytes of both streams.
    image_bytes: u64,
    /// Room that the output will take besides.
    output_bytes: u64,
    scratch: &'a Path,
}

impl<'a> PatchOrChunks<'a> {
    /// For patches from this candidate. The output still takes `output_bytes`; what a patch yields waits in `scratch`.
    pub(crate) fn new(index: &Index, candidate: &Candidate<'_>, output_bytes: u64, scratch: &'a Path) -> Self {
        let whole_bytes = index.packs.iter().map(|pack| pack.bytes).fold(0, u64::saturating_add);
        let image_bytes = index.skeleton.bytes + index.contents.bytes;
        Self { share: candidate.share, whole_bytes, image_bytes, output_bytes, scratch }
    }

    /// The choice for a patch with this header, of which `bytes` would be fetched: none if it lies in a cache.
    pub(crate) fn of(&self, header: &PatchHeader, bytes: u64) -> Choice {
        if bytes > 0 && bytes >= self.chunk_bytes(header) {
            Choice::Chunks
        } else if self.has_room(header) {
            Choice::Patch
        } else {
            Choice::ChunksForWantOfRoom
        }
    }

    /// What chunks would cost, in bytes. The patch says what they cost a machine that has the base alone; other seeds make that
    /// less.
    fn chunk_bytes(&self, header: &PatchHeader) -> u64 {
        let (unknown, of_base) = self.share;
        let bytes = u128::from(header.chunk_cost.bytes) * u128::from(unknown) / u128::from(of_base.max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX).min(self.whole_bytes)
    }

    /// Whether the new chunks and the patch have room where they have to wait, beside what else will be written there.
    fn has_room(&self, header: &PatchHeader) -> bool {
        let plain_bytes = header.chunk_cost.plain_bytes.min(self.image_bytes);
        let needed = plain_bytes.saturating_add(header.patch_bytes).saturating_add(self.output_bytes);
        free_bytes(self.scratch).is_none_or(|free| free > needed)
    }
}

/// Free room for this user on a folder's disk, where the system tells.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}
