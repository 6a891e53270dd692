//! gc of a store in a bucket.

use std::time::Duration;

use super::Bucket;
use crate::environment::Outcome;
use crate::report::number;
use crate::s3server::Fault;
use regrow_demo::{Tree, docker_save, versions};

/// A bucket with two images that share a part. `gone` is no longer wanted.
fn bucket() -> (Bucket, Vec<u8>, Vec<u8>) {
    let shared = Tree::sample("shared", 60);
    let images = ["kept", "gone"].map(|name| docker_save(&[shared.clone(), Tree::sample(name, 60)], 1));
    let bucket = Bucket::new();
    bucket.make("kept", &images[0]);
    bucket.make("gone", &images[1]);
    bucket.env.remove("s3/bucket/gone.rgx");
    let [kept, gone] = images;
    (bucket, kept, gone)
}

/// Waits longer than a grace of one second.
fn pass() {
    std::thread::sleep(Duration::from_millis(2100));
}

#[test]
fn packs_are_condemned_then_deleted() {
    let (bucket, kept, _) = bucket();
    let packs = bucket.packs("bucket");
    let gc = "gc --grace 1s --store s3://bucket/store";
    pass();
    let planned = bucket.json(&format!("{gc} --dry-run"));
    assert!(number(&planned, "packs_condemned") > 0, "{planned}");
    assert!(!bucket.env.exists("s3/bucket/store/gc.json"));
    let report = bucket.json(gc);
    assert_eq!(report["packs_condemned"], planned["packs_condemned"]);
    assert!(bucket.env.exists("s3/bucket/store/gc.json"));
    assert_eq!(bucket.packs("bucket"), packs, "nothing goes at once");
    pass();
    let planned = bucket.json(&format!("{gc} --dry-run"));
    assert_eq!(planned["packs_deleted"], report["packs_condemned"], "{planned}");
    assert_eq!(bucket.packs("bucket"), packs);
    let report = bucket.json(gc);
    assert_eq!(report["packs_deleted"], planned["packs_deleted"], "{report}");
    assert_eq!(bucket.packs("bucket").len() as u64, packs.len() as u64 - number(&report, "packs_deleted"));
    bucket.check("bucket", &[("kept", &kept)]);
}

#[test]
fn a_make_does_without_what_is_condemned() {
    let (bucket, kept, gone) = bucket();
    let gc = "gc --grace 1s --store s3://bucket/store";
    pass();
    let condemned = number(&bucket.json(gc), "packs_condemned");
    assert!(condemned > 0);
    for like in ["", "--like s3://bucket/kept.rgx"] {
        let report = bucket.json(&format!("make {like} --pack-size 256KiB s3://bucket/back.rgx gone"));
        assert!(number(&report, "bytes_stored") > 0 || !like.is_empty(), "{report}");
    }
    pass();
    assert_eq!(number(&bucket.json(gc), "packs_deleted"), condemned);
    bucket.check("bucket", &[("kept", &kept), ("back", &gone)]);
}

#[test]
fn a_make_and_a_gc_at_once() {
    let (old, new) = versions();
    let (bucket, kept, gone) = bucket();
    bucket.env.write("old", &old);
    bucket.env.write("new", &new);
    let spawn = |arguments: &str| bucket.env.spawn(&mut bucket.command(arguments));
    for (name, _) in [("old", &old), ("new", &new), ("gone", &gone)] {
        let children = [
            spawn(&format!("make --pack-size 64KiB s3://bucket/{name}.rgx {name}")),
            spawn("gc --grace 4s --store s3://bucket/store"),
            spawn("gc --grace 4s --store s3://bucket/store"),
        ];
        let [make, ..] = children.map(Outcome::wait);
        // On a slow machine half of the grace may pass during the run. In that case the command asks to be run
        // again.
        if make.code != Some(0) {
            make.failure(1, "run it again");
            bucket.run(&format!("make s3://bucket/{name}.rgx {name}")).success();
        }
        pass();
    }
    pass();
    bucket.run("gc --grace 4s --store s3://bucket/store").success();
    bucket.check("bucket", &[("kept", &kept), ("old", &old), ("new", &new), ("gone", &gone)]);
}

