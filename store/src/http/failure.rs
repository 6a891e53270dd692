//! One line for each way in which a request or a body fails below HTTP.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::certificate;
use crate::{Distrust, StoreError};

/// The cause of a failure below HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The server's certificate would be accepted if the user trusted it.
    Untrusted(Distrust),
    /// Anything else: a line for people, and whether the same request may succeed later.
    Network { reason: String, transient: bool },
}

impl Cause {
    fn network(reason: impl Into<String>, transient: bool) -> Self {
        Self::Network { reason: reason.into(), transient }
    }
}

/// The error of a request that got no answer. `proxy` is the proxy through which it went.
pub(crate) fn of_request(object: &str, error: &reqwest::Error, proxy: Option<&str>) -> StoreError {
    let object = object.to_owned();
    match explain(error, proxy) {
        Cause::Untrusted(distrust) => StoreError::Untrusted { object, distrust, proxy: proxy.map(str::to_owned) },
        Cause::Network { reason, transient } => StoreError::Network { object, reason, transient },
    }
}

/// The line for a proxy that asks for credentials.
pub(crate) fn wants_credentials(proxy: &str) -> String {
    format!(
        "the proxy {proxy} wants credentials (HTTP 407): put them into the variable that names it, as \
         http://USER:PASSWORD@HOST:PORT"
    )
}

/// The error of a body that broke off. It is always transient, since the connection had worked.
pub(super) fn of_body(object: &str, error: &reqwest::Error) -> StoreError {
    let reason = format!("the connection broke: {}", deepest(error));
    StoreError::Network { object: object.to_owned(), reason, transient: true }
}

/// The error of a server that stopped sending.
pub(super) fn stalled(object: &str, what: &str, after: Duration) -> StoreError {
    let reason = format!("{what} for {after:?}");
    StoreError::Network { object: object.to_owned(), reason, transient: true }
}

/// The innermost cause, which says most. The URL that the client puts into it is removed, since its query may be
/// signed.
pub(crate) fn deepest(error: &(dyn Error + 'static)) -> String {
    let text = causes(error).last().map(ToString::to_string).unwrap_or_default();
    let url = causes(error).find_map(|cause| cause.downcast_ref::<reqwest::Error>()?.url());
    url.map_or(text.clone(), |url| text.replace(&format!(" for url ({url})"), "").replace(url.as_str(), ""))
}

/// The cause of the failure of a request.
pub(crate) fn explain(error: &reqwest::Error, proxy: Option<&str>) -> Cause {
    let deepest = deepest(error);
    match causes(error).find_map(certificate::problem) {
        Some(Cause::Network { reason, transient }) => {
            let through = proxy.map(|proxy| format!(" (through the proxy {proxy})")).unwrap_or_default();
            return Cause::Network { reason: reason + &through, transient };
        }
        Some(untrusted) => return untrusted,
        None => {}
    }
    if error.is_builder() {
        return Cause::network(format!("the request cannot be made: {deepest}"), false);
    }
    let is_refused = causes(error).any(|cause| io_kind(cause) == Some(io::ErrorKind::ConnectionRefused));
    if let Some(proxy) = proxy {
        return through_proxy(error, proxy, is_refused, &deepest);
    }
    if error.is_dns() {
        return Cause::network(format!("the host's name is not found: {deepest}"), true);
    }
    if is_refused {
        return Cause::network("connection refused", true);
    }
    if error.is_timeout() {
        return Cause::network("no connection within the time allowed", true);
    }
    if error.is_connect() {
        return Cause::network(format!("no connection: {deepest}"), true);
    }
    Cause::network(format!("the connection broke: {deepest}"), true)
}

/// Explains a failure of a request to a proxy. The library describes it only in words.
fn through_proxy(error: &reqwest::Error, proxy: &str, is_refused: bool, deepest: &str) -> Cause {
    let says = |what: &str| causes(error).any(|cause| cause.to_string() == format!("tunnel error: {what}"));
    if says("proxy authorization required") {
        return Cause::network(wants_credentials(proxy), false);
    }
    if says("unsuccessful") {
        return Cause::network(format!("the proxy {proxy} does not connect to this host"), true);
    }
    let hint = "check http_proxy, https_proxy, all_proxy and no_proxy";
    if let Some(problem) = causes(error).find_map(|cause| socks_problem(&cause.to_string())) {
        return Cause::network(format!("the proxy {proxy} {problem}; {hint}"), true);
    }
    if is_refused {
        return Cause::network(format!("the proxy {proxy} refuses the connection; {hint}"), true);
    }
    if error.is_timeout() {
        return Cause::network(
            format!("no connection through the proxy {proxy} within the time allowed; {hint}"),
            true,
        );
    }
    if error.is_connect() || error.is_dns() {
        return Cause::network(format!("no connection through the proxy {proxy}: {deepest}; {hint}"), true);
    }
    Cause::network(format!("the connection through the proxy {proxy} broke: {deepest}"), true)
}

/// The problem with a SOCKS proxy in plain words. The library tells it by its text alone.
fn socks_problem(text: &str) -> Option<&'static str> {
    Some(match text.strip_prefix("SOCKS error: ")? {
        "failed to create underlying connection" => "cannot be reached",
        "connection refused" => "says that the host refuses the connection",
        "connection not allowed" => "does not allow connections to this host",
        "host unreachable" | "network unreachable" | "ttl expired" => "says that it cannot reach the host",
        "could not resolve to acceptable address type" => "cannot be given this host, whose name is not found",
        "credentials not accepted" => "does not accept the credentials",
        "server does not support user/pass authentication" => "wants to know who asks in a way that is not supported",
        "failed parsing server response" | "io error during SOCKS handshake" => "does not answer as a SOCKS proxy",
        _ => "failed to connect to the host",
    })
}

fn io_kind(cause: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    cause.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// The error and its causes, outermost first. [`io::Error`] gives the source of the error that it wraps, and skips
/// that error itself. So it is unwrapped here.
pub(crate) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_found_inside_io_errors() {
        let inner = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let outer = io::Error::new(io::ErrorKind::InvalidData, io::Error::other(inner));
        assert_eq!(causes(&outer).find_map(certificate::problem), Some(Cause::Untrusted(Distrust::UnknownIssuer)));
        assert_eq!(deepest(&outer), "invalid peer certificate: UnknownIssuer");
    }

    #[test]
    fn problems_of_socks_proxies_are_in_plain_words() {
        let problem = |text| socks_problem(&format!("SOCKS error: {text}"));
        assert_eq!(problem("failed to create underlying connection"), Some("cannot be reached"));
        assert_eq!(problem("anything new"), Some("failed to connect to the host"));
        assert_eq!(socks_problem("connection refused"), None);
    }
}
