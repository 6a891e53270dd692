//! Servers that answer wrongly.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use regrow_store::{HttpClient, HttpOptions, HttpStore, Meter, Span, StoreError};

use crate::server::{Reply, Server};
use crate::support::{bytes, client, http_store, options, read, sample};

/// The error of reading `span` of `x` if the server gives `reply`.
pub(crate) async fn error_of(reply: Reply, span: Span) -> StoreError {
    let server = Server::script(vec![reply]).await;
    let (store, meter) = http_store(&server);
    let error = bytes(&store, span).await.unwrap_err();
    assert_eq!(meter.requests(), 1);
    assert!(error.to_string().starts_with(&format!("{}/x: ", server.url())), "{error}");
    error
}

async fn protocol_error(reply: Reply, span: Span) -> String {
    match error_of(reply, span).await {
        error @ (StoreError::Protocol { .. } | StoreError::Short { .. }) => error.to_string(),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn each_status_has_its_error() {
    for status in [403, 404, 410] {
        let error = error_of(Reply::bare(status), Span::Whole).await;
        assert!(matches!(error, StoreError::NotFound { status: Some(s), .. } if s == status));
    }
    let error = error_of(Reply::bare(401), Span::Range(0..1)).await;
    assert!(matches!(error, StoreError::Denied { status: 401, .. }));
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let error = error_of(Reply::bare(status), Span::Suffix(9)).await;
        assert!(matches!(error, StoreError::Status { status: s, .. } if s == status));
        assert!(error.is_transient(), "{status}");
    }
    for status in [204, 304, 400, 418] {
        let error = error_of(Reply::status(status).header("Connection", "close").close(), Span::Whole).await;
        assert!(matches!(error, StoreError::Status { status: s, .. } if s == status));
        assert!(!error.is_transient(), "{status}");
    }
}

/// A refusal in the form that buckets send.
fn refusal(status: u16, code: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>No.</Message></Error>");
    let head = Reply::status(status).header("Content-Type", "application/xml; charset=utf-8");
    head.header("Transfer-Encoding", "chunked").chunk(body.as_bytes()).chunk(b"")
}

#[tokio::test]
async fn refused_credentials_are_told_from_absent_objects() {
    for (status, code) in [(400, "ExpiredToken"), (403, "SignatureDoesNotMatch"), (403, "AuthenticationFailed")] {
        let error = error_of(refusal(status, code), Span::Range(0..1)).await;
        assert!(matches!(error, StoreError::Refused { status: s, .. } if s == status), "{error:?}");
        assert!(error.to_string().contains(code) && !error.is_transient(), "{error}");
    }
    let server = Server::script(vec![refusal(403, "ExpiredToken")]).await;
    let url = format!("{}/x?Signature=abc", server.url());
    let error = client().get_url(&url, None, 10, &Meter::new()).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused { .. }) && !error.to_string().contains("abc"), "{error:?}");
}

#[tokio::test]
async fn archived_objects_are_named_as_such() {
    for (status, code) in [(403, "InvalidObjectState"), (409, "BlobArchived"), (409, "BlobBeingRehydrated")] {
        let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>No.</Message></Error>");
        let reply = Reply::status(status).header("Content-Type", "application/xml");
        let error = error_of(reply.header("Content-Length", body.len()).send(body.as_bytes()), Span::Whole).await;
        assert!(error.is_archived() && error.to_string().contains(code), "{error}");
    }
}

#[tokio::test]
async fn refusals_that_tell_nothing_stay_what_they_are() {
    let xml = |status| Reply::status(status).header("Content-Type", "application/xml");
    let long = vec![b' '; 5000];
    let silent = [
        refusal(403, "AccessDenied"),
        refusal(404, "ExpiredToken"),
        xml(403).header("Content-Length", 5000).send(&long),
        xml(403).header("Transfer-Encoding", "chunked").chunk(&long).chunk(b""),
        xml(403).header("Content-Length", 100).hang(),
        xml(403).header("Content-Length", 100).close(),
    ];
    for reply in silent {
        let error = error_of(reply, Span::Whole).await;
        assert!(error.is_not_found(), "{error:?}");
    }
}

