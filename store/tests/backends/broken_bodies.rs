//! Bodies that end early, stall, drip or break, and connections that fail.

use std::time::{Duration, Instant};

use regrow_store::{HttpStore, Meter, ReadStore, Span, StoreError};

use crate::faults::error_of;
use crate::server::{Reply, Server};
use crate::support::{STALL, bytes, client, http_store, read, retrying_store, sample};

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
