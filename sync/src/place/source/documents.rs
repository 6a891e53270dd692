//! The documents of an image: indexes, manifests, and the blobs that they name. docs/format/oci-archive.md, section 2.

use std::collections::{BTreeMap, BTreeSet};

use regrow_store::BlobDigest;
use serde::Deserialize;

use super::platform::Platform;
use super::{Blobs, digest, read_small};
use crate::SourceError;

/// The media types of indexes.
pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The media types of manifests.
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The media types of configurations of images that an engine runs.
pub(super) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// The beginning of the types of regrow's own artifacts.
const OWN_KIND: &str = "application/vnd.regrow.";

/// The largest document in bytes. Registries take no larger ones.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;
/// The most layers of a manifest, and the most manifests of an index.
const MAX_NAMED: usize = 1024;
/// The most documents of an archive.
const MAX_DOCUMENTS: usize = 4096;
/// The most indexes that lie in one another.
const MAX_DEPTH: usize = 4;

/// A blob as a document names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// The media type. It is empty where the document alone says what it is.
    pub(super) kind: String,
    pub(super) digest: BlobDigest,
    pub(super) bytes: u64,
}

/// A document with its bytes.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) descriptor: Descriptor,
    pub(super) bytes: Vec<u8>,
}

/// A descriptor as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenDescriptor {
    #[serde(default)]
    media_type: String,
    pub(super) digest: String,
    size: i64,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
    #[serde(default)]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

impl WrittenDescriptor {
    /// The descriptor, with a digest and a size that can be.
    pub(super) fn read(&self, within: &str) -> Result<Descriptor, SourceError> {
        let bytes = u64::try_from(self.size).map_err(|_| malformed(within, "a size is negative"))?;
        Ok(Descriptor { kind: self.media_type.clone(), digest: digest::parse(&self.digest)?, bytes })
    }
}

/// A manifest or an index as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenDocument {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    pub(super) manifests: Option<Vec<WrittenDescriptor>>,
    #[serde(default)]
    config: Option<WrittenDescriptor>,
    #[serde(default)]
    layers: Option<Vec<WrittenDescriptor>>,
}

/// The platform in a configuration.
type WrittenConfig = Platform;

/// A manifest or an index, read and checked.
pub(super) enum Parsed {
    Index(Vec<WrittenDescriptor>),
    Manifest { config: Descriptor, layers: Vec<Descriptor> },
}

pub(super) fn malformed(document: impl ToString, reason: impl ToString) -> SourceError {
    SourceError::Malformed { document: document.to_string(), reason: reason.to_string() }
}

impl Document {
    /// Reads a document of a place, and checks its digest. If the media type of `descriptor` is empty, the document's
    /// own takes its place.
    pub(super) fn read(blobs: &dyn Blobs, descriptor: &Descriptor) -> Result<Self, SourceError> {
        let mut document = Self { descriptor: descriptor.clone(), bytes: blobs.document(descriptor)? };
        if document.descriptor.kind.is_empty() {
            document.descriptor.kind = document.written()?.kind().to_owned();
        }
        Ok(document)
    }

    fn written(&self) -> Result<WrittenDocument, SourceError> {
        serde_json::from_slice(&self.bytes).map_err(|error| malformed(self.descriptor.digest, error))
    }

