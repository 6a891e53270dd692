//! A limit on the rate of bytes, shared by all transfers of a run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How much idle time may be made up for: at most this time's worth of bytes passes at once. It must exceed the
/// lateness of timers, or the rate would stay below the limit.
const BURST: Duration = Duration::from_millis(100);

/// A limit on the bytes that pass per second, over all transfers that share it.
///
/// Bytes are taken as a debt: they pass once all earlier debts are paid off. So a piece of any size passes, the
/// pieces after it wait, and requests are served in their order.
#[derive(Debug)]
pub struct RateLimit {
    bytes_per_second: u64,
    /// The time at which everything that has passed is paid off.
    paid_at: Mutex<Option<Instant>>,
}

impl RateLimit {
    /// Makes a limit of this many bytes per second. Zero counts as one.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid_at: Mutex::default() }
    }

    /// The limit in bytes per second.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        self.bytes_per_second
    }

    /// Waits until `bytes` bytes may pass. They count as passed even if the wait is given up, because bytes that
    /// came over the network have come.
    pub async fn take(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let now = Instant::now();
        let turn = self.enter_debt(bytes, now);
        if turn > now {
            tokio::time::sleep_until(turn).await;
        }
    }

    /// Adds to the debt, and returns the time at which the earlier debts are paid off.
    fn enter_debt(&self, bytes: u64, now: Instant) -> Instant {
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let turn = paid_at.map_or(earliest, |paid_at| paid_at.max(earliest));
        *paid_at = Some(turn.checked_add(self.cost(bytes)).unwrap_or(turn));
        turn
    }

    fn cost(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The grain of the timer.
    const GRAIN: Duration = Duration::from_millis(2);

    /// Allows for the burst, and for the last pieces, whose debt nobody waited for.
    fn close(time: Duration, expected: Duration) -> bool {
        time <= expected + GRAIN && time + 2 * BURST + GRAIN >= expected
    }

    #[tokio::test(start_paused = true)]
    async fn many_pieces_pass_at_the_rate() {
        let limit = RateLimit::new(1_000_000);
        let begun = Instant::now();
        for _ in 0..1000 {
            limit.take(10_000).await;
        }
        assert!(close(begun.elapsed(), Duration::from_secs(10)), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_larger_than_the_burst_passes_and_the_next_waits() {
        let limit = RateLimit::new(1000);
        let begun = Instant::now();
        limit.take(5000).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        limit.take(1).await;
        assert!(close(begun.elapsed(), Duration::from_secs(5)), "{:?}", begun.elapsed());
        assert!(begun.elapsed() >= Duration::from_millis(4900));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_time_is_made_up_for_by_no_more_than_the_burst() {
        let limit = RateLimit::new(1_000_000);
        limit.take(1).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        for _ in 0..200 {
            limit.take(10_000).await;
        }
        assert!(close(begun.elapsed(), Duration::from_secs(2)), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_share_it_get_alike() {
        let limit = Arc::new(RateLimit::new(1_000_000));
        let begun = Instant::now();
        let tasks = (0..10).map(|_| {
            let limit = Arc::clone(&limit);
            tokio::spawn(async move {
                for _ in 0..100 {
                    limit.take(10_000).await;
                }
                begun.elapsed()
            })
        });
        let mut times: Vec<_> =
            futures::future::join_all(tasks).await.into_iter().map(Result::unwrap_or_default).collect();
        times.sort();
        assert!(close(times[9], Duration::from_secs(10)), "{times:?}");
        // The first transfer took the burst, which is ten of its hundred pieces.
        assert!(times[0] > Duration::from_millis(8800) && close(times[1], Duration::from_secs(10)), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn extremes_do_not_panic() {
        let limit = RateLimit::new(0);
        assert_eq!(limit.bytes_per_second(), 1);
        for _ in 0..3 {
            let _ = tokio::time::timeout(Duration::from_secs(1), limit.take(u64::MAX)).await;
        }
        let limit = RateLimit::new(u64::MAX);
        let begun = Instant::now();
        limit.take(0).await;
        limit.take(u64::MAX / 100).await;
        limit.take(1).await;
        assert!(begun.elapsed() <= GRAIN, "{:?}", begun.elapsed());
    }
}
