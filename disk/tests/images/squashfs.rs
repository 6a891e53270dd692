//! squashfs, by mksquashfs and by gensquashfs.

use std::fs;
use std::path::Path;

use regrow_disk::{DiskError, DiskKind, Division, DivisionRules, StretchKind, divide};

use crate::check::{Expected, compare, only, plain};
use crate::tree;

fn divided(image: &[u8]) -> Result<Division, DiskError> {
    divide(&image, DivisionRules::V6).map(|division| division.expect("an image"))
}

/// Checks that the files of an image are found, and returns its division.
fn check(image: &[u8], root: &Path) -> Division {
    let division = divided(image).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(division.kind, DiskKind::Squashfs);
    let plain = plain(image, &division);
    // A short end of a file in a fragment block is skeleton.
    compare(&division, root, &Expected { plain: &plain, prefix: "", holes: true, least: 1 << 10 });
    division
}

const QUIET: &str = "-quiet -noappend -no-progress";

#[test]
fn files_of_squashfs_are_found() {
    if !tree::there("mksquashfs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    tree::make(&root);
    for (options, details) in [
        ("", "gzip, blocks of 128 KiB, "),
        ("-b 4096 -nopad", "gzip, blocks of 4 KiB, "),
        ("-b 1M -Xcompression-level 3 -Xwindow-size 12", "gzip level 3, window 12, blocks of 1024 KiB, "),
        ("-noI -noD -noF -noX", "gzip, blocks of 128 KiB, "),
        ("-noF -noId -no-xattrs -all-root", "gzip, "),
        ("-noD -no-fragments -no-duplicates -no-sparse", "gzip, "),
        ("-always-use-fragments -no-exports -b 8192", "gzip, "),
        ("-comp xz -b 256K", "xz, blocks of 256 KiB, "),
        ("-comp xz -Xbcj x86 -Xdict-size 50%", "xz with a dictionary of 64 KiB and filters, "),
        ("-comp zstd -Xcompression-level 6", "zstd level 6, "),
        ("-comp lz4 -Xhc", "lz4hc, "),
        ("-comp lzo", "lzo, blocks of 128 KiB, "),
        ("-comp lzo -b 1M -Xcompression-level 2", "lzo level 2, blocks of 1024 KiB, "),
        ("-comp lzo -b 4096 -Xalgorithm lzo1x_1_15", "lzo by lzo1x_1_15, blocks of 4 KiB, "),
    ] {
        tree::run("mksquashfs", "", &[&root, &path], &format!("{QUIET} {options}"));
        let image = fs::read(&path).expect("an image");
        let division = check(&image, &root);
        assert!(division.details.starts_with(&format!("squashfs 4.0, {details}")), "{}", division.details);
    }
}

#[test]
fn files_of_gensquashfs_are_found() {
    if !tree::there("gensquashfs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    tree::make(&root);
    for options in ["-c gzip", "-c gzip -b 4096 -T -e", "-c xz", "-c zstd", "-c lz4", "-c lzo"] {
        tree::run("gensquashfs", &format!("-q -f {options} --pack-dir"), &[&root, &path], "");
        let image = fs::read(&path).expect("an image");
        check(&image, &root);
    }
}

/// By version 5 of the walking rules, an image with LZO blocks is not understood; one without any is.
#[test]
fn lzo_is_understood_since_version_6() {
    if !tree::there("mksquashfs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    tree::make(&root);
    for (options, since) in [
        ("", DivisionRules::V6),
        ("-noI -noX", DivisionRules::V6),
        ("-noD -noF", DivisionRules::V6),
        ("-noI -noD -noF -noX", DivisionRules::V5),
    ] {
        tree::run("mksquashfs", "", &[&root, &path], &format!("{QUIET} -comp lzo {options}"));
        let image = fs::read(&path).expect("an image");
        assert_eq!(check(&image, &root).rules, since, "{options}");
        match divide(&image.as_slice(), DivisionRules::V5) {
            Ok(Some(division)) => assert_eq!((division.rules, since), (DivisionRules::V5, DivisionRules::V5)),
            other => assert!(
                since == DivisionRules::V6
                    && matches!(other, Err(DiskError::Unsupported { feature: "lzo compression", .. }))
            ),
        }
    }
}

/// What is behind a squashfs, such as a bundle's signature, is a stretch. A squashfs may be appended to.
#[test]
fn what_is_appended_is_divided_too() {
    if !tree::there("mksquashfs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    fs::create_dir_all(root.join("b")).expect("a folder");
    fs::write(root.join("b/first"), tree::text(1, 200_000)).expect("a file");
    let second = folder.path().join("second");
    fs::write(&second, tree::text(2, 300_500)).expect("a file");
    tree::run("mksquashfs", "", &[&root, &path], QUIET);
    tree::run("mksquashfs", "", &[&second, &path], "-quiet -no-progress");
    let mut image = fs::read(&path).expect("an image");
    image.extend(tree::noise(1, 5000));
    fs::rename(&second, root.join("second")).expect("moved");
    let division = check(&image, &root);
    let last = division.stretches.last().expect("a stretch");
    assert!(last.kind == StretchKind::System && last.bytes >= 5000);
}

/// A bundle as RAUC makes it: a squashfs with a system's image.
#[test]
fn images_in_a_squashfs_are_divided_too() {
    if !tree::there("mksquashfs") || !tree::there("mke2fs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, bundle, path) = (folder.path().join("tree"), folder.path().join("bundle"), folder.path().join("image"));
    tree::make(&root);
    fs::create_dir(&bundle).expect("a folder");
    fs::write(bundle.join("manifest.raucm"), tree::text(1, 2000)).expect("a file");
    for (name, format) in [("rootfs.ext4", "-t ext4 -b 1024"), ("appfs.ext2", "-t ext2 -b 4096")] {
        let system = bundle.join(name);
        fs::File::create(&system).and_then(|file| file.set_len(24 << 20)).expect("an image");
        tree::run("mke2fs", &format!("-q -F {format} -d"), &[&root, &system], "");
    }
    for options in ["-b 4096 -always-use-fragments", "-comp zstd", "-noI -noD -noF"] {
        tree::run("mksquashfs", "", &[&bundle, &path], &format!("{QUIET} {options}"));
        let image = fs::read(&path).expect("an image");
        let division = divided(&image).unwrap_or_else(|error| panic!("{error}"));
        assert!(division.details.contains("; rootfs.ext4: ext4, 24576 blocks of 1024 bytes"), "{}", division.details);
        let plain = plain(&image, &division);
        assert_eq!(division.files.iter().filter(|file| file.path == b"manifest.raucm").count(), 1);
        for prefix in ["rootfs.ext4/", "appfs.ext2/"] {
            compare(&only(&division, prefix), &root, &Expected { plain: &plain, prefix, holes: true, least: 1 });
        }
    }
}