#[tokio::test]
async fn retry_after_is_read_as_seconds_and_as_a_date() {
    let busy = Reply::bare(503).header("Retry-After", "7");
    let error = error_of(busy, Span::Whole).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    let past = Reply::bare(429).header("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(error_of(past, Span::Whole).await.retry_after(), Some(Duration::ZERO));
    let far = Reply::bare(429).header("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT");
    let wait = error_of(far, Span::Whole).await.retry_after().unwrap();
    assert!(SystemTime::now().checked_add(wait).is_some() && wait > Duration::from_secs(1 << 32));
    let odd = Reply::bare(429).header("Retry-After", "later");
    assert_eq!(error_of(odd, Span::Whole).await.retry_after(), None);
}

#[tokio::test]
async fn a_whole_answer_to_a_range_is_used() {
    let object = sample(100_000);
    for (span, range) in [
        (Span::Range(0..10), 0..10),
        (Span::Range(40_000..50_000), 40_000..50_000),
        (Span::Range(99_999..100_000), 99_999..100_000),
        (Span::Suffix(96), 99_904..100_000),
        (Span::Suffix(200_000), 0..100_000),
    ] {
        let server = Server::script(vec![Reply::ok(&object)]).await;
        let (store, meter) = http_store(&server);
        let (download, bytes) = read(&store, "x", span.clone()).await.unwrap();
        assert_eq!(download.range, range, "{span:?}");
        assert_eq!(download.object_bytes, Some(100_000));
        assert!(bytes == object[range.start as usize..range.end as usize], "{span:?}");
        assert_eq!(meter.requests(), 1);
        assert!(meter.body_bytes() >= range.end && meter.body_bytes() <= 100_000);
    }
}

#[tokio::test]
async fn a_whole_answer_is_left_when_the_range_is_complete() {
    let object = sample(1000);
    // The other gigabyte never comes, so waiting for it would be a stall.
    let head = Reply::status(200).header("Content-Length", 1 << 30);
    let server = Server::script(vec![head.send(&object).hang(), Reply::ok(b"next")]).await;
    let (patience, meter) = (Duration::from_secs(60), Meter::new());
    let patient = HttpOptions { stall_timeout: patience, min_rate_window: patience, ..options() };
    let store = HttpStore::new(&server.url(), HttpClient::new(patient).unwrap(), Arc::clone(&meter)).unwrap();
    let begun = Instant::now();
    assert_eq!(bytes(&store, Span::Range(100..200)).await.unwrap(), object[100..200]);
    assert!(begun.elapsed() < patience, "it waited for bytes that it does not want");
    assert_eq!(meter.body_bytes(), 1000);
    assert_eq!(bytes(&store, Span::Whole).await.unwrap(), "next");
}

#[tokio::test]
async fn a_whole_answer_that_is_too_short_for_the_range_is_refused() {
    let reason = protocol_error(Reply::ok(&sample(50)), Span::Range(40..60)).await;
    assert!(reason.contains("shorter than expected: it has 50 bytes"), "{reason}");
}

#[tokio::test]
async fn answers_without_length_work() {
    let object = sample(5000);
    let chunked = || {
        let head = Reply::status(200).header("Transfer-Encoding", "chunked");
        head.chunk(&object[..1000]).chunk(&object[1000..]).chunk(b"")
    };
    let closed = || Reply::status(200).header("Connection", "close").send(&object).close();
    for reply in [chunked(), closed()] {
        for (span, range) in
            [(Span::Whole, 0..5000), (Span::Range(900..1100), 900..1100), (Span::Suffix(96), 4904..5000)]
        {
            let server = Server::script(vec![reply.clone()]).await;
            let (store, meter) = http_store(&server);
            let (download, bytes) = read(&store, "x", span).await.unwrap();
            // Only the needed part of a range is read, so the size remains unknown.
            let size = (range != (900..1100)).then_some(5000);
            assert_eq!((download.range, download.object_bytes), (range.clone(), size));
            assert!(bytes == object[range.start as usize..range.end as usize]);
            assert!(meter.body_bytes() >= range.end && meter.body_bytes() <= 5000);
        }
    }
    let reason = protocol_error(chunked(), Span::Range(0..5001)).await;
    assert!(reason.contains("shorter than expected: it has 5000 bytes"), "{reason}");
}

#[tokio::test]
async fn a_chunked_part_works_and_may_not_be_longer_or_shorter() {
    let object = sample(100);
    let head = || {
        let head = Reply::status(206).header("Content-Range", "bytes 10-19/100");
        head.header("Transfer-Encoding", "chunked")
    };
    let server = Server::script(vec![head().chunk(&object[10..20]).chunk(b"")]).await;
    let (store, _) = http_store(&server);
    assert_eq!(bytes(&store, Span::Range(10..20)).await.unwrap(), object[10..20]);

    let longer = [
        head().chunk(&object[10..21]).chunk(b""),
        head().chunk(&object[10..20]).wait(Duration::from_millis(30)).chunk(b"!").chunk(b""),
    ];
    for reply in longer {
        let reason = protocol_error(reply, Span::Range(10..20)).await;
        assert!(reason.contains("longer than promised"), "{reason}");
    }
    let error = error_of(head().chunk(&object[10..15]).chunk(b""), Span::Range(10..20)).await;
    assert!(matches!(error, StoreError::Network { transient: true, .. }), "{error:?}");
    assert!(error.to_string().contains("ended 5 bytes early"), "{error}");
}

#[tokio::test]
async fn content_range_must_be_what_was_asked_for() {
    let object = sample(100);
    let span = || Span::Range(10..20);
    for (start, end) in [(11, 21), (10, 19), (10, 21), (0, 10), (0, 100)] {
        let reason = protocol_error(Reply::part(&object, start, end), span()).await;
        assert!(reason.contains("which was not asked for"), "{start}..{end}: {reason}");
    }
    let reason = protocol_error(Reply::part(&object, 10, 20), Span::Suffix(20)).await;
    assert!(reason.contains("bytes 10-19/100, which was not asked for"), "{reason}");
    let reason = protocol_error(Reply::part(&object, 90, 100), Span::Range(90..110)).await;
    assert!(reason.contains("shorter than expected: it has 100 bytes"), "{reason}");
    let reason = protocol_error(Reply::part(&object, 0, 100), Span::Whole).await;
    assert!(reason.contains("the whole object was asked for"), "{reason}");

    let part = |value: &str| Reply::status(206).header("Content-Range", value);
    for value in ["bytes 10-20/*", "bytes 10-19/15", "lines 10-19/100", "?"] {
        let reply = part(value).header("Content-Length", 10).send(&object[10..20]);
        let reason = protocol_error(reply, span()).await;
        assert!(reason.contains(value), "{reason}");
    }
    let length = part("bytes 10-19/100").header("Content-Length", 11).send(&object[10..21]);
    let reason = protocol_error(length, span()).await;
    assert!(reason.contains("Content-Length: 11"), "{reason}");
    let none = Reply::status(206).header("Content-Length", 10).send(&object[10..20]);
    let reason = protocol_error(none, span()).await;
    assert!(reason.contains("without Content-Range"), "{reason}");
}

#[tokio::test]
async fn bodies_in_several_parts_or_compressed_are_refused() {
    let kind = "Multipart/ByteRanges; boundary=b";
    let parts = Reply::status(206).header("Content-Type", kind).header("Content-Length", 3);
    let reason = protocol_error(parts.send(b"--b"), Span::Range(0..3)).await;
    assert!(reason.contains("several parts"), "{reason}");
    let zipped = Reply::status(200).header("Content-Encoding", "gzip");
    let reply = zipped.header("Content-Length", 3).send(b"...");
    let reason = protocol_error(reply, Span::Whole).await;
    assert!(reason.contains("Content-Encoding: gzip"), "{reason}");
}

#[tokio::test]
async fn an_unsatisfiable_range_says_that_the_object_is_short() {
    let sized = || Reply::bare(416).header("Content-Range", "bytes */7");
    let reason = protocol_error(sized(), Span::Range(10..20)).await;
    assert!(reason.contains("shorter than expected: it has 7 bytes"), "{reason}");
    for span in [Span::Range(10..20), Span::Suffix(5)] {
        let reason = protocol_error(Reply::bare(416), span).await;
        assert!(reason.contains("shorter than expected"), "{reason}");
    }
    let error = error_of(Reply::bare(416), Span::Whole).await;
    assert!(matches!(error, StoreError::Status { status: 416, .. }), "{error:?}");
}
