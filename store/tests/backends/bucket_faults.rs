//! An S3 server that is overloaded or breaks off.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use http::Method;
use regrow_store::{
    BucketOptions, BucketProblem, BucketStore, BucketUrl, Condition, Depth, HttpClient, HttpOptions, ListStore, Meter,
    ObjectKind, PruneStore, PutOutcome, ReadStore, Retry, RetryPolicy, Span, StoreError, WriteStore,
};

use crate::buckets::Bucket;
use crate::s3server::{Fault, Seen};
use crate::support::{client, hasty, options, read, sample};
use crate::writing::{file, names, put, try_put, whole};

/// A policy without a second attempt.
pub(crate) fn once() -> RetryPolicy {
    RetryPolicy { attempts: 1, ..hasty() }
}

fn is_completion(seen: &Seen) -> bool {
    seen.method == Method::POST && seen.uri.query().unwrap_or_default().starts_with("uploadId=")
}

/// Lets `fault` happen to the first `times` requests that `which` picks.
pub(crate) fn first(
    times: usize,
    which: impl Fn(&Seen) -> bool + Send + 'static,
    fault: Fault,
) -> impl FnMut(&Seen) -> Option<Fault> + Send + 'static {
    let mut left = times;
    move |seen| {
        let hit = left > 0 && which(seen);
        left -= usize::from(hit);
        hit.then(|| fault.clone())
    }
}

#[tokio::test]
async fn an_overloaded_server_is_asked_again() {
    for fault in [Fault::code(503, "SlowDown"), Fault::code(500, "InternalError")] {
        let bucket = Bucket::new().await;
        bucket.server.set_hook(move |seen| (seen.number % 3 == 2).then(|| fault.clone()));
        let store = Retry::new(Arc::new(bucket.store("s").await), hasty());
        let inner = Arc::clone(store.inner());
        let object = sample(40 << 20);
        for name in ["a", "b"] {
            put(&*inner, name, b"small", Condition::IfAbsent).await;
            assert_eq!(whole(&store, name).await, "small");
        }
        let large = file(&*inner, &object);
        let outcome = inner.put("large", large, ObjectKind::Immutable, Condition::IfAbsent).await.unwrap();
        assert_eq!(outcome, PutOutcome::Stored);
        assert!(whole(&store, "large").await == object);
        assert!(inner.copy_from(&bucket.store("other").await, "x", ObjectKind::Immutable).await.is_err());
        let all = ["a", "b", "large"].map(str::to_owned);
        assert_eq!(names(&*inner, "", Depth::Tree).await, all);
        assert!(inner.stat("a").await.unwrap().is_some());
        inner.delete(&all).await.unwrap();
        assert!(names(&*inner, "", Depth::Tree).await.is_empty());
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_sent_again() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    let object = sample(300_000);
    bucket.server.set_hook(first(2, |seen| seen.method == Method::PUT, Fault::CutRequest { after: 100_000 }));
    assert_eq!(put(&store, "x", &object, Condition::Always).await, PutOutcome::Stored);
    assert!(whole(&store, "x").await == object);
    let object = sample(40 << 20);
    bucket.server.set_hook(first(3, Seen::is_part, Fault::CutRequest { after: 1 << 20 }));
    let large = file(&store, &object);
    store.put("large", large, ObjectKind::Immutable, Condition::Always).await.unwrap();
    assert!(whole(&store, "large").await == object);
}

#[tokio::test]
async fn an_upload_that_keeps_breaking_off_leaves_nothing() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    bucket.server.set_hook(|seen| (seen.method == Method::PUT).then_some(Fault::CutRequest { after: 100_000 }));
    let error = try_put(&store, "x", &sample(300_000), Condition::Always).await.unwrap_err();
    assert!(matches!(error, StoreError::Network { transient: true, .. }), "{error:?}");
    bucket.server.set_hook(|seen| seen.is_part().then_some(Fault::CutRequest { after: 100_000 }));
    let large = file(&store, &sample(33 << 20));
    let error = store.put("y", large, ObjectKind::Immutable, Condition::Always).await.unwrap_err();
    assert!(matches!(error, StoreError::Network { transient: true, .. }), "{error:?}");
    assert!(error.to_string().starts_with("s3://bucket/y: "), "{error}");
    assert_eq!(bucket.server.counts().delete, 1, "the upload was not aborted");
    bucket.server.clear_hook();
    assert!(names(&store, "", Depth::Tree).await.is_empty());
}

