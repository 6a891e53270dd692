//! An image as engines know it: its configuration, its layers, and its manifest if its maker had one.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::digest::chain_ids;
use crate::{EngineError, Sha256};

pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// The longest name of an image in bytes.
const MAX_NAME_BYTES: usize = 512;
const MAX_TAG_BYTES: usize = 128;

/// An image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The configuration, byte for byte. Its SHA-256 is the image's id.
    pub config: Vec<u8>,
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
    /// The manifest, byte for byte, if the image has one.
    pub manifest: Option<Vec<u8>>,
    /// The names that the image is to get. It may have none.
    pub names: Vec<String>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The digest of the layer's tar.
    pub diff_id: Sha256,
    /// The layer as the manifest names it. An image without a manifest has plain tars.
    pub blob: Blob,
}

/// A blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blob {
    /// The digest.
    pub digest: Sha256,
    /// The number of bytes.
    pub bytes: u64,
}

impl Image {
    /// The image's id.
    #[must_use]
    pub fn id(&self) -> Sha256 {
        Sha256::of(&self.config)
    }

    /// The digest of the maker's manifest, if there is one.
    #[must_use]
    pub fn manifest_digest(&self) -> Option<Sha256> {
        self.manifest.as_deref().map(Sha256::of)
    }

    /// The digests of the layers' tars.
    pub(crate) fn diff_ids(&self) -> Vec<Sha256> {
        self.layers.iter().map(|layer| layer.diff_id).collect()
    }

    /// The names of the layers, each with all layers below it.
    pub(crate) fn chain_ids(&self) -> Vec<Sha256> {
        chain_ids(&self.diff_ids())
    }

    /// Whether each layer's blob is among those that an engine has.
    pub(crate) fn held_among(&self, blobs: &HashSet<Sha256>) -> Vec<bool> {
        self.layers.iter().map(|layer| blobs.contains(&layer.blob.digest)).collect()
    }

    /// The maker's manifest. An image that has none gets the one that the engine would make of the image's archive.
    pub(crate) fn manifest_or(&self, made: MadeManifest) -> Vec<u8> {
        match &self.manifest {
            Some(manifest) => manifest.clone(),
            None => made.of(self).into_bytes(),
        }
    }
}

/// The form in which an engine writes the manifest of an image that came without one. The order of the fields and the
/// type of layers decide the manifest's digest.
#[derive(Debug, Clone, Copy)]
pub(crate) enum MadeManifest {
    /// As Podman writes it, which calls plain layers compressed ones.
    Podman,
    /// As containerd writes it.
    Containerd,
}

impl MadeManifest {
    fn of(self, image: &Image) -> String {
        let layers: Vec<String> =
            image.layers.iter().map(|layer| self.descriptor(self.layer_type(), &layer.blob)).collect();
        let config = Blob { digest: image.id(), bytes: image.config.len() as u64 };
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{},"layers":[{}]}}"#,
            self.descriptor(DOCKER_CONFIG, &config),
            layers.join(",")
        )
    }

    fn layer_type(self) -> &'static str {
        match self {
            Self::Podman => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            Self::Containerd => "application/vnd.docker.image.rootfs.diff.tar",
        }
    }

    fn descriptor(self, media_type: &str, blob: &Blob) -> String {
        let Blob { digest, bytes } = blob;
        match self {
            Self::Podman => format!(r#"{{"mediaType":"{media_type}","size":{bytes},"digest":"{digest}"}}"#),
            Self::Containerd => format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{bytes}}}"#),
        }
    }
}

/// The type of a manifest, as the manifest itself says, or as its configuration's type does.
pub(crate) fn media_type_of(manifest: &[u8]) -> String {
    let manifest: Value = serde_json::from_slice(manifest).unwrap_or_default();
    let stated = manifest["mediaType"].as_str();
    let is_docker = manifest["config"]["mediaType"].as_str() == Some(DOCKER_CONFIG);
    let usual = if is_docker { DOCKER_MANIFEST } else { "application/vnd.oci.image.manifest.v1+json" };
    stated.unwrap_or(usual).to_owned()
}

/// The index of an OCI layout that has these manifests under these names.
pub(crate) fn layout_index(manifests: &[(&[u8], &str)]) -> Vec<u8> {
    let manifests: Vec<Value> = manifests
        .iter()
        .map(|(manifest, name)| {
            json!({
                "mediaType": media_type_of(manifest),
                "digest": Sha256::of(manifest).to_string(),
                "size": manifest.len(),
                "annotations": { "io.containerd.image.name": name, "org.opencontainers.image.ref.name": name },
            })
        })
        .collect();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    index.to_string().into_bytes()
}

