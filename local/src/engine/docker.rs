//! The classic storage of Docker. For each layer a folder that is named by the layer and all below it tells the layer's
//! name, the folder of its files, and how the layer is made of them.

use std::path::{Path, PathBuf};

use super::names::{LayerName, WantedLayers, parse_digest, parse_hex};
use super::storage::{Warn, contents_folder, read_file};
use super::{FoundLayer, LayerPlace};
use crate::StorageFault;
use crate::seed::rooted::Rooted;

/// The folder with a folder for each driver.
const DRIVERS: &str = "image";
/// The folder of layers in a driver's.
const LAYERS: &str = "layerdb/sha256";
const MAX_DRIVERS: usize = 64;
/// The most layers that are looked at.
const MAX_LAYERS: usize = 1 << 17;
/// The largest of the small files in bytes.
const MAX_FILE_BYTES: u64 = 256;

/// The names of the drivers whose layers are there.
fn drivers(root: &Rooted) -> Vec<String> {
    let names = root.folder(Path::new(DRIVERS)).and_then(|folder| folder.names(MAX_DRIVERS)).unwrap_or_default();
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    names.filter(|driver| root.folder(&layers_of(driver)).is_ok()).collect()
}

fn layers_of(driver: &str) -> PathBuf {
    Path::new(DRIVERS).join(driver).join(LAYERS)
}

/// Whether the folder is such a storage.
pub(super) fn is_storage(root: &Rooted) -> bool {
    !drivers(root).is_empty()
}

/// Finds the wanted layers.
pub(super) fn find(root: &Rooted, wanted: &WantedLayers, warn: Warn<'_>) -> Vec<FoundLayer> {
    let mut found = Vec::new();
    for driver in drivers(root) {
        let folder = layers_of(&driver);
        let names = match root.folder(&folder).and_then(|layers| layers.names(MAX_LAYERS)) {
            Ok(names) => names,
            Err(error) => {
                warn(&folder, StorageFault::Unreadable(error));
                continue;
            }
        };
        for chain in names.iter().filter(|chain| chain.to_str().is_some_and(|chain| parse_hex::<32>(chain).is_some())) {
            let layer = folder.join(chain);
            match wanted_layer(root, &layer, &driver, wanted) {
                Ok(layer) => found.extend(layer),
                Err(fault) => warn(&layer, fault),
            }
        }
    }
    found
}

/// The layer that a folder tells of, if it is wanted.
fn wanted_layer(
    root: &Rooted,
    layer: &Path,
    driver: &str,
    wanted: &WantedLayers,
) -> Result<Option<FoundLayer>, StorageFault> {
    let name: LayerName = parse_digest(&read_line(root, &layer.join("diff"))?).ok_or(StorageFault::Malformed)?;
    if !wanted.wants(&name) {
        return Ok(None);
    }
    let id = read_line(root, &layer.join("cache-id"))?;
    let folder = contents_folder(driver, &id).ok_or(StorageFault::Malformed)?;
    let described = layer.join("tar-split.json.gz");
    Ok(Some(FoundLayer { name, place: LayerPlace::Split { described, folder } }))
}

fn read_line(root: &Rooted, path: &Path) -> Result<String, StorageFault> {
    let text = String::from_utf8(read_file(root, path, MAX_FILE_BYTES)?).map_err(|_| StorageFault::Malformed)?;
    Ok(text.trim_end().to_owned())
}
