//! Registries: logins, tokens, redirects to a bucket, manifests and blobs that are not what their digests say.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regrow_store::{
    BlobDigest, Descriptor, Meter, ReadStore, Reference, RegistryClient, RegistryLogins, RegistryOptions, RegistryUrl,
    Rights, Span, StoreError,
};

use crate::server::{Reply, Request, Server};
use crate::support::{client, hasty, sample};

const MANIFEST: &str = r#"{"schemaVersion":2,"layers":[]}"#;

fn registry(server: &Server, logins: RegistryLogins, rights: Rights) -> (RegistryClient, Arc<Meter>) {
    let url = RegistryUrl::parse(&format!("oci://{}/team/app:v1", &server.url()["http://".len()..])).unwrap().unwrap();
    let meter = Meter::new();
    let client = RegistryClient::new(&url, rights, &RegistryOptions { logins }, client(), Arc::clone(&meter));
    (client.unwrap(), meter)
}

fn anonymous(server: &Server) -> (RegistryClient, Arc<Meter>) {
    registry(server, RegistryLogins::Anonymous, Rights::Read)
}

fn tag() -> Reference {
    Reference::Tag("v1".to_owned())
}

fn wants(scheme: &str, rest: &str) -> Reply {
    let body = br#"{"errors":[{"code":"UNAUTHORIZED"}]}"#;
    let challenge = format!("{scheme} {rest}");
    Reply::status(401).header("WWW-Authenticate", challenge).header("Content-Length", body.len()).send(body)
}

