//! Compressed blocks that lie in seeds, found by what they hold. Taking one spares the work of encoding it.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use regrow_disk::BlockCodec;

use super::places::{BlockHash, DiskPlaces, PlacedBlock, block_hash};

/// The compressed blocks of disk images among the seeds.
#[derive(Debug, Default)]
pub struct CodedBlocks {
    files: Vec<File>,
    /// For each block, the position of its file, its place there and its size.
    by_hash: HashMap<(BlockHash, BlockCodec), (u32, u64, u32)>,
}

impl CodedBlocks {
    /// Adds the blocks of a disk image that begins at `start` in a file.
    pub(crate) fn add(&mut self, file: File, start: u64, places: &DiskPlaces) {
        for (hash, PlacedBlock { codec, stored_at, stored_bytes, .. }) in places.hashed() {
            let place = (self.files.len() as u32, start.saturating_add(stored_at), stored_bytes);
            self.by_hash.entry((hash, codec)).or_insert(place);
        }
        self.files.push(file);
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// A block that held these plain bytes when its seed was scanned. It may be another one by now, or another encoder's.
    pub(super) fn get(&self, codec: BlockCodec, plain: &[u8]) -> Option<Vec<u8>> {
        let (file, at, bytes) = *self.by_hash.get(&(block_hash(plain), codec))?;
        let mut stored = vec![0; bytes as usize];
        self.files.get(file as usize)?.read_exact_at(&mut stored, at).ok()?;
        Some(stored)
    }
}
