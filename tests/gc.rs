//! `gc` condemns first and deletes later. It deletes nothing that somebody needs, whatever happens meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::environment::{Outcome, TestEnvironment};
use crate::report::number;
use crate::server::Server;
use regrow_demo::{Tree, docker_save, noise, pick};

const DAY: u64 = 24 * 3600;

const GC_KEYS: [&str; 16] = [
    "indexes",
    "packs",
    "bytes",
    "packs_needed",
    "bytes_needed",
    "packs_young",
    "packs_condemned",
    "packs_waiting",
    "packs_deleted",
    "bytes_deleted",
    "patches_deleted",
    "packs_repacked",
    "indexes_rewritten",
    "missing",
    "dry_run",
    "seconds",
];

/// A store with the images `kept` and `dropped`, which share nothing. All of it is a month old, and the second
/// image's index is gone.
struct Site {
    env: TestEnvironment,
    kept: Vec<String>,
    dropped: Vec<String>,
}

impl Site {
    fn new() -> Self {
        let env = TestEnvironment::new();
        env.make("kept", &noise("kept", 600_000));
        env.make("dropped", &noise("dropped", 600_000));
        let kept = sorted(env.packs_of("kept.rgx"));
        // Images of noise have the same skeleton, which lies in the first one's packs.
        let dropped = env.packs_of("dropped.rgx").into_iter().filter(|pack| !kept.contains(pack)).collect();
        let site = Self { kept, dropped: sorted(dropped), env };
        assert!(site.kept.len() > 1 && site.dropped.len() > 1);
        site.env.remove("dropped.rgx");
        age_packs(&site.env, 30 * DAY);
        site
    }

    fn gc(&self, arguments: &str) -> Value {
        gc(&self.env, arguments)
    }

    /// Does the first run, and lets so much time pass that a second one may delete.
    fn condemn(&self) {
        self.gc("");
        age_sentences(&self.env, 7 * DAY + 1);
    }

    #[track_caller]
    fn check_nothing_is_lost(&self) {
        check_indexes(&self.env);
        self.env.run("extract kept.rgx kept.out").success();
        assert!(self.env.read("kept.out") == self.env.read("kept"));
    }
}

#[track_caller]
fn gc(env: &TestEnvironment, arguments: &str) -> Value {
    let report = env.json(&format!("gc --store store {arguments}"));
    for key in GC_KEYS {
        assert!(report.get(key).is_some(), "{key} is missing in {report}");
    }
    report
}

/// The names in order, each once.
fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

