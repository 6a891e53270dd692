//! `push` copies an index and just its packs to another store, wherever it is cut off.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::environment::OLD_INDEX;
use crate::environment::{Outcome, TestEnvironment};
use crate::report::number;
use crate::server::{Answer, Request, Server};
use regrow_demo::{noise, versions};

/// The images `one` and `two`, which share most chunks, and `three`, in `from/`.
fn published() -> TestEnvironment {
    let env = TestEnvironment::new();
    let (one, two) = versions();
    for (name, image) in [("one", one), ("two", two), ("three", noise("three", 700_000))] {
        let image_path = format!("images/{name}");
        env.write(&image_path, &image);
        std::fs::create_dir_all(env.path("from")).unwrap();
        env.json(&format!("make --avg-size 1KiB --pack-size 256KiB from/{name}.rgx {image_path}"));
    }
    env
}

/// The names of the packs that an index needs, relative to its store.
fn packs_of(env: &TestEnvironment, index: &str) -> Vec<String> {
    let mut packs = env.packs_of(index);
    packs.iter_mut().for_each(|pack| *pack = pack.trim_start_matches("store/packs/").to_owned());
    packs.sort();
    packs
}

/// The names of the packs in a store, relative to it.
fn packs_in(env: &TestEnvironment, store: &str) -> Vec<String> {
    let prefix = format!("{store}/packs/");
    env.packs(store).iter().map(|pack| pack.trim_start_matches(&prefix).to_owned()).collect()
}

/// Checks that an index in the target describes the same image as before.
#[track_caller]
fn check_image(env: &TestEnvironment, index: &str, image: &str) {
    env.run(&format!("extract {index} out")).success();
    assert!(env.read("out") == env.read(&format!("images/{image}")), "{index}");
    env.remove("out");
}

#[track_caller]
fn counts(report: &Value) -> [u64; 3] {
    ["packs", "packs_present", "packs_copied"].map(|key| number(report, key))
}

#[test]
fn a_push_copies_an_index_and_its_packs_alone() {
    let env = published();
    let needed = packs_of(&env, "from/one.rgx");
    let report = env.json("push from/one.rgx to/store");
    let count = needed.len() as u64;
    assert_eq!(counts(&report), [count, 0, count], "{report}");
    assert_eq!(report["indexes"], serde_json::json!(["to/one.rgx"]));
    let bytes: usize = env.packs("to/store").iter().map(|pack| env.read(pack).len()).sum();
    assert_eq!(number(&report, "bytes_copied"), bytes as u64, "{report}");
    assert_eq!((number(&report, "requests"), number(&report, "requests_write")), (0, 0), "{report}");
    assert_eq!(packs_in(&env, "to/store"), needed);
    assert!(env.read("to/one.rgx") == env.read("from/one.rgx"), "the way to the store is the same");
    assert_eq!(env.files("to/store/tmp"), Vec::<String>::new());
    check_image(&env, "to/one.rgx", "one");
    env.run("verify --store to/store to/one.rgx").success();
}

#[test]
fn what_is_there_is_not_copied_again() {
    let env = published();
    env.json("push from/one.rgx to/store");
    let before = packs_of(&env, "from/one.rgx");
    let needed = packs_of(&env, "from/two.rgx");
    let shared = needed.iter().filter(|pack| before.contains(pack)).count() as u64;
    assert!(shared > 0);
    let report = env.json("push from/two.rgx to/store");
    assert_eq!(counts(&report), [needed.len() as u64, shared, needed.len() as u64 - shared], "{report}");
    let again = env.json("push from/two.rgx from/one.rgx to/store");
    assert_eq!((number(&again, "packs_copied"), number(&again, "bytes_copied")), (0, 0), "{again}");
    assert_eq!(again["indexes"].as_array().unwrap().len(), 2);
    check_image(&env, "to/two.rgx", "two");
    check_image(&env, "to/one.rgx", "one");
}

#[test]
fn a_pack_of_another_size_is_replaced() {
    let env = published();
    env.json("push from/one.rgx to/store");
    let pack = env.packs("to/store")[0].clone();
    env.write(&pack, &env.read(&pack)[..1000]);
    assert_eq!(number(&env.json("push from/one.rgx to/store"), "packs_copied"), 1);
    env.run("verify --store to/store to/one.rgx").success();
}

#[test]
fn several_indexes_are_one_push() {
    let env = published();
    let report = env.json("push from/one.rgx from/two.rgx from/three.rgx to/store");
    assert_eq!(packs_in(&env, "to/store"), packs_in(&env, "from/store"));
    assert_eq!(number(&report, "packs"), env.packs("from/store").len() as u64, "each once: {report}");
    for name in ["one", "two", "three"] {
        check_image(&env, &format!("to/{name}.rgx"), name);
    }
    // The push goes from a stick to the next machine, without the place where the images were made.
    env.remove("from");
    env.json("push to/one.rgx to/two.rgx stick/regrow/store");
    env.remove("to");
    check_image(&env, "stick/regrow/two.rgx", "two");
}

