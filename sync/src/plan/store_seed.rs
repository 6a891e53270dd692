//! A store's folder as a seed. With an index, only the packs that the index names are used.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use regrow_chunker::ChunkId;
use regrow_index::{HEAD_BYTES, Index, MAX_INDEX_BYTES, Segment};
use regrow_local::{Seed, SeedContext, Seeds, first_with_id, sorted_by_id};
use regrow_store::{Decompressor, FolderReader, PackTail, STORE_FILE, open_regular, pack_name};

use super::layout_seed::open_layout;
use crate::{Location, Progress, SyncError};

/// The number of decompressed frames that are kept. Neighbours in an image are mostly neighbours in a frame.
const FRAMES_KEPT: usize = 6;

/// Opens `path` as a store's folder, as an index with its store, as an OCI image layout, or else as anything that
/// [`Seeds::open`] takes.
pub(crate) fn open_seed(seeds: &mut Seeds, path: &Path, context: &SeedContext<'_>) -> Result<(), SyncError> {
    let store = if path.join(STORE_FILE).is_file() {
        Some(StoreSeed::open(path, None, context.progress)?)
    } else if let Some(index) = read_index(path) {
        let Some(Location::Path(store)) = Location::Path(path.to_owned()).beside(&index.store) else {
            return Err(SyncError::NoStore { location: path.display().to_string() });
        };
        Some(StoreSeed::open(&store, Some(&index), context.progress)?)
    } else {
        None
    };
    match store {
        Some(store) => seeds.seeds.push(Box::new(store)),
        None if open_layout(seeds, path, context) => {}
        None => seeds.open(path, context)?,
    }
    Ok(())
}

/// Reads the index in this file, if it is one. An image may begin like an index, so only the head is read unless the
/// size fits.
fn read_index(path: &Path) -> Option<Index> {
    let (mut file, metadata) = regrow_store::open_regular(path).ok()?;
    let mut head = [0; HEAD_BYTES];
    file.read_exact(&mut head).ok()?;
    if !Index::may_begin(&head, metadata.len()) {
        return None;
    }
    let mut found = head.to_vec();
    file.take(MAX_INDEX_BYTES - HEAD_BYTES as u64).read_to_end(&mut found).ok()?;
    Index::decode(&found).ok()
}

/// A decompressed frame, with the numbers of its pack and of the frame within that pack.
type KeptFrame = ((usize, usize), Bytes);

/// A store's folder, used as a seed.
pub(crate) struct StoreSeed {
    packs: Vec<(PathBuf, PackTail)>,
    /// The positions in `chunks`, sorted by the id of the chunk.
    by_id: Vec<u32>,
    chunks: Vec<(u32, u32)>,
    kept: Mutex<VecDeque<KeptFrame>>,
}

impl StoreSeed {
    /// Reads the tables of all packs, or of those that an index names. A damaged pack is skipped with a warning.
    pub(crate) fn open(root: &Path, index: Option<&Index>, progress: &dyn Progress) -> Result<Self, SyncError> {
        let reader = FolderReader::open(root)?;
        let ids = match index {
            Some(index) => index.packs.iter().map(|pack| pack.id).collect(),
            None => reader.packs()?,
        };
        let (mut packs, mut chunks) = (Vec::new(), Vec::new());
        for id in ids {
            match reader.tail(&id) {
                Ok(tail) => {
                    chunks.extend((0..tail.records.len() as u32).map(|chunk| (packs.len() as u32, chunk)));
                    packs.push((root.join(pack_name(&id)), tail));
                }
                Err(error) => progress.warn(&format!("seed: {error}")),
            }
        }
        let by_id = sorted_by_id(chunks.len(), |n| id_of(&packs, chunks[n]));
        Ok(Self { packs, by_id, chunks, kept: Mutex::default() })
    }

    fn frame(&self, pack: usize, number: usize) -> io::Result<Bytes> {
        let key = (pack, number);
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plain)) = lock().iter().find(|(kept, _)| *kept == key) {
            return Ok(plain.clone());
        }
        let (path, tail) = &self.packs[pack];
        let frame = &tail.frames[number];
        // The file bounds this length, because the table's check keeps frames before the tail.
        let mut stored = vec![0; (frame.stored.end - frame.stored.start) as usize];
        open_regular(path)?.0.read_exact_at(&mut stored, frame.stored.start)?;
        let plain = Decompressor::new()?.decompress(&stored, frame.plain_bytes).ok_or(io::ErrorKind::InvalidData)?;
        let mut kept = lock();
        kept.push_front((key, plain.clone()));
        kept.truncate(FRAMES_KEPT);
        Ok(plain)
    }
}

fn id_of(packs: &[(PathBuf, PackTail)], (pack, chunk): (u32, u32)) -> ChunkId {
    packs[pack as usize].1.records[chunk as usize].id
}

impl Seed for StoreSeed {
    fn find(&self, id: &ChunkId) -> Option<u64> {
        first_with_id(&self.by_id, id, |n| id_of(&self.packs, self.chunks[n])).map(u64::from)
    }

    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let (pack, chunk) = self.chunks[place as usize];
        let tail = &self.packs[pack as usize].1;
        let chunk = chunk as usize;
        let number = tail.frames.partition_point(|frame| frame.chunks.end <= chunk);
        let first = tail.frames[number].chunks.start;
        let start: usize = tail.records[first..chunk].iter().map(|record| record.len as usize).sum();
        let plain = self.frame(pack as usize, number)?;
        out.clear();
        out.extend_from_slice(plain.get(start..start + len).ok_or(io::ErrorKind::InvalidData)?);
        Ok(())
    }

    fn segments(&self, wanted: &mut dyn FnMut(Segment)) {
        for (_, tail) in &self.packs {
            for number in 0..tail.segments() {
                let records = tail.segment(number).ok().map(|(_, records)| records);
                if let Some(segment) = records.and_then(|records| Segment::new(records).ok()) {
                    wanted(segment);
                }
            }
        }
    }
}