/// Makes all packs of the store look this many seconds old.
fn age_packs(env: &TestEnvironment, seconds: u64) {
    for name in env.files("store/packs").into_iter().chain(env.files("store/patches")) {
        let file = std::fs::File::options().append(true).open(env.path(&name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }
}

fn sentences(env: &TestEnvironment) -> Value {
    serde_json::from_slice(&env.read("store/gc.json")).unwrap()
}

/// The paths of the condemned packs.
fn condemned(env: &TestEnvironment) -> Vec<String> {
    let pack = |entry: &Value| {
        let id = entry["pack"].as_str().unwrap();
        format!("store/{}", regrow_store::pack_name(&id.parse().unwrap()))
    };
    sorted(sentences(env)["condemned"].as_array().unwrap().iter().map(pack).collect())
}

/// Makes all condemned packs look as if they had been condemned this many seconds earlier.
fn age_sentences(env: &TestEnvironment, seconds: u64) {
    let mut file = sentences(env);
    for entry in file["condemned"].as_array_mut().unwrap() {
        entry["at"] = json!(entry["at"].as_u64().unwrap() - seconds);
    }
    env.write("store/gc.json", file.to_string().as_bytes());
}

/// Checks that all indexes that are there are complete in the store.
#[track_caller]
fn check_indexes(env: &TestEnvironment) {
    let indexes: Vec<String> = env.files("").into_iter().filter(|name| name.ends_with(".rgx")).collect();
    env.run(&format!("verify --store store {}", indexes.join(" "))).success();
}

/// Every file of the environment, byte for byte.
fn snapshot(env: &TestEnvironment) -> BTreeMap<String, Vec<u8>> {
    env.files("").into_iter().map(|name| (name.clone(), env.read(&name))).collect()
}

#[test]
fn the_first_run_condemns_and_one_after_the_grace_deletes() {
    let site = Site::new();
    let count = site.dropped.len() as u64;
    let first = site.gc("");
    assert_eq!((number(&first, "packs_condemned"), number(&first, "packs_deleted")), (count, 0), "{first}");
    assert_eq!(number(&first, "packs_needed"), site.kept.len() as u64, "{first}");
    assert_eq!(site.env.packs("store").len(), site.kept.len() + site.dropped.len());
    assert_eq!(condemned(&site.env), site.dropped);
    let file = sentences(&site.env);
    assert_eq!(file["format"], 1);
    assert!(file["condemned"].as_array().unwrap().iter().all(|entry| entry["grace"] == 7 * DAY), "{file}");
    // This is too early by an hour.
    age_sentences(&site.env, 7 * DAY - 3600);
    let early = site.gc("");
    let counts = ["packs_condemned", "packs_waiting", "packs_deleted"].map(|key| number(&early, key));
    assert_eq!(counts, [0, count, 0], "{early}");
    age_sentences(&site.env, 3601);
    let second = site.gc("");
    assert_eq!((number(&second, "packs_deleted"), number(&second, "packs_waiting")), (count, 0), "{second}");
    assert!(number(&second, "bytes_deleted") > 600_000, "{second}");
    assert_eq!(site.env.packs("store"), site.kept);
    assert_eq!(sentences(&site.env), json!({"format": 1, "condemned": []}));
    site.check_nothing_is_lost();
    let third = site.gc("");
    assert_eq!(number(&third, "packs"), site.kept.len() as u64, "{third}");
    assert_eq!(number(&third, "packs_deleted"), 0, "{third}");
}

#[test]
fn a_short_grace_is_kept_by_the_clock() {
    let site = Site::new();
    site.gc("--grace 1s");
    assert_eq!(condemned(&site.env), site.dropped);
    std::thread::sleep(Duration::from_millis(2100));
    // A pack is held by the grace that it was condemned with, and by the one that is given now.
    assert_eq!(number(&site.gc("--grace 1h"), "packs_deleted"), 0);
    assert_eq!(number(&site.gc("--grace 1s"), "packs_deleted"), site.dropped.len() as u64);
    assert_eq!(site.env.packs("store"), site.kept);
    site.check_nothing_is_lost();
}

#[test]
fn a_later_run_with_a_shorter_grace_does_not_shorten_the_first_ones() {
    let site = Site::new();
    site.gc("");
    let report = site.gc("--grace 0s");
    assert_eq!(number(&report, "packs_deleted"), 0, "{report}");
    assert_eq!(number(&report, "packs_waiting"), site.dropped.len() as u64, "{report}");
}

#[test]
fn without_grace_one_run_does_both() {
    let site = Site::new();
    let report = site.gc("--grace 0s");
    assert_eq!(number(&report, "packs_condemned"), site.dropped.len() as u64, "{report}");
    assert_eq!(number(&report, "packs_deleted"), site.dropped.len() as u64, "{report}");
    assert_eq!(site.env.packs("store"), site.kept);
    assert_eq!(sentences(&site.env)["condemned"], json!([]));
    site.check_nothing_is_lost();
}

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
    assert_eq!(number(&site.gc(""), "patches_deleted"), 0, "too young");
    age_packs(&site.env, 30 * DAY);
    assert_eq!(number(&site.gc("--dry-run"), "patches_deleted"), 1);
    assert_eq!(number(&site.gc(""), "patches_deleted"), 1);
    assert_eq!(site.env.files("store/patches"), sorted(vec![patch(&kept), odd]));
}

#[test]
fn a_make_does_without_condemned_packs() {
    let site = Site::new();
    site.condemn();
    // Half of this image is in the condemned packs.
    let image = [noise("dropped", 600_000), noise("other", 300_000)].concat();
    site.env.make("half", &image);
    assert!(site.env.packs_of("half.rgx").iter().all(|pack| !site.dropped.contains(pack)));
    let report = site.gc("");
    assert_eq!(number(&report, "packs_deleted"), site.dropped.len() as u64, "{report}");
    site.check_nothing_is_lost();
    site.env.run("extract half.rgx half.out").success();
    assert!(site.env.read("half.out") == image);
}

#[test]
fn a_dropped_image_that_is_made_again_gets_packs_of_other_names() {
    let env = TestEnvironment::new();
    let (kept, back) = (noise("kept", 300_000), noise("back", 700_000));
    env.make("back", &back);
    let first = sorted(env.packs_of("back.rgx"));
    env.make("kept", &kept);
    env.remove("back.rgx");
    age_packs(&env, 30 * DAY);
    gc(&env, "");
    assert_eq!(condemned(&env), first);
    // This runs twice, in case the second names are condemned too.
    let mut names = vec![first];
    for round in 0..2 {
        env.make("back", &back);
        let packs = sorted(env.packs_of("back.rgx"));
        assert!(names.iter().flatten().all(|name| !packs.contains(name)), "round {round}");
        names.push(packs);
        env.remove("back.rgx");
        age_packs(&env, 30 * DAY);
        gc(&env, "");
    }
    let report = env.make("back", &back);
    assert_eq!(number(&report, "packs_written"), env.packs_of("back.rgx").len() as u64);
    age_sentences(&env, 8 * DAY);
    let report = gc(&env, "");
    assert_eq!(number(&report, "packs_deleted"), names.concat().len() as u64, "{report}");
    check_indexes(&env);
    env.run("extract back.rgx out").success();
    assert!(env.read("out") == back);
}

/// A make that waits for the second half of its image. The first half is in the packs of `dropped`.
struct SlowMake {
    child: Child,
    pipe: ChildStdin,
}

impl SlowMake {
    const MAKE: &str = "make --pack-size 256KiB slow.rgx -";

    fn image() -> Vec<u8> {
        [noise("dropped", 600_000), noise("rest", 100_000)].concat()
    }

    /// Starts the make, and returns when it knows the store's chunks. It reads no input before that, and a pipe
    /// holds less than the first half.
    fn begin(site: &Site) -> Self {
        let mut child = site.env.spawn(site.env.command(Self::MAKE).stdin(Stdio::piped()));
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&Self::image()[..600_000]).unwrap();
        Self { child, pipe }
    }

    fn end(mut self) -> Outcome {
        self.pipe.write_all(&Self::image()[600_000..]).unwrap();
        drop(self.pipe);
        Outcome::wait(self.child)
    }
}

