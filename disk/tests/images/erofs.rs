//! EROFS, by mkfs.erofs.

use std::fs;

use regrow_disk::{DiskError, DiskKind, DivisionRules, divide};

use crate::check::{Expected, compare, plain};
use crate::tree;

#[test]
fn files_of_erofs_are_found() {
    if !tree::there("mkfs.erofs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    tree::make(&root);
    for options in [
        "-T1",
        "-T1 -Enoinline_data",
        "-T1 -Eforce-inode-extended",
        "-T1 -Eforce-chunk-indexes --chunksize=65536",
        "-T1 --chunksize=4096",
    ] {
        let _ = fs::remove_file(&path);
        tree::run("mkfs.erofs", options, &[&path, &root], "");
        let image = fs::read(&path).expect("an image");
        let division = divide(&image.as_slice(), DivisionRules::V6).expect("understood").expect("an image");
        assert_eq!((division.kind, division.has_blocks()), (DiskKind::Erofs, false));
        let chunks = options.contains("chunk");
        compare(&division, &root, &Expected { plain: &image, prefix: "", holes: chunks, least: 1 << 10 });
    }
}

/// mkfs.erofs compresses all that gets smaller, in whatever clusters and with whatever tables it is told to.
#[test]
fn compressed_files_of_erofs_are_found() {
    if !tree::there("mkfs.erofs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    tree::make(&root);
    // Both kinds within one file, and a file of many packs of entries.
    let mixed: Vec<u8> =
        (0..12).flat_map(|part| [tree::noise(part, 30_000), tree::text(part, 70_001)].concat()).collect();
    fs::write(root.join("mixed"), mixed).expect("a file");
    fs::write(root.join("packs"), tree::text(9, 3_000_000)).expect("a file");
    fs::write(root.join("zeros"), vec![0; 2_000_000]).expect("a file");
    for (options, details) in [
        ("-T1 -zlz4", "EROFS, lz4 in clusters of up to 4 KiB, "),
        ("-T1 -zlz4hc,1", "EROFS, lz4 in clusters of up to 4 KiB, "),
        ("-T1 -zlz4hc,12 -Eforce-inode-extended", "EROFS, lz4 in clusters of up to 4 KiB, "),
        ("-T1 -zlz4hc -Elegacy-compress", "EROFS, lz4 in clusters of up to 4 KiB, "),
        ("-T1 -zlz4 -C16384", "EROFS, lz4 in clusters of up to 16 KiB, "),
        ("-T1 -zlz4hc,9 -C65536", "EROFS, lz4 in clusters of up to 64 KiB, "),
        ("-T1 -zlz4hc -C65536 -Elegacy-compress", "EROFS, lz4 in clusters of up to 64 KiB, "),
        ("-T1 -zlz4hc -C1048576", "EROFS, lz4 in clusters of up to "),
        ("-T1 -zlz4hc --max-extent-bytes=65536", "EROFS, lz4 in clusters of up to 4 KiB, "),
    ] {
        let _ = fs::remove_file(&path);
        tree::run("mkfs.erofs", options, &[&path, &root], "");
        let image = fs::read(&path).expect("an image");
        let division =
            divide(&image.as_slice(), DivisionRules::V6).unwrap_or_else(|error| panic!("{options}: {error}"));
        let division = division.expect("an image");
        assert!(division.has_blocks() && division.details.starts_with(details), "{}", division.details);
        let plain = plain(&image, &division);
        compare(&division, &root, &Expected { plain: &plain, prefix: "", holes: false, least: 1 << 10 });
        let error = divide(&image.as_slice(), DivisionRules::V5).expect_err("compressed");
        assert!(matches!(error, DiskError::Unsupported { feature: "lz4 compression", .. }), "{error}");
    }
}

#[test]
fn other_compression_of_erofs_is_named() {
    if !tree::there("mkfs.erofs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    tree::make(&root);
    for (options, name) in [
        ("-T1 -zlz4hc -Eztailpacking", "ztailpacking"),
        ("-T1 -zlz4 -Elegacy-compress", "compressed blocks of the oldest form"),
    ] {
        let _ = fs::remove_file(&path);
        tree::run("mkfs.erofs", options, &[&path, &root], "");
        let error = divide(&fs::read(&path).expect("an image").as_slice(), DivisionRules::V6).expect_err("compressed");
        assert!(matches!(error, DiskError::Unsupported { feature, .. } if feature == name), "{error}");
    }
}
