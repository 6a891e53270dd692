//! The options of a make.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regrow_catalog::Catalog;
use regrow_chunker::Params;
use regrow_image::WalkRules;
use regrow_patch::PatchLevel;

use super::checks::check_index;
use super::rewrite::MaxWaste;
use crate::flows::bases::BaseChoice;
use crate::place::index_file::{self, check_apart};
use crate::{Location, SyncError};

/// The version of the format of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexFormat {
    /// Version 1, which all readers know.
    V1,
    /// Version 2. The image consists of parts, such as layers, and the index can be signed.
    #[default]
    V2,
}

impl IndexFormat {
    /// The format that has this number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            regrow_index::VERSION_1 => Some(Self::V1),
            regrow_index::VERSION_2 => Some(Self::V2),
            _ => None,
        }
    }

    /// The number of the format.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::V1 => regrow_index::VERSION_1,
            Self::V2 => regrow_index::VERSION_2,
        }
    }

    /// The rules by which an image of this format is split.
    pub(super) const fn rules(self) -> WalkRules {
        match self {
            Self::V1 => WalkRules::V2,
            Self::V2 => WalkRules::V6,
        }
    }
}

/// The options of a make.
#[derive(Debug)]
pub struct MakeOptions {
    /// The store. It is made if it does not exist.
    pub store: Location,
    /// Whether to make a new store even in a folder that holds other files.
    pub new_store: bool,
    /// The location of the index to write.
    pub index: Location,
    /// The version of the index's format. `None` stands for version 2, unless the image follows others of version 1 alone:
    /// those of `patch_from` and `like`, or else the one whose index is replaced. Their readers may know no other. An
    /// image that is signed has version 2 in any case.
    pub format: Option<IndexFormat>,
    /// The indexes of similar images. Chunks that their packs hold are not stored again. If there are none, a list of
    /// the store tells which packs to look at.
    pub like: Vec<Location>,
    /// The time for which caches may keep the index.
    pub index_max_age: Duration,
    /// The catalog that remembers what the packs of remote stores hold. With version 2 of the format it also remembers
    /// SHA-256 of images, so that what an image shares with an earlier one is not hashed again.
    pub catalog: Option<Catalog>,
    /// The images that machines may have. A patch is made from each of them.
    pub patch_from: Vec<BaseChoice>,
    /// The image once more, if it is a file, because patches read it at random.
    pub image_file: Option<File>,
    /// Local files that may be the images of `patch_from`. If there are none, those images are read from the store.
    pub old_files: Vec<PathBuf>,
    /// Whether an image of `patch_from` is read from the store as well if none of `old_files` is that image.
    pub old_or_stored: bool,
    /// The effort that goes into making patches small, from 1 to 9.
    pub patch_level: PatchLevel,
    /// The least that a patch must save of what chunks cost, in percent. With 0 patches are always made.
    pub patch_least_saving: u8,
    /// Whether to make a patch from nothing too: the whole image in one object, for machines that have none of it.
    pub whole: bool,
    /// The zstd level, from 1 to 22.
    pub level: i32,
    /// The chunking parameters. `None` stands for those of the store, or for the defaults in a new store.
    pub params: Option<Params>,
    /// The largest size of a pack in bytes, unless a single frame needs more.
    pub pack_bytes: u64,
    /// The share of bytes that a machine without a seed may fetch from old packs beyond what the image needs. Chunks
    /// that lie thinly in old frames are written again until the share is kept, but never more than a quarter of what
    /// the image costs alone.
    pub max_waste: MaxWaste,
    /// Whether to accept an image that is visibly incomplete: an empty one, or a tar that is cut off.
    pub allow_partial: bool,
    /// What is claimed about the image, and the keys that sign it. It takes version 2 of the format.
    #[cfg(feature = "sign")]
    pub signing: Option<crate::Signing>,
}

impl MakeOptions {
    /// The default zstd level, chosen by measurement: see docs/measurements.md.
    pub const DEFAULT_LEVEL: i32 = 9;
    /// The time for which caches keep an index by default. Everybody sees a new release after a minute.
    pub const DEFAULT_INDEX_MAX_AGE: Duration = index_file::DEFAULT_MAX_AGE;

    /// The default options for a store and an index.
    #[must_use]
    pub fn new(store: impl Into<Location>, index: impl Into<Location>) -> Self {
        Self {
            store: store.into(),
            new_store: false,
            index: index.into(),
            format: None,
            like: Vec::new(),
            index_max_age: Self::DEFAULT_INDEX_MAX_AGE,
            catalog: None,
            patch_from: Vec::new(),
            image_file: None,
            old_files: Vec::new(),
            old_or_stored: false,
            patch_level: PatchLevel::default(),
            patch_least_saving: crate::PatchOptions::DEFAULT_LEAST_SAVING,
            whole: false,
            level: Self::DEFAULT_LEVEL,
            params: None,
            pack_bytes: regrow_store::PACK_TARGET_BYTES,
            max_waste: MaxWaste::default(),
            allow_partial: false,
            #[cfg(feature = "sign")]
            signing: None,
        }
    }
}

impl MakeOptions {
    /// Refuses locations that [`make`](crate::make) would refuse, for callers that have work to do before they call it. `input_name`
    /// is the path that the image is read from.
    ///
    /// # Errors
    /// Returns [`SyncError::Usage`] for an index that cannot be written there, and [`SyncError::Io`] if its folder is
    /// missing.
    pub fn check(&self, input_name: &Path) -> Result<(), SyncError> {
        check_index(&self.index, input_name)?;
        #[cfg(feature = "sign")]
        if let Some(signing) = &self.signing {
            signing.claims.check()?;
            if self.format == Some(IndexFormat::V1) {
                return Err(SyncError::Unsignable { location: self.index.to_string() });
            }
        }
        check_apart(&self.index, &self.store)
    }

    /// The channel that the image will claim.
    pub(super) fn channel(&self) -> Option<&str> {
        #[cfg(feature = "sign")]
        let channel = self.signing.as_ref().and_then(|signing| signing.claims.channel.as_deref());
        #[cfg(not(feature = "sign"))]
        let channel = None::<&str>;
        channel.filter(|channel| !channel.is_empty())
    }
}
