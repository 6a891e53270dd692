//! Archives of a new image that were built again: which of their entries differ from the old image's by nothing but
//! their times. In layers, such entries cost whole files, and tools that build reproducibly do not have them.
//!
//! Contents count as the same if they lie in the same chunks at the same places. So small files beside others that
//! changed do not count, and the numbers are lower bounds.

use std::collections::{HashMap, HashSet};

use regrow_chunker::Digest;
use regrow_image::{Stated, TreeEntry};
use regrow_local::StreamChunks;
use serde::Serialize;

use super::inspect::Inspection;
use super::tree::{ArchiveNumbers, archive_of, own_path_of};
use crate::{Location, SyncError};

/// The largest number of entries that are compared. One takes about 150 bytes of memory.
const MAX_ENTRIES: usize = 1 << 21;
/// The largest number of paths that are named for an archive.
const MAX_PATHS: usize = 1000;

/// An archive of the new image that has entries which are new by nothing but their times.
#[derive(Debug, Clone, Serialize)]
pub struct RebuiltArchive {
    /// The path of the archive in the image. It is empty for the image itself.
    pub path: String,
    /// The number of its entries.
    pub entries: u64,
    /// The number of entries that differ from the old image's entry of the same path by nothing but their times.
    pub times_only: u64,
    /// The plain bytes of their contents.
    pub bytes_times_only: u64,
    /// The first thousand of their paths.
    pub paths: Vec<String>,
}

/// What is compared of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Known {
    stated: Stated,
    contents: Digest,
}

/// The entries of the old image.
pub(crate) struct OldEntries {
    /// The last entry of each path within its archive.
    entries: HashMap<Digest, Known>,
    /// All archives, by what is in them.
    archives: HashSet<Digest>,
    is_whole: bool,
}

impl Known {
    fn of(entry: &TreeEntry, contents: &StreamChunks) -> Self {
        Self { stated: entry.stated, contents: contents_of(entry, contents) }
    }
}

/// An identity of contents: the chunks that hold them, and where.
fn contents_of(entry: &TreeEntry, contents: &StreamChunks) -> Digest {
    let mut places = Vec::new();
    let mut at = entry.contents.start;
    while at < entry.contents.end {
        let chunk = contents.chunk_at(at);
        let range = contents.range(chunk);
        let end = range.end.min(entry.contents.end);
        places.extend_from_slice(contents.record(chunk).id.as_bytes());
        places.extend_from_slice(&(at - range.start).to_le_bytes());
        places.extend_from_slice(&(end - at).to_le_bytes());
        at = end.max(at + 1);
    }
    Digest::of(&places)
}

/// The digests of archives, while their entries come.
#[derive(Default)]
struct ArchiveDigests {
    numbers: ArchiveNumbers,
    hashes: Vec<Digest>,
}

impl ArchiveDigests {
    /// Adds an entry, and returns the number of its archive.
    fn add(&mut self, entry: &TreeEntry, path: Digest, known: &Known) -> usize {
        let number = self.numbers.of(entry);
        if number == self.hashes.len() {
            self.hashes.push(Digest::default());
        }
        let parts = [&self.hashes[number], &path, &known.stated.times, &known.stated.rest, &known.contents];
        self.hashes[number] = Digest::of(&parts.map(|part| *part.as_bytes()).concat());
        number
    }
}

impl OldEntries {
    /// Reads the entries of an image.
    pub(crate) fn of(image: &Inspection, location: &Location) -> Result<Self, SyncError> {
        let (mut entries, mut is_whole) = (HashMap::new(), true);
        let mut digests = ArchiveDigests::default();
        image.for_each_entry(location, &mut |entry| {
            let Some(path) = entry.path.as_deref().map(Digest::of) else { return };
            let known = Known::of(&entry, image.contents());
            digests.add(&entry, path, &known);
            is_whole &= entries.len() < MAX_ENTRIES;
            if is_whole {
                entries.insert(path, known);
            }
        })?;
        Ok(Self { entries, archives: digests.hashes.into_iter().collect(), is_whole })
    }

    /// The archives of the new image that the old one does not have, and that have entries which are new by nothing but
    /// their times.
    pub(crate) fn rebuilt(&self, image: &Inspection, location: &Location) -> Result<Vec<RebuiltArchive>, SyncError> {
        if !self.is_whole {
            return Ok(Vec::new());
        }
        let mut digests = ArchiveDigests::default();
        image.for_each_entry(location, &mut |entry| {
            let Some(path) = entry.path.as_deref().map(Digest::of) else { return };
            digests.add(&entry, path, &Known::of(&entry, image.contents()));
        })?;
        let is_known: Vec<bool> = digests.hashes.iter().map(|archive| self.archives.contains(archive)).collect();
        let (mut numbers, mut found) = (ArchiveNumbers::default(), Vec::new());
        image.for_each_entry(location, &mut |entry| {
            let Some(path) = entry.path.as_deref() else { return };
            let number = numbers.of(&entry);
            if number == found.len() {
                found.push(RebuiltArchive {
                    path: archive_of(&entry),
                    entries: 0,
                    times_only: 0,
                    bytes_times_only: 0,
                    paths: Vec::new(),
                });
            }
            let archive = &mut found[number];
            archive.entries += 1;
            let Some(old) = self.entries.get(&Digest::of(path)).filter(|_| !is_known[number]) else { return };
            let new = Known::of(&entry, image.contents());
            let is_same = (old.stated.rest, old.contents) == (new.stated.rest, new.contents);
            if is_same && old.stated.times != new.stated.times {
                archive.times_only += 1;
                archive.bytes_times_only += entry.contents.end - entry.contents.start;
                if archive.paths.len() < MAX_PATHS {
                    archive.paths.push(own_path_of(&entry));
                }
            }
        })?;
        found.retain(|archive| archive.times_only > 0);
        Ok(found)
    }
}
