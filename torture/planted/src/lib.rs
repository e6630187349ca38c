//! Faults that a sanitizer must report, or its silence elsewhere means nothing.

/// Writes one byte behind a buffer that Python lent, as a binding that counts wrongly would.
///
/// # Safety
/// There is none: that is the fault.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write_behind(buffer: *mut u8, len: usize) {
    // SAFETY: none, see above
    unsafe { buffer.add(len).write(7) }
}

#[cfg(test)]
mod tests {
    use std::cell::UnsafeCell;
    use std::thread;

    struct Shared(UnsafeCell<u64>);

    // SAFETY: none: two threads write at once, which is the fault
    unsafe impl Sync for Shared {}

    #[test]
    fn two_threads_write_at_once() {
        let shared = Shared(UnsafeCell::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                let shared = &shared;
                // SAFETY: none, see above
                scope.spawn(move || (0..1000).for_each(|_| unsafe { *shared.0.get() += 1 }));
            }
        });
    }
}
