//! Making patches: beside a new image or later, from files or from the store, announced or not.

use super::*;

const MAKE: &str = "make --avg-size 1KiB --pack-size 256KiB --patch-level 3";

/// The bases of patches that an index announces.
fn announced(env: &TestEnvironment, index: &str) -> Vec<String> {
    let index = regrow_index::Index::decode(&env.read(index)).unwrap();
    index.patches.iter().map(|patch| patch.base.to_string()).collect()
}

#[test]
fn a_patch_is_made_beside_its_image() {
    let (old, new) = versions();
    for flags in ["--old old", "", "--old other --old old"] {
        let env = TestEnvironment::new();
        let base = env.make("old", &old)["image_id"].clone();
        env.write("other", b"something else");
        env.write("new", &new);
        let report = env.json(&format!("{MAKE} --patch-from old.rgx {flags} new.rgx new"));
        let patch = &report["patches"][0];
        assert_eq!((&patch["base_id"], &patch["image_id"]), (&base, &report["image_id"]), "{report}");
        assert_eq!(announced(&env, "new.rgx"), [base.as_str().unwrap()], "{flags}");
        let site = Site { env, old: old.clone(), new: new.clone() };
        assert_eq!(number(patch, "bytes"), site.patch_bytes(), "{report}");
        assert!(number(patch, "members") >= 10, "{report}");
        check_patched(&site.extract(&Server::new(site.env.root()), "--seed old").0);
    }
}

#[test]
fn standard_input_and_a_first_release() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    let outcome = env.run_with_input(&format!("{MAKE} --json --patch-from old.rgx new.rgx -"), &new).success();
    assert_eq!(outcome.json()["patches"].as_array().unwrap().len(), 1);
    let site = Site { env, old, new };
    check_patched(&site.extract(&Server::new(site.env.root()), "--seed old").0);
    let outcome = site.env.run(&format!("{MAKE} --patch-from absent.rgx first.rgx old")).success();
    let [warning] = warnings(&outcome)[..] else { panic!("{}", outcome.stderr) };
    assert!(warning.contains("absent.rgx"), "{warning}");
    assert_eq!(announced(&site.env, "first.rgx"), Vec::<String>::new());
    // The same image needs no patch to itself.
    site.env.run(&format!("{MAKE} --patch-from old.rgx same.rgx old")).success();
    assert_eq!(announced(&site.env, "same.rgx"), Vec::<String>::new());
    check_usage(&site.env.run(&format!("{MAKE} --old old same.rgx old")), "--patch-from");
}

#[test]
fn a_patch_is_made_later() {
    let site = Site::without_patch();
    let server = Server::new(site.env.root());
    let index = site.env.read("new.rgx");
    let report = site.env.json("patch --patch-level 3 --store store --no-announce old.rgx new.rgx");
    assert_eq!((report["announced"].as_bool(), report["present"].as_bool()), (Some(false), Some(false)), "{report}");
    assert!(site.env.read("new.rgx") == index);
    assert_eq!(number(&report, "bytes"), site.patch_bytes(), "{report}");
    assert!(number(&report, "bytes_chunks") > site.patch_bytes(), "{report}");
    assert_eq!(number(&report, "image_bytes"), site.new.len() as u64, "{report}");
    check_patched(&site.extract(&server, "--seed old").0);
    let first = site.env.read(&site.patch());
    // A patch that is there stays, and can still be announced.
    let mut other = first.clone();
    *other.last_mut().unwrap() ^= 1;
    site.env.write(&site.patch(), &other);
    let report = site.env.json("patch --old old --new new old.rgx new.rgx");
    assert_eq!((report["announced"].as_bool(), report["present"].as_bool()), (Some(true), Some(true)), "{report}");
    assert!(site.env.read(&site.patch()) == other);
    assert_eq!(announced(&site.env, "new.rgx").len(), 1);
    // A file that is no patch at all does not stay.
    site.env.write(&site.patch(), b"whatever");
    let outcome = site.env.run("patch --patch-level 3 old.rgx new.rgx").success();
    assert!(outcome.stderr.contains("is not a patch; it is made again"), "{}", outcome.stderr);
    assert!(site.env.read(&site.patch()) == first);
    site.env.write(&site.patch(), &other);
    let report = site.env.json("patch --patch-level 3 --replace old.rgx new.rgx");
    assert_eq!((report["announced"].as_bool(), report["present"].as_bool()), (Some(true), Some(false)), "{report}");
    assert!(site.env.read(&site.patch()) == first, "the same is made each time");
    assert_eq!(announced(&site.env, "new.rgx").len(), 1);
    server.reset_counts();
    check_patched(&site.extract(&server, "--catalog fresh --seed old").0);
    assert_eq!(server.request_count(), 2);
    site.check_nothing_is_left();
}

