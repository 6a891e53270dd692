//! Answers: those of tower-http, and what it leaves open.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, IF_RANGE, LAST_MODIFIED, RANGE};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tower_http::services::fs::{ServeDir, ServeFileSystemResponseBody};

use super::confined::Confined;
use super::counted::{CountedBody, Counts, Served};
use super::log::{Line, RequestLog};

/// The number of bytes that are read at once.
const READ_BYTES: usize = 256 << 10;
/// For packs and patches, which never change under their name.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// For a store's description, which makers rely on.
const ASK_FIRST: &str = "no-cache";
/// For all other names, which may move on.
const A_MINUTE: &str = "max-age=60";
/// For missing files, which may be there the next moment.
const NEVER: &str = "no-store";

/// A folder as clients see it.
pub(super) struct Site {
    files: ServeDir<tower_http::services::fs::DefaultServeDirFallback, Confined>,
    counts: Arc<Counts>,
    log: RequestLog,
}

impl Site {
    /// Makes a site of a folder whose path is canonical.
    pub(super) fn new(root: &Path, log: RequestLog) -> Self {
        let files = ServeDir::with_backend(root, Confined::new(root))
            .append_index_html_on_directories(false)
            .ignore_multi_range_requests(true)
            .with_buf_chunk_size(READ_BYTES);
        Self { files, counts: Arc::default(), log }
    }

    pub(super) fn served(&self) -> Served {
        self.counts.served()
    }

    /// Answers a request, whose body nobody reads.
    pub(super) async fn answer<B>(&self, peer: SocketAddr, request: Request<B>) -> Response<CountedBody> {
        self.counts.add_request();
        let line = (self.log == RequestLog::StandardError).then(|| Line::of(peer, &request));
        let (caching, is_ours) = (caching(request.uri().path()), is_ours(request.uri().path()));
        let mut request = request.map(|_| Empty::new());
        self.settle_range(&mut request).await;
        let mut response = self.response(request).await;
        let status = response.status();
        let is_found = status.is_success() || status == StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(if is_found { caching } else { NEVER }));
        if status.is_success() && is_ours {
            // A guess by the name would make patches text, which hosts and caches compress.
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        }
        if let Some(line) = line {
            line.write(status, response.headers());
        }
        response.map(|body| CountedBody::new(body, &self.counts))
    }

    async fn response(&self, request: Request<Empty<Bytes>>) -> Response<ServeFileSystemResponseBody> {
        let status = match self.files.clone().try_call(request).await {
            Ok(response) if has_length(&response) => return response,
            Ok(response) => return without_body(response),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
        };
        let mut response = Response::default();
        *response.status_mut() = status;
        without_body(response)
    }

    /// Passes a `Range` to tower-http only where it understands it, and in the form that it understands (RFC 9110,
    /// sections 13.1.5 and 14.2).
    async fn settle_range(&self, request: &mut Request<Empty<Bytes>>) {
        let if_range = request.headers_mut().remove(IF_RANGE);
        let Some(range) = request.headers_mut().remove(RANGE) else { return };
        if request.method() != Method::GET {
            return;
        }
        let mut look = Request::new(Empty::new());
        *look.method_mut() = Method::HEAD;
        look.uri_mut().clone_from(request.uri());
        let found = self.response(look).await;
        let is_current =
            |condition| [ETAG, LAST_MODIFIED].iter().any(|name| found.headers().get(name) == Some(condition));
        if found.status() == StatusCode::OK && if_range.as_ref().is_none_or(is_current) {
            let range = usable_range(&range, length(found.headers()));
            request.headers_mut().extend(range.map(|range| (RANGE, range)));
        }
    }
}

/// The range in the form that tower-http should see, or `None` if the whole file is the answer. tower-http takes
/// two things wrongly. One is a suffix longer than the file, which means the whole of it. The other is any range of
/// an empty file, which has none.
fn usable_range(range: &HeaderValue, file_bytes: u64) -> Option<HeaderValue> {
    let (unit, ranges) = range.to_str().ok()?.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") || file_bytes == 0 {
        return None;
    }
    let suffix_bytes = ranges.strip_prefix('-').and_then(|digits| digits.parse::<u64>().ok());
    let ranges = if suffix_bytes.is_some_and(|bytes| bytes > file_bytes) { "0-" } else { ranges };
    HeaderValue::from_str(&format!("bytes={ranges}")).ok()
}

fn length(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

fn has_length<B>(response: &Response<B>) -> bool {
    response.headers().contains_key(CONTENT_LENGTH) || response.status() == StatusCode::NOT_MODIFIED
}

/// Says that an answer has no body, so that the connection need not send an empty chunk.
fn without_body<B: Default>(response: Response<B>) -> Response<B> {
    let mut response = response.map(|_| B::default());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(0));
    response
}

/// The `Cache-Control` for a path.
fn caching(path: &str) -> &'static str {
    match path.rsplit('/').next().unwrap_or_default() {
        _ if is_immutable(Path::new(path)) => FOREVER,
        "regrow.json" | "gc.json" => ASK_FIRST,
        _ => A_MINUTE,
    }
}

/// Whether a name follows from the contents: `<64 hex>.pack`, `<64 hex>/<64 hex>.patch`.
pub(super) fn is_immutable(path: &Path) -> bool {
    let is_hash = |name: Option<&str>| {
        name.is_some_and(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let text = |name: Option<&'_ std::ffi::OsStr>| name.and_then(|name| name.to_str()).map(str::to_owned);
    let folder = text(path.parent().and_then(Path::file_name));
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("pack") => is_hash(text(path.file_stem()).as_deref()),
        Some("patch") => is_hash(text(path.file_stem()).as_deref()) && is_hash(folder.as_deref()),
        _ => false,
    }
}

/// Whether a name is that of a pack, a patch or an index.
fn is_ours(path: &str) -> bool {
    [".pack", ".patch", ".rgx"].iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_packs_and_patches_are_kept_forever() {
        let hash = "0123456789abcdef".repeat(4);
        assert_eq!(caching(&format!("/store/packs/01/{hash}.pack")), FOREVER);
        assert_eq!(caching(&format!("/{hash}.pack")), FOREVER);
        for path in ["/app.rgx", "/", &format!("/{hash}"), &format!("/{hash}0.pack"), &format!("/x{}.pack", &hash[1..])]
        {
            assert_eq!(caching(path), A_MINUTE, "{path}");
        }
        assert_eq!(caching(&format!("/store/patches/{hash}/{hash}.patch")), FOREVER);
        for path in [format!("/{hash}.patch"), format!("/x/{hash}.patch"), format!("/{hash}/x.patch")] {
            assert_eq!(caching(&path), A_MINUTE, "{path}");
        }
        for path in ["/store/regrow.json", "/gc.json"] {
            assert_eq!(caching(path), ASK_FIRST, "{path}");
        }
    }

    #[test]
    fn ranges_become_what_tower_http_takes() {
        let usable = |range: &str, bytes| usable_range(&HeaderValue::from_str(range).unwrap(), bytes);
        assert_eq!(usable("bytes=-11", 10).unwrap(), "bytes=0-");
        assert_eq!(usable("bytes=-10", 10).unwrap(), "bytes=-10");
        assert_eq!(usable("Bytes=2-3", 10).unwrap(), "bytes=2-3");
        assert_eq!(usable("bytes=20-", 10).unwrap(), "bytes=20-");
        for (range, bytes) in [("lines=1-2", 10), ("bytes", 10), ("bytes=0-", 0), ("bytes=-5", 0)] {
            assert_eq!(usable(range, bytes), None, "{range}");
        }
    }
}
