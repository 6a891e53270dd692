//! Opens the images that a layer is made between. Whatever an image is, it comes as an open archive.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use regrow_index::MAGIC;
use regrow_local::LayeredImage;

use crate::{
    ExtractOptions, ImageSource, Location, Network, Output, Progress, SourceError, SourceOptions, SyncError, extract,
    keep_source,
};

/// An image as users name it: an archive, an index with its store, or one that is no file, such as `oci:DIR`.
#[derive(Debug)]
pub struct LayerImage {
    source: ImageSource,
    /// The place of an archive or an index.
    location: Option<Location>,
}

impl LayerImage {
    /// Parses the name of an image.
    ///
    /// # Errors
    /// [`SyncError::Usage`] and [`SyncError::Store`] for a URL of another scheme, or a malformed one.
    pub fn parse(text: &str) -> Result<Self, SyncError> {
        let source = ImageSource::parse(OsStr::new(text))?;
        // In a registry, an index may lie where an image could.
        let location = match &source {
            ImageSource::File(_) => Some(Location::parse(text)?),
            ImageSource::Registry(_) => Location::parse(text).ok(),
            _ => None,
        };
        Ok(Self { source, location })
    }
}

/// Opens images one after another.
pub(super) struct Opening<'a> {
    pub(super) stores: &'a [Location],
    pub(super) sources: &'a SourceOptions,
    /// The folder for images that are no files yet.
    pub(super) scratch: &'a Path,
    pub(super) network: &'a mut Network,
    pub(super) progress: &'a dyn Progress,
    /// The archive that was opened last, which is a seed for the next one.
    pub(super) last: Option<PathBuf>,
}

impl Opening<'_> {
    /// Opens an image.
    pub(super) fn image(&mut self, image: &LayerImage) -> Result<LayeredImage, SyncError> {
        let (name, file) = match &image.location {
            Some(location) if !image.source.is_archived() => (location.to_string(), self.archive(location)?),
            location => (image.source.to_string(), self.kept(&image.source, location.as_ref())?),
        };
        Ok(LayeredImage::open(file, Path::new(&name))?)
    }

    /// The archive of an image that is no file, or of an index in the same place.
    fn kept(&mut self, source: &ImageSource, location: Option<&Location>) -> Result<File, SyncError> {
        match (source.open(self.sources, self.network), location) {
            (Ok(mut image), _) => keep_source(&mut image, self.scratch, self.progress),
            (Err(SyncError::Source { reason, .. }), Some(location)) if matches!(*reason, SourceError::Published) => {
                self.extracted(location)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The archive at a location: the file itself, or what an index describes.
    fn archive(&mut self, location: &Location) -> Result<File, SyncError> {
        let Location::Path(path) = location else { return self.extracted(location) };
        let mut file = File::open(path).map_err(SyncError::io(path))?;
        if !file.metadata().map_err(SyncError::io(path))?.is_file() {
            return self.spooled(&mut file, path);
        }
        let mut magic = Vec::new();
        (&file).take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(SyncError::io(path))?;
        if magic == MAGIC {
            return self.extracted(location);
        }
        self.last = Some(path.clone());
        Ok(file)
    }

    /// An archive that comes through a pipe.
    fn spooled(&self, from: &mut File, path: &Path) -> Result<File, SyncError> {
        let mut file = tempfile::tempfile_in(self.scratch).map_err(SyncError::io(self.scratch))?;
        io::copy(from, &mut file).map_err(SyncError::io(path))?;
        file.rewind().map_err(SyncError::io(self.scratch))?;
        Ok(file)
    }

    /// The archive that an index describes.
    fn extracted(&mut self, location: &Location) -> Result<File, SyncError> {
        let path = self.scratch.join(if self.last.is_none() { "old" } else { "new" });
        let options = ExtractOptions {
            stores: self.stores.to_vec(),
            seeds: self.last.iter().cloned().collect(),
            ..ExtractOptions::default()
        };
        extract(location, Output::File(path.clone()), &options, self.network, self.progress)?;
        let file = File::open(&path).map_err(SyncError::io(&path))?;
        self.last = Some(path);
        Ok(file)
    }
}
