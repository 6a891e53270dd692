//! Images that are no file: in folders with the OCI layout, in registries, and in engines.

mod engines;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::environment::TestEnvironment;
use crate::server::{Answer, Server};
use regrow_demo::{GO, gzip, version_layers};

const MAKE: &str = "make --avg-size 1KiB --pack-size 256KiB";
const TIME: u64 = 1_700_000_000;
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A blob with its media type.
struct Blob {
    kind: &'static str,
    bytes: Vec<u8>,
}

impl Blob {
    fn json(kind: &'static str, value: &Value) -> Self {
        Self { kind, bytes: value.to_string().into_bytes() }
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.kind, "digest": digest(&self.bytes), "size": self.bytes.len()})
    }
}

/// The blobs of an image: its layers, its configuration, and its manifest.
fn image(architecture: &str, layers: &[Vec<u8>]) -> Vec<Blob> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
    let config =
        json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = Blob::json(CONFIG, &config);
    let mut blobs: Vec<Blob> = layers.iter().map(|layer| Blob { kind: GZIP_LAYER, bytes: gzip(layer, GO) }).collect();
    let layers: Vec<_> = blobs.iter().map(Blob::descriptor).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config.descriptor(), "layers": layers});
    blobs.extend([config, Blob::json(MANIFEST, &manifest)]);
    blobs
}

/// The images of a release for two platforms, and the index of both. The last blob is the index.
fn release(number: usize) -> Vec<Blob> {
    let layers: Vec<Vec<u8>> = version_layers()[number].iter().map(|layer| layer.tar(TIME)).collect();
    let (mut blobs, mut manifests) = (Vec::new(), Vec::new());
    for (architecture, layers) in [("amd64", &layers[..]), ("arm64", &layers[..1])] {
        let image = image(architecture, layers);
        let mut manifest = image[image.len() - 1].descriptor();
        manifest["platform"] = json!({"os": "linux", "architecture": architecture});
        manifests.push(manifest);
        blobs.extend(image);
    }
    blobs.push(Blob::json(INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})));
    blobs
}

/// Writes a layout with these blobs, the last of which has a tag.
fn lay_out(env: &TestEnvironment, folder: &str, blobs: &[Blob], tag: &str) {
    env.write(&format!("{folder}/oci-layout"), b"{\"imageLayoutVersion\":\"1.0.0\"}");
    for blob in blobs {
        env.write(&format!("{folder}/blobs/{}", digest(&blob.bytes).replace(':', "/")), &blob.bytes);
    }
    let mut root = blobs[blobs.len() - 1].descriptor();
    root["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    env.write(&format!("{folder}/index.json"), json!({"schemaVersion": 2, "manifests": [root]}).to_string().as_bytes());
}

/// Writes what a registry answers, as files of a static host.
fn push(env: &TestEnvironment, repository: &str, blobs: &[Blob], tag: &str) {
    for blob in blobs {
        let folder = if matches!(blob.kind, MANIFEST | INDEX) { "manifests" } else { "blobs" };
        env.write(&format!("www/v2/{repository}/{folder}/{}", digest(&blob.bytes)), &blob.bytes);
    }
    env.write(&format!("www/v2/{repository}/manifests/{tag}"), &blobs[blobs.len() - 1].bytes);
}

fn registry(env: &TestEnvironment) -> (Server, String) {
    let server = Server::new(&env.path("www"));
    let url = server.url("team/app").replace("http://", "oci://");
    (server, url)
}

/// Makes an image of a source, and returns the report and the archive.
fn archive_of(env: &TestEnvironment, arguments: &str) -> (Value, Vec<u8>) {
    let report = env.json(&format!("{MAKE} image.rgx {arguments}"));
    env.run("extract image.rgx out").success();
    let archive = env.read("out");
    env.remove("out");
    (report, archive)
}

fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap();
    entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
}

