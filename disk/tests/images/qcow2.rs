//! qcow2, by qemu-img, with guests' disks by mke2fs, mkfs.fat and sfdisk.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use regrow_disk::codec::{decode, recognise};
use regrow_disk::{BlockCodec, DiskError, DiskKind, Division, DivisionRules, StoredForm, StretchKind, divide};

use crate::check::{Expected, compare, plain};
use crate::tree;

const MAGIC: &[u8] = b"QFI\xfb";

fn tools_are_there() -> bool {
    tree::there("qemu-img") && tree::there("mke2fs")
}

/// Makes the disk that a guest sees, with a tree in ext4.
fn guest(root: &Path, path: &Path) {
    fs::File::create(path).and_then(|file| file.set_len(24 << 20)).expect("an image");
    tree::run("mke2fs", "-q -F -t ext4 -b 1024 -d", &[root, path], "");
}

/// Makes a qcow2 of a disk; `None` if qemu-img cannot do that.
fn converted(raw: &Path, path: &Path, options: &str) -> Option<Vec<u8>> {
    let _ = fs::remove_file(path);
    let mut command = tree::command("qemu-img");
    command.args("convert -q -f raw -O qcow2".split(' ')).args(options.split_whitespace()).args([raw, path]);
    if !command.output().expect("the program runs").status.success() {
        tree::pass_over(&format!("qemu-img convert {options} is not to be had"));
        return None;
    }
    Some(fs::read(path).expect("an image"))
}

fn divided(image: &[u8]) -> Result<Division, DiskError> {
    divide(&image, DivisionRules::V6).map(|division| division.expect("an image"))
}

#[test]
fn files_of_guests_are_found() {
    if !tools_are_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [root, raw, path] = ["tree", "raw", "image"].map(|name| folder.path().join(name));
    tree::make(&root);
    guest(&root, &raw);
    for (options, details) in [
        ("-c", "qcow2 version 3, clusters of 64 KiB, "),
        ("-c -o compat=0.10,cluster_size=4096", "qcow2 version 2, clusters of 4 KiB, "),
        ("-c -o cluster_size=2M", "qcow2 version 3, clusters of 2048 KiB, "),
        ("-c -o compression_type=zstd", "qcow2 version 3, clusters of 64 KiB, "),
        ("-c -W", "qcow2 version 3, clusters of 64 KiB, "),
        ("-o cluster_size=512", "qcow2 version 3, clusters of 512 bytes; guest: ext4, "),
        ("-o preallocation=metadata", "qcow2 version 3, clusters of 64 KiB; guest: ext4, "),
    ] {
        let Some(image) = converted(&raw, &path, options) else { continue };
        let division = divided(&image).unwrap_or_else(|error| panic!("{options}: {error}"));
        assert_eq!((division.kind, division.rules), (DiskKind::Qcow2, DivisionRules::V6));
        assert!(division.details.starts_with(details) && division.details.contains("; guest: ext4, "), "{division:?}");
        assert_eq!(division.has_blocks(), options.starts_with("-c"));
        let plain = plain(&image, &division);
        compare(&division, &root, &Expected { plain: &plain, prefix: "", holes: true, least: 1 << 10 });
        assert!(divide(&image.as_slice(), DivisionRules::V5).expect("read").is_none());
    }
}

/// Deflate streams are always those of one encoder; zstd frames depend on the version of libzstd that qemu-img has.
#[test]
fn compressed_clusters_are_made_again() {
    if !tools_are_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [root, raw, path] = ["tree", "raw", "image"].map(|name| folder.path().join(name));
    tree::make(&root);
    guest(&root, &raw);
    let image = converted(&raw, &path, "-c").expect("an image");
    let mut at = 0;
    let mut known = None;
    for piece in divided(&image).expect("divided").pieces {
        let stored = &image[at..at + piece.bytes as usize];
        at += stored.len();
        let StoredForm::Block { codec: BlockCodec::Deflate, plain_bytes } = piece.form else { continue };
        let plain = decode(BlockCodec::Deflate, stored, plain_bytes as usize).expect("a cluster");
        let known = *known
            .get_or_insert_with(|| recognise(BlockCodec::Deflate, &[(stored, &plain)]).next().expect("an encoder"));
        assert_eq!(known.to_string(), "deflate by zlib, level 6, window 12, memory level 9");
        assert!(known.encode(&plain).expect("a block") == stored);
    }
    assert!(known.is_some());
}

/// A machine's disk has partitions, as a rule.
#[test]
fn partitions_of_guests_are_divided() {
    if !tools_are_there() || !tree::there("sfdisk") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [root, part, raw, path] = ["tree", "part", "raw", "image"].map(|name| folder.path().join(name));
    tree::make(&root);
    guest(&root, &part);
    fs::File::create(&raw).and_then(|file| file.set_len(64 << 20)).expect("a disk");
    let mut command = tree::command("sfdisk");
    command.args(["--quiet", "--no-reread"]).arg(&raw).stdin(Stdio::piped());
    let mut child = command.spawn().expect("sfdisk");
    child.stdin.take().expect("a pipe").write_all(b"label: gpt\nstart=2048, size=49152\n").expect("written");
    assert!(child.wait().expect("an end").success());
    let mut disk = fs::read(&raw).expect("a disk");
    disk[1 << 20..25 << 20].copy_from_slice(&fs::read(&part).expect("an image"));
    fs::write(&raw, disk).expect("a disk");
    let image = converted(&raw, &path, "-c").expect("an image");
    let division = divided(&image).expect("divided");
    assert!(division.details.contains("; guest: GPT, 1 partition; p1: ext4, "), "{}", division.details);
    let plain = plain(&image, &division);
    compare(&division, &root, &Expected { plain: &plain, prefix: "p1/", holes: true, least: 1 << 10 });
}

