//! `layer`: an image of the old one's layers and one small layer more. The crate `rootfs` has the tests of what layers
//! hold, and `.ci/interop/layer.sh` unpacks them in real engines.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use serde_json::{Value, json};
use sha2::Digest;

use crate::environment::TestEnvironment;

fn sha256(bytes: &[u8]) -> String {
    let hex: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(plain).unwrap();
    out.finish().unwrap()
}

fn tar_of(files: &[(&str, &[u8])], modified: u64) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(modified);
        header.set_size(bytes.len() as u64);
        match path.strip_suffix('/') {
            Some(_) => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
            }
            None => header.set_mode(0o644),
        }
        // As it is, even if it is no path that the library would write.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

fn config(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let history: Vec<Value> =
        (0..layers.len()).map(|number| json!({"created_by": format!("{name} {number}")})).collect();
    let diff_ids: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": "2024-05-06T07:08:09Z", "config": {"Cmd": [name]},
        "history": history, "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    serde_json::to_vec(&config).unwrap()
}

/// An archive of `docker save`. `name` is the image's name, and its command.
fn docker(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let config = config(name, layers);
    let names: Vec<String> = (0..layers.len()).map(|number| format!("{number}/layer.tar")).collect();
    let manifest = json!([{"Config": "config.json", "RepoTags": [format!("{name}:1")], "Layers": names}]).to_string();
    let mut files: Vec<(&str, &[u8])> = vec![("manifest.json", manifest.as_bytes()), ("config.json", &config)];
    files.extend(names.iter().zip(layers).map(|(name, layer)| (name.as_str(), layer.as_slice())));
    tar_of(&files, 0)
}

