//! The options of the HTTP client, and their checks.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::header::GivenHeader;
use super::redirect::Redirects;
use super::trust;
use crate::{RateLimit, StoreError};

/// The largest file of certificates that is read. The bundles of systems have a quarter of that.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// The options of an [`HttpClient`](crate::HttpClient).
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The headers that go with every request to their origin.
    pub headers: Vec<GivenHeader>,
    /// The origins that also get their headers when a redirect leads to them, since the user named them with the
    /// headers. Any other origin gets its headers only if it is asked first.
    pub named_origins: Vec<String>,
    /// The redirects that are followed.
    pub redirects: Redirects,
    /// The time that making a connection may take, TLS included.
    pub connect_timeout: Duration,
    /// The time for which nothing at all may arrive: no head of an answer after a request, no byte of a body. The
    /// head of an answer and the first byte of an object in a store may take longer. They get four times as long,
    /// and once more for each 16 MiB before the end of the wanted bytes, up to 20 times.
    pub stall_timeout: Duration,
    /// The number of bytes a second that a body must bring, or zero for no such limit. Bodies that are read at the
    /// same time share it. Only the time that is spent waiting for the network counts.
    pub min_rate: u64,
    /// The time of waiting over which that rate is measured.
    pub min_rate_window: Duration,
    /// A PEM file of certificates that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whether the proxies that the environment names are used.
    pub use_proxies: bool,
    /// The limit of the rate at which the bodies of answers come, all together.
    pub limit: Option<Arc<RateLimit>>,
}

impl HttpOptions {
    /// The default of [`HttpOptions::min_rate`].
    pub const DEFAULT_MIN_RATE: u64 = 1024;
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            named_origins: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            redirects: Redirects::default(),
            stall_timeout: Duration::from_secs(30),
            min_rate: Self::DEFAULT_MIN_RATE,
            min_rate_window: Duration::from_secs(60),
            ca_file: None,
            use_proxies: true,
            limit: None,
        }
    }
}

/// Makes the TLS settings that also trust the certificates in a PEM file. The file must hold at least one.
pub(super) fn read_trust(path: &Path) -> Result<ClientConfig, StoreError> {
    let refused = |reason: &str| StoreError::InvalidOption {
        option: format!("certificates in {}", path.display()),
        reason: reason.to_owned(),
    };
    let mut pem = Vec::new();
    let file = File::open(path).map_err(StoreError::io(path))?;
    file.take(MAX_PEM_BYTES + 1).read_to_end(&mut pem).map_err(StoreError::io(path))?;
    if pem.len() as u64 > MAX_PEM_BYTES {
        return Err(refused("the file is larger than 1 MiB; give the certificates of the server or its authority"));
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| refused("the file is not in the PEM format"))?;
    if certificates.is_empty() {
        return Err(refused("the file holds no certificate in the PEM format"));
    }
    trust::config(&certificates).map_err(|error| match error {
        rustls::Error::InvalidCertificate(_) => refused("the file holds a certificate that is malformed"),
        error => refused(&error.to_string()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn files_that_hold_no_certificates_are_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |text: &str| {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, text).unwrap();
            read_trust(&path).unwrap_err().to_string()
        };
        let endless = read_trust(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(endless.contains("/dev/zero: the file is larger than 1 MiB"), "{endless}");
        assert!(refusal("").contains("holds no certificate"));
        assert!(
            refusal("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").contains("not in the PEM format")
        );
        let malformed = refusal("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(malformed.ends_with("the file holds a certificate that is malformed"), "{malformed}");
    }
}