#[test]
fn files_that_are_not_the_images_are_named() {
    let site = Site::without_patch();
    for (flags, name) in [("--old new", "new"), ("--old old --new old", "old"), ("--old absent", "absent")] {
        site.env.run(&format!("patch {flags} old.rgx new.rgx")).failure_of(&[1, 2, 4], name);
    }
    assert_eq!(site.env.files("store/patches"), Vec::<String>::new());
    site.env.write("third", b"third");
    site.env.run(&format!("{MAKE} --patch-from old.rgx --old new third.rgx third")).failure_of(&[1, 2], "new");
    assert!(!site.env.exists("third.rgx"), "an index that announces what is not there");
}

#[test]
fn what_makes_no_sense_is_told() {
    let site = Site::without_patch();
    site.env.run("patch old.rgx old.rgx").failure(2, "the same image");
    site.env.run("make --avg-size 2KiB --store coarse coarse.rgx new").success();
    site.env.run("patch --store store old.rgx coarse.rgx").failure(2, "cut in different ways");
    site.env.run("patch old.rgx absent.rgx").failure(4, "absent.rgx");
    for level in ["0", "10", "high"] {
        check_usage(&site.env.run(&format!("patch --patch-level {level} old.rgx new.rgx")), "--patch-level");
    }
    assert_eq!(site.env.files("store/patches"), Vec::<String>::new());
}

/// Checks that the command line is refused, and that the message names `flag`.
#[track_caller]
fn check_usage(outcome: &Outcome, flag: &str) {
    assert_eq!(outcome.code, Some(2), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(flag), "{}", outcome.stderr);
}

#[test]
fn an_index_behind_http_is_not_announced_in() {
    let site = Site::without_patch();
    let server = Server::new(site.env.root());
    let (old, new) = (server.url("old.rgx"), server.url("new.rgx"));
    let outcome = site.env.run(&format!("patch --json --store store --old old --new new {old} {new}")).success();
    assert_eq!(outcome.json()["announced"], false);
    let [warning] = warnings(&outcome)[..] else { panic!("{}", outcome.stderr) };
    assert!(warning.contains("new.rgx"), "{warning}");
    check_patched(&site.extract(&server, "--seed old").0);
}

#[test]
fn several_bases_have_a_patch_each() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    let older = regrow_demo::patchable::text("older", 3000);
    env.make("older", &older);
    env.write("new", &new);
    let flags = "--patch-from old.rgx --patch-from older.rgx --patch-from old.rgx --old older --old old";
    let report = env.json(&format!("{MAKE} {flags} new.rgx new"));
    assert_eq!(report["patches"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(env.files("store/patches").len(), 2);
    let site = Site { env, old, new };
    let server = Server::new(site.env.root());
    check_patched(&site.extract(&server, "--seed old").0);
    // The better patch is found, whichever seed comes first.
    server.reset_counts();
    check_patched(&site.extract(&server, "--seed older --seed old").0);
    assert!(asked(&server) <= 2);
}