#[tokio::test]
async fn a_lost_answer_to_a_put_is_no_refusal_of_it() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    put(&store, "x", b"one", Condition::Always).await;
    let version = store.get("x", Span::Whole).await.unwrap().version.unwrap();
    let condition = || Condition::IfVersion(version.clone());
    bucket.server.set_hook(first(1, |seen| seen.method == Method::PUT, Fault::LoseAnswer));
    assert_eq!(put(&store, "x", b"two", condition()).await, PutOutcome::Stored);
    assert_eq!(whole(&store, "x").await, "two");
    assert_eq!(put(&store, "x", b"two", condition()).await, PutOutcome::Refused);
    bucket.server.set_hook(first(1, |seen| seen.method == Method::PUT, Fault::code(503, "SlowDown")));
    assert_eq!(put(&store, "x", b"six", condition()).await, PutOutcome::Refused, "it was another's");
    bucket.server.set_hook(first(1, |seen| seen.method == Method::PUT, Fault::LoseAnswer));
    put(&store, "new", b"new", Condition::IfAbsent).await;
    assert_eq!(whole(&store, "new").await, "new");
}

#[tokio::test]
async fn a_lost_answer_to_a_completion_is_found_out() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    let mut completions = 0;
    bucket.server.set_hook(move |seen| {
        completions += usize::from(is_completion(seen));
        match completions {
            1 if is_completion(seen) => Some(Fault::LoseAnswer),
            2 if is_completion(seen) => Some(Fault::code(404, "NoSuchUpload")),
            _ => None,
        }
    });
    let object = sample(33 << 20);
    let large = file(&store, &object);
    let outcome = store.put("x", large, ObjectKind::Immutable, Condition::Always).await.unwrap();
    assert_eq!(outcome, PutOutcome::Stored);
    assert!(whole(&store, "x").await == object);
}

#[tokio::test]
async fn a_refusal_that_pretends_success_is_seen() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    let Fault::Answer { headers, body, .. } = Fault::code(200, "InternalError") else { unreachable!() };
    bucket.server.set_hook(first(1, is_completion, Fault::Answer { status: 200, headers, body }));
    let large = file(&store, &sample(33 << 20));
    store.put("x", large, ObjectKind::Immutable, Condition::Always).await.unwrap();
    let denied =
        "<DeleteResult><Error><Key>x</Key><Code>AccessDenied</Code><Message>No.</Message></Error></DeleteResult>";
    let denied = Fault::Answer { status: 200, headers: Vec::new(), body: denied.to_owned() };
    bucket.server.set_hook(move |_| Some(denied.clone()));
    let error = store.delete(&["x".to_owned()]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "s3://bucket/: access denied: the credentials do not allow s3:DeleteObject (AccessDenied)"
    );
}

#[tokio::test]
async fn hosts_without_conditions_and_bulk_deletion_are_served() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    bucket.server.set_hook(|seen| {
        let is_conditional = ["if-match", "if-none-match"].iter().any(|name| seen.headers.contains_key(*name));
        let is_bulk = seen.method == Method::POST && seen.uri.query() == Some("delete");
        (is_conditional || is_bulk).then(|| Fault::code(501, "NotImplemented"))
    });
    assert_eq!(put(&store, "x", b"one", Condition::IfAbsent).await, PutOutcome::Stored);
    assert_eq!(put(&store, "x", b"two", Condition::IfVersion("\"old\"".to_owned())).await, PutOutcome::Stored);
    assert_eq!(whole(&store, "x").await, "two");
    let large = file(&store, &sample(33 << 20));
    store.put("large", large, ObjectKind::Immutable, Condition::IfAbsent).await.unwrap();
    store.delete(&["x", "large", "absent"].map(str::to_owned)).await.unwrap();
    assert!(names(&store, "", Depth::Tree).await.is_empty());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_continued() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    let object = sample(500_000);
    put(&store, "x", &object, Condition::Always).await;
    bucket.server.set_hook(first(1, |seen| seen.method == Method::GET, Fault::CutAnswer { after: 200_000 }));
    let error = read(&store, "x", Span::Whole).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let text = error.to_string();
    assert!(text.starts_with("s3://bucket/x: the connection broke: "), "{text}");
    bucket.server.set_hook(first(1, |seen| seen.method == Method::GET, Fault::CutAnswer { after: 200_000 }));
    assert!(whole(&Retry::new(store, hasty()), "x").await == object);
}

