//! Patches in buckets: made there, used from there, copied and collected.

use std::time::Duration;

use super::{Bucket, put_bytes};
use crate::report::{check_extract, number};
use regrow_demo::versions;

/// A bucket with two images, and the patch from the first to the second.
fn bucket() -> (Bucket, Vec<u8>) {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.make("old", &old);
    bucket.env.write("new", &new);
    let make = "make --avg-size 1KiB --pack-size 100KiB --patch-level 1 --patch-from s3://bucket/old.rgx";
    let report = bucket.json(&format!("{make} s3://bucket/new.rgx new"));
    assert_eq!(report["patches"].as_array().map(Vec::len), Some(1), "{report}");
    (bucket, new)
}

fn patches(bucket: &Bucket, place: &str) -> Vec<String> {
    bucket.env.files(&format!("s3/{place}/store/patches"))
}

/// Checks whether an update from this index uses the patch.
#[track_caller]
fn check_update(bucket: &Bucket, index: &str, new: &[u8], is_patched: bool) {
    bucket.run(&format!("extract {index} warm --dry-run")).success();
    let (report, requests) = bucket.requests_of(|| bucket.json(&format!("extract --seed old {index} out")));
    assert!(bucket.env.read("out") == new, "{index}");
    bucket.env.remove("out");
    check_extract(&report, new);
    assert_eq!(number(&report, "chunks_patch") > 0, is_patched, "{report}");
    if is_patched {
        assert_eq!((number(&report, "requests"), requests.len()), (2, 2), "{requests:#?}");
        assert_eq!(number(&report, "chunks_store"), 0, "{report}");
    }
}

#[test]
fn an_update_from_a_bucket() {
    let (bucket, new) = bucket();
    check_update(&bucket, "s3://bucket/new.rgx", &new, true);
    let (_, requests) = bucket.requests_of(|| bucket.json("extract --no-patch --seed old s3://bucket/new.rgx out"));
    assert!(requests.iter().all(|seen| !seen.uri.path().ends_with(".patch")));
    assert_eq!(bucket.env.files("scratch"), Vec::<String>::new());
}

#[test]
fn a_patch_into_a_bucket_later() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.make("old", &old);
    bucket.make("new", &new);
    let patch = "patch --patch-level 1 s3://bucket/old.rgx s3://bucket/new.rgx";
    let (report, requests) = bucket.requests_of(|| bucket.json(patch));
    assert_eq!((&report["announced"], &report["present"]), (&true.into(), &false.into()), "{report}");
    assert_eq!(number(&report, "requests"), requests.len() as u64, "{report}");
    let sent = put_bytes(&requests);
    assert!(sent > number(&report, "bytes"), "patch and index: {sent}, {report}");
    check_update(&bucket, "s3://bucket/new.rgx", &new, true);
    let report = bucket.json(patch);
    assert_eq!(report["present"], true, "{report}");
    let kinds: Vec<String> = bucket
        .server
        .requests()
        .iter()
        .filter(|seen| super::is_put(seen) && seen.uri.path().ends_with(".patch"))
        .map(|seen| seen.headers["cache-control"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["public, max-age=31536000, immutable"]);
}

/// Each two of the images might have a patch, but the stores are listed.
#[test]
fn a_push_does_not_ask_for_the_patch_of_each_two_images() {
    let (bucket, new) = bucket();
    for number in 0..10 {
        bucket.env.write("image", &new[..new.len() - 512 * number]);
        let options = "--allow-partial --like s3://bucket/new.rgx --store s3://bucket/store";
        bucket.run(&format!("make {options} s3://bucket/all/{number}.rgx image")).success();
    }
    let indexes: String = (0..10).map(|number| format!("s3://bucket/all/{number}.rgx ")).collect();
    let push = |command: &str, to: &str| {
        bucket.requests_of(|| bucket.json(&format!("{command} {indexes} s3://bucket/{to}/store"))).1.len()
    };
    let (plain, patches) = (push("push", "plain"), push("push --patches", "patched"));
    assert!(patches <= plain + 4, "{patches} {plain}");
}

#[test]
fn pushes_take_patches_along_if_asked() {
    let (bucket, new) = bucket();
    // Within a bucket the host copies.
    bucket.json("push s3://bucket/new.rgx s3://bucket/plain/store");
    assert_eq!(patches(&bucket, "bucket/plain"), Vec::<String>::new());
    check_update(&bucket, "s3://bucket/plain/new.rgx", &new, false);
    let (report, requests) =
        bucket.requests_of(|| bucket.json("push --patches s3://bucket/new.rgx s3://bucket/prod/store"));
    assert_eq!(number(&report, "patches_copied"), 1, "{report}");
    assert!(put_bytes(&requests) < 20_000, "{requests:#?}");
    check_update(&bucket, "s3://bucket/prod/new.rgx", &new, true);
    // To another bucket, or to a folder and back, the bytes pass through this machine.
    std::fs::create_dir(bucket.env.path("s3/other")).unwrap();
    for (from, to) in [
        ("s3://bucket/new.rgx", "s3://other/store"),
        ("s3://bucket/new.rgx", "disk/store"),
        ("disk/new.rgx", "s3://other/back/store"),
    ] {
        let report = bucket.json(&format!("push --patches {from} {to}"));
        assert_eq!(number(&report, "patches_copied"), 1, "{from} {to}: {report}");
        let report = bucket.json(&format!("push --patches {from} {to}"));
        assert_eq!((number(&report, "patches_copied"), number(&report, "patches_present")), (0, 1), "{report}");
    }
    check_update(&bucket, "s3://other/new.rgx", &new, true);
    check_update(&bucket, "s3://other/back/new.rgx", &new, true);
}

#[test]
fn patches_of_images_that_are_gone_go() {
    let (bucket, new) = bucket();
    let gc = "gc --grace 1s --store s3://bucket/store";
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(number(&bucket.json(gc), "patches_deleted"), 0);
    check_update(&bucket, "s3://bucket/new.rgx", &new, true);
    bucket.env.remove("s3/bucket/new.rgx");
    assert_eq!(number(&bucket.json(&format!("{gc} --dry-run")), "patches_deleted"), 1);
    assert_eq!(number(&bucket.json(gc), "patches_deleted"), 1);
    assert_eq!(patches(&bucket, "bucket"), Vec::<String>::new());
}
