//! A decorator that asks again: after errors that may pass, and from where a body broke off.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};

use crate::{ByteStream, Download, ReadStore, Span, StoreError};

/// The longest wait that a server's `Retry-After` is granted.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How often and how patiently to ask again: exponential backoff with full jitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many times in a row a request may fail without a byte of progress; zero counts as one.
    pub attempts: u32,
    /// The longest wait after the first failure; doubled after each further one.
    pub first_delay: Duration,
    /// The longest wait of all, unless the server asks for more.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 5, first_delay: Duration::from_millis(200), max_delay: Duration::from_secs(10) }
    }
}

impl RetryPolicy {
    /// Runs `operation` until it succeeds, fails with an error that is not transient, or has failed as often as
    /// the policy allows; the last error is returned.
    pub async fn run<T, F, Fut>(&self, mut operation: F) -> Result<T, StoreError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, StoreError>>,
    {
        let mut backoff = Backoff::new(self.clone());
        loop {
            match operation().await {
                Ok(value) => return Ok(value),
                Err(error) => backoff.wait_after(error).await?,
            }
        }
    }

    /// The upper bound of the wait after so many failures in a row.
    fn longest_delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.first_delay.saturating_mul(1 << doublings).min(self.max_delay)
    }
}

/// The failures in a row, and the wait after each.
struct Backoff {
    policy: RetryPolicy,
    failures: u32,
}

impl Backoff {
    fn new(policy: RetryPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// Waits before the next attempt, or gives `error` back when there is to be none.
    async fn wait_after(&mut self, error: StoreError) -> Result<(), StoreError> {
        self.failures += 1;
        if !error.is_transient() || self.failures >= self.policy.attempts {
            return Err(error);
        }
        let jitter = self.policy.longest_delay(self.failures).mul_f64(fastrand::f64());
        let asked = error.retry_after().unwrap_or_default().min(LONGEST_RETRY_AFTER);
        tokio::time::sleep(jitter.max(asked)).await;
        Ok(())
    }

    fn progress(&mut self) {
        self.failures = 0;
    }
}

/// Reads from `S`, and asks again after transient errors. A body that breaks off is continued from the byte it
/// got to, so the reader sees one whole body.
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

    /// The store that is read from.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    async fn begin(&self, name: &str, span: Span) -> Result<Download, StoreError> {
        let mut backoff = Backoff::new(self.policy.clone());
        let download = loop {
            match self.inner.get(name, span.clone()).await {
                Ok(download) => break download,
                Err(error) => backoff.wait_after(error).await?,
            }
        };
        let (range, object_bytes) = (download.range.clone(), download.object_bytes);
        let body = Continued {
            store: Arc::clone(&self.inner),
            name: name.to_owned(),
            left: download.range,
            object_bytes,
            body: download.body,
            backoff,
        };
        Ok(Download { range, object_bytes, body: body.into_stream() })
    }
}

impl<S: ReadStore + 'static> ReadStore for Retry<S> {
    fn get<'a>(&'a self, name: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        Box::pin(self.begin(name, span))
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }

    fn location(&self) -> &str {
        self.inner.location()
    }
}

/// A body that is asked for again from `left.start` when it breaks off.
struct Continued<S> {
    store: Arc<S>,
    name: String,
    left: Range<u64>,
    object_bytes: u64,
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
                    self.backoff.progress();
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
        let reason = match self.body.next().await {
            Some(Ok(piece)) if piece.len() as u64 <= left => return Ok(piece),
            Some(Err(error)) => return Err(error),
            Some(Ok(_)) => "the body is longer than promised".to_owned(),
            None => format!("the body ended {left} bytes early"),
        };
        Err(StoreError::Protocol { object: self.object(), reason })
    }

    async fn ask_again(&mut self, mut error: StoreError) -> Result<(), StoreError> {
        loop {
            self.backoff.wait_after(error).await?;
            match self.store.get(&self.name, Span::Range(self.left.clone())).await {
                Ok(download) => return self.continue_with(download),
                Err(next) => error = next,
            }
        }
    }

    fn continue_with(&mut self, download: Download) -> Result<(), StoreError> {
        if download.object_bytes != self.object_bytes || download.range != self.left {
            return Err(StoreError::Damaged {
                object: self.object(),
                reason: format!(
                    "it changed while it was read: from {} to {} bytes",
                    self.object_bytes, download.object_bytes
                ),
            });
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
