//! How many calls are inside a module, and which of them may begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the calls inside a module, and those of them that nobody waits for any more.
///
/// `ends` counts how often the module's state was ended. A session that was opened before an end is never used, nor closed,
/// after it: its handle may be that of another session by now.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    all: AtomicUsize,
    late: AtomicUsize,
    ends: AtomicUsize,
}

impl Inside {
    pub(crate) fn all(&self) -> usize {
        self.all.load(Ordering::SeqCst)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all() == 0
    }

    /// Whether more than one call is inside.
    pub(crate) fn is_crowd(&self) -> bool {
        self.all() > 1
    }

    /// From now on no call of an earlier session begins.
    pub(crate) fn end(&self) {
        self.ends.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn ends(&self) -> usize {
        self.ends.load(Ordering::SeqCst)
    }

    /// Counts a call in, unless its session is of a state that was ended. Whoever ends a state raises `ends` before looking
    /// whether anyone is inside, so one of the two sees the other.
    pub(crate) fn enter(self: &Arc<Self>, ends: usize) -> Option<Entered> {
        self.all.fetch_add(1, Ordering::SeqCst);
        let entered = Entered(Arc::clone(self));
        (self.ends() == ends).then_some(entered)
    }

    pub(crate) fn late(&self) -> usize {
        self.late.load(Ordering::Acquire)
    }

    pub(crate) fn give_up(&self) {
        self.late.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn come_back(&self) {
        self.late.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A call that was counted in, until this is dropped.
#[derive(Debug)]
pub(crate) struct Entered(Arc<Inside>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.all.fetch_sub(1, Ordering::SeqCst);
    }
}
