//! The documents of an image archive, which say which images it has: manifest.json as `docker save` writes it, and the
//! index of an OCI layout.

use std::collections::HashMap;

use regrow_engine::{Blob, Image, Layer, Sha256};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::archive::{ArchiveFiles, EntryKind};
use super::platform;
use crate::SyncError;

/// Links to links are followed this often.
const MAX_LINKS: usize = 8;
/// Indexes within indexes are followed down to this depth.
const MAX_DEPTH: usize = 4;
/// The most images of an archive.
const MAX_IMAGES: usize = 256;
/// The most bytes of all documents that are read.
const MAX_BYTES: usize = 64 << 20;
/// The annotations that name an image. The first one is whole, the other one may be a tag alone.
const NAME: &str = "io.containerd.image.name";
const REFERENCE: &str = "org.opencontainers.image.ref.name";

/// An image of an archive.
#[derive(Debug)]
pub(super) struct ArchivedImage {
    pub(super) image: Image,
    /// The entry of each layer, if the archive has one.
    pub(super) entries: Vec<Option<usize>>,
}

/// An image as manifest.json names it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Vec<String>,
}

/// An index, or a manifest.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
}

/// A reference to a blob.
#[derive(Deserialize, Clone)]
pub(super) struct Descriptor {
    pub(super) digest: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    pub(super) platform: Option<platform::Platform>,
    #[serde(default)]
    annotations: Option<HashMap<String, String>>,
}

/// The entries of an archive by their paths.
struct Archive<'a> {
    files: &'a mut dyn ArchiveFiles,
    location: &'a str,
    paths: HashMap<String, usize>,
    /// The number of bytes that documents may still have.
    left: usize,
}

/// Reads which images an archive has. Of an image for several platforms it is the one for this machine.
pub(super) fn images(files: &mut dyn ArchiveFiles, location: &str) -> Result<Vec<ArchivedImage>, SyncError> {
    let entries = files.entries().iter().enumerate();
    let paths = entries.map(|(number, entry)| (normal("", &String::from_utf8_lossy(&entry.path)), number)).collect();
    let mut archive = Archive { files, location, paths, left: MAX_BYTES };
    let saved = archive.saved()?;
    let mut images = match archive.find("index.json") {
        Some(_) => archive.layout()?,
        None => Vec::new(),
    };
    // Archives that have both name the same images. The layout has their manifests, and the other the full names.
    for saved in saved {
        match images.iter_mut().find(|known| known.image.config == saved.image.config) {
            Some(known) if !saved.image.names.is_empty() => known.image.names = saved.image.names,
            Some(_) => {}
            None => images.push(saved),
        }
    }
    if images.is_empty() {
        return Err(archive.malformed("there is neither an index.json nor a manifest.json that names an image"));
    }
    Ok(images)
}

