//! ext2, ext3 and ext4, by mke2fs and debugfs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use regrow_disk::{DiskError, DiskKind, Division, DivisionRules, StretchKind, divide};

use crate::check::{Expected, compare};
use crate::tree;

fn image(folder: &Path, options: &str) -> PathBuf {
    let (root, image) = (folder.join("tree"), folder.join("image"));
    if !root.exists() {
        tree::make(&root);
    }
    let _ = fs::remove_file(&image);
    fs::File::create(&image).and_then(|file| file.set_len(40 << 20)).expect("an image");
    tree::run("mke2fs", &format!("-q -F {options} -d"), &[&root, &image], "");
    image
}

fn divided(plain: &[u8]) -> Division {
    let division = divide(&plain, DivisionRules::V6).expect("understood").expect("an image");
    assert_eq!((division.kind, division.has_blocks()), (DiskKind::Ext, false));
    division
}

#[test]
fn files_of_all_kinds_of_ext_are_found() {
    if !tree::there("mke2fs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for options in [
        "-t ext2 -b 1024",
        "-t ext2 -r 0 -b 4096",
        "-t ext3 -b 2048",
        "-t ext4 -b 1024",
        "-t ext4 -b 4096 -O ^64bit,^metadata_csum,uninit_bg",
        "-t ext4 -b 1024 -O ^resize_inode,meta_bg,64bit -g 1024",
        "-t ext4 -b 1024 -O ^flex_bg,sparse_super2 -g 2048 -I 128",
        "-t ext4 -b 4096 -O encrypt,casefold,project,quota,verity",
        "-t ext4 -b 1024 -O ^dir_index,^has_journal,^sparse_super,^resize_inode",
    ] {
        let plain = fs::read(image(folder.path(), options)).expect("an image");
        let division = divided(&plain);
        let expected = Expected { plain: &plain, prefix: "", holes: true, least: 1 };
        compare(&division, &folder.path().join("tree"), &expected);
        assert!(division.details.starts_with(&options[3..7]) || options.contains("-r 0"), "{}", division.details);
    }
}

#[test]
fn features_that_are_not_understood_are_named() {
    if !tree::there("mke2fs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (options, name) in [("-t ext4 -O bigalloc -C 65536", "bigalloc"), ("-t ext4 -O inline_data", "inline_data")] {
        let plain = fs::read(image(folder.path(), options)).expect("an image");
        let error = divide(&plain.as_slice(), DivisionRules::V6).expect_err("not understood");
        assert!(matches!(error, DiskError::Unsupported { feature, .. } if feature == name), "{error}");
    }
}

/// A file is written into the gaps that others have left, so that its extents or its lists have several levels.
#[test]
fn fragmented_files_are_found() {
    if !tree::there("debugfs") || !tree::there("mke2fs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for options in ["-t ext4 -b 1024 -N 2000", "-t ext2 -b 1024 -N 2000"] {
        let (root, path) = (folder.path().join("small"), folder.path().join("image"));
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).expect("a folder");
        (0..1500u64).for_each(|number| {
            fs::write(root.join(number.to_string()), tree::noise(number, 1500)).expect("a file");
        });
        fs::File::create(&path).and_then(|file| file.set_len(15 << 19)).expect("an image");
        tree::run("mke2fs", &format!("-q -F {options} -d"), &[&root, &path], "");
        let large = folder.path().join("large");
        fs::write(&large, tree::noise(7, 5 << 19)).expect("a file");
        let commands = folder.path().join("commands");
        let removed: String = (0..1500).step_by(2).map(|number| format!("rm {number}\n")).collect();
        fs::write(&commands, format!("{removed}write {} large\n", large.display())).expect("commands");
        tree::run("debugfs", "-w -f", &[&commands, &path], "");
        (0..1500).step_by(2).for_each(|number| fs::remove_file(root.join(number.to_string())).expect("a file"));
        fs::rename(&large, root.join("large")).expect("moved");
        let plain = fs::read(&path).expect("an image");
        let division = divided(&plain);
        let number = division.files.iter().position(|file| file.path == b"large").expect("the file") as u32;
        let pieces = division.stretches.iter().filter(|stretch| stretch.kind == StretchKind::File(number)).count();
        assert!(pieces > 400, "{pieces} pieces");
        compare(&division, &root, &Expected { plain: &plain, prefix: "", holes: false, least: 1 });
    }
}

/// The kernel sets blocks aside, spreads directories and leaves its journal behind.
#[test]
fn what_the_kernel_writes_is_found() {
    if !tree::there("mke2fs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (path, mounted, root) =
        (folder.path().join("image"), folder.path().join("mounted"), folder.path().join("tree"));
    fs::create_dir(&mounted).expect("a folder");
    tree::make(&root);
    let grown = [(33, "grown"), (34, "grown too")].map(|(seed, name)| (name, tree::noise(seed, 120_000)));
    grown.iter().for_each(|(name, bytes)| fs::write(root.join(name), bytes).expect("a file"));
    for options in ["-t ext4", "-t ext4 -b 4096 -O ^extents,^64bit", "-t ext3 -b 1024"] {
        fs::File::create(&path).and_then(|file| file.set_len(40 << 20)).expect("an image");
        tree::run("mke2fs", &format!("-q -F {options}"), &[&path], "");
        let status = tree::command("mount").args(["-o", "loop"]).args([&path, &mounted]).status();
        if !status.is_ok_and(|status| status.success()) {
            tree::pass_over("no loop device can be mounted");
            return;
        }
        tree::run("cp", "-a", &[&root.join("large"), &mounted.join("gone")], "");
        tree::run("cp", "-a --sparse=always", &[&root, &mounted], "");
        fs::remove_dir_all(mounted.join("gone")).expect("removed");
        let mut files =
            grown.clone().map(|(name, _)| fs::File::create(mounted.join("tree").join(name)).expect("a file"));
        for at in (0..120_000).step_by(3000) {
            for (file, (_, bytes)) in files.iter_mut().zip(&grown) {
                file.write_all(&bytes[at..at + 3000]).and_then(|()| file.sync_all()).expect("written");
            }
        }
        drop(files);
        tree::run("umount", "", &[&mounted], "");
        let plain = fs::read(&path).expect("an image");
        compare(&divided(&plain), &root, &Expected { plain: &plain, prefix: "tree/", holes: true, least: 1 });
    }
}
