//! A server that is overloaded, breaks off, or disobeys. Every command ends well, or its next run does.

use std::collections::BTreeMap;

use http::Method;

use super::{Bucket, is_pack, is_put};
use crate::environment::Outcome;
use crate::report::{check_extract, check_make, number};
use crate::s3server::{Fault, Seen};
use regrow_demo::{noise, versions};

/// A hook that fails every third request, and every ninth one twice.
fn every_third(fault: Fault) -> impl FnMut(&Seen) -> Option<Fault> + Send {
    let (mut failures, mut distinct) = (BTreeMap::<String, u32>::new(), 0);
    move |seen| {
        let range = seen.headers.get("range");
        let left = failures.entry(format!("{} {} {range:?}", seen.method, seen.uri)).or_insert_with(|| {
            distinct += 1;
            u32::from(distinct % 3 == 0) + u32::from(distinct % 9 == 0)
        });
        let hit = *left > 0;
        *left = left.saturating_sub(1);
        hit.then(|| fault.clone())
    }
}

/// Checks that every command ends well in spite of this fault.
fn bears(fault: &Fault) {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.env.write("old", &old);
    bucket.env.write("new", &new);
    bucket.env.write("gone", &noise("gone", 50_000));
    let run = |arguments: &str| {
        bucket.server.set_hook(every_third(fault.clone()));
        let (outcome, requests) = bucket.requests_of(|| bucket.run(&format!("{arguments} --json --tries 8")));
        assert_eq!(outcome.code, Some(0), "{arguments}: {}\n{requests:#?}", outcome.stderr);
        outcome.json()
    };
    check_make(&run("make --avg-size 1KiB --pack-size 100KiB s3://bucket/old.rgx old"), &old);
    check_make(&run("make --pack-size 100KiB --like s3://bucket/old.rgx s3://bucket/new.rgx new"), &new);
    run("verify --store s3://bucket/store s3://bucket/old.rgx s3://bucket/new.rgx");
    check_extract(&run("extract --seed old s3://bucket/new.rgx out"), &new);
    assert!(bucket.env.read("out") == new);
    check_extract(&run("extract --catalog fresh s3://bucket/new.rgx cold"), &new);
    assert!(bucket.env.read("cold") == new);
    run("info s3://bucket/new.rgx");
    run("diff s3://bucket/old.rgx s3://bucket/new.rgx");
    run("push s3://bucket/new.rgx s3://bucket/prod/store");
    run("push s3://bucket/new.rgx here/store");
    run("push here/new.rgx s3://bucket/from-here/store");
    run("make s3://bucket/gone.rgx gone");
    let report = run("gc --grace 0s --store s3://bucket/store --keep s3://bucket/new.rgx");
    assert!(number(&report, "packs_deleted") > 0, "{report}");
    bucket.server.clear_hook();
    for place in ["bucket", "bucket/prod", "bucket/from-here"] {
        bucket.check(place, &[("new", &new)]);
    }
    bucket.run("verify --store here/store here/new.rgx").success();
}

#[test]
fn an_overloaded_host_is_borne() {
    bears(&Fault::code(503, "SlowDown"));
}

#[test]
fn a_faulty_host_is_borne() {
    bears(&Fault::code(500, "InternalError"));
}

#[test]
fn connections_that_break_are_borne() {
    bears(&Fault::CutRequest { after: 0 });
}

#[test]
fn answers_that_are_lost_are_borne() {
    bears(&Fault::LoseAnswer);
}

#[test]
fn an_upload_that_is_cut_is_sent_again_or_leaves_nothing() {
    let (image, _) = versions();
    let bucket = Bucket::new();
    let mut times = BTreeMap::new();
    bucket.server.set_hook(move |seen| {
        let times = times.entry(seen.uri.to_string()).or_insert(0);
        *times += usize::from(is_put(seen));
        (is_put(seen) && *times <= 2).then_some(Fault::CutRequest { after: 10 })
    });
    check_make(&bucket.make("image", &image), &image);
    bucket.check("bucket", &[("image", &image)]);
    for of_packs in [true, false] {
        let name = format!("none-{of_packs}");
        std::fs::create_dir(bucket.env.path(&format!("s3/{name}"))).unwrap();
        bucket.server.set_hook(move |seen| {
            let is_hit = is_put(seen) && if of_packs { is_pack(seen) } else { seen.uri.path().ends_with(".rgx") };
            is_hit.then_some(Fault::CutRequest { after: 100 })
        });
        let about = if of_packs { ".pack" } else { "image.rgx" };
        bucket.run(&format!("make --tries 2 s3://{name}/image.rgx image")).failure(4, about);
        bucket.server.clear_hook();
        assert!(!bucket.env.exists(&format!("s3/{name}/image.rgx")));
        assert_eq!(bucket.packs(&name).is_empty(), of_packs);
        bucket.run(&format!("verify --store s3://{name}/store")).success();
        bucket.run(&format!("make s3://{name}/image.rgx image")).success();
        bucket.check(&name, &[("image", &image)]);
    }
}

