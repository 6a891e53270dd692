//! The route by which a URL was reached. Other URLs beside it are requested by the same route.

use std::fmt;

use reqwest::Url;

use super::client::parse_url;
use super::redirect::Way;
use crate::StoreError;
use crate::shown::without_secrets;

/// A URL from which an answer came, and the way there. A URL beside it is under the same guard as the redirect was,
/// and headers that the redirect left behind stay behind.
#[derive(Clone)]
pub struct Route {
    pub(super) url: Url,
    pub(super) way: Way,
    /// Whether requests carry the user's headers for the URL's origin.
    pub(super) has_headers: bool,
}

impl Route {
    /// The route to a URL that the user named.
    pub(crate) fn direct(url: Url) -> Self {
        Self { url, way: Way::Free, has_headers: true }
    }

    /// The URL, secrets included, in its parts.
    pub(crate) fn parsed(&self) -> &Url {
        &self.url
    }

    /// The same route to this URL, which must have the same origin.
    pub(crate) fn to(&self, url: Url) -> Self {
        Self { url, ..self.clone() }
    }

    /// The URL, secrets included.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The same route to another URL of this origin.
    ///
    /// # Errors
    /// [`StoreError::Location`] if `url` is no URL, or is of another origin.
    pub fn beside(&self, url: &str) -> Result<Self, StoreError> {
        let parsed = parse_url(url)?;
        if parsed.origin() != self.url.origin() {
            let reason = "the URL is on another host than what it was derived from".to_owned();
            return Err(StoreError::Location { location: without_secrets(&parsed), reason });
        }
        Ok(Self { url: parsed, ..self.clone() })
    }
}

/// Shows neither query nor password.
impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("url", &without_secrets(&self.url))
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}
