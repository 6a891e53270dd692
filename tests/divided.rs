//! Disk images that are divided into their files: made, patched, rebuilt, and used as seeds. They are made by mke2fs; a
//! machine that has none passes the tests over.

use std::process::Command;

use serde_json::Value;

use crate::environment::{TestEnvironment, pass_over};
use crate::report::number;
use crate::server::Server;
use regrow_demo::noise;

/// The files of a tree: many small ones, and some large ones. Those of the second version have a new file in front, and
/// changes in a few.
fn files(version: u64) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = (0..60)
        .map(|number: u64| {
            let changed = number % 20 == 7;
            let name = if changed { format!("{number} {version}") } else { number.to_string() };
            (format!("usr/share/doc/{number}"), noise(&name, 100 + number as usize * 77))
        })
        .collect();
    for number in 0..6 {
        let mut bytes = noise(&format!("large {number}"), 150_000 + number * 1_111);
        if version > 1 && number % 3 == 1 {
            bytes[70_000..70_010].copy_from_slice(b"new bytes!");
        }
        files.push((format!("usr/lib/lib{number}.so"), bytes));
    }
    if version > 1 {
        files.push(("a new file".to_owned(), noise("a new file", 20_000)));
    }
    files.sort();
    files
}

fn write_tree(env: &TestEnvironment, name: &str, version: u64) {
    for (path, bytes) in files(version) {
        env.write(&format!("{name}/{path}"), &bytes);
    }
}

/// Makes an ext4 image of 8 MiB from a tree. The result is `None`, and a line is printed, if there is no mke2fs.
fn ext4(env: &TestEnvironment, name: &str, version: u64) -> Option<Vec<u8>> {
    let tree = format!("tree-{version}");
    write_tree(env, &tree, version);
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-U", "c0ffee00-0000-4000-8000-000000000000"]);
    command.args(["-E", "hash_seed=c0ffee00-0000-4000-8000-000000000001", "-d", &tree, name, "8M"]);
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    match command.env("PATH", path).current_dir(env.root()).output() {
        Ok(output) if output.status.success() => Some(env.read(name)),
        _ => {
            pass_over("disk images need mke2fs of e2fsprogs");
            None
        }
    }
}

/// Makes a squashfs from a tree, with zlib's blocks. The result is `None`, and a line is printed, if there is no
/// mksquashfs.
fn squashfs(env: &TestEnvironment, name: &str, version: u64) -> Option<Vec<u8>> {
    let tree = format!("tree-{version}");
    write_tree(env, &tree, version);
    // Noise does not compress, so that the tree gets text too.
    let text: String = (0..40_000).map(|number| format!("{number} lines of text\n")).collect();
    env.write(&format!("{tree}/usr/share/text"), text.as_bytes());
    let mut command = Command::new("mksquashfs");
    command.args([
        &tree,
        name,
        "-noappend",
        "-quiet",
        "-no-progress",
        "-all-root",
        "-mkfs-time",
        "0",
        "-all-time",
        "0",
    ]);
    let made = command.current_dir(env.root()).output();
    env.remove(&format!("{tree}/usr/share/text"));
    match made {
        Ok(output) if output.status.success() => Some(env.read(name)),
        _ => {
            pass_over("a squashfs needs mksquashfs of squashfs-tools");
            None
        }
    }
}

fn disk_of(report: &Value) -> (bool, u64) {
    (report["disk"]["divided"].as_bool().unwrap(), number(&report["disk"], "files"))
}

