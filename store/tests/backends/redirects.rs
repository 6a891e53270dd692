//! Redirects are followed, counted and bounded, and the user's headers do not go to other hosts.

use std::sync::Arc;

use regrow_store::{GivenHeader, HttpClient, HttpOptions, HttpStore, Meter, ReadStore, Redirects, Span, StoreError};

use crate::server::{Reply, Server};
use crate::support::{bytes, client, options, sample};

fn redirect(status: u16, to: &str) -> Reply {
    Reply::bare(status).header("Location", to)
}

fn store_with_headers(base: &str) -> (HttpStore, Arc<Meter>) {
    let headers = [("Authorization", "Bearer secret"), ("X-Token", "secret")];
    let given = |(name, value): (&str, &str)| GivenHeader {
        origin: base.to_owned(),
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let headers = headers.map(given).into();
    let client = HttpClient::new(HttpOptions { headers, ..options() }).unwrap();
    let meter = Meter::new();
    (HttpStore::new(base, client, Arc::clone(&meter)).unwrap(), meter)
}

#[tokio::test]
async fn redirects_are_followed_with_the_range_and_counted() {
    let object = sample(100);
    for status in [301, 302, 303, 307, 308] {
        let server = Server::script(vec![redirect(status, "/elsewhere/x?y=1"), Reply::part(&object, 10, 20)]).await;
        let (store, meter) = store_with_headers(&server.url());
        assert_eq!(bytes(&store, Span::Range(10..20)).await.unwrap(), object[10..20]);
        assert_eq!(server.requests()[1].target, "/elsewhere/x?y=1");
        for request in server.requests() {
            assert_eq!(request.header("range"), Some("bytes=10-19"));
            assert_eq!(request.header("authorization"), Some("Bearer secret"));
        }
        assert_eq!((meter.requests(), meter.body_bytes()), (2, 10));
    }
}

#[tokio::test]
async fn headers_do_not_go_to_another_host() {
    let object = sample(100);
    let last = Server::script(vec![Reply::ok(&object)]).await;
    let second = Server::script(vec![redirect(302, &format!("{}/third", last.url()))]).await;
    let first = Server::script(vec![redirect(302, &format!("{}/second", second.url()))]).await;
    let (store, meter) = store_with_headers(&first.url());
    assert_eq!(bytes(&store, Span::Whole).await.unwrap(), object);
    assert_eq!(first.requests()[0].header("x-token"), Some("secret"));
    for server in [&second, &last] {
        let request = &server.requests()[0];
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("x-token"), None);
    }
    assert_eq!(meter.requests(), 3);
}

#[tokio::test]
async fn headers_do_not_come_back_by_way_of_another_host() {
    // This is the same server, under its other name.
    let server = Server::start(|request| {
        let port = request.header("host").and_then(|host| host.rsplit(':').next()).unwrap();
        match request.number {
            0 => redirect(302, &format!("http://127.0.0.2:{port}/away")),
            1 => redirect(302, "/further"),
            2 => redirect(302, &format!("http://127.0.0.1:{port}/back")),
            3 => redirect(302, "/home"),
            _ => Reply::ok(b"end"),
        }
    })
    .await;
    let (store, _) = store_with_headers(&server.url());
    assert_eq!(bytes(&store, Span::Whole).await.unwrap(), "end");
    let sent: Vec<_> = server.requests().iter().map(|r| r.header("authorization").is_some()).collect();
    assert_eq!(sent, [true, false, false, false, false]);
}

#[tokio::test]
async fn headers_go_by_way_of_a_redirect_to_an_origin_that_was_named_with_them() {
    let other = Server::start(|_| Reply::ok(b"there")).await;
    let to = format!("{}/x", other.url());
    let server = Server::start(move |_| redirect(302, &to)).await;
    let header =
        |origin: &Server| GivenHeader { origin: origin.url(), name: "X-Token".to_owned(), value: "secret".to_owned() };
    for is_named in [true, false] {
        let named_origins = if is_named { vec![other.url()] } else { Vec::new() };
        let headers = vec![header(&server), header(&other)];
        let client = HttpClient::new(HttpOptions { headers, named_origins, ..options() }).unwrap();
        let store = HttpStore::new(&server.url(), client, Meter::new()).unwrap();
        assert_eq!(bytes(&store, Span::Whole).await.unwrap(), "there");
        assert_eq!(other.requests().last().unwrap().header("x-token").is_some(), is_named);
    }
}

