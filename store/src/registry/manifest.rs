//! Manifests: the JSON documents that name an image's or artifact's blobs (OCI image specification).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::BlobDigest;

/// The media types of manifests that are asked for: of images and artifacts, and of lists of them.
pub const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A manifest of an image or an artifact, or a list of manifests. Which one it is, its fields tell: only a list has
/// `manifests`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The version of the form, which is 2.
    pub schema_version: u32,
    /// The type of this document.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The type of the artifact, if it is no image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// The configuration of an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Descriptor>,
    /// The layers of an image, or the blobs of an artifact.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Descriptor>,
    /// The manifests of a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Further facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The name of a blob or manifest, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The type of the bytes.
    pub media_type: String,
    /// The SHA-256 of the bytes.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub digest: BlobDigest,
    /// The number of bytes.
    pub size: u64,
    /// The bytes themselves, as base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub data: String,
    /// The type of the artifact, if this is a manifest of one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub artifact_type: String,
    /// The platform that an image in a list is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Further facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Describes a blob of this type.
    #[must_use]
    pub fn new(media_type: &str, digest: BlobDigest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            data: String::new(),
            artifact_type: String::new(),
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// The platform that an image is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The architecture, by the names of Go: `amd64`, `arm64`.
    pub architecture: String,
    /// The operating system, by the names of Go: `linux`.
    pub os: String,
    /// The variant of the architecture, such as `v7`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

fn write_digest<S: Serializer>(digest: &BlobDigest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

fn read_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BlobDigest, D::Error> {
    let text = String::deserialize(deserializer)?;
    BlobDigest::parse(&text).ok_or_else(|| serde::de::Error::custom("a digest that is not sha256: and 64 digits"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read_and_written() {
        let digest = BlobDigest::of(b"{}");
        let text = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{}\",\"manifests\":[{{\"mediaType\":\"{}\",\"digest\":\"{digest}\",\
             \"size\":2,\"platform\":{{\"architecture\":\"arm\",\"os\":\"linux\",\"variant\":\"v7\"}}}}]}}",
            MANIFEST_TYPES[1], MANIFEST_TYPES[0]
        );
        let read: Manifest = serde_json::from_str(&text).unwrap();
        assert_eq!(read.manifests[0].digest, digest);
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        for wrong in ["sha512:00", "sha256:00", ""] {
            assert!(serde_json::from_str::<Manifest>(&text.replace(&digest.to_string(), wrong)).is_err());
        }
    }
}
