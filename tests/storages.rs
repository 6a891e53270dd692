//! Updates whose base is only in the storage of a container engine.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::environment::TestEnvironment;
use crate::report::{check_extract, number};
use crate::server::Server;
use regrow_demo::{GO, docker_save, gzip, version_layers};

const MAKE: &str = "make --format 2 --avg-size 1KiB --pack-size 256KiB --patch-level 3";
const OLD_TIME: u64 = 1_700_000_000;

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        let digit = |place: usize| DIGITS[(bits >> (18 - 6 * place) & 63) as usize] as char;
        out.extend((0..4).map(|place| if place <= group.len() { digit(place) } else { '=' }));
    }
    out
}

/// Unpacks a layer into a folder, and describes it in the form of tar-split.
pub(crate) fn split(env: &TestEnvironment, layer: &[u8], folder: &str) -> Vec<u8> {
    let (mut lines, mut at, mut taken) = (String::new(), 0, 0);
    let raw = |bytes: &[u8]| format!("{}\n", json!({"type": 2, "payload": base64(bytes)}));
    while layer[at] != 0 {
        let text =
            |range: std::ops::Range<usize>| std::str::from_utf8(&layer[at..][range]).unwrap().trim_end_matches('\0');
        let (path, size) = (text(0..100), usize::from_str_radix(text(124..136).trim(), 8).unwrap());
        let data = at + 512..at + 512 + size;
        env.write(&format!("{folder}/{path}"), &layer[data.clone()]);
        lines += &raw(&layer[taken..data.start]);
        lines += &format!("{}\n", json!({"type": 1, "name": path, "size": size, "payload": "AAAAAAAAAAA="}));
        (at, taken) = (data.end.next_multiple_of(512), data.end);
    }
    lines += &raw(&layer[taken..]);
    gzip(lines.as_bytes(), GO)
}

/// Lays out the layers in a storage of this kind, in the folder `storage`.
pub(crate) fn lay_out(env: &TestEnvironment, kind: &str, layers: &[Vec<u8>]) {
    lay_out_as(env, kind, layers, |layer| gzip(layer, GO));
}

/// The same, with compressed layers of this form where the kind keeps them compressed.
pub(crate) fn lay_out_as(env: &TestEnvironment, kind: &str, layers: &[Vec<u8>], compressed: fn(&[u8]) -> Vec<u8>) {
    let mut listed = Vec::new();
    for layer in layers {
        let (name, id) = (hex(layer), format!("id{}", &hex(layer)[..20]));
        match kind {
            "docker" => {
                let at = format!("storage/image/overlay2/layerdb/sha256/{}", hex(name.as_bytes()));
                env.write(&format!("{at}/diff"), format!("sha256:{name}").as_bytes());
                env.write(&format!("{at}/cache-id"), id.as_bytes());
                let split = split(env, layer, &format!("storage/overlay2/{id}/diff"));
                env.write(&format!("{at}/tar-split.json.gz"), &split);
            }
            "containers-storage" => {
                let split = split(env, layer, &format!("storage/overlay/{id}/diff"));
                env.write(&format!("storage/overlay-layers/{id}.tar-split.gz"), &split);
                listed.push(json!({"id": id, "diff-digest": format!("sha256:{name}")}));
            }
            _ => {}
        }
    }
    let blobs = match kind {
        "containers-storage" => {
            env.write("storage/overlay-layers/layers.json", json!(listed).to_string().as_bytes());
            return;
        }
        "containerd" => "storage/io.containerd.content.v1.content/blobs/sha256",
        "oci" => {
            env.write("storage/oci-layout", b"{}");
            "storage/blobs/sha256"
        }
        _ => return,
    };
    let add = |bytes: &[u8]| {
        env.write(&format!("{blobs}/{}", hex(bytes)), bytes);
        json!({"digest": format!("sha256:{}", hex(bytes))})
    };
    let stored: Vec<Value> = layers.iter().map(|layer| add(&compressed(layer))).collect();
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", hex(layer))).collect();
    let config = add(json!({"rootfs": {"diff_ids": diff_ids}}).to_string().as_bytes());
    add(json!({"config": config, "layers": stored}).to_string().as_bytes());
}

