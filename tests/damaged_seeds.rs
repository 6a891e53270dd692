//! Seeds that something overwrote in part: what is behind the damage is found all the same.

use crate::environment::TestEnvironment;
use crate::report::{check_extract, number};
use crate::server::Server;
use regrow_demo::{PGZIP, Tree, docker_save, gzip, oci};

/// What a lost header or a lost file may cost: frames hold neighbours, too. All of an image is 3 MB.
const LOSS_BYTES: u64 = 320_000;

/// The layers of an image before and after an update.
fn layers() -> [Vec<Tree>; 2] {
    let (base, app) = (Tree::sample("base", 300), Tree::sample("app", 150));
    [vec![base.clone(), app.clone()], vec![base, app.changed(40)]]
}

/// Overwrites these bytes of an image.
fn damaged(image: &[u8], at: usize, bytes: usize, byte: u8) -> Vec<u8> {
    let mut damaged = image.to_vec();
    damaged[at..at + bytes].fill(byte);
    damaged
}

/// Bytes that a device fetches for `new.rgx` with these arguments.
fn fetched(env: &TestEnvironment, server: &Server, arguments: &str, new: &[u8], input: &[u8]) -> u64 {
    let arguments = format!("extract --json {arguments} {} out", server.url("new.rgx"));
    let report = env.run_with_input(&arguments, input).success().json();
    assert!(env.read("out") == new, "{arguments}");
    env.remove("out");
    check_extract(&report, new);
    number(&report, "bytes_fetched")
}

/// Where an image is hurt: how many bytes from where on, and what is written there.
fn wounds(image: &[u8]) -> [(usize, usize, u8); 3] {
    let middle = image.len() / 3;
    [(0, 512, 0), (middle, 20_000, 0), (middle, 3000, 0xff)]
}

#[test]
fn entries_behind_a_lost_header_are_used() {
    let env = TestEnvironment::new();
    let [old, new] = layers().map(|layers| docker_save(&layers, 1_700_000_000));
    env.make("new", &new);
    let server = Server::new(env.root());
    env.write("old", &old);
    env.write("folder/old", &old);
    let whole = fetched(&env, &server, "--seed old", &new, b"");
    let from_folder = fetched(&env, &server, "--seed folder", &new, b"");
    for (at, bytes, byte) in wounds(&old) {
        let seed = damaged(&old, at, bytes, byte);
        env.write("seed", &seed);
        env.write("folder/old", &seed);
        let most = whole + LOSS_BYTES;
        for arguments in ["--seed seed", "--seed -"] {
            let fetched = fetched(&env, &server, arguments, &new, &seed);
            assert!(fetched <= most, "{arguments}: {bytes} bytes at {at}: {fetched} for {whole}");
        }
        let most = from_folder + LOSS_BYTES;
        let fetched = fetched(&env, &server, "--seed folder", &new, b"");
        assert!(fetched <= most, "{bytes} bytes at {at}: {fetched} for {from_folder}");
    }
}

/// A compressed layer whose tar was damaged before, and an archive of compressed layers whose first headers are lost.
#[test]
fn compressed_layers_are_looked_into_behind_a_lost_header() {
    let env = TestEnvironment::new();
    let [old, new] = layers();
    let compressed = |layers: &[Tree]| oci(layers, 7, |layer| gzip(layer, PGZIP));
    let (old_image, new_image) = (compressed(&old), compressed(&new));
    env.make("new", &new_image);
    let server = Server::new(env.root());
    env.write("old", &old_image);
    let whole = fetched(&env, &server, "--seed old", &new_image, b"");
    env.write("hurt-within", &oci(&old, 7, |layer| gzip(&damaged(layer, layer.len() / 3, 9000, 0), PGZIP)));
    let hurt_within = fetched(&env, &server, "--seed hurt-within", &new_image, b"");
    assert!(hurt_within <= whole + LOSS_BYTES, "{hurt_within} for {whole}");
    env.write("hurt-before", &damaged(&old_image, 0, 1024, 0));
    let hurt_before = fetched(&env, &server, "--seed hurt-before", &new_image, b"");
    assert!(hurt_before <= whole + LOSS_BYTES, "{hurt_before} for {whole}");
}

#[test]
fn a_damaged_image_is_no_base_of_a_patch() {
    let env = TestEnvironment::new();
    let [old, new] = layers().map(|layers| docker_save(&layers, 1_700_000_000));
    env.make("old", &old);
    env.write("new", &new);
    env.json("make --avg-size 1KiB --pack-size 256KiB --patch-from old.rgx new.rgx new");
    let server = Server::new(env.root());
    env.write("seed", &damaged(&old, old.len() / 3, 20_000, 0));
    let by_chunks = fetched(&env, &server, "--seed seed", &new, b"");
    assert!(by_chunks < new.len() as u64 / 2, "{by_chunks}");
}

/// Old tars of images that were made with something behind their end keep their ids: the patch applies.
#[test]
fn an_image_that_was_made_so_is_still_known() {
    let env = TestEnvironment::new();
    let [old, new] = layers().map(|layers| docker_save(&layers, 1_700_000_000));
    let old = damaged(&old, old.len() / 3, 20_000, 0xee);
    env.make("old", &old);
    env.write("new", &new);
    env.json("make --avg-size 1KiB --pack-size 256KiB --patch-from old.rgx new.rgx new");
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed old {} out", server.url("new.rgx")));
    assert!(env.read("out") == new && number(&report, "bytes_patch") > 0, "{report}");
}

/// A disk image that consists mostly of a hole gives what a copy of it without holes gives.
#[test]
fn holes_of_a_disk_image_are_zeros() {
    use std::os::unix::fs::FileExt;

    let env = TestEnvironment::new();
    let tree = Tree::sample("disk", 40).tar(3);
    let disk = std::fs::File::create(env.path("sparse")).unwrap();
    disk.set_len(40 << 20).unwrap();
    disk.write_all_at(&tree, 30 << 20).unwrap();
    let whole = env.read("sparse");
    env.write("whole", &whole);
    env.make("new", &[&whole[..], b"more"].concat());
    let server = Server::new(env.root());
    let new = env.read("new");
    let [sparse, whole] = ["sparse", "whole"]
        .map(|seed| fetched(&env, &server, &format!("--catalog {seed}-catalog --seed {seed}"), &new, b""));
    assert!(sparse == whole && sparse < 200_000, "{sparse} for {whole}");
}
