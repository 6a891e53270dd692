//! The contract of a store that is read: one method.

use std::fmt::Debug;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::stream::{Stream, StreamExt};

use crate::StoreError;

/// A body that arrives in pieces.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, StoreError>> + Send>>;

/// Which bytes of an object are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// All of it.
    Whole,
    /// These bytes; never empty. The object must hold all of them.
    Range(Range<u64>),
    /// The last so many bytes, or all if the object is smaller.
    Suffix(u64),
}

/// An answer: exactly the bytes asked for, whatever the host sent.
pub struct Download {
    /// Where in the object the body begins and ends.
    pub range: Range<u64>,
    /// The whole object's size in bytes.
    pub object_bytes: u64,
    /// The body. It yields `range.end - range.start` bytes, or an error.
    pub body: ByteStream,
}

impl Download {
    /// Reads the whole body into memory; the caller has bounded `range`.
    pub async fn bytes(mut self) -> Result<Bytes, StoreError> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.body.next().await {
            all.extend_from_slice(&piece?);
        }
        Ok(all.freeze())
    }
}

/// A place that objects are read from, by name (`packs/ab/….pack`, relative, `/` between the parts).
/// Decorators (retry, limits) implement it too.
pub trait ReadStore: Send + Sync + Debug {
    /// Begins to read bytes of an object. An object that is absent is [`StoreError::NotFound`].
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>>;

    /// Where the store is, for people.
    fn location(&self) -> &str;
}

/// What went over the wire; shared by all backends of one run.
#[derive(Debug, Default)]
pub struct Meter {
    requests: AtomicU64,
    body_bytes: AtomicU64,
}

impl Meter {
    /// A new meter at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }
    /// Counts a request, retries and failures included.
    pub fn add_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
    /// Counts bytes of bodies that arrived.
    pub fn add_bytes(&self, bytes: u64) {
        self.body_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
    /// Bytes of bodies so far.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }
}
