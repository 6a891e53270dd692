//! The store in a bucket: how it is opened, and how its requests are made, once or until they succeed.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::ObjectStore;
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;

use super::credentials::AwsCredentials;
use super::failure::{Action, Scene};
use super::service::Service;
use super::{BucketOptions, BucketUrl, Provider, aws, others};
use crate::name::check_name;
use crate::{BucketProblem, HttpClient, Meter, RetryPolicy, StoreError};

/// The abilities that the clients of all providers share.
pub(super) trait Remote: ObjectStore + MultipartStore + PaginatedListStore {}

impl<S: ObjectStore + MultipartStore + PaginatedListStore> Remote for S {}

/// A provider's client, and the settings that it was made with.
pub(super) struct Opened {
    pub(super) remote: Arc<dyn Remote>,
    /// The same client, but deleting objects one by one.
    pub(super) singly: Arc<dyn Remote>,
    /// The region, or `None` where regions do not matter.
    pub(super) region: Option<String>,
    /// The server, if it is not the provider's.
    pub(super) endpoint: Option<String>,
    /// Whether no credentials were found.
    pub(super) is_unsigned: bool,
    /// The credentials of AWS, which can be renewed.
    pub(super) credentials: Option<Arc<AwsCredentials>>,
}

/// The objects below a place in a bucket.
///
/// Lists, writes and deletions are made again after errors that may pass, as the policy says. Reads are made once,
/// as in other stores (see [`Retry`](crate::Retry)). If no credentials are found, reading goes without, since
/// buckets may be public.
///
/// The conditions of puts are the host's `If-Match` and `If-None-Match`. A host that ignores them, or answers that
/// it does not know them, puts in any case.
pub struct BucketStore {
    pub(super) url: BucketUrl,
    pub(super) shown: String,
    pub(super) opened: Arc<Opened>,
    pub(super) options: BucketOptions,
    pub(super) policy: RetryPolicy,
    has_read: AtomicBool,
}

impl BucketStore {
    /// Opens the store at `url`. This looks for credentials, and for the bucket's region if no setting names it. It
    /// does not look at the bucket itself. Requests and the bytes of bodies are counted in `meter`.
    ///
    /// # Errors
    /// [`StoreError::Bucket`] if credentials are set up but cannot be obtained, or if the bucket does not exist;
    /// [`StoreError::Network`]; [`StoreError::InvalidOption`].
    pub async fn open(
        url: &BucketUrl,
        options: &BucketOptions,
        client: HttpClient,
        meter: Arc<Meter>,
        policy: RetryPolicy,
    ) -> Result<Self, StoreError> {
        let service = Service::new(client.clone(), Arc::clone(&meter));
        let opened = match url.provider {
            Provider::S3 => aws::open(url, options, service, &client, &meter, &policy).await?,
            Provider::Gcs => others::open_gcs(url, options, service).await?,
            Provider::Azure => others::open_azure(url, options, service).await?,
        };
        let has_read = AtomicBool::new(false);
        let opened = Arc::new(opened);
        Ok(Self { url: url.clone(), shown: url.to_string(), opened, options: options.clone(), policy, has_read })
    }

    /// Makes a store at another place in the same bucket. The settings of this one are used, without finding them
    /// out again.
    #[must_use]
    pub fn at(&self, path: &str, policy: RetryPolicy) -> Self {
        let url = self.url.with_path(path);
        let (opened, options) = (Arc::clone(&self.opened), self.options.clone());
        Self { shown: url.to_string(), url, opened, options, policy, has_read: AtomicBool::new(false) }
    }

    /// The URL of the store.
    #[must_use]
    pub fn url(&self) -> &BucketUrl {
        &self.url
    }

    /// Whether the other store lies in the same bucket, and is reached in the same way with the same credentials.
    /// If so, the host can copy from one to the other.
    #[must_use]
    pub fn shares_bucket_with(&self, other: &Self) -> bool {
        self.url.with_path("") == other.url.with_path("")
            && self.opened.endpoint == other.opened.endpoint
            && self.opened.is_unsigned == other.opened.is_unsigned
            && self.options.profile == other.options.profile
            && self.options.credentials == other.options.credentials
    }

    /// The key of an object, and its name for people.
    pub(super) fn key(&self, name: &str) -> Result<(Key, String), StoreError> {
        check_name(&self.shown, name)?;
        let object = format!("{}/{name}", self.shown);
        let path = if self.url.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.url.path) };
        match Key::parse(path) {
            Ok(key) => Ok((key, object)),
            Err(error) => Err(StoreError::InvalidRequest { object, reason: error.to_string() }),
        }
    }

    pub(super) fn remote(&self) -> &dyn Remote {
        &*self.opened.remote
    }

    /// Makes a request once, or twice if the credentials turn out to have expired, as there may be new ones.
    pub(super) async fn once<T, F, Fut>(&self, object: &str, action: Action, request: F) -> Result<T, StoreError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = object_store::Result<T>>,
    {
        if self.opened.is_unsigned && matches!(action, Action::Write | Action::Delete) {
            return Err(self.scene(object, action).no_credentials());
        }
        let mut answer = self.mapped(object, action, request().await);
        let expired = answer.as_ref().is_err_and(may_have_expired);
        if let (true, Some(credentials)) = (expired, &self.opened.credentials) {
            credentials.forget().await;
            answer = self.mapped(object, action, request().await);
        }
        if answer.is_ok() && action == Action::Read {
            self.has_read.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Makes a request as often as the policy allows.
    pub(super) async fn retried<T, F, Fut>(&self, object: &str, action: Action, request: F) -> Result<T, StoreError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = object_store::Result<T>>,
    {
        self.policy.run(|| self.once(object, action, &request)).await
    }

    pub(super) fn scene<'a>(&'a self, object: &'a str, action: Action) -> Scene<'a> {
        Scene {
            object,
            action,
            provider: self.url.provider,
            bucket: &self.url.bucket,
            region: self.opened.region.as_deref(),
            is_unsigned: self.opened.is_unsigned,
            has_read: self.has_read.load(Ordering::Relaxed),
        }
    }

    fn mapped<T>(&self, object: &str, action: Action, answer: object_store::Result<T>) -> Result<T, StoreError> {
        answer.map_err(|error| self.scene(object, action).error(&error))
    }
}

/// Whether new credentials may help. The refusal of a HEAD does not say why.
fn may_have_expired(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Bucket { problem: BucketProblem::ExpiredCredentials, .. } | StoreError::Status { status: 400, .. }
    )
}

impl fmt::Debug for BucketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketStore")
            .field("url", &self.shown)
            .field("endpoint", &self.opened.endpoint.as_deref().map(crate::shown_url))
            .field("region", &self.opened.region)
            .finish_non_exhaustive()
    }
}
