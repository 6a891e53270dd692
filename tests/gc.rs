//! `gc` condemns first and deletes later. It deletes nothing that somebody needs, whatever happens meanwhile.

mod grace;
mod kept;
mod makers;
mod repack;
mod together;

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

const GC_KEYS: [&str; 19] = [
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
    "patches",
    "patches_young",
    "patches_deleted",
    "bytes_patches_deleted",
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
