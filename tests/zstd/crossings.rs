//! Images of the same layers in other forms: each form is a seed and a base of the others.

use super::*;
use crate::storages::lay_out_as;

type Compressed = fn(&[u8]) -> Vec<u8>;

/// The forms of layers.
const FORMS: [(&str, Compressed); 5] = [
    ("plain", <[u8]>::to_vec),
    ("gzip", |layer| gzip(layer, GO)),
    ("zstd", zstd),
    ("frames", |layer| layer.chunks(100_000).flat_map(zstd).collect()),
    ("chunked", chunked::chunked),
];

#[test]
fn each_form_seeds_the_others_by_chunks() {
    let env = TestEnvironment::new();
    let [_, layers] = version_layers();
    let images = FORMS.map(|(name, compressed)| (name, oci(&layers, 5, compressed)));
    for (name, image) in &images {
        env.make(name, image);
    }
    let server = Server::new(env.root());
    for (seed, _) in &images {
        for (name, image) in images.iter().filter(|(name, _)| name != seed) {
            let fetched = update(&env, &server, seed, &format!("{name}.rgx"), image);
            assert!(fetched < 40_000, "{name} from {seed}: {fetched} of {}", image.len());
        }
    }
}

/// Home Assistant's case: the same image in another form, or the next one.
#[test]
fn patches_cross_the_forms() {
    let [old, new] = version_layers();
    let same_form = {
        let env = TestEnvironment::new();
        env.make("old", &oci(&old, 5, FORMS[1].1));
        let image = oci(&new, 6, FORMS[1].1);
        env.make("new", &image);
        env.json("patch old.rgx new.rgx");
        update(&env, &Server::new(env.root()), "old", "new.rgx", &image)
    };
    for (from, to) in [(1, 2), (2, 1), (0, 2), (2, 0), (1, 3), (3, 2), (1, 4), (4, 2)] {
        let env = TestEnvironment::new();
        let same = oci(&old, 5, FORMS[to].1);
        let next = oci(&new, 6, FORMS[to].1);
        env.make("old", &oci(&old, 5, FORMS[from].1));
        env.make("same", &same);
        env.make("next", &next);
        env.json("patch old.rgx same.rgx");
        env.json("patch old.rgx next.rgx");
        let server = Server::new(env.root());
        let names = (FORMS[from].0, FORMS[to].0);
        let crossing = update(&env, &server, "old", "same.rgx", &same);
        assert!(crossing < 12_000, "{names:?}: {crossing} of {}", same.len());
        let following = update(&env, &server, "old", "next.rgx", &next);
        assert!(following < same_form + same_form / 20 + 3000, "{names:?}: {following}, and {same_form} in one form");
    }
}

/// Remembered scans give the same as new ones.
#[test]
fn the_catalog_remembers_zstd_seeds() {
    let env = TestEnvironment::new();
    let [old, new] = coded_versions(zstd);
    env.make("old", &old);
    env.make("new", &new);
    let server = Server::new(env.root());
    let first = update(&env, &server, "old", "new.rgx", &new);
    env.remove("out-old-new.rgx");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    update(&env, &server, "old", "new.rgx", &new);
    env.remove("out-old-new.rgx");
    let known = update(&env, &server, "old", "new.rgx", &new);
    assert!(known < first + first / 20, "{known} after {first}");
}

#[test]
fn damaged_and_cut_zstd_files_are_still_seeds() {
    let env = TestEnvironment::new();
    let [_, layers] = version_layers();
    let frames: Compressed = |layer| layer.chunks(100_000).flat_map(zstd).collect();
    let image = oci(&layers, 5, frames);
    let plain = oci(&layers, 5, <[u8]>::to_vec);
    env.make("image", &image);
    env.make("plain", &plain);
    let mut flipped = image.clone();
    flipped[image.len() / 2] ^= 0x55;
    env.write("flipped", &flipped);
    env.write("cut", &image[..image.len() / 2]);
    let server = Server::new(env.root());
    for seed in ["flipped", "cut"] {
        for (index, image) in [("image.rgx", &image), ("plain.rgx", &plain)] {
            let fetched = update(&env, &server, seed, index, image);
            assert!(fetched < image.len() as u64 * 7 / 10, "{index} from {seed}: {fetched} of {}", image.len());
        }
    }
}

/// Layers in the storage of an engine are found by name, whatever form they have there.
#[test]
fn zstd_layers_in_a_layout_are_seeds() {
    let env = TestEnvironment::new();
    let [_, layers] = version_layers();
    let archive = oci(&layers, 5, zstd);
    let mut tar = tar::Archive::new(archive.as_slice());
    tar.unpack(env.path("layout")).unwrap();
    env.write("layout/oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    let image = docker_save(&layers, 9);
    env.make("image", &image);
    let server = Server::new(env.root());
    let fetched = update(&env, &server, "layout", "image.rgx", &image);
    assert!(fetched < 60_000, "{fetched} of {}", image.len());
}

#[test]
fn layers_in_containerd_seed_those_of_other_forms() {
    let env = TestEnvironment::new();
    let [_, layers] = version_layers();
    let images = FORMS.map(|(name, compressed)| (name, oci(&layers, 5, compressed)));
    for (name, image) in &images {
        env.make(name, image);
    }
    let server = Server::new(env.root());
    let layers: Vec<Vec<u8>> = layers.iter().map(|layer| layer.tar(5)).collect();
    for (from, to) in [(2, 1), (2, 2), (2, 4), (1, 2), (1, 4), (4, 1), (4, 2), (3, 1)] {
        lay_out_as(&env, "containerd", &layers, FORMS[from].1);
        let (name, image) = &images[to];
        let fetched = update(&env, &server, "storage", &format!("{name}.rgx"), image);
        assert!(fetched < 40_000, "{name} from {}: {fetched} of {}", FORMS[from].0, image.len());
        env.remove("storage");
        env.remove(&format!("out-storage-{name}.rgx"));
    }
}