#[test]
fn a_push_from_a_host() {
    let env = published();
    let server = Server::new(env.root());
    let report = env.json(&format!("push {} to/store", server.url("from/two.rgx?signature=abc")));
    assert_eq!(number(&report, "requests"), server.request_count(), "{report}");
    assert_eq!(number(&report, "requests"), 1 + number(&report, "packs"), "{report}");
    assert!(server.requests().iter().all(|request| request.query.as_deref() == Some("signature=abc")));
    assert!(env.read("to/two.rgx") == env.read("from/two.rgx"));
    check_image(&env, "to/two.rgx", "two");
}

#[test]
fn the_way_to_the_store_is_written_anew() {
    let env = published();
    std::fs::create_dir_all(env.path("from/deep/down")).unwrap();
    env.json("make --store from/store from/deep/down/one.rgx images/one");
    env.json("push from/deep/down/one.rgx to/other-name");
    assert!(env.read("to/one.rgx") != env.read("from/deep/down/one.rgx"));
    check_image(&env, "to/one.rgx", "one");
    // From within a folder, the index goes beside the store too.
    std::fs::create_dir_all(env.path("here/store")).unwrap();
    let mut push = env.command("push ../../from/one.rgx .");
    Outcome::of(push.current_dir(env.path("here/store"))).success();
    check_image(&env, "here/one.rgx", "one");
}

/// A host that fails after this many packs.
fn breaks_off_after(env: &TestEnvironment, packs: u64, fault: Answer) -> Server {
    Server::with(env.root(), move |request| match request.is_pack() && request.number > packs {
        true => fault.clone(),
        false => Answer::Serve,
    })
}

#[test]
fn a_push_that_broke_off_goes_on() {
    for fault in [Answer::Reset, Answer::ResetInBody, Answer::Short, Answer::Status(404), Answer::Status(500)] {
        let env = published();
        env.write("to/one.rgx", OLD_INDEX);
        let bad = breaks_off_after(&env, 2, fault.clone());
        env.run(&format!("push --tries 1 {} to/store", bad.url("from/one.rgx"))).failure_of(&[3, 4], ".pack");
        assert_eq!(env.read("to/one.rgx"), OLD_INDEX, "{fault:?}");
        let there = packs_in(&env, "to/store");
        assert!(there.iter().all(|pack| packs_of(&env, "from/one.rgx").contains(pack)), "{fault:?}");
        assert_eq!(env.files("to/store/tmp"), Vec::<String>::new(), "{fault:?}");
        let good = Server::new(env.root());
        let report = env.json(&format!("push {} to/store", good.url("from/one.rgx")));
        assert_eq!(number(&report, "packs_present"), there.len() as u64, "{fault:?}: {report}");
        assert_eq!(good.request_count(), 1 + number(&report, "packs_copied"), "{fault:?}: {report}");
        check_image(&env, "to/one.rgx", "one");
    }
}

#[test]
fn a_push_that_was_killed_goes_on() {
    let env = published();
    let slow = Server::with(env.root(), |request| if request.is_pack() { Answer::Slow(4000) } else { Answer::Serve });
    let mut child = env.spawn(&mut env.command(&format!("push {} to/store", slow.url("from/one.rgx"))));
    while env.packs("to/store").is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!env.exists("to/one.rgx"));
    let there = env.packs("to/store").len() as u64;
    let report = env.json("push from/one.rgx to/store");
    assert_eq!(number(&report, "packs_present"), there, "{report}");
    check_image(&env, "to/one.rgx", "one");
    env.run("verify --store to/store to/one.rgx").success();
}

#[test]
fn damaged_packs_are_refused_and_taken_from_elsewhere() {
    let env = published();
    let pack = env.packs_of("from/three.rgx")[0].replacen("store", "from/store", 1);
    let length = env.read(&pack).len();
    let name = pack.replacen("from/store", "to/store", 1);
    let instead = |bytes: Vec<u8>| {
        let pack = pack.clone();
        Server::with(env.root(), move |request: &Request| match request.path == pack {
            true => Answer::Instead(bytes.clone()),
            false => Answer::Serve,
        })
    };
    for bytes in [noise("other", length), noise("shorter", length - 1), Vec::new()] {
        let bad = instead(bytes);
        let push = format!("push {} to/store --tries 1", bad.url("from/three.rgx"));
        env.run(&push).failure_of(&[3, 4], ".pack");
        assert!(!env.exists(&name) && !env.exists("to/three.rgx"));
        env.run(&format!("{push} --store {} --store from/store", bad.url("from/store"))).success();
        check_image(&env, "to/three.rgx", "three");
        env.remove("to");
    }
    let good = env.read(&pack);
    let mut flipped = good.clone();
    flipped[length / 2] ^= 1;
    env.write(&pack, &flipped);
    env.run("push from/three.rgx to/store").failure(3, ".pack");
    assert!(!env.exists(&name) && !env.exists("to/three.rgx"));
}

