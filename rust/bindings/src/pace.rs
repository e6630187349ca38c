//! So many bytes a second and no more, over all threads of a job.

use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use strongroom_core::error::{Error, Result};
use strongroom_core::pipeline::Progress;

use crate::control::check_signals;

/// Gives out times at which to go on. Time that nobody used is not made up for.
pub(crate) struct Pace {
    bytes_a_second: u64,
    next: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(bytes_a_second: u64) -> Self {
        Pace { bytes_a_second: bytes_a_second.max(1), next: Mutex::new(Instant::now()) }
    }

    /// Waits for the time of so many bytes more. Signals and cancelling end the wait.
    pub(crate) fn wait(&self, bytes: u64, progress: &Progress) -> Result<()> {
        let until = self.book(bytes);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(MOMENT));
            check_signals()?;
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
        }
    }

    fn book(&self, bytes: u64) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "nobody minds a byte in 2^53")]
        let takes = Duration::from_secs_f64(bytes as f64 / self.bytes_a_second as f64);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let until = (*next).max(Instant::now());
        *next = until + takes;
        until
    }
}

const MOMENT: Duration = Duration::from_millis(50);
