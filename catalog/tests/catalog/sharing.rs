//! Several handles, threads, and processes at once.

use std::path::Path;
use std::process::{Child, Command};
use std::{env, fs, thread};

use regrow_catalog::{Catalog, SeedKey};

use crate::environment::{Environment, blob};

const PROCESS_VARIABLE: &str = "REGROW_CATALOG_TEST_PROCESS";
const ROUNDS: usize = 40;

/// Puts and gets entries for a while. Everything that is found must be what some process put there.
fn churn(catalog: &Catalog, keys: &[SeedKey], worker: usize) {
    for round in 0..ROUNDS {
        let at = (round + worker) % keys.len();
        catalog.put_seed(&keys[at], &blob(at));
        for (at, key) in keys.iter().enumerate() {
            if let Some(bytes) = catalog.get_seed(key) {
                assert!(bytes == blob(at), "wrong bytes");
            }
        }
    }
    assert_eq!(catalog.last_problem(), None);
}

fn keys_in(folder: &Path) -> Vec<SeedKey> {
    (0..3)
        .map(|at| {
            let path = folder.join(format!("{at}.tar"));
            let metadata = fs::metadata(&path).unwrap();
            crate::environment::settled(SeedKey::of(&path, &metadata, "rules").unwrap())
        })
        .collect()
}

fn environment_with_seeds() -> Environment {
    let environment = Environment::new();
    for at in 0..3 {
        fs::write(environment.path(&format!("{at}.tar")), [at]).unwrap();
    }
    environment
}

#[test]
fn threads_on_one_catalog() {
    let environment = environment_with_seeds();
    let (catalog, keys) = (environment.catalog(), keys_in(environment.folder.path()));
    thread::scope(|scope| {
        for worker in 0..3 {
            let (catalog, keys) = (&catalog, &keys);
            scope.spawn(move || churn(catalog, keys, worker));
        }
    });
}

#[test]
fn handles_that_open_at_the_same_time() {
    let environment = environment_with_seeds();
    let keys = keys_in(environment.folder.path());
    thread::scope(|scope| {
        for worker in 0..4 {
            let (environment, keys) = (&environment, &keys);
            scope.spawn(move || {
                let catalog = environment.catalog();
                assert!(catalog.is_on_disk(), "{:?}", catalog.last_problem());
                churn(&catalog, keys, worker);
            });
        }
    });
    let catalog = environment.catalog();
    assert!(keys.iter().all(|key| catalog.get_seed(key).is_some()));
}

#[test]
fn handles_that_find_a_damaged_file_at_the_same_time() {
    let environment = environment_with_seeds();
    let keys = keys_in(environment.folder.path());
    drop(environment.catalog());
    fs::write(environment.catalog_path(), b"damaged".repeat(1_000)).unwrap();
    thread::scope(|scope| {
        for at in 0..4 {
            let (environment, key) = (&environment, &keys[at % keys.len()]);
            scope.spawn(move || {
                let catalog = environment.catalog();
                assert!(catalog.is_on_disk(), "{:?}", catalog.last_problem());
                catalog.put_seed(key, &blob(at % 3));
                assert_eq!(catalog.get_seed(key), Some(blob(at % 3)));
            });
        }
    });
    let catalog = environment.catalog();
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(catalog.get_seed(key), Some(blob(at)));
    }
}

#[test]
fn a_file_in_use_is_not_replaced() {
    let environment = environment_with_seeds();
    let keys = keys_in(environment.folder.path());
    let user = environment.catalog();
    user.put_seed(&keys[0], &blob(0));
    // A newer program must leave the older one's file alone.
    let newer = rusqlite::Connection::open(environment.catalog_path()).unwrap();
    newer.execute_batch("PRAGMA user_version = 7").unwrap();
    let other = environment.catalog();
    assert!(!other.is_on_disk());
    assert!(other.last_problem().unwrap().contains("in use"));
    assert_eq!(user.get_seed(&keys[0]), Some(blob(0)));
    drop(user);
    assert!(environment.catalog().is_on_disk());
}

/// Not a test by itself: the processes of the next test run it.
#[test]
fn process() {
    let Some(folder) = env::var_os(PROCESS_VARIABLE) else { return };
    let folder = Path::new(&folder);
    let catalog = Catalog::open(&folder.join("cache/regrow/catalog.db"));
    assert!(catalog.is_on_disk(), "{:?}", catalog.last_problem());
    churn(&catalog, &keys_in(folder), std::process::id() as usize);
}

fn spawn_process(folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "sharing::process"])
        .env(PROCESS_VARIABLE, folder)
        .spawn()
        .unwrap()
}

#[test]
fn processes_at_once() {
    let environment = environment_with_seeds();
    let children: Vec<Child> = (0..3).map(|_| spawn_process(environment.folder.path())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let catalog = environment.catalog();
    assert!(keys_in(environment.folder.path()).iter().all(|key| catalog.get_seed(key).is_some()));
}

#[test]
fn a_process_that_is_killed_leaves_a_sound_catalog() {
    let environment = environment_with_seeds();
    let keys = keys_in(environment.folder.path());
    for round in 0..8 {
        let mut child = spawn_process(environment.folder.path());
        thread::sleep(std::time::Duration::from_millis(10 + round * 7));
        let _ = child.kill();
        child.wait().unwrap();
        churn(&environment.catalog(), &keys, 0);
    }
}
