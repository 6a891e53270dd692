//! A store on a static HTTP host, from which single ranges are read.

pub(crate) mod answer;
mod ascii_host;
mod body;
mod certificate;
mod client;
mod content_range;
pub(crate) mod failure;
mod gate;
mod header;
mod login;
mod options;
pub(crate) mod pace;
mod part;
mod patience;
mod proxies;
mod reach;
mod redirect;
mod refusal_body;
mod resolve;
pub(crate) mod retry_after;
mod revalidate;
mod route;
mod trust;
mod versions;
mod whole;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream;
use reqwest::header::{HeaderName, RANGE};
use reqwest::{Response, StatusCode, Url};

use crate::name::check_name;
use crate::shown::without_secrets;
use crate::{Download, Meter, ReadStore, Span, StoreError};
use answer::{Framing, Part};
use whole::WholeObject;

pub(crate) use answer::check_whole;
pub(crate) use body::Body;
pub(crate) use client::Request;
pub(crate) use login::LoggedIn;

pub use answer::Packing;
pub use client::HttpClient;
pub use header::{GivenHeader, HeaderLine, origin_of, parse_header_line, parse_header_lines};
pub use options::HttpOptions;
pub use part::FetchedPart;
pub use redirect::Redirects;
pub use revalidate::{Fetched, KnownObject};
pub use route::Route;
pub use whole::WholeObjects;

/// The largest number of bytes that are held in memory of an object that is read whole, or of a long end, if the
/// host does not state the size.
const MAX_UNSIZED_BYTES: u64 = 64 << 20;

/// The outcome of a request.
enum Came {
    /// The bytes that were asked for.
    Download(Download),
    /// The whole object, which is being written to a file.
    Whole(Arc<WholeObject>),
}

/// Reads objects below a URL.
///
/// Ranges are requested with `Range: bytes=…`. If a host ignores that and sends the whole object, the object goes
/// into a file ([`HttpStore::with_whole_objects`]), and all wanted bytes come from there. Without such a file, the
/// object is read up to the wanted bytes, if at most 144 MiB plus the range's length come before them.
///
/// A range is never gathered in memory, whether the host states the length of its answer or not. Only whole objects
/// and ends of unknown size (chunked answers of 200) are held in memory if there is no file. Of whole objects, this
/// is up to 64 MiB; of ends, it is twice the length that was asked for.
pub struct HttpStore {
    /// The URL of the store, and the way by which it was reached.
    base: Route,
    shown: String,
    client: HttpClient,
    meter: Arc<Meter>,
    wholes: Option<Arc<WholeObjects>>,
    /// Whether other stores have the same objects.
    is_among_others: bool,
    /// The login at the registry whose blobs these objects are.
    login: Option<Arc<dyn LoggedIn>>,
}

impl HttpStore {
    /// The store below `base`, an `http` or `https` URL. If it has a query, the query goes with each request.
    /// Requests and the bytes of bodies are counted in `meter`.
    ///
    /// # Errors
    /// [`StoreError::Location`] if `base` is not such a URL.
    pub fn new(base: &str, client: HttpClient, meter: Arc<Meter>) -> Result<Self, StoreError> {
        Ok(Self::at(Route::direct(client::parse_url(base)?), client, meter))
    }

    /// The store at a place that was reached by some route.
    #[must_use]
    pub fn at(mut base: Route, client: HttpClient, meter: Arc<Meter>) -> Self {
        base.url.set_fragment(None);
        let shown = without_secrets(&base.url).trim_end_matches('/').to_owned();
        Self { base, shown, client, meter, wholes: None, is_among_others: false, login: None }
    }

    /// The same store, which keeps whole objects here. If a host does not support ranges, each object is read
    /// whole, once.
    #[must_use]
    pub fn with_whole_objects(self, wholes: Arc<WholeObjects>) -> Self {
        Self { wholes: Some(wholes), ..self }
    }

    /// The same store, beside others that have the same objects. If its host says that it is unavailable (503),
    /// that error is passed on at once, so that another store can be asked.
    #[must_use]
    pub fn among_others(self) -> Self {
        Self { is_among_others: true, ..self }
    }

    /// The same store, whose objects are blobs of a registry.
    pub(crate) fn with_login(self, login: Arc<dyn LoggedIn>) -> Self {
        Self { login: Some(login), ..self }
    }

