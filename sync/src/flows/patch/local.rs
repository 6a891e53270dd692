//! Opens images as local files, which are given or put together from a store.

use std::fs::File;
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regrow_catalog::Catalog;
use regrow_image::WalkRules;
use regrow_index::{CodedStretch, DiskPiece, Index};
use regrow_local::{FileSeed, LocalError, Pool, SeedContext, StoredView, sized};
use regrow_patch::PatchImage;

use crate::flows::extract::extract_plain;
use crate::{ExtractOptions, Location, Network, Output, Progress, SyncError, extract};

/// The things that are needed to open images.
pub(crate) struct Locals<'a> {
    /// The stores to read from. If there are none, the index names the store.
    pub(crate) stores: &'a [Location],
    pub(crate) catalog: Option<&'a Catalog>,
    /// The folder for images that are read from a store.
    pub(crate) scratch: &'a Path,
    pub(crate) pool: &'a Pool,
    pub(crate) progress: &'a dyn Progress,
    /// Whether the old image is read from the store if none of the given files is that image.
    pub(crate) old_or_stored: bool,
}

/// An image: the location of its index, the index, and files one of which is the image. If there are no files, the
/// image is read from the store.
pub(crate) type Described<'a> = (&'a Location, &'a Index, &'a [Given<'a>]);

/// An open image, and its path if the file can serve as a seed.
type Opened = (Option<PathBuf>, Arc<PatchImage>);

/// A file that may be an image.
#[derive(Clone, Copy)]
pub(crate) enum Given<'a> {
    Path(&'a Path),
    /// The open file of the image that was just published. Its name is used in errors.
    Open(&'a File, &'a Path),
}

impl Given<'_> {
    fn name(&self) -> &Path {
        match self {
            Self::Path(name) | Self::Open(_, name) => name,
        }
    }

    fn open(&self) -> Result<File, SyncError> {
        match self {
            Self::Path(path) => Ok(FileSeed::open_file(path)?),
            Self::Open(file, name) => {
                file.try_clone().and_then(|mut file| file.rewind().map(|()| file)).map_err(SyncError::io(*name))
            }
        }
    }

    /// The path, for a caller that opens the file again.
    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Path(path) => Some(path.to_path_buf()),
            Self::Open(..) => None,
        }
    }
}

impl Locals<'_> {
    /// Opens two images. If the second is fetched, the first serves as its seed where possible.
    pub(crate) fn open_both(
        &self,
        old: Described<'_>,
        new: Described<'_>,
        network: &mut Network,
    ) -> Result<(Arc<PatchImage>, Arc<PatchImage>), SyncError> {
        let opened = match self.open(old, None, network)? {
            None if self.old_or_stored => self.open((old.0, old.1, &[]), None, network)?,
            opened => opened,
        };
        let (path, old_image) = opened.ok_or_else(|| not_given(old))?;
        let (_, new_image) = self.open(new, path, network)?.ok_or_else(|| not_given(new))?;
        Ok((old_image, new_image))
    }

    /// Opens one image.
    pub(crate) fn open_one(&self, image: Described<'_>, network: &mut Network) -> Result<Arc<PatchImage>, SyncError> {
        let opened = self.open(image, None, network)?;
        opened.map(|(_, image)| image).ok_or_else(|| not_given(image))
    }

    /// Opens an image, unless none of the given files is that image. Returns its path too, if the file can serve as a
    /// seed.
    fn open(
        &self,
        (location, index, given): Described<'_>,
        seed: Option<PathBuf>,
        network: &mut Network,
    ) -> Result<Option<Opened>, SyncError> {
        let rules = WalkRules::of_version(index.walk_version).unwrap_or_default();
        let is_disk = rules.state_division();
        if given.is_empty() && !index.codings.is_empty() && !has_streams(index) {
            return Ok(Some((None, self.fetch_plain(location, index, network)?)));
        }
        let fetched = if given.is_empty() { Some(self.fetch(location, index, seed, network)?) } else { None };
        let catalog = self.catalog.filter(|_| fetched.is_none());
        let (pool, progress, on_scan) = (self.pool, self.progress, &|| ());
        // A disk image is divided where compressed files are looked into.
        let unfolds = !index.codings.is_empty() || is_disk;
        let (params, scratch) = (index.params, self.scratch);
        let context = SeedContext { rules, params, pool, catalog, progress, scratch, unfolds, on_scan };
        let fetched = fetched.as_deref().map(Given::Path);
        for file in given.iter().chain(&fetched) {
            let image = Arc::new(PatchImage::open(file.open()?, file.name(), &context, self.scratch)?);
            if image.digest() != index.image_digest {
                image.check_unchanged()?;
                if let Given::Open(_, name) = file {
                    return Err(LocalError::Changed { path: name.to_path_buf() }.into());
                }
                continue;
            }
            // A scan may see other coded files than the maker of the image, which kept only those that it could
            // rebuild.
            if image.id(index.params) != index.image_id() {
                return Ok(Some((None, self.fetch_plain(location, index, network)?)));
            }
            return Ok(Some((file.path(), image)));
        }
        Ok(None)
    }

    fn options(&self, seed: Option<PathBuf>) -> ExtractOptions {
        ExtractOptions {
            stores: self.stores.to_vec(),
            seeds: seed.into_iter().collect(),
            patches: false,
            ..ExtractOptions::default()
        }
    }

    fn fetch(
        &self,
        location: &Location,
        index: &Index,
        seed: Option<PathBuf>,
        network: &mut Network,
    ) -> Result<PathBuf, SyncError> {
        let path = self.scratch.join(index.image_id().to_string());
        extract(location, Output::File(path.clone()), &self.options(seed), network, self.progress)?;
        Ok(path)
    }

    /// Fetches the plain image. A patch is made of that, so it would be useless to rebuild the coded files first.
    fn fetch_plain(
        &self,
        location: &Location,
        index: &Index,
        network: &mut Network,
    ) -> Result<Arc<PatchImage>, SyncError> {
        let path = self.scratch.join(index.image_id().to_string());
        let scan = extract_plain(location, index, path.clone(), &self.options(None), network, self.progress)?;
        let open = || File::open(&path).map_err(SyncError::io(&path));
        let seed = FileSeed::of_plain(open()?, scan);
        let [CodedStretch::Disk(coding)] = &index.codings[..] else {
            return Ok(Arc::new(PatchImage::of_seed(seed, &path)?));
        };
        let file = open()?;
        let plain = sized(&file).map_err(SyncError::io(&path))?;
        Ok(Arc::new(PatchImage::of_plain_disk(seed, &path, &StoredView::new(&plain, coding))?))
    }
}

/// Whether an image is a disk image with compressed streams. Its tables are read in them, so the plain image does not suffice.
fn has_streams(index: &Index) -> bool {
    let disks = index.codings.iter().filter_map(CodedStretch::disk);
    disks.flat_map(|disk| &disk.pieces).any(|piece| matches!(piece, DiskPiece::Stream(_)))
}

fn not_given((location, _, given): Described<'_>) -> SyncError {
    let names: Vec<String> = given.iter().map(|file| file.name().display().to_string()).collect();
    SyncError::Usage(format!("{}: not the image that {location} describes", names.join(", ")))
}
