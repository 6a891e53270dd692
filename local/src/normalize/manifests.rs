//! The documents of an image archive that name layers: OCI's index and manifests, and docker-archive's manifest.json.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use serde_json::Value;

use super::archive::Archive;
use super::digests::{Digests, blob_name, renamed};
use super::layers::Replaced;
use crate::LocalError;

const OCI_INDEX: &str = "index.json";
const DOCKER_MANIFEST: &str = "manifest.json";
/// Indexes within indexes are followed down to this depth.
const MAX_DEPTH: usize = 4;

/// A layer as documents name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LayerRef {
    /// The name of its entry.
    pub(super) name: String,
    /// The digest of its bytes, if documents name it by that.
    pub(super) digest: Option<String>,
    /// The digest of its plain bytes, if the config states it.
    pub(super) diff_id: Option<String>,
}

/// A document that has changed.
pub(super) struct Changed {
    pub(super) old_name: String,
    pub(super) new_name: String,
    pub(super) bytes: Vec<u8>,
}

/// A document that names other documents or layers.
struct Document {
    name: String,
    value: Value,
}

/// The new digest and size of a layer or document.
struct Renewed {
    digest: String,
    bytes: u64,
    /// Whether this is a layer, which was compressed.
    is_layer: bool,
}

/// The prefixes of annotations that give offsets in a layer's compressed form: those of zstd:chunked and of
/// eStargz.
const OF_THE_COMPRESSED_FORM: [&str; 3] =
    ["io.github.containers.zstd-chunked.", "containerd.io/snapshot/stargz/", "io.containers.estargz."];

/// The documents of an archive, and the layers that they name. Each document comes after those that it names.
pub(super) struct Images {
    documents: Vec<Document>,
    layers: Vec<LayerRef>,
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

impl Images {
    /// Finds all documents and layers.
    pub(super) fn find(archive: &Archive, file: &mut File) -> Result<Self, LocalError> {
        let mut images = Self { documents: Vec::new(), layers: Vec::new() };
        images.add_oci(archive, file, OCI_INDEX, 0)?;
        if let Some(value) = read(archive, file, DOCKER_MANIFEST)? {
            for image in value.as_array().into_iter().flatten() {
                let diff_ids = diff_ids(archive, file, text(image, "Config").unwrap_or_default())?;
                for (number, layer) in list(image, "Layers").filter_map(Value::as_str).enumerate() {
                    let digest = layer.strip_prefix("blobs/").map(|digest| digest.replacen('/', ":", 1));
                    let diff_id = diff_ids.get(number).cloned();
                    images.add_layer(LayerRef { name: layer.to_owned(), digest, diff_id });
                }
            }
            images.documents.push(Document { name: DOCKER_MANIFEST.to_owned(), value });
        }
        if images.documents.is_empty() {
            let reason = "no image archive: there is neither an index.json nor a manifest.json in it";
            return Err(LocalError::Usage(reason.to_owned()));
        }
        Ok(images)
    }

    fn add_layer(&mut self, layer: LayerRef) {
        if self.layers.iter().all(|known| known.name != layer.name) {
            self.layers.push(layer);
        }
    }

    /// Adds an index or a manifest, with everything that it names.
    fn add_oci(&mut self, archive: &Archive, file: &mut File, name: &str, depth: usize) -> Result<(), LocalError> {
        if depth > MAX_DEPTH || self.documents.iter().any(|known| known.name == name) {
            return Ok(());
        }
        let Some(value) = read(archive, file, name)? else { return Ok(()) };
        for named in list(&value, "manifests").filter_map(|named| text(named, "digest")) {
            self.add_oci(archive, file, &blob_name(named), depth + 1)?;
        }
        let config = value.get("config").and_then(|config| text(config, "digest")).map(blob_name);
        let diff_ids = diff_ids(archive, file, config.as_deref().unwrap_or_default())?;
        for (number, digest) in list(&value, "layers").filter_map(|layer| text(layer, "digest")).enumerate() {
            let (name, diff_id) = (blob_name(digest), diff_ids.get(number).cloned());
            self.add_layer(LayerRef { name, digest: Some(digest.to_owned()), diff_id });
        }
        self.documents.push(Document { name: name.to_owned(), value });
        Ok(())
    }

    pub(super) fn layers(&self) -> Vec<LayerRef> {
        self.layers.clone()
    }

