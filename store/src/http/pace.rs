//! The pace of a body: the user's upper limit, and the lower limit under which the body is given up.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::{RateLimit, StoreError};

use super::failure;

/// The settings and counts that the bodies of one client share.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// The time for which nothing may come.
    pub(crate) stall_timeout: Duration,
    /// The number of bytes a second that all open bodies must bring together, or zero for no lower limit.
    pub(crate) min_rate: u64,
    /// The time of waiting over which that rate is measured.
    pub(crate) window: Duration,
    /// The upper limit that all bodies share.
    pub(crate) limit: Option<Arc<RateLimit>>,
    /// The number of open bodies.
    pub(crate) open: Arc<AtomicU64>,
}

impl Pace {
    /// Waits until this many received bytes may be handed on. The sender notices this by the back-pressure of its
    /// connection.
    pub(super) async fn hold_back(&self, bytes: u64) {
        if let Some(limit) = &self.limit {
            limit.take(bytes).await;
        }
    }
}

/// The reason why a body is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lag {
    /// Nothing came for this long.
    Silent(Duration),
    /// Only this many bytes came within a window of waiting.
    Slow { bytes: u64, within: Duration },
}

impl Lag {
    pub(crate) fn error(self, object: &str) -> StoreError {
        match self {
            Self::Silent(after) => failure::stalled(object, "not a byte", after),
            Self::Slow { bytes, within } => StoreError::Slow { object: object.to_owned(), bytes, within },
        }
    }
}

/// Watches one body for silence and for the lower limit. Only time spent waiting for the network counts, so neither
/// a slow consumer nor the rate limit makes a server look slow.
///
/// Each body owes its share of the lower limit: the rate divided by the number of open bodies. A slow link is not
/// the server's fault, and its few bytes are spread over all connections. A body that is alone owes the full rate.
#[derive(Debug)]
pub(crate) struct Watch {
    pace: Pace,
    alarm: Pin<Box<Sleep>>,
    waiting: Option<Waiting>,
    /// The time that the first byte may take, until it has come. That time does not count for the lower limit.
    first: Option<Duration>,
    /// The time that was spent waiting in the current window.
    waited: Duration,
    /// The number of bytes that should have come in the current window, and of those that did.
    owed: f64,
    arrived: u64,
}

/// A wait that has not ended.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// The time up to which the wait has been counted.
    counted_to: Instant,
    silent_at: Instant,
}

impl Watch {
    pub(crate) fn new(pace: Pace) -> Self {
        pace.open.fetch_add(1, Ordering::Relaxed);
        let alarm = Box::pin(tokio::time::sleep(pace.stall_timeout));
        Self { pace, alarm, waiting: None, first: None, waited: Duration::ZERO, owed: 0.0, arrived: 0 }
    }

    /// The same watch, which waits this long for the first byte.
    pub(crate) fn with_patience(mut self, first: Duration) -> Self {
        self.first = Some(first);
        self
    }

    /// Waits for `next`, unless the body lags meanwhile.
    pub(crate) async fn wait<T>(&mut self, next: impl Future<Output = T>) -> Result<T, Lag> {
        let mut next = pin!(next);
        poll_fn(|cx| {
            let polled = next.as_mut().poll(cx);
            self.watch(cx, polled)
        })
        .await
    }

    /// Takes the outcome of polling the body, and turns it into an error if it is pending for too long.
    pub(crate) fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<T>) -> Poll<Result<T, Lag>> {
        let now = Instant::now();
        if let Poll::Ready(value) = polled {
            self.count_time(now);
            self.waiting = None;
            self.first = None;
            return Poll::Ready(Ok(value));
        }
        let patience = self.first.unwrap_or(self.pace.stall_timeout);
        if self.waiting.is_none() {
            self.waiting = Some(Waiting { counted_to: now, silent_at: now + patience });
            self.set_alarm(now);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            let now = Instant::now();
            self.count_time(now);
            if self.waiting.is_some_and(|waiting| now >= waiting.silent_at) {
                return Poll::Ready(Err(Lag::Silent(patience)));
            }
            if let Some(lag) = self.close_window() {
                return Poll::Ready(Err(lag));
            }
            self.set_alarm(now);
        }
    }

    /// Counts bytes that came.
    pub(crate) fn count(&mut self, bytes: u64) {
        self.arrived += bytes;
    }

    fn count_time(&mut self, now: Instant) {
        let Some(waiting) = &mut self.waiting else { return };
        let passed = now.saturating_duration_since(waiting.counted_to);
        waiting.counted_to = now;
        if self.first.is_some() {
            return;
        }
        self.waited += passed;
        let sharers = self.pace.open.load(Ordering::Relaxed).max(1);
        self.owed += self.pace.min_rate as f64 / sharers as f64 * passed.as_secs_f64();
    }

    /// Begins the next window when this one is over, unless too few bytes came in it.
    fn close_window(&mut self) -> Option<Lag> {
        if self.waited < self.pace.window {
            return None;
        }
        if (self.arrived as f64) < self.owed {
            return Some(Lag::Slow { bytes: self.arrived, within: self.waited });
        }
        (self.waited, self.owed, self.arrived) = (Duration::ZERO, 0.0, 0);
        None
    }

    /// Sets the alarm to the time at which the silence is too long, or to the window's end if that comes first and
    /// matters.
    fn set_alarm(&mut self, now: Instant) {
        let Some(waiting) = self.waiting else { return };
        let window_at = now + self.pace.window.saturating_sub(self.waited);
        let at = if self.pace.min_rate > 0 && self.first.is_none() {
            waiting.silent_at.min(window_at)
        } else {
            waiting.silent_at
        };
        self.alarm.as_mut().reset(at);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.pace.open.fetch_sub(1, Ordering::Relaxed);
    }
}