#[test]
fn packs_are_rewritten_in_a_bucket() {
    let (bucket, kept, _) = bucket();
    pass();
    let report = bucket.json("gc --repack --grace 1s --store s3://bucket/store");
    assert!(number(&report, "packs") > 0, "{report}");
    bucket.check("bucket", &[("kept", &kept)]);
    pass();
    bucket.run("gc --repack --grace 1s --store s3://bucket/store").success();
    bucket.check("bucket", &[("kept", &kept)]);
}

/// If a clock is wrong by days, packs that others wait for may be deleted. gc cannot know which clock is right.
#[test]
fn clocks_that_differ_too_much_end_a_gc() {
    let (bucket, ..) = bucket();
    let packs = bucket.packs("bucket");
    let gc = |grace: &str| bucket.run(&format!("gc --grace {grace} --store s3://bucket/store"));
    let days_off = |days: i64| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
        let headers = vec![
            ("last-modified", http_date(now + days * 86_400)),
            ("etag", "\"1\"".to_owned()),
            ("content-length", "30".to_owned()),
        ];
        bucket.server.set_hook(move |seen| {
            let is_look = seen.method == http::Method::HEAD && seen.uri.path().ends_with("gc.json");
            is_look.then(|| Fault::Answer { status: 200, headers: headers.clone(), body: String::new() })
        });
    };
    pass();
    // Two days are more than a quarter of a week.
    days_off(-2);
    gc("1s").failure(1, "this machine's clock is 2 days ahead of the store's");
    days_off(2);
    // The difference is rounded down.
    gc("1s").failure(1, "this machine's clock is 47 hours behind the store's");
    let list = bucket.env.read("s3/bucket/store/gc.json");
    assert_eq!(list, b"{\"format\":1,\"condemned\":[]}", "no wrong time was written");
    assert_eq!(bucket.packs("bucket"), packs);
    bucket.server.clear_hook();
    gc("1s").success();
    pass();
    // The list stays as it was, but its entries are due by a clock that may be wrong.
    days_off(-2);
    gc("1s").failure(1, "ahead of the store's");
    assert_eq!(bucket.packs("bucket"), packs);
    bucket.server.clear_hook();
    gc("1s").success();
    assert!(bucket.packs("bucket").len() < packs.len());
}

/// Formats a time like `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
fn http_date(seconds: i64) -> String {
    let mut date = std::process::Command::new("date");
    date.args(["-u", "-d", &format!("@{seconds}"), "+%a, %d %b %Y %T GMT"]).env("LC_ALL", "C");
    String::from_utf8(date.output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn a_repacked_index_is_read_back() {
    let bucket = Bucket::new();
    let shared = Tree::sample("shared", 40);
    let (gone, kept) = (docker_save(&[shared.clone(), Tree::sample("gone", 120)], 1), docker_save(&[shared], 2));
    for (name, image) in [("gone", &gone), ("kept", &kept)] {
        bucket.env.write(name, image);
        bucket.json(&format!("make --avg-size 1KiB s3://bucket/{name}.rgx {name}"));
    }
    bucket.env.remove("s3/bucket/gone.rgx");
    let before = bucket.env.read("s3/bucket/kept.rgx");
    // The host claims that it has stored an index, but it has not.
    bucket.server.set_hook(|seen| {
        let is_put = seen.method == http::Method::PUT && seen.uri.path().ends_with(".rgx");
        let headers = vec![("etag", "\"1\"".to_owned())];
        is_put.then_some(Fault::Answer { status: 200, headers, body: String::new() })
    });
    let gc = "gc --repack --grace 1h --store s3://bucket/store";
    bucket.run(gc).failure(1, "kept.rgx: is not what was just written");
    assert!(bucket.env.read("s3/bucket/kept.rgx") == before);
    bucket.server.clear_hook();
    assert_eq!(number(&bucket.json(gc), "indexes_rewritten"), 1);
    assert!(bucket.env.read("s3/bucket/kept.rgx") != before);
    bucket.check("bucket", &[("kept", &kept)]);
}
