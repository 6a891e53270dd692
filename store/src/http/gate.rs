//! Gates for hosts that allow only a few requests a second. Refused requests are sent again, more slowly, as long
//! as others get through.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::time::Instant;

/// The pause between two requests after the first refusal. Further refusals double it.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The number of requests in a row that must get through before the pause becomes shorter.
const CALM: u32 = 10;
/// The time within which a successful request shows that the host works. Most limits are for a second.
const RECENT: Duration = Duration::from_millis(1500);
/// The longest wait that `Retry-After` may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// The gates of one client, one for each origin. A gate is open until its host refuses a request as one too many.
#[derive(Debug, Clone, Default)]
pub(super) struct Gates(Arc<Mutex<BTreeMap<String, Arc<Gate>>>>);

impl Gates {
    pub(super) fn of(&self, url: &Url) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(url.origin().ascii_serialization()).or_default())
    }
}

/// Spreads the requests to one host over time.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The pause between two requests. It is zero if the gate is open.
    pause: Duration,
    /// The time at which the next request may go.
    next: Option<Instant>,
    slowed: Option<Instant>,
    /// The number of requests that got through in all. `calm` counts them since the pause last changed, or since the
    /// last refusal.
    passed: u64,
    passed_at: Option<Instant>,
    calm: u32,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a request's turn. The result is the number of requests that had got through when the wait began.
    pub(super) async fn enter(&self) -> u64 {
        let passed = self.lock().passed;
        if let Some(turn) = self.turn(Instant::now()) {
            tokio::time::sleep_until(turn).await;
        }
        passed
    }

    fn turn(&self, now: Instant) -> Option<Instant> {
        let mut state = self.lock();
        if state.pause.is_zero() {
            return None;
        }
        let turn = state.next.unwrap_or(now).max(now);
        state.next = turn.checked_add(state.pause);
        Some(turn)
    }

    /// Notes that a request got through.
    pub(super) fn passed(&self) {
        let mut state = self.lock();
        state.passed += 1;
        state.passed_at = Some(Instant::now());
        state.calm += 1;
        if state.calm >= CALM && !state.pause.is_zero() {
            state.calm = 0;
            state.pause = state.pause / 5 * 4;
        }
    }

    /// Notes that a request was refused as one too many. The result is the wait before the next attempt. It is
    /// `None` if no other request got through recently, or since `entered`, the result of [`Gate::enter`].
    pub(super) fn refused(&self, entered: u64, asked: Option<Duration>) -> Option<Duration> {
        let mut state = self.lock();
        let now = Instant::now();
        // Requests that were under way at the same time are refused for the same reason.
        if state.slowed.is_none_or(|slowed| now.saturating_duration_since(slowed) >= state.pause) {
            state.pause = (state.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            state.slowed = Some(now);
            // Requests that have their turn already keep it, and no other may fall between them.
            state.next = state.next.max(now.checked_add(state.pause));
        }
        state.calm = 0;
        let is_recent = |at: Instant| now.saturating_duration_since(at) < RECENT;
        let others_pass = state.passed > entered || state.passed_at.is_some_and(is_recent);
        others_pass.then(|| asked.unwrap_or_default().min(LONGEST_ASKED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_open_gate_costs_nothing_and_refusals_spread_requests() {
        let (gate, begun) = (Gate::default(), Instant::now());
        for _ in 0..100 {
            gate.enter().await;
            gate.passed();
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            gate.refused(0, None);
        }
        for _ in 0..10 {
            gate.enter().await;
        }
        let taken = begun.elapsed();
        assert!(taken >= FIRST_PAUSE * 10 && taken < FIRST_PAUSE * 11, "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_waits_as_long_as_others_get_through() {
        let gate = Gate::default();
        let entered = gate.enter().await;
        assert_eq!(gate.refused(entered, Some(Duration::from_secs(3))), None);
        gate.passed();
        assert_eq!(gate.refused(entered, Some(Duration::from_secs(3))), Some(Duration::from_secs(3)));
        assert_eq!(gate.refused(entered, Some(Duration::from_secs(999))), Some(LONGEST_ASKED));
        tokio::time::sleep(RECENT).await;
        let entered = gate.enter().await;
        assert_eq!(gate.refused(entered, None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_the_longest_and_shrink_again() {
        let gate = Gate::default();
        for _ in 0..20 {
            gate.refused(0, None);
            tokio::time::sleep(LONGEST_PAUSE).await;
        }
        assert_eq!(gate.lock().pause, LONGEST_PAUSE);
        (0..10 * CALM).for_each(|_| gate.passed());
        assert!(gate.lock().pause < LONGEST_PAUSE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_leaves_room_between_turns() {
        let gate = Gate::default();
        gate.refused(0, None);
        let begun = Instant::now();
        let mut turns: Vec<Instant> = (0..5).filter_map(|_| gate.turn(begun)).collect();
        tokio::time::sleep(FIRST_PAUSE * 3 / 2).await;
        gate.refused(0, None);
        turns.extend((0..5).filter_map(|_| gate.turn(Instant::now())));
        turns.sort_unstable();
        assert!(turns.windows(2).all(|pair| pair[1] - pair[0] >= FIRST_PAUSE), "{turns:?}");
    }
}
