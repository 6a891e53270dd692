//! Everybody knows the name of the part file. Whatever lies there is either our own or gets removed.

use super::*;

/// An environment with an image, an output of another user in a folder that everybody can write, and a file of
/// ours.
fn site() -> (TestEnvironment, Vec<u8>) {
    let env = TestEnvironment::new();
    let image = noise("part", 300_000);
    env.make("new", &image);
    env.write("to/out", b"old");
    env.write("secret", b"ours alone");
    set_mode(&env.path("secret"), 0o600);
    set_mode(&env.path("to"), 0o777);
    set_mode(&env.path("to/out"), 0o666);
    (env, image)
}

#[test]
fn a_link_at_its_name_leads_nowhere() {
    for name in [".out.regrow-part", ".out.regrow-image"] {
        let (env, _) = site();
        let image = coded_image();
        env.make("coded", &image);
        let _ = give_away(&env.path("to/out"));
        let secret = state(&env.path("secret"));
        let plant = || {
            let _ = std::fs::remove_file(env.path("to").join(name));
            std::os::unix::fs::symlink(env.path("secret"), env.path("to").join(name)).unwrap();
            let _ = give_away(&env.path("to").join(name));
        };
        plant();
        let failing = empty_host(&env);
        env.run(&format!("extract {} to/out", failing.url("coded.rgx"))).failure(4, "");
        assert_eq!(state(&env.path("secret")), secret, "{name}: a run that failed");
        plant();
        env.run("extract coded.rgx to/out").success();
        assert_eq!(state(&env.path("secret")), secret, "{name}");
        assert!(env.read("to/out") == image && !env.path("to/out").is_symlink());
        assert_eq!(env.files("to"), ["to/out"]);
    }
}

#[test]
fn a_file_of_another_user_is_not_taken_up() {
    let (env, image) = site();
    let part = env.write("to/.out.regrow-part", b"");
    set_mode(&part, 0o666);
    if !give_away(&part) {
        return;
    }
    // The other user keeps the file open, to write into it later.
    let kept = std::fs::OpenOptions::new().append(true).open(&part).unwrap();
    env.run("extract new.rgx to/out").success();
    assert!(env.read("to/out") == image && owner(&env.path("to/out")) == 0);
    std::io::Write::write_all(&mut &kept, b"afterwards").unwrap();
    assert!(env.read("to/out") == image);
}

#[test]
fn a_file_with_a_second_name_is_not_taken_up() {
    let (env, image) = site();
    std::fs::hard_link(env.path("secret"), env.path("to/.out.regrow-part")).unwrap();
    let secret = state(&env.path("secret"));
    env.run("extract new.rgx to/out").success();
    assert!(env.read("to/out") == image);
    assert_eq!(state(&env.path("secret")), secret);
}

#[test]
fn a_fifo_does_not_hold_it_up() {
    let (env, image) = site();
    let fifo = env.path("to/.out.regrow-part");
    for arguments in ["extract --dry-run new.rgx to/out", "extract new.rgx to/out", "extract new.rgx to/out"] {
        let _ = std::fs::remove_file(&fifo);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
        ends(&env, arguments).success();
    }
    assert!(env.read("to/out") == image);
    ends(&env, &format!("extract --in-place new.rgx {}", fifo.display()))
        .failure(2, "neither a file nor a block device");
}

#[test]
fn nobody_else_can_hold_its_lock() {
    let (env, image) = site();
    let part = env.write("to/.out.regrow-part", b"a stranger's");
    set_mode(&part, 0o666);
    if !give_away(&part) {
        return;
    }
    let theirs = std::fs::File::open(&part).unwrap();
    theirs.lock().unwrap();
    env.run("extract new.rgx to/out").success();
    assert!(env.read("to/out") == image);
}

#[test]
fn a_strangers_file_in_a_sticky_folder_is_an_error() {
    let (env, _) = site();
    env.write("scratch/.out.regrow-part", b"root's");
    set_mode(&env.path("scratch"), 0o1777);
    let Some(mut command) = crate::disk::as_nobody(&env, "extract new.rgx scratch/out") else { return };
    set_mode(&env.path("scratch"), 0o1777);
    if owner(&env.path("scratch")) != 0 {
        return pass_over("a file of another user needs root");
    }
    Outcome::of(&mut command).failure(1, "something that is not regrow's lies there");
    assert_eq!(env.read("scratch/.out.regrow-part"), b"root's");
}