#[test]
fn an_image_has_the_same_archive_wherever_it_is() {
    let env = TestEnvironment::new();
    let blobs = release(0);
    lay_out(&env, "layout", &blobs, "1");
    push(&env, "team/app", &blobs, "1");
    let (server, url) = registry(&env);
    let manifest = digest(&blobs[3].bytes);
    let (report, archive) = archive_of(&env, "--platform linux/amd64 oci:layout:1");
    assert_eq!(report["source_digest"], manifest);
    assert_eq!(report["coded"], 2, "layers are seen through: {report}");
    for source in
        [format!("--platform linux/amd64 {url}:1"), format!("{url}@{manifest}"), format!("oci:layout@{manifest}")]
    {
        let (report, other) = archive_of(&env, &source);
        assert!(other == archive, "{source}");
        assert_eq!((&report["source_digest"], &report["chunks_new"]), (&json!(manifest), &json!(0)), "{source}");
    }
    let (report, all) = archive_of(&env, "--all oci:layout");
    let (_, other) = archive_of(&env, &format!("--all {url}:1"));
    assert!(all == other && names(&all).len() == 2 + 5 + 2);
    assert_eq!(report["source_digest"], digest(&blobs[blobs.len() - 1].bytes));
    drop(server);
}

#[test]
fn names_are_given_to_archives() {
    let env = TestEnvironment::new();
    lay_out(&env, "layout", &image("amd64", &[b"layer".to_vec()]), "1");
    let (_, archive) = archive_of(&env, "--tag host:5000/app:2 oci:layout");
    let text = String::from_utf8_lossy(&archive);
    assert!(text.contains(r#""RepoTags":["host:5000/app:2"]"#));
    assert!(text.contains(r#""io.containerd.image.name":"host:5000/app:2","org.opencontainers.image.ref.name":"2""#));
    assert_eq!(env.run("make image.rgx oci:layout --tag App").code, Some(2));
}

#[test]
fn patches_lead_from_one_image_of_a_registry_to_the_next() {
    let env = TestEnvironment::new();
    for (number, tag) in ["1", "2"].into_iter().enumerate() {
        push(&env, "team/app", &release(number), tag);
    }
    let (_server, url) = registry(&env);
    let make = format!("{MAKE} --platform linux/amd64 --patch-level 3");
    env.json(&format!("{make} app-1.rgx {url}:1"));
    let report = env.json(&format!("{make} --patch-from app-1.rgx app-2.rgx {url}:2"));
    assert_eq!(report["patches"][0]["announced"], true, "{report}");
    // A static host gives machines what the registry gave the maker.
    let site = Server::new(env.root());
    env.run("extract app-1.rgx old").success();
    let report = env.json(&format!("extract --head-first --seed old {} new", site.url("app-2.rgx")));
    assert_eq!((&report["requests"], &report["chunks_store"]), (&json!(2), &json!(0)), "{report}");
}

#[test]
fn an_image_that_was_never_published_is_the_base_of_a_patch() {
    let env = TestEnvironment::new();
    for (number, tag) in ["1", "2"].into_iter().enumerate() {
        push(&env, "team/app", &release(number), tag);
        lay_out(&env, &format!("layout-{tag}"), &release(number), tag);
    }
    let (_server, url) = registry(&env);
    let make = format!("{MAKE} --platform linux/amd64 --patch-level 3");
    let report = env.json(&format!("{make} --patch-from {url}:1 app-2.rgx {url}:2"));
    assert_eq!(report["patches"][0]["announced"], true, "{report}");
    let patch = report["patches"][0]["patch"].clone();
    // By the index of the old image, whose file is an image too, it is the same patch.
    env.json(&format!("{make} app-1.rgx oci:layout-1"));
    let report = env.json(&format!("{make} --patch-from app-1.rgx --old oci:layout-1 app-3.rgx oci:layout-2"));
    assert_eq!(report["patches"][0]["patch"], patch, "{report}");
    // The old image is nowhere but in front of the patch.
    let site = Server::new(env.root());
    let (_, old) = archive_of(&env, "--platform linux/amd64 oci:layout-1");
    env.write("old", &old);
    let report = env.json(&format!("extract --head-first --seed old {} new", site.url("app-2.rgx")));
    assert_eq!((&report["requests"], &report["chunks_store"]), (&json!(2), &json!(0)), "{report}");
    assert!(env.files("scratch").is_empty(), "{:?}", env.files("scratch"));
    // The first release has no predecessor.
    let outcome = env.run(&format!("{make} --patch-from {url}:none app-2.rgx {url}:2")).success();
    assert!(outcome.stderr.contains("no patch is made from its image"), "{}", outcome.stderr);
}

#[test]
fn images_without_an_index_are_compared() {
    let env = TestEnvironment::new();
    for (number, tag) in ["1", "2"].into_iter().enumerate() {
        lay_out(&env, &format!("layout-{tag}"), &release(number), tag);
    }
    let report = env.json("diff --platform linux/amd64 oci:layout-1 oci:layout-2");
    assert!(report["bytes"].as_u64().unwrap() > 1000, "{report}");
    assert!(report["paths"][0]["path"].as_str().unwrap().starts_with("blobs/sha256/"), "{report}");
    env.json(&format!("{MAKE} --platform linux/amd64 app-2.rgx oci:layout-2"));
    let report = env.json("diff --platform linux/amd64 --patch oci:layout-1 app-2.rgx --new oci:layout-2");
    assert!(report["bytes_patch_made"].as_u64().is_some(), "{report}");
    env.json(&format!("{MAKE} --platform linux/amd64 app-1.rgx oci:layout-1"));
    let report = env.json("patch --platform linux/amd64 --patch-level 3 oci:layout-1 app-2.rgx");
    assert_eq!(report["announced"], true, "{report}");
    assert!(env.files("scratch").is_empty(), "{:?}", env.files("scratch"));
}

#[test]
fn an_image_that_is_not_what_it_says_is_not_published() {
    let env = TestEnvironment::new();
    let blobs = release(0);
    push(&env, "team/app", &blobs, "1");
    let layer = format!("www/v2/team/app/blobs/{}", digest(&blobs[0].bytes));
    let (_server, url) = registry(&env);
    let make = format!("{MAKE} --tries 1 --platform linux/amd64 app.rgx");
    env.write(&layer, &vec![0; blobs[0].bytes.len()]);
    env.run(&format!("{make} {url}:1")).failure(3, "its bytes are not what its digest says");
    env.write(&layer, b"short");
    env.run(&format!("{make} {url}:1")).failure(3, "not ");
    env.remove(&layer);
    env.run(&format!("{make} {url}:1")).failure(4, "nothing was published");
    env.run(&format!("{make} {url}:none")).failure(4, "none");
    env.run(&format!("{make} --patch-from x.rgx {url}:1")).failure(4, "not found");
    assert!(!env.exists("app.rgx"));
}

#[test]
fn a_blob_that_breaks_off_is_continued() {
    let env = TestEnvironment::new();
    let blobs = release(0);
    push(&env, "team/app", &blobs, "1");
    let layer = format!("/v2/team/app/blobs/{}", digest(&blobs[0].bytes));
    let server = Server::with(&env.path("www"), move |request| {
        let is_first = request.range.is_none() && request.path.contains(&layer);
        if is_first { Answer::ResetInBody } else { Answer::Serve }
    });
    let url = server.url("team/app:1").replace("http://", "oci://");
    let (_, archive) = archive_of(&env, &format!("--platform linux/amd64 {url}"));
    lay_out(&env, "layout", &blobs, "1");
    assert!(archive == archive_of(&env, "--platform linux/amd64 oci:layout").1);
}

#[test]
fn sources_are_told_from_files_and_from_places() {
    let env = TestEnvironment::new();
    lay_out(&env, "layout", &release(0), "1");
    env.write("oci:x", b"a file of such a name");
    env.run("make app.rgx oci:x").failure(1, "x/index.json");
    env.run("make app.rgx ./oci:x").success();
    env.run("make app.rgx --platform linux/arm64 ./oci:x").failure(2, "--platform, --all and --tag");
    env.run("make app.rgx --platform linux/s390x oci:layout").failure(2, "there is no image for linux/s390x");
    env.run("make app.rgx oci:layout:2").failure(4, "there is no such image; there are: 1");
    env.run("make app.rgx oci://host").failure(4, "oci://host/repository:tag");
}
