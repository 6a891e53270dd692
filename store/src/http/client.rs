//! The client: one pool of connections, redirects followed by hand.
//!
//! Redirects are not left to the library, so that each request is counted, the user's headers stay with the host they
//! were given for, and no server sends readers where it should not.
//!
//! What a connection holds is bounded by its buffers: some 400 KiB for HTTP/1.1, [`HTTP2_CONNECTION_BYTES`] for
//! HTTP/2, whose requests share one connection. Bodies are never decompressed.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::dns::Resolve;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, IF_NONE_MATCH};
use reqwest::{Certificate, Client, Response, StatusCode, Url};

use super::body::Body;
use super::header::Headers;
use super::options::{HttpOptions, read_certificates};
use super::pace::Pace;
use super::redirect::{self, Guide, Redirects, Way};
use super::resolve::SteadyResolver;
use super::{answer, failure, refusal};
use crate::shown::{shown_malformed, without_secrets};
use crate::{Meter, RateLimit, StoreError};

/// How many redirects in a row are followed.
const MAX_REDIRECTS: usize = 10;
/// What a server may send ahead over one connection of HTTP/2, and of that for one request.
const HTTP2_CONNECTION_BYTES: u32 = 5 << 20;
const HTTP2_STREAM_BYTES: u32 = 2 << 20;
/// The longest head of an answer over HTTP/2.
const HTTP2_HEAD_BYTES: u32 = 16 << 10;

/// A pool of connections for HTTP/1.1 and HTTP/2; clones share it.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    headers: Headers,
    guide: Arc<Guide>,
    pace: Pace,
}

/// What a conditional request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The object is still what it was (HTTP 304).
    Same,
    /// The object.
    Body {
        /// All of it.
        bytes: Bytes,
        /// Its `ETag`.
        version: Option<String>,
    },
}

impl HttpClient {
    /// A client without connections yet.
    ///
    /// # Errors
    /// [`StoreError::InvalidOption`] for headers or certificates that do not do, [`StoreError::Io`] for a file of
    /// certificates that cannot be read.
    pub fn new(options: HttpOptions) -> Result<Self, StoreError> {
        let headers = Headers::new(&options.headers)?;
        let extra = options.ca_file.as_deref().map(read_certificates).transpose()?;
        let steady = (options.redirects != Redirects::Any).then(|| Arc::new(SteadyResolver::default()) as Arc<_>);
        let client = build_any(&options, extra.as_deref(), steady).map_err(|error| StoreError::InvalidOption {
            option: "HTTP client".to_owned(),
            reason: failure::deepest(&error),
        })?;
        let pace = Pace {
            stall_timeout: options.stall_timeout,
            min_rate: options.min_rate,
            window: options.min_rate_window,
            limit: options.limit.clone(),
            open: Arc::default(),
        };
        let (policy, use_proxies) = (options.redirects, options.use_proxies);
        let guarded = HttpOptions { use_proxies: false, headers: Vec::new(), ..options };
        let build = move |resolver| build_any(&guarded, extra.as_deref(), Some(resolver));
        let guide = Arc::new(Guide::new(policy, use_proxies, build));
        Ok(Self { client, headers, guide, pace })
    }

