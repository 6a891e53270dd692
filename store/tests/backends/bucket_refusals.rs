//! An S3 server that refuses: each refusal has one clear line.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use regrow_store::{
    BucketCredentials, BucketOptions, BucketProblem, BucketStore, BucketUrl, Condition, Depth, ListStore, Meter,
    PruneStore, Span, StoreError,
};

use crate::bucket_faults::{first, once};
use crate::buckets::{Bucket, keys, patient};
use crate::s3server::{Fault, SECRET_KEY};
use crate::support::{hasty, read};
use crate::writing::{put, try_put, whole};

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
            assert_eq!(line(Fault::code(status, code), writes).await, (problem.clone(), text.clone()));
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
        (BucketProblem::Region { region: Some("eu-west-1".to_owned()) }, format!("{text} ({code})"))
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
    let text = "the host sends the request elsewhere (HTTP 307): the bucket \"bucket\" is not in the region us-east-1";
    assert_eq!(line(temporary, false).await, (BucketProblem::Region { region: None }, text.to_owned()));
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
