//! Archives of images in folders with the OCI layout, which the tests write themselves.

use std::ffi::OsString;
use std::path::Path;

use regrow_store::BlobDigest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::{HttpOptions, RetryPolicy};

/// The archive of the image that [`Layout::golden`] has, and the same with two names.
const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/oci-archive-1.tar");
const GOLDEN_NAMED: &[u8] = include_bytes!("../../../tests/golden/oci-archive-1-named.tar");

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A folder with the OCI layout.
struct Layout(TempDir);

impl Layout {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Adds a blob, and returns its descriptor.
    fn add(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = BlobDigest::of(bytes);
        std::fs::write(self.path().join("blobs/sha256").join(digest::hex(&digest)), bytes).unwrap();
        json!({"mediaType": kind, "digest": digest.to_string(), "size": bytes.len()})
    }

    fn add_json(&self, kind: &str, value: &Value) -> Value {
        self.add(kind, value.to_string().as_bytes())
    }

    /// Adds an image for a processor, and returns its manifest's descriptor.
    fn add_image(&self, architecture: &str, layers: &[&[u8]]) -> Value {
        let diff_ids: Vec<_> = layers.iter().map(|layer| BlobDigest::of(layer).to_string()).collect();
        let config = json!({"architecture": architecture, "os": "linux", "rootfs": {"diff_ids": diff_ids}});
        let config = self.add_json(CONFIG, &config);
        let layers: Vec<_> = layers.iter().map(|layer| self.add(LAYER, layer)).collect();
        self.add_json(MANIFEST, &json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}))
    }

    /// Lists images in `index.json`.
    fn list(&self, manifests: &[Value]) {
        std::fs::write(self.path().join("index.json"), json!({"manifests": manifests}).to_string()).unwrap();
    }

    fn golden() -> Self {
        let layout = Self::new();
        // One layer comes twice.
        let image = layout.add_image("amd64", &[b"one", &[7; 600], b"one"]);
        layout.list(&[image]);
        layout
    }

    /// An index of images for two platforms that share a layer, with an attestation.
    fn with_platforms() -> (Self, Value) {
        let layout = Self::new();
        let mut manifests = Vec::new();
        for (architecture, layer) in [("amd64", b"1"), ("arm64", b"2")] {
            let mut image = layout.add_image(architecture, &[b"shared", layer]);
            image["platform"] = json!({"os": "linux", "architecture": architecture});
            manifests.push(image);
        }
        let config = layout.add("application/vnd.oci.empty.v1+json", b"{}");
        let attestation = json!({"schemaVersion": 2, "config": config, "layers": []});
        let mut attestation = layout.add_json(MANIFEST, &attestation);
        attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
        manifests.push(attestation);
        let index = layout.add_json(INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}));
        layout.list(std::slice::from_ref(&index));
        (layout, index)
    }

    fn open(&self, which: &str, options: &SourceOptions) -> Result<SourceImage, SyncError> {
        let mut text = OsString::from("oci:");
        text.push(self.path());
        text.push(which);
        let mut network = Network::new(HttpOptions::default(), RetryPolicy::default(), self.path())?;
        ImageSource::parse(&text)?.open(options, &mut network)
    }

    fn archive(&self, which: &str, options: &SourceOptions) -> Vec<u8> {
        let mut image = self.open(which, options).unwrap_or_else(|error| panic!("{error}"));
        let mut bytes = Vec::new();
        image.read_to_end(&mut bytes).unwrap();
        assert_eq!(image.size(), bytes.len() as u64);
        bytes
    }

    fn refusal(&self, which: &str, options: &SourceOptions) -> String {
        match self.open(which, options) {
            Ok(mut image) => image.read_to_end(&mut Vec::new()).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }
}

fn amd64() -> SourceOptions {
    SourceOptions { platform: Some("linux/amd64".parse().unwrap()), ..SourceOptions::default() }
}

fn all() -> SourceOptions {
    SourceOptions { all: true, ..SourceOptions::default() }
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap();
    entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

fn hex(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", digest::hex(&BlobDigest::of(bytes)))
}

#[test]
fn the_form_stays_as_it_is() {
    let layout = Layout::golden();
    assert!(layout.archive("", &SourceOptions::default()) == GOLDEN);
    let names = ["app:2", "registry:5000/team/app"].map(|name| name.parse().unwrap()).to_vec();
    assert!(layout.archive("", &SourceOptions { names, ..amd64() }) == GOLDEN_NAMED);
}

#[test]
#[ignore = "writes the golden archives: a new form needs a new number"]
fn write_golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let layout = Layout::golden();
    std::fs::write(folder.join("oci-archive-1.tar"), layout.archive("", &SourceOptions::default())).unwrap();
    let names = ["app:2", "registry:5000/team/app"].map(|name| name.parse().unwrap()).to_vec();
    let named = layout.archive("", &SourceOptions { names, ..SourceOptions::default() });
    std::fs::write(folder.join("oci-archive-1-named.tar"), named).unwrap();
}

