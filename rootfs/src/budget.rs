//! Bounds on what layers may make this crate remember or do, whatever they state.

use crate::error::RootfsError;

/// The largest number of entries in all layers of an image. One costs about 200 bytes of memory.
const MAX_ENTRIES: u64 = 1 << 22;
/// The largest number of folders that no layer describes. A single path can imply 2,000 of them, and one costs about
/// 500 bytes.
const MAX_IMPLIED: u64 = 1 << 19;
/// The largest sum of paths, targets of links, extended attributes and maps of sparse files.
const MAX_METADATA_BYTES: u64 = 1 << 29;
/// The largest sum of the holes in sparse files. Engines write them out as zeros, and here they are hashed.
const MAX_HOLE_BYTES: u64 = 1 << 33;

/// What was taken so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budget {
    entries: u64,
    implied: u64,
    metadata_bytes: u64,
    hole_bytes: u64,
}

fn take(taken: &mut u64, more: u64, most: u64, what: &'static str) -> Result<(), RootfsError> {
    *taken = taken.saturating_add(more);
    if *taken > most { Err(RootfsError::TooMany { most, what }) } else { Ok(()) }
}

impl Budget {
    /// Takes an entry.
    pub(crate) fn take_entry(&mut self) -> Result<(), RootfsError> {
        take(&mut self.entries, 1, MAX_ENTRIES, "entries")
    }

    /// Takes a folder that an entry in it implies.
    pub(crate) fn take_implied(&mut self) -> Result<(), RootfsError> {
        take(&mut self.implied, 1, MAX_IMPLIED, "folders that they do not describe")
    }

    pub(crate) fn take_metadata(&mut self, bytes: usize) -> Result<(), RootfsError> {
        take(&mut self.metadata_bytes, bytes as u64, MAX_METADATA_BYTES, "bytes of names and attributes")
    }

    pub(crate) fn take_holes(&mut self, bytes: u64) -> Result<(), RootfsError> {
        take(&mut self.hole_bytes, bytes, MAX_HOLE_BYTES, "bytes of holes in sparse files")
    }
}
