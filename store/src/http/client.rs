//! The client: one pool of connections.
//!
//! The client follows redirects itself instead of leaving them to the library. So each request is counted, the
//! user's headers stay with the host for which they were given, and no server sends readers to a forbidden place.
//!
//! The bytes that a connection holds are bounded by its buffers: some 400 KiB for HTTP/1.1, and
//! 5 MiB for HTTP/2, whose requests share one connection. Bodies are never decompressed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::dns::Resolve;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url};
use rustls::ClientConfig;

use super::gate::Gates;
use super::header::{Headers, origin_of};
use super::options::{HttpOptions, read_trust};
use super::pace::Pace;
use super::proxies::Proxies;
#[cfg(feature = "buckets")]
use super::redirect::Way;
use super::redirect::{self, Guide, Redirects};
use super::resolve::SteadyResolver;
use super::route::Route;
use super::{answer, ascii_host, failure, versions};
use crate::shown::shown_malformed;
use crate::{Meter, RateLimit, RedirectRefusal, StoreError};

/// The largest number of redirects that are followed in a row.
const MAX_REDIRECTS: usize = 10;

/// A pool of connections for HTTP/1.1 and HTTP/2. Clones share it.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client,
    headers: Headers,
    /// The origins that also get their headers when a redirect leads to them.
    named_origins: Arc<[String]>,
    guide: Arc<Guide>,
    gates: Gates,
    pace: Pace,
}

impl HttpClient {
    /// Makes a client, which has no connections yet.
    ///
    /// # Errors
    /// [`StoreError::InvalidOption`] for headers or certificates that cannot be used, and [`StoreError::Io`] for a
    /// file of certificates that cannot be read.
    pub fn new(options: HttpOptions) -> Result<Self, StoreError> {
        choose_cryptography();
        let headers = Headers::new(&options.headers)?;
        let named_origins = options.named_origins.iter().filter_map(|origin| origin_of(origin)).collect();
        let extra = options.ca_file.as_deref().map(read_trust).transpose()?;
        let proxies = options.use_proxies.then(Proxies::of_system);
        let steady = (options.redirects != Redirects::Any).then(|| Arc::new(SteadyResolver::default()) as Arc<_>);
        let client = build_any(&options, extra.as_ref(), steady, proxies.as_ref()).map_err(|error| {
            StoreError::InvalidOption { option: "HTTP client".to_owned(), reason: failure::deepest(&error) }
        })?;
        let pace = Pace {
            stall_timeout: options.stall_timeout,
            min_rate: options.min_rate,
            window: options.min_rate_window,
            limit: options.limit.clone(),
            open: Arc::default(),
        };
        let (policy, guarded) = (options.redirects, HttpOptions { headers: Vec::new(), ..options });
        let build = move |resolver| build_any(&guarded, extra.as_ref(), Some(resolver), None);
        let guide = Arc::new(Guide::new(policy, proxies, build));
        Ok(Self { client, headers, named_origins, guide, gates: Gates::default(), pace })
    }

    /// Turns an error for lack of credentials into one that says so, if the credentials were left behind at a
    /// redirect.
    pub(super) fn say_withheld(&self, error: StoreError, asked: &Route, found: &Route) -> StoreError {
        let had_headers = asked.has_headers && self.headers.of(&asked.url).is_some();
        match error {
            StoreError::Denied { object, status } | StoreError::NotFound { object, status: Some(status @ 403) }
                if had_headers && !found.has_headers =>
            {
                let to = found.url.origin().ascii_serialization();
                StoreError::Withheld { object, to, status }
            }
            other => other,
        }
    }

