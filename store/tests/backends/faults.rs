//! Servers that answer wrongly, late, or not at all.

use std::time::{Duration, Instant, SystemTime};

use regrow_store::{HttpStore, Meter, ReadStore, Span, StoreError};

use crate::server::{Reply, Server};
use crate::support::{STALL, bytes, client, http_store, read, retrying_store, sample};

/// The error of reading `span` of `x` if the server gives `reply`.
async fn error_of(reply: Reply, span: Span) -> StoreError {
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
    let (store, meter) = http_store(&server);
    let begun = Instant::now();
    assert_eq!(bytes(&store, Span::Range(100..200)).await.unwrap(), object[100..200]);
    assert!(begun.elapsed() < STALL, "it waited for bytes that it does not want");
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

#[tokio::test]
async fn a_short_body_is_a_transient_error() {
    let object = sample(100);
    let short = [
        (Reply::part_head(&object, 10, 20).send(&object[10..15]).close(), Span::Range(10..20)),
        (Reply::status(200).header("Content-Length", 10).send(b"12345").close(), Span::Whole),
        (Reply::status(200).header("Transfer-Encoding", "chunked").chunk(b"12345").close(), Span::Whole),
    ];
    for (reply, span) in short {
        let error = error_of(reply, span).await;
        assert!(matches!(error, StoreError::Network { transient: true, .. }), "{error:?}");
        assert!(error.to_string().contains("the connection broke"), "{error}");
    }
}

#[tokio::test]
async fn silence_is_a_transient_error_after_the_time_allowed() {
    let (object, large) = (sample(100), sample(5000));
    let silent = [
        // The first byte may take longer, since a cache may first have to fetch the whole object.
        (Reply::silence(), Span::Whole, "no answer for 1.2s"),
        (Reply::part_head(&object, 0, 100).hang(), Span::Range(0..100), "not a byte for 1."),
        (Reply::part_head(&object, 0, 100).send(&object[..99]).hang(), Span::Range(0..100), "not a byte for 300ms"),
        (Reply::part_head(&large, 0, 5000).send(&large[..4999]).hang(), Span::Range(0..5000), "not a byte for 300ms"),
    ];
    for (reply, span, reason) in silent {
        let begun = Instant::now();
        let error = error_of(reply, span).await;
        assert!(begun.elapsed() >= STALL);
        assert!(matches!(error, StoreError::Network { transient: true, .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

/// The reply of a server that sends a piece of this many bytes every sixth of the stall time-out.
fn dripping(object: &[u8], start: usize, piece_bytes: usize) -> Reply {
    object[start..]
        .chunks(piece_bytes)
        .fold(Reply::part_head(object, start, object.len()), |reply, piece| reply.wait(STALL / 6).send(piece))
}

#[tokio::test]
async fn a_slow_body_is_no_stall() {
    // The body is either above the lower limit, or so short that it ends in time.
    for (size, piece_bytes) in [(30_000, 4200), (2, 1)] {
        let object = sample(size);
        let server = Server::script(vec![dripping(&object, 0, piece_bytes)]).await;
        let (store, _) = http_store(&server);
        assert!(bytes(&store, Span::Range(0..size as u64)).await.unwrap() == object);
    }
}

#[tokio::test]
async fn a_dripping_body_is_a_stall() {
    let object = sample(5000);
    let begun = Instant::now();
    let error = error_of(dripping(&object, 0, 1), Span::Range(0..5000)).await;
    assert!(matches!(error, StoreError::Slow { bytes: 1..300, .. }) && error.is_transient(), "{error:?}");
    assert!(begun.elapsed() >= STALL, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_server_that_only_ever_drips_is_given_up() {
    let object = sample(5000);
    let server = Server::start(move |request| {
        let range = request.header("range").unwrap();
        let start = range.trim_start_matches("bytes=").split('-').next().unwrap();
        dripping(&object, start.parse().unwrap(), 1)
    })
    .await;
    let (store, meter) = retrying_store(&server);
    let error = bytes(&store, Span::Range(0..5000)).await.unwrap_err();
    assert!(matches!(error, StoreError::Slow { .. }), "{error:?}");
    assert_eq!(meter.requests(), 5);
}

#[tokio::test]
async fn a_slow_reader_is_no_stall() {
    use futures::StreamExt;
    let object = sample(8 << 20);
    let server = Server::script(vec![Reply::part(&object, 0, 8 << 20)]).await;
    let (store, _) = http_store(&server);
    let mut body = store.get("x", Span::Range(0..8 << 20)).await.unwrap().body;
    let mut all = body.next().await.unwrap().unwrap().to_vec();
    tokio::time::sleep(STALL * 2).await;
    while let Some(piece) = body.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert!(all == object);
}

#[tokio::test]
async fn a_refused_connection_says_so() {
    let server = Server::script(Vec::new()).await;
    let url = server.url();
    drop(server);
    tokio::task::yield_now().await;
    let meter = Meter::new();
    let store = HttpStore::new(&url, client(), meter.clone()).unwrap();
    let error = bytes(&store, Span::Whole).await.unwrap_err();
    assert!(error.to_string().ends_with(": connection refused"), "{error}");
    assert!(error.is_transient());
    assert_eq!(meter.requests(), 1);
}

#[tokio::test]
async fn a_host_without_address_says_so() {
    let store = HttpStore::new("http://absent.invalid/", client(), Meter::new()).unwrap();
    let error = bytes(&store, Span::Whole).await.unwrap_err();
    let line = error.to_string();
    assert!(matches!(error, StoreError::Network { .. }), "{error:?}");
    // If the resolver does not answer, this shows as a stall.
    assert!(line.contains("name is not found") || line.contains("no answer for"), "{line}");
}

#[tokio::test]
async fn three_failures_and_then_success() {
    let object = sample(1000);
    let bad = || Reply::status(500).header("Content-Length", 5).send(b"sorry");
    let server = Server::script(vec![bad(), bad(), bad(), Reply::part(&object, 5, 50)]).await;
    let (store, meter) = retrying_store(&server);
    assert_eq!(bytes(&store, Span::Range(5..50)).await.unwrap(), object[5..50]);
    assert_eq!(server.ranges(), vec![Some("bytes=5-49".to_owned()); 4]);
    assert_eq!((meter.requests(), meter.body_bytes()), (4, 45 + 3 * 5));
}

#[tokio::test]
async fn a_broken_body_is_continued_where_it_broke() {
    let object = sample(1000);
    let server = Server::script(vec![
        Reply::part_head(&object, 100, 900).send(&object[100..400]).close(),
        Reply::silence(),
        Reply::part_head(&object, 400, 900).send(&object[400..401]).hang(),
        Reply::part(&object, 401, 900),
    ])
    .await;
    let (store, meter) = retrying_store(&server);
    let (download, bytes) = read(&store, "x", Span::Range(100..900)).await.unwrap();
    assert_eq!((download.range, download.object_bytes), (100..900, Some(1000)));
    assert_eq!(bytes, object[100..900]);
    let expected = ["bytes=100-899", "bytes=400-899", "bytes=400-899", "bytes=401-899"];
    assert_eq!(server.ranges(), expected.map(|range| Some(range.to_owned())));
    assert_eq!((meter.requests(), meter.body_bytes()), (4, 800));
}

#[tokio::test]
async fn a_reset_body_is_continued_with_and_without_ranges() {
    let object = sample(100_000);
    let head = Reply::status(200).header("Content-Length", object.len());
    let broken = head.send(&object[..60_000]).wait(Duration::from_millis(50)).reset();
    // The second host ignores ranges, so the bytes of the first body are skipped.
    let server = Server::script(vec![broken, Reply::ok(&object)]).await;
    let (store, meter) = retrying_store(&server);
    assert!(bytes(&store, Span::Whole).await.unwrap() == object);
    let ranges = server.ranges();
    assert_eq!(ranges[0], None);
    assert!(ranges[1].as_ref().is_some_and(|range| range.ends_with("-99999")), "{ranges:?}");
    assert_eq!(meter.requests(), 2);
    assert!((100_000..=160_000).contains(&meter.body_bytes()));
}

#[tokio::test]
async fn an_object_that_changes_meanwhile_is_an_error() {
    let object = sample(1000);
    let server = Server::script(vec![
        Reply::part_head(&object, 0, 500).send(&object[..400]).close(),
        Reply::part(&sample(1001), 400, 500),
    ])
    .await;
    let (store, _) = retrying_store(&server);
    let error = bytes(&store, Span::Range(0..500)).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("changed while it was read: from 1000 to 1001"), "{error}");
}

#[tokio::test]
async fn connections_are_kept_and_requests_say_what_they_are() {
    let object = sample(100);
    let server = Server::start(move |_| Reply::part(&object, 0, 10)).await;
    let (store, meter) = http_store(&server);
    for _ in 0..3 {
        bytes(&store, Span::Range(0..10)).await.unwrap();
    }
    for request in server.requests() {
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert_eq!(request.header("range"), Some("bytes=0-9"));
        assert!(request.header("user-agent").unwrap().starts_with("regrow/"));
        assert_eq!(request.target, "/x");
    }
    assert_eq!(server.connections(), 1);
    assert_eq!((meter.requests(), meter.body_bytes()), (3, 30));
}