/// Answers as a registry that wants tokens of its own server, which counts them.
fn with_tokens(request: &Request, life: &str, object: &[u8]) -> Reply {
    let host = request.header("host").unwrap();
    if let Some(query) = request.target.strip_prefix("/token?") {
        let token = format!(r#"{{"token":"t{}"{life}}}"#, request.number);
        assert!(query.starts_with("service=reg&scope=repository%3Ateam%2Fapp%3Apull"), "{query}");
        return Reply::ok(token.as_bytes());
    }
    match request.header("authorization") {
        Some(value) if value.starts_with("Bearer t") => match request.header("range") {
            Some(_) => Reply::part(object, 10, 20),
            None => Reply::ok(object),
        },
        _ => wants("Bearer", &format!("realm=\"http://{host}/token\",service=\"reg\"")),
    }
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_serves_until_it_expires() {
    let server = Server::start(|request| with_tokens(request, "", MANIFEST.as_bytes())).await;
    let (client, meter) = anonymous(&server);
    for _ in 0..3 {
        let found = client.manifest(&tag(), None).await.unwrap().unwrap();
        assert_eq!((&found.bytes[..], found.manifest.layers.len()), (MANIFEST.as_bytes(), 0));
    }
    let targets: Vec<String> = server.requests().iter().map(|request| request.target.clone()).collect();
    let manifest = "/v2/team/app/manifests/v1";
    assert_eq!((targets.len(), &*targets[0], &*targets[2], &*targets[4]), (5, manifest, manifest, manifest));
    assert!(targets[1].starts_with("/token?"));
    assert_eq!(meter.requests(), 5);
    // A connection whose answers were read to their ends serves them all.
    assert_eq!(server.connections(), 1);

    let server = Server::start(|request| with_tokens(request, ",\"expires_in\":0", MANIFEST.as_bytes())).await;
    let (client, meter) = anonymous(&server);
    for _ in 0..3 {
        client.manifest(&tag(), None).await.unwrap().unwrap();
    }
    assert_eq!(meter.requests(), 1 + 3 * 2);
}

#[tokio::test]
async fn a_redirect_to_a_bucket_keeps_the_range_and_not_the_token() {
    let object = sample(100);
    let held = object.clone();
    let bucket = Server::start(move |request| match request.header("range") {
        Some(_) => Reply::part(&held, 10, 20),
        None => Reply::ok(&held),
    })
    .await;
    let to = format!("{}/signed?x=1", bucket.url());
    let server = Server::start(move |request| match request.header("authorization") {
        Some("Bearer t1") => Reply::bare(307).header("Location", &to),
        _ => with_tokens(request, "", b""),
    })
    .await;
    let (client, meter) = anonymous(&server);
    let digest = BlobDigest::of(&object);
    let part = client.blobs().get(&digest.to_string(), Span::Range(10..20)).await.unwrap();
    assert_eq!(part.bytes().await.unwrap(), object[10..20]);
    assert_eq!(server.requests()[2].target, format!("/v2/team/app/blobs/{digest}"));
    assert_eq!(meter.requests(), 4);
    let asked = &bucket.requests()[0];
    assert_eq!((asked.header("authorization"), asked.header("range")), (None, Some("bytes=10-19")));
}

#[tokio::test]
async fn a_bucket_gets_no_login_by_asking_for_one() {
    let thief = Server::start(|request| {
        let host = request.header("host").unwrap();
        match request.target.starts_with("/token") {
            true => Reply::ok(br#"{"token":"stolen"}"#),
            false => wants("Bearer", &format!("realm=\"http://{host}/token\",service=\"reg\"")),
        }
    })
    .await;
    let to = format!("{}/signed", thief.url());
    let server = Server::start(move |_| Reply::bare(307).header("Location", &to)).await;
    let logins = RegistryLogins::Password { user: "me".to_owned(), password: "secret".to_owned() };
    let (client, _) = registry(&server, logins, Rights::Read);
    let name = BlobDigest::of(b"").to_string();
    let error = client.blobs().get(&name, Span::Range(0..1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Denied { status: 401, .. }), "{error}");
    assert_eq!(thief.requests().len(), 1);
    assert_eq!(thief.requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn logins_come_from_files_in_dockers_form() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|request| {
        let host = request.header("host").unwrap();
        let expected = format!("Basic {}", STANDARD.encode("me:s:cret"));
        match request.header("authorization") {
            Some(value) if value == expected => Reply::ok(MANIFEST.as_bytes()),
            Some(_) => Reply::bare(401).header("WWW-Authenticate", format!("Basic realm={host}")),
            // It may leave unsaid what it wants.
            None if request.number.is_multiple_of(2) => Reply::bare(401),
            None => wants("Basic", "realm=\"reg\""),
        }
    })
    .await;
    let host = server.url()["http://".len()..].to_owned();
    let auth = |user: &str| STANDARD.encode(user);
    let path = folder.path().join("config.json");
    let logins = || RegistryLogins::Files(vec![folder.path().join("absent.json"), path.clone()]);
    let good = [
        format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth("me:s:cret")),
        format!(r#"{{"auths":{{"https://{host}/v1/":{{"username":"me","password":"s:cret"}}}}}}"#),
        format!(
            r#"{{"auths":{{"{host}":{{"auth":"{}"}},"{host}/team":{{"auth":"{}"}}}}}}"#,
            auth("you:wrong"),
            auth("me:s:cret")
        ),
    ];
    for text in good {
        std::fs::write(&path, &text).unwrap();
        let (client, _) = registry(&server, logins(), Rights::Read);
        for _ in 0..2 {
            assert!(client.manifest(&tag(), None).await.unwrap().is_some(), "{text}");
        }
    }
    for text in ["", "{}", r#"{"auths":{"other":{"auth":"eDp5"}}}"#, &format!(r#"{{"auths":{{"{host}":{{}}}}}}"#)] {
        std::fs::write(&path, text).unwrap();
        let error = registry(&server, logins(), Rights::Read).0.manifest(&tag(), None).await.unwrap_err();
        assert!(matches!(error, StoreError::Denied { status: 401, .. }), "{text}: {error}");
    }
    let wrong = format!(r#"{{"auths":{{"{host}":{{"auth":"{}"}}}}}}"#, auth("you:wrong"));
    let helper = format!(r#"{{"credHelpers":{{"{host}":"no-such-helper"}}}}"#);
    let evil = format!(r#"{{"credHelpers":{{"{host}":"/../x"}}}}"#);
    for (text, message) in [
        (&*wrong, "access denied (HTTP 401)"),
        ("{", "is not JSON"),
        (&*helper, "docker-credential-no-such-helper: no such credential helper in PATH"),
        (&*evil, "not the name of a credential helper"),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = registry(&server, logins(), Rights::Read).0.manifest(&tag(), None).await.unwrap_err().to_string();
        assert!(error.contains(message) && !error.contains("secret"), "{text}: {error}");
    }
}

#[tokio::test]
async fn passwords_and_identity_tokens_go_to_the_server_of_tokens() {
    let expected = format!("Basic {}", STANDARD.encode("me:secret"));
    let server = Server::start(move |request| {
        let host = request.header("host").unwrap();
        if request.target.starts_with("/token") {
            assert_eq!(request.header("authorization"), Some(&*expected));
            assert!(request.target.ends_with("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"), "{}", request.target);
            return Reply::ok(br#"{"access_token":"good","expires_in":300}"#);
        }
        match request.header("authorization") {
            Some("Bearer good") => Reply::ok(MANIFEST.as_bytes()),
            _ => wants("Bearer", &format!("realm=\"http://{host}/token\",scope=\"repository:team/app:pull\"")),
        }
    })
    .await;
    let logins = RegistryLogins::Password { user: "me".to_owned(), password: "secret".to_owned() };
    let (client, _) = registry(&server, logins, Rights::Write);
    assert!(client.manifest(&tag(), None).await.unwrap().is_some());

    // The server of these tests reads no bodies, so the connection is given up after the POST.
    let server = Server::start(|request| {
        let host = request.header("host").unwrap();
        if request.target == "/oauth2" {
            assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
            assert_eq!(request.header("authorization"), None);
            return Reply::ok(br#"{"access_token":"good"}"#).close();
        }
        match request.header("authorization") {
            Some("Bearer good") => Reply::ok(MANIFEST.as_bytes()),
            _ => wants("Bearer", &format!("realm=\"http://{host}/oauth2\",service=reg")),
        }
    })
    .await;
    let logins = RegistryLogins::Password { user: "<token>".to_owned(), password: "refresh".to_owned() };
    let (client, _) = registry(&server, logins, Rights::Read);
    assert!(client.manifest(&tag(), None).await.unwrap().is_some());
}

#[tokio::test]
async fn refusals_end_and_hostile_servers_of_tokens_are_bounded() {
    // A token that is refused is renewed once.
    let server = Server::start(|request| match request.target.starts_with("/token") {
        true => Reply::ok(format!(r#"{{"token":"t{}"}}"#, request.number).as_bytes()),
        false => wants("Bearer", &format!("realm=\"http://{}/token\"", request.header("host").unwrap())),
    })
    .await;
    let (client, meter) = anonymous(&server);
    let error = client.manifest(&tag(), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Denied { status: 401, .. }), "{error}");
    assert_eq!(meter.requests(), 3);

    for (answer, expected) in [
        (Reply::ok(&vec![b' '; 300 << 10]), "larger than the limit"),
        (Reply::ok(b"{}"), "no token in the answer"),
        (Reply::ok(br#"{"token":"a\nb"}"#), "characters that headers cannot carry"),
        (Reply::bare(403), "access denied (HTTP 403)"),
        (Reply::bare(404), "not found (HTTP 404)"),
    ] {
        let server = Server::start(move |request| match request.target.starts_with("/token") {
            true => answer.clone(),
            false => wants("Bearer", &format!("realm=\"http://{}/token\"", request.header("host").unwrap())),
        })
        .await;
        let error = anonymous(&server).0.manifest(&tag(), None).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let server = Server::script(vec![wants("Bearer", "realm=\"http://localhost.invalid/token\"")]).await;
    assert!(anonymous(&server).0.manifest(&tag(), None).await.is_err());
    let server = Server::script(vec![Reply::bare(403)]).await;
    let error = anonymous(&server).0.manifest(&tag(), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Denied { status: 403, .. }), "{error}");
}

#[tokio::test]
async fn manifests_are_what_their_digests_say() {
    let server = Server::start(|_| Reply::ok(MANIFEST.as_bytes()).header("Content-Type", "application/x; a=b")).await;
    let (client, _) = anonymous(&server);
    let (digest, other) = (BlobDigest::of(MANIFEST.as_bytes()), BlobDigest::of(b"other"));
    let found = client.manifest(&Reference::Digest(digest), Some(&other)).await.unwrap().unwrap();
    assert_eq!((found.digest, found.media_type.as_str()), (digest, "application/x"));
    assert_eq!(server.requests()[0].header("if-none-match"), Some(&*format!("\"{other}\"")));
    assert!(client.manifest(&tag(), Some(&digest)).await.unwrap().is_none());
    let error = client.manifest(&Reference::Digest(other), None).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");

    for (reply, expected) in [
        (Reply::ok(b"<html>"), "not a manifest"),
        (Reply::ok(br#"{"schemaVersion":2,"layers":[{"mediaType":"x","digest":"../x","size":1}]}"#), "a digest"),
        (Reply::status(200).header("Content-Length", 5 << 20), "larger than the limit"),
        (Reply::bare(304), "304"),
        (Reply::bare(404), "not found"),
    ] {
        let server = Server::script(vec![reply]).await;
        let error = anonymous(&server).0.manifest(&tag(), None).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let server = Server::script(vec![Reply::bare(304)]).await;
    assert!(anonymous(&server).0.manifest(&tag(), Some(&digest)).await.unwrap().is_none());
}

#[tokio::test]
async fn blobs_are_what_their_digests_say_and_a_416_gives_no_bytes() {
    let object = sample(100_000);
    let descriptor = |bytes: &[u8]| Descriptor::new("x", BlobDigest::of(bytes), bytes.len() as u64);
    let read = async |reply: Reply, wanted: &[u8]| {
        let server = Server::start(move |request| match request.header("range") {
            None => reply.clone(),
            Some(_) => Reply::bare(404),
        })
        .await;
        let (client, _) = anonymous(&server);
        client.blob(&descriptor(wanted), &hasty()).await?.bytes().await
    };
    assert_eq!(read(Reply::ok(&object), &object).await.unwrap(), object);
    assert_eq!(read(Reply::ok(b""), b"").await.unwrap(), b""[..]);
    let mut other = object.clone();
    other[99_999] ^= 1;
    for (reply, expected) in [
        (Reply::ok(&other), "its bytes are not what its digest says"),
        (Reply::ok(&object[1..]), "it has 99999 bytes, not 100000"),
        (Reply::status(416).header("Content-Length", 100_000).send(&object), "416"),
    ] {
        let error = read(reply, &object).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    // A range that a 416 carries is no answer, whatever its head says.
    let held = object.clone();
    let part = Reply::status(416).header("Content-Range", "bytes 10-19/100000").header("Content-Length", 10);
    let server = Server::script(vec![part.send(&held[10..20])]).await;
    let blobs = anonymous(&server).0.blobs();
    assert!(blobs.get(&BlobDigest::of(&object).to_string(), Span::Range(10..20)).await.is_err());
}
