//! How much memory a parser takes, counted by the allocator itself: a length that a stranger claims is no reason to
//! allocate.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Does `work`, which may allocate so many bytes in all, whether it gives them back or not.
pub(crate) fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let region = Region::new(ALLOCATOR);
    let made = work();
    let allocated = region.change().bytes_allocated;
    assert!(allocated <= bytes, "{allocated} bytes were allocated where {bytes} are enough");
    made
}