#[test]
fn entries_come_in_the_order_of_the_form() {
    let layout = Layout::golden();
    let archive = layout.archive("", &SourceOptions::default());
    let found = names(&archive);
    assert_eq!(found[..3], ["oci-layout", "index.json", "manifest.json"]);
    assert_eq!(found[5..], [hex(b"one"), hex(&[7; 600])]);
    let mut read = tar::Archive::new(&archive[..]);
    for entry in read.entries().unwrap() {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0, 0, 0));
        assert_eq!(header.mode().unwrap(), 0o644);
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        let name = entry.path().unwrap().display().to_string();
        assert!(!name.starts_with("blobs/") || name == hex(&data));
        if name == "manifest.json" {
            let image: Value = serde_json::from_slice(&data).unwrap();
            assert_eq!((&image[0]["Config"], &image[0]["RepoTags"]), (&json!(found[4]), &Value::Null));
            assert_eq!(image[0]["Layers"], json!([hex(b"one"), hex(&[7; 600]), hex(b"one")]));
        }
    }
}

#[test]
fn an_image_has_one_archive_however_it_is_reached() {
    let (layout, index) = Layout::with_platforms();
    let chosen = layout.open("", &amd64()).unwrap().digest();
    assert_ne!(chosen, index["digest"].as_str().unwrap());
    let archive = layout.archive("", &amd64());
    assert!(layout.archive(&format!("@{chosen}"), &SourceOptions::default()) == archive);
    assert_eq!(names(&archive).len(), 7, "without the index, and without the other image");
    let mut listed = layout.add_image("amd64", &[b"shared", b"1"]);
    listed["annotations"] = json!({"org.opencontainers.image.ref.name": "two"});
    layout.list(&[index, listed.clone()]);
    assert!(layout.archive(":two", &SourceOptions::default()) == archive);
    listed["annotations"] = json!({"io.containerd.image.name": "docker.io/library/app:two"});
    layout.list(&[listed]);
    for name in [":two", ":docker.io/library/app:two", ""] {
        assert!(layout.archive(name, &amd64()) == archive);
    }
}

#[test]
fn all_platforms_come_with_their_index() {
    let (layout, index) = Layout::with_platforms();
    let image = layout.open("", &all()).unwrap();
    assert_eq!(image.digest(), index["digest"].as_str().unwrap());
    let found = names(&layout.archive("", &all()));
    assert_eq!(found[..2], ["oci-layout", "index.json"]);
    assert!(!found.contains(&"manifest.json".to_owned()));
    // The index, three manifests with their configurations, the shared layer, and one of each image.
    assert_eq!(found.len(), 2 + 7 + 3);
    assert_eq!(found[9..], [hex(b"shared"), hex(b"1"), hex(b"2")]);
}

#[test]
fn other_platforms_are_refused() {
    let (layout, _) = Layout::with_platforms();
    let options = SourceOptions { platform: Some("linux/arm/v7".parse().unwrap()), ..SourceOptions::default() };
    let refusal = layout.refusal("", &options);
    assert!(refusal.ends_with("there is no image for linux/arm/v7; there are: linux/amd64, linux/arm64"), "{refusal}");
    // A single image says itself what it is for.
    let refusal = Layout::golden().refusal("", &options);
    assert!(refusal.ends_with("there is no image for linux/arm/v7; there are: linux/amd64"), "{refusal}");
}

#[test]
fn blobs_are_checked_while_they_are_read() {
    let (one, long) = (hex(b"one"), hex(&[7; 600]));
    for (blob, bytes, about) in [
        (&one, &b"on"[..], "has not the 3 bytes"),
        (&one, b"ones", "has not the 3 bytes"),
        (&long, &[8; 600], "another SHA-256"),
    ] {
        let layout = Layout::golden();
        std::fs::write(layout.path().join(blob), bytes).unwrap();
        let refusal = layout.refusal("", &SourceOptions::default());
        assert!(refusal.contains(about), "{refusal}");
    }
    let layout = Layout::golden();
    std::fs::remove_file(layout.path().join(&one)).unwrap();
    let refusal = layout.refusal("", &SourceOptions::default());
    assert!(refusal.contains("No such file"), "{refusal}");
}

