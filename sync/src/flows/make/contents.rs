//! What a store holds already, as far as it was learnt from its packs' tables.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use regrow_chunker::ChunkId;
use regrow_index::PackRef;
use regrow_store::PackTail;

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
    /// In a pack that was there before: number in [`StoreContents::packs`].
    Old(u32),
    /// In a pack that this run writes: the how manyeth.
    New(u32),
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct StoreContents {
    pub(crate) packs: Vec<PackRef>,
    pub(crate) chunks: IdMap<Place>,
    pub(crate) segments: IdMap<Place>,
    /// Packs that are there, but damaged or archived: one of such a name is put again.
    pub(crate) damaged: std::collections::BTreeSet<ChunkId>,
    /// Those of them that are archived.
    pub(crate) archived: std::collections::BTreeSet<ChunkId>,
}

impl StoreContents {
    /// Takes in what a pack holds. Of several packs that have a chunk, the one with the smallest name counts, whatever the
    /// order in which they are taken in.
    pub(crate) fn add(&mut self, id: ChunkId, tail: &PackTail) {
        let place = Place::Old(self.packs.len() as u32);
        let trailer = tail.trailer;
        self.packs.push(PackRef {
            id,
            bytes: trailer.bytes,
            skeleton_at: trailer.skeleton_at,
            tail_at: trailer.tail_at,
        });
        let packs = &self.packs;
        let put = |known: &mut IdMap<Place>, thing: ChunkId| {
            known
                .entry(thing)
                .and_modify(|known| {
                    if matches!(*known, Place::Old(number) if packs[number as usize].id > id) {
                        *known = place;
                    }
                })
                .or_insert(place);
        };
        tail.records.iter().for_each(|record| put(&mut self.chunks, record.id));
        tail.segment_ids().for_each(|segment| put(&mut self.segments, segment));
    }
}