#[tokio::test]
async fn a_silent_server_is_left() {
    let bucket = Bucket::new().await;
    let url = BucketUrl::parse("s3://bucket/s").unwrap().unwrap();
    let store = BucketStore::open(&url, &bucket.options(), client(), Meter::new(), once()).await.unwrap();
    bucket.server.set_hook(|_| Some(Fault::Silence));
    let error = read(&store, "x", Span::Whole).await.unwrap_err();
    assert_eq!(error.to_string(), "s3://bucket/s/x: no answer for 300ms");
    let error = try_put(&store, "x", b"bytes", Condition::Always).await.unwrap_err();
    assert_eq!(error.to_string(), "s3://bucket/s/x: no answer for 300ms");
    let options = BucketOptions { endpoint: Some("http://127.0.0.1:1".to_owned()), ..bucket.options() };
    let store = BucketStore::open(&url, &options, client(), Meter::new(), once()).await.unwrap();
    let error = read(&store, "x", Span::Whole).await.unwrap_err();
    assert_eq!(error.to_string(), "s3://bucket/s/x: connection refused");
}

#[tokio::test]
async fn an_early_refusal_is_heard() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    let Fault::Answer { status, body, .. } = Fault::code(403, "AccessDenied") else { unreachable!() };
    bucket.server.set_hook(move |_| Some(Fault::AnswerEarly { status, body: body.clone() }));
    let error = try_put(&store, "x", &sample(20 << 20), Condition::Always).await.unwrap_err();
    assert!(matches!(error, StoreError::Bucket { problem: BucketProblem::Denied, .. }), "{error:?}");
}

#[tokio::test]
async fn a_reader_may_take_its_time() {
    let bucket = Bucket::new().await;
    put(&bucket.store("").await, "x", &sample(8 << 20), Condition::Always).await;
    let url = BucketUrl::parse("s3://bucket").unwrap().unwrap();
    let stall_timeout = Duration::from_secs(1);
    let client = HttpClient::new(HttpOptions { stall_timeout, ..options() }).unwrap();
    let store = BucketStore::open(&url, &bucket.options(), client, Meter::new(), once()).await.unwrap();
    let mut download = store.get("x", Span::Whole).await.unwrap();
    let mut bytes = download.body.next().await.unwrap().unwrap().len();
    tokio::time::sleep(stall_timeout + stall_timeout / 2).await;
    while let Some(piece) = download.body.next().await {
        bytes += piece.unwrap().len();
    }
    assert_eq!(bytes, 8 << 20);
}

#[tokio::test]
async fn who_may_only_write_can_put_large_objects() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    bucket.server.set_hook(|seen| (seen.method == Method::HEAD).then(|| Fault::code(403, "AccessDenied")));
    let large = || file(&store, &sample(33 << 20));
    let kind = ObjectKind::Immutable;
    assert_eq!(store.put("x", large(), kind, Condition::IfAbsent).await.unwrap(), PutOutcome::Stored);
    // The host enforces the condition at the completion.
    assert_eq!(store.put("x", large(), kind, Condition::IfAbsent).await.unwrap(), PutOutcome::Refused);
    assert_eq!(
        store.put("y", large(), kind, Condition::IfVersion("\"1\"".to_owned())).await.unwrap(),
        PutOutcome::Refused
    );
}

#[tokio::test]
async fn odd_keys_of_others_are_passed_over() {
    let bucket = Bucket::new().await;
    let store = bucket.store("s").await;
    let entry = |key: &str| {
        format!(
            "<Contents><Key>{key}</Key><Size>1</Size><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>"
        )
    };
    let entries: String = ["s/", "s/a", "s//b", "s/c/../d", "s/e&amp;f", "s/g\\h", "sx/i"].map(entry).concat();
    let body = format!(
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
    );
    bucket.server.set_hook(move |_| Some(Fault::Answer { status: 200, headers: Vec::new(), body: body.clone() }));
    assert_eq!(names(&store, "", Depth::Tree).await, ["a", "e&f"]);
}
