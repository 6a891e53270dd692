//! A store on a static HTTP host, read by ranges of one part.

mod answer;
mod body;
mod certificate;
mod client;
mod content_range;
pub(crate) mod failure;
mod gate;
mod header;
mod options;
pub(crate) mod pace;
mod patience;
mod proxies;
mod reach;
mod redirect;
mod refusal;
mod resolve;
pub(crate) mod retry_after;
mod revalidate;
mod route;
mod trust;
mod whole;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
use client::Request;
use whole::WholeObject;

pub use answer::Packing;
pub use client::HttpClient;
pub use header::{GivenHeader, HeaderLine, origin_of, parse_header_line, parse_header_lines};
pub use options::HttpOptions;
pub use redirect::Redirects;
pub use revalidate::{Fetched, KnownObject};
pub use route::Route;
pub use whole::WholeObjects;

/// The most that is taken into memory of an object that is asked for whole, or for a long end, where the host does not
/// say how large it is.
const MAX_UNSIZED_BYTES: u64 = 64 << 20;

/// What came of a request.
enum Came {
    /// What was asked for.
    Download(Download),
    /// The whole object, which is on its way into a file.
    Whole(Arc<WholeObject>),
}

/// Reads objects below a URL.
///
/// Ranges are asked for with `Range: bytes=…`. Where a host ignores that and sends the whole object, the object goes into
/// a file ([`HttpStore::with_whole_objects`]), and all that is wanted of it comes from there. Without a file it is read up
/// to the wanted bytes, if no more than 144 MiB and the range's length come before them. Nothing is gathered for a range,
/// whether the host says how long its answer is or not. Without a file, whole objects and ends of unknown size (chunked
/// answers of 200) have to be held in memory: of the former up to 64 MiB, of the latter twice what was asked for.
pub struct HttpStore {
    /// Where it is, and how that is come to.
    base: Route,
    shown: String,
    client: HttpClient,
    meter: Arc<Meter>,
    wholes: Option<Arc<WholeObjects>>,
    /// Whether others have the same objects.
    is_among_others: bool,
}

impl HttpStore {
    /// The store below `base`, an `http` or `https` URL. Its query, if any, goes with each request. Requests and
    /// the bytes of bodies are counted in `meter`.
    ///
    /// # Errors
    /// [`StoreError::Location`] if `base` is no such URL.
    pub fn new(base: &str, client: HttpClient, meter: Arc<Meter>) -> Result<Self, StoreError> {
        Ok(Self::at(Route::direct(client::parse_url(base)?), client, meter))
    }

    /// The store at a place that was come to in some way.
    #[must_use]
    pub fn at(mut base: Route, client: HttpClient, meter: Arc<Meter>) -> Self {
        base.url.set_fragment(None);
        let shown = without_secrets(&base.url).trim_end_matches('/').to_owned();
        Self { base, shown, client, meter, wholes: None, is_among_others: false }
    }

    /// The same store, which reads objects of a host without ranges whole, once each, and keeps them here.
    #[must_use]
    pub fn with_whole_objects(self, wholes: Arc<WholeObjects>) -> Self {
        Self { wholes: Some(wholes), ..self }
    }

    /// The same store, beside others that have the same objects: where its host says that it is not available (503),
    /// that is passed on at once, so that another one can be asked.
    #[must_use]
    pub fn among_others(self) -> Self {
        Self { is_among_others: true, ..self }
    }

    fn url_of(&self, name: &str) -> Url {
        let mut url = self.base.url.clone();
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
        match self.ask_or_find(&url, &span, object).await? {
            Came::Download(download) => Ok(download),
            Came::Whole(whole) => whole.serve(&span).await,
        }
    }

    /// Asks for a span, unless the whole object is, or will be, here.
    async fn ask_or_find(&self, url: &Url, span: &Span, object: String) -> Result<Came, StoreError> {
        let Some(wholes) = &self.wholes else { return self.ask(url, span, object).await };
        if let Some(whole) = wholes.get(url) {
            return Ok(Came::Whole(whole));
        }
        let _turn = if *span == Span::Whole { None } else { wholes.turn(url).await };
        match wholes.get(url) {
            Some(whole) => Ok(Came::Whole(whole)),
            None => self.ask(url, span, object).await,
        }
    }

