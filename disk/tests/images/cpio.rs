//! cpio, by cpio.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use regrow_disk::{DiskKind, Division, DivisionRules, divide};

use crate::check::{Expected, compare, files, only, plain};
use crate::tree;

/// An archive of the files of a tree.
fn archive(root: &Path, form: &str) -> Vec<u8> {
    let mut names = b".\0".to_vec();
    for path in files(root) {
        names.extend_from_slice(path.strip_prefix(root).expect("within").as_os_str().as_bytes());
        names.push(0);
    }
    let mut command = tree::command("cpio");
    command.args(["--quiet", "-0", "-o", "-H", form]).current_dir(root);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cpio");
    let mut input = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || input.write_all(&names).expect("written"));
    let image = child.wait_with_output().expect("an image").stdout;
    writer.join().expect("written");
    image
}

fn divided(image: &[u8]) -> Division {
    let division = divide(&image, DivisionRules::V6).expect("read").expect("an image");
    assert_eq!(division.kind, DiskKind::Cpio);
    division
}

#[test]
fn files_of_cpio_are_found() {
    if !tree::there("cpio") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("tree");
    tree::make(&root);
    for form in ["newc", "crc"] {
        let image = archive(&root, form);
        compare(&divided(&image), &root, &Expected { plain: &image, prefix: "", holes: false, least: 1 << 10 });
        // An initramfs may have another archive before the one of the system.
        let twice = [image.as_slice(), &[0; 1000], &image].concat();
        assert_eq!(divided(&twice).details, "cpio, 2 archives");
    }
}

/// An update as SWUpdate takes it: an archive with images, of which one is compressed.
#[test]
fn images_in_a_cpio_are_divided_too() {
    if !tree::there("cpio") || !tree::there("mke2fs") || !tree::there("mksquashfs") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (root, update) = (folder.path().join("tree"), folder.path().join("update"));
    tree::make(&root);
    fs::write(root.join("extra"), tree::noise(9, 1 << 20)).expect("a file");
    fs::create_dir(&update).expect("a folder");
    let system = update.join("system.ext4");
    fs::File::create(&system).and_then(|file| file.set_len(24 << 20)).expect("an image");
    tree::run("mke2fs", "-q -F -t ext4 -d", &[&root, &system], "");
    tree::run("mksquashfs", "", &[&root, &update.join("apps.squashfs")], "-quiet -no-progress -noappend");
    let image = archive(&update, "crc");
    let division = divided(&image);
    let plain = plain(&image, &division);
    assert!(
        division.details.contains("; system.ext4: ext4, ")
            && division.details.contains("; apps.squashfs: squashfs 4.0, ")
    );
    for prefix in ["system.ext4/", "apps.squashfs/"] {
        let expected = Expected { plain: &plain, prefix, holes: true, least: 1 << 10 };
        compare(&only(&division, prefix), &root, &expected);
    }
}
