//! The chunks that `make` stores, and those that it does not store again.

use std::process::Child;

use crate::environment::{Outcome, TestEnvironment};
use crate::report::{check_extract, check_make, number};
use crate::server::Server;
use regrow_demo::{Tree, docker_save, noise, versions};

#[test]
fn a_second_make_stores_nothing_new() {
    let (image, _) = versions();
    let env = TestEnvironment::new();
    env.make("image", &image);
    let packs = env.packs("store");
    let index = env.read("image.rgx");
    let again = env.json("make again.rgx image");
    check_make(&again, &image);
    for key in ["chunks_new", "bytes_new", "bytes_stored", "packs_written"] {
        assert_eq!(number(&again, key), 0, "{again}");
    }
    assert_eq!(env.packs("store"), packs);
    assert!(env.read("again.rgx") == index, "the same image has the same index");
}

#[test]
fn a_changed_image_stores_only_the_change() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    let report = env.make("new", &new);
    check_make(&report, &new);
    // The layer's headers have new times, and one file in twelve has changed contents.
    assert!(number(&report, "bytes_new") < new.len() as u64 / 5, "{report}");
    assert!(number(&report, "chunks_new") < number(&report, "chunks") / 3, "{report}");
    assert!(number(&report, "chunks_new") > 0, "{report}");
    env.run("extract new.rgx out").success();
    assert!(env.read("out") == new);
    env.run("extract old.rgx out").success();
    assert!(env.read("out") == old, "the old image is still there");
}

#[test]
fn new_times_alone_store_no_contents() {
    let tree = Tree::sample("times", 150);
    let env = TestEnvironment::new();
    env.make("old", &tree.tar(1_700_000_000));
    let new = tree.tar(1_700_000_060);
    let report = env.make("new", &new);
    let headers = new.len() as u64 - tree.bytes();
    assert!(number(&report, "bytes_new") < headers + 3 * 150, "only headers and lengths: {report}");
}

#[test]
fn two_makes_at_once_are_safe() {
    let shared = Tree::sample("shared", 100);
    for round in 0..4 {
        let env = TestEnvironment::new();
        let images = ["a", "b"].map(|name| docker_save(&[shared.clone(), Tree::sample(name, 40)], round));
        let makes: Vec<Child> = ["a", "b"]
            .iter()
            .zip(&images)
            .map(|(name, image)| {
                env.write(name, image);
                env.spawn(&mut env.command(&format!("make --avg-size 1KiB --pack-size 100KiB {name}.rgx {name}")))
            })
            .collect();
        makes.into_iter().for_each(|child| drop(Outcome::wait(child).success()));
        for (name, image) in ["a", "b"].iter().zip(&images) {
            env.run(&format!("extract {name}.rgx {name}.out")).success();
            assert!(env.read(&format!("{name}.out")) == *image);
        }
        check_store(&env);
        env.run("verify --store store a.rgx b.rgx").success();
        // Chunks that both stored are known twice now. That must not disturb anybody.
        let third = docker_save(&[shared.clone(), Tree::sample("a", 40), Tree::sample("b", 40)], round);
        env.make("third", &third);
        env.run("extract third.rgx third.out").success();
        assert!(env.read("third.out") == third);
    }
}

/// Checks that each pack has the name of its bytes, and that no other file lies about.
pub(crate) fn check_store(env: &TestEnvironment) {
    for pack in env.packs("store") {
        let name = pack.rsplit('/').next().unwrap().strip_suffix(".pack").unwrap();
        assert_eq!(blake3::hash(&env.read(&pack)).to_string(), name, "{pack}");
    }
    assert_eq!(env.files("store/tmp"), Vec::<String>::new());
}

#[test]
fn chunks_that_two_packs_hold_are_counted_once() {
    let parts = ["left", "both", "right"].map(|name| Tree::sample(name, 60));
    let [left, both, right] = &parts;
    let (first, second) = (TestEnvironment::new(), TestEnvironment::new());
    first.make("a", &docker_save(&[left.clone(), both.clone()], 1));
    second.make("b", &docker_save(&[both.clone(), right.clone()], 1));
    // The store looks as two makes at once leave it: each has stored the shared chunks.
    for pack in second.packs("store") {
        first.write(&pack, &second.read(&pack));
    }
    let image = docker_save(&parts, 1);
    first.make("all", &image);
    let report = first.json("extract all.rgx out");
    assert!(first.read("out") == image);
    check_extract(&report, &image);
    let planned = first.json("extract --dry-run all.rgx out2");
    assert_eq!(planned["bytes_store"], report["bytes_store"]);
}

