//! A folder as a seed, such as an unpacked image. Large files are cut as they would be in an image. Groups of small
//! files are put together by the paths of the target. Everything is verified by its hash.

mod places;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regrow_chunker::{ChunkId, Cut, Cutter, PieceCutter, PiecePlace, PieceRule, StreamCutter};
use regrow_image::TreeEntry;
use regrow_index::Segment;

use super::file::FileSeed;
use super::layer::BlobForm;
use super::rooted::{Rooted, safe_path};
use super::{Seed, SeedContext, first_with_id, sorted_by_id};
use crate::data::Data;
use crate::ingest::{GzipFiles, Reading};
use crate::scan::Scan;
use crate::{LocalError, Stage};
use places::Place;

/// The size from which a folder's files are remembered in the catalog. Reading a smaller one again is faster.
const REMEMBERED_BYTES: u64 = 4 << 20;
/// The kernel opens no longer paths (PATH_MAX).
const MAX_PATH_BYTES: usize = 4096;
/// The depth to which folders within the folder are searched.
const MAX_DEPTH: usize = 128;

/// The most archives in a folder that are seeds of their own, since each of them stays open.
const MAX_ARCHIVES: usize = 64;
/// The size from which they are. Smaller ones hold little.
const ARCHIVE_BYTES: u64 = 64 << 10;

/// A folder that is used as a seed, for guesses by path.
pub struct FolderSeed {
    root: Arc<Rooted>,
    /// The path of the folder.
    shown: PathBuf,
    large: Arc<LargeFiles>,
    /// Whether archives in it are seeds of their own.
    has_archives: bool,
}

/// The chunks of a folder's large files. The files are opened only when they are read, since a folder may have more
/// than a process may hold open.
pub(crate) struct LargeFiles {
    root: Arc<Rooted>,
    /// The paths relative to the folder, and the sizes.
    paths: Vec<(PathBuf, u64)>,
    /// The chunks: the position of the path, the place in the file, and the id.
    chunks: Vec<(u32, PiecePlace, ChunkId)>,
    by_id: Vec<u32>,
}

impl FolderSeed {
    /// Reads the folder's large files. A file that cannot be read is passed over with a warning. Archives, such as the
    /// layers of an image that was saved and unpacked, are seeds of their own.
    pub(crate) fn open(
        root: &Path,
        context: &SeedContext<'_>,
    ) -> Result<(Self, Arc<LargeFiles>, Vec<FileSeed>), LocalError> {
        let rooted = Arc::new(Rooted::open(root).map_err(LocalError::io(root))?);
        let large_bytes = context.params.large_file_bytes();
        let least_bytes = if context.rules.cut_small_files() { 1 } else { large_bytes };
        let paths = rooted.list(least_bytes, MAX_DEPTH).map_err(LocalError::io(root))?;
        let cutter = Cutter::new(context.params);
        let mut chunks = Vec::new();
        let (mut kept, mut archives) = (Vec::new(), Vec::new());
        for path in paths {
            let shown = root.join(&path);
            let mut file = match rooted.open_file(&path) {
                Ok(file) => file,
                Err(error) => {
                    context.progress.warn(&format!("seed: {}: {error}", shown.display()));
                    continue;
                }
            };
            let bytes = file.metadata().map_or(0, |metadata| metadata.len());
            if bytes < large_bytes {
                // A file that cannot be read now is not worth a warning, since there are many of them.
                if let Ok(found) = small_chunks(&file, bytes, &cutter, context.rules.pieces()) {
                    let number = kept.len() as u32;
                    chunks.extend(found.into_iter().map(|(place, id)| (number, place, id)));
                    kept.push((path, bytes));
                }
                continue;
            }
            let is_archive = || matches!(BlobForm::of(&file), BlobForm::Tar | BlobForm::Gzip);
            if bytes >= ARCHIVE_BYTES && archives.len() < MAX_ARCHIVES && is_archive() {
                match FileSeed::of_file(file, &shown, context) {
                    Ok(archive) => archives.push(archive),
                    Err(error) => context.progress.warn(&format!("seed: {error}")),
                }
                continue;
            }
            let is_small = bytes < REMEMBERED_BYTES;
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
                        scan.contiguous_chunks(|place, record| {
                            let Some(data) = &data else { return chunks.push((number, place, record.id)) };
                            // Of the data of a sparse file, what has holes of its own is passed over.
                            let range = place.at..place.at + u64::from(record.len);
                            let at = if place.holes.is_empty() { data.in_file(range) } else { None };
                            chunks.extend(at.map(|at| (number, PiecePlace::at(at), record.id)));
                        });
                    }
                    kept.push((path, bytes));
                }
                Err(error) => context.progress.warn(&format!("seed: {error}")),
            }
        }
        let by_id = sorted_by_id(chunks.len(), |n| chunks[n].2);
        let large = Arc::new(LargeFiles { root: Arc::clone(&rooted), paths: kept, chunks, by_id });
        let (shown, has_archives) = (root.to_owned(), !archives.is_empty());
        let folder = Self { root: rooted, shown, large: Arc::clone(&large), has_archives };
        Ok((folder, large, archives))
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.shown
    }

    /// Whether archives in the folder are seeds of their own.
    pub fn has_archives(&self) -> bool {
        self.has_archives
    }

    /// Whether a large file of the folder has this chunk.
    pub fn holds(&self, id: &ChunkId) -> bool {
        self.large.find(id).is_some()
    }

    /// The guesses where the folder has files of an image, and how many of 1,000 files it has.
    pub(crate) fn guesses(&self, files: &Arc<GuessedFiles>) -> (Vec<PathGuesses>, usize) {
        let (places, found) = places::find(&self.root, &self.large.paths, files);
        let guess = |place| PathGuesses { root: Arc::clone(&self.root), files: Arc::clone(files), place };
        (places.into_iter().map(guess).collect(), found)
    }
}

