//! Measures time that has passed, and checks this machine's clock. FORMAT.md, section 8.1, depends on both.

use std::time::{Duration, Instant, SystemTime};

/// Measures the duration of some work, including the time for which the machine slept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    steady: Instant,
    since_boot: Duration,
    wall: SystemTime,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { steady: Instant::now(), since_boot: since_boot(), wall: SystemTime::now() }
    }

    /// The time since the start, by the clock that shows the longest time. Each of the three clocks can show too
    /// little. The steady one stands still while the machine sleeps. The one since boot stands still while a
    /// virtual machine is stopped. The wall clock may be set back.
    pub(crate) fn elapsed(&self) -> Duration {
        let wall = self.wall.elapsed().unwrap_or_default();
        self.steady.elapsed().max(since_boot().saturating_sub(self.since_boot)).max(wall)
    }
}

/// The time since the machine was started, sleep included (proc_uptime(5)), to a hundredth of a second. It is zero
/// if `/proc` is not mounted, and then the other two clocks decide alone.
fn since_boot() -> Duration {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = uptime.split_whitespace().next().and_then(|seconds| seconds.parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
}

/// The difference between two clocks. One showed times from `before` to `after` while the other, which may round,
/// showed `other`. The result is `true` if the first clock is behind.
pub(crate) fn difference(before: SystemTime, after: SystemTime, other: SystemTime) -> (Duration, bool) {
    match (before.duration_since(other), other.duration_since(after)) {
        (Ok(ahead), _) => (ahead, false),
        (_, Ok(behind)) => (behind, true),
        _ => (Duration::ZERO, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_with_their_direction() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(difference(at(100), at(110), at(105)), (Duration::ZERO, false));
        assert_eq!(difference(at(100), at(110), at(90)), (Duration::from_secs(10), false));
        assert_eq!(difference(at(100), at(110), at(130)), (Duration::from_secs(20), true));
    }

    #[test]
    fn the_clock_that_says_most_is_believed() {
        let start = Stopwatch::start();
        let hour = Duration::from_secs(3600);
        assert!(start.elapsed() < hour);
        assert!(Stopwatch { wall: start.wall - hour, ..start }.elapsed() >= hour);
        assert!(Stopwatch { wall: start.wall + hour, ..start }.elapsed() < hour);
        if let Some(since_boot) = start.since_boot.checked_sub(Duration::from_secs(1)) {
            assert!(Stopwatch { since_boot, ..start }.elapsed() >= Duration::from_secs(1));
        }
    }
}
