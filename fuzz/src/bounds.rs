//! Bounds on the cost of an input: on memory, by an allocator that counts, and on processor time.

use std::time::Duration;

use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};

use crate::Target;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The largest processor time of an input. It is far more than any input of a fuzzer's size needs, with all checks
/// of a debug build.
const MAX_TIME: Duration = Duration::from_secs(10);

/// The cost of an input.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// The most memory in bytes that was allocated at one time, except by C libraries.
    pub bytes: usize,
    /// The processor time.
    pub time: Duration,
}

impl Cost {
    /// The larger value of each field.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), time: self.time.max(other.time) }
    }
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Runs a target on an input, and returns the cost.
///
/// # Panics
///
/// The target panics, or the input costs more than its bounds allow.
pub fn run_within(target: &Target, input: &[u8]) -> Cost {
    ALLOCATOR.reset_peak_usage();
    let (before, begun) = (ALLOCATOR.current_usage(), processor_time());
    (target.run)(input);
    let cost =
        Cost { bytes: ALLOCATOR.peak_usage().saturating_sub(before), time: processor_time().saturating_sub(begun) };
    let (fixed_kib, each) = target.memory;
    let allowed = (fixed_kib << 10) + each * input.len();
    assert!(cost.bytes <= allowed, "{}: {} bytes of memory for {} of input", target.name, cost.bytes, input.len());
    assert!(cost.time <= MAX_TIME, "{}: {:?} for {} bytes of input", target.name, cost.time, input.len());
    cost
}
