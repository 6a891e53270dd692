//! The buckets that a run uses. Each is opened once, and other places in it are reached in the same way.

use std::path::Path;
use std::sync::Arc;

use regrow_store::{BucketOptions, BucketUrl, HttpClient, Meter, RetryPolicy, Store, StoreError};
#[cfg(feature = "buckets")]
use regrow_store::{BucketStore, Retry};

/// The options for reaching buckets, and the buckets that were opened.
pub(super) struct Buckets {
    options: BucketOptions,
    /// One place in each bucket that was opened.
    #[cfg(feature = "buckets")]
    opened: Vec<BucketStore>,
}

impl Buckets {
    pub(super) fn new(options: BucketOptions) -> Self {
        Self {
            options,
            #[cfg(feature = "buckets")]
            opened: Vec::new(),
        }
    }

    /// The folder in which files wait to be put.
    pub(super) fn staging(&self) -> &Path {
        &self.options.staging
    }

    /// The server that was given, if it is not the provider's own.
    pub(super) fn endpoint(&self) -> Option<&str> {
        self.options.endpoint.as_deref()
    }
}

#[cfg(feature = "buckets")]
impl Buckets {
    /// The store at `url`, if another place in its bucket was opened before.
    pub(super) fn known(&self, url: &BucketUrl, policy: &RetryPolicy) -> Option<Arc<dyn Store>> {
        let is_same = |known: &&BucketStore| known.url().with_path("") == url.with_path("");
        let known = self.opened.iter().find(is_same)?;
        Some(Arc::new(Retry::new(known.at(&url.path, policy.clone()), policy.clone())))
    }

    /// Opens the store at `url`.
    pub(super) async fn open(
        &mut self,
        url: &BucketUrl,
        client: HttpClient,
        meter: Arc<Meter>,
        policy: RetryPolicy,
    ) -> Result<Arc<dyn Store>, StoreError> {
        let opened = BucketStore::open(url, &self.options, client, meter, policy.clone()).await?;
        self.opened.push(opened.at(&url.path, policy.clone()));
        Ok(Arc::new(Retry::new(opened, policy)))
    }
}

#[cfg(not(feature = "buckets"))]
impl Buckets {
    /// Finds nothing, since this build has no support for buckets.
    #[expect(clippy::unused_self, reason = "the same call as with buckets")]
    pub(super) fn known(&self, _: &BucketUrl, _: &RetryPolicy) -> Option<Arc<dyn Store>> {
        None
    }

    /// Refuses, since this build has no support for buckets.
    #[expect(clippy::unused_async, reason = "the same call as with buckets")]
    pub(super) async fn open(
        &mut self,
        url: &BucketUrl,
        _: HttpClient,
        _: Arc<Meter>,
        _: RetryPolicy,
    ) -> Result<Arc<dyn Store>, StoreError> {
        let reason =
            "this regrow was built without the feature \"buckets\"; give the bucket's http(s) address".to_owned();
        Err(StoreError::Location { location: url.to_string(), reason })
    }
}
