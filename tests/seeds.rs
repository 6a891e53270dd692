//! Everything that a machine already holds is used: tars, folders, indexes, stores, and the output itself.

use serde_json::Value;

use crate::environment::TestEnvironment;
use crate::report::{check_extract, number};
use crate::server::Server;
use regrow_demo::{Tree, docker_save, noise, versions};

/// Extracts `new.rgx` with these arguments, checks the result, removes it, and returns the report.
fn extract(env: &TestEnvironment, arguments: &str, image: &[u8]) -> Value {
    let report = env.json(&format!("extract {arguments} new.rgx out"));
    assert!(env.read("out") == image, "{arguments}");
    env.remove("out");
    check_extract(&report, image);
    report
}

/// Writes a tree's files below a folder.
fn unpack(env: &TestEnvironment, folder: &str, tree: &Tree) {
    for (path, bytes) in &tree.0 {
        env.write(&format!("{folder}/{path}"), bytes);
    }
}

/// A name that an unfinished run leaves beside its output.
fn left_in_cache() -> String {
    format!("to/.out.regrow-meta/ab/{}-0-1", "ab".repeat(32))
}

#[test]
fn a_folder_gives_what_the_tar_gives() {
    let old = Tree::sample("unpacked", 200);
    let new = old.changed(15);
    let env = TestEnvironment::new();
    env.write("old", &old.tar(1));
    unpack(&env, "folder", &old);
    env.make("new", &new.tar(2));
    let tar = number(&extract(&env, "--seed old", &new.tar(2)), "bytes_seed");
    let folder = number(&extract(&env, "--seed folder", &new.tar(2)), "bytes_seed");
    assert!(tar > new.bytes() / 2, "{tar}");
    // The folder has no headers, so it can only match contents.
    let headers = new.0.len() as u64 * 512 + 20_000;
    assert!(folder + headers >= tar && folder * 100 >= new.bytes() * 95 / 100 * 80, "{folder} of {tar}");
}

#[test]
fn a_folder_gives_all_contents_of_the_same_image() {
    let trees = [Tree::sample("one", 120), Tree::sample("two", 120)];
    let env = TestEnvironment::new();
    trees.iter().for_each(|tree| unpack(&env, "folder", tree));
    let image = docker_save(&trees, 7);
    env.make("new", &image);
    let report = extract(&env, "--seed folder", &image);
    let contents: u64 = trees.iter().map(Tree::bytes).sum();
    assert!(number(&report, "bytes_seed") * 100 >= contents * 95, "{report} of {contents}");
}

#[test]
fn a_folder_with_strange_things_in_it() {
    let tree = Tree::sample("strange", 60);
    let env = TestEnvironment::new();
    unpack(&env, "folder", &tree);
    let wrong = tree.0.iter().find(|(_, bytes)| bytes.len() > 20_000).unwrap().0;
    env.write(&format!("folder/{wrong}"), &noise("wrong", 30_000));
    std::os::unix::fs::symlink("folder", env.path("folder/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", env.path("folder/dangling")).unwrap();
    env.make("new", &tree.tar(3));
    let report = extract(&env, "--seed folder", &tree.tar(3));
    assert!(number(&report, "bytes_seed") > tree.bytes() / 2, "{report}");
    env.remove("folder/loop");
    std::fs::create_dir(env.path("hollow")).unwrap();
    assert_eq!(number(&extract(&env, "--seed hollow", &tree.tar(3)), "chunks_seed"), 0);
}

#[test]
fn an_index_and_a_store_as_seeds() {
    let (old, new) = versions();
    let (env, host) = (TestEnvironment::new(), TestEnvironment::new());
    env.make("old", &old);
    host.make("new", &new);
    let server = Server::new(host.root());
    let mut seeded = Vec::new();
    for seed in ["old.rgx", "store", "old"] {
        let report = env.json(&format!("extract --seed {seed} {} out", server.url("new.rgx")));
        assert!(env.read("out") == new, "{seed}");
        check_extract(&report, &new);
        seeded.push(number(&report, "bytes_seed"));
        env.remove("out");
    }
    assert_eq!(seeded[0], seeded[2], "the index leads to what the tar holds");
    assert_eq!(seeded[1], seeded[2], "the store holds what the tar holds");
}

#[test]
fn several_seeds_add_up() {
    let [one, two] = ["one", "two"].map(|name| Tree::sample(name, 80));
    let env = TestEnvironment::new();
    env.write("one", &one.tar(1));
    env.write("two", &two.tar(1));
    let image = docker_save(&[one, two], 1);
    env.make("new", &image);
    let report = extract(&env, "--seed one --seed two", &image);
    assert!(number(&report, "bytes_seed") > image.len() as u64 / 10 * 8, "{report}");
}

#[test]
fn other_cuts_make_no_wrong_bytes() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.write("old", &old);
    env.run("make --store other --avg-size 8KiB old.rgx old").success();
    env.make("new", &new);
    extract(&env, "--seed old.rgx --seed old --seed other", &new);
}

