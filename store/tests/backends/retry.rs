//! The times and counts of retries, with time paused, over a store that follows a script.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream;
use regrow_store::{Download, ReadStore, Retry, RetryPolicy, Span, StoreError};
use tokio::time::Instant;

use crate::support::{bytes, read, sample};

const OBJECT: &[u8] = b"0123456789";
/// The number of bytes that count as progress.
const STEP: usize = 64 << 10;

/// The store's reaction to a request.
#[derive(Debug, Clone)]
enum Act {
    /// The request fails at once.
    Fail(fn() -> StoreError),
    /// The store sends this many bytes of the span, and then fails.
    Break(usize, fn() -> StoreError),
    /// The store sends this many bytes, and then ends without an error.
    End(usize),
    /// The store sends more bytes than were asked for.
    Overflow,
    /// The store sends the span, with empty pieces in between.
    Succeed,
}

/// A store that does these acts in order, and then succeeds.
#[derive(Debug)]
struct Scripted {
    object: Bytes,
    acts: Mutex<VecDeque<Act>>,
    asked: Mutex<Vec<Span>>,
}

impl Scripted {
    fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::of(Bytes::from_static(OBJECT), acts)
    }

    fn of(object: Bytes, acts: impl IntoIterator<Item = Act>) -> Self {
        Self { object, acts: Mutex::new(acts.into_iter().collect()), asked: Mutex::default() }
    }

    fn act(&self, span: &Span) -> Result<Download, StoreError> {
        self.asked.lock().unwrap().push(span.clone());
        let range = span.within(self.object.len() as u64).unwrap();
        let wanted = self.object.slice(range.start as usize..range.end as usize);
        let pieces = match self.acts.lock().unwrap().pop_front().unwrap_or(Act::Succeed) {
            Act::Fail(error) => return Err(error()),
            Act::Break(sent, error) => vec![Ok(wanted.slice(..sent)), Err(error())],
            Act::End(sent) => vec![Ok(wanted.slice(..sent))],
            Act::Overflow => vec![Ok(wanted.clone()), Ok(wanted)],
            Act::Succeed => vec![Ok(wanted.slice(..1)), Ok(Bytes::new()), Ok(wanted.slice(1..))],
        };
        let body = Box::pin(stream::iter(pieces));
        Ok(Download { range, object_bytes: Some(self.object.len() as u64), version: None, body })
    }
}

impl ReadStore for Scripted {
    fn get<'a>(&'a self, _: &'a str, span: Span) -> BoxFuture<'a, Result<Download, StoreError>> {
        async move { self.act(&span) }.boxed()
    }

    fn location(&self) -> &str {
        "scripted"
    }
}

fn broken() -> StoreError {
    StoreError::Network { object: "x".into(), reason: "broken".into(), transient: true }
}

fn denied() -> StoreError {
    StoreError::Denied { object: "x".into(), status: 401 }
}

fn busy(seconds: u64) -> StoreError {
    let retry_after = Some(Duration::from_secs(seconds));
    StoreError::Status { object: "x".into(), status: 503, retry_after }
}

fn retry(acts: impl IntoIterator<Item = Act>) -> Retry<Scripted> {
    Retry::new(Scripted::new(acts), RetryPolicy::default())
}

fn asked(store: &Retry<Scripted>) -> Vec<Span> {
    store.inner().asked.lock().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn the_last_error_comes_after_all_attempts_and_their_delays() {
    let mut waits = Vec::new();
    for _ in 0..50 {
        let store = retry(vec![Act::Fail(broken); 9]);
        let begun = Instant::now();
        let error = bytes(&store, Span::Whole).await.unwrap_err();
        assert!(matches!(error, StoreError::Network { .. }));
        assert_eq!(asked(&store).len(), 5);
        waits.push(begun.elapsed());
    }
    // The waits are at most 200 + 400 + 800 + 1600 ms, plus a millisecond each for the timer, and they are not all
    // equal.
    assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(3004)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > Duration::from_millis(750)), "{waits:?}");
    assert!(waits.iter().min() != waits.iter().max());
}

