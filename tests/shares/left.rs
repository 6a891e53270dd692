//! Temporary files that a killed run leaves.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use crate::environment::TestEnvironment;
use crate::images::versions;

#[test]
fn the_next_run_clears_what_a_killed_make_left() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    let make = "make --avg-size 1KiB --patch-from old.rgx --old old new.rgx -";
    let mut child = env.spawn(env.command(make).stdin(Stdio::piped()));
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&new[..new.len() / 2]).unwrap();
    while env.files("scratch").is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The first make is at work, so another one leaves its file alone.
    env.run("make --avg-size 1KiB other.rgx old").success();
    assert_eq!(env.files("scratch").len(), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    env.write("scratch/thesis", b"");
    env.run("make --avg-size 1KiB other.rgx old").success();
    assert_eq!(env.files("scratch"), ["scratch/thesis"]);
}
