//! Images with layers that hide one another's files.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// The kind of an entry.
#[derive(Clone)]
pub(super) enum Kind {
    File(Vec<u8>),
    Folder,
    Link(&'static str),
}

/// The entries of a layer.
pub(super) type Layer = Vec<(String, Kind)>;

fn file(path: &str, bytes: usize) -> (String, Kind) {
    (path.to_owned(), Kind::File(regrow_demo::noise(path, bytes)))
}

fn text(path: &str, version: &str) -> (String, Kind) {
    let text: String = (0..400).map(|line| format!("{path} {version} {}\n", line * 77 % 1009)).collect();
    (path.to_owned(), Kind::File(text.into_bytes()))
}

/// Layers of two versions. The lowest layer stays; its files are hidden in every way that there is.
pub(super) fn layers() -> [Vec<Layer>; 2] {
    let nested = tar_of(&vec![file("within/one", 700), file("within/two", 90_000)]);
    let mut base: Layer = (0..60).map(|number| file(&format!("usr/share/{number}"), number * 97)).collect();
    base.extend([
        ("etc".to_owned(), Kind::Folder),
        text("etc/replaced", "below"),
        text("etc/removed", "below"),
        text("etc/changed", "below"),
        text("var/cache/list", "below"),
        text("var/cache/deep/er", "below"),
        text("opt/folder/file", "below"),
        ("lib".to_owned(), Kind::Link("usr/lib")),
        text("usr/lib/through", "below"),
        text("usr/twice", "first"),
        text("usr/twice", "second"),
        file("usr/large", 1_300_000),
        file("usr/empty", 0),
        ("usr/nested.tar".to_owned(), Kind::File(nested)),
        ("usr/doc.gz".to_owned(), Kind::File(gzip(&regrow_demo::noise("doc", 5000), GO))),
        file(&format!("usr/{}", "long/".repeat(30)), 0),
    ]);
    let last = base.len() - 1;
    base[last] = file(&format!("usr/{}name", "long/".repeat(30)), 3000);
    ["one", "two"].map(|version| {
        let middle = vec![
            text("etc/replaced", version),
            file("etc/.wh.removed", 0),
            file("var/cache/.wh..wh..opq", 0),
            text("var/cache/new", version),
            text("opt/folder", version),
            text("lib/through", version),
            text("app/removed", version),
        ];
        let mut top: Layer = (0..20).map(|number| text(&format!("app/{number}"), version)).collect();
        top.push(file("app/.wh.removed", 0));
        vec![base.clone(), middle, top]
    })
}

/// The layer as a tar.
pub(super) fn tar_of(layer: &Layer) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, kind) in layer {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_mtime(1_700_000_000);
        header.set_size(0);
        match kind {
            Kind::File(bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, path, &bytes[..]).unwrap();
            }
            Kind::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                tar.append_data(&mut header, path, &[][..]).unwrap();
            }
            Kind::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, path, target).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

/// An archive of layers. Their order is in the configuration alone.
pub(super) fn archive(layers: &[Vec<u8>], form: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut tar = Vec::new();
    let ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", sha256(layer))).collect();
    for layer in layers.iter().rev().map(|layer| form(layer)) {
        regrow_demo::add_file(&mut tar, &format!("blobs/sha256/{}", sha256(&layer)), &layer, 0);
    }
    let config = json!({"config": {}, "rootfs": {"type": "layers", "diff_ids": ids}}).to_string();
    regrow_demo::add_file(&mut tar, &format!("blobs/sha256/{}", sha256(config.as_bytes())), config.as_bytes(), 0);
    regrow_demo::add_file(&mut tar, "manifest.json", b"[{\"Layers\":[]}]", 0);
    regrow_demo::end(tar)
}

/// Unpacks layers over one another, as engines do.
pub(super) fn unpack(env: &TestEnvironment, layers: &[Layer], folder: &str) {
    let root = env.path(folder);
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir(&root).unwrap();
    for layer in layers {
        for (path, kind) in layer {
            let at = root.join(path);
            let (parent, name) = (at.parent().unwrap(), at.file_name().unwrap().to_str().unwrap());
            std::fs::create_dir_all(parent).unwrap();
            if name == ".wh..wh..opq" {
                std::fs::read_dir(parent).unwrap().for_each(|entry| remove(&entry.unwrap().path()));
            } else if let Some(name) = name.strip_prefix(".wh.") {
                remove(&parent.join(name));
            } else {
                match kind {
                    Kind::Folder => std::fs::create_dir_all(&at).unwrap(),
                    Kind::Link(target) => {
                        std::fs::create_dir_all(root.join(target)).unwrap();
                        symlink(target, &at).unwrap();
                    }
                    Kind::File(bytes) => {
                        remove(&at);
                        std::fs::write(&at, bytes).unwrap();
                    }
                }
            }
        }
    }
}

fn remove(path: &Path) {
    let Ok(metadata) = path.symlink_metadata() else { return };
    let removed = if metadata.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.unwrap();
}
