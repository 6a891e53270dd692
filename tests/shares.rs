//! Folders on shares, and on several disks. strace stands in for the answers of the shares' file systems.

mod answers;
mod disks;
mod left;
mod outputs;
mod seeds;
mod threads;

use std::process::Command;

use crate::environment::{Outcome, TestEnvironment, pass_over};

/// Runs the command under strace with these options. It returns `None`, and prints a line, if strace is not
/// available.
fn under_strace(env: &TestEnvironment, options: &[&str], arguments: &str) -> Option<Outcome> {
    let mut probe = Command::new("strace");
    if !probe.args(["-qq", "-o", "/dev/null", "true"]).output().is_ok_and(|output| output.status.success()) {
        pass_over("what shares answer needs strace, and the right to use it");
        return None;
    }
    let inner = env.command(arguments);
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null"]).args(options).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(env.root());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Some(Outcome::of(&mut command))
}
