//! The kinds of storage: how each is recognised, and how its layers are found.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::names::WantedLayers;
use super::{FoundLayer, StorageKind, blobs, containers, docker};
use crate::StorageFault;
use crate::seed::rooted::Rooted;

/// A receiver of what is wrong with a file of the storage.
pub(super) type Warn<'w> = &'w dyn Fn(&Path, StorageFault);

/// The folder of blobs in an OCI layout.
const LAYOUT_BLOBS: &str = "blobs/sha256";
/// The folder of blobs of containerd.
const CONTAINERD_BLOBS: &str = "io.containerd.content.v1.content/blobs/sha256";

/// The same folder of the containerd that a Docker daemon runs for itself.
const DOCKER_BLOBS: &str = "containerd/daemon/io.containerd.content.v1.content/blobs/sha256";

/// Whether a folder is a storage of this kind.
pub(super) fn is_of_kind(root: &Rooted, kind: StorageKind) -> bool {
    let has_folder = |path: &str| root.folder(Path::new(path)).is_ok();
    let has_file = |path: &str| root.open_file(Path::new(path)).is_ok();
    match kind {
        StorageKind::Oci => has_folder(LAYOUT_BLOBS) && (has_file("oci-layout") || has_file("index.json")),
        StorageKind::Containerd => has_folder(CONTAINERD_BLOBS),
        StorageKind::Docker => docker::is_storage(root) || has_folder(DOCKER_BLOBS),
        StorageKind::Containers => containers::is_storage(root),
        StorageKind::Folder => false,
    }
}

/// Finds the wanted layers of a storage. A layer may be found in several places.
pub(super) fn find(root: &Rooted, kind: StorageKind, wanted: &WantedLayers, warn: Warn<'_>) -> Vec<FoundLayer> {
    match kind {
        StorageKind::Oci => blobs::find(root, Path::new(LAYOUT_BLOBS), wanted, warn),
        StorageKind::Containerd => blobs::find(root, Path::new(CONTAINERD_BLOBS), wanted, warn),
        StorageKind::Docker => {
            let mut found = docker::find(root, wanted, warn);
            if root.folder(Path::new(DOCKER_BLOBS)).is_ok() {
                found.extend(blobs::find(root, Path::new(DOCKER_BLOBS), wanted, warn));
            }
            found
        }
        StorageKind::Containers => containers::find(root, wanted, warn),
        StorageKind::Folder => Vec::new(),
    }
}

/// Reads a file of the storage, if it has at most `most` bytes.
pub(super) fn read_file(root: &Rooted, path: &Path, most: u64) -> Result<Vec<u8>, StorageFault> {
    let file = root.open_file(path).map_err(StorageFault::Unreadable)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(StorageFault::Unreadable)?;
    if bytes.len() as u64 > most { Err(StorageFault::TooLarge) } else { Ok(bytes) }
}

/// The folder in which a driver keeps the files of the layer with this id. The result is `None` for drivers that keep
/// them elsewhere than in folders, and if the id is no name of a folder.
pub(super) fn contents_folder(driver: &str, id: &str) -> Option<PathBuf> {
    let is_name = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let folder = match driver {
        "overlay2" | "overlay" | "fuse-overlayfs" => Path::new(driver).join(id).join("diff"),
        "vfs" => Path::new("vfs/dir").join(id),
        "btrfs" => Path::new("btrfs/subvolumes").join(id),
        "aufs" => Path::new("aufs/diff").join(id),
        _ => return None,
    };
    is_name.then_some(folder)
}
