//! Parts of objects at URLs. A host that cannot send a part sends the whole object.

use std::sync::Arc;

use regrow_store::{FetchedPart, KnownObject, Meter, Packing, Span, StoreError};

use crate::server::{Reply, Request, Server};
use crate::support::client;

const OBJECT: &[u8] = b"the object 0001";

async fn fetch(server: &Server, span: Span) -> Result<(FetchedPart, Arc<Meter>), StoreError> {
    let meter = Meter::new();
    let (fetched, route) = client().fetch_part(&server.url(), &span, None, 1000, &meter).await?;
    assert!(route.is_none());
    Ok((fetched, meter))
}

fn clipped(request: &Request) -> Reply {
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((start, end)) = range else { return Reply::ok(OBJECT) };
    let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
    if start >= OBJECT.len() {
        return Reply::bare(416).header("Content-Range", format!("bytes */{}", OBJECT.len()));
    }
    Reply::part(OBJECT, start, OBJECT.len().min(end + 1)).header("ETag", "\"1-a\"")
}

#[tokio::test]
async fn the_beginning_of_an_object_comes_alone_and_may_be_all_of_it() {
    for (most, bytes) in [(3, &OBJECT[..3]), (15, OBJECT), (100, OBJECT)] {
        let server = Server::start(clipped).await;
        let (fetched, meter) = fetch(&server, Span::Front(most)).await.unwrap();
        let version = Some("\"1-a\"".to_owned());
        assert_eq!(fetched, FetchedPart::Part { bytes: bytes.into(), object_bytes: Some(15), version });
        assert_eq!((meter.requests(), meter.body_bytes()), (1, bytes.len() as u64));
    }
}

#[tokio::test]
async fn a_range_within_an_object_comes_alone_and_for_another_range_all_comes() {
    let server = Server::start(clipped).await;
    let (fetched, _) = fetch(&server, Span::Range(4..10)).await.unwrap();
    assert!(matches!(fetched, FetchedPart::Part { ref bytes, .. } if bytes == "object"), "{fetched:?}");
    for range in [4..16, 15..16, 90..100] {
        let server = Server::start(clipped).await;
        let (fetched, meter) = fetch(&server, Span::Range(range.clone())).await.unwrap();
        assert!(matches!(fetched, FetchedPart::Whole { ref bytes, .. } if bytes == OBJECT), "{range:?}: {fetched:?}");
        assert_eq!(meter.requests(), 2, "{range:?}");
    }
}

#[tokio::test]
async fn hosts_that_do_not_send_the_part_send_all() {
    let replies: [(fn() -> Reply, u64); 7] = [
        (|| Reply::ok(OBJECT), 1),
        (|| Reply::status(200).header("Transfer-Encoding", "chunked").chunk(OBJECT).chunk(b""), 1),
        (|| Reply::bare(416), 2),
        (|| Reply::bare(400), 2),
        (|| Reply::part(OBJECT, 3, 9), 2),
        (|| Reply::part(OBJECT, 0, 9), 2),
        (|| Reply::status(206).header("Content-Length", 2).send(b"01"), 2),
    ];
    for (number, (reply, requests)) in replies.into_iter().enumerate() {
        let server = Server::start(move |request| match request.header("range") {
            Some(_) => reply(),
            None => Reply::ok(OBJECT),
        })
        .await;
        let (fetched, meter) = fetch(&server, Span::Front(12)).await.unwrap();
        assert!(matches!(fetched, FetchedPart::Whole { ref bytes, .. } if bytes == OBJECT), "{number}: {fetched:?}");
        assert_eq!(meter.requests(), requests, "{number}");
    }
    let packing = Server::start(|_| Reply::ok(b"packed").header("Content-Encoding", "gzip")).await;
    let (fetched, _) = fetch(&packing, Span::Front(12)).await.unwrap();
    assert!(matches!(fetched, FetchedPart::Whole { packing: Some(Packing::Gzip), .. }), "{fetched:?}");
    let unsized_part = Server::start(|_| {
        Reply::status(206).header("Content-Range", "bytes 0-8/*").header("Content-Length", 9).send(&OBJECT[..9])
    })
    .await;
    let (fetched, _) = fetch(&unsized_part, Span::Front(12)).await.unwrap();
    let expected = FetchedPart::Part { bytes: OBJECT[..9].into(), object_bytes: None, version: None };
    assert_eq!(fetched, expected);
}

#[tokio::test]
async fn only_a_tag_that_is_a_hash_makes_a_part_conditional() {
    let hash = format!("\"{}\"", blake3::hash(OBJECT).to_hex());
    for (tag, is_believed) in [(hash.as_str(), true), ("\"1-a\"", false), ("", false)] {
        let server = Server::start(|request| match request.header("if-none-match") {
            Some(_) => Reply::bare(304),
            None => clipped(request),
        })
        .await;
        let known = KnownObject { version: tag, bytes: OBJECT, proof: 11..15 };
        let meter = Meter::new();
        let asked = client().fetch_part(&server.url(), &Span::Front(3), Some(known), 1000, &meter).await.unwrap();
        assert_eq!(asked.0 == FetchedPart::Same, is_believed, "{tag}");
        assert_eq!(meter.requests(), 1);
    }
}

#[tokio::test]
async fn refusals_and_bodies_that_are_too_long_are_errors() {
    let gone = Server::start(|_| Reply::bare(404)).await;
    assert!(fetch(&gone, Span::Front(12)).await.unwrap_err().is_not_found());
    assert_eq!(gone.requests().len(), 1);
    let long = Server::start(|_| Reply::ok(&[0; 2000])).await;
    assert!(matches!(fetch(&long, Span::Front(12)).await, Err(StoreError::TooLarge { .. })));
    let cut = Server::start(|_| Reply::part_head(OBJECT, 0, 12).send(&OBJECT[..5]).close()).await;
    assert!(fetch(&cut, Span::Front(12)).await.unwrap_err().is_transient());
    let none = fetch(&cut, Span::Front(0)).await.unwrap_err();
    assert!(matches!(none, StoreError::InvalidRequest { .. }), "{none:?}");
}
