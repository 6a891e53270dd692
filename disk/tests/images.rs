//! Images that the real tools make are divided into the files that they were made from. A tool that is not there is
//! passed over with a line that says so.

#[path = "images/btrfs.rs"]
mod btrfs;
#[path = "images/check.rs"]
mod check;
#[path = "images/cpio.rs"]
mod cpio;
#[path = "images/disk.rs"]
mod disk;
#[path = "images/erofs.rs"]
mod erofs;
#[path = "images/ext.rs"]
mod ext;
#[path = "images/golden.rs"]
mod golden;
#[path = "images/qcow2.rs"]
mod qcow2;
#[path = "images/squashfs.rs"]
mod squashfs;
#[path = "images/tree.rs"]
mod tree;
