//! gc of a store in a bucket.

use std::time::Duration;

use super::Bucket;
use crate::environment::Outcome;
use crate::images::{Tree, docker_save, versions};
use crate::report::number;

/// Two images that share a part, of which `gone` is no longer wanted.
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

/// Longer than a grace of one second.
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
        // On a slow machine half of the grace may pass while it runs; then it says that it is to be run again.
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
