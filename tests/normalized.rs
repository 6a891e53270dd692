//! `make --normalize`: layers that no known encoder makes again are stored as plain tars.

use std::io::Write;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::Digest;

use crate::environment::TestEnvironment;
use regrow_demo::{Tree, add_file, end};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&sha2::Sha256::digest(bytes)))
}

fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex(&sha2::Sha512::digest(bytes)))
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// A zstd stream that is flushed again and again, as no encoder does that is known.
fn zstd(plain: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    for piece in plain.chunks(plain.len() / 100 + 1) {
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
    }
    encoder.finish().unwrap()
}

/// An OCI archive of one layer, whose config states `diff_id`. All blobs are named by digests of this kind.
fn archive(layer: &[u8], diff_id: &str, digest: fn(&[u8]) -> String, extra: Value) -> Vec<u8> {
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
    let config = serde_json::to_vec(&config).unwrap();
    let named = |kind: &str, bytes: &[u8]| {
        let kind = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()})
    };
    let mut descriptor = named("layer.v1.tar+zstd", layer);
    descriptor.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let manifest = json!({"schemaVersion": 2, "config": named("config.v1+json", &config), "layers": [descriptor]});
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": [named("manifest.v1+json", &manifest)]});
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        // The names are longer than a header can hold.
        tar.append_data(&mut header, name, bytes).unwrap();
    };
    add("index.json", &serde_json::to_vec(&index).unwrap());
    for bytes in [&manifest, &config, layer] {
        add(&blob(&digest(bytes)), bytes);
    }
    tar.into_inner().unwrap()
}

fn entries(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let (mut entry, mut bytes) = (entry.unwrap(), Vec::new());
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

/// Normalizes an archive. Returns the files that come back, and the layer's descriptor in the archive.
fn normalized(archive: &[u8]) -> (BTreeMap<String, Vec<u8>>, Value) {
    let env = TestEnvironment::new();
    env.write("image", archive);
    env.run("make -q --normalize image.rgx image").success();
    env.run("extract -q image.rgx out").success();
    let found = entries(&env.read("out"));
    let index: Value = serde_json::from_slice(&found["index.json"]).unwrap();
    let manifest = &found[&blob(index["manifests"][0]["digest"].as_str().unwrap())];
    let manifest: Value = serde_json::from_slice(manifest).unwrap();
    let layer = manifest["layers"][0].clone();
    (found, layer)
}

fn layer() -> Vec<u8> {
    Tree::sample("layer", 40).tar(1)
}

#[test]
fn what_belongs_to_the_compressed_form_goes() {
    let plain = layer();
    let extra = json!({"data": "AAAA", "annotations": {
        "io.github.containers.zstd-chunked.manifest-checksum": "sha256:00",
        "io.github.containers.zstd-chunked.manifest-position": "1:2:3:1",
        "containerd.io/snapshot/stargz/toc.digest": "sha256:00",
        "io.containers.estargz.uncompressed-size": "1",
        "org.example.kept": "yes",
    }});
    let (found, layer) = normalized(&archive(&zstd(&plain), &sha256(&plain), sha256, extra));
    assert!(found[&blob(&sha256(&plain))] == plain);
    assert_eq!(layer["digest"], sha256(&plain));
    assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar");
    assert_eq!(layer["annotations"], json!({"org.example.kept": "yes"}));
    assert!(layer.get("data").is_none(), "{layer}");
}

#[test]
fn archives_with_longer_digests_keep_their_kind() {
    let plain = layer();
    let (found, layer) = normalized(&archive(&zstd(&plain), &sha512(&plain), sha512, json!({})));
    assert_eq!(layer["digest"], sha512(&plain));
    for (name, bytes) in found.iter().filter(|(name, _)| name.starts_with("blobs/")) {
        assert_eq!(*name, blob(&sha512(bytes)));
    }
    // The config may use another kind of digest than the manifest.
    let (found, layer) = normalized(&archive(&zstd(&plain), &sha256(&plain), sha512, json!({})));
    assert!(found[&blob(layer["digest"].as_str().unwrap())] == plain);
}

/// skopeo leaves zstd:chunked layers like this.
#[test]
fn zeros_that_were_dropped_come_back() {
    let whole = [layer(), vec![0; 9 * 512]].concat();
    let kept = whole.iter().rposition(|byte| *byte != 0).unwrap() / 512 * 512 + 512;
    for dropped in [&whole[..kept], &whole[..whole.len() - 1024]] {
        let (found, layer) = normalized(&archive(&zstd(dropped), &sha256(&whole), sha256, json!({})));
        assert_eq!(layer["digest"], sha256(&whole));
        assert!(found[&blob(&sha256(&whole))] == whole);
    }
}

#[test]
fn a_layer_that_is_not_what_the_config_says_stays_as_it_is() {
    let (plain, other) = (layer(), Tree::sample("other", 10).tar(1));
    let image = archive(&zstd(&plain), &sha256(&other), sha256, json!({}));
    let env = TestEnvironment::new();
    env.write("image", &image);
    let made = env.run("make --normalize image.rgx image").success();
    assert!(made.stderr.contains("stays compressed: its contents do not match the image's config"));
    env.run("extract image.rgx out").success();
    assert!(env.read("out") == image);
}

#[test]
fn a_zstd_layer_may_begin_with_a_frame_to_skip() {
    let plain = layer();
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], zstd(&plain).as_slice()].concat();
    let (found, _) = normalized(&archive(&skipped, &sha256(&plain), sha256, json!({})));
    assert!(found[&blob(&sha256(&plain))] == plain);
}

