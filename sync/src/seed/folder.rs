//! A folder as a seed, such as an image unpacked: large files are cut like in an image; groups of small files are put together by
//! the target's paths. Everything is verified by its hash.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use regrow_chunker::ChunkId;
use regrow_image::TreeEntry;
use regrow_index::Segment;

use super::{FileSeed, Seed, SeedContext, first_with_id, sorted_by_id};
use crate::SyncError;

/// Files of a folder from this size on are remembered in the catalog: reading smaller ones is quicker than keeping them.
const REMEMBERED_BYTES: u64 = 4 << 20;
/// Folders within folders that are gone into.
const MAX_DEPTH: usize = 128;

/// A folder that is used as a seed, for guesses by path.
pub(crate) struct FolderSeed {
    root: PathBuf,
}

/// A folder's large files as they were cut. Files that are opened when they are read: a folder may have more than a process may hold open.
pub(crate) struct LargeFiles {
    paths: Vec<PathBuf>,
    /// Number of a path, offset in it, id.
    chunks: Vec<(u32, u64, ChunkId)>,
    by_id: Vec<u32>,
}

impl FolderSeed {
    /// Reads the folder's large files. What cannot be read is passed over with a warning.
    pub(crate) fn open(root: &Path, context: &SeedContext<'_>) -> Result<(Self, LargeFiles), SyncError> {
        let mut paths = Vec::new();
        list(root, context.params.large_file_bytes(), 0, &mut paths).map_err(SyncError::io(root))?;
        let mut chunks = Vec::new();
        let mut kept = Vec::new();
        for path in paths {
            let is_small = path.metadata().is_ok_and(|metadata| metadata.len() < REMEMBERED_BYTES);
            // A gzip file in a folder is a file of some image: there it is contents.
            let context = SeedContext { catalog: context.catalog.filter(|_| !is_small), unfolds: false, ..*context };
            match FileSeed::open(&path, &context) {
                Ok(seed) => {
                    let number = kept.len() as u32;
                    seed.contiguous_chunks(|at, id| chunks.push((number, at, id)));
                    kept.push(path);
                }
                Err(error) => context.progress.warn(&format!("seed: {error}")),
            }
        }
        let by_id = sorted_by_id(chunks.len(), |n| chunks[n].2);
        Ok((Self { root: root.to_owned() }, LargeFiles { paths: kept, chunks, by_id }))
    }

    /// What the folder has of an image with these entries.
    pub(crate) fn guesses(&self, tree: &[TreeEntry]) -> PathGuesses {
        let mut files = BTreeMap::new();
        for entry in tree.iter().filter(|entry| !entry.contents.is_empty()) {
            if let Some(path) = entry.path.as_ref().and_then(|path| safe_path(path)) {
                files.insert(entry.contents.start, (entry.contents.clone(), path));
            }
        }
        PathGuesses { root: self.root.clone(), files }
    }
}

/// The target's files by where their contents lie in the contents stream; any of them may be in the folder.
pub(crate) struct PathGuesses {
    root: PathBuf,
    files: BTreeMap<u64, (Range<u64>, PathBuf)>,
}

impl Seed for PathGuesses {
    fn find(&self, _id: &ChunkId) -> Option<u64> {
        None
    }

    /// `place` is where the chunk lies in the target's contents stream.
    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        let end = place + len as u64;
        let mut at = place;
        while at < end {
            let (range, path) =
                self.files.range(..=at).next_back().map(|(_, file)| file).ok_or(io::ErrorKind::NotFound)?;
            let now = range.end.min(end).checked_sub(at).filter(|&now| now > 0).ok_or(io::ErrorKind::NotFound)?;
            let start = out.len();
            out.resize(start + now as usize, 0);
            let file = open_regular(&self.root.join(path))?;
            file.read_exact_at(&mut out[start..], at - range.start)?;
            at += now;
        }
        Ok(())
    }

    fn segments(&self, _wanted: &mut dyn FnMut(Segment)) {}
}

impl Seed for LargeFiles {
    fn find(&self, id: &ChunkId) -> Option<u64> {
        first_with_id(&self.by_id, id, |n| self.chunks[n].2).map(u64::from)
    }

    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let (number, at, _) = self.chunks[place as usize];
        out.clear();
        out.resize(len, 0);
        open_regular(&self.paths[number as usize])?.read_exact_at(out, at)
    }

    fn segments(&self, _wanted: &mut dyn FnMut(Segment)) {}
}

/// Opens a file, never waiting for a pipe's other end.
fn open_regular(path: &Path) -> io::Result<File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    File::open(path)
}

/// A tar's path below some root: no `..`, nothing absolute.
fn safe_path(path: &[u8]) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(path));
    let mut safe = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => safe.push(name),
            Component::CurDir | Component::RootDir => {}
            _ => return None,
        }
    }
    (!safe.as_os_str().is_empty()).then_some(safe)
}

/// Regular files of at least `min_bytes`, in an order that does not change from run to run.
fn list(folder: &Path, min_bytes: u64, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Ok(());
    }
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            // A folder that may not be read holds nothing for us.
            let _ = list(&entry.path(), min_bytes, depth + 1, found);
        } else if kind.is_file() && entry.metadata().is_ok_and(|metadata| metadata.len() >= min_bytes) {
            found.push(entry.path());
        }
    }
    Ok(())
}