/// A snapshot has tables of its own, and a backing file has the rest of the guest's disk.
#[test]
fn snapshots_and_backing_files_are_no_hindrance() {
    if !tools_are_there() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let [root, raw, path, over] = ["tree", "raw", "image", "over"].map(|name| folder.path().join(name));
    tree::make(&root);
    guest(&root, &raw);
    converted(&raw, &path, "-c").expect("an image");
    tree::run("qemu-img", "snapshot -c before", &[&path], "");
    tree::run("qemu-img", "create -q -f qcow2 -F qcow2 -b", &[&path, &over], "");
    let image = fs::read(&path).expect("an image");
    let division = divided(&image).expect("divided");
    assert!(division.details.contains(" zlib, with a snapshot; guest: ext4, "), "{}", division.details);
    let plain = plain(&image, &division);
    compare(&division, &root, &Expected { plain: &plain, prefix: "", holes: true, least: 1 << 10 });
    let division = divided(&fs::read(&over).expect("an image")).expect("divided");
    assert_eq!(division.details, "qcow2 version 3, clusters of 64 KiB, with a backing file");
    assert!(division.stretches.iter().all(|stretch| !matches!(stretch.kind, StretchKind::File(_))));
}

#[test]
fn features_that_change_where_bytes_lie_are_refused_by_name() {
    let header = |changes: &[(usize, u8)]| {
        let mut image = vec![0; 1 << 16];
        image[..4].copy_from_slice(MAGIC);
        (image[7], image[23], image[103]) = (3, 16, 112);
        changes.iter().for_each(|&(at, byte)| image[at] = byte);
        divided(&image).map(|division| division.details).map_err(|error| error.to_string())
    };
    assert_eq!(header(&[]), Ok("qcow2 version 3, clusters of 64 KiB".to_owned()));
    for (changes, feature) in [
        ([(7, 1)].as_slice(), "a version other than 2 and 3"),
        (&[(35, 2)], "encryption"),
        (&[(79, 2)], "a mark that it is corrupt"),
        (&[(79, 4)], "an external data file"),
        (&[(79, 16)], "extended L2 entries"),
        (&[(79, 32)], "an unknown incompatible feature"),
        (&[(79, 8), (104, 2)], "an unknown compression"),
    ] {
        assert_eq!(header(changes), Err(format!("it is qcow2 with {feature}, which is not understood")));
    }
    for changes in [[(23, 8)], [(23, 22)], [(24, 0x40)], [(36, 1)], [(79, 8)], [(104, 1)], [(103, 96)]] {
        let found = header(&changes);
        assert!(found.as_ref().is_err_and(|error| error.contains("damaged")), "{changes:?}: {found:?}");
    }
}

/// A guest's disk may be far larger than the image. What is read of it is bounded by what the image has.
#[test]
fn hostile_guests_are_bounded() {
    // The largest clusters, one table of a table, and one cluster, which is the guest's first.
    let cluster = 1u64 << 21;
    for (format, at, bytes) in [
        // EROFS with a root directory behind all that there is, and FAT with a table of 1 TiB.
        ("erofs", 1024, [0xe2, 0xe1, 0xf5, 0xe0].as_slice()),
        ("ext4", 1080, &[0x53, 0xef]),
        ("partitions", 510, &[0x55, 0xaa]),
    ] {
        let mut image = vec![0; 4 * cluster as usize];
        let mut put = |at: u64, bytes: &[u8]| image[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        put(0, MAGIC);
        put(4, &2u32.to_be_bytes());
        put(20, &21u32.to_be_bytes());
        put(24, &(1u64 << 56).to_be_bytes());
        put(36, &(1u32 << 17).to_be_bytes());
        put(40, &cluster.to_be_bytes());
        put(cluster, &(2 * cluster).to_be_bytes());
        put(2 * cluster, &(3 * cluster).to_be_bytes());
        put(3 * cluster + at, bytes);
        // Numbers of blocks and of inodes, and sizes, as large as may be.
        if format == "erofs" {
            put(3 * cluster + 1024 + 12, &[12]);
        } else if format == "ext4" {
            for at in [0, 4, 32, 40, 76, 336] {
                put(3 * cluster + 1024 + at, &[255, 255, 255, 63]);
            }
            put(3 * cluster + 1024 + 76, &[1, 0, 0, 0]);
        } else {
            put(3 * cluster + 446, &[0, 0, 0, 0, 0xee, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255]);
            put(3 * cluster + 512, b"EFI PART");
        }
        let division = divided(&image).unwrap_or_else(|error| panic!("{format}: {error}"));
        assert!(division.files.is_empty(), "{format}");
    }
}