#[tokio::test(start_paused = true)]
async fn errors_that_stay_are_not_retried() {
    let store = retry([Act::Fail(denied)]);
    let begun = Instant::now();
    assert!(matches!(bytes(&store, Span::Whole).await, Err(StoreError::Denied { .. })));
    let store_2 = retry([Act::Break(3, denied)]);
    assert!(matches!(bytes(&store_2, Span::Whole).await, Err(StoreError::Denied { .. })));
    assert_eq!((asked(&store).len(), asked(&store_2).len()), (1, 1));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_server_is_waited_for_as_it_asks_up_to_a_minute() {
    let cases: [(fn() -> StoreError, u64); 2] = [(|| busy(7), 7), (|| busy(1_000_000), 60)];
    for (error, seconds) in cases {
        let store = retry([Act::Fail(error)]);
        let begun = Instant::now();
        assert_eq!(bytes(&store, Span::Whole).await.unwrap(), OBJECT);
        let waited = begun.elapsed();
        assert!(waited >= Duration::from_secs(seconds), "{waited:?}");
        assert!(waited < Duration::from_secs(seconds + 1), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_go_on_from_the_byte_they_got_to() {
    let acts = [Act::Break(2, broken), Act::End(3), Act::Fail(broken), Act::Overflow];
    let store = retry(acts);
    let (download, bytes) = read(&store, "x", Span::Suffix(8)).await.unwrap();
    assert_eq!((download.range, download.object_bytes), (2..10, Some(10)));
    assert_eq!(bytes, OBJECT[2..]);
    let rest = [4..10, 7..10, 7..10].map(Span::Range);
    assert_eq!(asked(&store)[0], Span::Suffix(8));
    assert_eq!(asked(&store)[1..], rest);
}

/// Reads an object of nine steps from a store that fails four times for each step. The result says whether the
/// object was read, and how often the store was asked.
async fn read_in_steps_of(step: usize) -> (bool, usize) {
    // These are nine times as many failures as a request without progress is granted.
    let stuck = [Act::Fail(broken), Act::Break(0, broken), Act::End(0), Act::Break(step, broken)];
    let object = Bytes::from(sample(9 * step + 1));
    let acts: Vec<_> = (0..9).flat_map(|_| stuck.clone()).collect();
    let store = Retry::new(Scripted::of(object.clone(), acts), RetryPolicy::default());
    let read = bytes(&store, Span::Whole).await;
    (read.is_ok_and(|bytes| bytes == object), asked(&store).len())
}

#[tokio::test(start_paused = true)]
async fn progress_renews_the_attempts() {
    assert_eq!(read_in_steps_of(STEP).await, (true, 37));
}

#[tokio::test(start_paused = true)]
async fn a_few_bytes_are_no_progress() {
    assert_eq!(read_in_steps_of(STEP - 1).await, (false, 5));
}

#[tokio::test(start_paused = true)]
async fn progress_counts_from_the_last_failure() {
    let object = Bytes::from(sample(4 * STEP));
    let store = Retry::new(Scripted::of(object, vec![Act::Break(STEP / 2, broken); 9]), RetryPolicy::default());
    assert!(bytes(&store, Span::Whole).await.is_err());
    assert_eq!(asked(&store).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn answers_without_a_byte_are_no_progress() {
    let store = retry(vec![Act::Break(0, broken); 20]);
    assert!(bytes(&store, Span::Whole).await.is_err());
    assert_eq!(asked(&store).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn one_attempt_means_no_retry() {
    for attempts in [0, 1] {
        let policy = RetryPolicy { attempts, ..RetryPolicy::default() };
        let store = Retry::new(Scripted::new([Act::Fail(broken)]), policy);
        assert!(bytes(&store, Span::Whole).await.is_err());
        assert_eq!(asked(&store).len(), 1);
    }
}
