//! `Control`: how Python watches and stops a job.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use strongroom_core::error::{Error, Result};
use strongroom_core::pipeline::{self, Progress, available_workers};

/// Watches and stops one job.
#[pyclass(frozen, module = "strongroom.crypto")]
#[derive(Clone)]
pub(crate) struct Control {
    workers: usize,
    progress: Arc<Progress>,
}

#[pymethods]
impl Control {
    #[new]
    #[pyo3(signature = (workers = None))]
    fn new(workers: Option<usize>) -> Self {
        let workers = workers.unwrap_or_else(available_workers).max(1);
        Control { workers, progress: Arc::default() }
    }

    /// Threads to use, the caller's own included.
    #[getter]
    fn workers(&self) -> usize {
        self.workers
    }

    /// Plaintext bytes processed so far.
    #[getter]
    fn bytes_done(&self) -> u64 {
        self.progress.bytes_done.load(Ordering::Relaxed)
    }

    /// Plaintext bytes in all, 0 while nobody knows.
    #[getter]
    fn bytes_total(&self) -> u64 {
        self.progress.bytes_total.load(Ordering::Relaxed)
    }

    #[setter]
    fn set_bytes_total(&self, total: u64) {
        self.progress.bytes_total.store(total, Ordering::Relaxed);
    }

    /// Files of a tree done so far.
    #[getter]
    fn files_done(&self) -> u64 {
        self.progress.files_done.load(Ordering::Relaxed)
    }

    /// Files of a tree in all, 0 while nobody knows.
    #[getter]
    fn files_total(&self) -> u64 {
        self.progress.files_total.load(Ordering::Relaxed)
    }

    /// Asks the job to stop at its next run of frames; it raises `Cancelled`.
    fn cancel(&self) {
        self.progress.cancel();
    }

    /// Whether someone asked the job to stop.
    #[getter]
    fn cancelled(&self) -> bool {
        self.progress.is_cancelled()
    }
}

impl Default for Control {
    fn default() -> Self {
        Control { workers: available_workers(), progress: Arc::default() }
    }
}

impl Control {
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

/// Runs a job with the caller's control, or with one of its own. The job polls Python's signals as it goes.
pub(crate) fn with_control<T>(
    given: Option<&Control>,
    job: impl FnOnce(&pipeline::Control<'_>) -> Result<T>,
) -> Result<T> {
    let own = Progress::default();
    let (workers, progress) = match given {
        Some(control) => (control.workers, &*control.progress),
        None => (available_workers(), &own),
    };
    let signals = Signals { start: Instant::now(), looked: AtomicU64::new(0) };
    job(&pipeline::Control { workers, progress, poll: &|| signals.look() })
}

/// Runs a job that is over before a thread could start or a signal be noticed.
pub(crate) fn at_once<T>(
    given: Option<&Control>,
    job: impl FnOnce(&pipeline::Control<'_>) -> Result<T>,
) -> Result<T> {
    let own = Progress::default();
    let progress = given.map_or(&own, |control| &*control.progress);
    job(&pipeline::Control { workers: 1, progress, poll: &|| Ok(()) })
}

/// Reads once, however long that takes: a signal that arrives meanwhile is Python's, and ends the wait if it raises.
pub(crate) fn read_or_signal(
    mut source: &File,
    memory: &mut [u8],
    failed: impl FnOnce(io::Error) -> Error,
) -> Result<usize> {
    loop {
        check_signals()?;
        if !await_input(source) {
            continue;
        }
        match source.read(memory) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read.map_err(failed),
        }
    }
}

/// Whether a read would not wait. Waits a moment itself, no longer: a signal just before a wait does not end it.
fn await_input(source: &File) -> bool {
    let mut polled = [PollFd::new(source, PollFlags::IN)];
    !matches!(poll(&mut polled, Some(&MOMENT)), Ok(0) | Err(Errno::INTR))
}

/// Looks for signals now and then: each look takes the GIL.
struct Signals {
    start: Instant,
    looked: AtomicU64,
}

impl Signals {
    fn look(&self) -> Result<()> {
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a running job fit 64 bits")]
        let now = self.start.elapsed().as_millis() as u64;
        if now < self.looked.load(Ordering::Relaxed) + LOOK_EVERY_MS {
            return Ok(());
        }
        self.looked.store(now, Ordering::Relaxed);
        check_signals()
    }
}

/// Heard on the main thread only, as Python does.
pub(crate) fn check_signals() -> Result<()> {
    Python::attach(|py| py.check_signals()).map_err(|error| Error::Caller(Box::new(error)))
}

const LOOK_EVERY_MS: u64 = 50;
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
