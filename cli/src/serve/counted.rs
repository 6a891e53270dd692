//! Counts of requests and sent bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use tower_http::services::fs::ServeFileSystemResponseBody;

/// The work that a server did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Served {
    /// The number of requests, whatever came of them.
    pub(crate) requests: u64,
    /// The number of bytes in the bodies of answers.
    pub(crate) body_bytes: u64,
}

/// Counters that any thread may use.
#[derive(Debug, Default)]
pub(super) struct Counts {
    requests: AtomicU64,
    body_bytes: AtomicU64,
}

impl Counts {
    pub(super) fn add_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn served(&self) -> Served {
        Served { requests: self.requests.load(Ordering::Relaxed), body_bytes: self.body_bytes.load(Ordering::Relaxed) }
    }
}

/// A body that counts its bytes as they are sent.
pub(super) struct CountedBody {
    body: ServeFileSystemResponseBody,
    counts: Arc<Counts>,
}

impl CountedBody {
    pub(super) fn new(body: ServeFileSystemResponseBody, counts: &Arc<Counts>) -> Self {
        Self { body, counts: Arc::clone(counts) }
    }
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.counts.body_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