#[test]
fn credentials_that_expire_end_a_make_and_the_next_goes_on() {
    let (image, _) = versions();
    let bucket = Bucket::new();
    bucket.env.write("image", &image);
    let make = "make --avg-size 1KiB --pack-size 100KiB s3://bucket/image.rgx image";
    for packs in [0, 1, 2] {
        let mut left = packs;
        bucket.server.set_hook(move |seen| {
            let is_over = left == 0;
            left -= usize::from(left > 0 && is_pack(seen) && is_put(seen));
            is_over.then(|| Fault::code(400, "ExpiredToken"))
        });
        let outcome = bucket.run(make).failure(4, "credentials have expired (ExpiredToken)");
        assert!(!outcome.stderr.contains("missing chunk"), "{}", outcome.stderr);
        assert!(!bucket.env.exists("s3/bucket/image.rgx"));
        bucket.server.clear_hook();
        if packs > 0 {
            bucket.run("verify --store s3://bucket/store").success();
        }
    }
    let there = bucket.packs("bucket").len();
    assert!(there >= 2, "{there}");
    let report = bucket.json(make);
    check_make(&report, &image);
    assert!(number(&report, "bytes_stored") < bucket.pack_bytes("bucket"), "{report}");
    bucket.check("bucket", &[("image", &image)]);
}

#[test]
fn credentials_that_expire_end_an_extract_and_the_next_goes_on() {
    let (image, _) = versions();
    let bucket = Bucket::new();
    bucket.make("image", &image);
    let mut left = 4;
    bucket.server.set_hook(move |seen| {
        let is_over = left == 0;
        left -= usize::from(left > 0 && is_pack(seen));
        is_over.then(|| Fault::code(400, "ExpiredToken"))
    });
    let outcome = bucket.run("extract --connections 1 s3://bucket/image.rgx out").failure(4, "ExpiredToken");
    assert!(!outcome.stderr.contains("missing chunk"), "{}", outcome.stderr);
    assert!(!bucket.env.exists("out"));
    bucket.server.clear_hook();
    check_extract(&bucket.json("extract s3://bucket/image.rgx out"), &image);
    assert!(bucket.env.read("out") == image);
}

#[test]
fn a_host_that_ignores_conditions_does_no_harm() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.make("old", &old);
    bucket.env.write("new", &new);
    let make = "make --catalog none --pack-size 100KiB s3://bucket/new.rgx new";
    bucket.run(make).success();
    let before: Vec<(String, Vec<u8>)> =
        bucket.packs("bucket").into_iter().map(|pack| (pack.clone(), bucket.env.read(&pack))).collect();
    // The host also denies that there is anything, so everything is put again over the existing objects.
    let root = bucket.env.path("s3");
    bucket.server.set_hook(move |seen| {
        if is_put(seen) && seen.headers.contains_key("if-none-match") {
            let _ = std::fs::remove_file(root.join(seen.uri.path().trim_start_matches('/')));
        }
        let is_hidden = seen.method == Method::HEAD || seen.is_list();
        is_hidden.then(|| match seen.is_list() {
            true => Fault::Answer {
                status: 200,
                headers: Vec::new(),
                body: "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
                    .to_owned(),
            },
            false => Fault::code(404, "NoSuchKey"),
        })
    });
    let (_, requests) = bucket.requests_of(|| bucket.make("old", &old));
    assert!(requests.iter().any(|seen| is_put(seen) && seen.headers.contains_key("if-none-match")));
    let makes = ["new", "old"].map(|name| {
        let make = format!("make --catalog none-{name} --pack-size 100KiB s3://bucket/{name}-2.rgx {name}");
        bucket.env.spawn(&mut bucket.command(&make))
    });
    makes.into_iter().for_each(|child| drop(Outcome::wait(child).success()));
    bucket.server.clear_hook();
    for (pack, bytes) in before {
        assert!(bucket.env.read(&pack) == bytes, "{pack} is other than it was");
    }
    bucket.check("bucket", &[("old", &old), ("new", &new), ("old-2", &old), ("new-2", &new)]);
}

#[test]
fn a_host_without_conditions_is_served() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.server.set_hook(|seen| {
        let is_conditional = ["if-match", "if-none-match"].iter().any(|name| seen.headers.contains_key(*name));
        (is_put(seen) && is_conditional).then(|| Fault::code(501, "NotImplemented"))
    });
    bucket.make("old", &old);
    bucket.make("new", &new);
    bucket.make("gone", &noise("gone", 50_000));
    bucket.env.remove("s3/bucket/gone.rgx");
    let report = bucket.json("gc --grace 0s --store s3://bucket/store");
    assert_eq!(number(&report, "packs_deleted"), 1, "{report}");
    bucket.check("bucket", &[("old", &old), ("new", &new)]);
}
