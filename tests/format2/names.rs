//! The names that are SHA-256: remembered from one make to the next, and checked by `verify`.

use super::*;

const BLOCK_BYTES: usize = 4 << 20;

/// An archive of layers, of some blocks of 4 MiB.
fn archive(layers: &[&str]) -> Vec<u8> {
    let tree = |layer: &&str| {
        let mut tree = Tree::default();
        tree.0.insert("usr/lib/large".into(), noise(layer, BLOCK_BYTES + 70_000));
        tree
    };
    docker_save(&layers.iter().map(tree).collect::<Vec<_>>(), 1_700_000_000)
}

#[test]
fn a_second_make_states_the_same_names() {
    let env = TestEnvironment::new();
    let images = [archive(&["a", "b", "c"]), archive(&["a", "d", "c"]), archive(&["e"])];
    let make = |catalog: &str, image: &[u8]| {
        env.write("image", image);
        env.run(&format!("make --format 2 --catalog {catalog} app.rgx image")).success();
        let file = index_of(&env, "app.rgx").statement().unwrap();
        // A pipe is read in the same way.
        let outcome = env.run_with_input(&format!("make --format 2 --catalog {catalog} app.rgx -"), image);
        outcome.success();
        assert!(index_of(&env, "app.rgx").statement().unwrap() == file);
        env.run("verify app.rgx image").success();
        file
    };
    for (number, image) in images.iter().enumerate() {
        let fresh = make(&format!("fresh-{number}"), image);
        for _ in 0..2 {
            assert!(make("catalog", image) == fresh, "image {number}");
        }
    }
    // The default catalog is used with a store of this machine too, for names alone.
    env.write("image", &images[0]);
    env.run("make --format 2 app.rgx image").success();
    assert!(env.exists("home-cache/regrow/catalog.sqlite"));
    env.run("verify app.rgx image").success();
}

#[test]
fn verify_names_a_wrong_name() {
    let env = TestEnvironment::new();
    let image = docker_save(&version_layers()[0], 1_700_000_000);
    make2(&env, "image", &image);
    let report = env.json("verify image.rgx image");
    assert_eq!((report["ok"].as_bool(), report["wrong_names"].as_array().unwrap().len()), (Some(true), 0), "{report}");
    let index = index_of(&env, "image.rgx");
    for (number, message) in [(0, "states the SHA-256"), (1, "names part 1 "), (2, "names part 2 ")] {
        let mut wrong = index.clone();
        let units = wrong.units.as_mut().unwrap();
        match number {
            0 => units.image_sha256[7] ^= 1,
            part => units.parts[part - 1].name = regrow_chunker::PartName::from_bytes([9; 32]),
        }
        env.write("image.rgx", &wrong.encode());
        env.run("verify -q image.rgx image").failure(3, message);
        let server = Server::new(env.root());
        env.run(&format!("verify -q {} image", server.url("image.rgx"))).failure(3, message);
    }
    // Of an image with coded files the name of the image alone is looked at.
    let image = oci(&version_layers()[0], 1_700_000_000, |layer| gzip(layer, PGZIP));
    make2(&env, "coded", &image);
    env.run("verify coded.rgx coded").success();
    let mut wrong = index_of(&env, "coded.rgx");
    wrong.units.as_mut().unwrap().image_sha256[7] ^= 1;
    env.write("coded.rgx", &wrong.encode());
    env.run("verify -q coded.rgx coded").failure(3, "coded.rgx: states the SHA-256");
    env.write("coded", b"something else");
    env.run("verify -q coded.rgx coded").failure(3, "is not the image");
}
