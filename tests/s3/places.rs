//! Indexes and stores in different places: buckets, folders, `file://`.

use super::{Bucket, is_pack, put_bytes};
use crate::environment::TestEnvironment;
use crate::report::{check_extract, number};
use regrow_demo::{noise, versions};

#[test]
fn a_push_within_a_bucket_moves_no_bytes() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.make("old", &old);
    bucket.make("new", &new);
    let push = "push s3://bucket/old.rgx s3://bucket/new.rgx s3://bucket/prod/store";
    let (report, requests) = bucket.requests_of(|| bucket.json(push));
    assert_eq!(number(&report, "packs_copied"), number(&report, "packs"), "{report}");
    assert_eq!(number(&report, "packs_copied_by_host"), number(&report, "packs"), "{report}");
    assert_eq!(number(&report, "bytes_copied"), 0, "{report}");
    assert!(!requests.iter().any(|seen| is_pack(seen) && seen.method == http::Method::GET), "{requests:#?}");
    let indexes: u64 =
        ["old", "new"].iter().map(|name| bucket.env.read(&format!("s3/bucket/prod/{name}.rgx")).len() as u64).sum();
    assert!(put_bytes(&requests) < indexes + 200, "{requests:#?}");
    bucket.check("bucket/prod", &[("old", &old), ("new", &new)]);
    let report = bucket.json(push);
    assert_eq!(number(&report, "packs_present"), number(&report, "packs"), "{report}");
    // To another bucket the bytes pass through this machine.
    std::fs::create_dir(bucket.env.path("s3/other")).unwrap();
    let report = bucket.json("push s3://bucket/new.rgx s3://other/store");
    assert_eq!(number(&report, "packs_copied_by_host"), 0, "{report}");
    bucket.check("other", &[("new", &new)]);
}

#[test]
fn a_push_from_and_to_a_folder() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.make("old", &old);
    bucket.make("new", &new);
    let report = bucket.json("push s3://bucket/new.rgx disk/store");
    assert!(number(&report, "packs_copied") > 0 && number(&report, "packs_present") == 0, "{report}");
    bucket.env.run("verify --store disk/store disk/new.rgx").success();
    bucket.env.run("extract disk/new.rgx out").success();
    assert!(bucket.env.read("out") == new);
    let report = bucket.json("push disk/new.rgx s3://bucket/back/store");
    assert_eq!(number(&report, "packs_copied"), number(&report, "packs"), "{report}");
    bucket.check("bucket/back", &[("new", &new)]);
    // A damaged pack is copied nowhere.
    let pack = bucket.env.packs("disk/store").remove(0);
    let mut bytes = bucket.env.read(&pack);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bucket.env.write(&pack, &bytes);
    bucket.run("push disk/new.rgx s3://bucket/damaged/store").failure(3, &pack);
    assert!(!bucket.env.exists("s3/bucket/damaged/new.rgx"));
    // With another store to read from, the push succeeds.
    bucket.run("push --store disk/store --store s3://bucket/store disk/new.rgx s3://bucket/damaged/store").success();
    bucket.check("bucket/damaged", &[("new", &new)]);
}

#[test]
fn an_index_and_its_store_may_be_far_apart() {
    let (image, _) = versions();
    let bucket = Bucket::new();
    std::fs::create_dir(bucket.env.path("s3/other")).unwrap();
    bucket.env.write("image", &image);
    let cases = [
        ("s3://bucket/app.rgx", "folder"),
        ("app.rgx", "s3://bucket/store"),
        ("s3://bucket/app.rgx", "s3://other/store"),
    ];
    for (index, store) in cases {
        let outcome = bucket.run(&format!("make --avg-size 1KiB --store {store} {index} image")).success();
        assert!(
            outcome.stderr.contains("regrow: warning: ") && outcome.stderr.contains("--store"),
            "{}",
            outcome.stderr
        );
        bucket.run(&format!("extract {index} out")).failure(2, "--store");
        bucket.run(&format!("info {index}")).success();
        check_extract(&bucket.json(&format!("extract --store {store} {index} out")), &image);
        assert!(bucket.env.read("out") == image);
        bucket.env.remove("out");
        bucket.run(&format!("verify --store {store} {index}")).success();
        bucket.run(&format!("info --store {store} {index}")).success();
        bucket.run(&format!("push --store {store} {index} pushed/store")).success();
    }
}

