//! The client: one pool of connections, redirects followed by hand.
//!
//! Redirects are not left to the library, so that each request is counted, and so that the user's headers stay
//! with the host they were given for.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, IF_NONE_MATCH, LOCATION};
use reqwest::{Certificate, Client, Response, StatusCode, Url};

use super::body::Body;
use super::options::{HttpOptions, header_map, read_certificates};
use super::pace::Pace;
use super::{answer, failure, refusal};
use crate::{Meter, RateLimit, StoreError};

/// How many redirects in a row are followed.
const MAX_REDIRECTS: usize = 10;

/// A pool of connections for HTTP/1.1 and HTTP/2; clones share it.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    headers: HeaderMap,
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
        let headers = header_map(&options.headers)?;
        let extra = options.ca_file.as_deref().map(read_certificates).transpose()?;
        let client = match extra {
            Some(certificates) => build(&options, Trust::SystemAnd(certificates)),
            // A system without certificates, as small images are, still reaches plain http.
            None => build(&options, Trust::System).or_else(|_| build(&options, Trust::Nobody)),
        };
        let client = client.map_err(|error| StoreError::InvalidOption {
            option: "HTTP client".to_owned(),
            reason: failure::deepest(&error),
        })?;
        let pace = Pace { stall_timeout: options.stall_timeout, limit: options.limit };
        Ok(Self { client, headers, pace })
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

    pub(super) fn pace(&self) -> Pace {
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
        let mut url = url.clone();
        let mut is_first_host = true;
        for _ in 0..=MAX_REDIRECTS {
            let headers = is_first_host.then_some(&self.headers);
            let response = self.send_once(&url, extra, headers, object, meter).await?;
            let Some(next) = redirect_target(&response, &url, object)? else {
                return Ok(response);
            };
            is_first_host &= next.origin() == url.origin();
            url = next;
        }
        let reason = format!("more than {MAX_REDIRECTS} redirects");
        Err(StoreError::Network { object: object.to_owned(), reason, transient: false })
    }

    async fn send_once(
        &self,
        url: &Url,
        extra: &[(HeaderName, String)],
        headers: Option<&HeaderMap>,
        object: &str,
        meter: &Meter,
    ) -> Result<Response, StoreError> {
        let mut request = self.client.get(url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(headers) = headers {
            request = request.headers(headers.clone());
        }
        for (name, value) in extra {
            request = request.header(name, value);
        }
        meter.add_request();
        match tokio::time::timeout(self.pace.stall_timeout, request.send()).await {
            Ok(answer) => answer.map_err(|error| failure::of_request(object, &error)),
            Err(_) => Err(failure::stalled(object, "no answer", self.pace.stall_timeout)),
        }
    }
}

/// Whose certificates are accepted.
enum Trust {
    System,
    SystemAnd(Vec<Certificate>),
    Nobody,
}

fn build(options: &HttpOptions, trust: Trust) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent(concat!("regrow/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(options.connect_timeout);
    let builder = match trust {
        Trust::System => builder,
        Trust::SystemAnd(certificates) => builder.tls_certs_merge(certificates),
        Trust::Nobody => builder.tls_certs_only([]),
    };
    let builder = if options.use_proxies { builder } else { builder.no_proxy() };
    builder.build()
}

/// Where a redirect leads, or `None` if the answer is none.
fn redirect_target(response: &Response, from: &Url, object: &str) -> Result<Option<Url>, StoreError> {
    let redirects = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let Some(location) = response.headers().get(LOCATION).filter(|_| redirects) else {
        return Ok(None);
    };
    let refused = |reason: &str| StoreError::Network {
        object: object.to_owned(),
        reason: format!("redirected {reason}"),
        transient: false,
    };
    let target = location.to_str().ok().and_then(|location| from.join(location).ok());
    let mut target = target.ok_or_else(|| refused("to something that is no URL"))?;
    match (from.scheme(), target.scheme()) {
        ("https", "http") => return Err(refused("from https to http, which is not followed")),
        (_, "http" | "https") => {}
        _ => return Err(refused("to a place that is neither http nor https")),
    }
    if target.origin() == from.origin() && target.username().is_empty() {
        // Neither call fails for a URL with a host.
        let _ = target.set_username(from.username());
        let _ = target.set_password(from.password());
    }
    Ok(Some(target))
}

/// An `http` or `https` URL with a host.
pub(super) fn parse_url(text: &str) -> Result<Url, StoreError> {
    let refused = |location: &str, reason: String| StoreError::Location { location: location.to_owned(), reason };
    // A text that is no URL is repeated up to its query only, which may hold a secret.
    let safe = text.split(['?', '#']).next().unwrap_or_default();
    let url = Url::parse(text).map_err(|error| refused(safe, format!("not a URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused(safe, "the URL is neither http nor https".to_owned()));
    }
    Ok(url)
}

/// The URL for people: no user, password, query or fragment.
pub(super) fn without_secrets(url: &Url) -> String {
    let mut url = url.clone();
    // Neither call fails for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_secrets() {
        let url = parse_url("https://user:word@host.example/store/?sig=abc#x").unwrap();
        assert_eq!(without_secrets(&url), "https://host.example/store/");
    }

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
