//! What of the HTTP client can be chosen, and its check.

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

/// What of an [`HttpClient`](crate::HttpClient) can be chosen.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Headers that go with every request to their origin.
    pub headers: Vec<GivenHeader>,
    /// Origins that get their headers by way of redirects too, since the user named them with the headers. Any other
    /// origin gets its headers only where it is asked at first.
    pub named_origins: Vec<String>,
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// How long a connection may take to come about, TLS included.
    pub connect_timeout: Duration,
    /// How long nothing at all may arrive: no head of an answer after a request, no byte of a body. The head of an answer
    /// and the first byte of an object of a store may take longer: four times as long, and once more for each 16 MiB before
    /// the end of what is asked for, up to 20 times.
    pub stall_timeout: Duration,
    /// The bytes a second that a body must bring; zero for none. Bodies that are read at the same time share it. Only
    /// the time that is spent waiting for the network counts.
    pub min_rate: u64,
    /// The time of waiting over which that rate is counted.
    pub min_rate_window: Duration,
    /// A PEM file of certificates that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whether proxies that the environment names are used.
    pub use_proxies: bool,
    /// What the bodies of answers, all together, must not be faster than.
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

/// The settings of connections where the certificates in a PEM file, at least one, are trusted too.
pub(super) fn read_trust(path: &Path) -> Result<ClientConfig, StoreError> {
    let refused = |reason: &str| StoreError::InvalidOption {
        option: format!("certificates in {}", path.display()),
        reason: reason.to_owned(),
    };
    let pem = std::fs::read(path).map_err(StoreError::io(path))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|_| refused("the file is not in the PEM format"))?;
    if certificates.is_empty() {
        return Err(refused("the file holds no certificate in the PEM format"));
    }
    trust::config(&certificates).map_err(|error| refused(&error.to_string()))
}
