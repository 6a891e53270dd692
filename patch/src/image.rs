//! An image file, as patches need it: its two streams at random, and its files.

use std::fs::File;
use std::path::{Path, PathBuf};

use regrow_chunker::{ImageId, Params, Record};
use regrow_disk::{DivisionRules, ReadAt};
use regrow_image::{ImagePart, StreamKind};
use regrow_local::{FileSeed, LocalError, Recipe, SeedContext, WatchedFile};

use crate::divided::DividedFiles;
use crate::files::Files;
use crate::scattered::{ScatteredFile, scattered};

/// An image file, as one side of a patch.
pub struct PatchImage {
    seed: FileSeed,
    files: Files,
    /// The files in pieces, if it is a disk image that is divided.
    scattered: Vec<ScatteredFile>,
    /// The file that was opened, with its name, if others may write to it meanwhile.
    watched: Option<(WatchedFile<File>, PathBuf)>,
}

impl PatchImage {
    /// Opens an image's file, which must be positioned at its start. The file is read through unless the catalog
    /// knows it. The plain bytes of its gzip files go to a file in `scratch`.
    pub fn open(file: File, path: &Path, context: &SeedContext<'_>, scratch: &Path) -> Result<Self, LocalError> {
        let watched = WatchedFile::new(file.try_clone().map_err(LocalError::io(path))?);
        let image = FileSeed::of_file(file, path, context).and_then(|seed| {
            let divided = division(&seed).and_then(|rules| DividedFiles::of(seed.file(), rules, scratch));
            Self::with_names(seed.unfolded(scratch)?, path, divided.as_ref())
        });
        watched.check_unchanged(path)?;
        Ok(Self { watched: Some((watched, path.to_owned())), ..image? })
    }

    /// Takes an image that is already open.
    pub fn of_seed(seed: FileSeed, path: &Path) -> Result<Self, LocalError> {
        Self::with_names(seed, path, None)
    }

    /// Takes the plain image of a disk image with compressed blocks. Its tables are understood only as they are stored, so
    /// `stored` is the image in that form; it is read at few places.
    pub fn of_plain_disk(seed: FileSeed, path: &Path, stored: &dyn ReadAt) -> Result<Self, LocalError> {
        let divided = division(&seed).and_then(|rules| DividedFiles::of_stored(stored, rules));
        Self::with_names(seed, path, divided.as_ref())
    }

    /// Takes an image. If it is a divided disk image, `divided` has the names of its files.
    fn with_names(seed: FileSeed, path: &Path, divided: Option<&DividedFiles>) -> Result<Self, LocalError> {
        let files = match is_divided(&seed) {
            true => Files::of_divided(&seed, divided),
            false => Files::of(&seed).map_err(LocalError::io(path))?,
        };
        let runs = divided.map_or(&[][..], DividedFiles::files);
        let scattered = scattered(runs, &seed.scan().layout, &files);
        Ok(Self { seed, files, scattered, watched: None })
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
    pub fn seed(&self) -> &FileSeed {
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

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The files in pieces that can be joined.
    pub(crate) fn scattered(&self) -> &[ScatteredFile] {
        &self.scattered
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
}

/// Whether an image is a disk image that is divided.
fn is_divided(seed: &FileSeed) -> bool {
    seed.scan().rules().state_division()
}

/// The rules by which a disk image was divided, if it was.
fn division(seed: &FileSeed) -> Option<DivisionRules> {
    DivisionRules::of_version(seed.scan().rules().latest_version()).filter(|_| is_divided(seed))
}
