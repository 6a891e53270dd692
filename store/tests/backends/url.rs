//! Single URLs, and the parts of a URL that are sent and shown.

use regrow_store::{Fetched, HttpStore, Meter, Span, StoreError};

use crate::server::{Reply, Server};
use crate::support::{bytes, client, hasty, read, sample};

fn body_of(fetched: Fetched) -> bytes::Bytes {
    match fetched {
        Fetched::Body { bytes, .. } => bytes,
        Fetched::Same => panic!("no condition was given"),
    }
}

#[tokio::test]
async fn an_unchanged_url_costs_no_body() {
    let server = Server::start(|request| match request.header("if-none-match") {
        Some("\"one\"") => Reply::bare(304),
        _ => Reply::ok(b"body").header("ETag", "\"one\""),
    })
    .await;
    let (meter, url) = (Meter::new(), server.url());
    let first = client().get_url(&url, None, 100, &meter).await.unwrap();
    let Fetched::Body { version: Some(version), .. } = first else { panic!("{first:?}") };
    assert_eq!(client().get_url(&url, Some(&version), 100, &meter).await.unwrap(), Fetched::Same);
    assert!(matches!(client().get_url(&url, Some("\"other\""), 100, &meter).await.unwrap(), Fetched::Body { .. }));
    assert_eq!((meter.requests(), meter.body_bytes()), (3, 8));
}

#[tokio::test]
async fn a_url_is_read_whole_up_to_its_bound() {
    let object = sample(1000);
    let chunked = Reply::status(200).header("Transfer-Encoding", "chunked");
    let chunked = chunked.chunk(&object[..600]).chunk(&object[600..]).chunk(b"");
    for reply in [Reply::ok(&object), chunked] {
        let server = Server::start(move |_| reply.clone()).await;
        let url = format!("{}/a.rgx?sig=secret", server.url());
        let meter = Meter::new();
        assert_eq!(body_of(client().get_url(&url, None, 1000, &meter).await.unwrap()), object);
        assert_eq!((meter.requests(), meter.body_bytes()), (1, 1000));
        assert_eq!(server.requests()[0].target, "/a.rgx?sig=secret");
        let error = client().get_url(&url, None, 999, &meter).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { max_bytes: 999, .. }), "{error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_body_whose_announced_length_is_too_large_is_not_read() {
    let head = Reply::status(200).header("Content-Length", 1_u64 << 40);
    let server = Server::script(vec![head.send(&[0; 10_000]).hang()]).await;
    let meter = Meter::new();
    let error = client().get_url(&server.url(), None, 1 << 20, &meter).await.unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error:?}");
    assert_eq!((meter.requests(), meter.body_bytes()), (1, 0));
}

#[tokio::test]
async fn a_url_fails_as_objects_do_and_can_be_retried() {
    let server = Server::script(vec![
        Reply::bare(404),
        Reply::bare(503),
        Reply::status(200).header("Content-Length", 10).send(b"12345").close(),
        Reply::ok(b"1234567890"),
        Reply::part(&sample(10), 0, 10),
    ])
    .await;
    let (client, url, meter) = (client(), server.url(), Meter::new());
    let error = client.get_url(&url, None, 100, &meter).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { status: Some(404), .. }), "{error:?}");
    let body = hasty().run(|| client.get_url(&url, None, 100, &meter)).await.unwrap();
    assert_eq!(body_of(body), "1234567890");
    assert_eq!((meter.requests(), meter.body_bytes()), (4, 15));
    let error = client.get_url(&url, None, 100, &meter).await.unwrap_err();
    assert!(matches!(error, StoreError::Protocol { .. }), "{error:?}");
}

#[tokio::test]
async fn other_schemes_are_refused() {
    for url in ["ftp://host.example/a.rgx", "a.rgx", "/a.rgx"] {
        let error = client().get_url(url, None, 100, &Meter::new()).await.unwrap_err();
        assert!(matches!(error, StoreError::Location { .. }), "{error:?}");
        let error = HttpStore::new(url, client(), Meter::new()).unwrap_err();
        assert!(matches!(error, StoreError::Location { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn the_query_goes_with_each_request_and_is_not_shown() {
    let server = Server::start(|request| match request.target.as_str() {
        "/s/packs/a%20b%25c%3F?sig=a%2Fb&v=2" => Reply::ok(b"found"),
        _ => Reply::bare(404),
    })
    .await;
    let base = format!("{}/s/?sig=a%2Fb&v=2#fragment", server.url());
    let store = HttpStore::new(&base, client(), Meter::new()).unwrap();
    let (_, body) = read(&store, "packs/a b%c?", Span::Whole).await.unwrap();
    assert_eq!(body, "found");
    let error = bytes(&store, Span::Whole).await.unwrap_err();
    assert!(error.is_not_found());
    assert!(!format!("{error} {error:?} {store:?}").contains("sig="), "{error:?} {store:?}");
    assert_eq!(server.requests()[1].target, "/s/x?sig=a%2Fb&v=2");
}