    /// The same store, which keeps whole objects where `other` does.
    #[cfg(feature = "registries")]
    pub(crate) fn keep_wholes_of(self, other: &Self) -> Self {
        Self { wholes: other.wholes.clone(), ..self }
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

    /// Asks for a span, unless the whole object is here or on its way.
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
        let is_urgent = self.is_among_others;
        let patience = patience::of_first_byte(self.client.stall_timeout(), span, is_urgent);
        let begun = Instant::now();
        let asked = Route { url: url.clone(), ..self.base.clone() };
        let extra = range_header(span);
        let request = Request { is_urgent, ..Request::get(&extra, &object, &self.meter, patience) };
        let (mut response, mut found) = self.send(&asked, &request).await?;
        // webfs answers 400 to a range that ends past the object's end.
        if response.status() == StatusCode::BAD_REQUEST && matches!(span, Span::Front(_)) {
            (response, found) = self.send(&asked, &Request { extra: &[], ..request }).await?;
        }
        match answer::framing(&response, span, &object) {
            Ok(Framing::Part(part)) if part.fills(&response) => {
                // A cache may answer at once, but send the first byte only after it has fetched everything before
                // it.
                let left = patience::left(patience, begun.elapsed()).max(self.client.stall_timeout());
                Ok(Came::Download(self.stream(response, &part, object, left)))
            }
            Ok(Framing::Part(part)) => self.take_whole(url, response, (span, Some(&part)), object).await,
            Ok(Framing::Unsized) => self.take_whole(url, response, (span, None), object).await,
            Ok(Framing::Nothing) => Ok(Came::Download(held_download(Bytes::new(), 0..0, None))),
            Err(error) => {
                let error = refusal_body::explain(error, response, &self.meter, self.client.pace()).await;
                let error = self.client.say_withheld(error, &asked, &found);
                Err(match &self.login {
                    Some(login) => login.explain(error),
                    None => error,
                })
            }
        }
    }

    async fn send(&self, asked: &Route, request: &Request<'_>) -> Result<(Response, Route), StoreError> {
        match &self.login {
            Some(login) => login.send(&self.client, asked, request).await,
            None => self.client.send(asked, request).await,
        }
    }

    /// Takes an answer that is the whole object although a part was asked for, or whose length is unknown. `part`
    /// is the place of the wanted bytes in it, if that is known.
    async fn take_whole(
        &self,
        url: &Url,
        response: Response,
        (span, part): (&Span, Option<&Part>),
        object: String,
    ) -> Result<Came, StoreError> {
        // A small object is held in memory. An object that was requested whole does not show that the host lacks
        // ranges.
        let is_large = span != &Span::Whole || self.login.is_some() || is_immutable(url);
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

    /// Takes such an answer without a file. The bytes before the wanted ones are skipped.
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

    /// Streams the wanted part of a body, whose first byte may take as long as `patience`.
    fn stream(&self, response: Response, part: &Part, object: String, patience: Duration) -> Download {
        let meter = Arc::clone(&self.meter);
        Download {
            range: part.range.clone(),
            object_bytes: part.object_bytes,
            version: answer::version(&response),
            body: Body::new(response, object, meter, self.client.pace()).with_patience(patience).part(part),
        }
    }

    /// Reads an answer of unknown length to its end, and so learns the object's size.
    async fn take_unsized(&self, response: Response, span: &Span, object: String) -> Result<Download, StoreError> {
        let (meter, version) = (Arc::clone(&self.meter), answer::version(&response));
        let body = Body::new(response, object.clone(), meter, self.client.pace());
        let (bytes, object_bytes) = match span {
            Span::Suffix(bytes) if *bytes < MAX_UNSIZED_BYTES => body.end(*bytes).await?,
            _ => body.whole(MAX_UNSIZED_BYTES).await.map(|all| (all.clone(), all.len() as u64))?,
        };
        if let Span::Front(most) = span {
            let end = object_bytes.min(*most);
            let download = held_download(bytes.slice(..end as usize), 0..end, version);
            return Ok(Download { object_bytes: Some(object_bytes), ..download });
        }
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

/// Shows neither query nor password, since they may be secret.
impl fmt::Debug for HttpStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStore").field("base", &self.shown).field("client", &self.client).finish_non_exhaustive()
    }
}

/// Whether a URL is that of a pack or a patch, which may be large.
fn is_immutable(url: &Url) -> bool {
    [".pack", ".patch"].iter().any(|ending| url.path().ends_with(ending))
}

/// The `Range` header (RFC 9110, section 14.2), in which the last byte is included.
fn range_header(span: &Span) -> Vec<(HeaderName, String)> {
    match span {
        Span::Whole => Vec::new(),
        Span::Range(range) => vec![(RANGE, format!("bytes={}-{}", range.start, range.end - 1))],
        Span::Front(bytes) => vec![(RANGE, format!("bytes=0-{}", bytes - 1))],
        Span::Suffix(bytes) => vec![(RANGE, format!("bytes=-{bytes}"))],
    }
}

/// A download of bytes that are already here, which extend to the object's end.
fn held_download(bytes: Bytes, range: std::ops::Range<u64>, version: Option<String>) -> Download {
    let (pieces, object_bytes) = ((!bytes.is_empty()).then_some(Ok(bytes)), Some(range.end));
    Download { range, object_bytes, version, body: Box::pin(stream::iter(pieces)) }
}