    async fn ask(&self, url: &Url, span: &Span, object: String) -> Result<Came, StoreError> {
        let extra = range_header(span);
        let is_urgent = self.is_among_others;
        let patience = patience::of_first_byte(self.client.stall_timeout(), span, is_urgent);
        let begun = Instant::now();
        let request = Request { extra: &extra, object: &object, meter: &self.meter, patience, is_urgent };
        let asked = Route { url: url.clone(), ..self.base.clone() };
        let (response, found) = self.client.send(&asked, &request).await?;
        match answer::framing(&response, span, &object) {
            Ok(Framing::Part(part)) if part.fills(&response) => {
                // A cache may answer at once, and send the first byte when it has fetched what is before it.
                let left = patience::left(patience, begun.elapsed()).max(self.client.stall_timeout());
                Ok(Came::Download(self.stream(response, &part, object, left)))
            }
            Ok(Framing::Part(part)) => self.take_whole(url, response, (span, Some(&part)), object).await,
            Ok(Framing::Unsized) => self.take_whole(url, response, (span, None), object).await,
            Ok(Framing::Nothing) => Ok(Came::Download(held_download(Bytes::new(), 0..0, None))),
            Err(error) => {
                let error = refusal::explain(error, response, &self.meter, self.client.pace()).await;
                Err(self.client.say_withheld(error, &asked, &found))
            }
        }
    }

    /// Takes an answer that is the whole object, though a part was asked for, or whose length is not known. `part` is where
    /// in it the wanted bytes are, if that can be told.
    async fn take_whole(
        &self,
        url: &Url,
        response: Response,
        (span, part): (&Span, Option<&Part>),
        object: String,
    ) -> Result<Came, StoreError> {
        // A small object is held in memory; one that is asked for whole is no sign that there are no ranges.
        let is_large = span != &Span::Whole || is_immutable(url);
        if let Some(wholes) = self.wholes.as_ref().filter(|_| is_large) {
            let expected = whole::Expected {
                object: object.clone(),
                object_bytes: response.content_length(),
                version: answer::version(&response),
            };
            let wanted_bytes = part.map_or(0, |part| part.range.end);
            if *span != Span::Whole {
                wholes.note(url);
            }
            let offer = whole::Offer { response, expected, wanted_bytes, is_shared: *span != Span::Whole };
            return match wholes.keep(url, offer, &self.meter, self.client.pace()) {
                Ok(whole) => Ok(Came::Whole(whole)),
                Err(response) => self.take_without_room(*response, (span, part), object).await.map(Came::Download),
            };
        }
        self.take_without_room(response, (span, part), object).await.map(Came::Download)
    }

    /// Takes such an answer without a file: bytes before the wanted ones are skipped.
    async fn take_without_room(
        &self,
        response: Response,
        (span, part): (&Span, Option<&Part>),
        object: String,
    ) -> Result<Download, StoreError> {
        let Some(part) = part else { return self.take_unsized(response, span, object).await };
        answer::check_skip(part.skipped_bytes, part.range.end - part.range.start, &object)?;
        Ok(self.stream(response, part, object, self.client.stall_timeout()))
    }

    /// The wanted part of a body, whose first byte may take as long as `patience`.
    fn stream(&self, response: Response, part: &Part, object: String, patience: Duration) -> Download {
        let meter = Arc::clone(&self.meter);
        Download {
            range: part.range.clone(),
            object_bytes: part.object_bytes,
            version: answer::version(&response),
            body: Body::new(response, object, meter, self.client.pace()).with_patience(patience).part(part),
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

/// Whether a URL is that of a pack or a patch, which may be large.
fn is_immutable(url: &Url) -> bool {
    [".pack", ".patch"].iter().any(|ending| url.path().ends_with(ending))
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
