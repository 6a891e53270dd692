//! HTTPS with a certificate of an authority that only these tests know.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use regrow_store::{HttpClient, HttpOptions, HttpStore, Meter, Span, StoreError};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::{Handler, Reply, Server, serve};
use crate::support::{bytes, options};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backends/tls").join(name)
}

/// A server with the certificate for `localhost`; it answers everything with `secure`.
async fn start() -> u16 {
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
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

#[tokio::test]
async fn a_certificate_is_accepted_with_its_authority_only() {
    let base = format!("https://localhost:{}", start().await);
    let reason = certificate_error(store(&base, None)).await;
    assert_eq!(reason, "the server's certificate is not accepted: its issuer is not known here");
    let trusting = store(&base, Some(file("ca.pem")));
    assert_eq!(bytes(&trusting, Span::Whole).await.unwrap(), "secure");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_accepted() {
    let base = format!("https://127.0.0.2:{}", start().await);
    let reason = certificate_error(store(&base, Some(file("ca.pem")))).await;
    assert!(reason.contains("certificate is not accepted") && reason.contains("127.0.0.2"), "{reason}");
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
}

#[tokio::test]
async fn files_without_certificates_are_refused() {
    let refuse = |ca_file| HttpClient::new(HttpOptions { ca_file: Some(ca_file), ..options() }).unwrap_err();
    assert!(matches!(refuse(file("absent.pem")), StoreError::Io { .. }));
    let error = refuse(file("server.key"));
    assert!(matches!(error, StoreError::InvalidOption { .. }), "{error:?}");
    assert!(error.to_string().contains("no certificate"), "{error}");
}