    /// Reads what the document says.
    pub(super) fn parse(&self) -> Result<Parsed, SourceError> {
        let (name, kind) = (self.descriptor.digest.to_string(), self.descriptor.kind.as_str());
        let is_index = match kind {
            OCI_INDEX | DOCKER_INDEX => true,
            OCI_MANIFEST | DOCKER_MANIFEST => false,
            _ => return Err(SourceError::Kind { document: name, kind: kind.to_owned() }),
        };
        let written = self.written()?;
        if written.schema_version != 2 {
            return Err(malformed(name, format_args!("schemaVersion is {}, not 2", written.schema_version)));
        }
        if written.media_type.as_deref().is_some_and(|stated| !stated.is_empty() && stated != kind) {
            return Err(malformed(name, "it has another media type than its descriptor says"));
        }
        if written.manifests.is_some() && (written.layers.is_some() || written.config.is_some()) {
            return Err(malformed(name, "it is a manifest and an index at once"));
        }
        let bounded = |number: usize, what| match number > MAX_NAMED {
            true => Err(SourceError::TooMuch { document: name.clone(), most: MAX_NAMED as u64, what }),
            false => Ok(()),
        };
        if is_index {
            let manifests = written.manifests.unwrap_or_default();
            bounded(manifests.len(), "manifests")?;
            return Ok(Parsed::Index(manifests));
        }
        let config = written.config.ok_or_else(|| malformed(&name, "it has no config"))?.read(&name)?;
        let layers = written.layers.unwrap_or_default();
        bounded(layers.len(), "layers")?;
        let layers = layers.iter().map(|layer| layer.read(&name)).collect::<Result<Vec<_>, _>>()?;
        for layer in &layers {
            if layer.kind.contains("nondistributable") || layer.kind.contains(".foreign.") {
                return Err(SourceError::Foreign { layer: layer.digest.to_string(), kind: layer.kind.clone() });
            }
        }
        Ok(Parsed::Manifest { config, layers })
    }
}

impl WrittenDocument {
    /// The media type that the document states or, if it states none, the OCI's that its fields tell.
    fn kind(&self) -> &str {
        match &self.media_type {
            Some(stated) if !stated.is_empty() => stated,
            _ if self.manifests.is_some() => OCI_INDEX,
            _ if self.config.is_some() => OCI_MANIFEST,
            _ => "",
        }
    }
}

/// The manifests that an archive takes of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All that an index names.
    All,
    /// The one for a platform. `is_stated` says that the user named it, so that a single manifest must be for it too.
    One { platform: Platform, is_stated: bool },
}

/// All documents of an archive, and the blobs that they name.
pub(super) struct Documents {
    /// The first one is the root. Configurations of images are documents too.
    pub(super) documents: Vec<Document>,
    /// All other blobs, in the order in which they are named.
    pub(super) blobs: Vec<Descriptor>,
    /// The configuration and the layers of the root, if it is a manifest.
    pub(super) image: Option<(Descriptor, Vec<Descriptor>)>,
}

impl Documents {
    /// Reads all documents of the image that `root` names.
    pub(super) fn read(blobs: &dyn Blobs, root: Document, wanted: &Wanted) -> Result<Self, SourceError> {
        let root = choose(blobs, root, wanted, 0)?;
        if root.written()?.artifact_type.is_some_and(|kind| kind.starts_with(OWN_KIND)) {
            return Err(SourceError::Published);
        }
        let mut read = Reading { blobs, documents: Vec::new(), other: Vec::new(), known: BTreeSet::new() };
        let image = read.add(root, 0)?;
        if let (Some((config, _)), Wanted::One { platform, is_stated: true }) = (&image, wanted) {
            read.check_platform(config, platform)?;
        }
        let documents = read.documents;
        let is_other = |blob: &Descriptor| documents.iter().all(|document| document.descriptor.digest != blob.digest);
        let blobs = read.other.into_iter().filter(is_other).collect();
        Ok(Self { documents, blobs, image })
    }
}

/// The document that an image is for a platform: the document itself, or one that an index leads to.
fn choose(blobs: &dyn Blobs, root: Document, wanted: &Wanted, depth: usize) -> Result<Document, SourceError> {
    let Wanted::One { platform, .. } = wanted else { return Ok(root) };
    let Parsed::Index(manifests) = root.parse()? else { return Ok(root) };
    let name = root.descriptor.digest.to_string();
    if depth >= MAX_DEPTH {
        return Err(SourceError::TooMuch { document: name, most: MAX_DEPTH as u64, what: "indexes in one another" });
    }
    let chosen = for_platform(&manifests.iter().collect::<Vec<_>>(), platform)?.read(&name)?;
    choose(blobs, Document::read(blobs, &chosen)?, wanted, depth + 1)
}