    /// The limit that the bodies of answers keep, for others that share it, such as uploads.
    #[must_use]
    pub fn rate_limit(&self) -> Option<Arc<RateLimit>> {
        self.pace.limit.clone()
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// The proxy through which requests to this URL go, in a form without secrets.
    #[cfg(feature = "buckets")]
    pub(crate) fn proxy_of(&self, url: &Url) -> Option<String> {
        self.guide.proxy_of(url, Way::Free)
    }

    /// The pool itself, for requests that neither follow redirects nor carry the user's headers.
    #[cfg(feature = "buckets")]
    pub(crate) fn inner(&self) -> &Client {
        &self.client
    }

    pub(crate) fn stall_timeout(&self) -> std::time::Duration {
        self.pace.stall_timeout
    }

    /// Sends a request, and follows redirects if it is a GET. Any other status is an answer. The route by which the
    /// answer came is returned too.
    pub(crate) async fn send(&self, from: &Route, request: &Request<'_>) -> Result<(Response, Route), StoreError> {
        let mut at = from.clone();
        let mut request = *request;
        for _ in 0..=MAX_REDIRECTS {
            let client = self.guide.client(at.way, &self.client, request.object)?;
            let response = self.send_patiently(&client, &at, &request).await?;
            if *request.method != Method::GET {
                return Ok((response, at));
            }
            let Some(next) = redirect::target(&response, &at.url, request.object)? else {
                return Ok((response, at));
            };
            // A registry's token is for the registry alone, and not for the bucket that it redirects to.
            request.authorization = request.authorization.filter(|_| next.origin() == at.url.origin());
            at.way = self.guide.way(&response, (&at.url, at.way), &next, request.object)?;
            at.has_headers &= next.origin() == at.url.origin();
            at.has_headers |= self.named_origins.contains(&next.origin().ascii_serialization());
            at.url = next;
        }
        let reason = format!("more than {MAX_REDIRECTS} redirects");
        Err(StoreError::Network { object: request.object.to_owned(), reason, transient: false })
    }

    /// The route to a URL that an answer names as one to ask, such as a server of tokens. It may lead no nearer to
    /// this machine than a redirect may.
    pub(crate) fn detour(
        &self,
        (response, from): (&Response, &Route),
        to: Url,
        object: &str,
    ) -> Result<Route, StoreError> {
        if (from.url.scheme(), to.scheme()) == ("https", "http") {
            return Err(redirect::refusal(object, &to, RedirectRefusal::Downgrade));
        }
        let way = self.guide.detour(response, (&from.url, from.way), &to, object)?;
        let has_headers = self.is_named(&to) || (from.has_headers && from.url.origin() == to.origin());
        Ok(Route { url: to, way, has_headers })
    }

    /// The route to a URL that was asked in an earlier run. It carries the user's headers only if the user names its
    /// origin.
    pub(crate) fn known_route(&self, to: Url) -> Route {
        Route { has_headers: self.is_named(&to), ..Route::direct(to) }
    }

    fn is_named(&self, url: &Url) -> bool {
        self.named_origins.contains(&url.origin().ascii_serialization())
    }

    /// Sends a request again, more slowly, if the host refuses it for being one too many, as long as others get
    /// through.
    async fn send_patiently(&self, client: &Client, at: &Route, request: &Request<'_>) -> Result<Response, StoreError> {
        let gate = self.gates.of(&at.url);
        loop {
            let entered = gate.enter().await;
            let response = self.send_once(client, at, request).await?;
            if !matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
                if response.status().is_success() {
                    gate.passed();
                }
                return Ok(response);
            }
            // A 429 only concerns the pace. A host that is unavailable may stay so, and another host may be
            // available.
            let is_passed_on = request.is_urgent && response.status() == StatusCode::SERVICE_UNAVAILABLE;
            match gate.refused(entered, answer::retry_after(&response)) {
                Some(wait) if !is_passed_on => tokio::time::sleep(wait).await,
                _ => return Ok(response),
            }
        }
    }

