//! The limit on the rate of bodies. All clones of a client keep it together, and it never looks like a stall.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regrow_store::{HttpClient, HttpOptions, HttpStore, Meter, RateLimit, Span};

use crate::server::{Reply, Server};
use crate::support::{STALL, bytes, options, sample};

const BODY_BYTES: usize = 300_000;

#[tokio::test]
async fn bodies_keep_to_the_limit_together() {
    let object = sample(BODY_BYTES);
    let reply = Reply::part(&object, 0, BODY_BYTES);
    let server = Server::start(move |_| reply.clone()).await;
    let limit = Arc::new(RateLimit::new(1_000_000));
    let client = HttpClient::new(HttpOptions { limit: Some(Arc::clone(&limit)), ..options() }).unwrap();
    assert!(client.rate_limit().is_some_and(|shared| Arc::ptr_eq(&shared, &limit)));
    let stores = [(); 4].map(|()| HttpStore::new(&server.url(), client.clone(), Meter::new()).unwrap());
    let begun = Instant::now();
    let reads = stores.iter().map(|store| bytes(store, Span::Range(0..BODY_BYTES as u64)));
    for read in futures::future::join_all(reads).await {
        assert!(read.unwrap() == object);
    }
    // This is 1.2 MB at 1 MB/s. The burst and the last piece of each body are not waited for.
    let taken = begun.elapsed();
    assert!(taken > Duration::from_millis(800) && taken < Duration::from_secs(4), "{taken:?}");
}

#[tokio::test]
async fn a_low_limit_does_not_look_like_a_stall() {
    let object = sample(20_000);
    let server = Server::script(vec![Reply::ok(&object)]).await;
    // The limit is so low that far less than the lower limit passes within a stall time-out.
    let limit = Some(Arc::new(RateLimit::new(10_000)));
    let client = HttpClient::new(HttpOptions { limit, ..options() }).unwrap();
    let store = HttpStore::new(&server.url(), client, Meter::new()).unwrap();
    let begun = Instant::now();
    assert!(bytes(&store, Span::Whole).await.unwrap() == object);
    assert!(begun.elapsed() > STALL);
}
