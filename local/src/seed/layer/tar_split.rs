//! A layer that an engine keeps as a folder of files, together with the tar's other bytes in the form of tar-split: a
//! gzip file of one JSON document a line. A document holds raw bytes of the layer, or stands for a file's contents.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::read::MultiGzDecoder;
use rustix::fs::Stat;
use serde::Deserialize;

use super::raw::RawBytes;
use super::{MAX_LAYER_BYTES, READ_BYTES, base64};
use crate::StorageFault;
use crate::seed::rooted::{Rooted, safe_path};

/// The largest number of bytes of all documents. It allows for some million files.
const MAX_DOCUMENTS_BYTES: u64 = 4 << 30;
/// The longest document in bytes. Engines write the padding of a file together with the next header.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;
/// The largest number of pieces.
const MAX_PIECES: usize = 1 << 22;
/// The most memory that the raw bytes and the paths may take.
const MAX_MEMORY_BYTES: usize = 256 << 20;
/// The number of files that are kept open, for all layers of a storage.
const FILES_KEPT: usize = 32;
/// A layer of which more bytes than these are gone is not read.
const MAX_MISSING_BYTES: u64 = 1 << 30;

const KIND_FILE: u32 = 1;
const KIND_RAW: u32 = 2;

/// A line of tar-split.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "type")]
    kind: u32,
    #[serde(default)]
    name: Option<String>,
    /// A name that is not UTF-8, in base64.
    #[serde(default)]
    name_raw: Option<String>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    payload: Option<String>,
}

/// A layer of a folder's files.
pub(crate) struct SplitLayer {
    /// The file that describes the layer.
    described: File,
    folder: Rooted,
    /// The folder's name within the storage.
    place: PathBuf,
    bytes: u64,
    pieces: Vec<Piece>,
    raw: RawBytes,
    paths: Vec<u8>,
    /// The layer's number among those that share open files.
    number: u64,
    open: Arc<OpenFiles>,
}

/// The files of several layers that are open. They are bounded, since a process may hold only some files open.
#[derive(Default)]
pub(crate) struct OpenFiles {
    layers: AtomicU64,
    kept: Mutex<VecDeque<(FileName, Arc<File>)>>,
}

/// A file by its layer's number, and the number of its piece.
type FileName = (u64, usize);

impl OpenFiles {
    fn kept(&self) -> MutexGuard<'_, VecDeque<(FileName, Arc<File>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: FileName) -> Option<Arc<File>> {
        self.kept().iter().find(|(kept, _)| *kept == name).map(|(_, file)| Arc::clone(file))
    }

    fn keep(&self, name: FileName, file: &Arc<File>) {
        let mut kept = self.kept();
        kept.push_front((name, Arc::clone(file)));
        kept.truncate(FILES_KEPT);
    }
}

/// A stretch of the layer, which ends where the next one begins.
struct Piece {
    start: u64,
    source: PieceSource,
}

#[derive(Clone, Copy)]
enum PieceSource {
    /// The offset of the bytes among the raw ones.
    Raw(u64),
    /// The place of the file's path among all paths.
    File { at: u32, len: u16 },
}

impl SplitLayer {
    /// Reads the description of a layer whose files are in `folder`. `place` names that folder.
    pub(crate) fn read(
        described: File,
        folder: Rooted,
        place: PathBuf,
        open: Arc<OpenFiles>,
    ) -> Result<Self, StorageFault> {
        let copy = described.try_clone().map_err(StorageFault::Unreadable)?;
        let mut layer = Self::empty(described, folder, place, open);
        let plain = MultiGzDecoder::new(BufReader::with_capacity(READ_BYTES, copy)).take(MAX_DOCUMENTS_BYTES + 1);
        let (mut lines, mut line, mut read) = (BufReader::with_capacity(READ_BYTES, plain), Vec::new(), 0);
        loop {
            line.clear();
            let mut limited = (&mut lines).take(MAX_DOCUMENT_BYTES + 1);
            let bytes = limited.read_until(b'\n', &mut line).map_err(StorageFault::of_reading)? as u64;
            read += bytes;
            if bytes > MAX_DOCUMENT_BYTES || read > MAX_DOCUMENTS_BYTES {
                return Err(StorageFault::TooLarge);
            }
            if bytes == 0 {
                return Ok(layer);
            }
            let document = serde_json::from_slice(&line).map_err(|_| StorageFault::Malformed)?;
            layer.push(document)?;
        }
    }

