//! The folders in which engines keep layers apart, without the layers themselves.

use super::*;

/// Unpacks each layer into a folder of its own.
fn unpack_apart(env: &TestEnvironment, layers: &[Layer], folder: impl Fn(usize) -> String) {
    for (number, layer) in layers.iter().enumerate() {
        let folder = folder(number);
        std::fs::create_dir_all(env.path(&folder).parent().unwrap()).unwrap();
        let files = layer.iter().filter(|(path, _)| !path.contains(".wh.")).cloned().collect();
        unpack(env, &[files], &folder);
    }
}

/// The layers of the old image, and others that look alike.
fn with_others(old: &[Layer]) -> Vec<Layer> {
    let mut layers = old.to_vec();
    let mut alike = old[0].clone();
    let changed = alike.iter_mut().find(|(path, _)| path == "usr/large").unwrap();
    let layers::Kind::File(bytes) = &mut changed.1 else { panic!("a file") };
    bytes[1_000_000] ^= 1;
    layers.insert(0, alike);
    layers.push(vec![("other".to_owned(), layers::Kind::Folder)]);
    layers
}

#[test]
fn snapshots_of_containerd_are_whole_without_their_blobs() {
    let (site, [old, _]) = Site::usual(gzipped);
    let server = Server::new(site.env.root());
    site.make_old();
    let snapshots = "containerd/io.containerd.snapshotter.v1.overlayfs/snapshots";
    unpack_apart(&site.env, &with_others(&old), |number| format!("{snapshots}/{number}/fs"));
    std::fs::create_dir_all(site.env.path("containerd/io.containerd.content.v1.content/blobs/sha256")).unwrap();
    for seed in ["containerd:containerd", "containerd", snapshots] {
        site.check_whole(&server, seed);
    }
    let (_, outcome) = site.update(&server, "--seed containerd");
    assert!(outcome.stderr.contains("has no layer that the index names"), "{}", outcome.stderr);
}

/// A layer that was pulled by its index of files has no description by the engine.
#[test]
fn layers_of_containers_storage_are_whole_without_their_descriptions() {
    let (site, [old, _]) = Site::usual(plain);
    let server = Server::new(site.env.root());
    site.make_old();
    unpack_apart(&site.env, &with_others(&old), |number| format!("storage/overlay/id{number}/diff"));
    let listed: Vec<Value> = (0..old.len()).map(|number| json!({"id": format!("id{number}")})).collect();
    site.env.write("storage/overlay-layers/layers.json", json!(listed).to_string().as_bytes());
    for seed in ["containers-storage:storage", "storage"] {
        site.check_whole(&server, seed);
    }
    // The driver without layered file systems.
    unpack_apart(&site.env, &old, |number| format!("vfs/vfs/dir/id{number}"));
    site.check_whole(&server, "vfs");
}
