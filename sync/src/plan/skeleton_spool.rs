//! The place where the skeleton stream waits until its layout is read.

mod chunks;

use std::path::Path;
use std::sync::Arc;

use regrow_chunker::Verified;
use regrow_local::{MEMORY_BYTES, Spool};

use crate::SyncError;
use chunks::ChunkSpool;
use regrow_local::StreamChunks;

/// The bytes of the skeleton, which may be written in any order.
pub(crate) enum SkeletonSpool {
    /// The whole stream. Any part of it can be read.
    Whole(Spool),
    /// The distinct chunks, each kept once and compressed. The stream is read once, front to back.
    Chunks(ChunkSpool),
}

impl SkeletonSpool {
    /// Makes a spool for a stream of this many bytes, of which any part can be read.
    pub(crate) fn whole(bytes: u64, folder: &Path) -> Result<Self, SyncError> {
        Ok(Self::Whole(Spool::new(bytes, folder)?))
    }

    /// Makes a spool for a stream that is read once, front to back.
    pub(crate) fn of_chunks(stream: Arc<StreamChunks>, folder: &Path) -> Self {
        Self::Chunks(ChunkSpool::new(stream, folder, MEMORY_BYTES))
    }

    /// Writes whole chunks, which begin at `at`.
    pub(crate) fn write(&self, at: u64, bytes: Verified<'_>) -> Result<(), SyncError> {
        match self {
            Self::Whole(spool) => Ok(spool.write(at, bytes.bytes())?),
            Self::Chunks(chunks) => chunks.write(at, bytes).map_err(SyncError::io("temporary file")),
        }
    }

    /// Reads bytes that were written.
    pub(crate) fn read(&self, at: u64, out: &mut [u8]) -> std::io::Result<()> {
        match self {
            Self::Whole(spool) => spool.read(at, out),
            // A stream that must be read at random is not kept in this form.
            Self::Chunks(_) => Err(std::io::ErrorKind::Unsupported.into()),
        }
    }

    /// Passes all bytes to `each`, in pieces and in order.
    pub(crate) fn for_each(&self, each: impl FnMut(&[u8]) -> Result<(), SyncError>) -> Result<(), SyncError> {
        match self {
            Self::Whole(spool) => spool.for_each(each),
            Self::Chunks(chunks) => chunks.for_each(each),
        }
    }
}
