//! A folder as a seed, such as an unpacked image. Large files are cut as they would be in an image. Groups of small
//! files are put together by the paths of the target. Everything is verified by its hash.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use regrow_chunker::ChunkId;
use regrow_image::TreeEntry;
use regrow_index::Segment;

use super::rooted::Rooted;
use super::{Seed, SeedContext, first_with_id, sorted_by_id};
use crate::data::Data;
use crate::ingest::{GzipFiles, Reading};
use crate::scan::Scan;
use crate::{LocalError, Stage};

/// The size from which a folder's files are remembered in the catalog. Reading a smaller one again is faster.
const REMEMBERED_BYTES: u64 = 4 << 20;
/// The kernel opens no longer paths (PATH_MAX).
const MAX_PATH_BYTES: usize = 4096;
/// The depth to which folders within the folder are searched.
const MAX_DEPTH: usize = 128;

/// A folder that is used as a seed, for guesses by path.
pub struct FolderSeed {
    root: Arc<Rooted>,
}

/// The chunks of a folder's large files. The files are opened only when they are read, since a folder may have more
/// than a process may hold open.
pub(crate) struct LargeFiles {
    root: Arc<Rooted>,
    /// The paths relative to the folder.
    paths: Vec<PathBuf>,
    /// The chunks: the position of the path, the offset in the file, and the id.
    chunks: Vec<(u32, u64, ChunkId)>,
    by_id: Vec<u32>,
}

impl FolderSeed {
    /// Reads the folder's large files. A file that cannot be read is passed over with a warning.
    pub(crate) fn open(root: &Path, context: &SeedContext<'_>) -> Result<(Self, LargeFiles), LocalError> {
        let rooted = Arc::new(Rooted::open(root).map_err(LocalError::io(root))?);
        let paths = rooted.list(context.params.large_file_bytes(), MAX_DEPTH).map_err(LocalError::io(root))?;
        let mut chunks = Vec::new();
        let mut kept = Vec::new();
        for path in paths {
            let shown = root.join(&path);
            let mut file = match rooted.open_file(&path) {
                Ok(file) => file,
                Err(error) => {
                    context.progress.warn(&format!("seed: {}: {error}", shown.display()));
                    continue;
                }
            };
            let is_small = file.metadata().is_ok_and(|metadata| metadata.len() < REMEMBERED_BYTES);
            let SeedContext { rules, params, pool, catalog, progress, on_scan, .. } = *context;
            // A gzip file in a folder is a file of some image, and within an image it is contents.
            let gzip_files = GzipFiles::Contents;
            let reading = Reading { rules, params, pool, stage: Stage::Scan, progress, gzip_files };
            let data = Data::of(&file, &params);
            let catalog = catalog.filter(|_| !is_small);
            match Scan::of_file(&shown, &mut file, data.as_ref(), &reading, catalog, on_scan) {
                Ok((scan, _)) => {
                    let number = kept.len() as u32;
                    for scan in std::iter::once(&scan).chain(scan.found.as_deref()) {
                        scan.contiguous_chunks(|place, id| {
                            let at = data.as_ref().map_or(Some(place.start), |data| data.in_file(place));
                            chunks.extend(at.map(|at| (number, at, id)));
                        });
                    }
                    kept.push(path);
                }
                Err(error) => context.progress.warn(&format!("seed: {error}")),
            }
        }
        let by_id = sorted_by_id(chunks.len(), |n| chunks[n].2);
        Ok((Self { root: Arc::clone(&rooted) }, LargeFiles { root: rooted, paths: kept, chunks, by_id }))
    }

    /// The guess that the folder has files of an image at the same paths.
    pub(crate) fn guesses(&self, files: &Arc<GuessedFiles>) -> PathGuesses {
        PathGuesses { root: Arc::clone(&self.root), files: Arc::clone(files) }
    }
}

/// An image's files, by the offsets of their contents in the contents stream, with their paths in a folder. All
/// folders share them.
#[derive(Default)]
pub struct GuessedFiles(BTreeMap<u64, (Range<u64>, PathBuf)>);

impl GuessedFiles {
    /// Adds an entry of the image, unless its path is too long for any file system, or leads out of the folder.
    pub fn add(&mut self, entry: &TreeEntry) {
        let path = entry.path.as_ref().filter(|path| path.len() < MAX_PATH_BYTES && !entry.contents.is_empty());
        if let Some(path) = path.and_then(|path| safe_path(path)) {
            self.0.insert(entry.contents.start, (entry.contents.clone(), path));
        }
    }
}

/// The guess that files of the target are in the folder.
pub(crate) struct PathGuesses {
    root: Arc<Rooted>,
    files: Arc<GuessedFiles>,
}

impl Seed for PathGuesses {
    fn find(&self, _id: &ChunkId) -> Option<u64> {
        None
    }

    /// Reads a chunk. `place` is its offset in the target's contents stream.
    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        let end = place + len as u64;
        let mut at = place;
        while at < end {
            let (range, path) =
                self.files.0.range(..=at).next_back().map(|(_, file)| file).ok_or(io::ErrorKind::NotFound)?;
            let now = range.end.min(end).checked_sub(at).filter(|&now| now > 0).ok_or(io::ErrorKind::NotFound)?;
            let start = out.len();
            out.resize(start + now as usize, 0);
            let file = self.root.open_file(path)?;
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
        self.root.open_file(&self.paths[number as usize])?.read_exact_at(out, at)
    }

    fn segments(&self, _wanted: &mut dyn FnMut(Segment)) {}
}

/// The path of a tar's entry below some root. A path with `..` is refused.
pub(super) fn safe_path(path: &[u8]) -> Option<PathBuf> {
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
