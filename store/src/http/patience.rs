//! The time that the first byte of an object may take.
//!
//! A cache that keeps whole objects fetches everything before a range, or the whole object, before it sends the
//! range's first byte. That is no stall: at 1 MB a second, the end of a pack of 64 MiB takes 64 s. So the wait
//! grows with the bytes that may have to be fetched first, which the end of the range tells.

use std::time::Duration;

use crate::Span;

/// The smallest wait for the first byte of an object, of any size, as a multiple of the usual wait.
const LEAST: u32 = 4;
/// The largest multiple. A limit is needed because a hostile index may describe packs of any size.
const MOST: u32 = 20;
/// One more multiple is added for each this many bytes before the end of a range. With the default of 30 s, that is
/// 0.5 MB a second on top of the 120 s that any object gets.
const STEP_BYTES: u64 = 16 << 20;
/// The size that is assumed for an object of unknown size. Few packs are larger.
const UNKNOWN_BYTES: u64 = 64 << 20;

/// The time to wait for the first byte of a span. If another host has the object, a host that may be down is not
/// given more time because the object is large.
pub(super) fn of_first_byte(stall_timeout: Duration, span: &Span, is_urgent: bool) -> Duration {
    let before = match span {
        _ if is_urgent => 0,
        Span::Range(range) => range.end,
        Span::Front(bytes) => *bytes,
        Span::Suffix(_) => UNKNOWN_BYTES,
        // The host can send a whole object as it comes.
        Span::Whole => 0,
    };
    let steps = u32::try_from(before / STEP_BYTES).unwrap_or(MOST);
    stall_timeout.saturating_mul(LEAST.saturating_add(steps).min(MOST))
}

/// The rest of the wait after this time, in whole milliseconds, since errors state it.
pub(super) fn left(patience: Duration, spent: Duration) -> Duration {
    let left = patience.saturating_sub(spent);
    left.saturating_sub(Duration::from_nanos(u64::from(left.subsec_nanos() % 1_000_000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_may_take_longer_the_more_comes_before_it() {
        let second = Duration::from_secs(1);
        let times = |span: Span| of_first_byte(second, &span, false).as_secs();
        assert_eq!(times(Span::Whole), 4);
        assert_eq!(times(Span::Range(0..1000)), 4);
        assert_eq!(times(Span::Range(10..64 << 20)), 8);
        assert_eq!(times(Span::Suffix(10)), 8);
        assert_eq!(times(Span::Range(1 << 49..1 << 50)), 20);
        assert_eq!(of_first_byte(second, &Span::Range(0..1 << 50), true), 4 * second);
        assert_eq!(of_first_byte(Duration::MAX, &Span::Whole, false), Duration::MAX);
    }
}