/// An OCI archive, whose layers are compressed.
fn oci(name: &str, layers: &[Vec<u8>]) -> Vec<u8> {
    let config = config(name, layers);
    let named = |kind: &str, bytes: &[u8]| {
        let kind = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": kind, "digest": sha256(bytes), "size": bytes.len()})
    };
    let stored: Vec<Vec<u8>> = layers.iter().map(|layer| gzip(layer)).collect();
    let descriptors: Vec<Value> = stored.iter().map(|layer| named("layer.v1.tar+gzip", layer)).collect();
    let manifest = json!({"schemaVersion": 2, "config": named("config.v1+json", &config), "layers": descriptors});
    let manifest = manifest.to_string().into_bytes();
    let mut own = named("manifest.v1+json", &manifest);
    own["annotations"] = json!({"io.containerd.image.name": format!("host:5000/{name}:1")});
    let mut about = named("manifest.v1+json", b"{}");
    about["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let index = json!({"schemaVersion": 2, "manifests": [own, about]}).to_string();
    let blobs = [&manifest, &config].into_iter().chain(&stored);
    let blobs: Vec<(String, &[u8])> = blobs.map(|bytes| (blob(&sha256(bytes)), bytes.as_slice())).collect();
    let mut files: Vec<(&str, &[u8])> =
        vec![("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", index.as_bytes())];
    files.extend(blobs.iter().map(|(name, bytes)| (name.as_str(), *bytes)));
    tar_of(&files, 0)
}

fn entries(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
        let (mut entry, mut bytes) = (entry.unwrap(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        (String::from_utf8_lossy(&entry.path_bytes()).into_owned(), bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

const BASE: [(&str, &[u8]); 4] = [("./", b""), ("etc/", b""), ("etc/same", b"same"), ("etc/gone", b"gone")];

fn base() -> Vec<u8> {
    tar_of(&BASE, 1)
}

fn old_upper() -> Vec<u8> {
    tar_of(
        &[
            ("app/", b""),
            ("app/kept", &[b'k'; 5000]),
            ("app/changed", b"before"),
            ("app/lib/", b""),
            ("app/lib/x", b"1"),
        ],
        2,
    )
}

fn new_upper(modified: u64) -> Vec<u8> {
    let files: [(&str, &[u8]); 5] = [
        ("app/", b""),
        ("app/kept", &[b'k'; 5000]),
        ("app/changed", b"after"),
        ("app/new", b"new"),
        ("etc/.wh.gone", b""),
    ];
    tar_of(&files, modified)
}

/// The files that the layer of an archive holds.
fn new_layer(archive: &[u8]) -> (BTreeMap<String, Vec<u8>>, Value) {
    let all = entries(archive);
    let manifest: Value = serde_json::from_slice(&all["manifest.json"]).unwrap();
    let config: Value = serde_json::from_slice(&all[manifest[0]["Config"].as_str().unwrap()]).unwrap();
    let names = manifest[0]["Layers"].as_array().unwrap();
    let layer = &all[names.last().unwrap().as_str().unwrap()];
    assert_eq!(names.len(), config["rootfs"]["diff_ids"].as_array().unwrap().len());
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().last().unwrap(), &json!(sha256(layer)));
    // The OCI's documents name the same blobs.
    let index: Value = serde_json::from_slice(&all["index.json"]).unwrap();
    let manifest_bytes = &all[&blob(index["manifests"][0]["digest"].as_str().unwrap())];
    let oci: Value = serde_json::from_slice(manifest_bytes).unwrap();
    assert_eq!(index["manifests"][0]["digest"], json!(sha256(manifest_bytes)));
    for (layer, name) in oci["layers"].as_array().unwrap().iter().zip(names) {
        let digest = layer["digest"].as_str().unwrap();
        let bytes = &all[&blob(digest)];
        assert_eq!((sha256(bytes), bytes.len() as u64), (digest.to_owned(), layer["size"].as_u64().unwrap()));
        assert_eq!(&json!(blob(digest)), name);
    }
    (entries(layer), json!({"config": config, "docker": manifest[0], "oci": oci, "index": index}))
}

#[test]
fn one_small_layer_makes_the_new_image_of_the_old_layers() {
    let env = TestEnvironment::new();
    let old = docker("old", &[base(), old_upper()]);
    env.write("old.tar", &old);
    env.write("new.tar", &docker("new", &[base(), new_upper(2)]));
    let report = env.json("layer old.tar new.tar out.tar");
    let (files, documents) = new_layer(&env.read("out.tar"));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["./", "app/", "app/.wh.lib", "app/changed", "app/new", "etc/", "etc/.wh.gone"]);
    assert_eq!((&files["app/changed"], &files["app/new"]), (&b"after".to_vec(), &b"new".to_vec()));
    for (key, value) in [
        ("old_layers", 2),
        ("new_layers", 1),
        ("bytes_new_layers", new_upper(2).len() as u64),
        ("whiteouts", 2),
        ("entries_new", 1),
        ("entries_contents", 1),
        ("entries_within", 3),
        ("bytes_contents", 8),
        ("bytes", env.read("out.tar").len() as u64),
    ] {
        assert_eq!(report[key], json!(value), "{key}");
    }
    let config = &documents["config"];
    assert_eq!(config["config"], json!({"Cmd": ["new"]}));
    let history = [json!({"created_by": "old 0"}), json!({"created_by": "old 1"})];
    let own = json!({"created": "2024-05-06T07:08:09Z", "created_by": "regrow layer"});
    assert_eq!(config["history"], json!([history[0], history[1], own]));
    assert_eq!(documents["docker"]["RepoTags"], json!(["new:1"]));
    let annotations = &documents["index"]["manifests"][0]["annotations"];
    assert_eq!(annotations["io.containerd.image.name"], "docker.io/library/new:1");
    // The image that was made needs nothing to be the new one, and a second run makes the same bytes.
    assert_eq!(env.json("layer out.tar new.tar again.tar")["layer"], Value::Null);
    env.run("layer -q old.tar new.tar twice.tar").success();
    assert_eq!(env.read("out.tar"), env.read("twice.tar"));
    assert_eq!(env.files("").len(), 5, "{:?}", env.files(""));
}

#[test]
fn compressed_layers_of_oci_archives_are_read() {
    let env = TestEnvironment::new();
    env.write("old.tar", &docker("old", &[base(), old_upper()]));
    env.write("new.tar", &docker("new", &[base(), new_upper(2)]));
    env.write("old-oci.tar", &oci("old", &[base(), old_upper()]));
    env.write("new-oci.tar", &oci("new", &[base(), new_upper(2)]));
    let plain = env.json("layer old.tar new.tar out.tar");
    let packed = env.json("layer old-oci.tar new-oci.tar out-oci.tar");
    for key in ["layer", "image_id", "bytes_layer", "bytes_new_layers"] {
        assert_eq!(plain[key], packed[key], "{key}");
    }
    let (_, documents) = new_layer(&env.read("out-oci.tar"));
    let kinds: Vec<&str> = documents["oci"]["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["mediaType"].as_str().unwrap())
        .collect();
    let kind = "application/vnd.oci.image.layer.v1.tar";
    assert_eq!(kinds, [&format!("{kind}+gzip"), &format!("{kind}+gzip"), kind]);
    assert_eq!(documents["docker"]["RepoTags"], json!(["host:5000/new:1"]));
}

#[test]
fn images_come_from_indexes_and_pipes() {
    let env = TestEnvironment::new();
    let (old, new) = (docker("old", &[base(), old_upper()]), docker("new", &[base(), new_upper(2)]));
    env.make("old", &old);
    env.make("new", &new);
    env.run("layer -q old new out.tar").success();
    env.run("layer -q old.rgx new.rgx from-indexes.tar").success();
    assert_eq!(env.read("out.tar"), env.read("from-indexes.tar"));
    let piped = env.run_with_input("layer -q old.rgx - -", &new).success();
    assert_eq!(piped.stdout, env.read("out.tar"));
    env.run("layer - - out.tar").failure(2, "only one of the images can come from standard input");
    assert!(env.files("scratch").is_empty());
}

#[test]
fn images_come_from_layouts_and_get_other_names() {
    let env = TestEnvironment::new();
    let (old, new) = (oci("old", &[base(), old_upper()]), oci("new", &[base(), new_upper(2)]));
    for (name, bytes) in [("old", &old), ("new", &new)] {
        env.write(&format!("{name}.tar"), bytes);
        for (entry, bytes) in entries(bytes) {
            // The document about an attestation names what is not there.
            env.write(&format!("{name}/{entry}"), &bytes);
        }
    }
    let from_archives = env.json("layer old.tar new.tar out.tar");
    let report = env.json("layer oci:old:1 oci:new:1 --tag team/app:2 --tag app:3 named.tar");
    assert_eq!((&report["layer"], &report["image_id"]), (&from_archives["layer"], &from_archives["image_id"]));
    let (_, documents) = new_layer(&env.read("named.tar"));
    assert_eq!(documents["docker"]["RepoTags"], json!(["team/app:2", "app:3"]));
    let named = documents["index"]["manifests"].as_array().unwrap().iter();
    let names: Vec<&Value> = named.map(|manifest| &manifest["annotations"]["io.containerd.image.name"]).collect();
    assert_eq!(names, ["docker.io/team/app:2", "docker.io/library/app:3"]);
    env.run("layer oci:nowhere new.tar out.tar").failure(1, "nowhere/index.json: No such file");
}

#[test]
fn times_and_other_paths_may_stay_as_they_are() {
    let env = TestEnvironment::new();
    env.write("old.tar", &docker("old", &[base(), old_upper()]));
    env.write("new.tar", &docker("new", &[base(), new_upper(9)]));
    let report = env.json("layer old.tar new.tar out.tar");
    assert_eq!((&report["entries_times"], &report["entries_within"]), (&json!(2), &json!(2)));
    env.run("layer -q --ignore-times old.tar new.tar out.tar").success();
    assert!(!new_layer(&env.read("out.tar")).0.contains_key("app/kept"));
    let outcome = env.run("layer --path /app old.tar new.tar out.tar").success();
    let warning = "new.tar: 1 path outside /app differs too, and will be as in old.tar";
    assert!(outcome.stderr.contains(warning), "{}", outcome.stderr);
    let files: Vec<String> = new_layer(&env.read("out.tar")).0.into_keys().collect();
    assert_eq!(files, ["./", "app/", "app/.wh.lib", "app/changed", "app/kept", "app/new"]);
    assert_eq!(env.json("layer --path app/kept --ignore-times old.tar new.tar out.tar")["bytes_layer"], json!(0));
    let words = "new.tar: there is no /nothing in it, nor in the other image";
    env.run("layer --path /nothing old.tar new.tar out.tar").failure(2, words);
    env.run("layer --path ../x old.tar new.tar out.tar").failure(2, "--path: ../x: leads out of the image");
}

#[test]
fn links_in_the_place_of_layers_are_followed() {
    let env = TestEnvironment::new();
    let plain = docker("old", &[base(), base()]);
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in entries(&plain) {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        if name == "1/layer.tar" {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, name, "../0/layer.tar").unwrap();
        } else {
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
    }
    env.write("old.tar", &tar.into_inner().unwrap());
    env.write("new.tar", &docker("new", &[base(), new_upper(2)]));
    env.run("layer -q old.tar new.tar out.tar").success();
    // The layer that is there twice comes once.
    let (_, documents) = new_layer(&env.read("out.tar"));
    assert_eq!(documents["docker"]["Layers"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_no_image_or_not_to_be_trusted_is_refused_by_name() {
    let env = TestEnvironment::new();
    let good = docker("new", &[base()]);
    env.write("good.tar", &good);
    let two =
        json!([{"Config": "a", "RepoTags": ["a:1"], "Layers": []}, {"Config": "b", "RepoTags": ["b:2"]}]).to_string();
    // A layer that both have is read in the old image alone, so this one is another.
    let mut damaged = docker("new", &[tar_of(&BASE, 5)]);
    let at = damaged.windows(8).position(|bytes| bytes == b"etc/same").unwrap() + 512;
    damaged[at] ^= 1;
    let evil = [("../../etc/x", &b"1"[..])];
    let linked = docker("new", &[base(), tar_of(&[("etc/same/x", b"1")], 1)]);
    let other = json!({"os": "windows", "rootfs": {"diff_ids": []}}).to_string();
    let one = json!([{"Config": "c", "Layers": []}]).to_string();
    let windows = tar_of(&[("manifest.json", one.as_bytes()), ("c", other.as_bytes())], 1);
    let xz = [b"\xfd7zXZ\0".to_vec(), vec![0; 600]].concat();
    for (bytes, code, words) in [
        (tar_of(&[("x", b"1")], 1), 3, "bad.tar: no image archive: there is neither an index.json nor"),
        (tar_of(&[("manifest.json", two.as_bytes())], 1), 2, "bad.tar: holds 2 images (a:1, b:2); save one of them"),
        (tar_of(&[("manifest.json", b"[1]")], 1), 3, "bad.tar: manifest.json is damaged"),
        (tar_of(&[("manifest.json", b"[{\"Config\":\"c\"}]")], 1), 3, "bad.tar: c is missing in it"),
        (damaged, 3, "bad.tar: layer 0/layer.tar: is damaged: its bytes are not those that"),
        (docker("new", &[tar_of(&evil, 1)]), 1, "layer 0/layer.tar: ../../etc/x: leads out of the image"),
        (windows, 2, "bad.tar: is an image for windows; only those for linux can be layered"),
        (linked, 1, "layer 1/layer.tar: etc/same/x: lies below etc/same, which is no folder there"),
        (docker("new", &[b"no tar at all".repeat(100)]), 3, "layer 0/layer.tar: there is no tar header at byte 0"),
        (docker("new", &[xz]), 3, "layer 0/layer.tar: is compressed by xz, which engines do not read"),
        (gzip(&good), 1, "bad.tar: no image archive: it is compressed with gzip; unpack it first"),
    ] {
        env.write("bad.tar", &bytes);
        for order in ["good.tar bad.tar", "bad.tar good.tar"] {
            env.run(&format!("layer {order} out.tar")).failure(code, words);
        }
    }
    assert_eq!(env.files(""), ["bad.tar", "good.tar"]);
    env.run("layer good.tar missing.tar out.tar").failure(1, "missing.tar: No such file");
    env.run("layer good.tar good.tar scratch").failure(2, "scratch: is no file");
}

#[test]
fn an_existing_file_is_replaced_with_its_link_kept() {
    let env = TestEnvironment::new();
    env.write("old.tar", &docker("old", &[base()]));
    env.write("folder/real.tar", b"before");
    std::os::unix::fs::symlink("folder/real.tar", env.path("out.tar")).unwrap();
    env.run("layer -q old.tar old.tar out.tar").success();
    assert!(env.path("out.tar").is_symlink());
    assert!(env.read("folder/real.tar").len() > 1024);
}

#[test]
fn diff_tells_which_paths_are_new_only_by_their_times() {
    let env = TestEnvironment::new();
    let upper = |modified, text: &[u8]| {
        let files: [(&str, &[u8]); 4] =
            [("app/", b""), ("app/kept", &[b'k'; 5000]), ("app/big", &[b'b'; 9000]), ("app/changed", text)];
        tar_of(&files, modified)
    };
    env.make("old", &docker("old", &[base(), upper(2, &[b'1'; 3000])]));
    env.make("new", &docker("new", &[base(), upper(9, &[b'2'; 3000])]));
    let report = env.json("diff old.rgx new.rgx");
    let rebuilt = report["rebuilt"].as_array().unwrap();
    assert_eq!(rebuilt.len(), 1, "{rebuilt:?}");
    assert_eq!(rebuilt[0]["path"], "1/layer.tar");
    assert_eq!((&rebuilt[0]["entries"], &rebuilt[0]["times_only"]), (&json!(4), &json!(3)));
    assert_eq!(rebuilt[0]["bytes_times_only"], json!(14_000));
    assert_eq!(rebuilt[0]["paths"], json!(["app/", "app/kept", "app/big"]));
    let shown = String::from_utf8(env.run("diff old.rgx new.rgx").success().stdout).unwrap();
    assert!(shown.contains("3 of 4 paths, files of 13.7 KiB (14,000 bytes): 1/layer.tar"), "{shown}");
    assert!(env.json("diff old.rgx old.rgx")["rebuilt"].as_array().unwrap().is_empty());
}
