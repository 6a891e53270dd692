//! Where the skeleton stream waits until the layout is read from it.

mod chunks;

use std::path::Path;
use std::sync::Arc;

use regrow_local::{MEMORY_BYTES, Spool};

use crate::SyncError;
use chunks::ChunkSpool;
use regrow_local::StreamChunks;

/// The skeleton's bytes, written in any order and then read.
pub(crate) enum SkeletonSpool {
    /// All of it, which can be read anywhere.
    Whole(Spool),
    /// Each distinct chunk once, compressed. It is read once, front to back.
    Chunks(ChunkSpool),
}

impl SkeletonSpool {
    /// Room for a stream that is read once, front to back: each distinct chunk is kept once, compressed.
    pub(crate) fn of_chunks(stream: Arc<StreamChunks>, folder: &Path) -> Self {
        Self::Chunks(ChunkSpool::new(stream, folder, MEMORY_BYTES))
    }

    /// Writes whole chunks at their place.
    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result<(), SyncError> {
        match self {
            Self::Whole(spool) => Ok(spool.write(at, bytes)?),
            Self::Chunks(chunks) => chunks.write(at, bytes).map_err(SyncError::io("temporary file")),
        }
    }

    /// Reads bytes that were written.
    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::Whole(spool) => spool.read(at, out),
            // What is read at random is not kept so.
            Self::Chunks(_) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }

    /// All bytes from the front, in pieces.
    pub(crate) fn for_each(&self, each: impl FnMut(&[u8]) -> Result<(), SyncError>) -> Result<(), SyncError> {
        match self {
            Self::Whole(spool) => spool.for_each(each),
            Self::Chunks(chunks) => chunks.for_each(each),
        }
    }
}