#[test]
fn layers_that_stay_compressed_are_told_of() {
    let noise = regrow_demo::noise("compressed", 100_000);
    let large = zstd(&[layer(), noise.clone()].concat());
    let skipped = [0x5f, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
    for (file, kind) in [
        (large.clone(), "zstd"),
        ([&skipped[..], &large].concat(), "zstd"),
        ([&[0xfd, b'7', b'z', b'X', b'Z', 0][..], &noise].concat(), "xz"),
    ] {
        let mut tar = Vec::new();
        add_file(&mut tar, "layer.tar", &file, 1);
        let image = end(tar);
        let env = TestEnvironment::new();
        env.write("image", &image);
        let made = env.run("make image.rgx image").success();
        assert!(made.stderr.contains(&format!("the {kind} file of {} bytes", file.len())), "{kind}: {}", made.stderr);
        env.run("extract --seed image image.rgx out").success();
        assert!(env.read("out") == image);
    }
}

#[test]
fn what_is_no_archive_is_said_in_a_line() {
    let env = TestEnvironment::new();
    let tar = archive(&zstd(&layer()), "sha256:00", sha256, json!({}));
    env.write("image.tar.zst", &zstd(&tar));
    env.write("noise", &regrow_demo::noise("noise", 5_000));
    env.write("short", b"x");
    env.write("cut", &tar[..tar.len() / 2]);
    env.write("image.tar.xz", b"\xfd7zXZ\0\0\x04");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(1));
    std::io::Write::write_all(&mut packed, &tar).unwrap();
    env.write("image.tar.gz", &packed.finish().unwrap());
    for (name, reason) in [
        ("image.tar.gz", "no image archive: it is compressed with gzip; unpack it first, with gunzip"),
        ("image.tar.zst", "no image archive: it is compressed with zstd; unpack it first, with unzstd"),
        ("image.tar.xz", "no image archive: it is compressed with xz; unpack it first, with unxz"),
        ("noise", "no image archive: it is no tar, or ends within an entry"),
        ("short", "no image archive: it is no tar, or ends within an entry"),
    ] {
        env.run(&format!("make --normalize {name}.rgx {name}")).failure(1, &format!("{name}: {reason}"));
        assert!(!env.exists("store"), "{name}");
    }
    env.run("make --normalize cut.rgx cut").failure(3, "cut: ");
    assert!(!env.exists("store"));
}

/// The error comes before the archive is read, which may take long.
#[test]
fn a_missing_folder_is_said_before_the_work() {
    let env = TestEnvironment::new();
    env.write("noise", b"noise");
    for image in ["noise", "absent"] {
        env.run(&format!("make --normalize none/image.rgx {image}")).failure(1, "none: there is no such folder");
    }
    env.run_with_input("make --normalize none/image.rgx -", b"noise").failure(1, "none: there is no such folder");
}

/// Appends to the archive when a layer is named.
struct Writer(std::path::PathBuf);

impl regrow_sync::Progress for Writer {
    fn warn(&self, _message: &str) {
        crate::changed::append(&self.0);
    }
}

#[test]
fn an_archive_that_is_written_to_meanwhile_is_refused() {
    let (env, plain) = (TestEnvironment::new(), layer());
    let path = env.write("image", &archive(&zstd(&plain), &sha256(&plain), sha256, json!({})));
    let mut file = std::fs::File::open(&path).unwrap();
    let normalized = regrow_sync::normalize(&mut file, &path, &env.path("scratch"), None, &Writer(path.clone()));
    assert!(matches!(normalized, Err(regrow_sync::LocalError::Changed { .. })));
}
