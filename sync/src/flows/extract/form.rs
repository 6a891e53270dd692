//! The form in which an image is written: as it is, or as what it holds in compressed form.

use regrow_catalog::Catalog;
use regrow_chunker::Digest;
use regrow_index::Index;

use super::ExtractOptions;
use crate::{Location, SyncError};

/// The kind of document in which the catalog remembers the digest of a plain image, under that of the image.
const KIND: &str = "plain";

/// The form of the image that is put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Image,
    /// The plain image, whose digest no index states. Each of its chunks is verified.
    Plain,
}

impl Form {
    /// The form that the options ask for. An image without coded files has only one.
    pub(super) fn of(index: &Index, options: &ExtractOptions, location: &Location) -> Result<Self, SyncError> {
        let [coding, others @ ..] = &index.codings[..] else { return Ok(Self::Image) };
        if !options.plain {
            return Ok(Self::Image);
        }
        // Around a coded file, the plain image has headers with the size of the compressed file.
        if !others.is_empty() || coding.stored_bytes() != index.image_bytes {
            return Err(SyncError::SeveralForms { location: location.to_string() });
        }
        // Only a signature covers the recipe, which is all that the plain image is checked by.
        if options.trust.digest.is_some() && options.trust.keys.is_empty() {
            return Err(SyncError::PlainUnchecked { location: location.to_string() });
        }
        Ok(Self::Plain)
    }

    /// Whether the image was asked for in plain form, but is one file that its maker did not see through. It may be
    /// compressed all the same.
    pub(super) fn is_opaque(self, index: &Index, options: &ExtractOptions) -> bool {
        let is_one_file = index.contents.bytes == index.image_bytes && index.image_bytes > 0;
        options.plain && self == Self::Image && index.codings.is_empty() && is_one_file
    }

    /// The size and the digest of what will be written, if they are known. A head tells only by its sizes whether there
    /// are coded files.
    pub(super) fn known(index: &Index, options: &ExtractOptions) -> Option<([u8; 32], u64)> {
        if !options.plain || index.plain_bytes() == index.image_bytes {
            return Some((index.image_digest, index.image_bytes));
        }
        let digest = options.catalog.as_ref()?.get_document(KIND, &name(index))?.try_into().ok()?;
        Some((digest, index.plain_bytes()))
    }

    /// Remembers the digest of a plain image that was written.
    pub(super) fn remember(self, index: &Index, digest: [u8; 32], catalog: Option<&Catalog>) {
        if let (Self::Plain, Some(catalog)) = (self, catalog) {
            catalog.put_document(KIND, &name(index), &digest);
        }
    }
}

fn name(index: &Index) -> String {
    Digest::from_bytes(index.image_digest).to_string()
}