/// A path from the root of the archive, without `.` and `..`.
fn normal(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

impl Archive<'_> {
    fn malformed(&self, reason: impl Into<String>) -> SyncError {
        SyncError::NoImage { location: self.location.to_owned(), reason: reason.into() }
    }

    /// The number of the entry with this path, at the end of links.
    fn find(&self, path: &str) -> Option<usize> {
        let mut path = normal("", path);
        for _ in 0..MAX_LINKS {
            let number = *self.paths.get(&path)?;
            let entry = self.files.entries().get(number)?;
            let EntryKind::Link(target) = &entry.kind else { return Some(number) };
            let target = String::from_utf8_lossy(target);
            // Soft links start from their folder, hard links from the root.
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let near = normal(folder, &target);
            path = if self.paths.contains_key(&near) { near } else { normal("", &target) };
        }
        None
    }

    fn bytes(&mut self, path: &str) -> Result<Vec<u8>, SyncError> {
        let Some(entry) = self.find(path) else { return Err(self.malformed(format!("{path} is not in it"))) };
        let bytes = self.files.small(entry)?;
        self.left = self.left.checked_sub(bytes.len()).ok_or_else(|| self.malformed("its documents are too large"))?;
        Ok(bytes)
    }

    /// Refuses to read more images than any archive has.
    fn check_count(&self, images: usize) -> Result<(), SyncError> {
        if images <= MAX_IMAGES { Ok(()) } else { Err(self.malformed("it names too many images")) }
    }

    fn read<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, SyncError> {
        let bytes = self.bytes(path)?;
        serde_json::from_slice(&bytes).map_err(|_| self.malformed(format!("{path} is not what it should be")))
    }

    fn saved(&mut self) -> Result<Vec<ArchivedImage>, SyncError> {
        if self.find("manifest.json").is_none() {
            return Ok(Vec::new());
        }
        let saved: Vec<Saved> = self.read("manifest.json")?;
        self.check_count(saved.len())?;
        saved.into_iter().map(|saved| self.saved_image(saved)).collect()
    }

    fn saved_image(&mut self, saved: Saved) -> Result<ArchivedImage, SyncError> {
        let config = self.bytes(&saved.config)?;
        let diff_ids = self.diff_ids(&config, saved.layers.len())?;
        let (mut layers, mut entries) = (Vec::new(), Vec::new());
        for (path, diff_id) in saved.layers.iter().zip(diff_ids) {
            let entry = self.find(path);
            let bytes = self.plain_bytes(&diff_id, entry);
            layers.push(Layer { diff_id, blob: Blob { digest: diff_id, bytes } });
            entries.push(entry);
        }
        let names = saved.repo_tags.unwrap_or_default();
        Ok(ArchivedImage { image: Image { config, layers, manifest: None, names }, entries })
    }

    /// The size of a layer's tar.
    fn plain_bytes(&self, diff_id: &Sha256, entry: Option<usize>) -> u64 {
        let part = self.files.parts().iter().find(|part| part.name == *diff_id.as_bytes());
        let stored = || entry.and_then(|entry| self.files.entries().get(entry)).map(|entry| entry.stored_bytes);
        part.map(|part| part.plain_bytes).or_else(stored).unwrap_or_default()
    }

    /// The digests of the layers' tars, of which there must be this many.
    fn diff_ids(&self, config: &[u8], layers: usize) -> Result<Vec<Sha256>, SyncError> {
        let config: Option<Config> = serde_json::from_slice(config).ok();
        let ids = config.map(|config| config.rootfs.diff_ids).unwrap_or_default();
        let ids: Vec<Sha256> = ids.iter().filter_map(|id| Sha256::parse(id)).collect();
        if ids.len() == layers {
            return Ok(ids);
        }
        Err(self.malformed(format!("its configuration names {} layers, and its manifest {layers}", ids.len())))
    }

    /// The images of an OCI layout.
    fn layout(&mut self) -> Result<Vec<ArchivedImage>, SyncError> {
        let index: Document = self.read("index.json")?;
        let mut images: Vec<ArchivedImage> = Vec::new();
        let descriptors = platform::of_this_machine(index.manifests.unwrap_or_default());
        self.check_count(descriptors.len())?;
        for descriptor in descriptors {
            let Some((manifest, bytes)) = self.manifest(&descriptor, 0)? else { continue };
            let image = self.layout_image(manifest, bytes, names(&descriptor))?;
            match images.iter_mut().find(|known| known.image.manifest == image.image.manifest) {
                Some(known) => known.image.names.extend(image.image.names),
                None => images.push(image),
            }
        }
        Ok(images)
    }

    /// The manifest that a descriptor leads to, and its bytes. What is no manifest of an image gives nothing.
    fn manifest(&mut self, descriptor: &Descriptor, depth: usize) -> Result<Option<(Document, Vec<u8>)>, SyncError> {
        let path = self.blob_path(&descriptor.digest)?;
        let bytes = self.bytes(&path)?;
        let document: Document = serde_json::from_slice(&bytes).unwrap_or_default();
        match document {
            Document { config: Some(_), .. } => Ok(Some((document, bytes))),
            Document { manifests: Some(manifests), .. } if depth < MAX_DEPTH => {
                let ours = platform::of_this_machine(manifests);
                match ours.first() {
                    Some(ours) => self.manifest(ours, depth + 1),
                    None => Err(self.malformed(format!("it has no image for {}", platform::this_machine()))),
                }
            }
            _ => Ok(None),
        }
    }

    fn layout_image(
        &mut self,
        manifest: Document,
        bytes: Vec<u8>,
        names: Vec<String>,
    ) -> Result<ArchivedImage, SyncError> {
        let config = match &manifest.config {
            Some(config) => self.blob_path(&config.digest)?,
            None => return Err(self.malformed("a manifest has no configuration")),
        };
        let config = self.bytes(&config)?;
        let diff_ids = self.diff_ids(&config, manifest.layers.len())?;
        let (mut layers, mut entries) = (Vec::new(), Vec::new());
        for (descriptor, diff_id) in manifest.layers.iter().zip(diff_ids) {
            let path = self.blob_path(&descriptor.digest)?;
            let digest = Sha256::parse(&descriptor.digest).unwrap_or(diff_id);
            layers.push(Layer { diff_id, blob: Blob { digest, bytes: descriptor.size } });
            entries.push(self.find(&path));
        }
        Ok(ArchivedImage { image: Image { config, layers, manifest: Some(bytes), names }, entries })
    }

    fn blob_path(&self, digest: &str) -> Result<String, SyncError> {
        let digest = Sha256::parse(digest).ok_or_else(|| self.malformed("it names a blob by no SHA-256"))?;
        Ok(format!("blobs/sha256/{}", digest.hex()))
    }
}

/// The names that a descriptor gives its image. A tag without a name gives none.
fn names(descriptor: &Descriptor) -> Vec<String> {
    let annotation = |name: &str| descriptor.annotations.as_ref()?.get(name).cloned();
    let reference = || annotation(REFERENCE).filter(|name| name.contains(['/', ':']));
    annotation(NAME).or_else(reference).into_iter().collect()
}
