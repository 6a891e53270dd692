//! Images that are no file, where a command takes files or indexes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use regrow_sync::{
    ImageSource, IndexFormat, KeptSources, Location, Network, Params, SourceError, SourceImage, SourceOptions,
    SyncError,
};

use crate::failure::Failure;
use crate::progress::Bars;

/// The images of a run that are no file. They are kept until it ends.
pub(crate) struct Sources<'a> {
    options: SourceOptions,
    bars: &'a Bars,
    kept: Option<KeptSources>,
    /// The files of the images that got an index.
    indexed: Vec<PathBuf>,
}

/// The way in which an image gets an index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) params: Params,
    pub(crate) format: Option<IndexFormat>,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(options: SourceOptions, bars: &'a Bars) -> Self {
        Self { options, bars, kept: None, indexed: Vec::new() }
    }

    fn kept(&mut self, network: &Network) -> Result<&mut KeptSources, SyncError> {
        match &mut self.kept {
            Some(kept) => Ok(kept),
            kept => Ok(kept.insert(KeptSources::new(network)?)),
        }
    }

    /// The image that a text names in the place of an index. The result is `None` for an index, also for one in a
    /// registry: only its manifest tells that from an image.
    fn image(&self, text: &str, network: &mut Network) -> Result<Option<SourceImage>, SyncError> {
        let source = ImageSource::parse(OsStr::new(text))?;
        if !source.is_archived() {
            return Ok(None);
        }
        let is_registry = matches!(source, ImageSource::Registry(_));
        match source.open(&self.options, network) {
            Err(SyncError::Source { reason, .. }) if is_registry && matches!(*reason, SourceError::Published) => {
                Ok(None)
            }
            // Whoever reads the index says so.
            Err(SyncError::Store(error)) if is_registry && error.is_not_found() => Ok(None),
            image => Ok(Some(image?)),
        }
    }

    /// The location of an index, which is made for an image that is no file. The result is `None` if the text names none.
    pub(crate) fn index(
        &mut self,
        text: &str,
        cut: impl FnOnce(&mut Network) -> Result<Cut, Failure>,
        network: &mut Network,
    ) -> Result<Option<Location>, Failure> {
        let Some(mut image) = self.image(text, network)? else { return Ok(None) };
        let (Cut { params, format }, bars) = (cut(network)?, self.bars);
        let (index, file) = self.kept(network)?.index(&mut image, (params, format), network, bars)?;
        self.indexed.push(file);
        Ok(Some(index))
    }

    /// The files of the images that got an index.
    pub(crate) fn indexed(&self) -> &[PathBuf] {
        &self.indexed
    }

    /// The path of a file, which an image that is no file is kept in.
    pub(crate) fn file(&mut self, path: &Path, network: &mut Network) -> Result<PathBuf, Failure> {
        let source = ImageSource::parse(path.as_os_str())?;
        if !source.is_archived() {
            return Ok(path.to_owned());
        }
        let (mut image, bars) = (source.open(&self.options, network)?, self.bars);
        Ok(self.kept(network)?.file(&mut image, bars)?)
    }

    /// The same for several files.
    pub(crate) fn files(&mut self, paths: &[PathBuf], network: &mut Network) -> Result<Vec<PathBuf>, Failure> {
        paths.iter().map(|path| self.file(path, network)).collect()
    }
}
