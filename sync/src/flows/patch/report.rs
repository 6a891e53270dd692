//! The report of a patch. Its fields are the keys of the JSON that `regrow patch` prints.

use std::time::Duration;

use regrow_index::Index;
use regrow_patch::{NOTHING, PatchVersion};
use serde::Serialize;

use crate::flows::seconds::as_seconds;

/// The result of making a patch.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PatchReport {
    /// The name of the patch's object in the store.
    pub patch: String,
    /// The id of the image that the patch starts from.
    pub base_id: String,
    /// The id of the image that the patch makes.
    pub image_id: String,
    /// The size of the new image.
    pub image_bytes: u64,
    /// The size of the patch, or an estimate if it is not worth making.
    pub bytes: u64,
    /// Whether no patch was made, because it would save too little.
    pub not_worth: bool,
    /// The bytes that a machine with the old image would fetch as chunks, not counting the index.
    pub bytes_chunks: u64,
    /// The number of members, which are compressed streams in files, that are rebuilt from their plain bytes.
    pub members: u64,
    /// About how many bytes of the patch the rebuilding of members takes.
    pub bytes_members: u64,
    /// The number of bytes of the patch that say how the compressed blocks of a disk image are made on a machine that has the
    /// old one. With 0 the index alone says that.
    pub bytes_codings: u64,
    /// The number of parts that the patch starts from. With 0 it starts from the image itself.
    pub base_parts: u64,
    /// Whether the store had the patch already, and it was left alone. Then the report has only what is known without
    /// making it.
    pub present: bool,
    /// Whether the new index announces the patch.
    pub announced: bool,
    /// The number of requests over a network, retries included.
    pub requests: u64,
    /// The time that the run took.
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub elapsed: Duration,
}

impl PatchReport {
    /// The report of a patch that does not exist yet. `name` is the name of its object.
    pub(super) fn of(name: &str, old: &Index, new: &Index) -> Self {
        Self {
            patch: name.to_owned(),
            base_id: old.image_id().to_string(),
            image_id: new.image_id().to_string(),
            image_bytes: new.image_bytes,
            ..Self::default()
        }
    }

    /// The report of a patch from nothing that does not exist yet.
    pub(super) fn from_nothing(name: &str, new: &Index) -> Self {
        Self {
            patch: name.to_owned(),
            base_id: NOTHING.to_string(),
            image_id: new.image_id().to_string(),
            image_bytes: new.image_bytes,
            ..Self::default()
        }
    }

    /// Whether the patch starts from nothing.
    #[must_use]
    pub fn is_from_nothing(&self) -> bool {
        self.base_id == NOTHING.to_string()
    }

    /// Counts the parts of the old image that a patch of this version starts from.
    pub(super) fn count_base_parts(&mut self, version: PatchVersion, old: &Index) {
        self.base_parts = match (version, &old.units) {
            (PatchVersion::V2, Some(units)) => units.base_parts().len() as u64,
            _ => 0,
        };
    }
}
