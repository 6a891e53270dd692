//! Images as local files: given ones, or put together from a store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use regrow_catalog::Catalog;
use regrow_index::Index;

use super::image::PatchImage;
use crate::pool::Pool;
use crate::seed::SeedContext;
use crate::{ExtractOptions, Location, Network, Output, Progress, SyncError, extract};

/// What opening images needs.
pub(crate) struct Locals<'a> {
    /// Stores to read from; none: the one that an index names.
    pub(crate) stores: &'a [Location],
    pub(crate) catalog: Option<&'a Catalog>,
    /// A folder for images that are read from a store.
    pub(crate) scratch: &'a Path,
    pub(crate) pool: &'a Pool,
    pub(crate) progress: &'a dyn Progress,
}

/// An image: where its index is, the index, and files of which one is the image; none: it is read from the store.
pub(crate) type Described<'a> = (&'a Location, &'a Index, &'a [PathBuf]);

impl Locals<'_> {
    /// Opens two images; the second is put together from the first, where that has what it needs.
    pub(crate) fn open_both(
        &self,
        old: Described<'_>,
        new: Described<'_>,
        network: &mut Network,
    ) -> Result<(Arc<PatchImage>, Arc<PatchImage>), SyncError> {
        let (path, old_image) = self.open(old, &[], network)?;
        let (_, new_image) = self.open(new, &[path], network)?;
        Ok((old_image, new_image))
    }

    fn open(
        &self,
        (location, index, given): Described<'_>,
        seeds: &[PathBuf],
        network: &mut Network,
    ) -> Result<(PathBuf, Arc<PatchImage>), SyncError> {
        let fetched = if given.is_empty() { Some(self.fetch(location, index, seeds, network)?) } else { None };
        let catalog = self.catalog.filter(|_| fetched.is_none());
        let context = SeedContext {
            params: index.params,
            pool: self.pool,
            catalog,
            progress: self.progress,
            unfolds: true,
            on_scan: &|| (),
        };
        for path in given.iter().chain(&fetched) {
            let image = Arc::new(PatchImage::open(path, &context)?);
            if image.digest() == index.image_digest {
                return Ok((path.clone(), image));
            }
        }
        let names: Vec<String> = given.iter().map(|path| path.display().to_string()).collect();
        Err(SyncError::Usage(format!("{}: not the image that {location} describes", names.join(", "))))
    }

    fn fetch(
        &self,
        location: &Location,
        index: &Index,
        seeds: &[PathBuf],
        network: &mut Network,
    ) -> Result<PathBuf, SyncError> {
        let path = self.scratch.join(index.image_id().to_string());
        let options = ExtractOptions {
            stores: self.stores.to_vec(),
            seeds: seeds.to_vec(),
            scratch: self.scratch.to_owned(),
            patches: false,
            ..ExtractOptions::default()
        };
        extract(location, Output::File(path.clone()), &options, network, self.progress)?;
        Ok(path)
    }
}