#[tokio::test]
async fn user_and_password_of_the_url_stay_with_its_host() {
    let other = Server::script(vec![Reply::ok(b"there")]).await;
    let to_other = format!("{}/x", other.url());
    let server = Server::start(move |request| match request.number {
        0 => redirect(302, &format!("http://{}/again", request.header("host").unwrap())),
        _ => redirect(302, &to_other),
    })
    .await;
    let base = server.url().replace("http://", "http://user:word@");
    let store = HttpStore::new(&base, client(), Meter::new()).unwrap();
    assert_eq!(store.location(), server.url());
    assert_eq!(bytes(&store, Span::Whole).await.unwrap(), "there");
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some("Basic dXNlcjp3b3Jk"));
    }
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let server = Server::start(|_| redirect(302, "/x")).await;
    let (store, meter) = store_with_headers(&server.url());
    let error = bytes(&store, Span::Whole).await.unwrap_err();
    assert!(error.to_string().ends_with("more than 10 redirects"), "{error}");
    assert!(!error.is_transient());
    assert_eq!(meter.requests(), 11);
    assert_eq!(server.requests().len(), 11);
}

#[tokio::test]
async fn redirects_to_nowhere_are_errors() {
    for to in ["ftp://host.example/x", "file:///etc/hostname", "http://"] {
        let server = Server::script(vec![redirect(302, to)]).await;
        let (store, _) = store_with_headers(&server.url());
        let error = bytes(&store, Span::Whole).await.unwrap_err();
        assert!(matches!(error, StoreError::Network { transient: false, .. }), "{to}: {error:?}");
    }
    let server = Server::script(vec![Reply::bare(302)]).await;
    let (store, _) = store_with_headers(&server.url());
    let error = bytes(&store, Span::Whole).await.unwrap_err();
    assert!(matches!(error, StoreError::Status { status: 302, .. }), "{error:?}");
}

/// The error of the first request to `server`, which is redirected to `to`.
async fn redirected(redirects: Redirects, to: &str) -> Result<(), String> {
    let server = Server::script(vec![redirect(302, to), Reply::ok(b"here")]).await;
    let client = HttpClient::new(HttpOptions { redirects, ..options() }).unwrap();
    let store = HttpStore::new(&server.url(), client, Meter::new()).unwrap();
    match bytes(&store, Span::Whole).await {
        Ok(_) => Ok(()),
        Err(error) => {
            assert!(matches!(error, StoreError::Redirected { .. }) && !error.is_transient(), "{error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
            Err(error.to_string().split_once("redirected to ").unwrap().1.to_owned())
        }
    }
}

#[tokio::test]
async fn what_is_followed_can_be_chosen() {
    let other = Server::start(|_| Reply::ok(b"there")).await;
    let there = format!("{}/x?secret", other.url());
    let by_name = there.replace("127.0.0.1", "localhost");
    for (redirects, same, elsewhere) in [
        (Redirects::None, false, false),
        (Redirects::SameOrigin, true, false),
        (Redirects::Safe, true, true),
        (Redirects::Any, true, true),
    ] {
        assert_eq!(redirected(redirects, "/y").await.is_ok(), same, "{redirects:?}");
        for to in [&there, &by_name] {
            assert_eq!(redirected(redirects, to).await.is_ok(), elsewhere, "{redirects:?} {to}");
        }
    }
    let error = redirected(Redirects::SameOrigin, &there).await.unwrap_err();
    assert_eq!(error, format!("{}, which is another origin", other.url()));
    // A public address needs https, even if a server on this machine redirects there.
    let error = redirected(Redirects::Safe, "http://192.0.2.1/secret").await.unwrap_err();
    assert_eq!(error, "http://192.0.2.1, a public address, without https");
}
