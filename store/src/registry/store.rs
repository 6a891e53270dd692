//! A repository of a registry as a store. Each tag is an image, under the name of its index: the tag `v2` is `v2.rgx`.
//!
//! A registry names blobs by their SHA-256. So the manifests of images say which blob is which object of the store. A
//! reader of an image has read its manifest before it needs anything else.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream;

use super::artifact::{Artifact, carried};
use super::{BlobDigest, Descriptor, FetchedManifest, Reference, RegistryClient, RegistryOptions, RegistryUrl, Rights};
use crate::name::check_name;
use crate::{Download, HttpClient, HttpStore, Meter, ReadStore, RetryPolicy, Span, StoreError, WholeObjects};

/// The name of the object with the list of condemned packs, and the tag under which it lies.
const GC_NAME: &str = "gc.json";
pub(super) const GC_TAG: &str = "regrow-gc";

/// The images of a repository, or one of them.
///
/// A repository can be read from while others write to it: an image is read as it was when its index was.
#[derive(Clone)]
pub struct RegistryStore {
    pub(super) shared: Arc<Shared>,
    /// The image whose objects are read, or `None` for all images.
    reference: Option<Reference>,
    shown: String,
}

/// Everything that the places in one repository share.
pub(super) struct Shared {
    pub(super) client: RegistryClient,
    blobs: HttpStore,
    #[cfg_attr(not(feature = "registries"), expect(dead_code, reason = "reads are repeated elsewhere"))]
    pub(super) policy: RetryPolicy,
    #[cfg_attr(not(feature = "registries"), expect(dead_code, reason = "files wait there to be put"))]
    pub(super) staging: std::path::PathBuf,
    known: Arc<Mutex<Known>>,
    /// Held while the manifests of all images are read for the first time.
    #[cfg(feature = "registries")]
    pub(super) listing: Arc<futures::lock::Mutex<()>>,
}

/// The manifests that were read, and the blobs that were written.
#[derive(Default)]
pub(super) struct Known {
    pub(super) images: BTreeMap<Reference, Arc<Artifact>>,
    /// The images that were found to be those that the caller knows, so that they were not read.
    same: BTreeMap<Reference, BlobDigest>,
    /// The objects that were put, and that no manifest names yet.
    #[cfg(feature = "registries")]
    pub(super) put: BTreeMap<String, Descriptor>,
    /// Whether the manifests of all images were read.
    #[cfg(feature = "registries")]
    pub(super) is_listed: bool,
}

/// The thing that an object's name stands for.
pub(super) enum Named {
    /// The index of an image.
    Index(Reference),
    /// Another object of images.
    Object,
}

impl RegistryStore {
    /// Makes a store of the place at `url`. Nothing is asked yet. Objects that must be read whole are kept in `wholes`,
    /// and files wait in `staging` to be put.
    ///
    /// # Errors
    /// [`StoreError::Location`] for a host that no URL can have.
    pub fn new(
        url: &RegistryUrl,
        rights: Rights,
        options: &RegistryOptions,
        (client, meter): (HttpClient, Arc<Meter>),
        policy: RetryPolicy,
        wholes: Arc<WholeObjects>,
        staging: impl Into<std::path::PathBuf>,
    ) -> Result<Self, StoreError> {
        let client = RegistryClient::new(url, rights, options, client, meter)?;
        let blobs = client.blobs().with_whole_objects(wholes);
        let shared = Shared {
            client,
            blobs,
            policy,
            staging: staging.into(),
            known: Arc::default(),
            #[cfg(feature = "registries")]
            listing: Arc::default(),
        };
        Ok(Self { shared: Arc::new(shared), reference: url.reference.clone(), shown: url.to_string() })
    }

    /// Another place in the same repository.
    #[must_use]
    pub fn at(&self, reference: Option<Reference>) -> Self {
        let url = RegistryUrl { reference: reference.clone(), ..self.shared.client.url().clone() };
        Self { shared: Arc::clone(&self.shared), reference, shown: url.to_string() }
    }

