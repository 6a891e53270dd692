//! Answers without a length or without an end, slow links, and the time that a run may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use regrow_store::{
    Deadline, HttpClient, HttpOptions, HttpStore, Meter, ReadStore, Retry, RetryPolicy, Span, StoreError,
};

use crate::server::{Reply, Server};
use crate::support::{STALL, bytes, hasty, http_store, options, read, sample};

/// A chunked answer of 200 that never ends.
fn without_end(object: &[u8]) -> Reply {
    let head = Reply::status(200).header("Transfer-Encoding", "chunked");
    object.chunks(50_000).fold(head, Reply::chunk).hang()
}

#[tokio::test]
async fn a_range_of_an_endless_answer_is_left_when_it_is_complete() {
    let object = sample(2_000_000);
    let server = Server::script(vec![without_end(&object), without_end(&object)]).await;
    let (store, meter) = http_store(&server);
    assert_eq!(bytes(&store, Span::Range(100..400)).await.unwrap(), object[100..400]);
    // The bytes that had come by then are far fewer than all.
    assert!(meter.body_bytes() < 1_000_000, "{}", meter.body_bytes());
    let (download, bytes) = read(&store, "x", Span::Range(1_500_000..1_600_000)).await.unwrap();
    assert_eq!((download.range, download.object_bytes), (1_500_000..1_600_000, None));
    assert!(bytes == object[1_500_000..1_600_000]);
}

#[tokio::test]
async fn only_the_end_of_an_answer_without_length_is_kept() {
    let object = sample(2_000_000);
    let chunked = object.chunks(30_000).fold(Reply::status(200).header("Transfer-Encoding", "chunked"), Reply::chunk);
    for suffix in [1, 29_999, 30_000, 100_000, 2_000_000, 3_000_000] {
        let server = Server::script(vec![chunked.clone().chunk(b"")]).await;
        let (store, _) = http_store(&server);
        let (download, bytes) = read(&store, "x", Span::Suffix(suffix)).await.unwrap();
        let start = 2_000_000_usize.saturating_sub(suffix as usize);
        assert_eq!((download.range, download.object_bytes), (start as u64..2_000_000, Some(2_000_000)));
        assert!(bytes == object[start..], "{suffix}");
    }
}

#[tokio::test]
async fn a_range_too_deep_in_a_whole_answer_is_refused_unread() {
    const LIMIT: u64 = 144 << 20;
    let heads = [
        Reply::status(200).header("Content-Length", 1_u64 << 50),
        Reply::status(200).header("Transfer-Encoding", "chunked"),
    ];
    for head in heads {
        let server = Server::start(move |_| head.clone().hang()).await;
        let (store, meter) = http_store(&server);
        for start in [LIMIT + 1001, 1 << 49] {
            let error = store.get("x", Span::Range(start..start + 1000)).await.unwrap_err();
            assert!(matches!(error, StoreError::NoRanges { .. }) && !error.is_transient(), "{error:?}");
        }
        assert!(store.get("x", Span::Range(LIMIT + 1000..LIMIT + 2000)).await.is_ok());
        assert_eq!(meter.body_bytes(), 0);
    }
}

/// A server that sends 100 bytes every 50 ms, for three windows.
async fn slow_server() -> Server {
    let object = sample(2000);
    let pieces = object.chunks(100);
    let reply = pieces
        .fold(Reply::part_head(&object, 0, 2000), |reply, piece| reply.wait(Duration::from_millis(50)).send(piece));
    Server::start(move |_| reply.clone()).await
}

#[tokio::test]
async fn the_floor_is_shared_by_the_bodies_that_are_open() {
    let server = slow_server().await;
    let with_floor = |min_rate| {
        let client = HttpClient::new(HttpOptions { min_rate, ..options() }).unwrap();
        HttpStore::new(&server.url(), client, Meter::new()).unwrap()
    };
    // At 2,000 bytes a second, a body alone is below the limit, but above a sixteenth of it.
    let floor = 8000;
    let error = bytes(&with_floor(floor), Span::Range(0..2000)).await.unwrap_err();
    let StoreError::Slow { bytes: arrived, within, .. } = error else { panic!("{error:?}") };
    assert!(arrived < 2000 && within >= STALL, "{arrived} {within:?}");
    let store = with_floor(floor);
    let many = (0..16).map(|_| bytes(&store, Span::Range(0..2000)));
    for read in futures::future::join_all(many).await {
        assert_eq!(read.unwrap().len(), 2000);
    }
    // Bodies that have ended no longer share the limit, so the next one owes all of it.
    assert!(bytes(&store, Span::Range(0..2000)).await.is_err());
    assert!(bytes(&with_floor(0), Span::Range(0..2000)).await.is_ok());
}

#[tokio::test]
async fn what_a_slow_server_brings_is_no_progress() {
    // Each answer brings 100,000 bytes at once, and then hardly any more.
    let (object, asked) = (sample(2_000_000), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let server = Server::start(move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        let range = request.header("range").unwrap().trim_start_matches("bytes=").to_owned();
        let start: usize = range.split('-').next().unwrap().parse().unwrap();
        let head = Reply::part_head(&object, start, object.len()).send(&object[start..start + 100_000]);
        (0..20).fold(head, |reply, n| {
            let at = start + 100_000 + n;
            reply.wait(Duration::from_millis(50)).send(&object[at..=at])
        })
    })
    .await;
    let client = HttpClient::new(HttpOptions { min_rate: 1_000_000, ..options() }).unwrap();
    let store = Retry::new(HttpStore::new(&server.url(), client, Meter::new()).unwrap(), hasty());
    let error = bytes(&store, Span::Range(0..2_000_000)).await.unwrap_err();
    assert!(matches!(error, StoreError::Slow { .. }), "{error:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_deadline_ends_answers_bodies_and_waits() {
    let object = sample(1000);
    let busy = Reply::bare(503).header("Retry-After", 60);
    for reply in [Reply::silence(), Reply::part_head(&object, 0, 1000).send(&object[..10]).hang(), busy] {
        let server = Server::start(move |_| reply.clone()).await;
        let client = HttpClient::new(HttpOptions { stall_timeout: Duration::from_secs(600), ..options() }).unwrap();
        let deadline = Some(Deadline::after(Duration::from_millis(200)));
        let policy = RetryPolicy { deadline, ..hasty() };
        let store = Retry::new(HttpStore::new(&server.url(), client, Meter::new()).unwrap(), policy);
        let error = bytes(&store, Span::Range(0..1000)).await.unwrap_err();
        assert!(matches!(error, StoreError::TimeUp { .. }), "{error:?}");
        // No more requests are sent.
        let asked = server.requests().len();
        assert!(matches!(bytes(&store, Span::Whole).await.unwrap_err(), StoreError::TimeUp { .. }));
        assert_eq!(server.requests().len(), asked);
    }
}
