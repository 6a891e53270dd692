//! Names of a store's objects. FORMAT.md, section 8.

use regrow_chunker::{ImageId, PackId, Params};
use serde::{Deserialize, Serialize};

/// The name of the object that describes a store.
pub const STORE_FILE: &str = "regrow.json";
/// The version of the store's layout.
pub const STORE_VERSION: u32 = 1;

/// The name of a pack's object.
#[must_use]
pub fn pack_name(id: &PackId) -> String {
    format!("packs/{}/{id}.pack", id.shard())
}

/// The id of the pack whose file in `packs/ab` has this name, if it is a pack's name.
#[must_use]
pub(crate) fn parse_pack_name(file_name: &str) -> Option<PackId> {
    file_name.strip_suffix(".pack")?.parse().ok()
}

/// The id of the pack whose object has this name, if it is a pack's name.
#[must_use]
pub fn parse_pack_object(name: &str) -> Option<PackId> {
    let id = parse_pack_name(name.rsplit('/').next()?)?;
    (pack_name(&id) == name).then_some(id)
}

/// The folder of patches.
pub const PATCHES_FOLDER: &str = "patches";

/// The name of the patch that makes the image `target` from the image `base`.
#[must_use]
pub fn patch_name(base: &ImageId, target: &ImageId) -> String {
    format!("{PATCHES_FOLDER}/{base}/{target}.patch")
}

/// The base and the target of the patch whose object has this name, if it is a patch's name.
#[must_use]
pub fn parse_patch_object(name: &str) -> Option<(ImageId, ImageId)> {
    let (folder, file) = name.rsplit_once('/')?;
    let (base, target) = (folder.rsplit('/').next()?.parse().ok()?, file.strip_suffix(".patch")?.parse().ok()?);
    (patch_name(&base, &target) == name).then_some((base, target))
}

/// The contents of `regrow.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreDescription {
    /// [`STORE_VERSION`].
    pub format: u32,
    /// The version of the walking rules.
    pub walk: u32,
    /// The smallest chunk in bytes.
    pub chunk_min: u32,
    /// The average chunk in bytes.
    pub chunk_avg: u32,
    /// The largest chunk in bytes.
    pub chunk_max: u32,
}

impl StoreDescription {
    /// The description of a store with these parameters.
    #[must_use]
    pub fn new(walk: u32, params: &Params) -> Self {
        Self {
            format: STORE_VERSION,
            walk,
            chunk_min: params.min_bytes(),
            chunk_avg: params.avg_bytes(),
            chunk_max: params.max_bytes(),
        }
    }

    /// Whether images of both stores are cut into chunks of the same sizes, so that one may hold those of the other. A
    /// store holds images by all walking rules.
    #[must_use]
    pub fn cuts_like(&self, other: &Self) -> bool {
        Self { walk: other.walk, ..*self } == *other
    }
}
