//! What of the HTTP client can be chosen, and its check.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::{RateLimit, StoreError};

/// Headers that the client sets itself; another value would break the reading of ranges.
const OWN_HEADERS: [&str; 6] =
    ["range", "if-range", "accept-encoding", "content-length", "transfer-encoding", "connection"];

/// What of an [`HttpClient`](crate::HttpClient) can be chosen.
#[derive(Clone)]
pub struct HttpOptions {
    /// Names and values that go with every request, but never to another host (or port, or scheme) that the
    /// server redirects to.
    pub headers: Vec<(String, String)>,
    /// How long a connection may take to come about, TLS included.
    pub connect_timeout: Duration,
    /// How long nothing at all may arrive: no head of an answer after a request, no byte of a body. A body of
    /// which fewer than 4,096 bytes arrive in as much time of waiting counts as stalled too.
    pub stall_timeout: Duration,
    /// A PEM file of certificates that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whether proxies that the environment names are used.
    pub use_proxies: bool,
    /// What the bodies of answers, all together, must not be faster than.
    pub limit: Option<Arc<RateLimit>>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            ca_file: None,
            use_proxies: true,
            limit: None,
        }
    }
}

/// Shows the headers' names only.
impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpOptions")
            .field("headers", &names)
            .field("connect_timeout", &self.connect_timeout)
            .field("stall_timeout", &self.stall_timeout)
            .field("ca_file", &self.ca_file)
            .field("use_proxies", &self.use_proxies)
            .field("limit", &self.limit)
            .finish()
    }
}

/// The headers in a text of lines, as a file that holds secrets out of the command line has them: one
/// `Name: value` per line. Empty lines and those that begin with `#` are passed over.
///
/// # Errors
/// [`StoreError::InvalidOption`] for a line that is no header. It names the line's number, and nothing of what the
/// line says: a secret may be anywhere in a line that is not understood.
pub fn parse_header_lines(text: &str) -> Result<Vec<(String, String)>, StoreError> {
    // Some editors begin files with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim).zip(1..);
    lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')).map(parse_header_line).collect()
}

fn parse_header_line((line, number): (&str, usize)) -> Result<(String, String), StoreError> {
    let refused = |reason: &str| StoreError::InvalidOption {
        option: format!("headers, line {number}"),
        reason: reason.to_owned(),
    };
    let (name, value) = line.split_once(':').ok_or_else(|| refused("write it like \"Name: value\""))?;
    let value = value.trim();
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("the name is not a valid header name"))?;
    HeaderValue::from_str(value).map_err(|_| refused("the value holds characters that headers cannot carry"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The headers in the client's terms. All values are marked as sensitive: a token may be in any of them.
pub(super) fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, StoreError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let refused =
            |reason: &str| StoreError::InvalidOption { option: format!("header {name:?}"), reason: reason.to_owned() };
        let key =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("the name is not a valid header name"))?;
        if OWN_HEADERS.contains(&key.as_str()) {
            return Err(refused("this header is set by regrow itself"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| refused("the value holds characters that headers cannot carry"))?;
        value.set_sensitive(true);
        map.append(key, value);
    }
    Ok(map)
}

/// The certificates in a PEM file; at least one.
pub(super) fn read_certificates(path: &Path) -> Result<Vec<Certificate>, StoreError> {
    let refused = |reason: &str| StoreError::InvalidOption {
        option: format!("certificates in {}", path.display()),
        reason: reason.to_owned(),
    };
    let pem = std::fs::read(path).map_err(StoreError::io(path))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| refused("the file is not in the PEM format"))?;
    if certificates.is_empty() {
        return Err(refused("the file holds no certificate in the PEM format"));
    }
    Ok(certificates)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn refusal(name: &str, value: &str) -> String {
        header_map(&[(name.to_owned(), value.to_owned())]).unwrap_err().to_string()
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused_without_repeating_the_value() {
        assert!(refusal("bad name", "secret").contains("not a valid header name"));
        assert!(refusal("Range", "bytes=0-1").contains("set by regrow itself"));
        let error = refusal("x-token", "secret\nsecond: line");
        assert!(error.contains("x-token") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn lines_of_headers_are_taken_apart() {
        let text = "\u{feff}# tokens\r\nAuthorization: Bearer a:b=\r\n\r\n  X-Empty:\n   # indented\nx-a:1";
        let expected = [("Authorization", "Bearer a:b="), ("X-Empty", ""), ("x-a", "1")];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(parse_header_lines(text).unwrap(), expected);
        assert_eq!(parse_header_lines("").unwrap(), []);
    }

    #[test]
    fn lines_that_are_no_headers_are_named_by_number_only() {
        for line in ["secret", ": secret", "my secret: x", "x-a : secret", "x-a: sec\u{1}ret", "secret\u{e9}: x"] {
            let error = parse_header_lines(&format!("# one\n\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with("headers, line 3: ") && !error.contains("sec"), "{error}");
        }
    }

    #[test]
    fn good_headers_are_kept_and_hidden_from_debug_output() {
        let given = [("Authorization", "Bearer a"), ("X-A", "1"), ("x-a", "2")];
        let headers: Vec<_> = given.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        let map = header_map(&headers).unwrap();
        assert_eq!(map.len(), 3);
        assert!(map.values().all(HeaderValue::is_sensitive));
        let options = HttpOptions { headers, ..HttpOptions::default() };
        assert!(!format!("{options:?}").contains("Bearer"));
    }
}
