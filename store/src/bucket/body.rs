//! Bodies on their way. Those that are sent go out in small pieces and are counted; those that arrive are counted
//! and timed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use object_store::client::{HttpError, HttpRequestBody};

use super::failure::Failure;
use crate::http::pace::{Pace, Watch};
use crate::{Meter, RateLimit};

/// The number of bytes that are handed to the connection at a time. It is small, so that a slow connection shows
/// progress.
const PIECE_BYTES: usize = 64 << 10;

/// The number of bytes of a request's body that have left.
#[derive(Debug, Default)]
pub(super) struct Progress(AtomicU64);

impl Progress {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Holds a body back to a limit: the next piece waits until the last one may have passed.
pub(super) struct Gate {
    limit: Option<Arc<RateLimit>>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl Gate {
    pub(super) fn new(limit: Option<Arc<RateLimit>>) -> Self {
        Self { limit, waiting: None }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
        }
        Poll::Ready(())
    }

    fn passed(&mut self, bytes: u64) {
        if let Some(limit) = self.limit.clone() {
            self.waiting = Some(Box::pin(async move { limit.take(bytes).await }));
        }
    }

    /// The number of bytes that pass at a time. It is a quarter of a second's worth, so that a narrow gate is not
    /// mistaken for a dead line.
    fn piece_bytes(&self) -> usize {
        let quarter = self.limit.as_ref().map_or(u64::MAX, |limit| limit.bytes_per_second() / 4);
        usize::try_from(quarter).unwrap_or(usize::MAX).clamp(256, PIECE_BYTES)
    }
}

/// The body of a request.
pub(super) struct Upload {
    rest: HttpRequestBody,
    piece: Bytes,
    left: u64,
    meter: Arc<Meter>,
    progress: Arc<Progress>,
    gate: Gate,
}

impl Upload {
    pub(super) fn new(body: HttpRequestBody, meter: Arc<Meter>, progress: Arc<Progress>, gate: Gate) -> Self {
        let left = body.content_length() as u64;
        Self { rest: body, piece: Bytes::new(), left, meter, progress, gate }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        ready!(this.gate.poll_open(cx));
        while this.piece.is_empty() {
            match ready!(Pin::new(&mut this.rest).poll_frame(cx)) {
                Some(Ok(frame)) => this.piece = frame.into_data().unwrap_or_default(),
                other => return Poll::Ready(other),
            }
        }
        let piece = this.piece.split_to(this.piece.len().min(this.gate.piece_bytes()));
        let bytes = piece.len() as u64;
        this.left = this.left.saturating_sub(bytes);
        this.gate.passed(bytes);
        this.meter.add_sent(bytes);
        this.progress.0.fetch_add(bytes, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The body of an answer.
pub(super) struct TimedBody {
    inner: reqwest::Body,
    meter: Arc<Meter>,
    watch: Watch,
    gate: Gate,
}

impl TimedBody {
    pub(super) fn new(inner: reqwest::Body, meter: Arc<Meter>, pace: Pace) -> Self {
        let gate = Gate::new(pace.limit.clone());
        Self { inner, meter, watch: Watch::new(pace), gate }
    }

    /// The next piece, or an error if none comes in time.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        Poll::Ready(match ready!(self.watch.watch(cx, polled)) {
            Ok(frame) => frame.map(|frame| frame.map_err(|error| Failure::broken(&error))),
            Err(lag) => Some(Err(Failure::Lag(lag))),
        })
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        ready!(self.gate.poll_open(cx));
        let frame = ready!(self.poll_piece(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref) {
            let bytes = data.len() as u64;
            self.meter.add_bytes(bytes);
            self.watch.count(bytes);
            self.gate.passed(bytes);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Failure::into_http)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
