//! Independent items on several threads.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use super::Control;
use crate::error::{Error, Result};

/// Does `each` for every item, on the calling thread and `control.workers - 1` more. The first error stops all. Where
/// one thread is enough, nothing is shared and nothing allocated.
///
/// Items are taken under a lock, so an item should be worth a hundred microseconds; a run of frames is.
/// `state` makes what one thread keeps between items, such as a buffer.
pub fn parallel<T: Send, S>(
    control: &Control<'_>,
    items: impl ExactSizeIterator<Item = T> + Send,
    state: impl Fn() -> Result<S> + Sync,
    each: impl Fn(&mut S, T) -> Result<()> + Sync,
) -> Result<()> {
    parallel_then(control, items, state, each, |_, _| Ok(()))
}

/// The same, and then `last` on the calling thread, as soon as no item is left for it to take: the other threads may
/// still be at work on theirs. If one of them fails, so does the poll of the control that `last` is given.
pub fn parallel_then<T: Send, S>(
    control: &Control<'_>,
    items: impl ExactSizeIterator<Item = T> + Send,
    state: impl Fn() -> Result<S> + Sync,
    each: impl Fn(&mut S, T) -> Result<()> + Sync,
    last: impl FnOnce(&mut S, &Control<'_>) -> Result<()>,
) -> Result<()> {
    let helpers = control.workers.min(items.len()).saturating_sub(1);
    if helpers == 0 {
        return alone(control, items, state()?, each, last);
    }
    let shared = Shared::new(items);
    let work = |poll: &dyn Fn() -> Result<()>| shared.work(control, poll, &state, &each);
    let poll = || shared.check().and_then(|()| (control.poll)());
    thread::scope(|scope| {
        for _ in 0..helpers {
            // where no more threads can be had, fewer do the work
            let _ = thread::Builder::new().spawn_scoped(scope, || shared.keep(work(&|| Ok(())).map(drop)));
        }
        let done = work(control.poll).and_then(|mut state| {
            shared.check()?;
            last(&mut state, &Control { poll: &poll, ..*control })
        });
        shared.keep(done);
    });
    shared.outcome()
}

/// The same for items that the calling thread still has to make: the other threads are at work on the first while it
/// makes the next. It lends a hand when all are made, by a call to `apart` with the work that is left.
pub fn parallel_made<T: Send, S>(
    control: &Control<'_>,
    mut items: impl ExactSizeIterator<Item = Result<T>>,
    apart: Apart<'_>,
    state: impl Fn() -> Result<S> + Sync,
    each: impl Fn(&mut S, T) -> Result<()> + Sync,
) -> Result<()> {
    let helpers = control.workers.min(items.len()).saturating_sub(1);
    let (sender, made) = mpsc::channel();
    let shared = Shared::new(made.into_iter());
    let work = |poll: &dyn Fn() -> Result<()>| shared.work(control, poll, &state, &each);
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(helpers);
        for _ in 0..helpers {
            // where no more threads can be had, fewer do the work
            threads.extend(
                thread::Builder::new().spawn_scoped(scope, || shared.keep(work(&|| Ok(())).map(drop))),
            );
        }
        // goes out of scope whatever happens here, which ends the wait of the others
        let sender = sender;
        shared.keep(items.try_for_each(|item| {
            shared.check()?;
            (control.poll)()?;
            // `shared` holds the other end
            let _ = sender.send(item?);
            Ok(())
        }));
        drop(sender);
        apart(&mut || {
            shared.keep(work(control.poll).map(drop));
            for thread in threads.drain(..) {
                thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            }
        });
    });
    shared.outcome()
}

/// How the calling thread does its part of the work: at once, or once it let go of what others wait for.
pub type Apart<'a> = &'a dyn Fn(&mut (dyn FnMut() + Send));

