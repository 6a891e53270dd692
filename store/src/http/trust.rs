//! Accepts a server whose certificate is the very one that the user named.
//!
//! `openssl req -x509` and most guides to self-signed certificates make a certificate that calls itself an
//! authority, and give it to the server. An authority only vouches for other certificates, so rustls refuses it as
//! a server's own.
//!
//! A user who gives that certificate as trusted has said which server is meant, more exactly than any chain could. So
//! it is accepted, byte for byte, if nothing else is wrong with it. Its dates and names are checked as
//! always, and the server still proves that it has the key.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// The library's word for a server that shows the certificate of an authority as its own. By then it has found the
/// dates good.
const IS_AN_AUTHORITY: &str = "CaUsedAsEndEntity";

/// The settings for connections to servers for which the system or these certificates vouch, or that show one of
/// these.
pub(super) fn config(certificates: &[CertificateDer<'static>]) -> Result<ClientConfig, Error> {
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.unwrap_or_else(|| Arc::new(ring::default_provider()));
    let chains = Verifier::new_with_extra_roots(certificates.iter().cloned(), Arc::clone(&provider))?;
    let verifier = NamedVerifier { chains, named: certificates.to_vec() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = super::versions::offered();
    Ok(config)
}

#[derive(Debug)]
struct NamedVerifier {
    chains: Verifier,
    /// The certificates that the user named.
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for NamedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match verified {
            Err(Error::InvalidCertificate(problem)) if is_authority(&problem) && self.named.contains(end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Whether the only fault of a certificate is that it is an authority's.
pub(super) fn is_authority(problem: &CertificateError) -> bool {
    // The fault is recognised by its word, since naming the library's type would bind this crate to one version of
    // it.
    matches!(problem, CertificateError::Other(other) if format!("{other:?}").contains(IS_AN_AUTHORITY))
}
