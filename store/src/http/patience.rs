//! How long the first byte of an object may take.
//!
//! A cache that keeps whole objects fetches all that is before a range, or all of the object, before it sends the first
//! byte of it. That is no stall: at 1 MB a second the end of a pack of 64 MiB takes 64 s. So what is waited for grows with
//! what may have to be fetched first, which the end of the range tells.

use std::time::Duration;

use crate::Span;

/// How many times as long as for anything else the first byte of an object is waited for, whatever its size.
const LEAST: u32 = 4;
/// How many times at most: a hostile index may tell of packs of any size.
const MOST: u32 = 20;
/// For each this many bytes before the end of a range, one more time. With the default of 30 s that is 0.5 MB a second
/// on top of the 120 s that any object gets.
const STEP_BYTES: u64 = 16 << 20;
/// An object whose size is not known is taken for one of this size, which few packs exceed.
const UNKNOWN_BYTES: u64 = 64 << 20;

/// How long to wait for the first byte of what is asked for. Where somebody else has the object, a host that may be down is
/// not waited for any longer because the object is large.
pub(super) fn of_first_byte(stall_timeout: Duration, span: &Span, is_urgent: bool) -> Duration {
    let before = match span {
        _ if is_urgent => 0,
        Span::Range(range) => range.end,
        Span::Suffix(_) => UNKNOWN_BYTES,
        // It can be sent as it comes.
        Span::Whole => 0,
    };
    let steps = u32::try_from(before / STEP_BYTES).unwrap_or(MOST);
    stall_timeout.saturating_mul(LEAST.saturating_add(steps).min(MOST))
}

/// What is left of it after this time, in whole milliseconds, which errors tell.
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
