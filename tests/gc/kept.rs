//! Packs, indexes and patches that stay, and what is said about them.

use super::*;

#[test]
fn indexes_at_any_depth_around_the_store_are_kept() {
    let env = TestEnvironment::new();
    for (name, place) in [("one", "one.rgx"), ("two", "deep/down/two.rgx"), ("three", "store/three.rgx")] {
        env.make(name, &noise(name, 300_000));
        let index = env.read(&format!("{name}.rgx"));
        env.remove(&format!("{name}.rgx"));
        env.write(place, &index);
    }
    let all = env.packs("store");
    let report = gc(&env, "--grace 0s");
    assert_eq!((number(&report, "indexes"), number(&report, "packs_deleted")), (3, 0), "{report}");
    assert_eq!(env.packs("store"), all);
    // The same from within the folder, where the store's name has no folder.
    env.remove("deep");
    let mut inside = env.command("gc --grace 0s --store . --json");
    let report = Outcome::of(inside.current_dir(env.path("store"))).success().json();
    assert_eq!(number(&report, "indexes"), 2, "{report}");
    check_indexes(&env);
}

#[test]
fn keep_takes_indexes_folders_and_urls() {
    let env = TestEnvironment::new();
    for name in ["one", "two", "three", "four"] {
        env.make(name, &noise(name, 300_000));
    }
    std::fs::create_dir(env.path("current")).unwrap();
    std::fs::rename(env.path("two.rgx"), env.path("current/two.rgx")).unwrap();
    let server = Server::new(env.root());
    let wanted = ["one.rgx", "current/two.rgx", "three.rgx"].map(|name| env.packs_of(name)).concat();
    let report = gc(&env, &format!("--grace 0s --keep one.rgx --keep current --keep {}", server.url("three.rgx")));
    assert_eq!(number(&report, "indexes"), 3, "{report}");
    assert_eq!(env.packs("store"), sorted(wanted));
    let one = env.packs_of("one.rgx");
    gc(&env, "--grace 0s --keep one.rgx");
    assert_eq!(env.packs("store"), sorted(one));
    env.run("verify --store store one.rgx").success();
}

#[test]
fn nothing_is_deleted_on_what_is_not_known() {
    let site = Site::new();
    site.condemn();
    let good = site.env.read("kept.rgx");
    let refuses = |code: i32, about: &str, arguments: &str| {
        let before = snapshot(&site.env);
        site.env.run(&format!("gc --store store {arguments}")).failure(code, about);
        assert!(snapshot(&site.env) == before, "{arguments}: {about}");
    };
    refuses(4, "absent.rgx", "--keep kept.rgx --keep absent.rgx");
    refuses(4, "absent", "--keep kept.rgx --keep absent");
    refuses(2, "--keep", "--keep store/packs");
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    for (name, bytes) in [("damaged", bad), ("cut", good[..good.len() - 1].to_vec()), ("empty", Vec::new())] {
        let path = format!("deep/{name}.rgx");
        site.env.write(&path, &bytes);
        refuses(3, &path, "");
        refuses(3, &path, "--grace 0s");
        refuses(3, &path, "--repack");
        site.env.remove(&path);
    }
    site.env.remove("kept.rgx");
    refuses(2, "no index", "");
    refuses(2, "no index", "--grace 0s");
    site.env.write("kept.rgx", &good);
    site.env.write("store/gc.json", b"{\"format\":1,");
    refuses(3, "gc.json", "");
    site.env.write("store/gc.json", b"{\"format\":2,\"condemned\":[]}");
    refuses(3, "gc.json", "");
    site.env.run("gc --store deep").failure(4, "no store here");
    site.env.run("gc --store http://127.0.0.1:1/store").failure(2, "http");
}