fn alone<T, S>(
    control: &Control<'_>,
    items: impl Iterator<Item = T>,
    mut state: S,
    each: impl Fn(&mut S, T) -> Result<()>,
    last: impl FnOnce(&mut S, &Control<'_>) -> Result<()>,
) -> Result<()> {
    for item in items {
        control.check()?;
        (control.poll)()?;
        each(&mut state, item)?;
    }
    last(&mut state, control)
}

struct Shared<I> {
    items: Mutex<I>,
    stop: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl<I: Iterator> Shared<I> {
    fn new(items: I) -> Self {
        Shared { items: Mutex::new(items), stop: AtomicBool::new(false), error: Mutex::new(None) }
    }

    fn outcome(self) -> Result<()> {
        match self.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// One thread's part: does `each` for what it takes, until nothing is left, and gives its state back.
    fn work<S>(
        &self,
        control: &Control<'_>,
        poll: &dyn Fn() -> Result<()>,
        state: impl Fn() -> Result<S>,
        each: impl Fn(&mut S, I::Item) -> Result<()>,
    ) -> Result<S> {
        let mut state = state()?;
        while let Some(item) = self.take() {
            control.check()?;
            poll()?;
            each(&mut state, item)?;
        }
        Ok(state)
    }

    fn take(&self) -> Option<I::Item> {
        match self.stop.load(Ordering::Relaxed) {
            true => None,
            false => self.items.lock().unwrap_or_else(PoisonError::into_inner).next(),
        }
    }

    /// Fails if another thread did, whose error is then the one that counts.
    fn check(&self) -> Result<()> {
        match self.stop.load(Ordering::Acquire) {
            true => Err(Error::Cancelled),
            false => Ok(()),
        }
    }

    fn keep(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            // after the error, so that whoever stops because of it comes second
            self.stop.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Progress;

    #[test]
    fn what_comes_last_comes_after_every_item_on_one_thread_too() {
        for workers in [1, 4] {
            for count in [0, 1, 100] {
                let (progress, done) = (Progress::default(), Mutex::new(0));
                let control = Control { workers, progress: &progress, poll: &|| Ok(()) };
                let mut ended = false;
                let each = |_: &mut (), _| {
                    *done.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                    Ok(())
                };
                let last = |_: &mut (), _: &Control<'_>| {
                    ended = true;
                    Ok(())
                };
                parallel_then(&control, 0..count, || Ok(()), each, last).unwrap();
                assert!(ended);
                assert_eq!(done.into_inner().unwrap(), count);
            }
        }
    }

    #[test]
    fn an_error_or_a_cancelled_job_ends_it_before_what_comes_last() {
        for workers in [1, 4] {
            let progress = Progress::default();
            let control = Control { workers, progress: &progress, poll: &|| Ok(()) };
            let never = |_: &mut (), _: &Control<'_>| -> Result<()> { panic!("not reached") };
            let failing = |_: &mut (), _| Err(Error::KeyUnavailable);
            let failed = parallel_then(&control, 0..1, || Ok(()), failing, never);
            assert!(matches!(failed, Err(Error::KeyUnavailable)));
            progress.cancel();
            let cancelled = parallel_then(&control, 0..9, || Ok(()), |_, _| Ok(()), never);
            assert!(matches!(cancelled, Err(Error::Cancelled)));
        }
    }

    #[test]
    fn items_are_worked_on_while_others_are_made() {
        let (progress, done) = (Progress::default(), Mutex::new(0));
        let control = Control { workers: 2, progress: &progress, poll: &|| Ok(()) };
        let count = || *done.lock().unwrap_or_else(PoisonError::into_inner);
        let items = (0..2).map(|item| {
            while count() < item {
                thread::yield_now();
            }
            Ok(item)
        });
        let each = |_: &mut (), _| {
            *done.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            Ok(())
        };
        parallel_made(&control, items, &|work| work(), || Ok(()), each).unwrap();
        assert_eq!(count(), 2);
    }

    fn fails_at_five(item: u32) -> Result<u32> {
        if item == 5 { Err(Error::KeyUnavailable) } else { Ok(item) }
    }

    #[test]
    fn an_item_that_cannot_be_made_or_done_ends_the_job() {
        for workers in [1, 4] {
            let progress = Progress::default();
            let control = Control { workers, progress: &progress, poll: &|| Ok(()) };
            let job = |make: fn(u32) -> Result<u32>, each: fn(u32) -> Result<()>| {
                parallel_made(&control, (0..9).map(make), &|work| work(), || Ok(()), |(), item| each(item))
            };
            assert!(matches!(job(fails_at_five, |_| Ok(())), Err(Error::KeyUnavailable)));
            assert!(matches!(job(Ok, |item| fails_at_five(item).map(drop)), Err(Error::KeyUnavailable)));
            assert!(matches!(job(Ok, |_| Ok(())), Ok(())));
            progress.cancel();
            assert!(matches!(job(Ok, |_| Ok(())), Err(Error::Cancelled)));
        }
    }

    #[test]
    fn whoever_makes_the_items_hears_a_signal_meanwhile() {
        let (progress, made) = (Progress::default(), Mutex::new(0));
        let poll = || Err(Error::KeyUnavailable);
        let control = Control { workers: 2, progress: &progress, poll: &poll };
        let items = (0..9).map(|item| {
            *made.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            Ok(item)
        });
        let outcome = parallel_made(&control, items, &|_| (), || Ok(()), |(), _| Ok(()));
        assert!(matches!(outcome, Err(Error::KeyUnavailable)));
        assert_eq!(made.into_inner().unwrap(), 1);
    }

    #[test]
    fn a_panic_of_another_thread_is_not_lost() {
        let progress = Progress::default();
        let control = Control { workers: 2, progress: &progress, poll: &|| Ok(()) };
        let (caller, taken) = (thread::current().id(), AtomicBool::new(false));
        let each = |_: &mut (), _| {
            taken.store(true, Ordering::Relaxed);
            assert_eq!(thread::current().id(), caller, "as intended");
            Ok(())
        };
        let items = (0..2).map(|item| {
            while item == 1 && !taken.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            Ok(item)
        });
        let job = || parallel_made(&control, items, &|work| work(), || Ok(()), each);
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err());
    }
}
