//! A line for each request.

use std::io::Write;
use std::net::SocketAddr;

use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, RANGE};
use hyper::{Method, Request, StatusCode};

use crate::terminal::clean_line;

/// Whether requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestLog {
    /// No log.
    Off,
    /// A log on standard error.
    StandardError,
}

/// The parts of a request that go into its line. The query is left out, since it may hold a signature.
pub(super) struct Line {
    peer: SocketAddr,
    method: Method,
    path: String,
    range: Option<HeaderValue>,
}

impl Line {
    pub(super) fn of<B>(peer: SocketAddr, request: &Request<B>) -> Self {
        let path = request.uri().path().to_owned();
        Self { peer, method: request.method().clone(), path, range: request.headers().get(RANGE).cloned() }
    }

    /// Writes the line. Serving goes on even if nobody reads it any more.
    pub(super) fn write(&self, status: StatusCode, answer: &HeaderMap) {
        let _ = writeln!(std::io::stderr().lock(), "{}", self.text(status, answer));
    }

    fn text(&self, status: StatusCode, answer: &HeaderMap) -> String {
        let shown = |value: Option<&HeaderValue>| {
            value.map_or_else(|| "-".to_owned(), |value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let (range, length) = (shown(self.range.as_ref()), shown(answer.get(CONTENT_LENGTH)));
        let Self { peer, method, path, .. } = self;
        let line = format!("{peer} {method} {path} {range} {} {length}", status.as_u16());
        clean_line(&line).into_owned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_no_query() {
        let request = Request::get("/a%0Ab?signature=1").header(RANGE, "bytes=0-9").body(()).unwrap();
        let line = Line::of(SocketAddr::from(([127, 0, 0, 1], 9)), &request);
        let answer = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(10))]);
        assert_eq!(line.text(StatusCode::PARTIAL_CONTENT, &answer), "127.0.0.1:9 GET /a%0Ab bytes=0-9 206 10");
    }
}