#[test]
fn of_two_stores_one_may_fail() {
    let (image, _) = versions();
    let bucket = Bucket::new();
    bucket.make("image", &image);
    bucket.run("push s3://bucket/image.rgx disk/store").success();
    for stores in [
        "--store s3://nowhere/store --store disk/store",
        "--store disk/store --store s3://nowhere/store",
        "--store s3://bucket/absent --store disk/store",
        "--store absent --store s3://bucket/store",
    ] {
        check_extract(&bucket.json(&format!("extract {stores} s3://bucket/image.rgx out")), &image);
        assert!(bucket.env.read("out") == image, "{stores}");
        bucket.env.remove("out");
    }
    bucket.server.set_hook(|seen| is_pack(seen).then(|| crate::s3server::Fault::code(503, "SlowDown")));
    bucket.run("extract --store s3://bucket/store --store disk/store disk/image.rgx out").success();
    assert!(bucket.env.read("out") == image);
}

#[test]
fn files_by_their_urls() {
    let (old, new) = versions();
    let env = TestEnvironment::new();
    env.write("old", &old);
    env.write("new", &new);
    std::fs::create_dir(env.path("d")).unwrap();
    let url = |name: &str| format!("file://{}", env.path(name).display());
    let (old_index, new_index, store) = (url("d/old.rgx"), url("d/new.rgx"), url("d/store"));
    env.run(&format!("make --avg-size 1KiB {old_index} old")).success();
    env.run(&format!("make --store {store} --like {old_index} {new_index} new")).success();
    env.run(&format!("extract --seed old --store {store} {new_index} out")).success();
    assert!(env.read("out") == new);
    env.run(&format!("info --store {store} {new_index}")).success();
    env.run(&format!("diff {old_index} {new_index}")).success();
    env.run(&format!("verify --store {store} {old_index} {new_index}")).success();
    env.run(&format!("verify {new_index} new")).success();
    env.run(&format!("push {new_index} {}", url("e/store"))).success();
    env.run("extract e/new.rgx out2").success();
    assert!(env.read("out2") == new);
    env.run(&format!("gc --dry-run --store {store} --keep {new_index}")).success();
    env.run(&format!("gc --grace 0s --store {store} --keep {}", url("d"))).success();
    env.run(&format!("verify --store {store} {old_index} {new_index}")).success();
    env.run("extract file://elsewhere/d/new.rgx out3").failure(2, "file:///");
    env.run(&format!("make file://elsewhere/app.rgx {}", env.path("old").display())).failure(2, "file:///");
}

#[test]
fn an_index_in_a_bucket_of_a_store_on_a_host() {
    let image = noise("behind a host", 300_000);
    let bucket = Bucket::new();
    bucket.make("image", &image);
    // A CDN before the bucket shows it like this.
    let host = crate::server::Server::new(&bucket.env.path("s3"));
    bucket.run(&format!("extract --store {} s3://bucket/image.rgx out", host.url("bucket/store"))).success();
    assert!(bucket.env.read("out") == image);
    bucket.env.run(&format!("extract {} out2", host.url("bucket/image.rgx"))).success();
    assert!(bucket.env.read("out2") == image);
    bucket.run(&format!("push {} s3://bucket/again/store", host.url("bucket/image.rgx"))).success();
    bucket.check("bucket/again", &[("image", &image)]);
}

#[test]
fn a_pushed_index_never_takes_a_name_of_the_stores_own() {
    let bucket = Bucket::new();
    bucket.make("app", &noise("app", 50_000));
    std::fs::create_dir(bucket.env.path("s3/other")).unwrap();
    let index = bucket.env.read("s3/bucket/app.rgx");
    for name in ["gc.json", "regrow.json"] {
        bucket.env.write(&format!("from/{name}"), &index);
        bucket.run(&format!("push --store s3://bucket/store from/{name} s3://other")).failure(2, name);
        assert_eq!(bucket.env.files("s3/other"), Vec::<String>::new());
    }
}
