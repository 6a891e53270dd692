//! Layers among blobs that are named by their SHA-256, as in an OCI layout and in containerd. Compressed layers have
//! other names than their plain bytes. The manifest of an image lists the one, its configuration lists the other, and
//! both are blobs themselves. So no database is needed.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Deserialize;

use super::names::{LayerName, WantedLayers, parse_digest, parse_hex, to_hex};
use super::storage::Warn;
use super::{FoundLayer, LayerPlace};
use crate::StorageFault;
use crate::seed::rooted::Rooted;

/// The most blobs that are looked at.
const MAX_BLOBS: usize = 1 << 20;
/// The largest manifest or configuration. Registries take no larger ones.
pub(crate) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;
/// The most bytes of manifests and configurations that are read.
const MAX_DOCUMENTS_BYTES: u64 = 512 << 20;

/// The parts of a manifest, or of a configuration, that tell what layers there are.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    rootfs: Option<RootFs>,
}

/// A descriptor. A configuration has something else of the same name, without a digest.
#[derive(Deserialize)]
struct Descriptor {
    #[serde(default)]
    digest: Option<String>,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// The names of the layers that the configuration of an image lists, the lowest first. It is `None` if this is no such
/// document.
pub(crate) fn diff_ids_of(document: &[u8]) -> Option<Vec<LayerName>> {
    let document: Document = serde_json::from_slice(document).ok()?;
    document.rootfs?.diff_ids.iter().map(|id| parse_digest(id)).collect()
}

/// Finds the wanted layers among the blobs of a folder.
pub(super) fn find(root: &Rooted, folder: &Path, wanted: &WantedLayers, warn: Warn<'_>) -> Vec<FoundLayer> {
    let listed = root.folder(folder).and_then(|blobs| Ok((blobs.names(MAX_BLOBS)?, blobs)));
    let (names, blobs) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            warn(folder, StorageFault::Unreadable(error));
            return Vec::new();
        }
    };
    let names: Vec<LayerName> = names.iter().filter_map(|name| parse_hex(name.to_str()?)).collect();
    let place = |name: &LayerName| folder.join(to_hex(name));
    let is_named = |name: &&LayerName| wanted.wants(name);
    let mut found: Vec<FoundLayer> = names
        .iter()
        .filter(is_named)
        .map(|name| FoundLayer { name: *name, place: LayerPlace::Named(place(name)) })
        .collect();
    if found.len() == wanted.count() {
        return found;
    }
    for (plain, stored) in stored_layers(&blobs, &names) {
        if wanted.wants(&plain) && plain != stored && names.binary_search(&stored).is_ok() {
            found.push(FoundLayer { name: plain, place: LayerPlace::Holding(place(&stored)) });
        }
    }
    found
}

/// The layers of all images whose manifest and configuration are there, by their plain and by their stored names.
fn stored_layers(blobs: &Rooted, names: &[LayerName]) -> Vec<(LayerName, LayerName)> {
    let mut left = MAX_DOCUMENTS_BYTES;
    let mut manifests: Vec<(LayerName, Vec<LayerName>)> = Vec::new();
    let mut configurations: HashMap<LayerName, Vec<LayerName>> = HashMap::new();
    for name in names {
        let Some(document) = read_document(blobs, name, &mut left) else { continue };
        let digests = |layers: Vec<Descriptor>| {
            layers.into_iter().map(|layer| parse_digest(&layer.digest?)).collect::<Option<Vec<_>>>()
        };
        let config = document.config.and_then(|config| parse_digest(&config.digest?));
        if let (Some(layers), Some(config)) = (document.layers.and_then(digests), config) {
            manifests.push((config, layers));
        } else if let Some(rootfs) = document.rootfs {
            let plain: Option<Vec<_>> = rootfs.diff_ids.iter().map(|id| parse_digest(id)).collect();
            configurations.extend(plain.map(|plain| (*name, plain)));
        }
    }
    let mut pairs = Vec::new();
    for (config, stored) in manifests {
        if let Some(plain) = configurations.get(&config).filter(|plain| plain.len() == stored.len()) {
            pairs.extend(plain.iter().copied().zip(stored));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

/// Reads a blob if it may be a manifest or a configuration.
fn read_document(blobs: &Rooted, name: &LayerName, left: &mut u64) -> Option<Document> {
    let file = blobs.open_file(Path::new(&to_hex(name))).ok()?;
    let bytes = file.metadata().ok()?.len();
    let mut first = [0];
    if bytes > MAX_DOCUMENT_BYTES.min(*left) || file.read_exact_at(&mut first, 0).is_err() || first != *b"{" {
        return None;
    }
    *left -= bytes;
    let mut document = Vec::new();
    file.take(bytes).read_to_end(&mut document).ok()?;
    serde_json::from_slice(&document).ok()
}
