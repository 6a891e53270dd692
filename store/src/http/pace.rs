//! How fast a body comes: the user's upper limit, and the floor below which a server counts as stalled.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::{RateLimit, StoreError};

use super::failure;

/// The fewest bytes of a body that must come within each stall time-out of waiting. A server that drips single
/// bytes would never be silent for long, but never finish either. 4 KiB in 30 s is less than the slowest links
/// give to one of a few connections.
pub(super) const MIN_BYTES_PER_STALL: u64 = 4096;

/// What bodies of one client have in common.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// How long nothing may come.
    pub(super) stall_timeout: Duration,
    /// The limit that all bodies share.
    pub(super) limit: Option<Arc<RateLimit>>,
}

impl Pace {
    /// Waits until so many bytes that have come may be handed on. The sender notices by the back-pressure of its
    /// connection.
    pub(super) async fn hold_back(&self, bytes: u64) {
        if let Some(limit) = &self.limit {
            limit.take(bytes).await;
        }
    }
}

/// Watches one body for the floor. Only time spent waiting for the network counts, so neither a slow consumer
/// nor the rate limit makes a server look slow.
#[derive(Debug)]
pub(super) struct Watch {
    stall_timeout: Duration,
    /// The time waited and the bytes that came in the present window.
    waited: Duration,
    arrived: u64,
}

impl Watch {
    pub(super) fn new(stall_timeout: Duration) -> Self {
        Self { stall_timeout, waited: Duration::ZERO, arrived: 0 }
    }

    /// Waits for `next`, no longer than the window allows.
    pub(super) async fn wait<T>(&mut self, object: &str, next: impl Future<Output = T>) -> Result<T, StoreError> {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(self.patience(), next).await;
        self.waited += begun.elapsed();
        outcome.map_err(|_| self.stalled(object))
    }

    /// Counts bytes that came; begins the next window when this one is over and enough came in it.
    pub(super) fn count(&mut self, bytes: u64) {
        self.arrived += bytes;
        if self.waited >= self.stall_timeout && self.is_enough() {
            *self = Self::new(self.stall_timeout);
        }
    }

    /// How long the next piece may take: what is left of the window, or, where the window has its bytes, as long
    /// as a silence.
    fn patience(&self) -> Duration {
        if self.is_enough() { self.stall_timeout } else { self.stall_timeout.saturating_sub(self.waited) }
    }

    fn is_enough(&self) -> bool {
        self.arrived >= MIN_BYTES_PER_STALL
    }

    fn stalled(&self, object: &str) -> StoreError {
        if self.arrived == 0 || self.is_enough() {
            return failure::stalled(object, "not a byte", self.stall_timeout);
        }
        failure::slow(object, self.arrived, self.stall_timeout)
    }
}