/// The chunks of a file of this many bytes that is small, with their offsets: whole, and by a rule in pieces.
fn small_chunks(
    file: &File,
    bytes: u64,
    cutter: &Cutter,
    rule: Option<PieceRule>,
) -> io::Result<Vec<(PiecePlace, ChunkId)>> {
    let mut contents = vec![0; bytes as usize];
    file.read_exact_at(&mut contents, 0)?;
    let (mut stream, mut chunks, mut at) = (StreamCutter::default(), Vec::new(), 0);
    let mut add = |from: usize, cut: Cut<'_>| {
        let bytes = match cut {
            Cut::InPiece(range) => &contents[from..][range],
            Cut::Gathered(bytes) => bytes,
        };
        chunks.push((PiecePlace::at(at), ChunkId::of(bytes)));
        at += bytes.len() as u64;
    };
    let mut of_pieces = Vec::new();
    match rule.filter(|rule| bytes > rule.block_bytes()) {
        Some(rule) => {
            let mut pieces = PieceCutter::new(rule, bytes);
            pieces.push(cutter, &mut stream, &contents, &mut add);
            of_pieces = pieces.finish(cutter, &mut stream, |cut| add(0, cut));
        }
        None => {
            stream.push(cutter, &contents, |cut| add(0, cut));
            stream.finish(cutter, |cut| add(0, cut));
        }
    }
    chunks.extend(of_pieces.into_iter().map(|(bytes, place)| (place, ChunkId::of(&bytes))));
    Ok(chunks)
}

/// An image's files, by the offsets of their contents in the contents stream, with their paths in a folder. All
/// folders share them.
#[derive(Default)]
pub struct GuessedFiles(BTreeMap<u64, (Range<u64>, PathBuf)>);

impl GuessedFiles {
    /// The files that make up a range of the contents stream, in order: each path, and the range of the file's bytes.
    /// Nothing comes after a place that belongs to no file.
    pub(super) fn of(&self, contents: Range<u64>) -> impl Iterator<Item = (&Path, Range<u64>)> {
        let (mut at, end) = (contents.start, contents.end);
        std::iter::from_fn(move || {
            let (_, (range, path)) = self.0.range(..=at).next_back().filter(|_| at < end)?;
            let now = range.end.min(end).checked_sub(at).filter(|&now| now > 0)?;
            let within = at - range.start;
            at += now;
            Some((path.as_path(), within..within + now))
        })
    }
}

impl GuessedFiles {
    /// Adds an entry of the image, unless its path is too long for any file system, or leads out of the folder.
    pub fn add(&mut self, entry: &TreeEntry) {
        let path = entry.path.as_ref().filter(|path| path.len() < MAX_PATH_BYTES && !entry.contents.is_empty());
        if let Some(path) = path.and_then(|path| safe_path(path)) {
            self.0.insert(entry.contents.start, (entry.contents.clone(), path));
        }
    }
}

/// The guess that files of the target are at a place in the folder.
pub(crate) struct PathGuesses {
    root: Arc<Rooted>,
    place: Place,
    files: Arc<GuessedFiles>,
}

impl Seed for PathGuesses {
    fn find(&self, _id: &ChunkId) -> Option<u64> {
        None
    }

    /// Reads a chunk. `place` is its offset in the target's contents stream.
    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        out.clear();
        for (path, range) in self.files.of(place..place + len as u64) {
            let start = out.len();
            out.resize(start + (range.end - range.start) as usize, 0);
            let path = self.place.of(path).ok_or(io::ErrorKind::NotFound)?;
            self.root.open_file(&path)?.read_exact_at(&mut out[start..], range.start)?;
        }
        if out.len() < len {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(())
    }

    fn segments(&self, _wanted: &mut dyn FnMut(Segment)) {}
}

impl Seed for Arc<LargeFiles> {
    fn find(&self, id: &ChunkId) -> Option<u64> {
        first_with_id(&self.by_id, id, |n| self.chunks[n].2).map(u64::from)
    }

    fn read(&self, place: u64, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let (number, place, _) = &self.chunks[place as usize];
        out.clear();
        out.resize(len, 0);
        let file = self.root.open_file(&self.paths[*number as usize].0)?;
        let ranges = place.ranges(len as u32).ok_or(io::ErrorKind::NotFound)?;
        let mut rest = out.as_mut_slice();
        for range in ranges {
            let (now, behind) = rest.split_at_mut((range.end - range.start) as usize);
            file.read_exact_at(now, range.start)?;
            rest = behind;
        }
        Ok(())
    }

    fn segments(&self, _wanted: &mut dyn FnMut(Segment)) {}
}