    /// The same place, which is written to. What is known of the repository is shared.
    ///
    /// # Errors
    /// The same as those of [`RegistryStore::new`].
    #[cfg(feature = "registries")]
    pub fn for_writing(&self, options: &RegistryOptions) -> Result<Self, StoreError> {
        let Shared { client, blobs, policy, staging, known, listing } = &*self.shared;
        let (http, meter) = (client.client.clone(), Arc::clone(&client.meter));
        let kept = client.challenge();
        let client = RegistryClient::new(client.url(), Rights::Write, options, http, meter)?;
        if let Some(kept) = kept {
            client.expect_challenge(&kept);
        }
        let blobs = client.blobs().keep_wholes_of(blobs);
        let shared = Shared {
            client,
            blobs,
            policy: policy.clone(),
            staging: staging.clone(),
            known: Arc::clone(known),
            listing: Arc::clone(listing),
        };
        Ok(Self { shared: Arc::new(shared), ..self.clone() })
    }

    /// The repository.
    #[must_use]
    pub fn url(&self) -> &RegistryUrl {
        self.shared.client.url()
    }

    /// The client of the repository.
    #[must_use]
    pub fn client(&self) -> &RegistryClient {
        &self.shared.client
    }

    /// The rights with which the repository is reached.
    #[must_use]
    pub fn rights(&self) -> Rights {
        self.shared.client.rights()
    }

    /// The name of an image's index.
    #[must_use]
    pub fn index_name(reference: &Reference) -> String {
        format!("{reference}.rgx")
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing is half done while the lock is held.
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name of an object for people.
    pub(super) fn object(&self, name: &str) -> String {
        match named(name) {
            Named::Index(reference) => self.url().at(reference).to_string(),
            Named::Object => format!("{}/{name}", self.shown),
        }
    }

    pub(super) fn absent(&self, name: &str) -> StoreError {
        StoreError::NotFound { object: self.object(name), status: None }
    }

    /// Reads an image's manifest. The result is `None` if it still is the one with the digest `known`.
    pub(super) async fn load(
        &self,
        reference: &Reference,
        known: Option<&BlobDigest>,
    ) -> Result<Option<Arc<Artifact>>, StoreError> {
        let Some(fetched) = self.shared.client.manifest(reference, known).await? else {
            if let Some(known) = known {
                self.known().same.insert(reference.clone(), *known);
            }
            return Ok(None);
        };
        self.keep(reference, fetched).map(Some)
    }

    pub(super) fn keep(&self, reference: &Reference, fetched: FetchedManifest) -> Result<Arc<Artifact>, StoreError> {
        let object = self.url().at(reference.clone()).to_string();
        let reason = "not an image of regrow; make it one with regrow make, under a tag of its own".to_owned();
        let artifact = Artifact::of(fetched).ok_or(StoreError::Damaged { object, reason })?;
        let artifact = Arc::new(artifact);
        self.known().images.insert(reference.clone(), Arc::clone(&artifact));
        Ok(artifact)
    }

    /// The blob of an object, as far as the manifests that were read name it.
    pub(super) fn find_known(&self, name: &str) -> Option<Descriptor> {
        let known = self.known();
        #[cfg(feature = "registries")]
        if let Some(found) = known.put.get(name) {
            return Some(found.clone());
        }
        known.images.values().find_map(|image| image.objects.get(name)).cloned()
    }

    /// The blob of an object that is no index.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Descriptor>, StoreError> {
        if let Some(found) = self.find_known(name) {
            return Ok(Some(found));
        }
        let unread: Vec<Reference> = {
            let known = self.known();
            let same = known.same.values().map(|digest| Reference::Digest(*digest)).chain(self.reference.clone());
            same.filter(|reference| !known.images.contains_key(reference)).collect()
        };
        for reference in unread {
            self.load(&reference, None).await?;
        }
        if let Some(found) = self.find_known(name) {
            return Ok(Some(found));
        }
        #[cfg(feature = "registries")]
        if self.reference.is_none() && self.may_be_elsewhere(name) {
            self.load_all_once().await?;
        }
        Ok(self.find_known(name))
    }