/// Checks that the make failed as it should, and that it succeeds when it is run again.
fn check_second_try(site: &Site, failed: Outcome) {
    failed.failure(1, "run it again");
    assert!(!site.env.exists("slow.rgx"));
    let image = SlowMake::image();
    site.env.run_with_input(SlowMake::MAKE, &image).success();
    site.gc("--grace 0s");
    check_indexes(&site.env);
    site.env.run("extract slow.rgx slow.out").success();
    assert!(site.env.read("slow.out") == image);
}

#[test]
fn a_make_gives_up_if_what_it_relies_on_is_condemned_for_long() {
    let site = Site::new();
    let make = SlowMake::begin(&site);
    site.gc("--grace 1s");
    assert!(!condemned(&site.env).is_empty());
    std::thread::sleep(Duration::from_millis(600));
    check_second_try(&site, make.end());
}

#[test]
fn a_make_goes_on_if_what_it_relies_on_stays_for_long_enough() {
    let site = Site::new();
    let make = SlowMake::begin(&site);
    site.gc("--grace 20d");
    assert_eq!(condemned(&site.env), site.dropped);
    make.end().success();
    let report = site.gc("--grace 0s");
    assert_eq!(number(&report, "packs_deleted"), 0, "{report}");
    assert_eq!(condemned(&site.env), Vec::<String>::new());
    check_indexes(&site.env);
}

