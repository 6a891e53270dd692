//! A store on a static HTTP host, read by ranges of one part.

mod answer;
mod body;
mod client;
mod content_range;
pub(crate) mod failure;
mod header;
mod options;
pub(crate) mod pace;
mod reach;
mod redirect;
mod refusal;
mod resolve;
pub(crate) mod retry_after;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream;
use reqwest::header::{HeaderName, RANGE};
use reqwest::{Response, Url};

use crate::name::check_name;
use crate::shown::without_secrets;
use crate::{Download, Meter, ReadStore, Span, StoreError};
use answer::{Framing, Part};
use body::Body;

pub use client::{Fetched, HttpClient};
pub use header::{GivenHeader, HeaderLine, origin_of, parse_header_line, parse_header_lines};
pub use options::HttpOptions;
pub use redirect::Redirects;

/// The most that is taken into memory of an object that is asked for whole, or for a long end, where the host does not
/// say how large it is.
const MAX_UNSIZED_BYTES: u64 = 64 << 20;

/// Reads objects below a URL.
///
/// Ranges are asked for with `Range: bytes=…`; a host that ignores it and sends the whole object is read up to
/// the wanted bytes, if no more than 144 MiB and the range's length come before them. Nothing is gathered for a range,
/// whether the host says how long its answer is or not. Only whole objects and ends of unknown size (chunked answers
/// of 200) have to be held in memory: of the former up to 64 MiB, of the latter twice what was asked for.
pub struct HttpStore {
    base: Url,
    shown: String,
    client: HttpClient,
    meter: Arc<Meter>,
}

impl HttpStore {
    /// The store below `base`, an `http` or `https` URL. Its query, if any, goes with each request. Requests and
    /// the bytes of bodies are counted in `meter`.
    ///
    /// # Errors
    /// [`StoreError::Location`] if `base` is no such URL.
    pub fn new(base: &str, client: HttpClient, meter: Arc<Meter>) -> Result<Self, StoreError> {
        let mut base = client::parse_url(base)?;
        base.set_fragment(None);
        let shown = without_secrets(&base).trim_end_matches('/').to_owned();
        Ok(Self { base, shown, client, meter })
    }

    fn url_of(&self, name: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(name.split('/'));
        }
        url
    }

    async fn begin(&self, name: &str, span: Span) -> Result<Download, StoreError> {
        check_name(&self.shown, name)?;
        let object = format!("{}/{name}", self.shown);
        span.check(&object)?;
        let url = self.url_of(name);
        let response = self.client.send(&url, &range_header(&span), &object, &self.meter).await?;
        match answer::framing(&response, &span, &object) {
            Ok(Framing::Part(part)) => Ok(self.stream(response, part, object)),
            Ok(Framing::Nothing) => Ok(held_download(Bytes::new(), 0..0, None)),
            Ok(Framing::Unsized) => self.take_unsized(response, &span, object).await,
            Err(error) => Err(refusal::explain(error, response, &self.meter, self.client.pace()).await),
        }
    }

    fn stream(&self, response: Response, part: Part, object: String) -> Download {
        let meter = Arc::clone(&self.meter);
        Download {
            range: part.range.clone(),
            object_bytes: part.object_bytes,
            version: answer::version(&response),
            body: Body::new(response, object, meter, self.client.pace()).part(&part),
        }
    }

    /// Reads an answer of unknown length to its end, which tells the object's size.
    async fn take_unsized(&self, response: Response, span: &Span, object: String) -> Result<Download, StoreError> {
        let (meter, version) = (Arc::clone(&self.meter), answer::version(&response));
        let body = Body::new(response, object.clone(), meter, self.client.pace());
        let (bytes, object_bytes) = match span {
            Span::Suffix(bytes) if *bytes < MAX_UNSIZED_BYTES => body.end(*bytes).await?,
            _ => body.whole(MAX_UNSIZED_BYTES).await.map(|all| (all.clone(), all.len() as u64))?,
        };
        Ok(held_download(bytes.clone(), object_bytes - bytes.len() as u64..object_bytes, version))
    }
}

impl ReadStore for HttpStore {
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        Box::pin(self.begin(name, span))
    }

    fn location(&self) -> &str {
        &self.shown
    }
}

/// Shows no query and no password, which may be secret.
impl fmt::Debug for HttpStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStore").field("base", &self.shown).field("client", &self.client).finish_non_exhaustive()
    }
}

/// `Range` (RFC 9110, section 14.2); its last byte is included.
fn range_header(span: &Span) -> Vec<(HeaderName, String)> {
    match span {
        Span::Whole => Vec::new(),
        Span::Range(range) => vec![(RANGE, format!("bytes={}-{}", range.start, range.end - 1))],
        Span::Suffix(bytes) => vec![(RANGE, format!("bytes=-{bytes}"))],
    }
}

/// A download whose bytes are already here, up to the object's end.
fn held_download(bytes: Bytes, range: std::ops::Range<u64>, version: Option<String>) -> Download {
    let (pieces, object_bytes) = ((!bytes.is_empty()).then_some(Ok(bytes)), Some(range.end));
    Download { range, object_bytes, version, body: Box::pin(stream::iter(pieces)) }
}
