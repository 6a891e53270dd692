//! Patches from images that are found around the store: the newest ones, and the most similar ones.

use std::time::{Duration, SystemTime};

use super::*;
use regrow_demo::patchable::text;

const MAKE: &str =
    "make --allow-partial --avg-size 1KiB --pack-size 256KiB --patch-level 3 --patch-min-saving 0 --json";

/// An image in which these lines are not those of the first release.
fn image(edits: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let first = String::from_utf8(text("release", 3000)).unwrap();
    let mut lines: Vec<String> = first.lines().map(|line| format!("{line}\n")).collect();
    for edit in edits {
        lines[edit] = format!("{edit} {}", String::from_utf8(text(&format!("edit {edit}"), 1)).unwrap());
    }
    lines.concat().into_bytes()
}

/// Publishes an image as `NAME.rgx`, and returns the report.
fn publish(env: &TestEnvironment, name: &str, image: &[u8], arguments: &str) -> Value {
    env.write(name, image);
    env.run(&format!("{MAKE} {arguments} {name}.rgx {name}")).success().json()
}

/// Sets the time of an index, in seconds of a day.
fn set_time(env: &TestEnvironment, name: &str, second: u64) {
    let file = std::fs::File::options().append(true).open(env.path(name)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)).unwrap();
}

/// The bases of the patches in a report of `make` or `patch`.
fn bases(report: &Value) -> Vec<String> {
    let patches = report["patches"].as_array().unwrap();
    patches.iter().map(|patch| patch["base_id"].as_str().unwrap().to_owned()).collect()
}

fn id(report: &Value) -> String {
    report["image_id"].as_str().unwrap().to_owned()
}

#[test]
fn the_newest_images_of_the_same_name() {
    let env = TestEnvironment::new();
    let mut ids = Vec::new();
    for (n, name) in ["app-1", "app-2", "app-3", "db-1"].into_iter().enumerate() {
        ids.push(id(&publish(&env, name, &image([n]), "")));
        set_time(&env, &format!("{name}.rgx"), n as u64);
    }
    // The same image twice counts once, and the image itself is no base.
    std::fs::copy(env.path("app-3.rgx"), env.path("app-3.0.rgx")).unwrap();
    set_time(&env, "app-3.0.rgx", 9);
    let report = publish(&env, "app-4", &image([7]), "--patch-from last:2");
    assert_eq!(bases(&report), [ids[2].clone(), ids[1].clone()]);
    // Times decide, not names.
    set_time(&env, "app-1.rgx", 20);
    set_time(&env, "app-4.rgx", 19);
    let report = env.json("patch --patch-level 3 --patch-min-saving 0 last app-4.rgx");
    assert_eq!(bases(&report), [ids[0].clone()]);
    // An index that is replaced describes the image before.
    let report = publish(&env, "db-1", &image([8]), "--patch-from last:5");
    assert_eq!(bases(&report), [ids[3].clone()]);
    env.run("make --patch-from last:0 x.rgx app-1").failure(2, "give a number from 1 to 64");
}

#[test]
fn the_newest_images_by_their_counters() {
    let env = TestEnvironment::new();
    let mut ids = Vec::new();
    for counter in [3, 1, 2] {
        let claims = format!("--format 2 --channel stable --counter {counter}");
        let name = format!("image{counter}");
        ids.push(id(&publish(&env, &name, &image([counter]), &claims)));
    }
    publish(&env, "other-9", &image([50]), "--format 2 --channel beta --counter 9");
    let report = publish(&env, "next", &image([60]), "--format 2 --channel stable --counter 4 --patch-from last:2");
    assert_eq!(bases(&report), [ids[0].clone(), ids[2].clone()]);
}

#[test]
fn the_most_similar_of_five() {
    for format in ["", "--format 2"] {
        let env = TestEnvironment::new();
        let mut ids = Vec::new();
        for n in 1..=5 {
            let release = image((0..n * 40).map(|edit| edit * 7 % 3000));
            ids.push(id(&publish(&env, &format!("app-{n}"), &release, format)));
        }
        // The new image continues an old branch: it has the edits of the second release, and some others.
        let branch = image((0..80).map(|edit| edit * 7 % 3000).chain(2900..2910));
        let report = publish(&env, "branch", &branch, &format!("{format} --patch-from auto"));
        assert_eq!(bases(&report), [ids[1].clone()]);
        let arguments = "patch --patch-level 3 --patch-min-saving 0 --no-announce";
        let report = env.json(&format!("{arguments} auto:3 branch.rgx"));
        assert_eq!(bases(&report)[..1], ids[1..2], "the same choice again");
        assert!((3..=5).contains(&bases(&report).len()), "{report}");
        assert_eq!(env.json(&format!("{arguments} auto:3 branch.rgx"))["patches"][2]["present"], true);
        // A base that is named too has one patch.
        let report = env.json(&format!("{arguments} app-5.rgx app-2.rgx auto branch.rgx"));
        assert_eq!(bases(&report), [ids[4].clone(), ids[1].clone()]);
        let smallest = |number: usize| report["patches"][number]["bytes"].as_u64().unwrap();
        assert!(smallest(1) < smallest(0));
    }
}

