//! Folders that are full, missing, or write-protected.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use crate::environment::OLD_INDEX;
use crate::environment::{Outcome, TestEnvironment, pass_over};
use crate::report::{check_extract, number};
use crate::server::{Answer, Server};
use regrow_demo::{noise, versions};

/// A small file system that is unmounted at the end.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one. It returns `None`, and prints a line, if that takes more rights than the test has.
    pub(crate) fn mount(env: &TestEnvironment, size: &str) -> Option<Self> {
        let path = env.path("small");
        std::fs::create_dir(&path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "regrow-test"])
            .arg(&path)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        pass_over("a full disk needs the right to mount a tmpfs");
        None
    }

    pub(crate) fn resize(&self, size: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_under_the_output() {
    let (old, new) = (noise("old", 500_000), noise("new", 3_000_000));
    let env = TestEnvironment::new();
    env.make("new", &new);
    // There is room for the old file and a part of the new one.
    let Some(disk) = SmallDisk::mount(&env, "2500k") else { return };
    env.write("small/out", &old);
    env.run("extract new.rgx small/out").failure(1, "bytes of room are needed there");
    assert!(env.read("small/out") == old);
    // There was room at first, but somebody else takes it.
    disk.resize("4m");
    let server =
        Server::with(env.root(), |request| if request.is_pack() { Answer::Slow(8_000) } else { Answer::Serve });
    let child = env.spawn(&mut env.command(&format!("extract --connections 1 {} small/out", server.url("new.rgx"))));
    while server.body_bytes() < 600_000 {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    disk.resize("2500k");
    Outcome::wait(child).failure(1, "No space left");
    assert!(env.read("small/out") == old);
    disk.resize("16m");
    let report = env.json("extract new.rgx small/out");
    assert!(env.read("small/out") == new);
    check_extract(&report, &new);
    assert!(number(&report, "chunks_resumed") > 0, "what was written is used: {report}");
    assert_eq!(env.files("small"), ["small/out"]);
}

#[test]
fn a_full_disk_under_the_store() {
    let image = noise("image", 20_000_000);
    let env = TestEnvironment::new();
    let Some(disk) = SmallDisk::mount(&env, "12m") else { return };
    env.write("image", &image);
    env.write("small/image.rgx", OLD_INDEX);
    let make = "make --avg-size 4KiB --pack-size 256KiB small/image.rgx image";
    env.run(make).failure(1, "No space left");
    assert_eq!(env.read("small/image.rgx"), OLD_INDEX);
    let kept = env.packs("small/store").len() as u64;
    assert!(kept > 0, "packs that were complete stay");
    disk.resize("64m");
    let report = env.json(make);
    assert!(number(&report, "chunks_new") < number(&report, "chunks"), "{report}");
    env.run("extract small/image.rgx out").success();
    assert!(env.read("out") == image);
}

#[test]
fn a_full_disk_under_the_cache_and_the_scratch_folder() {
    let (_, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    let Some(_disk) = SmallDisk::mount(&env, "300k") else { return };
    let server = Server::new(env.root());
    let url = server.url("new.rgx");
    env.run(&format!("extract --cache small/cache --catalog small/catalog --seed new {url} out")).success();
    assert!(env.read("out") == new);
    let mut command = env.command(&format!("extract {url} -"));
    Outcome::of(command.env("TMPDIR", env.path("small"))).failure_with_output(1, "bytes of room are needed there");
}

/// Runs the command as a user who may only write in `scratch/`. It returns `None`, and prints a line, if the test
/// may not become another user.
pub(crate) fn as_nobody(env: &TestEnvironment, arguments: &str) -> Option<Command> {
    let mode =
        |name: &str, mode| std::fs::set_permissions(env.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    mode("scratch", 0o777);
    let is_root = rustix::process::geteuid().is_root();
    let mut command = env.command(arguments);
    let mut probe = env.command("--version");
    if is_root {
        for command in [&mut command, &mut probe] {
            command.uid(65534).gid(65534);
        }
    }
    if probe.output().is_ok_and(|output| output.status.success()) {
        return Some(command);
    }
    pass_over("another user may not run the command from where it was built");
    None
}

#[test]
fn a_folder_that_may_not_be_written() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.make("new", &new);
    env.write("closed/out", &old);
    std::fs::set_permissions(env.path("closed"), std::fs::Permissions::from_mode(0o555)).unwrap();
    let run = |arguments: &str| as_nobody(&env, arguments).map(|mut command| Outcome::of(&mut command));
    let Some(outcome) = run("extract new.rgx closed/out") else { return };
    outcome.failure(1, "closed/");
    assert!(env.read("closed/out") == old);
    run("make --store scratch/store closed/app.rgx new").unwrap().failure(1, "closed");
    run("make --store closed/store scratch/app.rgx new").unwrap().failure(1, "closed/store");
    // A home that may not be written is no obstacle, and neither is a pipe.
    run("extract new.rgx scratch/out").unwrap().success();
    assert!(env.read("scratch/out") == new);
    assert!(run("extract new.rgx -").unwrap().success().stdout == new);
    std::fs::set_permissions(env.path("closed"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn folders_that_are_not_there() {
    let env = TestEnvironment::new();
    env.make("image", &noise("image", 100_000));
    env.run("extract image.rgx absent/out").failure(1, "absent");
    env.run("make absent/app.rgx image").failure(1, "absent");
    env.run("make app.rgx absent").failure(1, "absent");
    env.run("extract --store absent image.rgx out").failure(4, "absent");
    assert!(!env.exists("absent") && !env.exists("out") && !env.exists("app.rgx"));
    // A store's folder is made together with all folders above it.
    env.run("make --store deep/er/store app.rgx image").success();
}

#[test]
fn folders_where_files_belong() {
    let env = TestEnvironment::new();
    env.make("image", &noise("image", 100_000));
    std::fs::create_dir(env.path("folder")).unwrap();
    env.run("extract image.rgx folder").failure(2, "folder: is a folder");
    env.run("extract --in-place image.rgx folder").failure_of(&[1, 2], "folder");
    env.run("make folder image").failure(2, "folder: is a folder");
    env.run("make app.rgx folder").failure_of(&[1, 2], "folder");
    env.run("extract folder out").failure_of(&[1, 2, 3, 4], "folder");
    env.run("make --store image app.rgx image").failure_of(&[1, 2, 4], "image");
    assert_eq!(env.files("folder"), Vec::<String>::new());
    assert!(!env.exists("out") && !env.exists("app.rgx"));
}
