//! Images that are no file, for work that needs them as a file, or that needs an index of them.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use regrow_chunker::Params;
use regrow_local::{ScratchFolder, check_time};
use regrow_store::{StoreError, read_description};

use super::extract::room::Needs;
use super::make::{IndexFormat, MakeOptions, make, parameters_of};
use crate::{ImageSource, Location, Network, Progress, SourceError, SourceImage, SourceOptions, Stage, SyncError};

const COPY_BYTES: usize = 1 << 20;

impl ImageSource {
    /// Finds the image and reads its documents.
    ///
    /// # Errors
    /// [`SyncError::Source`] if the image is not there, or is none that can be published.
    pub fn open(&self, options: &SourceOptions, network: &mut Network) -> Result<SourceImage, SyncError> {
        let scratch = network.scratch().to_owned();
        let room = |bytes| check_room(&scratch, bytes).map_err(SourceError::of_flow);
        self.open_in(options, network, &room)
    }
}

fn check_room(folder: &Path, bytes: u64) -> Result<(), SyncError> {
    let mut needs = Needs::default();
    needs.add(folder, bytes);
    needs.check()
}

/// Reads all of an image into a file without a name in `folder`, whose disk must have room for it. The file is
/// positioned at its start.
///
/// # Errors
/// [`SyncError::Source`] if the image cannot be read, [`SyncError::Room`] and [`SyncError::Io`] for the folder.
pub fn keep_source(image: &mut SourceImage, folder: &Path, progress: &dyn Progress) -> Result<File, SyncError> {
    check_room(folder, image.size())?;
    let mut file = tempfile::tempfile_in(folder).map_err(SyncError::io(folder))?;
    copy(image, (&mut file, folder), progress)?;
    file.rewind().map_err(SyncError::io(folder))?;
    Ok(file)
}

fn copy(image: &mut SourceImage, (file, place): (&mut File, &Path), progress: &dyn Progress) -> Result<(), SyncError> {
    progress.begin(Stage::Fetch, Some(image.size()));
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        check_time(progress)?;
        let read = image.read(&mut buffer);
        let read = read.map_err(|error| SourceError::of_reading(error).of_image(image.name().display()))?;
        if read == 0 {
            break;
        }
        file.write_all(&buffer[..read]).map_err(SyncError::io(place))?;
        progress.add(Stage::Fetch, read as u64);
    }
    progress.end(Stage::Fetch);
    Ok(())
}

/// Images that are no file and have no index, for flows that take files or indexes. They lie in a temporary folder until
/// this value is dropped.
pub struct KeptSources {
    folder: ScratchFolder,
    kept: usize,
}

impl KeptSources {
    /// Makes the folder where the network keeps its temporary files.
    ///
    /// # Errors
    /// [`SyncError::Io`] if there can be none.
    pub fn new(network: &Network) -> Result<Self, SyncError> {
        let scratch = network.scratch();
        Ok(Self { folder: ScratchFolder::new(scratch).map_err(SyncError::io(scratch))?, kept: 0 })
    }

    /// Keeps an image as a file.
    ///
    /// # Errors
    /// [`SyncError::Source`] if the image cannot be read, [`SyncError::Room`] and [`SyncError::Io`] for the folder.
    pub fn file(&mut self, image: &mut SourceImage, progress: &dyn Progress) -> Result<PathBuf, SyncError> {
        self.kept += 1;
        let path = self.folder.path().join(format!("image-{}.tar", self.kept));
        check_room(self.folder.path(), image.size())?;
        let mut file = File::create_new(&path).map_err(SyncError::io(&path))?;
        copy(image, (&mut file, &path), progress)?;
        Ok(path)
    }

    /// Keeps an image as a file, and makes an index of it, with a store that all images here share. The image is cut by
    /// these parameters. Returns the places of both.
    ///
    /// # Errors
    /// Those of [`make`](make()).
    pub fn index(
        &mut self,
        image: &mut SourceImage,
        (params, format): (Params, Option<IndexFormat>),
        network: &mut Network,
        progress: &dyn Progress,
    ) -> Result<(Location, PathBuf), SyncError> {
        let path = self.file(image, progress)?;
        // The folder itself is locked, and whoever writes an index locks the folder that it lies in.
        let folder = self.folder.path().join("store");
        std::fs::create_dir_all(&folder).map_err(SyncError::io(&folder))?;
        let (index, store) = (folder.join(format!("image-{}.rgx", self.kept)), folder.join("store"));
        let options = MakeOptions { params: Some(params), format, ..MakeOptions::new(store, index.clone()) };
        let mut file = File::open(&path).map_err(SyncError::io(&path))?;
        make(&mut file, image.name(), Some(image.size()), &options, network, progress)?;
        Ok((index.into(), path))
    }
}

/// The parameters by which the images in a store are cut. A store that does not exist yet has the usual ones.
///
/// # Errors
/// [`SyncError::Store`] if the store cannot be read.
pub fn parameters_in(store: &Location, network: &mut Network) -> Result<Params, SyncError> {
    if matches!(store, Location::Path(path) if !path.is_dir()) {
        return Ok(Params::default());
    }
    let opened = network.open_store(store)?;
    match network.block_on(read_description(&*opened)) {
        Ok(Some(description)) => parameters_of(store, &description),
        // Some registries refuse to say that a repository does not exist.
        Ok(None) | Err(StoreError::Denied { .. }) => Ok(Params::default()),
        Err(error) => Err(error.into()),
    }
}

/// The parameters by which the image of an index is cut.
///
/// # Errors
/// Those of reading the index.
pub fn parameters_of_index(index: &Location, network: &mut Network) -> Result<Params, SyncError> {
    Ok(network.load_index(index)?.params)
}