    /// Reads all that is at `url`, if it is no more than `max_bytes`, and unless it still is what was read with the version
    /// `known`. Nothing is retried; see [`RetryPolicy::run`](crate::RetryPolicy::run).
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], without a byte of the body read if the server tells its size; and those of
    /// [`ReadStore::get`](crate::ReadStore::get).
    pub async fn get_url(
        &self,
        url: &str,
        known: Option<&str>,
        max_bytes: u64,
        meter: &Arc<Meter>,
    ) -> Result<Fetched, StoreError> {
        let url = parse_url(url)?;
        let object = without_secrets(&url);
        let condition: Vec<_> = known.map(|version| (IF_NONE_MATCH, version.to_owned())).into_iter().collect();
        let response = self.send(&url, &condition, &object, meter).await?;
        if response.status() == StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(Fetched::Same);
        }
        if let Err(error) = answer::check_whole(&response, &object) {
            return Err(refusal::explain(error, response, meter, self.pace()).await);
        }
        let version = answer::version(&response);
        let body = Body::new(response, object, Arc::clone(meter), self.pace());
        Ok(Fetched::Body { bytes: body.whole(max_bytes).await?, version })
    }

    /// The limit that the bodies of answers keep to, for others who are to share it: uploads, say.
    #[must_use]
    pub fn rate_limit(&self) -> Option<Arc<RateLimit>> {
        self.pace.limit.clone()
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// The pool itself, for requests that neither follow redirects nor carry the user's headers.
    pub(crate) fn inner(&self) -> &Client {
        &self.client
    }

    pub(crate) fn stall_timeout(&self) -> std::time::Duration {
        self.pace.stall_timeout
    }

    /// Sends a GET and follows redirects; any other status is an answer.
    pub(super) async fn send(
        &self,
        url: &Url,
        extra: &[(HeaderName, String)],
        object: &str,
        meter: &Meter,
    ) -> Result<Response, StoreError> {
        let (mut url, mut way, mut headers) = (url.clone(), Way::Free, self.headers.of(url));
        for _ in 0..=MAX_REDIRECTS {
            let client = self.guide.client(way, &self.client, object)?;
            let response = self.send_once(&client, &url, extra, headers, object, meter).await?;
            let Some(next) = redirect::target(&response, &url, object)? else {
                return Ok(response);
            };
            way = self.guide.way(&response, (&url, way), &next, object)?;
            if next.origin() != url.origin() {
                headers = None;
            }
            url = next;
        }
        let reason = format!("more than {MAX_REDIRECTS} redirects");
        Err(StoreError::Network { object: object.to_owned(), reason, transient: false })
    }

    async fn send_once(
        &self,
        client: &Client,
        url: &Url,
        extra: &[(HeaderName, String)],
        headers: Option<&HeaderMap>,
        object: &str,
        meter: &Meter,
    ) -> Result<Response, StoreError> {
        let mut request = client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(headers) = headers {
            request = request.headers(headers.clone());
        }
        for (name, value) in extra {
            request = request.header(name, value);
        }
        meter.add_request();
        match tokio::time::timeout(self.pace.stall_timeout, request.send()).await {
            Ok(answer) => answer.map_err(|error| redirect::failed(object, url, &error)),
            Err(_) => Err(failure::stalled(object, "no answer", self.pace.stall_timeout)),
        }
    }
}

/// Whose certificates are accepted.
enum Trust<'a> {
    System,
    SystemAnd(&'a [Certificate]),
    Nobody,
}

/// A client that trusts the system's certificates and `extra`, and resolves names by `resolver`.
fn build_any(
    options: &HttpOptions,
    extra: Option<&[Certificate]>,
    resolver: Option<Arc<dyn Resolve>>,
) -> reqwest::Result<Client> {
    match extra {
        Some(certificates) => build(options, Trust::SystemAnd(certificates), resolver),
        // A system without certificates, as small images are, still reaches plain http.
        None => build(options, Trust::System, resolver.clone()).or_else(|_| build(options, Trust::Nobody, resolver)),
    }
}

fn build(options: &HttpOptions, trust: Trust<'_>, resolver: Option<Arc<dyn Resolve>>) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent(concat!("regrow/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http2_initial_connection_window_size(HTTP2_CONNECTION_BYTES)
        .http2_initial_stream_window_size(HTTP2_STREAM_BYTES)
        .http2_max_header_list_size(HTTP2_HEAD_BYTES)
        .connect_timeout(options.connect_timeout);
    let builder = match trust {
        Trust::System => builder,
        Trust::SystemAnd(certificates) => builder.tls_certs_merge(certificates.iter().cloned()),
        Trust::Nobody => builder.tls_certs_only([]),
    };
    let builder = if options.use_proxies { builder } else { builder.no_proxy() };
    let builder = match resolver {
        Some(resolver) => builder.dns_resolver(resolver),
        None => builder,
    };
    builder.build()
}

/// An `http` or `https` URL with a host.
pub(super) fn parse_url(text: &str) -> Result<Url, StoreError> {
    let refused = |location: String, reason: String| StoreError::Location { location, reason };
    let safe = || shown_malformed(text);
    let url = Url::parse(text).map_err(|error| refused(safe(), format!("not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused(safe(), "the URL is neither http nor https".to_owned()));
    }
    Ok(url)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn other_locations_are_refused() {
        for text in ["ftp://host.example/", "store", "file:///store", "http://"] {
            let error = parse_url(text).unwrap_err();
            assert!(matches!(error, StoreError::Location { .. }), "{text}: {error}");
        }
        let error = parse_url("ftp://host.example/?sig=abc").unwrap_err();
        assert!(!error.to_string().contains("abc"), "{error}");
    }
}
