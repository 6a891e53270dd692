//! An image as its index and its skeleton tell of it, read from a store: for info and diff.

use std::path::Path;

use regrow_image::TreeEntry;
use regrow_index::Index;

use crate::extract::inspect::Inspection;
use crate::pool::Pool;
use crate::{Location, Network, Progress, SyncError};

/// What reading needs.
pub(crate) struct Reading<'a> {
    pub(crate) stores: &'a [Location],
    pub(crate) network: &'a mut Network,
    pub(crate) pool: &'a Pool,
    pub(crate) scratch: &'a Path,
    pub(crate) progress: &'a dyn Progress,
}

/// An image whose recipe, packs' tables and entries were read.
pub(crate) struct OpenImage {
    pub(crate) inspection: Inspection,
    pub(crate) tree: Vec<TreeEntry>,
}

impl OpenImage {
    /// Reads all of it but the contents.
    pub(crate) fn read(location: &Location, index: &Index, reading: &mut Reading<'_>) -> Result<Self, SyncError> {
        let inspection = Inspection::of(location, index, reading)?;
        let tree = inspection.tree(location)?;
        Ok(Self { inspection, tree })
    }
}

/// A path of a tar entry, with `!` between archives that lie in one another. It is a stranger's text: whoever prints it cleans it.
pub(crate) fn path_of(entry: &TreeEntry) -> String {
    show(entry.archives.iter().chain(&entry.path))
}

fn show<'p>(path: impl Iterator<Item = &'p Vec<u8>>) -> String {
    let parts: Vec<_> = path.map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    parts.join("!")
}

/// The archive that an entry lies in; empty for the image itself.
pub(crate) fn archive_of(entry: &TreeEntry) -> String {
    show(entry.archives.iter())
}
