//! The proxy that makes hosts look far away must keep its promises. Otherwise tests of latency would measure
//! nothing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use regrow_store::{HttpClient, HttpOptions, HttpStore, Meter, Span};

use crate::delay_proxy::{DelayProxy, Distance};
use crate::server::{Reply, Server};
use crate::support::{bytes, options, sample};

const ROUND_TRIP: Duration = Duration::from_millis(50);
/// A rate of 20 Mbit/s.
const RATE: u64 = 2_500_000;

/// A host that gives all of `object` to each request, with the proxy before it.
async fn far_host(object: &[u8]) -> (Server, DelayProxy) {
    let reply = Reply::ok(object);
    let server = Server::start(move |_| reply.clone()).await;
    let upstream: SocketAddr = server.url().trim_start_matches("http://").parse().unwrap();
    let proxy = DelayProxy::start(upstream, Distance { round_trip: ROUND_TRIP, bytes_per_second: RATE }).unwrap();
    (server, proxy)
}

fn store(proxy: &DelayProxy) -> HttpStore {
    // The client is patient, since the machine may be busy.
    let client = HttpClient::new(HttpOptions { stall_timeout: Duration::from_secs(10), ..options() }).unwrap();
    HttpStore::new(&proxy.url(), client, Meter::new()).unwrap()
}

/// Checks that something takes at least `least` each time. It must take not much longer once, since a busy machine
/// does not do that each time.
async fn assert_takes(least: Duration, something: impl AsyncFn()) {
    let mut slow = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        something().await;
        let taken = begun.elapsed();
        assert!(taken >= least, "{taken:?} instead of {least:?}");
        if taken < least * 2 + Duration::from_millis(500) {
            return;
        }
        slow.push(taken);
    }
    panic!("{slow:?} instead of {least:?}");
}

#[tokio::test]
async fn a_small_request_takes_one_round_trip_and_one_more_to_connect() {
    let (_server, proxy) = far_host(b"small").await;
    assert_takes(ROUND_TRIP * 2, async || assert_eq!(bytes(&store(&proxy), Span::Whole).await.unwrap(), "small")).await;
    let (_server, proxy) = far_host(b"small").await;
    let store = store(&proxy);
    assert_eq!(bytes(&store, Span::Whole).await.unwrap(), "small");
    for _ in 0..2 {
        assert_takes(ROUND_TRIP, async || assert_eq!(bytes(&store, Span::Whole).await.unwrap(), "small")).await;
    }
    assert_eq!((proxy.connections(), proxy.most_open()), (1, 1));
}

#[tokio::test]
async fn a_large_body_takes_its_time_on_the_link_besides() {
    let object = sample(1_000_000);
    let body = async || {
        let (_server, proxy) = far_host(&object).await;
        assert!(bytes(&store(&proxy), Span::Whole).await.unwrap() == object);
        assert!((1_000_000..1_000_500).contains(&proxy.received_bytes()));
    };
    assert_takes(Duration::from_millis(400) + ROUND_TRIP * 2, body).await;
}

#[tokio::test]
async fn connections_share_the_link_and_wait_at_the_same_time() {
    let object = sample(100_000);
    let reads = async || {
        let (_server, proxy) = far_host(&object).await;
        let stores = [(); 10].map(|()| store(&proxy));
        for read in futures::future::join_all(stores.iter().map(|store| bytes(store, Span::Whole))).await {
            assert!(read.unwrap() == object);
        }
        assert_eq!((proxy.connections(), proxy.most_open()), (10, 10));
    };
    assert_takes(Duration::from_millis(400) + ROUND_TRIP * 2, reads).await;
}

#[tokio::test]
async fn a_body_that_is_left_frees_the_link_and_the_connection() {
    let object = sample(4_000_000);
    let (_server, proxy) = far_host(&object).await;
    let begun = Instant::now();
    assert!(bytes(&store(&proxy), Span::Range(10..20)).await.unwrap() == object[10..20]);
    while proxy.open_now() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(begun.elapsed() < Duration::from_secs(60), "the connection stays open");
    }
    assert!(proxy.received_bytes() < 3_000_000, "the rest of the body was waited for");
}

#[tokio::test]
async fn ends_of_connections_get_through_and_the_proxy_ends() {
    let server = Server::start(|_| Reply::status(200).header("Connection", "close").send(b"to the end").close()).await;
    let upstream: SocketAddr = server.url().trim_start_matches("http://").parse().unwrap();
    let distance = Distance { round_trip: Duration::ZERO, bytes_per_second: RATE };
    let proxy = DelayProxy::start(upstream, distance).unwrap();
    let store = store(&proxy);
    assert_eq!(bytes(&store, Span::Whole).await.unwrap(), "to the end");
    drop(proxy);
    assert!(bytes(&store, Span::Whole).await.is_err());
}
