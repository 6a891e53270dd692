//! Buckets with rules of their own: objects that are locked by default.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use regrow_store::{Condition, ObjectKind, PutOutcome, ReadStore, Span, WriteStore};

use crate::buckets::Bucket;
use crate::s3server::{Fault, Seen};
use crate::support::sample;
use crate::writing::{file, put, whole};

/// Refuses the same requests as a bucket with a default retention: objects and parts without a checksum.
fn locked(seen: &Seen) -> Option<Fault> {
    let is_copy = seen.headers.contains_key("x-amz-copy-source");
    let is_checked = |name: &str| name == "content-md5" || name.starts_with("x-amz-checksum-");
    let has_checksum = seen.headers.keys().any(|name| is_checked(name.as_str()));
    (seen.method == Method::PUT && !is_copy && !has_checksum).then(|| Fault::code(400, "InvalidRequest"))
}

#[tokio::test]
async fn objects_go_into_a_bucket_that_locks_them() {
    let bucket = Bucket::new().await;
    bucket.server.set_hook(locked);
    let store = bucket.store("s").await;
    assert_eq!(put(&store, "small", b"small", Condition::IfAbsent).await, PutOutcome::Stored);
    let version = store.get("small", Span::Whole).await.unwrap().version.unwrap();
    let replaced = put(&store, "small", b"other", Condition::IfVersion(version)).await;
    assert_eq!(replaced, PutOutcome::Stored);
    let object = sample((33 << 20) + 5);
    let large = file(&store, &object);
    let outcome = store.put("large", large, ObjectKind::Immutable, Condition::IfAbsent).await.unwrap();
    assert_eq!(outcome, PutOutcome::Stored);
    assert!(whole(&store, "large").await == object);
    assert!(bucket.store("t").await.copy_from(&store, "small", ObjectKind::Immutable).await.unwrap());
    // Each checksum must match the bytes that were sent.
    let checksum = |bytes: &[u8]| STANDARD.encode(md5::compute(bytes).0);
    let mut sent: Vec<String> = bucket
        .server
        .requests()
        .iter()
        .filter_map(|seen| Some(seen.headers.get("content-md5")?.to_str().unwrap().to_owned()))
        .collect();
    let parts = object.chunks(16 << 20).map(checksum);
    let mut expected: Vec<String> = [checksum(b"small"), checksum(b"other")].into_iter().chain(parts).collect();
    sent.sort();
    expected.sort();
    assert_eq!(sent, expected);
}
