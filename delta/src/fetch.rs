//! Fetching from memory ahead of time. The tables of the model are larger than a processor's nearest caches, and waiting for
//! them takes longer than the arithmetic.

/// Asks for the cache line that holds this, if the processor has an instruction for it. Nothing waits for the line.
#[inline(always)]
pub(crate) fn fetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    safe_arch::prefetch_t0(place);
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
