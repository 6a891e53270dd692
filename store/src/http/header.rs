//! The headers that users give, and the hosts that get them.

use std::fmt;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::ascii_host;
use crate::StoreError;

/// The headers that the client sets itself. Another value would break the reading of ranges.
const OWN_HEADERS: [&str; 6] =
    ["range", "if-range", "accept-encoding", "content-length", "transfer-encoding", "connection"];

/// A header for the requests to one origin, which is a scheme, a host and a port. It never goes to another origin,
/// not even by a redirect.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenHeader {
    /// A URL of the origin. Its path and query are ignored.
    pub origin: String,
    /// The header's name.
    pub name: String,
    /// The header's value, which may be secret.
    pub value: String,
}

/// Hides the value.
impl fmt::Debug for GivenHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Url::parse(&self.origin).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
        f.debug_struct("GivenHeader").field("origin", &origin).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A header as users write it: `Name: value`, or `HOST=Name: value` for a certain host.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderLine {
    /// The origin in the line, such as `https://host`, if there is one.
    pub origin: Option<String>,
    /// The header's name.
    pub name: String,
    /// The header's value, which may be secret.
    pub value: String,
}

/// Hides the value.
impl fmt::Debug for HeaderLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderLine").field("origin", &self.origin).field("name", &self.name).finish_non_exhaustive()
    }
}

/// The headers in a text, one on each line, as in a file that keeps secrets out of the command line. Empty lines
/// and lines that begin with `#` are skipped.
///
/// # Errors
/// [`StoreError::InvalidOption`] for a line that is no header. It states the line's number but none of the line's
/// text, since a line that is not understood may hold a secret anywhere.
pub fn parse_header_lines(text: &str) -> Result<Vec<HeaderLine>, StoreError> {
    // Some editors begin files with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().map(str::trim).zip(1..);
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let checked = |line: &str| parse(line).and_then(|line| check(&line).map(|()| line));
    let read = |(line, number)| checked(line).map_err(|reason| refused(&format!("headers, line {number}"), reason));
    lines.map(read).collect()
}

/// Parses a line: `Name: value`, `HOST=Name: value`, where `HOST` stands for `https://HOST`, or `ORIGIN=Name:
/// value`, where `ORIGIN` is something like `http://host:8080`. The form is always clear, since no header's name
/// contains a `=` or a `/`.
///
/// # Errors
/// [`StoreError::InvalidOption`] if the line is no header. It repeats at most the name.
pub fn parse_header_line(line: &str) -> Result<HeaderLine, StoreError> {
    let line = parse(line.trim()).map_err(|reason| refused("header", reason))?;
    check(&line).map_err(|reason| refused(&format!("header {:?}", line.name), reason))?;
    Ok(line)
}

fn refused(option: &str, reason: &str) -> StoreError {
    StoreError::InvalidOption { option: option.to_owned(), reason: reason.to_owned() }
}

fn parse(line: &str) -> Result<HeaderLine, &'static str> {
    let (origin, header) = split_origin(line)?;
    let (name, value) = header.split_once(':').ok_or("write it like \"Name: value\" or \"HOST=Name: value\"")?;
    let (name, value) = (name.trim_start(), value.trim());
    Ok(HeaderLine { origin, name: name.to_owned(), value: value.to_owned() })
}

fn check(line: &HeaderLine) -> Result<(), &'static str> {
    HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| "the name is not a valid header name")?;
    HeaderValue::from_str(&line.value).map_err(|_| "the value holds characters that headers cannot carry")?;
    Ok(())
}

/// The origin before the `=`, if there is one, and the header.
fn split_origin(line: &str) -> Result<(Option<String>, &str), &'static str> {
    let Some((before, header)) = line.split_once('=') else { return Ok((None, line)) };
    let has_scheme = before.split_once(':').is_some_and(|(_, rest)| rest.starts_with("//"));
    if !has_scheme && before.contains(':') {
        return Ok((None, line));
    }
    let url = if has_scheme { before.to_owned() } else { format!("https://{before}") };
    let url = ascii_host::parse(&url).map_err(|_| "the text before the = is neither a host nor an origin")?;
    let is_origin = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_origin {
        return Err("the text before the = is not just a host or an origin, like https://host:8443");
    }
    Ok((Some(url.origin().ascii_serialization()), header))
}

/// The origin of a URL, such as `https://host:8443`. The result is `None` if the text is no URL of `http` or
/// `https`.
#[must_use]
pub fn origin_of(url: &str) -> Option<String> {
    let url = ascii_host::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(url.origin().ascii_serialization())
}

