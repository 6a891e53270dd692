//! The chunks of a stream, which wait to be read once, in order. Each distinct chunk is kept once and compressed. So
//! the room that they take depends on what was fetched, and not on the length that an index states.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use regrow_chunker::{ChunkId, Verified};
use regrow_store::{Compressor, Decompressor};

use crate::SyncError;
use regrow_local::StreamChunks;

/// The zstd level. It is a fast one, since the chunks are read only once.
const LEVEL: i32 = 1;

/// The distinct chunks of one stream.
pub(crate) struct ChunkSpool {
    stream: Arc<StreamChunks>,
    folder: PathBuf,
    memory_bytes: u64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    compressor: Option<Compressor>,
    /// The position and the stored length of each chunk. Positions count the bytes in memory first, then those in the
    /// file.
    places: HashMap<ChunkId, (u64, u32)>,
    memory: Vec<u8>,
    /// The file and its length.
    file: Option<(File, u64)>,
}

impl ChunkSpool {
    /// Makes a spool that keeps up to `memory_bytes` in memory, and the rest in an unnamed file in `folder`.
    pub(super) fn new(stream: Arc<StreamChunks>, folder: &Path, memory_bytes: u64) -> Self {
        Self { stream, folder: folder.to_owned(), memory_bytes, kept: Mutex::default() }
    }

    /// Adds whole chunks, which are consecutive in the stream and begin at `at`.
    pub(super) fn write(&self, mut at: u64, bytes: Verified<'_>) -> io::Result<()> {
        let mut bytes = bytes.bytes();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            let record = self.stream.record(self.stream.chunk_at(at));
            let (chunk, rest) = bytes.split_at_checked(record.len as usize).ok_or(io::ErrorKind::InvalidInput)?;
            if !kept.places.contains_key(&record.id) {
                kept.add(record.id, chunk, self)?;
            }
            (at, bytes) = (at + u64::from(record.len), rest);
        }
        Ok(())
    }

    /// Passes the whole stream to `each`, chunk by chunk.
    pub(super) fn for_each(&self, mut each: impl FnMut(&[u8]) -> Result<(), SyncError>) -> Result<(), SyncError> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut decompressor = Decompressor::new().map_err(SyncError::io("decompression"))?;
        for number in 0..self.stream.len() {
            let record = self.stream.record(number);
            let chunk = kept.read(&record.id).and_then(|stored| {
                let plain = decompressor.decompress(&stored, u64::from(record.len));
                plain.ok_or_else(|| io::ErrorKind::InvalidData.into())
            });
            each(&chunk.map_err(SyncError::io("temporary file"))?)?;
        }
        Ok(())
    }
}

impl Kept {
    fn add(&mut self, id: ChunkId, chunk: &[u8], spool: &ChunkSpool) -> io::Result<()> {
        let stored = match &mut self.compressor {
            Some(compressor) => compressor.compress(chunk)?,
            none => none.insert(Compressor::new(LEVEL)?).compress(chunk)?,
        };
        let in_memory = self.memory.len() as u64;
        let at = match &mut self.file {
            None if in_memory + stored.len() as u64 <= spool.memory_bytes => {
                self.memory.extend_from_slice(&stored);
                in_memory
            }
            file => {
                if file.is_none() {
                    *file = Some((tempfile::tempfile_in(&spool.folder)?, 0));
                }
                let (file, bytes) = file.as_mut().ok_or(io::ErrorKind::NotFound)?;
                file.write_all_at(&stored, *bytes)?;
                *bytes += stored.len() as u64;
                in_memory + *bytes - stored.len() as u64
            }
        };
        // A chunk has at most 4 MiB, and zstd adds little to that.
        self.places.insert(id, (at, stored.len() as u32));
        Ok(())
    }

    fn read(&self, id: &ChunkId) -> io::Result<Vec<u8>> {
        let (at, len) = *self.places.get(id).ok_or(io::ErrorKind::NotFound)?;
        let in_memory = self.memory.len() as u64;
        if at < in_memory {
            let start = at as usize;
            return Ok(self.memory[start..start + len as usize].to_vec());
        }
        let (file, _) = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut stored = vec![0; len as usize];
        file.read_exact_at(&mut stored, at - in_memory)?;
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use regrow_chunker::{Record, VerifiedBuffer};

    use super::*;

    fn verified(chunk: &[u8]) -> Verified<'_> {
        Verified::chunk(&ChunkId::of(chunk), chunk).unwrap()
    }

    #[test]
    fn each_chunk_is_kept_once_and_all_come_in_order() {
        let chunks: Vec<Vec<u8>> = (0..40u8).map(|n| vec![n % 8; 1000 + usize::from(n % 8)]).collect();
        let record = |chunk: &Vec<u8>| Record { id: ChunkId::of(chunk), len: chunk.len() as u32 };
        let stream = Arc::new(StreamChunks::new(true, chunks.iter().map(record).collect()));
        let folder = tempfile::tempdir().unwrap();
        for memory_bytes in [0, 60, 1 << 20] {
            let spool = ChunkSpool::new(Arc::clone(&stream), folder.path(), memory_bytes);
            // The chunks are written in reverse order, some alone and some together.
            for number in (10..40).rev() {
                spool.write(stream.range(number).start, verified(&chunks[number])).unwrap();
            }
            let mut together = VerifiedBuffer::default();
            chunks[..10].iter().for_each(|chunk| together.push(verified(chunk)));
            spool.write(0, together.whole().unwrap()).unwrap();
            let kept = spool.kept.lock().unwrap().places.values().map(|(_, len)| u64::from(*len)).sum::<u64>();
            assert!(kept < 8 * 40, "{kept}");
            let mut found = Vec::new();
            spool
                .for_each(|chunk| {
                    found.push(chunk.to_vec());
                    Ok(())
                })
                .unwrap();
            assert_eq!(found, chunks);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let spool = ChunkSpool::new(stream, folder.path(), 0);
        assert!(spool.write(0, verified(&chunks[0][1..])).is_err());
        assert!(spool.for_each(|_| Ok(())).is_err());
    }
}
