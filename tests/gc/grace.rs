//! Packs are condemned by one run, and deleted by a later one, after the grace.

use super::*;

#[test]
fn the_first_run_condemns_and_one_after_the_grace_deletes() {
    let site = Site::new();
    let count = site.dropped.len() as u64;
    let first = site.gc("");
    assert_eq!((number(&first, "packs_condemned"), number(&first, "packs_deleted")), (count, 0), "{first}");
    assert_eq!(number(&first, "packs_needed"), site.kept.len() as u64, "{first}");
    assert_eq!(site.env.packs("store").len(), site.kept.len() + site.dropped.len());
    assert_eq!(condemned(&site.env), site.dropped);
    let file = sentences(&site.env);
    assert_eq!(file["format"], 1);
    assert!(file["condemned"].as_array().unwrap().iter().all(|entry| entry["grace"] == 7 * DAY), "{file}");
    // This is too early by an hour.
    age_sentences(&site.env, 7 * DAY - 3600);
    let early = site.gc("");
    let counts = ["packs_condemned", "packs_waiting", "packs_deleted"].map(|key| number(&early, key));
    assert_eq!(counts, [0, count, 0], "{early}");
    age_sentences(&site.env, 3601);
    let second = site.gc("");
    assert_eq!((number(&second, "packs_deleted"), number(&second, "packs_waiting")), (count, 0), "{second}");
    assert!(number(&second, "bytes_deleted") > 600_000, "{second}");
    assert_eq!(site.env.packs("store"), site.kept);
    assert_eq!(sentences(&site.env), json!({"format": 1, "condemned": []}));
    site.check_nothing_is_lost();
    let third = site.gc("");
    assert_eq!(number(&third, "packs"), site.kept.len() as u64, "{third}");
    assert_eq!(number(&third, "packs_deleted"), 0, "{third}");
}

#[test]
fn a_short_grace_is_kept_by_the_clock() {
    let site = Site::new();
    site.gc("--grace 1s");
    assert_eq!(condemned(&site.env), site.dropped);
    std::thread::sleep(Duration::from_millis(2100));
    // A pack is held by the grace that it was condemned with, and by the one that is given now.
    assert_eq!(number(&site.gc("--grace 1h"), "packs_deleted"), 0);
    assert_eq!(number(&site.gc("--grace 1s"), "packs_deleted"), site.dropped.len() as u64);
    assert_eq!(site.env.packs("store"), site.kept);
    site.check_nothing_is_lost();
}

#[test]
fn a_later_run_with_a_shorter_grace_does_not_shorten_the_first_ones() {
    let site = Site::new();
    site.gc("");
    let report = site.gc("--grace 0s");
    assert_eq!(number(&report, "packs_deleted"), 0, "{report}");
    assert_eq!(number(&report, "packs_waiting"), site.dropped.len() as u64, "{report}");
}

#[test]
fn without_grace_one_run_does_both() {
    let site = Site::new();
    let report = site.gc("--grace 0s");
    assert_eq!(number(&report, "packs_condemned"), site.dropped.len() as u64, "{report}");
    assert_eq!(number(&report, "packs_deleted"), site.dropped.len() as u64, "{report}");
    assert_eq!(site.env.packs("store"), site.kept);
    assert_eq!(sentences(&site.env)["condemned"], json!([]));
    site.check_nothing_is_lost();
}
