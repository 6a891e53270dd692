//! Makes that end at any request, and several makes at once.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};

use http::Method;

use super::{Bucket, is_pack, is_put, put_bytes};
use crate::environment::Outcome;
use crate::report::{check_make, number};
use crate::s3server::Fault;
use regrow_demo::{Tree, docker_save, noise, versions};

#[test]
fn a_make_may_end_at_any_request() {
    let (old, new) = versions();
    let new = [new, noise("interrupted", 200_000)].concat();
    let bucket = Bucket::new();
    bucket.make("old", &old);
    bucket.env.write("new", &new);
    let old_index = bucket.env.read("s3/bucket/old.rgx");
    bucket.env.write("s3/bucket/app.rgx", &old_index);
    bucket.copy("bucket", "whole");
    let make =
        |bucket: &str| format!("make --tries 1 --catalog c-{bucket} --pack-size 64KiB s3://{bucket}/app.rgx new");
    let (_, undisturbed) = bucket.requests_of(|| bucket.run(&make("whole")).success());
    let (all, new_index) = (bucket.pack_bytes("whole"), bucket.env.read("s3/whole/app.rgx"));
    assert!(undisturbed.iter().filter(|seen| is_pack(seen) && is_put(seen)).count() > 2);
    for passing in 0..undisturbed.len() {
        let name = format!("after-{passing}");
        bucket.copy("bucket", &name);
        // Nobody can know whether a request that fails has had its effect.
        let fault = if passing % 2 == 0 { Fault::code(500, "InternalError") } else { Fault::LoseAnswer };
        bucket.fail_after(passing, fault);
        bucket.run(&make(&name)).failure(4, &format!("s3://{name}"));
        bucket.server.clear_hook();
        let index = bucket.env.read(&format!("s3/{name}/app.rgx"));
        assert!(index == old_index || index == new_index, "after {passing}: another index");
        bucket.run(&format!("verify --store s3://{name}/store s3://{name}/app.rgx")).success();
        let stored = bucket.pack_bytes(&name);
        let (report, requests) = bucket.requests_of(|| bucket.run(&format!("{} --json", make(&name))).success().json());
        check_make(&report, &new);
        bucket.check(&name, &[("app", &new)]);
        // Bytes that had arrived are not sent again, except for the tables of packs.
        let (now, sent) = (bucket.pack_bytes(&name), put_bytes(&requests) - number(&report, "index_bytes"));
        assert_eq!(now - stored, sent, "after {passing}");
        assert!(now <= all + all / 20, "after {passing}: {now}, and {all} undisturbed");
    }
}

/// Feeds a make of standard input until this many packs are there, and kills it.
fn kill_make(bucket: &Bucket, image: &[u8], packs: usize) {
    let mut command = bucket.command("make --pack-size 256KiB s3://bucket/app.rgx -");
    let mut child = bucket.env.spawn(command.stdin(Stdio::piped()));
    let before = bucket.packs("bucket").len();
    for piece in image[..image.len() - 1000].chunks(200_000) {
        child.stdin.as_mut().unwrap().write_all(piece).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        if bucket.packs("bucket").len() >= before + packs {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(bucket.env.files("scratch"), [""; 0], "packs that wait have no names");
}

#[test]
fn a_make_goes_on_where_it_was_killed() {
    let image = noise("killed in a bucket", 12_000_000);
    let bucket = Bucket::new();
    bucket.env.write("image", &image);
    for packs in [0, 2, 3] {
        kill_make(&bucket, &image, packs);
        assert!(!bucket.env.exists("s3/bucket/app.rgx"));
    }
    assert!(bucket.packs("bucket").len() >= 4, "the image is not large enough");
    bucket.run("verify --store s3://bucket/store").success();
    let report = bucket.json("make --pack-size 256KiB s3://bucket/app.rgx image");
    check_make(&report, &image);
    assert!(number(&report, "bytes_stored") < 11_200_000, "what was stored before is used: {report}");
    bucket.check("bucket", &[("app", &image)]);
}

#[test]
fn two_makes_at_once_are_safe() {
    let shared = Tree::sample("shared", 100);
    for round in 0..3 {
        let bucket = Bucket::new();
        let images = ["x", "y"].map(|name| docker_save(&[shared.clone(), Tree::sample(name, 40)], round));
        let makes: Vec<Child> = ["x", "y"]
            .iter()
            .zip(&images)
            .map(|(name, image)| {
                bucket.env.write(name, image);
                let make = format!("make --avg-size 1KiB --pack-size 100KiB s3://bucket/{name}.rgx {name}");
                bucket.env.spawn(&mut bucket.command(&make))
            })
            .collect();
        makes.into_iter().for_each(|child| drop(Outcome::wait(child).success()));
        bucket.check("bucket", &[("x", &images[0]), ("y", &images[1])]);
        bucket.run("gc --dry-run --store s3://bucket/store").success();
    }
}

#[test]
fn a_store_has_the_parameters_of_whoever_was_first() {
    let (image, _) = versions();
    let bucket = Bucket::new();
    bucket.make("image", &image);
    // This acts as if the other make had written between this one's look and its own write.
    let mut looks = 0;
    bucket.server.set_hook(move |seen| {
        let is_look = seen.method == Method::GET && seen.uri.path().ends_with("/regrow.json");
        looks += usize::from(is_look);
        (is_look && looks == 1).then(|| Fault::code(404, "NoSuchKey"))
    });
    bucket.run("make --avg-size 4KiB s3://bucket/other.rgx image").failure(2, "--avg-size");
    assert!(!bucket.env.exists("s3/bucket/other.rgx"));
    bucket.check("bucket", &[("image", &image)]);
}

/// The number of bytes in a process's nameless files in a folder.
fn nameless_bytes(child: &Child, folder: &Path) -> u64 {
    let Ok(handles) = std::fs::read_dir(format!("/proc/{}/fd", child.id())) else { return 0 };
    let mut files = HashMap::new();
    for handle in handles.flatten() {
        if std::fs::read_link(handle.path()).is_ok_and(|file| file.starts_with(folder))
            && let Ok(file) = handle.path().metadata()
        {
            files.insert(file.ino(), file.len());
        }
    }
    files.values().sum()
}

#[test]
fn packs_wait_in_bounded_space() {
    let bucket = Bucket::new();
    // The server is slower than packs are made.
    bucket.server.set_hook(|seen| {
        std::thread::sleep(std::time::Duration::from_millis(if is_pack(seen) { 20 } else { 0 }));
        None
    });
    let mut command = bucket.command("make --pack-size 512KiB s3://bucket/app.rgx -");
    let mut child = bucket.env.spawn(command.stdin(Stdio::piped()));
    let mut pipe = child.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || {
        for number in 0..64 {
            pipe.write_all(&noise(&number.to_string(), 500_000)).unwrap();
        }
    });
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(nameless_bytes(&child, &bucket.env.path("scratch")));
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    feeding.join().unwrap();
    Outcome::wait(child).success();
    // Three packs are on their way, one waits for them, and one is being made. Each may exceed the target size by
    // one frame.
    assert!(most > 0 && most <= 5 * (832 << 10), "{most}");
    assert_eq!(bucket.env.files("scratch"), Vec::<String>::new());
}
