//! Images without a manifest that fits their blobs: docs/format/oci-archive.md, section 5. Their manifest is made from
//! the configuration and the plain layers.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use regrow_store::BlobDigest;
use serde::Deserialize;

use super::documents::{Descriptor, Document, MAX_DOCUMENT_BYTES, OCI_CONFIG, OCI_MANIFEST, malformed};
use super::{Blobs, Found, digest, read_small};
use crate::SourceError;

const PLAIN_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A layer of which the plain tar can be read again and again.
pub(super) trait PlainLayer: Send {
    /// The size of the tar in bytes.
    fn bytes(&self) -> u64;
    /// Reads the tar.
    fn open(&self) -> Result<Box<dyn Read + Send>, SourceError>;
}

/// A configuration, as far as it names layers.
#[derive(Deserialize)]
struct WrittenConfig {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// A configuration with its layers.
struct PlainImage {
    config: Vec<u8>,
    manifest: Vec<u8>,
    layers: BTreeMap<BlobDigest, Box<dyn PlainLayer>>,
}

/// Takes an image by its configuration, and by its layers in their order.
pub(super) fn open(config: Vec<u8>, layers: Vec<Box<dyn PlainLayer>>) -> Result<Found, SourceError> {
    let descriptor =
        Descriptor { kind: OCI_CONFIG.to_owned(), digest: BlobDigest::of(&config), bytes: config.len() as u64 };
    let written: WrittenConfig =
        serde_json::from_slice(&config).map_err(|error| malformed(descriptor.digest, error))?;
    let diff_ids = written.rootfs.diff_ids;
    if diff_ids.len() != layers.len() {
        let reason = format!("it names {} layers, and there are {}", diff_ids.len(), layers.len());
        return Err(malformed(descriptor.digest, reason));
    }
    let diff_ids = diff_ids.iter().map(|id| digest::parse(id)).collect::<Result<Vec<_>, _>>()?;
    let descriptors = diff_ids.iter().zip(&layers).map(|(&digest, layer)| Descriptor {
        kind: PLAIN_LAYER.to_owned(),
        digest,
        bytes: layer.bytes(),
    });
    let manifest = manifest(&descriptor, descriptors).into_bytes();
    let root =
        Descriptor { kind: OCI_MANIFEST.to_owned(), digest: BlobDigest::of(&manifest), bytes: manifest.len() as u64 };
    let root = Document { descriptor: root, bytes: manifest.clone() };
    let layers = diff_ids.into_iter().zip(layers).collect();
    Ok(Found { blobs: Box::new(PlainImage { config, manifest, layers }), root })
}

/// The manifest of such an image.
fn manifest(config: &Descriptor, layers: impl Iterator<Item = Descriptor>) -> String {
    let descriptor = |Descriptor { kind, digest, bytes }: &Descriptor| {
        format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":{bytes}}}"#)
    };
    let layers: Vec<String> = layers.map(|layer| descriptor(&layer)).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{},"layers":[{}]}}"#,
        descriptor(config),
        layers.join(",")
    )
}

impl Blobs for PlainImage {
    fn document(&self, document: &Descriptor) -> Result<Vec<u8>, SourceError> {
        read_small(self, document, MAX_DOCUMENT_BYTES)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        if let Some(layer) = self.layers.get(&blob.digest) {
            return layer.open();
        }
        let document = [&self.config, &self.manifest].into_iter().find(|bytes| BlobDigest::of(bytes) == blob.digest);
        match document {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            None => Err(SourceError::Absent { blob: blob.digest.to_string() }),
        }
    }
}