    async fn send_once(&self, client: &Client, at: &Route, request: &Request<'_>) -> Result<Response, StoreError> {
        self.guide.check_proxy(&at.url)?;
        let proxy = self.guide.proxy_of(&at.url, at.way);
        let mut get = client.request(request.method.clone(), at.url.clone()).header(ACCEPT_ENCODING, "identity");
        let headers = if at.has_headers { self.headers.of(&at.url) } else { None };
        // What the user gives for this host counts more than what was found.
        let has_authorization = headers.is_some_and(|headers| headers.contains_key(AUTHORIZATION));
        if let Some(value) = request.authorization.filter(|_| !has_authorization) {
            get = get.header(AUTHORIZATION, value);
        }
        if let Some(headers) = headers {
            get = get.headers(headers.clone());
        }
        for (name, value) in request.extra {
            get = get.header(name, value);
        }
        if let Some(body) = request.body {
            get = get.body(body.clone());
        }
        request.meter.add_request();
        match tokio::time::timeout(request.patience, get.send()).await {
            Ok(Ok(answer)) => match proxy.filter(|_| answer.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED) {
                Some(proxy) => {
                    let (object, reason) = (request.object.to_owned(), failure::wants_credentials(&proxy));
                    Err(StoreError::Network { object, reason, transient: false })
                }
                None => Ok(answer),
            },
            Ok(Err(error)) => Err(redirect::failed(request.object, &at.url, &error, proxy.as_deref())),
            Err(_) => Err(failure::stalled(request.object, "no answer", request.patience)),
        }
    }
}

/// The parts of a request, and the way in which it is counted.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    pub(crate) extra: &'a [(HeaderName, String)],
    /// The `Authorization` header, unless the user gives one. It stays with the origin that is asked first.
    pub(crate) authorization: Option<&'a HeaderValue>,
    pub(crate) body: Option<&'a Bytes>,
    /// The object's name in errors.
    pub(crate) object: &'a str,
    pub(crate) meter: &'a Meter,
    /// The time that the head of the answer may take.
    pub(crate) patience: Duration,
    /// Whether another host can be asked if this one is unavailable.
    pub(crate) is_urgent: bool,
}

impl<'a> Request<'a> {
    /// A GET of an object that no other host has.
    pub(crate) fn get(
        extra: &'a [(HeaderName, String)],
        object: &'a str,
        meter: &'a Meter,
        patience: Duration,
    ) -> Self {
        let (method, authorization, body) = (&Method::GET, None, None);
        Self { method, extra, authorization, body, object, meter, patience, is_urgent: false }
    }
}

/// Makes ring the process's cryptography, unless the embedding program has chosen another.
fn choose_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The certificates that are accepted.
enum Trust<'a> {
    System,
    SystemAnd(&'a ClientConfig),
    Nobody,
}

/// Makes a client that trusts the system's certificates and those in `extra`, and resolves names with `resolver`.
fn build_any(
    options: &HttpOptions,
    extra: Option<&ClientConfig>,
    resolver: Option<Arc<dyn Resolve>>,
    proxies: Option<&Proxies>,
) -> reqwest::Result<Client> {
    let build = |trust| build(options, trust, resolver.clone(), proxies);
    match extra {
        Some(config) => build(Trust::SystemAnd(config)),
        // A system without certificates, such as a small image, still reaches plain http.
        None => build(Trust::System).or_else(|_| build(Trust::Nobody)),
    }
}

fn build(
    options: &HttpOptions,
    trust: Trust<'_>,
    resolver: Option<Arc<dyn Resolve>>,
    proxies: Option<&Proxies>,
) -> reqwest::Result<Client> {
    let builder = Client::builder()
        .user_agent(concat!("regrow/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(options.connect_timeout);
    let builder = versions::bounded(builder);
    let builder = match trust {
        Trust::System => builder,
        Trust::SystemAnd(config) => builder.tls_backend_preconfigured(config.clone()),
        Trust::Nobody => builder.tls_certs_only([]),
    };
    let builder = match proxies {
        Some(proxies) => builder.proxy(proxies.rule()),
        None => builder.no_proxy(),
    };
    let builder = match resolver {
        Some(resolver) => builder.dns_resolver(resolver),
        None => builder,
    };
    builder.build()
}

/// Parses an `http` or `https` URL with a host.
pub(super) fn parse_url(text: &str) -> Result<Url, StoreError> {
    let refused = |location: String, reason: String| StoreError::Location { location, reason };
    let safe = || shown_malformed(text);
    let url = ascii_host::parse(text).map_err(|reason| refused(safe(), format!("not a URL: {reason}")))?;
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
