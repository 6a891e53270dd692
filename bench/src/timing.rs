//! Medians and rates.

use std::time::{Duration, Instant};

use crate::Result;

/// The speed of some work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) bytes_per_second: f64,
}

impl Rate {
    pub(crate) fn new(bytes: u64, time: Duration) -> Self {
        Self { bytes_per_second: bytes as f64 / time.as_secs_f64().max(1e-9) }
    }
}

/// The median of these times.
pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Work to measure. Its result only keeps the compiler from leaving it out.
type Turn<'a> = &'a mut dyn FnMut() -> Result<u64>;

/// The median rates over `bytes` bytes of several steps. The steps take turns `runs` times, after one turn that is
/// not counted.
pub(crate) fn rates<const N: usize>(runs: usize, bytes: u64, mut turns: [Turn<'_>; N]) -> Result<[Rate; N]> {
    let mut times = [const { Vec::new() }; N];
    for run in 0..=runs {
        for (turn, times) in turns.iter_mut().zip(&mut times) {
            let start = Instant::now();
            std::hint::black_box(turn()?);
            if run > 0 {
                times.push(start.elapsed());
            }
        }
    }
    Ok(times.map(|times| Rate::new(bytes, median(times))))
}