    async fn read(&self, name: &str, span: Span, known: Option<&BlobDigest>) -> Result<Option<Download>, StoreError> {
        check_name(&self.shown, name)?;
        let object = self.object(name);
        span.check(&object)?;
        match named(name) {
            Named::Index(reference) => self.read_index(&reference, (&span, &object), known).await,
            Named::Object => {
                let blob = self.find(name).await?.ok_or_else(|| self.absent(name))?;
                self.read_blob(&blob, &span, &object).await.map(Some)
            }
        }
    }

    async fn read_index(
        &self,
        reference: &Reference,
        (span, object): (&Span, &str),
        known: Option<&BlobDigest>,
    ) -> Result<Option<Download>, StoreError> {
        // Whoever reads on reads of the same index.
        let earlier = match span {
            Span::Range(_) => self.known().images.get(reference).cloned(),
            _ => None,
        };
        let image = match earlier {
            Some(image) => image,
            None => match self.load(reference, known).await? {
                Some(image) => image,
                None => return Ok(None),
            },
        };
        let version = Some(image.digest.to_string());
        if let (Span::Front(most), Some(front)) = (span, image.front()) {
            let end = (front.len() as u64).min(*most);
            let front = front.slice(..end as usize);
            let download = held(front, 0..end, image.index.size);
            return Ok(Some(Download { version, ..download }));
        }
        let download = self.read_blob(&image.index, span, object).await?;
        Ok(Some(Download { version, ..download }))
    }

    /// Reads bytes of a blob, for which an object stands.
    async fn read_blob(&self, blob: &Descriptor, span: &Span, object: &str) -> Result<Download, StoreError> {
        let short = || StoreError::Short { object: object.to_owned(), object_bytes: blob.size };
        let range = span.within(blob.size).ok_or_else(short)?;
        if range.is_empty() {
            return Ok(held(Bytes::new(), range, blob.size));
        }
        if let Some(bytes) = carried(blob) {
            // The range is within bytes in memory, so its ends fit a usize.
            return Ok(held(bytes.slice(range.start as usize..range.end as usize), range, blob.size));
        }
        // A whole object is asked for as such, since that is what every registry can send.
        let asked = if *span == Span::Whole { Span::Whole } else { Span::Range(range.clone()) };
        let download = self.shared.blobs.get(&blob.digest.to_string(), asked).await?;
        let found = download.object_bytes.unwrap_or(blob.size);
        if download.range != range || found != blob.size {
            let reason = format!("its blob has {found} bytes, not {}", blob.size);
            return Err(StoreError::Damaged { object: object.to_owned(), reason });
        }
        Ok(Download { object_bytes: Some(blob.size), version: Some(blob.digest.to_string()), ..download })
    }
}

impl ReadStore for RegistryStore {
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        Box::pin(async move {
            let found = self.read(name, span, None).await?;
            found.ok_or_else(|| self.absent(name))
        })
    }

    fn get_unless<'a>(
        &'a self,
        name: &'a str,
        span: Span,
        version: &'a str,
    ) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        Box::pin(async move { self.read(name, span, BlobDigest::parse(version).as_ref()).await })
    }

    fn backend(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }

    fn location(&self) -> &str {
        &self.shown
    }
}

impl fmt::Debug for RegistryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryStore").field("url", &self.shown).finish_non_exhaustive()
    }
}

/// The thing that a name stands for. An index whose name is no tag is an object that never is there.
pub(super) fn named(name: &str) -> Named {
    let tag = if name == GC_NAME { Some(GC_TAG) } else { name.strip_suffix(".rgx") };
    tag.and_then(Reference::parse).map_or(Named::Object, Named::Index)
}

/// A download of bytes that are here.
fn held(bytes: Bytes, range: std::ops::Range<u64>, object_bytes: u64) -> Download {
    let pieces = (!bytes.is_empty()).then_some(Ok(bytes));
    Download { range, object_bytes: Some(object_bytes), version: None, body: Box::pin(stream::iter(pieces)) }
}