#[test]
fn hostile_documents_are_refused() {
    let config = |layout: &Layout| layout.add(CONFIG, b"{}");
    type Make = fn(&Layout, Value) -> Value;
    let cases: [(Make, &str); 9] = [
        (|_, config| json!({"schemaVersion": 1, "mediaType": MANIFEST, "config": config}), "schemaVersion is 1"),
        (|_, config| json!({"schemaVersion": 2, "mediaType": INDEX, "config": config}), "another media type"),
        (|_, config| json!({"schemaVersion": 2, "config": config, "manifests": []}), "a manifest and an index at once"),
        (|_, _| json!({"schemaVersion": 2}), "it has no config"),
        (|_, _| json!([]), "is damaged"),
        (
            |layout, config| {
                let layers = vec![layout.add(LAYER, b"x"); 1025];
                json!({"schemaVersion": 2, "config": config, "layers": layers})
            },
            "more than 1024 layers",
        ),
        (
            |layout, config| {
                let kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
                json!({"schemaVersion": 2, "config": config, "layers": [layout.add(kind, b"x")]})
            },
            "may not be distributed",
        ),
        (
            |_, config| {
                let layer = json!({"mediaType": LAYER, "digest": format!("sha512:{}", "0".repeat(128)), "size": 1});
                json!({"schemaVersion": 2, "config": config, "layers": [layer]})
            },
            "only digests of the form sha256:HEX",
        ),
        (
            |_, config| {
                let layer = |size| json!({"mediaType": LAYER, "digest": config["digest"], "size": size});
                json!({"schemaVersion": 2, "config": config, "layers": [layer(-1)]})
            },
            "a size is negative",
        ),
    ];
    for (make, about) in cases {
        let layout = Layout::new();
        let config = config(&layout);
        let manifest = layout.add_json(MANIFEST, &make(&layout, config));
        layout.list(&[manifest]);
        let refusal = layout.refusal("", &SourceOptions::default());
        assert!(refusal.contains(about), "{refusal}");
    }
    let layout = Layout::new();
    let kind = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    layout.list(&[layout.add(kind, b"{}")]);
    assert!(layout.refusal("", &SourceOptions::default()).contains("neither a manifest nor an index"));
    layout.list(&[layout.add(MANIFEST, &vec![b' '; (4 << 20) + 1])]);
    assert!(layout.refusal("", &SourceOptions::default()).contains("more than 4194304 bytes"));
}

#[test]
fn indexes_are_followed_to_a_bounded_depth() {
    let layout = Layout::new();
    let mut named = layout.add_image("amd64", &[b"x"]);
    for depth in 0..6 {
        layout.list(std::slice::from_ref(&named));
        for options in [all(), amd64()] {
            let (opened, is_refused) = (layout.open("", &options), depth > 4);
            assert_eq!(opened.is_err(), is_refused, "{depth}");
        }
        named = layout.add_json(INDEX, &json!({"schemaVersion": 2, "manifests": [named]}));
    }
}

#[test]
fn images_in_a_layout_are_named() {
    let layout = Layout::golden();
    assert!(layout.refusal(":none", &SourceOptions::default()).contains("there is no such image; there are: sha256:"));
    let absent = format!("@{}", BlobDigest::of(b"absent"));
    assert!(layout.refusal(&absent, &SourceOptions::default()).contains("there is no such image"));
    let two = [layout.add_image("amd64", &[b"1"]), layout.add_image("amd64", &[b"2"])];
    layout.list(&two);
    assert!(layout.refusal("", &SourceOptions::default()).contains("there are several images"));
    layout.list(&[]);
    assert!(layout.refusal("", &SourceOptions::default()).contains("there is no such image"));
    // A folder may have colons in its name.
    let inner = layout.path().join("a:b");
    let golden = Layout::golden();
    std::fs::create_dir(&inner).unwrap();
    for name in ["blobs", "index.json"] {
        std::os::unix::fs::symlink(golden.path().join(name), inner.join(name)).unwrap();
    }
    assert!(layout.archive("/a:b", &SourceOptions::default()) == GOLDEN);
    std::fs::remove_file(layout.path().join("index.json")).unwrap();
    assert!(layout.refusal("", &SourceOptions::default()).contains("index.json: No such file"));
}