/// A site with two images and a patch between them. Returns the new image, and the old one's layers.
pub(crate) fn site(format: u32) -> (TestEnvironment, Vec<u8>, Vec<Vec<u8>>) {
    let env = TestEnvironment::new();
    let [old, new] = version_layers();
    let layers = old.iter().map(|layer| layer.tar(OLD_TIME)).collect();
    let new = docker_save(&new, OLD_TIME + 500_000);
    env.write("old", &docker_save(&old, OLD_TIME));
    env.write("new", &new);
    let make = MAKE.replace("--format 2", &format!("--format {format}"));
    env.json(&format!("{make} old.rgx old"));
    env.json(&format!("{make} --patch-from old.rgx new.rgx new"));
    (env, new, layers)
}

#[test]
fn an_update_takes_what_it_takes_from_the_old_archive() {
    let (env, new, layers) = site(2);
    let server = Server::new(env.root());
    let extract = |seed: &str| {
        let report = env.json(&format!("extract --head-first --seed {seed} {} out", server.url("new.rgx")));
        assert!(env.read("out") == new, "{seed}");
        env.remove("out");
        check_extract(&report, &new);
        report
    };
    // The first run does not know yet how long the head is.
    extract("old");
    let from_archive = extract("old");
    assert_eq!(from_archive["storages"], json!([]));
    for kind in ["oci", "containerd", "docker", "containers-storage"] {
        lay_out(&env, kind, &layers);
        for seed in [format!("{kind}:storage"), "storage".to_owned()] {
            let report = extract(&seed);
            assert_eq!(report["bytes_fetched"], from_archive["bytes_fetched"], "{seed}: {report}");
            assert_eq!((number(&report, "requests"), number(&report, "chunks_store")), (2, 0), "{report}");
            let storage = &report["storages"][0];
            assert_eq!((storage["kind"].as_str(), storage["layers"].as_u64()), (Some(kind), Some(2)), "{report}");
            let bytes: usize = layers.iter().map(Vec::len).sum();
            assert_eq!(number(storage, "bytes"), bytes as u64);
        }
        env.remove("storage");
    }
}

#[test]
fn a_storage_that_changed_costs_bytes_only() {
    let (env, new, layers) = site(2);
    let server = Server::new(env.root());
    lay_out(&env, "docker", &layers);
    let files = env.files("storage/overlay2");
    for (number, file) in files.iter().enumerate() {
        match number % 9 {
            3 => env.remove(file),
            6 => drop(env.write(file, b"changed")),
            _ => {}
        }
    }
    let outcome = env.run(&format!("extract --json --head-first --seed docker:storage {} out", server.url("new.rgx")));
    let outcome = outcome.success();
    assert!(env.read("out") == new);
    assert!(outcome.stderr.contains("tar-split.json.gz: holds another layer"), "{}", outcome.stderr);
    let report = outcome.json();
    assert_eq!(number(&report["storages"][0], "layers"), 0, "{report}");
    assert!(number(&report, "bytes_seed") > 500_000 && number(&report, "bytes_store") > 0, "{report}");
}

#[test]
fn a_storage_is_of_use_only_where_the_index_names_layers() {
    let (env, new, layers) = site(1);
    lay_out(&env, "docker", &layers);
    let outcome = env.run("extract --seed docker:storage new.rgx out").success();
    assert!(env.read("out") == new);
    assert!(outcome.stderr.contains("only an index of version 2 names"), "{}", outcome.stderr);
    // A folder is of use as a folder, too.
    let report = env.json("extract --seed storage --no-patch new.rgx other");
    assert!(env.read("other") == new);
    assert!(number(&report, "bytes_seed") > 100_000, "{report}");
}

#[test]
fn other_folders_are_refused_by_the_name_of_a_kind() {
    let (env, _, _) = site(2);
    assert!(Path::new(&env.path("store")).is_dir());
    env.run("extract --seed docker:store new.rgx out").failure(2, "store: is no docker storage");
    env.run("extract --seed oci:nowhere new.rgx out").failure(1, "nowhere");
    let summary = env.run("extract --seed ./old new.rgx out").success().stderr;
    assert!(!summary.contains("storage"), "{summary}");
    let layers: Vec<Vec<u8>> = version_layers()[0].iter().map(|layer| layer.tar(OLD_TIME)).collect();
    env.remove("out");
    lay_out(&env, "oci", &layers);
    let summary = env.run("extract --seed storage new.rgx out").success().stderr;
    assert!(summary.contains("oci storage") && summary.contains("2 layers"), "{summary}");
}
