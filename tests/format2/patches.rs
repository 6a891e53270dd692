//! Patches between images of version 2. Readers ask only for those that an index announces.

use super::*;
use regrow_demo::patchable;

const MAKE: &str = "make --format 2 --avg-size 1KiB --pack-size 256KiB --patch-level 3";

/// A store with two images of version 2.
fn site() -> (TestEnvironment, Vec<u8>) {
    let (env, (old, new)) = (TestEnvironment::new(), patchable::versions());
    make2(&env, "old", &old);
    env.write("new", &new);
    (env, new)
}

fn requested_patches(server: &Server) -> usize {
    server.requests().iter().filter(|request| request.path.contains("/patches/")).count()
}

#[test]
fn a_patch_is_announced_with_its_size_and_used() {
    let (env, new) = site();
    let report = env.json(&format!("{MAKE} --patch-from old.rgx new.rgx new"));
    let bytes = number(&report["patches"][0], "bytes");
    let index = index_of(&env, "new.rgx");
    assert_eq!(index.patches.len(), 1);
    assert_eq!(index.patches[0].bytes, Some(bytes));
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed old {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    check_extract(&report, &new);
    assert_eq!((number(&report, "requests"), number(&report, "chunks_store")), (2, 0), "{report}");
    assert_eq!(number(&report, "bytes_fetched"), bytes + env.read("new.rgx").len() as u64);
    // From the store alone, and announced later.
    let later = env.json("patch --replace --patch-level 9 old.rgx new.rgx");
    assert_eq!(later["announced"], true);
    assert_eq!(index_of(&env, "new.rgx").patches[0].bytes, Some(number(&later, "bytes")));
    env.run("verify --store store new.rgx").success();
}

#[test]
fn compressed_layers_are_patched() {
    let env = TestEnvironment::new();
    let [old, new] = version_layers().map(|layers| oci(&layers, 1_700_000_000, |layer| gzip(layer, PGZIP)));
    make2(&env, "old", &old);
    env.write("new", &new);
    env.json(&format!("{MAKE} --patch-from old.rgx new.rgx new"));
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed old {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    assert_eq!((number(&report, "requests"), number(&report, "chunks_store")), (2, 0), "{report}");
}

#[test]
fn a_push_without_patches_announces_only_those_that_are_there() {
    let (env, new) = site();
    env.json(&format!("{MAKE} --patch-from old.rgx new.rgx new"));
    env.run("push new.rgx to/store").success();
    assert_eq!(index_of(&env, "to/new.rgx").patches, []);
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed old {} out", server.url("to/new.rgx")));
    assert!(env.read("out") == new);
    assert_eq!(requested_patches(&server), 0, "{report}");
    env.run("push --patches new.rgx to/store").success();
    assert_eq!(index_of(&env, "to/new.rgx").patches.len(), 1);
    // They stay announced as long as they are there.
    env.run("push new.rgx to/store").success();
    assert_eq!(index_of(&env, "to/new.rgx").patches, index_of(&env, "new.rgx").patches);
}

#[test]
fn a_comparison_of_two_formats_says_so() {
    let (env, _) = site();
    let diff = |index: &str| String::from_utf8(env.run(&format!("diff old.rgx {index}")).success().stdout).unwrap();
    for (format, differs) in [(1, true), (2, false)] {
        env.json(&format!("make --format {format} new-{format}.rgx new"));
        let index = format!("new-{format}.rgx");
        assert_eq!(env.json(&format!("diff old.rgx {index}"))["formats_differ"], differs, "{index}");
        assert_eq!(diff(&index).contains("different formats"), differs, "{index}");
    }
}

#[test]
fn nobody_asks_for_a_patch_that_is_not_announced() {
    let (env, new) = site();
    env.json("make --format 2 new.rgx new");
    env.json("patch --patch-level 3 --no-announce --old old --new new old.rgx new.rgx");
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed old {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    assert_eq!((requested_patches(&server), number(&report, "chunks_patch")), (0, 0), "{report}");
}

#[test]
fn patches_between_pushed_images_are_announced() {
    let (env, new) = site();
    env.json("make --format 2 new.rgx new");
    let made = env.json("patch --patch-level 3 --no-announce --old old --new new old.rgx new.rgx");
    env.run("push --patches old.rgx new.rgx to/store").success();
    let index = index_of(&env, "to/new.rgx");
    assert_eq!(index.patches.iter().map(|patch| patch.bytes).collect::<Vec<_>>(), [Some(number(&made, "bytes"))]);
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed old {} out", server.url("to/new.rgx")));
    assert!(env.read("out") == new);
    assert_eq!((requested_patches(&server), number(&report, "requests")), (1, 2), "{report}");
}

#[test]
fn the_smallest_patch_is_asked_for() {
    let (env, new) = site();
    let nearer = [&new[..], &noise("more", 3000)].concat();
    make2(&env, "nearer", &nearer);
    let report = env.json(&format!("{MAKE} --patch-from old.rgx --patch-from nearer.rgx new.rgx new"));
    let sizes = [0, 1].map(|n| number(&report["patches"][n], "bytes"));
    assert!(sizes[1] < sizes[0], "{report}");
    let server = Server::new(env.root());
    let report = env.json(&format!("extract --seed old --seed nearer {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    let fetched = number(&report, "bytes_fetched");
    assert!(fetched <= sizes[1] + env.read("new.rgx").len() as u64, "{report}");
}

#[test]
fn images_of_other_formats_have_no_patch() {
    let (old, new) = patchable::versions();
    let env = TestEnvironment::new();
    env.make_1("old", &old);
    env.write("new", &new);
    let outcome = env.run(&format!("{MAKE} --json --patch-from old.rgx new.rgx new")).success();
    assert!(outcome.stderr.contains("old.rgx: has another format"), "{}", outcome.stderr);
    assert_eq!(outcome.json()["patches"].as_array().map(Vec::len), Some(0));
    assert!(index_of(&env, "new.rgx").patches.is_empty());
    env.run("patch old.rgx new.rgx").failure(2, "different formats");
}
