//! The number of requests that commands make, counted at the server.

use std::fs::File;
use std::time::{Duration, SystemTime};

use http::Method;

use super::{Bucket, is_pack, is_put};
use crate::report::number;
use crate::s3server::Seen;
use regrow_demo::{noise, versions};

/// The numbers of requests that write, and of those that read.
fn paid(requests: &[Seen]) -> (usize, usize) {
    let writes = requests.iter().filter(|seen| matches!(seen.method, Method::PUT | Method::POST)).count();
    (writes, requests.len() - writes)
}

fn pack_reads(requests: &[Seen]) -> usize {
    requests.iter().filter(|seen| is_pack(seen) && seen.method == Method::GET).count()
}

fn lists(requests: &[Seen]) -> usize {
    requests.iter().filter(|seen| seen.is_list()).count()
}

#[test]
fn an_update_takes_few_and_the_index_comes_last() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.env.write("old", &old);
    bucket.env.write("new", &new);
    let (_, first) = bucket.requests_of(|| bucket.run("make --avg-size 1KiB s3://bucket/old.rgx old").success());
    assert_eq!(first.iter().filter(|seen| is_put(seen) && seen.uri.path().ends_with("regrow.json")).count(), 1);
    let make = "make --catalog fresh --like s3://bucket/old.rgx s3://bucket/new.rgx new";
    let (report, requests) = bucket.requests_of(|| bucket.json(make));
    let (writes, reads) = paid(&requests);
    assert!(writes <= 12 && reads <= 12, "{writes} and {reads}: {requests:#?}");
    assert_eq!(
        (number(&report, "requests"), number(&report, "requests_write")),
        ((writes + reads) as u64, writes as u64)
    );
    assert_eq!(lists(&requests), 0);
    let puts: Vec<&str> = requests.iter().filter(|seen| is_put(seen)).map(|seen| seen.uri.path()).collect();
    let (last, packs) = puts.split_last().unwrap();
    assert_eq!(*last, "/bucket/new.rgx");
    assert!(!packs.is_empty() && packs.iter().all(|path| path.ends_with(".pack")), "{puts:?}");
    bucket.check("bucket", &[("old", &old), ("new", &new)]);
}

#[test]
fn what_many_packs_hold_is_learnt_once() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    bucket.make("old", &old);
    let packs = bucket.packs("bucket").len();
    assert!(packs > 4);
    bucket.env.write("new", &new);
    let make = |name: &str, catalog: &str| {
        let command = format!("make --catalog {catalog} --pack-size 100KiB s3://bucket/{name}.rgx new");
        bucket.requests_of(|| bucket.json(&command))
    };
    let (_, requests) = make("new", "kept");
    assert_eq!((lists(&requests), pack_reads(&requests)), (1, packs), "{requests:#?}");
    let added = bucket.packs("bucket").len() - packs;
    // Packs that this machine wrote are read too, once.
    let (report, requests) = make("again", "kept");
    assert_eq!((lists(&requests), pack_reads(&requests)), (1, added), "{requests:#?}");
    assert_eq!(number(&report, "chunks_new"), 0, "{report}");
    let (_, requests) = make("once-more", "kept");
    assert_eq!((lists(&requests), pack_reads(&requests)), (1, 0), "{requests:#?}");
    bucket.check("bucket", &[("again", &new), ("once-more", &new)]);
}

#[test]
fn many_packs_are_not_all_read() {
    let (old, new) = versions();
    let bucket = Bucket::new();
    let make = |arguments: &str| bucket.requests_of(|| bucket.json(&format!("make --avg-size 1KiB {arguments}")));
    bucket.env.write("old", &old);
    bucket.env.write("new", &new);
    make("s3://bucket/old.rgx old");
    bucket.copy("bucket", "large");
    bucket.env.write("tiny", &noise("tiny packs", 700_000));
    make("--pack-size 1KiB s3://large/tiny.rgx tiny");
    let packs = bucket.packs("large").len();
    assert!(packs > 560, "{packs}");
    // Everything similar to the image is found by its index, however much else there is.
    let (_, small) = make("--catalog c1 --like s3://bucket/old.rgx s3://bucket/new.rgx new");
    let (_, large) = make("--catalog c2 --like s3://large/old.rgx s3://large/new.rgx new");
    assert_eq!(paid(&small), paid(&large), "{large:#?}");
    // Without it some packs are looked at: 512, and those that are under way meanwhile.
    let (_, requests) = make("--catalog c3 s3://large/other.rgx new");
    let (reads, lists) = (pack_reads(&requests), lists(&requests));
    assert!((1..=512 + 32).contains(&reads) && lists <= 2, "{reads} and {lists} of {packs}");
    // A release of the same name finds its earlier packs, although there are newer ones.
    let (report, requests) = make("--catalog c4 s3://large/tiny.rgx new");
    assert!(pack_reads(&requests) <= 512 + 32);
    assert!(number(&report, "chunks") > 0);
    bucket.check("large", &[("old", &old), ("new", &new), ("other", &new), ("tiny", &new)]);
}

#[test]
fn a_release_reads_what_the_last_ones_name() {
    let bucket = Bucket::new();
    bucket.env.write("tiny", &noise("older packs", 100_000));
    bucket.run("make --avg-size 1KiB --pack-size 1KiB s3://bucket/tiny.rgx tiny").success();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for name in bucket.packs("bucket").iter().map(String::as_str).chain(["s3/bucket/tiny.rgx"]) {
        File::options().append(true).open(bucket.env.path(name)).unwrap().set_modified(hour_ago).unwrap();
    }
    let older = bucket.packs("bucket").len();
    assert!(older > 80, "{older}");
    let mut image = noise("a release", 30_000);
    let mut release = |number: usize| {
        image[number * 3000..][..100].fill(number as u8);
        bucket.env.write("app", &image);
        let make = format!("make --catalog fresh-{number} s3://bucket/app-{number}.rgx app");
        let (_, requests) = bucket.requests_of(|| bucket.json(&make));
        let index_reads = |seen: &&Seen| seen.method == Method::GET && seen.uri.path().ends_with(".rgx");
        (lists(&requests), pack_reads(&requests), requests.iter().filter(index_reads).count())
    };
    // The first release might be like any image, so all is read.
    assert!(release(0).1 >= older);
    for number in 1..9 {
        let (lists, packs, indexes) = release(number);
        assert_eq!(lists, 2);
        // The other image is one of the four newest until then, so its packs are read as well.
        if number < 4 {
            continue;
        }
        // 32 older packs, and no more than two for each release.
        assert!((1..=32 + 2 * number).contains(&packs), "{number}: {packs} of {older}");
        // One more is asked for because it would be replaced.
        assert!((2..=8 + 1).contains(&indexes), "{number}: {indexes}");
    }
}

#[test]
fn a_first_release_is_like_none() {
    let (old, _) = versions();
    let bucket = Bucket::new();
    bucket.env.write("old", &old);
    let outcome = bucket.run("make --like s3://bucket/absent.rgx s3://bucket/old.rgx old").success();
    assert!(outcome.stderr.contains("regrow: warning: s3://bucket/absent.rgx: not found"), "{}", outcome.stderr);
    bucket.check("bucket", &[("old", &old)]);
}
