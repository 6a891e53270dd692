//! The wait for the first byte is told apart from a stall between bytes. A cache may need that wait to fetch the
//! object.

use regrow_store::{HttpClient, HttpOptions, HttpStore, Meter, Span, StoreError};

use crate::server::{Reply, Server};
use crate::support::{STALL, bytes, options, sample};

/// A store with a lower limit that a body without a byte would miss at once.
fn strict(server: &Server) -> HttpStore {
    let strict = HttpOptions { min_rate: 1 << 20, min_rate_window: STALL / 4, ..options() };
    HttpStore::new(&server.url(), HttpClient::new(strict).unwrap(), Meter::new()).unwrap()
}

#[tokio::test]
async fn a_cache_may_take_its_time_before_the_first_byte() {
    let object = sample(1000);
    let late_body = Reply::part_head(&object, 100, 1000).wait(STALL * 2).send(&object[100..]);
    let late_head = Reply::part(&object, 100, 1000).late(STALL * 2);
    for reply in [late_body, late_head] {
        let server = Server::script(vec![reply]).await;
        assert_eq!(bytes(&strict(&server), Span::Range(100..1000)).await.unwrap(), &object[100..]);
    }
}

#[tokio::test]
async fn a_stall_between_bytes_is_one_and_the_first_byte_is_not_waited_for_without_end() {
    let object = sample(1000);
    let head = || Reply::part_head(&object, 0, 1000);
    let silent = |error: StoreError| match error {
        StoreError::Network { reason, transient: true, .. } if reason.contains("not a byte") => reason,
        error => panic!("{error:?}"),
    };
    let patient = HttpOptions { min_rate: 0, ..options() };
    let store = |server: &Server| {
        HttpStore::new(&server.url(), HttpClient::new(patient.clone()).unwrap(), Meter::new()).unwrap()
    };
    let server = Server::script(vec![head().send(&object[..1]).hang()]).await;
    let reason = silent(bytes(&store(&server), Span::Range(0..1000)).await.unwrap_err());
    assert!(reason.ends_with(&format!("{STALL:?}")), "{reason}");
    let server = Server::script(vec![head().hang()]).await;
    silent(bytes(&store(&server), Span::Range(0..1000)).await.unwrap_err());
    // If another host has the object too, the time does not grow with the object.
    let server = Server::script(vec![Reply::silence()]).await;
    let among = HttpStore::new(&server.url(), HttpClient::new(patient.clone()).unwrap(), Meter::new()).unwrap();
    let error = bytes(&among.among_others(), Span::Range(0..1 << 40)).await.unwrap_err();
    assert!(error.to_string().contains(&format!("no answer for {:?}", STALL * 4)), "{error}");
}
