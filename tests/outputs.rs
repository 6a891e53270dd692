//! Outputs in folders of others, over devices, and into pipes. Nobody else's files are touched, and nothing private
//! is shown. The leftovers of a failed run do not pass for an image.

mod attributes;
mod in_place;
mod links;
mod mounted;
mod part;
mod room;
mod terminal;
mod wrong;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use regrow_index::Index;

use crate::environment::{Outcome, TestEnvironment, pass_over};
use crate::report::number;
use crate::server::{Answer, Request, Server};
use regrow_demo::{PGZIP, Tree, gzip, noise, oci};

/// The id of another user.
const STRANGER: u32 = 1234;

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

fn owner(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().uid()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Gives a file, folder or link to another user. It returns `false`, and prints a line, if the test may not.
fn give_away(path: &Path) -> bool {
    let is_given = std::os::unix::fs::lchown(path, Some(STRANGER), Some(STRANGER)).is_ok();
    if !is_given {
        pass_over("files of another user need root");
    }
    is_given
}

/// The state of a file that must not change.
fn state(path: &Path) -> (Vec<u8>, u32, u32) {
    (std::fs::read(path).unwrap(), mode(path), owner(path))
}

/// Runs a command that must end by itself. If it waits for a FIFO, it is killed, and the test fails.
#[track_caller]
fn ends(env: &TestEnvironment, arguments: &str) -> Outcome {
    let mut child = env.spawn(&mut env.command(arguments));
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{arguments}: waits for ever");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Outcome::wait(child)
}

/// An image with compressed layers, of a few MB.
fn coded_image() -> Vec<u8> {
    oci(&[Tree::sample("private", 300)], 5, |layer| gzip(layer, PGZIP))
}

/// A host that is slow enough to look at an output while it is written.
fn slow_host(env: &TestEnvironment) -> Server {
    Server::with(env.root(), |request: &Request| if request.is_pack() { Answer::Slow(8_000) } else { Answer::Serve })
}

/// A host without packs.
fn empty_host(env: &TestEnvironment) -> Server {
    Server::with(env.root(), |request: &Request| if request.is_pack() { Answer::Status(404) } else { Answer::Serve })
}

/// Starts a command, and lets it run until the condition holds.
fn run_until(env: &TestEnvironment, arguments: &str, mut holds: impl FnMut() -> bool) -> Child {
    let mut child = env.spawn(&mut env.command(arguments));
    while !holds() {
        assert!(child.try_wait().unwrap().is_none(), "it came to its end too soon: {:?}", Outcome::wait(child));
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Changes the digest that an index states.
fn spoil(env: &TestEnvironment, index: &str) {
    let mut changed = Index::decode(&env.read(index)).unwrap();
    changed.image_digest[0] ^= 1;
    env.write(index, &changed.encode());
}
