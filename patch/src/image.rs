//! An image file, as patches need it: its two streams at random, and its files.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use regrow_chunker::{ImageId, Params, Record};
use regrow_image::{ImagePart, Op, StreamKind, TreeEntry, TreeWalker};
use regrow_local::{FileSeed, LocalError, Recipe, SeedContext, WatchedFile};

use crate::names::FileName;

/// The number of bytes of a skeleton that are read at a time.
const READ_BYTES: u64 = 1 << 20;

/// An image file, as one side of a patch.
pub struct PatchImage {
    seed: FileSeed,
    files: Vec<ImageFile>,
    /// The file that was opened, with its name, if others may write to it meanwhile.
    watched: Option<(WatchedFile<File>, PathBuf)>,
}

/// One contents operation of the layout. Its number is its position in [`PatchImage::files`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageFile {
    /// The range of its bytes in the contents stream.
    pub(crate) contents: Range<u64>,
    pub(crate) name: FileName,
    /// The number of the archive in which it lies, in the image's order.
    pub(crate) archive: u32,
}

impl PatchImage {
    /// Opens an image's file, which must be positioned at its start. The file is read through unless the catalog
    /// knows it. The plain bytes of its gzip files go to a file in `scratch`.
    pub fn open(file: File, path: &Path, context: &SeedContext<'_>, scratch: &Path) -> Result<Self, LocalError> {
        let watched = WatchedFile::new(file.try_clone().map_err(LocalError::io(path))?);
        let image = FileSeed::of_file(file, path, context)
            .and_then(|seed| seed.unfolded(scratch))
            .and_then(|seed| Self::of_seed(seed, path));
        watched.check_unchanged(path)?;
        Ok(Self { watched: Some((watched, path.to_owned())), ..image? })
    }

    /// Takes an image that is already open.
    pub fn of_seed(seed: FileSeed, path: &Path) -> Result<Self, LocalError> {
        let mut image = Self { seed, files: Vec::new(), watched: None };
        let entries = image.entries().map_err(LocalError::io(path))?;
        image.files = files(image.seed.scan().layout.ops(), &entries);
        Ok(image)
    }

    /// Checks that nobody has written to the file since it was opened.
    ///
    /// # Errors
    /// [`LocalError::Changed`] if somebody has.
    pub fn check_unchanged(&self) -> Result<(), LocalError> {
        self.watched.as_ref().map_or(Ok(()), |(file, name)| file.check_unchanged(name))
    }

    /// The BLAKE3 hash of the image.
    pub fn digest(&self) -> [u8; 32] {
        self.seed.scan().digest
    }

    /// The image's id, cut with these parameters.
    pub fn id(&self, params: Params) -> ImageId {
        self.seed.scan().image_id(params)
    }

    /// The image as a seed.
    pub(crate) fn seed(&self) -> &FileSeed {
        &self.seed
    }

    /// The image's chunks.
    pub fn recipe(&self) -> Recipe {
        let of = |stream| self.records(stream).to_vec();
        Recipe { skeleton: of(StreamKind::Skeleton), contents: of(StreamKind::Contents) }
    }

    /// The image's parts. There are none by version 2 of the walking rules.
    pub fn parts(&self) -> &[ImagePart] {
        self.seed.scan().parts()
    }

    pub(crate) fn files(&self) -> &[ImageFile] {
        &self.files
    }

    /// The number of bytes of a stream.
    pub(crate) fn stream_bytes(&self, stream: StreamKind) -> u64 {
        let layout = &self.seed.scan().layout;
        match stream {
            StreamKind::Skeleton => layout.skeleton_bytes(),
            StreamKind::Contents => layout.contents_bytes(),
        }
    }

    pub(crate) fn records(&self, stream: StreamKind) -> &[Record] {
        self.seed.scan().records(stream)
    }

    pub(crate) fn chunk_starts(&self, stream: StreamKind) -> &[u64] {
        self.seed.chunk_starts(stream)
    }

    /// The entries of the image's tars that have contents, with the numbers of their archives.
    fn entries(&self) -> io::Result<Vec<Named>> {
        let mut found = Vec::new();
        let mut archives: HashMap<u64, u32> = HashMap::new();
        let mut sink = |entry: TreeEntry| {
            if entry.contents.is_empty() {
                return;
            }
            let name = FileName::of(&entry);
            let next = archives.len() as u32;
            let archive = *archives.entry(name.archive).or_insert(next);
            found.push(Named { contents: entry.contents, name, archive });
        };
        let mut walker = TreeWalker::default();
        let damaged = |error: regrow_image::OpError| io::Error::new(io::ErrorKind::InvalidData, error);
        let (mut at, end, mut buffer) = (0, self.stream_bytes(StreamKind::Skeleton), vec![0; READ_BYTES as usize]);
        while at < end {
            let piece = &mut buffer[..READ_BYTES.min(end - at) as usize];
            self.seed.read_stream(StreamKind::Skeleton, at, piece)?;
            at += piece.len() as u64;
            walker.push(piece, &mut sink).map_err(damaged)?;
        }
        walker.finish(&mut sink).map_err(damaged)?;
        Ok(found)
    }
}

/// An entry with contents.
struct Named {
    contents: Range<u64>,
    name: FileName,
    archive: u32,
}

/// The contents operations, with the names of the entries to which they belong.
fn files(ops: impl Iterator<Item = Op>, entries: &[Named]) -> Vec<ImageFile> {
    let (mut files, mut at, mut entry) = (Vec::new(), 0, 0);
    for op in ops {
        let Op::Contents(len) = op else { continue };
        while entries.get(entry).is_some_and(|named| named.contents.end <= at) {
            entry += 1;
        }
        let named = entries.get(entry).filter(|named| named.contents.contains(&at));
        let (name, archive) = named.map_or((FileName::default(), 0), |named| (named.name, named.archive));
        files.push(ImageFile { contents: at..at + len, name, archive });
        at += len;
    }
    files
}