/// The descriptor that suits a platform best. If there is only one, which states no platform, it is that one.
pub(super) fn for_platform<'d>(
    manifests: &[&'d WrittenDescriptor],
    platform: &Platform,
) -> Result<&'d WrittenDescriptor, SourceError> {
    let distance = |manifest: &WrittenDescriptor| platform.distance_to(manifest.platform.as_ref()?);
    let suiting = manifests.iter().filter_map(|manifest| Some((distance(manifest)?, *manifest)));
    match (suiting.min_by_key(|(distance, _)| *distance), manifests) {
        (Some((_, best)), _) => Ok(best),
        (None, [only]) if only.platform.is_none() => Ok(*only),
        _ => {
            let there = manifests.iter().filter_map(|manifest| manifest.platform.as_ref().map(ToString::to_string));
            // Builders keep their attestations as manifests for a platform of this name.
            let there = there.filter(|platform| platform != "unknown/unknown").take(50).collect();
            Err(SourceError::Platform { wanted: platform.to_string(), there })
        }
    }
}

/// Documents that are being read.
struct Reading<'b> {
    blobs: &'b dyn Blobs,
    documents: Vec<Document>,
    other: Vec<Descriptor>,
    known: BTreeSet<BlobDigest>,
}

impl Reading<'_> {
    /// Adds a document with everything that it names. Returns the configuration and the layers of a manifest.
    fn add(&mut self, document: Document, depth: usize) -> Result<Option<(Descriptor, Vec<Descriptor>)>, SourceError> {
        let (name, parsed) = (document.descriptor.digest, document.parse()?);
        if !self.known.insert(name) {
            return Ok(None);
        }
        self.push(document)?;
        match parsed {
            Parsed::Index(manifests) => {
                if depth >= MAX_DEPTH {
                    let (most, what) = (MAX_DEPTH as u64, "indexes in one another");
                    return Err(SourceError::TooMuch { document: name.to_string(), most, what });
                }
                for manifest in &manifests {
                    let manifest = manifest.read(&name.to_string())?;
                    if !self.known.contains(&manifest.digest) {
                        let document = Document::read(self.blobs, &manifest)?;
                        self.add(document, depth + 1)?;
                    }
                }
                Ok(None)
            }
            Parsed::Manifest { config, layers } => {
                if self.known.insert(config.digest) {
                    let bytes = read_small(self.blobs, &config, MAX_DOCUMENT_BYTES)?;
                    self.push(Document { descriptor: config.clone(), bytes })?;
                }
                for layer in &layers {
                    if self.known.insert(layer.digest) {
                        self.other.push(layer.clone());
                    }
                }
                Ok(Some((config, layers)))
            }
        }
    }

    fn push(&mut self, document: Document) -> Result<(), SourceError> {
        if self.documents.len() >= MAX_DOCUMENTS {
            let document = document.descriptor.digest.to_string();
            return Err(SourceError::TooMuch { document, most: MAX_DOCUMENTS as u64, what: "documents" });
        }
        self.documents.push(document);
        Ok(())
    }

    /// Refuses an image whose configuration says that it is for another platform than the one that the user named.
    fn check_platform(&self, config: &Descriptor, wanted: &Platform) -> Result<(), SourceError> {
        let config = self.documents.iter().find(|document| document.descriptor.digest == config.digest);
        let Some(config) = config.filter(|config| is_image_config(&config.descriptor)) else { return Ok(()) };
        let stated: WrittenConfig =
            serde_json::from_slice(&config.bytes).map_err(|error| malformed(config.descriptor.digest, error))?;
        if wanted.distance_to(&stated).is_some() {
            return Ok(());
        }
        Err(SourceError::Platform { wanted: wanted.to_string(), there: vec![stated.to_string()] })
    }
}

/// Whether a configuration is that of an image that an engine runs.
pub(super) fn is_image_config(config: &Descriptor) -> bool {
    matches!(config.kind.as_str(), OCI_CONFIG | DOCKER_CONFIG)
}