    /// The documents that change because of these layers.
    pub(super) fn rewrite(&mut self, replaced: &[Replaced], path: &Path) -> Result<Vec<Changed>, LocalError> {
        let mut digests: HashMap<String, Renewed> = HashMap::new();
        for layer in replaced {
            if let Some(old) = &layer.old_digest {
                let renewed = Renewed { digest: layer.new_digest.clone(), bytes: layer.bytes, is_layer: true };
                digests.insert(old.clone(), renewed);
            }
        }
        let mut changed = Vec::new();
        for Document { name, value } in &mut self.documents {
            if !update(value, &digests) {
                continue;
            }
            let bytes = serde_json::to_vec(value).map_err(|error| LocalError::io(path)(error.into()))?;
            let mut new_name = name.clone();
            if let Some(old) = name.strip_prefix("blobs/").map(|old| old.replacen('/', ":", 1)) {
                let mut sums = Digests::like(&[Some(&old)]);
                sums.update(&bytes);
                let digest = sums.of_kind(Some(&old));
                new_name = renamed(name, &old, &digest);
                digests.insert(old, Renewed { digest, bytes: bytes.len() as u64, is_layer: false });
            }
            changed.push(Changed { old_name: name.clone(), new_name, bytes });
        }
        Ok(changed)
    }
}

/// Reads a JSON document of the archive. The result is `None` if it is absent, or is no JSON.
fn read(archive: &Archive, file: &mut File, name: &str) -> Result<Option<Value>, LocalError> {
    Ok(archive.document(file, name)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// The digests of the layers' plain bytes, from the image's config.
fn diff_ids(archive: &Archive, file: &mut File, config: &str) -> Result<Vec<String>, LocalError> {
    let config = read(archive, file, config)?.unwrap_or_default();
    let ids = config.get("rootfs").map(|rootfs| list(rootfs, "diff_ids").filter_map(Value::as_str).map(str::to_owned));
    Ok(ids.into_iter().flatten().collect())
}

/// Puts the new digests, and the fields that depend on them, into a document. The result says whether there were
/// any.
fn update(value: &mut Value, digests: &HashMap<String, Renewed>) -> bool {
    match value {
        Value::Object(fields) => {
            let mut is_changed = false;
            if let Some(renewed) = fields.get("digest").and_then(Value::as_str).and_then(|old| digests.get(old)) {
                describe(fields, renewed);
                is_changed = true;
            }
            for field in fields.values_mut() {
                is_changed |= update(field, digests);
            }
            is_changed
        }
        Value::Array(values) => {
            let mut is_changed = false;
            for value in values {
                is_changed |= update(value, digests);
            }
            is_changed
        }
        // docker-archive names layers by their entries.
        Value::String(name) => {
            let digest = name.strip_prefix("blobs/").map(|digest| digest.replacen('/', ":", 1));
            match digest.and_then(|digest| digests.get(&digest)) {
                Some(renewed) => {
                    *name = blob_name(&renewed.digest);
                    true
                }
                None => false,
            }
        }
        _ => false,
    }
}

/// Updates a descriptor (OCI image-spec, descriptor.md) to the new form of its object.
fn describe(fields: &mut serde_json::Map<String, Value>, renewed: &Renewed) {
    fields.insert("digest".to_owned(), renewed.digest.as_str().into());
    fields.insert("size".to_owned(), renewed.bytes.into());
    // This field embeds the object's bytes, which have changed.
    fields.remove("data");
    if let Some(kind) = fields.get("mediaType").and_then(Value::as_str) {
        let kind = uncompressed(kind);
        fields.insert("mediaType".to_owned(), kind.into());
    }
    if !renewed.is_layer {
        return;
    }
    if let Some(Value::Object(annotations)) = fields.get_mut("annotations") {
        annotations.retain(|name, _| !OF_THE_COMPRESSED_FORM.iter().any(|prefix| name.starts_with(prefix)));
        if annotations.is_empty() {
            fields.remove("annotations");
        }
    }
}

/// The media type of a layer without its compression.
fn uncompressed(kind: &str) -> String {
    let kind = kind.strip_suffix("+gzip").or_else(|| kind.strip_suffix("+zstd")).unwrap_or(kind);
    kind.strip_suffix(".gzip").or_else(|| kind.strip_suffix(".zstd")).unwrap_or(kind).to_owned()
}
