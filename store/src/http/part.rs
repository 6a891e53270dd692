//! Reads a part of an object at a URL, such as its beginning. A host that sends the whole object instead gives it all.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::IF_NONE_MATCH;
use reqwest::{Response, StatusCode};

use super::answer::{self, Framing, Packing, Part};
use super::body::Body;
use super::client::{HttpClient, parse_url};
use super::range_header;
use super::revalidate::elsewhere;
use super::route::Route;
use crate::shown::without_secrets;
use crate::{Download, Fetched, KnownObject, Meter, Span, StoreError};

/// The answer to a request for a part of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchedPart {
    /// The object has not changed.
    Same,
    /// The bytes that were asked for.
    Part {
        /// The bytes.
        bytes: Bytes,
        /// The size of the object, if the host states it.
        object_bytes: Option<u64>,
        /// The object's `ETag`.
        version: Option<String>,
    },
    /// The whole object.
    Whole {
        /// All bytes of the object.
        bytes: Bytes,
        /// The object's `ETag`.
        version: Option<String>,
        /// The compression that the host applied on the way, if any.
        packing: Option<Packing>,
    },
}

impl From<Fetched> for FetchedPart {
    fn from(fetched: Fetched) -> Self {
        match fetched {
            Fetched::Same => Self::Same,
            Fetched::Body { bytes, version, packing } => Self::Whole { bytes, version, packing },
        }
    }
}

impl HttpClient {
    /// Reads a part of the object at `url`, unless the object still is the known one and its tag proves that. A host
    /// that cannot send the part sends the whole object, of at most `max_bytes`. Nothing is retried.
    ///
    /// The route of the answer is returned too, if redirects led elsewhere.
    ///
    /// # Errors
    /// The same as those of [`HttpClient::get_url`].
    pub async fn fetch_part(
        &self,
        url: &str,
        span: &Span,
        known: Option<KnownObject<'_>>,
        max_bytes: u64,
        meter: &Arc<Meter>,
    ) -> Result<(FetchedPart, Option<Route>), StoreError> {
        let asked = Route::direct(parse_url(url)?);
        let object = without_secrets(&asked.url);
        span.check(&object)?;
        let tag = known.as_ref().and_then(KnownObject::proven_tag);
        let headers = range_header(span).into_iter().chain(tag.map(|tag| (IF_NONE_MATCH, tag.to_owned())));
        let (mut response, mut found) = self.ask_with(&asked, headers.collect(), meter).await?;
        match response.status() {
            StatusCode::NOT_MODIFIED if tag.is_some() => return Ok((FetchedPart::Same, elsewhere(&asked, found))),
            StatusCode::PARTIAL_CONTENT => {
                if let Ok(Framing::Part(part)) = answer::framing(&response, span, &object) {
                    let part = self.take_part(response, &part, object, meter).await?;
                    return Ok((part, elsewhere(&asked, found)));
                }
                (response, found) = self.ask_with(&asked, Vec::new(), meter).await?;
            }
            // The object is shorter, or the host is wrong about the range. webfs answers 400 to a range that ends past
            // the object's end.
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::BAD_REQUEST | StatusCode::NOT_MODIFIED => {
                (response, found) = self.ask_with(&asked, Vec::new(), meter).await?;
            }
            _ => {}
        }
        let whole = self.take(response, (&asked, &found), max_bytes, meter).await?;
        Ok((whole.into(), elsewhere(&asked, found)))
    }

    async fn take_part(
        &self,
        response: Response,
        part: &Part,
        object: String,
        meter: &Arc<Meter>,
    ) -> Result<FetchedPart, StoreError> {
        let (object_bytes, version) = (part.object_bytes, answer::version(&response));
        let body = Body::new(response, object, Arc::clone(meter), self.pace()).part(part);
        let download = Download { range: part.range.clone(), object_bytes, version: None, body };
        Ok(FetchedPart::Part { bytes: download.bytes().await?, object_bytes, version })
    }
}
