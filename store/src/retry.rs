//! A decorator that asks again: after errors that may pass, and from the byte at which a body broke off.

use std::future::Future;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};

use crate::{
    ByteStream, Condition, Content, Deadline, Depth, Download, IndexContent, ListStore, ObjectInfo, ObjectKind,
    PruneStore, PutOutcome, ReadStore, Span, StoreError, WriteStore,
};

/// The longest wait that a server can ask for by `Retry-After`.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The number of bytes since the last failure that counts as progress. Fewer do not count, or a server that drips
/// and breaks off would be asked for ever.
const PROGRESS_BYTES: u64 = 64 << 10;

/// How often and how patiently to ask again: exponential backoff with full jitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times in a row a request may fail without progress, which is 64 KiB. Zero counts as one.
    pub attempts: u32,
    /// The longest wait after the first failure. It doubles after each further one.
    pub first_delay: Duration,
    /// The longest wait of all, unless the server asks for more.
    pub max_delay: Duration,
    /// The time by which everything must be over: requests, bodies and the waits between attempts end then.
    pub deadline: Option<Deadline>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_delay: Duration::from_millis(200),
            max_delay: Duration::from_secs(10),
            deadline: None,
        }
    }
}

impl RetryPolicy {
    /// Runs `operation` until it succeeds, fails with an error that is not transient, or has failed as often as the
    /// policy allows. The last error is returned.
    pub async fn run<T, F, Fut>(&self, mut operation: F) -> Result<T, StoreError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let mut backoff = Backoff::new(self.clone());
        loop {
            match Deadline::bound(self.deadline, operation()).await {
                Ok(value) => return Ok(value),
                Err(error) => backoff.wait_after(error).await?,
            }
        }
    }

    /// The upper bound of the wait after this many failures in a row.
    fn longest_delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first_delay.saturating_mul(1 << doublings).min(self.max_delay)
    }
}

/// The failures in a row, and the wait after each.
struct Backoff {
    policy: RetryPolicy,
    failures: u32,
    /// The number of bodies that came too slowly. The bytes that they bring are no progress, or a server that keeps
    /// just below the floor would be asked for ever.
    lags: u32,
    /// The number of bytes since the last failure.
    gained_bytes: u64,
}

impl Backoff {
    fn new(policy: RetryPolicy) -> Self {
        Self { policy, failures: 0, lags: 0, gained_bytes: 0 }
    }

    /// Waits before the next attempt, or returns `error` if there will be none.
    async fn wait_after(&mut self, error: StoreError) -> Result<(), StoreError> {
        self.failures += 1;
        self.lags += u32::from(matches!(error, StoreError::Slow { .. }));
        self.gained_bytes = 0;
        if !error.is_transient() || self.failures.max(self.lags) >= self.policy.attempts {
            return Err(error);
        }
        let jitter = self.policy.longest_delay(self.failures).mul_f64(fastrand::f64());
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let wait = async {
            tokio::time::sleep(jitter.max(asked)).await;
            Ok(())
        };
        Deadline::bound(self.policy.deadline, wait).await
    }

    fn gain(&mut self, bytes: u64) {
        self.gained_bytes = self.gained_bytes.saturating_add(bytes);
        if self.gained_bytes >= PROGRESS_BYTES {
            self.failures = 0;
        }
    }
}

/// A store that asks `S` again after transient errors. A body that breaks off is continued from the byte that it
/// reached, so the reader sees one whole body. Everything but reading goes to `S` directly: stores that can be
/// written to ask again themselves.
#[derive(Debug)]
pub struct Retry<S> {
    inner: Arc<S>,
    policy: RetryPolicy,
}

impl<S: ReadStore + 'static> Retry<S> {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(inner: S, policy: RetryPolicy) -> Self {
        Self { inner: Arc::new(inner), policy }
    }

    /// The wrapped store.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    async fn begin(&self, name: &str, span: Span) -> Result<Download, StoreError> {
        let mut backoff = Backoff::new(self.policy.clone());
        loop {
            match Deadline::bound(self.policy.deadline, self.inner.get(name, span.clone())).await {
                Ok(download) => return Ok(self.continued(name, download, backoff)),
                Err(error) => backoff.wait_after(error).await?,
            }
        }
    }

    async fn begin_unless(&self, name: &str, span: Span, version: &str) -> Result<Option<Download>, StoreError> {
        let mut backoff = Backoff::new(self.policy.clone());
        loop {
            match Deadline::bound(self.policy.deadline, self.inner.get_unless(name, span.clone(), version)).await {
                Ok(download) => return Ok(download.map(|download| self.continued(name, download, backoff))),
                Err(error) => backoff.wait_after(error).await?,
            }
        }
    }

    fn continued(&self, name: &str, download: Download, backoff: Backoff) -> Download {
        let (range, object_bytes, version) = (download.range.clone(), download.object_bytes, download.version);
        let body = Continued {
            store: Arc::clone(&self.inner),
            name: name.to_owned(),
            left: download.range,
            object_bytes,
            body: download.body,
            backoff,
        };
        Download { range, object_bytes, version, body: body.into_stream() }
    }
}

