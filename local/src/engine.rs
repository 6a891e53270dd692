//! The storage of container engines, as a source of layers. Layers are found by name: by the SHA-256 of their plain
//! bytes, which an index states of its image's parts, and of which it has the beginnings for parts of other images that
//! a patch starts from. Nothing that the index does not name is read. No engine is asked, and nothing is written.
//!
//! A layer that is found is one more seed, whose unit id tells what it is. So what a storage says is trusted for
//! nothing, and a storage that changes meanwhile costs bytes, never correctness.

mod additional;
mod blobs;
mod containers;
mod docker;
#[cfg(feature = "sources")]
pub(crate) mod images;
mod names;
mod storage;
mod tiny;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::LocalError;
use crate::seed::layer::{Blob, BlobForm, LayerData, OpenFiles, SplitLayer};
use crate::seed::rooted::Rooted;
use crate::seed::{SeedContext, Seeds, layered};
use crate::{FileSeed, StorageFault};

pub(crate) use blobs::{MAX_DOCUMENT_BYTES, diff_ids_of};
pub use names::WantedLayers;
pub(crate) use names::{LayerName, parse_hex, to_hex};

/// A kind of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageKind {
    /// A folder with the OCI image layout.
    Oci,
    /// The content of containerd.
    Containerd,
    /// The data of Docker.
    Docker,
    /// The storage of Podman, Buildah and CRI-O.
    Containers,
    /// A folder of unpacked files, for layers of which the other bytes are remembered. No seed is named by this kind.
    Folder,
}

impl StorageKind {
    const ALL: [Self; 4] = [Self::Oci, Self::Containerd, Self::Docker, Self::Containers];

    /// The name by which a seed gives the kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Oci => "oci",
            Self::Containerd => "containerd",
            Self::Docker => "docker",
            Self::Containers => "containers-storage",
            Self::Folder => "folder",
        }
    }

    /// The place where a storage of this kind lies unless it is said. A layout has none.
    fn default_root(self) -> Option<&'static str> {
        match self {
            Self::Oci | Self::Folder => None,
            Self::Containerd => Some("/var/lib/containerd"),
            Self::Docker => Some("/var/lib/docker"),
            Self::Containers => Some("/var/lib/containers/storage"),
        }
    }
}

impl fmt::Display for StorageKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The storage of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineStorage {
    /// The kind.
    pub kind: StorageKind,
    /// The root folder.
    pub root: PathBuf,
}

/// A storage that was searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedStorage {
    /// The storage.
    pub storage: EngineStorage,
    /// The number of layers that were found by name.
    pub layers: u64,
    /// The number of their plain bytes.
    pub bytes: u64,
}

/// A layer that was found.
struct FoundLayer {
    name: LayerName,
    place: LayerPlace,
}

/// The place of a layer in a storage, by paths from its root.
enum LayerPlace {
    /// A blob that has the layer's name, and is wanted as it is.
    Named(PathBuf),
    /// A blob that holds the layer, compressed or not.
    Holding(PathBuf),
    /// The files of a folder, and the file that describes how the layer is made of them.
    Split { described: PathBuf, folder: PathBuf },
}

/// The most layers of a storage that are opened. An image has 127 at most in the engines that there are, and each takes
/// one or two file handles.
const MAX_LAYERS: usize = 256;

impl EngineStorage {
    /// The storage that a seed names as `KIND:ROOT`, or as `KIND:` for the usual place.
    pub fn named(seed: &Path) -> Option<Self> {
        StorageKind::ALL.into_iter().find_map(|kind| {
            let root = seed.as_os_str().as_bytes().strip_prefix(kind.name().as_bytes())?.strip_prefix(b":")?;
            let root = match root {
                b"" => PathBuf::from(kind.default_root()?),
                root => PathBuf::from(OsStr::from_bytes(root)),
            };
            Some(Self { kind, root })
        })
    }

    /// The path by which a seed names the storage.
    pub fn as_seed(&self) -> PathBuf {
        let mut seed = std::ffi::OsString::from(format!("{}:", self.kind.name()));
        seed.push(&self.root);
        seed.into()
    }

    /// Whether the root folder is a storage of this kind that can be read.
    pub fn is_readable(&self) -> bool {
        Rooted::open(&self.root).is_ok_and(|root| storage::is_of_kind(&root, self.kind))
    }

    /// The names of the compressed blobs that Podman's storage remembers its layers by.
    pub fn compressed_blobs(&self) -> HashSet<[u8; 32]> {
        Rooted::open(&self.root).map(|root| containers::compressed_blobs(&root)).unwrap_or_default()
    }