#[test]
fn the_old_output_is_a_seed() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    env.make("new", &new);
    env.write("out", &old);
    let server = Server::new(env.root());
    let report = env.json(&format!("extract {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    check_extract(&report, &new);
    assert!(number(&report, "chunks_seed") > number(&report, "chunks") / 2, "{report}");
    assert!(number(&report, "bytes_fetched") < 200_000, "{report}");
}

#[test]
fn an_output_that_is_right_costs_the_index_alone() {
    use std::os::unix::fs::MetadataExt;
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    env.write("out", &new);
    let file = env.path("out").metadata().unwrap().ino();
    let server = Server::new(env.root());
    let report = env.json(&format!("extract {} out", server.url("new.rgx")));
    check_extract(&report, &new);
    assert_eq!(number(&report, "chunks_resumed"), number(&report, "chunks"));
    assert_eq!(server.request_count(), 1);
    assert_eq!(number(&report, "bytes_fetched"), env.read("new.rgx").len() as u64);
    assert!(env.read("out") == new && env.path("out").metadata().unwrap().ino() == file);
}

#[test]
fn in_place_over_partial_content() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let half = new.len() / 2;
    let mut partial = new.clone();
    partial[half..].fill(0);
    let longer = [new.as_slice(), &[1; 5000]].concat();
    let cases =
        [("half", partial, true), ("short", new[..half].to_vec(), true), ("long", longer, true), ("other", old, false)];
    for (name, content, is_partial) in cases {
        env.write("device", &content);
        let planned = env.json("extract --dry-run --in-place new.rgx device");
        assert!(env.read("device") == content, "{name}: a dry run writes nothing");
        let report = env.json("extract --in-place new.rgx device");
        assert!(env.read("device") == new, "{name}");
        check_extract(&report, &new);
        assert_eq!(planned["chunks_resumed"], report["chunks_resumed"], "{name}");
        if is_partial {
            assert!(number(&report, "chunks_resumed") > number(&report, "chunks") / 3, "{name}: {report}");
        }
    }
    // With the file itself as the seed, its chunks may move. Those that are overwritten too early are fetched.
    env.write("device", &[&noise("front", 777), new.as_slice()].concat());
    check_extract(&env.json("extract --in-place --seed device new.rgx device"), &new);
    assert!(env.read("device") == new);
    env.run("extract --in-place new.rgx absent").failure(1, "absent");
}

#[test]
fn what_another_run_left_is_looked_at_only() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let longer = [new.as_slice(), &noise("more", 100_000)].concat();
    for (name, part) in [("noise", noise("part", 3_000_000)), ("old", old), ("longer", longer), ("empty", Vec::new())] {
        env.write("to/.out.regrow-part", &part);
        env.write(&left_in_cache(), b"x");
        let report = env.json("extract new.rgx to/out");
        assert!(env.read("to/out") == new, "{name}");
        check_extract(&report, &new);
        assert_eq!(number(&report, "chunks_resumed") > 0, name == "old" || name == "longer", "{name}: {report}");
        assert_eq!(env.files("to"), ["to/out"]);
        env.remove("to");
    }
}

#[test]
fn leftovers_of_a_crash_go_with_the_next_run() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    // A crash after the rename leaves the new file, and the folder beside it.
    env.write("to/out", &new);
    env.write(&left_in_cache(), b"x");
    env.run("extract new.rgx to/out").success();
    assert_eq!(env.files("to"), ["to/out"]);
}
