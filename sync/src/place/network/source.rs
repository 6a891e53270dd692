//! The object that an index is, where parts of it are read.

use std::sync::Arc;

use regrow_index::MAX_INDEX_BYTES;
use regrow_store::{FetchedPart, HttpClient, Meter, ReadStore, RetryPolicy, Route, Span, StoreError};

use super::Network;
use super::received::KnownIndex;
use crate::{Location, SyncError};

/// A remote object that should be an index.
pub(crate) enum Source {
    Url { url: String, client: HttpClient, policy: RetryPolicy, meter: Arc<Meter> },
    Place { place: Arc<dyn ReadStore>, name: String },
}

impl Network {
    /// Prepares to read parts of the index at a remote location.
    pub(super) fn source_of(&mut self, location: &Location) -> Result<Source, SyncError> {
        if let Location::Url(url) = location {
            let (policy, meter) = (self.policy.clone(), Arc::clone(&self.meter));
            return Ok(Source::Url { url: url.clone(), client: self.client()?, policy, meter });
        }
        let (place, name) = self.open_index(location)?;
        Ok(Source::Place { place, name })
    }
}

impl Source {
    /// Reads a part of the object, unless the object still is the known one. If there is no such part, all of the
    /// object comes. For a URL, the route of the answer is returned too, if redirects led elsewhere.
    pub(super) async fn fetch(
        &self,
        span: Span,
        known: Option<&KnownIndex>,
    ) -> Result<(FetchedPart, Option<Route>), StoreError> {
        match self {
            Self::Url { url, client, policy, meter } => {
                let known = || known.map(KnownIndex::as_object);
                policy.run(|| client.fetch_part(url, &span, known(), MAX_INDEX_BYTES, meter)).await
            }
            Self::Place { place, name } => {
                let version = known.map(|known| known.version.as_str()).filter(|version| !version.is_empty());
                let fetched = match fetch_from(&**place, name, span, version).await {
                    // The object is shorter than it was.
                    Err(StoreError::Short { .. }) => fetch_from(&**place, name, Span::Whole, None).await?,
                    fetched => fetched?,
                };
                Ok((fetched, None))
            }
        }
    }

    /// Reads the whole object.
    pub(super) async fn fetch_whole(&self) -> Result<FetchedPart, StoreError> {
        match self {
            Self::Url { url, client, policy, meter } => {
                let (fetched, _) = policy.run(|| client.fetch_url(url, None, MAX_INDEX_BYTES, meter)).await?;
                Ok(fetched.into())
            }
            Self::Place { place, name } => fetch_from(&**place, name, Span::Whole, None).await,
        }
    }
}

async fn fetch_from(
    place: &dyn ReadStore,
    name: &str,
    span: Span,
    version: Option<&str>,
) -> Result<FetchedPart, StoreError> {
    let download = match version {
        Some(version) => place.get_unless(name, span, version).await?,
        None => Some(place.get(name, span).await?),
    };
    let Some(download) = download else { return Ok(FetchedPart::Same) };
    let (range, object_bytes, version) = (download.range.clone(), download.object_bytes, download.version.clone());
    if range.end - range.start > MAX_INDEX_BYTES {
        let object = format!("{}/{name}", place.location());
        return Err(StoreError::TooLarge { object, max_bytes: MAX_INDEX_BYTES });
    }
    let bytes = download.bytes().await?;
    Ok(match range.start == 0 && object_bytes == Some(range.end) {
        true => FetchedPart::Whole { bytes, version, packing: None },
        false => FetchedPart::Part { bytes, object_bytes, version },
    })
}
