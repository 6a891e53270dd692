//! The contents of reports, whose numbers must fit together.

use serde_json::Value;

const MAKE_KEYS: [&str; 10] = [
    "image_bytes",
    "image_id",
    "image_digest",
    "chunks",
    "chunks_new",
    "bytes_new",
    "bytes_stored",
    "packs_written",
    "index_bytes",
    "seconds",
];

const EXTRACT_KEYS: [&str; 14] = [
    "image_bytes",
    "image_digest",
    "bytes_fetched",
    "requests",
    "chunks",
    "chunks_resumed",
    "chunks_seed",
    "chunks_patch",
    "chunks_cache",
    "chunks_store",
    "bytes_seed",
    "bytes_patch",
    "bytes_store",
    "seconds",
];

/// A whole number in a report.
#[track_caller]
pub(crate) fn number(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("{key} is not a whole number in {report}"))
}

#[track_caller]
fn check_common(report: &Value, keys: &[&str], image: &[u8]) {
    for key in keys {
        assert!(report.get(key).is_some(), "{key} is missing in {report}");
    }
    assert_eq!(number(report, "image_bytes"), image.len() as u64);
    assert_eq!(report["image_digest"], blake3::hash(image).to_string());
    assert!(report["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{report}");
}

/// Checks the report of a make of `image`.
#[track_caller]
pub(crate) fn check_make(report: &Value, image: &[u8]) {
    check_common(report, &MAKE_KEYS, image);
    assert!(report["image_id"].as_str().is_some_and(|id| id.len() == 64), "{report}");
    assert!(number(report, "chunks_new") <= number(report, "chunks"), "{report}");
    assert_eq!(number(report, "chunks") == 0, image.is_empty(), "{report}");
    assert!(number(report, "index_bytes") > 0, "{report}");
}

/// Checks the report of an extract of `image`.
#[track_caller]
pub(crate) fn check_extract(report: &Value, image: &[u8]) {
    check_common(report, &EXTRACT_KEYS, image);
    let parts = ["chunks_resumed", "chunks_seed", "chunks_patch", "chunks_cache", "chunks_store"];
    let parts = parts.map(|key| number(report, key));
    assert_eq!(parts.iter().sum::<u64>(), number(report, "chunks"), "{report}");
    for (chunks, bytes) in
        [("chunks_seed", "bytes_seed"), ("chunks_patch", "bytes_patch"), ("chunks_store", "bytes_store")]
    {
        assert_eq!(number(report, chunks) == 0, number(report, bytes) == 0, "{report}");
    }
}
