//! Independent items on several threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::Control;
use crate::error::{Error, Result};

/// Does `each` for every item, on the calling thread and `control.workers - 1` more. The first error stops all.
///
/// Items are taken under a lock, so an item should be worth a hundred microseconds; a run of frames is.
/// `state` makes what one thread keeps between items, such as a buffer.
pub fn parallel<T: Send, S>(
    control: &Control<'_>,
    items: impl ExactSizeIterator<Item = T> + Send,
    state: impl Fn() -> Result<S> + Sync,
    each: impl Fn(&mut S, T) -> Result<()> + Sync,
) -> Result<()> {
    let helpers = control.workers.min(items.len()).saturating_sub(1);
    let shared = Shared { items: Mutex::new(items), stop: AtomicBool::new(false), error: Mutex::new(None) };
    let work = |poll: &dyn Fn() -> Result<()>| {
        let mut state = state()?;
        while let Some(item) = shared.take() {
            control.check()?;
            poll()?;
            each(&mut state, item)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        for _ in 0..helpers {
            // where no more threads can be had, fewer do the work
            let _ = thread::Builder::new().spawn_scoped(scope, || shared.keep(work(&|| Ok(()))));
        }
        shared.keep(work(control.poll));
    });
    match shared.error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

struct Shared<I> {
    items: Mutex<I>,
    stop: AtomicBool,
    error: Mutex<Option<Error>>,
}

impl<I: Iterator> Shared<I> {
    fn take(&self) -> Option<I::Item> {
        match self.stop.load(Ordering::Relaxed) {
            true => None,
            false => self.items.lock().unwrap_or_else(PoisonError::into_inner).next(),
        }
    }

    fn keep(&self, outcome: Result<()>) {
        if let Err(error) = outcome {
            self.stop.store(true, Ordering::Relaxed);
            self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }
}
