//! One line for each way that a request or a body fails below HTTP.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::StoreError;

/// The error of a request that got no answer.
pub(crate) fn of_request(object: &str, error: &reqwest::Error) -> StoreError {
    let (reason, transient) = explain(error);
    StoreError::Network { object: object.to_owned(), reason, transient }
}

/// The error of a body that broke off. Always transient: the connection had worked.
pub(super) fn of_body(object: &str, error: &reqwest::Error) -> StoreError {
    let reason = format!("the connection broke: {}", deepest(error));
    StoreError::Network { object: object.to_owned(), reason, transient: true }
}

/// The error of a server that fell silent.
pub(super) fn stalled(object: &str, what: &str, after: Duration) -> StoreError {
    let reason = format!("{what} for {after:?}");
    StoreError::Network { object: object.to_owned(), reason, transient: true }
}

/// The innermost cause, which says most. Without the URL that the client names in it: it has the query, which may be signed.
pub(crate) fn deepest(error: &(dyn Error + 'static)) -> String {
    let text = causes(error).last().map(ToString::to_string).unwrap_or_default();
    let url = causes(error).find_map(|cause| cause.downcast_ref::<reqwest::Error>()?.url());
    url.map_or(text.clone(), |url| text.replace(&format!(" for url ({url})"), "").replace(url.as_str(), ""))
}

/// The line for people, and whether the same request may succeed later.
pub(crate) fn explain(error: &reqwest::Error) -> (String, bool) {
    let deepest = deepest(error);
    if let Some(certificate) = causes(error).find_map(certificate_problem) {
        return (format!("the server's certificate is not accepted: {certificate}"), false);
    }
    if error.is_builder() {
        return (format!("the request cannot be made: {deepest}"), false);
    }
    if error.is_dns() {
        return (format!("the host's name is not found: {deepest}"), true);
    }
    if causes(error).any(|cause| io_kind(cause) == Some(io::ErrorKind::ConnectionRefused)) {
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

/// What rustls says of a certificate, if that is the cause. Its errors have this wording in common; naming
/// their type would bind this crate to one version of rustls.
fn certificate_problem(cause: &(dyn Error + 'static)) -> Option<String> {
    let text = cause.to_string();
    let problem = text.strip_prefix("invalid peer certificate: ")?;
    Some(match problem {
        "UnknownIssuer" => "its issuer is not known here".to_owned(),
        other => other.to_owned(),
    })
}

fn io_kind(cause: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    cause.downcast_ref::<io::Error>().map(io::Error::kind)
}

/// The error and its causes, outermost first. An [`io::Error`] names the source of the error it wraps, not that
/// error itself, so it is unwrapped here.
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
        let inner = io::Error::other("invalid peer certificate: UnknownIssuer");
        let outer = io::Error::new(io::ErrorKind::InvalidData, io::Error::other(inner));
        let found = causes(&outer).find_map(certificate_problem);
        assert_eq!(found.as_deref(), Some("its issuer is not known here"));
        assert_eq!(deepest(&outer), "invalid peer certificate: UnknownIssuer");
    }
}
