//! Systems that allow few threads.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::disk::as_nobody;
use crate::environment::{Outcome, TestEnvironment, pass_over};
use regrow_demo::versions;

/// A command ends well, or with a line that says why, however few threads it may start.
#[test]
fn few_threads() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("old", &old);
    env.make("new", &new);
    let Some(probe) = as_nobody(&env, "--version") else { return };
    let mut refused = 0;
    for (limit, arguments) in (1..10).flat_map(|limit| {
        let out = format!("extract --catalog scratch/catalog --seed old new.rgx scratch/out-{limit}");
        [(limit, format!("make --store scratch/store-{limit} scratch/{limit}.rgx new")), (limit, out)]
    }) {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nproc={limit}")).arg(probe.get_program()).args(arguments.split(' '));
        command.current_dir(env.root());
        command.env("TMPDIR", env.path("scratch")).env("REGROW_MIN_AVG_SIZE", "64").env("HOME", env.root());
        command.env("REGROW_STATE", env.path("home-state"));
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        let Ok(child) = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
            pass_over("few threads need prlimit");
            return;
        };
        let outcome = Outcome::wait(child);
        if outcome.code != Some(0) {
            outcome.failure(1, "no thread can be started");
            refused += 1;
        }
    }
    if refused == 0 {
        pass_over("this user is allowed more threads than its limit says");
    }
}