/// A patch between two disk images costs about what their files cost, and a machine that has the old one takes it.
#[test]
fn ext4_images_are_updated_by_their_files() {
    let env = TestEnvironment::new();
    let (Some(old), Some(new)) = (ext4(&env, "old.img", 1), ext4(&env, "new.img", 2)) else { return };
    let made = env.json("make old.rgx old.img");
    assert_eq!(disk_of(&made), (true, files(1).len() as u64));
    let made = env.json("make --patch-from old.rgx --old old.img new.rgx new.img");
    assert_eq!(disk_of(&made), (true, files(2).len() as u64));
    let info = env.json("info new.rgx");
    assert_eq!((number(&info, "walk_version"), disk_of(&info)), (5, disk_of(&made)));
    assert_eq!(number(&info["parts"][0], "plain_bytes"), new.len() as u64);
    let shown = String::from_utf8(env.run("info new.rgx").success().stdout).unwrap();
    assert!(shown.contains("ext4") && shown.contains("67 files"), "{shown}");
    let shown = String::from_utf8(env.run("diff old.rgx new.rgx").success().stdout).unwrap();
    assert!(shown.contains("old disk image") && shown.contains("67 files"), "{shown}");
    // Changed are the new file, three small ones, and a few bytes of two others.
    let changed = 20_000 + (7 + 27 + 47) * 77 + 300;
    let patch = number(&made["patches"][0], "bytes");
    assert!(patch < changed + 6_000, "the patch has {patch} bytes");
    let server = Server::new(env.root());
    let extracted = env.json(&format!("extract --seed old.img {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    assert!(number(&extracted, "chunks_patch") > 0 && number(&extracted, "chunks_store") == 0, "{extracted}");
    env.remove("out");
    let extracted = env.json(&format!("extract --no-patch --seed old.img {} out", server.url("new.rgx")));
    assert!(number(&extracted, "chunks_seed") > 2 * number(&extracted, "chunks_store"), "{extracted}");
    // The output is the image already, as its own scan finds out.
    let extracted = env.json(&format!("extract {} out", server.url("new.rgx")));
    assert_eq!(number(&extracted, "chunks_store"), 0, "{extracted}");
    // Written over the old one in place.
    std::fs::copy(env.path("old.img"), env.path("slot")).unwrap();
    env.json(&format!("extract --in-place --seed old.img {} slot", server.url("new.rgx")));
    assert!(env.read("slot") == new && env.read("old.img") == old);
    assert_eq!(env.json("verify new.rgx out")["ok"], true);
}

/// A squashfs is updated as what its blocks hold, and made again to the byte. Without the old file at hand, the patch starts
/// from the same image out of the store.
#[test]
fn squashfs_images_are_updated_by_their_files() {
    let env = TestEnvironment::new();
    let (Some(old), Some(new)) = (squashfs(&env, "old.img", 1), squashfs(&env, "new.img", 2)) else { return };
    let made = env.json("make old.rgx old.img");
    assert_eq!((disk_of(&made), number(&made, "coded")), ((true, files(1).len() as u64 + 1), 1));
    let made = env.json("make --patch-from old.rgx new.rgx new.img");
    let patch = number(&made["patches"][0], "bytes");
    let changed = 20_000 + (7 + 27 + 47) * 77 + 300;
    assert!(patch < changed + 6_000, "the patch has {patch} bytes");
    let info = env.json("info new.rgx");
    assert_eq!((number(&info, "walk_version"), info["coded"][0]["path"].as_str()), (5, Some("")));
    assert!(number(&info["coded"][0], "plain_bytes") > new.len() as u64, "{info}");
    let server = Server::new(env.root());
    let extracted = env.json(&format!("extract --seed old.img {} out", server.url("new.rgx")));
    assert!(env.read("out") == new);
    assert!(number(&extracted, "chunks_patch") > 0 && number(&extracted, "chunks_store") == 0, "{extracted}");
    env.remove("out");
    let extracted = env.json(&format!("extract --no-patch --seed old.img {} out", server.url("new.rgx")));
    assert!(number(&extracted, "chunks_seed") > 2 * number(&extracted, "chunks_store"), "{extracted}");
    assert!(env.read("out") == new && env.read("old.img") == old);
    env.remove("out");
    // The same files in an image of another kind.
    if ext4(&env, "disk.img", 2).is_some() {
        let extracted = env.json(&format!("extract --no-patch --seed disk.img {} out", server.url("new.rgx")));
        let files: u64 = files(2).iter().map(|(_, bytes)| bytes.len() as u64).sum();
        assert!(number(&extracted, "bytes_seed") >= files * 95 / 100, "{extracted}");
    }
}

/// An image that cannot be divided is made as ever, and the reason is told.
#[test]
fn images_that_are_not_understood_stay_as_they_are() {
    let env = TestEnvironment::new();
    let Some(mut image) = ext4(&env, "plain.img", 1) else { return };
    // "bigalloc" among the features that only matter for writing.
    image[1024 + 0x64 + 1] |= 2;
    env.write("odd.img", &image);
    let made = env.run("make --json odd.rgx odd.img").success();
    assert!(made.stderr.contains("bigalloc"), "{}", made.stderr);
    let report = made.json();
    assert_eq!((report["disk"]["divided"].as_bool(), number(&report["disk"], "files")), (Some(false), 0));
    let info = env.json("info odd.rgx");
    assert_eq!((number(&info, "walk_version"), number(&info, "skeleton_bytes")), (3, 4));
    let shown = String::from_utf8(env.run("info odd.rgx").success().stdout).unwrap();
    assert!(shown.contains("not seen through") && shown.contains("bigalloc"), "{shown}");
    env.run("extract odd.rgx out").success();
    assert!(env.read("out") == image);
    // A pipe cannot be read at random.
    let made = env.run_with_input("make --json piped.rgx -", &env.read("plain.img")).success();
    assert!(made.stderr.contains("seems to be ext4"), "{}", made.stderr);
    assert!(made.json()["disk"].is_null());
    // An index of version 1 knows no disk images.
    let made = env.run("make --json --format 1 first.rgx plain.img").success();
    assert!(made.stderr.is_empty() && made.json()["disk"].is_null(), "{}", made.stderr);
}

/// Files are found in a disk image that were in a tar or a folder, and the other way round.
#[test]
fn tars_and_disk_images_seed_each_other() {
    let env = TestEnvironment::new();
    if ext4(&env, "disk.img", 1).is_none() {
        return;
    }
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes) in files(1) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, &path, bytes.as_slice()).unwrap();
    }
    env.write("tree.tar", &tar.into_inner().unwrap());
    env.json("make disk.rgx disk.img");
    env.json("make tar.rgx tree.tar");
    // All of them are found, the small ones too.
    let files: u64 = files(1).iter().map(|(_, bytes)| bytes.len() as u64).sum();
    for (index, seed, image) in
        [("disk.rgx", "tree.tar", "disk.img"), ("tar.rgx", "disk.img", "tree.tar"), ("disk.rgx", "tree-1", "disk.img")]
    {
        let extracted = env.json(&format!("extract --seed {seed} {index} out"));
        assert!(number(&extracted, "bytes_seed") >= files * 98 / 100, "{seed}, {files} bytes: {extracted}");
        assert!(env.read("out") == env.read(image));
        env.remove("out");
    }
}