impl<S: ReadStore + 'static> ReadStore for Retry<S> {
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        Box::pin(self.begin(name, span))
    }

    fn get_unless<'a>(
        &'a self,
        name: &'a str,
        span: Span,
        version: &'a str,
    ) -> BoxFuture<'a, Result<Option<Download>, StoreError>> {
        Box::pin(self.begin_unless(name, span, version))
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }

    fn backend(&self) -> Option<&dyn std::any::Any> {
        self.inner.backend()
    }

    fn location(&self) -> &str {
        self.inner.location()
    }
}

impl<S: ListStore> ListStore for Retry<S> {
    fn list<'a>(&'a self, folder: &'a str, depth: Depth) -> BoxStream<'a, Result<ObjectInfo, StoreError>> {
        self.inner.list(folder, depth)
    }

    fn stat<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>, StoreError>> {
        self.inner.stat(name)
    }
}

impl<S: WriteStore> WriteStore for Retry<S> {
    fn staging(&self) -> &Path {
        self.inner.staging()
    }

    fn stage(&self, prefix: &str) -> std::io::Result<tempfile::NamedTempFile> {
        self.inner.stage(prefix)
    }

    fn put<'a>(
        &'a self,
        name: &'a str,
        content: Content,
        kind: ObjectKind,
        condition: Condition,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        self.inner.put(name, content, kind, condition)
    }

    fn put_index<'a>(
        &'a self,
        name: &'a str,
        index: IndexContent,
        condition: Condition,
    ) -> BoxFuture<'a, Result<PutOutcome, StoreError>> {
        self.inner.put_index(name, index, condition)
    }

    fn copy_from<'a>(
        &'a self,
        from: &'a dyn ReadStore,
        name: &'a str,
        kind: ObjectKind,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.copy_from(from, name, kind)
    }
}

impl<S: PruneStore> PruneStore for Retry<S> {
    fn delete<'a>(&'a self, names: &'a [String]) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.delete(names)
    }
}

/// A body that is asked for again from `left.start` when it breaks off.
struct Continued<S> {
    store: Arc<S>,
    name: String,
    left: Range<u64>,
    object_bytes: Option<u64>,
    body: ByteStream,
    backoff: Backoff,
}

impl<S: ReadStore + 'static> Continued<S> {
    fn into_stream(self) -> ByteStream {
        Box::pin(stream::try_unfold(
            self,
            |mut body| async move { Ok(body.next_piece().await?.map(|piece| (piece, body))) },
        ))
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, StoreError> {
        while !self.left.is_empty() {
            match self.take_piece().await {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => {
                    self.backoff.gain(piece.len() as u64);
                    self.left.start += piece.len() as u64;
                    return Ok(Some(piece));
                }
                Err(error) => self.ask_again(error).await?,
            }
        }
        Ok(None)
    }

    /// The next piece of the present body, held to the promised length.
    async fn take_piece(&mut self) -> Result<Bytes, StoreError> {
        let left = self.left.end - self.left.start;
        let next = async { self.body.next().await.transpose() };
        let reason = match Deadline::bound(self.backoff.policy.deadline, next).await? {
            Some(piece) if piece.len() as u64 <= left => return Ok(piece),
            Some(_) => "the body is longer than promised".to_owned(),
            None => format!("the body ended {left} bytes early"),
        };
        Err(StoreError::Protocol { object: self.object(), reason })
    }

    async fn ask_again(&mut self, mut error: StoreError) -> Result<(), StoreError> {
        loop {
            self.backoff.wait_after(error).await?;
            let again = self.store.get(&self.name, Span::Range(self.left.clone()));
            match Deadline::bound(self.backoff.policy.deadline, again).await {
                Ok(download) => return self.continue_with(download),
                Err(next) => error = next,
            }
        }
    }

    fn continue_with(&mut self, download: Download) -> Result<(), StoreError> {
        // Sizes are compared only if both are known.
        let sizes = self.object_bytes.zip(download.object_bytes);
        if let Some((before, now)) = sizes.filter(|(before, now)| before != now) {
            let reason = format!("it changed while it was read: from {before} to {now} bytes");
            return Err(StoreError::Damaged { object: self.object(), reason });
        }
        if download.range != self.left {
            let reason = "the range is not the one that was asked for".to_owned();
            return Err(StoreError::Damaged { object: self.object(), reason });
        }
        self.body = download.body;
        Ok(())
    }

    fn object(&self) -> String {
        format!("{}/{}", self.store.location(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = RetryPolicy::default();
        let millis: Vec<_> = (1..=8).map(|n| policy.longest_delay(n).as_millis()).collect();
        assert_eq!(millis, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(policy.longest_delay(u32::MAX), policy.max_delay);
    }
}