#[test]
fn a_dry_run_changes_nothing() {
    let site = Site::new();
    let count = site.dropped.len() as u64;
    let check = |key: &str, arguments: &str| {
        let before = snapshot(&site.env);
        let report = site.gc(&format!("--dry-run {arguments}"));
        assert_eq!((report["dry_run"].as_bool(), number(&report, key)), (Some(true), count), "{report}");
        assert!(snapshot(&site.env) == before);
    };
    check("packs_condemned", "");
    check("packs_deleted", "--grace 0s");
    site.gc("");
    check("packs_waiting", "");
    age_sentences(&site.env, 7 * DAY + 1);
    check("packs_deleted", "");
    let text = site.env.run("gc --store store --dry-run").success();
    assert!(String::from_utf8(text.stdout).unwrap().contains("would be deleted"));
}

#[test]
fn young_packs_are_not_touched() {
    let site = Site::new();
    age_packs(&site.env, DAY);
    let report = site.gc("");
    let counts = ["packs_young", "packs_condemned"].map(|key| number(&report, key));
    assert_eq!(counts, [site.dropped.len() as u64, 0], "{report}");
    assert_eq!(number(&site.gc("--grace 23h"), "packs_condemned"), site.dropped.len() as u64);
}

#[test]
fn an_index_that_comes_back_pardons() {
    let env = TestEnvironment::new();
    env.make("kept", &noise("kept", 300_000));
    env.make("back", &noise("back", 300_000));
    age_packs(&env, 30 * DAY);
    let back = env.read("back.rgx");
    env.remove("back.rgx");
    gc(&env, "");
    assert!(!condemned(&env).is_empty());
    age_sentences(&env, 8 * DAY);
    env.write("back.rgx", &back);
    let report = gc(&env, "");
    assert_eq!((number(&report, "packs_waiting"), number(&report, "packs_deleted")), (0, 0), "{report}");
    assert_eq!(condemned(&env), Vec::<String>::new());
    check_indexes(&env);
    // After that, the time begins again.
    env.remove("back.rgx");
    assert!(number(&gc(&env, ""), "packs_condemned") > 0);
}

#[test]
fn entries_of_packs_that_are_gone_are_forgotten() {
    let site = Site::new();
    site.gc("");
    site.env.remove(&site.dropped[0]);
    site.gc("");
    assert_eq!(condemned(&site.env), site.dropped[1..]);
}

#[test]
fn packs_that_are_missing_are_told() {
    let site = Site::new();
    site.env.remove(&site.kept[0]);
    let outcome = site.env.run("gc --store store --json").success();
    let missing = outcome.json()["missing"].clone();
    let id = site.kept[0].rsplit('/').next().unwrap().trim_end_matches(".pack").to_owned();
    assert_eq!(missing.as_array().unwrap().len(), 1, "{missing}");
    assert!(missing[0].as_str().unwrap().contains(&id) && missing[0].as_str().unwrap().contains("kept.rgx"));
    assert!(outcome.stderr.contains(&id), "{}", outcome.stderr);
}

#[test]
fn patches_of_images_that_nobody_keeps_go() {
    let site = Site::new();
    let kept = site.env.json("info kept.rgx")["image_id"].as_str().unwrap().to_owned();
    let other = blake3::hash(b"no image").to_string();
    let patch = |target: &str| format!("store/patches/{}/{target}.patch", "0".repeat(64));
    let odd = "store/patches/notes.txt".to_owned();
    for name in [&patch(&kept), &patch(&other), &odd] {
        site.env.write(name, b"a patch");
    }
    let report = site.gc("");
    let counts = ["patches", "patches_young", "patches_deleted"].map(|key| number(&report, key));
    assert_eq!(counts, [2, 1, 0], "{report}");
    age_packs(&site.env, 30 * DAY);
    let report = site.gc("--dry-run");
    assert_eq!((number(&report, "patches_deleted"), number(&report, "bytes_patches_deleted")), (1, 7), "{report}");
    assert_eq!(number(&site.gc(""), "patches_deleted"), 1);
    assert_eq!(site.env.files("store/patches"), sorted(vec![patch(&kept), odd]));
}
