//! Looking out for what soon comes, before sleeping until it does.
//!
//! To sleep and be woken takes some microseconds, and far more where that wakes a processor. Who looks out lets every other
//! thread run meanwhile: with more threads than processors that is how what is waited for comes about.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Whether looking out has been worth while: where it was not, that is left for twice as many times.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    misses: AtomicU32,
    left_out: AtomicU32,
}

impl Lookout {
    /// Looks out for a moment for what is soon `true`, and whether it was. No answer but `true` means anything.
    ///
    /// In a crowd it is a few looks, which cost nothing that others would not have used. To sleep after those is what makes
    /// the kernel spread threads over processors: those that only yield stay where they are, all who wait on one of them.
    pub(crate) fn sees(&self, crowd: bool, mut is_there: impl FnMut() -> bool) -> bool {
        let left_out = self.left_out.load(Ordering::Relaxed);
        if left_out > 0 {
            self.left_out.store(left_out - 1, Ordering::Relaxed);
            return false;
        }
        let begun = Instant::now();
        for look in 0.. {
            if is_there() {
                self.misses.store(0, Ordering::Relaxed);
                return true;
            }
            if look >= LOOKS && crowd {
                return false;
            }
            if look >= LOOKS && begun.elapsed() >= MOMENT {
                break;
            }
            thread::yield_now();
        }
        let misses = (self.misses.load(Ordering::Relaxed) + 1).min(MOST_MISSES);
        self.misses.store(misses, Ordering::Relaxed);
        self.left_out.store(1 << misses, Ordering::Relaxed);
        false
    }
}

/// As long as a token takes that is software; one behind a network takes longer, and is hardly ever looked out for.
const MOMENT: Duration = Duration::from_micros(50);
const LOOKS: u32 = 16;
const MOST_MISSES: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_worth_looking_out_for_is_left_out_twice_as_often_each_time() {
        let lookout = Lookout::default();
        let mut asked = Vec::new();
        for turn in 0..8 {
            lookout.sees(false, || {
                asked.push(turn);
                false
            });
        }
        asked.dedup();
        assert_eq!(asked, [0, 3]);
        while !lookout.sees(false, || true) {}
        assert_eq!(lookout.misses.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_crowd_is_looked_at_a_few_times_each_time() {
        let lookout = Lookout::default();
        for _ in 0..8 {
            let mut looks = 0;
            lookout.sees(true, || {
                looks += 1;
                false
            });
            assert_eq!(looks, LOOKS + 1);
        }
    }
}
