//! An image in the storage of Podman, Buildah and CRI-O.

use std::io::Read;

use regrow_local::{EngineStorage, Lookup, StoredLayer};
use regrow_store::BlobDigest;

use super::Found;
use super::plain::{self, PlainLayer};
use crate::SourceError;

/// The most images that an error lists.
const MAX_LISTED: usize = 20;

/// Finds an image by `NAME` or `ROOT/NAME`.
pub(super) fn open(text: &str) -> Result<Found, SourceError> {
    let (storage, name) = EngineStorage::of_image(text);
    let image = match storage.find_image(&name)? {
        Lookup::Found(image) => image,
        Lookup::Absent(there) => {
            return Err(SourceError::NotFound { there: there.into_iter().take(MAX_LISTED).collect() });
        }
    };
    let id = BlobDigest::parse(&format!("sha256:{}", image.id));
    if id.is_some_and(|id| BlobDigest::of(&image.config) != id) {
        return Err(SourceError::Digest { blob: format!("the configuration of {}", image.id) });
    }
    plain::open(image.config, image.layers.into_iter().map(|layer| Box::new(layer) as Box<dyn PlainLayer>).collect())
}

impl PlainLayer for StoredLayer {
    fn bytes(&self) -> u64 {
        Self::bytes(self)
    }

    fn open(&self) -> Result<Box<dyn Read + Send>, SourceError> {
        Ok(Box::new(self.reader()))
    }
}
