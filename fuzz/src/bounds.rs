//! What an input may cost: memory, by an allocator that counts, and time of the processor.

use std::time::Duration;

use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};

use crate::Target;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Far more than any input of a fuzzer's size needs, with all checks of a debug build.
const MAX_TIME: Duration = Duration::from_secs(10);

/// What an input cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// The most memory that was allocated at one time, in bytes. What C libraries allocate is not counted.
    pub bytes: usize,
    /// Time of the processor.
    pub time: Duration,
}

impl Cost {
    /// The larger of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), time: self.time.max(other.time) }
    }
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// Runs a target on an input, and gives what that cost.
///
/// # Panics
///
/// If the target does, or if the input cost more than it may.
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
