//! Storages, laid out as engines do.

use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::super::names::{LayerName, to_hex};
use super::super::{EngineStorage, StorageKind};

/// A name of a file that is not UTF-8.
const RAW_NAME: &[u8] = b"etc/\xff\xfe";

/// A storage in a folder of its own.
pub(super) struct LaidOut {
    folder: tempfile::TempDir,
    pub(super) storage: EngineStorage,
}

fn noise(name: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// A layer with all kinds of entries. Tars and gzip files in it are contents, as in an archive's layers.
pub(super) fn layer(name: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &[u8], bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        tar.append_data(&mut header, Path::new(std::ffi::OsStr::from_bytes(path)), bytes).unwrap();
    };
    for number in 0..40 {
        add(format!("usr/share/{number}").as_bytes(), &noise(&format!("{name} {number}"), number * 333));
    }
    add(RAW_NAME, b"raw");
    add(b"etc/empty", b"");
    add(format!("usr/{}", "long/".repeat(40) + "name").as_bytes(), &noise(name, 5000));
    add(b"usr/large", &noise(&format!("{name} large"), 1_500_000));
    add(b"usr/doc.gz", &gzip(&noise(name, 9000)));
    let mut within = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3000);
    within.append_data(&mut header, "file", &noise(name, 3000)[..]).unwrap();
    add(b"usr/within.tar", &within.into_inner().unwrap());
    let mut link = tar::Header::new_gnu();
    link.set_size(0);
    link.set_entry_type(tar::EntryType::Symlink);
    tar.append_link(&mut link, "usr/link", "/etc/passwd").unwrap();
    tar.into_inner().unwrap()
}

/// A zstd frame, behind a skippable one.
pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    [b"\x50\x2a\x4d\x18\x03\0\0\0abc".as_slice(), &zstd::bulk::compress(bytes, 3).unwrap()].concat()
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn name_of(bytes: &[u8]) -> LayerName {
    ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().try_into().unwrap()
}

fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", to_hex(&name_of(bytes)))
}

/// The description of a layer in the form of tar-split. The files go below `contents`.
pub(super) fn split(layer: &[u8], contents: &Path) -> Vec<u8> {
    let mut archive = tar::Archive::new(layer);
    let (mut lines, mut at) = (String::new(), 0);
    let raw = |bytes: &[u8]| json!({"type": 2, "payload": base64(bytes), "position": 0}).to_string() + "\n";
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let (start, path) = (entry.raw_file_position() as usize, entry.path_bytes().into_owned());
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        lines += &raw(&layer[at..start]);
        let file = contents.join(std::ffi::OsStr::from_bytes(&path));
        if entry.header().entry_type().is_file() {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &bytes).unwrap();
        }
        let document = match String::from_utf8(path) {
            Ok(name) => json!({"type": 1, "name": name, "size": bytes.len(), "payload": "AAAAAAAAAAA=", "position": 1}),
            Err(raw) => json!({"type": 1, "name_raw": base64(raw.as_bytes()), "size": bytes.len(), "payload": null}),
        };
        lines += &(document.to_string() + "\n");
        at = start + bytes.len();
    }
    lines += &raw(&layer[at..]);
    gzip(lines.as_bytes())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize] as char;
            out.push(if place <= group.len() { digit } else { '=' });
        }
    }
    out
}

impl LaidOut {
    /// Lays out a storage that has these layers.
    pub(super) fn new(kind: &str, layers: &[&[u8]]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        let blobs = "io.containerd.content.v1.content/blobs/sha256";
        let kind = match kind {
            "oci-plain" | "oci-gzip" | "oci-members" | "oci-zstd" | "oci-frames" => {
                let form: fn(&[u8]) -> Vec<u8> = match kind {
                    "oci-plain" => <[u8]>::to_vec,
                    "oci-gzip" => gzip,
                    "oci-zstd" => zstd,
                    "oci-frames" => |layer| layer.chunks(70_000).flat_map(zstd).collect(),
                    _ => |layer| layer.chunks(70_000).flat_map(gzip).collect(),
                };
                lay_out_blobs(&root.join("blobs/sha256"), layers, form);
                std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
                StorageKind::Oci
            }
            "containerd" => {
                lay_out_blobs(&root.join(blobs), layers, gzip);
                StorageKind::Containerd
            }
            "containerd-zstd" => {
                lay_out_blobs(&root.join(blobs), layers, zstd);
                StorageKind::Containerd
            }
            "docker-29" => {
                lay_out_blobs(&root.join("containerd/daemon").join(blobs), layers, gzip);
                StorageKind::Docker
            }
            "docker" => lay_out_docker(&root, layers, "overlay2", |id| format!("overlay2/{id}/diff")),
            "docker-vfs" => lay_out_docker(&root, layers, "vfs", |id| format!("vfs/dir/{id}")),
            _ => lay_out_containers(&root, layers),
        };
        Self { folder, storage: EngineStorage { kind, root } }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

/// Waits until the files that were written look as if they had been left alone, so that the catalog remembers them.
/// Nobody can set the time of the last change.
pub(super) fn settle() {
    std::thread::sleep(regrow_catalog::SETTLED_AFTER + Duration::from_millis(50));
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn lay_out_blobs(folder: &Path, layers: &[&[u8]], form: fn(&[u8]) -> Vec<u8>) {
    let add = |bytes: &[u8]| {
        write(&folder.join(to_hex(&name_of(bytes))), bytes);
        json!({"digest": digest_of(bytes), "size": bytes.len()})
    };
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest_of(layer)).collect();
    let stored: Vec<_> = layers.iter().map(|layer| add(&form(layer))).collect();
    let config = json!({"config": {"Env": ["A=b"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids}});
    let config = add(config.to_string().as_bytes());
    add(json!({"schemaVersion": 2, "config": config, "layers": stored}).to_string().as_bytes());
    add(br#"{"layers": 7}"#);
    add(b"{");
}

fn lay_out_docker(root: &Path, layers: &[&[u8]], driver: &str, folder: impl Fn(&str) -> String) -> StorageKind {
    for layer in layers {
        let id = format!("cache{}", to_hex(&name_of(layer)));
        let contents = root.join(folder(&id));
        std::fs::create_dir_all(&contents).unwrap();
        let layers = root.join("image").join(driver).join("layerdb/sha256");
        let at = layers.join(to_hex(&name_of(format!("chain {id}").as_bytes())));
        write(&at.join("diff"), digest_of(layer).as_bytes());
        write(&at.join("cache-id"), id.as_bytes());
        write(&at.join("tar-split.json.gz"), &split(layer, &contents));
    }
    StorageKind::Docker
}

fn lay_out_containers(root: &Path, layers: &[&[u8]]) -> StorageKind {
    let mut list = vec![json!({"id": "of-a-container", "created": "2026-01-01T00:00:00Z"})];
    for layer in layers {
        let id = to_hex(&name_of(&name_of(layer)));
        let contents = root.join("overlay").join(&id).join("diff");
        std::fs::create_dir_all(&contents).unwrap();
        write(&root.join(format!("overlay-layers/{id}.tar-split.gz")), &split(layer, &contents));
        list.push(json!({"id": id, "diff-digest": digest_of(layer), "diff-size": layer.len()}));
    }
    write(&root.join("overlay-layers/layers.json"), json!(list).to_string().as_bytes());
    StorageKind::Containers
}
