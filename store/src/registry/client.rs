//! Reads manifests and blobs of a repository.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, IF_NONE_MATCH};
use reqwest::{StatusCode, Url};

use super::access::{Access, refused};
use super::challenge::Challenge;
use super::{BlobDigest, BlobHasher, Descriptor, MANIFEST_TYPES, Manifest, Reference, RegistryOptions, RegistryUrl};
use crate::http::{Body, LoggedIn, Request, Route, check_whole};
use crate::{ByteStream, Download, HttpClient, HttpStore, Meter, ReadStore, Retry, RetryPolicy, Span, StoreError};

/// The largest manifest. Most registries take no larger ones.
pub(super) const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// The rights that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// To read.
    Read,
    /// To read and to write.
    Write,
}

impl Rights {
    pub(super) fn actions(self) -> &'static str {
        match self {
            Self::Read => "pull",
            Self::Write => "pull,push",
        }
    }
}

/// A manifest as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedManifest {
    /// The exact bytes.
    pub bytes: Bytes,
    /// The SHA-256 of the bytes.
    pub digest: BlobDigest,
    /// The type that the manifest or the registry states.
    pub media_type: String,
    /// The contents.
    pub manifest: Manifest,
}

/// A client of one repository. Clones share its connections and its token.
#[derive(Clone)]
pub struct RegistryClient {
    pub(super) url: RegistryUrl,
    pub(super) base: Url,
    pub(super) client: HttpClient,
    pub(super) meter: Arc<Meter>,
    pub(super) access: Arc<Access>,
}

impl RegistryClient {
    /// Makes a client of the repository in which `url` lies. Nothing is asked yet. Requests and the bytes of bodies are
    /// counted in `meter`.
    ///
    /// # Errors
    /// [`StoreError::Location`] for a host that no URL can have.
    pub fn new(
        url: &RegistryUrl,
        rights: Rights,
        options: &RegistryOptions,
        client: HttpClient,
        meter: Arc<Meter>,
    ) -> Result<Self, StoreError> {
        let url = url.without_reference();
        let base = url.base()?;
        let access = Arc::new(Access::new(&url, rights, options.logins.clone(), Arc::clone(&meter)));
        Ok(Self { url, base, client, meter, access })
    }

    /// The repository.
    #[must_use]
    pub fn url(&self) -> &RegistryUrl {
        &self.url
    }

    /// How the registry wanted its clients to log in, in a form that can be kept for the next run. The result is `None`
    /// if no login was needed.
    #[must_use]
    pub fn challenge(&self) -> Option<String> {
        self.access.challenge()
    }

    /// Logs in at once, as the registry wanted it in an earlier run.
    pub fn expect_challenge(&self, kept: &str) {
        let Some(challenge) = Challenge::of_text(kept, &self.base) else { return };
        let realm = match &challenge {
            Challenge::Basic => None,
            Challenge::Bearer { realm, .. } => Some(self.client.known_route(realm.clone())),
        };
        self.access.expect(challenge, realm);
    }

    /// The rights that are asked for.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.access.rights()
    }

    /// The URL of something in the repository.
    pub(super) fn at(&self, path: &str) -> Route {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.extend(path.split('/'));
        }
        Route::direct(url)
    }

    /// Reads a manifest, or a list of manifests. The result is `None` if it still is the one with the digest `known`.
    /// Nothing is retried; see [`RetryPolicy::run`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Damaged`] for a manifest that is not what its digest says, or that has
    /// another form; and the errors of [`ReadStore::get`].
    pub async fn manifest(
        &self,
        reference: &Reference,
        known: Option<&BlobDigest>,
    ) -> Result<Option<FetchedManifest>, StoreError> {
        let object = self.url.at(reference.clone()).to_string();
        let mut extra: Vec<(HeaderName, String)> = vec![(ACCEPT, MANIFEST_TYPES.join(", "))];
        // The tags of registries are digests. If it is not so, the whole manifest comes, and is compared.
        extra.extend(known.map(|digest| (IF_NONE_MATCH, format!("\"{digest}\""))));
        let asked = self.at(&format!("manifests/{reference}"));
        let request = Request::get(&extra, &object, &self.meter, self.client.stall_timeout());
        let (response, _) = self.access.send(&self.client, &asked, &request).await?;
        if response.status() == StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(None);
        }
        check_whole(&response, &object).map_err(refused)?;
        let stated = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let stated = stated.split(';').next().unwrap_or_default().trim().to_owned();
        let body = Body::new(response, object.clone(), Arc::clone(&self.meter), self.client.pace());
        let bytes = body.whole(MAX_MANIFEST_BYTES).await?;
        let digest = BlobDigest::of(&bytes);
        if known == Some(&digest) {
            return Ok(None);
        }
        let damaged = |reason: String| StoreError::Damaged { object: object.clone(), reason };
        if let Reference::Digest(wanted) = reference
            && *wanted != digest
        {
            return Err(damaged(format!("the manifest has the digest {digest}")));
        }
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| damaged(format!("not a manifest: {error}")))?;
        let media_type = if manifest.media_type.is_empty() { stated } else { manifest.media_type.clone() };
        Ok(Some(FetchedManifest { bytes, digest, media_type, manifest }))
    }

    /// The blobs of the repository: a store whose objects are named by their digests (`sha256:…`). It gives ranges of
    /// them, which prove nothing; see [`RegistryClient::blob`].
    #[must_use]
    pub fn blobs(&self) -> HttpStore {
        let route = self.at("blobs");
        HttpStore::at(route, self.client.clone(), Arc::clone(&self.meter))
            .with_login(Arc::clone(&self.access) as Arc<_>)
    }

    /// Reads a blob from its beginning to its end. The last bytes come only after the digest was compared. A body that
    /// breaks off is continued, as `policy` says.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], also in the body, for a blob that is not what its descriptor says, and the errors of
    /// [`ReadStore::get`].
    pub async fn blob(&self, blob: &Descriptor, policy: &RetryPolicy) -> Result<Download, StoreError> {
        let blobs = Retry::new(self.blobs(), policy.clone());
        let object = format!("{}@{}", self.url, blob.digest);
        let download = blobs.get(&blob.digest.to_string(), Span::Whole).await?;
        let found = download.range.end;
        if found != blob.size {
            return Err(StoreError::Damaged { object, reason: format!("it has {found} bytes, not {}", blob.size) });
        }
        Ok(Download { body: checked(download.body, blob.digest, object), ..download })
    }
}

/// A body that must have this digest. Each piece is given out when the next one has come.
fn checked(body: ByteStream, digest: BlobDigest, object: String) -> ByteStream {
    let start = (body, BlobHasher::default(), None::<Bytes>, false);
    Box::pin(stream::try_unfold(start, move |(mut body, mut hasher, mut held, is_done)| {
        let object = object.clone();
        async move {
            if is_done {
                return Ok(None);
            }
            loop {
                match body.next().await.transpose()? {
                    Some(piece) => {
                        hasher.update(&piece);
                        if let Some(before) = held.replace(piece) {
                            return Ok(Some((before, (body, hasher, held, false))));
                        }
                    }
                    None if hasher.clone().finish() == digest => {
                        return Ok(held.map(|last| (last, (body, hasher, None, true))));
                    }
                    None => {
                        let reason = "its bytes are not what its digest says".to_owned();
                        return Err(StoreError::Damaged { object, reason });
                    }
                }
            }
        }
    }))
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClient").field("url", &self.url.to_string()).finish_non_exhaustive()
    }
}
