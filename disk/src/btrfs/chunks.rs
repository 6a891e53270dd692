//! Chunks: where the file system's own places are in the image.

use std::collections::BTreeMap;

use crate::DiskError;
use crate::input::{Input, u16_at, u32_at, u64_at};

use super::superblock::Superblock;
use super::tree::{Key, Trees};

const CHUNK_ITEM: u8 = 228;
/// The bytes of a chunk before its stripes, and of each stripe.
const HEAD_BYTES: usize = 48;
const STRIPE_BYTES: usize = 32;
const KEY_BYTES: usize = 17;

const PROFILE_DUP: u64 = 0x20;
/// raid0, raid1, dup, raid10, raid5, raid6, raid1c3, raid1c4.
const PROFILES: u64 = 0x7f8;

/// A place in the image, and its second copy if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) twin: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    bytes: u64,
    place: Place,
}

/// The chunks, by their logical places. None overlaps another one, and all lie in the image.
#[derive(Debug, Default)]
pub(super) struct ChunkMap {
    chunks: BTreeMap<u64, Chunk>,
}

impl ChunkMap {
    /// Reads the superblock's chunks, and then all others from their tree, which lies in the former.
    pub(super) fn read(input: &Input<'_>, superblock: &Superblock, trees: &mut Trees<'_>) -> Result<Self, DiskError> {
        let mut system = Self::default();
        let mut rest = superblock.system_chunks.as_slice();
        while !rest.is_empty() {
            let count = usize::from(u16_at(rest, KEY_BYTES + 44));
            let bytes = KEY_BYTES + HEAD_BYTES + count * STRIPE_BYTES;
            let Some((entry, behind)) = rest.split_at_checked(bytes) else {
                return Err(input.damaged("the superblock: chunks"));
            };
            let (key, chunk) = entry.split_at(KEY_BYTES);
            let key = Key::read(key);
            if key.kind != CHUNK_ITEM {
                return Err(input.damaged("the superblock: chunks"));
            }
            system.add(input, superblock, key.offset, chunk)?;
            rest = behind;
        }
        let mut all = Self::default();
        trees.read(&system, superblock.chunk_root, &mut |key, chunk, _| match key.kind {
            CHUNK_ITEM => all.add(input, superblock, key.offset, chunk),
            _ => Ok(()),
        })?;
        Ok(all)
    }

    fn add(&mut self, input: &Input<'_>, superblock: &Superblock, at: u64, raw: &[u8]) -> Result<(), DiskError> {
        let damaged = || input.damaged("a chunk");
        let (bytes, profile) = (u64_at(raw, 0), u64_at(raw, 24) & PROFILES);
        if profile & !PROFILE_DUP != 0 {
            return Err(input.unsupported("RAID profiles"));
        }
        let count = if profile == 0 { 1 } else { 2 };
        let stripes: Vec<_> = raw.get(HEAD_BYTES..).unwrap_or_default().chunks_exact(STRIPE_BYTES).collect();
        if usize::from(u16_at(raw, 44)) != count || stripes.len() != count {
            return Err(damaged());
        }
        if stripes.iter().any(|stripe| u64_at(stripe, 0) != superblock.device) {
            return Err(input.unsupported("several devices"));
        }
        let places: Vec<_> = stripes.iter().map(|stripe| u64_at(stripe, 8)).collect();
        let within = |at: u64| at.checked_add(bytes).is_some_and(|end| end <= input.image.bytes());
        let is_size = u32_at(raw, 40) != 0 && bytes > 0 && at.checked_add(bytes).is_some();
        if !is_size || !places.iter().all(|&at| within(at)) || self.overlaps(at, bytes) {
            return Err(damaged());
        }
        let place = Place { at: places[0], twin: places.get(1).copied() };
        self.chunks.insert(at, Chunk { bytes, place });
        Ok(())
    }

    /// Whether a chunk overlaps one of these. Its end is within 64 bits.
    fn overlaps(&self, at: u64, bytes: u64) -> bool {
        let last = self.chunks.range(..at + bytes).next_back();
        last.is_some_and(|(&start, chunk)| start + chunk.bytes > at)
    }

    /// Where bytes are, which one chunk must have.
    pub(super) fn place(&self, at: u64, bytes: u64) -> Option<Place> {
        let (&start, chunk) = self.chunks.range(..=at).next_back()?;
        let from = at - start;
        from.checked_add(bytes).filter(|&end| end <= chunk.bytes)?;
        Some(Place { at: chunk.place.at + from, twin: chunk.place.twin.map(|twin| twin + from) })
    }

    /// Whether anything is there twice.
    pub(super) fn has_twins(&self) -> bool {
        self.chunks.values().any(|chunk| chunk.place.twin.is_some())
    }
}
