//! FAT, by mkfs.fat and mtools, and disks with partitions, by sfdisk.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;

use regrow_disk::{DiskKind, DivisionRules, divide};

use crate::check::{Expected, compare, only, plain};
use crate::tree;

/// Makes an image of FAT.
fn fat(options: &str, root: &Path, image: &Path) {
    let _ = fs::remove_file(image);
    fs::File::create(image).and_then(|file| file.set_len(48 << 20)).expect("an image");
    tree::run("mkfs.fat", options, &[image], "");
    tree::run(
        "mcopy",
        "-s -Q -i",
        &[image, &root.join("a"), &root.join("large"), &root.join("many"), &root.join("sizes")],
        "::",
    );
}

fn fat_is_there() -> bool {
    tree::there("mkfs.fat") && tree::there("mcopy")
}

/// A tree that FAT can have.
fn plain_tree(root: &Path) {
    tree::make(root);
    for name in ["short", "long", "holes", "zlink", "nothing but a hole"] {
        fs::remove_file(root.join(name)).expect("removed");
    }
    for name in ["text", "twins"] {
        fs::remove_dir_all(root.join(name)).expect("removed");
    }
}

#[test]
fn files_of_fat_are_found() {
    if !fat_is_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    plain_tree(&root);
    for (options, name) in
        [("-F 12 -s 32", "FAT12"), ("-F 16", "FAT16"), ("-F 32 -s 1", "FAT32"), ("-F 16 -S 2048 -s 1", "FAT16")]
    {
        fat(options, &root, &path);
        let image = fs::read(&path).expect("an image");
        let division = divide(&image.as_slice(), DivisionRules::V6).expect("understood").expect("an image");
        assert_eq!((division.kind, &division.details[..5]), (DiskKind::Fat, name));
        compare(&division, &root, &Expected { plain: &image, prefix: "", holes: false, least: 1 << 10 });
    }
}

/// The file systems of a disk: their names in a division, and their images.
fn disk(folder: &Path, table: &str, parts: &[&Path]) -> Vec<u8> {
    let path = folder.join("disk");
    let _ = fs::remove_file(&path);
    let disk = fs::File::create(&path).expect("a disk");
    disk.set_len(130 << 20).expect("a size");
    let mut command = tree::command("sfdisk");
    command.args(["--quiet", "--no-reread"]).arg(&path).stdin(Stdio::piped());
    let mut child = command.spawn().expect("sfdisk");
    child.stdin.take().expect("a pipe").write_all(table.as_bytes()).expect("written");
    assert!(child.wait().expect("an end").success());
    for (number, part) in (0..).zip(parts) {
        disk.write_all_at(&fs::read(part).expect("an image"), (1 + number * 49) << 20).expect("written");
    }
    fs::read(&path).expect("a disk")
}

#[test]
fn file_systems_in_partitions_are_divided() {
    if !fat_is_there() || !tree::there("sfdisk") || !tree::there("mksquashfs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, first, second) = (folder.path().join("tree"), folder.path().join("fat"), folder.path().join("squashfs"));
    plain_tree(&root);
    fat("-F 16", &root, &first);
    tree::run("mksquashfs", "", &[&root, &second], "-quiet -no-progress -noappend");
    for (table, name) in [
        ("label: gpt\nstart=2048, size=98304\nstart=102400, size=98304\n", "GPT"),
        ("label: dos\nstart=2048, size=98304, type=c\nstart=102400, size=98304\nstart=202752, type=83\n", "MBR"),
        ("label: dos\nstart=2048, size=98304, type=c\nstart=100400, type=5\nstart=102400, size=98304\n", "MBR"),
    ] {
        let image = disk(folder.path(), table, &[&first, &second]);
        let division = divide(&image.as_slice(), DivisionRules::V6).expect("understood").expect("an image");
        assert_eq!((division.kind, &division.details[..3]), (DiskKind::Partitions, name));
        let plain = plain(&image, &division);
        let second = if table.contains("type=5") { "p5/" } else { "p2/" };
        for prefix in ["p1/", second] {
            let expected = Expected { plain: &plain, prefix, holes: true, least: 1 << 10 };
            compare(&only(&division, prefix), &root, &expected);
        }
        assert!(
            division.details.contains("; p1: FAT16, ")
                && division.details.contains(&format!("; {}: squashfs 4.0", &second[..2]))
        );
    }
}
