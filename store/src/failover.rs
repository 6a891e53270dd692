//! The order in which several stores are asked: the most preferred one that works comes first, and again once it
//! works again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::StoreError;

/// How long a store is passed over after its first failure.
const FIRST_COOLDOWN: Duration = Duration::from_secs(5);
/// The longest time that a store is passed over after several failures.
const LONGEST_COOLDOWN: Duration = Duration::from_secs(60);

/// The health of several stores that hold the same objects, in order of preference. All readers share it.
///
/// A store that fails as a whole (not for one object) is passed over for 5 s, and twice as long after each further
/// failure, up to 60 s. Then it is asked again. A success makes it healthy at once.
#[derive(Debug)]
pub struct Failover {
    stores: Mutex<Vec<Health>>,
}

#[derive(Debug, Clone, Default)]
struct Health {
    /// The number of failures since the last success, except for those during a cool-down.
    failures: u32,
    /// The time at which the store will be asked again. It is `None` if the store has not failed since its last
    /// success.
    cool_at: Option<Instant>,
}

impl Failover {
    /// Makes this many stores, the most preferred first, all of them healthy. The mask of [`Failover::order`] tells
    /// only the first 64 apart; stores beyond them cannot be excluded.
    #[must_use]
    pub fn new(stores: usize) -> Self {
        Self { stores: Mutex::new(vec![Health::default(); stores]) }
    }

    /// The stores in the order in which they should be asked. The healthy ones come first, in order of preference.
    /// The others follow, the one that will be asked again soonest first. Stores whose bit is set in `excluded`
    /// (bit 0 for the first) are left out, so the list is empty only if all are excluded.
    #[must_use]
    pub fn order(&self, excluded: u64) -> Vec<usize> {
        self.order_at(excluded, Instant::now())
    }

    /// Notes that a request to `store` has failed for good. Errors about one object (absent, damaged, a wrong
    /// answer) do not count against the store.
    pub fn failed(&self, store: usize, error: &StoreError) {
        self.failed_at(store, error, Instant::now());
    }

    /// Notes that `store` has answered a request.
    pub fn succeeded(&self, store: usize) {
        if let Some(health) = self.lock().get_mut(store) {
            *health = Health::default();
        }
    }

    fn order_at(&self, excluded: u64, now: Instant) -> Vec<usize> {
        let stores = self.lock();
        let mut order: Vec<_> = (0..stores.len()).filter(|store| !is_excluded(excluded, *store)).collect();
        // The sort is stable, so equals stay in order of preference.
        order.sort_by_key(|store| stores.get(*store).and_then(|health| health.cooling_until(now)));
        order
    }

