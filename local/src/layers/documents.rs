//! The documents of an image archive: which image it holds, with which configuration and layers. See OCI image-spec 1.1
//! (image-layout, descriptors, manifests) and docker-archive's manifest.json.

use std::fs::File;
use std::path::Path;

use serde_json::Value;

use crate::LayersFault;
use crate::LocalError;
use crate::normalize::archive::Archive;
use crate::normalize::digests::blob_name;

const OCI_INDEX: &str = "index.json";
const DOCKER_MANIFEST: &str = "manifest.json";
/// Indexes within indexes are followed down to this depth.
const MAX_DEPTH: usize = 4;
/// The annotation that containerd and Docker give an image's whole name, and the OCI's for a tag or a whole name.
const IMAGE_NAME: &str = "io.containerd.image.name";
const REFERENCE: &str = "org.opencontainers.image.ref.name";
/// The annotation of manifests that are no images, but say how one was built.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// The image of an archive, by the names of its entries.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) config: String,
    pub(super) layers: Vec<String>,
    /// The names of the image.
    pub(super) tags: Vec<String>,
    /// What tells it from others in the same archive.
    shown: String,
}

/// Reads the documents of an archive.
pub(super) struct Documents<'a> {
    pub(super) archive: &'a Archive,
    pub(super) file: &'a mut File,
    pub(super) path: &'a Path,
}

impl Documents<'_> {
    pub(super) fn fault(&self, fault: LayersFault) -> LocalError {
        LocalError::Layers { path: self.path.to_owned(), fault }
    }

    /// Finds the one image of the archive.
    pub(super) fn find(&mut self) -> Result<Named, LocalError> {
        let mut found = self.by_docker()?;
        if found.is_empty() {
            self.add_oci(OCI_INDEX, &Value::Null, 0, &mut found)?;
        }
        let mut images: Vec<Named> = Vec::new();
        for image in found {
            match images.iter_mut().find(|known| (&known.config, &known.layers) == (&image.config, &image.layers)) {
                Some(known) => known.tags.extend(image.tags),
                None => images.push(image),
            }
        }
        match images.len() {
            0 => Err(self.fault(LayersFault::NoImage)),
            1 => Ok(images.remove(0)),
            _ => Err(self.fault(LayersFault::Several(images.into_iter().map(|image| image.shown).collect()))),
        }
    }

    /// Reads a document. `None` if it is absent.
    pub(super) fn bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>, LocalError> {
        self.archive.document(self.file, name)
    }

    fn read(&mut self, name: &str) -> Result<Option<Value>, LocalError> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|_| self.fault(LayersFault::Malformed(name.to_owned())))
    }

    fn by_docker(&mut self) -> Result<Vec<Named>, LocalError> {
        let Some(manifest) = self.read(DOCKER_MANIFEST)? else { return Ok(Vec::new()) };
        let malformed = || LayersFault::Malformed(DOCKER_MANIFEST.to_owned());
        let images = manifest.as_array().ok_or_else(|| self.fault(malformed()))?;
        images.iter().map(|image| docker_image(image).ok_or_else(|| self.fault(malformed()))).collect()
    }

    /// Adds the images of a document, which `descriptor` describes.
    fn add_oci(
        &mut self,
        name: &str,
        descriptor: &Value,
        depth: usize,
        found: &mut Vec<Named>,
    ) -> Result<(), LocalError> {
        let missing = depth > 0;
        let Some(document) = self.read(name)? else {
            return if missing { Err(self.fault(LayersFault::Missing(name.to_owned()))) } else { Ok(()) };
        };
        if let Some(manifests) = document.get("manifests").and_then(Value::as_array) {
            if depth >= MAX_DEPTH {
                return Err(self.fault(LayersFault::Malformed(name.to_owned())));
            }
            for inner in manifests.iter().filter(|inner| is_image(inner)) {
                let digest =
                    text(inner, "digest").ok_or_else(|| self.fault(LayersFault::Malformed(name.to_owned())))?;
                self.add_oci(&blob_name(digest), inner, depth + 1, found)?;
            }
            return Ok(());
        }
        let image = oci_image(&document, descriptor);
        found.push(image.ok_or_else(|| self.fault(LayersFault::Malformed(name.to_owned())))?);
        Ok(())
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

fn docker_image(image: &Value) -> Option<Named> {
    let texts = |key: &str| match image.get(key) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
    };
    let (config, tags) = (text(image, "Config")?.to_owned(), texts("RepoTags")?);
    let shown = tags.first().unwrap_or(&config).clone();
    Some(Named { layers: texts("Layers")?, shown, config, tags })
}

/// Whether a descriptor is of an image or of an index, and not of what is said about one.
fn is_image(descriptor: &Value) -> bool {
    let is_about_another = descriptor.get("annotations").is_some_and(|all| all.get(REFERENCE_TYPE).is_some());
    let os = descriptor.get("platform").and_then(|platform| text(platform, "os"));
    !is_about_another && os != Some("unknown")
}

fn oci_image(manifest: &Value, descriptor: &Value) -> Option<Named> {
    let digest = |of: &Value| text(of, "digest").map(blob_name);
    let config = digest(manifest.get("config")?)?;
    let layers = manifest.get("layers")?.as_array()?.iter().map(digest).collect::<Option<Vec<_>>>()?;
    let annotation = |key: &str| descriptor.get("annotations").and_then(|all| text(all, key));
    // A tag alone is no name.
    let whole = annotation(REFERENCE).filter(|name| name.contains([':', '/']));
    let name = annotation(IMAGE_NAME).or(whole).map(str::to_owned);
    let platform = descriptor.get("platform").map(|platform| {
        let parts = ["os", "architecture", "variant"].iter().filter_map(|key| text(platform, key));
        parts.collect::<Vec<_>>().join("/")
    });
    let shown = name.clone().or(annotation(REFERENCE).map(str::to_owned)).or(platform);
    Some(Named { shown: shown.unwrap_or_else(|| config.clone()), config, layers, tags: name.into_iter().collect() })
}
