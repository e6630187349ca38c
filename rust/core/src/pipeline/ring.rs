//! A stream through several threads, in order, in constant memory.
//!
//! ```text
//! read (a thread) ──► work (threads) ──► write (the caller, in order)
//!        ▲                                  │
//!        └────────── free slots ◄───────────┘
//! ```

use std::collections::BTreeMap;
use std::thread::{self, Scope};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use zeroize::Zeroize;

use super::{Control, Progress};
use crate::error::{Error, Result};

/// One slot of the ring: what was read and what was made of it. Buffers are reused.
#[derive(Debug, Default)]
pub struct Stage<U> {
    /// What `read` says of this piece.
    pub unit: U,
    /// What was read.
    pub input: Vec<u8>,
    /// What `work` made of it.
    pub output: Vec<u8>,
}

impl<U> Drop for Stage<U> {
    /// One of the two has held plaintext.
    fn drop(&mut self) {
        self.input.zeroize();
        self.output.zeroize();
    }
}

/// Runs a stream to its end.
///
/// `read` fills a slot, or returns `false` at the end; `work` turns input to output on any thread; `write` takes the
/// slots in order on the calling thread. The first error, in the order of the stream, ends it: `write` has then seen
/// every slot before it and none after.
pub fn ordered<U: Default + Send>(
    control: &Control<'_>,
    read: impl FnMut(&mut Stage<U>) -> Result<bool> + Send,
    work: impl Fn(&mut Stage<U>) -> Result<()> + Sync,
    write: impl FnMut(&mut Stage<U>) -> Result<()>,
) -> Result<()> {
    let workers = control.workers.max(1);
    let slots = 2 * workers + 2;
    let (free_in, free_out) = bounded(slots);
    let (full_in, full_out) = bounded(slots);
    let (done_in, done_out) = bounded(slots);
    for _ in 0..slots {
        // the channel holds all of them
        let _ = free_in.send(Stage::default());
    }
    thread::scope(|scope| {
        let unfinished = Unfinished(control.progress);
        start(scope, || feed(control, read, free_out, full_in))?;
        for index in 0..workers {
            let (full_out, done_in) = (full_out.clone(), done_in.clone());
            let started = start(scope, || attend(control, &work, full_out, done_in));
            // where no more threads can be had, fewer do the work
            if index == 0 {
                started?;
            }
        }
        drop((full_out, done_in));
        drain(control, write, done_out, free_in)?;
        unfinished.finish();
        Ok(())
    })
}

fn start<'scope>(scope: &'scope Scope<'scope, '_>, task: impl FnOnce() + Send + 'scope) -> Result<()> {
    let started = thread::Builder::new().spawn_scoped(scope, task);
    started.map(drop).map_err(Error::io_unnamed("start a thread"))
}

/// Cancels the job when it is left early, by an error or a panic: a reader that waits for input must see that nobody
/// wants it, and whoever waits for the slot of a thread that panicked that it will not come.
struct Unfinished<'a>(&'a Progress);

impl Unfinished<'_> {
    fn finish(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

type Numbered<U> = (u64, Result<Stage<U>>);

fn feed<U>(
    control: &Control<'_>,
    mut read: impl FnMut(&mut Stage<U>) -> Result<bool>,
    free: Receiver<Stage<U>>,
    full: Sender<Numbered<U>>,
) {
    for (index, mut slot) in (0..).zip(free) {
        let outcome = control.check().and_then(|()| read(&mut slot));
        let (slot, more) = match outcome {
            Ok(true) => (Ok(slot), true),
            Ok(false) => return,
            Err(error) => (Err(error), false),
        };
        if full.send((index, slot)).is_err() || !more {
            return;
        }
    }
}

fn attend<U>(
    control: &Control<'_>,
    work: &impl Fn(&mut Stage<U>) -> Result<()>,
    full: Receiver<Numbered<U>>,
    done: Sender<Numbered<U>>,
) {
    let unfinished = Unfinished(control.progress);
    for (index, slot) in full {
        let slot = slot.and_then(|mut slot| work(&mut slot).map(|()| slot));
        if done.send((index, slot)).is_err() {
            return;
        }
    }
    unfinished.finish();
}

fn drain<U>(
    control: &Control<'_>,
    mut write: impl FnMut(&mut Stage<U>) -> Result<()>,
    done: Receiver<Numbered<U>>,
    free: Sender<Stage<U>>,
) -> Result<()> {
    let mut waiting = BTreeMap::new();
    for next in 0.. {
        let slot = loop {
            if let Some(slot) = waiting.remove(&next) {
                break slot;
            }
            match done.recv_timeout(POLL) {
                Ok((index, slot)) => waiting.insert(index, slot),
                Err(RecvTimeoutError::Timeout) => {
                    (control.poll)()?;
                    control.check()?;
                    None
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
        };
        let mut slot: Stage<U> = slot?;
        (control.poll)()?;
        write(&mut slot)?;
        // the reader may be gone already
        let _ = free.send(slot);
    }
    Err(Error::Misuse("a stream without end".into()))
}

/// How long a signal may wait while nothing moves.
const POLL: Duration = Duration::from_millis(50);
