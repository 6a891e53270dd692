//! Opens the images that a layer is made between. Whatever names an image, it comes as an open archive.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use regrow_index::MAGIC;
use regrow_local::LayeredImage;

use crate::{ExtractOptions, Location, Network, Output, Progress, SyncError, extract};

/// Opens images one after another.
pub(super) struct Opening<'a> {
    pub(super) stores: &'a [Location],
    /// The folder for images that are no files yet.
    pub(super) scratch: &'a Path,
    pub(super) network: &'a mut Network,
    pub(super) progress: &'a dyn Progress,
    /// The archive that was opened last, which is a seed for the next one.
    pub(super) last: Option<PathBuf>,
}

impl Opening<'_> {
    /// Opens an image.
    pub(super) fn image(&mut self, location: &Location) -> Result<LayeredImage, SyncError> {
        let name = PathBuf::from(location.to_string());
        Ok(LayeredImage::open(self.archive(location)?, &name)?)
    }

    /// The archive of an image. Each kind of source has its way here.
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
