//! Compressed blocks that lie in seeds, found by what they hold. Taking one spares the work of encoding it.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use regrow_disk::BlockCodec;
use regrow_disk::codec::decode;

use super::places::{BlockHash, CODECS, DiskPlaces, PlacedBlock, block_hash, start_hash};

/// The most filled blocks that begin alike of which each is tried.
const MOST_ALIKE: usize = 8;

/// The compressed blocks of disk images among the seeds.
#[derive(Debug, Default)]
pub struct CodedBlocks {
    files: Vec<File>,
    /// For each block, the position of its file, its place there and its size.
    by_hash: HashMap<(BlockHash, BlockCodec), Place>,
    /// The same for blocks that were filled up, by what they begin with, each with the number of its plain bytes.
    by_start: HashMap<(BlockHash, BlockCodec), Vec<(Place, u32)>>,
}

/// The position of a block's file, its place there and its size.
type Place = (u32, u64, u32);

impl CodedBlocks {
    /// Adds the blocks of a disk image that begins at `start` in a file.
    pub(crate) fn add(&mut self, file: File, start: u64, places: &DiskPlaces) {
        for (hash, PlacedBlock { codec, stored_at, stored_bytes, plain_bytes, filled, .. }) in places.hashed() {
            let place = (self.files.len() as u32, start.saturating_add(stored_at), stored_bytes);
            if filled.is_none() {
                self.by_hash.entry((hash, codec)).or_insert(place);
                continue;
            }
            let alike = self.by_start.entry((hash, codec)).or_default();
            if alike.len() < MOST_ALIKE {
                alike.push((place, plain_bytes));
            }
        }
        self.files.push(file);
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_hash.is_empty() && self.by_start.is_empty()
    }

    /// A block that held these plain bytes when its seed was scanned. It may be another one by now, or another encoder's.
    /// Without a codec, it may be of any.
    pub(super) fn get(&self, codec: Option<BlockCodec>, plain: &[u8]) -> Option<Vec<u8>> {
        let hash = block_hash(plain);
        let mut codecs = CODECS.into_iter().filter(|known| codec.is_none_or(|codec| codec == *known));
        self.read(*codecs.find_map(|codec| self.by_hash.get(&(hash, codec)))?)
    }

    /// A block that was filled up with the first of these plain bytes, and how many it holds. It may be another encoder's, or
    /// have had other bytes behind it.
    pub(super) fn get_filled(&self, codec: BlockCodec, plain: &[u8]) -> Option<(usize, Vec<u8>)> {
        let alike = self.by_start.get(&(start_hash(plain), codec))?;
        alike.iter().find_map(|&(place, plain_bytes)| {
            let plain = plain.get(..plain_bytes as usize)?;
            let stored = self.read(place)?;
            let is_same = decode(codec, &stored, plain.len()).is_ok_and(|decoded| decoded == plain);
            is_same.then_some((plain.len(), stored))
        })
    }

    fn read(&self, (file, at, bytes): Place) -> Option<Vec<u8>> {
        let mut stored = vec![0; bytes as usize];
        self.files.get(file as usize)?.read_exact_at(&mut stored, at).ok()?;
        Some(stored)
    }
}
