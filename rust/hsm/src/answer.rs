//! What came of a call, between the thread that makes it and the one that waits for it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use crate::Fault;
use crate::inside::Inside;

pub(crate) struct Answer<T> {
    result: Mutex<Option<Result<T, Fault>>>,
    progress: AtomicU8,
    asker: Thread,
}

impl<T> Answer<T> {
    pub(crate) fn to_this_thread() -> Self {
        Answer { result: Mutex::new(None), progress: AtomicU8::new(WAITING), asker: thread::current() }
    }

    /// Whether the call is still wanted; who makes it says so before.
    pub(crate) fn begin(&self, inside: &Inside) -> bool {
        let wanted = self.pass(WAITING, RUNNING);
        if !wanted {
            inside.come_back();
        }
        wanted
    }

    pub(crate) fn give(&self, result: Result<T, Fault>, inside: &Inside) {
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        if self.progress.swap(DONE, Ordering::AcqRel) == LATE {
            inside.come_back();
        }
        self.asker.unpark();
    }

    pub(crate) fn is_there(&self) -> bool {
        self.progress.load(Ordering::Acquire) == DONE
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.progress.load(Ordering::Acquire) != WAITING
    }

    /// Sleeps until the answer may be there, for so long at most.
    pub(crate) fn sleep(&self, at_most: Duration) {
        if !self.is_there() {
            thread::park_timeout(at_most);
        }
    }

    pub(crate) fn take(&self) -> Option<Result<T, Fault>> {
        self.result.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Nobody waits any more.
    pub(crate) fn give_up(&self, call: &'static str, inside: &Inside) -> Fault {
        inside.give_up();
        if !self.pass(WAITING, LATE) && !self.pass(RUNNING, LATE) {
            // it has returned in this very moment
            inside.come_back();
        }
        Fault::Late { call }
    }

    fn pass(&self, from: u8, to: u8) -> bool {
        self.progress.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

const WAITING: u8 = 0;
const RUNNING: u8 = 1;
const DONE: u8 = 2;
const LATE: u8 = 3;
