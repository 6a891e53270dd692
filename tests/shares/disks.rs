//! Stores that lie on several disks.

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::environment::{TestEnvironment, pass_over};
use regrow_demo::versions;

/// A folder on another disk than the environment's. It returns `None`, and prints a line, if there is none.
fn other_disk(env: &TestEnvironment) -> Option<TempDir> {
    let device = |path: &Path| path.metadata().ok().map(|metadata| metadata.dev());
    let here = device(env.root());
    let folder = ["/dev/shm", "/var/tmp", "/tmp", env!("CARGO_TARGET_TMPDIR")]
        .into_iter()
        .filter(|folder| device(Path::new(folder)) != here)
        .find_map(|folder| tempfile::tempdir_in(folder).ok());
    if folder.is_none() {
        pass_over("a store on two disks needs a second one");
    }
    folder
}

/// One of `packs`, `patches` and `tmp` leads to another disk.
#[test]
fn parts_of_a_store_on_another_disk() {
    let (old, new) = versions();
    for part in ["packs", "patches", "tmp"] {
        let env = TestEnvironment::new();
        let Some(disk) = other_disk(&env) else { return };
        std::fs::create_dir_all(env.path("www/store")).unwrap();
        std::fs::create_dir_all(disk.path().join("lost+found")).unwrap();
        if part == "tmp" {
            std::fs::remove_dir(disk.path().join("lost+found")).unwrap();
        }
        symlink(disk.path(), env.path("www/store").join(part)).unwrap();
        env.write("old", &old);
        env.write("new", &new);
        env.run("make --avg-size 1KiB --new-store www/old.rgx old").success();
        env.run("make --avg-size 1KiB --patch-from www/old.rgx www/new.rgx new").success();
        env.run("push www/new.rgx www/copy").success();
        env.run("gc --store www/store --keep www --grace 0s").success();
        env.run("extract www/new.rgx out").success();
        assert!(env.read("out") == new);
        assert!(env.path("www/store").join(part).is_symlink());
        let is_left = |path: &String| path.contains("/.regrow-") || path.contains("/pack-");
        assert!(!env.files("www").iter().any(is_left), "{:?}", env.files("www"));
    }
}

/// A new disk is no reason to refuse, but files on it are.
#[test]
fn a_store_whose_disk_is_there_first() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.write("new", &new);
    std::fs::create_dir_all(env.path("www/store/packs/lost+found")).unwrap();
    env.run("make www/new.rgx new").success();
    env.write("else/store/packs/thesis.odt", b"");
    env.run("make else/new.rgx new").failure(2, "packs");
    env.write("third/store/packs", b"");
    env.run("make third/new.rgx new").failure(2, "packs");
}

/// The next make removes the files that a killed make left beside the packs.
#[test]
fn what_is_left_on_another_disk() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let old = SystemTime::now() - Duration::from_secs(3 * 24 * 3600);
    let names =
        ["store/packs/tmp/.regrow-aB3dE6", "store/packs/tmp/thesis", "store/.regrow-aB3dE6", "store/pack-aB3dE6"];
    for name in names {
        let path = env.write(name, b"");
        std::fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
    env.run("make --avg-size 1KiB again.rgx new").success();
    assert_eq!(names.map(|name| env.exists(name)), [false, true, false, true]);
}
