//! Temporary files that a killed run leaves.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::environment::TestEnvironment;
use regrow_demo::versions;

/// Whether the process has a file open that lies in this folder, with a name or without one.
fn has_file_in(process: u32, folder: &Path) -> bool {
    let handles = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    handles.filter_map(|handle| handle.ok()?.path().read_link().ok()).any(|file| file.starts_with(folder))
}

#[test]
fn a_killed_make_leaves_nothing() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    let scratch = env.path("scratch").canonicalize().unwrap();
    for reads_twice in ["--patch-from old.rgx --old old", "--normalize"] {
        let make = format!("make --avg-size 1KiB {reads_twice} new.rgx -");
        let mut child = env.spawn(env.command(&make).stdin(Stdio::piped()));
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&new[..new.len() / 2]).unwrap();
        while !has_file_in(child.id(), &scratch) {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(env.files("scratch"), [""; 0], "{reads_twice}");
    }
}

/// Older versions gave them names.
#[test]
fn the_next_run_clears_what_killed_ones_left() {
    let env = TestEnvironment::new();
    env.make("old", &versions().0);
    let in_use = std::fs::File::open(env.write("scratch/regrow-tmp-inuse1", b"")).unwrap();
    in_use.lock_shared().unwrap();
    env.write("scratch/regrow-tmp-abc123", b"an image");
    env.write("scratch/thesis", b"");
    env.run("make --avg-size 1KiB other.rgx old").success();
    assert_eq!(env.files("scratch"), ["scratch/regrow-tmp-inuse1", "scratch/thesis"]);
}
