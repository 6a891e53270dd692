//! HTTPS with a certificate of an authority that only these tests know.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use regrow_store::{HttpClient, HttpOptions, HttpStore, Meter, Span, StoreError};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::server::{Handler, Reply, Server, serve};
use crate::support::{bytes, options};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends/tls").join(name)
}

/// A server with the certificate for `localhost`. It answers everything with `secure`.
async fn start() -> u16 {
    start_with("server.pem").await
}

/// The same server with another certificate for the same key.
async fn start_with(certificate: &str) -> u16 {
    let chain = vec![CertificateDer::from_pem_file(file(certificate)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    serve_with(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap()).await
}

async fn serve_with(config: ServerConfig) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let handler: Handler = Arc::new(|request| match request.target.as_str() {
            "/down/x" => Reply::bare(302).header("Location", "http://127.0.0.1:1/x"),
            _ => Reply::ok(b"secure"),
        });
        while let Ok((stream, _)) = listener.accept().await {
            // Clients that do not accept the certificate leave here.
            if let Ok(mut stream) = acceptor.accept(stream).await {
                serve(&mut stream, &Mutex::default(), &handler).await;
            }
        }
    });
    port
}

fn store(base: &str, ca_file: Option<PathBuf>) -> HttpStore {
    let client = HttpClient::new(HttpOptions { ca_file, ..options() }).unwrap();
    HttpStore::new(base, client, Meter::new()).unwrap()
}

async fn certificate_error(store: HttpStore) -> String {
    match bytes(&store, Span::Whole).await.unwrap_err() {
        StoreError::Network { reason, transient: false, .. } => reason,
        error => panic!("{error:?}"),
    }
}

/// The reason against a certificate that would be accepted if it, or its authority, were named.
async fn distrust(store: HttpStore) -> String {
    match bytes(&store, Span::Whole).await.unwrap_err() {
        StoreError::Untrusted { distrust, .. } => distrust.to_string(),
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_certificate_is_accepted_with_its_authority_only() {
    let base = format!("https://localhost:{}", start().await);
    let reason = distrust(store(&base, None)).await;
    assert!(reason.starts_with("its issuer is not known here"), "{reason}");
    let trusting = store(&base, Some(file("ca.pem")));
    assert_eq!(bytes(&trusting, Span::Whole).await.unwrap(), "secure");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_accepted() {
    let base = format!("https://127.0.0.2:{}", start().await);
    let reason = certificate_error(store(&base, Some(file("ca.pem")))).await;
    let words =
        "certificate is not accepted: it is for localhost, 127.0.0.1, not for 127.0.0.2; use a name that it has";
    assert!(reason.ends_with(words), "{reason}");
}

#[tokio::test]
async fn a_certificate_of_an_authority_is_accepted_where_it_was_named_itself() {
    let base = format!("https://localhost:{}", start_with("self-signed.pem").await);
    let trusting = store(&base, Some(file("self-signed.pem")));
    assert_eq!(bytes(&trusting, Span::Whole).await.unwrap(), "secure");
    // The server has time for one connection.
    drop(trusting);
    // No other certificate is accepted, and this one neither where nobody named it nor for another name.
    for other in ["ca.pem", "expired.pem"] {
        let reason = distrust(store(&base, Some(file(other)))).await;
        assert!(reason.contains("it is an authority's (CA:TRUE)"), "{reason}");
    }
    distrust(store(&base, None)).await;
    let base = base.replace("localhost", "127.0.0.1");
    let reason = certificate_error(store(&base, Some(file("self-signed.pem")))).await;
    assert!(reason.ends_with("it is for localhost, not for 127.0.0.1; use a name that it has"), "{reason}");
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_that_was_named_is_said() {
    for (certificate, words) in [
        ("expired.pem", "not accepted: it expired on 2021-01-02, and this machine's clock says 20"),
        ("future.pem", "not accepted: it is valid from 2120-01-01 on, and this machine's clock says 20"),
        ("nameless.pem", "not accepted: it names no host in its subjectAltName; make one that names localhost"),
    ] {
        let base = format!("https://localhost:{}", start_with(certificate).await);
        let reason = certificate_error(store(&base, Some(file(certificate)))).await;
        assert!(reason.contains(words), "{reason}");
    }
}

/// A server that shows a certificate without having its key is refused, since the handshake's signature is checked.
#[tokio::test]
async fn the_server_of_a_named_certificate_has_to_have_its_key() {
    let chain = vec![CertificateDer::from_pem_file(file("self-signed.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("other.key")).unwrap();
    let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(resolver));
    let base = format!("https://localhost:{}", serve_with(config).await);
    let error = bytes(&store(&base, Some(file("self-signed.pem"))), Span::Whole).await.unwrap_err();
    assert!(error.to_string().contains("its signature is wrong"), "{error}");
}

#[tokio::test]
async fn a_redirect_from_https_to_http_is_not_followed() {
    let base = format!("https://localhost:{}/down", start().await);
    let error = bytes(&store(&base, Some(file("ca.pem"))), Span::Whole).await.unwrap_err();
    assert!(matches!(error, StoreError::Redirected { .. }), "{error:?}");
    assert!(error.to_string().ends_with(", from https to http, which is not followed"), "{error}");
}

#[tokio::test]
async fn https_to_a_server_of_plain_http_is_an_error() {
    let server = Server::script(Vec::new()).await;
    let store = store(&server.url().replace("http:", "https:"), None);
    let error = bytes(&store, Span::Whole).await.unwrap_err();
    assert!(matches!(error, StoreError::Network { .. }), "{error:?}");
    let server = Server::script(vec![Reply::bare(400).close()]).await;
    let store = self::store(&server.url().replace("http:", "https:"), None);
    let error = bytes(&store, Span::Whole).await.unwrap_err();
    assert!(matches!(error, StoreError::Network { .. }), "{error:?}");
}

#[tokio::test]
async fn files_without_certificates_are_refused() {
    let refuse = |ca_file| HttpClient::new(HttpOptions { ca_file: Some(ca_file), ..options() }).unwrap_err();
    assert!(matches!(refuse(file("absent.pem")), StoreError::Io { .. }));
    let error = refuse(file("server.key"));
    assert!(matches!(error, StoreError::InvalidOption { .. }), "{error:?}");
    assert!(error.to_string().contains("no certificate"), "{error}");
}
