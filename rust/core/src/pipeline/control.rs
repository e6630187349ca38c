//! How a caller watches and stops a running job.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::time::ClockId;

use crate::error::{Error, Result};

/// Shared between the threads of a job and whoever watches it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Plaintext bytes processed. Written once a run of frames, never once a frame.
    pub bytes_done: AtomicU64,
    /// Plaintext bytes in all, once known.
    pub bytes_total: AtomicU64,
    /// Files done.
    pub files_done: AtomicU64,
    /// Files in all, once known.
    pub files_total: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Asks the job to stop at its next run of frames.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether someone asked.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// What a job is given besides its data.
pub struct Control<'a> {
    /// Threads to use, the caller's own included.
    pub workers: usize,
    /// Where progress is told and cancelling is heard.
    pub progress: &'a Progress,
    /// Called by the calling thread between runs; an error stops the job. Python checks its signals here.
    pub poll: &'a (dyn Fn() -> Result<()> + Sync),
}

impl Control<'_> {
    /// Fails if the job was cancelled.
    pub fn check(&self) -> Result<()> {
        match self.progress.is_cancelled() {
            true => Err(Error::Cancelled),
            false => Ok(()),
        }
    }

    /// Runs a job that may fail without stopping those beside it. It is cancelled with them, and its progress is theirs.
    pub fn apart<T>(&self, job: impl FnOnce(&Control<'_>) -> Result<T>) -> Result<T> {
        let progress = Progress::default();
        let forward = || {
            self.progress
                .bytes_done
                .fetch_add(progress.bytes_done.swap(0, Ordering::Relaxed), Ordering::Relaxed)
        };
        let poll = || {
            forward();
            self.check()?;
            (self.poll)()
        };
        let outcome = job(&Control { workers: self.workers, progress: &progress, poll: &poll });
        forward();
        outcome
    }

    /// Tells that this many plaintext bytes are done.
    pub fn advance(&self, bytes: usize) {
        self.progress.bytes_done.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// How many threads this process may run at once, by affinity and control group.
///
/// Counting reads several files of the kernel, for longer than 64 KiB are under a cipher, so a count serves for a second.
pub fn available_workers() -> usize {
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    // the second of the count, and the count, which is never 0
    let second = rustix::time::clock_gettime(ClockId::MonotonicCoarse).tv_sec.cast_unsigned() << COUNT_BITS;
    let known = KNOWN.load(Ordering::Relaxed);
    let (counted, count) = (known & !COUNT_MASK, known & COUNT_MASK);
    if count > 0 && counted == second {
        #[expect(clippy::cast_possible_truncation, reason = "it was a usize")]
        return count as usize;
    }
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    KNOWN.store(second | (count as u64).min(COUNT_MASK), Ordering::Relaxed);
    count
}

const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