#[test]
fn a_make_gives_up_if_what_it_relies_on_was_condemned_and_is_deleted() {
    let site = Site::new();
    let make = SlowMake::begin(&site);
    // The entries are gone from the list too.
    site.gc("--grace 0s");
    assert!(site.dropped.iter().all(|pack| !site.env.exists(pack)));
    check_second_try(&site, make.end());
}

/// A store with a mostly dead pack, and that pack. Of an image of 40 small files and 8 long ones only the small
/// files are kept.
fn mostly_dead() -> (TestEnvironment, String) {
    let env = TestEnvironment::new();
    let kept = Tree::sample("kept", 40);
    let mut all = kept.clone();
    (0..8).for_each(|number| {
        all.0.insert(format!("zzz/{number}"), noise(&format!("dead {number}"), 200_000));
    });
    env.write("all", &all.tar(1));
    env.json("make --avg-size 1KiB --pack-size 16MiB all.rgx all");
    let [pack] = &env.packs("store")[..] else { panic!("more than one pack") };
    let pack = pack.clone();
    env.write("kept", &kept.tar(1));
    env.json("make kept.rgx kept");
    let both = [kept.tar(1), noise("more", 100_000)].concat();
    env.write("both", &both);
    env.json("make deep.rgx both");
    std::fs::create_dir(env.path("deep")).unwrap();
    std::fs::rename(env.path("deep.rgx"), env.path("deep/both.rgx")).unwrap();
    env.write("aside/all", &env.read("all.rgx"));
    env.remove("all.rgx");
    (env, pack)
}

/// The arguments for `deep/both.rgx`, which was made beside the store.
const DEEP: &str = "--store store deep/both.rgx";

#[track_caller]
fn check_repacked(env: &TestEnvironment) {
    for (index, image) in [("kept.rgx", "kept"), (DEEP, "both")] {
        env.run(&format!("extract {index} out")).success();
        assert!(env.read("out") == env.read(image), "{index}");
        env.remove("out");
    }
    check_indexes(env);
}

#[test]
fn repack_writes_what_is_alive_and_later_runs_delete_the_rest() {
    let (env, dead) = mostly_dead();
    let old = env.read("kept.rgx");
    age_packs(&env, 30 * DAY);
    let untouched = snapshot(&env);
    let planned = gc(&env, "--repack --dry-run");
    assert_eq!((number(&planned, "packs_repacked"), number(&planned, "indexes_rewritten")), (1, 2), "{planned}");
    assert!(snapshot(&env) == untouched);
    let report = gc(&env, "--repack");
    assert_eq!((number(&report, "packs_repacked"), number(&report, "indexes_rewritten")), (1, 2), "{report}");
    assert_eq!((number(&report, "packs_condemned"), number(&report, "packs_deleted")), (1, 0), "{report}");
    assert!(!env.packs_of("kept.rgx").contains(&dead) && env.exists(&dead));
    check_repacked(&env);
    // A reader that has the old index can still get its packs.
    env.write("old/kept", &old);
    env.run("extract --store store old/kept out").success();
    assert!(env.read("out") == env.read("kept"));
    env.remove("out");
    let again = gc(&env, "--repack");
    assert_eq!((number(&again, "packs_repacked"), number(&again, "packs_waiting")), (0, 1), "{again}");
    age_sentences(&env, 8 * DAY);
    assert_eq!(number(&gc(&env, "--repack"), "packs_deleted"), 1);
    assert!(!env.exists(&dead));
    check_repacked(&env);
    env.run("extract --store store aside/all out").failure(4, ".pack");
    env.run("verify kept.rgx kept").success();
}

#[test]
fn a_repacked_image_is_made_again_without_new_packs() {
    let (env, dead) = mostly_dead();
    gc(&env, "--repack --grace 0s");
    assert!(!env.exists(&dead));
    let report = env.json("make again.rgx kept");
    assert_eq!(number(&report, "bytes_new"), 0, "{report}");
    check_repacked(&env);
}

