//! Layers that an update leaves as they are stand in the seed in compressed form already.

use regrow_deflate::encoders::KnownEncoder;

use super::update;
use crate::environment::TestEnvironment;
use crate::server::Server;
use regrow_demo::{GO, PGZIP, Tree, gzip, oci, version_layers};

/// A new image, of which the layers but the last one are those of an older one, and that older one. `each` changes the
/// compressed layers of the older image.
fn images(each: impl Fn(Vec<u8>) -> Vec<u8>, compressed: impl Fn(&[u8]) -> Vec<u8>) -> [Vec<u8>; 2] {
    let [old, new] = version_layers();
    let kept: Vec<Tree> = old.iter().cloned().chain(new.into_iter().next_back()).collect();
    [oci(&old, 5, |layer| each(compressed(layer))), oci(&kept, 6, compressed)]
}

/// A gzip file of two members.
fn two_members(plain: &[u8], encoder: KnownEncoder) -> Vec<u8> {
    let (one, other) = plain.split_at(plain.len() / 2);
    [gzip(one, encoder), gzip(other, encoder)].concat()
}

/// Changes the operating system that the header of the gzip member at this place names.
fn of_another_system(mut file: Vec<u8>, at: usize) -> Vec<u8> {
    assert_eq!(file[at..at + 2], [0x1f, 0x8b]);
    file[at + 9] ^= 1;
    file
}

fn check([old, new]: [Vec<u8>; 2], what: &str) {
    let env = TestEnvironment::new();
    env.write("old", &old);
    env.make("new", &new);
    let server = Server::new(env.root());
    let fetched = update(&env, &server, "old", "new.rgx", &new);
    assert!(fetched < new.len() as u64 / 2, "{what}: {fetched} of {}", new.len());
    let url = server.url("new.rgx");
    assert!(env.run(&format!("extract --seed old {url} -")).success().stdout == new, "{what}");
    env.write("device", &vec![1; new.len() + 5000]);
    env.run(&format!("extract --seed old --in-place {url} device")).success();
    assert!(env.read("device") == new, "{what}");
}

#[test]
fn they_are_taken_as_they_are() {
    for encoder in [PGZIP, GO] {
        check(images(|file| file, |layer| gzip(layer, encoder)), "one member");
        check(images(|file| file, |layer| two_members(layer, encoder)), "two members");
    }
}

#[test]
fn those_that_only_seem_to_be_the_same_are_made() {
    let first = |file| of_another_system(file, 0);
    check(images(first, |layer| gzip(layer, GO)), "another header");
    let second = |file: Vec<u8>| {
        let begins = |at: &usize| file[*at..].starts_with(&file[..10]);
        let at = (1..file.len()).rev().find(begins).unwrap();
        of_another_system(file, at)
    };
    check(images(second, |layer| two_members(layer, GO)), "another header of the second member");
}
