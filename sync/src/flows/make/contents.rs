//! What a store holds already, as far as its packs' tables tell.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU32;
use std::ops::Range;

use regrow_chunker::ChunkId;
use regrow_index::PackRef;
use regrow_store::{PackTail, RawFrame};

use super::packer::ItemNumber;

/// Ids are hashes already.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

/// A map by ids that nobody can crowd on purpose: they are cryptographic hashes.
pub(crate) type IdMap<V> = HashMap<ChunkId, V, BuildHasherDefault<IdHasher>>;

/// Where a chunk or a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// In a pack that was there before: its number in [`StoreContents::packs`].
    Old(u32),
    /// Among what this run writes.
    New(ItemNumber),
}

/// What is known of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The store holds it: the number of one of its copies in [`StoreContents::copies`].
    Copy(u32),
    /// The image has it: its number in the recipe.
    Used(u32),
}

/// One of the places in old packs that hold a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkCopy {
    /// The frame that holds it: its number in [`StoreContents::frames`].
    pub(crate) frame: u32,
    /// Where it begins among the frame's plain bytes.
    pub(crate) at: u32,
    /// The next copy of the same chunk.
    next: Option<NonZeroU32>,
}

/// A frame of a pack that was there before.
#[derive(Debug, Clone)]
pub(crate) struct OldFrame {
    /// The number of its pack.
    pub(crate) pack: u32,
    /// Where it lies in the pack.
    pub(crate) stored: Range<u64>,
    pub(crate) plain_bytes: u64,
    pub(crate) is_skeleton: bool,
}

impl OldFrame {
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored.end - self.stored.start
    }

    /// Whether it is fetched by the chunk, so that dead chunks in it cost nothing.
    pub(crate) fn is_raw(&self) -> bool {
        RawFrame::of(self.stored_bytes(), self.plain_bytes).is_some()
    }
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct StoreContents {
    pub(crate) packs: Vec<PackRef>,
    /// The frames of all packs.
    pub(crate) frames: Vec<OldFrame>,
    /// The copies of all chunks.
    pub(crate) copies: Vec<ChunkCopy>,
    pub(crate) chunks: IdMap<Known>,
    pub(crate) segments: IdMap<Place>,
    /// Packs that are there, but damaged or archived: one of such a name is put again.
    pub(crate) damaged: BTreeSet<ChunkId>,
    /// The archived ones among them.
    pub(crate) archived: BTreeSet<ChunkId>,
}

impl StoreContents {
    /// Takes in what a pack holds. All copies of a chunk are kept, so that the best one can be chosen once the image is known.
    /// Of several packs that have a segment, the one with the smallest name counts. So the order of packs does not matter.
    pub(crate) fn add(&mut self, id: ChunkId, tail: &PackTail) {
        let pack = self.packs.len() as u32;
        let trailer = tail.trailer;
        self.packs.push(PackRef {
            id,
            bytes: trailer.bytes,
            skeleton_at: trailer.skeleton_at,
            tail_at: trailer.tail_at,
        });
        for frame in &tail.frames {
            let number = self.frames.len() as u32;
            let (stored, plain_bytes) = (frame.stored.clone(), frame.plain_bytes);
            let is_skeleton = stored.start >= trailer.skeleton_at;
            self.frames.push(OldFrame { pack, stored, plain_bytes, is_skeleton });
            let mut at = 0;
            for record in &tail.records[frame.chunks.clone()] {
                self.add_copy(record.id, number, at);
                at += record.len;
            }
        }
        let packs = &self.packs;
        for segment in tail.segment_ids() {
            let known = self.segments.entry(segment).or_insert(Place::Old(pack));
            if matches!(*known, Place::Old(number) if packs[number as usize].id > id) {
                *known = Place::Old(pack);
            }
        }
    }

    fn add_copy(&mut self, id: ChunkId, frame: u32, at: u32) {
        let number = self.copies.len() as u32;
        let next = match self.chunks.insert(id, Known::Copy(number)) {
            // The first copy of all has no predecessor, so numbers are kept one higher here.
            Some(Known::Copy(next)) => NonZeroU32::new(next + 1),
            _ => None,
        };
        self.copies.push(ChunkCopy { frame, at, next });
    }

    /// The copies of a chunk and their numbers, from the first one's number on.
    pub(crate) fn copies_from(&self, first: u32) -> impl Iterator<Item = (u32, ChunkCopy)> + '_ {
        let copy = |number: u32| Some((number, *self.copies.get(number as usize)?));
        std::iter::successors(copy(first), move |(_, last)| copy(last.next?.get() - 1))
    }
}