/// The headers in the client's form, by origin. All values are marked as sensitive, since any of them may be a
/// token.
#[derive(Debug, Clone, Default)]
pub(super) struct Headers(Vec<(String, HeaderMap)>);

impl Headers {
    pub(super) fn new(given: &[GivenHeader]) -> Result<Self, StoreError> {
        let mut all = Self::default();
        for GivenHeader { origin, name, value } in given {
            let option = format!("header {name:?}");
            let url = ascii_host::parse(origin).map_err(|_| refused(&option, "its origin is not a URL"))?;
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| refused(&option, "the name is not a valid header name"))?;
            if OWN_HEADERS.contains(&key.as_str()) {
                return Err(refused(&option, "this header is set by regrow itself"));
            }
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| refused(&option, "the value holds characters that headers cannot carry"))?;
            value.set_sensitive(true);
            all.of_mut(url.origin().ascii_serialization()).append(key, value);
        }
        Ok(all)
    }

    fn of_mut(&mut self, origin: String) -> &mut HeaderMap {
        let at = self.0.iter().position(|(known, _)| *known == origin).unwrap_or_else(|| {
            self.0.push((origin, HeaderMap::new()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// The headers for requests to the origin of `url`.
    pub(super) fn of(&self, url: &Url) -> Option<&HeaderMap> {
        if self.0.is_empty() {
            return None;
        }
        let origin = url.origin().ascii_serialization();
        self.0.iter().find(|(known, _)| *known == origin).map(|(_, headers)| headers)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn given(origin: &str, name: &str, value: &str) -> GivenHeader {
        GivenHeader { origin: origin.to_owned(), name: name.to_owned(), value: value.to_owned() }
    }

    fn refusal(name: &str, value: &str) -> String {
        Headers::new(&[given("https://h", name, value)]).unwrap_err().to_string()
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
        let text = "\u{feff}# tokens\r\nAuthorization: Bearer a:b=\r\n\r\n  X-Empty:\n   # indented\nx-a:1\n\
            cdn.example=X-B: c=d: e\nhttp://[::1]:80=X-C: 3\nHTTPS://Host:8443/=x-d:=4\nx-e: a://b=c";
        let expected = [
            (None, "Authorization", "Bearer a:b="),
            (None, "X-Empty", ""),
            (None, "x-a", "1"),
            (Some("https://cdn.example"), "X-B", "c=d: e"),
            (Some("http://[::1]"), "X-C", "3"),
            (Some("https://host:8443"), "x-d", "=4"),
            (None, "x-e", "a://b=c"),
        ];
        let found = parse_header_lines(text).unwrap();
        let found: Vec<_> = found.iter().map(|l| (l.origin.as_deref(), l.name.as_str(), l.value.as_str())).collect();
        assert_eq!(found, expected);
        assert_eq!(parse_header_lines("").unwrap(), []);
    }

    #[test]
    fn lines_that_are_no_headers_are_named_by_number_only() {
        let lines = ["secret", ": secret", "my secret: x", "x-a : secret", "x-a: sec\u{1}ret", "secret\u{e9}: x"];
        let hosts =
            ["sec/ret=x: y", "ftp://secret=x: y", "https://u:secret@h=x: y", "https://h/secret=x: y", "=x: secret"];
        for line in lines.into_iter().chain(hosts) {
            let error = parse_header_lines(&format!("# one\n\n{line}\n")).unwrap_err().to_string();
            assert!(error.starts_with("headers, line 3: ") && !error.contains("sec"), "{line}: {error}");
        }
    }

    #[test]
    fn headers_go_by_origin_and_are_hidden_from_debug_output() {
        let list = [
            given("https://h/app.rgx?sig=hidden", "Authorization", "Bearer a"),
            given("https://h:443", "X-A", "1"),
            given("https://h", "x-a", "2"),
            given("http://h", "x-b", "3"),
        ];
        let headers = Headers::new(&list).unwrap();
        let count = |url: &str| headers.of(&Url::parse(url).unwrap()).map_or(0, HeaderMap::len);
        assert_eq!(
            [count("https://h/x"), count("http://h/"), count("https://h:8443/"), count("https://i/")],
            [3, 1, 0, 0]
        );
        let map = headers.of(&Url::parse("https://h/").unwrap()).unwrap();
        assert!(map.values().all(HeaderValue::is_sensitive));
        let shown = format!("{list:?} {headers:?}");
        assert!(!shown.contains("Bearer") && !shown.contains("hidden"), "{shown}");
    }
}
