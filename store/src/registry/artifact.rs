//! An image in a registry: a manifest that lists the blobs of its index, packs and patches.
//! docs/format/registry.md describes the form.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{BlobDigest, Descriptor, FetchedManifest};
use crate::name::{check_name, is_index_name};

/// The type of the artifact that is an image.
#[cfg(feature = "registries")]
pub(super) const IMAGE_TYPE: &str = "application/vnd.regrow.image.v1";
/// The type of the blob that is an index, or the list of condemned packs.
pub(super) const INDEX_TYPE: &str = "application/vnd.regrow.index.v1";
/// The annotation with the beginning of an index, as base64.
pub(super) const FRONT: &str = "vnd.regrow.front";
/// The annotation with the name of a blob's file.
pub(super) const TITLE: &str = "org.opencontainers.image.title";
/// The annotation with the time at which the manifest was made.
pub(super) const CREATED: &str = "org.opencontainers.image.created";

/// An image's manifest, by the objects of a store that its blobs are.
#[derive(Debug, Clone)]
pub(super) struct Artifact {
    pub(super) digest: BlobDigest,
    /// The index, under whatever name.
    pub(super) index: Descriptor,
    /// The other objects, by their names.
    pub(super) objects: BTreeMap<String, Descriptor>,
    #[cfg_attr(not(feature = "registries"), expect(dead_code, reason = "only makers compare it"))]
    pub(super) created: String,
    /// The image that can be run, if it is known.
    #[cfg_attr(not(feature = "registries"), expect(dead_code, reason = "only makers keep it"))]
    pub(super) subject: Option<Descriptor>,
}

impl Artifact {
    /// Reads a manifest. The result is `None` if it is that of something else, such as an image to run.
    pub(super) fn of(fetched: FetchedManifest) -> Option<Self> {
        let FetchedManifest { digest, manifest, .. } = fetched;
        let (mut index, mut objects) = (None, BTreeMap::new());
        for mut blob in manifest.layers {
            let name = blob.annotations.remove(TITLE).unwrap_or_default();
            if blob.media_type == INDEX_TYPE {
                index.get_or_insert(blob);
            } else if check_name("", &name).is_ok() && !is_index_name(&name) {
                objects.insert(name, blob);
            }
        }
        let created = manifest.annotations.get(CREATED).cloned().unwrap_or_default();
        Some(Self { digest, index: index?, objects, created, subject: manifest.subject })
    }

    /// The beginning of the index, as far as the manifest has it.
    pub(super) fn front(&self) -> Option<Bytes> {
        let front = STANDARD.decode(self.index.annotations.get(FRONT)?).ok()?;
        (front.len() as u64 <= self.index.size && !front.is_empty()).then(|| front.into())
    }
}

/// The bytes of a blob, if its descriptor carries them.
pub(super) fn carried(blob: &Descriptor) -> Option<Bytes> {
    let bytes = STANDARD.decode(&blob.data).ok().filter(|bytes| !bytes.is_empty())?;
    (bytes.len() as u64 == blob.size && BlobDigest::of(&bytes) == blob.digest).then(|| bytes.into())
}
