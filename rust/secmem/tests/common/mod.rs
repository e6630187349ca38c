//! A child of the test. It ends by `_exit`, so it never returns into the test harness.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `body` in a forked child; a panic there, a signal, or ten seconds fail the test here.
pub(crate) fn in_child(body: impl FnOnce()) {
    // SAFETY: the child runs `body` and `_exit`; the code under test claims to be safe after a fork, glibc's
    // allocator is.
    let child = unsafe { libc::fork() };
    assert!(child >= 0);
    if child == 0 {
        // SAFETY: no precondition.
        unsafe { libc::alarm(10) };
        let failed = catch_unwind(AssertUnwindSafe(body)).is_err();
        // SAFETY: ends the process without running the harness's exit handlers.
        unsafe { libc::_exit(i32::from(failed)) };
    }
    let mut outcome = 0;
    // SAFETY: `outcome` is a valid place for the result.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut outcome, 0) }, child);
    assert_eq!(outcome, 0, "the child failed");
}