    fn failed_at(&self, store: usize, error: &StoreError, now: Instant) {
        if !concerns_the_store(error) {
            return;
        }
        if let Some(health) = self.lock().get_mut(store) {
            health.fail(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Health>> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    /// The end of the cool-down. It is `None`, which sorts first, for a store that may be asked.
    fn cooling_until(&self, now: Instant) -> Option<Instant> {
        self.cool_at.filter(|at| *at > now)
    }

    /// Begins a cool-down. Failures during one belong to the same outage: their requests had begun before it, or
    /// had no other store to go to. The many requests in flight must not add up to the longest cool-down.
    fn fail(&mut self, now: Instant) {
        if self.cooling_until(now).is_some() {
            return;
        }
        let cooldown = FIRST_COOLDOWN.saturating_mul(1 << self.failures.min(8)).min(LONGEST_COOLDOWN);
        self.failures = self.failures.saturating_add(1);
        self.cool_at = now.checked_add(cooldown);
    }
}

fn is_excluded(excluded: u64, store: usize) -> bool {
    u32::try_from(store).ok().and_then(|bit| excluded.checked_shr(bit)).is_some_and(|bits| bits & 1 == 1)
}

/// Whether requests for other objects of the store would fail too.
fn concerns_the_store(error: &StoreError) -> bool {
    match error {
        StoreError::Network { .. } | StoreError::Untrusted { .. } => true,
        StoreError::Denied { .. } | StoreError::Refused { .. } => true,
        // A 403 may be about this object alone.
        StoreError::Withheld { status, .. } => *status != 403,
        StoreError::Slow { .. } | StoreError::Redirected { .. } | StoreError::NoRanges { .. } => true,
        StoreError::Status { status, .. } => *status >= 500 || error.is_transient(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> StoreError {
        StoreError::Network { object: "x".into(), reason: "broken".into(), transient: true }
    }

    fn status(status: u16) -> StoreError {
        StoreError::Status { object: "x".into(), status, retry_after: None }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_failed_store_is_passed_over_and_then_asked_again() {
        let (stores, begun) = (Failover::new(3), Instant::now());
        assert_eq!(stores.order_at(0, begun), [0, 1, 2]);
        stores.failed_at(0, &broken(), begun);
        assert_eq!(stores.order_at(0, begun), [1, 2, 0]);
        assert_eq!(stores.order_at(0, begun + seconds(4)), [1, 2, 0]);
        assert_eq!(stores.order_at(0, begun + seconds(5)), [0, 1, 2]);
    }

    #[test]
    fn cooldowns_double_up_to_the_longest_and_a_success_resets_them() {
        let (stores, mut now) = (Failover::new(2), Instant::now());
        for cooldown in [5, 10, 20, 40, 60, 60] {
            stores.failed_at(0, &broken(), now);
            assert_eq!(stores.order_at(0, now + seconds(cooldown - 1)), [1, 0], "{cooldown}");
            now += seconds(cooldown);
            assert_eq!(stores.order_at(0, now), [0, 1], "{cooldown}");
        }
        stores.failed_at(0, &broken(), now);
        stores.succeeded(0);
        assert_eq!(stores.order_at(0, now), [0, 1]);
        stores.failed_at(0, &broken(), now);
        assert_eq!(stores.order_at(0, now + seconds(5)), [0, 1]);
    }

    #[test]
    fn many_failures_at_once_are_one() {
        let (stores, now) = (Failover::new(2), Instant::now());
        for _ in 0..100 {
            stores.failed_at(0, &broken(), now);
        }
        assert_eq!(stores.order_at(0, now + seconds(5)), [0, 1]);
    }

    #[test]
    fn when_all_have_failed_the_soonest_to_be_asked_comes_first() {
        let (stores, now) = (Failover::new(3), Instant::now());
        for (store, after) in [(1, 0), (2, 1), (0, 2)] {
            stores.failed_at(store, &broken(), now + seconds(after));
        }
        assert_eq!(stores.order_at(0, now + seconds(3)), [1, 2, 0]);
        assert_eq!(stores.order_at(0b010, now + seconds(3)), [2, 0]);
        assert_eq!(stores.order_at(0b111, now + seconds(3)), [0; 0]);
    }

    #[test]
    fn only_errors_of_the_whole_store_count() {
        let (object, reason) = (|| "x".to_owned(), || "odd".to_owned());
        let denied = StoreError::Denied { object: object(), status: 401 };
        let refused = StoreError::Refused { object: object(), status: 403, reason: reason() };
        for error in [broken(), denied, refused, status(500), status(503), status(507), status(429)] {
            assert!(concerns_the_store(&error), "{error}");
        }
        let others = [
            StoreError::NotFound { object: object(), status: Some(403) },
            StoreError::Damaged { object: object(), reason: reason() },
            StoreError::Protocol { object: object(), reason: reason() },
            StoreError::TooLarge { object: object(), max_bytes: 1 },
            status(400),
        ];
        let (stores, now) = (Failover::new(2), Instant::now());
        for error in others {
            stores.failed_at(0, &error, now);
            assert_eq!(stores.order_at(0, now), [0, 1], "{error}");
        }
    }

    #[test]
    fn odd_numbers_do_no_harm() {
        let stores = Failover::new(66);
        stores.failed(99, &broken());
        stores.succeeded(99);
        assert_eq!(stores.order(u64::MAX), [64, 65]);
        assert_eq!(Failover::new(0).order(0), [0; 0]);
    }
}
