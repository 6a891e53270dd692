//! The storage that Podman, Buildah and CRI-O share. A list has the name of each layer. Beside it is the description of
//! how the layer is made of the files in its folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::names::{LayerName, WantedLayers, parse_digest};
use super::storage::{Warn, contents_folder, read_file};
use super::{FoundLayer, LayerPlace};
use crate::StorageFault;
use crate::seed::rooted::Rooted;

/// The end of the name of the folder that has a driver's lists.
const LAYERS: &str = "-layers";
/// The lists of layers: those that stay, and those of containers that do not outlive a boot.
const LISTS: [&str; 2] = ["layers.json", "volatile-layers.json"];
const MAX_NAMES: usize = 1024;
/// The largest list in bytes. A layer takes some hundred.
const MAX_LIST_BYTES: u64 = 64 << 20;

/// A layer in a list.
#[derive(Deserialize)]
pub(super) struct ListedLayer {
    pub(super) id: String,
    #[cfg(feature = "sources")]
    #[serde(default)]
    pub(super) parent: Option<String>,
    #[serde(default, rename = "diff-digest")]
    diff_digest: Option<String>,
    #[serde(default, rename = "compressed-diff-digest")]
    compressed_digest: Option<String>,
}

/// The names of the drivers that have lists.
pub(super) fn drivers(root: &Rooted) -> Vec<String> {
    let names = root.names(MAX_NAMES).unwrap_or_default();
    let drivers = names.iter().filter_map(|name| Some(name.to_str()?.strip_suffix(LAYERS)?.to_owned()));
    drivers.filter(|driver| LISTS.iter().any(|list| root.open_file(&place(driver, list)).is_ok())).collect()
}

fn place(driver: &str, file: &str) -> PathBuf {
    Path::new(&format!("{driver}{LAYERS}")).join(file)
}

/// The lists of a driver's layers.
#[cfg(feature = "sources")]
pub(super) fn layers_of(driver: &str) -> [PathBuf; 2] {
    LISTS.map(|list| place(driver, list))
}

/// Whether the folder is such a storage.
pub(super) fn is_storage(root: &Rooted) -> bool {
    !drivers(root).is_empty()
}

/// Finds the wanted layers.
pub(super) fn find(root: &Rooted, wanted: &WantedLayers, warn: Warn<'_>) -> Vec<FoundLayer> {
    let mut found = Vec::new();
    for driver in drivers(root) {
        for list in LISTS.map(|list| place(&driver, list)) {
            match read_list(root, &list) {
                Ok(layers) => {
                    found.extend(layers.iter().filter_map(|layer| wanted_layer(root, layer, &driver, wanted)));
                }
                Err(StorageFault::Unreadable(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(fault) => warn(&list, fault),
            }
        }
    }
    found
}

/// The names of the compressed blobs that layers came from.
pub(super) fn compressed_blobs(root: &Rooted) -> HashSet<LayerName> {
    let lists = drivers(root).into_iter().map(|driver| place(&driver, LISTS[0]));
    let layers = lists.filter_map(|list| read_list(root, &list).ok()).flatten();
    layers.filter_map(|layer| parse_digest(layer.compressed_digest.as_deref()?)).collect()
}

pub(super) fn read_list(root: &Rooted, list: &Path) -> Result<Vec<ListedLayer>, StorageFault> {
    let text = read_file(root, list, MAX_LIST_BYTES)?;
    serde_json::from_slice(&text).map_err(|_| StorageFault::Malformed)
}

/// A listed layer, if it is wanted and described. A layer that was pulled in part, by its index of files, is not.
fn wanted_layer(root: &Rooted, layer: &ListedLayer, driver: &str, wanted: &WantedLayers) -> Option<FoundLayer> {
    let name = parse_digest(layer.diff_digest.as_deref()?)?;
    if !wanted.wants(&name) {
        return None;
    }
    let folder = contents_folder(driver, &layer.id)?;
    let described = place(driver, &format!("{}.tar-split.gz", layer.id));
    root.open_file(&described).ok()?;
    Some(FoundLayer { name, place: LayerPlace::Split { described, folder } })
}
