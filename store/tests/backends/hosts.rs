//! Hosts that answer in legal but rare ways.

use regrow_store::{Span, StoreError};

use crate::server::{Reply, Server};
use crate::support::{http_store, read, sample};

/// A part of `object`, from a host that does not know the whole length yet.
fn part_of_unknown(object: &[u8], start: usize, end: usize) -> Reply {
    let head = Reply::status(206).header("Content-Range", format!("bytes {start}-{}/*", end - 1));
    head.header("Content-Length", end - start).send(&object[start..end])
}

#[tokio::test]
async fn a_part_of_an_object_of_unknown_size_is_taken() {
    let object = sample(1000);
    for (span, range, size) in [
        (Span::Range(10..20), 10..20, None),
        (Span::Range(0..1000), 0..1000, None),
        // A suffix ends where the object ends.
        (Span::Suffix(96), 904..1000, Some(1000)),
        (Span::Suffix(2000), 0..1000, Some(1000)),
    ] {
        let server = Server::script(vec![part_of_unknown(&object, range.start, range.end)]).await;
        let (download, bytes) = read(&http_store(&server).0, "x", span).await.unwrap();
        assert_eq!((download.range, download.object_bytes), (range.start as u64..range.end as u64, size));
        assert!(bytes == object[range]);
    }
}

/// webfs answers 400 to a range that ends past the object's end.
#[tokio::test]
async fn a_host_that_calls_a_front_past_the_end_a_bad_request_is_asked_for_all() {
    let server = Server::start(|request| match request.header("range") {
        Some(_) => Reply::bare(400),
        None => Reply::ok(b"short"),
    })
    .await;
    let (store, meter) = http_store(&server);
    let (download, bytes) = read(&store, "x", Span::Front(100)).await.unwrap();
    assert_eq!((download.range, &bytes[..], meter.requests()), (0..5, &b"short"[..], 2));
    let error = read(&store, "x", Span::Range(1..9)).await.unwrap_err();
    assert!(matches!(error, StoreError::Status { status: 400, .. }), "{error:?}");
}

#[tokio::test]
async fn another_part_of_an_object_of_unknown_size_is_refused() {
    let object = sample(1000);
    for (span, start, end) in [
        (Span::Range(10..20), 10, 19),
        (Span::Range(10..20), 11, 20),
        (Span::Range(10..20), 10, 21),
        (Span::Suffix(96), 900, 1000),
        (Span::Suffix(96), 10, 20),
    ] {
        let server = Server::script(vec![part_of_unknown(&object, start, end)]).await;
        let error = read(&http_store(&server).0, "x", span).await.unwrap_err();
        assert!(matches!(error, StoreError::Protocol { .. }), "{error:?}");
        assert!(error.to_string().contains("which was not asked for"), "{error}");
    }
}