#[test]
fn what_cannot_be_a_base_is_passed_over() {
    let env = TestEnvironment::new();
    let good = id(&publish(&env, "app-1", &image([1]), ""));
    publish(&env, "app-2", &image([2]), "--format 1");
    env.write("app-3", &image([3]));
    env.json("make --store other --allow-partial --avg-size 2KiB app-3.rgx app-3");
    env.write("app-4.rgx", b"no index");
    let mut damaged = env.read("app-1.rgx");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    env.write("app-5.rgx", &damaged);
    for choice in ["last:9", "auto:9"] {
        env.write("new", &image([4]));
        let outcome = env.run(&format!("{MAKE} --patch-from {choice} app-6.rgx new")).success();
        assert_eq!(bases(&outcome.json()), std::slice::from_ref(&good), "{choice}");
        let warnings: Vec<_> = outcome.stderr.lines().filter(|line| line.contains("warning")).collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("passed over") && warnings[0].contains("another one"), "{warnings:?}");
        env.remove("app-6.rgx");
    }
    // An image of which the packs are gone is passed over too.
    env.write("else/app-7", &image(100..300));
    env.json("make --store else/store --allow-partial --avg-size 1KiB else/app-7.rgx else/app-7");
    std::fs::rename(env.path("else/app-7.rgx"), env.path("app-7.rgx")).unwrap();
    let report = publish(&env, "app-8", &image([5]), "--patch-from auto:9");
    assert_eq!(bases(&report), [good]);
}

#[test]
fn a_first_release_has_no_base() {
    for choice in ["last:3", "auto"] {
        let env = TestEnvironment::new();
        env.write("app", &image([]));
        let outcome = env.run(&format!("{MAKE} --patch-from {choice} app.rgx app")).success();
        assert!(bases(&outcome.json()).is_empty());
        assert!(outcome.stderr.contains("no image was found"), "{}", outcome.stderr);
        // Nothing has anything in common with the next image.
        env.write("noise", &text("noise", 1000));
        let outcome = env.run(&format!("{MAKE} --patch-from auto noise.rgx noise")).success();
        assert!(bases(&outcome.json()).is_empty());
    }
}

#[test]
fn other_names_of_a_release_and_links_to_nowhere_hide_nothing() {
    let env = TestEnvironment::new();
    let first = id(&publish(&env, "app-1", &image([1]), ""));
    std::fs::copy(env.path("app-1.rgx"), env.path("stable.rgx")).unwrap();
    set_time(&env, "app-1.rgx", 1);
    set_time(&env, "stable.rgx", 2);
    std::os::unix::fs::symlink("nowhere.rgx", env.path("latest.rgx")).unwrap();
    let report = publish(&env, "app-2", &image([2]), "--patch-from last");
    assert_eq!(bases(&report), [first]);
}

#[test]
fn an_image_that_is_published_again_keeps_its_announcements() {
    for format in ["1", "2"] {
        let env = TestEnvironment::new();
        let make = format!("--format {format} --patch-from app.rgx");
        publish(&env, "old", &image([1]), &format!("--format {format}"));
        std::fs::rename(env.path("old.rgx"), env.path("app.rgx")).unwrap();
        env.write("app", &image([2]));
        let announced = || env.json("info app.rgx")["patches"].as_array().unwrap().len();
        for again in [false, true] {
            let warnings = env.run(&format!("{MAKE} {make} app.rgx app")).success().stderr;
            assert_eq!(announced(), 1, "{format}, {again}: {warnings}");
        }
        // A patch that is gone is not announced any more.
        std::fs::remove_dir_all(env.path("store/patches")).unwrap();
        env.run(&format!("{MAKE} --format {format} app.rgx app")).success();
        assert_eq!(announced(), 0, "{format}");
    }
}