/// Checks that a text may be a name of an image. Engines' commands must not take it for a flag, and requests must not
/// take it for a path. An engine may still refuse it.
pub(crate) fn check_name(name: &str) -> Result<(), EngineError> {
    let is_path = |part: &str| !part.is_empty() && part.bytes().any(|byte| byte.is_ascii_alphanumeric());
    let all = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:@[]".contains(&byte));
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'[');
    if all && begins && name.len() <= MAX_NAME_BYTES && name.split('/').all(is_path) {
        return Ok(());
    }
    Err(EngineError::Name { name: name.to_owned() })
}

/// Checks that a text is a name that an image can be given: a repository in lower case, after a host if there is one,
/// and a tag (github.com/distribution/reference). A digest is nothing that can be given.
pub(crate) fn check_given(name: &str) -> Result<(), EngineError> {
    check_name(name)?;
    let is_host = |part: &str| part.contains(['.', ':', '[']) || part == "localhost";
    let path = name.split_once('/').filter(|(host, _)| is_host(host)).map_or(name, |(_, path)| path);
    let (path, tag) = path.split_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
    let is_part = |part: &str| {
        let ends = [part.bytes().next(), part.bytes().last()];
        part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
            && ends.iter().all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
    };
    let is_tag = |tag: &str| {
        (1..=MAX_TAG_BYTES).contains(&tag.len())
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && !tag.starts_with(['.', '-'])
    };
    let is_id = |path: &str| path == "sha256" || path.len() == 64 && path.bytes().all(|byte| byte.is_ascii_hexdigit());
    if path.split('/').all(is_part) && tag.is_none_or(is_tag) && !is_id(path) {
        return Ok(());
    }
    Err(EngineError::Name { name: name.to_owned() })
}

/// The full form of a name, as Docker completes it: with a host, with `library/` where the host is Docker's, and with
/// a tag.
pub(crate) fn full_name(name: &str) -> String {
    let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (host, path),
        _ => ("docker.io", name),
    };
    let library = if host == "docker.io" && !path.contains('/') { "library/" } else { "" };
    let last = path.rsplit('/').next().unwrap_or_default();
    let tag = if last.contains([':', '@']) { "" } else { ":latest" };
    format!("{host}/{library}{path}{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        let layer = |text: &[u8]| {
            let digest = Sha256::of(text);
            Layer { diff_id: digest, blob: Blob { digest, bytes: text.len() as u64 } }
        };
        Image { config: b"{}".to_vec(), layers: vec![layer(b"a"), layer(b"bc")], manifest: None, names: Vec::new() }
    }

    #[test]
    fn names_are_completed_as_docker_does_it() {
        for (name, full) in [
            ("app", "docker.io/library/app:latest"),
            ("app:1", "docker.io/library/app:1"),
            ("corpus/small", "docker.io/corpus/small:latest"),
            ("docker.io/app:1", "docker.io/library/app:1"),
            ("localhost/app:1", "localhost/app:1"),
            ("host:5000/app", "host:5000/app:latest"),
            ("ghcr.io/a/b@sha256:00", "ghcr.io/a/b@sha256:00"),
        ] {
            assert_eq!(full_name(name), full);
        }
    }

    #[test]
    fn what_commands_and_requests_could_misread_is_no_name() {
        for name in ["app", "app:1.2_3-x", "host:5000/a/b@sha256:00", "[::1]:5000/app"] {
            check_name(name).unwrap();
        }
        for name in ["", "-app", "/app", "app/", "a//b", "a/../b", "a b", "a?b", "a%2fb", "a\n", "ä", &"a".repeat(600)]
        {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_that_are_given_are_those_of_repositories() {
        for name in ["app", "app:1.2_3-x", "host:5000/a/b:Tag", "[::1]:5000/app", "localhost/a__b", "a.b-c/d:_1"] {
            check_given(name).unwrap();
        }
        for name in ["Foo:x", "x:", "x:y:z", "x[0]", "x@sha256:00", "sha256:00", "x:-y", "x-/y", &"a".repeat(64)] {
            assert!(check_given(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_made_manifest_is_the_engines_own() {
        let image = image();
        let [podman, containerd] = [MadeManifest::Podman, MadeManifest::Containerd].map(|made| image.manifest_or(made));
        let [podman, containerd] = [podman, containerd].map(|text| String::from_utf8(text).unwrap());
        assert!(podman.contains(r#"tar.gzip","size":1,"digest":"sha256:ca97"#), "{podman}");
        assert!(containerd.contains(r#"diff.tar","digest":"sha256:ca97"#), "{containerd}");
        for text in [&podman, &containerd] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(value["layers"].as_array().unwrap().len(), 2);
            assert_eq!(value["config"]["digest"], image.id().to_string());
            assert_eq!(media_type_of(text.as_bytes()), DOCKER_MANIFEST);
        }
        let made = Image { manifest: Some(b"{ }".to_vec()), ..image };
        assert_eq!(made.manifest_or(MadeManifest::Podman), b"{ }");
    }
}