    /// A layer that has nothing yet.
    pub(crate) fn empty(described: File, folder: Rooted, place: PathBuf, open: Arc<OpenFiles>) -> Self {
        let (pieces, raw, paths) = (Vec::new(), RawBytes::default(), Vec::new());
        let number = open.layers.fetch_add(1, Ordering::Relaxed);
        Self { described, folder, place, bytes: 0, pieces, raw, paths, number, open }
    }

    fn push(&mut self, document: Document) -> Result<(), StorageFault> {
        let Document { kind, name, name_raw, size, payload } = document;
        match kind {
            KIND_RAW => {
                let bytes = base64::decode(payload.unwrap_or_default().as_bytes()).ok_or(StorageFault::Malformed)?;
                self.push_raw(&bytes)
            }
            KIND_FILE => {
                let path = match name_raw {
                    Some(raw) => base64::decode(raw.as_bytes()).ok_or(StorageFault::Malformed)?,
                    None => name.unwrap_or_default().into_bytes(),
                };
                self.push_file(&path, size.unwrap_or_default())
            }
            _ => Err(StorageFault::Malformed),
        }
    }

    /// Adds bytes of the layer that are in no file.
    pub(crate) fn push_raw(&mut self, bytes: &[u8]) -> Result<(), StorageFault> {
        let at = self.raw.bytes();
        self.raw.push(bytes).map_err(StorageFault::Unreadable)?;
        self.add(bytes.len() as u64, PieceSource::Raw(at))
    }

    /// Adds a file of this many bytes.
    pub(crate) fn push_file(&mut self, path: &[u8], bytes: u64) -> Result<(), StorageFault> {
        let at = u32::try_from(self.paths.len()).map_err(|_| StorageFault::TooLarge)?;
        let len = u16::try_from(path.len()).map_err(|_| StorageFault::Malformed)?;
        if bytes > 0 {
            self.paths.extend_from_slice(path);
        }
        self.add(bytes, PieceSource::File { at, len })
    }

    fn add(&mut self, bytes: u64, source: PieceSource) -> Result<(), StorageFault> {
        if bytes > 0 {
            self.pieces.push(Piece { start: self.bytes, source });
            self.bytes = self.bytes.checked_add(bytes).ok_or(StorageFault::TooLarge)?;
        }
        let is_large = self.bytes > MAX_LAYER_BYTES
            || self.pieces.len() > MAX_PIECES
            || self.raw.packed_bytes() + self.paths.len() > MAX_MEMORY_BYTES;
        if is_large { Err(StorageFault::TooLarge) } else { Ok(()) }
    }

    /// The size of the layer.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file that describes the layer.
    pub(in crate::seed) fn file(&self) -> &File {
        &self.described
    }

