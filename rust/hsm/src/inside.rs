//! How many calls are inside a module, and which of them may begin.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Counts the calls inside a module, and those of them that nobody waits for any more.
///
/// Once the module's state was ended no call begins: sessions of that state are neither used nor closed, since their handles
/// may be those of other sessions by now, and none is opened. Who begins anew has another of these.
#[derive(Debug, Default)]
pub(crate) struct Inside {
    all: AtomicUsize,
    late: AtomicUsize,
    state: AtomicU8,
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

    /// From now on no call begins.
    pub(crate) fn end(&self) {
        let _ = self.state.compare_exchange(OPEN, ENDING, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// It came to nothing: calls begin again, unless the end itself has begun.
    pub(crate) fn go_on(&self) {
        let _ = self.state.compare_exchange(ENDING, OPEN, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Counts a call in, unless the state is being ended. Whoever ends it says so before looking whether anyone is inside, so
    /// one of the two sees the other.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Entered> {
        let entered = self.counted();
        (self.state.load(Ordering::SeqCst) == OPEN).then_some(entered)
    }

    /// Counts in the call that ends the state.
    pub(crate) fn enter_last(self: &Arc<Self>) -> Entered {
        self.state.store(ENDED, Ordering::SeqCst);
        self.counted()
    }

    fn counted(self: &Arc<Self>) -> Entered {
        self.all.fetch_add(1, Ordering::SeqCst);
        Entered(Arc::clone(self))
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

const OPEN: u8 = 0;
const ENDING: u8 = 1;
const ENDED: u8 = 2;
