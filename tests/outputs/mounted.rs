//! Files that something is mounted on, as containers get single files of their host. No other file can take their place.

use std::path::PathBuf;
use std::process::Command;

use super::*;

/// The file `out`, on which the file `host` is mounted. It is unmounted at the end.
struct MountedFile(PathBuf);

impl MountedFile {
    fn new(env: &TestEnvironment, folder: &str, options: &[&str]) -> Option<Self> {
        let (host, out) = (env.write("host", &noise("old", 3 << 20)), env.write(&format!("{folder}/out"), b"beneath"));
        let run = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
        if run(Command::new("mount").arg("--bind").arg(&host).arg(&out))
            && options.iter().all(|option| run(Command::new("mount").args(["-o", option]).arg(&out)))
        {
            return Some(Self(out));
        }
        pass_over("a mounted file needs the right to mount");
        None
    }
}

impl Drop for MountedFile {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

const NOTICE: &str = "out: something is mounted on this file, so the image is put together beside it";

#[test]
fn a_mounted_file_is_written_over_once_the_image_is_complete() {
    for (what, image) in [("smaller", noise("new", 2 << 20)), ("larger", noise("new", 5 << 20))] {
        let env = TestEnvironment::new();
        env.make("new", &image);
        let Some(mounted) = MountedFile::new(&env, "to", &[]) else { return };
        let inode = || mounted.0.metadata().unwrap().ino();
        let before = inode();
        // What cannot be fetched changes nothing.
        let dead = Server::with(env.root(), |request| match request.is_pack() {
            true => Answer::ResetInBody,
            false => Answer::Serve,
        });
        env.run(&format!("extract {} to/out", dead.url("new.rgx"))).failure(4, "");
        assert!(env.read("to/out") == noise("old", 3 << 20), "{what}");
        let outcome = env.run("extract new.rgx to/out").success();
        assert!(outcome.stderr.contains(NOTICE) && outcome.stderr.contains("--in-place"), "{}", outcome.stderr);
        assert!(env.read("to/out") == image && env.read("host") == image && inode() == before, "{what}");
        assert_eq!(env.files("to"), ["to/out"]);
        // It is the image now.
        let report = env.json("extract new.rgx to/out");
        assert_eq!(number(&report, "chunks_resumed"), number(&report, "chunks"), "{report}");
    }
}

#[test]
fn a_mounted_file_that_is_read_only_is_refused_at_once() {
    let env = TestEnvironment::new();
    env.make("new", &noise("new", 2 << 20));
    let Some(_mounted) = MountedFile::new(&env, "to", &["remount,ro,bind"]) else { return };
    let server = Server::new(env.root());
    env.run(&format!("extract {} to/out", server.url("new.rgx"))).failure(1, "Read-only file system");
    assert!(server.requests().iter().all(|request| !request.is_pack()));
    assert_eq!(env.files("to"), ["to/out"]);
}

#[test]
fn images_with_gzip_layers_are_written_over_mounted_files_too() {
    let env = TestEnvironment::new();
    let image = gzip(&Tree::sample("base", 60).tar(5), PGZIP);
    env.make("new", &image);
    let Some(_mounted) = MountedFile::new(&env, "to", &[]) else { return };
    env.run("extract new.rgx to/out").success();
    assert!(env.read("to/out") == image);
    assert_eq!(env.files("to"), ["to/out"]);
}