    /// The name of the folder that holds the files.
    pub(in crate::seed) fn place(&self) -> std::path::Display<'_> {
        self.place.display()
    }

    /// Fills `out` with the layer's bytes from `at` on. If a file of it is gone, or is shorter than it was, this fails.
    pub(crate) fn read_exact_at(&self, mut out: &mut [u8], mut at: u64) -> io::Result<()> {
        while !out.is_empty() {
            let (number, left) = self.piece_at(at).ok_or(io::ErrorKind::UnexpectedEof)?;
            let len = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (now, rest) = out.split_at_mut(len);
            self.read_piece(number, now, at)?;
            (out, at) = (rest, at + len as u64);
        }
        Ok(())
    }

    /// The piece that holds the byte `at`, and the number of bytes from there to its end.
    fn piece_at(&self, at: u64) -> Option<(usize, u64)> {
        let number = self.pieces.partition_point(|piece| piece.start <= at).checked_sub(1)?;
        let end = self.pieces.get(number + 1).map_or(self.bytes, |next| next.start);
        Some((number, end.checked_sub(at).filter(|&left| left > 0)?))
    }

    fn read_piece(&self, number: usize, out: &mut [u8], at: u64) -> io::Result<()> {
        let within = at - self.pieces[number].start;
        match self.pieces[number].source {
            PieceSource::Raw(start) => self.raw.read_exact_at(out, start + within),
            PieceSource::File { .. } => self.opened(number)?.read_exact_at(out, within),
        }
    }

    /// The file of a piece. The last few stay open.
    fn opened(&self, number: usize) -> io::Result<Arc<File>> {
        let name = (self.number, number);
        if let Some(file) = self.open.find(name) {
            return Ok(file);
        }
        let path = self.path_of(number).ok_or(io::ErrorKind::NotFound)?;
        let file = Arc::new(self.folder.open_file(&path)?);
        self.open.keep(name, &file);
        Ok(file)
    }

    /// The path of a piece that is a file.
    fn path_of(&self, number: usize) -> Option<PathBuf> {
        let PieceSource::File { at, len } = self.pieces[number].source else { return None };
        safe_path(&self.paths[at as usize..at as usize + usize::from(len)])
    }

    /// The numbers of the pieces that are files, and their sizes.
    fn files(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let ends = self.pieces.iter().skip(1).map(|next| next.start).chain([self.bytes]);
        let pieces = self.pieces.iter().zip(ends).enumerate();
        pieces.filter_map(|(number, (piece, end))| match piece.source {
            PieceSource::File { .. } => Some((number, end - piece.start)),
            PieceSource::Raw(_) => None,
        })
    }

    /// The kernel's description of the file of a piece, if it has this size.
    fn stat(&self, folder: &Rooted, number: usize, bytes: u64) -> Option<Stat> {
        let stat = folder.stat_file(&self.path_of(number)?).ok()?;
        u64::try_from(stat.st_size).is_ok_and(|size| size == bytes).then_some(stat)
    }

    /// Whether all files are there with their sizes.
    pub(in crate::seed) fn is_there(&self) -> bool {
        self.files().all(|(number, bytes)| self.stat(&self.folder, number, bytes).is_some())
    }

    /// How many of 1,000 files are in a folder with their sizes, going by a sample of the files.
    pub(crate) fn share_in(&self, folder: &Rooted, sample: usize) -> usize {
        let step = self.files().count().div_ceil(sample).max(1);
        let (mut seen, mut there) = (0, 0);
        for (number, bytes) in self.files().step_by(step) {
            (seen, there) = (seen + 1, there + usize::from(self.stat(folder, number, bytes).is_some()));
        }
        (there * 1000).checked_div(seen).unwrap_or(1000)
    }

    /// Looks at all files, and notes their state in the name of the folder. Returns the path of a file that is not there
    /// with its size.
    pub(crate) fn look_at_files(&mut self) -> Option<PathBuf> {
        let (mut missing, mut hasher) = (None, blake3::Hasher::new());
        for (number, bytes) in self.files() {
            match self.stat(&self.folder, number, bytes) {
                Some(stat) => {
                    // A hasher takes everything.
                    let Stat { st_mtime, st_ctime, st_ctime_nsec, st_ino, .. } = stat;
                    let _ = write!(hasher, "{number} {st_mtime} {st_ctime} {st_ctime_nsec} {st_ino},");
                }
                None if missing.is_none() => missing = self.path_of(number),
                None => {}
            }
        }
        self.place.as_mut_os_string().push(format!("#{}", hasher.finalize()));
        missing
    }

    /// Reads the layer front to back. Zeros stand for bytes that are gone.
    pub(in crate::seed) fn reader(&self) -> SplitReader<'_> {
        SplitReader { layer: self, at: 0, missing_bytes: 0 }
    }
}

/// Reads a layer front to back.
pub(in crate::seed) struct SplitReader<'a> {
    layer: &'a SplitLayer,
    at: u64,
    missing_bytes: u64,
}

impl SplitReader<'_> {
    /// Whether everything was there so far.
    pub(in crate::seed) fn is_whole(&self) -> bool {
        self.missing_bytes == 0
    }
}

impl Read for SplitReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some((number, left)) = self.layer.piece_at(self.at) else { return Ok(0) };
        let len = out.len().min(READ_BYTES).min(usize::try_from(left).unwrap_or(usize::MAX));
        let out = &mut out[..len];
        if let Err(error) = self.layer.read_piece(number, out, self.at) {
            self.missing_bytes += len as u64;
            if self.missing_bytes > MAX_MISSING_BYTES {
                return Err(error);
            }
            out.fill(0);
        }
        self.at += len as u64;
        Ok(len)
    }
}