#[test]
fn what_an_earlier_version_left_is_gone_on_with() {
    let (env, image) = site();
    let mut part = image.clone();
    part[200_000..].fill(0);
    let path = env.write("to/.out.regrow-part", &part);
    let is_private_group = path.metadata().unwrap().gid() == owner(&path);
    for (mode_then, is_resumed) in [(0o644, true), (0o600, true), (0o664, is_private_group), (0o646, false)] {
        env.write("to/.out.regrow-part", &part);
        set_mode(&path, mode_then);
        let report = env.json("extract new.rgx to/out");
        assert!(env.read("to/out") == image);
        assert_eq!(number(&report, "chunks_resumed") > 0, is_resumed, "{mode_then:o}: {report}");
        env.write("to/out", b"old");
    }
    // The file belongs to a group of others.
    env.write("to/.out.regrow-part", &part);
    if std::os::unix::fs::chown(&path, None, Some(STRANGER)).is_ok() {
        set_mode(&path, 0o664);
        assert_eq!(number(&env.json("extract new.rgx to/out"), "chunks_resumed"), 0);
    }
}

#[test]
fn a_file_on_a_disk_without_modes_is_gone_on_with() {
    let (env, image) = site();
    let Some(_disk) = Fat::mount(&env) else { return };
    let mut part = image.clone();
    part[200_000..].fill(0);
    let path = env.write("fat/.out.regrow-part", &part);
    assert_eq!(mode(&path), 0o777);
    let report = env.json("extract new.rgx fat/out");
    assert!(env.read("fat/out") == image);
    assert!(number(&report, "chunks_resumed") > 0, "{report}");
}

/// A FAT file system, on which everybody may write everything.
struct Fat(std::path::PathBuf);

impl Fat {
    /// Mounts one. It returns `None`, and prints a line, if the test may not.
    fn mount(env: &TestEnvironment) -> Option<Self> {
        let (disk, path) = (env.write("fat.disk", &vec![0; 8 << 20]), env.path("fat"));
        std::fs::create_dir(&path).unwrap();
        let run = |program: &str, arguments: &[&str], path: &[&Path]| {
            let output = std::process::Command::new(program).args(arguments).args(path).output();
            output.is_ok_and(|output| output.status.success())
        };
        if run("mkfs.vfat", &[], &[&disk]) && run("mount", &["-o", "loop,umask=0"], &[&disk, &path]) {
            return Some(Self(path));
        }
        pass_over("a disk without modes needs mkfs.vfat, and the right to mount it");
        None
    }
}

impl Drop for Fat {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_file_that_took_its_name_meanwhile_is_not_published() {
    let env = TestEnvironment::new();
    let image = noise("lost", 1_000_000);
    env.make("new", &image);
    env.write("to/out", b"old");
    let server = slow_host(&env);
    let arguments = format!("extract --connections 1 {} to/out", server.url("new.rgx"));
    let child = run_until(&env, &arguments, || server.body_bytes() > 100_000);
    env.remove("to/.out.regrow-part");
    env.write("to/.out.regrow-part", b"a stranger's");
    Outcome::wait(child).failure(1, "another process removed or replaced it while it was written");
    assert_eq!((env.read("to/out"), env.read("to/.out.regrow-part")), (b"old".to_vec(), b"a stranger's".to_vec()));
}

#[test]
fn a_folder_at_its_name_is_an_error() {
    let (env, _) = site();
    std::fs::create_dir(env.path("to/.out.regrow-part")).unwrap();
    let _ = give_away(&env.path("to/.out.regrow-part"));
    env.run("extract new.rgx to/out").failure(1, "something that is not regrow's lies there");
    assert_eq!(env.read("to/out"), b"old");
}

#[test]
fn an_image_that_a_killed_run_left_is_removed() {
    let (env, image) = site();
    let left = env.write("to/.out.regrow-image", b"left");
    set_mode(&left, 0o600);
    env.run("extract new.rgx to/out").success();
    assert!(env.read("to/out") == image);
    assert_eq!(env.files("to"), ["to/out"]);
}

#[test]
fn a_folder_that_may_not_be_listed() {
    let (env, image) = site();
    env.write("scratch/unlisted/out", b"old");
    let Some(mut command) = crate::disk::as_nobody(&env, "extract new.rgx scratch/unlisted/out") else { return };
    set_mode(&env.path("scratch/unlisted"), 0o333);
    Outcome::of(&mut command).success();
    set_mode(&env.path("scratch/unlisted"), 0o755);
    assert!(env.read("scratch/unlisted/out") == image);
}

#[test]
fn a_folder_that_was_given_the_side_folders_name_stays_as_it_is() {
    let (env, image) = site();
    env.write("to/.out.regrow-meta/file", b"ours");
    set_mode(&env.path("to/.out.regrow-meta"), 0o755);
    let outcome = env.run("extract new.rgx to/out").success();
    assert!(outcome.stderr.contains("holds other files"), "{}", outcome.stderr);
    assert!(env.read("to/out") == image);
    assert_eq!(env.read("to/.out.regrow-meta/file"), b"ours");
    assert_eq!(mode(&env.path("to/.out.regrow-meta")), 0o755);
}
