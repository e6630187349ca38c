//! Where a session's calls wait, so that they are made in order and one at a time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The calls of a session that have not begun.
#[derive(Default)]
pub(crate) struct Line(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// A thread goes through them, or will.
    served: bool,
}

impl Line {
    /// Whether somebody has to be found who serves it.
    pub(crate) fn join(&self, job: Job) -> bool {
        let mut waiting = self.waiting();
        waiting.jobs.push_back(job);
        !std::mem::replace(&mut waiting.served, true)
    }

    /// Does all that is there, and what comes meanwhile.
    pub(crate) fn serve(&self) {
        while let Some(job) = self.next() {
            job();
        }
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.waiting();
        let job = waiting.jobs.pop_front();
        waiting.served = job.is_some();
        job
    }

    pub(crate) fn clear(&self) {
        while self.next().is_some() {}
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line")
    }
}