#[test]
fn another_average_size_is_refused() {
    let env = TestEnvironment::new();
    env.make("image", &noise("first", 50_000));
    let files = env.files("store");
    env.run("make --avg-size 8KiB other.rgx image").failure(2, "--avg-size");
    assert!(!env.exists("other.rgx"));
    assert_eq!(env.files("store"), files);
    env.run("make --avg-size 1KiB same.rgx image").success();
    env.run("make other.rgx image").success();
}

#[test]
fn the_index_remembers_its_store() {
    let image = noise("remember", 200_000);
    for (index, store) in
        [("app.rgx", "store"), ("app.rgx", "deep/er"), ("in/dexes/app.rgx", "st/ore"), ("s/app.rgx", "s")]
    {
        let env = TestEnvironment::new();
        env.write("image", &image);
        std::fs::create_dir_all(env.path(index).parent().unwrap()).unwrap();
        env.run(&format!("make --avg-size 1KiB --store {store} {index} image")).success();
        let server = Server::new(env.root());
        env.run(&format!("extract {} out", server.url(index))).success();
        assert!(env.read("out") == image, "{index} {store}");
        env.run(&format!("extract {index} out2")).success();
        assert!(env.read("out2") == image, "{index} {store}");
    }
}

#[test]
fn what_a_damaged_pack_held_is_stored_again() {
    let image = noise("again", 300_000);
    let env = TestEnvironment::new();
    env.make("image", &image);
    for pack in env.packs("store") {
        let bytes = env.read(&pack);
        env.write(&pack, &bytes[..bytes.len() - 10]);
    }
    let again = env.json("make --pack-size 256KiB image.rgx image");
    assert_eq!(number(&again, "chunks_new"), number(&again, "chunks"));
    env.run("extract image.rgx out").success();
    assert!(env.read("out") == image);
    // The new packs are what the old ones should be.
    check_store(&env);
}

#[test]
fn an_index_never_takes_the_images_place() {
    let image = noise("precious", 100_000);
    let env = TestEnvironment::new();
    env.write("image", &image);
    for arguments in ["image image", "./image image", "image ./image"] {
        env.run(&format!("make {arguments}")).failure(2, "image");
        assert!(env.read("image") == image, "{arguments}: the image is gone");
    }
    env.make("image", &image);
    let index = env.read("image.rgx");
    env.run("extract image.rgx image.rgx").failure(2, "image.rgx");
    assert!(env.read("image.rgx") == index);
}

#[test]
fn the_same_image_makes_the_same_packs() {
    // A maker of the same image elsewhere names the same packs, so a cache before the host keeps its copies.
    let image = [versions().0, noise("same packs", 6_000_000)].concat();
    let mut first = None;
    for round in 0..6 {
        let env = TestEnvironment::new();
        env.write("image", &image);
        let make = "make --avg-size 4KiB --pack-size 300KiB image.rgx";
        // The image may arrive as slowly as it likes.
        let outcome = match round % 2 {
            0 => env.run(&format!("{make} image")),
            _ => env.run_with_input(&format!("{make} -"), &image),
        };
        outcome.success();
        let made = (env.packs("store"), env.read("image.rgx"));
        assert!(*first.get_or_insert_with(|| made.clone()) == made, "round {round}: other packs");
    }
}

#[test]
fn names_that_urls_must_escape() {
    let image = noise("names", 60_000);
    let env = TestEnvironment::new();
    env.write("image", &image);
    let run = |arguments: &[&str]| Outcome::of(&mut env.command_of(arguments));
    run(&["make", "--store", "a störe+100%", "app.rgx", "image"]).success();
    let server = Server::new(env.root());
    run(&["extract", &server.url("app.rgx"), "out file"]).success();
    assert!(env.read("out file") == image);
    let file_url = format!("file://{}", env.path("app.rgx").display());
    run(&["extract", &file_url, "from a file URL"]).success();
    assert!(env.read("from a file URL") == image);
}

#[test]
fn small_packs_are_many_and_work() {
    let image = [versions().0, noise("small packs", 16_000_000)].concat();
    let env = TestEnvironment::new();
    env.write("image", &image);
    let report = env.json("make --pack-size 1 image.rgx image");
    assert!(number(&report, "packs_written") > 2, "{report}");
    assert_eq!(number(&report, "packs_written"), env.packs("store").len() as u64);
    env.run("extract image.rgx out").success();
    assert!(env.read("out") == image);
}
