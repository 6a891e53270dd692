//! What a store holds already, learnt from its packs' tables.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use regrow_chunker::ChunkId;
use regrow_index::PackRef;
use regrow_store::FolderWriter;

use crate::{Progress, SyncError};

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
}

impl StoreContents {
    /// Reads the ends of all packs. One that is damaged is passed over, with a warning: its chunks are stored anew.
    pub(crate) fn read(store: &FolderWriter, progress: &dyn Progress) -> Result<Self, SyncError> {
        let mut found = Self::default();
        let mut packs = store.packs()?;
        packs.sort_unstable();
        for id in packs {
            let tail = match store.tail(&id) {
                Ok(tail) => tail,
                Err(error) => {
                    progress.warn(&format!("{error}; what it holds will be stored again"));
                    continue;
                }
            };
            let place = Place::Old(found.packs.len() as u32);
            let trailer = tail.trailer;
            found.packs.push(PackRef {
                id,
                bytes: trailer.bytes,
                skeleton_at: trailer.skeleton_at,
                tail_at: trailer.tail_at,
            });
            for record in &tail.records {
                found.chunks.entry(record.id).or_insert(place);
            }
            for segment in tail.segment_ids() {
                found.segments.entry(segment).or_insert(place);
            }
        }
        Ok(found)
    }
}
