//! Which way to read, found by trying.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crate::error::Result;
use crate::message::Reading;

/// Shared between the threads of a job: the first of its runs are read in both ways in turn, all others in the one that
/// was faster. Which one that is depends on the processor and on whether the data are in one of its caches.
pub(super) struct Trial {
    /// Runs that were begun.
    begun: AtomicU32,
    /// Nanoseconds of the fastest run so far.
    straight: AtomicU64,
    ahead: AtomicU64,
}

impl Trial {
    /// For a job of this many plaintext bytes. A small one is read straight: its data may well be in a cache, and it has
    /// too few runs to spend some on a trial.
    pub(super) fn new(plaintext_len: usize) -> Self {
        Trial {
            begun: AtomicU32::new(if plaintext_len < WORTH_A_TRIAL { RUNS } else { 0 }),
            straight: AtomicU64::new(u64::MAX),
            ahead: AtomicU64::new(u64::MAX),
        }
    }

    /// Does a run in the way that it is due for.
    pub(super) fn run(&self, open: impl FnOnce(Reading) -> Result<()>) -> Result<()> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        if number >= RUNS {
            return open(self.faster());
        }
        let (reading, fastest) = match number % 2 {
            0 => (Reading::Straight, &self.straight),
            _ => (Reading::Ahead, &self.ahead),
        };
        let start = Instant::now();
        open(reading)?;
        let nanoseconds = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        fastest.fetch_min(nanoseconds, Ordering::Relaxed);
        Ok(())
    }

    fn faster(&self) -> Reading {
        match self.ahead.load(Ordering::Relaxed) < self.straight.load(Ordering::Relaxed) {
            true => Reading::Ahead,
            false => Reading::Straight,
        }
    }
}

/// Plaintext bytes of a job that is cut into several times [`RUNS`] runs.
const WORTH_A_TRIAL: usize = 32 << 20;
/// Runs of the trial, half of them each way.
const RUNS: u32 = 6;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    /// In which ways the runs of a job were read, where one way is slow.
    fn ways(plaintext_len: usize, slow: Reading) -> Vec<Reading> {
        let (trial, ways) = (Trial::new(plaintext_len), Mutex::new(Vec::new()));
        for _ in 0..RUNS + 3 {
            let run = |reading| {
                ways.lock().unwrap().push(reading);
                sleep(Duration::from_millis(if reading == slow { 20 } else { 0 }));
                Ok(())
            };
            trial.run(run).unwrap();
        }
        ways.into_inner().unwrap()
    }

    #[test]
    fn the_faster_way_is_kept() {
        for (slow, fast) in [(Reading::Straight, Reading::Ahead), (Reading::Ahead, Reading::Straight)] {
            let ways = ways(WORTH_A_TRIAL, slow);
            let (tried, kept) = ways.split_at(RUNS as usize);
            assert_eq!(tried, [Reading::Straight, Reading::Ahead].repeat(3));
            assert_eq!(kept, [fast; 3]);
        }
    }

    #[test]
    fn a_small_job_does_not_try() {
        assert_eq!(ways(WORTH_A_TRIAL - 1, Reading::Straight), [Reading::Straight; RUNS as usize + 3]);
    }
}
