//! Checks before any work is done: of the chunking parameters, and of the place for the index.

use std::io::Read;
use std::path::Path;

use regrow_chunker::Params;
use regrow_image::WalkRules;
use regrow_store::StoreDescription;

use crate::place::location::{folder_of, is_same_file};
use crate::{Location, Network, ReaderLimits, SyncError};

/// The chunking parameters of a store.
pub(crate) fn parameters_of(store: &Location, found: &StoreDescription) -> Result<Params, SyncError> {
    // A store holds images by all walking rules. Earlier versions of push wrote those of the image.
    if WalkRules::of_version(found.walk).is_none() {
        return Err(SyncError::Usage(format!(
            "{store}: the store was made with walking rules of version {}, which this regrow does not know",
            found.walk
        )));
    }
    Params::new(found.chunk_min.into(), found.chunk_avg.into(), found.chunk_max.into())
        .map_err(|error| SyncError::Usage(format!("{}: {error}", store.child(regrow_store::STORE_FILE))))
}

/// Refuses parameters that readers refuse by default, unless this run was given other limits.
pub(super) fn check_limits(params: &Params, store: &Location, network: &Network) -> Result<(), SyncError> {
    let limits = network.limits();
    if limits.allows(params) {
        return Ok(());
    }
    let (limit, needed) = (limits.min_avg_bytes, ReaderLimits::needed_for(params));
    Err(SyncError::SmallChunks { store: store.to_string(), limit, needed })
}

/// Checks, before any work is done, that the index can be written.
pub(super) fn check_index(index: &Location, input: &Path) -> Result<(), SyncError> {
    let Location::Path(index) = index else { return Ok(()) };
    let usage = |reason: &str| SyncError::Usage(format!("{}: {reason}", index.display()));
    if is_same_file(input, index) {
        return Err(usage("the index would take the image's place"));
    }
    if !is_replaceable(index) {
        return Err(usage("this file is not an index; remove it first, or choose another name"));
    }
    if index.is_dir() {
        return Err(usage("is a folder; the index is a file, such as app.rgx"));
    }
    let folder = folder_of(index);
    if folder.is_dir() {
        return Ok(());
    }
    let source = std::io::Error::new(std::io::ErrorKind::NotFound, "there is no such folder");
    Err(SyncError::Io { path: folder.to_owned(), source })
}

/// Whether a new index would replace an index, an empty file or nothing. Folders are refused elsewhere.
fn is_replaceable(index: &Path) -> bool {
    let mut magic = Vec::new();
    match std::fs::File::open(index) {
        Ok(file) if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0) => {
            file.take(8).read_to_end(&mut magic).is_err() || magic == regrow_index::MAGIC
        }
        _ => true,
    }
}
