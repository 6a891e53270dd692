//! cpio, by cpio.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use regrow_disk::{DiskKind, divide};

use crate::check::{Expected, compare, files};
use crate::tree;

#[test]
fn files_of_cpio_are_found() {
    if !tree::there("cpio") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("tree");
    tree::make(&root);
    let mut names = b".\0".to_vec();
    for path in files(&root) {
        names.extend_from_slice(path.strip_prefix(&root).expect("within").as_os_str().as_bytes());
        names.push(0);
    }
    for form in ["newc", "crc"] {
        let mut command = tree::command("cpio");
        command.args(["--quiet", "-0", "-o", "-H", form]).current_dir(&root);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cpio");
        let mut input = child.stdin.take().expect("a pipe");
        let written = names.clone();
        let writer = std::thread::spawn(move || input.write_all(&written).expect("written"));
        let image = child.wait_with_output().expect("an image").stdout;
        writer.join().expect("written");
        // An initramfs may have another archive before the one of the system.
        let twice = [image.as_slice(), &[0; 1000], &image].concat();
        let division = divide(&image.as_slice()).expect("read").expect("an image");
        assert_eq!(division.kind, DiskKind::Cpio);
        compare(&division, &root, &Expected { plain: &image, prefix: "", holes: false, least: 1 << 10 });
        assert_eq!(divide(&twice.as_slice()).expect("read").expect("an image").details, "cpio, 2 archives");
    }
}