#[test]
fn a_repack_of_a_damaged_pack_fails_and_changes_no_index() {
    let (env, dead) = mostly_dead();
    let (old, good) = (env.read("kept.rgx"), env.read(&dead));
    let mut bad = good.clone();
    bad[1000] ^= 1;
    env.write(&dead, &bad);
    env.run("gc --store store --repack --grace 0s").failure(3, "pack");
    assert!(env.read("kept.rgx") == old && env.exists(&dead));
    env.write(&dead, &good);
    check_repacked(&env);
}

#[test]
fn a_store_beside_it_does_not_hinder_a_repack() {
    let (env, dead) = mostly_dead();
    env.write("other", &noise("other", 200_000));
    env.json("make --store second other.rgx other");
    let other = env.read("other.rgx");
    let report = gc(&env, "--repack --grace 0s");
    assert_eq!((number(&report, "packs_repacked"), number(&report, "indexes_rewritten")), (1, 2), "{report}");
    assert!(!env.exists(&dead) && env.read("other.rgx") == other);
    env.run("verify --store store kept.rgx deep/both.rgx").success();
    env.run("verify --store second other.rgx").success();
}

#[test]
fn a_name_that_is_not_kept_is_warned_of() {
    let env = TestEnvironment::new();
    env.write("image", b"image");
    assert!(env.run("make app.idx image").success().stderr.contains("only indexes named NAME.rgx are kept"));
    assert!(!env.run("make app.rgx image").success().stderr.contains("warning"));
}

