//! Which way to read, found by trying.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use crate::error::Result;
use crate::message::{Body, Reading};

/// Shared between the threads of a job: the first of its runs are read in both ways in turn, all others in the one that
/// was faster. Which one that is depends on the processor and on whether the data are in one of its caches.
pub(super) struct Trial {
    is_worth_it: bool,
    /// Runs that were begun.
    begun: AtomicU32,
    /// Nanoseconds of the fastest run so far.
    straight: AtomicU64,
    ahead: AtomicU64,
}

impl Trial {
    /// For the runs of this body. A small one is read straight: its data may well be in a cache. So is one of few frames,
    /// which are longer than a cache should take, and have too few runs to spend some on a trial.
    pub(super) fn new(body: &Body) -> Self {
        Trial {
            is_worth_it: body.plaintext_len() >= LARGE && body.frames() >= MANY,
            begun: AtomicU32::new(0),
            straight: AtomicU64::new(u64::MAX),
            ahead: AtomicU64::new(u64::MAX),
        }
    }

    /// Does a run in the way that it is due for.
    pub(super) fn run(&self, open: impl FnOnce(Reading) -> Result<()>) -> Result<()> {
        if !self.is_worth_it {
            return open(Reading::Straight);
        }
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

/// Plaintext bytes that are not in a cache, as far as one can guess.
const LARGE: u64 = 32 << 20;
/// Frames of a large body that make several times [`RUNS`] runs.
const MANY: u32 = 32;
/// Runs of the trial, half of them each way.
const RUNS: u32 = 6;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    /// In which ways the runs of a job were read, where one way is slow.
    fn ways(plaintext_len: u64, frame_length: u32, slow: Reading) -> Vec<Reading> {
        let body = Body::of_plaintext(plaintext_len, frame_length).unwrap();
        let (trial, ways) = (Trial::new(&body), Mutex::new(Vec::new()));
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
            let ways = ways(LARGE, 1 << 20, slow);
            let (tried, kept) = ways.split_at(RUNS as usize);
            assert_eq!(tried, [Reading::Straight, Reading::Ahead].repeat(3));
            assert_eq!(kept, [fast; 3]);
        }
    }

    #[test]
    fn a_job_that_is_small_or_has_few_frames_does_not_try() {
        for (plaintext_len, frame_length) in [(LARGE - 1, 4096), (LARGE, 2 << 20)] {
            let ways = ways(plaintext_len, frame_length, Reading::Straight);
            assert_eq!(ways, [Reading::Straight; RUNS as usize + 3]);
        }
    }
}
