//! EROFS, by mkfs.erofs.

use std::fs;

use regrow_disk::{DiskError, DiskKind, DivisionRules, divide};

use crate::check::{Expected, compare};
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

#[test]
fn compressed_files_of_erofs_are_named() {
    if !tree::there("mkfs.erofs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path().join("tree"), folder.path().join("image"));
    tree::make(&root);
    for (options, name) in [
        ("-T1 -zlz4", "lz4 compression"),
        ("-T1 -zlz4hc,9 -C65536", "lz4 compression"),
        ("-T1 -zlz4hc -Eztailpacking", "ztailpacking"),
    ] {
        let _ = fs::remove_file(&path);
        tree::run("mkfs.erofs", options, &[&path, &root], "");
        let error = divide(&fs::read(&path).expect("an image").as_slice(), DivisionRules::V6).expect_err("compressed");
        assert!(matches!(error, DiskError::Unsupported { feature, .. } if feature == name), "{error}");
    }
}