#[test]
fn a_repack_killed_at_any_time_loses_nothing() {
    for round in 0..12 {
        let (env, dead) = mostly_dead();
        let mut child = env.spawn(&mut env.command("gc --store store --repack --grace 0s"));
        std::thread::sleep(Duration::from_micros(pick(&format!("repack {round}"), 40_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        check_repacked(&env);
        gc(&env, "--repack --grace 0s");
        check_repacked(&env);
        // Times in the list are whole seconds, rounded up.
        age_sentences(&env, 1);
        gc(&env, "--repack --grace 0s");
        check_repacked(&env);
        assert!(!env.exists(&dead), "round {round}");
        assert_eq!(env.packs("store").len(), 3, "round {round}");
    }
}

/// How long the loop below runs.
const LOOP: Duration = Duration::from_secs(10);

/// The state that all workers at one store share in the loop.
struct Workshop {
    env: TestEnvironment,
    images: Vec<Vec<u8>>,
    until: std::time::Instant,
}

impl Workshop {
    fn new() -> Self {
        let env = TestEnvironment::new();
        let layers: Vec<Tree> = (0..12).map(|number| Tree::sample(&format!("layer {number}"), 15)).collect();
        let pairs = (0..12).flat_map(|a| (a + 1..12).map(move |b| (a, b)));
        let images: Vec<Vec<u8>> =
            pairs.map(|(a, b)| docker_save(&[layers[a].clone(), layers[b].clone()], 1)).collect();
        for folder in ["from", "to"] {
            std::fs::create_dir(env.path(folder)).unwrap();
        }
        for (number, image) in images.iter().enumerate() {
            env.write(&format!("images/{number}"), image);
            env.json(&format!("make --avg-size 1KiB --store from/store from/{number}.rgx images/{number}"));
        }
        env.write("images/first", b"always there");
        env.json("make --avg-size 1KiB to/first.rgx images/first");
        Self { env, images, until: std::time::Instant::now() + LOOP }
    }

    fn is_open(&self) -> bool {
        std::time::Instant::now() < self.until
    }

    /// Makes or pushes images and drops them again. Published images must be there until then. Returns the number
    /// of successful rounds.
    fn publish(&self, who: &str, publish: impl Fn(&Self, usize, u64) -> Outcome) -> usize {
        let (mut done, mut standing) = (0, VecDeque::new());
        for round in 0.. {
            if !self.is_open() {
                break;
            }
            let number = pick(&format!("{who} {round}"), self.images.len() as u64) as usize;
            let outcome = publish(self, number, pick(&format!("pause {who} {round}"), 900));
            if outcome.code != Some(0) {
                outcome.failure(1, "run it again");
                continue;
            }
            done += 1;
            self.check(who, number);
            standing.retain(|&other| other != number);
            standing.push_back(number);
            // Few images stay for long, so that there is always much that nobody needs.
            while standing.len() > pick(&format!("drop {who} {round}"), 2) as usize {
                let Some(oldest) = standing.pop_front() else { break };
                self.check(who, oldest);
                self.env.remove(&Self::index(who, oldest));
            }
        }
        done
    }

    /// Makes an image whose two halves come with a pause between them.
    fn make_slowly(&self, who: &str, number: usize, milliseconds: u64) -> Outcome {
        let arguments = format!("make --pack-size 100KiB --store to/store to/{who}/{number}.rgx -");
        let mut child = self.env.spawn(self.env.command(&arguments).stdin(Stdio::piped()));
        let mut pipe = child.stdin.take().unwrap();
        let (first, rest) = self.images[number].split_at(self.images[number].len() / 2);
        // The make may fail before it has read everything.
        let _ = pipe.write_all(first);
        std::thread::sleep(Duration::from_millis(milliseconds));
        let _ = pipe.write_all(rest);
        drop(pipe);
        Outcome::wait(child)
    }

    fn index(who: &str, number: usize) -> String {
        if who == "pusher" { format!("to/{number}.rgx") } else { format!("to/{who}/{number}.rgx") }
    }

    fn check(&self, who: &str, number: usize) {
        let index = Self::index(who, number);
        let out = format!("{who}.out");
        let outcome = self.env.run(&format!("extract --store to/store {index} {out}"));
        assert_eq!(outcome.code, Some(0), "{index}: {}", outcome.stderr);
        assert!(self.env.read(&out) == self.images[number], "{index}");
        self.env.remove(&out);
    }

    /// Collects all the time. Returns the number of deleted packs.
    fn collect(&self, arguments: &str) -> u64 {
        let mut deleted = 0;
        while self.is_open() {
            let outcome = self.env.run(&format!("gc --store to/store --json {arguments}"));
            if outcome.code == Some(0) {
                assert_eq!(outcome.json()["missing"], json!([]));
                deleted += number(&outcome.json(), "packs_deleted");
            } else {
                let about = if outcome.stderr.contains("run it again") { "run it again" } else { "another gc" };
                outcome.failure(1, about);
            }
            std::thread::sleep(Duration::from_millis(30));
        }
        deleted
    }
}

#[test]
fn makers_pushers_and_collectors_at_one_store_lose_nothing() {
    let shop = Workshop::new();
    for who in ["anna", "berta"] {
        std::fs::create_dir(shop.env.path(&format!("to/{who}"))).unwrap();
    }
    let (published, deleted) = std::thread::scope(|scope| {
        let workers = [
            scope.spawn(|| shop.publish("anna", |shop, number, pause| shop.make_slowly("anna", number, pause))),
            scope.spawn(|| shop.publish("berta", |shop, number, pause| shop.make_slowly("berta", number, pause))),
            scope.spawn(|| {
                let push = |number: usize| format!("push from/{number}.rgx to/store");
                shop.publish("pusher", |shop, number, pause| {
                    std::thread::sleep(Duration::from_millis(pause));
                    shop.env.run(&push(number))
                })
            }),
        ];
        let collectors = ["--grace 2s", "--grace 3s", "--grace 2s --repack"]
            .map(|arguments| scope.spawn(|| shop.collect(arguments)));
        let published: Vec<usize> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        (published, collectors.into_iter().map(|collector| collector.join().unwrap()).sum::<u64>())
    });
    assert!(published.iter().all(|&count| count > 3), "{published:?}");
    assert!(deleted > 10, "{deleted} deleted");
    std::thread::sleep(Duration::from_millis(3100));
    shop.env.json("gc --store to/store --grace 2s");
    let indexes: Vec<String> = shop.env.files("to").into_iter().filter(|name| name.ends_with(".rgx")).collect();
    shop.env.run(&format!("verify --store to/store {}", indexes.join(" "))).success();
}
