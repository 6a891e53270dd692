//! The chunks and segments that a store already has, as far as the tables of its packs were read.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::num::NonZeroU32;
use std::ops::Range;

use regrow_chunker::{ChunkId, PackId, SegmentId};
use regrow_index::PackRef;
use regrow_store::{PackTail, RawFrame};

use super::packer::ItemNumber;

/// A hasher for ids. They are hashes already, so their first bytes serve as the hash.
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

/// A map whose keys are ids. Nobody can make them collide on purpose, because they are cryptographic hashes.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// The location of a chunk or a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// A pack that existed before: its number in [`StoreContents::packs`].
    Old(u32),
    /// An item that this run writes.
    New(ItemNumber),
}

/// The knowledge that make has of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KnownChunk {
    /// The store has the chunk: the number of one of its copies in [`StoreContents::copies`].
    Copy(u32),
    /// The image has the chunk: its number among the image's distinct chunks.
    Used(u32),
}

/// One of the places in old packs that hold a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkCopy {
    /// The frame that holds this copy: its number in [`StoreContents::frames`].
    pub(crate) frame: u32,
    /// The offset of the chunk in the frame's plain bytes.
    pub(crate) at: u32,
    /// The length of the chunk, as the pack's table says.
    pub(crate) len: u32,
    /// The next copy of the same chunk: its number plus one.
    next: Option<NonZeroU32>,
}

/// A frame of a pack that existed before.
#[derive(Debug, Clone)]
pub(crate) struct OldFrame {
    /// The number of the frame's pack.
    pub(crate) pack: u32,
    /// The range of the frame in its pack.
    pub(crate) stored: Range<u64>,
    pub(crate) plain_bytes: u64,
    pub(crate) is_skeleton: bool,
}

impl OldFrame {
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.stored.end - self.stored.start
    }

    /// Whether the frame is fetched by the chunk, so that dead chunks in it cost nothing.
    pub(crate) fn is_raw(&self) -> bool {
        RawFrame::of(self.stored_bytes(), self.plain_bytes).is_some()
    }
}

/// The packs, frames, chunks and segments of a store that are known.
#[derive(Default)]
pub(crate) struct StoreContents {
    pub(crate) packs: Vec<PackRef>,
    /// The frames of all packs.
    pub(crate) frames: Vec<OldFrame>,
    /// The copies of all chunks.
    pub(crate) copies: Vec<ChunkCopy>,
    pub(crate) chunks: IdMap<ChunkId, KnownChunk>,
    pub(crate) segments: IdMap<SegmentId, Place>,
    /// The packs that exist, but are damaged or archived. If this run makes a pack of the same name, it is put again.
    pub(crate) damaged: BTreeSet<PackId>,
    /// The packs in `damaged` that are archived.
    pub(crate) archived: BTreeSet<PackId>,
}

impl StoreContents {
    /// Adds the chunks and segments of a pack. All copies of a chunk are kept, so that the best one can be chosen once
    /// the image is known. If several packs have a segment, the one with the smallest name is used. So the result does
    /// not depend on the order of packs.
    pub(crate) fn add(&mut self, id: PackId, tail: &PackTail) {
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
                self.add_copy(record.id, number, (at, record.len));
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

    fn add_copy(&mut self, id: ChunkId, frame: u32, (at, len): (u32, u32)) {
        let number = self.copies.len() as u32;
        let next = match self.chunks.insert(id, KnownChunk::Copy(number)) {
            // Numbers are stored plus one, so that zero can mean that there is no earlier copy.
            Some(KnownChunk::Copy(next)) => NonZeroU32::new(next + 1),
            _ => None,
        };
        self.copies.push(ChunkCopy { frame, at, len, next });
    }

    /// The copies of a chunk with their numbers, beginning with copy `first`.
    pub(crate) fn copies_from(&self, first: u32) -> impl Iterator<Item = (u32, ChunkCopy)> + '_ {
        let copy = |number: u32| Some((number, *self.copies.get(number as usize)?));
        std::iter::successors(copy(first), move |(_, last)| copy(last.next?.get() - 1))
    }
}
