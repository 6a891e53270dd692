//! Files and devices that are written over.

use std::path::PathBuf;
use std::process::Command;

use super::*;

const MIB: usize = 1 << 20;

#[test]
fn the_first_mib_is_missing_until_the_end() {
    let (old, new) = (noise("first, old", 3 * MIB), noise("first, new", 3 * MIB));
    let env = TestEnvironment::new();
    env.make("new", &new);
    env.write("out", &old);
    let server = slow_host(&env);
    let arguments = format!("extract --connections 1 --in-place {} out", server.url("new.rgx"));
    // The bytes that were fetched up to here are written, except for the last frame.
    let child = run_until(&env, &arguments, || env.read("out")[MIB..MIB + 5000] == new[MIB..MIB + 5000]);
    kill(child);
    let left = env.read("out");
    assert!(left[..MIB].iter().all(|&byte| byte == 0), "its first MiB is there");
    let report = env.json("extract --in-place new.rgx out");
    assert!(env.read("out") == new);
    assert!(number(&report, "chunks_resumed") > 0, "{report}");
}

#[test]
fn nothing_changes_before_there_is_something_to_write() {
    let env = TestEnvironment::new();
    env.make("new", &noise("nothing", 3 * MIB));
    let server = empty_host(&env);
    for old in [noise("something", MIB), Vec::new()] {
        let out = env.write("out", &old);
        env.run(&format!("extract --in-place {} out", server.url("new.rgx"))).failure(4, ".pack");
        assert_eq!(out.metadata().unwrap().len(), old.len() as u64, "it was made longer");
        assert!(env.read("out") == old);
    }
}

#[test]
fn an_image_that_is_there_is_not_written() {
    let image = noise("there", 3 * MIB);
    let env = TestEnvironment::new();
    env.make("new", &image);
    let out = env.write("out", &image);
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options().append(true).open(&out).unwrap().set_modified(time).unwrap();
    env.run("extract --in-place new.rgx out").success();
    assert!(env.read("out") == image);
    assert_eq!(out.metadata().unwrap().modified().unwrap(), time);
}

#[test]
fn a_file_that_a_stranger_planted_is_not_written_over() {
    let env = TestEnvironment::new();
    let image = noise("planted", 50_000);
    env.make("new", &image);
    env.write("shared/theirs", b"theirs");
    env.write("secret", b"ours alone");
    std::fs::hard_link(env.path("secret"), env.path("shared/second")).unwrap();
    set_mode(&env.path("shared"), 0o1777);
    env.run("extract --in-place new.rgx shared/second").failure(1, "is not written over in place");
    assert_eq!(env.read("secret"), b"ours alone");
    if give_away(&env.path("shared/theirs")) {
        env.run("extract --in-place new.rgx shared/theirs").failure(1, "is not written over in place");
        assert_eq!(env.read("shared/theirs"), b"theirs");
    }
    env.write("shared/ours", b"ours");
    env.run("extract --in-place new.rgx shared/ours").success();
    assert!(env.read("shared/ours") == image);
}

#[test]
fn rights_of_the_old_program_do_not_stay() {
    let env = TestEnvironment::new();
    let image = noise("rights", 50_000);
    env.make("new", &image);
    let out = env.write("out", b"old");
    for (before, after) in [(0o6755, 0o755), (0o4711, 0o711), (0o2640, 0o640), (0o1755, 0o1755)] {
        env.write("out", b"old");
        set_mode(&out, before);
        env.run("extract --in-place new.rgx out").success();
        assert!(env.read("out") == image);
        assert_eq!(mode(&out), after);
    }
}

/// A block device over a file of the environment.
struct Loop(PathBuf);

impl Loop {
    /// Sets up the device. It returns `None`, and prints a line, if that takes more rights than the test has.
    fn new(env: &TestEnvironment, name: &str) -> Option<Self> {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(env.path(name)).output();
        match output {
            Ok(output) if output.status.success() => {
                Some(Self(String::from_utf8(output.stdout).unwrap().trim().into()))
            }
            _ => {
                pass_over("a block device needs the right to set up a loop device");
                None
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

/// A mounted file system that is unmounted at the end.
struct Mount(PathBuf);

impl Mount {
    fn new(device: &Path, folder: PathBuf) -> Option<Self> {
        std::fs::create_dir(&folder).unwrap();
        let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        let is_mounted =
            run(Command::new("mkfs.ext4").arg("-q").arg(device)) && run(Command::new("mount").arg(device).arg(&folder));
        if is_mounted {
            return Some(Self(folder));
        }
        pass_over("a mounted device needs mkfs.ext4 and the right to mount");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_mounted_device_is_written_only_with_force() {
    let env = TestEnvironment::new();
    let image = noise("mounted", 4 * MIB);
    env.make("new", &image);
    env.write("disk", &vec![0; 8 * MIB]);
    let Some(device) = Loop::new(&env, "disk") else { return };
    let path = device.0.display().to_string();
    let Some(mount) = Mount::new(&device.0, env.path("mounted")) else { return };
    let start = || std::fs::read(&device.0).unwrap()[..4 * MIB].to_vec();
    let before = start();
    env.run(&format!("extract --in-place new.rgx {path}")).failure(1, "mounted or in use otherwise; --force");
    assert_eq!(env.run(&format!("extract --force new.rgx {path}")).code, Some(2));
    assert!(start()[4096..] == before[4096..], "it was written");
    env.run(&format!("extract --in-place --force new.rgx {path}")).success();
    assert!(start() == image);
    drop(mount);
    env.run(&format!("extract --in-place new.rgx {path}")).success();
    assert!(start() == image);
}

#[test]
fn a_device_has_its_first_mib_last() {
    let env = TestEnvironment::new();
    let image = noise("device", 4 * MIB);
    env.make("new", &image);
    env.write("disk", &noise("before", 8 * MIB));
    let Some(device) = Loop::new(&env, "disk") else { return };
    let path = device.0.display().to_string();
    let right = env.read("new.rgx");
    spoil(&env, "new.rgx");
    env.run(&format!("extract --in-place new.rgx {path}")).failure(3, "its first MiB was not written");
    assert!(env.read("disk")[..MIB].iter().all(|&byte| byte == 0));
    env.write("new.rgx", &right);
    env.run(&format!("extract --in-place new.rgx {path}")).success();
    let disk = env.read("disk");
    assert!(
        disk.len() == 8 * MIB && disk[..4 * MIB] == image && disk[4 * MIB..] == noise("before", 8 * MIB)[4 * MIB..]
    );
}

#[test]
fn two_runs_on_one_device() {
    let env = TestEnvironment::new();
    let image = noise("two runs", 4 * MIB);
    env.make("new", &image);
    env.write("disk", &vec![0; 4 * MIB]);
    let Some(device) = Loop::new(&env, "disk") else { return };
    let path = device.0.display().to_string();
    let server = slow_host(&env);
    let arguments = format!("extract --in-place {} {path}", server.url("new.rgx"));
    let first = run_until(&env, &arguments, || server.body_bytes() > 100_000);
    env.run(&format!("extract --in-place new.rgx {path}")).failure(1, "another regrow is writing this output");
    Outcome::wait(first).success();
    assert!(env.read("disk") == image);
}
