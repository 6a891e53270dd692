//! The contract of a store that is read. A backend implements `get` and `location`; the other methods have
//! defaults.

use std::any::Any;
use std::fmt::{self, Debug};
use std::ops::{Deref, Range};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::stream::{Stream, StreamExt};

use crate::StoreError;

/// A body that arrives in pieces.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// The bytes of an object that are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// All bytes of the object.
    Whole,
    /// These bytes, of which there must be at least one. The object must hold all of them.
    Range(Range<u64>),
    /// The first bytes of the object, this many, or all if it is smaller. The number must not be zero. It is for
    /// objects whose size is not known yet: caches and hosts agree best about ranges that lie within an object.
    Front(u64),
    /// The last bytes of the object, this many, or all if it is smaller. The number must not be zero.
    Suffix(u64),
}

impl Span {
    /// The range of the span in an object of `object_bytes` bytes, or `None` if the object does not hold all of it.
    #[must_use]
    pub fn within(&self, object_bytes: u64) -> Option<Range<u64>> {
        match self {
            Self::Whole => Some(0..object_bytes),
            Self::Range(range) => (range.end <= object_bytes).then(|| range.clone()),
            Self::Front(bytes) => Some(0..object_bytes.min(*bytes)),
            Self::Suffix(bytes) => Some(object_bytes.saturating_sub(*bytes)..object_bytes),
        }
    }

    /// Refuses the requests that the contract excludes: an empty range, and a front or a suffix of no bytes.
    pub(crate) fn check(&self, object: &str) -> Result<(), StoreError> {
        let empty = match self {
            Self::Whole => false,
            Self::Range(range) => range.is_empty(),
            Self::Front(bytes) | Self::Suffix(bytes) => *bytes == 0,
        };
        if !empty {
            return Ok(());
        }
        Err(StoreError::InvalidRequest { object: object.to_owned(), reason: "the range is empty".to_owned() })
    }
}

/// An answer with exactly the bytes that were asked for, whatever the host sent.
pub struct Download {
    /// The range of the body in the object.
    pub range: Range<u64>,
    /// The size of the whole object in bytes. A host that answers a range with the whole object may not state it.
    /// For the other spans it is always known.
    pub object_bytes: Option<u64>,
    /// The version that tells this state of the object from others (an `ETag`), if the host states one.
    pub version: Option<String>,
    /// The body. It yields `range.end - range.start` bytes, or an error.
    pub body: ByteStream,
}

impl Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("range", &self.range)
            .field("object_bytes", &self.object_bytes)
            .finish_non_exhaustive()
    }
}

impl Download {
    /// Reads the whole body into memory. The caller has bounded `range`.
    pub async fn bytes(mut self) -> Result<Bytes, StoreError> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.body.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.freeze())
    }
}

/// A place that objects are read from. Their names are relative paths with `/` between the parts
/// (`packs/ab/….pack`). Decorators for retries and limits implement it too.
pub trait ReadStore: Send + Sync + Debug {
    /// Begins to read bytes of an object. An absent object gives [`StoreError::NotFound`].
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>>;

    /// Begins to read bytes of an object. The result is `None` if the object still has this
    /// [`version`](Download::version). A host that cannot tell sends the bytes again.
    fn get_unless<'a>(
        &'a self,
        name: &'a str,
        span: Span,
        version: &'a str,
    ) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        Box::pin(async move {
            let download = self.get(name, span).await?;
            Ok((download.version.as_deref() != Some(version)).then_some(download))
        })
    }

    /// Whether reading uses no network.
    fn is_local(&self) -> bool {
        false
    }

    /// The backend itself, behind all decorators, where it can copy objects without their bytes coming here. Another
    /// backend of its kind recognises it by its type ([`WriteStore::copy_from`](crate::WriteStore::copy_from)).
    fn backend(&self) -> Option<&dyn Any> {
        None
    }

    /// The store's location, for people.
    fn location(&self) -> &str;
}

/// `Arc`, `Box` and references hand everything on.
impl<P: Deref<Target: ReadStore> + Send + Sync + Debug> ReadStore for P {
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        (**self).get(name, span)
    }

    fn get_unless<'a>(
        &'a self,
        name: &'a str,
        span: Span,
        version: &'a str,
    ) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        (**self).get_unless(name, span, version)
    }

    fn is_local(&self) -> bool {
        (**self).is_local()
    }

    fn backend(&self) -> Option<&dyn Any> {
        (**self).backend()
    }

    fn location(&self) -> &str {
        (**self).location()
    }
}

/// Counters of the traffic on the network. All backends of a run share them.
#[derive(Debug, Default)]
pub struct Meter {
    requests: AtomicU64,
    writes: AtomicU64,
    body_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

impl Meter {
    /// Makes a meter at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }
    /// Counts a request. Retries and failures count too.
    pub fn add_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
    /// Counts a request that writes (PUT, POST, DELETE), in addition to [`Meter::add_request`].
    pub fn add_write(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }
    /// Counts sent bytes of bodies.
    pub fn add_sent(&self, bytes: u64) {
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    /// The number of requests that write or delete.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }
    /// The number of sent bytes of bodies.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }
    /// Counts received bytes of bodies.
    pub fn add_bytes(&self, bytes: u64) {
        self.body_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    /// The number of requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
    /// The number of received bytes of bodies.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }
}