    /// The storage that a folder is, if it is one.
    pub fn recognised(folder: &Path) -> Option<Self> {
        let root = Rooted::open(folder).ok()?;
        let kind = StorageKind::ALL.into_iter().find(|&kind| storage::is_of_kind(&root, kind))?;
        Some(Self { kind, root: folder.to_owned() })
    }

    /// Finds the parts of the index's image that the storage has, by their names. None of them is opened. Returns their
    /// numbers; they count as found from then on.
    ///
    /// # Errors
    /// The folder is no storage of this kind.
    pub fn find_own(&self, wanted: &mut WantedLayers) -> Result<Vec<usize>, LocalError> {
        let root = self.open_root()?;
        // Whatever is wrong with a layer is told when it is opened.
        let found = storage::find(&root, self.kind, wanted, &|_, _| ());
        Ok(wanted.take_own(found.iter().map(|layer| layer.name)))
    }

    fn open_root(&self) -> Result<Rooted, LocalError> {
        let root = Rooted::open(&self.root).map_err(LocalError::io(&self.root))?;
        if storage::is_of_kind(&root, self.kind) {
            return Ok(root);
        }
        Err(LocalError::Storage { path: self.root.clone(), fault: StorageFault::OtherKind(self.kind.name()) })
    }

    /// Opens the wanted layers that the storage has, as seeds. A layer that cannot be read is passed over with a
    /// warning. One that is not what its name says serves as a seed like any other.
    ///
    /// # Errors
    /// The folder is no storage of this kind, or the time is over.
    pub fn open_layers(
        &self,
        wanted: &mut WantedLayers,
        seeds: &mut Seeds,
        context: &SeedContext<'_>,
    ) -> Result<OpenedStorage, LocalError> {
        let root = self.open_root()?;
        let mut opened = OpenedStorage { storage: self.clone(), layers: 0, bytes: 0 };
        let warn = |path: &Path, fault: StorageFault| {
            let path = self.root.join(path);
            context.progress.warn(&format!("seed: {}", LocalError::Storage { path, fault }));
        };
        let (open, before) = (Arc::default(), seeds.seeds.len());
        for found in storage::find(&root, self.kind, wanted, &warn) {
            if seeds.seeds.len() - before >= MAX_LAYERS || !wanted.wants(&found.name) {
                continue;
            }
            match self.open_layer(&root, &found, wanted.size_of(&found.name), (&open, context)) {
                Ok(seed) => {
                    let units = seed.scan().units(context.params);
                    if wanted.take(&found.name, &units.map_or_else(Vec::new, |units| units.parts)) {
                        opened.layers += 1;
                        let parts = seed.scan().parts().iter();
                        opened.bytes += parts.map(|part| part.plain.end - part.plain.start).sum::<u64>();
                    } else {
                        warn(found.place.file(), StorageFault::OtherLayer);
                    }
                    seeds.seeds.push(Box::new(seed));
                }
                Err(error @ (LocalError::TimeUp { .. } | LocalError::Worker | LocalError::Threads(_))) => {
                    return Err(error);
                }
                Err(error) => context.progress.warn(&format!("seed: {error}")),
            }
        }
        Ok(opened)
    }

    fn open_layer(
        &self,
        root: &Rooted,
        found: &FoundLayer,
        bytes: Option<u64>,
        (open, context): (&Arc<OpenFiles>, &SeedContext<'_>),
    ) -> Result<FileSeed, LocalError> {
        let path = found.place.file();
        let shown = self.root.join(path);
        let fault = |fault| LocalError::Storage { path: shown.clone(), fault };
        let file = root.open_file(path).map_err(LocalError::io(&shown))?;
        if let LayerPlace::Split { folder, .. } = &found.place {
            let files = root.folder(folder).map_err(LocalError::io(self.root.join(folder)))?;
            let split = SplitLayer::read(file, files, folder.clone(), Arc::clone(open)).map_err(fault)?;
            return layered::open(LayerData::Split(split), &shown, bytes, context);
        }
        let form = BlobForm::of(&file);
        match (&found.place, form) {
            (LayerPlace::Named(_), BlobForm::Gzip | BlobForm::Zstd | BlobForm::Other) => {
                FileSeed::of_file(file, &shown, &SeedContext { unfolds: false, ..*context })
            }
            (_, BlobForm::Tar | BlobForm::Gzip | BlobForm::Zstd) => {
                let blob = Blob::new(file, form, context.scratch).map_err(LocalError::io(&shown))?;
                layered::open(LayerData::Blob(blob), &shown, bytes, context)
            }
            (_, BlobForm::Other) => Err(fault(StorageFault::OtherLayer)),
        }
    }
}

impl LayerPlace {
    /// The file that tells whether the layer has changed.
    fn file(&self) -> &Path {
        let (Self::Named(path) | Self::Holding(path) | Self::Split { described: path, .. }) = self;
        path
    }
}

#[cfg(test)]
mod tests;
