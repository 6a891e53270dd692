//! An S3 server that is overloaded, breaks off, or refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;
use http::Method;
use regrow_store::{
    BucketCredentials, BucketOptions, BucketProblem, BucketStore, BucketUrl, Condition, Depth, HttpClient, HttpOptions,
    ListStore, Meter, ObjectKind, PruneStore, PutOutcome, ReadStore, Retry, RetryPolicy, Span, StoreError, WriteStore,
};

use crate::buckets::{Bucket, keys, patient};
use crate::s3server::{Fault, SECRET_KEY, Seen};
use crate::support::{client, hasty, options, read, sample};
use crate::writing::{file, names, put, try_put, whole};

/// A policy without a second attempt.
fn once() -> RetryPolicy {
    RetryPolicy { attempts: 1, ..hasty() }
}

fn is_completion(seen: &Seen) -> bool {
    seen.method == Method::POST && seen.uri.query().unwrap_or_default().starts_with("uploadId=")
}

/// Lets `fault` happen to the first `times` requests that `which` picks.
fn first(
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

/// The line for a refusal, when `x` is read or written.
async fn line(fault: Fault, writes: bool) -> (BucketProblem, String) {
    let bucket = Bucket::new().await;
    let store = bucket.store("s").await;
    bucket.server.set_hook(move |_| Some(fault.clone()));
    let error = match writes {
        true => try_put(&store, "x", b"bytes", Condition::Always).await.unwrap_err(),
        false => read(&store, "x", Span::Whole).await.unwrap_err(),
    };
    assert!(!error.is_transient() && !error.is_not_found(), "{error:?}");
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains(SECRET_KEY), "{text}");
    match error {
        StoreError::Bucket { problem, .. } => (problem, text.strip_prefix("s3://bucket/s/x: ").unwrap().to_owned()),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn each_refusal_has_its_line() {
    use BucketProblem as P;
    let keys = "check the access key and its secret";
    let cases = [
        (
            403,
            "InvalidAccessKeyId",
            P::WrongCredentials,
            format!("the host does not accept the credentials (InvalidAccessKeyId): {keys}"),
        ),
        (
            403,
            "SignatureDoesNotMatch",
            P::WrongCredentials,
            format!("the host does not accept the credentials (SignatureDoesNotMatch): {keys}"),
        ),
        (
            400,
            "ExpiredToken",
            P::ExpiredCredentials,
            "the credentials have expired (ExpiredToken): renew them, for instance with `aws sso login`".to_owned(),
        ),
        (404, "NoSuchBucket", P::NoBucket, "there is no bucket \"bucket\" at this endpoint (NoSuchBucket)".to_owned()),
        (
            403,
            "RequestTimeTooSkewed",
            P::Clock,
            "the clock of this computer differs too much from the host's (RequestTimeTooSkewed): set it right"
                .to_owned(),
        ),
    ];
    for (status, code, problem, text) in cases {
        for writes in [false, true] {
            assert_eq!(line(Fault::code(status, code), writes).await, (problem, text.clone()));
        }
    }
    let (problem, text) = line(Fault::code(403, "AccessDenied"), true).await;
    assert_eq!(problem, P::Denied);
    assert_eq!(text, "access denied: the credentials do not allow s3:PutObject (AccessDenied)");
}

#[tokio::test]
async fn a_bucket_elsewhere_is_named_with_its_region() {
    let region = |status, code: &str| {
        let body = format!("<Error><Code>{code}</Code><Message>m</Message><Region>eu-west-1</Region></Error>");
        Fault::Answer { status, headers: Vec::new(), body }
    };
    let expected = |code| {
        let text = "the bucket \"bucket\" is in the region eu-west-1, not us-east-1";
        (BucketProblem::Region, format!("{text} ({code}): give `--region eu-west-1`"))
    };
    let malformed = region(400, "AuthorizationHeaderMalformed");
    assert_eq!(line(malformed, false).await, expected("AuthorizationHeaderMalformed"));
    let headers = vec![("x-amz-bucket-region", "eu-west-1".to_owned())];
    let Fault::Answer { body, .. } = Fault::code(301, "PermanentRedirect") else { unreachable!() };
    let moved = Fault::Answer { status: 301, headers: headers.clone(), body };
    assert_eq!(line(moved, true).await, expected("PermanentRedirect"));
    let bare = Fault::Answer { status: 400, headers, body: String::new() };
    assert_eq!(line(bare, false).await, expected("HTTP 400"));
    let headers = vec![("location", "http://elsewhere.example/".to_owned())];
    let temporary = Fault::Answer { status: 307, headers, body: String::new() };
    let text = "the host sends the request elsewhere (HTTP 307): the bucket \"bucket\" is not in the region us-east-1; \
                give its own with `--region`, or its endpoint";
    assert_eq!(line(temporary, false).await, (BucketProblem::Region, text.to_owned()));
}

#[tokio::test]
async fn a_missing_right_is_not_taken_for_a_missing_object() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    put(&store, "x", b"bytes", Condition::Always).await;
    let denied = || Some(Fault::code(403, "AccessDenied"));
    bucket.server.set_hook(move |_| denied());
    let error = read(&store, "x", Span::Whole).await.unwrap_err();
    assert!(matches!(error, StoreError::Bucket { problem: BucketProblem::Denied, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "s3://bucket/x: access denied: the credentials do not allow s3:GetObject (AccessDenied); where the object may \
         be missing, allow listing too, so that the host can say so"
    );
    assert!(store.stat("x").await.is_err());
    // A reader that has read something has the right to read, so then the object must be missing.
    bucket.server.clear_hook();
    whole(&store, "x").await;
    bucket.server.set_hook(move |_| denied());
    let error = read(&store, "y", Span::Whole).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { status: Some(403), .. }), "{error:?}");
    assert_eq!(error.to_string(), "s3://bucket/y: not found, or not allowed to be read (HTTP 403)");
    assert_eq!(store.stat("y").await.unwrap(), None);
    let error = store.list_error().await;
    assert_eq!(
        error.to_string(),
        "s3://bucket/: access denied: the credentials do not allow s3:ListBucket (AccessDenied)"
    );
}

trait ListError {
    async fn list_error(&self) -> StoreError;
}

impl ListError for BucketStore {
    async fn list_error(&self) -> StoreError {
        use futures::TryStreamExt;
        self.list("", Depth::Tree).try_collect::<Vec<_>>().await.unwrap_err()
    }
}

#[tokio::test]
async fn without_credentials_only_public_buckets_are_read() {
    let bucket = Bucket::new().await;
    let store = bucket.store_with("", BucketCredentials::Anonymous, hasty()).await;
    let none = "no AWS credentials were found (environment, ~/.aws, instance role)";
    let error = read(&store, "x", Span::Whole).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("s3://bucket/x: {none}: s3:GetObject is not allowed without any (AccessDenied)")
    );
    let before = bucket.server.requests().len();
    let error = try_put(&store, "x", b"bytes", Condition::Always).await.unwrap_err();
    assert_eq!(error.to_string(), format!("s3://bucket/x: {none}: s3:PutObject is not allowed without any"));
    let error = store.delete(&["x".to_owned()]).await.unwrap_err();
    assert!(matches!(error, StoreError::Bucket { problem: BucketProblem::NoCredentials, .. }), "{error:?}");
    assert_eq!(bucket.server.requests().len(), before, "it was tried all the same");
    let public = Fault::Answer { status: 200, headers: Vec::new(), body: "public".to_owned() };
    bucket.server.set_hook(move |_| Some(public.clone()));
    assert_eq!(whole(&store, "x").await, "public");
    assert!(bucket.server.requests().iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[tokio::test]
async fn wrong_keys_are_refused_by_the_server_itself() {
    let bucket = Bucket::new().await;
    let wrong = BucketCredentials::Keys { id: "AKIDTEST".to_owned(), secret: "wrong".to_owned(), token: None };
    assert!(!format!("{wrong:?}").contains("wrong"));
    let store = bucket.store_with("", wrong, hasty()).await;
    let error = read(&store, "x", Span::Whole).await.unwrap_err();
    assert!(matches!(error, StoreError::Bucket { problem: BucketProblem::WrongCredentials, .. }), "{error:?}");
}

#[tokio::test]
async fn expired_credentials_are_asked_for_anew_once() {
    let bucket = Bucket::new().await;
    let store = bucket.store("").await;
    put(&store, "x", b"bytes", Condition::Always).await;
    bucket.server.set_hook(first(1, |_| true, Fault::code(400, "ExpiredToken")));
    assert_eq!(whole(&store, "x").await, "bytes");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    bucket.server.set_hook(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Some(Fault::code(400, "ExpiredToken"))
    });
    assert!(read(&store, "x", Span::Whole).await.is_err());
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    // The answer to a HEAD has no body for the reason, so the store finds it out with another request.
    let error = store.stat("x").await.unwrap_err();
    assert!(matches!(error, StoreError::Bucket { problem: BucketProblem::ExpiredCredentials, .. }), "{error:?}");
}

#[tokio::test]
async fn other_refusals_keep_their_code() {
    let bucket = Bucket::new().await;
    let store = bucket.store_with("", keys(), once()).await;
    bucket.server.set_hook(|_| Some(Fault::code(400, "KeyTooLongError")));
    let error = read(&store, "x", Span::Whole).await.unwrap_err();
    assert_eq!(error.to_string(), "s3://bucket/x: the server answered HTTP 400 KeyTooLongError: Said so.");
    let Fault::Answer { body, .. } = Fault::code(503, "SlowDown") else { unreachable!() };
    let busy = Fault::Answer { status: 503, headers: vec![("retry-after", "7".to_owned())], body };
    bucket.server.set_hook(move |_| Some(busy.clone()));
    let error = read(&store, "x", Span::Whole).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn endpoints_must_be_urls() {
    for endpoint in ["localhost:9000", "ftp://host/", "nonsense"] {
        let options =
            BucketOptions { endpoint: Some(endpoint.to_owned()), credentials: keys(), ..BucketOptions::default() };
        let url = BucketUrl::parse("s3://bucket/x").unwrap().unwrap();
        let error = BucketStore::open(&url, &options, patient(), Meter::new(), once()).await.unwrap_err();
        assert!(matches!(error, StoreError::InvalidOption { .. }), "{error:?}");
    }
}