#[test]
fn a_second_store_helps() {
    let env = published();
    let (down, good) = (
        Server::with(env.root(), |request| if request.is_pack() { Answer::Status(500) } else { Answer::Serve }),
        Server::new(env.root()),
    );
    let stores = format!("--store {} --store {}", down.url("from/store"), good.url("from/store"));
    env.run(&format!("push --tries 2 {stores} {} to/store", down.url("from/one.rgx"))).success();
    check_image(&env, "to/one.rgx", "one");
}

#[test]
fn a_store_of_other_parameters_is_refused() {
    let env = published();
    std::fs::create_dir(env.path("to")).unwrap();
    env.json("make --avg-size 4KiB to/other.rgx images/three");
    let before = env.files("to");
    env.run("push from/one.rgx to/store").failure(2, "to/store");
    assert_eq!(env.files("to"), before);
}

#[test]
fn a_condemned_pack_gets_another_name() {
    let env = published();
    env.json("push from/one.rgx from/three.rgx to/store");
    let old = packs_of(&env, "to/three.rgx");
    let only: Vec<String> = old.iter().filter(|pack| !packs_of(&env, "to/one.rgx").contains(pack)).cloned().collect();
    env.remove("to/three.rgx");
    for pack in env.packs("to/store") {
        let file = std::fs::File::options().append(true).open(env.path(&pack)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(30 * 24 * 3600)).unwrap();
    }
    assert_eq!(number(&env.json("gc --store to/store"), "packs_condemned"), only.len() as u64);
    let report = env.json("push from/three.rgx to/store");
    assert_eq!(number(&report, "packs_copied"), only.len() as u64, "{report}");
    assert!(packs_of(&env, "to/three.rgx").iter().all(|pack| !only.contains(pack)));
    check_image(&env, "to/three.rgx", "three");
    let list = String::from_utf8(env.read("to/store/gc.json")).unwrap().replace("604800", "0");
    env.write("to/store/gc.json", list.as_bytes());
    std::thread::sleep(Duration::from_millis(1100));
    let report = env.json("gc --store to/store --grace 0s");
    assert_eq!(number(&report, "packs_deleted"), only.len() as u64, "{report}");
    check_image(&env, "to/three.rgx", "three");
    env.run("verify --store to/store to/one.rgx to/three.rgx").success();
    // The first names are free again now.
    env.json("push from/three.rgx to/store");
    assert_eq!(packs_of(&env, "to/three.rgx"), old);
    env.run("verify --store to/store to/one.rgx to/three.rgx").success();
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let env = published();
    let index = env.read("from/one.rgx");
    let server = Server::with(env.root(), move |request| match request.is_pack() {
        true => Answer::Serve,
        false => Answer::Page("application/octet-stream", index.clone()),
    });
    for name in ["..%2f..%2fevil.rgx", "a/..", "a/", "", "%2e%2e", "evil%00.rgx", "..%5cevil.rgx", "c:evil.rgx"] {
        let before = env.files("");
        let url = server.url(&format!("from/{name}"));
        env.run(&format!("push {url} to/store")).failure(2, "name");
        assert_eq!(env.files(""), before, "{name}");
    }
    // Two indexes have the same name, so one would replace the other.
    env.write("other/one.rgx", &env.read("from/three.rgx"));
    env.run("push --store from/store from/one.rgx other/one.rgx to/store").failure(2, "one.rgx");
    assert!(!env.exists("to"));
}

#[test]
fn what_makes_no_sense_is_told() {
    let env = published();
    env.run("push from/one.rgx http://127.0.0.1:1/store").failure(2, "http");
    env.run("push from/absent.rgx to/store").failure(4, "absent.rgx");
    env.run("push images/one to/store").failure(3, "images/one");
    assert!(!env.exists("to"));
    assert_eq!(env.run("push from/one.rgx").code, Some(2));
    env.write("file", b"");
    env.run("push from/one.rgx file").failure(1, "file");
    env.run("push --store absent from/one.rgx to/store").failure(4, "absent");
    assert!(!env.exists("to"));
}
