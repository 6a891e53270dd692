//! Files of other users on this machine, and text of strangers in the output. Nobody else's files are touched or
//! shown. No text of a stranger reaches a terminal as it is, and no password reaches a log.

mod caches;
mod catalogs;
mod lines;
mod places;
mod stores;

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

use crate::environment::Outcome;

/// Makes a file look as if it had been written three days ago.
fn age(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3 * 24 * 3600)).unwrap();
}

/// The outcome of a command that must not wait for anything. A command that waits is ended.
#[track_caller]
fn soon(mut child: Child) -> Outcome {
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it waits for ever");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Outcome::wait(child)
}
