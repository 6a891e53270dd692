//! btrfs, by mkfs.btrfs and by the kernel.

use std::fs;
use std::path::{Path, PathBuf};

use regrow_disk::{DiskKind, Division, DivisionRules, divide};

use crate::check::{Expected, compare, files, only, whole};
use crate::tree;

fn divided(plain: &[u8]) -> Division {
    let division = divide(&plain, DivisionRules::V6).expect("understood").expect("an image");
    assert_eq!((division.kind, division.has_blocks()), (DiskKind::Btrfs, false));
    assert_eq!(division.rules, DivisionRules::V6);
    assert!(divide(&plain, DivisionRules::V5).expect("no image").is_none());
    division
}

/// The runs of each file, in a folder of the image, must have the bytes of the file of the tree. They tell of short files
/// too, which stand in leaves.
fn compare_runs(division: &Division, plain: &[u8], root: &Path, prefix: &str) {
    let mut seen = 0;
    for path in files(root) {
        let name = format!("{prefix}{}", path.strip_prefix(root).expect("within").display());
        let bytes = fs::read(&path).expect("a file");
        if let Some(file) = division.files.iter().find(|file| file.path == name.as_bytes()) {
            assert!(whole(file, plain) == bytes, "the runs of {name} have other bytes");
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen} files");
}

#[test]
fn files_of_btrfs_are_found() {
    if !tree::there("mkfs.btrfs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    tree::make(&root);
    for (options, details) in [
        ("-m single", "btrfs, 1 subvolume, nodes of 16384 bytes"),
        ("-m single -n 4096 -O ^no-holes,^skinny-metadata", "btrfs, 1 subvolume, nodes of 4096 bytes"),
        ("-m single -n 65536 --csum sha256", "btrfs, 1 subvolume, nodes of 65536 bytes"),
        ("-m dup", "btrfs, two copies of metadata, 1 subvolume, nodes of 16384 bytes"),
        ("-m single -n 4096 --mixed", "btrfs, 1 subvolume, nodes of 4096 bytes"),
    ] {
        let _ = fs::remove_file(&path);
        fs::File::create(&path).and_then(|file| file.set_len(60 << 20)).expect("an image");
        tree::run("mkfs.btrfs", &format!("-q --shrink {options} -r"), &[&root, &path], "");
        let plain = fs::read(&path).expect("an image");
        let division = divided(&plain);
        assert_eq!(division.details, details);
        compare(&division, &root, &Expected { plain: &plain, prefix: "", holes: true, least: 4096 });
        compare_runs(&division, &plain, &root, "");
    }
}

/// An image that is mounted, until it is unmounted.
struct Mounted {
    path: PathBuf,
    at: PathBuf,
}

impl Mounted {
    /// Makes and mounts a file system. The result is `None` if that is not possible here.
    fn new(folder: &Path, making: &str, mounting: &str) -> Option<Self> {
        let (path, at) = (folder.join("image"), folder.join("mounted"));
        fs::create_dir_all(&at).expect("a folder");
        fs::File::create(&path).and_then(|file| file.set_len(120 << 20)).expect("an image");
        tree::run("mkfs.btrfs", &format!("-q -f {making}"), &[&path], "");
        let options = format!("-t btrfs -o loop,{mounting}");
        let status = tree::command("mount").args(options.split(' ')).args([&path, &at]).status();
        if !status.is_ok_and(|status| status.success()) {
            tree::pass_over("no loop device with btrfs can be mounted");
            return None;
        }
        Some(Self { path, at })
    }

    fn image(self) -> Vec<u8> {
        tree::run("umount", "", &[&self.at], "");
        fs::read(&self.path).expect("an image")
    }
}

fn btrfs(words: &str, paths: &[&Path]) {
    tree::run("btrfs", &format!("-q {words}"), paths, "");
}

/// A snapshot shares nodes and extents, a clone shares extents, and the default subvolume is another one.
#[test]
fn subvolumes_are_found() {
    if !tree::there("mkfs.btrfs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("tree");
    tree::make(&root);
    for making in ["", "-m single", "--mixed -n 4096"] {
        let Some(mounted) = Mounted::new(folder.path(), making, "noatime") else { return };
        let (system, home, old) = (mounted.at.join("system"), mounted.at.join("system/home"), mounted.at.join("old"));
        btrfs("subvolume create", &[&system]);
        btrfs("subvolume create", &[&home]);
        tree::run("cp", "-a --sparse=always", &[&root, &system], "");
        tree::run("cp", "-a --reflink=always", &[&system.join("tree/large"), &home], "");
        tree::run("sync", "-f", &[&mounted.at], "");
        btrfs("subvolume snapshot", &[&system, &old]);
        fs::write(system.join("tree/large/text"), tree::text(8, 500_000)).expect("a file");
        fs::write(mounted.at.join("outside"), tree::noise(5, 9000)).expect("a file");
        btrfs("subvolume set-default", &[&system]);
        let plain = mounted.image();
        let division = divided(&plain);
        assert!(division.details.contains("4 subvolumes"), "{}", division.details);
        for (prefix, changed) in [("tree/", true), ("old/tree/", false)] {
            let text = if changed { tree::text(8, 500_000) } else { tree::text(4, 777_777) };
            let file = division.files.iter().find(|file| file.path == format!("{prefix}large/text").as_bytes());
            assert!(whole(file.expect("the file"), &plain) == text, "{prefix}");
        }
        let found = |path: &str| division.files.iter().any(|file| file.path == path.as_bytes());
        assert!(found("outside") && found("home/large/noise") && found("old/tree/twins/first"));
        compare_runs(&only(&division, "old/"), &plain, &root, "old/tree/");
    }
}

/// What is compressed is not the file's bytes, so it is no file's.
#[test]
fn compressed_extents_are_passed_over() {
    if !tree::there("mkfs.btrfs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("tree");
    tree::make(&root);
    for kind in ["zlib", "lzo", "zstd"] {
        let Some(mounted) = Mounted::new(folder.path(), "-m single", &format!("compress={kind}")) else { return };
        tree::run("cp", "-a --sparse=always", &[&root, &mounted.at], "");
        tree::run("fallocate", "-l 1000000", &[&mounted.at.join("set aside")], "");
        let plain = mounted.image();
        let division = divided(&plain);
        let named = |name: &str| {
            let path = format!("tree/{name}");
            division.files.iter().find(|file| file.path == path.as_bytes()).expect("the file")
        };
        for (name, bytes) in [("sizes/100000", tree::noise(100_000, 100_000)), ("sizes/4097", tree::noise(4097, 4097))]
        {
            assert!(whole(named(name), &plain) == bytes, "{name}");
        }
        for name in ["large/text", "text/100000"] {
            assert_eq!((named(name).bytes, &named(name).runs), (0, &Vec::new()), "{name}");
        }
        assert!(
            whole(division.files.iter().find(|file| file.path == b"set aside").expect("it"), &plain)
                == vec![0; 1_000_000]
        );
    }
}
