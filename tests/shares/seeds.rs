//! Seeds that are mostly holes, on other disks, not needed, or pipes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::disk::SmallDisk;
use crate::environment::{Outcome, TestEnvironment};
use crate::report::number;
use regrow_demo::{noise, versions};

/// A file that nobody could read within the time limit of these tests.
fn endless_hole(env: &TestEnvironment, name: &str) -> File {
    env.write(name, b"");
    let file = File::options().read(true).write(true).open(env.path(name)).unwrap();
    file.set_len(4 << 40).unwrap();
    file
}

#[test]
fn holes_of_a_folder_are_not_read() {
    let env = TestEnvironment::new();
    let image = noise("image", 3_000_000);
    env.write("image", &image);
    env.run("make image.rgx image").success();
    let hole = endless_hole(&env, "root/var/log/lastlog");
    env.json("extract --max-time 60s --seed root image.rgx first");
    assert!(env.read("first") == image);
    // The data between the holes is found.
    hole.write_all_at(&image, 1 << 40).unwrap();
    for _ in 0..2 {
        let report = env.json("extract --max-time 60s --seed root image.rgx out");
        assert!(env.read("out") == image);
        let (seed, all) = (number(&report, "chunks_seed"), number(&report, "chunks"));
        assert!(seed + 8 >= all, "{report}");
        env.remove("out");
    }
}

#[test]
fn seeds_are_read_only_where_something_is_missing() {
    let env = TestEnvironment::new();
    let image = noise("image", 300_000);
    env.make("image", &image);
    env.write("out", &image);
    endless_hole(&env, "huge");
    let report = env.json("extract --max-time 60s --seed huge image.rgx out");
    assert_eq!(number(&report, "chunks_resumed"), number(&report, "chunks"));
}

#[test]
fn other_file_systems_in_a_folder_are_not_entered() {
    let image = noise("image", 3_000_000);
    let (env, folder) = (TestEnvironment::new(), TestEnvironment::new());
    env.write("image", &image);
    env.run("make image.rgx image").success();
    folder.write("here/file", &image);
    let Some(_disk) = SmallDisk::mount(&folder, "16m") else { return };
    let extract = format!("extract --seed {} image.rgx out", folder.root().display());
    assert!(number(&env.json(&extract), "chunks_seed") > 0);
    env.remove("out");
    std::fs::rename(folder.path("here/file"), folder.path("here/gone")).unwrap();
    std::fs::copy(folder.path("here/gone"), folder.path("small/file")).unwrap();
    folder.remove("here/gone");
    assert_eq!(number(&env.json(&extract), "chunks_seed"), 0);
    env.remove("out");
    // A file that is given explicitly is read.
    let extract = format!("extract --seed {} image.rgx out", folder.path("small").display());
    assert!(number(&env.json(&extract), "chunks_seed") > 0);
}

#[test]
fn pipes_as_seeds() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    env.make("new", &new);
    let from_file = env.json("extract --seed old new.rgx expected");
    let check = |outcome: Outcome| {
        let report = outcome.success().json();
        assert!(env.read("out") == new);
        assert_eq!(report["chunks_seed"], from_file["chunks_seed"]);
        assert_eq!(env.files("scratch"), [""; 0]);
        env.remove("out");
    };
    check(env.run_with_input("extract --json --seed - new.rgx out", &old));
    rustix::fs::mkfifoat(rustix::fs::CWD, env.path("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let path = env.path("pipe");
    let writing = std::thread::spawn(move || std::fs::write(path, old).unwrap());
    check(env.run("extract --json --seed pipe new.rgx out"));
    writing.join().unwrap();
    env.run("extract --seed /dev/null new.rgx out").failure(2, "a seed is");
}
