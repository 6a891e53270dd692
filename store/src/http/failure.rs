//! One line for each way in which a request or a body fails below HTTP.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::certificate;
use crate::StoreError;

/// The error of a request that got no answer. `proxy` is the proxy through which it went.
pub(crate) fn of_request(object: &str, error: &reqwest::Error, proxy: Option<&str>) -> StoreError {
    let (reason, transient) = explain(error, proxy);
    StoreError::Network { object: object.to_owned(), reason, transient }
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

/// The line for people, and whether the same request may succeed later.
pub(crate) fn explain(error: &reqwest::Error, proxy: Option<&str>) -> (String, bool) {
    let deepest = deepest(error);
    if let Some((problem, transient)) = causes(error).find_map(certificate::problem) {
        let through = proxy.map(|proxy| format!(" (through the proxy {proxy})")).unwrap_or_default();
        return (problem + &through, transient);
    }
    if error.is_builder() {
        return (format!("the request cannot be made: {deepest}"), false);
    }
    let is_refused = causes(error).any(|cause| io_kind(cause) == Some(io::ErrorKind::ConnectionRefused));
    if let Some(proxy) = proxy {
        return through_proxy(error, proxy, is_refused, &deepest);
    }
    if error.is_dns() {
        return (format!("the host's name is not found: {deepest}"), true);
    }
    if is_refused {
        return ("connection refused".to_owned(), true);
    }
    if error.is_timeout() {
        return ("no connection within the time allowed".to_owned(), true);
    }
    if error.is_connect() {
        return (format!("no connection: {deepest}"), true);
    }
    (format!("the connection broke: {deepest}"), true)
}

/// Explains a failure of a request to a proxy. The library describes it only in words.
fn through_proxy(error: &reqwest::Error, proxy: &str, is_refused: bool, deepest: &str) -> (String, bool) {
    let says = |what: &str| causes(error).any(|cause| cause.to_string() == format!("tunnel error: {what}"));
    if says("proxy authorization required") {
        return (wants_credentials(proxy), false);
    }
    if says("unsuccessful") {
        return (format!("the proxy {proxy} does not connect to this host"), true);
    }
    let hint = "check http_proxy, https_proxy, all_proxy and no_proxy";
    if is_refused {
        return (format!("the proxy {proxy} refuses the connection; {hint}"), true);
    }
    if error.is_timeout() {
        return (format!("no connection through the proxy {proxy} within the time allowed; {hint}"), true);
    }
    if error.is_connect() || error.is_dns() {
        return (format!("no connection through the proxy {proxy}: {deepest}; {hint}"), true);
    }
    (format!("the connection through the proxy {proxy} broke: {deepest}"), true)
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
        let (problem, transient) = causes(&outer).find_map(certificate::problem).unwrap_or_default();
        assert!(problem.contains("its issuer is not known here"), "{problem}");
        assert!(!transient);
        assert_eq!(deepest(&outer), "invalid peer certificate: UnknownIssuer");
    }
}
