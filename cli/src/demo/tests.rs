//! The whole demo on a small pair.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use regrow_sync::NoProgress;

use super::*;

fn run_small() -> DemoReport {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = regrow_demo::shop::write_pair_scaled(folder.path(), 3).unwrap();
    run(folder.path(), &Images { old, new }, RequestLog::Off, &NoProgress).unwrap()
}

#[test]
fn it_ships_little_and_the_counts_agree() {
    let report = run_small();
    report.check().unwrap();
    assert!(report.is_identical);
    assert!(report.served.body_bytes < report.update.image_bytes / 5, "{:?}", report.served);
    assert!(report.served.body_bytes < report.whole.bytes_fetched);
    let update = &report.update;
    assert!(update.bytes_seed + update.bytes_patch + update.bytes_store >= update.image_bytes);
    assert_eq!(update.chunks_seed + update.chunks_patch + update.chunks_store, update.chunks);
    assert!(update.chunks_patch > 0 && report.served.requests == 2, "{:?}", report.served);
    assert!(report.served.body_bytes < report.as_chunks.bytes_fetched / 3, "{:?}", report.as_chunks);
    let table = report.table();
    assert!(table.contains("byte for byte") && table.lines().all(|line| line.chars().count() <= 100), "{table}");
}

#[test]
fn a_wrong_result_or_count_is_a_failure() {
    let mut report = run_small();
    report.served.requests += 1;
    report.check().unwrap_err();
    report.served.requests -= 1;
    report.is_identical = false;
    report.check().unwrap_err();
    assert!(report.table().contains("NOT the new image"));
}
